/* Every expired key that a command meets goes, and is counted once: each form of each command, with
 * each of its keys expired in turn. Nothing else deletes expired keys here: there is no server.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/requests.h"

#include "base/clock.h"
#include "base/stats.h"
#include "keyspace/internal.h"
#include "writeback/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ks_fixture ks;
static uint32_t serial, asked, wrong;

static bool is_left(const char *name)
{
    struct store *s = &ks.ks->store;
    uint32_t db = dbmap_store_db(&ks.ks->wb->front.map, 0);
    uint64_t hash = store_hash(s, db, slice_str(name));
    struct shard *sh = store_shard(s, hash);
    lock_acquire(&sh->lock);
    const struct entry *e = entry_find(sh, hash, db, slice_str(name));
    bool left = e != NULL && e->type != VALUE_NONE && entry_expired(e, clock_wall());
    lock_release(&sh->lock);
    return left;
}

/* As Redis has it: WATCH only notes that a key has expired, and where something is to go is looked
 * at once there is something. */
static bool is_passed_over(const char *form, const struct requests *r, uint32_t key)
{
    static const char *const moves[] = {"COPY ", "LMOVE ", "RPOPLPUSH ", "BLMOVE "};
    bool moves_nothing = key > 0 && r->keys[0].kind == 'n';
    if (strstr(form, "WATCH ") != NULL || strstr(form, "DISCARD") != NULL ||
        strstr(form, "WEIR EXPLAIN") != NULL)
        return true;
    for (size_t i = 0; moves_nothing && i < COUNT_OF(moves); i++)
        if (strncmp(form, moves[i], strlen(moves[i])) == 0)
            return true;
    return false;
}

static bool is_named(const struct requests *r, const char *name)
{
    for (uint32_t i = r->prepares; i < r->len; i++)
        for (uint32_t a = 0; a < r->all[i].argc; a++)
            if (r->all[i].is_key[a] && slice_eq(r->all[i].argv[a], slice_str(name)))
                return true;
    return false;
}

static bool say_all(const struct requests *r, uint32_t from, uint32_t to)
{
    bool failed = false;
    for (uint32_t i = from; i < to; i++) {
        struct slice reply = requests_say(r->all[i].argc, r->all[i].argv);
        failed |= reply.len > 0 && reply.ptr[0] == '-';
    }
    return failed;
}

/* False: there is no such key, or it does not exist before. */
static bool expire(const struct requests *r, uint32_t key)
{
    struct slice argv[] = {SLICE("PEXPIRE"), slice_str(r->keys[key].name), SLICE("1")};
    struct slice reply = requests_say(3, argv);
    ks_await_past(clock_wall().ms + 1);
    return slice_eq(reply, SLICE(":1\r\n"));
}

static void ask_with_one_expired(const char *form, char k, char m, uint32_t key)
{
    struct requests r;
    requests_reconnect(2);
    requests_make(&r, form, k, m, ++serial);
    requests_set_up(&r);
    requests_let_expire(&r);
    (void)say_all(&r, 0, r.prepares);
    const char *name = r.keys[key].name;
    if (is_named(&r, name) && !is_passed_over(form, &r, key) && expire(&r, key)) {
        uint64_t before = stat_get(STAT_expired_keys);
        assert_true(is_left(name));
        bool failed = say_all(&r, r.prepares, r.len);
        uint64_t counted = stat_get(STAT_expired_keys) - before;
        asked++;
        if ((is_left(name) && !failed) || counted != (is_left(name) ? 0 : 1)) {
            print_error("'%s' of %c and %c with '%s' expired: %s, counted %u times\n", form, k, m,
                        name, is_left(name) ? "left" : "gone", (unsigned)counted);
            wrong++;
        }
    }
    requests_fini(&r);
}

static void ask(void *ctx, const char *form, char k, char m)
{
    (void)ctx;
    struct requests r;
    requests_make(&r, form, k, m, ++serial);
    uint32_t keys = r.keys_len;
    requests_fini(&r);
    for (uint32_t i = 0; i < keys; i++)
        ask_with_one_expired(form, k, m, i);
}

static void every_expired_key_that_a_command_meets_goes_and_is_counted_once(void **state)
{
    (void)state;
    ks_make(&ks, requests_options);
    requests_begin(&ks);
    for (const char *const *form = request_forms; *form != NULL; form++)
        assert_true(requests_each(*form, false, ask, NULL));
    requests_end();
    ks_destroy(&ks);
    assert_in_range(asked, 300, 10000);
    assert_int_equal(wrong, 0);
}

static struct slice say(const char *text)
{
    return requests_say_text(text);
}

/* Makes a key expire in a database of its own. */
static void put_expired(const char *name)
{
    char request[64];
    snprintf(request, sizeof(request), "SET %s v PX 1", name);
    say("SELECT 9");
    say("FLUSHDB");
    say(request);
    ks_await_past(clock_wall().ms + 1);
}

static void a_walk_deletes_the_expired_keys_that_it_meets_but_for_keys(void **state)
{
    (void)state;
    ks_make(&ks, requests_options);
    requests_begin(&ks);
    uint64_t before = stat_get(STAT_expired_keys);
    put_expired("k");
    assert_true(slice_eq(say("KEYS *"), SLICE("*0\r\n")));
    assert_int_equal(stat_get(STAT_expired_keys) - before, 0);
    assert_true(slice_eq(say("DBSIZE"), SLICE(":1\r\n")));
    assert_true(slice_eq(say("SCAN 0 COUNT 1000"), SLICE("*2\r\n$1\r\n0\r\n*0\r\n")));
    assert_int_equal(stat_get(STAT_expired_keys) - before, 1);
    assert_true(slice_eq(say("DBSIZE"), SLICE(":0\r\n")));
    put_expired("k");
    assert_true(slice_eq(say("RANDOMKEY"), SLICE("$-1\r\n")));
    assert_int_equal(stat_get(STAT_expired_keys) - before, 2);
    assert_true(slice_eq(say("DBSIZE"), SLICE(":0\r\n")));
    put_expired("k");
    say("SCAN 0 COUNT 1000 TYPE nosuch");
    assert_int_equal(stat_get(STAT_expired_keys) - before, 3);
    requests_check_store();
    requests_end();
    ks_destroy(&ks);
}

/* What was over when the watch began is nobody's change. */
static void who_watches_an_expired_key_is_not_told_that_it_goes(void **state)
{
    (void)state;
    static const char *const meet[] = {"EXISTS x", "SCAN 0 COUNT 1000", "MGET x y", "DEL x"};
    ks_make(&ks, requests_options);
    requests_begin(&ks);
    for (size_t i = 0; i < COUNT_OF(meet); i++) {
        put_expired("x");
        uint64_t before = stat_get(STAT_expired_keys);
        say("WATCH x");
        say(meet[i]);
        assert_int_equal(stat_get(STAT_expired_keys) - before, 1);
        say("MULTI");
        say("PING");
        assert_true(slice_eq(say("EXEC"), SLICE("*1\r\n+PONG\r\n")));
    }
    requests_end();
    ks_destroy(&ks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_expired_key_that_a_command_meets_goes_and_is_counted_once),
        cmocka_unit_test(a_walk_deletes_the_expired_keys_that_it_meets_but_for_keys),
        cmocka_unit_test(who_watches_an_expired_key_is_not_told_that_it_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
