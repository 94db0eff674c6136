/* See list_node.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/list_node.h"

#include "base/num.h"
#include "store/alloc.h"

#include <stdlib.h>

enum {
    HEADER = offsetof(struct list_node, bytes),
    FULL = 8192,      /* bytes of a block that is grown in steps; beyond, it gets what it needs */
    SMALL = 512,      /* bytes that are moved without a thought */
    POSITION_LEN = 8, /* of an element that carries its position */
};

/* --- Bytes --- */

static uint32_t header_len(size_t value_len)
{
    uint64_t head = (uint64_t)value_len << 2;
    uint32_t len = 1;
    for (; head >= 128; head >>= 7)
        len++;
    return len;
}

static uint32_t element_len(size_t value_len, bool positioned)
{
    uint32_t size = header_len(value_len) + (uint32_t)value_len + (positioned ? POSITION_LEN : 0);
    return size + list_trailer_len(size);
}

uint32_t list_element_size(size_t value_len)
{
    return element_len(value_len, true);
}

/* Bytes of the value in a listpack of Redis: numbers are kept as such, and after each element is
 * its size, as here. */
static uint32_t listpack_len(struct slice value)
{
    int64_t n;
    uint32_t len = (uint32_t)value.len;
    if (len > 0 && len <= 20 &&
        (value.ptr[0] == '-' || (value.ptr[0] >= '0' && value.ptr[0] <= '9')) &&
        num_parse_i64(value, &n)) {
        if (n >= 0 && n < 128)
            return 2;
        uint64_t size = n < 0 ? ~(uint64_t)n : (uint64_t)n;
        return size < 1 << 12    ? 3
               : size < 1 << 15  ? 4
               : size < 1 << 23  ? 5
               : size < 1u << 31 ? 6
                                 : 10;
    }
    len += len < 64 ? 1 : len < 4096 ? 2 : 5;
    return len + list_trailer_len(len);
}

/* The size of an element, to be read from its end: the last byte has the lowest bits, and the
 * highest one of each says that there is more before it. */
static void write_trailer(char *at, uint32_t size)
{
    uint32_t len = list_trailer_len(size);
    for (uint32_t i = len; i-- > 0; size >>= 7)
        at[i] = (char)((size & 127) | (i > 0 ? 128 : 0));
}

static void write_element(char *out, struct slice value, unsigned flags, const int64_t *position)
{
    char *at = out;
    uint64_t head = (uint64_t)value.len << 2 | flags;
    for (; head >= 128; head >>= 7)
        *at++ = (char)(head | 128);
    *at++ = (char)head;
    if (position != NULL) {
        memcpy(at, position, sizeof(*position));
        at += sizeof(*position);
    }
    if (value.len > 0)
        memcpy(at, value.ptr, value.len);
    at += value.len;
    write_trailer(at, (uint32_t)(at - out));
}

/* --- Room --- */

static struct list_node *try_alloc(size_t room)
{
    must(room <= LIST_NODE_ROOM_MAX);
    size_t size = alloc_size_class(HEADER + room);
    struct list_node *n = alloc_try(size);
    if (n == NULL)
        return NULL;
    *n = (struct list_node){.cap = (uint32_t)(size - HEADER), .step = LIST_STEP};
    return n;
}

struct list_node *list_node_try_new(size_t value_len, uint32_t more)
{
    return try_alloc(element_len(value_len, false) + (size_t)more);
}

/* What is given to a node that needs `used` bytes, so that growing costs little on the whole. */
static size_t generous(size_t used)
{
    if (HEADER + used > FULL)
        return used + used / 8 <= LIST_NODE_ROOM_MAX ? used + used / 8 : used;
    return HEADER + used + used / 2 > FULL ? FULL - HEADER : used + used / 2;
}

struct cut { /* bytes[at..end) of a node are to become `size` bytes */
    uint32_t at, end, size;
};

static bool into_larger(struct list_node **place, struct cut *cut)
{
    struct list_node *n = *place;
    uint32_t left = cut->at - n->start, right = n->end - cut->end;
    size_t used = (size_t)left + cut->size + right;
    struct list_node *larger = try_alloc(generous(used));
    if (larger == NULL)
        return false;
    uint32_t cap = larger->cap;
    *larger = *n;
    larger->cap = cap;
    /* What grew at its head will do so again. */
    larger->start = left == 0 && right > 0 ? cap - (uint32_t)used : 0;
    larger->end = larger->start + (uint32_t)used;
    memcpy(larger->bytes + larger->start, n->bytes + n->start, left);
    memcpy(larger->bytes + larger->end - right, n->bytes + cut->end, right);
    cut->at = larger->start + left;
    free(n);
    *place = larger;
    return true;
}

/* The same in the block itself, the free room on both sides: only where that is much in relation to
 * what is moved, so that pushing at one end and popping at the other moves each byte twice. */
static void into_middle(struct list_node *n, struct cut *cut)
{
    uint32_t left = cut->at - n->start, right = n->end - cut->end, used = left + cut->size + right;
    uint32_t start = (n->cap - used) / 2;
    char *from = n->bytes + n->start, *to = n->bytes + start;
    if (start > n->start)
        memmove(to + left + cut->size, n->bytes + cut->end, right);
    memmove(to, from, left);
    if (start <= n->start)
        memmove(to + left + cut->size, n->bytes + cut->end, right);
    n->start = start;
    n->end = start + used;
    cut->at = start + left;
}

/* Afterwards cut->at is where the bytes begin. Making smaller never fails. */
static bool node_splice(struct list_node **place, struct cut *cut)
{
    struct list_node *n = *place;
    uint32_t left = cut->at - n->start, right = n->end - cut->end, old = cut->end - cut->at;
    bool at_head = left < right;
    if (cut->size <= old) {
        uint32_t less = old - cut->size;
        if (at_head) {
            memmove(n->bytes + n->start + less, n->bytes + n->start, left);
            n->start += less;
            cut->at += less;
        } else {
            memmove(n->bytes + cut->end - less, n->bytes + cut->end, right);
            n->end -= less;
        }
        return true;
    }
    uint32_t more = cut->size - old, used = n->end - n->start + more;
    if (at_head && n->start >= more) {
        memmove(n->bytes + n->start - more, n->bytes + n->start, left);
        n->start -= more;
        cut->at -= more;
    } else if (!at_head && n->cap - n->end >= more) {
        memmove(n->bytes + cut->end + more, n->bytes + cut->end, right);
        n->end += more;
    } else if (used <= n->cap && (used <= n->cap / 2 || used <= SMALL)) {
        into_middle(n, cut);
    } else {
        return into_larger(place, cut);
    }
    return true;
}

void list_node_trim(struct list_node **place)
{
    struct list_node *n = *place;
    uint32_t used = n->end - n->start;
    size_t size = alloc_size_class(HEADER + (size_t)used + used / 4);
    if (size > list_node_memory(n) / 2 || list_node_memory(n) <= SMALL)
        return;
    memmove(n->bytes, n->bytes + n->start, used);
    n->start = 0;
    n->end = used;
    struct list_node *smaller = alloc_try_resize(n, size);
    if (smaller == NULL)
        return;
    smaller->cap = (uint32_t)(size - HEADER);
    *place = smaller;
}

/* --- Positions --- */

int64_t list_node_first(const struct list_node *n)
{
    if (n->step != 0)
        return n->first;
    struct list_element e;
    list_node_read(n, n->start, &e);
    return e.position;
}

int64_t list_node_last(const struct list_node *n)
{
    struct list_element e = {0};
    if (n->step == 0)
        list_node_read(n, list_node_before(n, n->end), &e);
    return list_node_position(n, n->count - 1, &e);
}

void list_node_find(const struct list_node *n, uint32_t index, struct list_element *out)
{
    if (index < n->count / 2) {
        uint32_t at = n->start;
        for (list_node_read(n, at, out); index > 0; index--)
            list_node_read(n, out->end, out);
    } else {
        uint32_t at = n->end;
        for (; index < n->count; index++)
            at = list_node_before(n, at);
        list_node_read(n, at, out);
    }
}

int64_t list_node_position_at(const struct list_node *n, uint32_t index)
{
    struct list_element e = {0};
    if (n->step == 0)
        list_node_find(n, index, &e);
    return list_node_position(n, index, &e);
}

bool list_node_carry_positions(struct list_node **place)
{
    struct list_node *n = *place;
    struct list_element e = {0};
    size_t used = 0;
    if (n->step == 0)
        return true;
    for (uint32_t at = n->start; at < n->end; at = e.end) {
        list_node_read(n, at, &e);
        used += list_element_size(e.value.len);
    }
    struct list_node *carrier = used <= LIST_NODE_ROOM_MAX ? try_alloc(used) : NULL;
    if (carrier == NULL)
        return false;
    uint32_t cap = carrier->cap, index = 0;
    *carrier = *n;
    carrier->cap = cap;
    carrier->step = 0;
    carrier->start = 0;
    carrier->end = (uint32_t)used;
    char *out = carrier->bytes;
    for (uint32_t at = n->start; at < n->end; at = e.end, index++) {
        list_node_read(n, at, &e);
        int64_t position = list_node_position(n, index, &e);
        write_element(out, e.value, e.flags, &position);
        out += list_element_size(e.value.len);
    }
    free(n);
    *place = carrier;
    return true;
}

void list_node_renumber(struct list_node *n, int64_t first, uint32_t step, unsigned flags)
{
    must(step > 0);
    bool walks = n->step == 0 || flags != 0;
    uint32_t to = walks ? n->start : n->end;
    struct list_element e;
    for (uint32_t at = to; at < n->end; at = e.end) {
        list_node_read(n, at, &e);
        if (n->step == 0) {
            uint32_t head = header_len(e.value.len), size = head + (uint32_t)e.value.len;
            memmove(n->bytes + to, n->bytes + at, head);
            memmove(n->bytes + to + head, e.value.ptr, e.value.len);
            write_trailer(n->bytes + to + size, size);
            n->bytes[to] = (char)((uint8_t)n->bytes[to] | flags);
            to += size + list_trailer_len(size);
        } else {
            n->bytes[at] = (char)((uint8_t)n->bytes[at] | flags);
            to = e.end;
        }
    }
    n->end = to;
    n->first = first;
    n->step = step;
    if ((flags & LIST_CHANGED) != 0)
        n->changed = n->count;
}

/* Whether a node without positions of its own can take this one at that index; it then knows it. */
static bool continues(struct list_node *n, uint32_t index, int64_t position)
{
    uint64_t before = (uint64_t)n->first - (uint64_t)position;
    uint64_t behind = (uint64_t)position - (uint64_t)n->first;
    if (n->count == 0) {
        n->first = position;
        n->step = LIST_STEP;
        return true;
    }
    if (n->step == 0)
        return false;
    if (n->count == 1) { /* any step will do */
        uint64_t step = index == 0 ? before : behind;
        return step > 0 && step <= UINT32_MAX;
    }
    return index == 0          ? before == n->step
           : index == n->count ? behind == (uint64_t)n->count * n->step
                               : false;
}

static void continue_with(struct list_node *n, uint32_t index, int64_t position)
{
    if (n->count == 1)
        n->step = (uint32_t)(index == 0 ? n->first - position : position - n->first);
    if (index == 0)
        n->first = position;
}

/* --- Changing --- */

bool list_node_insert(struct list_node **place, uint32_t index, struct slice value, unsigned flags,
                      int64_t position)
{
    struct list_node *n = *place;
    bool regular = continues(n, index, position);
    if (!regular && n->step != 0) {
        if (!list_node_carry_positions(place))
            return false;
        n = *place;
    }
    struct list_element e = {.at = index == 0 ? n->start : n->end};
    if (index > 0 && index < n->count)
        list_node_find(n, index, &e);
    uint32_t size = element_len(value.len, !regular);
    struct cut cut = {e.at, e.at, size};
    /* An element at either end is put there, whichever side is shorter. */
    if (n->count > 0 && index == n->count && n->cap - n->end >= size) {
        n->end += size;
    } else if (!node_splice(place, &cut)) {
        return false;
    }
    n = *place;
    write_element(n->bytes + cut.at, value, flags, regular ? NULL : &position);
    if (regular && n->count > 0)
        continue_with(n, index, position);
    n->count++;
    n->changed += (flags & LIST_CHANGED) != 0;
    n->listpack += listpack_len(value);
    return true;
}

bool list_node_set(struct list_node **place, uint32_t index, const struct list_element *e,
                   struct slice value, unsigned flags)
{
    struct list_node *n = *place;
    int64_t position = list_node_position(n, index, e);
    bool positioned = n->step == 0;
    uint32_t old = listpack_len(e->value);
    struct cut cut = {e->at, e->end, element_len(value.len, positioned)};
    if (!node_splice(place, &cut))
        return false;
    n = *place;
    n->changed += (flags & LIST_CHANGED) != 0 && (e->flags & LIST_CHANGED) == 0;
    n->listpack += listpack_len(value) - old;
    write_element(n->bytes + cut.at, value, flags, positioned ? &position : NULL);
    return true;
}

void list_node_cut(struct list_node *n, uint32_t index, struct list_element *e)
{
    struct cut cut = {e->at, e->end, 0};
    n->listpack -= listpack_len(e->value);
    n->changed -= (e->flags & LIST_CHANGED) != 0;
    n->count--;
    if (index == 0)
        n->first = (int64_t)((uint64_t)n->first + n->step);
    must(node_splice(&n, &cut));
    e->at = cut.at;
}

struct list_node *list_node_try_split(struct list_node *n, uint32_t index)
{
    struct list_element e;
    must(index > 0 && index < n->count);
    list_node_find(n, index, &e);
    uint32_t at = e.at, len = n->end - at;
    struct list_node *right = try_alloc(len);
    if (right == NULL)
        return NULL;
    right->step = n->step;
    right->first = list_node_position(n, index, &e);
    right->count = n->count - index;
    right->end = len;
    memcpy(right->bytes, n->bytes + at, len);
    for (uint32_t i = 0; i < len; i = e.end) {
        list_node_read(right, i, &e);
        right->changed += (e.flags & LIST_CHANGED) != 0;
        right->listpack += listpack_len(e.value);
    }
    n->end = at;
    n->count = index;
    n->changed -= right->changed;
    n->listpack -= right->listpack;
    return right;
}
