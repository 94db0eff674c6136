/* COMMAND and its subcommands: the table of commands, told to clients. Everything here is read off
 * the rows of executor/commands.def.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/glob.h"
#include "command/server/syntax.h"
#include "executor/worker.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    unsigned flag;
    const char *name;
} flag_names[] = {
    {CMD_WRITE, "write"},
    {CMD_READONLY, "readonly"},
    {CMD_DENYOOM, "denyoom"},
    {CMD_ADMIN, "admin"},
    {CMD_PUBSUB, "pubsub"},
    {CMD_NOSCRIPT, "noscript"},
    {CMD_BLOCKING, "blocking"},
    {CMD_LOADING, "loading"},
    {CMD_STALE, "stale"},
    {CMD_SKIP_MONITOR, "skip_monitor"},
    {CMD_SKIP_SLOWLOG, "skip_slowlog"},
    {CMD_FAST, "fast"},
    {CMD_NO_AUTH, "no_auth"},
    {CMD_MOVABLEKEYS, "movablekeys"},
    {CMD_ALLOW_BUSY, "allow_busy"},
    {CMD_NO_ASYNC_LOADING, "no_async_loading"},
    {CMD_NO_MULTI, "no_multi"},
};

static bool is_sub(const struct command *command)
{
    return strchr(command->name, '|') != NULL;
}

static bool is_sub_of(const struct command *command, const struct command *parent)
{
    size_t len = strlen(parent->name);
    return strncmp(command->name, parent->name, len) == 0 && command->name[len] == '|';
}

static uint32_t count_subs(const struct command *parent)
{
    uint32_t n = 0;
    for (uint32_t id = parent->id + 1; id < COMMAND_COUNT; id++, n++)
        if (!is_sub_of(command_get((enum command_id)id), parent))
            break;
    return n;
}

static uint32_t count_top_level(void)
{
    uint32_t n = 0;
    for (uint32_t id = 0; id < COMMAND_COUNT; id++)
        n += !is_sub(command_get((enum command_id)id));
    return n;
}

/* Words apart by a space, each as a simple string or a bulk, in a set. */
static void reply_words(struct reply *r, const char *text, size_t len, bool simple)
{
    size_t begin = reply_array_begin(r);
    uint64_t n = 0;
    char word[64];
    for (size_t at = 0; at < len;) {
        size_t end = at;
        while (end < len && text[end] != ' ')
            end++;
        must(end - at < sizeof(word));
        memcpy(word, text + at, end - at);
        word[end - at] = '\0';
        if (simple)
            reply_simple(r, word);
        else
            reply_bulk_str(r, word);
        n++;
        at = end + 1;
    }
    reply_set_end(r, begin, n);
}

static void reply_flags(struct reply *r, const struct command *command)
{
    size_t begin = reply_array_begin(r);
    uint64_t n = 0;
    for (size_t i = 0; i < COUNT_OF(flag_names); i++)
        if ((command->flags & flag_names[i].flag) != 0) {
            reply_simple(r, flag_names[i].name);
            n++;
        }
    reply_set_end(r, begin, n);
}

static void docs_reply_pair(struct reply *r, const char *name, int64_t n)
{
    reply_bulk_str(r, name);
    reply_int(r, n);
}

/* The type of a search, and a spec of so many pairs to follow. */
static void reply_search(struct reply *r, const char *what, const char *type, uint64_t pairs)
{
    reply_bulk_str(r, what);
    reply_map(r, 2);
    reply_bulk_str(r, "type");
    reply_bulk_str(r, type);
    reply_bulk_str(r, "spec");
    reply_map(r, pairs);
}

/* Flags end where a place begins. */
static size_t flags_len(const char *group)
{
    return strcspn(group, "@;");
}

/* One run of keys: after a word or unknown, if its group says so, else from position `index`; up
 * to `last` further on (-1: to the end). */
static void reply_key_spec(struct reply *r, const char *group, int index, int last, int step)
{
    const char *place = group + flags_len(group);
    reply_map(r, 3);
    reply_bulk_str(r, "flags");
    reply_words(r, group, flags_len(group), true);
    if (strncmp(place, "@?", 2) == 0) {
        reply_search(r, "begin_search", "unknown", 0);
        reply_search(r, "find_keys", "unknown", 0);
        return;
    }
    if (*place == '@') {
        size_t word_len = strcspn(++place, ":");
        reply_search(r, "begin_search", "keyword", 2);
        reply_bulk_str(r, "keyword");
        reply_bulk(r, slice_of(place, word_len));
        docs_reply_pair(r, "startfrom", strtol(place + word_len + 1, NULL, 10));
    } else {
        reply_search(r, "begin_search", "index", 1);
        docs_reply_pair(r, "index", index);
    }
    reply_search(r, "find_keys", "range", 3);
    docs_reply_pair(r, "lastkey", last);
    docs_reply_pair(r, "keystep", step);
    docs_reply_pair(r, "limit", 0);
}

static uint32_t count_specs(const struct command *command)
{
    uint32_t n = command->specs[0] != '\0';
    for (const char *c = command->specs; *c != '\0'; c++)
        n += *c == ';';
    return n;
}

static void reply_key_specs(struct reply *r, const struct command *command)
{
    uint32_t n = count_specs(command);
    reply_set(r, n);
    const char *text = command->specs;
    for (uint32_t i = 0; i < n; i++) {
        size_t len = strcspn(text, ";");
        if (n > 1)
            reply_key_spec(r, text, command->first_key + (int)i, 0, 1);
        else
            reply_key_spec(r, text, command->first_key,
                           command->last_key < 0 ? command->last_key
                                                 : command->last_key - command->first_key,
                           command->key_step);
        text += len + (text[len] == ';' ? 2 : 0);
    }
}

static void reply_categories(struct reply *r, unsigned categories)
{
    reply_set(r, (uint64_t)__builtin_popcount(categories));
    for (uint32_t i = 0; i < CATEGORIES; i++) {
        char text[32];
        snprintf(text, sizeof(text), "@%s", category_name(i));
        if ((categories & 1u << i) != 0)
            reply_simple(r, text);
    }
}

static void reply_info(struct reply *r, const struct command *command)
{
    if (command == NULL) {
        reply_null(r);
        return;
    }
    reply_array(r, 10);
    reply_bulk_str(r, command->name);
    reply_int(r, command->arity);
    reply_flags(r, command);
    reply_int(r, command->first_key);
    reply_int(r, command->last_key);
    reply_int(r, command->key_step);
    reply_categories(r, command_categories(command));
    reply_words(r, command->tips, strlen(command->tips), false);
    reply_key_specs(r, command);
    uint32_t subs = is_sub(command) ? 0 : count_subs(command);
    if (subs == 0) {
        reply_set(r, 0);
        return;
    }
    reply_array(r, subs);
    for (uint32_t i = 1; i <= subs; i++)
        reply_info(r, command_get((enum command_id)(command->id + i)));
}

void cmd_command(struct call *c)
{
    reply_array(c->reply, count_top_level());
    for (uint32_t id = 0; id < COMMAND_COUNT; id++)
        if (!is_sub(command_get((enum command_id)id)))
            reply_info(c->reply, command_get((enum command_id)id));
}

void cmd_command_info(struct call *c)
{
    if (c->argc == 2) {
        cmd_command(c);
        return;
    }
    reply_array(c->reply, c->argc - 2);
    for (uint32_t i = 2; i < c->argc; i++)
        reply_info(c->reply, command_find_full(c->argv[i]));
}

void cmd_command_count(struct call *c)
{
    reply_int(c->reply, count_top_level());
}

void cmd_command_help(struct call *c)
{
    call_help(c);
}

/* --- DOCS --- */

static bool is_one_of(struct slice name, const char *const *names, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (slice_eq(name, slice_str(names[i])))
            return true;
    return false;
}

static const char *argument_type(const struct command *command, struct slice name)
{
    static const char *const keys[] = {"key", "newkey", "source", "destination", "key1", "key2"};
    static const char *const integers[] = {"seconds",
                                           "milliseconds",
                                           "db",
                                           "destination-db",
                                           "index1",
                                           "index2",
                                           "index",
                                           "cursor",
                                           "count",
                                           "decrement",
                                           "increment",
                                           "start",
                                           "end",
                                           "offset",
                                           "min-match-len",
                                           "protover",
                                           "client-id",
                                           "version",
                                           "numreplicas",
                                           "numlocal",
                                           "timeout",
                                           "id"};
    if (command->first_key > 0 && is_one_of(name, keys, COUNT_OF(keys)))
        return "key";
    if (name.len >= 9 && memcmp(name.ptr, "unix-time", 9) == 0)
        return "unix-time";
    if (slice_eq(name, SLICE("pattern")))
        return "pattern";
    if (slice_eq(name, SLICE("increment")) && strstr(command->name, "float") != NULL)
        return "double";
    return is_one_of(name, integers, COUNT_OF(integers)) ? "integer" : "string";
}

static void append_lower(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? (char)(text.ptr[i] + 32) : text.ptr[i];
        buf_append(out, &c, 1);
    }
}

/* A group is called by what is in it: "nx_xx". */
static void append_name(struct buf *out, const struct syntax *syntax, uint8_t n)
{
    const struct syntax_node *node = &syntax->nodes[n];
    if (node->kind == SYNTAX_ARGUMENT || node->kind == SYNTAX_TOKEN) {
        append_lower(out, node->name);
        return;
    }
    for (uint8_t child = node->child; child != SYNTAX_NONE; child = syntax->nodes[child].next) {
        if (child != node->child)
            buf_append(out, "_", 1);
        append_name(out, syntax, child);
    }
}

struct docs {
    struct reply *reply;
    const struct command *command;
    const struct syntax *syntax;
    uint32_t keys; /* arguments so far that are keys */
};

static void reply_arguments(struct docs *d, uint8_t first);

static void reply_argument(struct docs *d, uint8_t n)
{
    const struct syntax_node *node = &d->syntax->nodes[n];
    struct reply *r = d->reply;
    struct buf name = {0};
    append_name(&name, d->syntax, n);
    bool group = node->kind == SYNTAX_ONEOF || node->kind == SYNTAX_BLOCK;
    const char *type = node->kind == SYNTAX_ONEOF   ? "oneof"
                       : node->kind == SYNTAX_BLOCK ? "block"
                       : node->kind == SYNTAX_TOKEN ? "pure-token"
                                                    : argument_type(d->command, node->name);
    bool key = strcmp(type, "key") == 0;
    reply_map(r, 2 + !group + key + (node->token.len > 0) + (node->optional || node->multiple) +
                     group);
    reply_bulk_str(r, "name");
    reply_bulk(r, buf_slice(&name));
    reply_bulk_str(r, "type");
    reply_bulk_str(r, type);
    if (!group) {
        reply_bulk_str(r, "display_text");
        reply_bulk(r, buf_slice(&name));
    }
    if (key) {
        uint32_t specs = count_specs(d->command);
        docs_reply_pair(r, "key_spec_index",
                        (int64_t)min_u64(d->keys++, specs > 0 ? specs - 1 : 0));
    }
    if (node->token.len > 0) {
        reply_bulk_str(r, "token");
        reply_bulk(r, node->token);
    }
    if (node->optional || node->multiple) {
        reply_bulk_str(r, "flags");
        reply_set(r, (uint64_t)node->optional + node->multiple);
        if (node->optional)
            reply_simple(r, "optional");
        if (node->multiple)
            reply_simple(r, "multiple");
    }
    if (group) {
        reply_bulk_str(r, "arguments");
        reply_arguments(d, node->child);
    }
    buf_fini(&name);
}

static void reply_arguments(struct docs *d, uint8_t first)
{
    uint32_t n = 0;
    for (uint8_t i = first; i != SYNTAX_NONE; i = d->syntax->nodes[i].next)
        n++;
    reply_array(d->reply, n);
    for (uint8_t i = first; i != SYNTAX_NONE; i = d->syntax->nodes[i].next)
        reply_argument(d, i);
}

static void docs_reply_text(struct reply *r, const char *name, const char *text)
{
    reply_bulk_str(r, name);
    reply_bulk_str(r, text);
}

static void reply_docs(struct reply *r, const struct command *command)
{
    struct syntax syntax;
    must(syntax_parse(command->syntax, &syntax));
    struct docs docs = {.reply = r, .command = command, .syntax = &syntax};
    uint32_t subs = is_sub(command) ? 0 : count_subs(command);
    bool arguments = command->syntax[0] != '\0';
    reply_bulk_str(r, command->name);
    reply_map(r, 4 + (uint64_t)arguments + (subs > 0));
    docs_reply_text(r, "summary", command->summary);
    docs_reply_text(r, "since", command->since);
    docs_reply_text(r, "group", command->group);
    docs_reply_text(r, "complexity", command->complexity);
    if (arguments) {
        reply_bulk_str(r, "arguments");
        reply_arguments(&docs, syntax.nodes[0].child);
    }
    if (subs == 0)
        return;
    reply_bulk_str(r, "subcommands");
    reply_map(r, subs);
    for (uint32_t i = 1; i <= subs; i++)
        reply_docs(r, command_get((enum command_id)(command->id + i)));
}

void cmd_command_docs(struct call *c)
{
    if (c->argc == 2) {
        reply_map(c->reply, count_top_level());
        for (uint32_t id = 0; id < COMMAND_COUNT; id++)
            if (!is_sub(command_get((enum command_id)id)))
                reply_docs(c->reply, command_get((enum command_id)id));
        return;
    }
    size_t begin = reply_array_begin(c->reply);
    uint64_t found = 0;
    for (uint32_t i = 2; i < c->argc; i++) {
        const struct command *command = command_find_full(c->argv[i]);
        if (command == NULL)
            continue;
        reply_docs(c->reply, command);
        found++;
    }
    reply_map_end(c->reply, begin, found);
}

/* --- LIST --- */

enum list_filter { LIST_ALL, LIST_MODULE, LIST_ACL, LIST_PATTERN };

static bool is_listed(const struct command *command, enum list_filter filter, struct slice what)
{
    switch (filter) {
    case LIST_ALL:
        return true;
    case LIST_MODULE:
        return false;
    case LIST_ACL:
        return (command_categories(command) & category_find(what)) != 0;
    case LIST_PATTERN:
        return glob_match(what, slice_str(command->name), true);
    }
    return false;
}

void cmd_command_list(struct call *c)
{
    enum list_filter filter = LIST_ALL;
    struct slice what = {NULL, 0};
    if (c->argc == 5 && slice_is_word(c->argv[2], "filterby")) {
        what = c->argv[4];
        if (slice_is_word(c->argv[3], "module"))
            filter = LIST_MODULE;
        else if (slice_is_word(c->argv[3], "aclcat"))
            filter = LIST_ACL;
        else if (slice_is_word(c->argv[3], "pattern"))
            filter = LIST_PATTERN;
    }
    if (c->argc != 2 && filter == LIST_ALL) {
        reply_error(c->reply, REPLY_SYNTAX);
        return;
    }
    size_t begin = reply_array_begin(c->reply);
    uint64_t n = 0;
    for (uint32_t id = 0; id < COMMAND_COUNT; id++) {
        const struct command *command = command_get((enum command_id)id);
        if (!is_listed(command, filter, what))
            continue;
        reply_bulk_str(c->reply, command->name);
        n++;
    }
    reply_array_end(c->reply, begin, n);
}

/* --- GETKEYS --- */

/* What a request does with a key, in the words of key specs. */
static const char *mode_flags(const struct command *command, const struct txn_key *key, uint32_t i)
{
    if (command->find_keys != NULL && count_specs(command) < 2)
        switch (key->mode) {
        case KEY_READ:
        case KEY_HEAD:
        case KEY_NONE:
            return "RO access";
        case KEY_OVERWRITE:
            return "OW update";
        case KEY_REMOVE:
            return "RM delete";
        case KEY_UPDATE:
        case KEY_PLACE:
            return "RW access update";
        }
    const char *text = command->specs;
    bool changes = key->mode > KEY_READ;
    for (uint32_t n = count_specs(command); n > 1; n--) {
        bool only_reads = strncmp(text, "RO", 2) == 0;
        if (i == 0 && !(changes && only_reads))
            break;
        i -= i > 0;
        text += strcspn(text, ";") + 2;
    }
    return text;
}

static void get_keys(struct call *c, bool with_flags)
{
    uint32_t argc = c->argc - 2;
    const struct slice *argv = c->argv + 2;
    const struct command *command = command_lookup(argc, argv);
    if (command == NULL || command->run == NULL) {
        reply_error(c->reply, "ERR Invalid command specified");
        return;
    }
    bool not_keys = strcmp(command->specs, "not_key") == 0; /* channels in the place of keys */
    if (not_keys || (command->first_key == 0 && command->find_keys == NULL)) {
        reply_error(c->reply, "ERR The command has no key arguments");
        return;
    }
    if (command->arity > 0 ? argc != (uint32_t)command->arity : argc < (uint32_t)-command->arity) {
        reply_error(c->reply, "ERR Invalid number of arguments specified for command");
        return;
    }
    struct txn_key *keys = calloc(argc, sizeof(*keys));
    if (keys == NULL) {
        call_out_of_memory(c);
        return;
    }
    int found = command_keys(command, c->session->db, argc, argv, keys);
    if (found == 2 && keys[0].name.ptr == keys[1].name.ptr)
        found = 1; /* MOVE: one argument, a key in two databases */
    if (found <= 0)
        reply_error(c->reply, "ERR Invalid arguments specified for command");
    else
        reply_array(c->reply, (uint64_t)found);
    for (int i = 0; i < found; i++) {
        if (with_flags)
            reply_array(c->reply, 2);
        reply_bulk(c->reply, keys[i].name);
        if (with_flags) {
            const char *flags = mode_flags(command, &keys[i], (uint32_t)i);
            reply_words(c->reply, flags, flags_len(flags), true);
        }
    }
    free(keys);
}

void cmd_command_getkeys(struct call *c)
{
    get_keys(c, false);
}

void cmd_command_getkeysandflags(struct call *c)
{
    get_keys(c, true);
}
