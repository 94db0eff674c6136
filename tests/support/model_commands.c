/* The commands of the model: what each does to the keys, as Redis documents it. Replies are not
 * modelled; a command that is an error for Redis changes nothing here.
 *
 * Every command that reaches a key counts the elements that it names as touched, whether they
 * change or not: rows written are compared with that as an upper bound.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/model.h"

#include "base/num.h"

#include <stdlib.h>

struct run {
    struct model *m;
    uint32_t db, argc;
    const struct text *const *argv;
    bool wrong; /* a key has another type, or an argument is not a number: nothing happens */
};

/* --- Arguments and keys --- */

static bool is_word(const struct run *r, uint32_t i, const char *word)
{
    return i < r->argc && slice_is_word(r->argv[i]->bytes, word);
}

static int64_t number(struct run *r, uint32_t i)
{
    int64_t n = 0;
    if (i >= r->argc || !num_parse_i64(r->argv[i]->bytes, &n))
        r->wrong = true;
    return n;
}

static double score_of(struct run *r, uint32_t i)
{
    double n = 0;
    if (i >= r->argc || !num_parse_double(r->argv[i]->bytes, &n))
        r->wrong = true;
    return n;
}

static const struct text *number_text(int64_t n)
{
    char digits[NUM_I64_MAX];
    return model_text(slice_of(digits, num_format_i64(digits, n)));
}

static struct model_slot *slot_in(struct run *r, uint32_t db, uint32_t i)
{
    int key = i < r->argc && db < MODEL_DBS ? model_key(r->argv[i]) : -1;
    must(key >= 0);
    return &r->m->dbs[db].keys[key];
}

static struct model_slot *slot(struct run *r, uint32_t i)
{
    return slot_in(r, r->db, i);
}

/* The key of argument i, for a command of one type; NULL: r->wrong. */
static struct model_slot *typed(struct run *r, uint32_t i, enum value_type type)
{
    struct model_slot *s = slot(r, i);
    if (s->value != NULL && s->value->type != type)
        r->wrong = true;
    return r->wrong ? NULL : s;
}

static void end_edit(struct model_slot *s)
{
    if (s->value != NULL && s->value->len == 0)
        model_put(s, NULL);
}

static struct model_value *string_new(const struct text *bytes, int64_t expires_at_ms)
{
    struct model_value *v = model_value_new(VALUE_STRING);
    model_value_add(v, NULL, bytes, 0);
    v->expires_at_ms = expires_at_ms;
    return v;
}

/* --- Strings --- */

static void put_string(struct run *r, struct model_slot *s, const struct text *bytes,
                       int64_t expires_at_ms)
{
    bool past = expires_at_ms != 0 && expires_at_ms <= r->m->now_ms;
    model_put(s, past ? NULL : string_new(bytes, expires_at_ms));
}

static void do_set(struct run *r)
{
    struct model_slot *s = slot(r, 1);
    int64_t until = 0;
    for (uint32_t i = 3; i < r->argc; i++) {
        if (is_word(r, i, "nx") && s->value != NULL)
            return;
        if (is_word(r, i, "xx") && s->value == NULL)
            return;
        if (is_word(r, i, "keepttl") && s->value != NULL)
            until = s->value->expires_at_ms;
        if (is_word(r, i, "px"))
            until = r->m->now_ms + number(r, i + 1);
        if (is_word(r, i, "pxat"))
            until = number(r, i + 1);
    }
    put_string(r, s, r->argv[2], until);
}

static void do_setnx(struct run *r)
{
    if (slot(r, 1)->value == NULL)
        put_string(r, slot(r, 1), r->argv[2], 0);
}

static void do_getset(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_STRING);
    if (s != NULL)
        put_string(r, s, r->argv[2], 0);
}

static void do_getdel(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_STRING);
    if (s != NULL && s->value != NULL)
        model_put(s, NULL);
}

static void set_expiry(struct run *r, struct model_slot *s, int64_t expires_at_ms)
{
    if (expires_at_ms != 0 && expires_at_ms <= r->m->now_ms)
        model_put(s, NULL);
    else
        model_own(s)->expires_at_ms = expires_at_ms;
    s->touched++;
}

static void do_getex(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_STRING);
    if (s != NULL && s->value != NULL)
        set_expiry(r, s, is_word(r, 2, "persist") ? 0 : r->m->now_ms + number(r, 3));
}

static void do_append(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_STRING);
    if (s == NULL)
        return;
    static char joined[64 * 1024];
    size_t len = 0;
    const struct text *parts[] = {s->value != NULL ? s->value->elements[0].value : NULL,
                                  r->argv[2]};
    for (int i = 0; i < 2; i++) {
        if (parts[i] == NULL)
            continue;
        must(len + parts[i]->bytes.len <= sizeof(joined));
        memcpy(joined + len, parts[i]->bytes.ptr, parts[i]->bytes.len);
        len += parts[i]->bytes.len;
    }
    int64_t until = s->value != NULL ? s->value->expires_at_ms : 0;
    model_put(s, string_new(model_text(slice_of(joined, len)), until));
}

static void do_incrby(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_STRING);
    int64_t old = 0, by = number(r, 2);
    if (s == NULL || r->wrong)
        return;
    if (s->value != NULL && !num_parse_i64(s->value->elements[0].value->bytes, &old))
        return;
    int64_t until = s->value != NULL ? s->value->expires_at_ms : 0;
    if (!__builtin_add_overflow(old, by, &old))
        model_put(s, string_new(number_text(old), until));
}

static void do_mset(struct run *r)
{
    for (uint32_t i = 1; i + 1 < r->argc; i += 2)
        put_string(r, slot(r, i), r->argv[i + 1], 0);
}

static void do_msetnx(struct run *r)
{
    for (uint32_t i = 1; i + 1 < r->argc; i += 2)
        if (slot(r, i)->value != NULL)
            return;
    do_mset(r);
}

/* --- Hashes, and what they share with sets and sorted sets: elements under names --- */

/* True when it was added. */
static bool put_element(struct model_slot *s, enum value_type type, struct model_element e)
{
    struct model_value *v = model_make(s, type);
    int64_t at = model_value_find(v, e.name);
    s->touched++;
    if (at < 0)
        model_value_insert(v, (uint32_t)(-1 - at), e);
    else
        v->elements[at] = e;
    return at < 0;
}

static bool remove_element(struct model_slot *s, const struct text *name)
{
    int64_t at = s->value != NULL ? model_value_find(s->value, name) : -1;
    if (at < 0)
        return false;
    s->touched++;
    model_value_remove(model_own(s), (uint32_t)at, 1);
    return true;
}

static void remove_named(struct run *r, enum value_type type)
{
    struct model_slot *s = typed(r, 1, type);
    for (uint32_t i = 2; s != NULL && i < r->argc; i++)
        (void)remove_element(s, r->argv[i]);
    if (s != NULL)
        end_edit(s);
}

static void do_hset(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_HASH);
    for (uint32_t i = 2; s != NULL && i + 1 < r->argc; i += 2)
        (void)put_element(s, VALUE_HASH, (struct model_element){r->argv[i], r->argv[i + 1], 0});
}

static void do_hsetnx(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_HASH);
    if (s != NULL && (s->value == NULL || model_value_find(s->value, r->argv[2]) < 0))
        (void)put_element(s, VALUE_HASH, (struct model_element){r->argv[2], r->argv[3], 0});
}

static void do_hdel(struct run *r)
{
    remove_named(r, VALUE_HASH);
}

static void do_hincrby(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_HASH);
    int64_t old = 0, by = number(r, 3);
    if (s == NULL || r->wrong)
        return;
    int64_t at = s->value != NULL ? model_value_find(s->value, r->argv[2]) : -1;
    if (at >= 0 && !num_parse_i64(s->value->elements[at].value->bytes, &old))
        return;
    (void)put_element(s, VALUE_HASH, (struct model_element){r->argv[2], number_text(old + by), 0});
}

/* --- Sets --- */

static void do_sadd(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_SET);
    for (uint32_t i = 2; s != NULL && i < r->argc; i++)
        (void)put_element(s, VALUE_SET, (struct model_element){r->argv[i], NULL, 0});
}

static void do_srem(struct run *r)
{
    remove_named(r, VALUE_SET);
}

static void do_smove(struct run *r)
{
    struct model_slot *from = slot(r, 1), *to = slot(r, 2);
    if (from->value == NULL)
        return;
    if (typed(r, 1, VALUE_SET) == NULL || typed(r, 2, VALUE_SET) == NULL || from == to)
        return;
    if (!remove_element(from, r->argv[3]))
        return;
    end_edit(from);
    (void)put_element(to, VALUE_SET, (struct model_element){r->argv[3], NULL, 0});
}

/* Sets and, where the command takes them, sorted sets among the keys first..argc. */
static bool sources_fit(struct run *r, uint32_t first, uint32_t n, bool zsets)
{
    for (uint32_t i = first; i < first + n; i++) {
        const struct model_value *v = slot(r, i)->value;
        if (v != NULL && v->type != VALUE_SET && !(zsets && v->type == VALUE_ZSET))
            return false;
    }
    return true;
}

enum algebra { UNION, INTER, DIFF };

static double score_in(const struct model_value *v, int64_t at)
{
    return v->type == VALUE_ZSET ? v->elements[at].score : 1;
}

static void combine(struct model_value *out, const struct model_value *v, enum algebra how)
{
    for (uint32_t i = 0; how == UNION && v != NULL && i < v->len; i++) {
        int64_t at = model_value_find(out, v->elements[i].name);
        struct model_element e = {v->elements[i].name, NULL, score_in(v, i)};
        if (at < 0)
            model_value_insert(out, (uint32_t)(-1 - at), e);
        else
            out->elements[at].score += e.score;
    }
    for (uint32_t i = out->len; how != UNION && i-- > 0;) {
        int64_t at = v != NULL ? model_value_find(v, out->elements[i].name) : -1;
        if ((at < 0) == (how == INTER))
            model_value_remove(out, i, 1);
        else if (how == INTER)
            out->elements[i].score += score_in(v, at);
    }
}

static void store_algebra(struct run *r, enum algebra how, enum value_type type, uint32_t first,
                          uint32_t n)
{
    if (!sources_fit(r, first, n, type == VALUE_ZSET))
        return;
    struct model_value *out = model_value_new(type);
    combine(out, slot(r, first)->value, UNION);
    for (uint32_t i = 1; i < n; i++)
        combine(out, slot(r, first + i)->value, how);
    for (uint32_t i = 0; type == VALUE_SET && i < out->len; i++)
        out->elements[i].score = 0;
    struct model_slot *to = slot(r, 1);
    if (out->len == 0)
        model_value_unref(&out);
    if (out != NULL || to->value != NULL)
        model_put(to, out);
}

static void do_sunionstore(struct run *r)
{
    store_algebra(r, UNION, VALUE_SET, 2, r->argc - 2);
}

static void do_sinterstore(struct run *r)
{
    store_algebra(r, INTER, VALUE_SET, 2, r->argc - 2);
}

static void do_sdiffstore(struct run *r)
{
    store_algebra(r, DIFF, VALUE_SET, 2, r->argc - 2);
}

/* --- Sorted sets --- */

static void do_zunionstore(struct run *r)
{
    store_algebra(r, UNION, VALUE_ZSET, 3, (uint32_t)number(r, 2));
}

static void do_zinterstore(struct run *r)
{
    store_algebra(r, INTER, VALUE_ZSET, 3, (uint32_t)number(r, 2));
}

static void do_zdiffstore(struct run *r)
{
    store_algebra(r, DIFF, VALUE_ZSET, 3, (uint32_t)number(r, 2));
}

static void do_zadd(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_ZSET);
    bool nx = is_word(r, 2, "nx"), xx = is_word(r, 2, "xx"), gt = is_word(r, 2, "gt");
    for (uint32_t i = nx || xx || gt ? 3 : 2; s != NULL && i + 1 < r->argc; i += 2) {
        int64_t at = s->value != NULL ? model_value_find(s->value, r->argv[i + 1]) : -1;
        double score = score_of(r, i);
        if ((nx && at >= 0) || (xx && at < 0))
            continue;
        if (gt && at >= 0 && score <= s->value->elements[at].score)
            continue;
        (void)put_element(s, VALUE_ZSET, (struct model_element){r->argv[i + 1], NULL, score});
    }
}

static void do_zincrby(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_ZSET);
    if (s == NULL)
        return;
    int64_t at = s->value != NULL ? model_value_find(s->value, r->argv[3]) : -1;
    double old = at >= 0 ? s->value->elements[at].score : 0;
    (void)put_element(s, VALUE_ZSET,
                      (struct model_element){r->argv[3], NULL, old + score_of(r, 2)});
}

static void do_zrem(struct run *r)
{
    remove_named(r, VALUE_ZSET);
}

static int by_score(const void *a, const void *b)
{
    const struct model_element *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return slice_cmp(x->name->bytes, y->name->bytes);
}

/* Removes the elements with the ranks start..stop. */
static void remove_ranks(struct model_slot *s, int64_t start, int64_t stop)
{
    uint32_t len = s->value->len;
    struct model_element *ranked = calloc(len + 1, sizeof(*ranked));
    must(ranked != NULL);
    memcpy(ranked, s->value->elements, len * sizeof(*ranked));
    qsort(ranked, len, sizeof(*ranked), by_score);
    for (int64_t i = start < 0 ? 0 : start; i <= stop && i < len; i++)
        (void)remove_element(s, ranked[i].name);
    free(ranked);
    end_edit(s);
}

static void pop_ranks(struct run *r, bool max)
{
    struct model_slot *s = typed(r, 1, VALUE_ZSET);
    int64_t n = r->argc > 2 ? number(r, 2) : 1;
    if (s == NULL || s->value == NULL || n == 0)
        return;
    int64_t len = s->value->len;
    remove_ranks(s, max ? len - n : 0, max ? len - 1 : n - 1);
}

static void do_zpopmin(struct run *r)
{
    pop_ranks(r, false);
}

static void do_zpopmax(struct run *r)
{
    pop_ranks(r, true);
}

static int64_t from_end(int64_t i, int64_t len)
{
    return i < 0 ? i + len : i;
}

static void do_zremrangebyrank(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_ZSET);
    if (s == NULL || s->value == NULL)
        return;
    int64_t len = s->value->len;
    remove_ranks(s, from_end(number(r, 2), len), from_end(number(r, 3), len));
}

static void do_zremrangebyscore(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_ZSET);
    double low = score_of(r, 2), high = score_of(r, 3);
    for (uint32_t i = s != NULL && s->value != NULL ? s->value->len : 0; i-- > 0;) {
        const struct model_element *e = &s->value->elements[i];
        if (e->score >= low && e->score <= high)
            (void)remove_element(s, e->name);
    }
    if (s != NULL)
        end_edit(s);
}

/* --- Lists --- */

static void push(struct run *r, bool head, bool only_existing)
{
    struct model_slot *s = typed(r, 1, VALUE_LIST);
    if (s == NULL || (only_existing && s->value == NULL))
        return;
    struct model_value *v = model_make(s, VALUE_LIST);
    for (uint32_t i = 2; i < r->argc; i++, s->touched++)
        model_value_insert(v, head ? 0 : v->len, (struct model_element){NULL, r->argv[i], 0});
}

static void do_lpush(struct run *r)
{
    push(r, true, false);
}

static void do_rpush(struct run *r)
{
    push(r, false, false);
}

static void do_lpushx(struct run *r)
{
    push(r, true, true);
}

static void do_rpushx(struct run *r)
{
    push(r, false, true);
}

static void drop(struct model_slot *s, bool head, int64_t n)
{
    struct model_value *v = model_own(s);
    uint32_t gone = (uint32_t)(n < v->len ? n : v->len);
    model_value_remove(v, head ? 0 : v->len - gone, gone);
    s->touched += gone;
    end_edit(s);
}

static void pop(struct run *r, bool head)
{
    struct model_slot *s = typed(r, 1, VALUE_LIST);
    int64_t n = r->argc > 2 ? number(r, 2) : 1;
    if (s != NULL && s->value != NULL && n > 0)
        drop(s, head, n);
}

static void do_lpop(struct run *r)
{
    pop(r, true);
}

static void do_rpop(struct run *r)
{
    pop(r, false);
}

static void do_lset(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_LIST);
    if (s == NULL || s->value == NULL)
        return;
    int64_t at = from_end(number(r, 2), s->value->len);
    if (r->wrong || at < 0 || at >= s->value->len)
        return;
    model_own(s)->elements[at].value = r->argv[3];
    s->touched++;
}

/* Between two elements there may be no position left: then all of them get new ones. */
static void do_linsert(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_LIST);
    for (uint32_t i = 0; s != NULL && s->value != NULL && i < s->value->len; i++) {
        if (s->value->elements[i].value != r->argv[3])
            continue;
        model_value_insert(model_own(s), is_word(r, 2, "before") ? i : i + 1,
                           (struct model_element){NULL, r->argv[4], 0});
        s->anew++;
        return;
    }
}

static void do_lrem(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_LIST);
    int64_t n = number(r, 2);
    if (s == NULL || s->value == NULL || r->wrong)
        return;
    bool back = n < 0;
    uint64_t left = n == 0 ? UINT64_MAX : back ? (uint64_t)-n : (uint64_t)n;
    for (uint32_t i = back ? s->value->len : 0; left > 0 && (back ? i > 0 : i < s->value->len);) {
        uint32_t at = back ? --i : i;
        if (s->value->elements[at].value != r->argv[3]) {
            i += !back;
            continue;
        }
        model_value_remove(model_own(s), at, 1);
        s->touched++;
        left--;
    }
    end_edit(s);
}

static void do_ltrim(struct run *r)
{
    struct model_slot *s = typed(r, 1, VALUE_LIST);
    if (s == NULL || s->value == NULL)
        return;
    int64_t len = s->value->len;
    int64_t start = from_end(number(r, 2), len), stop = from_end(number(r, 3), len);
    start = start < 0 ? 0 : start;
    stop = stop >= len ? len - 1 : stop;
    if (start > stop) {
        drop(s, true, len);
        return;
    }
    drop(s, false, len - 1 - stop);
    drop(s, true, start);
}

static void move_end(struct run *r, bool from_head, bool to_head)
{
    struct model_slot *from = slot(r, 1), *to = slot(r, 2);
    if (from->value == NULL)
        return;
    if (typed(r, 1, VALUE_LIST) == NULL || typed(r, 2, VALUE_LIST) == NULL)
        return;
    struct model_element e = from->value->elements[from_head ? 0 : from->value->len - 1];
    model_value_remove(model_own(from), from_head ? 0 : from->value->len - 1, 1);
    struct model_value *v = model_make(to, VALUE_LIST);
    model_value_insert(v, to_head ? 0 : v->len, e);
    from->touched++;
    to->touched++;
    end_edit(from);
}

static void do_lmove(struct run *r)
{
    move_end(r, is_word(r, 3, "left"), is_word(r, 4, "left"));
}

static void do_rpoplpush(struct run *r)
{
    move_end(r, false, true);
}

/* LMPOP n key ... LEFT|RIGHT COUNT n */
static void do_lmpop(struct run *r)
{
    uint32_t keys = (uint32_t)number(r, 1);
    for (uint32_t i = 0; i < keys; i++) {
        struct model_slot *s = typed(r, 2 + i, VALUE_LIST);
        if (s == NULL)
            return;
        if (s->value == NULL)
            continue;
        drop(s, is_word(r, 2 + keys, "left"), number(r, 4 + keys));
        return;
    }
}

/* --- Any type --- */

static void do_del(struct run *r)
{
    for (uint32_t i = 1; i < r->argc; i++)
        if (slot(r, i)->value != NULL)
            model_put(slot(r, i), NULL);
}

static void do_unlink(struct run *r)
{
    do_del(r);
}

static void do_pexpire(struct run *r)
{
    struct model_slot *s = slot(r, 1);
    int64_t by = number(r, 2);
    if (s->value != NULL)
        set_expiry(r, s, r->m->now_ms + by);
}

static void do_pexpireat(struct run *r)
{
    struct model_slot *s = slot(r, 1);
    int64_t at = number(r, 2);
    if (s->value != NULL)
        set_expiry(r, s, at);
}

static void do_persist(struct run *r)
{
    if (slot(r, 1)->value != NULL)
        set_expiry(r, slot(r, 1), 0);
}

/* To is another slot. */
static void move_value(struct model_slot *from, struct model_slot *to)
{
    from->value->refs++;
    model_put(to, from->value);
    model_put(from, NULL);
}

static void do_rename(struct run *r)
{
    struct model_slot *from = slot(r, 1), *to = slot(r, 2);
    if (from->value != NULL && from != to)
        move_value(from, to);
}

static void do_renamenx(struct run *r)
{
    if (slot(r, 2)->value == NULL)
        do_rename(r);
}

static void do_copy(struct run *r)
{
    uint32_t db = r->db;
    bool replace = false;
    for (uint32_t i = 3; i < r->argc; i++) {
        if (is_word(r, i, "db"))
            db = (uint32_t)number(r, i + 1);
        replace |= is_word(r, i, "replace");
    }
    struct model_slot *from = slot(r, 1), *to = slot_in(r, db, 2);
    if (from == to || from->value == NULL || (to->value != NULL && !replace))
        return;
    from->value->refs++;
    model_put(to, from->value);
}

static void do_move(struct run *r)
{
    struct model_slot *from = slot(r, 1), *to = slot_in(r, (uint32_t)number(r, 2), 1);
    if (from != to && from->value != NULL && to->value == NULL)
        move_value(from, to);
}

static void do_swapdb(struct run *r)
{
    uint32_t a = (uint32_t)number(r, 1), b = (uint32_t)number(r, 2);
    struct model_db kept = r->m->dbs[a];
    r->m->dbs[a] = r->m->dbs[b];
    r->m->dbs[b] = kept;
}

static void flush(struct run *r, uint32_t db)
{
    struct model_db *d = &r->m->dbs[db];
    for (int k = 0; k < MODEL_KEYS; k++)
        model_value_unref(&d->keys[k].value);
    *d = (struct model_db){.id = r->m->next_id++};
}

static void do_flushdb(struct run *r)
{
    flush(r, r->db);
}

static void do_flushall(struct run *r)
{
    for (uint32_t db = 0; db < MODEL_DBS; db++)
        flush(r, db);
}

/* clang-format off */
#define ROWS(R) \
    R(set) R(setnx) R(getset) R(getdel) R(getex) R(append) R(incrby) R(mset) R(msetnx) \
    R(hset) R(hsetnx) R(hdel) R(hincrby) R(sadd) R(srem) R(smove) R(sunionstore) \
    R(sinterstore) R(sdiffstore) R(zadd) R(zincrby) R(zrem) R(zpopmin) R(zpopmax) \
    R(zremrangebyrank) R(zremrangebyscore) R(zunionstore) R(zinterstore) R(zdiffstore) \
    R(lpush) R(rpush) R(lpushx) R(rpushx) R(lpop) R(rpop) R(lset) R(linsert) R(lrem) \
    R(ltrim) R(lmove) R(rpoplpush) R(lmpop) R(del) R(unlink) R(pexpire) R(pexpireat) \
    R(persist) R(rename) R(renamenx) R(copy) R(move) R(swapdb) R(flushdb) R(flushall)
/* clang-format on */

static const struct row {
    const char *name;
    void (*run)(struct run *r);
} rows[] = {
#define ROW(name) {#name, do_##name},
    ROWS(ROW)
#undef ROW
};

/* Commands whose result is random, or rounding, or geometry: the key (by argument; negative: from
 * the end) is taken over as the server shows it. */
static const struct adopted {
    const char *name;
    int key;
} adopted[] = {
    {"spop", 1},           {"setrange", 1}, {"setbit", 1},      {"bitfield", 1},
    {"bitop", 2},          {"pfadd", 1},    {"pfmerge", 1},     {"geoadd", 1},
    {"geosearchstore", 1}, {"sort", -1},    {"zrangestore", 1}, {"incrbyfloat", 1},
    {"hincrbyfloat", 1},
};

enum model_knows model_run(struct model *m, uint32_t db, uint32_t argc,
                           const struct text *const *argv, int *adopt)
{
    struct run r = {.m = m, .db = db, .argc = argc, .argv = argv};
    model_expire(m);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (slice_is_word(argv[0]->bytes, rows[i].name)) {
            rows[i].run(&r);
            return MODEL_DONE;
        }
    }
    for (size_t i = 0; i < COUNT_OF(adopted); i++) {
        if (slice_is_word(argv[0]->bytes, adopted[i].name)) {
            int at = adopted[i].key < 0 ? (int)argc + adopted[i].key : adopted[i].key;
            *adopt = model_key(argv[at]);
            return MODEL_ADOPT;
        }
    }
    return MODEL_UNKNOWN;
}
