/* The configuration in force.
 *
 * Numbers are atomics and texts lie under a lock; neither waits for the disk or for a callback. A
 * change (load, CONFIG SET, reload) is made in a set of its own, checked, and then takes the place
 * of the one in force; change_lock lets one through at a time.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "config/options.h"

#include "base/glob.h"
#include "base/lock.h"
#include "config/option_machine.h"
#include "config/option_rewrite.h"
#include "config/option_set.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static struct lock values_lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static struct option_set values GUARDED_BY(values_lock);

/* The same once more, for readers without a lock. */
static _Atomic int64_t nums[OPT_COUNT];
static struct {
    _Atomic uint64_t hard_bytes, soft_bytes;
    _Atomic int64_t soft_seconds;
} limits[OUTPUT_CLASSES];

static struct lock rewrite_lock = {.mutex = PTHREAD_MUTEX_INITIALIZER}; /* the file's */
static struct lock change_lock = {.mutex =
                                      PTHREAD_MUTEX_INITIALIZER}; /* taken before values_lock */
static char loaded_path[PATH_MAX];
static int args_len GUARDED_BY(change_lock);
static char **args GUARDED_BY(change_lock); /* copies */
static option_changed *on_change GUARDED_BY(change_lock);
static void *on_change_ctx GUARDED_BY(change_lock);

/* --- reading --- */

int64_t option_num(enum option_id id)
{
    slow_must(!option_row_is_text(id));
    return atomic_load_explicit(&nums[id], memory_order_relaxed);
}

void option_text(enum option_id id, struct buf *out)
{
    lock_acquire(&values_lock);
    option_value_format(id, &values.values[id], out);
    lock_release(&values_lock);
}

char *option_strdup(enum option_id id)
{
    struct buf text = {0};
    option_text(id, &text);
    buf_append(&text, "", 1);
    return text.data;
}

struct output_limit option_output_limit(enum output_class c)
{
    return (struct output_limit){
        .hard_bytes = atomic_load_explicit(&limits[c].hard_bytes, memory_order_relaxed),
        .soft_bytes = atomic_load_explicit(&limits[c].soft_bytes, memory_order_relaxed),
        .soft_seconds = atomic_load_explicit(&limits[c].soft_seconds, memory_order_relaxed),
    };
}

const char *option_name(enum option_id id)
{
    return option_rows[id].name;
}

const char *option_help(enum option_id id)
{
    return option_rows[id].help;
}

const char *options_path(void)
{
    return loaded_path;
}

void options_match(struct slice glob, void (*each)(void *ctx, const char *name, enum option_id id),
                   void *ctx)
{
    for (size_t i = 0; i < OPT_COUNT; i++)
        if ((option_rows[i].flags & OPTION_UNLISTED) == 0 &&
            glob_match(glob, slice_str(option_rows[i].name), true))
            each(ctx, option_rows[i].name, (enum option_id)i);
    for (size_t i = 0; i < option_aliases_len; i++)
        if (glob_match(glob, slice_str(option_aliases[i].name), true))
            each(ctx, option_aliases[i].name, option_aliases[i].id);
}

/* --- putting a set in force --- */

enum {
    BUFFER_MEMORY_LEAST = 8 << 20,
    BUFFER_MEMORY_MOST = 160 << 20,
    RING_SHARE = 20,
    RING_SIZE_MIN = 64 << 10,
    RING_SIZE_MOST = 8 << 20
};

static int64_t between(int64_t least, int64_t n, int64_t most)
{
    return n < least ? least : n > most ? most : n;
}

/* A power of two, from 64 KB to 8 MB. */
static int64_t ring_size(int64_t buffer_memory)
{
    int64_t size = RING_SIZE_MIN;
    while (size < RING_SIZE_MOST && size * 2 <= buffer_memory / RING_SHARE)
        size *= 2;
    return size;
}

/* What a 0 stands for where it means "as the machine is". */
static int64_t effective(const struct option_set *set, enum option_id id)
{
    int64_t num = set->values[id].num;
    if (num != 0)
        return num;
    switch (id) {
    case OPT_maxmemory:
        return option_machine_memory() / 2;
    case OPT_io_threads:
        return (int64_t)min_u64((uint64_t)option_machine_cores(), (uint64_t)option_rows[id].max);
    case OPT_buffer_memory:
        return between(BUFFER_MEMORY_LEAST, effective(set, OPT_maxmemory) / 4, BUFFER_MEMORY_MOST);
    case OPT_journal_ring_size:
        return ring_size(effective(set, OPT_buffer_memory));
    default:
        return 0;
    }
}

/* Exchanges *set and the set in force. */
static void exchange(struct option_set *set)
{
    int64_t new_nums[OPT_COUNT];
    struct output_limit new_limits[OUTPUT_CLASSES];
    for (size_t i = 0; i < OPT_COUNT; i++)
        new_nums[i] = effective(set, (enum option_id)i);
    option_value_limits(&set->values[OPT_client_output_buffer_limit], new_limits);
    lock_acquire(&values_lock);
    struct option_set old = values;
    values = *set;
    *set = old;
    for (size_t i = 0; i < OPT_COUNT; i++)
        atomic_store_explicit(&nums[i], new_nums[i], memory_order_relaxed);
    for (size_t i = 0; i < OUTPUT_CLASSES; i++) {
        atomic_store_explicit(&limits[i].hard_bytes, new_limits[i].hard_bytes,
                              memory_order_relaxed);
        atomic_store_explicit(&limits[i].soft_bytes, new_limits[i].soft_bytes,
                              memory_order_relaxed);
        atomic_store_explicit(&limits[i].soft_seconds, new_limits[i].soft_seconds,
                              memory_order_relaxed);
    }
    lock_release(&values_lock);
}

static void copy_live(struct option_set *out)
{
    lock_acquire(&values_lock);
    option_set_copy(out, &values);
    lock_release(&values_lock);
}

/* Puts *next in force and tells about what changed; an objection puts the old set back, and tells
 * those who had agreed. *next ends up with the set that is not in force. */
static enum rc commit(struct option_set *next, enum option_id *blamed, struct err *err)
    REQUIRES(change_lock)
{
    bool differs[OPT_COUNT];
    struct option_set old;
    copy_live(&old);
    for (size_t i = 0; i < OPT_COUNT; i++)
        differs[i] = !option_value_eq((enum option_id)i, &old.values[i], &next->values[i]);
    option_set_fini(&old);
    exchange(next);
    for (size_t i = 0; i < OPT_COUNT && on_change != NULL; i++) {
        if (!differs[i])
            continue;
        enum rc rc = on_change(on_change_ctx, (enum option_id)i, err);
        if (rc == RC_OK)
            continue;
        *blamed = (enum option_id)i;
        exchange(next);
        struct err ignored;
        for (size_t j = 0; j <= i; j++)
            if (differs[j]) /* the old value worked before; an objection has no better one */
                (void)!on_change(on_change_ctx, (enum option_id)j, &ignored);
        return rc;
    }
    return RC_OK;
}

static void reset(void) REQUIRES(change_lock)
{
    struct option_set set;
    option_set_init(&set);
    exchange(&set);
    option_set_fini(&set);
    loaded_path[0] = '\0';
    for (int i = 0; i < args_len; i++)
        free(args[i]);
    free(args);
    args = NULL;
    args_len = 0;
    on_change = NULL;
}

void options_reset(void)
{
    lock_acquire(&change_lock);
    reset();
    lock_release(&change_lock);
}

/* Options have their defaults before anybody can ask, with or without a load. */
__attribute__((constructor)) static void before_main(void)
{
    struct option_set set;
    option_set_init(&set);
    exchange(&set);
    option_set_fini(&set);
}

static void options_keep_args(int argc, char *const *argv) REQUIRES(change_lock)
{
    args = calloc((size_t)argc + 1, sizeof(*args));
    must(args != NULL);
    for (; args_len < argc; args_len++) {
        args[args_len] = strdup(argv[args_len]);
        must(args[args_len] != NULL);
    }
}

enum rc options_load(const char *path, int argc, char *const *argv, struct err *err)
{
    struct option_set set;
    struct err why;
    char full[PATH_MAX] = "";
    option_set_init(&set);
    enum rc rc = option_set_load(&set, path, argc, argv, NULL, &why);
    if (rc == RC_OK && path != NULL && realpath(path, full) == NULL)
        rc = err_sys(&why, errno, "cannot find configuration file %s", path);
    if (rc == RC_OK) {
        lock_acquire(&change_lock);
        reset();
        exchange(&set);
        memcpy(loaded_path, full, sizeof(full));
        options_keep_args(argc, argv);
        lock_release(&change_lock);
    } else if (err != NULL) {
        *err = why;
    }
    option_set_fini(&set);
    return rc;
}

void options_problems(const char *path, int argc, char *const *argv, struct buf *out)
{
    struct option_set set;
    struct err err;
    option_set_init(&set);
    must(option_set_load(&set, path, argc, argv, out, &err) == RC_OK);
    option_set_fini(&set);
}

void option_where(enum option_id id, struct buf *out)
{
    lock_acquire(&values_lock);
    option_place_describe(&values.places[id], out);
    lock_release(&values_lock);
}

void options_stated_inert(struct buf *out)
{
    lock_acquire(&values_lock);
    for (size_t i = 0, n = 0; i < OPT_COUNT; i++)
        if (values.places[i].line > 0 && (option_rows[i].flags & OPTION_INERT) != 0)
            buf_printf(out, "%s%s", n++ > 0 ? ", " : "", option_rows[i].name);
    lock_release(&values_lock);
}

void options_on_change(option_changed *changed, void *ctx)
{
    lock_acquire(&change_lock);
    on_change = changed;
    on_change_ctx = ctx;
    lock_release(&change_lock);
}

/* --- CONFIG SET --- */

struct assignment {
    enum option_id id;
    const char *name;
    struct slice text;
};

/* Names first, as Redis: what is unknown, fixed or doubled is reported before any wrong value. */
static enum rc resolve(const struct slice *pair, const struct assignment *before, size_t n,
                       const struct option_set *now, struct assignment *out, struct err *err)
{
    if (!option_row_find(pair[0], &out->id, &out->name) ||
        (option_rows[out->id].flags & OPTION_UNLISTED) != 0) {
        struct buf shown = {0};
        buf_append_escaped(&shown, pair[0], 128);
        err_set(err, RC_NOT_FOUND, "Unknown option or number of arguments for CONFIG SET - '%.*s'",
                (int)shown.len, shown.data != NULL ? shown.data : "");
        buf_fini(&shown);
        return RC_NOT_FOUND;
    }
    out->text = pair[1];
    for (size_t i = 0; i < n; i++)
        if (before[i].id == out->id)
            return err_set(err, RC_INVALID, "duplicate parameter");
    if ((option_rows[out->id].flags & OPTION_IMMUTABLE) == 0)
        return RC_OK;
    /* Saying again what is so is fine under a name that Redis lets change (appendonly). */
    struct option_value same;
    bool alias = out->name != option_rows[out->id].name;
    bool eq = false;
    if (alias && option_value_parse(out->id, out->text, NULL, &same, NULL) == RC_OK) {
        eq = option_value_eq(out->id, &same, &now->values[out->id]);
        option_value_fini(&same);
    }
    return eq ? RC_OK : err_set(err, RC_INVALID, "can't set immutable config");
}

static enum rc set_locked(const struct slice *pairs, size_t n, struct assignment *todo,
                          const char **failed_name, struct err *err) REQUIRES(change_lock)
{
    struct option_set next;
    enum option_id blamed = OPT_COUNT;
    enum rc rc = RC_OK;
    copy_live(&next);
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        todo[i] = (struct assignment){0};
        rc = resolve(&pairs[2 * i], todo, i, &next, &todo[i], err);
        *failed_name = todo[i].name;
    }
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        *failed_name = todo[i].name;
        rc = option_set_assign(&next, todo[i].id, todo[i].text, err);
    }
    if (rc == RC_OK)
        rc = option_set_check(&next, &blamed, err);
    if (rc == RC_OK)
        rc = commit(&next, &blamed, err);
    if (blamed != OPT_COUNT)
        *failed_name = option_rows[blamed].name;
    option_set_fini(&next);
    return rc;
}

enum rc options_set(const struct slice *pairs, size_t n, const char **failed_name, struct err *err)
{
    *failed_name = NULL;
    if (n > OPT_COUNT + option_aliases_len)
        return err_set(err, RC_INVALID, "duplicate parameter");
    if (n == 0)
        return RC_OK;
    struct assignment *todo = calloc(n, sizeof(*todo));
    if (todo == NULL)
        return err_set(err, RC_NOMEM, "out of memory");
    lock_acquire(&change_lock);
    enum rc rc = set_locked(pairs, n, todo, failed_name, err);
    lock_release(&change_lock);
    free(todo);
    return rc;
}

/* --- reload and rewrite --- */

/* Puts back what only a start can change; `ignored` lists the names. */
static void keep_immutable(struct option_set *next, const struct option_set *now,
                           struct buf *ignored)
{
    for (size_t i = 0; i < OPT_COUNT; i++) {
        enum option_id id = (enum option_id)i;
        if ((option_rows[i].flags & OPTION_IMMUTABLE) == 0 ||
            option_value_eq(id, &next->values[i], &now->values[i]))
            continue;
        buf_printf(ignored, "%s%s", ignored->len > 0 ? ", " : "", option_rows[i].name);
        struct buf text = {0};
        option_value_format(id, &now->values[i], &text);
        must(option_set_assign(next, id, buf_slice(&text), NULL) == RC_OK);
        buf_fini(&text);
    }
}

static enum rc reload_locked(struct err *err) REQUIRES(change_lock)
{
    struct option_set next, now;
    struct buf ignored = {0};
    enum option_id blamed;
    if (loaded_path[0] == '\0')
        return err_set(err, RC_NOT_FOUND, "The server is running without a config file");
    option_set_init(&next);
    enum rc rc = option_set_load(&next, loaded_path, args_len, args, NULL, err);
    if (rc == RC_OK) {
        copy_live(&now);
        keep_immutable(&next, &now, &ignored);
        option_set_fini(&now);
        rc = commit(&next, &blamed, err);
    }
    if (rc == RC_OK) {
        *err = (struct err){0};
        if (ignored.len > 0)
            snprintf(err->text, sizeof(err->text), "only a restart changes %.*s", (int)ignored.len,
                     ignored.data);
    }
    buf_fini(&ignored);
    option_set_fini(&next);
    return rc;
}

enum rc options_reload(struct err *err)
{
    struct err local;
    lock_acquire(&change_lock);
    enum rc rc = reload_locked(err != NULL ? err : &local);
    lock_release(&change_lock);
    return rc;
}

/* Nobody who changes or reads a value waits for the disk: change_lock is not taken. */
enum rc options_rewrite(struct err *err)
{
    struct option_set now;
    lock_acquire(&rewrite_lock);
    enum rc rc = RC_OK;
    if (loaded_path[0] == '\0') {
        rc = err_set(err, RC_NOT_FOUND, "The server is running without a config file");
    } else {
        copy_live(&now);
        rc = option_rewrite(loaded_path, &now, err);
        option_set_fini(&now);
    }
    lock_release(&rewrite_lock);
    return rc;
}
