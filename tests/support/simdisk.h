/* What the two halves of the simulated disk share: its state (simdisk.c) and the calls that change
 * it (simfs.c).
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_SIMDISK_H
#define TESTS_SUPPORT_SIMDISK_H

#include "tests/support/simfs.h"

#include "base/lock.h"

enum { SIM_SECTOR = 512, SIM_PAGE = 4096 };

struct sim_write { /* not synced */
    struct sim_write *next;
    uint64_t offset, len;
    bool cut; /* truncation to offset */
    char data[];
};

struct sim_content {
    char *data;
    uint64_t len, cap;
};

struct sim_inode {
    struct sim_inode *next; /* of all */
    uint64_t serial;        /* as an inode number */
    char tail[32];          /* the end of the path that it was created under */
    uint32_t refs;          /* names, open files, maps, operations */
    uint32_t maps;
    bool dead;         /* a sync has failed: nothing reaches the disk any more */
    uint64_t failures; /* of syncs */
    struct sim_content now, durable;
    struct sim_write *writes, **writes_end;
    struct sim_inode *copy; /* while the disk is being copied */
};

struct sim_name {
    char *path;
    struct sim_inode *inode;
};

struct sim_names {
    struct sim_name *list;
    size_t len, cap;
};

struct sim_op { /* not synced: `path` names `inode` (NULL: nothing), `gone` is no name any more */
    struct sim_op *next;
    char *path, *gone;
    struct sim_inode *inode;
};

struct sim_fault {
    uint64_t nth, times, seen;
    int sys_errno;
    char only[32]; /* the end of a path; empty: any */
};

struct fs_file {
    struct sim_inode *inode;
    uint64_t failures; /* of the inode's syncs that this one has been told of */
};

struct simfs {
    struct fs fs;
    struct lock lock;
    uint64_t random;
    uint8_t boot_id[16];
    struct sim_inode *inodes;
    struct sim_names now, durable;
    struct sim_op *ops, **ops_end;
    struct sim_fault faults[SIMFS_CALLS];
    uint64_t counts[SIMFS_CALLS + 1];
    uint64_t space, used;
    bool dir_locked, pessimistic;
    uint64_t serial;  /* of the last inode */
    uint64_t stop_at; /* count of changes */
    void (*then)(void *ctx);
    void *then_ctx;
    struct simfs *picture;
    void (*each)(void *ctx, struct simfs *s);
    void *each_ctx;
    struct sim_inode *doing; /* the write that is under way; in a picture: that was */
    struct sim_write *doing_write;
};

void *sim_alloc(size_t len);
/* A number below `below`, from the disk's seed. */
uint64_t sim_roll(struct simfs *s, uint64_t below);

void sim_resize(struct sim_content *c, uint64_t len);
void sim_content_write(struct sim_content *c, uint64_t offset, const void *from, uint64_t len);
void sim_content_copy(struct sim_content *to, const struct sim_content *from);
struct sim_write *sim_write_new(uint64_t offset, const void *from, uint64_t len);
/* The first `len` bytes of a write. */
void sim_write_apply(struct sim_content *c, const struct sim_write *w, uint64_t len);

struct sim_inode *sim_inode_new(struct simfs *s);
void sim_unref(struct simfs *s, struct sim_inode *i);
void sim_drop_writes(struct sim_inode *i);
struct sim_name *sim_find(struct sim_names *n, const char *path);
void sim_name(struct simfs *s, struct sim_names *n, const char *path, struct sim_inode *inode);
/* Does an operation on the names, and remembers it until the directory is synced. */
void sim_op_add(struct simfs *s, const char *path, struct sim_inode *inode, const char *gone);
void sim_op_apply(struct simfs *s, struct sim_names *n, const struct sim_op *op);
void sim_op_drop(struct simfs *s); /* the oldest one */
/* What was done to the names of a directory is certain now, or (lost) never reaches the disk. */
void sim_ops_settle(struct simfs *s, const char *dir, bool lost);

struct simfs *sim_bare_new(uint64_t seed);
struct simfs *sim_copy(struct simfs *s);
extern const struct fs sim_calls; /* without ctx */

#endif
