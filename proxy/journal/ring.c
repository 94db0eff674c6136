/* See ring.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/ring.h"

#include <sys/mman.h>

static const char ring_magic[8] = {'W', 'E', 'I', 'R', 'R', 'I', 'N', 'G'};

uint64_t ring_page_checksum(const struct ring_page *page)
{
    static const uint8_t nobody[16];
    struct format_key key;
    format_key_init(&key, nobody);
    struct record_header head = {.lsn = 1, .len = offsetof(struct ring_page, checksum)};
    struct slice part = slice_of(page, head.len);
    return format_hash_parts(&key, &head, &part, 1) | 1;
}

static enum rc map_file(const struct fs *fs, struct fs_file *file, uint64_t size, struct ring *out,
                        struct err *err)
{
    void *at;
    enum rc rc = fs->map(fs->ctx, file, (size_t)size, &at, err);
    if (rc != RC_OK)
        return rc;
    memset(out, 0, sizeof(*out));
    out->page = at;
    out->data = (char *)at + FORMAT_PAGE;
    out->bytes = size - FORMAT_PAGE;
    return RC_OK;
}

static bool positions_make_sense(const struct ring *ring)
{
    uint64_t from = atomic_load(&ring->page->read_pos);
    uint64_t to = atomic_load(&ring->page->write_pos);
    return from <= to && to - from <= ring->bytes && from % 8 == 0 && to % 8 == 0;
}

enum rc ring_open(const struct fs *fs, const char *path, const uint8_t *journal_id,
                  struct ring *out, struct err *err)
{
    struct fs_file *file;
    uint64_t size;
    enum rc rc = fs->open(fs->ctx, path, FS_READ_WRITE, &file, err);
    if (rc != RC_OK)
        return rc;
    rc = fs->size(fs->ctx, file, &size, err);
    uint64_t bytes = size - FORMAT_PAGE;
    if (rc == RC_OK &&
        (size < FORMAT_PAGE + RING_BYTES_MIN || size > SIZE_MAX / 2 || (bytes & (bytes - 1)) != 0))
        rc = err_set(err, RC_CORRUPT, "ring '%s' has a wrong size", path);
    if (rc == RC_OK)
        rc = map_file(fs, file, size, out, err);
    fs->close(fs->ctx, &file);
    if (rc != RC_OK)
        return rc;
    const struct ring_page *page = out->page;
    if (memcmp(page->magic, ring_magic, sizeof(ring_magic)) == 0 && page->version != FORMAT_VERSION)
        rc = err_set(err, RC_FOREIGN, "ring '%s' is of format %u, this program's is %d", path,
                     page->version, FORMAT_VERSION);
    else if (memcmp(page->magic, ring_magic, sizeof(ring_magic)) != 0 ||
             page->checksum != ring_page_checksum(page) || page->bytes != out->bytes ||
             !positions_make_sense(out))
        rc = err_set(err, RC_CORRUPT, "ring '%s' has no valid head", path);
    else if (journal_id != NULL && memcmp(page->journal_id, journal_id, JOURNAL_ID_BYTES) != 0)
        rc = err_set(err, RC_FOREIGN, "ring '%s' belongs to another journal", path);
    if (rc != RC_OK) {
        ring_close(fs, out);
        return rc;
    }
    out->mix = format_mix(page->generation);
    out->cursor = atomic_load(&page->read_pos);
    out->write_seen = atomic_load(&page->write_pos);
    return RC_OK;
}

static enum rc write_zeros(const struct fs *fs, struct fs_file *file, uint64_t size,
                           struct err *err)
{
    static const char zeros[64 << 10];
    enum rc rc = RC_OK;
    for (uint64_t at = 0; rc == RC_OK && at < size; at += sizeof(zeros))
        rc = fs->pwrite(fs->ctx, file, zeros, (size_t)min_u64(sizeof(zeros), size - at), at, err);
    return rc;
}

enum rc ring_create(const struct fs *fs, const char *path, uint64_t bytes, struct ring *out,
                    struct err *err)
{
    must(bytes >= RING_BYTES_MIN && (bytes & (bytes - 1)) == 0);
    struct fs_file *file;
    uint64_t size = bytes + FORMAT_PAGE;
    enum rc rc = fs->open(fs->ctx, path, FS_CREATE, &file, err);
    if (rc != RC_OK)
        return rc;
    rc = write_zeros(fs, file, size, err);
    if (rc == RC_OK)
        rc = fs->sync(fs->ctx, file, err);
    if (rc == RC_OK)
        rc = map_file(fs, file, size, out, err);
    fs->close(fs->ctx, &file);
    struct err ignored; /* if it stays: it has no head, so a later start removes it */
    if (rc != RC_OK && fs->remove(fs->ctx, path, &ignored) != RC_OK)
        memset(out, 0, sizeof(*out));
    return rc;
}

void ring_close(const struct fs *fs, struct ring *ring)
{
    if (ring->page == NULL)
        return;
    fs->unmap(fs->ctx, ring->page, (size_t)ring->bytes + FORMAT_PAGE);
    ring->page = NULL;
}

/* The order of the stores is what a kill at any instruction leaves behind. */
void ring_reset(struct ring *ring, const uint8_t journal_id[16], const uint8_t boot_id[16],
                uint32_t producer, uint64_t generation)
{
    struct ring_page *page = ring->page;
    *(volatile uint64_t *)&page->checksum = 0;
    atomic_thread_fence(memory_order_seq_cst);
    atomic_store(&page->write_pos, 0);
    atomic_store(&page->read_pos, 0);
    atomic_store(&page->released_lsn, 0);
    atomic_store(&page->durable_lsn, 0);
    memcpy(page->magic, ring_magic, sizeof(ring_magic));
    page->version = FORMAT_VERSION;
    page->producer = producer;
    memcpy(page->journal_id, journal_id, JOURNAL_ID_BYTES);
    memcpy(page->boot_id, boot_id, 16);
    page->generation = generation;
    page->bytes = ring->bytes;
    uint64_t sum = ring_page_checksum(page);
    atomic_thread_fence(memory_order_seq_cst);
    *(volatile uint64_t *)&page->checksum = sum;
    ring->mix = format_mix(generation);
    ring->write_pos = ring->read_seen = ring->cursor = ring->write_seen = 0;
}

/* Where a record of `bytes` would begin, and in *end where it would end. */
static uint64_t place(const struct ring *ring, uint64_t bytes, uint64_t *end)
{
    uint64_t rest = ring->bytes - (ring->write_pos & (ring->bytes - 1));
    uint64_t at = bytes <= rest ? ring->write_pos : ring->write_pos + rest;
    *end = at + bytes;
    return at;
}

bool ring_has_room(struct ring *ring, uint64_t bytes)
{
    uint64_t end;
    if (bytes > ring->bytes)
        return false;
    place(ring, bytes, &end);
    if (LIKELY(end - ring->read_seen <= ring->bytes))
        return true;
    /* Sequentially consistent: pairs with the journal thread's look at who waits for room. */
    ring->read_seen = atomic_load(&ring->page->read_pos);
    return end - ring->read_seen <= ring->bytes;
}

bool ring_put(struct ring *ring, const struct format_key *key, const struct record_header *head,
              const struct slice *parts, uint32_t parts_len)
{
    uint64_t bytes = format_record_bytes(head->len), end;
    if (UNLIKELY(!ring_has_room(ring, bytes)))
        return false;
    uint64_t at = place(ring, bytes, &end);
    if (UNLIKELY(at != ring->write_pos))
        *(uint64_t *)(void *)(ring->data + (ring->write_pos & (ring->bytes - 1))) = RING_SKIP;
    struct record_header *to = (void *)(ring->data + (at & (ring->bytes - 1)));
    char *p = (char *)(to + 1);
    *(uint64_t *)(void *)((char *)to + bytes - 8) = 0; /* what pads the payload */
    *to = *head;
    for (uint32_t i = 0; i < parts_len; i++) {
        if (parts[i].len > 0)
            memcpy(p, parts[i].ptr, parts[i].len);
        p += parts[i].len;
    }
    to->checksum = format_hash(key, to) ^ ring->mix;
    ring->write_pos = end;
    atomic_store_explicit(&ring->page->write_pos, end, memory_order_release);
    return true;
}

const struct record_header *ring_peek(struct ring *ring, const struct format_key *key, bool *bad)
{
    for (;;) {
        if (ring->cursor == ring->write_seen) {
            ring->write_seen = atomic_load_explicit(&ring->page->write_pos, memory_order_acquire);
            if (ring->cursor == ring->write_seen)
                return NULL;
        }
        uint64_t offset = ring->cursor & (ring->bytes - 1);
        uint64_t rest = ring->bytes - offset;
        const struct record_header *record = (const void *)(ring->data + offset);
        if (UNLIKELY(record->checksum == RING_SKIP && ring->write_seen - ring->cursor >= rest)) {
            ring->cursor += rest;
            continue;
        }
        uint64_t room = min_u64(rest, ring->write_seen - ring->cursor);
        if (key != NULL && !format_verify(key, ring->mix, record, room)) {
            *bad = true;
            return NULL;
        }
        must(format_record_bytes(record->len) <= room);
        return record;
    }
}

void ring_skip(struct ring *ring, const struct record_header *record)
{
    ring->cursor += format_record_bytes(record->len);
}

void ring_release(struct ring *ring, uint64_t lsn)
{
    atomic_store_explicit(&ring->page->released_lsn, lsn, memory_order_relaxed);
    if (atomic_load_explicit(&ring->page->read_pos, memory_order_relaxed) != ring->cursor)
        atomic_store(&ring->page->read_pos, ring->cursor);
}

uint64_t ring_used(const struct ring *ring)
{
    uint64_t from = atomic_load(&ring->page->read_pos);
    uint64_t to = atomic_load(&ring->page->write_pos);
    return to > from ? to - from : 0;
}
