/* The segments of a directory, read as one history. Changes nothing on disk.
 *
 * Segments in order of their first LSN make a chain: each says after which LSN it continues.
 *
 *   k     [ 1 .. 700 | 701 .. 720 whatever ]      abandoned after a failed write or sync at 701
 *   k+1             [ 701 .. 950 ] torn           701.. once more, rewritten from memory
 *   k+2                        [ 951 .. ]         put in use after a restart
 *
 * So a segment counts only up to where the next one takes over, and one with a number lower than a
 * segment before it was superseded. Where the chain breaks although a later segment, or a marker
 * after the break, is evidence that what is missing had been synced, the journal is damaged. A
 * break above everything that is known to have been synced is what power loss leaves: pages that
 * were not synced reach the disk in any order, or not at all.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef JOURNAL_CHAIN_H
#define JOURNAL_CHAIN_H

#include "base/path.h"
#include "journal/format.h"

struct chain_segment {
    char name[FORMAT_NAME_MAX];
    uint64_t size;
    uint64_t first_lsn; /* as the name says */
    bool good;          /* the header is valid and says the same */
    struct segment_header header;
    struct segment_note note;
};

struct chain {
    const struct fs *fs;
    char *dir;
    uint8_t journal_id[16]; /* zeros: no segment says one */
    struct format_key key;
    /* The history, in order; then those that were superseded, which are only waiting to be removed.
     */
    struct chain_segment *segments;
    size_t len, superseded, cap;
    uint64_t number_max;             /* 0: no segment yet */
    struct segment_note newest_note; /* of that segment */
    /* the other files */
    uint64_t *spares; /* serials of spare files */
    size_t spares_len, spares_cap;
    uint32_t *rings; /* producers of ring files */
    size_t rings_len, rings_cap;
};

/* Lists dir and reads the headers. RC_FOREIGN: of another format, or of several journals mixed. */
MUST_CHECK enum rc chain_open(struct chain *out, const struct fs *fs, const char *dir,
                              struct err *err);
void chain_close(struct chain *c);
/* "<dir>/<name>" on the heap. */
char *chain_path(const char *dir, const char *name);
/* On files in dir, by their names; a sync of the directory makes it last. */
MUST_CHECK enum rc chain_remove(const struct fs *fs, const char *dir, const char *name,
                                struct err *err);
MUST_CHECK enum rc chain_rename(const struct fs *fs, const char *dir, const char *from,
                                const char *to, struct err *err);

struct chain_place {
    const char *name; /* of the file, "" before the first */
    uint64_t offset;
    uint64_t next_lsn; /* that is, or would be, there */
};

/* A walk along the chain. */
struct chain_walk {
    const struct chain *chain;
    bool strict;       /* nothing was lost with the machine's memory: no group may follow a break */
    size_t at;         /* segment; chain->len: after the end */
    uint64_t next_lsn; /* expected */
    uint64_t limit;    /* where the next segment takes over, 0: nowhere */
    bool torn;         /* ended before bytes that never were synced and do not verify */
    uint64_t durable_lsn; /* the highest that a marker on the way has stated */
    uint64_t marked_run;  /* the last run that has written a marker on the way */
    /* the window on the file */
    struct fs_file *file;
    uint64_t mix;
    char *buf;
    size_t cap, from, to;
    uint64_t buf_offset; /* of buf[0] in the file */
};

/* The first segment with a good header, NULL: none. What is before it may have come back after it
 * was trimmed. */
const struct chain_segment *chain_first_good(const struct chain *c);
/* The RC_CORRUPT of a first segment whose header does not verify. */
enum rc chain_headless(const struct chain *c, struct err *err);
/* Starts at the last segment that holds everything above after_lsn; RC_CORRUPT when there is none
 * although there are segments. */
MUST_CHECK enum rc chain_walk_init(struct chain_walk *w, const struct chain *c, uint64_t after_lsn,
                                   bool strict, struct err *err);
void chain_walk_fini(struct chain_walk *w);
/* The next record, valid until the next call; its LSN may be at or below after_lsn. RC_NOT_FOUND:
 * the end, next_lsn is the first one that does not exist. */
MUST_CHECK enum rc chain_walk_next(struct chain_walk *w, const struct record_header **out,
                                   struct err *err);
struct chain_place chain_walk_place(const struct chain_walk *w);

#endif
