/* A journal on a simulated disk, for tests that are about what happens to it.
 *
 * Every step that must succeed asserts that it does. Waiting is always for a condition, with a
 * deadline that no working machine reaches.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_JOURNAL_RIG_H
#define TESTS_SUPPORT_JOURNAL_RIG_H

#include "journal/format.h"
#include "tests/support/history.h"
#include "tests/support/simfs.h"

enum { RIG_PATIENCE_MS = 60000, RIG_SEGMENTS_MAX = 32 };

struct journal_rig {
    struct simfs *disk;
    struct journal *j;
    struct history h;
    struct journal_options options;
    struct err err;
    char names[RIG_SEGMENTS_MAX][FORMAT_NAME_MAX]; /* of the segments, when they were listed */
    int names_len;
};

/* Options for a new disk: two producers, small rings and segments. Change them before opening. */
void rig_init(struct journal_rig *r, enum journal_fsync policy);
void rig_fini(struct journal_rig *r);
enum rc rig_try_open(struct journal_rig *r); /* r->err says why not */
void rig_open(struct journal_rig *r);
void rig_start(struct journal_rig *r);
/* Opens, checks that exactly the records after_lsn+1..last_lsn come back, and starts. */
void rig_resume(struct journal_rig *r, uint64_t after_lsn, uint64_t last_lsn);
/* Replays what is open; the last LSN. */
uint64_t rig_replay(struct journal_rig *r, uint64_t after_lsn);
enum rc rig_try_replay(struct journal_rig *r, uint64_t after_lsn, struct history_check *check);
/* Appends n records, taking turns between the producers; waits for room, and for the end of
 * FAILING. */
void rig_append(struct journal_rig *r, uint32_t n);
void rig_sync(struct journal_rig *r);
void rig_close(struct journal_rig *r);
/* Goes on with the disk as it is after such a stop; the journal of before is closed. */
void rig_stop(struct journal_rig *r, enum simfs_image image, uint64_t seed);
/* Fills names: the segments, oldest first. */
void rig_list_segments(struct journal_rig *r);
/* A file's bytes, in the disk itself. */
char *rig_file(struct journal_rig *r, const char *name, uint64_t *len);
/* Offset of the record of an LSN in a segment file, as found by its header fields. */
uint64_t rig_find(struct journal_rig *r, const char *name, uint64_t lsn);
bool rig_wait(bool (*done)(struct journal_rig *r), struct journal_rig *r);

#endif
