/* Captured items, sorted, and through the spool and back: every byte as it was.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/hash.h"
#include "store/shard.h"

enum { KEYS = 700 };

static struct store store;
static struct shard *shard;
static struct backend_dbmap map = {.len = 1, .store_db = {1}};

static int begin(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(store_open(&store, 1, &err), RC_OK);
    shard = &store.shards[0];
    return 0;
}

static int end(void **state)
{
    (void)state;
    store_close(&store);
    return 0;
}

static struct entry *put(uint32_t db, struct slice key, struct slice value)
{
    uint64_t hash = store_hash(&store, db, key);
    struct entry *e = entry_set_string(shard, (struct key_at){hash, db, key, NULL}, value, 0);
    assert_non_null(e);
    return e;
}

static struct entry *put_hash(struct slice key, uint32_t fields)
{
    void *object = hash_ops.try_new();
    for (uint32_t i = 0; i < fields; i++) {
        char name[16], value[64];
        snprintf(name, sizeof(name), "f%u", i);
        snprintf(value, sizeof(value), "%060u", i);
        assert_int_equal(
            hash_set((struct hash **)(void *)&object, slice_str(name), slice_str(value)),
            HASH_ADDED);
    }
    uint64_t hash = store_hash(&store, 1, key);
    struct entry *e =
        entry_set_object(shard, (struct key_at){hash, 1, key, NULL}, VALUE_HASH, object, 1234567);
    assert_non_null(e);
    return e;
}

/* Strings of two databases, one of them flushed, empty and large ones, a deletion, a hash. */
static struct piece *make(void) NO_TSA
{
    struct piece *p = piece_try_new();
    for (uint32_t i = 0; i < KEYS; i++) {
        char key[32], value[64];
        snprintf(key, sizeof(key), "key:%u", i * 2654435761u);
        snprintf(value, sizeof(value), "%0*u", (int)(i % 50) + 1, i);
        assert_true(piece_capture(p, put(i % 10 == 3 ? 2 : 1, slice_str(key), slice_str(value))));
    }
    static char large[100000];
    memset(large, 'l', sizeof(large));
    assert_true(piece_capture(p, put(1, SLICE(""), SLICE(""))));
    assert_true(piece_capture(p, put(1, slice_of("\0\xff", 2), slice_of(large, sizeof(large)))));
    struct slice gone = SLICE("gone");
    assert_true(piece_capture(
        p, entry_set_none(shard, (struct key_at){store_hash(&store, 1, gone), 1, gone, NULL})));
    assert_true(piece_capture(p, put_hash(SLICE("small"), 3)));
    assert_true(piece_capture(p, put_hash(SLICE("table"), 1000)));
    return p;
}

static void print(const struct piece *p, struct buf *out)
{
    for (uint32_t i = 0; i < p->len; i++) {
        const struct backend_item *item = &p->items[i];
        buf_printf(out, "%u %d %lld %d %d ", item->db, (int)item->type,
                   (long long)item->expires_at_ms, item->replace, item->apart);
        buf_append_slice(out, item->key);
        buf_append_str(out, " = ");
        buf_append_slice(out, item->value);
        for (uint32_t k = 0; k < item->elements_len; k++) {
            const struct backend_element *e = &item->elements[k];
            buf_printf(out, " %lld %g %d ", (long long)e->position, e->score, e->removed);
            buf_append_slice(out, e->name);
            buf_append_slice(out, e->value);
        }
        buf_append_str(out, "\n");
    }
}

static void a_sealed_piece_is_sorted_and_flushed_databases_come_last(void **state)
{
    (void)state;
    struct piece *p = make();
    assert_true(piece_try_seal(p, &map));
    assert_int_equal(p->len, KEYS + 5);
    assert_int_equal(p->live, KEYS + 5 - KEYS / 10);
    for (uint32_t i = 0; i < p->len; i++) {
        bool skipped = i >= p->live;
        assert_int_equal(p->items[i].db, skipped ? 2 : 1);
        assert_int_equal(p->outcomes[i], skipped ? BATCH_SKIPPED : BATCH_APPLIED);
        if (i != 0 && i != p->live)
            assert_true(backend_item_order(&p->items[i - 1], &p->items[i]) < 0);
    }
    piece_free(&p);
}

static void what_others_captured_is_absorbed(void **state)
{
    (void)state;
    struct piece *p = make(), *other = piece_try_new();
    uint64_t before = p->payload;
    uint32_t len = p->len;
    assert_true(piece_capture(other, put(1, SLICE("zz"), SLICE("of another"))));
    piece_absorb(p, &other);
    assert_null(other);
    assert_int_equal(p->len, len + 1);
    assert_int_equal(p->payload, before + 12);
    assert_true(piece_capture(p, put(1, SLICE("zzz"), SLICE("ours again"))));
    assert_true(piece_try_seal(p, NULL));
    assert_int_equal(p->live, len + 2);
    piece_free(&p);
}

static void the_spool_gives_back_what_it_took(void **state)
{
    (void)state;
    char dir[] = "/tmp/weir-spool-XXXXXX";
    struct spool spool;
    struct err err;
    struct buf before = {0}, after = {0};
    assert_non_null(mkdtemp(dir));
    spool_init(&spool, dir);
    struct piece *first = make(), *p = piece_try_new();
    assert_true(piece_capture(p, put(1, SLICE("only"), SLICE("one"))));
    assert_true(piece_try_seal(first, &map));
    assert_true(piece_try_seal(p, &map));
    print(first, &before);
    print(p, &before);
    size_t memory = piece_memory(first);
    first->outcomes[4] = BATCH_DEAD;
    for (int round = 0; round < 2; round++) { /* the second time it is there already */
        spool_put(&spool, first);
        spool_put(&spool, p);
        assert_null(first->items);
        assert_true(piece_memory(first) == 0 && memory > 100000);
        assert_int_equal(spool_get(&spool, p, &err), RC_OK);
        assert_int_equal(spool_get(&spool, first, &err), RC_OK);
        after.len = 0;
        print(first, &after);
        print(p, &after);
        assert_true(slice_eq(buf_slice(&before), buf_slice(&after)));
        assert_int_equal(first->outcomes[4], BATCH_DEAD);
    }
    piece_free(&first);
    piece_free(&p);
    spool_clear(&spool);
    assert_int_equal(rmdir(dir), 0); /* the file never had a name, or has none any more */
    buf_fini(&before);
    buf_fini(&after);
}

static void a_piece_that_finds_no_room_stays_in_memory(void **state)
{
    (void)state;
    struct spool spool;
    struct err err;
    struct piece *p = make();
    spool_init(&spool, "/nonexistent/directory");
    assert_true(piece_try_seal(p, &map));
    spool_put(&spool, p);
    assert_non_null(p->items);
    assert_int_equal(spool_get(&spool, p, &err), RC_OK);
    piece_free(&p);
    spool_clear(&spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_sealed_piece_is_sorted_and_flushed_databases_come_last,
                                        begin, end),
        cmocka_unit_test_setup_teardown(what_others_captured_is_absorbed, begin, end),
        cmocka_unit_test_setup_teardown(the_spool_gives_back_what_it_took, begin, end),
        cmocka_unit_test_setup_teardown(a_piece_that_finds_no_room_stays_in_memory, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
