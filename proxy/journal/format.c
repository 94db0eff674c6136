/* See format.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#define XXH_INLINE_ALL
#include "journal/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

_Static_assert(sizeof(((struct format_key *)0)->secret) == XXH_SECRET_DEFAULT_SIZE,
               "the secret is XXH3's default one, derived from the seed");

static const char segment_magic[8] = {'W', 'E', 'I', 'R', 'J', 'R', 'N', 'L'};
enum { HASHED_AT = 8 }; /* the checksum itself is not hashed */

void format_key_init(struct format_key *key, const uint8_t journal_id[16])
{
    key->seed = XXH3_64bits(journal_id, 16);
    XXH3_generateSecret_fromSeed(key->secret, key->seed);
}

/* The finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection in which every bit of the
 * number moves half of the result. */
uint64_t format_mix(uint64_t number)
{
    uint64_t z = number * UINT64_C(0x9E3779B97F4A7C15) + UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Equal to XXH3_64bits_withSeed, without deriving the secret anew for every long record. */
uint64_t format_hash(const struct format_key *key, const struct record_header *record)
{
    return XXH3_64bits_withSecretandSeed((const char *)record + HASHED_AT,
                                         sizeof(*record) - HASHED_AT + record->len, key->secret,
                                         sizeof(key->secret), key->seed);
}

uint64_t format_hash_parts(const struct format_key *key, const struct record_header *record,
                           const struct slice *parts, uint32_t parts_len)
{
    XXH3_state_t state;
    memset(&state, 0, sizeof(state)); /* the reset reads what an earlier use left */
    XXH3_64bits_reset_withSeed(&state, key->seed);
    XXH3_64bits_update(&state, (const char *)record + HASHED_AT, sizeof(*record) - HASHED_AT);
    for (uint32_t i = 0; i < parts_len; i++)
        XXH3_64bits_update(&state, parts[i].ptr, parts[i].len);
    return XXH3_64bits_digest(&state);
}

bool format_verify(const struct format_key *key, uint64_t mix, const void *at, uint64_t room)
{
    const struct record_header *record = at;
    if (room < sizeof(*record) || record->len > JOURNAL_PAYLOAD_MAX ||
        format_record_bytes(record->len) > room)
        return false;
    return record->lsn != 0 && record->checksum == (format_hash(key, record) ^ mix);
}

bool format_is_zero(const void *at, size_t len)
{
    const char *p = at;
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

void format_marker(const struct format_key *key, void *to, uint64_t next_lsn, uint64_t durable_lsn,
                   uint64_t number)
{
    struct {
        struct record_header head;
        struct marker_body body;
    } marker = {
        {.lsn = next_lsn,
         .time_ms = clock_wall().ms,
         .len = sizeof(struct marker_body),
         .flags = FORMAT_MARKER},
        {.durable_lsn = durable_lsn, .number = number},
    };
    _Static_assert(sizeof(marker) == FORMAT_MARKER_BYTES, "header and body lie side by side");
    marker.head.checksum = format_hash(key, &marker.head) ^ format_mix(number);
    memcpy(to, &marker, sizeof(marker));
}

uint64_t format_read_marker(const struct format_key *key, uint64_t number, const void *at,
                            uint64_t room)
{
    const struct record_header *head = at;
    if (room < FORMAT_MARKER_BYTES || head->flags != FORMAT_MARKER ||
        head->len != sizeof(struct marker_body))
        return 0;
    const struct marker_body *body = (const struct marker_body *)(head + 1);
    if (body->number != number || !format_verify(key, format_mix(number), at, room))
        return 0;
    return body->durable_lsn;
}

void format_seal_header(struct segment_header *header, void *page)
{
    memcpy(header->magic, segment_magic, sizeof(segment_magic));
    header->version = FORMAT_VERSION;
    header->reserved = 0;
    header->checksum = XXH3_64bits(header, offsetof(struct segment_header, checksum));
    memset(page, 0, FORMAT_PAGE);
    memcpy(page, header, sizeof(*header));
}

uint64_t format_checksum(const void *at, size_t len)
{
    return XXH3_64bits(at, len);
}

void format_seal_note(const uint8_t boot_id[16], uint32_t rings, void *page)
{
    struct segment_note note = {.rings = rings};
    memcpy(note.boot_id, boot_id, 16);
    note.checksum = format_checksum(&note, offsetof(struct segment_note, checksum));
    memcpy((char *)page + FORMAT_NOTE_AT, &note, sizeof(note));
}

void format_read_note(const void *page, struct segment_note *out)
{
    memcpy(out, (const char *)page + FORMAT_NOTE_AT, sizeof(*out));
    if (out->checksum != format_checksum(out, offsetof(struct segment_note, checksum)))
        memset(out, 0, sizeof(*out));
}

/* Another format may have another header after the version, so its checksum is not looked at. */
enum format_verdict format_check_header(const void *page, size_t len, struct segment_header *out)
{
    if (len < sizeof(*out))
        return FORMAT_BAD;
    memcpy(out, page, sizeof(*out));
    if (memcmp(out->magic, segment_magic, sizeof(segment_magic)) != 0)
        return FORMAT_BAD;
    if (out->version > FORMAT_VERSION)
        return FORMAT_NEWER;
    if (out->version < FORMAT_VERSION)
        return FORMAT_OLDER;
    if (out->checksum != XXH3_64bits(out, offsetof(struct segment_header, checksum)))
        return FORMAT_BAD;
    return out->first_lsn == 0 || out->continues_after >= out->first_lsn ? FORMAT_BAD : FORMAT_GOOD;
}

/* Reads `digits` decimal digits that are followed by `tail` and nothing else. */
static bool parse_digits(const char *text, size_t digits, const char *tail, uint64_t *out)
{
    uint64_t n = 0;
    for (size_t i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9' || n > (UINT64_MAX - 9) / 10)
            return false;
        n = n * 10 + (uint64_t)(text[i] - '0');
    }
    *out = n;
    return strcmp(text + digits, tail) == 0;
}

void format_segment_name(char out[FORMAT_NAME_MAX], uint64_t first_lsn)
{
    snprintf(out, FORMAT_NAME_MAX, "%020llu.wj", (unsigned long long)first_lsn);
}

bool format_is_segment_name(const char *name, uint64_t *first_lsn)
{
    return parse_digits(name, 20, ".wj", first_lsn);
}

void format_spare_name(char out[FORMAT_NAME_MAX], uint64_t serial)
{
    snprintf(out, FORMAT_NAME_MAX, "spare-%020llu.wj", (unsigned long long)serial);
}

bool format_is_spare_name(const char *name, uint64_t *serial)
{
    return strncmp(name, "spare-", 6) == 0 && parse_digits(name + 6, 20, ".wj", serial);
}

void format_ring_name(char out[FORMAT_NAME_MAX], uint32_t producer)
{
    snprintf(out, FORMAT_NAME_MAX, "ring-%u", producer);
}

bool format_is_ring_name(const char *name, uint32_t *producer)
{
    if (strncmp(name, "ring-", 5) != 0)
        return false;
    char *end;
    unsigned long n = strtoul(name + 5, &end, 10);
    char canonical[FORMAT_NAME_MAX];
    format_ring_name(canonical, (uint32_t)n);
    *producer = (uint32_t)n;
    return *end == '\0' && strcmp(canonical, name) == 0;
}
