/* The VFS between SQLite and the one of sync.h, and the table of sums. See sums.h.
 *
 *   what SQLite does to the database file      what happens here
 *   writes a page (a checkpoint)               its sum is kept first
 *   reads a page                               compared; SQLITE_IOERR_DATA if it differs
 *   reads less than a page (its header)        nothing
 *   syncs                                      the sums are synced first: a page that SQLite takes
 *                                              to be safe has a sum that is
 *   truncates                                  the sums of what is gone are forgotten
 *   takes or frees the checkpoint lock         between our own connections only, see below
 *
 * and to the WAL: the salts in its header, new with each of its lives, are noted before it is
 * written. A crash in the middle of a checkpoint leaves pages that do not agree with their sums;
 * all of them are in the WAL still, which is where they are read from, and will be written again.
 *
 * The checkpoint lock is slot 1 of the locks in the -shm. It is taken once, for the process, by the
 * flusher's connection. SQLite asks for it as for any other, to make a checkpoint (1) or to recover
 * the WAL's index (1 and 2): what it is told then is whether another connection of the store has
 * it, and the other slots are locked as usual.
 *
 * xFetch is not there, so that SQLite never looks at the file through a mapping.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/sums.h"

#include "backends/sqlite/sync.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h> /* a third of the time, where the machine has AVX2 */
#endif

enum {
    CHECKPOINT_LOCK = 1,
    WAL_HEADER_BYTES = 32,
    WAL_HEADER_SALTS = 16,
    NAME_OF_PAGE = 0x9e3779b1, /* a page in the place of another is damage too */
};

/* An open file; that of the VFS below comes after it. */
struct sums_file {
    sqlite3_file base;
    struct sqlite_sums *s;
    bool is_wal;
    uint32_t bad_page;
};

static struct sums_file *sums_self(sqlite3_file *file)
{
    return (struct sums_file *)file;
}

static sqlite3_file *sums_real_of(sqlite3_file *file)
{
    return (sqlite3_file *)(sums_self(file) + 1);
}

/* ---- the table ---- */

uint32_t sums_of(uint32_t page, const void *bytes, size_t size)
{
    uint64_t hash = XXH3_64bits(bytes, size) ^ (uint64_t)page * NAME_OF_PAGE;
    uint32_t sum = (uint32_t)(hash ^ hash >> 32);
    return sum != 0 ? sum : 1;
}

static sums_chunk *chunk_of(struct sqlite_sums *s, uint32_t page, bool make)
{
    sums_chunk *_Atomic *at = &s->chunks[(page - 1) / SUMS_CHUNK_PAGES];
    sums_chunk *chunk = atomic_load_explicit(at, memory_order_acquire);
    if (chunk == NULL && make) {
        chunk = calloc(1, sizeof(*chunk)); /* without memory its pages stay unknown */
        atomic_store_explicit(at, chunk, memory_order_release);
    }
    return chunk;
}

uint32_t sums_get(struct sqlite_sums *s, uint32_t page)
{
    sums_chunk *chunk = chunk_of(s, page, false);
    return chunk == NULL ? 0
                         : atomic_load_explicit(&(*chunk)[(page - 1) % SUMS_CHUNK_PAGES],
                                                memory_order_relaxed);
}

void sums_set_memory(struct sqlite_sums *s, uint32_t page, uint32_t sum)
{
    sums_chunk *chunk = chunk_of(s, page, sum != 0);
    if (chunk == NULL)
        return;
    uint32_t before = atomic_exchange_explicit(&(*chunk)[(page - 1) % SUMS_CHUNK_PAGES], sum,
                                               memory_order_relaxed);
    if (before == 0 && sum != 0)
        atomic_fetch_add_explicit(&s->known, 1, memory_order_relaxed);
    else if (before != 0 && sum == 0)
        atomic_fetch_sub_explicit(&s->known, 1, memory_order_relaxed);
}

void sums_set(struct sqlite_sums *s, uint32_t page, uint32_t sum)
{
    sums_set_memory(s, page, sum);
    sums_file_put(s, page, sum);
}

void sums_note_damage(struct sqlite_sums *s, uint32_t page, bool damaged)
{
    if (LIKELY(!damaged && atomic_load_explicit(&s->damaged_len, memory_order_relaxed) == 0))
        return;
    lock_acquire(&s->lock);
    uint32_t i = 0, n = s->damaged_len;
    while (i < n && s->damaged[i] != page)
        i++;
    if (damaged && i == n && n < SUMS_DAMAGED_MAX) {
        s->damaged[n] = page;
        s->damaged_len = n + 1;
    } else if (!damaged && i < n) {
        s->damaged[i] = s->damaged[n - 1];
        s->damaged_len = n - 1;
    }
    lock_release(&s->lock);
}

/* ---- reading and writing ---- */

/* The number of a page that is there as a whole; 0: it is none. */
static uint32_t whole_page(const struct sqlite_sums *s, int64_t at, int bytes)
{
    if (s->page_bytes == 0 || (uint32_t)bytes != s->page_bytes || at % bytes != 0)
        return 0;
    return (uint32_t)(at / bytes) + 1;
}

static bool is_summed(struct sqlite_sums *s, const sqlite3_file *file)
{
    return !((const struct sums_file *)file)->is_wal &&
           atomic_load_explicit(&s->on, memory_order_acquire);
}

static int sums_read(sqlite3_file *file, void *out, int bytes, sqlite3_int64 at)
{
    struct sqlite_sums *s = sums_self(file)->s;
    int result = sums_real_of(file)->pMethods->xRead(sums_real_of(file), out, bytes, at);
    if (result != SQLITE_OK || !is_summed(s, file))
        return result;
    uint32_t page = whole_page(s, at, bytes);
    uint32_t sum = page != 0 ? sums_get(s, page) : 0;
    if (LIKELY(sum == 0 || sum == sums_of(page, out, (size_t)bytes)))
        return SQLITE_OK;
    sums_self(file)->bad_page = page;
    sums_note_damage(s, page, true);
    memset(out, 0, (size_t)bytes);
    return SQLITE_IOERR_DATA;
}

static void sum_written(struct sqlite_sums *s, const void *bytes, int n, int64_t at)
{
    uint32_t page = whole_page(s, at, n);
    uint32_t last = page != 0 ? page : (uint32_t)((at + n - 1) / s->page_bytes) + 1;
    if (page != 0)
        sums_set(s, page, sums_of(page, bytes, (size_t)n));
    else
        for (page = (uint32_t)(at / s->page_bytes) + 1; page <= last; page++)
            sums_set(s, page, 0);
    if (last > atomic_load_explicit(&s->pages, memory_order_relaxed))
        atomic_store_explicit(&s->pages, last, memory_order_relaxed);
    sums_note_damage(s, last, false);
}

static int sums_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    struct sqlite_sums *s = sums_self(file)->s;
    if (is_summed(s, file))
        sum_written(s, bytes, n, at);
    else if (sums_self(file)->is_wal && at == 0 && n == WAL_HEADER_BYTES)
        sums_file_note_salts(s, (const char *)bytes + WAL_HEADER_SALTS);
    return sums_real_of(file)->pMethods->xWrite(sums_real_of(file), bytes, n, at);
}

static int sums_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
    struct sqlite_sums *s = sums_self(file)->s;
    uint32_t before = atomic_load_explicit(&s->pages, memory_order_relaxed);
    if (is_summed(s, file) && bytes / s->page_bytes < before) {
        uint32_t left = (uint32_t)(bytes / s->page_bytes);
        for (uint32_t page = left + 1; page <= before; page++) {
            sums_set_memory(s, page, 0);
            sums_note_damage(s, page, false);
        }
        sums_file_cut(s, left);
        atomic_store_explicit(&s->pages, left, memory_order_relaxed);
    }
    return sums_real_of(file)->pMethods->xTruncate(sums_real_of(file), bytes);
}

static int sums_sync(sqlite3_file *file, int flags)
{
    if (is_summed(sums_self(file)->s, file))
        sums_file_sync(sums_self(file)->s);
    return sums_real_of(file)->pMethods->xSync(sums_real_of(file), flags);
}

/* ---- the checkpoint lock ---- */

static int lock_real(sqlite3_file *file, int first, int n, int flags)
{
    return sums_real_of(file)->pMethods->xShmLock(sums_real_of(file), first, n, flags);
}

/* Between our own connections, while the real lock is ours anyway. */
static int sums_lock_checkpoints(struct sums_file *f, bool on)
{
    struct sqlite_sums *s = f->s;
    lock_acquire(&s->lock);
    bool free_or_ours = s->checkpointer == NULL || s->checkpointer == f;
    if (free_or_ours)
        s->checkpointer = on ? f : NULL;
    lock_release(&s->lock);
    return free_or_ours || !on ? SQLITE_OK : SQLITE_BUSY;
}

static bool is_pinned(struct sqlite_sums *s)
{
    lock_acquire(&s->lock);
    bool pinned = s->pin != NULL;
    lock_release(&s->lock);
    return pinned;
}

static int sums_shm_lock(sqlite3_file *file, int first, int n, int flags)
{
    bool has_it = first <= CHECKPOINT_LOCK && first + n > CHECKPOINT_LOCK;
    bool on = (flags & SQLITE_SHM_LOCK) != 0;
    if (!has_it || first != CHECKPOINT_LOCK || !is_pinned(sums_self(file)->s))
        return lock_real(file, first, n, flags);
    int result = on ? sums_lock_checkpoints(sums_self(file), true) : SQLITE_OK;
    if (result == SQLITE_OK && n > 1)
        result = lock_real(file, first + 1, n - 1, flags);
    if (!on || result != SQLITE_OK)
        (void)sums_lock_checkpoints(sums_self(file), false);
    return result;
}

/* The real lock, before the connection that has it goes. */
static void unpin(struct sums_file *f)
{
    struct sqlite_sums *s = f->s;
    lock_acquire(&s->lock);
    bool ours = s->pin == f;
    if (ours)
        s->pin = NULL;
    lock_release(&s->lock);
    if (!ours)
        return;
    atomic_store(&s->on, false);
    (void)lock_real(&f->base, CHECKPOINT_LOCK, 1, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
}

/* ---- what is passed on ---- */

static int sums_close(sqlite3_file *file)
{
    struct sums_file *f = sums_self(file);
    (void)atomic_compare_exchange_strong(&f->s->first, &f, NULL);
    return sums_real_of(file)->pMethods->xClose(sums_real_of(file));
}

static int sums_file_size(sqlite3_file *file, sqlite3_int64 *bytes)
{
    return sums_real_of(file)->pMethods->xFileSize(sums_real_of(file), bytes);
}

static int sums_lock(sqlite3_file *file, int how)
{
    return sums_real_of(file)->pMethods->xLock(sums_real_of(file), how);
}

static int sums_unlock(sqlite3_file *file, int how)
{
    return sums_real_of(file)->pMethods->xUnlock(sums_real_of(file), how);
}

static int sums_check_reserved(sqlite3_file *file, int *out)
{
    return sums_real_of(file)->pMethods->xCheckReservedLock(sums_real_of(file), out);
}

static int sums_file_control(sqlite3_file *file, int op, void *arg)
{
    return sums_real_of(file)->pMethods->xFileControl(sums_real_of(file), op, arg);
}

static int sums_sector_size(sqlite3_file *file)
{
    return sums_real_of(file)->pMethods->xSectorSize(sums_real_of(file));
}

static int sums_characteristics(sqlite3_file *file)
{
    return sums_real_of(file)->pMethods->xDeviceCharacteristics(sums_real_of(file));
}

static int sums_shm_map(sqlite3_file *file, int region, int bytes, int extend, void volatile **out)
{
    return sums_real_of(file)->pMethods->xShmMap(sums_real_of(file), region, bytes, extend, out);
}

static void sums_shm_barrier(sqlite3_file *file)
{
    sums_real_of(file)->pMethods->xShmBarrier(sums_real_of(file));
}

static int sums_shm_unmap(sqlite3_file *file, int remove)
{
    unpin(sums_self(file));
    return sums_real_of(file)->pMethods->xShmUnmap(sums_real_of(file), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = sums_close,
    .xRead = sums_read,
    .xWrite = sums_write,
    .xTruncate = sums_truncate,
    .xSync = sums_sync,
    .xFileSize = sums_file_size,
    .xLock = sums_lock,
    .xUnlock = sums_unlock,
    .xCheckReservedLock = sums_check_reserved,
    .xFileControl = sums_file_control,
    .xSectorSize = sums_sector_size,
    .xDeviceCharacteristics = sums_characteristics,
    .xShmMap = sums_shm_map,
    .xShmLock = sums_shm_lock,
    .xShmBarrier = sums_shm_barrier,
    .xShmUnmap = sums_shm_unmap,
};

static char *sums_join(const char *name, const char *suffix)
{
    char *out = NULL;
    must(asprintf(&out, "%s%s", name, suffix) >= 0);
    return out;
}

/* The first database that is opened is the store's. Its WAL belongs to it; what is attached to a
 * connection, and any other file, is the default VFS's alone. */
static bool is_of_store(const struct sqlite_sums *s, const char *name, int flags)
{
    if (name == NULL)
        return false;
    if ((flags & SQLITE_OPEN_MAIN_DB) != 0)
        return s->db_path == NULL || strcmp(name, s->db_path) == 0;
    return (flags & SQLITE_OPEN_WAL) != 0 && s->db_path != NULL && strcmp(name, s->wal_path) == 0;
}

static int sums_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *got)
{
    struct sqlite_sums *s = vfs->pAppData;
    if (!is_of_store(s, name, flags))
        return s->real->xOpen(s->real, name, file, flags, got);
    *sums_self(file) = (struct sums_file){.s = s, .is_wal = (flags & SQLITE_OPEN_WAL) != 0};
    int result = s->real->xOpen(s->real, name, sums_real_of(file), flags, got);
    if (sums_real_of(file)->pMethods != NULL)
        file->pMethods = &methods;
    if (result == SQLITE_OK && s->db_path == NULL) {
        s->db_path = sums_join(name, "");
        s->wal_path = sums_join(name, "-wal");
        s->path = sums_join(name, "-sums");
        sums_file_open(s);
        atomic_store(&s->first, sums_self(file));
    }
    return result;
}

/* ---- start and end ---- */

struct sqlite_sums *sqlite_sums_new(void)
{
    struct sqlite_sums *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->real = sqlite_sync_vfs();
    s->vfs = *s->real; /* its functions look at nothing that is different here, but for xOpen */
    s->vfs.szOsFile = (int)sizeof(struct sums_file) + s->real->szOsFile;
    s->vfs.zName = s->name;
    s->vfs.pAppData = s;
    s->vfs.pNext = NULL;
    s->vfs.xOpen = sums_open;
    s->fd = -1;
    s->scrub_interval_ms = INT64_C(24) * 3600 * 1000;
    lock_init(&s->lock);
    snprintf(s->name, sizeof(s->name), "weir-sums-%p", (void *)s);
    if (sqlite3_vfs_register(&s->vfs, 0) != SQLITE_OK)
        sqlite_sums_free(&s);
    return s;
}

void sqlite_sums_free(struct sqlite_sums **ps)
{
    struct sqlite_sums *s = *ps;
    *ps = NULL;
    if (s == NULL)
        return;
    sqlite3_vfs_unregister(&s->vfs);
    sums_file_close(s);
    for (size_t i = 0; i < SUMS_CHUNKS; i++)
        free(s->chunks[i]);
    lock_fini(&s->lock);
    free(s->db_path);
    free(s->wal_path);
    free(s->path);
    free(s);
}

static struct sums_file *sums_file_of(sqlite3 *db)
{
    sqlite3_file *file = NULL;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        file == NULL || file->pMethods != &methods)
        return NULL;
    return sums_self(file);
}

static bool take_lock(struct sqlite_sums *s, struct sums_file *f)
{
    int flags = SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE;
    if (is_pinned(s))
        return true;
    if (lock_real(&f->base, CHECKPOINT_LOCK, 1, flags) != SQLITE_OK)
        return false;
    lock_acquire(&s->lock);
    s->pin = f;
    lock_release(&s->lock);
    return true;
}

static bool sums_look_at_file(struct sqlite_sums *s, struct sums_file *f)
{
    sqlite3_int64 bytes = 0;
    unsigned char at16[2] = {0};
    sqlite3_file *real = sums_real_of(&f->base);
    if (real->pMethods->xRead(real, at16, 2, 16) != SQLITE_OK ||
        real->pMethods->xFileSize(real, &bytes) != SQLITE_OK)
        return false;
    s->page_bytes = (uint32_t)at16[0] << 8 | at16[1];
    if (s->page_bytes == 1)
        s->page_bytes = SUMS_PAGE_MAX;
    if (s->page_bytes < 512 || (s->page_bytes & (s->page_bytes - 1)) != 0)
        return false;
    atomic_store(&s->pages, (uint32_t)(bytes / s->page_bytes));
    return true;
}

bool sqlite_sums_pin(struct sqlite_sums *s, sqlite3 *db)
{
    struct sums_file *f = sums_file_of(db);
    /* A read makes sure that the connection has the index of the WAL, whatever it finds. */
    (void)sqlite3_exec(db, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL);
    return f != NULL && sums_look_at_file(s, f) && take_lock(s, f);
}

void sqlite_sums_unpin(struct sqlite_sums *s)
{
    lock_acquire(&s->lock);
    struct sums_file *f = s->pin;
    lock_release(&s->lock);
    if (f != NULL)
        unpin(f);
}

bool sqlite_sums_start(struct sqlite_sums *s, sqlite3 *writer)
{
    if (atomic_load(&s->on))
        return true;
    if (!sqlite_sums_pin(s, writer))
        return false;
    const char *why = sums_file_decide(s);
    if (why != NULL) {
        if (why[0] != '\0')
            log_line(LOG_NOTICE, "%s: %s; the sums of %u pages are learnt anew", s->path, why,
                     atomic_load(&s->pages));
        sums_file_forget(s);
        sums_file_begin(s);
    }
    atomic_store_explicit(&s->on, true, memory_order_release);
    sqlite3_db_release_memory(writer); /* what it has read unseen is read again */
    return true;
}

void sqlite_sums_suspend(struct sqlite_sums *s)
{
    if (atomic_exchange(&s->on, false))
        sums_file_forget(s);
}

bool sums_read_page(struct sqlite_sums *s, uint32_t page, void *out)
{
    struct sums_file *f = atomic_load(&s->first);
    if (f == NULL)
        return false;
    sqlite3_file *real = sums_real_of(&f->base);
    return real->pMethods->xRead(real, out, (int)s->page_bytes,
                                 (sqlite3_int64)(page - 1) * s->page_bytes) == SQLITE_OK;
}

/* ---- what is told ---- */

uint32_t sqlite_sums_bad_page(sqlite3 *db)
{
    struct sums_file *f = sums_file_of(db);
    return f != NULL ? f->bad_page : 0;
}

enum rc sqlite_sums_result(struct sqlite_sums *s, struct err *err)
{
    if (LIKELY(atomic_load_explicit(&s->damaged_len, memory_order_relaxed) == 0))
        return RC_OK;
    lock_acquire(&s->lock);
    uint32_t n = s->damaged_len, page = n > 0 ? s->damaged[0] : 0;
    lock_release(&s->lock);
    if (n == 0)
        return RC_OK;
    return err_set(err, RC_CORRUPT,
                   "%s: page %u is not what was written (its checksum differs; %u pages in all). "
                   "`weirctl check` names the tables; restore a backup",
                   s->db_path, page, n);
}

void sqlite_sums_get_figures(struct sqlite_sums *s, struct sums_figures *out)
{
    uint32_t pages = atomic_load(&s->pages);
    out->known = atomic_load(&s->known);
    out->unknown = pages > out->known ? pages - out->known : 0;
    lock_acquire(&s->lock);
    out->damaged = s->damaged_len;
    out->full_pass_ms = s->head.full_pass_ms;
    lock_release(&s->lock);
}
