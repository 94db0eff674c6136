/* The state of the simulated disk: contents, names, and what a stop leaves of both. See simfs.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/simdisk.h"

#include <stdlib.h>

void *sim_alloc(size_t len)
{
    void *p = calloc(1, len == 0 ? 1 : len);
    must(p != NULL);
    return p;
}

static char *copy_text(const char *text)
{
    char *copy = strdup(text);
    must(copy != NULL);
    return copy;
}

uint64_t sim_roll(struct simfs *s, uint64_t below)
{
    s->random = s->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return below == 0 ? 0 : (s->random >> 33) % below;
}

/* ---- contents ---- */

void sim_resize(struct sim_content *c, uint64_t len)
{
    if (len > c->cap) {
        uint64_t cap = len + len / 2;
        c->data = realloc(c->data, cap);
        must(c->data != NULL);
        c->cap = cap;
    }
    if (len > c->len)
        memset(c->data + c->len, 0, len - c->len);
    c->len = len;
}

void sim_content_write(struct sim_content *c, uint64_t offset, const void *from, uint64_t len)
{
    if (offset + len > c->len)
        sim_resize(c, offset + len);
    if (len > 0)
        memcpy(c->data + offset, from, len);
}

/* What a crash leaves of memory that others are writing, as they are. By words, so that a position
 * that is being stored is never seen in halves. */
__attribute__((no_sanitize("thread"))) void sim_content_copy(struct sim_content *to,
                                                             const struct sim_content *from)
{
    sim_resize(to, from->len);
    uint64_t at = 0;
    for (; at + 8 <= from->len; at += 8) {
        uint64_t word = *(const volatile uint64_t *)(const void *)(from->data + at);
        *(uint64_t *)(void *)(to->data + at) = word;
    }
    for (; at < from->len; at++)
        to->data[at] = ((const volatile char *)from->data)[at];
}

struct sim_write *sim_write_new(uint64_t offset, const void *from, uint64_t len)
{
    struct sim_write *w = sim_alloc(sizeof(*w) + len);
    w->offset = offset;
    w->len = len;
    if (len > 0)
        memcpy(w->data, from, len);
    return w;
}

void sim_write_apply(struct sim_content *c, const struct sim_write *w, uint64_t len)
{
    if (w->cut)
        sim_resize(c, w->offset);
    else
        sim_content_write(c, w->offset, w->data, len);
}

/* ---- inodes and names ---- */

struct sim_inode *sim_inode_new(struct simfs *s)
{
    struct sim_inode *i = sim_alloc(sizeof(*i));
    i->writes_end = &i->writes;
    i->serial = ++s->serial;
    i->next = s->inodes;
    s->inodes = i;
    return i;
}

void sim_drop_writes(struct sim_inode *i)
{
    while (i->writes != NULL) {
        struct sim_write *w = i->writes;
        i->writes = w->next;
        free(w);
    }
    i->writes_end = &i->writes;
}

void sim_unref(struct simfs *s, struct sim_inode *i)
{
    if (--i->refs > 0)
        return;
    struct sim_inode **at = &s->inodes;
    while (*at != i)
        at = &(*at)->next;
    *at = i->next;
    s->used -= i->now.len;
    sim_drop_writes(i);
    free(i->now.data);
    free(i->durable.data);
    free(i);
}

struct sim_name *sim_find(struct sim_names *n, const char *path)
{
    for (size_t i = 0; i < n->len; i++)
        if (strcmp(n->list[i].path, path) == 0)
            return &n->list[i];
    return NULL;
}

void sim_name(struct simfs *s, struct sim_names *n, const char *path, struct sim_inode *inode)
{
    struct sim_name *old = sim_find(n, path);
    if (inode != NULL)
        inode->refs++;
    if (old != NULL) {
        sim_unref(s, old->inode);
        old->inode = inode;
        if (inode == NULL) {
            free(old->path);
            *old = n->list[--n->len];
        }
        return;
    }
    if (inode == NULL)
        return;
    if (n->len == n->cap) {
        n->cap = n->cap * 2 + 8;
        n->list = realloc(n->list, n->cap * sizeof(*n->list));
        must(n->list != NULL);
    }
    n->list[n->len++] = (struct sim_name){copy_text(path), inode};
}

/* To the names of `n`: what one operation does. */
void sim_op_apply(struct simfs *s, struct sim_names *n, const struct sim_op *op)
{
    sim_name(s, n, op->path, op->inode);
    if (op->gone != NULL)
        sim_name(s, n, op->gone, NULL);
}

void sim_op_add(struct simfs *s, const char *path, struct sim_inode *inode, const char *gone)
{
    struct sim_op *op = sim_alloc(sizeof(*op));
    op->path = copy_text(path);
    op->gone = gone == NULL ? NULL : copy_text(gone);
    op->inode = inode;
    if (inode != NULL)
        inode->refs++;
    sim_op_apply(s, &s->now, op);
    *s->ops_end = op;
    s->ops_end = &op->next;
}

static void op_free(struct simfs *s, struct sim_op *op)
{
    if (op->inode != NULL)
        sim_unref(s, op->inode);
    free(op->path);
    free(op->gone);
    free(op);
}

void sim_op_drop(struct simfs *s)
{
    struct sim_op *op = s->ops;
    s->ops = op->next;
    if (s->ops == NULL)
        s->ops_end = &s->ops;
    op_free(s, op);
}

static bool is_in(const char *path, const char *dir)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    return strlen(dir) == len && strncmp(path, dir, len) == 0;
}

void sim_ops_settle(struct simfs *s, const char *dir, bool lost)
{
    s->ops_end = &s->ops;
    for (struct sim_op *op = s->ops, *next; op != NULL; op = next) {
        next = op->next;
        op->next = NULL;
        if (!is_in(op->path, dir)) {
            *s->ops_end = op;
            s->ops_end = &op->next;
            continue;
        }
        if (!lost)
            sim_op_apply(s, &s->durable, op);
        op_free(s, op);
    }
    *s->ops_end = NULL;
}

/* ---- pictures ---- */

static void copy_inode(struct simfs *to, struct sim_inode *from)
{
    struct sim_inode *i = sim_inode_new(to);
    from->copy = i;
    memcpy(i->tail, from->tail, sizeof(i->tail));
    sim_content_copy(&i->now, &from->now);
    sim_content_copy(&i->durable, &from->durable);
    i->dead = from->dead;
    i->maps = from->maps > 0 ? 1 : 0; /* as a mark only: its pages were not written by calls */
    to->used += i->now.len;
    for (const struct sim_write *w = from->writes; w != NULL; w = w->next) {
        struct sim_write *copy = sim_write_new(w->offset, w->data, w->len);
        copy->cut = w->cut;
        *i->writes_end = copy;
        i->writes_end = &copy->next;
    }
}

/* Inodes that no name of the copy holds stay until it is freed. */
struct simfs *sim_copy(struct simfs *s)
{
    struct simfs *to = sim_bare_new(s->random);
    memcpy(to->boot_id, s->boot_id, 16);
    to->pessimistic = s->pessimistic;
    for (struct sim_inode *i = s->inodes; i != NULL; i = i->next)
        copy_inode(to, i);
    for (size_t i = 0; i < s->now.len; i++)
        sim_name(to, &to->now, s->now.list[i].path, s->now.list[i].inode->copy);
    for (size_t i = 0; i < s->durable.len; i++)
        sim_name(to, &to->durable, s->durable.list[i].path, s->durable.list[i].inode->copy);
    for (const struct sim_op *op = s->ops; op != NULL; op = op->next) {
        struct sim_op *copy = sim_alloc(sizeof(*copy));
        copy->path = copy_text(op->path);
        copy->gone = op->gone == NULL ? NULL : copy_text(op->gone);
        copy->inode = op->inode == NULL ? NULL : op->inode->copy;
        if (copy->inode != NULL)
            copy->inode->refs++;
        *to->ops_end = copy;
        to->ops_end = &copy->next;
    }
    if (s->doing != NULL) {
        to->doing = s->doing->copy;
        to->doing_write =
            sim_write_new(s->doing_write->offset, s->doing_write->data, s->doing_write->len);
    }
    return to;
}

/* What of a file's writes survives, applied to `out`, which begins as the durable content. */
static void survive(struct simfs *s, const struct sim_inode *i, enum simfs_image image,
                    struct sim_content *out)
{
    uint64_t total = 0, sectors;
    if (i->dead)
        return;
    for (const struct sim_write *w = i->writes; w != NULL; w = w->next)
        total += w->len / SIM_SECTOR + 1;
    sectors = image == SIMFS_ALL ? UINT64_MAX : sim_roll(s, total + 1);
    for (const struct sim_write *w = i->writes; w != NULL; w = w->next) {
        if (image == SIMFS_REORDERED && !w->cut) {
            for (uint64_t at = 0; at < w->len; at += SIM_SECTOR - (w->offset + at) % SIM_SECTOR)
                if (sim_roll(s, 2) == 0)
                    sim_content_write(
                        out, w->offset + at, w->data + at,
                        min_u64(SIM_SECTOR - (w->offset + at) % SIM_SECTOR, w->len - at));
            continue;
        }
        uint64_t mine = w->len / SIM_SECTOR + 1;
        sim_write_apply(out, w, mine <= sectors ? w->len : sectors * SIM_SECTOR);
        if (mine > sectors)
            break;
        sectors -= mine;
    }
    if (i->maps == 0)
        return;
    for (uint64_t at = 0; at < i->now.len; at += SIM_PAGE)
        if (image == SIMFS_ALL || sim_roll(s, 2) == 0)
            sim_content_write(out, at, i->now.data + at, min_u64(SIM_PAGE, i->now.len - at));
}

static void add_write(struct sim_inode *i, struct sim_write *w)
{
    *i->writes_end = w;
    i->writes_end = &w->next;
}

/* After kill -9 the machine goes on: what was not synced can still be lost, later. */
static void settle_killed(struct simfs *s, struct sim_inode *i)
{
    if (s->doing == i) {
        uint64_t len = sim_roll(s, s->doing_write->len + 1);
        struct sim_write *w = sim_write_new(s->doing_write->offset, s->doing_write->data, len);
        sim_write_apply(&i->now, w, len);
        add_write(i, w);
    }
    if (i->maps > 0)
        add_write(i, sim_write_new(0, i->now.data, i->now.len));
    i->maps = 0;
}

static void settle_lost(struct simfs *s, struct sim_inode *i, enum simfs_image image)
{
    struct sim_content out = {0};
    if (s->doing == i)
        add_write(i,
                  sim_write_new(s->doing_write->offset, s->doing_write->data, s->doing_write->len));
    sim_content_copy(&out, &i->durable);
    if (image != SIMFS_NONE)
        survive(s, i, image, &out);
    sim_drop_writes(i);
    free(i->now.data);
    i->now = out;
    sim_content_copy(&i->durable, &out);
    i->maps = 0;
    i->dead = false; /* what is read from now on is what is there */
}

/* Some first operations on names survive; then all is certain. */
static void settle_names(struct simfs *s, enum simfs_image image)
{
    size_t ops = 0;
    for (const struct sim_op *op = s->ops; op != NULL; op = op->next)
        ops++;
    size_t keep = image == SIMFS_NONE ? 0 : ops;
    if (image == SIMFS_TORN || image == SIMFS_REORDERED)
        keep = sim_roll(s, ops + 1);
    for (; s->ops != NULL; sim_op_drop(s)) {
        if (keep == 0)
            continue;
        sim_op_apply(s, &s->durable, s->ops);
        keep--;
    }
    while (s->now.len > 0)
        sim_name(s, &s->now, s->now.list[0].path, NULL);
    for (size_t i = 0; i < s->durable.len; i++)
        sim_name(s, &s->now, s->durable.list[i].path, s->durable.list[i].inode);
    uint8_t boot[16]; /* another one, also when the seed is the one of the last boot */
    for (int i = 0; i < 16; i++)
        boot[i] = (uint8_t)(sim_roll(s, 255) + 1);
    if (memcmp(boot, s->boot_id, sizeof(boot)) == 0)
        boot[0] ^= 0x80;
    memcpy(s->boot_id, boot, sizeof(boot));
}

static void drop_orphans(struct simfs *s)
{
    s->used = 0;
    for (struct sim_inode *i = s->inodes; i != NULL; i = i->next)
        s->used += i->now.len;
    for (struct sim_inode *i = s->inodes, *next; i != NULL; i = next) {
        next = i->next;
        if (i->refs > 0)
            continue;
        i->refs = 1;
        sim_unref(s, i);
    }
}

struct simfs *simfs_after(struct simfs *from, enum simfs_image image, uint64_t seed)
{
    lock_acquire(&from->lock);
    struct simfs *pic = from->picture == NULL ? from : from->picture;
    struct simfs *s = sim_copy(pic);
    lock_release(&from->lock);
    s->random = seed * 2 + 1;
    sim_roll(s, 1);
    for (struct sim_inode *i = s->inodes; i != NULL; i = i->next) {
        if (image == SIMFS_KILLED)
            settle_killed(s, i);
        else
            settle_lost(s, i, image);
    }
    s->doing = NULL;
    free(s->doing_write);
    s->doing_write = NULL;
    if (image != SIMFS_KILLED)
        settle_names(s, image);
    drop_orphans(s);
    return s;
}

/* ---- the disk ---- */

struct simfs *sim_bare_new(uint64_t seed)
{
    struct simfs *s = sim_alloc(sizeof(*s));
    lock_init(&s->lock);
    s->random = seed;
    s->ops_end = &s->ops;
    s->space = UINT64_MAX;
    s->fs = sim_calls;
    s->fs.ctx = s;
    return s;
}

struct simfs *simfs_new(uint64_t seed)
{
    struct simfs *s = sim_bare_new(seed * 2 + 1);
    for (int i = 0; i < 16; i++)
        s->boot_id[i] = (uint8_t)(sim_roll(s, 255) + 1);
    return s;
}

void simfs_free(struct simfs **disk)
{
    struct simfs *s = *disk;
    if (s == NULL)
        return;
    *disk = NULL;
    simfs_free(&s->picture);
    while (s->ops != NULL)
        sim_op_drop(s);
    while (s->now.len > 0)
        sim_name(s, &s->now, s->now.list[0].path, NULL);
    while (s->durable.len > 0)
        sim_name(s, &s->durable, s->durable.list[0].path, NULL);
    while (s->inodes != NULL) {
        s->inodes->refs = 1;
        sim_unref(s, s->inodes);
    }
    free(s->now.list);
    free(s->durable.list);
    free(s->doing_write);
    lock_fini(&s->lock);
    free(s);
}
