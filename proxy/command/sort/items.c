/* The elements of a SORT: read from a list, set or sorted set, weighed, put into order.
 *
 * Numbers are compared as doubles and then by the bytes of their elements, so the order is total.
 * Texts are compared by bytes; equal ones stay in the order of the source.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/sort/sort.h"
#include "compute/sort_range.h"

#include "store/alloc.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/store.h"
#include "store/zset.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static bool items_fail(struct sort *s, enum sort_failure why)
{
    s->failure = why;
    return false;
}

/* --- Reading --- */

static bool reserve_items(struct sort *s, size_t n)
{
    if (n <= s->cap)
        return true;
    struct sort_item *grown = alloc_try_resize(s->items, n * sizeof(*grown));
    if (grown == NULL)
        return items_fail(s, SORT_OUT_OF_MEMORY);
    s->items = grown;
    s->cap = n;
    return true;
}

/* Copied: the slice may be gone after the call, and numbers are read as C text. */
static bool items_keep(struct sort *s, struct slice element)
{
    must(s->len < s->cap);
    struct sort_item *item = &s->items[s->len];
    *item = (struct sort_item){.number = s->len};
    if (!sort_arena_copy(&s->arena, element, &item->element))
        return items_fail(s, SORT_OUT_OF_MEMORY);
    s->len++;
    return true;
}

static bool keep_element(void *ctx, struct slice element)
{
    return items_keep(ctx, element);
}

static bool keep_member(void *ctx, struct slice member, double score)
{
    (void)score;
    return items_keep(ctx, member);
}

static size_t items_count_of(const struct value *source)
{
    return source == NULL ? 0 : value_ops(source->type)->count(source->object);
}

/* LIMIT, on `n` elements. */
static void set_range(struct sort *s, size_t n)
{
    s->first = s->limit_first < 0 ? 0 : min_u64((uint64_t)s->limit_first, n);
    s->end = n;
    if (s->limit_count >= 0)
        s->end = s->first + min_u64((uint64_t)s->limit_count, n - s->first);
}

/* Lists and sorted sets have an order of their own: of it only what is asked for is read. */
static bool read_in_order(struct sort *s, const struct value *source, size_t count)
{
    size_t n = s->end - s->first;
    size_t from = s->descending ? count - 1 - s->first : s->first;
    s->first = 0;
    s->end = n;
    if (n == 0)
        return true;
    if (!reserve_items(s, n))
        return false;
    if (source->type == VALUE_LIST)
        list_each(source->object, from, n, s->descending, keep_element, s);
    else
        zset_each(source->object, from, n, s->descending, keep_member, s);
    return s->failure == SORT_OK;
}

static bool read_all(struct sort *s, const struct value *source, size_t count)
{
    if (count == 0)
        return true;
    if (!reserve_items(s, count))
        return false;
    if (source->type == VALUE_LIST)
        list_each(source->object, 0, count, false, keep_element, s);
    else if (source->type == VALUE_SET)
        set_each(source->object, keep_element, s);
    else
        zset_each(source->object, 0, count, false, keep_member, s);
    return s->failure == SORT_OK;
}

/* --- Looking up --- */

/* The key, or NULL: absent for sure, or failure. */
static struct sort_name *name_for(struct sort *s, const struct sort_pattern *p,
                                  struct slice element)
{
    size_t len = p->before.len + element.len + p->after.len;
    s->scratch.len = 0;
    if (len > STORE_KEY_MAX)
        return NULL;
    if (!buf_try_reserve(&s->scratch, len)) {
        s->failure = SORT_OUT_OF_MEMORY;
        return NULL;
    }
    buf_append_slice(&s->scratch, p->before);
    buf_append_slice(&s->scratch, element);
    buf_append_slice(&s->scratch, p->after);
    struct slice name = slice_of(s->scratch.data, len);
    bool full;
    struct sort_name *found =
        sort_names_find(&s->names, name, keyspace_hash(s->c->keyspace, s->db, name), &full);
    if (found == NULL)
        s->failure = full ? SORT_TOO_MANY_NAMES : SORT_OUT_OF_MEMORY;
    return found;
}

bool sort_look_up(struct sort *s, const struct sort_pattern *p, struct slice element,
                  struct sort_value *out)
{
    *out = (struct sort_value){.text = element};
    if (p->itself)
        return true;
    struct sort_name *name = p->names ? name_for(s, p, element) : NULL;
    if (name == NULL)
        return false;
    if (name->key == SORT_KEY_UNKNOWN) {
        s->missing++;
        return false;
    }
    bool counts = !s->dry && !name->counted;
    const struct value *v = (counts ? txn_read : txn_peek)(s->c->txn, name->key);
    name->counted |= counts;
    if (v == NULL)
        return false;
    if (p->has_field)
        return v->type == VALUE_HASH && hash_get(v->object, p->field, &out->text);
    out->text = v->str;
    out->blob = v->blob;
    return v->type == VALUE_STRING;
}

/* --- Weighing --- */

/* The whole of a C text as a number, blanks before it and none at all (0) allowed. */
static bool read_number(const char *text, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return *end == '\0' && errno != ERANGE && !isnan(*out);
}

static bool weigh_value(struct sort *s, struct slice text, double *out)
{
    char few[128], *copy = text.len < sizeof(few) ? few : alloc_try(text.len + 1);
    if (copy == NULL)
        return items_fail(s, SORT_OUT_OF_MEMORY);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    bool valid = read_number(copy, out);
    if (copy != few)
        free(copy);
    return valid || items_fail(s, SORT_NOT_NUMBERS);
}

/* The text to compare; as in Redis it ends at a NUL, unless the result is stored. */
static struct slice items_text_of(const struct sort *s, struct slice text)
{
    const char *nul = s->stores || text.len == 0 ? NULL : memchr(text.ptr, '\0', text.len);
    if (text.ptr == NULL)
        text.ptr = ""; /* empty, but there */
    return nul == NULL ? text : slice_of(text.ptr, (size_t)(nul - text.ptr));
}

/* An element without a weight weighs nothing. */
static bool weigh(struct sort *s, struct sort_item *item)
{
    struct sort_value value;
    if (!s->by_pattern) {
        if (s->alpha)
            item->text = items_text_of(s, item->element);
        else if (!read_number(item->element.ptr, &item->weight))
            return items_fail(s, SORT_NOT_NUMBERS);
        return true;
    }
    if (!sort_look_up(s, &s->by, item->element, &value))
        return s->failure == SORT_OK;
    if (!s->alpha)
        return weigh_value(s, value.text, &item->weight);
    item->text = items_text_of(s, value.text);
    return true;
}

static bool weigh_all(struct sort *s)
{
    for (size_t i = 0; i < s->len; i++)
        if (!weigh(s, &s->items[i]))
            return false;
    return true;
}

/* --- Order --- */

static int compare_numbers(const void *a, const void *b, void *ctx)
{
    const struct sort_item *x = a, *y = b;
    const struct sort *s = ctx;
    int order = x->weight < y->weight ? -1 : x->weight > y->weight;
    if (order == 0)
        order = slice_cmp(x->element, y->element);
    if (s->descending)
        order = -order;
    return order != 0 ? order : x->number < y->number ? -1 : x->number > y->number;
}

static int compare_texts(const void *a, const void *b, void *ctx)
{
    const struct sort_item *x = a, *y = b;
    const struct sort *s = ctx;
    int order;
    if (x->text.ptr == NULL || y->text.ptr == NULL)
        order = (x->text.ptr != NULL) - (y->text.ptr != NULL);
    else
        order = slice_cmp(x->text, y->text);
    if (s->descending)
        order = -order;
    return order != 0 ? order : x->number < y->number ? -1 : x->number > y->number;
}

bool sort_order(struct sort *s, const struct value *source)
{
    size_t count = items_count_of(source);
    s->len = 0;
    s->failure = SORT_OK;
    sort_arena_free(&s->arena);
    set_range(s, count);
    if (s->unordered && count > 0 && source->type != VALUE_SET)
        return read_in_order(s, source, count);
    if (!read_all(s, source, count))
        return false;
    bool is_set = count > 0 && source->type == VALUE_SET;
    if (s->unordered && !(is_set && s->stores))
        return true;
    if (s->unordered) { /* what is stored must not depend on the insides of the set */
        s->alpha = true;
        s->by_pattern = false;
    }
    if (!weigh_all(s))
        return false;
    if (s->missing == 0 && count > 0)
        sort_range(s->items, count, sizeof(*s->items), s->first, s->end,
                   s->alpha ? compare_texts : compare_numbers, s);
    return true;
}
