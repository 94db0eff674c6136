/* See args.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/args.h"

#include "base/num.h"
#include "config/options.h"
#include "store/store.h"

#include <math.h>

void args_wrong_number(struct call *c)
{
    reply_errorf(c->reply, "ERR wrong number of arguments for '%s' command", c->command->name);
}

void args_invalid_expiry(struct call *c)
{
    reply_errorf(c->reply, "ERR invalid expire time in '%s' command", c->command->name);
}

bool args_int32(struct call *c, uint32_t i, int64_t *out, const char *error)
{
    if (!call_int(c, i, out, error))
        return false;
    if (*out >= INT32_MIN && *out <= INT32_MAX)
        return true;
    reply_error(c->reply, error != NULL ? error
                                        : "ERR value is out of range, value must between "
                                          "-2147483648 and 2147483647");
    return false;
}

bool args_negatable(struct call *c, uint32_t i, int64_t *out)
{
    if (!call_int(c, i, out, NULL))
        return false;
    if (*out == INT64_MIN)
        reply_error(c->reply, "ERR value is out of range, value must between "
                              "-9223372036854775807 and 9223372036854775807");
    return *out != INT64_MIN;
}

bool args_draw(struct call *c, const char *option, int64_t *count, bool *with)
{
    if (!args_negatable(c, 2, count))
        return false;
    if (c->argc > 4 || (c->argc == 4 && !args_is(c, 3, option))) {
        reply_error(c->reply, REPLY_SYNTAX);
        return false;
    }
    *with = c->argc == 4;
    if (*with && (*count < -(INT64_MAX / 2) || *count > INT64_MAX / 2)) {
        reply_error(c->reply, "ERR value is out of range");
        return false;
    }
    return true;
}

bool args_peek_db(struct slice text, uint32_t *out)
{
    int64_t n;
    if (!num_parse_i64(text, &n) || n < 0 || n >= option_num(OPT_databases))
        return false;
    *out = (uint32_t)n;
    return true;
}

bool args_positive(struct call *c, uint32_t i, int64_t *out, const char *error)
{
    if (!call_int(c, i, out, error))
        return false;
    if (*out < 1)
        reply_error(c->reply, error);
    return *out >= 1;
}

bool args_db(struct call *c, uint32_t i, uint32_t *out)
{
    int64_t n;
    if (!args_int32(c, i, &n, NULL))
        return false;
    if (args_peek_db(c->argv[i], out))
        return true;
    reply_error(c->reply, "ERR DB index is out of range");
    return false;
}

bool args_expiry(struct call *c, uint32_t i, enum expiry_unit unit, int64_t *at_ms)
{
    int64_t n;
    if (!call_int(c, i, &n, NULL))
        return false;
    bool seconds = unit == EXPIRY_RELATIVE_S || unit == EXPIRY_AT_S;
    bool relative = unit == EXPIRY_RELATIVE_S || unit == EXPIRY_RELATIVE_MS;
    int64_t now = relative ? txn_now(c->txn).ms : 0;
    if (n <= 0 || (seconds && __builtin_mul_overflow(n, (int64_t)1000, &n)) ||
        __builtin_add_overflow(n, now, &n)) {
        args_invalid_expiry(c);
        return false;
    }
    *at_ms = n;
    return true;
}

uint64_t args_string_max(void)
{
    return min_u64(STORE_STRING_MAX, (uint64_t)option_num(OPT_proto_max_bulk_len));
}

bool args_string_fits(struct call *c, uint64_t old_len, uint64_t more)
{
    uint64_t max = args_string_max();
    if (more <= max && old_len <= max - more)
        return true;
    reply_error(c->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

size_t args_reply_limit(void)
{
    int64_t memory = option_num(OPT_maxmemory);
    return memory > 0 ? max_u64((uint64_t)memory / 4, 1024 * 1024) : SIZE_MAX / 4;
}

bool args_reply_fits(struct call *c, size_t mark)
{
    if (LIKELY(c->reply->buf.len - mark <= 1024 * 1024) ||
        c->reply->buf.len - mark <= args_reply_limit())
        return true;
    reply_truncate(c->reply, mark);
    reply_error(c->reply, "OOM the reply would take too much memory");
    return false;
}

bool args_scan_cursor(struct call *c, uint32_t i, struct args_scan *out)
{
    *out = (struct args_scan){.count = 10};
    struct slice text = c->argv[i];
    uint64_t n = 0;
    bool negative = text.len > 0 && text.ptr[0] == '-';
    size_t digits = negative || (text.len > 0 && text.ptr[0] == '+');
    bool valid = text.len != digits || text.len == 0; /* an empty text is a zero */
    for (size_t k = digits; valid && k < text.len; k++) {
        unsigned digit = (unsigned)(unsigned char)text.ptr[k] - '0';
        valid = digit <= 9 && !__builtin_mul_overflow(n, (uint64_t)10, &n) &&
                !__builtin_add_overflow(n, (uint64_t)digit, &n);
    }
    if (!valid)
        reply_error(c->reply, "ERR invalid cursor");
    out->cursor = negative ? 0 - n : n;
    return valid;
}

bool args_scan_options(struct call *c, uint32_t i, bool may_type, struct args_scan *out)
{
    for (; i < c->argc; i += 2) {
        bool valued = i + 1 < c->argc;
        if (valued && args_is(c, i, "count")) {
            int64_t n;
            if (!call_int(c, i + 1, &n, NULL))
                return false;
            if (n < 1) {
                reply_error(c->reply, REPLY_SYNTAX);
                return false;
            }
            out->count = (uint64_t)n;
        } else if (valued && args_is(c, i, "match")) {
            out->pattern = c->argv[i + 1];
            out->has_pattern = !slice_eq(out->pattern, SLICE("*"));
        } else if (valued && may_type && args_is(c, i, "type")) {
            out->type = c->argv[i + 1];
            out->has_type = true;
        } else {
            reply_error(c->reply, REPLY_SYNTAX);
            return false;
        }
    }
    return true;
}

bool args_scan_begin(struct call *c, bool exists, struct args_scan_step *out)
{
    if (exists && !args_scan_options(c, 3, false, &out->options))
        return false;
    reply_init(&out->elements);
    out->elements.proto = c->reply->proto;
    out->bulks = 0;
    return true;
}

void args_scan_end(struct call *c, struct args_scan_step *s, uint64_t cursor)
{
    char digits[NUM_I64_MAX];
    reply_array(c->reply, 2);
    reply_bulk(c->reply, slice_of(digits, num_format_u64(digits, cursor)));
    reply_array(c->reply, s->bulks);
    reply_raw(c->reply, buf_slice(&s->elements.buf));
    reply_fini(&s->elements);
}

bool args_add_float(struct call *c, long double *n, long double by)
{
    *n += by;
    if (!isnan(*n) && !isinf(*n))
        return true;
    reply_error(c->reply, "ERR increment would produce NaN or Infinity");
    return false;
}
