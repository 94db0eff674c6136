/* See blocking.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/blocking.h"

#include "base/num.h"

#include <math.h>

bool call_timeout(struct call *c, uint32_t i, int64_t *timeout_ms)
{
    long double seconds;
    if (!num_parse_long_double(c->argv[i], &seconds)) {
        reply_error(c->reply, "ERR timeout is not a float or out of range");
        return false;
    }
    long double ms = ceill(seconds * 1000);
    if (ms > (long double)(INT64_MAX / 2000)) {
        reply_error(c->reply, "ERR timeout is out of range");
        return false;
    }
    if (ms < 0) {
        reply_error(c->reply, "ERR timeout is negative");
        return false;
    }
    *timeout_ms = (int64_t)ms;
    return true;
}

static void reply_nothing(struct call *c, enum block_null null)
{
    if (null == BLOCK_NULL_ARRAY)
        reply_null_array(c->reply);
    else
        reply_null(c->reply);
}

void call_block(struct call *c, uint32_t keys_len, enum value_type type, int64_t timeout_ms,
                enum block_null null)
{
    (void)keys_len, (void)type, (void)timeout_ms;
    reply_nothing(c, null);
}
