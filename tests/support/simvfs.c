/* See simvfs.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/simvfs.h"

#include "tests/support/simdisk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 512 };

static struct {
    sqlite3_vfs vfs, *real;
    struct simfs *disk;
    const struct fs *fs;
    char root[PATH_BYTES];
} sim;

struct sim_file {
    sqlite3_file base;
    struct fs_file *file;
    bool sync_dir; /* with the first sync */
    char dir[PATH_BYTES];
    sqlite3_file *real; /* behind this */
};

static struct sim_file *of(sqlite3_file *file)
{
    return (struct sim_file *)(void *)file;
}

/* ---- files ---- */

static int file_close(sqlite3_file *file)
{
    struct sim_file *f = of(file);
    sim.fs->close(sim.fs->ctx, &f->file);
    return f->real->pMethods->xClose(f->real);
}

static int file_read(sqlite3_file *file, void *to, int len, sqlite3_int64 offset)
{
    struct sim_file *f = of(file);
    return f->real->pMethods->xRead(f->real, to, len, offset);
}

static int result_of(const struct err *err, int otherwise)
{
    return err->sys_errno == ENOSPC ? SQLITE_FULL : otherwise;
}

/* A part of a write that failed may be there. */
static void show_part(struct sim_file *f, int len, sqlite3_int64 offset)
{
    struct err err;
    size_t got = 0;
    char *bytes = malloc((size_t)len);
    must(bytes != NULL);
    if (sim.fs->pread(sim.fs->ctx, f->file, bytes, (size_t)len, (uint64_t)offset, &got, &err) ==
            RC_OK &&
        got > 0)
        must(f->real->pMethods->xWrite(f->real, bytes, (int)got, offset) == SQLITE_OK);
    free(bytes);
}

static int file_write(sqlite3_file *file, const void *from, int len, sqlite3_int64 offset)
{
    struct sim_file *f = of(file);
    struct err err = {0};
    if (sim.fs->pwrite(sim.fs->ctx, f->file, from, (size_t)len, (uint64_t)offset, &err) == RC_OK)
        return f->real->pMethods->xWrite(f->real, from, len, offset);
    show_part(f, len, offset);
    return result_of(&err, SQLITE_IOERR_WRITE);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct sim_file *f = of(file);
    struct err err = {0};
    if (sim.fs->truncate(sim.fs->ctx, f->file, (uint64_t)size, &err) != RC_OK)
        return result_of(&err, SQLITE_IOERR_TRUNCATE);
    return f->real->pMethods->xTruncate(f->real, size);
}

static int file_sync(sqlite3_file *file, int flags)
{
    struct sim_file *f = of(file);
    struct err err = {0};
    (void)flags;
    if (sim.fs->sync(sim.fs->ctx, f->file, &err) != RC_OK)
        return result_of(&err, SQLITE_IOERR_FSYNC);
    if (f->sync_dir && sim.fs->sync_dir(sim.fs->ctx, f->dir, &err) != RC_OK)
        return result_of(&err, SQLITE_IOERR_DIR_FSYNC);
    f->sync_dir = false;
    return SQLITE_OK;
}

/* The rest is the real file's. */
#define PASS(name, params, ...)              \
    static int name params                   \
    {                                        \
        sqlite3_file *real = of(file)->real; \
        return real->pMethods->__VA_ARGS__;  \
    }
PASS(file_size, (sqlite3_file * file, sqlite3_int64 *out), xFileSize(real, out))
PASS(file_lock, (sqlite3_file * file, int how), xLock(real, how))
PASS(file_unlock, (sqlite3_file * file, int how), xUnlock(real, how))
PASS(file_is_reserved, (sqlite3_file * file, int *out), xCheckReservedLock(real, out))
PASS(file_control, (sqlite3_file * file, int op, void *arg), xFileControl(real, op, arg))
PASS(file_sector, (sqlite3_file * file), xSectorSize(real))
PASS(file_traits, (sqlite3_file * file), xDeviceCharacteristics(real))
PASS(shm_map, (sqlite3_file * file, int at, int size, int extend, void volatile **out),
     xShmMap(real, at, size, extend, out))
PASS(shm_lock, (sqlite3_file * file, int at, int n, int flags), xShmLock(real, at, n, flags))
PASS(shm_unmap, (sqlite3_file * file, int delete), xShmUnmap(real, delete))
#undef PASS

static void shm_barrier(sqlite3_file *file)
{
    sqlite3_file *real = of(file)->real;
    real->pMethods->xShmBarrier(real);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* no file is mapped */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_is_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* ---- the VFS ---- */

/* Below the root; NULL: elsewhere. */
static const char *path_on_disk(const char *path)
{
    size_t len = strlen(sim.root);
    bool here = path != NULL && strncmp(path, sim.root, len) == 0 && path[len] == '/';
    return here ? path + len + 1 : NULL;
}

static void dir_of(const char *path, char out[PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    snprintf(out, PATH_BYTES, "%.*s", slash == NULL ? 0 : (int)(slash - path), path);
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                    int *out_flags)
{
    struct sim_file *f = of(file);
    const char *name = path_on_disk(path);
    struct err err = {0};
    (void)vfs;
    if (name == NULL)
        return sim.real->xOpen(sim.real, path, file, flags, out_flags);
    memset(f, 0, sizeof(*f));
    f->real = (sqlite3_file *)(void *)(f + 1);
    int result = sim.real->xOpen(sim.real, path, f->real, flags, out_flags);
    if (result != SQLITE_OK)
        return result;
    dir_of(name, f->dir);
    enum rc rc = sim.fs->open(sim.fs->ctx, name, FS_READ_WRITE, &f->file, &err);
    if (rc == RC_NOT_FOUND)
        rc = sim.fs->open(sim.fs->ctx, name, FS_CREATE, &f->file, &err);
    f->sync_dir = (flags & SQLITE_OPEN_CREATE) != 0 &&
                  (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0;
    if (rc != RC_OK) {
        f->real->pMethods->xClose(f->real);
        return SQLITE_CANTOPEN;
    }
    f->base.pMethods = &methods;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_dir)
{
    const char *name = path_on_disk(path);
    struct err err = {0};
    char dir[PATH_BYTES];
    (void)vfs;
    if (name == NULL)
        return sim.real->xDelete(sim.real, path, sync_dir);
    int result = sim.real->xDelete(sim.real, path, 0);
    if (result != SQLITE_OK)
        return result;
    if (sim.fs->remove(sim.fs->ctx, name, &err) != RC_OK)
        return SQLITE_IOERR_DELETE;
    dir_of(name, dir);
    if (sync_dir && sim.fs->sync_dir(sim.fs->ctx, dir, &err) != RC_OK)
        return SQLITE_IOERR_DIR_FSYNC;
    return SQLITE_OK;
}

const char *simvfs_real(void)
{
    return sim.real->zName;
}

/* ---- real files ---- */

static bool is_sqlites(const char *name)
{
    const char *db = strstr(name, ".db");
    return db != NULL && strstr(db, "-shm") == NULL;
}

static void empty(const char *root, const char *dir)
{
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", root, dir);
    DIR *d = opendir(path);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        if (strstr(e->d_name, ".db") == NULL)
            continue;
        snprintf(path, sizeof(path), "%s/%s/%s", root, dir, e->d_name);
        must(unlink(path) == 0);
    }
    if (d != NULL)
        closedir(d);
}

void simvfs_write_out(struct simfs *disk, const char *root)
{
    char path[2 * PATH_BYTES];
    empty(root, ".");
    empty(root, "journal");
    snprintf(path, sizeof(path), "%s/journal", root);
    must(mkdir(path, 0700) == 0 || errno == EEXIST);
    for (size_t i = 0; i < disk->now.len; i++) {
        const struct sim_name *n = &disk->now.list[i];
        if (!is_sqlites(n->path))
            continue;
        snprintf(path, sizeof(path), "%s/%s", root, n->path);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        const struct sim_content *c = &n->inode->now;
        must(fd >= 0 && (c->len == 0 || write(fd, c->data, c->len) == (ssize_t)c->len));
        close(fd);
    }
}

void simvfs_use(struct simfs *disk, const char *root)
{
    if (sim.real == NULL) {
        sim.real = sqlite3_vfs_find(NULL);
        sim.vfs = *sim.real; /* whose functions ask for no more than what is copied */
        sim.vfs.zName = "simulated";
        sim.vfs.szOsFile = (int)sizeof(struct sim_file) + sim.real->szOsFile;
        sim.vfs.xOpen = vfs_open;
        sim.vfs.xDelete = vfs_delete;
        must(sqlite3_vfs_register(&sim.vfs, 1) == SQLITE_OK);
    }
    sim.disk = disk;
    sim.fs = simfs_fs(disk);
    snprintf(sim.root, sizeof(sim.root), "%s", root);
    simvfs_write_out(disk, root);
}
