/* What others change in the database: noticing it, and proving it at flush.
 *
 * Triggers of other writers append to weir_change. A row of that log means: whatever the proxy has
 * not yet flushed of this key may rest on an older value. It stays until one of these happens:
 *
 *   poll    it was handed out, and the proxy had nothing unflushed of the key.
 *   load    the proxy has read the key since: what it has rests on the change. But not before the
 *           first poll: recovery replays what is older than the change that it loads.
 *   apply   an item of this key met it: a conflict, decided, the row deleted with the batch.
 *   age     it was handed out by poll(), and whole batches were committed since. A change of the
 *           proxy that is older than the poll was in a cut made before it or in the first one after
 *           it; cuts of a backend never overlap, so after two commits none is left. One more is
 *           waited for, since keys handed out take a moment to arrive. Not when the proxy answered
 *           that what it has of the key may stay unflushed for long (a dead letter): then nothing
 *           from this row on ages until one of the first three happened. poll() asks again.
 *
 * What poll and load settle is noted in memory, within a bound, and deleted at once, or by the
 * flusher when it is the one that is writing. Nothing else about changes is kept in memory: after a
 * crash the log has what matters to the items that the journal brings back.
 *
 * Too much caution is possible (a crash in the moment before that deletion), too little is not,
 * except for one race: a key that is overwritten blindly while its load is on the way, and changed
 * by somebody else in that very moment, counts as resolved.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/internal.h"

#include "base/log.h"

#include <stdlib.h>

enum {
    BUCKETS = 4096,
    RESOLVED_MAX = 65536,
    RESOLVED_BYTES_MAX = 16 * 1024 * 1024,
    POLL_CHUNK = 1000,
    LOG_ROWS_MAX = 1000 * 1000, /* of what poll() has handed out */
    HELD_MAX = 10000,
};

struct sqlite_held {
    struct sqlite_held *next;
    int64_t seq; /* the first change of the key that was handed out */
    struct backend_item item;
    char key[];
};

struct sqlite_resolved_entry {
    struct sqlite_resolved_entry *next;
    int64_t seq;
    uint32_t db;
    size_t key_len;
    char key[];
};

/* ---- resolved changes ---- */

static size_t change_bucket_of(uint32_t db, struct slice key)
{
    uint64_t h = 0xcbf29ce484222325u ^ db; /* FNV-1a */
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ (unsigned char)key.ptr[i]) * 0x100000001b3u;
    return (size_t)((h ^ (h >> 32)) % BUCKETS);
}

static struct slice entry_key(const struct sqlite_resolved_entry *e)
{
    return slice_of(e->key, e->key_len);
}

static struct sqlite_resolved_entry *resolved_find(const struct sqlite_resolved *r, uint32_t db,
                                                   struct slice key)
{
    if (r->buckets == NULL)
        return NULL;
    struct sqlite_resolved_entry *e = r->buckets[change_bucket_of(db, key)];
    while (e != NULL && (e->db != db || !slice_eq(entry_key(e), key)))
        e = e->next;
    return e;
}

/* Without memory or room the change stays unresolved: a conflict too many, never one too few. */
static void resolved_put(struct sqlite_resolved *r, uint32_t db, struct slice key, int64_t seq)
{
    struct sqlite_resolved_entry *e = resolved_find(r, db, key);
    if (e != NULL) {
        e->seq = seq > e->seq ? seq : e->seq;
        return;
    }
    if (r->entries >= RESOLVED_MAX || r->bytes + key.len > RESOLVED_BYTES_MAX)
        return;
    if (r->buckets == NULL)
        r->buckets = calloc(BUCKETS, sizeof(struct sqlite_resolved_entry *));
    e = r->buckets != NULL ? malloc(sizeof(*e) + key.len) : NULL;
    if (e == NULL)
        return;
    size_t at = change_bucket_of(db, key);
    *e = (struct sqlite_resolved_entry){
        .next = r->buckets[at], .seq = seq, .db = db, .key_len = key.len};
    if (key.len > 0)
        memcpy(e->key, key.ptr, key.len);
    r->buckets[at] = e;
    r->entries++;
    r->bytes += key.len;
}

static void resolved_clear(struct sqlite_resolved *r)
{
    for (size_t i = 0; r->buckets != NULL && i < BUCKETS; i++) {
        while (r->buckets[i] != NULL) {
            struct sqlite_resolved_entry *e = r->buckets[i];
            r->buckets[i] = e->next;
            free(e);
        }
    }
    free(r->buckets);
    *r = (struct sqlite_resolved){0};
}

/* ---- changes of what stays unflushed for long ---- */

static void change_hold(struct sqlite_backend *b, const struct backend_item *item, int64_t seq)
{
    struct sqlite_held *h = b->held;
    while (h != NULL && (h->item.db != item->db || !slice_eq(h->item.key, item->key)))
        h = h->next;
    if (h != NULL || b->held_len >= HELD_MAX)
        return;
    h = malloc(sizeof(*h) + item->key.len);
    if (h == NULL)
        return;
    *h = (struct sqlite_held){.next = b->held, .seq = seq, .item = *item};
    if (item->key.len > 0)
        memcpy(h->key, item->key.ptr, item->key.len);
    h->item.key = slice_of(h->key, item->key.len);
    b->held = h;
    b->held_len++;
}

static void publish_held(struct sqlite_backend *b)
{
    int64_t first = INT64_MAX;
    for (const struct sqlite_held *h = b->held; h != NULL; h = h->next)
        first = h->seq < first ? h->seq : first;
    lock_acquire(&b->lock);
    b->held_seq = first;
    lock_release(&b->lock);
}

/* RC_BUSY: still held. RC_OK: its rows are gone, or what they say is settled. */
static enum rc look_at_held(struct sqlite_backend *b, const struct sqlite_held *h,
                            backend_emit *emit, void *ctx, struct err *err)
{
    int64_t last;
    sqlite_with_key(&b->reader, ST_CHANGE_LAST_OF_KEY, h->item.db, h->item.key);
    enum rc rc = sqlite_number(&b->reader, ST_CHANGE_LAST_OF_KEY, 0, &last, err);
    if (rc != RC_OK || last == 0)
        return rc;
    if (emit(ctx, &h->item) != RC_NOT_FOUND)
        return RC_BUSY;
    lock_acquire(&b->lock);
    resolved_put(&b->resolved, h->item.db, h->item.key, last);
    lock_release(&b->lock);
    return RC_OK;
}

static enum rc poll_held(struct sqlite_backend *b, backend_emit *emit, void *ctx, struct err *err)
{
    enum rc rc = RC_OK;
    for (struct sqlite_held **at = &b->held; *at != NULL && (rc == RC_OK || rc == RC_BUSY);) {
        struct sqlite_held *h = *at;
        rc = look_at_held(b, h, emit, ctx, err);
        if (rc == RC_OK) {
            *at = h->next;
            b->held_len--;
            free(h);
        } else {
            at = &h->next;
        }
    }
    publish_held(b);
    return rc == RC_BUSY ? RC_OK : rc;
}

void sqlite_change_fini(struct sqlite_backend *b)
{
    while (b->held != NULL) {
        struct sqlite_held *h = b->held;
        b->held = h->next;
        free(h);
    }
    lock_acquire(&b->lock);
    resolved_clear(&b->resolved);
    lock_release(&b->lock);
}

static enum rc forget_key(const struct sqlite_conn *c, uint32_t db, struct slice key, int64_t seq,
                          struct err *err)
{
    sqlite3_stmt *s = sqlite_with_key(c, ST_CHANGE_FORGET_KEY, db, key);
    sqlite3_bind_int64(s, 3, seq);
    return sqlite_run(c, ST_CHANGE_FORGET_KEY, err);
}

static enum rc forget_resolved(const struct sqlite_conn *c, const struct sqlite_resolved *r,
                               struct err *err)
{
    for (size_t i = 0; r->buckets != NULL && i < BUCKETS; i++) {
        for (const struct sqlite_resolved_entry *e = r->buckets[i]; e != NULL; e = e->next) {
            enum rc rc = forget_key(c, e->db, entry_key(e), e->seq, err);
            if (rc != RC_OK)
                return rc;
        }
    }
    return RC_OK;
}

enum rc sqlite_change_commit(struct sqlite_backend *b, const struct sqlite_conn *c, struct err *err)
{
    lock_acquire(&b->lock);
    if (b->resolved.entries == 0) {
        lock_release(&b->lock);
        return sqlite_run(c, ST_COMMIT, err);
    }
    enum rc rc = forget_resolved(c, &b->resolved, err);
    if (rc == RC_OK)
        rc = sqlite_run(c, ST_COMMIT, err);
    if (rc == RC_OK)
        resolved_clear(&b->resolved);
    lock_release(&b->lock);
    return rc;
}

void sqlite_change_relieve(struct sqlite_backend *b)
{
    lock_acquire(&b->lock);
    bool any = b->resolved.entries > 0;
    lock_release(&b->lock);
    if (!any)
        return;
    /* When the flusher is writing, its commit will do this; loads do not wait for it. */
    struct err ignored;
    b->reader.wait_ms = 0;
    if (sqlite_run(&b->reader, ST_BEGIN_WRITE, &ignored) == RC_OK &&
        sqlite_change_commit(b, &b->reader, &ignored) != RC_OK)
        sqlite_rollback(&b->reader);
    b->reader.wait_ms = b->timeout_ms;
}

enum rc sqlite_change_any(const struct sqlite_conn *c, bool *any, struct err *err)
{
    int64_t last;
    enum rc rc = sqlite_number(c, ST_CHANGE_LAST, 0, &last, err);
    *any = last > 0;
    return rc;
}

enum rc sqlite_change_resolve(struct sqlite_backend *b, uint32_t db, struct slice key,
                              struct err *err)
{
    int64_t seq;
    if (b->data_version < 0)
        return RC_OK; /* not polled yet: recovery */
    sqlite_with_key(&b->reader, ST_CHANGE_LAST_OF_KEY, db, key);
    enum rc rc = sqlite_number(&b->reader, ST_CHANGE_LAST_OF_KEY, 0, &seq, err);
    if (rc == RC_OK && seq > 0) {
        lock_acquire(&b->lock);
        resolved_put(&b->resolved, db, key, seq);
        lock_release(&b->lock);
    }
    return rc;
}

/* ---- settling ---- */

enum rc sqlite_change_settle(struct sqlite_backend *b, const struct backend_batch *batch,
                             uint32_t index, const struct backend_item **item, bool *whole,
                             struct err *err)
{
    const struct backend_item *ours = &batch->items[index];
    lock_acquire(&b->lock);
    const struct sqlite_resolved_entry *known = resolved_find(&b->resolved, ours->db, ours->key);
    int64_t resolved_seq = known != NULL ? known->seq : 0;
    lock_release(&b->lock);

    sqlite3_stmt *s = sqlite_with_key(&b->writer, ST_CHANGE_OF_KEY, ours->db, ours->key);
    sqlite3_bind_int64(s, 3, resolved_seq);
    int result = sqlite3_step(s);
    enum rc rc = RC_OK;
    if (result == SQLITE_ROW)
        rc = sqlite_conflict_decide(b, batch, index, item, whole, err);
    else if (result != SQLITE_DONE)
        rc = sqlite_fail(&b->writer, result, "reading the change log", err);
    sqlite3_reset(s);
    if (rc != RC_OK || result != SQLITE_ROW || ours->goes_on)
        return rc;
    return sqlite_change_forget(&b->writer, ours, err);
}

enum rc sqlite_change_forget(const struct sqlite_conn *c, const struct backend_item *item,
                             struct err *err)
{
    return forget_key(c, item->db, item->key, INT64_MAX, err);
}

/* ---- poll ---- */

struct last_key {
    uint32_t db;
    size_t len; /* above the array's size: not remembered */
    char bytes[512];
    enum rc answer; /* what emit said to it */
};

static bool same_as_last(const struct last_key *last, uint32_t db, struct slice key)
{
    return last->len <= sizeof(last->bytes) && last->db == db &&
           slice_eq(slice_of(last->bytes, last->len), key);
}

static void remember_last(struct last_key *last, uint32_t db, struct slice key, enum rc answer)
{
    last->db = db;
    last->len = key.len;
    last->answer = answer;
    if (key.len > 0 && key.len <= sizeof(last->bytes))
        memcpy(last->bytes, key.ptr, key.len);
}

static enum rc hand_out(struct sqlite_backend *b, sqlite3_stmt *s, struct last_key *last,
                        backend_emit *emit, void *ctx)
{
    int64_t seq = sqlite3_column_int64(s, 0);
    struct backend_item item = {.db = (uint32_t)sqlite3_column_int64(s, 1),
                                .key = sqlite_column_slice(s, 2)};
    if (!same_as_last(last, item.db, item.key))
        remember_last(last, item.db, item.key, emit(ctx, &item));
    if (last->answer == RC_BUSY) {
        change_hold(b, &item, seq);
        publish_held(b);
    } else if (last->answer != RC_OK && last->answer != RC_NOT_FOUND) {
        return last->answer;
    }
    lock_acquire(&b->lock);
    b->polled_seq = seq;
    if (last->answer == RC_NOT_FOUND)
        resolved_put(&b->resolved, item.db, item.key, seq);
    lock_release(&b->lock);
    return RC_OK;
}

/* Hands out up to POLL_CHUNK rows after what was handed out; *rows says how many it found. */
static enum rc poll_chunk(struct sqlite_backend *b, backend_emit *emit, void *ctx, int *rows,
                          struct err *err)
{
    lock_acquire(&b->lock);
    int64_t since = b->polled_seq;
    lock_release(&b->lock);
    sqlite3_stmt *s = b->reader.statements[ST_CHANGE_SINCE];
    struct last_key last = {.len = SIZE_MAX};
    int result = SQLITE_DONE;
    enum rc rc = RC_OK;
    *rows = 0;
    sqlite3_bind_int64(s, 1, since);
    sqlite3_bind_int(s, 2, POLL_CHUNK);
    while (rc == RC_OK && (result = sqlite3_step(s)) == SQLITE_ROW) {
        rc = hand_out(b, s, &last, emit, ctx);
        ++*rows;
    }
    if (rc == RC_OK && result != SQLITE_DONE)
        rc = sqlite_fail(&b->reader, result, "reading the change log", err);
    sqlite3_reset(s);
    return rc;
}

enum rc sqlite_poll(struct backend *pb, backend_emit *emit, void *ctx, struct err *err)
{
    struct sqlite_backend *b = (struct sqlite_backend *)pb;
    int64_t version;
    int rows = 0;
    enum rc rc = sqlite_number(&b->reader, ST_DATA_VERSION, 0, &version, err);
    if (rc != RC_OK || version == b->data_version)
        return rc; /* nobody has committed anything, neither we nor others */
    rc = poll_held(b, emit, ctx, err);
    if (rc != RC_OK)
        return rc;
    do {
        rc = poll_chunk(b, emit, ctx, &rows, err);
        sqlite_change_relieve(b);
    } while (rc == RC_OK && rows == POLL_CHUNK);
    if (rc == RC_OK)
        b->data_version = version;
    return rc;
}

/* ---- trimming ---- */

void sqlite_change_committed(struct sqlite_backend *b)
{
    lock_acquire(&b->lock);
    int64_t polled = b->polled_seq;
    lock_release(&b->lock);
    b->polled_before[2] = b->polled_before[1];
    b->polled_before[1] = b->polled_before[0];
    b->polled_before[0] = polled;
}

/* How far the log may go. While nothing is flushed nothing ages, so that others who write all the
 * time would let it grow for ever: then the oldest rows that were handed out go. */
static int64_t trim_floor(struct sqlite_backend *b, int64_t first, int64_t last)
{
    int64_t floor = b->polled_before[2];
    lock_acquire(&b->lock);
    if (floor >= b->held_seq)
        floor = b->held_seq - 1;
    lock_release(&b->lock);
    if (first == 0 || last - first < LOG_ROWS_MAX)
        return floor;
    lock_acquire(&b->lock);
    int64_t polled = b->polled_seq;
    lock_release(&b->lock);
    int64_t bound = last - LOG_ROWS_MAX < polled ? last - LOG_ROWS_MAX : polled;
    if (bound > floor && !b->warned_about_log) {
        b->warned_about_log = true;
        log_line(LOG_WARNING,
                 "%s: others changed %lld rows since the last flush; the oldest of them are no "
                 "longer checked for conflicts",
                 b->path, (long long)(last - first));
    }
    return bound > floor ? bound : floor;
}

enum rc sqlite_change_trim(struct sqlite_backend *b, int64_t limit, bool *left, struct err *err)
{
    int64_t first, last = 0;
    *left = false;
    enum rc rc = sqlite_number(&b->writer, ST_CHANGE_FIRST, 0, &first, err);
    if (rc == RC_OK)
        rc = sqlite_number(&b->writer, ST_CHANGE_LAST, 0, &last, err);
    if (rc != RC_OK || first == 0)
        return rc;

    int64_t floor = trim_floor(b, first, last);
    lock_acquire(&b->lock);
    bool any_resolved = b->resolved.entries > 0;
    lock_release(&b->lock);
    if (first > floor && !any_resolved)
        return RC_OK;
    rc = sqlite_run(&b->writer, ST_BEGIN_WRITE, err);
    if (rc != RC_OK)
        return rc;
    sqlite3_bind_int64(b->writer.statements[ST_CHANGE_TRIM], 1, floor);
    sqlite3_bind_int64(b->writer.statements[ST_CHANGE_TRIM], 2, limit);
    rc = sqlite_run(&b->writer, ST_CHANGE_TRIM, err);
    *left = sqlite3_changes64(b->writer.db) == limit;
    if (rc == RC_OK)
        rc = sqlite_change_commit(b, &b->writer, err);
    sqlite_rollback(&b->writer);
    return rc;
}
