/* What a SORT answers: the elements, or what GET names for each, as a reply or as a list to store.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/sort/sort.h"
#include "executor/args.h"

#include "store/list.h"

#include <stdlib.h>

enum { STORE = 1 };

void sort_reply_failure(struct sort *s)
{
    switch (s->failure) {
    case SORT_OUT_OF_MEMORY:
        call_out_of_memory(s->c);
        break;
    case SORT_TOO_MANY_NAMES:
        reply_errorf(s->c->reply, "ERR BY and GET name more than %d keys", SORT_NAMES_MAX);
        break;
    case SORT_NOT_NUMBERS:
        reply_error(s->c->reply, "ERR One or more scores can't be converted into double");
        break;
    case SORT_OK:
        must(false);
    }
}

/* Calls `each` for every value of the result, in order, text.ptr NULL: absent; it returns false to
 * stop. Once a name is missing there is no result, and only names are collected. */
static void each_result(struct sort *s, bool (*each)(void *ctx, const struct sort_value *v),
                        void *ctx)
{
    for (size_t i = s->first; i < s->end; i++) {
        struct sort_value v = {.text = s->items[i].element};
        if (s->gets_len == 0 && !each(ctx, &v))
            return;
        for (uint32_t g = 0; g < s->gets_len; g++) {
            if (!sort_look_up(s, &s->gets[g], s->items[i].element, &v))
                v = (struct sort_value){.text = {NULL, 0}};
            else if (v.text.ptr == NULL)
                v.text.ptr = ""; /* empty, but there */
            if (s->failure != SORT_OK || (s->missing == 0 && !each(ctx, &v)))
                return;
        }
    }
}

static uint64_t result_len(const struct sort *s)
{
    return (uint64_t)(s->end - s->first) * (s->gets_len > 0 ? s->gets_len : 1);
}

/* --- Replying --- */

struct answer {
    struct call *c;
    size_t mark;
    bool too_long;
};

static bool reply_one(void *ctx, const struct sort_value *v)
{
    struct answer *a = ctx;
    if (v->text.ptr == NULL)
        reply_null(a->c->reply);
    else if (v->blob != NULL)
        reply_bulk_blob(a->c->reply, v->blob, v->text);
    else
        reply_bulk(a->c->reply, v->text);
    a->too_long = !args_reply_fits(a->c, a->mark);
    return !a->too_long;
}

static void sort_reply_result(struct sort *s)
{
    struct answer a = {.c = s->c, .mark = s->c->reply->buf.len};
    reply_array(s->c->reply, result_len(s));
    each_result(s, reply_one, &a);
    if (a.too_long || (s->missing == 0 && s->failure == SORT_OK))
        return;
    reply_truncate(s->c->reply, a.mark);
    if (s->missing == 0)
        sort_reply_failure(s);
}

/* --- Storing --- */

struct storing {
    struct sort *s;
    struct list *list;
    uint64_t bytes; /* of the effect */
    bool too_long;
};

static bool push_one(void *ctx, const struct sort_value *v)
{
    struct storing *st = ctx;
    struct slice value = v->text.ptr != NULL ? v->text : SLICE("");
    st->bytes += value.len + 32;
    st->too_long = st->bytes > args_reply_limit() || !txn_effect_fits(st->s->c->txn, st->bytes);
    if (st->too_long)
        return false;
    if (!list_push(&st->list, LIST_TAIL, value))
        st->s->failure = SORT_OUT_OF_MEMORY;
    return st->s->failure == SORT_OK;
}

static void put_list(struct sort *s, struct storing *st)
{
    struct call *c = s->c;
    size_t n = list_count(st->list);
    void *object = st->list;
    if (txn_put_object(c->txn, c->key + STORE, VALUE_LIST, &object) != RC_OK) {
        call_out_of_memory(c);
        return;
    }
    st->list = NULL;
    call_notify(c, NOTIFY_LIST, "sortstore", STORE);
    reply_int(c->reply, (int64_t)n);
}

static void sort_store_nothing(struct sort *s)
{
    struct call *c = s->c;
    if (txn_remove(c->txn, c->key + STORE))
        call_notify(c, NOTIFY_GENERIC, "del", STORE);
    reply_int(c->reply, 0);
}

static void sort_store_result(struct sort *s)
{
    struct storing st = {.s = s};
    if (result_len(s) == 0) {
        sort_store_nothing(s);
        return;
    }
    st.list = list_try_new();
    if (st.list == NULL)
        s->failure = SORT_OUT_OF_MEMORY;
    else
        each_result(s, push_one, &st);
    if (s->missing == 0 && st.too_long)
        reply_error(s->c->reply, "OOM the result would take too much memory");
    else if (s->missing == 0 && s->failure != SORT_OK)
        sort_reply_failure(s);
    else if (s->missing == 0)
        put_list(s, &st);
    if (st.list != NULL)
        list_ops.free(st.list);
}

static bool sort_look_only(void *ctx, const struct sort_value *v)
{
    (void)ctx, (void)v;
    return true;
}

void sort_answer(struct sort *s)
{
    if (s->dry)
        each_result(s, sort_look_only, NULL);
    else if (s->stores)
        sort_store_result(s);
    else
        sort_reply_result(s);
}
