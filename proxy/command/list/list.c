/* Lists: adding, taking, replacing, asking. What moves between lists or waits for one is in
 * move.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/list/list.h"

bool list_cmd_read(struct call *c, uint32_t i, const struct list **out)
{
    const struct value *v;
    if (!call_read(c, i, VALUE_LIST, &v))
        return false;
    *out = v != NULL ? v->object : NULL;
    return true;
}

/* The list to change; NULL: out of memory, replied. The type was checked. */
static struct list **edit_list(struct call *c)
{
    struct list **l = txn_edit_list(c->txn, c->key, NULL);
    if (l == NULL)
        call_out_of_memory(c);
    return l;
}

static void list_remove_key(struct call *c, uint32_t i)
{
    txn_remove(c->txn, c->key + i);
    call_notify(c, NOTIFY_GENERIC, "del", i);
}

/* --- Pushing --- */

void list_cmd_say_pushed(struct call *c, uint32_t i, const struct list *l, enum list_end end,
                         size_t n)
{
    txn_effect_list_set(c->txn, c->key + i, end == LIST_HEAD ? 0 : list_count(l) - n, n);
}

static void list_push_values(struct call *c, enum list_end end, bool only_existing)
{
    const struct list *present;
    if (!list_cmd_read(c, 0, &present))
        return;
    if (only_existing && present == NULL) {
        reply_int(c->reply, 0);
        return;
    }
    struct list **l = edit_list(c);
    if (l == NULL)
        return;
    uint32_t pushed = (uint32_t)list_push_all(l, end, c->argv + 2, c->argc - 2);
    if (pushed == 0) {
        call_out_of_memory(c);
        return;
    }
    list_cmd_say_pushed(c, 0, *l, end, pushed);
    call_notify(c, NOTIFY_LIST, end == LIST_HEAD ? "lpush" : "rpush", 0);
    if (pushed < c->argc - 2)
        call_out_of_memory(c);
    else
        reply_int(c->reply, (int64_t)list_count(*l));
}

void cmd_lpush(struct call *c)
{
    list_push_values(c, LIST_HEAD, false);
}

void cmd_rpush(struct call *c)
{
    list_push_values(c, LIST_TAIL, false);
}

void cmd_lpushx(struct call *c)
{
    list_push_values(c, LIST_HEAD, true);
}

void cmd_rpushx(struct call *c)
{
    list_push_values(c, LIST_TAIL, true);
}

/* The index of the first element that is the pivot, or none. */
struct pivot {
    struct slice value;
    size_t index;
    bool found;
};

static bool look_for_pivot(void *ctx, struct slice value)
{
    struct pivot *p = ctx;
    p->found = slice_eq(value, p->value);
    p->index += !p->found;
    return !p->found;
}

static struct pivot find_pivot(const struct list *l, struct slice value)
{
    struct pivot p = {.value = value};
    list_each(l, 0, list_count(l), false, look_for_pivot, &p);
    return p;
}

void cmd_linsert(struct call *c)
{
    const struct list *present;
    bool after = args_is(c, 2, "after");
    if (!after && !args_is(c, 2, "before")) {
        reply_error(c->reply, REPLY_SYNTAX);
        return;
    }
    if (!list_cmd_read(c, 0, &present))
        return;
    if (present == NULL) {
        reply_int(c->reply, 0);
        return;
    }
    struct pivot pivot = find_pivot(present, c->argv[3]);
    if (!pivot.found) {
        reply_int(c->reply, -1);
        return;
    }
    struct list **l = edit_list(c);
    if (l == NULL)
        return;
    struct list_span around;
    size_t index = pivot.index + after;
    bool fits = list_has_gap(*l, index, &around);
    bool done = list_insert(l, index, c->argv[4]);
    if (!fits) /* others may have been moved, also in vain */
        txn_effect_list_span(c->txn, c->key, around);
    else if (done)
        txn_effect_list_set(c->txn, c->key, index, 1);
    if (!done) {
        call_out_of_memory(c);
        return;
    }
    call_notify(c, NOTIFY_LIST, "linsert", 0);
    reply_int(c->reply, (int64_t)list_count(*l));
}

/* --- Taking away --- */

void list_cmd_drop_end(struct call *c, uint32_t i, struct list **l, enum list_end end, size_t n)
{
    if (n == 0)
        return;
    size_t count = list_count(*l), first = end == LIST_HEAD ? 0 : count - n;
    struct list_span gone = {list_position(*l, first), list_position(*l, first + n - 1)};
    txn_effect_list_gone(c->txn, c->key + i, &gone, 1);
    list_drop(l, end, n);
}

void list_cmd_drop(struct call *c, uint32_t i, enum list_end end, size_t n)
{
    const struct value *v = txn_peek(c->txn, c->key + i);
    const char *event = end == LIST_HEAD ? "lpop" : "rpop";
    must(v != NULL);
    if (n >= list_count(v->object)) {
        txn_remove(c->txn, c->key + i);
        call_notify(c, NOTIFY_LIST, event, i);
        call_notify(c, NOTIFY_GENERIC, "del", i);
        return;
    }
    struct list **l = txn_edit_list(c->txn, c->key + i, NULL);
    must(l != NULL); /* it exists: this needs no memory */
    list_cmd_drop_end(c, i, l, end, n);
    call_notify(c, NOTIFY_LIST, event, i);
}

static bool reply_element(void *ctx, struct slice value)
{
    reply_bulk(ctx, value);
    return true;
}

void list_cmd_reply_end(struct call *c, const struct list *l, enum list_end end, size_t n)
{
    size_t count = list_count(l);
    reply_array(c->reply, n);
    list_each(l, end == LIST_HEAD ? 0 : count - 1, n, end == LIST_TAIL, reply_element, c->reply);
}

static void list_pop_values(struct call *c, enum list_end end)
{
    static const char negative[] = "ERR value is out of range, must be positive";
    const struct list *l;
    int64_t count = 0;
    bool counted = c->argc == 3;
    if (c->argc > 3) {
        args_wrong_number(c);
        return;
    }
    if (counted && !call_int(c, 2, &count, negative))
        return;
    if (count < 0) {
        reply_error(c->reply, negative);
        return;
    }
    if (!list_cmd_read(c, 0, &l))
        return;
    if (l == NULL) {
        if (counted)
            reply_null_array(c->reply);
        else
            reply_null(c->reply);
        return;
    }
    struct slice value;
    if (!counted) {
        must(list_peek(l, end, &value));
        reply_bulk(c->reply, value);
        list_cmd_drop(c, 0, end, 1);
        return;
    }
    size_t n = min_u64((uint64_t)count, list_count(l));
    list_cmd_reply_end(c, l, end, n);
    if (n > 0)
        list_cmd_drop(c, 0, end, n);
}

void cmd_lpop(struct call *c)
{
    list_pop_values(c, LIST_HEAD);
}

void cmd_rpop(struct call *c)
{
    list_pop_values(c, LIST_TAIL);
}

/* Says which elements LREM is about to remove; neighbours become one span. */
struct lremoval {
    struct call *c;
    struct slice value;
    size_t skip, left;  /* matches */
    size_t index, next; /* of the element that is looked at; where the last span ends */
    size_t len;
    struct list_span spans[64];
};

static void list_say_removal(struct lremoval *r)
{
    txn_effect_list_gone(r->c->txn, r->c->key, r->spans, r->len);
    r->len = 0;
}

static bool list_add_removal(void *ctx, int64_t position, struct slice value)
{
    struct lremoval *r = ctx;
    size_t index = r->index++;
    if (!slice_eq(value, r->value))
        return true;
    if (r->skip > 0) {
        r->skip--;
        return true;
    }
    if (r->len > 0 && r->next == index) {
        r->spans[r->len - 1].last = position;
    } else {
        if (r->len == COUNT_OF(r->spans))
            list_say_removal(r);
        r->spans[r->len++] = (struct list_span){position, position};
    }
    r->next = index + 1;
    return --r->left > 0;
}

static bool count_match(void *ctx, struct slice value)
{
    struct lremoval *r = ctx;
    r->skip += slice_eq(value, r->value);
    return true;
}

/* False: the journal cannot say what is removed, replied. */
static bool may_remove(struct call *c, const struct list *l, int64_t count)
{
    enum { SPAN_FRAME = 64 };
    struct lremoval r = {.value = c->argv[3]};
    if (LIKELY(txn_effect_fits(c->txn, list_count(l) * SPAN_FRAME)))
        return true;
    list_each(l, 0, list_count(l), false, count_match, &r);
    uint64_t most = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
    uint64_t n = count == 0 ? r.skip : min_u64(r.skip, most);
    return call_effect_fits(c, n * SPAN_FRAME);
}

/* False: out of memory. */
static bool remove_matches(struct call *c, struct list **l, int64_t count, size_t *removed)
{
    struct lremoval r;
    if (!list_prepare_removal(l, count, c->argv[3]))
        return false;
    r.c = c;
    r.value = c->argv[3];
    r.skip = r.index = r.next = r.len = 0;
    r.left = count == 0 ? SIZE_MAX : (size_t)(count < 0 ? 0 - (uint64_t)count : (uint64_t)count);
    if (count < 0) { /* the last ones */
        list_each(*l, 0, list_count(*l), false, count_match, &r);
        r.skip = r.skip > r.left ? r.skip - r.left : 0;
    }
    list_each_placed(*l, 0, list_count(*l), list_add_removal, &r);
    list_say_removal(&r);
    *removed = list_remove(l, count, c->argv[3]);
    return true;
}

void cmd_lrem(struct call *c)
{
    const struct list *present;
    int64_t count;
    if (!args_negatable(c, 2, &count))
        return;
    if (!list_cmd_read(c, 0, &present))
        return;
    if (present == NULL || !find_pivot(present, c->argv[3]).found) {
        reply_int(c->reply, 0);
        return;
    }
    if (!may_remove(c, present, count))
        return;
    struct list **l = edit_list(c);
    if (l == NULL)
        return;
    size_t removed;
    if (!remove_matches(c, l, count, &removed)) {
        call_out_of_memory(c);
        return;
    }
    call_notify(c, NOTIFY_LIST, "lrem", 0);
    if (list_count(*l) == 0)
        list_remove_key(c, 0);
    reply_int(c->reply, (int64_t)removed);
}

/* --- Ranges --- */

struct lrange {
    size_t first, n;
};

/* Indices as LRANGE and LTRIM have them, of a list of `count` elements. */
static struct lrange range_of(int64_t start, int64_t stop, size_t count)
{
    int64_t n = (int64_t)count;
    start = start >= 0 ? start : start < -n ? 0 : start + n;
    stop = stop >= n ? n - 1 : stop >= 0 ? stop : stop + n; /* below 0: nothing */
    if (stop < 0 || start > stop)
        return (struct lrange){0, 0};
    return (struct lrange){(size_t)start, (size_t)(stop - start + 1)};
}

void cmd_lrange(struct call *c)
{
    const struct list *l;
    int64_t start, stop;
    if (!call_int(c, 2, &start, NULL) || !call_int(c, 3, &stop, NULL) || !list_cmd_read(c, 0, &l))
        return;
    struct lrange r = range_of(start, stop, l != NULL ? list_count(l) : 0);
    reply_array(c->reply, r.n);
    if (r.n > 0)
        list_each(l, r.first, r.n, false, reply_element, c->reply);
}

void cmd_ltrim(struct call *c)
{
    const struct list *present;
    int64_t start, stop;
    if (!call_int(c, 2, &start, NULL) || !call_int(c, 3, &stop, NULL) ||
        !list_cmd_read(c, 0, &present))
        return;
    if (present != NULL) {
        size_t count = list_count(present);
        struct lrange r = range_of(start, stop, count);
        if (r.n > 0 && r.n < count) {
            struct list **l = edit_list(c);
            if (l == NULL)
                return;
            list_cmd_drop_end(c, 0, l, LIST_TAIL, count - r.first - r.n);
            list_cmd_drop_end(c, 0, l, LIST_HEAD, r.first);
        } else if (r.n == 0) {
            txn_remove(c->txn, c->key);
        } else {
            txn_touch(c->txn, c->key);
        }
        call_notify(c, NOTIFY_LIST, "ltrim", 0);
        if (r.n == 0)
            call_notify(c, NOTIFY_GENERIC, "del", 0);
    }
    reply_ok(c->reply);
}

/* --- One element --- */

void cmd_llen(struct call *c)
{
    const struct list *l;
    if (list_cmd_read(c, 0, &l))
        reply_int(c->reply, l != NULL ? (int64_t)list_count(l) : 0);
}

void cmd_lindex(struct call *c)
{
    const struct list *l;
    int64_t index;
    struct slice value;
    if (!list_cmd_read(c, 0, &l))
        return;
    if (l == NULL) {
        reply_null(c->reply);
        return;
    }
    if (!call_int(c, 2, &index, NULL))
        return;
    if (list_at(l, index, &value))
        reply_bulk(c->reply, value);
    else
        reply_null(c->reply);
}

void cmd_lset(struct call *c)
{
    const struct list *present;
    int64_t index;
    struct slice old;
    if (!list_cmd_read(c, 0, &present))
        return;
    if (present == NULL) {
        reply_error(c->reply, REPLY_NO_KEY);
        return;
    }
    if (!call_int(c, 2, &index, NULL))
        return;
    if (!list_at(present, index, &old)) {
        reply_error(c->reply, REPLY_RANGE);
        return;
    }
    struct list **l = edit_list(c);
    if (l == NULL)
        return;
    if (!list_set(l, index, c->argv[3])) {
        call_out_of_memory(c);
        return;
    }
    size_t at = (size_t)(index < 0 ? index + (int64_t)list_count(*l) : index);
    txn_effect_list_set(c->txn, c->key, at, 1);
    call_notify(c, NOTIFY_LIST, "lset", 0);
    reply_ok(c->reply);
}

/* --- LPOS --- */

struct lsearch {
    struct call *c;
    struct slice value;
    bool backwards, counted;
    uint64_t rank;   /* the first match that counts, from 1 */
    uint64_t wanted; /* matches that count; 0: all */
    uint64_t maxlen; /* elements looked at; 0: all */
    uint64_t index, matches, replied;
    size_t count;
};

static bool look_at(void *ctx, struct slice value)
{
    struct lsearch *s = ctx;
    uint64_t index = s->index++;
    if (!slice_eq(value, s->value) || ++s->matches < s->rank)
        return true;
    reply_int(s->c->reply, (int64_t)(s->backwards ? s->count - index - 1 : index));
    s->replied++;
    return s->replied != s->wanted;
}

static bool parse_rank(struct call *c, uint32_t i, struct lsearch *s)
{
    int64_t rank;
    if (!args_negatable(c, i, &rank))
        return false;
    if (rank == 0) {
        reply_error(c->reply,
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                    "second ... or use negative to start from the end of the list");
        return false;
    }
    s->backwards = rank < 0;
    s->rank = (uint64_t)(rank < 0 ? -rank : rank);
    return true;
}

static bool parse_positive(struct call *c, uint32_t i, uint64_t *out, const char *error)
{
    int64_t n;
    if (!call_int(c, i, &n, error))
        return false;
    if (n < 0)
        reply_error(c->reply, error);
    *out = (uint64_t)n;
    return n >= 0;
}

static bool parse_search(struct call *c, struct lsearch *s)
{
    for (uint32_t i = 3; i < c->argc; i += 2) {
        bool valued = i + 1 < c->argc;
        if (valued && args_is(c, i, "rank")) {
            if (!parse_rank(c, i + 1, s))
                return false;
        } else if (valued && args_is(c, i, "count")) {
            s->counted = true;
            if (!parse_positive(c, i + 1, &s->wanted, "ERR COUNT can't be negative"))
                return false;
        } else if (valued && args_is(c, i, "maxlen")) {
            if (!parse_positive(c, i + 1, &s->maxlen, "ERR MAXLEN can't be negative"))
                return false;
        } else {
            reply_error(c->reply, REPLY_SYNTAX);
            return false;
        }
    }
    return true;
}

void cmd_lpos(struct call *c)
{
    struct lsearch s = {.c = c, .value = c->argv[2], .rank = 1, .wanted = 1};
    const struct list *l;
    if (!parse_search(c, &s) || !list_cmd_read(c, 0, &l))
        return;
    size_t begin = s.counted ? reply_array_begin(c->reply) : 0;
    if (l != NULL) {
        s.count = list_count(l);
        size_t n = s.maxlen > 0 ? min_u64(s.maxlen, s.count) : s.count;
        list_each(l, s.backwards ? s.count - 1 : 0, n, s.backwards, look_at, &s);
    }
    if (s.counted)
        reply_array_end(c->reply, begin, s.replied);
    else if (s.replied == 0)
        reply_null(c->reply);
}
