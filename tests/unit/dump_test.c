/* Values to payloads and back: equal values of every type and size, and what only the value can see
 * of a payload.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/dump.h"
#include "tests/support/capture.h"

#include "compute/rdb_write.h"
#include "store/alloc.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/store.h"
#include "store/zset.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* --- Random values, from a seed that is printed --- */

static uint64_t random_state;

static void seed_random(void)
{
    const char *given = getenv("FAULT_SEED");
    random_state = given != NULL ? strtoull(given, NULL, 10) : alloc_hash_seed();
    print_message("seed %llu (FAULT_SEED has it again)\n", (unsigned long long)random_state);
    random_state |= 1;
}

static uint64_t draw(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* A string of a kind that encodings distinguish; in `room`, which has ROOM bytes. */
enum { ROOM = 20000 };
static struct slice draw_text(char *room, uint64_t n)
{
    int64_t number = (int64_t)(draw() >> draw() % 64);
    if (n % 3 == 0)
        return slice_of(room,
                        (size_t)sprintf(room, "%lld", (long long)(draw() % 2 ? number : -number)));
    size_t len = draw() % 20 != 0 ? draw() % 80 : draw() % ROOM;
    for (size_t i = 0; i < len; i++)
        room[i] = (char)(draw() % 4 == 0 ? draw() : 'a');
    return slice_of(room, len);
}

static double draw_score(void)
{
    static const double some[] = {0,        1,         -1,     0.1,
                                  INFINITY, -INFINITY, 5e-324, 1.7976931348623157e308};
    if (draw() % 4 == 0)
        return some[draw() % COUNT_OF(some)];
    uint64_t bits = draw();
    double score;
    memcpy(&score, &bits, sizeof(score));
    return isnan(score) ? (double)bits : score;
}

/* Adds up to n elements; ints: nothing but integers. */
static void fill(enum value_type type, void **object, size_t n, bool ints)
{
    static char a[ROOM], b[ROOM];
    for (size_t i = 0; i < n; i++) {
        struct slice name = draw_text(a, ints ? 0 : draw()), value = draw_text(b, draw());
        if (type == VALUE_HASH) {
            struct hash *h = *object;
            assert_true(hash_set(&h, name, value) != HASH_OOM);
            *object = h;
        } else if (type == VALUE_LIST) {
            struct list *l = *object;
            assert_true(list_push(&l, LIST_TAIL, value));
            *object = l;
        } else if (type == VALUE_SET) {
            struct set *s = *object;
            assert_true(set_add(&s, name) != SET_OOM);
            *object = s;
        } else {
            struct zset *z = *object;
            assert_true(zset_put(&z, name, draw_score()) != ZSET_OOM);
            *object = z;
        }
    }
}

/* --- What is in a value: every element as text, those without an order sorted --- */

struct picture {
    struct slice *elements;
    size_t len;
};

static bool see(void *ctx, struct slice name, struct slice value, int64_t position, double score,
                bool removed)
{
    struct picture *p = ctx;
    struct buf text = {0};
    assert_false(removed);
    buf_append_bulk(&text, name);
    buf_append_bulk(&text, value);
    buf_append(&text, &position, sizeof(position));
    buf_append(&text, &score, sizeof(score)); /* bit for bit */
    if (p->len % 1024 == 0)
        p->elements = realloc(p->elements, (p->len + 1024) * sizeof(*p->elements));
    assert_non_null(p->elements);
    p->elements[p->len++] = buf_slice(&text);
    return true;
}

static int order(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* A copy is looked at: its list positions are canonical, and looking does not change it. */
static struct picture look(enum value_type type, const void *object)
{
    struct picture p = {0};
    struct change_sink sink = {&p, see, NULL};
    void *copy = value_ops(type)->copy(object);
    assert_non_null(copy);
    capture_whole(type, &copy, true, sink);
    value_ops(type)->free(copy);
    if (type != VALUE_LIST)
        qsort(p.elements, p.len, sizeof(*p.elements), order);
    return p;
}

static void forget(struct picture *p)
{
    for (size_t i = 0; i < p->len; i++)
        free((void *)(uintptr_t)p->elements[i].ptr);
    free(p->elements);
}

static void are_same(struct picture *a, struct picture *b)
{
    assert_int_equal(a->len, b->len);
    for (size_t i = 0; i < a->len; i++)
        assert_true(slice_eq(a->elements[i], b->elements[i]));
    forget(a);
    forget(b);
}

/* All of it counts as changed, and a list has the positions of a new one. */
static void is_all_changed(enum value_type type, void **object)
{
    struct picture canonical = look(type, *object), told = {0};
    struct change_sink sink = {&told, see, NULL};
    assert_int_equal(value_ops(type)->changes(*object, false), value_ops(type)->count(*object));
    assert_true(value_ops(type)->must_replace == NULL || !value_ops(type)->must_replace(*object));
    capture_whole(type, object, false, sink);
    if (type != VALUE_LIST)
        qsort(told.elements, told.len, sizeof(*told.elements), order);
    are_same(&canonical, &told);
}

static void comes_back(enum value_type type, const void *object)
{
    struct value v = {.type = type, .object = object};
    struct restored r;
    struct err err;
    struct buf out = {0};
    buf_append_str(&out, "before");
    assert_true(value_dump(&out, &v));
    assert_memory_equal(out.data, "before", 6);
    struct slice payload = slice_of(out.data + 6, out.len - 6);
    assert_int_equal(value_restore(&r, payload, UINT64_MAX, &err), RC_OK);
    assert_int_equal(r.value.type, type);
    assert_string_equal(value_ops(type)->encoding(object), value_ops(type)->encoding(r.object));
    struct picture before = look(type, object), after = look(type, r.object);
    are_same(&before, &after);
    is_all_changed(type, &r.object);
    restored_fini(&r);
    buf_fini(&out);
}

static void aggregates_of_every_size_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 60, 127, 128, 129, 512, 513, 3000, 30000};
    seed_random();
    for (enum value_type type = VALUE_HASH; type <= VALUE_ZSET; type++) {
        for (size_t i = 0; i < 2 * COUNT_OF(sizes); i++) {
            void *object = value_ops(type)->try_new();
            fill(type, &object, sizes[i / 2], i % 2 == 0);
            comes_back(type, object);
            value_ops(type)->free(object);
        }
    }
}

/* One that was pushed at both ends and cut in its middle has positions of its own. */
static void a_list_is_numbered_anew(void **state)
{
    (void)state;
    struct list *l = list_try_new();
    for (int i = 0; i < 3000; i++) {
        assert_true(list_push(&l, i % 3 == 0 ? LIST_HEAD : LIST_TAIL, SLICE("some element")));
        if (i % 7 == 0)
            assert_true(list_remove_at(&l, list_count(l) / 2));
    }
    struct value v = {.type = VALUE_LIST, .object = l};
    struct restored r;
    struct err err;
    struct buf out = {0};
    assert_true(value_dump(&out, &v));
    assert_int_equal(value_restore(&r, buf_slice(&out), UINT64_MAX, &err), RC_OK);
    is_all_changed(VALUE_LIST, &r.object);
    assert_int_equal(list_count(r.object), list_count(l));
    restored_fini(&r);
    buf_fini(&out);
    list_ops.free(l);
}

static void strings_of_every_size_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 16383, 16384, 16385, 70000, 3000000};
    static char text[3000000];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7 + i / 251);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct value v = {.type = VALUE_STRING, .str = slice_of(text, sizes[i])};
        struct restored r;
        struct err err;
        struct buf out = {0};
        assert_true(value_dump(&out, &v));
        assert_int_equal(value_restore(&r, buf_slice(&out), UINT64_MAX, &err), RC_OK);
        assert_true(r.value.type == VALUE_STRING && slice_eq(r.value.str, v.str));
        assert_int_equal(r.value.blob != NULL, sizes[i] > STORE_INLINE_MAX);
        assert_null(r.object);
        restored_fini(&r);
        buf_fini(&out);
    }
}

/* --- Refused --- */

static void an_element_that_is_there_twice_is_refused(void **state)
{
    (void)state;
    static const enum rdb_type types[] = {RDB_HASH, RDB_SET, RDB_ZSET};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        for (size_t n = 2; n < 1000; n = n * 3 + 1) {
            for (int ints = 0; ints < 2; ints++) {
                struct buf out = {0};
                struct rdb_writer w;
                struct restored r;
                struct err err;
                char name[32];
                rdb_write_begin(&w, &out, types[i]);
                rdb_write_count(&w, n);
                for (size_t k = 0; k < n; k++) {
                    size_t number = k + 1 == n ? n / 2 : k; /* the last one is not new */
                    int len =
                        sprintf(name, ints ? "%zu" : "name:%zu", number == n - 1 ? 0 : number);
                    rdb_write_string(&w, slice_of(name, (size_t)len));
                    if (types[i] == RDB_HASH)
                        rdb_write_string(&w, SLICE("v"));
                    else if (types[i] == RDB_ZSET)
                        rdb_write_score(&w, (double)k);
                }
                assert_true(rdb_write_end(&w));
                assert_int_equal(value_restore(&r, buf_slice(&out), UINT64_MAX, &err), RC_CORRUPT);
                assert_non_null(strstr(err.text, "twice"));
                buf_fini(&out);
            }
        }
    }
}

static void more_bytes_than_allowed_are_refused_before_any_is_made(void **state)
{
    (void)state;
    struct hash *h = hash_try_new();
    void *object = h;
    fill(VALUE_HASH, &object, 500, false);
    struct value v = {.type = VALUE_HASH, .object = object};
    struct restored r;
    struct err err;
    struct buf out = {0};
    assert_true(value_dump(&out, &v));
    assert_int_equal(value_restore(&r, buf_slice(&out), 1000, &err), RC_NOMEM);
    assert_null(r.object);
    buf_fini(&out);
    hash_ops.free(object);
}

static unsigned long fail_after;

static bool fails(void)
{
    return fail_after == 0 || fail_after-- == 0;
}

static void without_memory_nothing_is_left_behind(void **state)
{
    (void)state;
    seed_random();
    for (enum value_type type = VALUE_HASH; type <= VALUE_ZSET; type++) {
        void *object = value_ops(type)->try_new();
        fill(type, &object, 300, false);
        struct value v = {.type = type, .object = object};
        struct restored r;
        struct err err;
        struct buf out = {0};
        assert_true(value_dump(&out, &v));
        enum rc rc = RC_NOMEM;
        unsigned failed = 0;
        for (unsigned long n = 0; rc == RC_NOMEM; n = n < 20 ? n + 1 : n * 5 / 4) {
            fail_after = n;
            alloc_should_fail = fails;
            rc = value_restore(&r, buf_slice(&out), UINT64_MAX, &err);
            alloc_should_fail = NULL;
            failed += rc == RC_NOMEM;
            assert_true(rc == RC_OK || (rc == RC_NOMEM && err.code == RC_NOMEM));
        }
        assert_true(failed > 3);
        restored_fini(&r);
        buf_fini(&out);
        value_ops(type)->free(object);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aggregates_of_every_size_come_back),
        cmocka_unit_test(a_list_is_numbered_anew),
        cmocka_unit_test(strings_of_every_size_come_back),
        cmocka_unit_test(an_element_that_is_there_twice_is_refused),
        cmocka_unit_test(more_bytes_than_allowed_are_refused_before_any_is_made),
        cmocka_unit_test(without_memory_nothing_is_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
