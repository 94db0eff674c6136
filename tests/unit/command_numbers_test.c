/* Every argument of every command as an extreme number, alone and in pairs: the reply is well
 * formed, the store's parts agree, and no allocation is of a size that the client made up.
 *
 * What UBSan finds on the way is the other half: `make asan` runs this too. The forms of the
 * requests are tests/support/request_forms.c; every argument that is not a key is tried, whether or
 * not the command takes it for a number.
 *
 * FAULT_SHARE says what part of the pairs is tried.
 *
 * malloc() and its kin are defined here, to see what is asked for.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/allocator.h"
#include "tests/support/requests.h"
#include "tests/support/share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>

#include <cmocka.h>

/* A reply may take a quarter of maxmemory, and its buffer twice that. */
enum { LARGEST_BYTES = 16 * 1024 * 1024, RSS_MAX_MB = 256 };

static const char *const numbers[] = {
    "-9223372036854775808",
    "-9223372036854775807",
    "-4611686018427387905",
    "-4294967296",
    "-2147483649",
    "-2147483648",
    "-1",
    "0",
    "1",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "4294967297",
    "1152921504606846976",
    "9223372036854775806",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "1e308",
    "-1e308",
    "inf",
    "-inf",
    "nan",
    "5e-324",
    "#2147483648",
    "#9223372036854775807",
    "(9223372036854775807",
};
static const char *const few_numbers[] = {
    "-9223372036854775808", "-2147483648", "-1", "0", "4294967296", "9223372036854775807", "1e308"};

static struct ks_fixture ks;
static uint64_t runs, pairs;

/* --- What is asked of the allocator --- */

static _Thread_local struct {
    bool counts;
    size_t largest;
} asked;

#if !defined(ALLOCATOR_IS_FIXED)
static void note(size_t size)
{
    if (asked.counts && size > asked.largest)
        asked.largest = size;
}

void *malloc(size_t size)
{
    note(size);
    return allocator_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    note(n > 0 && size > SIZE_MAX / n ? SIZE_MAX : n * size);
    return allocator_calloc(n, size);
}

void *realloc(void *block, size_t size)
{
    note(size);
    return allocator_realloc(block, size);
}
#endif

/* --- One run --- */

static int make(void **state)
{
    (void)state;
    ks_make(&ks, requests_options);
    requests_begin(&ks);
    (void)requests_say_text("CONFIG SET maxmemory 16mb");
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    requests_end();
    ks_destroy(&ks);
    return 0;
}

/* Those that would wait for as long as they are told, or hold everybody back. */
static bool is_left_out(const char *form)
{
    static const char *const words[] = {"WAIT", "?WAITAOF", "CONFIG SET", "CLIENT PAUSE"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strncmp(form, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

static void run(struct requests *r, uint8_t proto, const char *form)
{
    requests_set_up(r);
    requests_reconnect(proto);
    asked.largest = 0;
    asked.counts = true;
    for (uint32_t i = 0; i < r->len; i++)
        (void)requests_say(r->all[i].argc, r->all[i].argv);
    asked.counts = false;
    if (asked.largest > LARGEST_BYTES)
        fail_msg("%s: %zu bytes were asked for at once", form, asked.largest);
    requests_reconnect(2);
    runs++;
}

/* The place of argument n, counted through all requests; names of commands and keys do not count.
 * NULL: there are fewer. */
static struct slice *argument(struct requests *r, uint32_t n)
{
    for (uint32_t i = 0; i < r->len; i++)
        for (uint32_t k = 1; k < r->all[i].argc; k++)
            if (!r->all[i].is_key[k] && n-- == 0)
                return &r->all[i].argv[k];
    return NULL;
}

static void try_each_number(void *ctx, const char *form, char k, char m)
{
    struct requests r;
    struct slice *place;
    (void)ctx;
    requests_make(&r, form, k, m, 1);
    for (uint32_t n = 0; (place = argument(&r, n)) != NULL; n++) {
        struct slice before = *place;
        for (size_t i = 0; i < COUNT_OF(numbers); i++) {
            *place = slice_str(numbers[i]);
            run(&r, i % 2 == 0 ? 2 : 3, form);
        }
        *place = before;
    }
    requests_fini(&r);
}

static void try_each_pair(void *ctx, const char *form, char k, char m)
{
    struct requests r;
    struct slice *one, *other;
    (void)ctx;
    requests_make(&r, form, k, m, 1);
    for (uint32_t a = 0; (one = argument(&r, a)) != NULL; a++) {
        for (uint32_t b = a + 1; (other = argument(&r, b)) != NULL; b++) {
            struct slice one_before = *one, other_before = *other;
            for (size_t i = 0; i < COUNT_OF(few_numbers) * COUNT_OF(few_numbers); i++) {
                if (!share_has(pairs++))
                    continue;
                *one = slice_str(few_numbers[i / COUNT_OF(few_numbers)]);
                *other = slice_str(few_numbers[i % COUNT_OF(few_numbers)]);
                run(&r, 2, form);
            }
            *one = one_before;
            *other = other_before;
        }
    }
    requests_fini(&r);
}

static void each_form(void (*each)(void *ctx, const char *form, char k, char m))
{
    for (size_t i = 0; request_forms[i] != NULL; i++) {
        if (!is_left_out(request_forms[i]))
            (void)requests_each(request_forms[i], false, each, NULL);
        requests_check_store();
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    print_message("%llu requests, at most %ld MB resident\n", (unsigned long long)runs,
                  usage.ru_maxrss / 1024);
#if !defined(__SANITIZE_ADDRESS__) && !defined(ALLOCATOR_IS_FIXED)
    assert_true(usage.ru_maxrss / 1024 < RSS_MAX_MB);
#endif
}

static void any_number_is_answered_and_takes_no_memory_of_its_size(void **state)
{
    (void)state;
    each_form(try_each_number);
}

static void so_are_any_two_numbers(void **state)
{
    (void)state;
    each_form(try_each_pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_number_is_answered_and_takes_no_memory_of_its_size,
                                        make, destroy),
        cmocka_unit_test_setup_teardown(so_are_any_two_numbers, make, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
