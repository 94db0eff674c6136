/* What every backend must do: the data, in all its types, and the batches that carry it.
 * Changes by others are in backend_conflict_test.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "contract.h"

#include <math.h>
#include <pthread.h>

/* ---- position ---- */

static void a_new_store_is_fresh_and_of_no_journal(void **state)
{
    struct contract *c = contract_of(state);
    static const struct backend_mark nothing;
    struct backend_position p = position_of(c);
    assert_true(p.fresh);
    assert_int_equal(p.cut_lsn, 0);
    assert_int_equal(p.dbmap.len, 0);
    assert_memory_equal(&p.mark, &nothing, sizeof(nothing));
}

static const struct backend_mark of_seven = {
    .journal_id = {7, 0, 7}, .durable_lsn = 30, .cut_at_ms = 1234, .accepts_lsn = 20};

static void a_store_that_joined_a_journal_is_that_ones(void **state)
{
    struct contract *c = contract_of(state);
    apply_batch(c, (struct backend_batch){.cut_lsn = 0, .mark = of_seven, .joins = true});
    assert_true(position_of(c).fresh);
    contract_reopen(c);
    struct backend_position p = position_of(c);
    assert_memory_equal(&p.mark, &of_seven, sizeof(of_seven));
    assert_true(p.fresh);
}

static void the_mark_of_the_journal_commits_with_the_position(void **state)
{
    struct contract *c = contract_of(state);
    struct backend_item item = STRING(1, "k", "v");
    struct backend_mark later = of_seven;
    later.durable_lsn = 40;
    later.accepts_lsn = 0;
    apply_batch(c, (struct backend_batch){.cut_lsn = 3, .mark = of_seven, .joins = true});
    apply_batch(
        c, (struct backend_batch){.cut_lsn = 41, .mark = later, .items = &item, .items_len = 1});
    struct backend_position p = position_of(c);
    assert_int_equal(p.cut_lsn, 41);
    assert_memory_equal(&p.mark, &later, sizeof(later));
}

static void a_batch_of_another_journal_changes_nothing(void **state)
{
    struct contract *c = contract_of(state);
    struct backend_item item = STRING(1, "k", "v");
    struct backend_batch batch = {
        .cut_lsn = 9, .mark.journal_id = {8}, .items = &item, .items_len = 1};
    struct backend_applied applied;
    struct err err;
    apply_batch(c, (struct backend_batch){.cut_lsn = 5, .mark = of_seven, .joins = true});
    assert_int_equal(c->ops->apply(c->b, &batch, &applied, &err), RC_FOREIGN);
    assert_int_equal(position_of(c).cut_lsn, 5);
    LOADED(c, 1, "k", "none");
}

static void joining_sets_the_position_back_too(void **state)
{
    struct contract *c = contract_of(state);
    apply_batch(c, (struct backend_batch){.cut_lsn = 50, .mark = of_seven, .joins = true});
    apply_batch(c, (struct backend_batch){.cut_lsn = 10, .joins = true});
    struct backend_position p = position_of(c);
    assert_int_equal(p.cut_lsn, 10);
    assert_int_equal(p.mark.journal_id[0], 0);
}

static void a_batch_moves_the_position(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 41, STRING(1, "k", "v"));
    assert_int_equal(position_of(c).cut_lsn, 41);
    contract_reopen(c);
    assert_int_equal(position_of(c).cut_lsn, 41);
    LOADED(c, 1, "k", "string v");
}

static void an_empty_batch_moves_the_position(void **state)
{
    struct contract *c = contract_of(state);
    apply_batch(c, (struct backend_batch){.cut_lsn = 7});
    assert_int_equal(position_of(c).cut_lsn, 7);
}

static void the_position_never_goes_back(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 9, STRING(1, "k", "v"));
    APPLY(c, 4, STRING(1, "k", "v"));
    assert_int_equal(position_of(c).cut_lsn, 9);
}

/* ---- strings ---- */

static void a_string_is_kept_and_overwritten(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "one"));
    LOADED(c, 1, "k", "string one");
    APPLY(c, 2, STRING(1, "k", "two"));
    LOADED(c, 1, "k", "string two");
    contract_reopen(c);
    LOADED(c, 1, "k", "string two");
}

static void a_missing_key_loads_as_none(void **state)
{
    struct contract *c = contract_of(state);
    LOADED(c, 1, "k", "none");
    APPLY(c, 1, STRING(2, "k", "in another database"));
    LOADED(c, 1, "k", "none");
}

static void a_deleted_key_is_gone(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "k", "v"), STRING(1, "stays", "v"));
    APPLY(c, 2, DELETED(1, "k"), DELETED(1, "was never there"));
    LOADED(c, 1, "k", "none");
    LOADED(c, 1, "stays", "string v");
    check_count(c, 1, 1);
}

static void keys_and_values_are_any_bytes(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "", "empty key"), STRING(1, "empty value", ""), STRING(1, "\0", "\0\0"),
          STRING(1, "a\0b", "nul inside"), STRING(1, "\xff\xfe", "\x80"),
          STRING(1, "gr\xc3\xbc\xc3\x9f", "\xe2\x82\xac"), STRING(1, "\xc3", "half a letter"),
          STRING(1, "123", "456"), STRING(1, "1e3", "0x10"));
    contract_reopen(c);
    LOADED(c, 1, "", "string empty key");
    LOADED(c, 1, "empty value", "string ");
    LOADED(c, 1, "\0", "string \\x00\\x00");
    LOADED(c, 1, "a\0b", "string nul inside");
    LOADED(c, 1, "a", "none");
    LOADED(c, 1, "\xff\xfe", "string \\x80");
    LOADED(c, 1, "gr\xc3\xbc\xc3\x9f", "string \\xe2\\x82\\xac");
    LOADED(c, 1, "\xc3", "string half a letter");
    LOADED(c, 1, "123", "string 456");
    LOADED(c, 1, "1e3", "string 0x10");
    check_count(c, 1, 9);
}

static enum rc keep_value(void *ctx, const struct backend_item *item)
{
    buf_append_slice(ctx, item->value);
    return RC_OK;
}

static void a_large_value_comes_back_whole(void **state)
{
    struct contract *c = contract_of(state);
    size_t len = 9 * 1024 * 1024 + 1;
    char *bytes = malloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    struct backend_item item = string_item(1, KEY("big"), slice_of(bytes, len));
    apply_items(c, 1, &item, 1);
    struct buf got = {0};
    assert_int_equal(c->ops->load(c->b, &item, 1, keep_value, &got, NULL), RC_OK);
    assert_int_equal(got.len, len);
    assert_memory_equal(got.data, bytes, len);
    buf_fini(&got);
    free(bytes);
}

/* ---- aggregates ---- */

static void a_hash_is_changed_field_by_field(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, HASH, "h", FIELD("a", "1"), FIELD("b", "2"), FIELD("c", "3")));
    APPLY(c, 2, DELTA(1, HASH, "h", FIELD("d", "4"), GONE("a"), FIELD("b", "")));
    LOADED(c, 1, "h", "hash b= c=3 d=4");
    contract_reopen(c);
    LOADED(c, 1, "h", "hash b= c=3 d=4");
    check_count(c, 1, 1);
}

static void a_set_is_changed_member_by_member(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, SET, "s", MEMBER("x"), MEMBER("y"), MEMBER("")));
    APPLY(c, 2, DELTA(1, SET, "s", GONE("x"), MEMBER("z"), MEMBER("y")));
    contract_reopen(c);
    LOADED(c, 1, "s", "set  y z");
}

static void a_list_keeps_the_order_of_its_positions(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, LIST, "l", AT(10, "ten"), AT(-3, "head"), AT(0, "zero")));
    APPLY(c, 2, DELTA(1, LIST, "l", AT(-4, "new head"), GONE_AT(10), AT(0, "0")));
    contract_reopen(c);
    LOADED(c, 1, "l", "list -4=new head -3=head 0=0");
}

static void a_sorted_set_keeps_exact_scores(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, ZSET, "z", SCORED("a", 0.1), SCORED("b", -3), SCORED("c", INFINITY)));
    APPLY(c, 2, DELTA(1, ZSET, "z", SCORED("b", 1e300), GONE("a"), SCORED("d", -INFINITY)));
    contract_reopen(c);
    LOADED(c, 1, "z", "zset b=1.0000000000000001e+300 c=inf d=-inf");
    APPLY(c, 3, WHOLE(1, ZSET, "z", SCORED("a", 0.1), SCORED("b", 9007199254740993.0)));
    LOADED(c, 1, "z", "zset a=0.10000000000000001 b=9007199254740992");
}

static void elements_are_any_bytes(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, HASH, "h\0", FIELD("", "x"), FIELD("f\0", "\0"), FIELD("\xff", "")));
    LOADED(c, 1, "h\0", "hash =x f\\x00=\\x00 \\xff=");
    APPLY(c, 2, DELTA(1, HASH, "h\0", GONE(""), GONE("f\0")));
    LOADED(c, 1, "h\0", "hash \\xff=");
}

static void replace_leaves_nothing_of_the_old_value(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, HASH, "h", FIELD("a", "1"), FIELD("b", "2")));
    APPLY(c, 2, WHOLE(1, HASH, "h", FIELD("c", "3")));
    LOADED(c, 1, "h", "hash c=3");
}

static void a_key_takes_another_type(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, HASH, "k", FIELD("a", "1")));
    APPLY(c, 2, STRING(1, "k", "now a string"));
    LOADED(c, 1, "k", "string now a string");
    APPLY(c, 3, DELTA(1, HASH, "k", FIELD("b", "2")));
    LOADED(c, 1, "k", "hash b=2");
    APPLY(c, 4, DELTA(1, SET, "k", MEMBER("m")));
    LOADED(c, 1, "k", "set m");
    APPLY(c, 5, WHOLE(1, LIST, "k", AT(1, "x")));
    APPLY(c, 6, WHOLE(1, ZSET, "k", SCORED("y", 2)));
    LOADED(c, 1, "k", "zset y=2");
    APPLY(c, 7, DELTA(1, HASH, "k", FIELD("c", "3")));
    LOADED(c, 1, "k", "hash c=3");
    check_count(c, 1, 1);
}

static void a_deleted_aggregate_does_not_come_back_with_its_key(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, WHOLE(1, HASH, "h", FIELD("a", "1")), WHOLE(1, SET, "s", MEMBER("m")));
    APPLY(c, 2, DELETED(1, "h"), DELETED(1, "s"));
    LOADED(c, 1, "h", "none");
    APPLY(c, 3, DELTA(1, HASH, "h", FIELD("b", "2")), DELTA(1, SET, "s", MEMBER("n")));
    LOADED(c, 1, "h", "hash b=2");
    LOADED(c, 1, "s", "set n");
}

struct pieces {
    uint32_t pieces, elements;
    size_t largest;
    bool first_replaces, others_do_not;
};

static enum rc count_piece(void *ctx, const struct backend_item *item)
{
    struct pieces *p = ctx;
    size_t bytes = 0;
    for (uint32_t i = 0; i < item->elements_len; i++)
        bytes += item->elements[i].name.len + item->elements[i].value.len;
    if (p->pieces == 0)
        p->first_replaces = item->replace;
    else if (item->replace)
        p->others_do_not = false;
    p->pieces++;
    p->elements += item->elements_len;
    p->largest = bytes > p->largest ? bytes : p->largest;
    return RC_OK;
}

static void a_large_aggregate_comes_in_pieces(void **state)
{
    struct contract *c = contract_of(state);
    enum { FIELDS = 5000, VALUE = 200 };
    struct backend_element *fields = calloc(FIELDS, sizeof(*fields));
    char *names = malloc(FIELDS * 8), value[VALUE];
    memset(value, 'v', sizeof(value));
    for (int i = 0; i < FIELDS; i++) {
        snprintf(names + i * 8, 8, "%07u", (unsigned)i % 10000000u);
        fields[i] = (struct backend_element){.name = slice_of(names + i * 8, 7),
                                             .value = slice_of(value, sizeof(value))};
    }
    struct backend_item item = {.db = 1,
                                .type = VALUE_HASH,
                                .key = KEY("h"),
                                .replace = true,
                                .elements = fields,
                                .elements_len = FIELDS};
    apply_items(c, 1, &item, 1);
    struct pieces p = {.others_do_not = true};
    assert_int_equal(c->ops->load(c->b, &item, 1, count_piece, &p, NULL), RC_OK);
    assert_int_equal(p.elements, FIELDS);
    assert_true(p.pieces >= FIELDS * VALUE / BACKEND_PIECE_BYTES);
    assert_true(p.largest <= BACKEND_PIECE_BYTES);
    assert_true(p.first_replaces && p.others_do_not);
    free(fields);
    free(names);
}

static void one_element_may_be_larger_than_a_piece(void **state)
{
    struct contract *c = contract_of(state);
    size_t len = 3 * BACKEND_PIECE_BYTES;
    char *value = malloc(len);
    memset(value, 'v', len);
    struct backend_element fields[] = {{.name = KEY("a"), .value = KEY("small")},
                                       {.name = KEY("b"), .value = {value, len}},
                                       {.name = KEY("c"), .value = KEY("small")}};
    struct backend_item item = {.db = 1,
                                .type = VALUE_HASH,
                                .key = KEY("h"),
                                .replace = true,
                                .elements = fields,
                                .elements_len = 3};
    apply_items(c, 1, &item, 1);
    struct pieces p = {.others_do_not = true};
    assert_int_equal(c->ops->load(c->b, &item, 1, count_piece, &p, NULL), RC_OK);
    assert_int_equal(p.elements, 3);
    assert_true(p.pieces >= 2 && p.first_replaces && p.others_do_not);
    free(value);
}

/* ---- expiry ---- */

static struct backend_item expiring(struct backend_item item, int64_t at_ms)
{
    item.expires_at_ms = at_ms;
    return item;
}

static void an_expiry_is_kept_changed_and_removed(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, expiring(STRING(1, "k", "v"), 99000000000000),
          expiring(WHOLE(1, HASH, "h", FIELD("a", "1")), 99000000000000));
    LOADED(c, 1, "k", "string v until 99000000000000");
    LOADED(c, 1, "h", "hash a=1 until 99000000000000");
    APPLY(c, 2, expiring(STRING(1, "k", "v"), 88000000000000),
          expiring(DELTA(1, HASH, "h", FIELD("a", "2")), 88000000000000));
    LOADED(c, 1, "k", "string v until 88000000000000");
    LOADED(c, 1, "h", "hash a=2 until 88000000000000");
    APPLY(c, 3, STRING(1, "k", "v"), DELTA(1, HASH, "h", FIELD("a", "3")));
    LOADED(c, 1, "k", "string v");
    LOADED(c, 1, "h", "hash a=3");
}

static void what_has_expired_is_absent(void **state)
{
    struct contract *c = contract_of(state);
    int64_t past = 1000; /* and that it has expired is told */
    APPLY(c, 1, expiring(STRING(1, "a", "v"), past), STRING(1, "b", "v"),
          expiring(WHOLE(1, HASH, "c", FIELD("f", "v")), past));
    LOADED(c, 1, "a", "none until 1000");
    LOADED(c, 1, "c", "none until 1000");
    check_scan(c, 1, KEY(""), 10, "b");
    check_count(c, 1, 1);
}

/* ---- batches ---- */

static void applying_a_batch_twice_changes_nothing(void **state)
{
    struct contract *c = contract_of(state);
    for (int i = 0; i < 2; i++) {
        APPLY(c, 5, STRING(1, "k", "v"), DELETED(1, "gone"),
              DELTA(1, HASH, "h", FIELD("a", "1"), GONE("b")), WHOLE(1, LIST, "l", AT(1, "x")));
        LOADED(c, 1, "k", "string v");
        LOADED(c, 1, "h", "hash a=1");
        LOADED(c, 1, "l", "list 1=x");
        check_count(c, 1, 3);
    }
}

static void a_refused_item_leaves_and_the_rest_is_committed(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "a", "old"), WHOLE(1, HASH, "h", FIELD("f", "old")));
    struct backend_item items[] = {
        STRING(1, "a", "new"),
        WHOLE(1, HASH, "h", FIELD("f", "new")),
        {.db = 1, .key = KEY("y"), .type = VALUE_STREAM}, /* no backend keeps streams yet */
        STRING(1, "z", "new"),
    };
    struct backend_dbmap map = MAP(1, 3);
    check_told(c,
               (struct backend_batch){.cut_lsn = 9, .items = items, .items_len = 4, .dbmap = &map},
               "2 refused; commit");
    LOADED(c, 1, "a", "string new");
    LOADED(c, 1, "h", "hash f=new");
    LOADED(c, 1, "y", "none");
    LOADED(c, 1, "z", "string new");
    assert_int_equal(position_of(c).cut_lsn, 9);
    assert_int_equal(position_of(c).dbmap.len, 2);
}

static void a_batch_of_which_everything_is_refused_moves_the_position(void **state)
{
    struct contract *c = contract_of(state);
    TOLD(c, 3, "0 refused; 1 refused; commit", {.db = 1, .key = KEY("x"), .type = VALUE_STREAM},
         {.db = 1, .key = KEY("y"), .type = VALUE_STREAM});
    check_count(c, 1, 0);
    assert_int_equal(position_of(c).cut_lsn, 3);
}

static enum rc say_no(void *ctx, struct err *err)
{
    (void)ctx;
    return err_set(err, RC_FULL, "records: no room");
}

static void what_its_owner_cannot_record_is_not_committed(void **state)
{
    struct contract *c = contract_of(state);
    struct err err = {0};
    struct backend_applied applied;
    APPLY(c, 1, STRING(1, "a", "old"));
    struct backend_item items[] = {STRING(1, "a", "new"), STRING(1, "b", "new")};
    struct backend_dbmap map = MAP(1, 3);
    struct backend_batch batch = {
        .cut_lsn = 9, .items = items, .items_len = 2, .dbmap = &map, .before_commit = say_no};
    assert_int_equal(try_apply(c, batch, &applied, &err), RC_FULL);
    assert_string_equal(err.text, "records: no room");
    LOADED(c, 1, "a", "string old");
    LOADED(c, 1, "b", "none");
    assert_int_equal(position_of(c).cut_lsn, 1);
    assert_int_equal(position_of(c).dbmap.len, 0);
    check_told(c, batch, "commit");
    LOADED(c, 1, "b", "string new");
}

static void a_batch_says_how_much_it_wrote(void **state)
{
    struct contract *c = contract_of(state);
    struct backend_item items[] = {STRING(1, "k", "value"),
                                   WHOLE(1, HASH, "h", FIELD("a", "1"), FIELD("b", "2"))};
    struct backend_applied applied = {0};
    struct backend_batch batch = {.cut_lsn = 1, .items = items, .items_len = 2};
    assert_int_equal(try_apply(c, batch, &applied, NULL), RC_OK);
    assert_int_equal(applied.rows, 1 + 3);
    assert_int_equal(applied.bytes, 6 + 1 + 4);
}

static void a_batch_of_many_keys_is_kept(void **state)
{
    struct contract *c = contract_of(state);
    enum { KEYS = 20000 };
    struct backend_item *items = calloc(KEYS, sizeof(*items));
    char *names = malloc(KEYS * 16);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < KEYS; i++) {
            snprintf(names + i * 16, 16, "key:%08x", (unsigned)i * 2654435761u);
            items[i] = string_item(1, slice_of(names + i * 16, 12), slice_of(names + i * 16, 8));
        }
        apply_items(c, 1, items, KEYS);
        check_count(c, 1, KEYS);
    }
    maintain_all(c);
    contract_reopen(c);
    check_count(c, 1, KEYS);
    LOADED(c, 1, "key:00000000", "string key:0000");
    free(items);
    free(names);
}

/* ---- databases ---- */

static void the_database_map_comes_with_the_batch(void **state)
{
    struct contract *c = contract_of(state);
    struct backend_dbmap map = MAP(1, 2, 7);
    apply_batch(c, (struct backend_batch){.cut_lsn = 1, .dbmap = &map});
    contract_reopen(c);
    struct backend_position p = position_of(c);
    assert_int_equal(p.dbmap.len, 3);
    assert_memory_equal(p.dbmap.store_db, map.store_db, 3 * sizeof(map.store_db[0]));
    assert_false(p.fresh);
}

static void exchanged_databases_keep_their_keys(void **state)
{
    struct contract *c = contract_of(state);
    struct backend_dbmap map = MAP(1, 2), swapped = MAP(2, 1);
    apply_batch(c, (struct backend_batch){.cut_lsn = 1, .dbmap = &map});
    APPLY(c, 2, STRING(1, "k", "one"), STRING(2, "k", "two"));
    apply_batch(c, (struct backend_batch){.cut_lsn = 3, .dbmap = &swapped});
    maintain_all(c);
    LOADED(c, 1, "k", "string one");
    LOADED(c, 2, "k", "string two");
    assert_int_equal(position_of(c).dbmap.store_db[0], 2);
}

static void a_dropped_database_is_emptied(void **state)
{
    struct contract *c = contract_of(state);
    struct backend_dbmap map = MAP(1, 2), flushed = MAP(3, 2);
    apply_batch(c, (struct backend_batch){.cut_lsn = 1, .dbmap = &map});
    APPLY(c, 2, STRING(1, "k", "v"), WHOLE(1, HASH, "h", FIELD("a", "1")),
          WHOLE(1, SET, "s", MEMBER("m")), STRING(2, "k", "stays"));
    apply_batch(c, (struct backend_batch){.cut_lsn = 3, .dbmap = &flushed});
    contract_reopen(c);
    maintain_all(c);
    check_count(c, 1, 0);
    LOADED(c, 1, "h", "none");
    LOADED(c, 2, "k", "string stays");
    LOADED(c, 3, "k", "none");
}

static void a_store_database_used_again_shows_nothing_old(void **state)
{
    struct contract *c = contract_of(state);
    struct backend_dbmap first = MAP(1), second = MAP(2);
    apply_batch(c, (struct backend_batch){.cut_lsn = 1, .dbmap = &first});
    APPLY(c, 2, STRING(1, "k", "old"), WHOLE(1, HASH, "h", FIELD("a", "old")));
    apply_batch(c, (struct backend_batch){.cut_lsn = 3, .dbmap = &second});
    struct backend_item item = DELTA(1, HASH, "h", FIELD("b", "new"));
    apply_batch(
        c, (struct backend_batch){.cut_lsn = 4, .dbmap = &first, .items = &item, .items_len = 1});
    LOADED(c, 1, "k", "none");
    LOADED(c, 1, "h", "hash b=new");
    maintain_all(c);
    LOADED(c, 1, "h", "hash b=new");
    check_count(c, 2, 0);
}

/* ---- reading ---- */

static void keys_load_in_the_order_asked_for(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "a", "1"), STRING(1, "b", "2"), WHOLE(1, SET, "c", MEMBER("m")),
          STRING(2, "a", "3"));
    check_loaded(c,
                 LIST_OF(struct backend_item, {.db = 1, .key = KEY("c")},
                         {.db = 1, .key = KEY("a")}, {.db = 1, .key = KEY("missing")},
                         {.db = 2, .key = KEY("a")}, {.db = 1, .key = KEY("a")}),
                 "set m; string 1; none; string 3; string 1");
}

static void a_head_is_type_and_expiry_without_the_value(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, expiring(STRING(1, "s", "v"), 9000000000000), WHOLE(1, HASH, "h", FIELD("f", "v")),
          WHOLE(1, LIST, "l", AT(1, "x")), WHOLE(1, SET, "t", MEMBER("m")),
          expiring(WHOLE(1, ZSET, "z", SCORED("m", 1)), 1000));
    check_loaded(c,
                 LIST_OF(struct backend_item, {.db = 1, .key = KEY("s"), .head_only = true},
                         {.db = 1, .key = KEY("h"), .head_only = true},
                         {.db = 1, .key = KEY("missing"), .head_only = true},
                         {.db = 1, .key = KEY("l")}, {.db = 1, .key = KEY("t"), .head_only = true},
                         {.db = 1, .key = KEY("z"), .head_only = true}),
                 "string  until 9000000000000; hash; none; list 1=x; set; none until 1000");
    APPLY(c, 2, DELTA(1, HASH, "h", GONE("f")));
    check_loaded(c, LIST_OF(struct backend_item, {.db = 1, .key = KEY("h"), .head_only = true}),
                 "none"); /* nothing is left of it */
}

static enum rc stop_at_second(void *ctx, const struct backend_item *item)
{
    int *left = ctx;
    (void)item;
    return --*left == 0 ? RC_AGAIN : RC_OK;
}

static void an_emit_that_refuses_ends_the_operation(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "a", "1"), STRING(1, "b", "2"), STRING(1, "c", "3"));
    struct backend_item keys[] = {DELETED(1, "a"), DELETED(1, "b"), DELETED(1, "c")};
    int left = 2;
    assert_int_equal(c->ops->load(c->b, keys, 3, stop_at_second, &left, NULL), RC_AGAIN);
    assert_int_equal(left, 0);
    left = 2;
    assert_int_equal(c->ops->scan(c->b, 1, KEY(""), 9, stop_at_second, &left, NULL), RC_AGAIN);
    assert_int_equal(left, 0);
    check_scan(c, 1, KEY(""), 9, "a b c");
}

static void scan_goes_through_all_keys_in_pages(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "b", ""), STRING(1, "a", ""), STRING(1, "", ""),
          WHOLE(1, SET, "aa", MEMBER("m")), STRING(1, "\xff", ""), STRING(1, "a\0", ""),
          STRING(2, "elsewhere", ""));
    check_scan(c, 1, KEY(""), 100, "a aa b a\\x00 \\xff");
    check_scan(c, 1, KEY("a"), 2, "aa b");
    check_scan(c, 1, KEY("ab"), 1, "b");
    check_scan(c, 1, KEY("b"), 2, "a\\x00 \\xff");
    check_scan(c, 1, KEY("\xff"), 2, "");
    check_scan(c, 3, KEY(""), 2, "");
}

static void count_is_per_database(void **state)
{
    struct contract *c = contract_of(state);
    APPLY(c, 1, STRING(1, "a", ""), WHOLE(1, HASH, "b", FIELD("x", "1"), FIELD("y", "2")),
          STRING(2, "a", ""));
    check_count(c, 1, 2);
    check_count(c, 2, 1);
    check_count(c, 3, 0);
}

/* ---- threads ---- */

struct loader {
    struct contract *c;
    _Atomic bool stop;
    enum rc failed;
    struct err err;
};

static enum rc take_no_notice(void *ctx, const struct backend_item *item)
{
    (void)ctx;
    (void)item;
    return RC_OK;
}

/* Everything that the loader thread may call, one after the other. */
static void *keep_loading(void *arg)
{
    struct loader *l = arg;
    struct backend *b = l->c->b;
    struct backend_item keys[] = {DELETED(1, "a"), DELETED(1, "h"), DELETED(1, "x")};
    struct backend_count n = {.db = 1};
    while (!l->stop && l->failed == RC_OK) {
        l->failed = l->c->ops->load(b, keys, 3, take_no_notice, NULL, &l->err);
        if (l->failed == RC_OK)
            l->failed = l->c->ops->poll(b, take_no_notice, NULL, &l->err);
        if (l->failed == RC_OK)
            l->failed = l->c->ops->scan(b, 1, KEY(""), 10, take_no_notice, NULL, &l->err);
        if (l->failed == RC_OK)
            l->failed = l->c->ops->count(b, &n, &l->err);
    }
    return NULL;
}

static void loads_go_on_while_batches_are_applied(void **state)
{
    struct contract *c = contract_of(state);
    struct loader l = {.c = c};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, keep_loading, &l), 0);
    for (uint64_t n = 1; n <= 100; n++) {
        APPLY(c, n, STRING(1, "a", "v"), WHOLE(1, HASH, "h", FIELD("f", "v")), DELETED(1, "x"));
        maintain_all(c);
    }
    l.stop = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (l.failed != RC_OK)
        fail_msg("loader: %s", l.err.text);
    assert_int_equal(position_of(c).cut_lsn, 100);
}

#define TEST(name)  \
    {               \
#name, name \
    }

int main(void)
{
    static const struct contract_test tests[] = {
        TEST(a_new_store_is_fresh_and_of_no_journal),
        TEST(a_store_that_joined_a_journal_is_that_ones),
        TEST(the_mark_of_the_journal_commits_with_the_position),
        TEST(a_batch_of_another_journal_changes_nothing),
        TEST(joining_sets_the_position_back_too),
        TEST(a_batch_moves_the_position),
        TEST(an_empty_batch_moves_the_position),
        TEST(the_position_never_goes_back),
        TEST(a_string_is_kept_and_overwritten),
        TEST(a_missing_key_loads_as_none),
        TEST(a_deleted_key_is_gone),
        TEST(keys_and_values_are_any_bytes),
        TEST(a_large_value_comes_back_whole),
        TEST(a_hash_is_changed_field_by_field),
        TEST(a_set_is_changed_member_by_member),
        TEST(a_list_keeps_the_order_of_its_positions),
        TEST(a_sorted_set_keeps_exact_scores),
        TEST(elements_are_any_bytes),
        TEST(replace_leaves_nothing_of_the_old_value),
        TEST(a_key_takes_another_type),
        TEST(a_deleted_aggregate_does_not_come_back_with_its_key),
        TEST(a_large_aggregate_comes_in_pieces),
        TEST(one_element_may_be_larger_than_a_piece),
        TEST(an_expiry_is_kept_changed_and_removed),
        TEST(what_has_expired_is_absent),
        TEST(applying_a_batch_twice_changes_nothing),
        TEST(a_refused_item_leaves_and_the_rest_is_committed),
        TEST(a_batch_of_which_everything_is_refused_moves_the_position),
        TEST(what_its_owner_cannot_record_is_not_committed),
        TEST(a_batch_says_how_much_it_wrote),
        TEST(a_batch_of_many_keys_is_kept),
        TEST(the_database_map_comes_with_the_batch),
        TEST(exchanged_databases_keep_their_keys),
        TEST(a_dropped_database_is_emptied),
        TEST(a_store_database_used_again_shows_nothing_old),
        TEST(keys_load_in_the_order_asked_for),
        TEST(a_head_is_type_and_expiry_without_the_value),
        TEST(an_emit_that_refuses_ends_the_operation),
        TEST(scan_goes_through_all_keys_in_pages),
        TEST(count_is_per_database),
        TEST(loads_go_on_while_batches_are_applied),
    };
    return contract_run("backend contract", tests, COUNT_OF(tests));
}
