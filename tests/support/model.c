/* See model.h: values, copies, comparison. The commands are in model_commands.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/model.h"

#include "base/buf.h"

#include <stdlib.h>

enum { TEXT_BUCKETS = 4096, SHOWN_MAX = 3000 };

/* One is binary, so that it is sorted after the others and stored as a blob. */
const char *const model_key_names[MODEL_KEYS] = {"a", "b", "c", "d\xff", "e"};

static struct text *texts[TEXT_BUCKETS];

const struct text *model_text(struct slice bytes)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ (unsigned char)bytes.ptr[i]) * 16777619u;
    struct text **bucket = &texts[(hash ^ hash >> 15) % TEXT_BUCKETS];
    for (struct text *t = *bucket; t != NULL; t = t->chain)
        if (slice_eq(t->bytes, bytes))
            return t;
    struct text *t = malloc(sizeof(*t) + bytes.len + 1);
    must(t != NULL);
    char *copy = (char *)(t + 1);
    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    *t = (struct text){.chain = *bucket, .bytes = slice_of(copy, bytes.len)};
    *bucket = t;
    return t;
}

void model_forget_texts(void)
{
    for (int i = 0; i < TEXT_BUCKETS; i++) {
        while (texts[i] != NULL) {
            struct text *next = texts[i]->chain;
            free(texts[i]);
            texts[i] = next;
        }
    }
}

int model_key(const struct text *name)
{
    for (int i = 0; i < MODEL_KEYS; i++)
        if (slice_eq(name->bytes, slice_str(model_key_names[i])))
            return i;
    return -1;
}

/* --- Values --- */

struct model_value *model_value_new(enum value_type type)
{
    struct model_value *v = calloc(1, sizeof(*v));
    must(v != NULL);
    v->refs = 1;
    v->type = type;
    return v;
}

void model_value_unref(struct model_value **vp)
{
    struct model_value *v = *vp;
    *vp = NULL;
    if (v == NULL || --v->refs > 0)
        return;
    free(v->elements);
    free(v);
}

static void reserve(struct model_value *v, uint32_t len)
{
    if (len <= v->cap)
        return;
    v->cap = len * 2;
    v->elements = realloc(v->elements, v->cap * sizeof(*v->elements));
    must(v->elements != NULL);
}

void model_value_insert(struct model_value *v, uint32_t at, struct model_element e)
{
    reserve(v, v->len + 1);
    memmove(v->elements + at + 1, v->elements + at, (v->len - at) * sizeof(e));
    v->elements[at] = e;
    v->len++;
}

void model_value_remove(struct model_value *v, uint32_t at, uint32_t n)
{
    memmove(v->elements + at, v->elements + at + n, (v->len - at - n) * sizeof(*v->elements));
    v->len -= n;
}

void model_value_add(struct model_value *v, const struct text *name, const struct text *value,
                     double score)
{
    model_value_insert(v, v->len, (struct model_element){name, value, score});
}

static int by_name(const void *a, const void *b)
{
    const struct model_element *x = a, *y = b;
    return x->name < y->name ? -1 : x->name > y->name;
}

void model_value_sort(struct model_value *v)
{
    if (v->type != VALUE_LIST && v->len > 0)
        qsort(v->elements, v->len, sizeof(*v->elements), by_name);
}

int64_t model_value_find(const struct model_value *v, const struct text *name)
{
    int64_t low = 0, high = v->len;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (v->elements[middle].name == name)
            return middle;
        if (v->elements[middle].name < name)
            low = middle + 1;
        else
            high = middle;
    }
    return -1 - low;
}

bool model_value_equal(const struct model_value *a, const struct model_value *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (a == b)
        return true;
    if (a->type != b->type || a->len != b->len || a->expires_at_ms != b->expires_at_ms)
        return false;
    for (uint32_t i = 0; i < a->len; i++) {
        const struct model_element *x = &a->elements[i], *y = &b->elements[i];
        if (x->name != y->name || x->value != y->value || x->score != y->score)
            return false;
    }
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    const struct model_element *x = a, *y = b;
    return slice_cmp(x->name->bytes, y->name->bytes);
}

/* In an order that does not depend on addresses. */
static void show_elements(struct buf *out, const struct model_value *v)
{
    struct model_element *sorted = calloc(v->len + 1, sizeof(*sorted));
    must(sorted != NULL);
    if (v->len > 0)
        memcpy(sorted, v->elements, v->len * sizeof(*sorted));
    if (v->type != VALUE_LIST && v->type != VALUE_STRING)
        qsort(sorted, v->len, sizeof(*sorted), by_bytes);
    for (uint32_t i = 0; i < v->len && out->len < SHOWN_MAX; i++) {
        const struct model_element *e = &sorted[i];
        buf_append_str(out, i > 0 ? ", " : "");
        if (e->name != NULL)
            buf_append_escaped(out, e->name->bytes, 40);
        if (e->name != NULL && e->value != NULL)
            buf_append_str(out, ": ");
        if (e->value != NULL)
            buf_append_escaped(out, e->value->bytes, 80);
        if (v->type == VALUE_ZSET)
            buf_printf(out, " %.17g", e->score);
    }
    free(sorted);
}

const char *model_value_show(const struct model_value *v)
{
    static char shown[2][SHOWN_MAX + 500];
    static int turn;
    struct buf out = {0};
    char *to = shown[turn = !turn];
    if (v == NULL)
        return "absent";
    buf_printf(&out, "%s of %u {", value_type_name(v->type), v->len);
    show_elements(&out, v);
    buf_append_str(&out, "}");
    if (v->expires_at_ms != 0)
        buf_printf(&out, " until %lld", (long long)v->expires_at_ms);
    size_t len = min_u64(out.len, sizeof(shown[0]) - 1);
    memcpy(to, out.data, len);
    to[len] = '\0';
    buf_fini(&out);
    return to;
}

/* --- Slots and models --- */

struct model_value *model_own(struct model_slot *s)
{
    struct model_value *old = s->value;
    if (old->refs == 1)
        return old;
    struct model_value *own = model_value_new(old->type);
    own->expires_at_ms = old->expires_at_ms;
    reserve(own, old->len + 1);
    if (old->len > 0)
        memcpy(own->elements, old->elements, old->len * sizeof(*own->elements));
    own->len = old->len;
    model_value_unref(&s->value);
    s->value = own;
    return own;
}

struct model_value *model_make(struct model_slot *s, enum value_type type)
{
    if (s->value == NULL)
        model_put(s, model_value_new(type));
    return model_own(s);
}

void model_put(struct model_slot *s, struct model_value *v)
{
    model_value_unref(&s->value);
    s->value = v;
    s->anew++;
}

void model_init(struct model *m)
{
    *m = (struct model){.next_id = MODEL_DBS + 1};
    for (uint64_t i = 0; i < MODEL_DBS; i++)
        m->dbs[i].id = i + 1;
}

void model_clear(struct model *m)
{
    for (int db = 0; db < MODEL_DBS; db++)
        for (int k = 0; k < MODEL_KEYS; k++)
            model_value_unref(&m->dbs[db].keys[k].value);
}

void model_copy(struct model *to, const struct model *from)
{
    *to = *from;
    for (int db = 0; db < MODEL_DBS; db++)
        for (int k = 0; k < MODEL_KEYS; k++)
            if (to->dbs[db].keys[k].value != NULL)
                to->dbs[db].keys[k].value->refs++;
}

void model_expire(struct model *m)
{
    for (int db = 0; db < MODEL_DBS; db++) {
        for (int k = 0; k < MODEL_KEYS; k++) {
            struct model_slot *s = &m->dbs[db].keys[k];
            if (s->value != NULL && s->value->expires_at_ms != 0 &&
                s->value->expires_at_ms <= m->now_ms) {
                m->faded += 1 + s->value->len;
                s->touched += 1 + s->value->len;
                s->expired++;
                model_put(s, NULL);
            }
        }
    }
}
