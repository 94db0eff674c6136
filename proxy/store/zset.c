/* The sorted set; see zset.h. Small: one packed block, which is the object itself. Large: the
 * members as fields of a table, their value being the score, and a tree of those that live.
 *
 * What write-back knows of a member is what it knows of a field of a hash (hash.c has the states):
 * a removed member that the backend may have stays, dead, in block or table until the capture. So
 * removing never needs memory, and there is never more than one record of a member.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/zset.h"

#include "store/alloc.h"
#include "store/zset_block.h"
#include "store/zset_tree.h"

#include <math.h>
#include <stdlib.h>

enum { BLOCK_DEAD_MAX = 256 /* dead members make a block slow without being seen */ };

/* What both forms begin with. */
struct zset {
    uint8_t is_tree;  /* how it is kept */
    uint8_t is_large; /* beyond value_limits: what OBJECT ENCODING calls "skiplist" */
};

struct zset_large {
    uint8_t is_tree; /* true */
    uint8_t is_large;
    uint32_t changed; /* members with FIELD_CHANGED, dead ones included */
    struct fields *fields;
    struct zset_tree tree; /* live members */
};

static struct zset_block *block_of(struct zset *z)
{
    return (struct zset_block *)(void *)z;
}

static const struct zset_block *block_in(const struct zset *z)
{
    return (const struct zset_block *)(const void *)z;
}

static struct zset_large *large_of(struct zset *z)
{
    return (struct zset_large *)(void *)z;
}

static const struct zset_large *large_in(const struct zset *z)
{
    return (const struct zset_large *)(const void *)z;
}

static double field_score(const struct field *f)
{
    double score;
    memcpy(&score, f->data + f->name_len, sizeof(score));
    return score;
}

static void set_field_score(struct field *f, double score)
{
    memcpy(f->data + f->name_len, &score, sizeof(score)); /* in place: the field must not move */
}

struct zset *zset_try_new(void)
{
    return (struct zset *)(void *)zset_block_try_new();
}

/* --- Asking --- */

size_t zset_count(const struct zset *z)
{
    return z->is_tree ? large_in(z)->tree.count : block_in(z)->count;
}

bool zset_score(const struct zset *z, struct slice member, double *score)
{
    if (z->is_tree) {
        const struct field *f = fields_find(large_in(z)->fields, member);
        if (f == NULL || f->dead)
            return false;
        *score = field_score(f);
        return true;
    }
    struct zset_item item;
    if (!zset_block_find(block_in(z), member, &item) || (item.flags & FIELD_DEAD) != 0)
        return false;
    *score = item.score;
    return true;
}

bool zset_rank(const struct zset *z, struct slice member, size_t *rank)
{
    if (z->is_tree) {
        const struct field *f = fields_find(large_in(z)->fields, member);
        if (f == NULL || f->dead)
            return false;
        *rank = zset_tree_rank(&large_in(z)->tree, field_score(f), member);
        return true;
    }
    struct zset_item item;
    *rank = 0;
    for (uint32_t at = 0; zset_block_read(block_in(z), at, &item); at = item.end) {
        if ((item.flags & FIELD_DEAD) != 0)
            continue;
        if (slice_eq(item.member, member))
            return true;
        ++*rank;
    }
    return false;
}

size_t zset_below(const struct zset *z, double score, bool inclusive)
{
    if (z->is_tree)
        return zset_tree_below(&large_in(z)->tree, score, inclusive);
    struct zset_item item;
    size_t below = 0;
    for (uint32_t at = 0; zset_block_read(block_in(z), at, &item); at = item.end) {
        if (inclusive ? item.score > score : item.score >= score)
            break;
        below += (item.flags & FIELD_DEAD) == 0;
    }
    return below;
}

size_t zset_below_lex(const struct zset *z, struct slice member, bool inclusive)
{
    if (z->is_tree)
        return zset_tree_below_lex(&large_in(z)->tree, member, inclusive);
    struct zset_item item;
    size_t below = 0;
    for (uint32_t at = 0; zset_block_read(block_in(z), at, &item); at = item.end) {
        if ((item.flags & FIELD_DEAD) != 0)
            continue; /* its score may be another one */
        int order = slice_cmp(item.member, member);
        if (inclusive ? order > 0 : order >= 0)
            break;
        below++;
    }
    return below;
}

/* The live item of a rank that exists. */
static void block_at(const struct zset_block *b, size_t rank, struct zset_item *item)
{
    must(rank < b->count);
    for (uint32_t at = 0; zset_block_read(b, at, item); at = item->end) {
        if ((item->flags & FIELD_DEAD) == 0 && rank-- == 0)
            return;
    }
}

void zset_at(const struct zset *z, size_t rank, struct slice *member, double *score)
{
    if (z->is_tree) {
        *member = field_name(zset_tree_at(&large_in(z)->tree, rank, score));
        return;
    }
    struct zset_item item;
    block_at(block_in(z), rank, &item);
    *member = item.member;
    *score = item.score;
}

/* --- Changing --- */

/* From block to tree; false: out of memory, unchanged. */
static bool become_tree(struct zset **z)
{
    struct zset_block *b = block_of(*z);
    struct zset_large *l = alloc_try(sizeof(*l));
    if (l == NULL)
        return false;
    *l = (struct zset_large){.is_tree = true, .is_large = b->is_large};
    l->fields = fields_try_new();
    bool good = l->fields != NULL;
    struct zset_item item;
    for (uint32_t at = 0; good && zset_block_read(b, at, &item); at = item.end) {
        struct slice value = slice_of(&item.score, sizeof(item.score));
        struct field *f = fields_add(l->fields, item.member, value, item.flags);
        good = f != NULL && (f->dead || zset_tree_insert(&l->tree, item.score, f));
    }
    if (!good) {
        zset_tree_fini(&l->tree);
        fields_free(&l->fields);
        free(l);
        return false;
    }
    l->changed = b->changed;
    free(b);
    *z = (struct zset *)(void *)l;
    return true;
}

/* Whether Redis would go from listpack to skiplist to hold this member too. */
static bool exceeds_limits(size_t count, struct slice member)
{
    size_t value_max =
        atomic_load_explicit(&value_limits.zset_max_listpack_value, memory_order_relaxed);
    size_t entries_max =
        atomic_load_explicit(&value_limits.zset_max_listpack_entries, memory_order_relaxed);
    return member.len > value_max || count + 1 > entries_max;
}

static enum zset_put_result put_in_tree(struct zset_large *l, struct slice member, double score,
                                        bool loading)
{
    struct field *f = fields_find(l->fields, member);
    if (f == NULL) {
        unsigned flags = loading ? 0 : FIELD_CHANGED | FIELD_FRESH;
        f = fields_add(l->fields, member, slice_of(&score, sizeof(score)), flags);
        if (f == NULL)
            return ZSET_OOM;
        if (!zset_tree_insert(&l->tree, score, f)) {
            fields_remove(l->fields, f);
            return ZSET_OOM;
        }
        l->changed += !loading;
        return ZSET_ADDED;
    }
    if (loading && f->changed)
        return ZSET_SAME; /* what happened here is newer */
    double old = field_score(f);
    bool dead = f->dead;
    if (!dead && old == score)
        return ZSET_SAME;
    if (dead ? !zset_tree_insert(&l->tree, score, f) : !zset_tree_move(&l->tree, old, score, f))
        return ZSET_OOM;
    set_field_score(f, score);
    l->changed += !f->changed && !loading;
    if (!loading)
        fields_set_flags(l->fields, f, FIELD_CHANGED | (f->fresh ? FIELD_FRESH : 0));
    return dead ? ZSET_ADDED : ZSET_UPDATED;
}

/* A member that the block has. */
static enum zset_put_result put_again(struct zset_block *b, const struct zset_item *item,
                                      struct slice member, double score, bool loading)
{
    bool dead = (item->flags & FIELD_DEAD) != 0;
    bool changed = (item->flags & FIELD_CHANGED) != 0;
    if ((loading && changed) || (!dead && item->score == score))
        return ZSET_SAME;
    unsigned flags = item->flags & ~(unsigned)FIELD_DEAD;
    zset_block_change(b, item, member, score, loading ? flags : flags | FIELD_CHANGED);
    b->changed = (uint16_t)(b->changed + (!changed && !loading));
    b->dead = (uint16_t)(b->dead - dead);
    b->count = (uint16_t)(b->count + dead);
    return dead ? ZSET_ADDED : ZSET_UPDATED;
}

static enum zset_put_result zset_place(struct zset **z, struct slice member, double score,
                                       bool loading)
{
    score += 0.0; /* -0 becomes 0: SQLite would not keep it, nor does a listpack of Redis */
    if (member.len > FIELD_LEN_MAX - sizeof(score))
        return ZSET_OOM;
    struct zset_item item;
    double present;
    bool there = !(*z)->is_tree && zset_block_find(block_of(*z), member, &item);
    bool large = (*z)->is_large, adds = !there || (item.flags & FIELD_DEAD) != 0;
    if (!large && (*z)->is_tree)
        adds = !zset_score(*z, member, &present);
    if (!large && adds)
        large = exceeds_limits(zset_count(*z), member);
    if (!(*z)->is_tree) {
        struct zset_block *b = block_of(*z);
        if (!large && there)
            return put_again(b, &item, member, score, loading);
        if (!large && b->dead <= BLOCK_DEAD_MAX &&
            zset_block_len_with(b, member.len) <= ZSET_BLOCK_MAX) {
            unsigned flags = loading ? 0 : FIELD_CHANGED | FIELD_FRESH;
            bool done = zset_block_insert(&b, member, score, flags);
            *z = (struct zset *)(void *)b;
            if (!done)
                return ZSET_OOM;
            b->count++;
            b->changed = (uint16_t)(b->changed + !loading);
            return ZSET_ADDED;
        }
        if (!become_tree(z))
            return ZSET_OOM;
    }
    enum zset_put_result result = put_in_tree(large_of(*z), member, score, loading);
    if (result != ZSET_OOM)
        (*z)->is_large = large;
    return result;
}

enum zset_put_result zset_put(struct zset **z, struct slice member, double score)
{
    must(!isnan(score));
    return zset_place(z, member, score, false);
}

/* One that lives, and is in the tree no more. */
static void kill_field(struct zset_large *l, struct field *f)
{
    if (f->fresh) {
        l->changed--;
        fields_remove(l->fields, f);
        return;
    }
    l->changed += !f->changed;
    fields_set_flags(l->fields, f, FIELD_CHANGED | FIELD_DEAD);
}

/* One that lives; the block may move. Returns where the next item is then. */
static uint32_t kill_item(struct zset_block **place, const struct zset_item *item)
{
    struct zset_block *b = *place;
    b->count--;
    if ((item->flags & FIELD_FRESH) != 0) {
        b->changed--;
        zset_block_cut(place, item);
        return item->at;
    }
    b->changed = (uint16_t)(b->changed + ((item->flags & FIELD_CHANGED) == 0));
    b->dead++;
    zset_block_set_flags(b, item, FIELD_CHANGED | FIELD_DEAD);
    return item->end;
}

bool zset_remove(struct zset **z, struct slice member)
{
    if ((*z)->is_tree) {
        struct zset_large *l = large_of(*z);
        struct field *f = fields_find(l->fields, member);
        if (f == NULL || f->dead)
            return false;
        zset_tree_remove(&l->tree, field_score(f), f);
        kill_field(l, f);
        return true;
    }
    struct zset_block *b = block_of(*z);
    struct zset_item item;
    if (!zset_block_find(b, member, &item) || (item.flags & FIELD_DEAD) != 0)
        return false;
    kill_item(&b, &item);
    *z = (struct zset *)(void *)b;
    return true;
}

void zset_remove_ranks(struct zset **z, size_t first, size_t n)
{
    if (n == 0)
        return;
    must(first < zset_count(*z) && n <= zset_count(*z) - first);
    if ((*z)->is_tree) {
        struct zset_large *l = large_of(*z);
        struct field *taken[ZSET_LEAF_MAX];
        while (n > 0) {
            size_t got = zset_tree_take(&l->tree, first, n, taken);
            for (size_t i = 0; i < got; i++)
                kill_field(l, taken[i]);
            n -= got;
        }
        return;
    }
    struct zset_block *b = block_of(*z);
    struct zset_item item;
    block_at(b, first, &item);
    uint32_t at = item.at;
    while (n > 0 && zset_block_read(b, at, &item)) {
        if ((item.flags & FIELD_DEAD) != 0) {
            at = item.end;
            continue;
        }
        at = kill_item(&b, &item);
        n--;
    }
    *z = (struct zset *)(void *)b;
}

/* --- Walking --- */

struct zset_walk {
    bool (*each)(void *ctx, struct slice member, double score);
    void *ctx;
};

static bool walk_field(void *ctx, const struct field *f, double score)
{
    const struct zset_walk *w = ctx;
    return w->each(w->ctx, field_name(f), score);
}

/* Downwards in a block: items can be read only upwards, so their places are noted in batches from
 * the top. */
static void block_each_down(const struct zset_block *b, size_t rank, size_t n,
                            const struct zset_walk *w)
{
    enum { BATCH = 128 };
    uint32_t places[BATCH];
    size_t last = rank + 1; /* ranks below this one are still to come */
    while (n > 0) {
        size_t batch = min_u64(n, BATCH), first = last - batch, live = 0;
        struct zset_item item;
        for (uint32_t at = 0; live < last && zset_block_read(b, at, &item); at = item.end) {
            if ((item.flags & FIELD_DEAD) != 0)
                continue;
            if (live >= first)
                places[live - first] = at;
            live++;
        }
        for (size_t i = batch; i-- > 0;) {
            if (!zset_block_read(b, places[i], &item) || !w->each(w->ctx, item.member, item.score))
                return;
        }
        n -= batch;
        last = first;
    }
}

void zset_each(const struct zset *z, size_t rank, size_t n, bool reverse,
               bool (*each)(void *ctx, struct slice member, double score), void *ctx)
{
    struct zset_walk w = {each, ctx};
    if (n == 0)
        return;
    must(rank < zset_count(z) && n <= (reverse ? rank + 1 : zset_count(z) - rank));
    if (z->is_tree) {
        zset_tree_each(&large_in(z)->tree, rank, n, reverse, walk_field, &w);
    } else if (reverse) {
        block_each_down(block_in(z), rank, n, &w);
    } else {
        struct zset_item item;
        block_at(block_in(z), rank, &item);
        for (uint32_t at = item.at; n > 0 && zset_block_read(block_in(z), at, &item);
             at = item.end) {
            if ((item.flags & FIELD_DEAD) != 0)
                continue;
            n--;
            if (!each(ctx, item.member, item.score))
                return;
        }
    }
}

struct zset_scan {
    void (*each)(void *ctx, struct slice member, double score);
    void *ctx;
};

static void zset_scan_field(void *ctx, void *pointer)
{
    const struct zset_scan *scan = ctx;
    const struct field *f = pointer;
    if (!f->dead)
        scan->each(scan->ctx, field_name(f), field_score(f));
}

static bool zset_scan_member(void *ctx, struct slice member, double score)
{
    const struct zset_scan *scan = ctx;
    scan->each(scan->ctx, member, score);
    return true;
}

uint64_t zset_scan(const struct zset *z, uint64_t cursor, size_t count,
                   void (*each)(void *ctx, struct slice member, double score), void *ctx)
{
    struct zset_scan scan = {each, ctx};
    if (!z->is_tree) {
        zset_each(z, 0, zset_count(z), false, zset_scan_member, &scan);
        return 0;
    }
    return fields_scan(large_in(z)->fields, cursor, count, zset_scan_field, &scan);
}

/* --- What write-back asks of every type --- */

static void *zset_ops_try_new(void)
{
    return zset_try_new();
}

static void zset_ops_free(void *object)
{
    struct zset *z = object;
    if (z->is_tree) {
        zset_tree_fini(&large_of(z)->tree);
        fields_free(&large_of(z)->fields);
    }
    free(z);
}

static size_t zset_ops_count(const void *object)
{
    return zset_count(object);
}

static size_t zset_ops_memory(const void *object)
{
    const struct zset *z = object;
    if (!z->is_tree)
        return zset_block_memory(block_in(z));
    const struct zset_large *l = large_in(z);
    return alloc_size_class(sizeof(*l)) + fields_memory(l->fields) + l->tree.bytes;
}

static const char *zset_ops_encoding(const void *object)
{
    const struct zset *z = object;
    return z->is_large ? "skiplist" : "listpack";
}

struct zset_copying {
    struct zset *to;
    bool failed;
};

static bool zset_copy_one(void *ctx, struct slice member, double score)
{
    struct zset_copying *c = ctx;
    c->failed = zset_put(&c->to, member, score) == ZSET_OOM;
    return !c->failed;
}

static void *zset_ops_copy(const void *object)
{
    const struct zset *z = object;
    struct zset_copying c = {zset_try_new(), false};
    if (c.to == NULL)
        return NULL;
    zset_each(z, 0, zset_count(z), false, zset_copy_one, &c);
    if (c.failed) {
        zset_ops_free(c.to);
        return NULL;
    }
    c.to->is_large = z->is_large;
    return c.to;
}

static size_t zset_ops_changes(const void *object, bool everything)
{
    const struct zset *z = object;
    if (everything)
        return zset_count(z);
    return z->is_tree ? large_in(z)->changed : block_in(z)->changed;
}

struct zset_capture {
    struct zset_large *l;
    const struct change_sink *sink;
    bool everything;
};

/* False: it was not taken. */
static bool zset_tell(const struct zset_capture *c, struct slice member, double score,
                      unsigned flags)
{
    bool removed = (flags & FIELD_DEAD) != 0;
    if (c->everything ? removed : (flags & FIELD_CHANGED) == 0)
        return true;
    return c->sink->element(c->sink->ctx, member, slice_of("", 0), 0, score, removed);
}

static bool zset_capture_field(void *ctx, struct field *f)
{
    const struct zset_capture *c = ctx;
    if (!zset_tell(c, field_name(f), field_score(f), field_flags(f)))
        return false;
    c->l->changed -= f->changed;
    if (f->dead)
        fields_remove(c->l->fields, f);
    else
        fields_set_flags(c->l->fields, f, 0);
    return true;
}

/* What is not taken leaves all as it was. */
static bool capture_block(const struct zset_capture *c, struct zset_block **place)
{
    struct zset_item item;
    for (uint32_t at = 0; zset_block_read(*place, at, &item); at = item.end)
        if (!zset_tell(c, item.member, item.score, item.flags))
            return false;
    for (uint32_t at = 0; zset_block_read(*place, at, &item);) {
        if ((item.flags & FIELD_DEAD) != 0) {
            zset_block_cut(place, &item);
        } else {
            zset_block_set_flags(*place, &item, 0);
            at = item.end;
        }
    }
    (*place)->changed = (*place)->dead = 0;
    return true;
}

static bool zset_ops_capture(void **object, bool everything, struct capture_place *place,
                             const struct change_sink *sink)
{
    struct zset *z = *object;
    struct zset_capture c = {.sink = sink, .everything = everything};
    if (!z->is_tree) {
        struct zset_block *b = block_of(z);
        bool done = capture_block(&c, &b);
        *object = b;
        return done;
    }
    c.l = large_of(z);
    return fields_capture(c.l->fields, everything, place, sink, zset_capture_field, &c);
}

static bool zset_ops_load(void **object, struct slice name, struct slice value, int64_t position,
                          double score)
{
    (void)value, (void)position;
    struct zset *z = *object != NULL ? *object : zset_try_new();
    if (z == NULL)
        return false;
    /* No order has a place for NaN, and what a backend says must not break ours. */
    bool done = zset_place(&z, name, isnan(score) ? 0 : score, true) != ZSET_OOM;
    *object = z;
    return done;
}

const struct value_ops zset_ops = {
    .type = VALUE_ZSET,
    .try_new = zset_ops_try_new,
    .free = zset_ops_free,
    .count = zset_ops_count,
    .memory = zset_ops_memory,
    .encoding = zset_ops_encoding,
    .copy = zset_ops_copy,
    .changes = zset_ops_changes,
    .capture = zset_ops_capture,
    .load = zset_ops_load,
};
