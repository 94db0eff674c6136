/* One SORT while it runs: what was asked for, the elements, and the keys that BY and GET name.
 *
 * BY and GET name keys by the elements themselves, so which keys a SORT needs is known only once it
 * has looked at its source. It is therefore run in rounds (sort.c): a round that meets a key
 * which its transaction does not have collects the name instead and comes to nothing; the next one
 * has it.
 *
 *   sort.c    arguments, rounds and transactions
 *   items.c  the elements, what they weigh, their order
 *   result.c the answer, or the list that is stored
 *   names.c  the keys
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMAND_SORT_SORT_H
#define COMMAND_SORT_SORT_H

#include "command/sort/names.h"
#include "executor/call.h"

struct sort_pattern {
    bool itself;                /* "#": the element */
    bool names;                 /* has a star, so it names a key; else nothing */
    bool has_field;             /* "->field": in the hash of that key */
    struct slice before, after; /* the star */
    struct slice field;
};

struct sort_item {
    double weight;
    struct slice text; /* ALPHA; ptr NULL: BY names none, which is less than any */
    struct slice element;
    size_t number; /* in the order of the source */
};

enum sort_failure { SORT_OK, SORT_OUT_OF_MEMORY, SORT_TOO_MANY_NAMES, SORT_NOT_NUMBERS };

struct sort {
    struct call *c;
    uint32_t db;
    /* as asked for */
    bool dry;       /* only collects names */
    bool read_only; /* SORT_RO: STORE is no option */
    bool descending, alpha, unordered, by_pattern, stores;
    int64_t limit_first, limit_count; /* limit_count < 0: all */
    struct sort_pattern by;
    struct sort_pattern *gets;
    uint32_t gets_len;
    /* while it runs */
    struct sort_names names;
    uint32_t missing; /* names that this round could not look at */
    struct buf scratch;
    struct sort_arena arena;
    struct sort_item *items;
    size_t len, cap;
    size_t first, end; /* of the items, what is asked for */
    enum sort_failure failure;
    const char *refusal; /* why a transaction did not get what is missing */
};

/* What a pattern names for an element. A key that the transaction does not have counts as missing.
 * False: absent, or s->failure is set. */
struct sort_value {
    struct slice text;
    struct blob *blob; /* where the text lies when it is large, else NULL */
};
bool sort_look_up(struct sort *s, const struct sort_pattern *p, struct slice element,
                  struct sort_value *out);

/* Reads the elements of the source, NULL: absent, and puts those asked for into order at [first,
 * end). Nothing is in order if names turn out to be missing. False: s->failure. */
MUST_CHECK bool sort_order(struct sort *s, const struct value *source);

/* Replies, or stores and replies; an error is replied as well. Does neither when names turn out to
 * be missing. */
void sort_answer(struct sort *s);
void sort_reply_failure(struct sort *s);

#endif
