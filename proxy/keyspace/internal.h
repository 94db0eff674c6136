/* What the files of keyspace/ share.
 *
 * Order of locks: shards by index, then loads, then waits. Nothing is called back under them that
 * takes one of them.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KEYSPACE_INTERNAL_H
#define KEYSPACE_INTERNAL_H

#include "base/stats.h"
#include "keyspace/block.h"
#include "keyspace/keyspace.h"
#include "writeback/recovery.h"

enum { LOAD_BUCKETS = 4096, LOAD_BATCH = 256, SCAN_PLACES = 1024, TXN_INLINE_SLOTS = 4 };

/* One key being loaded, however many wait for it. */
struct load {
    struct load *chain; /* in its bucket */
    struct load *queue; /* in the loader's queue, in order */
    uint64_t hash;
    uint32_t store_db;
    bool cancelled;   /* overwritten meanwhile: what arrives is thrown away */
    bool wants_value; /* somebody who waits needs more than type and expiry */
    bool takes_value; /* the loader's: whether it asks for more */
    struct waiter *waiters;
    size_t key_len;
    char key[];
};

enum page_kind { PAGE_KEYS, PAGE_COUNT };

/* A question about the backend's keys, asked by a walk. */
struct page {
    struct page *queue;
    enum page_kind kind;
    uint32_t store_db, limit;
    struct buf after; /* PAGE_KEYS: behind this key */
    struct buf keys;  /* what was found: u32 length, u8 type, bytes */
    uint32_t keys_len;
    uint64_t count; /* PAGE_COUNT */
    _Atomic bool ready;
    enum rc rc;
    struct err err;
    struct waiter *waiter;
};

struct loader {
    pthread_t thread;
    bool running;
    struct lock lock;
    struct cond cond;
    struct load *buckets[LOAD_BUCKETS] GUARDED_BY(lock);
    struct load *first GUARDED_BY(lock), **last GUARDED_BY(lock);
    bool stopping GUARDED_BY(lock);
    uint32_t evict_next; /* loader only: shard, above maxmemory */
    /* loader_poll_now(): how many polls were asked for, and how many of these have been done */
    uint64_t polls_wanted GUARDED_BY(lock), polls_done GUARDED_BY(lock);
    struct cond polled;
};

struct walker {
    pthread_t thread;
    bool running;
    struct lock lock;
    struct cond cond;
    struct page *first_page GUARDED_BY(lock), **last_page GUARDED_BY(lock);
    bool stopping GUARDED_BY(lock);
    struct buf untold GUARDED_BY(lock); /* keys that were reaped, for events */
    _Atomic size_t untold_bytes;        /* the same, for a look without the lock */
    struct mono reap_at;                /* walker only */
};

/* How many keys the backend has that memory has not; see cold.c. */
struct cold_count {
    /* walker only */
    uint64_t reaped; /* keys that the reaper has deleted */
    bool running;
    uint32_t number, store_db; /* the database that is being counted */
    struct buf after;          /* the last key that was looked at */
    int64_t worked_us;         /* in this pass */
    struct mono next, pass_ended;
    uint64_t news; /* as of the beginning of the last pass */
    bool any_expires;
    /* of each numbered database, as of the last pass */
    struct cold_db {
        _Atomic int64_t expires, avg_ttl_ms;
    } dbs[BACKEND_DATABASES_MAX];
};

/* Where a SCAN is among the backend's keys: a cursor is a number, a place there is a key. */
struct scan_place {
    uint64_t id;
    struct buf after;
};

struct lsn_wait {
    struct lsn_wait *next;
    uint64_t lsn;
    bool local, remote;
    struct waiter *waiter;
};

struct keyspace {
    struct store store;
    struct journal *journal;
    struct writeback *wb;
    struct dbmap *map; /* write-back's */
    struct backend *backend;
    const struct backend_ops *ops;
    struct keyspace_options options;
    uint32_t producers; /* workers and the cutter */
    bool replaying;     /* before the threads start */
    /* the same: whose base cannot be read, see unreadable.c */
    struct unreadable_key *unreadable;
    const char *said; /* why the start waits, and when the log was told */
    struct mono said_at;
    uint32_t unreadable_len;
    _Atomic bool active_expire, expiry_held;
    _Atomic unsigned notify;       /* enum notify_class bits that somebody wants */
    _Atomic bool stuck;            /* above maxmemory and nothing left to evict */
    _Atomic int64_t stuck_told_us; /* when the log said so; 0: never */
    _Atomic uint32_t barren_len;   /* workers that found nothing */
    bool *barren;                  /* by worker, which alone uses it */
    uint32_t *empty_rounds;        /* the same: rounds of eviction that found nothing, in a row */

    struct loader loader;
    struct walker walker;
    struct cold_count cold;

    struct lock wait_lock;
    /* Writers held back, or without journal room; oldest first. */
    struct waiter *pressed GUARDED_BY(wait_lock);
    struct waiter **pressed_last GUARDED_BY(wait_lock);
    _Atomic uint32_t pressed_len;
    struct lsn_wait *lsn_waits GUARDED_BY(wait_lock);
    _Atomic uint32_t waiting; /* length of both lists */

    struct lock scan_lock;
    struct scan_place places[SCAN_PLACES] GUARDED_BY(scan_lock);
    uint64_t next_place GUARDED_BY(scan_lock);
};

struct slot {
    const struct txn_key *key;
    uint64_t hash;
    struct shard *shard;
    struct entry *entry;
    uint32_t generation; /* entry is right while this is the transaction's */
    uint32_t store_db;
    struct value view;
    uint32_t next_open; /* see txn.open_objects */
    int64_t weight;     /* while its object is open: as it stands in the sums */
};

/* Its place in the shard, with what is there now. */
static inline struct key_at slot_at(const struct slot *s, struct entry *e)
{
    return (struct key_at){s->hash, s->store_db, s->key->name, e};
}

struct joined_keys {
    struct joined_keys *next;
    struct txn_key keys[]; /* and then their names */
};

enum txn_said {
    SAID_NOTHING,
    SAID_REQUEST, /* the request is its own effect */
    SAID_EFFECTS,
};

struct txn {
    struct keyspace *ks;
    uint32_t producer;
    unsigned flags;
    bool open, stamped, lfu;
    uint32_t evict_next; /* shard, above maxmemory */
    struct wall now;
    struct journal_stamp stamp;
    uint32_t generation; /* grows with each edit: entries may have moved */
    const char *refusal;
    char refusal_text[768]; /* what it points to, where a cause is added */

    uint32_t slots_len, slots_cap;
    struct slot *slots;
    struct slot inline_slots[TXN_INLINE_SLOTS];
    uint64_t *locked;           /* bitmap of shards, when there is more than one key */
    struct joined_keys *joined; /* by txn_join: where their slots' keys are */

    uint64_t announced; /* for the next txn_begin */
    uint64_t following; /* what the requests after the running one may say, at the most */
    struct slice raw;   /* the running request */
    char *raw_copy;     /* from malloc: of a request that is longer than a ring, else NULL */
    uint32_t argc;
    const struct slice *argv;
    uint32_t effects_db; /* store database at the end of effects */
    uint32_t record_db;  /* and at their beginning */
    uint32_t request_db; /* of the keys of a request that is its own effect */
    bool edited;         /* by the running request */
    enum txn_said said;  /* by the running request, of its effects */
    /* Slots whose aggregates the running request may go on changing: the first one's number plus
     * one, 0: none. What they weigh, and whether anything is left of them, is known at its end. */
    uint32_t open_objects;
    struct buf effects;
    bool met_expired;          /* a key was found whose time is over */
    struct block_ready *ready; /* keys that somebody waits for, changed since they were taken */
    struct block_ready *ready_last; /* valid while there is one */
    uint64_t ready_round;           /* how often they were taken */
};

/* Whether somebody wants to hear of a class of events. */
static inline bool keyspace_tells(const struct keyspace *ks, enum notify_class class)
{
    return (atomic_load_explicit(&ks->notify, memory_order_relaxed) & (unsigned)class) != 0 &&
           !ks->replaying;
}

/* --- admit.c --- */
enum { TXN_FRAME_BYTES = 32 }; /* around an argument: an effect may have only two of them */
enum held_by { HELD_BY_PRESSURE, HELD_BY_LETTERS, HELD_BY_MAXMEMORY, HELD_BY_CAPTURE };
/* What a client hears; static text, or the transaction's own. */
enum txn_state txn_refuse(struct txn *t, const char *text);
/* Flushing will make room soon: the write waits for it, and is refused when that takes too long. */
enum txn_state txn_hold_back(struct txn *t, struct waiter *w, enum held_by cause);
/* A value is being captured, which takes a moment. */
enum txn_state txn_await_capture(struct txn *t, struct waiter *w);
/* Before any lock. */
enum txn_state txn_admit(struct txn *t, struct waiter *w);

/* --- txn.c --- */
bool txn_is_live(const struct txn *t, const struct entry *e);
/* True when `e` is a head whose time is not over: the backend has the key. */
bool txn_is_live_head(const struct txn *t, const struct entry *e);
/* Type and expiry of either; type NONE: it does not live, as far as memory knows. */
struct value txn_head(const struct txn *t, const struct entry *e);
/* The command needs to know whether the key exists, of what type it is and when it expires, but not
 * its value. */
static inline bool needs_head(enum key_mode mode)
{
    return mode == KEY_HEAD || mode == KEY_REMOVE || mode == KEY_PLACE;
}
/* Where the key of a slot is, by the map of databases as it is now. */
void slot_resolve(struct txn *t, struct slot *s);
struct entry *slot_entry(struct txn *t, struct slot *s) NO_TSA;
void txn_lock_all(struct keyspace *ks) NO_TSA;
void txn_unlock_all(struct keyspace *ks) NO_TSA;
/* Stamps the transaction if that has not happened. */
void txn_stamp(struct txn *t);
/* Whether n databases can be flushed now. There was room when the transaction began, but others
 * have flushed before its locks were held, and a group may flush any number of times. False:
 * txn_refusal() says why. */
bool txn_may_flush(struct txn *t, uint32_t n);
/* Ends the effects of the running request. */
void txn_close_request(struct txn *t);

/* --- owed.c --- */
/* Before anything is changed, with all locks held. Anything but OWED_NOTHING: nothing may be
 * changed now; there is no memory, or the cutter is to capture something large first. */
enum owed { OWED_NOTHING, OWED_MEMORY, OWED_LARGE };
MUST_CHECK enum owed owed_capture(struct txn *t);

/* --- effect.c --- */
/* Begins an effect: the verb; `argc` arguments are to be appended. */
void effect_head(struct txn *t, uint32_t store_db, struct slice verb, uint32_t argc);
/* What follows is for keys of this store database. */
void effect_select(struct txn *t, uint32_t store_db);
/* A deletion that is not the request's doing: the key had expired. */
void effect_del(struct txn *t, uint32_t store_db, struct slice key);
/* What is done to the whole of key k, unless the request is its own effect. */
void effect_say_removed(struct txn *t, uint32_t k);
void effect_say_expiry(struct txn *t, uint32_t k, int64_t expires_at_ms);
void effect_say_string(struct txn *t, uint32_t k, struct slice value, int64_t expires_at_ms);
void effect_say_renamed(struct txn *t, uint32_t from, uint32_t to);
/* Any value, with its expiry. Lists get their canonical positions. False: out of memory, or larger
 * than a record may be. */
MUST_CHECK bool effect_say_whole(struct txn *t, uint32_t k, const struct value *v);
/* Where these `n` numbers point to now. */
void effect_say_map(struct txn *t, const uint32_t *numbers, uint32_t n);
/* Memory for an effect of key k with so many bytes. */
MUST_CHECK bool effect_try_reserve(struct txn *t, uint32_t k, size_t bytes);

/* --- edit.c --- */
/* The key is deleted, whatever is known of it. */
MUST_CHECK enum rc edit_clear(struct txn *t, uint32_t k);
/* Before an entry is changed, by a request or because its time is over: stamps the transaction and
 * captures the entry for a cut that is still owed it, which the cutter must not have begun to do in
 * parts. False: out of memory, nothing may be changed. *weight: what it weighs while dirty, for
 * writeback_changed(). */
MUST_CHECK bool edit_begin_entry(struct txn *t, struct shard *sh, struct entry *e, int64_t *weight)
    REQUIRES(sh->lock);
/* At the end of a request: what was edited weighs what it weighs now, and aggregates that were left
 * empty are gone. */
void edit_close_objects(struct txn *t);

/* --- replay.c --- */
/* Applies one effect. Whatever is there, it succeeds, unless memory ends, a base cannot be loaded,
 * or it is no effect at all (RC_CORRUPT). */
MUST_CHECK enum rc replay_effect(struct txn *t, uint32_t store_db, uint32_t argc,
                                 const struct slice *argv, struct err *err);
/* True when the effect changes a part of a key, whose base must be there. */
bool replay_needs_base(uint32_t argc, const struct slice *argv);

/* --- unreadable.c: a replay --- */
#define UNREADABLE "its value in the backend cannot be read"
/* The base of this key cannot be read. False: too many cannot. */
MUST_CHECK bool unreadable_note(struct keyspace *ks, uint32_t store_db, struct slice key);
bool unreadable_is(struct keyspace *ks, uint32_t store_db, struct slice key);
/* The key has a new value, which needs no base. */
void unreadable_replaced(struct keyspace *ks, uint32_t store_db, struct slice key);
/* In place of applying an effect on such a key (argv[1]). */
MUST_CHECK enum rc unreadable_keep(struct txn *t, uint32_t store_db, uint32_t argc,
                                   const struct slice *argv, struct err *err);
/* When the journal may be appended to. Lock: none. */
MUST_CHECK enum rc unreadable_set_aside(struct keyspace *ks, struct err *err);
void unreadable_fini(struct keyspace *ks);

/* --- load.c --- */
void loader_init(struct keyspace *ks);
void loader_start(struct keyspace *ks);
void loader_stop(struct keyspace *ks);
/* Lock: the shard. Joins the load of a slot's key, or begins one and puts a placeholder into the
 * table. Who joins may find that what came is only the head, and joins again. False: out of memory.
 */
MUST_CHECK bool load_join(struct keyspace *ks, const struct slot *s, struct waiter *w) NO_TSA;
/* Lock: the shard. The placeholder is about to be overwritten: whoever waits runs again and sees
 * the new value. */
void load_cancel(struct keyspace *ks, uint64_t hash, uint32_t store_db, struct slice key);
/* Recovery: loads here and now what load_join() has put into the queue. Lock: none. */
MUST_CHECK enum rc load_queued(struct keyspace *ks, struct err *err);
/* Waits until the loader has asked the backend for the changes of others up to now. Thread: walker,
 * while the loader runs. */
void loader_poll_now(struct keyspace *ks);

/* --- walker.c --- */
void walker_init(struct keyspace *ks);
void walker_start(struct keyspace *ks);
void walker_stop(struct keyspace *ks); /* before the loader, which it waits for */
/* Tells the events of what was reaped. Thread: a worker, one at a time. Lock: none. */
void walker_tell_events(struct keyspace *ks);
/* The page's waiter is called when it has been read. Owns: the caller, until then. Thread: any. */
void page_submit(struct keyspace *ks, struct page *p);

/* --- size.c --- */
struct database_size {
    uint64_t keys, expires;
};
/* Errors: RC_FULL: more is unflushed than can be looked up; the backend's. Blocks. Thread: walker.
 * Lock: none. */
MUST_CHECK enum rc keyspace_measure(struct keyspace *ks, uint32_t store_db,
                                    struct database_size *out, struct err *err);

/* --- cold.c --- */
/* A small step of counting, if one is due; returns in how many microseconds the next one is.
 * Thread: walker. */
int64_t cold_count_step(struct keyspace *ks);
/* True when the backend cannot hold a key of it that is not resident. Lock: none. */
bool keyspace_is_all_resident(struct keyspace *ks, uint32_t store_db);
static inline uint64_t keyspace_cold(const struct keyspace *ks, uint32_t store_db)
{
    int64_t cold = atomic_load_explicit(&ks->store.dbs[store_db].cold, memory_order_relaxed);
    return cold > 0 ? (uint64_t)cold : 0;
}

/* --- watch.c --- */
void watch_touch(struct keyspace *ks, struct shard *sh, uint32_t store_db, struct slice key)
    REQUIRES(sh->lock);
/* Any key of the shard may have changed. */
void watch_touch_shard(struct shard *sh) REQUIRES(sh->lock);
/* A key's time is over: who watched it when it was over already has lost nothing. */
void watch_expired(struct keyspace *ks, struct shard *sh, uint32_t store_db, struct slice key)
    REQUIRES(sh->lock);
/* Databases were flushed (b == a) or exchanged. Lock: all shards; the map has changed already;
 * old_a, old_b: store databases before. */
void watch_databases_changed(struct txn *t, uint32_t a, uint32_t b, uint32_t old_a, uint32_t old_b);

/* --- block.c --- */
/* A key was changed that somebody may wait for. */
void block_note(struct txn *t, const struct slot *s);
/* A key may have come into being without a transaction: from the backend. Lock: none. */
void block_look_again(struct keyspace *ks, uint64_t hash, uint32_t store_db, struct slice key);
void block_look_again_shard(struct shard *sh) REQUIRES(sh->lock); /* any of its keys */
/* Database numbers a and b point elsewhere now. Lock: all shards. */
void block_databases_changed(struct txn *t, uint32_t a, uint32_t b);

/* --- wait.c --- */
/* A writer is held back; woken when pressure falls or its time is over. When room_since_us is set:
 * whenever the journal has moved on; when capture_since_us is: at the cutter's next look. */
void wait_for_relief(struct keyspace *ks, struct waiter *w);
void wait_look(struct keyspace *ks, bool journal_moved);

/* --- tick.c --- */
/* Deletes the key of a slot if its time is over, in a record of its own. Lock: none; t is not open.
 */
void expire_met(struct txn *t, const struct slot *slot);
/* The same of a key that a walk met. */
void expire_walked(struct txn *t, const struct txn_key *key, uint32_t store_db);

/* Above maxmemory each write, and each load, makes room for about what it took, among the shards
 * that come next. Lock: none. */
void evict_some(struct keyspace *ks, uint32_t *next, size_t bytes);

/* --- recover.c --- */
MUST_CHECK enum rc recover(struct keyspace *ks, uint64_t applied_lsn, struct err *err);

#endif
