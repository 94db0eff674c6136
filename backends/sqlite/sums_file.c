/* The file weir.db-sums: 8 bytes for each page, and the signs by which they are believed.
 *
 *   0        the head (sums_head)
 *   4096     a copy of page 1 and one of the root of weir_meta
 *   135168   for page n, at (n - 1) * 8: its sum, and the complement of that
 *
 * A sum that does not agree with its complement is damage of this file, and unknown. What is
 * written goes to the system at once, so that kill -9 leaves the sums of what was written.
 *
 * When are they believed? While the store is open nobody else writes the database file. While it is
 * not, any SQLite program may: by a checkpoint, which moves into the file what is in the WAL; and
 * until the WAL begins a new life (its header has new salts then), is cut or deleted, all of that
 * stays there. So at the start, with the checkpoint lock:
 *
 *   the WAL                                      its pages       all others
 *   is the empty one that was left, untouched    -               believed
 *   has the salts of a life that was noted       unknown         believed
 *   anything else: another, none, written to     unknown         unknown
 *
 * "Untouched" is its inode and the time at which it was last written. (Not the time at which the
 * inode changed: as root SQLite gives it its owner at each opening.) Who opens a database with
 * SQLite and closes it deletes the WAL; who is killed leaves something in it.
 *
 * One change leaves no trace there: a backup that is copied (not moved) over the file. Then page 1
 * and the page of weir_meta are others than they were; an orderly end writes a number there that
 * was never used before. A turned bit differs from them in a bit, another state in many: so what
 * differs in no more than DAMAGE_BITS_MAX is damage, and the sums say so.
 *
 * The time of the database file is no sign: damage may well have changed it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/sums.h"
#include "backends/sqlite/wal_format.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    COPIES_AT = 4096,
    SUMS_AT = COPIES_AT + 2 * SUMS_PAGE_MAX,
    SUM_BYTES = 8,
    SUMS_READ = 16384, /* at once */
    DAMAGE_BITS_MAX = 2,
    WAL_SALTS_AT = 16,
    FRAME_SALTS_AT = 8,
};

static const char magic[8] = "weirsum1";

/* The WAL as a file. SQLite locks nothing on it, so that a descriptor of our own is no danger. */
struct wal_seen {
    uint64_t ino;
    int64_t time_ns, bytes;
    unsigned char header[WAL_HEADER];
};

static bool look_at_wal(const struct sqlite_sums *s, struct wal_seen *out)
{
    struct stat st;
    *out = (struct wal_seen){0};
    int fd = open(s->wal_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool seen = fstat(fd, &st) == 0;
    if (seen) {
        out->ino = (uint64_t)st.st_ino;
        out->time_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
        out->bytes = (int64_t)st.st_size;
        seen = out->bytes == 0 || pread(fd, out->header, WAL_HEADER, 0) == WAL_HEADER;
    }
    close(fd);
    return seen;
}

/* ---- the file ---- */

/* From now on nothing is kept, and nothing that was can be believed. */
static void sums_give_up(struct sqlite_sums *s, const char *what) REQUIRES(s->lock)
{
    if (s->fd < 0)
        return;
    log_line(LOG_WARNING,
             "%s: cannot be %s: %s. Pages are verified until the end, and learnt "
             "anew at the next start",
             s->path, what, strerror(errno));
    if (ftruncate(s->fd, 0) != 0)
        (void)unlink(s->path);
    close(s->fd);
    s->fd = -1;
}

static void sums_put(struct sqlite_sums *s, const void *bytes, size_t n, off_t at) REQUIRES(s->lock)
{
    if (s->fd >= 0 && !s->reads_only && pwrite(s->fd, bytes, n, at) != (ssize_t)n)
        sums_give_up(s, "written");
}

static void put_head(struct sqlite_sums *s) REQUIRES(s->lock)
{
    s->head.hash = XXH3_64bits(&s->head, offsetof(struct sums_head, hash));
    sums_put(s, &s->head, sizeof(s->head), 0);
}

static bool sums_read_head(const struct sqlite_sums *s, struct sums_head *h)
{
    return s->fd >= 0 && pread(s->fd, h, sizeof(*h), 0) == (ssize_t)sizeof(*h) &&
           memcmp(h->magic, magic, sizeof(magic)) == 0 &&
           h->hash == XXH3_64bits(h, offsetof(struct sums_head, hash));
}

void sums_file_open(struct sqlite_sums *s)
{
    struct stat st;
    mode_t mode = stat(s->db_path, &st) == 0 ? st.st_mode & 0777 : 0644;
    int flags = s->reads_only ? O_RDONLY : O_RDWR | O_CREAT;
    lock_acquire(&s->lock);
    s->fd = open(s->path, flags | O_CLOEXEC | O_NOFOLLOW, mode);
    if (s->fd < 0 && !s->reads_only)
        log_line(LOG_WARNING,
                 "%s: cannot be opened: %s. Pages are verified until the end, and "
                 "learnt anew at each start",
                 s->path, strerror(errno));
    lock_release(&s->lock);
}

void sums_file_close(struct sqlite_sums *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void sums_file_put(struct sqlite_sums *s, uint32_t page, uint32_t sum)
{
    uint32_t pair[2] = {sum, sum != 0 ? ~sum : 0};
    lock_acquire(&s->lock);
    sums_put(s, pair, sizeof(pair), SUMS_AT + (off_t)(page - 1) * SUM_BYTES);
    lock_release(&s->lock);
}

static uint32_t sum_of_pair(const uint32_t pair[2])
{
    return pair[0] == ~pair[1] ? pair[0] : 0;
}

uint32_t sums_file_get(struct sqlite_sums *s, uint32_t page)
{
    uint32_t pair[2];
    if (pread(s->fd, pair, sizeof(pair), SUMS_AT + (off_t)(page - 1) * SUM_BYTES) !=
        (ssize_t)sizeof(pair))
        return 0;
    return sum_of_pair(pair);
}

void sums_file_cut(struct sqlite_sums *s, uint32_t pages)
{
    lock_acquire(&s->lock);
    if (s->fd >= 0 && !s->reads_only && ftruncate(s->fd, SUMS_AT + (off_t)pages * SUM_BYTES) != 0)
        sums_give_up(s, "cut");
    lock_release(&s->lock);
}

void sums_file_sync(struct sqlite_sums *s)
{
    lock_acquire(&s->lock);
    if (s->fd >= 0 && !s->reads_only && fdatasync(s->fd) != 0)
        sums_give_up(s, "synced");
    lock_release(&s->lock);
}

static bool sums_read_sums(struct sqlite_sums *s)
{
    uint32_t page = 0, pages = atomic_load(&s->pages);
    uint32_t(*pairs)[2] = malloc(SUMS_READ * sizeof(*pairs));
    ssize_t n = 1;
    while (pairs != NULL && page < pages && n > 0) {
        n = pread(s->fd, pairs, SUMS_READ * sizeof(*pairs), SUMS_AT + (off_t)page * SUM_BYTES);
        for (ssize_t i = 0; i < n / SUM_BYTES && page < pages; i++)
            sums_set_memory(s, ++page, sum_of_pair(pairs[i]));
        if (n < SUM_BYTES)
            break;
    }
    free(pairs);
    return pairs != NULL && n >= 0;
}

/* ---- are they believed? ---- */

static bool read_db_ino(const struct sqlite_sums *s, uint64_t *out)
{
    struct stat st;
    if (stat(s->db_path, &st) != 0)
        return false;
    *out = (uint64_t)st.st_ino;
    return true;
}

/* The root of weir_meta may be page 1's neighbour or far away; both are compared as a whole. */
static int bits_that_differ(struct sqlite_sums *s, const struct sums_head *h)
{
    size_t size = s->page_bytes;
    unsigned char *copies = malloc(2 * size), *page = malloc(size);
    int bits = DAMAGE_BITS_MAX + 1;
    if (copies == NULL || page == NULL ||
        pread(s->fd, copies, 2 * size, COPIES_AT) != (ssize_t)(2 * size) ||
        XXH3_64bits(copies, 2 * size) != h->copies_hash)
        goto out;
    bits = 0;
    for (int i = 0; i < 2; i++) {
        if (!sums_read_page(s, i == 0 ? 1 : h->meta_page, page)) {
            bits = DAMAGE_BITS_MAX + 1;
            goto out;
        }
        const unsigned char *copy = copies + (size_t)i * size;
        for (size_t at = 0; at < size && bits <= DAMAGE_BITS_MAX; at++)
            bits += __builtin_popcount(copy[at] ^ page[at]);
    }
out:
    free(copies);
    free(page);
    return bits;
}

/* Somebody's checkpoint may have moved these into the file, and somebody's will move them yet. */
static bool forget_pages_of_wal(struct sqlite_sums *s, const struct wal_seen *wal)
{
    unsigned char header[FRAME_HEADER];
    int64_t step = FRAME_HEADER + (int64_t)s->page_bytes, at = WAL_HEADER;
    int fd = open(s->wal_path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && pread(fd, header, FRAME_HEADER, at) == FRAME_HEADER) {
        uint32_t page = (uint32_t)header[0] << 24 | (uint32_t)header[1] << 16 |
                        (uint32_t)header[2] << 8 | header[3];
        if (page != 0 && memcmp(header + FRAME_SALTS_AT, wal->header + WAL_SALTS_AT, 8) == 0)
            sums_set(s, page, 0);
        at += step;
    }
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool is_noted_life(const struct sums_head *h, const struct wal_seen *wal)
{
    static const uint8_t none[8];
    for (int i = 0; i < 2; i++)
        if (memcmp(h->salts[i], none, 8) != 0 &&
            memcmp(h->salts[i], wal->header + WAL_SALTS_AT, 8) == 0)
            return true;
    return false;
}

static bool is_noted_empty(const struct sums_head *h, const struct wal_seen *wal)
{
    return h->wal_ino != 0 && wal->bytes == 0 && wal->ino == h->wal_ino &&
           wal->time_ns == h->wal_time_ns;
}

static const char *find_doubt(struct sqlite_sums *s, struct wal_seen *wal)
{
    struct sums_head h;
    uint64_t ino;
    struct stat st;
    if (s->fd < 0 || fstat(s->fd, &st) != 0 || st.st_size == 0)
        return ""; /* there is none: nothing to tell */
    if (!sums_read_head(s, &h))
        return "damaged itself";
    if (h.db_ino == 0)
        return "the files were away";
    if (h.page_bytes != s->page_bytes || !read_db_ino(s, &ino) || ino != h.db_ino)
        return "of another database file";
    if (!look_at_wal(s, wal))
        return "another program has used the database since (the WAL is gone)";
    if (wal->bytes > 0)
        return is_noted_life(&h, wal) ? NULL : "another program has written to the WAL since";
    if (!is_noted_empty(&h, wal))
        return "another program has written to the WAL since";
    if (bits_that_differ(s, &h) > DAMAGE_BITS_MAX)
        return "the database is in another state (restored?)";
    return NULL;
}

const char *sums_file_decide(struct sqlite_sums *s)
{
    struct wal_seen wal;
    const char *why = find_doubt(s, &wal);
    if (why != NULL)
        return why;
    lock_acquire(&s->lock);
    (void)sums_read_head(s, &s->head);
    lock_release(&s->lock);
    if (!sums_read_sums(s))
        return "cannot be read";
    if (wal.bytes > 0 && !forget_pages_of_wal(s, &wal))
        return "the WAL cannot be read";
    return NULL;
}

bool sums_file_read_beside(struct sqlite_sums *s)
{
    struct sums_head h;
    uint64_t ino;
    return sums_read_head(s, &h) && h.page_bytes == s->page_bytes && read_db_ino(s, &ino) &&
           ino == h.db_ino && sums_read_sums(s);
}

void sums_file_forget(struct sqlite_sums *s)
{
    for (size_t i = 0; i < SUMS_CHUNKS; i++) {
        sums_chunk *chunk = atomic_load(&s->chunks[i]);
        for (size_t j = 0; chunk != NULL && j < SUMS_CHUNK_PAGES; j++)
            atomic_store_explicit(&(*chunk)[j], 0, memory_order_relaxed);
    }
    atomic_store(&s->known, 0);
    s->scrub_at = 0;
    lock_acquire(&s->lock);
    s->damaged_len = 0;
    s->head = (struct sums_head){.page_bytes = s->page_bytes};
    memcpy(s->head.magic, magic, sizeof(magic));
    if (s->fd >= 0 && !s->reads_only && ftruncate(s->fd, 0) != 0)
        sums_give_up(s, "cut");
    put_head(s);
    if (s->fd >= 0 && !s->reads_only && fdatasync(s->fd) != 0)
        sums_give_up(s, "synced");
    lock_release(&s->lock);
}

/* ---- the signs ---- */

static void add_salts(struct sums_head *h, const void *salts)
{
    if (memcmp(h->salts[0], salts, 8) == 0)
        return;
    memcpy(h->salts[1], h->salts[0], 8); /* the header of the new life may not be written yet */
    memcpy(h->salts[0], salts, 8);
}

void sums_file_begin(struct sqlite_sums *s)
{
    struct wal_seen wal;
    bool seen = look_at_wal(s, &wal);
    lock_acquire(&s->lock);
    (void)read_db_ino(s, &s->head.db_ino);
    if (seen && wal.bytes > 0)
        add_salts(&s->head, wal.header + WAL_SALTS_AT);
    put_head(s);
    lock_release(&s->lock);
}

void sums_file_note_salts(struct sqlite_sums *s, const void *salts)
{
    if (!atomic_load_explicit(&s->on, memory_order_acquire))
        return;
    lock_acquire(&s->lock);
    if (memcmp(s->head.salts[0], salts, 8) != 0) {
        add_salts(&s->head, salts);
        put_head(s);
    }
    lock_release(&s->lock);
}

void sums_file_note_life(struct sqlite_sums *s)
{
    struct wal_seen wal;
    if (atomic_load(&s->on) && look_at_wal(s, &wal) && wal.bytes > 0)
        sums_file_note_salts(s, wal.header + WAL_SALTS_AT);
}

void sums_file_note_empty(struct sqlite_sums *s, int64_t meta_page)
{
    struct wal_seen wal;
    size_t size = s->page_bytes;
    unsigned char *copies = atomic_load(&s->on) ? malloc(2 * size) : NULL;
    if (copies != NULL && meta_page > 1 && meta_page <= UINT32_MAX && look_at_wal(s, &wal) &&
        wal.bytes == 0 && sums_read_page(s, 1, copies) &&
        sums_read_page(s, (uint32_t)meta_page, copies + size)) {
        lock_acquire(&s->lock);
        s->head.copies_hash = XXH3_64bits(copies, 2 * size);
        s->head.meta_page = (uint32_t)meta_page;
        s->head.wal_ino = wal.ino;
        s->head.wal_time_ns = wal.time_ns;
        sums_put(s, copies, 2 * size, COPIES_AT);
        put_head(s);
        lock_release(&s->lock);
        sums_file_sync(s);
    }
    free(copies);
}

bool sums_file_is_as_noted(struct sqlite_sums *s)
{
    struct wal_seen wal;
    if (!look_at_wal(s, &wal))
        return false;
    lock_acquire(&s->lock);
    bool noted = is_noted_empty(&s->head, &wal);
    lock_release(&s->lock);
    return noted;
}

void sums_file_note_pass(struct sqlite_sums *s, int64_t wall_ms)
{
    lock_acquire(&s->lock);
    s->head.full_pass_ms = wall_ms;
    put_head(s);
    lock_release(&s->lock);
}
