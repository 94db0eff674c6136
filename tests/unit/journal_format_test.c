/* The bytes of a journal: what verifies, and above all what does not.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const uint8_t store[16] = {1, 2, 3};

static struct record_header *make_record(const struct format_key *key, uint64_t mix, uint32_t len)
{
    uint64_t bytes = format_record_bytes(len);
    struct record_header *r = aligned_alloc(8, bytes);
    assert_non_null(r);
    memset(r, 0, bytes);
    r->lsn = 77;
    r->len = len;
    r->db = 3;
    memset(r + 1, 'x', len);
    r->checksum = format_hash(key, r) ^ mix;
    return r;
}

static void a_record_verifies_only_where_it_was_written(void **state)
{
    (void)state;
    struct format_key key, other;
    format_key_init(&key, store);
    format_key_init(&other, (const uint8_t[16]){9});
    const uint32_t lens[] = {0, 1, 7, 8, 100, 200, 241, 1000, 5000};
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        struct record_header *r = make_record(&key, format_mix(5), lens[i]);
        uint64_t bytes = format_record_bytes(lens[i]);
        assert_true(format_verify(&key, format_mix(5), r, bytes));
        assert_false(format_verify(&key, format_mix(6), r, bytes));   /* another segment */
        assert_false(format_verify(&other, format_mix(5), r, bytes)); /* another store */
        assert_false(format_verify(&key, format_mix(5), r, bytes - 8));
        free(r);
    }
}

static void every_flipped_bit_of_a_record_is_noticed(void **state)
{
    (void)state;
    struct format_key key;
    format_key_init(&key, store);
    struct record_header *r = make_record(&key, 0, 21);
    size_t real = sizeof(*r) + 21;
    for (size_t bit = 0; bit < real * 8; bit++) {
        ((char *)r)[bit / 8] ^= (char)(1 << bit % 8);
        assert_false(format_verify(&key, 0, r, format_record_bytes(21)));
        ((char *)r)[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_true(format_verify(&key, 0, r, format_record_bytes(21)));
    free(r);
}

static void an_absurd_length_is_refused_before_it_is_used(void **state)
{
    (void)state;
    struct format_key key;
    format_key_init(&key, store);
    struct record_header *r = make_record(&key, 0, 16);
    r->len = UINT32_MAX;
    assert_false(format_verify(&key, 0, r, UINT64_MAX));
    r->len = (uint32_t)JOURNAL_PAYLOAD_MAX;
    assert_false(format_verify(&key, 0, r, format_record_bytes(16)));
    free(r);
}

static void hashing_in_parts_is_hashing_in_one_piece(void **state)
{
    (void)state;
    struct format_key key;
    format_key_init(&key, store);
    for (uint32_t len = 0; len < 700; len += 13) {
        struct record_header *r = make_record(&key, 0, len);
        const char *p = (const char *)(r + 1);
        struct slice parts[3] = {{p, len / 4}, {NULL, 0}, {p + len / 4, len - len / 4}};
        assert_int_equal(format_hash(&key, r), format_hash_parts(&key, r, parts, 3));
        free(r);
    }
}

static void a_marker_tells_what_was_durable_in_its_own_segment_only(void **state)
{
    (void)state;
    struct format_key key;
    uint64_t at[FORMAT_MARKER_BYTES / 8];
    format_key_init(&key, store);
    format_marker(&key, at, 100, 90, 4);
    assert_int_equal(format_read_marker(&key, 4, at, sizeof(at)), 90);
    assert_int_equal(format_read_marker(&key, 5, at, sizeof(at)), 0);
    assert_int_equal(format_read_marker(&key, 4, at, sizeof(at) - 1), 0);
    at[5] ^= 1;
    assert_int_equal(format_read_marker(&key, 4, at, sizeof(at)), 0);
}

static void a_header_is_good_bad_or_newer(void **state)
{
    (void)state;
    char page[FORMAT_PAGE];
    struct segment_header in = {.number = 3, .first_lsn = 10, .continues_after = 9}, out;
    format_seal_header(&in, page);
    assert_int_equal(format_check_header(page, sizeof(page), &out), FORMAT_GOOD);
    assert_int_equal(out.number, 3);
    assert_int_equal(format_check_header(page, 20, &out), FORMAT_BAD);
    for (size_t i = 0; i < sizeof(in); i++) {
        page[i] ^= 0x10;
        assert_int_not_equal(format_check_header(page, sizeof(page), &out), FORMAT_GOOD);
        page[i] ^= 0x10;
    }
    page[8] = 99;
    assert_int_equal(format_check_header(page, sizeof(page), &out), FORMAT_NEWER);
    in.continues_after = 10; /* it cannot come after itself */
    format_seal_header(&in, page);
    assert_int_equal(format_check_header(page, sizeof(page), &out), FORMAT_BAD);
}

static void names_are_recognized_as_they_are_made_and_no_others(void **state)
{
    (void)state;
    char name[FORMAT_NAME_MAX];
    uint64_t n;
    uint32_t p;
    format_segment_name(name, 12345);
    assert_string_equal(name, "00000000000000012345.wj");
    assert_true(format_is_segment_name(name, &n));
    assert_int_equal(n, 12345);
    assert_false(format_is_segment_name("00000000000000012345.wj.damaged", &n));
    assert_false(format_is_segment_name("12345.wj", &n));
    assert_false(format_is_segment_name("0000000000000001234x.wj", &n));
    assert_false(format_is_segment_name("99999999999999999999.wj", &n)); /* beyond 64 bits */
    assert_false(format_is_segment_name("", &n));
    format_spare_name(name, 7);
    assert_true(format_is_spare_name(name, &n));
    assert_int_equal(n, 7);
    assert_false(format_is_spare_name("spare-7.wj", &n));
    format_ring_name(name, 42);
    assert_string_equal(name, "ring-42");
    assert_true(format_is_ring_name(name, &p));
    assert_int_equal(p, 42);
    assert_false(format_is_ring_name("ring-", &p));
    assert_false(format_is_ring_name("ring-042", &p));
    assert_false(format_is_ring_name("ring-4x", &p));
    assert_false(format_is_ring_name("ring-99999999999", &p));
}

static void zeros_are_zeros(void **state)
{
    (void)state;
    char some[9] = {0};
    assert_true(format_is_zero(some, 0));
    assert_true(format_is_zero(some, sizeof(some)));
    for (size_t i = 0; i < sizeof(some); i++) {
        some[i] = 1;
        assert_false(format_is_zero(some, sizeof(some)));
        some[i] = 0;
    }
}

static void numbers_mix_without_collision(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 2000; n++)
        for (uint64_t m = n + 1; m < n + 40; m++)
            assert_int_not_equal(format_mix(n), format_mix(m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_verifies_only_where_it_was_written),
        cmocka_unit_test(every_flipped_bit_of_a_record_is_noticed),
        cmocka_unit_test(an_absurd_length_is_refused_before_it_is_used),
        cmocka_unit_test(hashing_in_parts_is_hashing_in_one_piece),
        cmocka_unit_test(a_marker_tells_what_was_durable_in_its_own_segment_only),
        cmocka_unit_test(a_header_is_good_bad_or_newer),
        cmocka_unit_test(names_are_recognized_as_they_are_made_and_no_others),
        cmocka_unit_test(zeros_are_zeros),
        cmocka_unit_test(numbers_mix_without_collision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
