/* A keyspace over the memory backend, for tests that drive transactions without a server.
 *
 * One call is one transaction; a parked one waits until it may run again. Failing is a test
 * failure.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_KS_H
#define TESTS_SUPPORT_KS_H

#include "backends/memory/memory.h"
#include "keyspace/keyspace.h"
#include "writeback/writeback.h"

struct ks_fixture {
    char dir[64];
    char store[64]; /* name of the memory store */
    struct keyspace *ks;
    struct txn *t[3];
    const char *const *more; /* directives beyond the defaults, NULL-terminated pairs */
};

/* Waits for what a parked transaction or walk waits for: {.waiter.ready = ks_be_ready}, then
 * ks_await(ks_was_ready, ...), which may begin anew. */
struct ks_waiter {
    struct waiter waiter;
    _Atomic bool ready;
};
void ks_be_ready(struct waiter *w);
bool ks_was_ready(void *waiter);

/* A new directory and an empty store. `more`: "--name", "value", ..., NULL. */
void ks_make(struct ks_fixture *f, const char *const *more);
/* Stops without flushing (drain false) and starts again on the same directory and store. */
void ks_restart(struct ks_fixture *f, bool drain);
void ks_stop(struct ks_fixture *f, bool drain);
void ks_start(struct ks_fixture *f);
void ks_destroy(struct ks_fixture *f);
/* The same as cmocka's set-up and tear-down; *state: the fixture, by KS_TEST(). */
int ks_setup(void **state);
int ks_teardown(void **state);
#define KS_TEST(test, fixture) \
    cmocka_unit_test_prestate_setup_teardown(test, ks_setup, ks_teardown, fixture)
/* Drops every entry that may be dropped, that is, all that is clean; returns how many. */
size_t ks_evict(struct ks_fixture *f);

/* worker: which of the transactions (threads) to use. */
void ks_set(struct ks_fixture *f, int worker, const char *key, const char *value);
void ks_set_until(struct ks_fixture *f, int worker, const char *key, const char *value,
                  int64_t expires_at_ms);
/* Both in one transaction. */
void ks_set_two(struct ks_fixture *f, int worker, const char *a, const char *va, const char *b,
                const char *vb);
bool ks_del(struct ks_fixture *f, int worker, const char *key);
void ks_hset(struct ks_fixture *f, int worker, const char *key, const char *field,
             const char *value);
/* How many fields a hash has; 0: absent. */
size_t ks_hlen(struct ks_fixture *f, int worker, const char *key);
void ks_expire_at(struct ks_fixture *f, int worker, const char *key, int64_t expires_at_ms);
/* False: absent. */
bool ks_get(struct ks_fixture *f, int worker, const char *key, char *out, size_t size);
void ks_expect(struct ks_fixture *f, const char *key, const char *value); /* NULL: absent */
/* What txn_begin says to a write of this key. */
enum txn_state ks_try_write(struct ks_fixture *f, const char *key, const char **refusal);
void ks_rename(struct ks_fixture *f, int worker, const char *from, const char *to);
void ks_flush_db(struct ks_fixture *f, uint32_t db);
void ks_swap_db(struct ks_fixture *f, uint32_t a, uint32_t b);

/* Flushes and waits until the backend has everything. */
void ks_flush(struct ks_fixture *f);
/* Waits for a condition, at most ten seconds. */
void ks_await(bool (*condition)(void *ctx), void *ctx, const char *what);
/* Waits until the wall clock has passed this. */
void ks_await_past(int64_t wall_ms);
/* What an operator asks for; returns how many records that was about. */
uint64_t ks_order(struct ks_fixture *f, enum writeback_order_kind kind, uint64_t id);
/* What the backend holds under a key of database 0; NULL: nothing. Static buffer. */
const char *ks_stored(struct ks_fixture *f, const char *key);

#endif
