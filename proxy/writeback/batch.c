/* See batch.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/batch.h"

#include "config/options.h"
#include "store/alloc.h"

#include <stdlib.h>

struct batch *batch_try_new(uint32_t parts_len) NO_TSA /* the first user */
{
    struct batch *b = alloc_try(sizeof(*b));
    if (b == NULL)
        return NULL;
    *b = (struct batch){.last = &b->first};
    b->parts = alloc_try_aligned(parts_len * sizeof(*b->parts));
    if (b->parts == NULL) {
        batch_free(&b);
        return NULL;
    }
    memset(b->parts, 0, parts_len * sizeof(*b->parts));
    for (uint32_t i = 0; i < parts_len; i++)
        lock_init(&b->parts[i].lock);
    b->parts_len = parts_len;
    for (uint32_t i = 0; i < parts_len && b != NULL; i++) {
        b->parts[i].open = piece_try_new();
        if (b->parts[i].open == NULL)
            batch_free(&b);
    }
    return b;
}

void batch_free(struct batch **bp) NO_TSA /* the last user */
{
    struct batch *b = *bp;
    *bp = NULL;
    if (b == NULL)
        return;
    for (uint32_t i = 0; i < b->parts_len; i++) {
        piece_free(&b->parts[i].open);
        lock_fini(&b->parts[i].lock);
    }
    while (b->first != NULL) {
        struct piece *p = b->first;
        b->first = p->next;
        piece_free(&p);
    }
    free(b->parts);
    free(b);
}

/* The rest of buffer-memory is the backend's and the journal's. */
uint64_t batch_memory(void)
{
    uint64_t share = (uint64_t)option_num(OPT_buffer_memory) / 100 * BUFFER_SHARE_BATCH;
    return min_u64(share, (uint64_t)option_num(OPT_write_batch_bytes));
}

bool batch_capture(struct batch *b, uint32_t part, struct entry *e, uint64_t *weight, bool ahead)
{
    must(part < b->parts_len);
    struct batch_part *mine = &b->parts[part];
    lock_acquire(&mine->lock);
    if (mine->open == NULL)
        mine->open = piece_try_new();
    uint64_t before = mine->open != NULL ? mine->open->payload : 0;
    bool captured = mine->open != NULL && piece_capture(mine->open, e);
    if (captured) {
        if (ahead)
            *weight += mine->open->payload - before;
        mine->open->weight += *weight;
    }
    lock_release(&mine->lock);
    return captured;
}

static struct piece *take_part(struct batch_part *from, bool leaves_another)
{
    lock_acquire(&from->lock);
    struct piece *p = from->open != NULL && from->open->len > 0 ? from->open : NULL;
    struct piece *next = p != NULL && leaves_another ? piece_try_new() : NULL;
    if (p != NULL && leaves_another && next == NULL)
        p = NULL;
    if (p != NULL)
        from->open = next;
    lock_release(&from->lock);
    return p;
}

struct piece *batch_take(struct batch *b, bool last)
{
    struct piece *all = NULL;
    for (uint32_t i = 0; i < b->parts_len; i++) {
        /* The cutter's own can wait for memory. */
        struct piece *p = take_part(&b->parts[i], !last && i < b->parts_len - 1);
        if (all == NULL)
            all = p;
        else if (p != NULL)
            piece_absorb(all, &p);
    }
    return all;
}

void batch_part_size(struct batch *b, uint32_t part, uint32_t *keys, uint64_t *bytes)
{
    struct batch_part *of = &b->parts[part];
    lock_acquire(&of->lock);
    *keys = of->open != NULL ? of->open->len : 0;
    *bytes = of->open != NULL ? of->open->payload : 0;
    lock_release(&of->lock);
}
