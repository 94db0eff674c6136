/* Looking into the in-memory test backend, and making it fail.
 *
 * A store is named by its URL, "memory:NAME": all opens of a name in a process share its content,
 * which outlives them, until memory_forget(). "memory:" alone is a private store that goes with its
 * close. Every function makes the store when it is not there yet.
 *
 * Thread: any.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKENDS_MEMORY_MEMORY_H
#define BACKENDS_MEMORY_MEMORY_H

#include "backends/backend.h"
#include "base/buf.h"

struct memory_counters {
    uint64_t applies;      /* calls of apply */
    uint64_t commits;      /* batches that took effect */
    uint64_t items;        /* items in them, those kept for a conflict not counted */
    uint64_t rows;         /* as backend_applied counts them */
    uint64_t conflicts;    /* items that met a foreign edit */
    uint64_t loads;        /* calls of load */
    uint64_t keys_loaded;  /* keys asked for in them */
    uint64_t heads_loaded; /* of these, without their values */
    uint64_t scans, counts, polls, maintains;
};
struct memory_counters memory_counters(const char *name);

/* The next n applies fail with rc: before anything is changed, or after everything is committed
 * (the lost answer). n = UINT64_MAX: until told otherwise; n = 0: no more. */
void memory_fail_applies(const char *name, uint64_t n, enum rc rc);
void memory_fail_applies_after_commit(const char *name, uint64_t n, enum rc rc);
/* The next n loads, scans and counts fail with rc. */
void memory_fail_loads(const char *name, uint64_t n, enum rc rc);
/* Opens fail with rc from now on; RC_OK: no more. */
void memory_fail_opens(const char *name, enum rc rc);

/* The next apply is committed and its answer lost, and then the store is away (RC_UNAVAILABLE to
 * whoever asks) until memory_return(). */
void memory_leave_after_commit(const char *name);
void memory_return(const char *name);
/* True while it is away. */
bool memory_is_away(const char *name);

/* Items of this key are refused, until memory_accept_all(). */
void memory_reject_key(const char *name, struct slice key);
void memory_accept_all(const char *name);

/* While held, apply blocks before it changes anything. The second waits until one does so; false
 * when timeout_ms passed first. */
void memory_hold_applies(const char *name, bool hold);
MUST_CHECK bool memory_wait_held(const char *name, int64_t timeout_ms);

/* Changes a key as somebody else would: noticed by poll, a conflict for apply. */
void memory_edit(const char *name, const struct backend_item *item);

/* What is stored under a key, expired or not; a string is appended to `value` (which may be NULL).
 * For aggregates open the store once more and load. */
enum value_type memory_get(const char *name, uint32_t db, struct slice key, struct buf *value);
/* Everything that is stored at one moment: each key as one item with all its elements, expired or
 * not, and of which cut and map that is. Unlike a load it settles nothing. */
void memory_each(const char *name, struct backend_position *position, backend_emit *emit,
                 void *ctx);
/* Keys in all store databases. */
uint64_t memory_size(const char *name);
uint64_t memory_cut_lsn(const char *name);
/* A store of this cut says that it has another one, as if it had committed data and position apart.
 */
void memory_move_cut_lsn(const char *name, uint64_t from, uint64_t to);

/* Throws the store away; nobody may have it open. */
void memory_forget(const char *name);

#endif
