/* See intset.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/intset.h"

#include "store/alloc.h"

#include <assert.h>
#include <stdlib.h>

static_assert(sizeof(struct intset) == 8, "the head has no holes");

static uint8_t width_of(int64_t value)
{
    if (value >= INT16_MIN && value <= INT16_MAX)
        return 2;
    return value >= INT32_MIN && value <= INT32_MAX ? 4 : 8;
}

static inline size_t stride(const struct intset *s)
{
    return s->width + 1u;
}

static inline int64_t intset_load(const char *at, unsigned width)
{
    int64_t wide;
    int32_t middle;
    int16_t narrow;
    if (width == sizeof(narrow)) {
        memcpy(&narrow, at, sizeof(narrow));
        return narrow;
    }
    if (width == sizeof(middle)) {
        memcpy(&middle, at, sizeof(middle));
        return middle;
    }
    memcpy(&wide, at, sizeof(wide));
    return wide;
}

/* The machine is little-endian (table.h insists), so the low bytes come first. */
static inline void intset_store(char *at, unsigned width, int64_t value, unsigned flags)
{
    memcpy(at, &value, width);
    at[width] = (char)flags;
}

static size_t intset_class_of(unsigned width, uint32_t len)
{
    return alloc_size_class(sizeof(struct intset) + len * (width + 1u));
}

struct intset *intset_try_new(void)
{
    struct intset *s = alloc_try(intset_class_of(2, 0));
    if (s != NULL)
        *s = (struct intset){.form = FORM_INTS, .width = 2};
    return s;
}

size_t intset_memory(const struct intset *s)
{
    return intset_class_of(s->width, s->len);
}

int64_t intset_at(const struct intset *s, uint32_t i)
{
    return intset_load(s->bytes + i * stride(s), s->width);
}

unsigned intset_flags(const struct intset *s, uint32_t i)
{
    return (uint8_t)s->bytes[i * stride(s) + s->width];
}

bool intset_find(const struct intset *s, int64_t value, uint32_t *at)
{
    uint32_t from = 0, to = s->len;
    /* Ascending insertion is common. */
    if (to > 0 && value > intset_at(s, to - 1))
        from = to;
    while (from < to) {
        uint32_t middle = (from + to) / 2;
        if (intset_at(s, middle) < value)
            from = middle + 1;
        else
            to = middle;
    }
    *at = from;
    return from < s->len && intset_at(s, from) == value;
}

static void intset_account(struct intset *s, int was, int is)
{
    int live = (is >= 0 && (is & FIELD_DEAD) == 0) - (was >= 0 && (was & FIELD_DEAD) == 0);
    int changed = (is >= 0 && (is & FIELD_CHANGED) != 0) - (was >= 0 && (was & FIELD_CHANGED) != 0);
    s->count = (uint16_t)(s->count + live);
    s->changed = (uint16_t)(s->changed + changed);
}

/* Room for `len` records of this width; those that are there stay as they are. */
static bool intset_resize(struct intset **place, unsigned width, uint32_t len)
{
    struct intset *s = *place;
    size_t class = intset_class_of(width, len);
    if (class == intset_class_of(s->width, s->len))
        return true;
    struct intset *moved = alloc_try_resize(s, class);
    if (moved != NULL)
        *place = moved;
    return moved != NULL;
}

/* From the end, where the wider records reach first. */
static void widen(struct intset *s, unsigned width)
{
    for (uint32_t i = s->len; i-- > 0;)
        intset_store(s->bytes + i * (width + 1u), width, intset_at(s, i), intset_flags(s, i));
    s->width = (uint8_t)width;
}

bool intset_insert(struct intset **place, uint32_t at, int64_t value, unsigned flags)
{
    unsigned width = width_of(value);
    if (width < (*place)->width)
        width = (*place)->width;
    must((*place)->len < INTSET_LEN_MAX && at <= (*place)->len);
    if (!intset_resize(place, width, (*place)->len + 1u))
        return false;
    struct intset *s = *place;
    if (width > s->width)
        widen(s, width);
    char *record = s->bytes + at * stride(s);
    memmove(record + stride(s), record, (s->len - at) * stride(s));
    intset_store(record, width, value, flags);
    s->len++;
    intset_account(s, -1, (int)flags);
    return true;
}

void intset_set_flags(struct intset *s, uint32_t i, unsigned flags)
{
    intset_account(s, (int)intset_flags(s, i), (int)flags);
    s->bytes[i * stride(s) + s->width] = (char)flags;
}

/* After the length went down; a block that is too large is no harm. */
static void shrink(struct intset **place, uint32_t had)
{
    struct intset *s = *place;
    size_t class = intset_class_of(s->width, s->len);
    if (class == intset_class_of(s->width, had))
        return;
    struct intset *moved = alloc_try_resize(s, class);
    if (moved != NULL)
        *place = moved;
}

void intset_cut(struct intset **place, uint32_t i)
{
    struct intset *s = *place;
    intset_account(s, (int)intset_flags(s, i), -1);
    char *record = s->bytes + i * stride(s);
    memmove(record, record + stride(s), (s->len - i - 1u) * stride(s));
    s->len--;
    shrink(place, s->len + 1u);
}

void intset_settle(struct intset **place)
{
    struct intset *s = *place;
    uint32_t had = s->len, to = 0;
    for (uint32_t i = 0; i < had; i++) {
        if ((intset_flags(s, i) & FIELD_DEAD) == 0)
            intset_store(s->bytes + to++ * stride(s), s->width, intset_at(s, i), 0);
    }
    s->len = s->count = (uint16_t)to;
    s->changed = 0;
    shrink(place, had);
}
