/* See ledger.h. A record in the file: length (u64), checksum of the body (XXH3-64), body; the body
 * begins with the record's number and its kind. A dropped record is a body of its own.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/ledger.h"

#include "base/lock.h"
#include "base/log.h"
#include "writeback/item.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

enum { KIND_ADD = 1, KIND_DROP = 2, FRAME_BYTES = 16 };

struct kept {
    struct ledger_record record; /* slices point into body */
    char *body;
};

struct ledger {
    const struct fs *fs;
    char path[512];
    uint64_t records_max;
    bool drop_oldest;
    struct lock lock;
    struct fs_file *file GUARDED_BY(lock);
    uint64_t end GUARDED_BY(lock); /* bytes of whole records in the file */
    uint64_t next_id GUARDED_BY(lock);
    struct kept *kept GUARDED_BY(lock); /* oldest first */
    size_t kept_len GUARDED_BY(lock), kept_cap GUARDED_BY(lock);
    uint64_t file_records GUARDED_BY(lock);
};

static bool decode_record(struct slice body, uint64_t *kind, struct ledger_record *r)
{
    uint64_t time, db;
    *r = (struct ledger_record){0};
    if (!decode_u64(&body, &r->id) || !decode_u64(&body, kind))
        return false;
    if (*kind == KIND_DROP)
        return true;
    if (!decode_u64(&body, &time) || !decode_u64(&body, &db) || !decode_u64(&body, &r->lsn) ||
        !decode_bytes(&body, &r->reason) || !decode_bytes(&body, &r->ours) ||
        !decode_bytes(&body, &r->base) || !decode_bytes(&body, &r->theirs))
        return false;
    r->time.ms = (int64_t)time;
    r->db = (uint32_t)db;
    return true;
}

static void encode_record(struct buf *out, const struct ledger_record *r)
{
    encode_u64(out, r->id);
    encode_u64(out, KIND_ADD);
    encode_u64(out, (uint64_t)r->time.ms);
    encode_u64(out, r->db);
    encode_u64(out, r->lsn);
    encode_bytes(out, r->reason);
    encode_bytes(out, r->ours);
    encode_bytes(out, r->base);
    encode_bytes(out, r->theirs);
}

static enum rc append_body(struct ledger *l, struct slice body, struct err *err) REQUIRES(l->lock)
{
    struct buf framed = {0};
    encode_u64(&framed, body.len);
    encode_u64(&framed, XXH3_64bits(body.ptr, body.len));
    buf_append_slice(&framed, body);
    enum rc rc = l->fs->pwrite(l->fs->ctx, l->file, framed.data, framed.len, l->end, err);
    if (rc == RC_OK)
        rc = l->fs->sync(l->fs->ctx, l->file, err);
    if (rc == RC_OK) {
        l->end += framed.len;
        l->file_records++;
    }
    buf_fini(&framed);
    return rc;
}

static bool remember(struct ledger *l, struct slice body) REQUIRES(l->lock)
{
    if (l->kept_len == l->kept_cap) {
        size_t cap = l->kept_cap == 0 ? 16 : l->kept_cap * 2;
        struct kept *grown = realloc(l->kept, cap * sizeof(*grown));
        if (grown == NULL)
            return false;
        l->kept = grown;
        l->kept_cap = cap;
    }
    struct kept *k = &l->kept[l->kept_len];
    uint64_t kind;
    k->body = malloc(body.len);
    if (k->body == NULL)
        return false;
    memcpy(k->body, body.ptr, body.len);
    must(decode_record(slice_of(k->body, body.len), &kind, &k->record));
    l->kept_len++;
    return true;
}

static bool forget(struct ledger *l, uint64_t id) REQUIRES(l->lock)
{
    for (size_t i = 0; i < l->kept_len; i++) {
        if (l->kept[i].record.id != id)
            continue;
        free(l->kept[i].body);
        memmove(&l->kept[i], &l->kept[i + 1], (l->kept_len - i - 1) * sizeof(*l->kept));
        l->kept_len--;
        return true;
    }
    return false;
}

static enum rc read_all(struct ledger *l, struct err *err) REQUIRES(l->lock)
{
    uint64_t size;
    enum rc rc = l->fs->size(l->fs->ctx, l->file, &size, err);
    if (rc != RC_OK)
        return rc;
    char *bytes = malloc(size + 1);
    if (bytes == NULL)
        return err_set(err, RC_NOMEM, "out of memory to read '%s'", l->path);
    size_t got = 0;
    rc = l->fs->pread(l->fs->ctx, l->file, bytes, size, 0, &got, err);
    for (uint64_t at = 0; rc == RC_OK && got - at >= FRAME_BYTES;) {
        struct slice in = slice_of(bytes + at, got - at);
        struct ledger_record record;
        uint64_t len = 0, sum = 0, kind = 0;
        must(decode_u64(&in, &len) && decode_u64(&in, &sum));
        if (len == 0 || len > in.len || XXH3_64bits(in.ptr, len) != sum ||
            !decode_record(slice_of(in.ptr, len), &kind, &record))
            break;
        if (kind == KIND_DROP)
            forget(l, record.id);
        else if (!remember(l, slice_of(in.ptr, len)))
            rc = err_set(err, RC_NOMEM, "out of memory to read '%s'", l->path);
        l->next_id = max_u64(l->next_id, record.id + 1);
        l->file_records++;
        at += FRAME_BYTES + len;
        l->end = at;
    }
    free(bytes);
    if (rc == RC_OK && l->end < size) {
        log_line(LOG_WARNING, "'%s': cut off %" PRIu64 " bytes of a record that was not finished",
                 l->path, size - l->end);
        rc = l->fs->truncate(l->fs->ctx, l->file, l->end, err);
    }
    return rc;
}

enum rc ledger_open(const struct fs *fs, const char *dir, const char *name, uint64_t records_max,
                    bool drop_oldest, struct ledger **out, struct err *err)
{
    struct ledger *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return err_set(err, RC_NOMEM, "out of memory");
    l->fs = fs;
    l->records_max = records_max;
    l->drop_oldest = drop_oldest;
    lock_init(&l->lock);
    snprintf(l->path, sizeof(l->path), "%s/%s", dir, name);
    lock_acquire(&l->lock);
    l->next_id = 1;
    enum rc rc = fs->open(fs->ctx, l->path, FS_READ_WRITE, &l->file, err);
    if (rc == RC_OK) {
        rc = read_all(l, err);
    } else if (err->sys_errno == ENOENT) { /*: the first start */
        rc = fs->open(fs->ctx, l->path, FS_CREATE, &l->file, err);
        if (rc == RC_OK)
            rc = fs->sync_dir(fs->ctx, dir, err);
    }
    lock_release(&l->lock);
    if (rc != RC_OK) {
        ledger_close(&l);
        return rc;
    }
    *out = l;
    return RC_OK;
}

void ledger_close(struct ledger **lp) NO_TSA /* the last user */
{
    struct ledger *l = *lp;
    *lp = NULL;
    if (l == NULL)
        return;
    if (l->file != NULL)
        l->fs->close(l->fs->ctx, &l->file);
    for (size_t i = 0; i < l->kept_len; i++)
        free(l->kept[i].body);
    free(l->kept);
    lock_fini(&l->lock);
    free(l);
}

/* When nothing is left the file starts again from its beginning. */
static void compact(struct ledger *l) REQUIRES(l->lock)
{
    struct err ignored;
    if (l->kept_len > 0 || l->file_records < 64)
        return;
    if (l->fs->truncate(l->fs->ctx, l->file, 0, &ignored) == RC_OK) {
        l->end = 0;
        l->file_records = 0;
    }
}

static bool drop(struct ledger *l, uint64_t id) REQUIRES(l->lock)
{
    if (!forget(l, id))
        return false;
    struct buf body = {0};
    struct err err;
    encode_u64(&body, id);
    encode_u64(&body, KIND_DROP);
    if (append_body(l, buf_slice(&body), &err) !=
        RC_OK) /* it comes back at the next start: harmless */
        log_err(LOG_WARNING, "a dropped record could not be marked", &err);
    buf_fini(&body);
    compact(l);
    return true;
}

enum rc ledger_add(struct ledger *l, const struct ledger_record *record, uint64_t *id,
                   struct err *err)
{
    lock_acquire(&l->lock);
    enum rc rc = RC_OK;
    if (l->kept_len >= l->records_max) {
        if (l->drop_oldest)
            drop(l, l->kept[0].record.id);
        else
            rc = err_set(err, RC_FULL, "'%s' holds its %" PRIu64 " records: retry or drop some",
                         l->path, l->records_max);
    }
    if (rc == RC_OK) {
        struct buf body = {0};
        struct ledger_record numbered = *record;
        numbered.id = l->next_id;
        encode_record(&body, &numbered);
        rc = append_body(l, buf_slice(&body), err);
        if (rc == RC_OK && !remember(l, buf_slice(&body)))
            rc = err_set(err, RC_NOMEM, "out of memory for a record of '%s'", l->path);
        if (rc == RC_OK)
            *id = l->next_id++;
        buf_fini(&body);
    }
    lock_release(&l->lock);
    return rc;
}

bool ledger_drop(struct ledger *l, uint64_t id)
{
    lock_acquire(&l->lock);
    bool found = drop(l, id);
    lock_release(&l->lock);
    return found;
}

uint64_t ledger_count(struct ledger *l)
{
    lock_acquire(&l->lock);
    uint64_t n = l->kept_len;
    lock_release(&l->lock);
    return n;
}

void ledger_each(struct ledger *l, bool (*each)(void *ctx, const struct ledger_record *r),
                 void *ctx)
{
    lock_acquire(&l->lock);
    for (size_t i = 0; i < l->kept_len; i++) {
        if (!each(ctx, &l->kept[i].record))
            break;
    }
    lock_release(&l->lock);
}
