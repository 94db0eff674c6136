/* Which store database each numbered database points to.
 *
 * Keys carry the number of a store database. FLUSHDB points its database at a fresh, empty store
 * database and leaves the old one to be swept; SWAPDB exchanges two pointers. So both take the same
 * time whatever they concern, and in the backend both are a few rows in the transaction of their
 * cut.
 *
 * A store database is free, live (some number points to it) or dead. A dead one becomes free again
 * when the cut that left it is committed and no entry of it is resident.
 *
 * Lock: changing takes every shard lock; whoever holds any shard lock sees a map that stands still.
 * Reading a pointer without a lock is a guess, to be checked against `version` once a lock is held.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WRITEBACK_DBMAP_H
#define WRITEBACK_DBMAP_H

#include "backends/backend.h"
#include "store/store.h"

struct dbmap {
    uint32_t len;                                     /* immutable after init */
    _Atomic uint32_t store_db[BACKEND_DATABASES_MAX]; /* number -> store database */
    _Atomic uint64_t version;                         /* grows with each change */
    _Atomic uint8_t state[STORE_DB_MAX + 1];          /* enum dbmap_state */
    /* The backend held nothing under it when it became live: every key it has is resident, unless
     * one was evicted. */
    _Atomic bool born_empty[STORE_DB_MAX + 1];
    _Atomic bool touched[STORE_DB_MAX + 1]; /* a key was written under it */
    uint64_t dead_lsn[STORE_DB_MAX + 1];    /* all shards locked */
    _Atomic uint32_t dead;                  /* how many are dead */
    _Atomic bool changed; /* not captured by a cut yet; set with all shards locked */
    uint32_t next_free;
};

enum dbmap_state { DBMAP_FREE, DBMAP_LIVE, DBMAP_DEAD };

/* Takes over what the backend knows; `databases` numbers are in use at least. */
void dbmap_init(struct dbmap *m, const struct backend_position *position, uint32_t databases);
static inline uint32_t dbmap_store_db(const struct dbmap *m, uint32_t number)
{
    return atomic_load_explicit(&m->store_db[number], memory_order_relaxed);
}
/* The number that points to a store database, or -1. */
int dbmap_number(const struct dbmap *m, uint32_t store_db);
/* True when a FLUSHALL would find enough free store databases. Without all shard locks it is a
 * guess. */
bool dbmap_has_room(const struct dbmap *m);
/* How many databases can be renewed. Lock: all shards */
uint32_t dbmap_free(const struct dbmap *m);
/* Points `number` to a fresh store database; the old one is dead from `lsn` on. Lock: all shards.
 */
void dbmap_renew(struct dbmap *m, uint32_t number, uint64_t lsn);
void dbmap_swap(struct dbmap *m, uint32_t a, uint32_t b); /* Lock: all shards */
/* Recovery: the numbers point where `wanted` says, since `lsn`. */
void dbmap_become(struct dbmap *m, const struct backend_dbmap *wanted, uint64_t lsn);
void dbmap_export(const struct dbmap *m, struct backend_dbmap *out); /* Lock: any shard */
/* Thread: cutter, after a full sweep that began with every dead database of dead_lsn <=
 * applied_lsn: frees those. */
void dbmap_free_dead(struct dbmap *m, uint64_t applied_lsn);

#endif
