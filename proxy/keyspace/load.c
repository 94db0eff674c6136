/* Reading through: what is not resident is loaded, once, however many wait for it.
 *
 *   worker: miss ──> load_join ──> placeholder in the table, load in the queue ──┐
 *   worker: miss on a placeholder ──> load_join: one more waiter                 │
 *   loader: takes up to 256 loads ──> backend ──> entry or known-absent <────────┘
 *           ──> whoever waited runs again
 *
 * The loader runs at normal priority, unlike the flusher: a client is waiting, and it takes shard
 * locks.
 *
 * A command that needs no value (KEY_HEAD, KEY_REMOVE, KEY_PLACE) has only the head loaded, type
 * and expiry: a placeholder keeps it (entry_set_head). So it takes no memory for the value, and
 * load-max-bytes does not count.
 *
 * A pure overwrite does not wait: it replaces the placeholder and cancels the load. The loader also
 * asks the backend now and then whether somebody else has changed something.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include "base/log.h"
#include "base/stats.h"
#include "config/options.h"

#include <inttypes.h>
#include <stdlib.h>

enum { POLL_US = 50000 };

static struct load **load_find_place(struct loader *l, uint64_t hash, uint32_t store_db,
                                     struct slice key) REQUIRES(l->lock)
{
    struct load **at = &l->buckets[hash % LOAD_BUCKETS];
    while (*at != NULL && ((*at)->hash != hash || (*at)->store_db != store_db ||
                           !slice_eq(slice_of((*at)->key, (*at)->key_len), key)))
        at = &(*at)->chain;
    return at;
}

static struct load *add_load(struct loader *l, uint64_t hash, uint32_t store_db, struct slice key)
    REQUIRES(l->lock)
{
    struct load *load = malloc(sizeof(*load) + key.len);
    if (load == NULL)
        return NULL;
    *load = (struct load){.hash = hash, .store_db = store_db, .key_len = key.len};
    memcpy(load->key, key.ptr, key.len);
    load->chain = l->buckets[hash % LOAD_BUCKETS];
    l->buckets[hash % LOAD_BUCKETS] = load;
    *l->last = load;
    l->last = &load->queue;
    cond_signal(&l->cond);
    return load;
}

bool load_join(struct keyspace *ks, const struct slot *s, struct waiter *w)
{
    struct loader *l = &ks->loader;
    struct shard *sh = s->shard;
    struct slice key = s->key->name;
    struct entry *e = entry_find(sh, s->hash, s->store_db, key);
    if (e == NULL || entry_is_head(e)) {
        e = entry_set_none(sh, (struct key_at){s->hash, s->store_db, key, e});
        if (e == NULL)
            return false;
        e->flags |= ENTRY_LOADING;
    }
    lock_acquire(&l->lock);
    struct load *load = *load_find_place(l, s->hash, s->store_db, key);
    if (load != NULL)
        stat_add(STAT_load_waits, 1);
    else
        load = add_load(l, s->hash, s->store_db, key);
    if (load != NULL)
        load->wants_value |= ks->replaying || key_mode_needs_value(s->key->mode);
    if (load != NULL && w != NULL) {
        w->next = load->waiters;
        load->waiters = w;
    }
    lock_release(&l->lock);
    if (load == NULL)
        entry_remove(sh, e, s->hash);
    return load != NULL;
}

static void load_wake(struct waiter *w, enum rc failed)
{
    while (w != NULL) {
        struct waiter *next = w->next;
        w->failed = failed;
        w->ready(w);
        w = next;
    }
}

/* Out of the buckets; the loader, in whose queue it still is, frees it. */
static struct waiter *load_detach(struct loader *l, struct load *load)
{
    lock_acquire(&l->lock);
    struct load **at = &l->buckets[load->hash % LOAD_BUCKETS];
    while (*at != NULL && *at != load)
        at = &(*at)->chain;
    if (*at == load)
        *at = load->chain;
    struct waiter *w = load->waiters;
    load->waiters = NULL;
    lock_release(&l->lock);
    return w;
}

void load_cancel(struct keyspace *ks, uint64_t hash, uint32_t store_db, struct slice key)
{
    struct loader *l = &ks->loader;
    struct waiter *w = NULL;
    lock_acquire(&l->lock);
    struct load **at = load_find_place(l, hash, store_db, key);
    struct load *load = *at;
    if (load != NULL) {
        *at = load->chain;
        load->cancelled = true;
        w = load->waiters;
        load->waiters = NULL;
    }
    lock_release(&l->lock);
    load_wake(w, RC_OK);
}

static bool is_cancelled(struct loader *l, const struct load *load)
{
    lock_acquire(&l->lock);
    bool cancelled = load->cancelled;
    lock_release(&l->lock);
    return cancelled;
}

/* The placeholder becomes what was loaded; NULL: out of memory. */
static struct entry *install_loaded(struct shard *sh, struct entry *e, const struct load *load,
                                    const struct backend_item *item, void **object)
    REQUIRES(sh->lock)
{
    if (!load->takes_value && item->type != VALUE_NONE)
        return entry_set_head(sh, (struct key_at){load->hash, item->db, item->key, e}, item->type,
                              item->expires_at_ms);
    e->flags &= (uint8_t)~ENTRY_LOADING;
    return install_entry(sh, e, load->hash, item, object);
}

static void install(struct keyspace *ks, struct load *load, const struct backend_item *item,
                    void **object)
{
    struct shard *sh = store_shard(&ks->store, load->hash);
    struct slice key = slice_of(load->key, load->key_len);
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(sh, load->hash, load->store_db, key);
    struct waiter *w = NULL;
    enum rc failed = RC_OK;
    size_t took = 0;
    if (!is_cancelled(&ks->loader, load)) {
        if (e != NULL && (e->flags & ENTRY_LOADING) != 0) {
            struct entry *loaded = install_loaded(sh, e, load, item, object);
            if (loaded == NULL) {
                entry_remove(sh, e, load->hash);
                shard_note_dropped(sh, load->store_db);
                failed = RC_NOMEM;
            } else {
                loaded->flags |= ENTRY_VISITED;
                took = entry_memory(loaded);
                if (loaded->type != VALUE_NONE)
                    store_note_cold(&ks->store, load->store_db, -1);
            }
        }
        w = load_detach(&ks->loader, load);
    }
    lock_release(&sh->lock);
    load_wake(w, failed);
    if (UNLIKELY(writeback_memory_is_high(ks->wb)) && !ks->replaying) {
        evict_some(ks, &ks->loader.evict_next, took);
        store_free_later_run();
    }
    if (load->takes_value && (item->type == VALUE_LIST || item->type == VALUE_ZSET))
        block_look_again(ks, load->hash, load->store_db, key);
}

/* The key could not be read: it is not resident after all, and whoever waits is told. */
static void load_fail(struct keyspace *ks, struct load *load, enum rc why)
{
    struct shard *sh = store_shard(&ks->store, load->hash);
    struct slice key = slice_of(load->key, load->key_len);
    struct waiter *w = NULL;
    lock_acquire(&sh->lock);
    struct entry *e = entry_find(sh, load->hash, load->store_db, key);
    if (!is_cancelled(&ks->loader, load)) {
        if (e != NULL && (e->flags & ENTRY_LOADING) != 0)
            entry_remove(sh, e, load->hash);
        w = load_detach(&ks->loader, load);
    }
    lock_release(&sh->lock);
    load_wake(w, why);
}

/* What a batch of loads brings, put together key by key: a large aggregate comes in pieces. */
struct arriving {
    struct keyspace *ks;
    struct load **loads;
    uint32_t len, done;
    struct backend_item head; /* of the key that is being put together; its key is the load's */
    bool open;
    void *object;
    uint64_t bytes; /* that have come of an aggregate */
    enum rc failed; /* RC_NOMEM, or RC_FULL: larger than load-max-bytes; what follows is skipped */
};

enum { ELEMENT_COST = 32 /* what an element takes up beside its bytes, at the least */ };

static void finish_one(struct arriving *a)
{
    if (!a->open)
        return;
    struct load *load = a->loads[a->done++];
    a->open = false;
    a->head.key = slice_of(load->key, load->key_len);
    stat_add(STAT_backend_loads, 1);
    if (a->head.type == VALUE_NONE)
        stat_add(STAT_backend_load_absent, 1);
    if (a->failed == RC_FULL)
        log_line(LOG_WARNING,
                 "a value is larger in the backend than load-max-bytes (%" PRId64
                 "): its key cannot be used",
                 option_num(OPT_load_max_bytes));
    if (a->failed != RC_OK)
        load_fail(a->ks, load, a->failed);
    else
        install(a->ks, load, &a->head, &a->object);
    if (a->object != NULL)
        value_ops(a->head.type)->free(a->object);
    a->object = NULL;
}

static bool comes_in_pieces(const struct arriving *a, enum value_type type)
{
    return type != VALUE_NONE && type != VALUE_STRING && a->loads[a->done]->takes_value;
}

/* Adds a piece of an aggregate to what has come of it. */
static void add_piece(struct arriving *a, const struct backend_item *item)
{
    for (uint32_t i = 0; i < item->elements_len; i++)
        a->bytes += item->elements[i].name.len + item->elements[i].value.len + ELEMENT_COST;
    if (!a->ks->replaying && a->bytes > (uint64_t)option_num(OPT_load_max_bytes))
        a->failed = RC_FULL;
    else if (!install_elements(item, &a->object))
        a->failed = RC_NOMEM;
    if (a->failed == RC_OK || a->object == NULL)
        return;
    value_ops(item->type)->free(a->object);
    a->object = NULL;
}

static enum rc arrive(void *ctx, const struct backend_item *item)
{
    struct arriving *a = ctx;
    bool next_piece = a->open && item->type > VALUE_STRING && !item->replace;
    if (!next_piece) {
        finish_one(a);
        if (a->done >= a->len)
            return RC_INVALID;
        a->open = true;
        a->failed = RC_OK;
        a->bytes = 0;
        a->head = *item;
    }
    bool pieces = comes_in_pieces(a, item->type);
    if (pieces && a->failed == RC_OK)
        add_piece(a, item);
    if (!pieces)
        finish_one(a); /* its bytes are only valid now */
    return RC_OK;
}

static uint32_t load_together(struct keyspace *ks, struct load **loads, uint32_t len,
                              struct err *err, enum rc *rc)
{
    struct backend_item keys[LOAD_BATCH];
    struct arriving a = {.ks = ks, .loads = loads, .len = len};
    for (uint32_t i = 0; i < len; i++)
        keys[i] = (struct backend_item){.db = loads[i]->store_db,
                                        .key = slice_of(loads[i]->key, loads[i]->key_len),
                                        .expires_at_ms = ks->replaying ? BACKEND_EVEN_EXPIRED : 0,
                                        .head_only = !loads[i]->takes_value};
    *rc = ks->ops->load(ks->backend, keys, len, arrive, &a, err);
    if (*rc == RC_OK) {
        finish_one(&a);
        if (a.done < len)
            *rc = err_set(err, RC_UNAVAILABLE, "the backend answered %u of %u keys", a.done, len);
    }
    if (a.object != NULL)
        value_ops(a.head.type)->free(a.object);
    return a.done;
}

static uint32_t take_loads(struct loader *l, struct load **loads) REQUIRES(l->lock)
{
    uint32_t n = 0;
    while (l->first != NULL && n < LOAD_BATCH) {
        l->first->takes_value = l->first->wants_value;
        loads[n++] = l->first;
        l->first = l->first->queue;
    }
    if (l->first == NULL)
        l->last = &l->first;
    return n;
}

/* A start goes on without a key that is damaged. */
static bool is_noted(struct keyspace *ks, const struct load *load, enum rc why)
{
    return ks->replaying && why == RC_CORRUPT &&
           unreadable_note(ks, load->store_db, slice_of(load->key, load->key_len));
}

/* Loads all of them; who waits for one that cannot be had is told. Returns the last failure. A page
 * that is damaged concerns the keys that lie on it and no others: then each is asked for alone. */
static enum rc load_batch(struct keyspace *ks, struct load **loads, uint32_t n, struct err *err)
{
    enum rc rc;
    uint32_t done = load_together(ks, loads, n, err, &rc);
    bool one_by_one = rc == RC_CORRUPT && n > 1, noted = done < n;
    for (; done < n; done++) {
        struct err alone;
        enum rc failed = rc;
        if (one_by_one && load_together(ks, loads + done, 1, &alone, &failed) == 1)
            continue;
        if (one_by_one)
            *err = alone;
        noted = is_noted(ks, loads[done], failed) && noted;
        load_fail(ks, loads[done], failed);
    }
    for (uint32_t i = 0; i < n; i++)
        free(loads[i]);
    return noted ? RC_OK : rc;
}

enum rc load_queued(struct keyspace *ks, struct err *err) NO_TSA /* no other thread is there yet */
{
    struct loader *l = &ks->loader;
    struct load *loads[LOAD_BATCH];
    enum rc rc = RC_OK;
    while (rc == RC_OK && l->first != NULL) {
        uint32_t n = take_loads(l, loads);
        rc = load_batch(ks, loads, n, err);
    }
    return rc;
}

/* --- The thread --- */

static enum rc drop_changed(void *ctx, const struct backend_item *item)
{
    struct keyspace *ks = ctx;
    if (item->key.ptr == NULL) {
        log_line(LOG_WARNING,
                 "the backend may have been changed unnoticed: what is clean in memory "
                 "is read again");
        writeback_suspect_all(ks->wb);
        return RC_OK;
    }
    enum rc rc = writeback_invalidate(ks->wb, item->db, item->key);
    block_look_again(ks, store_hash(&ks->store, item->db, item->key), item->db, item->key);
    return rc;
}

static void run_loads(struct keyspace *ks, struct load **loads, uint32_t n)
{
    struct err err;
    enum rc rc = load_batch(ks, loads, n, &err);
    if (lane_note_read(ks->wb, LANE_READ_KEYS, rc, &err))
        log_err(LOG_WARNING, "cannot read keys from the backend", &err);
}

static void poll(struct keyspace *ks)
{
    struct err err;
    enum rc rc = ks->ops->poll(ks->backend, drop_changed, ks, &err);
    if (rc == RC_AGAIN)
        rc = RC_OK; /* some keys come again */
    if (lane_note_read(ks->wb, LANE_READ_POLL, rc, &err))
        log_err(LOG_WARNING, "cannot ask the backend for changes", &err);
}

void loader_poll_now(struct keyspace *ks)
{
    struct loader *l = &ks->loader;
    lock_acquire(&l->lock);
    uint64_t mine = ++l->polls_wanted;
    cond_signal(&l->cond);
    while (l->polls_done < mine)
        cond_wait(&l->polled, &l->lock);
    lock_release(&l->lock);
}

static void *loader_main(void *arg)
{
    struct keyspace *ks = arg;
    struct loader *l = &ks->loader;
    struct load *loads[LOAD_BATCH];
    bool stopping = false;
    while (!stopping) {
        lock_acquire(&l->lock);
        if (l->first == NULL && !l->stopping && l->polls_done == l->polls_wanted)
            cond_wait_us(&l->cond, &l->lock, POLL_US);
        uint32_t n = take_loads(l, loads);
        uint64_t polls = l->polls_wanted;
        stopping = l->stopping && n == 0;
        lock_release(&l->lock);
        poll(ks); /* first what others have changed, so that nothing older than that is loaded */
        lock_acquire(&l->lock);
        l->polls_done = polls;
        cond_signal(&l->polled);
        lock_release(&l->lock);
        if (n > 0)
            run_loads(ks, loads, n);
    }
    return NULL;
}

void loader_init(struct keyspace *ks) NO_TSA /* nobody else is there yet */
{
    struct loader *l = &ks->loader;
    lock_init(&l->lock);
    cond_init(&l->cond);
    cond_init(&l->polled);
    l->last = &l->first;
}

void loader_start(struct keyspace *ks)
{
    thread_start(&ks->loader.thread, "loader", 0, loader_main, ks);
    ks->loader.running = true;
}

void loader_stop(struct keyspace *ks)
{
    struct loader *l = &ks->loader;
    if (!l->running)
        return;
    lock_acquire(&l->lock);
    l->stopping = true;
    cond_signal(&l->cond);
    lock_release(&l->lock);
    pthread_join(l->thread, NULL);
    l->running = false;
}
