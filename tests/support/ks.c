/* See ks.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/ks.h"

#include "config/options.h"
#include "journal/journal.h"
#include "keyspace/effect.h"
#include "keyspace/internal.h"
#include "store/hash.h"
#include "writeback/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

void ks_start(struct ks_fixture *f)
{
    struct err err = {0};
    char journal[96], backend[96];
    char *argv[64];
    int argc = 0;
    snprintf(journal, sizeof(journal), "%s/journal", f->dir);
    snprintf(backend, sizeof(backend), "memory:%s", f->store);
    char *fixed[] = {"--journal-dir",
                     journal,
                     "--backend",
                     backend,
                     "--write-delay-ms",
                     "3600000",
                     "--journal-segment-size",
                     "1mb",
                     "--journal-ring-size",
                     "256kb",
                     "--shards",
                     "64",
                     "--flush-backoff-ms",
                     "1",
                     "--breaker-open-ms",
                     "5"};
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        argv[argc++] = fixed[i];
    for (int i = 0; f->more != NULL && f->more[i] != NULL; i++)
        argv[argc++] = strdup(f->more[i]);
    options_reset();
    if (options_load(NULL, argc, argv, &err) != RC_OK)
        fail_msg("%s", err.text);
    for (size_t i = COUNT_OF(fixed); i < (size_t)argc; i++)
        free(argv[i]);
    struct keyspace_options o = {.workers = 3};
    if (keyspace_open(&o, &f->ks, &err) != RC_OK)
        fail_msg("%s", err.text);
    for (uint32_t i = 0; i < 3; i++)
        f->t[i] = txn_new(f->ks, i);
}

void ks_stop(struct ks_fixture *f, bool drain)
{
    struct err err;
    keyspace_check(f->ks);
    for (int i = 0; i < 3; i++)
        txn_free(&f->t[i]);
    enum rc rc = keyspace_close(&f->ks, drain, 10000, &err);
    assert_true(rc == RC_OK || !drain);
}

static bool has_databases(void *ctx)
{
    const struct ks_fixture *f = ctx;
    struct writeback *wb = keyspace_writeback(f->ks);
    return !atomic_load(&wb->front.map.changed) && lane_is_idle(wb) &&
           writeback_applied_lsn(wb) >= atomic_load(&wb->last_cut_lsn);
}

void ks_make(struct ks_fixture *f, const char *const *more)
{
    *f = (struct ks_fixture){.more = more};
    strcpy(f->dir, "/tmp/weir-ks-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->store, sizeof(f->store), "%s", f->dir + 5);
    ks_start(f);
    ks_await(has_databases, f, "the first cut, which tells the new store its databases");
}

void ks_restart(struct ks_fixture *f, bool drain)
{
    ks_stop(f, drain);
    ks_start(f);
}

/* The hand passes each slot several times before an entry that was used goes. */
size_t ks_evict(struct ks_fixture *f)
{
    struct store *store = &f->ks->store;
    size_t evicted = 0;
    for (uint32_t i = 0; i < store->shards_len; i++) {
        struct shard *sh = &store->shards[i];
        lock_acquire(&sh->lock);
        for (int in_vain = 0; in_vain < 4; in_vain++) {
            while (shard_evict(sh, 64, false) > 0) {
                in_vain = 0;
                evicted++;
            }
        }
        shard_check(sh);
        lock_release(&sh->lock);
    }
    store_free_later_run();
    return evicted;
}

void ks_destroy(struct ks_fixture *f)
{
    char command[128];
    memory_fail_applies(f->store, 0, RC_OK);
    memory_hold_applies(f->store, false);
    ks_stop(f, false);
    memory_forget(f->store);
    snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
    assert_int_equal(system(command), 0);
}

int ks_setup(void **state)
{
    ks_make(*state, NULL);
    return 0;
}

int ks_teardown(void **state)
{
    ks_destroy(*state);
    return 0;
}

void ks_be_ready(struct waiter *w)
{
    atomic_store(&((struct ks_waiter *)(void *)w)->ready, true);
}

bool ks_was_ready(void *waiter)
{
    return atomic_exchange(&((struct ks_waiter *)waiter)->ready, false);
}

struct parked {
    struct waiter waiter;
    struct lock lock;
    struct cond cond;
    bool ready;
};

static void be_ready(struct waiter *w)
{
    struct parked *p = (struct parked *)(void *)w;
    lock_acquire(&p->lock);
    p->ready = true;
    cond_signal(&p->cond);
    lock_release(&p->lock);
}

static void begin(struct ks_fixture *f, int worker, const struct txn_key *keys, uint32_t n,
                  unsigned flags, uint32_t argc, const struct slice *argv)
{
    struct parked p = {.waiter.ready = be_ready};
    lock_init(&p.lock);
    cond_init(&p.cond);
    for (;;) {
        enum txn_state state =
            txn_begin(f->t[worker], keys, n, flags, (struct slice){0}, argc, argv, &p.waiter);
        if (state == TXN_REFUSED)
            fail_msg("refused: %s", txn_refusal(f->t[worker]));
        if (state == TXN_READY)
            break;
        lock_acquire(&p.lock);
        while (!p.ready)
            cond_wait(&p.cond, &p.lock);
        p.ready = false;
        lock_release(&p.lock);
    }
    lock_fini(&p.lock);
    cond_fini(&p.cond);
}

static void begin_one(struct ks_fixture *f, int worker, const char *key, enum key_mode mode,
                      unsigned flags, struct txn_key *k, uint32_t argc, const struct slice *argv)
{
    *k = (struct txn_key){.mode = mode, .name = slice_str(key)};
    begin(f, worker, k, 1, flags, argc, argv);
}

void ks_set_until(struct ks_fixture *f, int worker, const char *key, const char *value,
                  int64_t expires_at_ms)
{
    struct txn_key k;
    char ms[32];
    snprintf(ms, sizeof(ms), "%lld", (long long)expires_at_ms);
    struct slice argv[] = {SLICE("SET"), slice_str(key), slice_str(value), SLICE("PXAT"),
                           slice_str(ms)};
    begin_one(f, worker, key, KEY_OVERWRITE, TXN_WRITES, &k, expires_at_ms > 0 ? 5 : 3, argv);
    assert_int_equal(txn_set_string(f->t[worker], 0, slice_str(value), expires_at_ms), RC_OK);
    txn_commit(f->t[worker]);
}

void ks_set(struct ks_fixture *f, int worker, const char *key, const char *value)
{
    ks_set_until(f, worker, key, value, 0);
}

void ks_set_two(struct ks_fixture *f, int worker, const char *a, const char *va, const char *b,
                const char *vb)
{
    struct txn_key keys[] = {{.mode = KEY_OVERWRITE, .name = slice_str(a)},
                             {.mode = KEY_OVERWRITE, .name = slice_str(b)}};
    struct slice argv[] = {SLICE("MSET"), slice_str(a), slice_str(va), slice_str(b), slice_str(vb)};
    begin(f, worker, keys, 2, TXN_WRITES, 5, argv);
    assert_int_equal(txn_set_string(f->t[worker], 0, slice_str(va), 0), RC_OK);
    assert_int_equal(txn_set_string(f->t[worker], 1, slice_str(vb), 0), RC_OK);
    txn_commit(f->t[worker]);
}

bool ks_del(struct ks_fixture *f, int worker, const char *key)
{
    struct txn_key k;
    struct slice argv[] = {SLICE("DEL"), slice_str(key)};
    begin_one(f, worker, key, KEY_REMOVE, TXN_WRITES | TXN_NO_OOM, &k, 2, argv);
    bool removed = txn_remove(f->t[worker], 0);
    txn_commit(f->t[worker]);
    return removed;
}

void ks_hset(struct ks_fixture *f, int worker, const char *key, const char *field,
             const char *value)
{
    struct txn_key k;
    bool created;
    struct slice argv[] = {SLICE("HSET"), slice_str(key), slice_str(field), slice_str(value)};
    begin_one(f, worker, key, KEY_UPDATE, TXN_WRITES, &k, 4, argv);
    struct hash **h = txn_edit_hash(f->t[worker], 0, &created);
    assert_non_null(h);
    assert_true(hash_set(h, slice_str(field), slice_str(value)) != HASH_OOM);
    txn_effect_request(f->t[worker], 0);
    txn_commit(f->t[worker]);
}

size_t ks_hlen(struct ks_fixture *f, int worker, const char *key)
{
    struct txn_key k;
    begin_one(f, worker, key, KEY_READ, 0, &k, 0, NULL);
    const struct value *v = txn_read(f->t[worker], 0);
    size_t len = v != NULL ? value_ops(v->type)->count(v->object) : 0;
    txn_commit(f->t[worker]);
    return len;
}

void ks_expire_at(struct ks_fixture *f, int worker, const char *key, int64_t expires_at_ms)
{
    struct txn_key k;
    char ms[32];
    snprintf(ms, sizeof(ms), "%lld", (long long)expires_at_ms);
    struct slice argv[] = {SLICE("PEXPIREAT"), slice_str(key), slice_str(ms)};
    begin_one(f, worker, key, KEY_UPDATE, TXN_WRITES, &k, 3, argv);
    assert_int_equal(txn_set_expiry(f->t[worker], 0, expires_at_ms), RC_OK);
    txn_commit(f->t[worker]);
}

bool ks_get(struct ks_fixture *f, int worker, const char *key, char *out, size_t size)
{
    struct txn_key k;
    begin_one(f, worker, key, KEY_READ, 0, &k, 0, NULL);
    const struct value *v = txn_read(f->t[worker], 0);
    if (v != NULL)
        snprintf(out, size, "%.*s", (int)v->str.len, v->str.ptr);
    bool found = v != NULL;
    txn_commit(f->t[worker]);
    return found;
}

void ks_expect(struct ks_fixture *f, const char *key, const char *value)
{
    char got[256];
    bool found = ks_get(f, 0, key, got, sizeof(got));
    if (value == NULL)
        assert_false(found);
    else if (!found)
        fail_msg("'%s' is absent, not '%s'", key, value);
    else
        assert_string_equal(got, value);
}

enum txn_state ks_try_write(struct ks_fixture *f, const char *key, const char **refusal)
{
    struct txn_key k = {.mode = KEY_OVERWRITE, .name = slice_str(key)};
    enum txn_state state = txn_begin(f->t[0], &k, 1, TXN_WRITES, (struct slice){0}, 0, NULL, NULL);
    *refusal = state == TXN_REFUSED ? txn_refusal(f->t[0]) : "";
    if (state == TXN_READY)
        txn_commit(f->t[0]);
    return state;
}

void ks_rename(struct ks_fixture *f, int worker, const char *from, const char *to)
{
    struct txn_key keys[] = {{.mode = KEY_UPDATE, .name = slice_str(from)},
                             {.mode = KEY_OVERWRITE, .name = slice_str(to)}};
    struct slice argv[] = {SLICE("RENAME"), slice_str(from), slice_str(to)};
    begin(f, worker, keys, 2, TXN_WRITES, 3, argv);
    assert_non_null(txn_peek(f->t[worker], 0));
    assert_int_equal(txn_rename(f->t[worker], 0, 1), RC_OK);
    txn_commit(f->t[worker]);
}

void ks_flush_db(struct ks_fixture *f, uint32_t db)
{
    struct slice argv[] = {SLICE("FLUSHDB")};
    begin(f, 0, NULL, 0, TXN_WRITES | TXN_NO_OOM | TXN_WHOLE, 1, argv);
    must(txn_flush_db(f->t[0], db));
    txn_commit(f->t[0]);
}

void ks_swap_db(struct ks_fixture *f, uint32_t a, uint32_t b)
{
    char na[8], nb[8];
    snprintf(na, sizeof(na), "%u", a);
    snprintf(nb, sizeof(nb), "%u", b);
    struct slice argv[] = {SLICE("SWAPDB"), slice_str(na), slice_str(nb)};
    begin(f, 0, NULL, 0, TXN_WRITES | TXN_NO_OOM | TXN_WHOLE, 3, argv);
    txn_swap_db(f->t[0], a, b);
    txn_commit(f->t[0]);
}

void ks_await(bool (*condition)(void *ctx), void *ctx, const char *what)
{
    struct lock lock;
    struct cond tick;
    lock_init(&lock);
    cond_init(&tick);
    int64_t until = clock_mono().us + 60000000;
    lock_acquire(&lock);
    while (!condition(ctx)) {
        if (clock_mono().us > until)
            fail_msg("waited a minute for: %s", what);
        cond_wait_us(&tick, &lock, 500);
    }
    lock_release(&lock);
    cond_fini(&tick);
    lock_fini(&lock);
}

static bool is_past(void *ctx)
{
    return clock_wall().ms > *(const int64_t *)ctx;
}

void ks_await_past(int64_t wall_ms)
{
    ks_await(is_past, &wall_ms, "the clock");
}

struct applied {
    struct keyspace *ks;
    uint64_t lsn;
};

static bool is_applied(void *ctx)
{
    struct applied *a = ctx;
    struct writeback_info info;
    writeback_get_info(keyspace_writeback(a->ks), &info);
    return info.applied_lsn >= a->lsn && info.dirty_keys == 0 && info.in_flight_keys == 0;
}

void ks_flush(struct ks_fixture *f)
{
    struct applied a = {.ks = f->ks, .lsn = writeback_request_flush(keyspace_writeback(f->ks))};
    ks_await(is_applied, &a, "the backend has everything");
}

static void ignore_ready(void *ctx)
{
    (void)ctx;
}

static bool is_over(void *ctx)
{
    return order_is_over(ctx, ignore_ready, NULL);
}

uint64_t ks_order(struct ks_fixture *f, enum writeback_order_kind kind, uint64_t id)
{
    struct writeback_order what = {.kind = kind, .id = id};
    struct order *o = order_begin(keyspace_writeback(f->ks), &what);
    uint64_t count;
    struct err err;
    must(o != NULL);
    ks_await(is_over, o, "an operator's order is carried out");
    if (order_result(o, &count, &err) != RC_OK)
        fail_msg("%s", err.text);
    order_end(&o);
    return count;
}

const char *ks_stored(struct ks_fixture *f, const char *key)
{
    static char value[256];
    struct buf got = {0};
    uint32_t db = dbmap_store_db(&keyspace_writeback(f->ks)->front.map, 0);
    enum value_type type = memory_get(f->store, db, slice_str(key), &got);
    snprintf(value, sizeof(value), "%.*s", (int)got.len, got.len > 0 ? got.data : "");
    buf_fini(&got);
    return type == VALUE_NONE ? NULL : value;
}
