/* See chains.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/chains.h"

#include <stdlib.h>

enum { FEW = 8, CAP_MIN = 16, CAP_MAX = 1 << 30 };

void chains_fini(struct chains *c)
{
    free(c->buckets);
    *c = (struct chains){0};
}

static void link_node(struct chain_node **bucket, struct chain_node *node)
{
    node->next = *bucket;
    node->link = bucket;
    if (node->next != NULL)
        node->next->link = &node->next;
    *bucket = node;
}

static void move_all(struct chain_node *from, struct chains *to)
{
    while (from != NULL) {
        struct chain_node *next = from->next;
        link_node(chains_bucket(to, from->hash), from);
        from = next;
    }
}

/* Without memory for it, all stays as it is. cap 0: back to the one bucket. */
static void chains_resize(struct chains *c, uint32_t cap)
{
    struct chains to = {.cap = cap, .len = c->len};
    if (cap > 0 && (to.buckets = calloc(cap, sizeof(struct chain_node *))) == NULL)
        return;
    if (cap == 0) { /* its place is in *c */
        struct chain_node **old = c->buckets;
        uint32_t old_cap = c->cap;
        *c = to;
        for (uint32_t i = 0; i < old_cap; i++)
            move_all(old[i], c);
        free(old);
        return;
    }
    move_all(c->few, &to);
    for (uint32_t i = 0; i < c->cap; i++)
        move_all(c->buckets[i], &to);
    free(c->buckets);
    *c = to;
}

void chains_add(struct chains *c, struct chain_node *node)
{
    uint32_t most = c->cap == 0 ? FEW : c->cap;
    if (c->len >= most && c->cap < CAP_MAX)
        chains_resize(c, c->cap == 0 ? CAP_MIN : c->cap * 2);
    link_node(chains_bucket(c, node->hash), node);
    c->len++;
}

void chains_remove(struct chains *c, struct chain_node *node)
{
    *node->link = node->next;
    if (node->next != NULL)
        node->next->link = node->link;
    c->len--;
    if (c->walked)
        return; /* the walk would lose its place */
    if (c->cap > CAP_MIN && c->len < c->cap / 8)
        chains_resize(c, c->cap / 2);
    else if (c->cap == CAP_MIN && c->len == 0)
        chains_resize(c, 0);
}

static struct chain_node *same_hash(struct chain_node *node, uint64_t hash)
{
    while (node != NULL && node->hash != hash)
        node = node->next;
    return node;
}

struct chain_node *chains_first(struct chains *c, uint64_t hash)
{
    return same_hash(*chains_bucket(c, hash), hash);
}

struct chain_node *chains_next(const struct chain_node *node)
{
    return same_hash(node->next, node->hash);
}

void chains_each(struct chains *c, void (*each)(void *ctx, struct chain_node *node), void *ctx)
{
    uint32_t buckets = c->cap == 0 ? 1 : c->cap;
    must(!c->walked);
    c->walked = true;
    for (uint32_t i = 0; i < buckets; i++) {
        struct chain_node *next, *node = c->cap == 0 ? c->few : c->buckets[i];
        for (; node != NULL; node = next) {
            next = node->next;
            each(ctx, node);
        }
    }
    c->walked = false;
}

bool chains_try_put(struct chains **place, struct chain_node *node)
{
    if (*place == NULL && (*place = calloc(1, sizeof(**place))) == NULL)
        return false;
    chains_add(*place, node);
    return true;
}

void chains_take(struct chains **place, struct chain_node *node)
{
    chains_remove(*place, node);
    chains_trim(place);
}

void chains_trim(struct chains **place)
{
    struct chains *c = *place;
    if (c == NULL || c->len > 0 || c->walked)
        return;
    chains_fini(c);
    free(c);
    *place = NULL;
}
