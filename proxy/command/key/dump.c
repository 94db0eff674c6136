/* DUMP and RESTORE: whole values as the payloads of Redis.
 *
 * However a value was restored, "RESTORE key at payload REPLACE ABSTTL" is what is journalled: what
 * the key is from then on, whatever is there when it is replayed.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/args.h"
#include "executor/find_keys.h"

#include "base/num.h"
#include "config/options.h"
#include "keyspace/dump.h"

void cmd_dump(struct call *c)
{
    const struct value *v = txn_read(c->txn, c->key);
    struct buf payload = {0};
    if (v == NULL) {
        reply_null(c->reply);
        return;
    }
    if (value_dump(&payload, v))
        reply_bulk(c->reply, buf_slice(&payload));
    else
        call_out_of_memory(c);
    buf_fini(&payload);
}

struct restore_options {
    bool replace, absttl;
    int64_t idle_seconds, frequency; /* -1: not given */
    int64_t expires_at_ms;           /* 0: never */
};

/* What is overwritten need not be loaded, unless it is about to be deleted: then somebody may want
 * to hear whether it was there. */
int find_keys_restore(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    bool replace = false, absttl = false;
    int64_t ttl;
    for (uint32_t i = 4; i < argc; i++) {
        replace = replace || slice_is_word(argv[i], "replace");
        absttl = absttl || slice_is_word(argv[i], "absttl");
    }
    bool past = absttl && num_parse_i64(argv[2], &ttl) && ttl > 0 && ttl <= clock_wall().ms;
    keys[0].name = argv[1];
    keys[0].mode = replace && !past ? KEY_OVERWRITE : KEY_PLACE;
    return 1;
}

static bool parse_idle(struct call *c, uint32_t i, struct restore_options *o)
{
    if (!call_int(c, i, &o->idle_seconds, NULL))
        return false;
    if (o->idle_seconds < 0)
        reply_error(c->reply, "ERR Invalid IDLETIME value, must be >= 0");
    return o->idle_seconds >= 0;
}

static bool parse_frequency(struct call *c, uint32_t i, struct restore_options *o)
{
    if (!call_int(c, i, &o->frequency, NULL))
        return false;
    bool valid = o->frequency >= 0 && o->frequency <= 255;
    if (!valid)
        reply_error(c->reply, "ERR Invalid FREQ value, must be >= 0 and <= 255");
    return valid;
}

/* IDLETIME and FREQ exclude each other. */
static bool restore_parse_options(struct call *c, struct restore_options *o)
{
    *o = (struct restore_options){.idle_seconds = -1, .frequency = -1};
    for (uint32_t i = 4; i < c->argc; i++) {
        bool valued = i + 1 < c->argc;
        if (args_is(c, i, "replace")) {
            o->replace = true;
        } else if (args_is(c, i, "absttl")) {
            o->absttl = true;
        } else if (args_is(c, i, "idletime") && valued && o->frequency == -1) {
            if (!parse_idle(c, ++i, o))
                return false;
        } else if (args_is(c, i, "freq") && valued && o->idle_seconds == -1) {
            if (!parse_frequency(c, ++i, o))
                return false;
        } else {
            reply_error(c->reply, REPLY_SYNTAX);
            return false;
        }
    }
    return true;
}

static bool parse_ttl(struct call *c, struct restore_options *o)
{
    int64_t ttl;
    if (!call_int(c, 2, &ttl, NULL))
        return false;
    if (ttl < 0) {
        reply_error(c->reply, "ERR Invalid TTL value, must be >= 0");
        return false;
    }
    if (ttl > 0 && !o->absttl && __builtin_add_overflow(ttl, txn_now(c->txn).ms, &ttl)) {
        args_invalid_expiry(c); /* Redis forgets the value here */
        return false;
    }
    o->expires_at_ms = ttl;
    return true;
}

static bool read_payload(struct call *c, struct restored *out)
{
    struct err err;
    int64_t memory = option_num(OPT_maxmemory);
    uint64_t most = memory > 0 ? (uint64_t)memory : UINT64_MAX;
    switch (value_restore(out, c->argv[3], most, &err)) {
    case RC_OK:
        return true;
    case RC_FOREIGN:
        reply_error(c->reply, "ERR DUMP payload version or checksum are wrong");
        return false;
    case RC_NOMEM:
        call_out_of_memory(c);
        return false;
    default:
        reply_error(c->reply, "ERR Bad data format");
        return false;
    }
}

static void effect_restore(struct call *c, const struct restore_options *o)
{
    char digits[NUM_I64_MAX];
    struct slice argv[] = {slice_of(digits, num_format_i64(digits, o->expires_at_ms)), c->argv[3],
                           SLICE("REPLACE"), SLICE("ABSTTL")};
    bool verbatim = o->absttl && o->replace && c->argc == COUNT_OF(argv) + 2;
    if (!verbatim)
        txn_effect(c->txn, c->key, "RESTORE", COUNT_OF(argv), argv);
}

/* Its time is over already: nothing is left under the key, and nobody hears of a new one. */
static void restore_nothing(struct call *c, const struct restore_options *o)
{
    if (o->replace && txn_remove(c->txn, c->key))
        call_notify(c, NOTIFY_GENERIC, "del", 0);
    reply_ok(c->reply);
}

static void restore_value(struct call *c, const struct restore_options *o, struct restored *r)
{
    r->value.expires_at_ms = o->expires_at_ms;
    txn_effect_request(c->txn, c->key); /* the payload is there already */
    if (txn_put_value(c->txn, c->key, &r->value, &r->object) != RC_OK) {
        call_out_of_memory(c);
        return;
    }
    txn_set_use(c->txn, c->key, o->idle_seconds, (int)o->frequency);
    effect_restore(c, o);
    call_notify(c, NOTIFY_GENERIC, "restore", 0);
    reply_ok(c->reply);
}

void cmd_restore(struct call *c)
{
    struct restore_options o;
    struct restored r;
    if (!restore_parse_options(c, &o))
        return;
    if (!o.replace && txn_read(c->txn, c->key) != NULL) {
        reply_error(c->reply, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!parse_ttl(c, &o) || !read_payload(c, &r))
        return;
    if (o.expires_at_ms > 0 && o.expires_at_ms <= txn_now(c->txn).ms)
        restore_nothing(c, &o);
    else if (r.value.type != VALUE_STRING || args_string_fits(c, 0, r.value.str.len))
        restore_value(c, &o, &r);
    restored_fini(&r);
}
