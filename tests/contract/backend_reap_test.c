/* Deleting what has expired, for every backend that does not do so by itself.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "contract.h"

enum { REAP_AT = 1000 * 1000 }; /* 1970: all of it is long over */

struct reaped {
    struct buf asked, gone;
    const char *spared; /* a key that may not go */
};

static bool may_go(void *ctx, const struct backend_item *key)
{
    struct reaped *r = ctx;
    (void)render_key(&r->asked, key);
    return r->spared == NULL || !slice_eq(key->key, slice_str(r->spared));
}

static void note_gone(void *ctx, const struct backend_item *key)
{
    struct reaped *r = ctx;
    (void)render_key(&r->gone, key);
    buf_printf(&r->gone, "@%lld", (long long)key->expires_at_ms);
}

/* Reaps until nothing is left to look at. */
static void reap_all(struct contract *c, struct reaped *r, int64_t now_ms, uint32_t limit)
{
    struct err err = {0};
    struct backend_reap what = {
        .now_ms = now_ms, .limit = limit, .may_go = may_go, .on_gone = note_gone, .ctx = r};
    bool more = true;
    for (int calls = 0; more; calls++) {
        assert_true(calls < 10000);
        if (c->ops->reap(c->b, &what, &more, &err) != RC_OK)
            fail_msg("reap: %s", err.text);
    }
}

static void check_reaped(struct contract *c, const char *spared, uint32_t limit,
                         const char *expected)
{
    struct reaped r = {.spared = spared};
    if (c->ops->reap == NULL)
        skip();
    reap_all(c, &r, REAP_AT, limit);
    buf_fini(&r.asked);
    check_text(&r.gone, expected);
}

static struct backend_item until(struct backend_item item, int64_t expires_at_ms)
{
    item.expires_at_ms = expires_at_ms;
    return item;
}

static void check_base(struct contract *c, struct slice key, const char *expected)
{
    check_loaded(c,
                 &(struct backend_item){.db = 1, .key = key, .expires_at_ms = BACKEND_EVEN_EXPIRED},
                 1, expected);
}

static void put_expiring(struct contract *c)
{
    struct backend_dbmap map = MAP(1);
    apply_batch(c, (struct backend_batch){.cut_lsn = 1, .dbmap = &map});
    APPLY(c, 2, until(STRING(1, "a", "x"), 10), until(STRING(1, "b", "y"), REAP_AT),
          until(STRING(1, "c", "z"), REAP_AT + 1), STRING(1, "d", "w"),
          until(WHOLE(1, HASH, "h", FIELD("f", "v"), FIELD("g", "v")), 5));
}

static void what_is_due_is_reaped_and_nothing_else(void **state)
{
    struct contract *c = contract_of(state);
    put_expiring(c);
    for (uint32_t limit = 1; limit < 10; limit += 2) {
        check_reaped(c, NULL, limit,
                     limit == 1 && strcmp(c->ops->scheme, "sqlite") == 0 ? "h@5 a@10 b@1000000"
                     : limit == 1                                        ? "a@10 b@1000000 h@5"
                                                                         : "");
    }
    check_base(c, KEY("a"), "none");
    check_base(c, KEY("b"), "none");
    check_base(c, KEY("c"), "string z until 1000001");
    check_base(c, KEY("d"), "string w");
    check_base(c, KEY("h"), "none");
    assert_int_equal(position_of(c).cut_lsn, 2);
    APPLY(c, 3, WHOLE(1, HASH, "h", FIELD("new", "v")));
    LOADED(c, 1, "h", "hash new=v"); /* nothing is left of the old one */
    check_poll(c, "");
    contract_reopen(c);
    check_base(c, KEY("a"), "none");
}

static void a_key_that_may_not_go_stays_and_is_passed_over(void **state)
{
    struct contract *c = contract_of(state);
    put_expiring(c);
    struct reaped r = {.spared = "h"};
    if (c->ops->reap == NULL)
        skip();
    reap_all(c, &r, REAP_AT, 1);
    buf_append(&r.gone, "", 1);
    assert_non_null(strstr(r.gone.data, "a@10"));
    assert_non_null(strstr(r.gone.data, "b@1000000"));
    assert_null(strstr(r.gone.data, "h@"));
    check_base(c, KEY("h"), "hash f=v g=v until 5");
    buf_fini(&r.gone);
    buf_fini(&r.asked);
    check_reaped(c, NULL, 1, "h@5"); /* it is asked for again */
}

static void a_large_aggregate_is_reaped_in_parts(void **state)
{
    struct contract *c = contract_of(state);
    enum { MEMBERS = 9000 };
    char(*names)[8] = calloc(MEMBERS, sizeof(*names));
    struct backend_element *members = calloc(MEMBERS, sizeof(*members));
    for (uint32_t i = 0; i < MEMBERS; i++) {
        snprintf(names[i], sizeof(names[i]), "m%05u", i);
        members[i].name = slice_str(names[i]);
    }
    put_expiring(c);
    struct backend_item large = {.db = 1,
                                 .type = VALUE_SET,
                                 .key = KEY("s"),
                                 .expires_at_ms = 7,
                                 .replace = true,
                                 .elements = members,
                                 .elements_len = MEMBERS};
    apply_items(c, 3, &large, 1);
    check_reaped(c, "h", 100,
                 strcmp(c->ops->scheme, "sqlite") == 0 ? "s@7 a@10 b@1000000"
                                                       : "a@10 b@1000000 s@7");
    check_base(c, KEY("s"), "none");
    APPLY(c, 4, DELTA(1, SET, "s", MEMBER("new")));
    LOADED(c, 1, "s", "set new"); /* no member is left */
    free(members);
    free(names);
}

static void keys_of_databases_without_a_number_are_not_reaped(void **state)
{
    struct contract *c = contract_of(state);
    struct backend_dbmap map = MAP(2);
    put_expiring(c);
    apply_batch(c, (struct backend_batch){.cut_lsn = 3, .dbmap = &map});
    check_reaped(c, NULL, 10, "");
}

static void what_expires_does_not_bring_back_what_a_batch_writes(void **state)
{
    struct contract *c = contract_of(state);
    put_expiring(c);
    APPLY(c, 3, STRING(1, "a", "new"), until(STRING(1, "b", "new"), REAP_AT + 5));
    check_reaped(c, NULL, 10, "h@5");
    LOADED(c, 1, "a", "string new");
    check_base(c, KEY("b"), "string new until 1000005");
}

static enum rc has_nothing(void *ctx, const struct backend_item *item)
{
    (void)ctx;
    (void)item;
    return RC_NOT_FOUND;
}

/* What the key was before the change may still be asked for, until the proxy has heard of it. */
static void a_key_that_others_changed_stays_until_that_is_settled(void **state)
{
    struct contract *c = contract_of(state);
    struct err err;
    if (c->ops->reap == NULL || strcmp(c->ops->scheme, "sqlite") != 0)
        skip();
    put_expiring(c);
    outside(c, "UPDATE weir_key SET expires_at = 8 WHERE key = 'd'");
    check_reaped(c, NULL, 10, "h@5 a@10 b@1000000");
    check_base(c, KEY("d"), "string w"); /* as recovery is to see it */
    assert_int_equal(c->ops->poll(c->b, has_nothing, NULL, &err), RC_OK);
    check_reaped(c, NULL, 10, "d@8");
}

#define TEST(name)  \
    {               \
#name, name \
    }

int main(void)
{
    static const struct contract_test tests[] = {
        TEST(what_is_due_is_reaped_and_nothing_else),
        TEST(a_key_that_may_not_go_stays_and_is_passed_over),
        TEST(a_large_aggregate_is_reaped_in_parts),
        TEST(keys_of_databases_without_a_number_are_not_reaped),
        TEST(a_key_that_others_changed_stays_until_that_is_settled),
        TEST(what_expires_does_not_bring_back_what_a_batch_writes),
    };
    return contract_run("backend_reap", tests, COUNT_OF(tests));
}
