/* Command statistics: histogram buckets, sums over workers, errors by code, resetting.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/cmdstats.h"
#include "executor/executor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void a_bucket_holds_its_ticks_within_a_fifth(void **state)
{
    (void)state;
    uint32_t last = 0;
    for (uint64_t ticks = 64; ticks < (UINT64_C(1) << 40); ticks += ticks / 7 + 1) {
        uint32_t b = histogram_bucket(ticks);
        assert_true(b >= last && b < HISTOGRAM_BUCKETS);
        assert_true(histogram_upper(b) >= ticks);
        assert_true(histogram_upper(b) <= ticks + ticks / 4);
        assert_true(b == 0 || histogram_upper(b - 1) < ticks);
        last = b;
    }
    assert_int_equal(histogram_bucket(0), 0);
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void workers_are_summed(void **state)
{
    (void)state;
    struct cmdstats *a = cmdstats_new(), *b = cmdstats_new();
    struct command_totals t;
    uint64_t histogram[HISTOGRAM_BUCKETS];
    cmdstats_time(a, COMMAND_get, 100, true);
    cmdstats_time(b, COMMAND_get, 5000, true);
    cmdstats_time(b, COMMAND_get, 5000, false);
    counter_add(&b->commands[COMMAND_get].failed, 2);
    cmdstats_total(COMMAND_get, &t);
    assert_int_equal(t.calls, 3);
    assert_int_equal(t.ticks, 10100);
    assert_int_equal(t.failed, 2);
    assert_int_equal(cmdstats_histogram(COMMAND_get, histogram), 2);
    assert_int_equal(histogram[histogram_bucket(5000)], 1);
    cmdstats_total(COMMAND_set, &t);
    assert_int_equal(t.calls, 0);
    assert_int_equal(cmdstats_histogram(COMMAND_set, histogram), 0);
}

static void reset_starts_from_zero(void **state)
{
    (void)state;
    struct cmdstats *a = cmdstats_new();
    struct command_totals t;
    uint64_t histogram[HISTOGRAM_BUCKETS];
    cmdstats_time(a, COMMAND_ttl, 100, true);
    cmdstats_reset();
    cmdstats_total(COMMAND_ttl, &t);
    assert_int_equal(t.calls + t.ticks, 0);
    assert_int_equal(cmdstats_histogram(COMMAND_ttl, histogram), 0);
    cmdstats_time(a, COMMAND_ttl, 100, true);
    cmdstats_total(COMMAND_ttl, &t);
    assert_int_equal(t.calls, 1);
    assert_int_equal(cmdstats_histogram(COMMAND_ttl, histogram), 1);
}

struct seen {
    char text[512];
    uint64_t codes, total;
};

static void see(void *ctx, const char *code, uint64_t count)
{
    struct seen *s = ctx;
    size_t at = strlen(s->text);
    if (at < 400)
        snprintf(s->text + at, sizeof(s->text) - at, "%s=%d ", code, (int)count);
    s->codes++;
    s->total += count;
}

static void errors_are_counted_by_their_first_word(void **state)
{
    (void)state;
    struct cmdstats *a = cmdstats_new(), *b = cmdstats_new();
    struct seen seen = {.codes = 0};
    cmdstats_reset();
    cmdstats_error(a, SLICE("WRONGTYPE Operation against"));
    cmdstats_error(b, SLICE("ERR syntax error\r\n"));
    cmdstats_error(b, SLICE("WRONGTYPE\r\n"));
    cmdstats_each_error(see, &seen);
    assert_string_equal(seen.text, "ERR=1 WRONGTYPE=2 ");
}

static void many_codes_are_counted_together(void **state)
{
    (void)state;
    struct cmdstats *a = cmdstats_new();
    struct seen seen = {.codes = 0};
    cmdstats_reset();
    for (int i = 0; i < 1000; i++) {
        char code[64];
        int len = snprintf(code, sizeof(code), "CODE%dWITHAVERYLONGNAMETHATISCUTSOMEWHERE x", i);
        cmdstats_error(a, slice_of(code, (size_t)len));
    }
    cmdstats_each_error(see, &seen);
    assert_true(seen.codes <= CMDSTATS_ERRORS_MAX);
    assert_int_equal(seen.total, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_holds_its_ticks_within_a_fifth),
        cmocka_unit_test(workers_are_summed),
        cmocka_unit_test(reset_starts_from_zero),
        cmocka_unit_test(errors_are_counted_by_their_first_word),
        cmocka_unit_test(many_codes_are_counted_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
