/* The walker: what reads the backend for long, or works through it, so that no load waits for it.
 *
 *   pages for SCAN, KEYS, DBSIZE, RANDOMKEY      as soon as they are asked for
 *   the count of cold keys (cold.c)              in small steps
 *   the reaper: rows whose time is over          in small steps
 *
 * A page is not older than what others had changed when it was asked for: the loader polls first.
 *
 * The reaper deletes keys that have expired while they were not in memory. What is in memory is not
 * its business: that expires here, and leaves with a cut. Before a row goes, its key becomes known
 * to be absent, as if somebody had asked for it and had found that its time is over. So nobody
 * loads it while it is being deleted, and what is written to it meanwhile is a whole new value,
 * which a later batch brings. After the commit that mark goes too, and whoever watches or listens
 * is told.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include "base/log.h"
#include "base/stats.h"

#include <stdlib.h>

enum {
    REAP_KEYS = 500,                /* of one transaction */
    REAP_LOOK_US = 100000,          /* how often to look when nothing was due */
    REAP_FAILED_US = 1000000,       /* after an error */
    UNTOLD_BYTES_MAX = 1024 * 1024, /* of keys whose event no worker has told yet */
    REAP_REST_US_MIN = 500, /* between two transactions; and no less than one of them took */
};

/* --- Pages --- */

void page_submit(struct keyspace *ks, struct page *p)
{
    struct walker *w = &ks->walker;
    lock_acquire(&w->lock);
    p->queue = NULL;
    *w->last_page = p;
    w->last_page = &p->queue;
    cond_signal(&w->cond);
    lock_release(&w->lock);
}

static struct page *take_page(struct walker *w) REQUIRES(w->lock)
{
    struct page *p = w->first_page;
    if (p != NULL)
        w->first_page = p->queue;
    if (w->first_page == NULL)
        w->last_page = &w->first_page;
    return p;
}

static enum rc keep_key(void *ctx, const struct backend_item *item)
{
    struct page *p = ctx;
    uint32_t len = (uint32_t)item->key.len;
    uint8_t type = (uint8_t)item->type;
    if (!buf_try_reserve(&p->keys, sizeof(len) + 1 + item->key.len))
        return RC_NOMEM;
    buf_append(&p->keys, &len, sizeof(len));
    buf_append(&p->keys, &type, 1);
    buf_append_slice(&p->keys, item->key);
    p->keys_len++;
    return RC_OK;
}

static void answer_page(struct keyspace *ks, struct page *p)
{
    loader_poll_now(ks);
    struct database_size size = {0};
    if (p->kind == PAGE_COUNT)
        p->rc = keyspace_measure(ks, p->store_db, &size, &p->err);
    else
        p->rc = ks->ops->scan(ks->backend, p->store_db, buf_slice(&p->after), p->limit, keep_key, p,
                              &p->err);
    p->count = size.keys;
    if (p->rc != RC_FULL && lane_note_read(ks->wb, LANE_READ_KEYS, p->rc, &p->err))
        log_err(LOG_WARNING, "cannot list the keys of the backend", &p->err);
    struct waiter *w = p->waiter;
    atomic_store_explicit(&p->ready, true, memory_order_release);
    w->ready(w);
}

/* --- The reaper --- */

struct walker_reaping {
    struct keyspace *ks;
    struct buf gone; /* u32 store database, u32 length, bytes */
};

/* Known to be absent, and nothing of it is to be flushed. */
static bool is_clean_absent(const struct entry *e)
{
    return e->type == VALUE_NONE &&
           (e->flags & (ENTRY_DIRTY | ENTRY_IN_FLIGHT | ENTRY_LOADING)) == 0;
}

/* Asked under the backend's lock of a write: takes a shard's, and never waits with that. */
static bool may_go(void *ctx, const struct backend_item *key)
{
    struct keyspace *ks = ((struct walker_reaping *)ctx)->ks;
    uint64_t hash = store_hash(&ks->store, key->db, key->key);
    struct shard *sh = store_shard(&ks->store, hash);
    bool may = false;
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(sh, hash, key->db, key->key);
    if (e != NULL && entry_is_head(e)) {
        entry_remove(sh, e, hash);
        e = NULL;
    }
    if (dbmap_number(ks->map, key->db) >= 0 && (e == NULL || is_clean_absent(e))) {
        if (e == NULL)
            e = entry_set_none(sh, (struct key_at){hash, key->db, key->key, NULL});
        if (e != NULL)
            e->flags |= ENTRY_REPLACE;
        may = e != NULL;
    }
    lock_release(&sh->lock);
    return may;
}

static void on_gone(void *ctx, const struct backend_item *key)
{
    struct walker_reaping *r = ctx;
    uint32_t head[2] = {key->db, (uint32_t)key->key.len};
    buf_append(&r->gone, head, sizeof(head));
    buf_append_slice(&r->gone, key->key);
}

static void note_reaped(struct keyspace *ks, uint32_t store_db, struct slice key)
{
    uint64_t hash = store_hash(&ks->store, store_db, key);
    struct shard *sh = store_shard(&ks->store, hash);
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(sh, hash, store_db, key);
    if (e != NULL && is_clean_absent(e))
        entry_remove(sh, e, hash);
    if (sh->watch != NULL)
        watch_expired(ks, sh, store_db, key);
    lock_release(&sh->lock);
    stat_add(STAT_expired_keys, 1);
    ks->cold.reaped++;
}

static void each_key(struct keyspace *ks, const struct buf *keys,
                     void (*use)(struct keyspace *ks, uint32_t store_db, struct slice key))
{
    for (size_t at = 0; at < keys->len;) {
        uint32_t head[2];
        memcpy(head, keys->data + at, sizeof(head));
        at += sizeof(head);
        use(ks, head[0], slice_of(keys->data + at, head[1]));
        at += head[1];
    }
}

static void tell_expired(struct keyspace *ks, uint32_t store_db, struct slice key)
{
    int number = dbmap_number(ks->map, store_db);
    struct keyspace_event told = {NOTIFY_EXPIRED, "expired", (uint32_t)number, key, 0};
    if (number >= 0 && keyspace_tells(ks, NOTIFY_EXPIRED))
        ks->options.on_event(ks->options.ctx, &told);
}

/* Events are told by workers only. */
static void leave_events(struct keyspace *ks, const struct buf *gone)
{
    if (!keyspace_tells(ks, NOTIFY_EXPIRED))
        return;
    lock_acquire(&ks->walker.lock);
    buf_append_slice(&ks->walker.untold, buf_slice(gone));
    atomic_store(&ks->walker.untold_bytes, ks->walker.untold.len);
    lock_release(&ks->walker.lock);
}

void walker_tell_events(struct keyspace *ks)
{
    struct walker *w = &ks->walker;
    if (atomic_load_explicit(&w->untold_bytes, memory_order_relaxed) == 0)
        return;
    lock_acquire(&w->lock);
    struct buf keys = w->untold;
    w->untold = (struct buf){0};
    atomic_store(&w->untold_bytes, 0);
    lock_release(&w->lock);
    each_key(ks, &keys, tell_expired);
    buf_fini(&keys);
}

static bool may_reap(struct keyspace *ks)
{
    return atomic_load(&ks->active_expire) && !atomic_load(&ks->expiry_held) &&
           atomic_load(&ks->walker.untold_bytes) < UNTOLD_BYTES_MAX;
}

/* A step, if one is due; returns in how many microseconds the next one is. */
static int64_t reap_step(struct keyspace *ks)
{
    struct walker *w = &ks->walker;
    struct mono began = clock_mono();
    struct walker_reaping r = {.ks = ks};
    struct backend_reap what = {.now_ms = clock_wall().ms,
                                .limit = REAP_KEYS,
                                .may_go = may_go,
                                .on_gone = on_gone,
                                .ctx = &r};
    bool more = false;
    struct err err;
    if (ks->ops->reap == NULL)
        return REAP_FAILED_US;
    if (began.us < w->reap_at.us)
        return w->reap_at.us - began.us;
    int64_t rest = REAP_LOOK_US;
    if (may_reap(ks)) {
        enum rc rc = ks->ops->reap(ks->backend, &what, &more, &err);
        if (rc == RC_OK) {
            each_key(ks, &r.gone, note_reaped);
            leave_events(ks, &r.gone);
        }
        if (rc != RC_OK && rc != RC_BUSY) { /* the flusher or a load says what is wrong */
            rest = REAP_FAILED_US;
            more = false;
        }
    }
    buf_fini(&r.gone);
    struct mono now = clock_mono();
    if (more)
        rest = now.us - began.us > REAP_REST_US_MIN ? now.us - began.us : REAP_REST_US_MIN;
    w->reap_at = (struct mono){now.us + rest};
    return rest;
}

/* --- The thread --- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void *walker_main(void *arg)
{
    struct keyspace *ks = arg;
    struct walker *w = &ks->walker;
    bool stopping = false;
    int64_t wait_us = 0;
    while (!stopping) {
        lock_acquire(&w->lock);
        if (w->first_page == NULL && !w->stopping && wait_us > 0)
            cond_wait_us(&w->cond, &w->lock, wait_us);
        struct page *page = take_page(w);
        stopping = w->stopping && page == NULL;
        lock_release(&w->lock);
        if (page != NULL)
            answer_page(ks, page);
        if (!stopping)
            wait_us = least(cold_count_step(ks), reap_step(ks));
    }
    return NULL;
}

void walker_init(struct keyspace *ks) NO_TSA /* nobody else is there yet */
{
    struct walker *w = &ks->walker;
    lock_init(&w->lock);
    cond_init(&w->cond);
    w->last_page = &w->first_page;
}

void walker_start(struct keyspace *ks)
{
    thread_start(&ks->walker.thread, "walker", 0, walker_main, ks);
    ks->walker.running = true;
}

void walker_stop(struct keyspace *ks)
{
    struct walker *w = &ks->walker;
    if (!w->running)
        return;
    lock_acquire(&w->lock);
    w->stopping = true;
    cond_signal(&w->cond);
    lock_release(&w->lock);
    pthread_join(w->thread, NULL);
    w->running = false;
}
