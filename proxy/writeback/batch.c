/* See batch.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/batch.h"

#include "config/options.h"

#include <stdlib.h>

struct batch *batch_new(uint32_t parts_len)
{
    struct batch *b = calloc(1, sizeof(*b));
    must(b != NULL);
    b->last = &b->first;
    b->parts_len = parts_len;
    b->parts = aligned_alloc(CACHE_LINE, parts_len * sizeof(*b->parts));
    must(b->parts != NULL);
    memset(b->parts, 0, parts_len * sizeof(*b->parts));
    for (uint32_t i = 0; i < parts_len; i++)
        lock_init(&b->parts[i].lock);
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

uint64_t batch_capture(struct batch *b, uint32_t part, struct entry *e, uint64_t weight, bool ahead)
{
    must(part < b->parts_len);
    struct batch_part *mine = &b->parts[part];
    lock_acquire(&mine->lock);
    if (mine->open == NULL)
        mine->open = piece_new();
    uint64_t before = mine->open->payload;
    piece_capture(mine->open, e);
    if (ahead)
        weight += mine->open->payload - before;
    mine->open->weight += weight;
    lock_release(&mine->lock);
    return weight;
}

struct piece *batch_take(struct batch *b)
{
    struct piece *all = NULL;
    for (uint32_t i = 0; i < b->parts_len; i++) {
        struct batch_part *from = &b->parts[i];
        lock_acquire(&from->lock);
        struct piece *p = from->open;
        from->open = NULL;
        lock_release(&from->lock);
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
