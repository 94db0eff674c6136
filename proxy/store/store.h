/* The resident keyspace: shards, their tables, and entries. No I/O, no policy: which entry is
 * loaded, flushed or dropped is decided by keyspace/ and writeback/.
 *
 *   hash(db, key) ─ top bits ─> shard ─ next bits ─> bucket ─ tag ─> entry
 *
 * A bucket is one cache line of 7 tagged pointers.
 *
 * An entry is one allocation: header, expiry (only when it has one), key, value (strings; other
 * types have a pointer to their object there). An overwrite that fits the allocation happens in
 * place. Entries move when they grow: nobody keeps a pointer to one beyond the shard's lock; the
 * dirty list is told (entry.dirty_index).
 *
 * Life of an entry:
 *
 *            load          edit               capture            commit
 *   (absent) ──────> clean ──────> dirty(cut) ────────> in flight ────────> clean ─evict─> (absent)
 *                                      ^                    │  edit
 *                                      └────────────────────┘ (dirty and in flight)
 *   A deleted key stays as a tombstone (type NONE, dirty or in flight) until the cut that carries
 * it is committed. A key known to be absent from the backend is type NONE and clean. A key being
 * loaded is type NONE and `loading`; so is one of which only the type and the expiry were loaded,
 * its *head*: it counts as not resident, and nobody is loading it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/clock.h"
#include "base/lock.h"
#include "store/arrivals.h"
#include "store/value.h"

enum {
    STORE_DB_MAX = 65535, /* store databases: 1..65535 */
    STORE_KEY_MAX = (1 << 30) - 1,
    STORE_STRING_MAX = 512 * 1024 * 1024,
    STORE_INLINE_MAX = 16 * 1024,    /* larger strings are blobs */
    STORE_DIRTY_MAX = (1 << 24) - 2, /* dirty entries of one shard */
};

enum entry_flag {
    ENTRY_DIRTY = 1,   /* on the shard's dirty list, changed in the cut that ENTRY_CUT_ODD tells */
    ENTRY_CUT_ODD = 2, /* parity of the cut in which it became dirty */
    ENTRY_IN_FLIGHT = 4, /* captured, its batch is not committed yet */
    ENTRY_VISITED = 8,   /* used since the eviction hand passed */
    ENTRY_EXPIRES = 16,  /* has an expiry */
    ENTRY_LOADING = 32,  /* placeholder: a load is under way, or a head, see entry_is_head() */
    ENTRY_RAW = 64,      /* string that was modified in place */
    /* Aggregates: what the backend holds under this key does not belong to this value. Of a key
     * that does not exist: the backend still holds one that has expired. */
    ENTRY_REPLACE = 128,
};

struct entry {               /* 16 bytes, then [int64 expiry] key value */
    uint32_t value_len : 15; /* inline strings: bytes; a blob or an object: sizeof(void *) */
    uint32_t used_low : 17;  /* when it was last used; see store_touch */
    uint32_t key_len : 30;
    uint32_t is_blob : 1;
    uint32_t proven : 1;       /* was used again before the hand first came by; see shard_evict */
    uint32_t dirty_index : 24; /* place in shard->dirty, while ENTRY_DIRTY */
    uint32_t type : 3;         /* enum value_type */
    uint32_t apart : 1;        /* the backend has something else: see writeback/cleanup.c */
    uint32_t used_high : 4;
    uint16_t db; /* store database */
    uint8_t flags;
    uint8_t frequency; /* how often it is used; see store_touch */
    char data[];
};

struct table; /* the buckets of a shard */
struct expiry_heap;

/* Everything here is under the lock (clang's analysis cannot express that for fields in C; it
 * checks the functions), but for the pointers `table` and `expiry`, which do not change, and
 * `index`. */
struct store;

struct shard {
    struct lock lock;
    struct table *table;
    struct entry **dirty; /* dirty list: every ENTRY_DIRTY entry once */
    uint32_t dirty_len, dirty_cap;
    uint32_t dirty_wanted; /* by the transaction that is beginning */
    struct store *store;   /* immutable: the one that it belongs to */
    struct expiry_heap *expiry;
    size_t hand;             /* eviction hand: where in the hash space it stands */
    uint32_t proven;         /* entries that are */
    uint32_t looked_in_vain; /* slots since the hand last found something */
    uint64_t last_lsn;       /* newest effect on any key here: what a read depends on */
    uint64_t incomplete;     /* a bit for each store database, see shard_note_dropped() */
    void *watch;             /* keyspace/watch.c: watched keys, NULL mostly */
    void *blocked;           /* keyspace/block.c: keys that clients wait for, NULL mostly */
    _Atomic uint32_t index;
} __attribute__((aligned(CACHE_LINE)));

/* Something of a store database was dropped here: a miss is no longer proof of absence. Databases
 * that are 64 numbers apart share a bit. */
static inline uint64_t shard_database_bit(uint32_t store_db)
{
    return UINT64_C(1) << (store_db % 64);
}
static inline void shard_note_dropped(struct shard *sh, uint32_t store_db) REQUIRES(sh->lock)
{
    sh->incomplete |= shard_database_bit(store_db);
}

struct store {
    uint32_t shards_len; /* immutable; a power of two */
    struct shard *shards;
    uint64_t seed;             /* of the hash; random per process */
    _Atomic int64_t negatives; /* entries of type NONE, but heads: known-absent keys, tombstones,
                                  placeholders */
    struct store_db_stats {    /* live keys, for DBSIZE and INFO; index: store database */
        _Atomic int64_t keys, expires;
        _Atomic int64_t cold; /* keys that the backend has and memory does not, as far as known */
    } * dbs;
    struct arrivals arrivals; /* for walks */
};

MUST_CHECK enum rc store_open(struct store *s, uint32_t shards_len, struct err *err);
void store_close(struct store *s); /* frees everything, dirty or not */

/* A live key left memory for the backend (+1), or came from there (-1). Thread: any. */
static inline void store_note_cold(struct store *s, uint32_t db, int by)
{
    atomic_fetch_add_explicit(&s->dbs[db].cold, by, memory_order_relaxed);
}

/* Hash of (db, key), never 0: shard = top bits. Thread: any. */
uint64_t store_hash(const struct store *s, uint32_t db, struct slice key);
static inline struct shard *store_shard(const struct store *s, uint64_t hash)
{
    return &s->shards[(hash >> 32) * s->shards_len >> 32];
}

/* Hints to the CPU before a batch runs. prefetch_bucket needs no lock; prefetch_entry looks into
 * the bucket and takes the lock if it is free, else does nothing. */
void store_prefetch_bucket(const struct store *s, uint64_t hash);
void store_prefetch_entry(const struct store *s, uint64_t hash);
/* An element of an aggregate that is large, or was used just now; see prefetch in value.h. */
void store_prefetch_element(const struct store *s, uint64_t hash, struct slice name, bool near);

/* All functions from here on: Lock: the entry's shard. */

/* Where a key is in its shard, or would be. */
struct key_at {
    uint64_t hash;
    uint32_t db; /* store database */
    struct slice key;
    struct entry *entry; /* NULL: it is not in the table */
};

/* The entry, live or not (tombstone, placeholder, expired): the caller looks. NULL: nothing known
 * here. */
struct entry *entry_find(struct shard *sh, uint64_t hash, uint32_t db, struct slice key)
    REQUIRES(sh->lock);

/* A dirty entry of this hash whose ENTRY_CUT_ODD is not `odd`; NULL: none. */
struct entry *shard_find_dirty(struct shard *sh, uint64_t hash, bool odd) REQUIRES(sh->lock);

/* Create or change. Each returns the entry at its (new) place, or NULL when out of memory with
 * everything unchanged. The dirty list, the expiry index, live counters and memory follow; flags
 * DIRTY, IN_FLIGHT, CUT_ODD are kept. What was there before is released (large objects: see
 * store_free_later). */
struct entry *entry_set_string(struct shard *sh, struct key_at at, struct slice value,
                               int64_t expires_at_ms) REQUIRES(sh->lock);
/* Takes over one reference to blob, NULLing *blob on success. */
struct entry *entry_set_blob(struct shard *sh, struct key_at at, struct blob **blob,
                             int64_t expires_at_ms) REQUIRES(sh->lock);
/* Takes over an aggregate object of `type`. */
struct entry *entry_set_object(struct shard *sh, struct key_at at, enum value_type type,
                               void *object, int64_t expires_at_ms) REQUIRES(sh->lock);
/* To type NONE: a tombstone, a known-absent key or (flag LOADING set by the caller) a placeholder.
 */
struct entry *entry_set_none(struct shard *sh, struct key_at at) REQUIRES(sh->lock);
/* To the head of a key that only the backend has: type NONE and LOADING for everybody who does not
 * ask for heads. Clean; goes by eviction like a value. */
struct entry *entry_set_head(struct shard *sh, struct key_at at, enum value_type type,
                             int64_t expires_at_ms) REQUIRES(sh->lock);
/* A string's bytes made writable, of length new_len, old bytes kept, the rest zero; sets RAW.
 * *bytes points into the entry or its blob (copied first if somebody else holds it). The entry
 * may be NULL or of type NONE. */
struct entry *entry_edit_string(struct shard *sh, struct key_at at, size_t new_len, char **bytes)
    REQUIRES(sh->lock);
struct entry *entry_set_expiry(struct shard *sh, struct entry *e, uint64_t hash,
                               int64_t expires_at_ms) REQUIRES(sh->lock);
/* Out of the table and freed. Must be neither dirty nor in flight. */
void entry_remove(struct shard *sh, struct entry *e, uint64_t hash) REQUIRES(sh->lock);
/* Takes the object out of an aggregate entry (RENAME): the entry becomes type NONE. */
void *entry_take_object(struct shard *sh, struct entry *e, uint64_t hash) REQUIRES(sh->lock);

/* Reading. */
struct slice entry_key(const struct entry *e);
int64_t entry_expires_at(const struct entry *e); /* 0: never */
void entry_value(const struct entry *e, struct value *out);
void *entry_object(const struct entry *e);  /* aggregates */
void **entry_object_place(struct entry *e); /* the same, to change: valid until the entry moves */
/* Allocation, value included, its table slot and expiry item; from the sizes, without asking the
 * allocator. */
size_t entry_memory(const struct entry *e);
/* Of an aggregate: the backend is to have all of it, and not what was changed. */
bool entry_must_replace(const struct entry *e);
/* Bytes that its next capture will take, about: of an aggregate, its changes' share. A function of
 * the entry as it is, so that sums of it can be kept. */
size_t entry_unflushed(const struct entry *e);
static inline bool entry_is_head(const struct entry *e)
{
    return (e->flags & ENTRY_LOADING) != 0 && e->value_len != 0;
}
/* What a head knows: type and expiry, of a value that is not here. */
void entry_head(const struct entry *e, struct value *out);
static inline bool entry_expired(const struct entry *e, struct wall now)
{
    return (e->flags & ENTRY_EXPIRES) != 0 && entry_expires_at(e) <= now.ms;
}

/* Dirty list. mark: adds (false: out of memory or STORE_DIRTY_MAX, unchanged) ; unmark: removes in
 * O(1) by moving the last one. */
/* Room for n more; false: as mark. */
MUST_CHECK bool shard_try_reserve_dirty(struct shard *sh, uint32_t n) REQUIRES(sh->lock);
MUST_CHECK bool entry_mark_dirty(struct shard *sh, struct entry *e, uint16_t cut)
    REQUIRES(sh->lock);
void entry_unmark_dirty(struct shard *sh, struct entry *e) REQUIRES(sh->lock);

/* Marks the use of an entry, for eviction and OBJECT FREQ/IDLETIME: the second of its last use and
 * (lfu) the logarithmic counter. Both are always kept apart, so the policy may change at any time.
 */
void store_touch(struct entry *e, bool lfu);
/* How the counter of the lfu mode grows and falls (lfu-log-factor, lfu-decay-time). */
extern struct store_settings {
    _Atomic uint32_t lfu_log_factor, lfu_decay_minutes;
} store_settings;
int64_t store_idle_seconds(const struct entry *e); /* modulo 24 days */
uint8_t store_frequency(const struct entry *e);    /* 0..255, logarithmic as in Redis */
/* As if it had last been used so long ago (at most 24 days), or so often; -1: as it is. */
void store_set_use(struct entry *e, int64_t idle_seconds, int frequency);
void store_clock_tick(struct wall now); /* once a second or so, from any thread */

/* Walks. The callback may change or remove the entry it is given, nothing else. */
/* SCAN: entries whose hash lies in the next part of this shard's range. *cursor (0: start of the
 * shard) moves on and becomes 0 after the last; at least `count` slots are looked at. Cursors
 * survive resizing: they are positions in hash space, not in the table. */
void shard_scan(struct shard *sh, uint32_t *cursor, size_t count,
                void (*each)(void *ctx, struct entry *e), void *ctx) REQUIRES(sh->lock);
/* Random live entry, or NULL when there is none in this shard. */
struct entry *shard_random(struct shard *sh, uint64_t random, uint32_t db, struct wall now)
    REQUIRES(sh->lock);
/* Next entry that is due at `now`, or NULL; stale index items are skipped. The caller deletes or
 * changes it before the next call (else it is handed out again). *hash is its hash. */
struct entry *shard_due(struct shard *sh, struct wall now, uint64_t *hash) REQUIRES(sh->lock);
/* Deadline of the earliest item in the expiry index (may be stale), 0: none. */
int64_t shard_next_due(const struct shard *sh) REQUIRES(sh->lock);
/* Adds up the time that is left to at most `most` keys of a database that have an expiry; *n: how
 * many they are. */
void shard_sample_ttl(struct shard *sh, uint32_t db, struct wall now, size_t most, double *sum_ms,
                      uint64_t *n) REQUIRES(sh->lock);
/* Eviction: the hand goes over at most `look` slots and removes the first clean, idle, matching
 * entry. Returns the bytes freed, 0: none found (not yet: the hand stays where it is).
 * volatile_only: only keys with an expiry. Noted as dropped, except for known-absent keys.
 *
 * CLOCK over the table with probation, in the manner of S3-FIFO (Yang et al., SOSP 2023) without
 * its queues: a new entry that was not used again when the hand comes by goes at once; one that was
 * is proven, and goes after a round without use, as long as the unproven are few. So a scan passes
 * through a tenth of the memory. */
size_t shard_evict(struct shard *sh, size_t look, bool volatile_only) REQUIRES(sh->lock);
/* Slots that the hand goes over in a round. */
size_t shard_slots(const struct shard *sh) REQUIRES(sh->lock);
/* Drops keys that are known to be absent, and nothing else, `look` slots a call; *position moves
 * on, 0 at the end. */
void shard_forget_absent(struct shard *sh, uint32_t *position, size_t look) REQUIRES(sh->lock);
/* Drops entries that `dead` says so of, `look` slots a call; *position moves on, 0 at the end.
 * Dirty or in-flight ones stay, unasked. */
void shard_sweep(struct shard *sh, uint32_t *position, size_t look,
                 bool (*dead)(void *ctx, const struct entry *e), void *ctx) REQUIRES(sh->lock);

/* Walks everything of a shard and breaks (must) where its parts do not agree: table, dirty list,
 * expiry index. For tests and debugging. Lock: the shard's. */
void shard_check(struct shard *sh) REQUIRES(sh->lock);
/* The same for what is counted over all shards. Lock: all of them. */
void store_check_sums(struct store *s);

/* Large objects and blobs released under a lock are put on a list and freed by whoever calls this
 * without one; returns how many. */
size_t store_free_later_run(void);

/* Allocator's figures (jemalloc): bytes allocated by the application, resident, and so on;
 * refreshed by memory_refresh(). `data` is what counts against maxmemory: all that is allocated,
 * without the caches of the backend; `peak` is the highest of that. */
struct memory_info {
    size_t allocated, data, active, resident, mapped, peak;
};
void memory_begin(uint64_t limit); /* once, before threads: fits the allocator to maxmemory */
void memory_refresh(void);
/* How many bytes are no data, asked at each refresh, by any thread; NULL: none any more. */
void memory_count_apart(size_t (*bytes)(void *ctx), void *ctx);
size_t memory_data(void);
void memory_get_info(struct memory_info *out);
/* Gives what is free back to the system. Takes milliseconds where much is. */
void memory_purge(void);
/* The allocator's own report, for people. */
void memory_append_stats(struct buf *out);
/* Bytes in use once everything that does not depend on data was there: what a start takes. Marked
 * once, by main. */
void memory_mark_started(void);
size_t memory_at_start(void);

#endif
