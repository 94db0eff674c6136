/* The keyspace as a whole: opening it, walking it, watching it, and what it tells about itself.
 *
 * Resident entries live in store/; what is not resident may live in the backend. Every function
 * here speaks of both.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KEYSPACE_KEYSPACE_H
#define KEYSPACE_KEYSPACE_H

#include "keyspace/txn.h"

struct fs;
struct journal;
struct writeback;

/* Hash of a key of database number `db`, for prefetching; 0 is never returned. */
uint64_t keyspace_hash(struct keyspace *ks, uint32_t db, struct slice key);
void keyspace_prefetch_bucket(struct keyspace *ks, uint64_t hash);
void keyspace_prefetch_entry(struct keyspace *ks, uint64_t hash);
void keyspace_prefetch_element(struct keyspace *ks, uint64_t hash, struct slice name, bool near);

struct journal *keyspace_journal(struct keyspace *ks);
struct writeback *keyspace_writeback(struct keyspace *ks);

/* --- Walking: SCAN, KEYS, DBSIZE, RANDOMKEY. A walk is a resumable object, because pages of
 * backend keys arrive later. --- */

enum walk_state {
    WALK_MORE,
    WALK_END,
    WALK_PARKED /* waiter will be called; then call again with the same walk */
};

struct walk; /* one SCAN, KEYS, ... of one client; kept in its session while it is parked */
struct walk *walk_new(struct keyspace *ks, uint32_t db);
void walk_free(struct walk **w); /* not while parked */
/* Emits about `count` live keys after *cursor (0: start) and moves it; *cursor 0 at WALK_END.
 * Every key present throughout is emitted at least once, whatever moves in and out of memory
 * between two calls. type VALUE_NONE: every type. `t`: the open transaction when inside EXEC (its
 * locks are held), else NULL. Without a waiter: WALK_PARKED when not everything is resident. */
enum walk_state walk_keys(struct walk *w, struct txn *t, uint64_t *cursor, uint64_t count,
                          enum value_type type, void (*each)(void *ctx, struct slice key),
                          void *ctx, struct waiter *waiter, struct err *err);
/* From now on the walk notes the expired keys that it meets; not within EXEC. Then, after a step:
 * deletes those that were noted, as if a command had met them. `t` is not open. Thread: its worker.
 */
void walk_note_expired(struct walk *w);
void walk_expire_noted(struct walk *w, struct txn *t);
/* Live keys of the database. */
enum walk_state walk_size(struct walk *w, uint64_t *size, struct waiter *waiter, struct err *err);
/* One random live key into *key (a copy in `key`); RC_NOT_FOUND in *found when the database is
 * empty. */
enum walk_state walk_random(struct walk *w, struct txn *t, struct buf *key, bool *found,
                            struct waiter *waiter, struct err *err);

/* --- WATCH --- */

struct watch {           /* one client's watched keys; part of its session */
    _Atomic bool broken; /* set by whoever changes a watched key */
    struct watch_key **keys;
    uint32_t keys_len, keys_cap;
};
/* Watches a key of the open transaction, which made it resident: whether it lives, and until when,
 * is part of what is watched. Thread: the client's worker. PRESENT: watched already. */
enum watch_result { WATCH_ADDED, WATCH_PRESENT, WATCH_OOM };
MUST_CHECK enum watch_result watch_add(struct txn *t, uint32_t key, struct watch *w);
void watch_clear(struct keyspace *ks, struct watch *w); /* forgets all keys, resets broken */
/* True when EXEC must fail: a watched key was changed, or has expired since. */
bool watch_is_broken(struct watch *w);

/* --- Waiting for durability: WAITAOF --- */

/* Calls the waiter when the journal is durable up to lsn (local) and the backend has committed up
 * to it (remote). Returns false, and does not call, when that is so already. Cancelled by
 * keyspace_cancel_wait (true: it will not be called). */
bool keyspace_wait_lsn(struct keyspace *ks, uint64_t lsn, bool local, bool remote,
                       struct waiter *w);
bool keyspace_cancel_wait(struct keyspace *ks, struct waiter *w);
/* Everything at or below is on a disk: the journal is synced, or the backend has committed. A reply
 * that depends on no more may leave. Thread: any. */
uint64_t keyspace_durable_lsn(const struct keyspace *ks);
bool keyspace_is_durable(struct keyspace *ks, uint64_t lsn); /* in the journal */
bool keyspace_is_applied(struct keyspace *ks, uint64_t lsn);

/* --- Housekeeping: called by each worker's timer, ten times a second, with its number of `workers`
 * --- */

/* Active expiry and eviction for this worker's share of the shards, within budget_us; returns true
 * when it should be called again at once. `producer` of txn is the worker's. */
bool keyspace_tick(struct keyspace *ks, struct txn *t, uint32_t worker, uint32_t workers,
                   int64_t budget_us);

/* --- About --- */

/* keys: all of them, in memory or not. Loads, evictions and deletions are followed at once; keys
 * that are overwritten without having been looked at, changed outside, or expired in the backend
 * count wrong until the loader has counted again, which it does in small steps after such changes.
 */
struct keyspace_db_info {
    uint64_t resident, keys, expires;
    int64_t avg_ttl_ms; /* from samples */
};
void keyspace_db_info(struct keyspace *ks, uint32_t db, struct keyspace_db_info *out);
/* Counts everything and breaks (must) where a sum or an index says something else; holds all locks
 * meanwhile. For tests, and DEBUG CHECK. Thread: any. */
void keyspace_check(struct keyspace *ks);
/* Drops everything from memory that the backend has as well; the next read of a key loads it. For
 * DEBUG RELOAD. Lock: none, takes that of each shard for a few entries at a time. Thread: any. */
void keyspace_drop_clean(struct keyspace *ks);
/* Frozen by DEBUG SET-ACTIVE-EXPIRE. */
void keyspace_set_active_expire(struct keyspace *ks, bool on);
/* While CLIENT PAUSE holds writers back, keyspace_tick() expires nothing. Thread: any. */
void keyspace_hold_expiry(struct keyspace *ks, bool on);

/* One line of "name:value\r\n" pairs that explain a key: residency, dirty, cut, in flight, expiry,
 * backend (WEIR EXPLAIN). True: the key is a dead letter. */
bool keyspace_explain(struct keyspace *ks, uint32_t db, struct slice key, struct buf *out);

/* Hands directives that the store keeps on its own (thresholds of encodings, LFU) on to it; after
 * CONFIG SET. Thread: any. */
void keyspace_apply_settings(void);

/* Takes notify-keyspace-events over; after CONFIG SET. Thread: any. */
void keyspace_apply_notify(struct keyspace *ks);

/* --- Wiring: main.c --- */

/* Opens backend, journal, store; recovers; starts the threads. Everything it needs it takes from
 * config/options.h. A store that somebody has locked is waited for, however long; the log says for
 * whom. */
struct keyspace_options {
    uint32_t workers; /* producers of the journal */
    void (*on_journal_progress)(
        void *ctx); /* journal or cutter thread: what is durable moved, or a state changed; must
                       not block */
    void *ctx;
    /* Whoever listens to keyspace events; called under shard locks, must only pass it on. May be
     * NULL. */
    void (*on_event)(void *ctx, const struct keyspace_event *event);
    void (*on_waiting)(void *ctx); /* now and then while the store is locked; may be NULL */
    void (*on_replay_progress)(void *ctx, uint64_t done, uint64_t total); /* may be NULL */
    const struct fs *fs; /* the journal's; NULL: the real one */
};
MUST_CHECK enum rc keyspace_open(const struct keyspace_options *options, struct keyspace **out,
                                 struct err *err);
/* Stops the threads. drain: flushes first, up to timeout_ms. RC_AGAIN: not everything was flushed,
 * the journal keeps it. */
MUST_CHECK enum rc keyspace_close(struct keyspace **ks, bool drain, int64_t timeout_ms,
                                  struct err *err);

#endif
