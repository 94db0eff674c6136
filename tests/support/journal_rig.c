/* See journal_rig.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/journal_rig.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

void rig_init(struct journal_rig *r, enum journal_fsync policy)
{
    memset(r, 0, sizeof(*r));
    r->disk = simfs_new(1);
    r->options = (struct journal_options){
        .dir = "journal",
        .producers = 2,
        .fsync = policy,
        .segment_bytes = 64 << 10,
        .ring_bytes = 16 << 10,
        .new_id = {7, 7, 7},
    };
}

void rig_fini(struct journal_rig *r)
{
    rig_close(r);
    simfs_free(&r->disk);
}

enum rc rig_try_open(struct journal_rig *r)
{
    r->options.fs = simfs_fs(r->disk);
    memset(&r->err, 0, sizeof(r->err));
    return journal_open(&r->options, &r->j, &r->err);
}

void rig_open(struct journal_rig *r)
{
    if (rig_try_open(r) != RC_OK)
        fail_msg("open: %s", r->err.text);
}

void rig_start(struct journal_rig *r)
{
    if (journal_start(r->j, 0, &r->err) != RC_OK)
        fail_msg("start: %s", r->err.text);
}

enum rc rig_try_replay(struct journal_rig *r, uint64_t after_lsn, struct history_check *check)
{
    *check = (struct history_check){.h = &r->h, .next_lsn = after_lsn + 1};
    return journal_replay(r->j, after_lsn, history_check, check, &r->err);
}

uint64_t rig_replay(struct journal_rig *r, uint64_t after_lsn)
{
    struct history_check check;
    if (rig_try_replay(r, after_lsn, &check) != RC_OK)
        fail_msg("replay: %s", r->err.text);
    assert_int_equal(check.noops, 0);
    return check.next_lsn - 1;
}

void rig_resume(struct journal_rig *r, uint64_t after_lsn, uint64_t last_lsn)
{
    rig_open(r);
    assert_int_equal(rig_replay(r, after_lsn), last_lsn);
    rig_start(r);
}

void rig_append(struct journal_rig *r, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t producer = (uint32_t)(journal_last_lsn(r->j) % r->options.producers);
        int64_t until = clock_mono().us + RIG_PATIENCE_MS * INT64_C(1000);
        enum rc rc;
        do
            rc = journal_wait_room(r->j, producer, 600, false, RIG_PATIENCE_MS, &r->err);
        while (rc == RC_READONLY && clock_mono().us < until && sched_yield() == 0);
        if (rc != RC_OK)
            fail_msg("no room: %s", r->err.text);
        history_append(&r->h, r->j, producer);
        journal_kick(r->j);
    }
}

void rig_sync(struct journal_rig *r)
{
    if (journal_sync(r->j, journal_last_lsn(r->j), RIG_PATIENCE_MS, &r->err) != RC_OK)
        fail_msg("sync: %s", r->err.text);
}

void rig_close(struct journal_rig *r)
{
    journal_close(&r->j);
}

void rig_stop(struct journal_rig *r, enum simfs_image image, uint64_t seed)
{
    struct simfs *after = simfs_after(r->disk, image, seed);
    rig_close(r);
    simfs_free(&r->disk);
    r->disk = after;
}

static enum rc note_segment(void *arg, const char *name)
{
    struct journal_rig *r = arg;
    uint64_t lsn;
    if (format_is_segment_name(name, &lsn) && r->names_len < RIG_SEGMENTS_MAX)
        snprintf(r->names[r->names_len++], FORMAT_NAME_MAX, "%s", name);
    return RC_OK;
}

static int order_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

void rig_list_segments(struct journal_rig *r)
{
    const struct fs *fs = simfs_fs(r->disk);
    r->names_len = 0;
    assert_int_equal(fs->list(fs->ctx, "journal", note_segment, r, &r->err), RC_OK);
    qsort(r->names, (size_t)r->names_len, sizeof(r->names[0]), order_names);
}

char *rig_file(struct journal_rig *r, const char *name, uint64_t *len)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", r->options.dir, name);
    return simfs_bytes(r->disk, path, len);
}

uint64_t rig_find(struct journal_rig *r, const char *name, uint64_t lsn)
{
    uint64_t len, at = FORMAT_DATA_AT;
    const char *bytes = rig_file(r, name, &len);
    assert_non_null(bytes);
    while (at + sizeof(struct record_header) <= len) {
        const struct record_header *head = (const void *)(bytes + at);
        if (head->lsn == 0)
            break;
        if (head->lsn == lsn && head->flags == 0)
            return at;
        at += format_record_bytes(head->len);
    }
    fail_msg("no record %llu in %s", (unsigned long long)lsn, name);
    return 0;
}

bool rig_wait(bool (*done)(struct journal_rig *r), struct journal_rig *r)
{
    int64_t until = clock_mono().us + RIG_PATIENCE_MS * INT64_C(1000);
    while (!done(r)) {
        if (clock_mono().us > until)
            return false;
        sched_yield();
    }
    return true;
}
