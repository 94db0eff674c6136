/* Time to live: EXPIRE and its kin, TTL, PERSIST.
 *
 * Whatever way a time was given, PEXPIREAT is what is journalled; a time that has passed deletes
 * the key at once, and DEL is what is journalled.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/args.h"

enum { EXPIRE_NX = 1, EXPIRE_XX = 2, EXPIRE_GT = 4, EXPIRE_LT = 8 };

static bool parse_conditions(struct call *c, unsigned *out)
{
    static const char *const words[] = {"nx", "xx", "gt", "lt"};
    *out = 0;
    for (uint32_t i = 3; i < c->argc; i++) {
        unsigned w = 0;
        while (w < COUNT_OF(words) && !args_is(c, i, words[w]))
            w++;
        if (w == COUNT_OF(words)) {
            struct slice text = c->argv[i];
            int len = (int)min_u64(strnlen(text.ptr, text.len), 128);
            reply_errorf(c->reply, "ERR Unsupported option %.*s", len, text.ptr);
            return false;
        }
        *out |= 1u << w;
    }
    if ((*out & EXPIRE_NX) != 0 && (*out & ~(unsigned)EXPIRE_NX) != 0) {
        reply_error(c->reply,
                    "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((*out & EXPIRE_GT) != 0 && (*out & EXPIRE_LT) != 0) {
        reply_error(c->reply, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* No expiry counts as an infinite one. */
static bool conditions_hold(unsigned conditions, int64_t old_ms, int64_t new_ms)
{
    if ((conditions & EXPIRE_NX) != 0 && old_ms != 0)
        return false;
    if ((conditions & EXPIRE_XX) != 0 && old_ms == 0)
        return false;
    if ((conditions & EXPIRE_GT) != 0 && (old_ms == 0 || new_ms <= old_ms))
        return false;
    return (conditions & EXPIRE_LT) == 0 || old_ms == 0 || new_ms < old_ms;
}

static void expire(struct call *c, enum expiry_unit unit)
{
    unsigned conditions;
    int64_t at_ms;
    if (!parse_conditions(c, &conditions) || !call_int(c, 2, &at_ms, NULL))
        return;
    bool seconds = unit == EXPIRY_RELATIVE_S || unit == EXPIRY_AT_S;
    bool relative = unit == EXPIRY_RELATIVE_S || unit == EXPIRY_RELATIVE_MS;
    int64_t now = txn_now(c->txn).ms;
    /* Times before now are fine here, even before 1970; those that do not fit are not. */
    if ((seconds && __builtin_mul_overflow(at_ms, (int64_t)1000, &at_ms)) ||
        (relative && __builtin_add_overflow(at_ms, now, &at_ms))) {
        args_invalid_expiry(c);
        return;
    }
    const struct value *v = txn_read(c->txn, c->key);
    if (v == NULL || !conditions_hold(conditions, v->expires_at_ms, at_ms)) {
        reply_int(c->reply, 0);
        return;
    }
    if (at_ms <= now) {
        txn_remove(c->txn, c->key);
        call_notify(c, NOTIFY_GENERIC, "del", 0);
    } else if (txn_set_expiry(c->txn, c->key, at_ms) != RC_OK) {
        call_out_of_memory(c);
        return;
    } else {
        call_notify(c, NOTIFY_GENERIC, "expire", 0);
    }
    reply_int(c->reply, 1);
}

void cmd_expire(struct call *c)
{
    expire(c, EXPIRY_RELATIVE_S);
}

void cmd_pexpire(struct call *c)
{
    expire(c, EXPIRY_RELATIVE_MS);
}

void cmd_expireat(struct call *c)
{
    expire(c, EXPIRY_AT_S);
}

void cmd_pexpireat(struct call *c)
{
    expire(c, EXPIRY_AT_MS);
}

void cmd_persist(struct call *c)
{
    const struct value *v = txn_read(c->txn, c->key);
    bool expires = v != NULL && v->expires_at_ms != 0;
    if (expires) {
        must(txn_set_expiry(c->txn, c->key, 0) == RC_OK);
        call_notify(c, NOTIFY_GENERIC, "persist", 0);
    }
    reply_int(c->reply, expires);
}

/* -2: no such key, -1: it never expires; else its expiry, less `base`, in steps of unit_ms. */
static void reply_expiry(struct call *c, int64_t base_ms, int64_t unit_ms)
{
    const struct value *v = txn_read(c->txn, c->key);
    if (v == NULL || v->expires_at_ms == 0) {
        reply_int(c->reply, v == NULL ? -2 : -1);
        return;
    }
    int64_t ms = v->expires_at_ms - base_ms;
    if (ms < 0)
        ms = 0;
    reply_int(c->reply, ms / unit_ms + (ms % unit_ms >= (unit_ms + 1) / 2 && unit_ms > 1));
}

void cmd_ttl(struct call *c)
{
    reply_expiry(c, txn_now(c->txn).ms, 1000);
}

void cmd_pttl(struct call *c)
{
    reply_expiry(c, txn_now(c->txn).ms, 1);
}

void cmd_expiretime(struct call *c)
{
    reply_expiry(c, 0, 1000);
}

void cmd_pexpiretime(struct call *c)
{
    reply_expiry(c, 0, 1);
}
