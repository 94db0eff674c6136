/* Lines for executor_fuzz.c: requests made from the `syntax` of the table's rows, so that what is
 * mutated is mostly a command with the arguments it takes. Included there only.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FUZZ_EXECUTOR_LINES_H
#define TESTS_FUZZ_EXECUTOR_LINES_H

#include "base/buf.h"
#include "command/server/syntax.h"
#include "executor/executor.h"

#include <stdio.h>

enum { LINES_DEPTH_MAX = 6, LINES_REPEAT_MAX = 4 };

struct line_maker {
    struct syntax syntax;
    struct buf out;
    uint64_t state; /* of the random numbers */
    const struct slice *words;
    uint32_t words_len;
};

static inline uint32_t line_below(struct line_maker *m, uint32_t n)
{
    m->state ^= m->state << 13;
    m->state ^= m->state >> 7;
    m->state ^= m->state << 17;
    return (uint32_t)((m->state >> 20) % n);
}

static inline bool name_begins(struct slice name, const char *with)
{
    size_t len = strlen(with);
    return name.len >= len && memcmp(name.ptr, with, len) == 0;
}

/* A value for an argument of this name: mostly one of its kind. */
static inline void line_value(struct line_maker *m, struct slice name)
{
    static const char keys[] = "khlszgab", members[] = "abcdefgh";
    char text[32];
    uint32_t kind = line_below(m, 16);
    bool is_key = name_begins(name, "key") || name_begins(name, "dest") ||
                  name_begins(name, "source") || name_begins(name, "newkey");
    bool is_member = name_begins(name, "member") || name_begins(name, "field") ||
                     name_begins(name, "element") || name_begins(name, "value");
    if (kind == 0)
        buf_append_slice(&m->out, m->words[line_below(m, m->words_len)]);
    else if (is_key)
        buf_append(&m->out, keys + line_below(m, sizeof(keys) - 1), 1);
    else if (is_member && kind < 10)
        buf_append(&m->out, members + line_below(m, sizeof(members) - 1), 1);
    else if (name_begins(name, "serialized"))
        buf_printf(&m->out, "=%c", keys[line_below(m, sizeof(keys) - 1)]);
    else if (name_begins(name, "ttl"))
        buf_append_str(&m->out, kind < 8 ? "0" : "100000");
    else if (name_begins(name, "timeout"))
        buf_append_str(&m->out, kind < 8 ? "0.001" : "0");
    else if (name_begins(name, "numkeys"))
        buf_append_str(&m->out, kind < 8 ? "1" : "2");
    else if (name_begins(name, "encoding"))
        buf_printf(&m->out, "%c%u", kind < 8 ? 'i' : 'u', 1 + line_below(m, 64));
    else if (kind < 12)
        buf_append(&m->out, text,
                   (size_t)snprintf(text, sizeof(text), "%d", (int)line_below(m, 40) - 10));
    else if (kind == 12)
        buf_append(&m->out, text,
                   (size_t)snprintf(text, sizeof(text), "%.3f", line_below(m, 90000) / 1000.0));
    else if (kind == 13)
        buf_append(&m->out, "\x01x", 2); /* a large one */
    else
        buf_append_slice(&m->out, m->words[line_below(m, m->words_len)]);
}

static inline void line_node(struct line_maker *m, uint8_t i, int depth)
{
    const struct syntax_node *n = &m->syntax.nodes[i];
    if (depth > LINES_DEPTH_MAX || (n->optional && line_below(m, 5) < 3))
        return;
    uint32_t times = n->multiple ? 1 + line_below(m, LINES_REPEAT_MAX) : 1;
    if (n->token.len > 0) {
        buf_append(&m->out, " ", 1);
        buf_append_slice(&m->out, n->token);
    }
    uint32_t children = 0;
    for (uint8_t c = n->child; c != SYNTAX_NONE; c = m->syntax.nodes[c].next)
        children++;
    for (; times > 0; times--) {
        if (n->kind == SYNTAX_ARGUMENT) {
            buf_append(&m->out, " ", 1);
            line_value(m, n->name);
        }
        uint32_t chosen = children > 0 ? line_below(m, children) : 0;
        for (uint8_t c = n->child; c != SYNTAX_NONE; c = m->syntax.nodes[c].next)
            if (n->kind != SYNTAX_ONEOF || chosen-- == 0)
                line_node(m, c, depth + 1);
    }
}

/* Appends a request of a random row, and a newline; now and then a line that evicts. */
static inline void line_make(struct line_maker *m)
{
    const struct command *command = command_get((enum command_id)line_below(m, COMMAND_COUNT));
    if (line_below(m, 4) == 0)
        buf_append(&m->out, "@", 1);
    for (const char *p = command->name; *p != '\0'; p++)
        buf_append(&m->out, *p == '|' ? " " : p, 1);
    if (syntax_parse(command->syntax, &m->syntax))
        line_node(m, 0, 0);
    buf_append_str(&m->out, line_below(m, 24) == 0 ? "\n!\n" : "\n");
}

#endif
