/* The file behind the name: whose it is, and whether the name still points to it.
 *
 * A database is its inode, not its path. Two things follow:
 *
 *   One Weir per database. An open file description lock (fcntl F_OFD_SETLK) lies on a byte of the
 *   database file that SQLite never locks, so that a second Weir is refused whatever it calls the
 *   file: symbolic link, hard link, another mount. There is no lock file that could be deleted.
 *
 *   What was opened is compared with what the name points to now, before a commit or an answer is
 *   believed. A database that was removed or replaced takes writes as before; nobody would ever
 *   find them. The same goes for its -wal, which holds what was committed last, and its -shm, by
 *   which connections find each other.
 *
 * The lock and the comparison need a descriptor of our own, and POSIX has a trap there: when a
 * process closes any descriptor of a file, all of its fcntl locks on that file are gone, SQLite's
 * too; another program would then delete the WAL under us. So ours is opened before SQLite's and
 * closed after it; a file that this process has open already is not opened again; and where that
 * could not be known in time, the descriptor is parked until the owner closes the database. Since
 * those locks belong to the process, so does the list of open files.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/internal.h"

#include "base/buf.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    /* SQLite locks 512 bytes from 0x40000000 on. */
    OUR_LOCK_BYTE = 0x40000000 + 4096,
};

static struct lock open_files_lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static struct sqlite_file *open_files GUARDED_BY(open_files_lock);

static struct sqlite_file *file_find_open(struct file_id id) REQUIRES(open_files_lock)
{
    struct sqlite_file *f = open_files;
    while (f != NULL && !file_id_eq(f->id, id))
        f = f->next;
    return f;
}

static enum rc in_use(const char *path, struct err *err)
{
    return err_set(err, RC_BUSY,
                   "%s: in use by another Weir (it has locked the file, by whatever name); end "
                   "that one, or name another file",
                   path);
}

/* Keeps a descriptor that may not be closed yet. */
static void file_park(struct sqlite_file *owner, int fd) REQUIRES(open_files_lock)
{
    int *grown = realloc(owner->parked, (owner->parked_len + 1) * sizeof(int));
    if (grown == NULL)
        return; /* it stays open until the process ends, which is harmless */
    owner->parked = grown;
    owner->parked[owner->parked_len++] = fd;
}

static enum rc lock_file(struct sqlite_file *f, struct err *err)
{
    struct flock ours = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = OUR_LOCK_BYTE, .l_len = 1};
    if (fcntl(f->fd, F_OFD_SETLK, &ours) == 0)
        return RC_OK;
    if (errno == EAGAIN || errno == EACCES)
        return in_use(f->path, err);
    return err_sys(err, errno, "%s: cannot be locked; Weir needs a local file system", f->path);
}

static enum rc open_new(struct sqlite_file *f, struct err *err) REQUIRES(open_files_lock)
{
    struct stat st;
    struct file_id id;
    if (file_id_at(f->path, &id, NULL) && file_find_open(id) != NULL)
        return in_use(f->path, err);
    f->fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    f->created = f->fd >= 0;
    if (f->fd < 0 && errno == EEXIST)
        f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (f->fd < 0) {
        enum rc code = errno == EACCES || errno == EROFS ? RC_READONLY : RC_UNAVAILABLE;
        return err_fill(err, code, errno, __FILE__, __LINE__, "%s: cannot open", f->path);
    }
    if (fstat(f->fd, &st) != 0 || !file_id_of(f->fd, &f->id, NULL))
        return err_sys(err, errno, "%s: cannot look at it", f->path);
    struct sqlite_file *owner = file_find_open(f->id);
    if (owner != NULL) { /* the name came to point there since we looked */
        file_park(owner, f->fd);
        f->fd = -1;
        return in_use(f->path, err);
    }
    if (!S_ISREG(st.st_mode))
        return err_set(err, RC_INVALID, "%s: not a file", f->path);
    return lock_file(f, err);
}

enum rc sqlite_file_open(struct sqlite_file *f, const char *path, struct err *err)
{
    *f = (struct sqlite_file){.path = path, .fd = -1};
    lock_acquire(&open_files_lock);
    enum rc rc = open_new(f, err);
    if (rc == RC_OK) {
        f->next = open_files;
        open_files = f;
        f->listed = true;
    }
    lock_release(&open_files_lock);
    return rc;
}

void sqlite_file_close(struct sqlite_file *f)
{
    lock_acquire(&open_files_lock);
    struct sqlite_file **at = &open_files;
    while (f->listed && *at != f)
        at = &(*at)->next;
    if (f->listed)
        *at = f->next;
    for (size_t i = 0; i < f->parked_len; i++)
        close(f->parked[i]);
    if (f->fd >= 0)
        close(f->fd);
    lock_release(&open_files_lock);
    free(f->parked);
    free(f->wal_path);
    free(f->shm_path);
    *f = (struct sqlite_file){.fd = -1};
}

void sqlite_file_discard(const struct sqlite_file *f)
{
    static const char *const suffixes[] = {"-wal", "-shm", "-sums", ""};
    struct file_id id;
    if (f->fd < 0 || !file_id_at(f->path, &id, NULL) || !file_id_eq(id, f->id))
        return; /* somebody else's by now */
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        struct buf name = {0};
        buf_printf(&name, "%s%s", f->path, suffixes[i]);
        buf_append(&name, "", 1);
        (void)unlink(name.data);
        buf_fini(&name);
    }
}

/* SQLite puts these beside the file that a symbolic link leads to. */
static char *beside(const char *database, const char *suffix)
{
    size_t len = strlen(database), suffix_len = strlen(suffix);
    char *name = malloc(len + suffix_len + 1);
    must(name != NULL);
    memcpy(name, database, len);
    memcpy(name + len, suffix, suffix_len + 1);
    return name;
}

/* Each name has a WAL of its own beside it, and who uses one does not see the other. */
static void warn_of_links(const struct sqlite_file *f)
{
    struct stat st;
    if (fstat(f->fd, &st) == 0 && st.st_nlink > 1)
        log_line(LOG_WARNING,
                 "%s has %lu names (hard links). A program that opens it by another name does not "
                 "see what the WAL holds, and can damage it: remove the other names",
                 f->path, (unsigned long)st.st_nlink);
}

static enum rc file_remember(const char *path, struct file_id *id, struct err *err)
{
    return file_id_at(path, id, NULL) ? RC_OK : err_sys(err, errno, "%s: cannot look at it", path);
}

enum rc sqlite_file_bind(struct sqlite_file *f, const struct sqlite_conn *c, struct err *err)
{
    const char *real = sqlite3_db_filename(c->db, "main");
    f->wal_path = beside(real, "-wal");
    f->shm_path = beside(real, "-shm");
    enum rc rc = file_remember(f->wal_path, &f->wal, err);
    if (rc == RC_OK)
        rc = file_remember(f->shm_path, &f->shm, err);
    warn_of_links(f);
    return rc;
}

static bool points_to(const char *path, struct file_id id)
{
    struct file_id now;
    if (!file_id_at(path, &now, NULL))
        return errno != ENOENT && errno != ENOTDIR && errno != ELOOP; /* else we cannot know */
    return file_id_eq(now, id);
}

enum sqlite_place sqlite_file_place(const struct sqlite_file *f)
{
    if (!points_to(f->path, f->id))
        return SQLITE_PLACE_DATABASE_MOVED;
    if (!points_to(f->wal_path, f->wal))
        return SQLITE_PLACE_WAL_MOVED;
    return points_to(f->shm_path, f->shm) ? SQLITE_PLACE_OURS : SQLITE_PLACE_SHM_MOVED;
}

bool sqlite_file_is_opened_by(const struct sqlite_conn *c)
{
    int moved = 0;
    return sqlite3_file_control(c->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
           moved == 0;
}

int64_t sqlite_file_wal_bytes(const struct sqlite_file *f)
{
    struct stat st;
    return f->wal_path != NULL && stat(f->wal_path, &st) == 0 ? (int64_t)st.st_size : 0;
}

enum rc sqlite_file_check(const struct sqlite_file *f, struct err *err)
{
    switch (sqlite_file_place(f)) {
    case SQLITE_PLACE_OURS:
        return RC_OK;
    case SQLITE_PLACE_DATABASE_MOVED:
        return err_set(err, RC_MOVED,
                       "%s: removed or replaced while in use. Nothing is lost: the journal keeps "
                       "what is new. Put the file back, or restart Weir to take the new one",
                       f->path);
    case SQLITE_PLACE_WAL_MOVED:
        return err_set(err, RC_MOVED,
                       "%s: removed or replaced while in use. The journal keeps what is new: put "
                       "it back, or restart Weir",
                       f->wal_path);
    case SQLITE_PLACE_SHM_MOVED:
        break;
    }
    return err_set(err, RC_MOVED,
                   "%s: removed or replaced while in use; other programs no longer see our locks. "
                   "The journal keeps what is new: put it back, or restart Weir",
                   f->shm_path);
}
