/* A large aggregate comes in parts, items of one key that follow each other in pieces of their own:
 * for every backend it is one change, as if it had come whole.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "outsiders.h"

static struct backend_batch batch_of(struct contract *c, struct backend_item *items, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++)
        items[i].goes_on = backend_item_order(&items[i], &items[i + 1]) == 0;
    return (struct backend_batch){
        .cut_lsn = position_of(c).cut_lsn + 1, .items = items, .items_len = (uint32_t)n};
}

static void apply_parts(struct contract *c, struct backend_batch batch)
{
    struct err err = {0};
    struct backend_applied applied;
    assert_true(batch.items_len < CONTRACT_PIECES); /* each item is a piece */
    if (apply_in_pieces(c, &batch, &applied, &err) != RC_OK)
        fail_msg("apply: %s", err.text);
}

/* Applies sorted items, those of one key that follow each other as its parts. */
#define APPLY_PARTS(c, ...) apply_parts(c, batch_of(c, LIST_OF(struct backend_item, __VA_ARGS__)))

static void apply_parts_judged(struct contract *c, struct judge *j, struct backend_batch batch)
{
    batch.on_conflict = judge;
    batch.on_merged = note_merge;
    batch.ctx = j;
    apply_parts(c, batch);
    buf_fini(&j->seen);
}

static int apply_parts_refused(struct contract *c, struct backend_batch batch)
{
    struct buf said = {0};
    int refused = 0;
    tell_all(&batch, &said);
    apply_parts(c, batch);
    buf_append(&said, "", 1);
    for (const char *at = said.data; (at = strstr(at, "refused")) != NULL; at++)
        refused++;
    buf_fini(&said);
    return refused;
}

/* ---- one value ---- */

static void parts_replace_as_one(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, HASH, "h", FIELD("old", "1"), FIELD("c", "0")));
    APPLY_PARTS(c, STRING(1, "a", "before"), WHOLE(1, HASH, "h", FIELD("a", "1"), FIELD("d", "4")),
                DELTA(1, HASH, "h", FIELD("b", "2")), DELTA(1, HASH, "h", FIELD("c", "3")),
                STRING(1, "z", "behind"));
    LOADED(c, 1, "a", "string before");
    LOADED(c, 1, "h", "hash a=1 b=2 c=3 d=4");
    LOADED(c, 1, "z", "string behind");
    check_count(c, 1, 3);
}

static void parts_change_what_they_name(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, SET, "s", MEMBER("a"), MEMBER("b"), MEMBER("c")),
          WHOLE(1, LIST, "l", AT(1, "x"), AT(2, "y")),
          WHOLE(1, ZSET, "z", SCORED("m", 1), SCORED("n", 2)));
    APPLY_PARTS(c, DELTA(1, LIST, "l", GONE_AT(1)), DELTA(1, LIST, "l", AT(0, "w"), AT(3, "z")),
                DELTA(1, SET, "s", GONE("a")), DELTA(1, SET, "s", MEMBER("d")),
                DELTA(1, ZSET, "z", SCORED("m", 3)), DELTA(1, ZSET, "z", SCORED("o", 4)));
    LOADED(c, 1, "l", "list 0=w 2=y 3=z");
    LOADED(c, 1, "s", "set b c d");
    LOADED(c, 1, "z", "zset m=3 n=2 o=4");
}

static void parts_of_another_type_and_with_an_expiry(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "h", "text"));
    struct backend_item items[] = {WHOLE(1, HASH, "h", FIELD("a", "1")),
                                   DELTA(1, HASH, "h", FIELD("b", "2"))};
    items[0].expires_at_ms = items[1].expires_at_ms = INT64_C(99999999999999);
    for (int again = 0; again < 2; again++) {
        apply_parts(c, batch_of(c, items, 2));
        LOADED(c, 1, "h", "hash a=1 b=2 until 99999999999999");
        check_count(c, 1, 1);
    }
}

/* The one before the last may be all there is, or nothing. */
static void parts_may_be_empty(void **state)
{
    struct contract *c = contract_of(state);
    struct backend_item items[] = {WHOLE(1, HASH, "h", FIELD("a", "1")),
                                   {.db = 1, .type = VALUE_HASH, .key = KEY("h")}};
    APPLY(c, 1, WHOLE(1, HASH, "h", FIELD("old", "1")));
    apply_parts(c, batch_of(c, items, 2));
    LOADED(c, 1, "h", "hash a=1");
}

/* ---- refusals and failures ---- */

static void a_value_is_refused_with_all_its_parts(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "s", "old"));
    struct backend_item part = {.db = 1, .key = KEY("s"), .type = VALUE_STREAM};
    struct backend_item items[] = {STRING(1, "a", "new"), part, part, part, STRING(1, "z", "new")};
    assert_true(apply_parts_refused(c, batch_of(c, items, COUNT_OF(items))) > 0);
    LOADED(c, 1, "a", "string new");
    LOADED(c, 1, "s", "string old");
    LOADED(c, 1, "z", "string new");
    APPLY_PARTS(c, WHOLE(1, HASH, "s", FIELD("a", "1")), DELTA(1, HASH, "s", FIELD("b", "2")));
    LOADED(c, 1, "s", "hash a=1 b=2");
}

/* Whichever it is: nothing of the others is left, and others keep their rows. */
static void a_row_that_is_refused_refuses_the_other_parts(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, HASH, "h", FIELD("a", "1"), FIELD("b", "2"), FIELD("c", "3")),
          WHOLE(1, HASH, "other", FIELD("x", "taken")));
    outside(c, "CREATE UNIQUE INDEX theirs ON weir_hash(value)");
    for (size_t bad = 0; bad < 3; bad++) {
        struct backend_item items[] = {WHOLE(1, HASH, "h", FIELD("a", "7")),
                                       DELTA(1, HASH, "h", FIELD("b", "8")),
                                       DELTA(1, HASH, "h", FIELD("d", "9")), STRING(1, "z", "new")};
        struct backend_item refused[] = {WHOLE(1, HASH, "h", FIELD("a", "taken")),
                                         DELTA(1, HASH, "h", FIELD("b", "taken")),
                                         DELTA(1, HASH, "h", FIELD("d", "taken"))};
        items[bad] = refused[bad];
        assert_int_equal(apply_parts_refused(c, batch_of(c, items, COUNT_OF(items))), 1);
        LOADED(c, 1, "h", "hash a=1 b=2 c=3");
        LOADED(c, 1, "z", "string new");
        check_count(c, 1, 3);
        APPLY(c, position_of(c).cut_lsn + 1, DELETED(1, "z"));
    }
    struct backend_item new[] = {WHOLE(1, HASH, "new", FIELD("a", "7")),
                                 DELTA(1, HASH, "new", FIELD("b", "taken"))};
    assert_int_equal(apply_parts_refused(c, batch_of(c, new, COUNT_OF(new))), 1);
    LOADED(c, 1, "new", "none");
    check_count(c, 1, 2);
    outside(c, "DROP INDEX theirs");
}

struct broken_off {
    struct backend_batch whole;
    uint32_t given, most;
};

static void begin_again(void *ctx)
{
    struct broken_off *b = ctx;
    b->given = 0;
}

static enum rc give_some(void *ctx, const struct backend_item **items, uint32_t *items_len,
                         struct err *err)
{
    struct broken_off *b = ctx;
    if (b->given == b->most)
        return err_set(err, RC_NOMEM, "no memory for the next one");
    *items = &b->whole.items[b->given++];
    *items_len = 1;
    return RC_OK;
}

static void a_batch_that_ends_between_parts_leaves_nothing(void **state)
{
    struct contract *c = contract_of(state);
    struct err err = {0};
    struct backend_applied applied;
    APPLY(c, 1, WHOLE(1, HASH, "h", FIELD("a", "1")));
    struct backend_item items[] = {WHOLE(1, HASH, "h", FIELD("x", "7")),
                                   DELTA(1, HASH, "h", FIELD("y", "8")),
                                   DELTA(1, HASH, "h", FIELD("z", "9"))};
    for (uint32_t most = 1; most <= 3; most++) {
        struct broken_off b = {.whole = batch_of(c, items, 3), .most = most};
        struct backend_batch batch = {.cut_lsn = b.whole.cut_lsn,
                                      .next_piece = give_some,
                                      .on_begin = begin_again,
                                      .ctx = &b};
        assert_int_equal(c->ops->apply(c->b, &batch, &applied, &err), RC_NOMEM);
        LOADED(c, 1, "h", "hash a=1");
        assert_int_equal(position_of(c).cut_lsn, 1);
    }
    apply_parts(c, batch_of(c, items, 3));
    LOADED(c, 1, "h", "hash x=7 y=8 z=9");
}

/* ---- conflicts ---- */

static void theirs_stays_beside_no_part_of_ours(void **state)
{
    struct contract *c = contract_of(state);
    for (int verdict = BACKEND_APPLY; verdict <= BACKEND_KEEP; verdict++) {
        APPLY(c, position_of(c).cut_lsn + 1, WHOLE(1, HASH, "h", FIELD("a", "1")));
        edit(c, STRING(1, "h", "theirs"));
        struct backend_item items[] = {DELTA(1, HASH, "h", FIELD("a", "ours")),
                                       DELTA(1, HASH, "h", FIELD("b", "ours")),
                                       DELTA(1, HASH, "h", FIELD("c", "ours"))};
        struct judge j = {.verdict = (enum backend_verdict)verdict};
        apply_parts_judged(c, &j, batch_of(c, items, 3));
        assert_int_equal(j.asked, 1);
        LOADED(c, 1, "h", verdict == BACKEND_KEEP ? "string theirs" : "hash a=ours b=ours c=ours");
        struct judge next = {.verdict = BACKEND_KEEP}; /* it is decided once and for all */
        struct backend_item whole[] = {WHOLE(1, HASH, "h", FIELD("a", "1")),
                                       DELTA(1, HASH, "h", FIELD("d", "1"))};
        apply_parts_judged(c, &next, batch_of(c, whole, 2));
        assert_int_equal(next.asked, 0);
        LOADED(c, 1, "h", "hash a=1 d=1");
    }
}

static void a_value_that_replaces_conflicts_once(void **state)
{
    struct contract *c = contract_of(state);
    for (int verdict = BACKEND_APPLY; verdict <= BACKEND_KEEP; verdict++) {
        APPLY(c, position_of(c).cut_lsn + 1, WHOLE(1, HASH, "h", FIELD("a", "1"), FIELD("b", "2")));
        edit(c, DELTA(1, HASH, "h", FIELD("b", "theirs")));
        struct backend_item items[] = {WHOLE(1, HASH, "h", FIELD("a", "ours")),
                                       DELTA(1, HASH, "h", FIELD("b", "ours")),
                                       DELTA(1, HASH, "h", FIELD("c", "ours"))};
        struct judge j = {.verdict = (enum backend_verdict)verdict};
        apply_parts_judged(c, &j, batch_of(c, items, 3));
        assert_int_equal(j.asked, 1);
        LOADED(c, 1, "h",
               verdict == BACKEND_KEEP ? "hash a=1 b=theirs" : "hash a=ours b=ours c=ours");
    }
}

static void only_elements_that_others_changed_conflict(void **state)
{
    struct contract *c = contract_of(state);
    for (int verdict = BACKEND_APPLY; verdict <= BACKEND_KEEP; verdict++) {
        APPLY(c, position_of(c).cut_lsn + 1,
              WHOLE(1, HASH, "h", FIELD("a", "1"), FIELD("b", "2"), FIELD("c", "3")));
        edit(c, DELTA(1, HASH, "h", FIELD("b", "theirs")));
        edit(c, DELTA(1, HASH, "h", FIELD("c", "theirs")));
        struct backend_item items[] = {DELTA(1, HASH, "h", FIELD("a", "ours")),
                                       DELTA(1, HASH, "h", FIELD("b", "ours")),
                                       DELTA(1, HASH, "h", FIELD("c", "ours"), FIELD("d", "ours"))};
        struct judge j = {.verdict = (enum backend_verdict)verdict};
        apply_parts_judged(c, &j, batch_of(c, items, 3));
        assert_in_range(j.asked, 1, 2);
        LOADED(c, 1, "h",
               verdict == BACKEND_KEEP ? "hash a=ours b=theirs c=theirs d=ours"
                                       : "hash a=ours b=ours c=ours d=ours");
        struct judge next = {.verdict = BACKEND_KEEP};
        apply_parts_judged(c, &next, batch_of(c, items, 3));
        assert_int_equal(next.asked, 0);
    }
}

/* What was settled before the refusal is as open as before. */
static void a_conflict_of_what_is_refused_comes_back(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, HASH, "h", FIELD("a", "1"), FIELD("b", "2")),
          WHOLE(1, HASH, "other", FIELD("x", "taken")));
    outside(c, "CREATE UNIQUE INDEX theirs ON weir_hash(value)");
    edit(c, DELTA(1, HASH, "h", FIELD("a", "theirs")));
    struct backend_item items[] = {DELTA(1, HASH, "h", FIELD("a", "ours")),
                                   DELTA(1, HASH, "h", FIELD("b", "taken")),
                                   DELTA(1, HASH, "h", FIELD("c", "3"))};
    struct judge j = {.verdict = BACKEND_APPLY};
    apply_parts_judged(c, &j, batch_of(c, items, 3));
    LOADED(c, 1, "h", "hash a=theirs b=2");
    outside(c, "DROP INDEX theirs");
    struct judge next = {.verdict = BACKEND_KEEP};
    apply_parts_judged(c, &next, batch_of(c, items, 3));
    LOADED(c, 1, "h", "hash a=theirs b=taken c=3");
    assert_int_equal(next.asked, 1);
}

#define TEST(name)  \
    {               \
#name, name \
    }

int main(void)
{
    static const struct contract_test tests[] = {
        TEST(parts_replace_as_one),
        TEST(parts_change_what_they_name),
        TEST(parts_of_another_type_and_with_an_expiry),
        TEST(parts_may_be_empty),
        TEST(a_value_is_refused_with_all_its_parts),
        TEST(a_batch_that_ends_between_parts_leaves_nothing),
        TEST(theirs_stays_beside_no_part_of_ours),
        TEST(a_value_that_replaces_conflicts_once),
        TEST(only_elements_that_others_changed_conflict),
    };
    static const struct CMUnitTest of_sqlite[] = {
        cmocka_unit_test_setup_teardown(a_row_that_is_refused_refuses_the_other_parts,
                                        contract_setup_sqlite, contract_teardown),
        cmocka_unit_test_setup_teardown(a_conflict_of_what_is_refused_comes_back,
                                        contract_setup_sqlite, contract_teardown),
    };
    int failed = contract_run("backend_parts", tests, COUNT_OF(tests));
    return failed + cmocka_run_group_tests_name("backend_parts of SQLite", of_sqlite, NULL, NULL);
}
