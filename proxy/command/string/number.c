/* Strings that are numbers: INCR and its kin.
 *
 * What is journalled is the result: a step would need the base that it was made on.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/args.h"

#include "base/num.h"

static void increment(struct call *c, int64_t by)
{
    const struct value *v;
    if (!call_read(c, 0, VALUE_STRING, &v))
        return;
    int64_t n = 0;
    if (v != NULL && !num_parse_i64(v->str, &n)) {
        reply_error(c->reply, REPLY_NOT_INT);
        return;
    }
    if (__builtin_add_overflow(n, by, &n)) {
        reply_error(c->reply, "ERR increment or decrement would overflow");
        return;
    }
    char digits[NUM_I64_MAX];
    struct slice text = slice_of(digits, num_format_i64(digits, n));
    if (txn_set_string(c->txn, c->key, text, TXN_KEEP_TTL) != RC_OK)
        call_out_of_memory(c);
    else {
        call_notify(c, NOTIFY_STRING, "incrby", 0);
        reply_int(c->reply, n);
    }
}

void cmd_incr(struct call *c)
{
    increment(c, 1);
}

void cmd_decr(struct call *c)
{
    increment(c, -1);
}

void cmd_incrby(struct call *c)
{
    int64_t by;
    if (call_int(c, 2, &by, NULL))
        increment(c, by);
}

void cmd_decrby(struct call *c)
{
    int64_t by;
    if (!call_int(c, 2, &by, NULL))
        return;
    if (by == INT64_MIN)
        reply_error(c->reply, "ERR decrement would overflow");
    else
        increment(c, -by);
}

void cmd_incrbyfloat(struct call *c)
{
    const struct value *v;
    long double n = 0, by;
    if (!call_read(c, 0, VALUE_STRING, &v))
        return;
    if ((v != NULL && !num_parse_long_double(v->str, &n)) ||
        !num_parse_long_double(c->argv[2], &by)) {
        reply_error(c->reply, REPLY_NOT_FLOAT);
        return;
    }
    if (!args_add_float(c, &n, by))
        return;
    char digits[NUM_LONG_DOUBLE_MAX];
    struct slice text = slice_of(digits, num_format_long_double(digits, n));
    if (txn_set_string(c->txn, c->key, text, TXN_KEEP_TTL) != RC_OK) {
        call_out_of_memory(c);
        return;
    }
    call_notify(c, NOTIFY_STRING, "incrbyfloat", 0);
    reply_bulk(c->reply, text);
}
