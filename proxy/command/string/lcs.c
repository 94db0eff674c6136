/* LCS: the longest common subsequence of two strings; the table is compute/lcs.h.
 *
 * The table is walked back from its far corner to find the bytes and where they lie; of two equal
 * neighbours the walk drops the last byte of b, which decides among several answers as Redis does.
 * Redis's table, of a number for each pair of bytes, may not be larger than proto-max-bulk-len: so
 * what is refused is the same, though ours is far smaller.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/args.h"

#include "compute/lcs.h"
#include "config/options.h"

#include <stdlib.h>

struct lcs {
    struct slice a, b;
    struct lcs_table *table;
    bool index, length_only, with_length;
    int64_t min_match;
};

static bool lcs_parse_options(struct call *c, struct lcs *l)
{
    for (uint32_t i = 3; i < c->argc; i++) {
        if (args_is(c, i, "idx")) {
            l->index = true;
        } else if (args_is(c, i, "len")) {
            l->length_only = true;
        } else if (args_is(c, i, "withmatchlen")) {
            l->with_length = true;
        } else if (args_is(c, i, "minmatchlen") && i + 1 < c->argc) {
            if (!call_int(c, ++i, &l->min_match, NULL))
                return false;
        } else {
            reply_error(c->reply, REPLY_SYNTAX);
            return false;
        }
    }
    if (l->index && l->length_only) {
        reply_error(c->reply, "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

static bool read_strings(struct call *c, struct lcs *l)
{
    struct slice *out[2] = {&l->a, &l->b};
    for (uint32_t i = 0; i < 2; i++) {
        const struct value *v = txn_read(c->txn, c->key + i);
        if (v != NULL && v->type != VALUE_STRING) {
            reply_error(c->reply, "ERR The specified keys must contain string values");
            return false;
        }
        *out[i] = v != NULL ? v->str : SLICE("");
    }
    return true;
}

static bool fill_table(struct call *c, struct lcs *l)
{
    uint64_t cells, bytes;
    if (__builtin_mul_overflow((uint64_t)l->a.len + 1, (uint64_t)l->b.len + 1, &cells) ||
        __builtin_mul_overflow(cells, (uint64_t)sizeof(uint32_t), &bytes) ||
        bytes > (uint64_t)option_num(OPT_proto_max_bulk_len)) {
        reply_error(c->reply, "ERR Insufficient memory, transient memory for LCS exceeds "
                              "proto-max-bulk-len");
        return false;
    }
    l->table = lcs_table_try_new(l->a, l->b, !l->length_only);
    if (l->table == NULL)
        reply_error(c->reply,
                    "ERR Insufficient memory, failed allocating transient memory for LCS");
    return l->table != NULL;
}

/* Moves (*i, *j) back to just after the next common byte; false: there is none left. */
static bool previous_match(const struct lcs *l, size_t *i, size_t *j)
{
    while (*i > 0 && *j > 0) {
        if (l->a.ptr[*i - 1] == l->b.ptr[*j - 1])
            return true;
        if (lcs_table_grows(l->table, *i, *j)) /* so without the byte of a it is as long */
            --*i;
        else
            --*j;
    }
    return false;
}

static void reply_bytes(struct call *c, const struct lcs *l)
{
    size_t len = lcs_table_length(l->table);
    char *bytes = malloc(len + 1);
    if (bytes == NULL) {
        call_out_of_memory(c);
        return;
    }
    size_t i = l->a.len, j = l->b.len, at = len;
    for (; previous_match(l, &i, &j); i--, j--)
        bytes[--at] = l->a.ptr[i - 1];
    must(at == 0);
    reply_bulk(c->reply, slice_of(bytes, len));
    free(bytes);
}

static void lcs_reply_range(struct call *c, size_t start, size_t len)
{
    reply_array(c->reply, 2);
    reply_int(c->reply, (int64_t)start);
    reply_int(c->reply, (int64_t)(start + len - 1));
}

static void reply_matches(struct call *c, const struct lcs *l)
{
    reply_map(c->reply, 2);
    reply_bulk_str(c->reply, "matches");
    size_t begin = reply_array_begin(c->reply);
    uint64_t matches = 0;
    size_t i = l->a.len, j = l->b.len;
    while (previous_match(l, &i, &j)) {
        size_t run = 0; /* common bytes that lie side by side in both */
        while (i > 0 && j > 0 && l->a.ptr[i - 1] == l->b.ptr[j - 1]) {
            i--;
            j--;
            run++;
        }
        if (l->min_match > 0 && run < (uint64_t)l->min_match)
            continue;
        reply_array(c->reply, l->with_length ? 3 : 2);
        lcs_reply_range(c, i, run);
        lcs_reply_range(c, j, run);
        if (l->with_length)
            reply_int(c->reply, (int64_t)run);
        matches++;
    }
    reply_array_end(c->reply, begin, matches);
    reply_bulk_str(c->reply, "len");
    reply_int(c->reply, (int64_t)lcs_table_length(l->table));
}

void cmd_lcs(struct call *c)
{
    struct lcs l = {0};
    if (!read_strings(c, &l) || !lcs_parse_options(c, &l) || !fill_table(c, &l))
        return;
    if (l.length_only)
        reply_int(c->reply, (int64_t)lcs_table_length(l.table));
    else if (l.index)
        reply_matches(c, &l);
    else
        reply_bytes(c, &l);
    lcs_table_free(&l.table);
}
