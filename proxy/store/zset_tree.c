/* See zset_tree.h. Whatever needs memory gets all of it before it changes anything.
 *
 * The separator of child 0 means nothing: what is less than separator 1 goes there. So a separator
 * changes only when the first item of its child goes, and inserting never changes one.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/zset_tree.h"

#include "store/alloc.h"

#include <assert.h>
#include <stdlib.h>

enum {
    LEAF_MAX = ZSET_LEAF_MAX,
    LEAF_MERGED_MAX = LEAF_MAX * 3 / 4,
    LEAF_GIFT_MIN = LEAF_MAX / 8, /* room in a neighbour that is worth moving items for */
    INNER_MAX = 36,
    INNER_MERGED_MAX = INNER_MAX * 3 / 4,
    NODE_BYTES = 1024,
    DEPTH_MAX = 32, /* splits leave nodes with a few children at least: never reached */
};

struct leaf {
    uint32_t len;
    double score[LEAF_MAX];
    struct field *field[LEAF_MAX];
};

struct inner {
    uint32_t len;
    uint32_t size[INNER_MAX]; /* members below the child */
    double score[INNER_MAX];  /* with field: the child's first item, but see above for child 0 */
    struct field *field[INNER_MAX];
    void *child[INNER_MAX];
};

static_assert(sizeof(struct leaf) <= NODE_BYTES && sizeof(struct inner) <= NODE_BYTES, "one class");

/* From the root down: in each inner node, the child that was taken. */
struct path {
    struct inner *node[DEPTH_MAX];
    uint32_t at[DEPTH_MAX];
    struct leaf *leaf;
    uint32_t pos;
};

/* A child beside its separator. */
struct branch {
    void *child;
    double score;
    struct field *field;
    uint32_t size;
};

/* --- Searching within a node --- */

/* How many of the ascending scores are < s, or (inclusive) <= s. */
static uint32_t scores_below(const double *score, uint32_t n, double s, bool inclusive)
{
    const double *base = score;
    while (n > 1) { /* without branches: which half it is, nobody can foretell */
        uint32_t half = n / 2;
        bool right = inclusive ? base[half - 1] <= s : base[half - 1] < s;
        base += right ? half : 0;
        n -= half;
    }
    uint32_t below = (uint32_t)(base - score);
    if (n == 1 && (inclusive ? *base <= s : *base < s))
        below++;
    return below;
}

static uint32_t names_below(struct field *const *field, uint32_t n, struct slice name,
                            bool inclusive)
{
    uint32_t low = 0;
    while (low < n) {
        uint32_t mid = low + (n - low) / 2;
        int order = slice_cmp(field_name(field[mid]), name);
        if (inclusive ? order <= 0 : order < 0)
            low = mid + 1;
        else
            n = mid;
    }
    return low;
}

/* How many items are < (s, name), or (inclusive) <= it. */
static uint32_t items_below(const double *score, struct field *const *field, uint32_t n, double s,
                            struct slice name, bool inclusive)
{
    uint32_t first = scores_below(score, n, s, false);
    if (first == n || score[first] != s)
        return first;
    uint32_t equal = scores_below(score + first, n - first, s, true);
    return first + names_below(field + first, equal, name, inclusive);
}

/* --- Descending --- */

static uint32_t child_of(const struct inner *in, double score, struct slice name)
{
    return items_below(in->score + 1, in->field + 1, in->len - 1, score, name, true);
}

static void ztree_find(const struct zset_tree *t, double score, struct slice name, struct path *p)
{
    void *node = t->root;
    for (uint32_t level = 0; level < t->height; level++) {
        struct inner *in = node;
        uint32_t at = child_of(in, score, name);
        p->node[level] = in;
        p->at[level] = at;
        node = in->child[at];
    }
    p->leaf = node;
    p->pos = items_below(p->leaf->score, p->leaf->field, p->leaf->len, score, name, false);
}

static void find_rank(const struct zset_tree *t, size_t rank, struct path *p)
{
    must(rank < t->count);
    void *node = t->root;
    for (uint32_t level = 0; level < t->height; level++) {
        struct inner *in = node;
        uint32_t at = 0;
        while (rank >= in->size[at])
            rank -= in->size[at++];
        p->node[level] = in;
        p->at[level] = at;
        node = in->child[at];
    }
    p->leaf = node;
    p->pos = (uint32_t)rank;
}

static size_t size_before(const struct inner *in, uint32_t at)
{
    size_t n = 0;
    for (uint32_t i = 0; i < at; i++)
        n += in->size[i];
    return n;
}

size_t zset_tree_rank(const struct zset_tree *t, double score, struct slice name)
{
    if (t->count == 0)
        return 0;
    struct path p;
    ztree_find(t, score, name, &p);
    size_t rank = p.pos;
    for (uint32_t level = 0; level < t->height; level++)
        rank += size_before(p.node[level], p.at[level]);
    return rank;
}

size_t zset_tree_below(const struct zset_tree *t, double score, bool inclusive)
{
    if (t->count == 0)
        return 0;
    size_t rank = 0;
    const void *node = t->root;
    for (uint32_t level = 0; level < t->height; level++) {
        const struct inner *in = node;
        uint32_t at = scores_below(in->score + 1, in->len - 1, score, inclusive);
        rank += size_before(in, at);
        node = in->child[at];
    }
    const struct leaf *leaf = node;
    return rank + scores_below(leaf->score, leaf->len, score, inclusive);
}

size_t zset_tree_below_lex(const struct zset_tree *t, struct slice name, bool inclusive)
{
    if (t->count == 0)
        return 0;
    size_t rank = 0;
    const void *node = t->root;
    for (uint32_t level = 0; level < t->height; level++) {
        const struct inner *in = node;
        uint32_t at = names_below(in->field + 1, in->len - 1, name, inclusive);
        rank += size_before(in, at);
        node = in->child[at];
    }
    const struct leaf *leaf = node;
    return rank + names_below(leaf->field, leaf->len, name, inclusive);
}

struct field *zset_tree_at(const struct zset_tree *t, size_t rank, double *score)
{
    struct path p;
    find_rank(t, rank, &p);
    *score = p.leaf->score[p.pos];
    return p.leaf->field[p.pos];
}

/* --- Inserting --- */

static void *node_new(struct zset_tree *t)
{
    void *node = alloc_try(NODE_BYTES);
    if (node != NULL)
        t->bytes += NODE_BYTES;
    return node;
}

static void node_free(struct zset_tree *t, void *node)
{
    t->bytes -= NODE_BYTES;
    free(node);
}

static void leaf_shift(struct leaf *to, uint32_t to_at, const struct leaf *from, uint32_t from_at,
                       uint32_t n)
{
    memmove(to->score + to_at, from->score + from_at, n * sizeof(*to->score));
    memmove(to->field + to_at, from->field + from_at, n * sizeof(struct field *));
}

static void leaf_insert(struct leaf *leaf, uint32_t pos, double score, struct field *f)
{
    leaf_shift(leaf, pos + 1, leaf, pos, leaf->len - pos);
    leaf->score[pos] = score;
    leaf->field[pos] = f;
    leaf->len++;
}

static void inner_shift(struct inner *to, uint32_t to_at, const struct inner *from,
                        uint32_t from_at, uint32_t n)
{
    memmove(to->size + to_at, from->size + from_at, n * sizeof(*to->size));
    memmove(to->score + to_at, from->score + from_at, n * sizeof(*to->score));
    memmove(to->field + to_at, from->field + from_at, n * sizeof(struct field *));
    memmove(to->child + to_at, from->child + from_at, n * sizeof(void *));
}

static void inner_insert(struct inner *in, uint32_t at, const struct branch *b)
{
    inner_shift(in, at + 1, in, at, in->len - at);
    in->size[at] = b->size;
    in->score[at] = b->score;
    in->field[at] = b->field;
    in->child[at] = b->child;
    in->len++;
}

/* The separator of child `at`, which is a leaf, after its first item changed. */
static void inner_set_first(struct inner *in, uint32_t at, const struct leaf *leaf)
{
    in->score[at] = leaf->score[0];
    in->field[at] = leaf->field[0];
}

/* Moves items of a full leaf to a neighbour that has room; false: none has. */
static bool give_away(struct inner *parent, uint32_t at)
{
    struct leaf *leaf = parent->child[at];
    if (at > 0 && LEAF_MAX - parent->size[at - 1] >= LEAF_GIFT_MIN) {
        struct leaf *left = parent->child[at - 1];
        uint32_t n = (LEAF_MAX - left->len) / 2;
        leaf_shift(left, left->len, leaf, 0, n);
        leaf_shift(leaf, 0, leaf, n, leaf->len - n);
        left->len += n;
        leaf->len -= n;
        parent->size[at - 1] = left->len;
        parent->size[at] = leaf->len;
        inner_set_first(parent, at, leaf);
        return true;
    }
    if (at + 1 < parent->len && LEAF_MAX - parent->size[at + 1] >= LEAF_GIFT_MIN) {
        struct leaf *right = parent->child[at + 1];
        uint32_t n = (LEAF_MAX - right->len) / 2;
        leaf_shift(right, n, right, 0, right->len);
        leaf_shift(right, 0, leaf, leaf->len - n, n);
        right->len += n;
        leaf->len -= n;
        parent->size[at + 1] = right->len;
        parent->size[at] = leaf->len;
        inner_set_first(parent, at + 1, right);
        return true;
    }
    return false;
}

/* The nodes that splitting the leaf of this path needs; false: out of memory. */
struct spares {
    void *node[DEPTH_MAX + 1];
    uint32_t len;
};

static bool get_spares(struct zset_tree *t, const struct path *p, struct spares *s)
{
    uint32_t need = 1, level = t->height;
    while (level > 0 && p->node[level - 1]->len == INNER_MAX) {
        need++;
        level--;
    }
    need += level == 0;
    must(need <= DEPTH_MAX && t->height + 1 < DEPTH_MAX);
    for (s->len = 0; s->len < need; s->len++) {
        s->node[s->len] = node_new(t);
        if (s->node[s->len] == NULL) {
            while (s->len > 0)
                node_free(t, s->node[--s->len]);
            return false;
        }
    }
    return true;
}

static bool is_last(const struct path *p, uint32_t height)
{
    for (uint32_t level = 0; level < height; level++) {
        if (p->at[level] + 1 < p->node[level]->len)
            return false;
    }
    return true;
}

static bool is_first(const struct path *p, uint32_t height)
{
    for (uint32_t level = 0; level < height; level++) {
        if (p->at[level] > 0)
            return false;
    }
    return true;
}

/* Splits the full leaf and puts the item into the right half of the two. What comes in order, up
 * or down, leaves a full leaf behind. */
static struct branch split_leaf(const struct path *p, uint32_t height, double score,
                                struct field *f, struct leaf *right)
{
    struct leaf *leaf = p->leaf;
    uint32_t mid = LEAF_MAX / 2;
    if (p->pos == LEAF_MAX && is_last(p, height))
        mid = LEAF_MAX;
    else if (p->pos == 0 && is_first(p, height))
        mid = 0;
    right->len = LEAF_MAX - mid;
    leaf_shift(right, 0, leaf, mid, right->len);
    leaf->len = mid;
    if (p->pos > mid || mid == LEAF_MAX)
        leaf_insert(right, p->pos - mid, score, f);
    else
        leaf_insert(leaf, p->pos, score, f);
    return (struct branch){right, right->score[0], right->field[0], right->len};
}

static struct branch split_inner(struct inner *in, uint32_t at, bool in_order,
                                 const struct branch *b, struct inner *right)
{
    uint32_t mid = in_order && at == INNER_MAX ? INNER_MAX : INNER_MAX / 2;
    right->len = INNER_MAX - mid;
    inner_shift(right, 0, in, mid, right->len);
    in->len = mid;
    if (at < mid)
        inner_insert(in, at, b);
    else
        inner_insert(right, at - mid, b);
    return (struct branch){right, right->score[0], right->field[0],
                           (uint32_t)size_before(right, right->len)};
}

static bool ztree_split(struct zset_tree *t, const struct path *p, double score, struct field *f)
{
    struct spares s;
    if (!get_spares(t, p, &s))
        return false;
    bool in_order = is_last(p, t->height);
    struct branch b = split_leaf(p, t->height, score, f, s.node[--s.len]);
    uint32_t left_size = p->leaf->len, level = t->height;
    t->count++;
    while (level > 0) {
        struct inner *in = p->node[--level];
        uint32_t at = p->at[level];
        in->size[at] = left_size;
        if (in->len < INNER_MAX) {
            inner_insert(in, at + 1, &b);
            while (level-- > 0)
                p->node[level]->size[p->at[level]]++;
            return true;
        }
        b = split_inner(in, at + 1, in_order, &b, s.node[--s.len]);
        left_size = (uint32_t)size_before(in, in->len);
    }
    struct inner *root = s.node[--s.len];
    root->len = 0;
    inner_insert(root, 0, &(struct branch){t->root, b.score, b.field, left_size});
    inner_insert(root, 1, &b);
    t->root = root;
    t->height++;
    return true;
}

bool zset_tree_insert(struct zset_tree *t, double score, struct field *f)
{
    must(t->count < UINT32_MAX);
    if (t->root == NULL) {
        struct leaf *leaf = node_new(t);
        if (leaf == NULL)
            return false;
        leaf->len = 0;
        t->root = leaf;
    }
    struct path p;
    ztree_find(t, score, field_name(f), &p);
    if (UNLIKELY(p.leaf->len == LEAF_MAX)) {
        uint32_t up = t->height - 1;
        if (t->height == 0 || !give_away(p.node[up], p.at[up]))
            return ztree_split(t, &p, score, f);
        ztree_find(t, score, field_name(f), &p);
    }
    leaf_insert(p.leaf, p.pos, score, f);
    for (uint32_t level = 0; level < t->height; level++)
        p.node[level]->size[p.at[level]]++;
    t->count++;
    return true;
}

/* --- Removing --- */

/* The leaf's first item is another one: the lowest separator that names it follows. */
static void first_changed(const struct path *p, uint32_t height, double score, struct field *f)
{
    while (height-- > 0) {
        if (p->at[height] > 0) {
            p->node[height]->score[p->at[height]] = score;
            p->node[height]->field[p->at[height]] = f;
            return;
        }
    }
}

/* Takes the child at the end of the path out of level - 1, and empty nodes above it too. */
static void drop_child(struct zset_tree *t, struct path *p, uint32_t level)
{
    while (level > 0) {
        struct inner *in = p->node[--level];
        uint32_t at = p->at[level];
        in->len--;
        inner_shift(in, at, in, at + 1, in->len - at);
        if (in->len > 0) {
            if (at == 0)
                first_changed(p, level, in->score[0], in->field[0]);
            return;
        }
        node_free(t, in);
    }
    t->root = NULL;
    t->height = 0;
}

/* Joins child `right` of a node of the lowest inner level to the one before it, if they fit. */
static bool merge_leaves(struct zset_tree *t, struct inner *in, uint32_t right)
{
    uint32_t total = in->size[right - 1] + in->size[right];
    if (total > LEAF_MERGED_MAX)
        return false;
    struct leaf *a = in->child[right - 1], *b = in->child[right];
    leaf_shift(a, a->len, b, 0, b->len);
    a->len = in->size[right - 1] = total;
    node_free(t, b);
    in->len--;
    inner_shift(in, right, in, right + 1, in->len - right);
    return true;
}

static bool merge_inners(struct zset_tree *t, struct inner *in, uint32_t right)
{
    struct inner *a = in->child[right - 1], *b = in->child[right];
    if (a->len + b->len > INNER_MERGED_MAX)
        return false;
    b->score[0] = in->score[right]; /* b's own meant nothing */
    b->field[0] = in->field[right];
    inner_shift(a, a->len, b, 0, b->len);
    a->len += b->len;
    in->size[right - 1] += in->size[right];
    node_free(t, b);
    in->len--;
    inner_shift(in, right, in, right + 1, in->len - right);
    return true;
}

/* A root with one child is none. */
static void lower_root(struct zset_tree *t)
{
    while (t->height > 0 && ((struct inner *)t->root)->len == 1) {
        struct inner *root = t->root;
        t->root = root->child[0];
        t->height--;
        node_free(t, root);
    }
}

/* After items went: joins what has become small, from the leaf up. */
static void merge_upwards(struct zset_tree *t, const struct path *p)
{
    bool (*merge)(struct zset_tree *, struct inner *, uint32_t) = merge_leaves;
    for (uint32_t level = t->height; level-- > 0;) {
        struct inner *in = p->node[level];
        uint32_t at = p->at[level];
        bool merged = at > 0 && merge(t, in, at);
        if (!merged && at + 1 < in->len)
            merged = merge(t, in, at + 1);
        if (!merged)
            break;
        merge = merge_inners;
    }
    lower_root(t);
}

/* Removes n items from where the path ends; they lie in its leaf. */
static void remove_items(struct zset_tree *t, struct path *p, uint32_t n)
{
    struct leaf *leaf = p->leaf;
    leaf->len -= n;
    leaf_shift(leaf, p->pos, leaf, p->pos + n, leaf->len - p->pos);
    t->count -= n;
    for (uint32_t level = 0; level < t->height; level++)
        p->node[level]->size[p->at[level]] -= n;
    if (leaf->len == 0) {
        node_free(t, leaf);
        drop_child(t, p, t->height);
        lower_root(t);
        return;
    }
    if (p->pos == 0)
        first_changed(p, t->height, leaf->score[0], leaf->field[0]);
    if (leaf->len <= LEAF_MERGED_MAX)
        merge_upwards(t, p);
}

void zset_tree_remove(struct zset_tree *t, double score, struct field *f)
{
    struct path p;
    ztree_find(t, score, field_name(f), &p);
    must(p.pos < p.leaf->len && p.leaf->field[p.pos] == f);
    remove_items(t, &p, 1);
}

size_t zset_tree_take(struct zset_tree *t, size_t rank, size_t most,
                      struct field *out[ZSET_LEAF_MAX])
{
    struct path p;
    find_rank(t, rank, &p);
    uint32_t n = (uint32_t)min_u64(most, p.leaf->len - p.pos);
    memcpy(out, p.leaf->field + p.pos, n * sizeof(struct field *));
    if (n > 0)
        remove_items(t, &p, n);
    return n;
}

/* --- Moving --- */

/* Whether (score, name) belongs into the leaf at the end of the path. */
static bool belongs_here(const struct zset_tree *t, const struct path *p, double score,
                         struct slice name)
{
    const struct leaf *leaf = p->leaf;
    if (items_below(leaf->score, leaf->field, 1, score, name, true) == 0 && !is_first(p, t->height))
        return false;
    for (uint32_t level = t->height; level-- > 0;) {
        const struct inner *in = p->node[level];
        uint32_t next = p->at[level] + 1;
        if (next < in->len)
            return items_below(in->score + next, in->field + next, 1, score, name, true) == 0;
    }
    return true;
}

static void move_within(const struct zset_tree *t, const struct path *p, double score,
                        struct field *f)
{
    struct leaf *leaf = p->leaf;
    uint32_t from = p->pos;
    uint32_t to = items_below(leaf->score, leaf->field, leaf->len, score, field_name(f), false);
    if (to > from) {
        to--; /* it counted itself */
        leaf_shift(leaf, from, leaf, from + 1, to - from);
    } else {
        leaf_shift(leaf, to + 1, leaf, to, from - to);
    }
    leaf->score[to] = score;
    leaf->field[to] = f;
    if (from == 0)
        first_changed(p, t->height, leaf->score[0], leaf->field[0]);
}

bool zset_tree_move(struct zset_tree *t, double from, double to, struct field *f)
{
    struct path p;
    struct slice name = field_name(f);
    ztree_find(t, from, name, &p);
    must(p.pos < p.leaf->len && p.leaf->field[p.pos] == f);
    if (belongs_here(t, &p, to, name)) {
        move_within(t, &p, to, f);
        return true;
    }
    if (!zset_tree_insert(t, to, f)) /* for a moment it is there twice, under different scores */
        return false;
    zset_tree_remove(t, from, f);
    return true;
}

/* --- Walking, freeing, checking --- */

struct ztree_walk {
    bool (*each)(void *ctx, const struct field *f, double score);
    void *ctx;
    size_t left;
};

static bool leaf_each(const struct leaf *leaf, size_t skip, bool reverse, struct ztree_walk *w)
{
    for (size_t i = skip; i < leaf->len && w->left > 0; i++) {
        size_t at = reverse ? leaf->len - 1 - i : i;
        w->left--;
        if (!w->each(w->ctx, leaf->field[at], leaf->score[at]))
            return false;
    }
    return true;
}

/* skip: members of this subtree to leave out first, seen in the direction of the walk. */
static bool node_each(const void *node, uint32_t height, size_t skip, bool reverse,
                      struct ztree_walk *w)
{
    if (height == 0)
        return leaf_each(node, skip, reverse, w);
    const struct inner *in = node;
    for (uint32_t i = 0; i < in->len && w->left > 0; i++) {
        uint32_t at = reverse ? in->len - 1 - i : i;
        if (skip >= in->size[at]) {
            skip -= in->size[at];
            continue;
        }
        if (!node_each(in->child[at], height - 1, skip, reverse, w))
            return false;
        skip = 0;
    }
    return true;
}

void zset_tree_each(const struct zset_tree *t, size_t rank, size_t n, bool reverse,
                    bool (*each)(void *ctx, const struct field *f, double score), void *ctx)
{
    struct ztree_walk w = {each, ctx, n};
    if (t->count == 0 || n == 0)
        return;
    must(rank < t->count);
    (void)node_each(t->root, t->height, reverse ? t->count - 1 - rank : rank, reverse, &w);
}

static void free_below(void *node, uint32_t height)
{
    if (height > 0) {
        const struct inner *in = node;
        for (uint32_t i = 0; i < in->len; i++)
            free_below(in->child[i], height - 1);
    }
    free(node);
}

void zset_tree_fini(struct zset_tree *t)
{
    if (t->root != NULL)
        free_below(t->root, t->height);
    *t = (struct zset_tree){0};
}

struct ztree_check {
    const struct field *last;
    double last_score;
    size_t nodes;
    bool good;
};

static size_t check_below(const void *node, uint32_t height, struct ztree_check *c)
{
    c->nodes++;
    if (height == 0) {
        const struct leaf *leaf = node;
        c->good &= leaf->len > 0 && leaf->len <= LEAF_MAX;
        for (uint32_t i = 0; i < leaf->len; i++) {
            struct slice name = field_name(leaf->field[i]);
            c->good &=
                c->last == NULL || c->last_score < leaf->score[i] ||
                (c->last_score == leaf->score[i] && slice_cmp(field_name(c->last), name) < 0);
            c->last = leaf->field[i];
            c->last_score = leaf->score[i];
        }
        return leaf->len;
    }
    const struct inner *in = node;
    size_t total = 0;
    c->good &= in->len > 0 && in->len <= INNER_MAX;
    for (uint32_t i = 0; i < in->len; i++) {
        const void *first = in->child[i];
        for (uint32_t h = height; h > 1; h--)
            first = ((const struct inner *)first)->child[0];
        const struct leaf *leaf = first;
        c->good &= i == 0 || (in->field[i] == leaf->field[0] && in->score[i] == leaf->score[0]);
        size_t n = check_below(in->child[i], height - 1, c);
        c->good &= n == in->size[i];
        total += n;
    }
    return total;
}

bool zset_tree_check(const struct zset_tree *t)
{
    struct ztree_check c = {.good = true};
    size_t n = t->root != NULL ? check_below(t->root, t->height, &c) : 0;
    return c.good && n == t->count && t->bytes == c.nodes * NODE_BYTES;
}
