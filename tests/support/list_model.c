/* See list_model.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/list_model.h"
#include "tests/support/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* --- Values --- */

struct slice list_model_value(unsigned n)
{
    static char text[70000];
    size_t len = (size_t)snprintf(text, sizeof(text), "%u", n);
    if (n % 3 == 0)
        return slice_of(text, len);
    size_t more = n % 997 == 1 ? 9000 : n % 101 == 2 ? 600 : n % 29;
    text[len++] = ':';
    memset(text + len, 'v', more);
    return slice_of(text, len + more);
}

unsigned list_model_number(struct slice value)
{
    char text[16] = {0};
    memcpy(text, value.ptr, value.len < 15 ? value.len : 15);
    unsigned n = (unsigned)strtoul(text, NULL, 10);
    assert_true(slice_eq(value, list_model_value(n)));
    return n;
}

/* --- The model: an array --- */

void list_model_insert(struct list_model *m, size_t index, unsigned value)
{
    assert_true(m->count < LIST_MODEL_MAX && index <= m->count);
    memmove(m->value + index + 1, m->value + index, (m->count - index) * sizeof(*m->value));
    m->value[index] = value;
    m->count++;
}

void list_model_remove(struct list_model *m, size_t index, size_t n)
{
    assert_true(index + n <= m->count);
    memmove(m->value + index, m->value + index + n, (m->count - index - n) * sizeof(*m->value));
    m->count -= n;
}

struct comparing {
    const struct list_model *m;
    size_t index, seen;
    bool reverse;
};

static bool compare(void *ctx, struct slice value)
{
    struct comparing *c = ctx;
    assert_true(c->index < c->m->count);
    assert_int_equal(list_model_number(value), c->m->value[c->index]);
    c->index += c->reverse ? (size_t)-1 : 1;
    c->seen++;
    return true;
}

static void shows_from(const struct list *l, const struct list_model *m, size_t index, size_t n,
                       bool reverse)
{
    struct comparing c = {m, index, 0, reverse};
    list_each(l, index, n, reverse, compare, &c);
    size_t there = reverse ? index + 1 : m->count - index;
    assert_int_equal(c.seen, n < there ? n : there);
}

void list_model_shown(const struct list *l, const struct list_model *m)
{
    assert_int_equal(list_count(l), m->count);
    if (m->count == 0)
        return;
    shows_from(l, m, 0, SIZE_MAX, false);
    shows_from(l, m, m->count - 1, SIZE_MAX, true);
    shows_from(l, m, m->count / 3, 5, false);
    shows_from(l, m, m->count / 3, 5, true);
    struct slice value;
    assert_true(list_at(l, -1, &value));
    assert_int_equal(list_model_number(value), m->value[m->count - 1]);
    assert_true(list_peek(l, LIST_HEAD, &value));
    assert_int_equal(list_model_number(value), m->value[0]);
    assert_false(list_at(l, (int64_t)m->count, &value));
    assert_false(list_at(l, -(int64_t)m->count - 1, &value));
    assert_false(list_at(l, INT64_MIN, &value));
}

/* --- The backend: rows in the order of their positions --- */

static size_t row_place(const struct list_rows *b, int64_t position)
{
    size_t low = 0, high = b->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (b->rows[middle].position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool list_rows_tell(void *rows, struct slice name, struct slice value, int64_t position,
                    double score, bool removed)
{
    struct list_rows *b = rows;
    (void)name, (void)score;
    size_t at = row_place(b, position);
    bool there = at < b->count && b->rows[at].position == position;
    b->told++;
    if (removed) {
        assert_int_equal(b->told, ++b->removed); /* before everything else */
        assert_true(there);
        memmove(b->rows + at, b->rows + at + 1, (b->count - at - 1) * sizeof(*b->rows));
        b->count--;
        return true;
    }
    if (!there) {
        assert_true(b->count < LIST_ROWS_MAX);
        memmove(b->rows + at + 1, b->rows + at, (b->count - at) * sizeof(*b->rows));
        b->count++;
    }
    b->rows[at] = (struct list_row){position, list_model_number(value)};
    return true;
}

void list_rows_capture(struct list **l, struct list_rows *b, bool everything)
{
    struct change_sink sink = {b, list_rows_tell, NULL};
    everything = everything || list_ops.must_replace(*l);
    size_t expected = list_ops.changes(*l, everything);
    b->told = b->removed = 0;
    if (everything)
        b->count = 0;
    void *place = *l;
    capture_whole(VALUE_LIST, &place, everything, sink);
    *l = place;
    assert_int_equal(b->told, expected);
    assert_int_equal(list_ops.changes(*l, false), 0);
    assert_false(list_ops.must_replace(*l));
}

void list_rows_equal(const struct list_rows *b, const struct list_model *m)
{
    assert_int_equal(b->count, m->count);
    for (size_t i = 0; i < m->count; i++)
        assert_int_equal(b->rows[i].value, m->value[i]);
}

struct list *list_rows_load(const struct list_rows *b)
{
    void *object = NULL;
    for (size_t i = 0; i < b->count; i++)
        assert_true(list_ops.load(&object, SLICE(""), list_model_value(b->rows[i].value),
                                  b->rows[i].position, 0));
    assert_int_equal(list_ops.changes(object, false), 0);
    return object;
}
