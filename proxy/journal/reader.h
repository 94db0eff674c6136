/* Reading a journal from outside: for `weirctl journal cat|verify|salvage`, and for the fuzzer.
 *
 * Reads the segments only: a proxy that runs, or was killed, may hold newer records in its rings,
 * which the next start brings into a segment. Takes no lock; a running proxy may trim the segment
 * that is being read, which ends the reading with an error. Only salvage changes anything.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef JOURNAL_READER_H
#define JOURNAL_READER_H

#include "journal/journal.h"

struct journal_reader;

struct journal_segment {
    char name[48];
    bool valid; /* the header verifies; if not, only name, first_lsn and bytes mean anything */
    uint64_t number;
    uint64_t first_lsn;
    uint64_t continues_after; /* first_lsn - 1, or less after a jump */
    uint64_t bytes;           /* preallocated size */
    struct wall created;
};

/* Where the reader stands: the next record would be there. */
struct journal_place {
    char name[48]; /* file in the directory, "" when there is none */
    uint64_t offset;
    uint64_t next_lsn;
};

/* `fs` NULL: the real one. RC_FOREIGN: of another format, or of several journals mixed. */
MUST_CHECK enum rc journal_reader_open(const struct fs *fs, const char *dir,
                                       struct journal_reader **out, struct err *err);
void journal_reader_close(struct journal_reader **r);
/* The segments that make up the history, in order. Owned by the reader. */
size_t journal_reader_segments(const struct journal_reader *r, const struct journal_segment **out);
/* The journal's own id; zeros when there is no valid segment. */
void journal_reader_id(const struct journal_reader *r, uint8_t out[16]);
/* Goes to the record after after_lsn; 0: the oldest one that can be read. RC_CORRUPT: the journal
 * begins later. */
MUST_CHECK enum rc journal_reader_seek(struct journal_reader *r, uint64_t after_lsn,
                                       struct err *err);
/* RC_NOT_FOUND: the end. RC_CORRUPT: damage; err names file, offset and LSNs. The record is valid
 * until the next call. Reading from the oldest record to RC_NOT_FOUND is verification. */
MUST_CHECK enum rc journal_reader_next(struct journal_reader *r, struct journal_record *out,
                                       struct err *err);
struct journal_place journal_reader_place(const struct journal_reader *r);
/* At the end: it is followed by bytes that never were synced, which a start ignores. */
bool journal_reader_is_torn(const struct journal_reader *r);

struct journal_salvage {
    bool was_sound;          /* nothing had to be done */
    struct journal_place at; /* the first bad place */
    uint64_t last_lsn;       /* of what is left, 0: nothing */
    uint64_t known_lsn;      /* up to here, at least, there were records before */
    bool was_empty;          /* there is no journal in the directory */
    uint64_t set_aside; /* files renamed to, or copied to, "<name>.damaged", then ".damaged.2" */
};

/* Sets aside what would keep the proxy from starting, and nothing that a start would keep: first
 * segments whose header is damaged, what is after the first bad place of the others, and the rings
 * when what they hold does not follow on (any more). All of it is kept for inspection in files that
 * are named ".damaged", ".damaged.2" and so on. RC_BUSY: the proxy runs. */
MUST_CHECK enum rc journal_salvage(const struct fs *fs, const char *dir,
                                   struct journal_salvage *out, struct err *err);
/* Every record that verifies in a file that salvage has set aside, in the order in which they lie
 * there: of a ring that is not that of the LSNs. RC_CORRUPT: nothing tells what they are to be
 * checked with. A record is valid while `each` runs. */
MUST_CHECK enum rc journal_read_damaged(const struct fs *fs, const char *path,
                                        void (*each)(void *ctx,
                                                     const struct journal_record *record),
                                        void *ctx, struct err *err);
/* Whether anything is damaged or missing, as a start would find it that needs every record:
 * RC_CORRUPT. RC_BUSY: the proxy runs, and then this cannot be told. */
MUST_CHECK enum rc journal_check(const struct fs *fs, const char *dir, struct err *err);

#endif
