/* A database that was overwritten where it lies: `cp backup.db weir.db` while the proxy runs.
 *
 * The inode is the same, and SQLite does not look at the file for what it has in its cache or in
 * the WAL: it would go on, and mix two databases page by page. But the file's time changes, and in
 * WAL mode only a checkpoint writes to the file. How far checkpoints have come is in the index of
 * the WAL. So, with the lock that every checkpoint takes:
 *
 *   time   checkpoints   page of weir_meta     so
 *   same   -             -                     nothing happened
 *   new    no further    as it was             `touch`: no matter
 *   new    no further    as the WAL has it     somebody's checkpoint has failed on its way
 *   new    no further    another               overwritten
 *   new    further       older, or not there   overwritten: a checkpoint only brings it forward
 *   new    further       the same or newer     somebody made a checkpoint
 *
 * ("as it was" includes the first page, which counts changes, and the size of the file. "As the WAL
 * has it": each of the two is as it was or equal to its newest frame, or to the frame before that,
 * since one batch of ours may have been committed between a checkpoint and this look.)
 *
 * The page is read from the file itself, past SQLite. What was overwritten stays so until a
 * restart: SQLite is not asked for anything again, and the WAL is renamed, since it belongs to the
 * old content and whoever opens the database next would read its pages into the new one.
 *
 * The layouts are SQLite's: https://www.sqlite.org/fileformat2.html sections 1.6 and 2.1, and
 * https://www.sqlite.org/walformat.html section 2.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/internal.h"
#include "backends/sqlite/wal_format.h"

#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    LEAF_OF_INDEX = 0x0a, /* a WITHOUT ROWID table is one */
    LEAF_HEADER = 8,
    FRAMES_OF_A_PAGE = 2, /* that a checkpoint on its way may have written */
};

/* ---- one leaf page, as it lies in the file ---- */

struct header_cursor {
    const unsigned char *p, *end;
    bool bad; /* it ran over the end */
};

static uint64_t overwrite_take_big_endian(struct header_cursor *c, size_t bytes)
{
    uint64_t n = 0;
    if ((size_t)(c->end - c->p) < bytes) {
        c->bad = true;
        return 0;
    }
    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | c->p[i];
    c->p += bytes;
    return n;
}

/* SQLite's varint; what is of interest here fits into eight bytes of seven bits. */
static uint64_t take_varint(struct header_cursor *c)
{
    uint64_t n = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t byte = overwrite_take_big_endian(c, 1);
        n = n << 7 | (byte & 0x7f);
        if ((byte & 0x80) == 0)
            return n;
    }
    c->bad = true;
    return 0;
}

static size_t bytes_of_serial_type(uint64_t type)
{
    static const unsigned char fixed[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0};
    if (type < sizeof(fixed))
        return fixed[type];
    return type < 12 || type > 2 * PAGE_MAX ? PAGE_MAX : (size_t)(type - 12) / 2;
}

/* Takes what it knows from one row of weir_meta(name, value). */
static void read_row(struct header_cursor c, struct sqlite_identity *out)
{
    (void)take_varint(&c); /* bytes of the row */
    struct header_cursor header = c;
    uint64_t header_len = take_varint(&header);
    if (header_len > (uint64_t)(c.end - c.p))
        return;
    c.p += header_len;
    size_t name_len = bytes_of_serial_type(take_varint(&header));
    uint64_t type = take_varint(&header);
    size_t value_len = bytes_of_serial_type(type);
    if (header.bad || (size_t)(c.end - c.p) < name_len + value_len)
        return;
    struct slice name = slice_of((const char *)c.p, name_len);
    c.p += name_len;
    if (slice_eq(name, SLICE("cut_lsn")) && type <= 9) {
        out->cut_lsn = type == 9 ? 1 : overwrite_take_big_endian(&c, value_len);
        out->has_cut = true;
    } else if (slice_eq(name, SLICE("store_id")) && value_len == sizeof(out->store_id)) {
        memcpy(out->store_id, c.p, value_len);
        out->has_store = true;
    }
}

static bool read_meta_page(const struct sqlite_backend *b, int64_t number,
                           struct sqlite_identity *out)
{
    unsigned char page[PAGE_MAX];
    size_t size = (size_t)b->page_bytes;
    off_t at = (off_t)(number - 1) * (off_t)size;
    *out = (struct sqlite_identity){0};
    if (pread(b->file.fd, page, size, at) != (ssize_t)size || page[0] != LEAF_OF_INDEX)
        return false;
    struct header_cursor pointers = {page + 3, page + size, false};
    uint64_t cells = overwrite_take_big_endian(&pointers, 2);
    pointers.p = page + LEAF_HEADER;
    for (uint64_t i = 0; i < cells && !pointers.bad; i++) {
        uint64_t offset = overwrite_take_big_endian(&pointers, 2);
        if (offset >= LEAF_HEADER && offset < size)
            read_row((struct header_cursor){page + offset, page + size, false}, out);
    }
    return out->has_cut && out->has_store;
}

/* ---- how far checkpoints have come ---- */

/* Of a page that lies at an offset of a file. */
static uint64_t digest_of(const struct sqlite_backend *b, int fd, off_t at)
{
    unsigned char page[PAGE_MAX];
    ssize_t n = pread(fd, page, (size_t)b->page_bytes, at);
    return XXH3_64bits(page, n > 0 ? (size_t)n : 0);
}

static sqlite3_file *overwrite_file_of(const struct sqlite_conn *c)
{
    sqlite3_file *file = NULL;
    if (sqlite3_file_control(c->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        file == NULL || file->pMethods == NULL || file->pMethods->iVersion < 2)
        return NULL;
    return file;
}

/* While it is locked nobody writes to the database file. False: somebody is doing so. */
static bool overwrite_lock_checkpoints(sqlite3_file *file, bool on)
{
    int how = (on ? SQLITE_SHM_LOCK : SQLITE_SHM_UNLOCK) | SQLITE_SHM_EXCLUSIVE;
    return file->pMethods->xShmLock(file, CHECKPOINT_LOCK, 1, how) == SQLITE_OK;
}

/* *frames: that the WAL has. */
static bool read_backfill(sqlite3_file *file, struct sqlite_backfill *out, uint32_t *frames)
{
    void volatile *mapped = NULL;
    if (file->pMethods->xShmMap(file, 0, INDEX_REGION, 0, &mapped) != SQLITE_OK || mapped == NULL)
        return false;
    const volatile uint32_t *index = mapped;
    out->salts[0] = index[INDEX_SALTS / sizeof(uint32_t)];
    out->salts[1] = index[INDEX_SALTS / sizeof(uint32_t) + 1];
    out->frames = index[INDEX_BACKFILLED / sizeof(uint32_t)];
    *frames = index[INDEX_FRAMES / sizeof(uint32_t)];
    return true;
}

/* The file at one moment; false: it cannot be told now. */
static bool overwrite_look_at_file(struct sqlite_backend *b, struct sqlite_file_seen *out)
{
    sqlite3_file *file = overwrite_file_of(&b->writer);
    struct stat st;
    if (file == NULL || !overwrite_lock_checkpoints(file, true))
        return false;
    bool seen =
        read_backfill(file, &out->backfill, &out->wal_frames) && fstat(b->file.fd, &st) == 0;
    if (seen) {
        out->time_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
        out->bytes = (int64_t)st.st_size;
        out->known = read_meta_page(b, out->meta_page, &out->identity);
        out->digest[0] = digest_of(b, b->file.fd, 0);
        out->digest[1] = digest_of(b, b->file.fd, (out->meta_page - 1) * b->page_bytes);
    }
    (void)overwrite_lock_checkpoints(file, false);
    return seen;
}

/* ---- has it been overwritten? ---- */

static bool find_meta_page(struct sqlite_backend *b, int64_t *page)
{
    struct err ignored;
    return sqlite_query_number(&b->writer,
                               "SELECT rootpage FROM sqlite_schema WHERE name = 'weir_meta'", 0,
                               page, &ignored) == RC_OK &&
           *page > 1;
}

void sqlite_overwrite_remember(struct sqlite_backend *b)
{
    struct sqlite_file_seen *seen = &b->file_seen;
    seen->known = false;
    if (!find_meta_page(b, &seen->meta_page) || !overwrite_look_at_file(b, seen))
        seen->known = false;
}

static bool time_is_new(const struct sqlite_backend *b)
{
    struct stat st;
    if (fstat(b->file.fd, &st) != 0)
        return false;
    int64_t time_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return time_ns != b->file_seen.time_ns || (int64_t)st.st_size != b->file_seen.bytes;
}

/* Whether a page is equal to one of its newest frames in the WAL. */
static bool is_in_wal(const struct sqlite_backend *b, int fd, const struct sqlite_file_seen *now,
                      int which)
{
    unsigned char header[FRAME_HEADER];
    uint64_t page = which == 0 ? 1 : (uint64_t)now->meta_page;
    int left = FRAMES_OF_A_PAGE;
    for (uint32_t i = now->wal_frames; i > 0 && left > 0; i--) {
        off_t at = WAL_HEADER + (off_t)(i - 1) * (FRAME_HEADER + b->page_bytes);
        if (pread(fd, header, sizeof(header), at) != (ssize_t)sizeof(header))
            return false;
        struct header_cursor c = {header, header + sizeof(header), false};
        if (overwrite_take_big_endian(&c, 4) != page)
            continue;
        left--;
        if (digest_of(b, fd, at + FRAME_HEADER) == now->digest[which])
            return true;
    }
    return false;
}

static bool is_unfinished_checkpoint(const struct sqlite_backend *b,
                                     const struct sqlite_file_seen *now)
{
    int fd = open(b->file.wal_path, O_RDONLY | O_CLOEXEC); /* SQLite has no locks on it */
    bool all = fd >= 0 && now->bytes >= b->file_seen.bytes;
    for (int i = 0; i < 2 && all; i++)
        all = now->digest[i] == b->file_seen.digest[i] || is_in_wal(b, fd, now, i);
    if (fd >= 0)
        close(fd);
    return all;
}

/* The rows of the table above that are no harm. */
static bool is_harmless(const struct sqlite_backend *b, const struct sqlite_file_seen *now)
{
    const struct sqlite_file_seen *then = &b->file_seen;
    if (memcmp(&then->backfill, &now->backfill, sizeof(then->backfill)) == 0)
        return (now->bytes == then->bytes &&
                memcmp(now->digest, then->digest, sizeof(now->digest)) == 0) ||
               is_unfinished_checkpoint(b, now);
    return now->known && now->identity.cut_lsn >= then->identity.cut_lsn &&
           memcmp(now->identity.store_id, then->identity.store_id,
                  sizeof(now->identity.store_id)) == 0;
}

static void put_wal_aside(const struct sqlite_backend *b)
{
    char aside[4096];
    int n = snprintf(aside, sizeof(aside), "%s.overwritten", b->file.wal_path);
    if (n > 0 && (size_t)n < sizeof(aside) && sqlite_file_place(&b->file) == SQLITE_PLACE_OURS &&
        rename(b->file.wal_path, aside) == 0)
        log_line(LOG_WARNING,
                 "%s: belongs to what was overwritten, and would be mixed into what is there now; "
                 "it is %s now",
                 b->file.wal_path, aside);
}

enum rc sqlite_overwrite_check(struct sqlite_backend *b, struct err *err)
{
    struct sqlite_file_seen now = {.meta_page = b->file_seen.meta_page};
    int64_t page;
    if (!b->file_seen.known || atomic_load_explicit(&b->overwritten, memory_order_relaxed) ||
        !time_is_new(b) || !overwrite_look_at_file(b, &now))
        return sqlite_overwrite_result(b, err);
    if (is_harmless(b, &now)) {
        b->file_seen = now;
        return RC_OK;
    }
    if (find_meta_page(b, &page) && page != now.meta_page) {
        b->file_seen.known = false; /* VACUUM: our next checkpoint finds it again */
        return RC_OK;
    }
    atomic_store(&b->overwritten, true);
    put_wal_aside(b);
    return sqlite_overwrite_result(b, err);
}

enum rc sqlite_overwrite_result(const struct sqlite_backend *b, struct err *err)
{
    if (LIKELY(!atomic_load_explicit(&b->overwritten, memory_order_relaxed)))
        return RC_OK;
    return err_set(err, RC_MOVED,
                   "%s: overwritten while in use (a backup copied over it?). The journal keeps "
                   "what is new. Copy it again if the copy was read meanwhile, and restart Weir",
                   b->path);
}
