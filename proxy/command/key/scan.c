/* Commands that look at the whole keyspace: SCAN, KEYS, DBSIZE, RANDOMKEY.
 *
 * They have no keys of their own and, outside EXEC, no transaction: a walk goes over the resident
 * entries and then over the backend's, and may have to wait for a page of those. What was collected
 * until then is kept in session->pending; the command is run again and goes on there. A long walk
 * also stands back every few milliseconds so that the worker's other clients are served.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/args.h"

#include "base/glob.h"
#include "base/num.h"

#include <stdlib.h>
#include <xxhash.h>

enum {
    STEP_KEYS = 1000,      /* one step of a walk */
    STEPS_MORE = 8,        /* SCAN: steps that may find less than they look for */
    TURN_US = 10 * 1000,   /* then other clients have their turn */
    SEEN_SLOTS_MIN = 1024, /* a power of two */
};

struct task {
    struct walk *walk;
    uint64_t cursor;
    uint64_t wanted, looked; /* SCAN: keys to look at, and how many that were */
    uint64_t steps, steps_max;
    struct buf keys; /* bulks, as they will be replied */
    uint64_t keys_len;
    struct buf random; /* RANDOMKEY */
    /* KEYS names a key once although the walk may meet it twice (evicted in between, and so found
     * again in the backend): a hash table of places in `keys`, plus one; 0 is empty. */
    uint64_t *seen;
    size_t seen_cap;
    bool failed; /* out of memory, or the reply grows too large */
    /* What to look for; set anew at each run, it points into the request. */
    const struct args_scan *options;
    bool once;
};

static void task_fini(struct task *t)
{
    if (t->walk != NULL)
        walk_free(&t->walk);
    buf_fini(&t->keys);
    buf_fini(&t->random);
    free(t->seen);
}

static void task_free(void *pending)
{
    struct task *t = pending;
    task_fini(t);
    free(t);
}

/* The task that was parked, or a new one; NULL: out of memory, replied. */
static struct task *task_take(struct call *c)
{
    struct session *s = c->session;
    struct task *t = session_take(s);
    if (t != NULL)
        return t;
    t = calloc(1, sizeof(*t));
    if (t != NULL)
        t->walk = walk_new(c->keyspace, s->db);
    if (t == NULL || t->walk == NULL) {
        free(t);
        call_out_of_memory(c);
        return NULL;
    }
    return t;
}

/* SCAN and RANDOMKEY delete what they meet of the expired keys, as in Redis KEYS does not. */
static void scan_note_expired(struct call *c, struct task *t)
{
    if (c->spare != NULL)
        walk_note_expired(t->walk);
}

static void expire_noted(struct call *c, struct task *t)
{
    if (c->spare != NULL)
        walk_expire_noted(t->walk, c->spare);
}

static void task_park(struct call *c, struct task *t)
{
    t->options = NULL;
    session_keep(c->session, t, task_free);
    call_park(c);
}

static struct waiter *task_waiter(struct call *c)
{
    return c->source == CALL_EXEC ? NULL : &c->session->waiter;
}

/* What a step of a walk came to: true when the handler goes on, else it was parked or replied. */
static bool task_goes_on(struct call *c, struct task *t, enum walk_state state,
                         const struct err *err)
{
    if (err->code != RC_OK) {
        reply_errorf(c->reply, "ERR the backend cannot be asked for its keys: %s", err->text);
    } else if (t->failed) {
        reply_error(c->reply, "OOM the reply would take too much memory, use SCAN");
    } else if (state != WALK_PARKED) {
        return true;
    } else if (c->source == CALL_EXEC) {
        reply_error(c->reply, "TRYAGAIN the keys of the backend are not at hand in a transaction");
    } else {
        task_park(c, t);
        return false;
    }
    task_free(t);
    return false;
}

/* --- Collecting keys --- */

static struct slice seen_key(const struct task *t, uint64_t place, size_t len)
{
    return slice_of(t->keys.data + (place - 1), len);
}

static bool seen_grow(struct task *t)
{
    size_t cap = t->seen_cap == 0 ? SEEN_SLOTS_MIN : t->seen_cap * 2;
    uint64_t *slots = calloc(cap, 2 * sizeof(*slots));
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < t->seen_cap; i++) {
        if (t->seen[2 * i] == 0)
            continue;
        size_t at = t->seen[2 * i + 1] & (cap - 1);
        while (slots[2 * at] != 0)
            at = (at + 1) & (cap - 1);
        memcpy(&slots[2 * at], &t->seen[2 * i], 2 * sizeof(*slots));
    }
    free(t->seen);
    t->seen = slots;
    t->seen_cap = cap;
    return true;
}

/* Notes that a key will lie at `place` (plus one) of the reply; false: it lies somewhere already.
 * A slot is the place and the hash; a bulk ends with CRLF, so no key is taken for the beginning of
 * a longer one. */
static bool seen_add(struct task *t, struct slice key, uint64_t place)
{
    if (t->keys_len >= t->seen_cap / 2 && !seen_grow(t)) {
        t->failed = true;
        return false;
    }
    uint64_t hash = XXH3_64bits(key.ptr, key.len);
    size_t at = hash & (t->seen_cap - 1);
    for (; t->seen[2 * at] != 0; at = (at + 1) & (t->seen_cap - 1)) {
        uint64_t other = t->seen[2 * at];
        if (t->seen[2 * at + 1] == hash && t->keys.len - (other - 1) >= key.len + 2 &&
            slice_eq(seen_key(t, other, key.len), key) &&
            slice_eq(seen_key(t, other + key.len, 2), SLICE("\r\n")))
            return false;
    }
    t->seen[2 * at] = place;
    t->seen[2 * at + 1] = hash;
    return true;
}

static size_t bulk_header_len(size_t len)
{
    char digits[NUM_I64_MAX];
    return 1 + num_format_u64(digits, len) + 2;
}

static void scan_collect(void *ctx, struct slice key)
{
    struct task *t = ctx;
    t->looked++;
    if (t->failed || (t->options->has_pattern && !glob_match(t->options->pattern, key, false)))
        return;
    if (t->keys.len + key.len > args_reply_limit() ||
        !buf_try_reserve(&t->keys, key.len + NUM_I64_MAX + 5)) {
        t->failed = true;
        return;
    }
    if (t->once && !seen_add(t, key, t->keys.len + bulk_header_len(key.len) + 1))
        return;
    buf_append_bulk(&t->keys, key);
    t->keys_len++;
}

static bool turn_is_over(struct call *c, struct mono begin)
{
    if (c->source == CALL_EXEC || c->host == NULL || c->host->session_wake_at == NULL)
        return false;
    return clock_mono().us - begin.us >= TURN_US;
}

static void reply_keys(struct call *c, const struct task *t)
{
    reply_array(c->reply, t->keys_len);
    reply_raw(c->reply, buf_slice(&t->keys));
}

/* Steps until the walk has ended, or enough was looked at; false: parked or replied. A walk over
 * little that fits the request takes a few steps more, so that a small keyspace is scanned at once.
 */
static bool collect_keys(struct call *c, struct task *t, enum value_type type)
{
    struct mono begin = clock_mono();
    enum walk_state state = WALK_MORE;
    while (state == WALK_MORE && t->looked < t->wanted && t->steps < t->steps_max) {
        struct err err = {0};
        uint64_t step = min_u64(t->wanted - t->looked, STEP_KEYS);
        state = walk_keys(t->walk, c->txn, &t->cursor, step, type, scan_collect, t, task_waiter(c),
                          &err);
        expire_noted(c, t);
        if (!task_goes_on(c, t, state, &err))
            return false;
        t->steps++;
        if (state == WALK_MORE && turn_is_over(c, begin)) {
            c->host->session_wake_at(c->session, clock_mono());
            task_park(c, t);
            return false;
        }
    }
    return true;
}

/* False: no key has such a type. */
static bool find_type(struct slice name, enum value_type *out)
{
    for (int type = VALUE_STRING; type <= VALUE_STREAM; type++) {
        if (slice_is_word(name, value_type_name((enum value_type)type))) {
            *out = (enum value_type)type;
            return true;
        }
    }
    return false;
}

/* Of a type that does not exist no key is shown, but the walk goes its way. */
static void collect_none(void *ctx, struct slice key)
{
    (void)ctx;
    (void)key;
}

static bool skip_keys(struct call *c, struct task *t)
{
    struct err err = {0};
    enum walk_state state = walk_keys(t->walk, c->txn, &t->cursor, min_u64(t->wanted, STEP_KEYS),
                                      VALUE_NONE, collect_none, t, task_waiter(c), &err);
    expire_noted(c, t);
    return task_goes_on(c, t, state, &err);
}

void cmd_scan(struct call *c)
{
    struct args_scan options;
    enum value_type type = VALUE_NONE;
    if (!args_scan_cursor(c, 1, &options) || !args_scan_options(c, 2, true, &options))
        return;
    bool resumed = c->session->pending != NULL;
    struct task *t = task_take(c);
    if (t == NULL)
        return;
    if (!resumed) {
        t->cursor = options.cursor;
        t->wanted = options.count;
        t->steps_max = STEPS_MORE + options.count / STEP_KEYS;
    }
    t->options = &options;
    scan_note_expired(c, t);
    bool possible = !options.has_type || find_type(options.type, &type);
    if (possible ? !collect_keys(c, t, type) : !skip_keys(c, t))
        return;
    char digits[NUM_I64_MAX];
    reply_array(c->reply, 2);
    reply_bulk(c->reply, slice_of(digits, num_format_u64(digits, t->cursor)));
    reply_keys(c, t);
    task_free(t);
}

void cmd_keys(struct call *c)
{
    struct args_scan options = {.pattern = c->argv[1]};
    options.has_pattern = !slice_eq(options.pattern, SLICE("*"));
    struct task *t = task_take(c);
    if (t == NULL)
        return;
    t->wanted = t->steps_max = UINT64_MAX;
    t->once = true;
    t->options = &options;
    if (!collect_keys(c, t, VALUE_NONE))
        return;
    reply_keys(c, t);
    task_free(t);
}

void cmd_dbsize(struct call *c)
{
    uint64_t size = 0;
    struct err err = {0};
    struct task *t = task_take(c);
    if (t == NULL)
        return;
    if (!task_goes_on(c, t, walk_size(t->walk, &size, task_waiter(c), &err), &err))
        return;
    reply_int(c->reply, (int64_t)size);
    task_free(t);
}

void cmd_randomkey(struct call *c)
{
    bool found = false;
    struct err err = {0};
    struct task *t = task_take(c);
    if (t == NULL)
        return;
    t->random.len = 0;
    scan_note_expired(c, t);
    enum walk_state state = walk_random(t->walk, c->txn, &t->random, &found, task_waiter(c), &err);
    expire_noted(c, t);
    if (!task_goes_on(c, t, state, &err))
        return;
    if (found)
        reply_bulk(c->reply, buf_slice(&t->random));
    else
        reply_null(c->reply);
    task_free(t);
}
