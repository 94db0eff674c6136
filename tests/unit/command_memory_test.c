/* Every command when memory runs out, at each of its allocations in turn: the reply says so, or the
 * command has succeeded all the same; what it was about is as it was, or as far as it got; the
 * store's parts agree; and what was journalled, or flushed, brings the same back.
 *
 * malloc() and its kin are defined here. They fail where they are told to, but for allocations that
 * abort by design: buffers of replies and of the journal's effects, which have no way to report
 * (base/buf.h), and what else is named in `aborting`. The forms of the requests are
 * tests/support/request_forms.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/alloc.h"
#include "tests/support/allocator.h"
#include "tests/support/requests.h"
#include "tests/support/symbols.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    ALLOCATIONS_MAX = 400,
    EACH = 12,
    PREPARED = 6,
    WRONGS_SHOWN = 40,
    CHECK_EVERY = 50,
    ROUNDS_IN_VAIN = 20
};

/* --- An allocator that fails when it is told to --- */

static _Thread_local struct scarcity {
    bool armed, forever; /* forever: from then on, not only once */
    uint32_t left;       /* allocations until then */
    uint32_t failed;
    uint64_t exempt;
} scarcity;

static bool fails_now(void)
{
    struct scarcity *s = &scarcity;
    if (s->left > 0 && --s->left > 0)
        return false;
    if (s->failed > 0 && !s->forever)
        return false;
    s->failed++;
    return true;
}

#if defined(ALLOCATOR_IS_FIXED)
/* The store's own allocations, then: they ask before. */
static bool store_is_denied(void)
{
    return scarcity.armed && fails_now();
}
#else
static const char *const aborting[] = {
    /* Buffers. */
    "buf_must_grow",
    "buf_append",
    "buf_append_slice",
    "buf_append_str",
    "buf_printf",
    "buf_append_escaped",
    "append_prefixed",
    "buf_append_bulk",
    "buf_append_array_header",
    /* The references of a reply to large values. */
    "reply_bulk_blob",
    /* A record that is longer than a ring: its change is made. */
    "oversize_new",
    /* Waiting clients: once for each worker, and the key's name; else they would wait for ever. */
    "serving_session",
    "blocking_serve",
    "block_note",
    /* MONITOR. */
    "monitor_post",
};

static bool is_aborting(const char *function)
{
    size_t len = strcspn(function, ".");
    for (size_t i = 0; i < COUNT_OF(aborting); i++)
        if (strlen(aborting[i]) == len && memcmp(aborting[i], function, len) == 0)
            return true;
    return false;
}

/* Whether the allocation at `frame` is made by the program itself, and can be reported. */
__attribute__((no_sanitize_address)) static bool may_fail(const uintptr_t *frame)
{
    enum { DEPTH = 3 };
    for (int i = 0; i < DEPTH; i++) {
        const char *function = symbol_at(frame[1]);
        if (function == NULL)
            return i > 0;
        if (is_aborting(function))
            return false;
        frame = (const uintptr_t *)frame[0];
    }
    return true;
}

static bool is_denied(const uintptr_t *frame)
{
    if (LIKELY(!scarcity.armed))
        return false;
    scarcity.armed = false; /* nothing on the way is to be asked */
    bool reported = may_fail(frame), denied = reported && fails_now();
    scarcity.exempt += !reported;
    scarcity.armed = true;
    return denied;
}

void *malloc(size_t size)
{
    return is_denied(__builtin_frame_address(0)) ? NULL : allocator_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return is_denied(__builtin_frame_address(0)) ? NULL : allocator_calloc(n, size);
}

void *realloc(void *block, size_t size)
{
    return is_denied(__builtin_frame_address(0)) ? NULL : allocator_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return is_denied(__builtin_frame_address(0)) ? NULL : allocator_aligned(alignment, size);
}
#endif

/* The nth allocation from here on fails, or all from the nth on. 0: none. */
static void arm(uint32_t n, bool forever)
{
    scarcity =
        (struct scarcity){.armed = n > 0, .forever = forever, .left = n, .exempt = scarcity.exempt};
}

/* --- What was done, to be looked at in the end --- */

struct seen_key {
    char name[REQUEST_NAME_MAX];
    uint64_t digest;
};

static struct ks_fixture ks;
static struct seen_key *seen;
static size_t seen_len, seen_cap;
static uint32_t serial, runs, failures, wrongs, ran[COMMAND_COUNT];

static int make(void **state)
{
    (void)state;
    symbols_open();
#if defined(ALLOCATOR_IS_FIXED)
    alloc_should_fail = store_is_denied;
#endif
    ks_make(&ks, requests_options);
    requests_begin(&ks);
    seen_len = serial = runs = failures = wrongs = 0;
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    requests_end();
    ks_destroy(&ks);
    free(seen);
    seen = NULL;
    seen_cap = 0;
    return 0;
}

static void see(const struct requests *r)
{
    for (uint32_t i = 0; i < r->keys_len; i++) {
        if (seen_len == seen_cap) {
            seen_cap = seen_cap == 0 ? 1024 : seen_cap * 2;
            seen = realloc(seen, seen_cap * sizeof(*seen));
            assert_non_null(seen);
        }
        struct seen_key *k = &seen[seen_len++];
        memcpy(k->name, r->keys[i].name, sizeof(k->name));
        k->digest = requests_digest(k->name, true);
    }
}

static void expect_all_seen(const char *how)
{
    size_t wrong = 0;
    for (size_t i = 0; i < seen_len; i++) {
        if (requests_digest(seen[i].name, true) == seen[i].digest)
            continue;
        if (wrong++ < 20)
            print_error("%s is not %s as it was\n", seen[i].name, how);
    }
    assert_int_equal(wrong, 0);
}

static uint64_t digest_all(const struct requests *r)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < r->keys_len; i++)
        sum = sum * 31 + requests_digest(r->keys[i].name, false);
    return sum;
}

/* --- One run of a form --- */

struct outcome {
    bool failed;        /* an allocation did */
    bool out_of_memory; /* a reply says so */
    uint64_t before, after;
    char first[64]; /* of the last reply */
};

static void note_command(const struct one_request *one)
{
    const struct command *command = command_find(one->argv[0]);
    if (command != NULL && (command->flags & CMD_CONTAINER) != 0 && one->argc > 1)
        command = command_find_sub(command, one->argv[1]);
    if (command != NULL)
        ran[command->id]++;
}

static bool says_out_of_memory(struct slice reply)
{
    return memmem(reply.ptr, reply.len, "OOM ", 4) != NULL ||
           memmem(reply.ptr, reply.len, "nsufficient memory", 18) != NULL ||
           memmem(reply.ptr, reply.len, "out of memory", 13) != NULL;
}

/* Half of them run in either protocol. */
static uint8_t proto_of(const char *form, char k)
{
    return (strlen(form) + (size_t)k) % 2 == 0 ? 2 : 3;
}

/* Runs what is prepared already. The nth allocation fails; 0: none. */
static struct outcome run_prepared(const struct requests *r, uint8_t proto, uint32_t n,
                                   bool forever)
{
    struct outcome o = {0};
    requests_reconnect(proto);
    for (uint32_t i = 0; i < r->prepares; i++)
        (void)requests_say(r->all[i].argc, r->all[i].argv);
    o.before = digest_all(r);
    arm(n, forever);
    for (uint32_t i = r->prepares; i < r->len; i++) {
        struct slice reply = requests_say(r->all[i].argc, r->all[i].argv);
        note_command(&r->all[i]);
        o.out_of_memory |= says_out_of_memory(reply);
        snprintf(o.first, sizeof(o.first), "%.*s", (int)reply.len, reply.ptr);
    }
    o.failed = scarcity.failed > 0;
    arm(0, false);
    failures += o.failed;
    runs++;
    requests_reconnect(2);
    o.after = digest_all(r);
    see(r);
    return o;
}

static void judge(const struct requests *r, const struct outcome *good, const struct outcome *o,
                  const char *form, char k, char m, uint32_t n)
{
    bool several = r->len - r->prepares > 1;
    const char *wrong = NULL;
    if (o->out_of_memory && !o->failed)
        wrong = "says that memory ran out, and it did not";
    else if (o->out_of_memory && o->after != o->before && !r->partial && !several)
        wrong = "says that memory ran out, and has changed something";
    else if (!o->out_of_memory && !r->random && o->after != good->after)
        wrong = "has succeeded, and the result is another";
    else if (!o->out_of_memory && !r->random && o->first[0] != good->first[0])
        wrong = "has succeeded, and the reply is another";
    if (wrong != NULL && wrongs++ < WRONGS_SHOWN)
        print_error("%s with %c, %c and without allocation %u %s: %s\n", form, k, m, n, wrong,
                    o->first);
}

static struct outcome run_anew(struct requests *r, const char *form, char k, char m, uint32_t n,
                               bool forever)
{
    requests_make(r, form, k, m, ++serial);
    requests_set_up(r);
    requests_let_expire(r);
    struct outcome o = run_prepared(r, proto_of(form, k), n, forever);
    requests_fini(r);
    return o;
}

static void fail_each_allocation(void *ctx, const char *form, char k, char m)
{
    struct requests r;
    (void)ctx;
    struct outcome good = run_anew(&r, form, k, m, 0, false);
    for (int forever = 0; forever < 2; forever++) {
        bool failed = true;
        /* Of the many of a copy, one in four is enough. */
        for (uint32_t n = 1; failed && n < ALLOCATIONS_MAX; n += n < EACH ? 1 : n / 4) {
            struct outcome o = run_anew(&r, form, k, m, n, forever != 0);
            judge(&r, &good, &o, form, k, m, n);
            failed = o.failed;
        }
    }
}

static void each_form(void (*each)(void *ctx, const char *form, char k, char m))
{
    for (size_t i = 0; request_forms[i] != NULL; i++) {
        if (!requests_each(request_forms[i], true, each, NULL))
            print_message("not known: %s\n", request_forms[i]);
        if (i % CHECK_EVERY == 0 || request_forms[i + 1] == NULL)
            requests_check_store();
    }
    assert_int_equal(wrongs, 0);
}

static void tell_what_was_covered(void)
{
    uint32_t commands = 0, known = 0;
    for (uint32_t id = 0; id < COMMAND_COUNT; id++) {
        const struct command *command = command_get((enum command_id)id);
        if (command->run == NULL)
            continue;
        known++;
        commands += ran[id] > 0;
        if (ran[id] == 0)
            print_message("no form: %s\n", command->name);
    }
    print_message("%u of %u commands, %u runs, %u of them with an allocation that failed; %llu "
                  "allocations abort by design\n",
                  commands, known, runs, failures, (unsigned long long)scarcity.exempt);
}

static uint64_t applied_lsn(void)
{
    struct writeback_info info;
    writeback_get_info(keyspace_writeback(ks.ks), &info);
    return info.applied_lsn;
}

/* --- The tests --- */

static void a_failed_allocation_changes_nothing_and_the_journal_knows(void **state)
{
    (void)state;
    ks_flush(&ks); /* nothing is on its way */
    (void)requests_say_text("WEIR PAUSE");
    uint64_t flushed = applied_lsn();
    each_form(fail_each_allocation);
    assert_true(applied_lsn() == flushed); /* so the journal is all there is */
    tell_what_was_covered();
    requests_end();
    ks_restart(&ks, false);
    requests_begin(&ks);
    expect_all_seen("journalled");
}

static void prepare(void *ctx, const char *form, char k, char m)
{
    (void)ctx;
    for (uint32_t n = 0; n < PREPARED; n++) {
        struct requests r;
        requests_make(&r, form, k, m, ++serial);
        requests_set_up(&r);
        requests_fini(&r);
    }
}

static void fail_prepared(void *ctx, const char *form, char k, char m)
{
    struct outcome good = {0};
    (void)ctx;
    for (uint32_t n = 0; n < PREPARED; n++) {
        struct requests r;
        requests_make(&r, form, k, m, ++serial);
        struct outcome o = run_prepared(&r, proto_of(form, k), n, true);
        if (n == 0)
            good = o;
        else
            judge(&r, &good, &o, form, k, m, n);
        requests_fini(&r);
    }
}

/* What the backend has already is changed under failures, so that the changes are flushed. */
static void what_is_flushed_behind_a_failed_allocation_is_what_there_is(void **state)
{
    (void)state;
    each_form(prepare);
    ks_flush(&ks);
    serial = 0;
    each_form(fail_prepared);
    ks_flush(&ks);
    size_t evicted = 0;
    for (int in_vain = 0; in_vain < ROUNDS_IN_VAIN; in_vain++) { /* a round is a part of a shard */
        size_t more = ks_evict(&ks);
        evicted += more;
        in_vain = more > 0 ? 0 : in_vain;
    }
    assert_true(evicted > seen_len / 2);
    expect_all_seen("flushed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_failed_allocation_changes_nothing_and_the_journal_knows,
                                        make, destroy),
        cmocka_unit_test_setup_teardown(what_is_flushed_behind_a_failed_allocation_is_what_there_is,
                                        make, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
