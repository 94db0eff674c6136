/* The calls of the simulated disk, and its controls. See simfs.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/simdisk.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

struct simfs *simfs_picture(struct simfs *s) NO_TSA /* under the lock */
{
    return sim_copy(s);
}

static void before_change(struct simfs *s)
{
    if (s->counts[SIMFS_CHANGES] == s->stop_at && s->picture == NULL) {
        s->picture = sim_copy(s);
        if (s->then != NULL)
            s->then(s->then_ctx);
    }
    if (s->each != NULL)
        s->each(s->each_ctx, s);
}

static bool is_change(enum simfs_call kind)
{
    return kind != SIMFS_PREAD && kind != SIMFS_LIST && kind != SIMFS_OPEN && kind != SIMFS_MAP;
}

static bool ends_in(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Counts a call; 0, or the errno with which it must fail. `i`: the file that it changes; else NULL.
 * The lock is held. */
static int enter(struct simfs *s, enum simfs_call kind, const struct sim_inode *i)
{
    struct sim_fault *f = &s->faults[kind];
    s->counts[kind]++;
    if (is_change(kind)) {
        s->counts[SIMFS_CHANGES]++;
        before_change(s);
    }
    if (f->nth == 0 || (f->only[0] != '\0' && (i == NULL || !ends_in(i->tail, f->only))))
        return 0;
    f->seen++;
    return f->seen < f->nth || f->seen >= f->nth + f->times ? 0 : f->sys_errno;
}

static enum rc refuse(struct err *err, int why, const char *what, const char *path)
{
    return err_sys(err, why, "simulated: cannot %s '%s'", what, path);
}

static enum rc sim_open(void *ctx, const char *path, enum fs_mode mode, struct fs_file **out,
                        struct err *err)
{
    struct simfs *s = ctx;
    enum rc rc = RC_OK;
    lock_acquire(&s->lock);
    int why = enter(s, SIMFS_OPEN, NULL);
    struct sim_name *name = sim_find(&s->now, path);
    if (why == 0 && mode == FS_CREATE && name != NULL)
        why = EEXIST;
    if (why != 0)
        rc = refuse(err, why, "open", path);
    else if (mode != FS_CREATE && name == NULL)
        rc = err_set(err, RC_NOT_FOUND, "no file '%s'", path);
    if (rc == RC_OK) {
        struct fs_file *file = sim_alloc(sizeof(*file));
        if (mode == FS_CREATE) {
            size_t len = strlen(path), room = sizeof(file->inode->tail) - 1;
            file->inode = sim_inode_new(s);
            strcpy(file->inode->tail, len > room ? path + len - room : path);
            sim_op_add(s, path, file->inode, NULL);
        } else {
            file->inode = name->inode;
        }
        file->inode->refs++;
        file->failures = file->inode->failures;
        *out = file;
    }
    lock_release(&s->lock);
    return rc;
}

static void sim_close(void *ctx, struct fs_file **file)
{
    struct simfs *s = ctx;
    if (*file == NULL)
        return;
    lock_acquire(&s->lock);
    sim_unref(s, (*file)->inode);
    lock_release(&s->lock);
    free(*file);
    *file = NULL;
}

static enum rc sim_pread(void *ctx, struct fs_file *file, void *to, size_t len, uint64_t offset,
                         size_t *got, struct err *err)
{
    struct simfs *s = ctx;
    lock_acquire(&s->lock);
    *got = 0;
    int why = enter(s, SIMFS_PREAD, NULL);
    const struct sim_content *c = &file->inode->now;
    if (why == 0 && offset < c->len) {
        *got = (size_t)min_u64(len, c->len - offset);
        memcpy(to, c->data + offset, *got);
    }
    lock_release(&s->lock);
    return why == 0 ? RC_OK : refuse(err, why, "read", "a file");
}

static enum rc sim_pwrite(void *ctx, struct fs_file *file, const void *from, size_t len,
                          uint64_t offset, struct err *err)
{
    struct simfs *s = ctx;
    lock_acquire(&s->lock);
    struct sim_inode *i = file->inode;
    s->doing = i;
    s->doing_write = sim_write_new(offset, from, len);
    int why = enter(s, SIMFS_PWRITE, i);
    s->doing = NULL;
    free(s->doing_write);
    s->doing_write = NULL;
    uint64_t fits = len;
    if (why != 0)
        fits = sim_roll(s, len + 1) / SIM_SECTOR * SIM_SECTOR;
    uint64_t growth = offset + fits > i->now.len ? offset + fits - i->now.len : 0;
    if (s->used + growth > s->space && growth > 0) {
        uint64_t left = s->space > s->used ? s->space - s->used : 0;
        fits -= growth - min_u64(growth, left);
        why = ENOSPC;
    }
    if (fits > 0) {
        must(i->maps == 0 || offset + fits <= i->now.len);
        s->used += offset + fits > i->now.len ? offset + fits - i->now.len : 0;
        sim_content_write(&i->now, offset, from, fits);
        struct sim_write *w = sim_write_new(offset, from, fits);
        *i->writes_end = w;
        i->writes_end = &w->next;
    }
    lock_release(&s->lock);
    return why == 0 ? RC_OK : refuse(err, why, "write", "a file");
}

static enum rc sim_sync(void *ctx, struct fs_file *file, struct err *err)
{
    struct simfs *s = ctx;
    lock_acquire(&s->lock);
    struct sim_inode *i = file->inode;
    int why = enter(s, SIMFS_SYNC, i);
    i->failures += why != 0;
    i->dead |= why != 0 && s->pessimistic;
    for (const struct sim_write *w = i->writes; w != NULL && !i->dead; w = w->next)
        if (why == 0 || sim_roll(s, 2) == 0)
            sim_write_apply(&i->durable, w, w->len);
    sim_drop_writes(i);
    if (why == 0 && i->maps > 0 && !i->dead)
        sim_content_copy(&i->durable, &i->now);
    if (why == 0 && file->failures != i->failures)
        why = EIO; /* that of another one */
    file->failures = i->failures;
    lock_release(&s->lock);
    return why == 0 ? RC_OK : refuse(err, why, "sync", "a file");
}

static enum rc sim_truncate(void *ctx, struct fs_file *file, uint64_t size, struct err *err)
{
    struct simfs *s = ctx;
    lock_acquire(&s->lock);
    struct sim_inode *i = file->inode;
    int why = enter(s, SIMFS_TRUNCATE, i);
    if (why == 0) {
        must(i->maps == 0);
        s->used += size - i->now.len;
        sim_resize(&i->now, size);
        struct sim_write *w = sim_write_new(size, NULL, 0);
        w->cut = true;
        *i->writes_end = w;
        i->writes_end = &w->next;
    }
    lock_release(&s->lock);
    return why == 0 ? RC_OK : refuse(err, why, "truncate", "a file");
}

static enum rc sim_identify(void *ctx, struct fs_file *file, struct file_id *out, struct err *err)
{
    (void)ctx, (void)err;
    *out = (struct file_id){1, file->inode->serial, 0};
    return RC_OK;
}

/* Every directory exists, and is the same. */
static enum rc sim_lookup(void *ctx, const char *path, struct file_id *out, uint64_t *bytes,
                          struct err *err)
{
    struct simfs *s = ctx;
    lock_acquire(&s->lock);
    struct sim_name *name = sim_find(&s->now, path);
    *out = (struct file_id){1, name == NULL ? 0 : name->inode->serial, 0};
    if (bytes != NULL)
        *bytes = name == NULL ? 0 : name->inode->now.len;
    lock_release(&s->lock);
    return name != NULL || strchr(path, '/') == NULL
               ? RC_OK
               : err_set(err, RC_NOT_FOUND, "no file '%s'", path);
}

static enum rc sim_size(void *ctx, struct fs_file *file, uint64_t *out, struct err *err)
{
    struct simfs *s = ctx;
    (void)err;
    lock_acquire(&s->lock);
    *out = file->inode->now.len;
    lock_release(&s->lock);
    return RC_OK;
}

static enum rc sim_map(void *ctx, struct fs_file *file, size_t len, void **out, struct err *err)
{
    struct simfs *s = ctx;
    lock_acquire(&s->lock);
    struct sim_inode *i = file->inode;
    int why = enter(s, SIMFS_MAP, NULL);
    if (why == 0) {
        must(len <= i->now.len); /* beyond the end a real one gives SIGBUS */
        if (i->maps++ == 0 &&
            (uintptr_t)i->now.data % SIM_PAGE != 0) { /* at an address that a page could have */
            char *aligned =
                aligned_alloc(SIM_PAGE, (i->now.len + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE);
            must(aligned != NULL);
            memcpy(aligned, i->now.data, i->now.len);
            free(i->now.data);
            i->now.data = aligned;
            i->now.cap = i->now.len;
        }
        i->refs++;
        *out = i->now.data;
    }
    lock_release(&s->lock);
    return why == 0 ? RC_OK : refuse(err, why, "map", "a file");
}

static void sim_unmap(void *ctx, void *at, size_t len)
{
    struct simfs *s = ctx;
    (void)len;
    lock_acquire(&s->lock);
    struct sim_inode *i = s->inodes;
    while (i != NULL && (i->maps == 0 || i->now.data != at))
        i = i->next;
    must(i != NULL);
    if (--i->maps == 0) { /* what was stored through the map counts as one write from now on */
        struct sim_write *w = sim_write_new(0, i->now.data, i->now.len);
        *i->writes_end = w;
        i->writes_end = &w->next;
    }
    sim_unref(s, i);
    lock_release(&s->lock);
}

static enum rc sim_rename(void *ctx, const char *from, const char *to, struct err *err)
{
    struct simfs *s = ctx;
    lock_acquire(&s->lock);
    int why = enter(s, SIMFS_RENAME, NULL);
    struct sim_name *name = sim_find(&s->now, from);
    if (why == 0 && name == NULL)
        why = ENOENT;
    if (why == 0)
        sim_op_add(s, to, name->inode, from);
    lock_release(&s->lock);
    return why == 0 ? RC_OK : refuse(err, why, "rename", from);
}

static enum rc sim_remove(void *ctx, const char *path, struct err *err)
{
    struct simfs *s = ctx;
    lock_acquire(&s->lock);
    int why = enter(s, SIMFS_REMOVE, NULL);
    if (why == 0 && sim_find(&s->now, path) == NULL)
        why = ENOENT;
    if (why == 0)
        sim_op_add(s, path, NULL, NULL);
    lock_release(&s->lock);
    return why == 0 ? RC_OK : refuse(err, why, "remove", path);
}

static enum rc sim_sync_dir(void *ctx, const char *dir, struct err *err)
{
    struct simfs *s = ctx;
    lock_acquire(&s->lock);
    int why = enter(s, SIMFS_SYNC_DIR, NULL);
    if (why == 0 || s->pessimistic)
        sim_ops_settle(s, dir, why != 0);
    lock_release(&s->lock);
    return why == 0 ? RC_OK : refuse(err, why, "sync directory", dir);
}

static enum rc sim_make_dir(void *ctx, const char *dir, struct err *err)
{
    (void)ctx, (void)dir, (void)err; /* every directory exists */
    return RC_OK;
}

static enum rc sim_list(void *ctx, const char *dir, enum rc (*each)(void *arg, const char *name),
                        void *arg, struct err *err)
{
    struct simfs *s = ctx;
    size_t len = strlen(dir);
    lock_acquire(&s->lock);
    int why = enter(s, SIMFS_LIST, NULL);
    enum rc rc = why == 0 ? RC_OK : refuse(err, why, "list", dir);
    for (size_t i = 0; rc == RC_OK && i < s->now.len; i++) {
        const char *path = s->now.list[i].path;
        if (strncmp(path, dir, len) == 0 && path[len] == '/' && strchr(path + len + 1, '/') == NULL)
            rc = each(arg, path + len + 1);
    }
    lock_release(&s->lock);
    return rc;
}

static enum rc sim_lock_dir(void *ctx, const char *dir, int *handle, struct err *err)
{
    struct simfs *s = ctx;
    lock_acquire(&s->lock);
    bool free_now = !s->dir_locked;
    s->dir_locked = true;
    lock_release(&s->lock);
    *handle = 1;
    return free_now ? RC_OK : err_set(err, RC_BUSY, "directory '%s' is in use", dir);
}

static void sim_unlock_dir(void *ctx, int handle)
{
    struct simfs *s = ctx;
    (void)handle;
    lock_acquire(&s->lock);
    s->dir_locked = false;
    lock_release(&s->lock);
}

static bool sim_is_removed(void *ctx, int handle)
{
    (void)ctx;
    (void)handle;
    return false; /* directories are names here, and stay */
}

static void sim_boot_id(void *ctx, uint8_t out[16])
{
    struct simfs *s = ctx;
    memcpy(out, s->boot_id, 16);
}

const struct fs sim_calls = {
    .open = sim_open,
    .close = sim_close,
    .pread = sim_pread,
    .pwrite = sim_pwrite,
    .sync = sim_sync,
    .truncate = sim_truncate,
    .identify = sim_identify,
    .lookup = sim_lookup,
    .size = sim_size,
    .map = sim_map,
    .unmap = sim_unmap,
    .rename = sim_rename,
    .remove = sim_remove,
    .sync_dir = sim_sync_dir,
    .make_dir = sim_make_dir,
    .list = sim_list,
    .lock_dir = sim_lock_dir,
    .unlock_dir = sim_unlock_dir,
    .is_removed = sim_is_removed,
    .boot_id = sim_boot_id,
};

/* ---- controls ---- */

const struct fs *simfs_fs(struct simfs *s)
{
    return &s->fs;
}

void simfs_fail(struct simfs *s, enum simfs_call kind, uint64_t nth, uint64_t times, int sys_errno)
{
    lock_acquire(&s->lock);
    s->faults[kind] = (struct sim_fault){.nth = nth, .times = times, .sys_errno = sys_errno};
    lock_release(&s->lock);
}

void simfs_fail_file(struct simfs *s, const char *only, enum simfs_call kind, uint64_t nth,
                     uint64_t times, int sys_errno)
{
    lock_acquire(&s->lock);
    struct sim_fault f = {.nth = nth, .times = times, .sys_errno = sys_errno};
    must(strlen(only) < sizeof(f.only));
    strcpy(f.only, only);
    s->faults[kind] = f;
    lock_release(&s->lock);
}

bool simfs_has_failed(struct simfs *s, enum simfs_call kind)
{
    lock_acquire(&s->lock);
    bool failed = s->faults[kind].nth > 0 && s->faults[kind].seen >= s->faults[kind].nth;
    lock_release(&s->lock);
    return failed;
}

void simfs_heal(struct simfs *s)
{
    lock_acquire(&s->lock);
    memset(s->faults, 0, sizeof(s->faults));
    lock_release(&s->lock);
}

void simfs_set_pessimistic(struct simfs *s, bool on)
{
    lock_acquire(&s->lock);
    s->pessimistic = on;
    lock_release(&s->lock);
}

void simfs_set_space(struct simfs *s, uint64_t bytes)
{
    lock_acquire(&s->lock);
    s->space = bytes;
    lock_release(&s->lock);
}

uint64_t simfs_used(struct simfs *s)
{
    lock_acquire(&s->lock);
    uint64_t used = 0;
    for (size_t i = 0; i < s->now.len; i++)
        used += s->now.list[i].inode->now.len;
    lock_release(&s->lock);
    return used;
}

uint64_t simfs_count(struct simfs *s, enum simfs_call kind)
{
    lock_acquire(&s->lock);
    uint64_t count = s->counts[kind];
    lock_release(&s->lock);
    return count;
}

void simfs_stop_at(struct simfs *s, uint64_t nth, void (*then)(void *ctx), void *ctx)
{
    lock_acquire(&s->lock);
    s->stop_at = s->counts[SIMFS_CHANGES] + nth;
    s->then = then;
    s->then_ctx = ctx;
    lock_release(&s->lock);
}

void simfs_before_each(struct simfs *s, void (*each)(void *ctx, struct simfs *s), void *ctx)
{
    lock_acquire(&s->lock);
    s->each = each;
    s->each_ctx = ctx;
    lock_release(&s->lock);
}

bool simfs_has_stopped(struct simfs *s)
{
    lock_acquire(&s->lock);
    bool stopped = s->picture != NULL;
    lock_release(&s->lock);
    return stopped;
}

void simfs_lock(struct simfs *s) NO_TSA /* held across calls */
{
    lock_acquire(&s->lock);
}

void simfs_unlock(struct simfs *s) NO_TSA
{
    lock_release(&s->lock);
}

char *simfs_bytes(struct simfs *s, const char *path, uint64_t *len)
{
    lock_acquire(&s->lock);
    struct sim_name *name = sim_find(&s->now, path);
    char *bytes = name == NULL ? NULL : name->inode->now.data;
    *len = name == NULL ? 0 : name->inode->now.len;
    lock_release(&s->lock);
    return bytes;
}

void simfs_put(struct simfs *s, const char *path, const void *bytes, uint64_t len)
{
    lock_acquire(&s->lock);
    struct sim_inode *i = sim_inode_new(s);
    sim_content_write(&i->now, 0, bytes, len);
    sim_content_write(&i->durable, 0, bytes, len);
    s->used += len;
    i->refs++;
    sim_name(s, &s->now, path, i);
    sim_name(s, &s->durable, path, i);
    i->refs--;
    lock_release(&s->lock);
}

uint64_t simfs_digest(struct simfs *s)
{
    uint64_t digest = 0;
    lock_acquire(&s->lock);
    for (size_t i = 0; i < s->now.len; i++) {
        const struct sim_name *n = &s->now.list[i];
        uint64_t seed = XXH3_64bits(n->path, strlen(n->path));
        digest += XXH3_64bits_withSeed(n->inode->now.data, n->inode->now.len, seed);
    }
    lock_release(&s->lock);
    return digest;
}
