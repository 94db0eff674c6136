/* BITFIELD and BITFIELD_RO: integers of any width at any bit of a string.
 *
 * The request is read twice: once to check it all and to know how long the string must be, once to
 * do it. So nothing is allocated, and the string is edited at most once, before anything changes;
 * it is left alone as long as nothing does. A request of GETs alone is a read.
 *
 * Where a value does not fit into its field, OVERFLOW says what happens; the sums are exact, see
 * fit_signed() and fit_unsigned().
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/bit/bitmap.h"

#include "base/num.h"
#include "compute/bits.h"
#include "executor/args.h"
#include "executor/find_keys.h"

enum field_verb { FIELD_GET, FIELD_SET, FIELD_INCRBY };
enum overflow { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL };

struct field_op {
    enum field_verb verb;
    enum overflow overflow;
    bool is_signed;
    unsigned width; /* 1..64; 63 at most where unsigned */
    uint64_t offset;
    int64_t operand; /* SET's value, INCRBY's increment */
};

/* --- Reading the request --- */

/* How many arguments a subcommand has after its name, or 0: no such one, or not enough. */
static uint32_t subcommand(uint32_t argc, const struct slice *argv, uint32_t i,
                           enum field_verb *verb, bool *is_overflow)
{
    uint32_t left = argc - i - 1;
    *is_overflow = slice_is_word(argv[i], "overflow");
    if (*is_overflow)
        return left >= 1 ? 1 : 0;
    *verb = FIELD_GET;
    if (slice_is_word(argv[i], "get"))
        return left >= 2 ? 2 : 0;
    *verb = slice_is_word(argv[i], "set") ? FIELD_SET : FIELD_INCRBY;
    if (*verb == FIELD_SET || slice_is_word(argv[i], "incrby"))
        return left >= 3 ? 3 : 0;
    return 0;
}

int find_keys_bitfield(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    keys[0].name = argv[1];
    keys[0].mode = KEY_READ;
    enum field_verb verb = FIELD_GET;
    bool is_overflow;
    uint32_t args;
    for (uint32_t i = 2; i < argc; i += 1 + args) {
        args = subcommand(argc, argv, i, &verb, &is_overflow);
        if (args == 0)
            break; /* it will be refused */
        if (verb != FIELD_GET)
            keys[0].mode = KEY_UPDATE;
    }
    return 1;
}

static bool parse_overflow(struct call *c, uint32_t i, enum overflow *out)
{
    static const char *const words[] = {"wrap", "sat", "fail"};
    for (uint32_t w = 0; w < COUNT_OF(words); w++)
        if (args_is(c, i, words[w])) {
            *out = (enum overflow)w;
            return true;
        }
    reply_error(c->reply, "ERR Invalid OVERFLOW type specified");
    return false;
}

static bool parse_width(struct call *c, uint32_t i, struct field_op *op)
{
    struct slice text = c->argv[i];
    int64_t width = 0;
    op->is_signed = text.len > 0 && text.ptr[0] == 'i';
    bool typed = op->is_signed || (text.len > 0 && text.ptr[0] == 'u');
    if (!typed || !num_parse_i64(slice_of(text.ptr + 1, text.len - 1), &width) || width < 1 ||
        width > (op->is_signed ? BITS_WIDTH_MAX : BITS_WIDTH_MAX - 1)) {
        reply_error(c->reply, "ERR Invalid bitfield type. Use something like i16 u8. Note that "
                              "u64 is not supported but i64 is.");
        return false;
    }
    op->width = (unsigned)width;
    return true;
}

/* Reads the operation at *i and moves on; op->overflow carries over from the one before.
 * False at the end (*i == argc), or *i < argc: an error was replied. */
static bool next_op(struct call *c, uint32_t *i, struct field_op *op)
{
    while (*i < c->argc) {
        bool is_overflow;
        uint32_t at = *i, args = subcommand(c->argc, c->argv, at, &op->verb, &is_overflow);
        if (args == 0) {
            reply_error(c->reply, REPLY_SYNTAX);
            return false;
        }
        if (is_overflow) {
            if (!parse_overflow(c, at + 1, &op->overflow))
                return false;
            *i += 1 + args;
            continue;
        }
        if (!parse_width(c, at + 1, op) ||
            !bitmap_offset(c, c->argv[at + 2], op->width, op->verb != FIELD_GET, &op->offset) ||
            (op->verb != FIELD_GET && !call_int(c, at + 3, &op->operand, NULL)))
            return false;
        *i += 1 + args;
        return true;
    }
    return false;
}

/* --- Numbers that must fit --- */

static int64_t as_signed(uint64_t bits, unsigned width)
{
    uint64_t sign = UINT64_C(1) << (width - 1);
    return (int64_t)((bits ^ sign) - sign);
}

/* base + by in a signed field; false: it does not fit, and *out is what OVERFLOW makes of it. */
static bool fit_signed(int64_t base, int64_t by, unsigned width, enum overflow overflow,
                       uint64_t *out)
{
    int64_t max = (int64_t)((UINT64_C(1) << (width - 1)) - 1), min = -max - 1, sum;
    bool wide = __builtin_add_overflow(base, by, &sum); /* then base and by have the same sign */
    bool fits = !wide && sum >= min && sum <= max;
    /* A SET of what is so far below that its distance to the top exceeds 63 bits counts as above:
     * Redis subtracts in 64 bits. */
    bool above = wide ? by > 0 : sum > max || base < max - INT64_MAX;
    *out = (uint64_t)base + (uint64_t)by;
    if (!fits && overflow == OVERFLOW_SAT)
        *out = (uint64_t)(above ? max : min);
    return fits;
}

/* The same for an unsigned field. SET's value is taken as 64 unsigned bits, so a negative one is
 * very large: that is how Redis sees it. */
static bool fit_unsigned(uint64_t base, int64_t by, unsigned width, enum overflow overflow,
                         uint64_t *out)
{
    uint64_t max = UINT64_MAX >> (BITS_WIDTH_MAX - width), less = -(uint64_t)by;
    bool above = base > max || (by > 0 && (uint64_t)by > max - base);
    bool below = !above && by < 0 && less > base;
    *out = base + (uint64_t)by;
    if (overflow == OVERFLOW_SAT && (above || below))
        *out = above ? max : 0;
    return !above && !below;
}

/* What a SET or INCRBY makes of the field's old bits. False: refused by OVERFLOW FAIL. */
static bool new_bits(const struct field_op *op, uint64_t old, uint64_t *out)
{
    bool set = op->verb == FIELD_SET, fits;
    if (op->is_signed)
        fits = fit_signed(set ? op->operand : as_signed(old, op->width), set ? 0 : op->operand,
                          op->width, op->overflow, out);
    else
        fits = fit_unsigned(set ? (uint64_t)op->operand : old, set ? 0 : op->operand, op->width,
                            op->overflow, out);
    *out &= UINT64_MAX >> (BITS_WIDTH_MAX - op->width);
    return fits || op->overflow != OVERFLOW_FAIL;
}

/* --- Doing it --- */

struct bitfield_plan {
    uint64_t ops;
    size_t len; /* that the string must have for its writes; 0: there are none */
};

static bool make_plan(struct call *c, struct bitfield_plan *plan)
{
    *plan = (struct bitfield_plan){0};
    struct field_op op = {0};
    uint32_t i = 2;
    for (; next_op(c, &i, &op); plan->ops++) {
        size_t end = (size_t)((op.offset + op.width - 1) / 8) + 1;
        if (op.verb != FIELD_GET && end > plan->len)
            plan->len = end;
    }
    return i == c->argc;
}

struct field_string {
    struct slice view;
    char *bytes; /* NULL: not edited yet */
    bool grown, changed;
};

static bool bitfield_begin_edit(struct call *c, struct field_string *s, size_t len)
{
    if (s->bytes != NULL)
        return true;
    len = (size_t)max_u64(len, s->view.len);
    s->bytes = txn_edit_string(c->txn, c->key, len);
    if (s->bytes != NULL && len > s->view.len) /* what is between was and is zero */
        txn_effect_bytes(c->txn, c->key, len - 1, 1);
    s->view = slice_of(s->bytes, len);
    return s->bytes != NULL;
}

static void bitfield_reply_field(struct call *c, const struct field_op *op, uint64_t bits)
{
    reply_int(c->reply, op->is_signed ? as_signed(bits, op->width) : (int64_t)bits);
}

/* False: out of memory, nothing was changed. */
static bool run_op(struct call *c, const struct bitfield_plan *plan, const struct field_op *op,
                   struct field_string *s)
{
    uint64_t old = bits_get(s->view, op->offset, op->width), new;
    if (op->verb == FIELD_GET) {
        bitfield_reply_field(c, op, old);
        return true;
    }
    if (!new_bits(op, old, &new)) {
        reply_null(c->reply);
        return true;
    }
    if (new != old) {
        if (!bitfield_begin_edit(c, s, plan->len))
            return false;
        bits_put(s->bytes, op->offset, op->width, new);
        size_t first = (size_t)(op->offset / 8), last = (size_t)((op->offset + op->width - 1) / 8);
        txn_effect_bytes(c->txn, c->key, first, last - first + 1);
    }
    s->changed |= s->grown || new != old;
    bitfield_reply_field(c, op, op->verb == FIELD_SET ? old : new);
    return true;
}

static void bitfield(struct call *c, bool read_only)
{
    struct bitfield_plan plan;
    const struct value *v;
    if (!make_plan(c, &plan))
        return;
    if (read_only && plan.len > 0) {
        reply_error(c->reply, "ERR BITFIELD_RO only supports the GET subcommand");
        return;
    }
    if (!call_read(c, 0, VALUE_STRING, &v))
        return;
    struct field_string s = {.view = v != NULL ? v->str : SLICE("")};
    size_t mark = c->reply->buf.len;
    reply_array(c->reply, plan.ops);
    /* The string grows for every write, even one that OVERFLOW FAIL refuses, as in Redis. */
    s.grown = plan.len > s.view.len;
    bool done = !s.grown || bitfield_begin_edit(c, &s, plan.len);
    struct field_op op = {0};
    for (uint32_t i = 2; done && next_op(c, &i, &op);)
        done = run_op(c, &plan, &op, &s);
    if (!done) {
        reply_truncate(c->reply, mark);
        call_out_of_memory(c);
    } else if (s.changed) {
        call_notify(c, NOTIFY_STRING, "setbit", 0);
    }
}

void cmd_bitfield(struct call *c)
{
    bitfield(c, false);
}

void cmd_bitfield_ro(struct call *c)
{
    bitfield(c, true);
}
