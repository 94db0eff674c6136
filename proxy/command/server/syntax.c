/* See syntax.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/server/syntax.h"

struct syntax_cursor {
    const char *at;
    struct syntax *out;
    bool broken;
};

static uint8_t new_node(struct syntax_cursor *p, enum syntax_kind kind)
{
    if (p->out->len == SYNTAX_NODES_MAX) {
        p->broken = true;
        return 0;
    }
    p->out->nodes[p->out->len] = (struct syntax_node){.kind = kind};
    return p->out->len++;
}

static void skip_spaces(struct syntax_cursor *p)
{
    while (*p->at == ' ')
        p->at++;
}

static struct slice syntax_take_word(struct syntax_cursor *p)
{
    const char *from = p->at;
    while (*p->at != '\0' && strchr(" []<>|", *p->at) == NULL)
        p->at++;
    if (p->at == from)
        p->broken = true;
    return slice_of(from, (size_t)(p->at - from));
}

static bool is_capital(struct slice word)
{
    bool letters = false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] >= 'a' && word.ptr[i] <= 'z')
            return false;
        letters |= word.ptr[i] >= 'A' && word.ptr[i] <= 'Z';
    }
    return letters;
}

static uint8_t parse_choice(struct syntax_cursor *p, char end, unsigned depth);

/* A literal word belongs to what follows it: "EX seconds", "TYPE <a | b>". */
static uint8_t parse_word(struct syntax_cursor *p, unsigned depth)
{
    struct slice word = syntax_take_word(p);
    uint8_t n;
    if (!is_capital(word)) {
        n = new_node(p, SYNTAX_ARGUMENT);
        p->out->nodes[n].name = word;
        return n;
    }
    skip_spaces(p);
    if (*p->at == '<') {
        p->at++;
        n = parse_choice(p, '>', depth + 1);
    } else if (*p->at >= 'a' && *p->at <= 'z') {
        n = new_node(p, SYNTAX_ARGUMENT);
        p->out->nodes[n].name = syntax_take_word(p);
    } else {
        n = new_node(p, SYNTAX_TOKEN);
        p->out->nodes[n].name = word;
    }
    p->out->nodes[n].token = word;
    return n;
}

/* "[x y ...]" after x y: the last `words` nodes of the sequence may be repeated. */
static bool take_repetition(struct syntax_cursor *p, uint8_t *sequence, uint8_t len, uint8_t *words)
{
    const char *close = strchr(p->at, ']');
    if (*p->at != '[' || close == NULL || close - p->at < 5 || memcmp(close - 3, "...", 3) != 0)
        return false;
    uint8_t n = 0;
    for (const char *c = p->at + 1; c < close - 3; c++)
        if (c[0] != ' ' && c[1] == ' ')
            n++;
    if (n == 0 || n > len)
        return false;
    for (uint8_t i = (uint8_t)(len - n); i < len; i++)
        if (p->out->nodes[sequence[i]].kind != SYNTAX_ARGUMENT)
            return false;
    const char *first = p->at + 1;
    struct slice name = p->out->nodes[sequence[len - n]].name;
    if (strncmp(first, name.ptr, name.len) != 0 || first[name.len] != ' ')
        return false;
    p->at = close + 1;
    *words = n;
    return true;
}

static void chain(struct syntax_cursor *p, const uint8_t *items, uint8_t len)
{
    for (uint8_t i = 0; i + 1 < len; i++)
        p->out->nodes[items[i]].next = items[i + 1];
}

/* A row of arguments up to `|` or the end of its group; several become a block. */
static uint8_t parse_sequence(struct syntax_cursor *p, unsigned depth, bool always_block)
{
    uint8_t items[32], len = 0, words;
    for (skip_spaces(p); !p->broken && *p->at != '\0' && strchr("|]>", *p->at) == NULL;
         skip_spaces(p)) {
        if (len == COUNT_OF(items)) {
            p->broken = true;
        } else if (take_repetition(p, items, len, &words)) {
            uint8_t first = items[len - words];
            if (words > 1) {
                uint8_t block = new_node(p, SYNTAX_BLOCK);
                chain(p, items + len - words, words);
                p->out->nodes[block].child = first;
                len = (uint8_t)(len - words + 1);
                items[len - 1] = first = block;
            }
            p->out->nodes[first].multiple = true;
        } else if (*p->at == '[') {
            p->at++;
            items[len] = parse_choice(p, ']', depth + 1);
            p->out->nodes[items[len++]].optional = true;
        } else if (*p->at == '<') {
            p->at++;
            items[len++] = parse_choice(p, '>', depth + 1);
        } else {
            items[len++] = parse_word(p, depth);
        }
    }
    if (len == 1 && !always_block)
        return items[0];
    if (len == 0 && !always_block)
        p->broken = true;
    uint8_t block = always_block ? 0 : new_node(p, SYNTAX_BLOCK);
    chain(p, items, len);
    p->out->nodes[block].child = len > 0 ? items[0] : SYNTAX_NONE;
    return block;
}

static uint8_t parse_choice(struct syntax_cursor *p, char end, unsigned depth)
{
    uint8_t items[16], len = 0;
    if (depth > 8)
        p->broken = true;
    while (!p->broken) {
        if (len == COUNT_OF(items)) {
            p->broken = true;
            break;
        }
        items[len++] = parse_sequence(p, depth, false);
        if (*p->at != '|')
            break;
        p->at++;
    }
    if (p->broken || *p->at != end) {
        p->broken = true;
        return 0;
    }
    p->at++;
    if (len == 1)
        return items[0];
    uint8_t choice = new_node(p, SYNTAX_ONEOF);
    chain(p, items, len);
    p->out->nodes[choice].child = items[0];
    return choice;
}

bool syntax_parse(const char *text, struct syntax *out)
{
    struct syntax_cursor p = {.at = text, .out = out};
    out->len = 0;
    (void)new_node(&p, SYNTAX_BLOCK);
    (void)parse_sequence(&p, 0, true);
    return !p.broken && *p.at == '\0';
}
