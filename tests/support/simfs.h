/* A disk in memory behind fs.h, made for failing: any call can be made to fail, space can run out,
 * and at any call the machine can stop, after which the disk holds what a real one might.
 *
 * What is known about a file: its content as the system shows it, the content that is certain to
 * survive, and the writes in between. A failed sync drops some of these writes for good, although
 * reading still shows them, and everybody who has the file open is told once, as Linux does. Names
 * behave the same: what was done to a directory and not synced survives as some prefix of the
 * operations.
 *
 * All random choices follow from seeds. Thread-safe.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_SIMFS_H
#define TESTS_SUPPORT_SIMFS_H

#include "journal/fs.h"

struct simfs;

enum simfs_call {
    SIMFS_OPEN,
    SIMFS_PREAD,
    SIMFS_PWRITE,
    SIMFS_SYNC,
    SIMFS_TRUNCATE,
    SIMFS_MAP,
    SIMFS_RENAME,
    SIMFS_REMOVE,
    SIMFS_SYNC_DIR,
    SIMFS_LIST,
    SIMFS_CALLS,
    SIMFS_CHANGES = SIMFS_CALLS, /* all that change something, counted together */
};

/* What is left after a stop. */
enum simfs_image {
    SIMFS_KILLED,    /* kill -9: everything, synced or not; a write under way may be cut */
    SIMFS_NONE,      /* power loss: nothing that was not synced */
    SIMFS_ALL,       /* power loss: everything */
    SIMFS_TORN,      /* power loss: unsynced writes in order up to some sector */
    SIMFS_REORDERED, /* power loss: any unsynced sectors, any pages of mapped files */
    SIMFS_IMAGES,
};

struct simfs *simfs_new(uint64_t seed);
void simfs_free(struct simfs **s);
/* Valid as long as s. */
const struct fs *simfs_fs(struct simfs *s);

/* The nth call of a kind from now on (1: the next) fails, `times` times in a row. One fault a kind
 * at a time. A failing write may have written a part. */
void simfs_fail(struct simfs *s, enum simfs_call kind, uint64_t nth, uint64_t times, int sys_errno);
/* The same, of files whose path ends in `only` alone: PWRITE, SYNC or TRUNCATE. */
void simfs_fail_file(struct simfs *s, const char *only, enum simfs_call kind, uint64_t nth,
                     uint64_t times, int sys_errno);
void simfs_heal(struct simfs *s);
/* Whether the fault of this kind has come. */
bool simfs_has_failed(struct simfs *s, enum simfs_call kind);
/* The pessimistic disk: what is written to a file and not synced when a sync of it fails is lost,
 * and nothing that is written to that file later reaches the disk either, although later syncs
 * succeed and reading shows it until the power goes. So with a directory: names that were changed
 * and not synced when its sync fails are lost, though everybody sees them. */
void simfs_set_pessimistic(struct simfs *s, bool on);
/* Room for all files together, removed ones included until the directory is synced; a write beyond
 * fails with ENOSPC. UINT64_MAX: no limit. */
void simfs_set_space(struct simfs *s, uint64_t bytes);
/* Sizes of the files that have a name. */
uint64_t simfs_used(struct simfs *s);
/* Calls so far. */
uint64_t simfs_count(struct simfs *s, enum simfs_call kind);

/* Keeps a picture of everything just before the nth changing call from now on; `then` (may be NULL)
 * is called at that moment, in the thread of the call. The calls themselves go on. */
void simfs_stop_at(struct simfs *s, uint64_t nth, void (*then)(void *ctx), void *ctx);
bool simfs_has_stopped(struct simfs *s);
/* Is called just before every changing call, in its thread and under the disk's lock; may call
 * simfs_picture() and nothing else of here. */
void simfs_before_each(struct simfs *s, void (*each)(void *ctx, struct simfs *s), void *ctx);
/* The disk as it is now, with the write that is about to be made. For simfs_after(). */
struct simfs *simfs_picture(struct simfs *s);
/* A new disk as found after the stop; without one, as if the machine stopped now. */
struct simfs *simfs_after(struct simfs *s, enum simfs_image image, uint64_t seed);

/* A thread that changes mapped memory holds this, so that a picture shows no half of a change. */
void simfs_lock(struct simfs *s);
void simfs_unlock(struct simfs *s);

/* For looking and for damage. NULL when there is no such file; the bytes are the file's own. */
char *simfs_bytes(struct simfs *s, const char *path, uint64_t *len);
/* Creates or replaces a file, all of it durable. */
void simfs_put(struct simfs *s, const char *path, const void *bytes, uint64_t len);
/* Sums up names and contents: equal disks have equal digests. */
uint64_t simfs_digest(struct simfs *s);

#endif
