/* One group: the next records in LSN order, out of the rings, into the segment, in one write.
 *
 * The order of things is what recovery relies on: a record is in a ring until the write that
 * carries it has returned; only then the ring's space is given back. A record whose LSN was handed
 * out and that is not there yet ends the group: nothing is ever written past a gap.
 *
 * Thread: the journal thread.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/internal.h"

#include "base/stats.h"

static const char zeros[CHUNK_SLACK];

/* Where the record of `lsn` is: in a ring (returned), or *oversize, or nowhere yet. Its producer
 * becomes last_source. */
static const struct record_header *find_record(struct journal *j, uint64_t lsn,
                                               struct oversize **oversize)
{
    *oversize = NULL;
    for (uint32_t i = 0; i < j->producers_len; i++) {
        uint32_t p = j->last_source + i;
        if (p >= j->producers_len)
            p -= j->producers_len;
        const struct record_header *record = ring_peek(&j->producers[p].ring, NULL, NULL);
        if (record != NULL && record->lsn == lsn) {
            j->last_source = p;
            return record;
        }
    }
    for (uint32_t p = 0; p < j->producers_len; p++) {
        struct oversize *o = atomic_load(&j->producers[p].oversize);
        if (o != NULL && o->head.lsn == lsn) {
            j->last_source = p;
            *oversize = o;
            return NULL;
        }
    }
    return NULL;
}

/* Bytes after `end` that are zeroed with it: a header's worth at least, and then up to the end of
 * a page, so that no page has to be read before it is written. */
static uint64_t pad_after(const struct segment *s, uint64_t end)
{
    return min_u64(format_round_up(end + FORMAT_TAIL_ZEROS, FORMAT_PAGE), s->bytes) - end;
}

/* The last chunk, if it ends where the segment does and has room; else a new one. */
static struct chunk *chunk_for(struct journal *j, uint64_t bytes)
{
    struct chunk *c = j->retained.tail;
    if (c != NULL && c->data != NULL && c->number == j->current->number &&
        c->offset + c->len == j->offset && c->len + bytes <= j->retained.chunk_bytes)
        return c;
    return retained_add(&j->retained, j->current->number, j->offset);
}

/* Moves records into the chunk, `first` and what follows it, up to `limit` bytes of the chunk. */
static void group_gather(struct journal *j, struct chunk *c, const struct record_header *record,
                         uint64_t limit)
{
    uint64_t from = c->len, mix = format_mix(c->number), lsn = j->gathered_lsn, records = 0;
    struct oversize *oversize;
    if (c->len == 0)
        c->first_lsn = lsn + 1;
    format_marker(&j->key, c->data + c->len, lsn + 1, atomic_load(&j->durable_lsn), c->number);
    c->len += FORMAT_MARKER_BYTES;
    do {
        struct ring *ring = &j->producers[j->last_source].ring;
        uint64_t bytes = format_record_bytes(record->len);
        if (c->len + bytes > limit)
            break;
        struct record_header *to = (void *)(c->data + c->len);
        memcpy(to, record, bytes);
        to->checksum ^= ring->mix ^ mix;
        c->len += bytes;
        ring_skip(ring, record);
        lsn++;
        records++;
        record = ring_peek(ring, NULL, NULL);
        if (record == NULL || record->lsn != lsn + 1)
            record = find_record(j, lsn + 1, &oversize); /* which would be a group of its own */
    } while (record != NULL);
    must(records > 0);
    c->last_lsn = j->gathered_lsn = lsn;
    j->retained.bytes += c->len - from;
    stat_add(STAT_journal_records, records);
    stat_add(STAT_journal_bytes, c->len - from);
}

void group_publish(struct journal *j)
{
    atomic_store(&j->room_left, j->current->bytes - j->offset);
    for (uint32_t p = 0; p < j->producers_len; p++)
        ring_release(&j->producers[p].ring, j->gathered_lsn);
    atomic_store(&j->written_lsn, j->gathered_lsn);
}

void group_set_durable(struct journal *j, uint64_t lsn)
{
    for (uint32_t p = 0; p < j->producers_len; p++)
        atomic_store_explicit(&j->producers[p].ring.page->durable_lsn, lsn, memory_order_relaxed);
    atomic_store(&j->durable_lsn, lsn);
    if (LIKELY(atomic_load(&j->oversize_first) > lsn))
        return;
    lock_acquire(&j->lock);
    if (j->oversize_newest <= lsn)
        atomic_store(&j->oversize_first, UINT64_MAX);
    lock_release(&j->lock);
}

/* Writes a record that lies in parts; `mix` is that of the segment. */
static enum rc write_parts(struct journal *j, const struct oversize *o, struct fs_file *file,
                           uint64_t mix, uint64_t offset, uint64_t pad, struct err *err)
{
    struct record_header head = o->head;
    head.checksum ^= mix;
    enum rc rc = j->fs->pwrite(j->fs->ctx, file, &head, sizeof(head), offset, err);
    offset += sizeof(head);
    for (uint32_t i = 0; rc == RC_OK && i < o->parts_len; i++) {
        if (o->parts[i].len > 0)
            rc = j->fs->pwrite(j->fs->ctx, file, o->parts[i].ptr, o->parts[i].len, offset, err);
        offset += o->parts[i].len;
    }
    pad += format_record_bytes(head.len) - sizeof(head) - head.len;
    return rc != RC_OK ? rc : j->fs->pwrite(j->fs->ctx, file, zeros, (size_t)pad, offset, err);
}

static void dequeue_oversize(struct journal *j, struct oversize *o)
{
    struct producer *p = &j->producers[j->last_source];
    lock_acquire(&j->lock);
    must(atomic_load(&p->oversize) == o);
    atomic_store(&p->oversize, o->next);
    lock_release(&j->lock);
}

static enum rc write_oversize(struct journal *j, struct oversize *o, struct err *err)
{
    struct segment *s = j->current;
    struct chunk *c = &o->chunk;
    uint64_t bytes = format_record_bytes(o->head.len);
    o->head.checksum = format_hash_parts(&j->key, &o->head, o->parts, o->parts_len);
    dequeue_oversize(j, o);
    *c = (struct chunk){.number = s->number,
                        .offset = j->offset,
                        .len = bytes,
                        .oversize = o,
                        .first_lsn = o->head.lsn,
                        .last_lsn = o->head.lsn};
    retained_add_oversize(&j->retained, o);
    j->retained.bytes += bytes;
    j->gathered_lsn = o->head.lsn;
    stat_add(STAT_journal_records, 1);
    stat_add(STAT_journal_bytes, bytes);
    enum rc rc = write_parts(j, o, s->file, format_mix(s->number), j->offset,
                             pad_after(s, j->offset + bytes), err);
    j->offset += bytes;
    return rc;
}

static enum rc write_ring_group(struct journal *j, struct chunk *c,
                                const struct record_header *first, struct err *err)
{
    uint64_t from = c->len, room = j->current->bytes - FORMAT_TAIL_ZEROS - j->offset;
    group_gather(j, c, first, min_u64(j->retained.chunk_bytes, from + room));
    uint64_t len = c->len - from, pad = pad_after(j->current, j->offset + len);
    memset(c->data + c->len, 0, pad);
    enum rc rc = j->fs->pwrite(j->fs->ctx, j->current->file, c->data + from, (size_t)(len + pad),
                               j->offset, err);
    j->offset += len;
    return rc;
}

enum group_result group_write(struct journal *j, struct err *err)
{
    struct oversize *o;
    enum rc rc;
    const struct record_header *record = find_record(j, j->gathered_lsn + 1, &o);
    if (record == NULL && o == NULL)
        return GROUP_NOTHING;
    uint64_t bytes =
        format_record_bytes(record != NULL ? record->len : o->head.len) + FORMAT_MARKER_BYTES;
    if (j->offset + bytes + FORMAT_TAIL_ZEROS > j->current->bytes) {
        j->need_bytes = FORMAT_DATA_AT + bytes + FORMAT_TAIL_ZEROS;
        return GROUP_NO_SEGMENT;
    }
    if (record != NULL) {
        struct chunk *c = chunk_for(j, bytes);
        if (c == NULL)
            return GROUP_NO_MEMORY;
        rc = write_ring_group(j, c, record, err);
    } else {
        rc = write_oversize(j, o, err);
    }
    j->tidy = false;
    if (rc != RC_OK) {
        stat_add(STAT_journal_write_failures, 1);
        return GROUP_FAILED;
    }
    stat_add(STAT_journal_groups, 1);
    group_publish(j);
    return GROUP_WRITTEN;
}

enum rc group_write_mark(struct journal *j, struct err *err)
{
    char page[2 * FORMAT_PAGE] = {0};
    uint64_t end = j->offset + FORMAT_MARKER_BYTES;
    if (end + FORMAT_TAIL_ZEROS > j->current->bytes)
        return RC_OK;
    format_marker(&j->key, page, j->gathered_lsn + 1, atomic_load(&j->durable_lsn),
                  j->current->number);
    return j->fs->pwrite(j->fs->ctx, j->current->file, page,
                         (size_t)(FORMAT_MARKER_BYTES + pad_after(j->current, end)), j->offset,
                         err);
}

enum rc group_rewrite(struct journal *j, struct chunk *c, struct fs_file *file, uint64_t number,
                      uint64_t offset, struct err *err)
{
    uint64_t mix = format_mix(c->number) ^ format_mix(number);
    c->offset = offset;
    if (c->oversize != NULL) {
        c->number = number;
        return write_parts(j, c->oversize, file, format_mix(number), offset, FORMAT_TAIL_ZEROS,
                           err);
    }
    for (uint64_t at = 0; at < c->len;) {
        struct record_header *record = (void *)(c->data + at);
        uint64_t bytes = format_record_bytes(record->len);
        if ((record->flags & FORMAT_MARKER) != 0) {
            const struct marker_body *body = (const void *)(record + 1);
            format_marker(&j->key, record, record->lsn, body->durable_lsn, number);
        } else {
            record->checksum ^= mix;
        }
        at += bytes;
    }
    c->number = number;
    memset(c->data + c->len, 0, FORMAT_TAIL_ZEROS);
    return j->fs->pwrite(j->fs->ctx, file, c->data, (size_t)(c->len + FORMAT_TAIL_ZEROS), offset,
                         err);
}
