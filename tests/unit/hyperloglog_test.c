/* Sketches: the bytes and counts that Redis 7.0 gave for the same additions, either encoding
 * against a plain array of registers, and values that nobody should have written.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/hyperloglog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SPARSE_MAX = 3000 };

static uint64_t random_state = 7;

static uint32_t below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(random_state >> 33) % n;
}

static void add(struct hll *h, const char *name, int number)
{
    char text[32];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s:%d", name, number);
    if (hll_raise(h, hll_point(slice_of(text, len)), SPARSE_MAX) == HLL_CORRUPT)
        fail_msg("corrupt after %s", text);
}

/* FNV-1a: easily computed for what Redis holds. */
static uint64_t fingerprint(const struct hll *h)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < h->len; i++)
        hash = (hash ^ h->bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t count_of(const struct hll *h)
{
    uint64_t count;
    assert_true(hll_count(hll_slice(h), &count));
    return count;
}

static void the_same_additions_give_the_bytes_and_counts_of_redis(void **state)
{
    (void)state;
    static const struct {
        int elements;
        uint32_t len;
        uint64_t fingerprint;
        uint64_t count;
    } redis[] = {
        {10, 48, UINT64_C(0xc2dd351744c12b12), 10},
        {100, 289, UINT64_C(0x184f75b6da991433), 100},
        {1000, 1892, UINT64_C(0x007d6275b67df980), 999},
        {1500, 2686, UINT64_C(0x614dd3f0a9d0ae56), 1495},
        {1700, 2994, UINT64_C(0xd73d4b3a82208c2d), 1691},
        {5000, 12304, UINT64_C(0x6fb8e866361bbd85), 4959},
        {100000, 12304, UINT64_C(0xcb0c9bd85defa544), 98893},
        {1000000, 12304, UINT64_C(0x512eefa3873a2f17), 995821},
    };
    struct hll h;
    hll_init(&h);
    int n = 0;
    for (size_t i = 0; i < COUNT_OF(redis); i++) {
        while (n < redis[i].elements)
            add(&h, "el", n++);
        assert_int_equal(h.len, redis[i].len);
        assert_true(fingerprint(&h) == redis[i].fingerprint);
        assert_int_equal(count_of(&h), redis[i].count);
    }
}

/* PFMERGE of three sparse sketches, register by register. */
static void merging_gives_the_bytes_of_redis(void **state)
{
    (void)state;
    static uint8_t registers[HLL_REGISTERS];
    struct hll h;
    memset(registers, 0, sizeof(registers));
    for (int k = 0; k < 3; k++) {
        char name[16];
        snprintf(name, sizeof(name), "m%d", k);
        hll_init(&h);
        for (int i = 0; i < 300; i++)
            add(&h, name, i);
        assert_true(hll_merge(registers, hll_slice(&h)));
    }
    hll_init(&h);
    for (uint32_t i = 0; i < HLL_REGISTERS; i++)
        if (registers[i] > 0)
            assert_int_equal(hll_raise(&h, (struct hll_point){i, registers[i]}, SPARSE_MAX),
                             HLL_CHANGED);
    hll_touch(&h);
    assert_int_equal(h.len, 1736);
    assert_true(fingerprint(&h) == UINT64_C(0x4174502e236d90a6));
    assert_int_equal(count_of(&h), 906);
}

/* Redis can be made to do this by PFMERGE with sketches of one register each. */
static void splitting_and_joining_runs_gives_the_bytes_of_redis(void **state)
{
    (void)state;
    static const struct {
        int additions;
        uint32_t len;
        uint64_t fingerprint;
    } redis[] = {{301, 324, UINT64_C(0x8af40589605d0c5a)},
                 {1001, 415, UINT64_C(0x962f056f8648ef8d)},
                 {4000, 356, UINT64_C(0x7c24b4c2c87f063c)}};
    struct hll h;
    int n = 0;
    hll_init(&h);
    random_state = 1;
    for (size_t i = 0; i < COUNT_OF(redis); i++) {
        for (; n < redis[i].additions; n++) {
            uint32_t index = 5000 + below(300), far = below(2), more = below(300);
            uint32_t high = below(3), count = 1 + high * below(2);
            struct hll_point p = {index + far * more, (uint8_t)count};
            assert_int_not_equal(hll_raise(&h, p, SPARSE_MAX), HLL_CORRUPT);
        }
        assert_int_equal(h.len, redis[i].len);
        assert_true(fingerprint(&h) == redis[i].fingerprint);
    }
}

/* A thousand runs of one register each, as nothing here writes them: only a few are joined at a
 * time, as Redis does. */
static void joining_stops_where_that_of_redis_stops(void **state)
{
    (void)state;
    static const struct hll_point points[] = {{100, 2}, {105, 1}, {98, 2},  {99, 3},
                                              {101, 2}, {500, 2}, {501, 2}, {502, 2}};
    enum { SINGLES = 1000 };
    struct hll h;
    hll_init(&h);
    memset(h.bytes + HLL_HEADER_LEN, 0x80, SINGLES);
    h.bytes[HLL_HEADER_LEN + SINGLES] = 0x40 | (HLL_REGISTERS - SINGLES - 1) >> 8;
    h.bytes[HLL_HEADER_LEN + SINGLES + 1] = (uint8_t)(HLL_REGISTERS - SINGLES - 1);
    h.len = HLL_HEADER_LEN + SINGLES + 2;
    hll_touch(&h);
    for (size_t i = 0; i < COUNT_OF(points); i++)
        assert_int_not_equal(hll_raise(&h, points[i], UINT64_MAX), HLL_CORRUPT);
    assert_int_equal(h.len, 1005);
    assert_true(fingerprint(&h) == UINT64_C(0x0275b1ab4bd52411));
}

static void the_limit_is_what_a_sparse_value_may_be_long(void **state)
{
    (void)state;
    struct hll h;
    hll_init(&h);
    assert_int_equal(hll_raise(&h, (struct hll_point){100, 1}, 21), HLL_CHANGED);
    assert_int_equal(h.len, 21); /* 2 + 1 + 2 bytes after the header */
    assert_false(hll_is_dense(hll_slice(&h)));
    hll_init(&h);
    assert_int_equal(hll_raise(&h, (struct hll_point){100, 1}, 20), HLL_CHANGED);
    assert_true(hll_is_dense(hll_slice(&h)));
    hll_init(&h);
    assert_int_equal(hll_raise(&h, (struct hll_point){100, 33}, 3000), HLL_CHANGED);
    assert_true(hll_is_dense(hll_slice(&h))); /* a count that sparse has no code for */
}

static void check_registers(const struct hll *h, const uint8_t *model)
{
    uint8_t merged[HLL_REGISTERS] = {0};
    uint64_t expected, count;
    assert_true(hll_is_valid(hll_slice(h)));
    assert_true(hll_merge(merged, hll_slice(h)));
    assert_memory_equal(merged, model, HLL_REGISTERS);
    for (int i = 0; i < 100; i++) {
        uint32_t index = below(HLL_REGISTERS);
        assert_int_equal(hll_register(hll_slice(h), index), model[index]);
    }
    assert_true(hll_estimate(model, &expected));
    assert_true(hll_count(hll_slice(h), &count));
    assert_int_equal(count, expected);
}

/* Neighbours are likely, so that runs are split and joined all the time. The way a register is
 * searched for must not matter: a copy without a hint goes along. */
static void raising_registers_agrees_with_an_array(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        uint8_t model[HLL_REGISTERS] = {0};
        uint64_t limit = round % 3 == 0 ? UINT64_MAX : 50 + below(4000);
        uint32_t at = 0, spread = 1 + below(round % 2 == 0 ? 8 : 400);
        struct hll h, plain;
        hll_init(&h);
        for (int i = 0; i < 3000; i++) {
            at = below(50) == 0 ? below(HLL_REGISTERS) : (at + below(spread)) % HLL_REGISTERS;
            at -= at > 8 ? below(8) : 0; /* also a little way back */
            struct hll_point p = {at, (uint8_t)(1 + below(below(200) == 0 ? 51 : 4))};
            enum hll_change expected = p.count > model[at] ? HLL_CHANGED : HLL_SAME;
            assert_true(hll_open(&plain, hll_slice(&h)));
            assert_int_equal(hll_raise(&plain, p, limit), expected);
            assert_int_equal(hll_raise(&h, p, limit), expected);
            model[at] = p.count > model[at] ? p.count : model[at];
            assert_true(slice_eq(hll_slice(&h), hll_slice(&plain)));
            assert_true(hll_is_dense(hll_slice(&h)) || h.len <= limit);
        }
        check_registers(&h, model);
        assert_true(hll_densify(&h));
        check_registers(&h, model);
    }
}

static void a_dense_value_is_raised_in_place(void **state)
{
    (void)state;
    uint8_t model[HLL_REGISTERS] = {0};
    struct hll h;
    hll_init(&h);
    assert_true(hll_densify(&h));
    char *value = malloc(HLL_DENSE_LEN);
    assert_non_null(value);
    memcpy(value, h.bytes, HLL_DENSE_LEN);
    for (int i = 0; i < 100000; i++) {
        struct hll_point p = {i < HLL_REGISTERS ? (uint32_t)i : below(HLL_REGISTERS),
                              (uint8_t)(1 + below(51))};
        assert_int_equal(hll_raise_dense(value, p), p.count > model[p.index]);
        model[p.index] = p.count > model[p.index] ? p.count : model[p.index];
    }
    assert_true(hll_open(&h, slice_of(value, HLL_DENSE_LEN)));
    check_registers(&h, model);
    assert_true(hll_densify(&h)); /* already */
    hll_fill(&h, model);
    assert_memory_equal(h.bytes, value, HLL_DENSE_LEN);
    free(value);
}

static void the_estimate_is_close(void **state)
{
    (void)state;
    struct hll h;
    hll_init(&h);
    int n = 0;
    for (int stop = 1; stop <= 1000000; stop *= 10) {
        while (n < stop)
            add(&h, "n", n++);
        double off = ((double)count_of(&h) - stop) / stop;
        if (off > 0.03 || off < -0.03)
            fail_msg("%d elements are estimated at %f more", stop, off);
    }
}

static void the_cached_count_holds_until_something_is_added(void **state)
{
    (void)state;
    struct hll h;
    uint64_t count = 1;
    hll_init(&h);
    assert_true(hll_cached_count(hll_slice(&h), &count));
    assert_int_equal(count, 0);
    h.bytes[8] = 0x39;
    h.bytes[9] = 0x30;
    assert_true(hll_cached_count(hll_slice(&h), &count));
    assert_int_equal(count, 12345);
    add(&h, "n", 1);
    assert_false(hll_cached_count(hll_slice(&h), &count));
    hll_init(&h);
    assert_true(hll_densify(&h));
    add(&h, "n", 1);
    assert_false(hll_cached_count(hll_slice(&h), &count));
}

/* Registers of the value, or -1 when it is corrupt in any way. */
static int refused_everywhere(struct slice value)
{
    static uint8_t registers[HLL_REGISTERS];
    uint64_t count;
    struct hll h;
    bool counted = hll_count(value, &count), merged = hll_merge(registers, value);
    bool dense = hll_open(&h, value) && hll_densify(&h);
    assert_int_equal(counted, merged);
    assert_int_equal(merged, dense);
    return counted ? 0 : -1;
}

static void a_value_that_does_not_cover_all_registers_is_corrupt(void **state)
{
    (void)state;
    static const struct slice tails[] = {
        {"", 0},                            /* nothing */
        {"\x7f\xfe", 2},                    /* one register less */
        {"\x7f\xff\x00", 3},                /* one more */
        {"\x7f", 1},                        /* cut off in an opcode */
        {"\x7f\xfe\x7f", 3},                /* the same, at the end */
        {"\x7f\xff\x7f\xff", 4},            /* twice as many */
        {"\x7f\xfd\x83", 3},                /* a run that goes beyond the end */
        {"\x7f\xff\x7f\xff\x7f\xff\x80", 7} /* far beyond */
    };
    struct hll h;
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        hll_init(&h);
        char *exact = malloc(HLL_HEADER_LEN + tails[i].len); /* a sanitizer sees a byte too many */
        assert_non_null(exact);
        memcpy(exact, h.bytes, HLL_HEADER_LEN);
        memcpy(exact + HLL_HEADER_LEN, tails[i].ptr, tails[i].len);
        struct slice value = slice_of(exact, HLL_HEADER_LEN + tails[i].len);
        assert_true(hll_is_valid(value));
        assert_int_equal(refused_everywhere(value), -1);
        assert_int_equal(hll_register(value, 0), tails[i].len > 1 ? 0 : -1);
        free(exact);
    }
    hll_init(&h);
    assert_int_equal(refused_everywhere(hll_slice(&h)), 0);
}

static void a_value_of_the_wrong_form_is_not_valid(void **state)
{
    (void)state;
    struct hll h;
    hll_init(&h);
    for (uint32_t len = 0; len < HLL_HEADER_LEN; len++)
        assert_false(hll_is_valid(slice_of(h.bytes, len)));
    for (uint32_t i = 0; i < 4; i++) {
        hll_init(&h);
        h.bytes[i] ^= 1;
        assert_false(hll_is_valid(hll_slice(&h)));
    }
    hll_init(&h);
    h.bytes[4] = 2;
    assert_false(hll_is_valid(hll_slice(&h)));
    h.bytes[4] = 0; /* dense, but short */
    assert_false(hll_is_valid(hll_slice(&h)));
    hll_init(&h);
    assert_true(hll_densify(&h));
    h.len++;
    assert_false(hll_is_valid(hll_slice(&h)));
}

static void impossible_registers_have_no_estimate(void **state)
{
    (void)state;
    static uint8_t registers[HLL_REGISTERS];
    uint64_t count;
    memset(registers, HLL_REGISTER_MAX, sizeof(registers));
    assert_false(hll_estimate(registers, &count));
    memset(registers, 51, sizeof(registers));
    assert_false(hll_estimate(registers, &count));
}

/* Opcodes of two bytes for one register each, and much that follows. */
static void an_endless_sparse_value_does_not_grow_beyond_its_buffer(void **state)
{
    (void)state;
    struct hll h;
    uint8_t *value = malloc(HLL_SPARSE_LEN_MAX + 1);
    assert_non_null(value);
    hll_init(&h);
    memset(value, 0, HLL_SPARSE_LEN_MAX + 1);
    memcpy(value, h.bytes, HLL_HEADER_LEN);
    for (uint32_t i = HLL_HEADER_LEN; i < HLL_SPARSE_LEN_MAX; i += 2)
        value[i] = 0x40;
    assert_false(hll_open(&h, slice_of(value, HLL_SPARSE_LEN_MAX + 1)));
    assert_true(hll_open(&h, slice_of(value, HLL_SPARSE_LEN_MAX)));
    for (uint32_t i = 0; i < HLL_REGISTERS; i += 2)
        assert_int_equal(hll_raise(&h, (struct hll_point){i, 1}, UINT64_MAX), HLL_CHANGED);
    assert_true(h.len <= HLL_SPARSE_LEN_MAX);
    value[HLL_HEADER_LEN] = 0x41; /* the first is long and can be split, so there is one too many */
    assert_true(hll_open(&h, slice_of(value, HLL_SPARSE_LEN_MAX)));
    assert_int_equal(hll_raise(&h, (struct hll_point){100, 1}, UINT64_MAX), HLL_CORRUPT);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_additions_give_the_bytes_and_counts_of_redis),
        cmocka_unit_test(merging_gives_the_bytes_of_redis),
        cmocka_unit_test(splitting_and_joining_runs_gives_the_bytes_of_redis),
        cmocka_unit_test(joining_stops_where_that_of_redis_stops),
        cmocka_unit_test(the_limit_is_what_a_sparse_value_may_be_long),
        cmocka_unit_test(raising_registers_agrees_with_an_array),
        cmocka_unit_test(a_dense_value_is_raised_in_place),
        cmocka_unit_test(the_estimate_is_close),
        cmocka_unit_test(the_cached_count_holds_until_something_is_added),
        cmocka_unit_test(a_value_that_does_not_cover_all_registers_is_corrupt),
        cmocka_unit_test(a_value_of_the_wrong_form_is_not_valid),
        cmocka_unit_test(impossible_registers_have_no_estimate),
        cmocka_unit_test(an_endless_sparse_value_does_not_grow_beyond_its_buffer),
    };
    return cmocka_run_group_tests_name("hyperloglog", tests, NULL, NULL);
}
