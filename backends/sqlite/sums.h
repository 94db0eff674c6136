/* Checksums of the pages of a database file: what damage there is, is never read as data.
 *
 *   sums.c        the VFS in between, and the table of sums
 *   sums_file.c   the file weir.db-sums: what is kept, and when it is believed
 *   sums_learn.c  the scrubber: verifies what is known, learns what is not
 *
 * In WAL mode only a checkpoint writes the database file, and whoever makes one holds a lock for
 * it. The store takes that lock and keeps it as long as it is open: so nobody else writes the file,
 * and each page that is written is summed on its way. Others may commit, since that goes into the
 * WAL; a checkpoint of theirs hears BUSY, which is no failure of it.
 *
 * Used by one store: its flusher's connection, which makes all checkpoints, and its loader's.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKENDS_SQLITE_SUMS_H
#define BACKENDS_SQLITE_SUMS_H

#include "base/err.h"
#include "base/lock.h"

#include <sqlite3.h>
#include <stdatomic.h>

enum {
    SUMS_CHUNK_PAGES = 1 << 16,
    SUMS_CHUNKS = 1 << 16, /* together as many pages as SQLite can have */
    SUMS_DAMAGED_MAX = 256,
    SUMS_PAGE_MAX = 65536,
};

/* What is in front of the sums in the file: by which signs they are believed at the next start. */
struct sums_head {
    char magic[8];
    uint32_t page_bytes;
    uint32_t meta_page;   /* the root of weir_meta, of which the file has a copy */
    uint64_t db_ino;      /* the database that they are about */
    uint64_t wal_ino;     /* an empty WAL, as it was left; 0: none was */
    int64_t wal_time_ns;  /* when it was last written */
    uint8_t salts[2][8];  /* lives of the WAL in which only the holder of the lock wrote the file */
    uint64_t copies_hash; /* of the copies of two pages */
    int64_t full_pass_ms; /* wall time; 0: never yet */
    uint64_t hash;        /* of what is above */
};

struct sums_file;
typedef _Atomic uint32_t sums_chunk[SUMS_CHUNK_PAGES];

struct sqlite_sums {
    sqlite3_vfs vfs; /* its own: who opens by its name is summed */
    sqlite3_vfs *real;
    char name[32];

    /* immutable after the first connection is open */
    bool reads_only; /* beside a proxy: the file is not written */
    char *db_path, *wal_path, *path;

    /* flusher thread, while it is the only one or holds the checkpoint lock */
    uint32_t page_bytes;
    uint32_t scrub_at; /* the next page, from 1 on; 0: between two passes */
    int64_t scrub_next_us;
    int64_t scrub_interval_ms; /* from one full pass to the next; tests set it */

    /* any thread */
    _Atomic bool on;                         /* pages are summed and compared */
    sums_chunk *_Atomic chunks[SUMS_CHUNKS]; /* 0: unknown */
    _Atomic uint32_t pages, known;

    struct sums_file *_Atomic first; /* of the connections; closed last */

    struct lock lock;
    struct sums_file *pin GUARDED_BY(lock);          /* whose lock keeps others from checkpoints */
    struct sums_file *checkpointer GUARDED_BY(lock); /* of our connections */
    int fd GUARDED_BY(lock);                         /* -1: nothing is kept */
    struct sums_head head GUARDED_BY(lock);
    uint32_t damaged[SUMS_DAMAGED_MAX] GUARDED_BY(lock);
    _Atomic uint32_t damaged_len; /* written under lock */
};

struct sums_figures {
    uint32_t known, unknown, damaged; /* pages */
    int64_t full_pass_ms;             /* wall time of the end of the last full pass; 0: none */
};

/* sums.c */

/* NULL: out of memory. Connections are opened with the VFS `s->name`. */
struct sqlite_sums *sqlite_sums_new(void);
/* When the connections are closed. */
void sqlite_sums_free(struct sqlite_sums **s);
/* Takes the lock that keeps others from checkpoints and decides what is believed; from then on
 * pages are verified. False: another program makes a checkpoint just now, try again. The connection
 * is in WAL mode and in no transaction. Thread: flusher. */
bool sqlite_sums_start(struct sqlite_sums *s, sqlite3 *writer);
/* Only the lock, and what the file is; for who reads beside a proxy. */
bool sqlite_sums_pin(struct sqlite_sums *s, sqlite3 *db);
void sqlite_sums_unpin(struct sqlite_sums *s);
/* The files are not where their names say, so others may write what we have open: nothing is
 * believed until the next sqlite_sums_start(). Thread: flusher. */
void sqlite_sums_suspend(struct sqlite_sums *s);
/* The page at which a call of this connection met SQLITE_IOERR_DATA last. */
uint32_t sqlite_sums_bad_page(sqlite3 *db);
/* RC_CORRUPT, and which page, as long as one is known to be damaged. Thread: any. */
MUST_CHECK enum rc sqlite_sums_result(struct sqlite_sums *s, struct err *err);
void sqlite_sums_get_figures(struct sqlite_sums *s, struct sums_figures *out);

uint32_t sums_of(uint32_t page, const void *bytes, size_t size);
uint32_t sums_get(struct sqlite_sums *s, uint32_t page);
/* In memory and in the file. */
void sums_set(struct sqlite_sums *s, uint32_t page, uint32_t sum);
/* In memory only. */
void sums_set_memory(struct sqlite_sums *s, uint32_t page, uint32_t sum);
void sums_note_damage(struct sqlite_sums *s, uint32_t page, bool damaged);
/* Past the comparison; false: it could not be read. Thread: the first connection's. */
bool sums_read_page(struct sqlite_sums *s, uint32_t page, void *out);

/* sums_file.c */

void sums_file_open(struct sqlite_sums *s);
void sums_file_close(struct sqlite_sums *s);
/* The checkpoint lock is held: reads the sums if they may be believed. NULL, or why not: then none
 * is known. */
const char *sums_file_decide(struct sqlite_sums *s);
/* Reads them beside the proxy that keeps them; false: it does not, or not of this file. */
bool sums_file_read_beside(struct sqlite_sums *s);
/* All of them, and the signs by which they would be believed. */
void sums_file_forget(struct sqlite_sums *s);
/* After that, with the checkpoint lock: from here on there are signs again. */
void sums_file_begin(struct sqlite_sums *s);
/* One sum. */
void sums_file_put(struct sqlite_sums *s, uint32_t page, uint32_t sum);
/* The pages above this one are gone. */
void sums_file_cut(struct sqlite_sums *s, uint32_t pages);
void sums_file_sync(struct sqlite_sums *s);
/* A life of the WAL that others know nothing about begins: it may be believed. */
void sums_file_note_salts(struct sqlite_sums *s, const void *salts);
/* The same for the life that the WAL is in, which another program may have begun. */
void sums_file_note_life(struct sqlite_sums *s);
/* The WAL is empty, and all of it in the database. `meta_page`: the root of weir_meta. */
void sums_file_note_empty(struct sqlite_sums *s, int64_t meta_page);
/* Whether the WAL is still the empty one that was noted. */
bool sums_file_is_as_noted(struct sqlite_sums *s);
void sums_file_note_pass(struct sqlite_sums *s, int64_t wall_ms);
/* The sum that the file has of a page now; 0: unknown. */
uint32_t sums_file_get(struct sqlite_sums *s, uint32_t page);

/* sums_learn.c */

/* Some pages, if it is time. Thread: flusher. */
void sqlite_sums_scrub(struct sqlite_sums *s);

#endif
