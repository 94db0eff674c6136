/* See list_gone.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/list_gone.h"

#include "store/alloc.h"

#include <stdlib.h>

enum { NEWEST = 2 /* runs that may still grow: a queue is used at two ends */ };

static size_t size_for(uint32_t cap)
{
    return alloc_size_class(sizeof(struct list_gone) + cap * sizeof(struct list_run));
}

static uint32_t newest(const struct list_gone *g)
{
    return g->len > NEWEST ? g->len - NEWEST : 0;
}

static int64_t at(const struct list_run *r, uint32_t i)
{
    return (int64_t)((uint64_t)r->first + (uint64_t)r->step * i);
}

/* Whether the positions continue the run; it then has them. */
static bool extend(struct list_run *r, int64_t first, int64_t step, uint32_t n)
{
    int64_t distance;
    if (r->n > UINT32_MAX - n || __builtin_sub_overflow(first, at(r, r->n - 1), &distance))
        return false;
    if ((r->n > 1 && distance != r->step) || (n > 1 && distance != step))
        return false;
    r->step = distance;
    r->n += n;
    return true;
}

bool list_gone_add(struct list_gone **gone, int64_t first, int64_t step, uint32_t n)
{
    enum { CAP_FIRST = 4 };
    struct list_gone *g = *gone;
    if (g != NULL) {
        for (uint32_t i = g->len; i-- > newest(g);) {
            if (extend(&g->runs[i], first, step, n)) {
                g->positions += n;
                return true;
            }
        }
    }
    if (g == NULL || g->len == g->cap) {
        if (g != NULL && g->cap > UINT32_MAX / 4)
            return false;
        size_t size = size_for(g == NULL ? CAP_FIRST : g->cap * 2);
        struct list_gone *grown = alloc_try_resize(g, size);
        if (grown == NULL)
            return false;
        if (g == NULL)
            grown->len = 0, grown->positions = 0;
        grown->cap = (uint32_t)((size - sizeof(*g)) / sizeof(struct list_run));
        *gone = g = grown;
    }
    g->runs[g->len++] = (struct list_run){first, n > 1 ? step : 0, n};
    g->positions += n;
    return true;
}

bool list_gone_take_back(struct list_gone *g, int64_t position)
{
    for (uint32_t i = g->len; i-- > newest(g);) {
        struct list_run *r = &g->runs[i];
        if (at(r, r->n - 1) != position)
            continue;
        g->positions--;
        if (--r->n == 0) {
            for (g->len--; i < g->len; i++)
                g->runs[i] = g->runs[i + 1];
        } else if (r->n == 1) {
            r->step = 0;
        }
        return true;
    }
    return false;
}

bool list_gone_has(const struct list_gone *g, int64_t position)
{
    for (uint32_t i = 0; i < g->len; i++) {
        const struct list_run *r = &g->runs[i];
        if (r->n == 1 || r->step == 0) {
            if (r->first == position)
                return true;
            continue;
        }
        int64_t low = r->step > 0 ? r->first : at(r, r->n - 1);
        int64_t high = r->step > 0 ? at(r, r->n - 1) : r->first;
        uint64_t step = r->step > 0 ? (uint64_t)r->step : 0 - (uint64_t)r->step;
        if (position >= low && position <= high && ((uint64_t)position - (uint64_t)low) % step == 0)
            return true;
    }
    return false;
}

size_t list_gone_memory(const struct list_gone *g)
{
    return g == NULL ? 0 : size_for(g->cap);
}
