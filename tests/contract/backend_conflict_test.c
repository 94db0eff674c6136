/* What every backend must do about changes by others: tell of them, prove them at flush, and do
 * what the verdict says.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "outsiders.h"

#include <pthread.h>

/* ---- tests ---- */

static void without_others_there_is_no_conflict(void **state)
{
    struct contract *c = contract_of(state);
    JUDGED(c, BACKEND_KEEP, "", STRING(1, "k", "1"));
    JUDGED(c, BACKEND_KEEP, "", STRING(1, "k", "2"), DELETED(1, "x"));
    check_poll(c, "");
    LOADED(c, 1, "k", "string 2");
}

static void poll_tells_of_a_change_once(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "a", "ours"), STRING(1, "b", "ours"));
    check_poll(c, "");
    edit(c, STRING(1, "a", "theirs"));
    edit(c, STRING(1, "new", "theirs"));
    check_poll(c, "a new ");
    check_poll(c, "");
    edit(c, DELETED(1, "b"));
    check_poll(c, "b ");
    LOADED(c, 1, "a", "string theirs");
    LOADED(c, 1, "b", "none");
}

static enum rc refuse(void *ctx, const struct backend_item *item)
{
    (void)ctx;
    (void)item;
    return RC_AGAIN;
}

static void a_change_that_poll_could_not_hand_out_comes_again(void **state)
{
    struct contract *c = contract_of(state);
    edit(c, STRING(1, "k", "theirs"));
    assert_int_equal(c->ops->poll(c->b, refuse, NULL, NULL), RC_AGAIN);
    check_poll(c, "k ");
}

static void a_conflict_shows_base_ours_and_theirs(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "base"));
    edit(c, STRING(1, "k", "between"));
    edit(c, STRING(1, "k", "theirs"));
    JUDGED(c, BACKEND_KEEP, "string base | string ours | string theirs", STRING(1, "k", "ours"));
    LOADED(c, 1, "k", "string theirs");
}

static void ours_is_written_when_the_verdict_says_so(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "base"));
    edit(c, STRING(1, "k", "theirs"));
    JUDGED(c, BACKEND_APPLY, "string base | string ours | string theirs", STRING(1, "k", "ours"));
    LOADED(c, 1, "k", "string ours");
}

static void a_decided_conflict_does_not_come_back(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "base"));
    for (int verdict = BACKEND_APPLY; verdict <= BACKEND_KEEP; verdict++) {
        edit(c, STRING(1, "k", "theirs"));
        struct judge j = {.verdict = (enum backend_verdict)verdict};
        apply_judged(c, &j, LIST_OF(struct backend_item, STRING(1, "k", "ours")));
        assert_int_equal(j.asked, 1);
        apply_judged(c, &j, LIST_OF(struct backend_item, STRING(1, "k", "ours again")));
        assert_int_equal(j.asked, 1);
        buf_fini(&j.seen);
        LOADED(c, 1, "k", "string ours again");
    }
}

static void only_the_changed_keys_conflict(void **state)
{
    struct contract *c = contract_of(state);
    edit(c, STRING(1, "b", "theirs"));
    JUDGED(c, BACKEND_KEEP, "none | string ours | string theirs", STRING(1, "a", "ours"),
           STRING(1, "b", "ours"), STRING(1, "c", "ours"), STRING(2, "b", "ours"));
    check_loaded(c,
                 LIST_OF(struct backend_item, {.db = 1, .key = KEY("a")},
                         {.db = 1, .key = KEY("b")}, {.db = 1, .key = KEY("c")},
                         {.db = 2, .key = KEY("b")}),
                 "string ours; string theirs; string ours; string ours");
    assert_int_equal(position_of(c).cut_lsn, 1);
}

static void deletions_conflict_on_either_side(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "a", "base"), STRING(1, "b", "base"));
    edit(c, DELETED(1, "a"));
    edit(c, STRING(1, "b", "theirs"));
    JUDGED(c, BACKEND_KEEP, "string base | string ours | none; string base | none | string theirs",
           STRING(1, "a", "ours"), DELETED(1, "b"));
    LOADED(c, 1, "a", "none");
    LOADED(c, 1, "b", "string theirs");
}

static void a_polled_change_is_still_a_conflict(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "base"));
    edit(c, STRING(1, "k", "theirs"));
    check_poll(c, "k ");
    JUDGED(c, BACKEND_KEEP, "string base | string ours | string theirs", STRING(1, "k", "ours"));
}

static void a_loaded_change_is_no_conflict(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "base"));
    check_poll(c, "");
    edit(c, STRING(1, "k", "theirs"));
    LOADED(c, 1, "k", "string theirs");
    JUDGED(c, BACKEND_KEEP, "", STRING(1, "k", "based on theirs"));
    LOADED(c, 1, "k", "string based on theirs");
}

static void a_change_before_the_head_was_loaded_is_no_conflict(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "base"), STRING(1, "other", "base"));
    check_poll(c, "");
    edit(c, STRING(1, "k", "theirs"));
    check_loaded(c,
                 LIST_OF(struct backend_item, {.db = 1, .key = KEY("k"), .head_only = true},
                         {.db = 1, .key = KEY("other"), .head_only = true}),
                 "string ; string ");
    edit(c, STRING(1, "other", "theirs"));
    JUDGED(c, BACKEND_KEEP, "string base | none | string theirs", DELETED(1, "k"),
           DELETED(1, "other"));
    LOADED(c, 1, "k", "none");
    LOADED(c, 1, "other", "string theirs");
}

static void a_change_after_the_load_is_a_conflict(void **state)
{
    struct contract *c = contract_of(state);
    check_poll(c, "");
    edit(c, STRING(1, "k", "first"));
    LOADED(c, 1, "k", "string first");
    edit(c, STRING(1, "k", "second"));
    JUDGED(c, BACKEND_KEEP, "string first | string ours | string second", STRING(1, "k", "ours"));
    LOADED(c, 1, "k", "string second");
}

static enum rc have_nothing_unflushed(void *ctx, const struct backend_item *item)
{
    (void)ctx;
    (void)item;
    return RC_NOT_FOUND;
}

static void a_change_that_poll_settled_is_no_conflict(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "base"), STRING(1, "other", "base"));
    edit(c, STRING(1, "k", "theirs"));
    edit(c, STRING(1, "other", "theirs"));
    assert_int_equal(c->ops->poll(c->b, have_nothing_unflushed, NULL, NULL), RC_OK);
    edit(c, STRING(1, "other", "later"));
    JUDGED(c, BACKEND_KEEP, "string theirs | string ours | string later",
           STRING(1, "k", "written after it"), STRING(1, "other", "ours"));
    LOADED(c, 1, "k", "string written after it");
    LOADED(c, 1, "other", "string later");
}

static void a_load_before_the_first_poll_settles_nothing(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "base"));
    c->ops->close(&c->b);
    edit(c, STRING(1, "k", "theirs"));
    contract_open(c);
    LOADED(c, 1, "k", "string theirs"); /* as recovery does, to replay on it */
    JUDGED(c, BACKEND_KEEP, "string base | string replayed | string theirs",
           STRING(1, "k", "replayed"));
}

static enum rc cannot_record(void *ctx, struct err *err)
{
    (void)ctx;
    return err_set(err, RC_IO, "not now");
}

static void a_failed_batch_leaves_the_conflict_for_the_next(void **state)
{
    struct contract *c = contract_of(state);
    edit(c, STRING(1, "k", "theirs"));
    struct backend_item items[] = {STRING(1, "k", "ours")};
    struct judge j = {.verdict = BACKEND_APPLY};
    struct backend_batch batch = {.cut_lsn = 1,
                                  .items = items,
                                  .items_len = 1,
                                  .on_conflict = judge,
                                  .before_commit = cannot_record,
                                  .ctx = &j};
    struct backend_applied applied;
    struct err err;
    assert_int_equal(try_apply(c, batch, &applied, &err), RC_IO);
    assert_int_equal(j.asked, 1);
    buf_fini(&j.seen);
    JUDGED(c, BACKEND_KEEP, "none | string ours | string theirs", STRING(1, "k", "ours"));
}

static void a_change_made_while_the_proxy_was_down_is_a_conflict(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "base"), STRING(1, "other", "base"));
    edit(c, STRING(1, "other", "theirs"));
    JUDGED(c, BACKEND_KEEP, "string base | string ours | string theirs",
           STRING(1, "other", "ours"));
    c->ops->close(&c->b);
    edit(c, STRING(1, "k", "theirs"));
    contract_open(c);
    JUDGED(c, BACKEND_KEEP, "string base | string replayed | string theirs",
           STRING(1, "k", "replayed"), STRING(1, "other", "replayed"));
    LOADED(c, 1, "other", "string replayed");
}

/* Applies one item and checks what the judge saw, and whether it heard of other elements. */
#define SETTLED(c, its_verdict, expected, merges, ...)                                       \
    do {                                                                                     \
        struct judge j_ = {.verdict = (its_verdict)};                                        \
        apply_judged(c, &j_, LIST_OF(struct backend_item, __VA_ARGS__));                     \
        check_text(&j_.seen, expected);                                                      \
        assert_int_equal(j_.merged, merges);                                                 \
        apply_judged(c, &j_, LIST_OF(struct backend_item, __VA_ARGS__)); /* it is settled */ \
        assert_int_equal(j_.merged, merges);                                                 \
        buf_fini(&j_.seen);                                                                  \
    } while (0)

static void a_change_beside_ours_is_no_conflict(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, HASH, "h", FIELD("a", "1"), FIELD("b", "2")),
          WHOLE(1, LIST, "l", AT(1, "x"), AT(2, "y"), AT(3, "z")),
          WHOLE(1, SET, "s", MEMBER("m"), MEMBER("n")),
          WHOLE(1, ZSET, "z", SCORED("m", 1), SCORED("n", 2)));
    edit(c, DELTA(1, HASH, "h", FIELD("b", "22")));
    edit(c, DELTA(1, LIST, "l", GONE_AT(2)));
    edit(c, DELTA(1, SET, "s", MEMBER("o")));
    edit(c, DELTA(1, ZSET, "z", SCORED("n", 22)));
    SETTLED(c, BACKEND_KEEP, "", 1, DELTA(1, HASH, "h", FIELD("a", "11"), FIELD("new", "3")));
    SETTLED(c, BACKEND_KEEP, "", 1, DELTA(1, LIST, "l", AT(4, "w"), GONE_AT(1)));
    SETTLED(c, BACKEND_KEEP, "", 1, DELTA(1, SET, "s", GONE("m")));
    SETTLED(c, BACKEND_KEEP, "", 1, DELTA(1, ZSET, "z", SCORED("m", 11)));
    LOADED(c, 1, "h", "hash a=11 b=22 new=3");
    LOADED(c, 1, "l", "list 3=z 4=w");
    LOADED(c, 1, "s", "set n o");
    LOADED(c, 1, "z", "zset m=11 n=22");
}

static void of_an_item_only_what_others_changed_conflicts(void **state)
{
    struct contract *c = contract_of(state);
    for (int verdict = BACKEND_APPLY; verdict <= BACKEND_KEEP; verdict++) {
        APPLY(c, position_of(c).cut_lsn + 1,
              WHOLE(1, HASH, "h", FIELD("a", "1"), FIELD("b", "2"), FIELD("c", "3")));
        edit(c, DELTA(1, HASH, "h", FIELD("b", "theirs")));
        edit(c, DELTA(1, HASH, "h", GONE("c")));
        JUDGED(c, (enum backend_verdict)verdict, "hash b=2 | hash b=ours | hash b=theirs",
               DELTA(1, HASH, "h", FIELD("a", "ours"), FIELD("b", "ours")));
        LOADED(c, 1, "h", verdict == BACKEND_KEEP ? "hash a=ours b=theirs" : "hash a=ours b=ours");
        edit(c, DELTA(1, HASH, "h", FIELD("a", "theirs")));
        JUDGED(c, BACKEND_KEEP, "hash a=ours | hash -a | hash a=theirs",
               DELTA(1, HASH, "h", GONE("a")));
        LOADED(c, 1, "h",
               verdict == BACKEND_KEEP ? "hash a=theirs b=theirs" : "hash a=theirs b=ours");
    }
}

static void an_element_that_was_changed_back_is_no_conflict(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, HASH, "h", FIELD("a", "1"), FIELD("b", "2")));
    edit(c, DELTA(1, HASH, "h", FIELD("a", "2")));
    edit(c, DELTA(1, HASH, "h", FIELD("a", "1")));
    JUDGED(c, BACKEND_KEEP, "", DELTA(1, HASH, "h", FIELD("a", "ours")));
    LOADED(c, 1, "h", "hash a=ours b=2");
}

static void a_key_as_a_whole_conflicts_with_everything(void **state)
{
    struct contract *c = contract_of(state);
    uint64_t lsn = 1;
    struct backend_item expiring = DELTA(1, HASH, "h", FIELD("a", "11"));
    expiring.expires_at_ms = INT64_C(99999999999999);
    const struct backend_item items[] = {WHOLE(1, HASH, "h", FIELD("a", "11")), DELETED(1, "h"),
                                         STRING(1, "h", "text"), expiring,
                                         DELTA(1, SET, "h", MEMBER("a"))};
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        struct judge j = {.verdict = BACKEND_KEEP};
        APPLY(c, lsn++, WHOLE(1, HASH, "h", FIELD("a", "1"), FIELD("b", "2")));
        edit(c, DELTA(1, HASH, "h", FIELD("b", "theirs")));
        apply_judged(c, &j, &items[i], 1);
        assert_int_equal(j.asked, 1);
        buf_fini(&j.seen);
        LOADED(c, 1, "h", "hash a=1 b=theirs");
        lsn = position_of(c).cut_lsn + 1;
    }
    edit(c, DELETED(1, "h"));
    struct judge j = {.verdict = BACKEND_KEEP};
    apply_judged(c, &j, LIST_OF(struct backend_item, DELTA(1, HASH, "h", FIELD("a", "11"))));
    assert_int_equal(j.asked, 1);
    buf_fini(&j.seen);
    LOADED(c, 1, "h", "none");
}

static void a_hash_made_by_others_is_seen(void **state)
{
    struct contract *c = contract_of(state);
    edit(c, DELTA(1, HASH, "h", FIELD("a", "1"), FIELD("b", "2")));
    check_poll(c, "h ");
    LOADED(c, 1, "h", "hash a=1 b=2");
    check_count(c, 1, 1);
    edit(c, DELETED(1, "h"));
    check_poll(c, "h ");
    LOADED(c, 1, "h", "none");
    edit(c, DELTA(1, HASH, "h", FIELD("c", "3")));
    LOADED(c, 1, "h", "hash c=3");
    edit(c, STRING(1, "h", "other type"));
    LOADED(c, 1, "h", "string other type");
}

static void many_changes_are_all_seen(void **state)
{
    struct contract *c = contract_of(state);
    enum { KEYS = 60 };
    static char names[KEYS][8];
    struct backend_item items[KEYS];
    struct buf expected = {0};
    for (int i = 0; i < KEYS; i++) {
        snprintf(names[i], sizeof(names[i]), "k%03d", i % 1000);
        items[i] = string_item(1, slice_str(names[i]), KEY("theirs"));
        edit(c, items[i]);
        buf_printf(&expected, "%s ", names[i]);
    }
    check_poll(c, expected.data);
    buf_fini(&expected);
    struct judge j = {.verdict = BACKEND_KEEP};
    for (int i = 0; i < KEYS; i++)
        items[i].value = KEY("ours");
    apply_judged(c, &j, items, KEYS);
    assert_int_equal(j.asked, KEYS);
    buf_fini(&j.seen);
}

struct other_loader {
    struct contract *c;
    _Atomic bool stop;
    enum rc failed;
};

static enum rc take_no_notice(void *ctx, const struct backend_item *item)
{
    (void)ctx;
    (void)item;
    return RC_OK;
}

static void *load_another_key(void *arg)
{
    struct other_loader *l = arg;
    struct backend_item key = DELETED(1, "loaded");
    while (!l->stop && l->failed == RC_OK) {
        l->failed = l->c->ops->load(l->c->b, &key, 1, take_no_notice, NULL, NULL);
        if (l->failed == RC_OK)
            l->failed = l->c->ops->poll(l->c->b, take_no_notice, NULL, NULL);
    }
    return NULL;
}

static void each_change_is_one_conflict_while_another_thread_loads(void **state)
{
    struct contract *c = contract_of(state);
    struct other_loader l = {.c = c};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, load_another_key, &l), 0);
    for (int i = 0; i < 30; i++) {
        struct judge j = {.verdict = BACKEND_APPLY};
        edit(c, STRING(1, "k", "theirs"));
        edit(c, STRING(1, "loaded", "theirs"));
        apply_judged(c, &j, LIST_OF(struct backend_item, STRING(1, "k", "ours")));
        assert_int_equal(j.asked, 1);
        apply_judged(c, &j, LIST_OF(struct backend_item, STRING(1, "k", "ours")));
        assert_int_equal(j.asked, 1);
        buf_fini(&j.seen);
    }
    l.stop = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(l.failed, RC_OK);
}

#define TEST(name)  \
    {               \
#name, name \
    }

int main(void)
{
    static const struct contract_test tests[] = {
        TEST(without_others_there_is_no_conflict),
        TEST(poll_tells_of_a_change_once),
        TEST(a_change_that_poll_could_not_hand_out_comes_again),
        TEST(a_conflict_shows_base_ours_and_theirs),
        TEST(ours_is_written_when_the_verdict_says_so),
        TEST(a_decided_conflict_does_not_come_back),
        TEST(only_the_changed_keys_conflict),
        TEST(deletions_conflict_on_either_side),
        TEST(a_polled_change_is_still_a_conflict),
        TEST(a_loaded_change_is_no_conflict),
        TEST(a_change_before_the_head_was_loaded_is_no_conflict),
        TEST(a_change_after_the_load_is_a_conflict),
        TEST(a_change_that_poll_settled_is_no_conflict),
        TEST(a_load_before_the_first_poll_settles_nothing),
        TEST(a_failed_batch_leaves_the_conflict_for_the_next),
        TEST(a_change_made_while_the_proxy_was_down_is_a_conflict),
        TEST(a_change_beside_ours_is_no_conflict),
        TEST(of_an_item_only_what_others_changed_conflicts),
        TEST(an_element_that_was_changed_back_is_no_conflict),
        TEST(a_key_as_a_whole_conflicts_with_everything),
        TEST(a_hash_made_by_others_is_seen),
        TEST(many_changes_are_all_seen),
        TEST(each_change_is_one_conflict_while_another_thread_loads),
    };
    return contract_run("backend conflicts", tests, COUNT_OF(tests));
}
