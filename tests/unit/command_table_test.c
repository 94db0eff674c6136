/* commands.def and what is read off it: names, rows that make sense, the notation of syntax.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/server/syntax.h"
#include "executor/executor.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct command *row(uint32_t id)
{
    return command_get((enum command_id)id);
}

static void every_name_is_found_in_any_case(void **state)
{
    (void)state;
    for (uint32_t id = 0; id < COMMAND_COUNT; id++) {
        char name[64];
        size_t len = strlen(row(id)->name);
        for (size_t i = 0; i <= len; i++)
            name[i] =
                (char)(i % 2 == 0 ? toupper((unsigned char)row(id)->name[i]) : row(id)->name[i]);
        assert_ptr_equal(command_find_full(slice_of(name, len)), row(id));
    }
}

static void names_that_are_not_commands_are_not_found(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",        "g",       "ge",       "gett",
        "gee",     "GE\x14",  "se\x14",   "g\x05t",
        "nosuch",  "config|", "|get",     "config|nosuch",
        "get|get", "hgetal",  "hgetalll", "averylongnamethatnobodyhas"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_null(command_find_full(slice_str(names[i])));
    assert_non_null(command_find(SLICE("BITFIELD_RO")));
    assert_null(command_find(SLICE("bitfield\x7fro"))); /* what setting the case bit makes of it */
    assert_null(command_find(slice_of("get\0", 4)));
    assert_null(command_find(slice_of(NULL, 0)));
}

static void a_subcommand_is_found_under_its_parent_only(void **state)
{
    (void)state;
    const struct command *config = command_find(SLICE("CONFIG"));
    const struct command *client = command_find(SLICE("client"));
    assert_string_equal(command_find_sub(config, SLICE("Get"))->name, "config|get");
    assert_null(command_find_sub(config, SLICE("list")));
    assert_string_equal(command_find_sub(client, SLICE("NO-EVICT"))->name, "client|no-evict");
    assert_null(command_find_sub(command_find(SLICE("get")), SLICE("get")));
}

static void rows_agree_with_themselves(void **state)
{
    (void)state;
    for (uint32_t id = 0; id < COMMAND_COUNT; id++) {
        const struct command *c = row(id);
        bool keys = c->first_key > 0;
        if (c->id != row(id)->id ||
            (c->run == NULL) != ((c->flags & CMD_CONTAINER) != 0 && c->id != COMMAND_command))
            fail_msg("%s has the wrong handler", c->name);
        bool movable = !keys && (c->flags & CMD_MOVABLEKEYS) != 0 && c->find_keys != NULL;
        if ((keys != (c->specs[0] != '\0') && !movable) || keys != (c->key_step > 0))
            fail_msg("%s: key positions and key specs differ", c->name);
        if (keys && (c->flags & CMD_NO_TXN) != 0 && c->key_mode != KEY_NONE)
            fail_msg("%s looks at keys without a transaction", c->name);
        if (keys && (c->flags & CMD_READONLY) != 0 &&
            (c->key_mode > KEY_READ || c->key_mode == KEY_NONE))
            fail_msg("%s only reads, but its key mode says more", c->name);
        if (keys && (c->flags & CMD_WRITE) != 0 && c->key_mode < KEY_UPDATE && c->find_keys == NULL)
            fail_msg("%s writes, but its key mode does not", c->name);
        if ((c->flags & CMD_WRITE) != 0 && (c->flags & CMD_READONLY) != 0)
            fail_msg("%s both writes and does not", c->name);
        if (c->arity == 0 || strlen(c->summary) < 5 || strlen(c->complexity) < 3)
            fail_msg("%s is not documented", c->name);
    }
}

static void every_syntax_is_in_the_notation(void **state)
{
    (void)state;
    for (uint32_t id = 0; id < COMMAND_COUNT; id++) {
        struct syntax s;
        if (!syntax_parse(row(id)->syntax, &s))
            fail_msg("%s: '%s'", row(id)->name, row(id)->syntax);
    }
}

static void syntax_becomes_a_tree(void **state)
{
    (void)state;
    struct syntax s;
    assert_true(syntax_parse("key value [NX | XX] [EX seconds | KEEPTTL]", &s));
    const struct syntax_node *key = &s.nodes[s.nodes[0].child], *value = &s.nodes[key->next];
    const struct syntax_node *nx_xx = &s.nodes[value->next], *expiry = &s.nodes[nx_xx->next];
    assert_true(slice_eq(key->name, SLICE("key")));
    assert_int_equal(key->kind, SYNTAX_ARGUMENT);
    assert_int_equal(nx_xx->kind, SYNTAX_ONEOF);
    assert_true(nx_xx->optional);
    assert_int_equal(s.nodes[nx_xx->child].kind, SYNTAX_TOKEN);
    const struct syntax_node *ex = &s.nodes[expiry->child];
    assert_true(slice_eq(ex->token, SLICE("EX")) && slice_eq(ex->name, SLICE("seconds")));
    assert_int_equal(expiry->next, SYNTAX_NONE);
}

static void repetition_joins_what_is_repeated(void **state)
{
    (void)state;
    struct syntax s;
    assert_true(syntax_parse("key field value [field value ...]", &s));
    const struct syntax_node *key = &s.nodes[s.nodes[0].child], *block = &s.nodes[key->next];
    assert_false(key->multiple);
    assert_int_equal(block->kind, SYNTAX_BLOCK);
    assert_true(block->multiple);
    assert_int_equal(block->next, SYNTAX_NONE);
    assert_true(syntax_parse("[section [section ...]]", &s));
    const struct syntax_node *section = &s.nodes[s.nodes[0].child];
    assert_true(section->optional && section->multiple);
}

static void broken_syntax_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"[key", "key]", "<a | b", "a ||", "[]", "<>", "key >"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct syntax s;
        if (syntax_parse(texts[i], &s))
            fail_msg("'%s' was accepted", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_found_in_any_case),
        cmocka_unit_test(names_that_are_not_commands_are_not_found),
        cmocka_unit_test(a_subcommand_is_found_under_its_parent_only),
        cmocka_unit_test(rows_agree_with_themselves),
        cmocka_unit_test(every_syntax_is_in_the_notation),
        cmocka_unit_test(syntax_becomes_a_tree),
        cmocka_unit_test(repetition_joins_what_is_repeated),
        cmocka_unit_test(broken_syntax_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
