/* A database that was overwritten where it lies: `cp backup.db weir.db` while the proxy runs.
 *
 * The inode is the same, and SQLite does not look at the file for what it has in its cache or in
 * the WAL: it would go on, and mix two databases page by page. But the file's time changes, and
 * only a checkpoint may do that. So when it has changed and we made no checkpoint, the page with
 * weir_meta is read from the file itself, past SQLite: a checkpoint can only have brought it
 * forward. An older cut, another store, or no such page at all: the file is not ours any more.
 *
 * Then SQLite is not asked for anything again, and the WAL is renamed: it belongs to what was
 * overwritten, and whoever opens the database next would read its pages into the new content.
 *
 * The page's layout is SQLite's file format, sections 1.6 and 2.1:
 * https://www.sqlite.org/fileformat2.html
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite_internal.h"

#include "base/log.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LEAF_OF_INDEX = 0x0a, /* a WITHOUT ROWID table is one */
    LEAF_HEADER = 8,
    PAGE_MAX = 65536,
    LOOKS = 5, /* a page may be half written while somebody checkpoints */
    LOOK_PAUSE_MS = 10,
};

/* ---- one leaf page, as it lies in the file ---- */

struct cursor {
    const unsigned char *p, *end;
    bool bad; /* it ran over the end */
};

static uint64_t take_big_endian(struct cursor *c, size_t bytes)
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
static uint64_t take_varint(struct cursor *c)
{
    uint64_t n = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t byte = take_big_endian(c, 1);
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
static void read_row(struct cursor c, struct sqlite_identity *out)
{
    (void)take_varint(&c); /* bytes of the row */
    struct cursor header = c;
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
        out->cut_lsn = type == 9 ? 1 : take_big_endian(&c, value_len);
        out->has_cut = true;
    } else if (slice_eq(name, SLICE("store_id")) && value_len == sizeof(out->store_id)) {
        memcpy(out->store_id, c.p, value_len);
        out->has_store = true;
    }
}

static bool read_meta_page(const struct sqlite_backend *b, struct sqlite_identity *out)
{
    unsigned char page[PAGE_MAX];
    size_t size = (size_t)b->page_bytes;
    off_t at = (off_t)(b->file_seen.meta_page - 1) * (off_t)size;
    *out = (struct sqlite_identity){0};
    if (pread(b->file.fd, page, size, at) != (ssize_t)size || page[0] != LEAF_OF_INDEX)
        return false;
    struct cursor pointers = {page + 3, page + size, false};
    uint64_t cells = take_big_endian(&pointers, 2);
    pointers.p = page + LEAF_HEADER;
    for (uint64_t i = 0; i < cells && !pointers.bad; i++) {
        uint64_t offset = take_big_endian(&pointers, 2);
        if (offset >= LEAF_HEADER && offset < size)
            read_row((struct cursor){page + offset, page + size, false}, out);
    }
    return out->has_cut && out->has_store;
}

/* ---- has it been overwritten? ---- */

static int64_t file_time_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static enum rc find_meta_page(struct sqlite_backend *b, int64_t *page, struct err *err)
{
    return sqlite_query_number(
        &b->writer, "SELECT rootpage FROM sqlite_schema WHERE name = 'weir_meta'", 0, page, err);
}

void sqlite_overwrite_remember(struct sqlite_backend *b)
{
    struct sqlite_file_seen *seen = &b->file_seen;
    struct stat st;
    struct err ignored;
    seen->known = false;
    if (find_meta_page(b, &seen->meta_page, &ignored) != RC_OK || seen->meta_page < 2 ||
        fstat(b->file.fd, &st) != 0)
        return;
    seen->time_ns = file_time_ns(&st);
    seen->bytes = (int64_t)st.st_size;
    seen->known = read_meta_page(b, &seen->identity);
}

/* True when the page in the file may have come there by a checkpoint. */
static bool came_by_checkpoint(const struct sqlite_backend *b, struct sqlite_identity *now)
{
    const struct sqlite_identity *then = &b->file_seen.identity;
    for (int i = 0; i < LOOKS; i++) {
        if (read_meta_page(b, now) && now->cut_lsn >= then->cut_lsn &&
            memcmp(now->store_id, then->store_id, sizeof(now->store_id)) == 0)
            return true;
        (void)poll(NULL, 0, LOOK_PAUSE_MS);
    }
    return false;
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
    struct sqlite_file_seen *seen = &b->file_seen;
    struct sqlite_identity now;
    struct stat st;
    int64_t page;
    if (!seen->known || atomic_load_explicit(&b->overwritten, memory_order_relaxed) ||
        fstat(b->file.fd, &st) != 0 ||
        (file_time_ns(&st) == seen->time_ns && (int64_t)st.st_size == seen->bytes))
        return sqlite_overwrite_result(b, err);
    if (!came_by_checkpoint(b, &now)) {
        if (find_meta_page(b, &page, err) == RC_OK && page != seen->meta_page) {
            seen->known = false; /* VACUUM: the next checkpoint of ours finds it again */
            return RC_OK;
        }
        atomic_store(&b->overwritten, true);
        put_wal_aside(b);
        return sqlite_overwrite_result(b, err);
    }
    seen->identity = now;
    seen->time_ns = file_time_ns(&st);
    seen->bytes = (int64_t)st.st_size;
    return RC_OK;
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
