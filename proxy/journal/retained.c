/* See retained.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/retained.h"

#include <stdlib.h>
#include <sys/mman.h>

void retained_init(struct retained *r, uint64_t record_max)
{
    memset(r, 0, sizeof(*r));
    uint64_t least = record_max + FORMAT_MARKER_BYTES;
    r->chunk_bytes = format_round_up(max_u64(CHUNK_BYTES_MIN, least), FORMAT_PAGE);
    r->pool_len = (uint32_t)max_u64(4, min_u64(RETAINED_BYTES_MAX, RETAINED_RECORDS * record_max) /
                                           r->chunk_bytes);
    r->pool = calloc(r->pool_len, sizeof(*r->pool));
    must(r->pool != NULL);
    for (uint32_t i = r->pool_len; i > 0; i--) {
        r->pool[i - 1].next = r->free;
        r->free = &r->pool[i - 1];
    }
}

void oversize_free(struct oversize *o)
{
    if (o->account != NULL)
        atomic_fetch_sub(o->account, o->head.len);
    for (uint32_t i = 0; i < o->parts_len; i++)
        free(o->memory[i]);
    free(o);
}

void retained_fini(struct retained *r)
{
    if (r->pool == NULL)
        return;
    for (struct chunk *c = r->head, *next; c != NULL; c = next) {
        next = c->next;
        if (c->oversize != NULL)
            oversize_free(c->oversize);
    }
    for (uint32_t i = 0; i < r->pool_len; i++)
        if (r->pool[i].data != NULL)
            munmap(r->pool[i].data, r->chunk_bytes + CHUNK_SLACK);
    free(r->pool);
    memset(r, 0, sizeof(*r));
}

static void link_chunk(struct retained *r, struct chunk *c)
{
    c->next = NULL;
    if (r->tail == NULL)
        r->head = c;
    else
        r->tail->next = c;
    r->tail = c;
}

struct chunk *retained_add(struct retained *r, uint64_t number, uint64_t offset)
{
    struct chunk *c = r->free;
    if (c == NULL)
        return NULL;
    if (c->data == NULL) {
        void *at = mmap(NULL, r->chunk_bytes + CHUNK_SLACK, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED)
            return NULL;
        c->data = at;
        atomic_fetch_add(&r->mapped_bytes, r->chunk_bytes);
    }
    r->free = c->next;
    r->used++;
    char *data = c->data;
    *c = (struct chunk){.number = number, .offset = offset, .data = data};
    link_chunk(r, c);
    return c;
}

void retained_add_oversize(struct retained *r, struct oversize *o)
{
    link_chunk(r, &o->chunk);
}

/* Freed chunks go to the front: those in use stay few, and warm. */
void retained_drop(struct retained *r, uint64_t durable_lsn)
{
    while (r->head != NULL && r->head->last_lsn <= durable_lsn) {
        struct chunk *c = r->head;
        r->head = c->next;
        if (r->head == NULL)
            r->tail = NULL;
        r->bytes -= c->len;
        if (c->oversize != NULL) {
            oversize_free(c->oversize);
            continue;
        }
        c->next = r->free;
        r->free = c;
        r->used--;
    }
}

void retained_shrink(struct retained *r)
{
    struct chunk *keep = r->free;
    for (struct chunk *c = keep == NULL ? NULL : keep->next; c != NULL; c = c->next) {
        if (c->data == NULL)
            continue;
        munmap(c->data, r->chunk_bytes + CHUNK_SLACK);
        c->data = NULL;
        atomic_fetch_sub(&r->mapped_bytes, r->chunk_bytes);
    }
}
