/* Entries against a model: every way of changing one, at every moment memory may run out.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/alloc.h"
#include "store/hash.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct store store;
static struct shard *shard; /* there is one */

static int open_store(void **state)
{
    (void)state;
    must(store_open(&store, 1, NULL) == RC_OK);
    shard = &store.shards[0];
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    alloc_should_fail = NULL;
    store_close(&store);
    return 0;
}

/* Allocations that still succeed before one fails. */
static int64_t fail_after;

static bool fail_now(void)
{
    return fail_after-- == 0;
}

static uint64_t hash_of(struct slice key)
{
    return store_hash(&store, 1, key);
}

static struct entry *find(struct slice key) NO_TSA
{
    return entry_find(shard, hash_of(key), 1, key);
}

static struct entry *set(struct slice key, struct slice value, int64_t expires_at_ms) NO_TSA
{
    return entry_set_string(shard, (struct key_at){hash_of(key), 1, key, find(key)}, value,
                            expires_at_ms);
}

static void check(void) NO_TSA
{
    shard_check(shard);
}

static struct value value_of(struct slice key)
{
    struct value v = {0};
    struct entry *e = find(key);
    assert_non_null(e);
    entry_value(e, &v);
    return v;
}

static void an_overwrite_of_the_same_size_stays_in_place(void **state)
{
    (void)state;
    struct slice key = SLICE("k");
    struct entry *e = set(key, SLICE("hello"), 0);
    assert_ptr_equal(set(key, SLICE("world"), 0), e);
    assert_ptr_equal(set(key, SLICE("world!!"), 0), e);
    assert_true(slice_eq(value_of(key).str, SLICE("world!!")));
    check();
}

static void a_value_keeps_no_more_than_half_again_its_size(void **state)
{
    (void)state;
    static char big[4000];
    struct slice key = SLICE("k");
    set(key, slice_of(big, sizeof(big)), 0);
    for (size_t len = sizeof(big); len > 0; len = len * 4 / 5) {
        struct entry *e = set(key, slice_of(big, len), 0);
        assert_true(alloc_usable(e) <= alloc_size_class(16 + 1 + len) * 3 / 2);
    }
    check();
}

static void empty_keys_and_values_and_all_bytes_are_kept(void **state)
{
    (void)state;
    set(slice_of("", 0), slice_of("", 0), 0);
    set(slice_of("\0\n\r\xff", 4), slice_of("\0\0\0", 3), 7);
    assert_int_equal(value_of(slice_of("", 0)).str.len, 0);
    struct value v = value_of(slice_of("\0\n\r\xff", 4));
    assert_true(slice_eq(v.str, slice_of("\0\0\0", 3)));
    assert_int_equal(v.expires_at_ms, 7);
    check();
}

static void large_strings_become_blobs_and_are_shared_not_copied(void **state) NO_TSA
{
    (void)state;
    struct slice key = SLICE("big");
    struct blob *b = blob_try_new(STORE_INLINE_MAX + 1);
    assert_non_null(b);
    b->len = STORE_INLINE_MAX + 1;
    memset(b->data, 'a', b->len);
    struct blob *mine = blob_ref(b);
    assert_non_null(entry_set_blob(shard, (struct key_at){hash_of(key), 1, key, NULL}, &b, 0));
    assert_null(b);
    assert_ptr_equal(value_of(key).blob, mine);

    /* Somebody else reads it: an edit must not show there. */
    char *at;
    assert_non_null(entry_edit_string(shard, (struct key_at){hash_of(key), 1, key, find(key)},
                                      mine->len + 10, &at));
    memset(at, 'b', 5);
    assert_int_equal(mine->data[0], 'a');
    assert_int_equal(value_of(key).str.ptr[0], 'b');
    assert_int_equal(value_of(key).str.ptr[5], 'a');
    assert_int_equal(value_of(key).str.ptr[mine->len + 9], 0);
    assert_int_equal(value_of(key).str.len, mine->len + 10);
    blob_unref(&mine);

    static char plain[STORE_INLINE_MAX + 5];
    set(SLICE("x"), slice_of(plain, sizeof(plain)), 0);
    assert_non_null(value_of(SLICE("x")).blob);
    set(SLICE("x"), slice_of(plain, STORE_INLINE_MAX), 0);
    assert_null(value_of(SLICE("x")).blob);
    check();
}

static void an_edit_grows_from_nothing_to_a_blob_and_keeps_the_bytes(void **state) NO_TSA
{
    (void)state;
    struct slice key = SLICE("grow");
    size_t len = 0;
    for (size_t step = 1; len < 3 * STORE_INLINE_MAX; step = step * 3 / 2 + 1) {
        char *at;
        struct entry *old = find(key);
        assert_non_null(
            entry_edit_string(shard, (struct key_at){hash_of(key), 1, key, old}, len + step, &at));
        for (size_t i = 0; i < len; i++)
            assert_int_equal((uint8_t)at[i], (i * 7 + 1) & 255);
        for (size_t i = len; i < len + step; i++) {
            assert_int_equal(at[i], 0);
            at[i] = (char)(i * 7 + 1);
        }
        len += step;
        check();
    }
    assert_true(value_of(key).raw);
    set(key, SLICE("12"), 0);
    assert_false(value_of(key).raw);
}

static void an_expiry_comes_and_goes_without_touching_the_value(void **state) NO_TSA
{
    (void)state;
    struct slice key = SLICE("ttl");
    for (size_t len = 0; len < 300; len += 3) {
        char text[300];
        memset(text, (int)('a' + len % 26), len);
        set(key, slice_of(text, len), 0);
        assert_non_null(entry_set_expiry(shard, find(key), hash_of(key), 5000));
        assert_int_equal(value_of(key).expires_at_ms, 5000);
        assert_true(slice_eq(value_of(key).str, slice_of(text, len)));
        assert_int_equal(store.dbs[1].expires, 1);
        check();
        assert_non_null(entry_set_expiry(shard, find(key), hash_of(key), 0));
        assert_true(slice_eq(value_of(key).str, slice_of(text, len)));
        assert_int_equal(value_of(key).expires_at_ms, 0);
        assert_int_equal(store.dbs[1].expires, 0);
        check();
    }
}

static void a_value_may_be_set_from_itself(void **state)
{
    (void)state;
    struct slice key = SLICE("self");
    set(key, SLICE("0123456789abcdefghijklmnopqrstuvwxyz"), 0);
    struct slice own = value_of(key).str;
    set(key, slice_of(own.ptr + 2, 34), 99); /* the expiry shifts everything */
    assert_true(slice_eq(value_of(key).str, SLICE("23456789abcdefghijklmnopqrstuvwxyz")));
    own = value_of(key).str;
    set(key, slice_of(own.ptr + 3, 2), 0);
    assert_true(slice_eq(value_of(key).str, SLICE("56")));
    check();
}

static void a_tombstone_holds_no_value_and_is_no_live_key(void **state) NO_TSA
{
    (void)state;
    struct slice key = SLICE("dead");
    static char text[9000];
    struct entry *e = set(key, slice_of(text, sizeof(text)), 44);
    assert_true(entry_mark_dirty(shard, e, 3));
    e->flags |= ENTRY_IN_FLIGHT;
    e = entry_set_none(shard, (struct key_at){hash_of(key), 1, key, e});
    assert_int_equal(e->type, VALUE_NONE);
    assert_int_equal(e->flags & (ENTRY_DIRTY | ENTRY_CUT_ODD | ENTRY_IN_FLIGHT | ENTRY_EXPIRES),
                     ENTRY_DIRTY | ENTRY_CUT_ODD | ENTRY_IN_FLIGHT);
    assert_true(entry_memory(e) < 64);
    assert_int_equal(store.dbs[1].keys, 0);
    assert_int_equal(store.dbs[1].expires, 0);
    assert_int_equal(store.negatives, 1);
    check();
    set(key, SLICE("again"), 0);
    assert_int_equal(store.dbs[1].keys, 1);
    assert_int_equal(store.negatives, 0);
    check();
}

static void the_dirty_list_follows_moves_and_removals(void **state) NO_TSA
{
    (void)state;
    enum { KEYS = 300 };
    static char text[500];
    char name[16];
    for (int i = 0; i < KEYS; i++) {
        struct slice key = slice_of(name, (size_t)snprintf(name, sizeof(name), "d%d", i));
        assert_true(entry_mark_dirty(shard, set(key, slice_of(text, 10), 0), (uint16_t)i));
    }
    for (int i = 0; i < KEYS; i++) {
        struct slice key = slice_of(name, (size_t)snprintf(name, sizeof(name), "d%d", i));
        struct entry *e = set(key, slice_of(text, (size_t)i), i % 2);
        assert_int_equal((e->flags & ENTRY_CUT_ODD) != 0, i % 2);
        if (i % 3 != 0) {
            entry_unmark_dirty(shard, e);
            entry_remove(shard, e, hash_of(key));
        }
    }
    check();
    assert_int_equal(shard->dirty_len, KEYS / 3);
    while (shard->dirty_len > 0)
        entry_unmark_dirty(shard, shard->dirty[0]);
    check();
    assert_true(shard->dirty_cap <= 64);
}

static void an_object_is_taken_out_and_put_elsewhere(void **state) NO_TSA
{
    (void)state;
    struct slice from = SLICE("from"), to = SLICE("to");
    struct hash *h = hash_try_new();
    assert_int_equal(hash_set(&h, SLICE("f"), SLICE("v")), HASH_ADDED);
    struct entry *e =
        entry_set_object(shard, (struct key_at){hash_of(from), 1, from, NULL}, VALUE_HASH, h, 1000);
    assert_ptr_equal(entry_object(e), h);
    assert_ptr_equal(value_of(from).object, h);
    assert_ptr_equal(entry_take_object(shard, e, hash_of(from)), h);
    assert_int_equal(value_of(from).type, VALUE_NONE);
    check();
    set(to, SLICE("overwritten"), 0);
    assert_non_null(
        entry_set_object(shard, (struct key_at){hash_of(to), 1, to, find(to)}, VALUE_HASH, h, 0));
    assert_true(entry_memory(find(to)) > hash_ops.memory(h) + sizeof(struct entry));
    assert_int_equal(store.dbs[1].keys, 1);
    check();
    set(to, SLICE("string"), 0); /* frees the hash */
    check();
}

static void large_objects_are_freed_later(void **state) NO_TSA
{
    (void)state;
    store_free_later_run();
    struct slice key = SLICE("large");
    struct hash *h = hash_try_new();
    for (int i = 0; i < 1000; i++) {
        char field[16];
        size_t len = (size_t)snprintf(field, sizeof(field), "%d", i);
        assert_int_equal(hash_set(&h, slice_of(field, len), SLICE("v")), HASH_ADDED);
    }
    struct entry *e =
        entry_set_object(shard, (struct key_at){hash_of(key), 1, key, NULL}, VALUE_HASH, h, 0);
    entry_remove(shard, e, hash_of(key));
    struct blob *b = blob_try_new(1 << 20);
    e = entry_set_blob(shard, (struct key_at){hash_of(key), 1, key, NULL}, &b, 0);
    entry_set_none(shard, (struct key_at){hash_of(key), 1, key, e});
    assert_int_equal(store_free_later_run(), 2);
    assert_int_equal(store_free_later_run(), 0);
}

/* --- Random changes against a model, with memory running out --- */

enum { MODEL_KEYS = 40, VALUE_MAX = STORE_INLINE_MAX + 4000 };

struct model {
    bool known;
    enum value_type type;
    size_t len;
    char fill;
    int64_t expires_at_ms;
};

static uint64_t random_state;

static uint64_t draw(uint64_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % below;
}

static size_t draw_len(void)
{
    static const size_t most[] = {8, 40, 200, 3000, VALUE_MAX};
    return draw(most[draw(COUNT_OF(most))]);
}

static void agrees(const struct model *m, struct slice key)
{
    struct entry *e = find(key);
    assert_int_equal(e != NULL, m->known);
    if (e == NULL)
        return;
    struct value v;
    entry_value(e, &v);
    assert_int_equal(v.type, m->type);
    assert_int_equal(v.expires_at_ms, m->expires_at_ms);
    if (m->type == VALUE_STRING) {
        assert_int_equal(v.str.len, m->len);
        for (size_t i = 0; i < m->len; i++) {
            if (v.str.ptr[i] != m->fill)
                fail();
        }
    }
}

static bool try_set(struct model *m, struct slice key, struct entry *e, const char *text) NO_TSA
{
    struct model next = {true, VALUE_STRING, draw_len(), *text,
                         draw(3) == 0 ? 0 : 1 + (int64_t)draw(1000)};
    struct slice value = slice_of(text, next.len);
    if (entry_set_string(shard, (struct key_at){hash_of(key), 1, key, e}, value,
                         next.expires_at_ms) == NULL)
        return false;
    *m = next;
    return true;
}

static bool try_edit(struct model *m, struct slice key, struct entry *e, char fill) NO_TSA
{
    struct model next = *m;
    char *at;
    if (m->known && m->type == VALUE_HASH)
        return true;
    next.known = true;
    next.type = VALUE_STRING;
    next.fill = fill;
    next.len = draw_len();
    if (next.len <= m->len && draw(4) != 0)
        next.len = m->len + draw(20);
    if (entry_edit_string(shard, (struct key_at){hash_of(key), 1, key, e}, next.len, &at) == NULL)
        return false;
    memset(at, fill, next.len);
    *m = next;
    return true;
}

static bool try_object(struct model *m, struct slice key, struct entry *e) NO_TSA
{
    void *h = hash_try_new();
    if (h == NULL)
        return false;
    int64_t expires = (int64_t)draw(3);
    if (entry_set_object(shard, (struct key_at){hash_of(key), 1, key, e}, VALUE_HASH, h, expires) ==
        NULL) {
        hash_ops.free(h);
        return false;
    }
    *m = (struct model){true, VALUE_HASH, 0, 0, expires};
    return true;
}

static void drop(struct model *m, struct slice key, struct entry *e) NO_TSA
{
    if (e == NULL)
        return;
    if ((e->flags & ENTRY_DIRTY) != 0)
        entry_unmark_dirty(shard, e);
    entry_remove(shard, e, hash_of(key));
    *m = (struct model){0};
}

static bool try_something(struct model *m, struct slice key, const char *text) NO_TSA
{
    struct entry *e = find(key);
    switch (draw(8)) {
    case 0:
    case 1:
    case 2:
        return try_set(m, key, e, text);
    case 3:
        return try_edit(m, key, e, *text);
    case 4: {
        int64_t expires = (int64_t)draw(3) * 50;
        if (e == NULL || e->type == VALUE_NONE)
            return true;
        if (entry_set_expiry(shard, e, hash_of(key), expires) == NULL)
            return false;
        m->expires_at_ms = expires;
        return true;
    }
    case 5:
        if (entry_set_none(shard, (struct key_at){hash_of(key), 1, key, e}) == NULL)
            return false;
        *m = (struct model){.known = true};
        return true;
    case 6:
        return try_object(m, key, e);
    default:
        if (draw(2) == 0 || e == NULL)
            drop(m, key, e);
        else
            return entry_mark_dirty(shard, e, 1);
        return true;
    }
}

static void random_changes_agree_with_a_model_and_failed_ones_change_nothing(void **state)
{
    (void)state;
    random_state = 20261123;
    static struct model models[MODEL_KEYS];
    static char texts[26][VALUE_MAX];
    for (int i = 0; i < 26; i++)
        memset(texts[i], 'a' + i, VALUE_MAX);
    unsigned failures = 0;
    for (int i = 0; i < 30000; i++) {
        unsigned n = (unsigned)draw(MODEL_KEYS);
        char name[80];
        memset(name, 'k', sizeof(name));
        size_t digits = (size_t)snprintf(name, sizeof(name), "%u", n);
        name[digits] = 'k';
        struct slice key = slice_of(name, 2 + n);
        fail_after = (int64_t)draw(4);
        alloc_should_fail = draw(3) == 0 ? fail_now : NULL;
        if (!try_something(&models[n], key, texts[draw(26)]))
            failures++;
        alloc_should_fail = NULL;
        agrees(&models[n], key);
        if (i % 64 == 0)
            check();
    }
    assert_in_range(failures, 1000, 20000);
    int64_t live = 0, expiring = 0, none = 0;
    for (int i = 0; i < MODEL_KEYS; i++) {
        live += models[i].known && models[i].type != VALUE_NONE;
        none += models[i].known && models[i].type == VALUE_NONE;
        expiring += models[i].expires_at_ms != 0;
    }
    assert_int_equal(store.dbs[1].keys, live);
    assert_int_equal(store.dbs[1].expires, expiring);
    assert_int_equal(store.negatives, none);
}

#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_STORE(an_overwrite_of_the_same_size_stays_in_place),
        IN_STORE(a_value_keeps_no_more_than_half_again_its_size),
        IN_STORE(empty_keys_and_values_and_all_bytes_are_kept),
        IN_STORE(large_strings_become_blobs_and_are_shared_not_copied),
        IN_STORE(an_edit_grows_from_nothing_to_a_blob_and_keeps_the_bytes),
        IN_STORE(an_expiry_comes_and_goes_without_touching_the_value),
        IN_STORE(a_value_may_be_set_from_itself),
        IN_STORE(a_tombstone_holds_no_value_and_is_no_live_key),
        IN_STORE(the_dirty_list_follows_moves_and_removals),
        IN_STORE(an_object_is_taken_out_and_put_elsewhere),
        IN_STORE(large_objects_are_freed_later),
        IN_STORE(random_changes_agree_with_a_model_and_failed_ones_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
