/* What the bytes of a journal mean: the only place that knows the layout on disk.
 *
 *   segment   | header page 4096 | group | group | ... | zeros, or leftovers of an earlier use |
 *   group     | marker | record | record | ... |
 *   record    | record_header 40 | payload | zeros up to a multiple of 8 |
 *
 * A marker is a record of its own kind without an LSN of its own: its lsn is that of the record
 * after it, and its payload says up to where the journal was durable when the group was written.
 * A group is followed by at least a header's worth of zeros, which is how a clean end looks.
 *
 * The checksum of a record is XXH3-64, seeded from the journal's id, over the header after the
 * checksum and the payload, XORed with a mix of the number of the segment (or of the generation of
 * the ring) that holds it. So a block from another journal, another segment or an earlier use of
 * the same file does not verify, and moving a record from a ring to a segment needs no hashing.
 *
 * Integers are little-endian.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef JOURNAL_FORMAT_H
#define JOURNAL_FORMAT_H

#include "journal/journal.h"

enum {
    FORMAT_VERSION = 2, /* 1 had the id of a store in the place of the journal's own */
    FORMAT_PAGE = 4096,
    FORMAT_DATA_AT = FORMAT_PAGE, /* offset of the first record in a segment */
    FORMAT_NOTE_AT = 1024,
    FORMAT_NAME_MAX = 48, /* of a file in the directory, with its terminator */
};
#define FORMAT_MARKER ((uint32_t)1 << 31) /* in record_header.flags */

struct segment_header { /* at offset 0; the rest of the page is zero */
    char magic[8];
    uint32_t version;
    uint32_t reserved;
    uint8_t journal_id[16];   /* drawn when the journal is created */
    uint64_t number;          /* grows with every segment that is ever put to use */
    uint64_t first_lsn;       /* also the file's name */
    uint64_t continues_after; /* last LSN of what comes before; first_lsn - 1 but after a jump */
    uint64_t durable_lsn;     /* when the segment was put to use */
    uint64_t run;             /* number of the first segment of this start; also its rings' */
    int64_t created_ms;
    uint64_t checksum; /* XXH3-64 without seed over everything above */
};

/* In the header's page, at FORMAT_NOTE_AT; zeros where a program did not write it. */
struct segment_note {
    uint8_t boot_id[16]; /* of the machine's run in which the segment was begun */
    uint32_t rings;      /* of the journal's run */
    uint32_t reserved;
    uint64_t checksum;
};

struct record_header {
    uint64_t checksum;
    uint64_t lsn;
    int64_t time_ms;
    uint32_t len; /* of the payload */
    uint32_t db;
    uint32_t flags;
    uint32_t reserved;
};

struct marker_body {
    uint64_t durable_lsn;
    uint64_t number; /* of the segment */
};

enum {
    FORMAT_MARKER_BYTES = (int)(sizeof(struct record_header) + sizeof(struct marker_body)),
    FORMAT_TAIL_ZEROS = (int)sizeof(struct record_header),
};
#define FORMAT_RECORD_MAX (JOURNAL_PAYLOAD_MAX + sizeof(struct record_header))

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");
_Static_assert(sizeof(struct segment_header) == 88, "no padding in what is on disk");
_Static_assert(sizeof(struct record_header) == 40, "no padding in what is on disk");

/* What a journal's checksums are computed with. */
struct format_key {
    uint64_t seed;
    uint8_t secret[192] __attribute__((aligned(64)));
};

void format_key_init(struct format_key *key, const uint8_t journal_id[16]);
/* The XOR of a segment's number or of a ring's generation. */
uint64_t format_mix(uint64_t number);

static inline uint64_t format_round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static inline uint64_t format_record_bytes(uint64_t payload)
{
    return format_round_up(sizeof(struct record_header) + payload, 8);
}

static inline struct journal_record format_view(const struct record_header *r)
{
    return (struct journal_record){
        .lsn = r->lsn,
        .time = {r->time_ms},
        .db = r->db,
        .flags = r->flags,
        .payload = slice_of(r + 1, r->len),
    };
}

/* Hash of a record in one piece, before the XOR. */
uint64_t format_hash(const struct format_key *key, const struct record_header *record);
/* The same, of a header and a payload in parts. */
uint64_t format_hash_parts(const struct format_key *key, const struct record_header *record,
                           const struct slice *parts, uint32_t parts_len);

/* Whether `room` bytes at `at` begin with a whole record that verifies; `mix` is format_mix() of
 * where it lies. Safe for any bytes. */
bool format_verify(const struct format_key *key, uint64_t mix, const void *at, uint64_t room);
bool format_is_zero(const void *at, size_t len);
/* Writes a marker of FORMAT_MARKER_BYTES. */
void format_marker(const struct format_key *key, void *to, uint64_t next_lsn, uint64_t durable_lsn,
                   uint64_t number);
/* The durable LSN of the marker that verifies at `at`, or 0. Quick to say no. */
uint64_t format_read_marker(const struct format_key *key, uint64_t number, const void *at,
                            uint64_t room);

/* Fills in magic, version and checksum. `page` has FORMAT_PAGE bytes. */
void format_seal_header(struct segment_header *header, void *page);
/* Puts a note into a header's page, and reads it: zeros where there is none. */
void format_seal_note(const uint8_t boot_id[16], uint32_t rings, void *page);
void format_read_note(const void *page, struct segment_note *out);
/* XXH3-64 without seed. */
uint64_t format_checksum(const void *at, size_t len);
enum format_verdict { FORMAT_GOOD, FORMAT_BAD, FORMAT_OLDER, FORMAT_NEWER };
enum format_verdict format_check_header(const void *page, size_t len, struct segment_header *out);

/* File names: "<20 digits>.wj". */
void format_segment_name(char out[FORMAT_NAME_MAX], uint64_t first_lsn);
bool format_is_segment_name(const char *name, uint64_t *first_lsn);
/* "spare-<20 digits>.wj": preallocated, not in use. */
void format_spare_name(char out[FORMAT_NAME_MAX], uint64_t serial);
bool format_is_spare_name(const char *name, uint64_t *serial);

/* A ring file: one page of struct ring_page, then the bytes of the ring. */
void format_ring_name(char out[FORMAT_NAME_MAX], uint32_t producer);
bool format_is_ring_name(const char *name, uint32_t *producer);

#endif
