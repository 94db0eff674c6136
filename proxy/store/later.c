/* Freeing what takes long to free, away from the shard's lock.
 *
 * A lock-free stack: pushed one by one, taken as a whole, so no element is ever popped under
 * another thread's eyes. It is bounded; beyond that, and when no memory is left for a note, the
 * releasing thread pays itself.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/shard.h"

#include <stdlib.h>

enum {
    LATER_MAX = 64 * 1024,        /* objects waiting */
    SLOW_BLOB_BYTES = 256 * 1024, /* returning that much to the system takes a while */
    SLOW_ELEMENTS = 64,
};

struct later {
    struct later *next;
    struct content content;
};

static struct later *_Atomic waiting;
static _Atomic size_t waiting_len;

static void free_now(struct content *c)
{
    if (c->object != NULL)
        value_ops(c->type)->free(c->object);
    blob_unref(&c->blob);
    c->object = NULL;
}

static bool is_slow(const struct content *c)
{
    if (c->object != NULL)
        return value_ops(c->type)->count(c->object) > SLOW_ELEMENTS;
    return c->blob->cap > SLOW_BLOB_BYTES;
}

static bool put_off(const struct content *c)
{
    if (atomic_load_explicit(&waiting_len, memory_order_relaxed) >= LATER_MAX)
        return false;
    struct later *l = alloc_try(sizeof(*l));
    if (l == NULL)
        return false;
    l->content = *c;
    atomic_fetch_add_explicit(&waiting_len, 1, memory_order_relaxed);
    l->next = atomic_load_explicit(&waiting, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&waiting, &l->next, l, memory_order_release,
                                                  memory_order_relaxed))
        ;
    return true;
}

void content_release(struct content *c)
{
    if (c->object == NULL && c->blob == NULL)
        return;
    if (!is_slow(c) || !put_off(c))
        free_now(c);
    *c = (struct content){0};
}

size_t store_free_later_run(void)
{
    if (LIKELY(atomic_load_explicit(&waiting, memory_order_relaxed) == NULL))
        return 0;
    struct later *l = atomic_exchange_explicit(&waiting, NULL, memory_order_acquire);
    size_t freed = 0;
    while (l != NULL) {
        struct later *next = l->next;
        free_now(&l->content);
        free(l);
        l = next;
        freed++;
    }
    atomic_fetch_sub_explicit(&waiting_len, freed, memory_order_relaxed);
    return freed;
}
