/* A node of a list: a stretch of elements in one block of bytes, with free room at either end.
 *
 *   block:    | free | element | element | ... | free |
 *                    start                     end    cap
 *   element:  varint(length * 4 + flags)  [position, 8 bytes]  value  size of all that, backwards
 *
 * The positions of most nodes are an arithmetic progression and cost nothing: first, first + step,
 * ... A node that was changed in its middle carries them in its elements instead; its step is 0.
 *
 * A node may move when it grows: functions that let it grow take the place of its pointer, and the
 * caller mends the links. Memory is got before anything changes.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef STORE_LIST_NODE_H
#define STORE_LIST_NODE_H

#include "base/slice.h"

/* What write-back knows of an element. */
enum list_flag {
    LIST_CHANGED = 1, /* since the last capture */
    LIST_FRESH = 2,   /* and the backend has nothing at its position, unless that is to be removed
                         first: taking the element away leaves nothing to tell */
    LIST_FLAGS = 3,
};

enum {
    LIST_STEP = 1 << 20,                  /* between neighbours that were pushed */
    LIST_ELEMENT_MAX = (1 << 30) - 1,     /* bytes of a value */
    LIST_NODE_ROOM_MAX = INT32_MAX - 4096 /* bytes of elements */
};

struct list_node {
    struct list_node *prev, *next;
    int64_t first;       /* position of the first element, unless step is 0 */
    uint32_t step;       /* 0: each element has its position with it */
    uint32_t cap;        /* bytes of room */
    uint32_t start, end; /* the elements are bytes[start..end) */
    uint32_t count, changed;
    uint32_t listpack; /* bytes that the elements would take in Redis, for OBJECT ENCODING */
    char bytes[];
};

struct list_element {
    uint32_t at, end; /* the element is bytes[at..end) */
    unsigned flags;
    int64_t position;   /* only set where the node carries positions; see list_node_position() */
    struct slice value; /* valid until the node changes */
};

static inline size_t list_node_memory(const struct list_node *n)
{
    return offsetof(struct list_node, bytes) + n->cap;
}

/* Bytes that the size of an element takes after it. */
static inline uint32_t list_trailer_len(uint32_t size)
{
    return size < 1u << 7 ? 1 : size < 1u << 14 ? 2 : size < 1u << 21 ? 3 : size < 1u << 28 ? 4 : 5;
}

/* Reads the element that begins at `at`, which is before n->end. */
static inline void list_node_read(const struct list_node *n, uint32_t at, struct list_element *out)
{
    out->at = at;
    uint8_t byte = (uint8_t)n->bytes[at++];
    uint64_t head = byte & 127;
    for (unsigned shift = 7; byte >= 128; shift += 7) {
        byte = (uint8_t)n->bytes[at++];
        head |= (uint64_t)(byte & 127) << shift;
    }
    out->flags = (unsigned)head & LIST_FLAGS;
    if (n->step == 0) {
        memcpy(&out->position, n->bytes + at, sizeof(out->position));
        at += (uint32_t)sizeof(out->position);
    }
    out->value = slice_of(n->bytes + at, (size_t)(head >> 2));
    at += (uint32_t)(head >> 2);
    out->end = at + list_trailer_len(at - out->at);
}

/* Where the element that ends at `end` begins; end is after n->start. */
static inline uint32_t list_node_before(const struct list_node *n, uint32_t end)
{
    uint8_t byte = (uint8_t)n->bytes[--end];
    uint32_t size = byte & 127;
    for (unsigned shift = 7; byte >= 128; shift += 7) {
        byte = (uint8_t)n->bytes[--end];
        size |= (uint32_t)(byte & 127) << shift;
    }
    return end - size;
}

/* The position of an element that was read, the one with this index in the node. */
static inline int64_t list_node_position(const struct list_node *n, uint32_t index,
                                         const struct list_element *e)
{
    return n->step == 0 ? e->position
                        : (int64_t)((uint64_t)n->first + (uint64_t)index * (uint64_t)n->step);
}

/* Positions of the ends; the node is not empty. */
int64_t list_node_first(const struct list_node *n);
int64_t list_node_last(const struct list_node *n);

/* Bytes that an element of a node takes, when the node carries positions. */
uint32_t list_element_size(size_t value_len);

/* An empty node with room for one element of that length and `more` bytes; NULL: out of memory. */
struct list_node *list_node_try_new(size_t value_len, uint32_t more);
/* Finds the element with this index. */
void list_node_find(const struct list_node *n, uint32_t index, struct list_element *out);
/* The position of the element with this index, which is computed where it can be. */
int64_t list_node_position_at(const struct list_node *n, uint32_t index);

/* Puts an element before the one with this index (count: at the end). position lies between its
 * neighbours'. False: out of memory, unchanged. */
MUST_CHECK bool list_node_insert(struct list_node **n, uint32_t index, struct slice value,
                                 unsigned flags, int64_t position);
/* Another value for an element; its flags become `flags`. False: out of memory, unchanged. */
MUST_CHECK bool list_node_set(struct list_node **n, uint32_t index, const struct list_element *e,
                              struct slice value, unsigned flags);
/* Takes out the element with this index and sets e->at to where the next one begins. Where the node
 * has no positions of its own and the element is in its middle, those after it move down by one
 * step; list_node_carry_positions() before that avoids it. Needs no memory. */
void list_node_cut(struct list_node *n, uint32_t index, struct list_element *e);
/* From here on the elements carry their positions. False: out of memory, unchanged. */
MUST_CHECK bool list_node_carry_positions(struct list_node **n);
/* New positions: first, first + step, ... Elements also get these flags. Needs no memory. */
void list_node_renumber(struct list_node *n, int64_t first, uint32_t step, unsigned flags);
/* Moves the elements from `index` on to a node of their own; NULL: out of memory, unchanged. */
struct list_node *list_node_try_split(struct list_node *n, uint32_t index);
/* Gives back most of what is not used, if that is much. */
void list_node_trim(struct list_node **n);
/* All elements as the backend has them. */
static inline void list_node_clean(struct list_node *n, const struct list_element *e)
{
    n->bytes[e->at] = (char)((uint8_t)n->bytes[e->at] & (uint8_t)~LIST_FLAGS);
}

#endif
