/* The VFS that knows of failed syncs. See sync.h.
 *
 * Each database that is open in the process has one state, whichever connection looks at it. A WAL
 * is written again while the connection holds SQLite's write lock: nobody appends to it or begins
 * it anew then, and frames up to the last commit do not change. Who reads or makes a checkpoint is
 * not disturbed, since each byte stays what it is.
 *
 * The layouts are SQLite's: https://www.sqlite.org/walformat.html sections 2 and 4.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/sync.h"

#include "backends/sqlite/value.h"
#include "backends/sqlite/wal_format.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/stats.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIND_STATE = 0x57656972, /* file controls of our own, above those of SQLite */
    WRITE_WAL_AGAIN,
    UNREADABLE,             /* a result of ours: the WAL is not what was written */
    WAL_MAGIC = 0x377f0682, /* the last bit says the byte order of the checksums */
};

/* One database, while any file of it is open. */
struct sync_state {
    struct sync_state *next;
    char *path;
    uint32_t files; /* that are open; under states_lock */
    _Atomic uint32_t wals;
    atomic_bool in_doubt, told;
};

/* An open file; the default VFS's own comes after it. */
struct sync_file {
    sqlite3_file base;
    struct sync_state *state; /* NULL: of no interest */
    const char *name;
    bool is_wal;
};

static struct lock states_lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static struct sync_state *states GUARDED_BY(states_lock);
static sqlite3_vfs sync_vfs, *real_vfs;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static struct sync_file *sync_self(sqlite3_file *file)
{
    return (struct sync_file *)(void *)file;
}

static sqlite3_file *sync_real_of(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)(sync_self(file) + 1);
}

/* ---- states ---- */

/* Of a database by the name of one of its files. */
static struct sync_state *take_state(const char *name, size_t len) REQUIRES(states_lock)
{
    struct sync_state *s = states;
    while (s != NULL && (strlen(s->path) != len || memcmp(s->path, name, len) != 0))
        s = s->next;
    if (s == NULL) {
        s = calloc(1, sizeof(*s));
        must(s != NULL);
        s->path = strndup(name, len);
        must(s->path != NULL);
        s->next = states;
        states = s;
    }
    s->files++;
    return s;
}

static void attach(struct sync_file *f, const char *name)
{
    size_t len = strlen(name) - (f->is_wal ? strlen("-wal") : 0);
    sqlite3_int64 bytes = 0;
    bool has_content =
        f->is_wal &&
        (sync_real_of(&f->base)->pMethods->xFileSize(sync_real_of(&f->base), &bytes) != SQLITE_OK ||
         bytes > 0);
    lock_acquire(&states_lock);
    f->state = take_state(name, len);
    f->name = name;
    if (f->is_wal && atomic_fetch_add(&f->state->wals, 1) == 0)
        atomic_store(&f->state->in_doubt, has_content);
    lock_release(&states_lock);
}

static void sync_detach(struct sync_file *f)
{
    struct sync_state **at = &states, *s = f->state;
    if (s == NULL)
        return;
    lock_acquire(&states_lock);
    atomic_fetch_sub(&s->wals, f->is_wal);
    if (--s->files == 0) {
        while (*at != s)
            at = &(*at)->next;
        *at = s->next;
        free(s->path);
        free(s);
    }
    lock_release(&states_lock);
}

/* ---- syncs ---- */

static void sync_tell(struct sync_file *f)
{
    stat_add(STAT_store_sync_failures, 1);
    if (atomic_exchange(&f->state->told, true))
        return;
    if (f->is_wal)
        log_line(
            LOG_WARNING,
            "%s: a sync of it failed: the disk may not have what was last written to it. It is "
            "written again before anything more is committed; nothing is lost, and the "
            "journal keeps what is new. If that goes on, look at the disk (dmesg)",
            f->name);
    else
        log_line(LOG_WARNING,
                 "%s: a sync of it failed: the disk may not have what was last written to it. The "
                 "WAL has it, and it is moved again; nothing is lost. If that goes on, look at "
                 "the disk (dmesg)",
                 f->name);
}

static int sync_sync(sqlite3_file *file, int flags)
{
    struct sync_file *f = sync_self(file);
    bool has_wal = atomic_load(&f->state->wals) > 0;
    if (has_wal && atomic_load(&f->state->in_doubt))
        return SQLITE_IOERR_FSYNC;
    int result = sync_real_of(file)->pMethods->xSync(sync_real_of(file), flags);
    if (LIKELY(result == SQLITE_OK)) {
        if (!f->is_wal)
            atomic_store(&f->state->told, false);
        return SQLITE_OK;
    }
    if (has_wal)
        atomic_store(&f->state->in_doubt, true);
    sync_tell(f);
    return result;
}

/* ---- writing a WAL again ---- */

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t little_endian(const unsigned char *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

struct wal_sum {
    uint32_t (*word)(const unsigned char *p);
    uint32_t a, b;
};

/* The checksum goes on through the WAL from frame to frame. */
static void add_to_sum(struct wal_sum *s, const unsigned char *p, size_t len)
{
    for (const unsigned char *end = p + len; p < end; p += 8) {
        s->a += s->word(p) + s->b;
        s->b += s->word(p + 4) + s->a;
    }
}

static bool is_sum(const struct wal_sum *s, const unsigned char *p)
{
    return s->a == big_endian(p) && s->b == big_endian(p + 4);
}

/* Reads a part of the WAL that must be there. */
static int read_part(sqlite3_file *real, unsigned char *to, size_t len, sqlite3_int64 at)
{
    int result = real->pMethods->xRead(real, to, (int)len, at);
    return result == SQLITE_IOERR_SHORT_READ ? UNREADABLE : result;
}

/* *end: where they end. */
static int write_frames(sqlite3_file *real, uint32_t frames, unsigned char *frame,
                        sqlite3_int64 *end)
{
    unsigned char header[WAL_HEADER];
    struct wal_sum sum = {0};
    int result = read_part(real, header, WAL_HEADER, 0);
    if (result != SQLITE_OK)
        return result;
    sum.word = (big_endian(header) & 1) != 0 ? big_endian : little_endian;
    add_to_sum(&sum, header, WAL_HEADER - 8);
    size_t page = big_endian(header + 8);
    if ((big_endian(header) & ~1u) != WAL_MAGIC || page > PAGE_MAX || page % 8 != 0 ||
        !is_sum(&sum, header + WAL_HEADER - 8))
        return UNREADABLE;
    result = real->pMethods->xWrite(real, header, WAL_HEADER, 0);
    sqlite3_int64 at = WAL_HEADER;
    for (uint32_t i = 0; i < frames && result == SQLITE_OK; i++) {
        result = read_part(real, frame, FRAME_HEADER + page, at);
        if (result != SQLITE_OK)
            break;
        add_to_sum(&sum, frame, 8);
        add_to_sum(&sum, frame + FRAME_HEADER, page);
        if (memcmp(frame + 8, header + 16, 8) != 0 || !is_sum(&sum, frame + 16))
            return UNREADABLE;
        result = real->pMethods->xWrite(real, frame, (int)(FRAME_HEADER + page), at);
        at += FRAME_HEADER + (sqlite3_int64)page;
    }
    *end = at;
    return result;
}

/* What was told to have failed does not come back when the WAL is read from its beginning. */
static int end_after(sqlite3_file *real, sqlite3_int64 end)
{
    static const unsigned char no_frame[FRAME_HEADER];
    sqlite3_int64 bytes = 0;
    int result = real->pMethods->xFileSize(real, &bytes);
    if (result != SQLITE_OK || bytes <= end)
        return result;
    return real->pMethods->xWrite(real, no_frame, FRAME_HEADER, end);
}

static int write_again(struct sync_file *f, uint32_t frames)
{
    sqlite3_file *real = sync_real_of(&f->base);
    unsigned char *frame = malloc(FRAME_HEADER + PAGE_MAX);
    int result = frame == NULL ? SQLITE_NOMEM : SQLITE_OK;
    sqlite3_int64 end = WAL_HEADER;
    if (result == SQLITE_OK && frames > 0)
        result = write_frames(real, frames, frame, &end);
    if (result == SQLITE_OK)
        result = end_after(real, end);
    if (result == SQLITE_OK) {
        result = real->pMethods->xSync(real, SQLITE_SYNC_NORMAL);
        if (result != SQLITE_OK)
            sync_tell(f);
    }
    free(frame);
    if (result != SQLITE_OK)
        return result;
    atomic_store(&f->state->in_doubt, false);
    if (atomic_exchange(&f->state->told, false))
        log_line(LOG_NOTICE, "%s: was written again, and synced", f->name);
    return SQLITE_OK;
}

static enum rc sync_fail(sqlite3 *db, int result, struct err *err)
{
    const char *path = sqlite3_db_filename(db, "main");
    if (result == UNREADABLE)
        return err_set(err, RC_CORRUPT,
                       "%s-wal: what was written before a sync that failed cannot be read any "
                       "more. The journal keeps what is new: restart Weir",
                       path);
    enum rc rc = sqlite_rc(result);
    return err_set(err, rc == RC_OK ? RC_UNAVAILABLE : rc, "%s-wal: writing it again: %s", path,
                   sqlite3_errstr(result));
}

/* With the write lock. */
static int renew_locked(sqlite3 *db)
{
    sqlite3_file *file = NULL, *wal = NULL;
    void volatile *index = NULL;
    int result = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (result == SQLITE_OK)
        result = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
    if (result == SQLITE_OK)
        result = file->pMethods->xShmMap(file, 0, INDEX_REGION, 0, &index);
    if (result != SQLITE_OK || index == NULL)
        return result != SQLITE_OK ? result : SQLITE_IOERR_SHMMAP;
    result =
        file->pMethods->xShmLock(file, CHECKPOINT_LOCK, 1, SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE);
    if (result != SQLITE_OK)
        return result;
    /* A checkpoint that a reader holds up moves pages and does not sync them. */
    ((volatile uint32_t *)index)[INDEX_BACKFILLED / sizeof(uint32_t)] = 0;
    (void)file->pMethods->xShmLock(file, CHECKPOINT_LOCK, 1,
                                   SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
    uint32_t frames = ((const volatile uint32_t *)index)[INDEX_FRAMES / sizeof(uint32_t)];
    return wal->pMethods->xFileControl(wal, WRITE_WAL_AGAIN, &frames);
}

enum rc sqlite_sync_renew(sqlite3 *db, struct err *err)
{
    struct sync_state *state = NULL;
    if (sqlite3_file_control(db, "main", FIND_STATE, &state) != SQLITE_OK || state == NULL)
        return err_set(err, RC_INVALID, "not opened by the VFS that knows of syncs");
    int result = SQLITE_OK;
    if (atomic_load(&state->wals) == 0) /* SQLite opens the WAL when it reads for the first time */
        result = sqlite3_exec(db, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL);
    if (LIKELY(result == SQLITE_OK && !atomic_load(&state->in_doubt)))
        return RC_OK;
    if (result == SQLITE_OK)
        result = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (result == SQLITE_OK) {
        result = renew_locked(db);
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return result == SQLITE_OK ? RC_OK : sync_fail(db, result, err);
}

/* ---- what is passed on ---- */

static int sync_control(sqlite3_file *file, int op, void *arg)
{
    if (op == FIND_STATE) {
        *(struct sync_state **)arg = sync_self(file)->state;
        return SQLITE_OK;
    }
    if (op == WRITE_WAL_AGAIN)
        return write_again(sync_self(file), *(uint32_t *)arg);
    return sync_real_of(file)->pMethods->xFileControl(sync_real_of(file), op, arg);
}

static int sync_close(sqlite3_file *file)
{
    sync_detach(sync_self(file));
    return sync_real_of(file)->pMethods->xClose(sync_real_of(file));
}

#define PASS(name, params, ...)                  \
    static int name params                       \
    {                                            \
        sqlite3_file *real = sync_real_of(file); \
        return real->pMethods->__VA_ARGS__;      \
    }
PASS(sync_read, (sqlite3_file * file, void *to, int len, sqlite3_int64 at),
     xRead(real, to, len, at))
PASS(sync_write, (sqlite3_file * file, const void *from, int len, sqlite3_int64 at),
     xWrite(real, from, len, at))
PASS(sync_truncate, (sqlite3_file * file, sqlite3_int64 size), xTruncate(real, size))
PASS(sync_size, (sqlite3_file * file, sqlite3_int64 *out), xFileSize(real, out))
PASS(sync_lock, (sqlite3_file * file, int how), xLock(real, how))
PASS(sync_unlock, (sqlite3_file * file, int how), xUnlock(real, how))
PASS(sync_is_reserved, (sqlite3_file * file, int *out), xCheckReservedLock(real, out))
PASS(sync_sector, (sqlite3_file * file), xSectorSize(real))
PASS(sync_traits, (sqlite3_file * file), xDeviceCharacteristics(real))
PASS(shm_map, (sqlite3_file * file, int at, int size, int extend, void volatile **out),
     xShmMap(real, at, size, extend, out))
PASS(shm_lock, (sqlite3_file * file, int at, int n, int flags), xShmLock(real, at, n, flags))
PASS(shm_unmap, (sqlite3_file * file, int delete), xShmUnmap(real, delete))
#undef PASS

static void shm_barrier(sqlite3_file *file)
{
    sync_real_of(file)->pMethods->xShmBarrier(sync_real_of(file));
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* no file is mapped */
    .xClose = sync_close,
    .xRead = sync_read,
    .xWrite = sync_write,
    .xTruncate = sync_truncate,
    .xSync = sync_sync,
    .xFileSize = sync_size,
    .xLock = sync_lock,
    .xUnlock = sync_unlock,
    .xCheckReservedLock = sync_is_reserved,
    .xFileControl = sync_control,
    .xSectorSize = sync_sector,
    .xDeviceCharacteristics = sync_traits,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* Temporary files, and journals that roll back, are the default VFS's alone. */
static int sync_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *got)
{
    (void)vfs;
    if (name == NULL || (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0)
        return real_vfs->xOpen(real_vfs, name, file, flags, got);
    *sync_self(file) = (struct sync_file){.is_wal = (flags & SQLITE_OPEN_WAL) != 0};
    int result = real_vfs->xOpen(real_vfs, name, sync_real_of(file), flags, got);
    if (sync_real_of(file)->pMethods != NULL)
        file->pMethods = &methods;
    if (result == SQLITE_OK)
        attach(sync_self(file), name);
    return result;
}

static void register_vfs(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    sync_vfs = *real_vfs; /* its functions look at nothing that is different here, but for xOpen */
    sync_vfs.szOsFile = (int)sizeof(struct sync_file) + real_vfs->szOsFile;
    sync_vfs.zName = "weir-sync";
    sync_vfs.pNext = NULL;
    sync_vfs.xOpen = sync_open;
    must(sqlite3_vfs_register(&sync_vfs, 0) == SQLITE_OK);
}

sqlite3_vfs *sqlite_sync_vfs(void)
{
    must(pthread_once(&once, register_vfs) == 0);
    return &sync_vfs;
}
