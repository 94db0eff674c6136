/* See missing.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/missing.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the mark of the stop ---- */

struct stop_page { /* the file */
    char magic[8];
    uint32_t version, reserved;
    uint8_t journal_id[16];
    uint64_t run, last_lsn;
    uint64_t checksum;
};

static const char stop_magic[8] = {'W', 'E', 'I', 'R', 'S', 'T', 'O', 'P'};
enum { STOP_VERSION = 1 };

static uint64_t stop_checksum(const struct stop_page *page)
{
    return format_checksum(page, offsetof(struct stop_page, checksum));
}

void stop_mark_read(const struct fs *fs, const char *dir, const uint8_t journal_id[16],
                    struct stop_mark *out)
{
    static const uint8_t nobody[16];
    struct stop_page page;
    struct fs_file *file;
    struct err ignored;
    size_t got = 0;
    *out = (struct stop_mark){0};
    char *path = chain_path(dir, STOP_MARK_NAME);
    enum rc rc = fs->open(fs->ctx, path, FS_READ, &file, &ignored);
    free(path);
    if (rc != RC_OK)
        return;
    rc = fs->pread(fs->ctx, file, &page, sizeof(page), 0, &got, &ignored);
    fs->close(fs->ctx, &file);
    bool sound = rc == RC_OK && got == sizeof(page) &&
                 memcmp(page.magic, stop_magic, sizeof(stop_magic)) == 0 &&
                 page.version == STOP_VERSION && page.checksum == stop_checksum(&page);
    if (!sound || (memcmp(page.journal_id, journal_id, 16) != 0 &&
                   memcmp(page.journal_id, nobody, 16) != 0)) /* an empty directory was salvaged */
        return;
    *out = (struct stop_mark){page.run, page.last_lsn};
}

enum rc stop_mark_write(const struct fs *fs, const char *dir, const uint8_t journal_id[16],
                        const struct stop_mark *mark, struct err *err)
{
    struct stop_page page = {.version = STOP_VERSION, .run = mark->run, .last_lsn = mark->last_lsn};
    memcpy(page.magic, stop_magic, sizeof(stop_magic));
    memcpy(page.journal_id, journal_id, 16);
    page.checksum = stop_checksum(&page);
    return fs_put_file(fs, dir, STOP_MARK_NAME, slice_of(&page, sizeof(page)), err);
}

/* ---- what must be there ---- */

static const char give_up[] = "Put the files back, or give these records up with "
                              "`weirctl journal salvage";

static const char *last_file(const struct journal *j)
{
    return j->chain_end > 0 ? j->chain.segments[j->chain_end - 1].name : "none";
}

bool same_boot(const struct journal *j, const uint8_t boot_id[16])
{
    static const uint8_t unknown[16];
    return memcmp(boot_id, unknown, 16) != 0 && memcmp(boot_id, j->boot_id, 16) == 0;
}

static enum rc lsns_missing(const struct journal *j, uint64_t upto, const char *who,
                            struct err *err)
{
    char shown[PATH_MAX];
    const char *dir = path_shown(j->dir, shown);
    return err_set(err, RC_CORRUPT,
                   "journal '%s': records %llu to %llu are missing: '%s' knows of them (%llu), and "
                   "the last segment (%s) ends with %llu. %s %s`",
                   dir, (unsigned long long)j->chain_lsn + 1, (unsigned long long)upto, who,
                   (unsigned long long)(upto - j->chain_lsn), last_file(j),
                   (unsigned long long)j->chain_lsn, give_up, dir);
}

static enum rc run_missing(const struct journal *j, const struct old_ring *old, struct err *err)
{
    char shown[PATH_MAX];
    const char *dir = path_shown(j->dir, shown);
    return err_set(err, RC_CORRUPT,
                   "journal '%s': every segment of run %llu is missing, which '%s' belongs to: "
                   "records from %llu on are lost. %s %s`",
                   dir, (unsigned long long)old->ring.page->generation, old->name,
                   (unsigned long long)j->chain_lsn + 1, give_up, dir);
}

/* The highest LSN that the segments must hold, and who says so. */
struct missing_evidence {
    uint64_t lsn;
    const char *who;
};

static void weigh_ring(const struct journal *j, const struct old_ring *old,
                       struct missing_evidence *most)
{
    const struct ring_page *page = old->ring.page;
    uint64_t lsn = atomic_load(&page->durable_lsn);
    bool of_lost_run = page->generation > j->run && same_boot(j, page->boot_id);
    if ((j->coherent && old->counts) || of_lost_run)
        lsn = max_u64(lsn, atomic_load(&page->released_lsn));
    if (lsn > most->lsn)
        *most = (struct missing_evidence){lsn, old->name};
}

static const struct old_ring *ring_that_counts(const struct journal *j, uint32_t producer)
{
    for (size_t i = 0; i < j->old_len; i++)
        if (j->old[i].producer == producer && j->old[i].counts)
            return &j->old[i];
    return NULL;
}

/* The rings of a run that had begun and was not stopped in order are all there. */
static enum rc check_rings_of_run(const struct journal *j, const struct stop_mark *mark,
                                  struct err *err)
{
    if (!j->run_begun || !same_boot(j, j->chain.newest_note.boot_id) || mark->run == j->run)
        return RC_OK;
    char shown[PATH_MAX];
    const char *dir = path_shown(j->dir, shown);
    for (uint32_t p = 0; p < j->chain.newest_note.rings; p++)
        if (ring_that_counts(j, p) == NULL)
            return err_set(err, RC_CORRUPT,
                           "journal '%s': 'ring-%u' is missing or damaged: records above %llu "
                           "that only it held are lost. %s %s`",
                           dir, p, (unsigned long long)j->chain_lsn, give_up, dir);
    return RC_OK;
}

enum rc missing_check(const struct journal *j, struct err *err)
{
    struct stop_mark mark;
    stop_mark_read(j->fs, j->dir, j->id, &mark);
    struct missing_evidence most = {mark.last_lsn, STOP_MARK_NAME};
    for (size_t i = 0; i < j->old_len; i++)
        weigh_ring(j, &j->old[i], &most);
    if (most.lsn > j->chain_lsn)
        return lsns_missing(j, most.lsn, most.who, err);
    for (size_t i = 0; i < j->old_len; i++)
        if (j->old[i].ring.page->generation > j->run)
            return run_missing(j, &j->old[i], err);
    return check_rings_of_run(j, &mark, err);
}
