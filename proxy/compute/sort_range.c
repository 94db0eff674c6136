/* See sort_range.h.
 *
 * Quickselect (Hoare, "Algorithm 65: Find", 1961), twice: first what belongs before `end`, then in
 * that what belongs after `first`. A pivot that is the median of three can still be bad each time;
 * after some rounds the rest is simply sorted, as in introselect (Musser 1997).
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/sort_range.h"

#include <stdlib.h>
#include <string.h>

enum { ITEM_MAX = 128, SMALL = 32 };

struct array {
    char *items;
    size_t bytes; /* of an item */
    int (*compare)(const void *a, const void *b, void *ctx);
    void *ctx;
};

static char *item(const struct array *a, size_t i)
{
    return a->items + i * a->bytes;
}

static bool is_less(const struct array *a, size_t i, size_t k)
{
    return a->compare(item(a, i), item(a, k), a->ctx) < 0;
}

static void swap(const struct array *a, size_t i, size_t k)
{
    char kept[ITEM_MAX];
    memcpy(kept, item(a, i), a->bytes);
    memcpy(item(a, i), item(a, k), a->bytes);
    memcpy(item(a, k), kept, a->bytes);
}

static void range_sort_all(const struct array *a, size_t from, size_t to)
{
    if (to - from > 1)
        qsort_r(item(a, from), to - from, a->bytes, a->compare, a->ctx);
}

/* Moves the median of the first, middle and last item to the front. */
static void choose_pivot(const struct array *a, size_t from, size_t to)
{
    size_t middle = from + (to - from) / 2, last = to - 1;
    if (is_less(a, middle, from))
        swap(a, middle, from);
    if (is_less(a, last, from))
        swap(a, last, from);
    if (is_less(a, last, middle))
        swap(a, last, middle);
    swap(a, from, middle);
}

/* Divides [from, to) into what is less than the pivot, the pivot, and the rest; returns its
 * place. */
static size_t range_divide(const struct array *a, size_t from, size_t to)
{
    size_t low = from, high = to;
    choose_pivot(a, from, to);
    for (;;) {
        while (++low < high && is_less(a, low, from))
            continue;
        while (--high > low && is_less(a, from, high))
            continue;
        if (low >= high)
            break;
        swap(a, low, high);
    }
    swap(a, from, low - 1);
    return low - 1;
}

/* Everything before place `k` becomes less than everything from it on. */
static void select_at(const struct array *a, size_t from, size_t to, size_t k)
{
    unsigned rounds = 0;
    for (size_t n = to - from; n > 0; n /= 2)
        rounds += 2;
    while (k > from && k < to) {
        if (to - from <= SMALL || rounds-- == 0) {
            range_sort_all(a, from, to);
            return;
        }
        size_t pivot = range_divide(a, from, to);
        if (k <= pivot)
            to = pivot;
        else
            from = pivot + 1;
    }
}

void sort_range(void *items, size_t n, size_t item_bytes, size_t first, size_t end,
                int (*compare)(const void *a, const void *b, void *ctx), void *ctx)
{
    struct array a = {items, item_bytes, compare, ctx};
    must(item_bytes <= ITEM_MAX && first <= end && end <= n);
    if (first == end)
        return;
    /* Selecting most of them costs more than it spares. */
    if (end - first > n / 2) {
        range_sort_all(&a, 0, n);
        return;
    }
    select_at(&a, 0, n, end);
    select_at(&a, 0, end, first);
    range_sort_all(&a, first, end);
}
