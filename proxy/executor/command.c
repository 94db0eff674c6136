/* The table of commands, made from commands.def, and how a name finds its row.
 *
 * Names are found in an open-addressed table by two words of their letters, with the case bit set:
 * one multiplication, one probe, two compares.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/command.h"

#include "base/log.h"
#include "base/num.h"
#include "base/words.h"
#include "executor/find_keys.h"
#include "executor/worker.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic push
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
#define KEYS(mode_, first_, last_, step_) \
    .key_mode = mode_, .first_key = first_, .last_key = last_, .key_step = step_
#define LATE_KEYS(id_) .late_keys = late_keys_##id_, .prepare = prepare_##id_
#define ROW(id_, name_, ...) \
    [COMMAND_##id_] = {      \
        .id = COMMAND_##id_, .name = name_, .syntax = "", .specs = "", .tips = "", __VA_ARGS__},
static const struct command rows[COMMAND_COUNT] = {
#define COMMAND(id_, name_, ...)   ROW(id_, name_, .run = cmd_##id_, __VA_ARGS__)
#define CONTAINER(id_, name_, ...) ROW(id_, name_, __VA_ARGS__)
#include "executor/commands.def"
#undef COMMAND
};
#pragma GCC diagnostic pop

enum { NAME_MAX_LEN = 24, LETTERS = 16, BUCKETS = 1024, RENAMED_MAX_LEN = 1024 };
_Static_assert(COMMAND_COUNT * 2 <= BUCKETS, "the table of names is at most half full");

struct name_letters { /* the first eight of a name and the last eight, whatever their case */
    uint64_t head, tail;
};

static struct bucket {
    struct name_letters letters;
    uint32_t len;
    uint32_t id_plus_1; /* 0: free */
    bool look_again;    /* its letters do not tell all: longer, or with an underscore */
} buckets[BUCKETS];
static bool buckets_ready;
static const char *renamed[COMMAND_COUNT]; /* what clients call it, if not by its own name; "": not
                                              at all. Lower case */
static size_t longest = NAME_MAX_LEN;

static const uint64_t CASE_BITS = UINT64_C(0x2020202020202020);

static inline uint64_t load8(const char *p)
{
    uint64_t n;
    memcpy(&n, p, 8);
    return n;
}

static inline uint64_t load4(const char *p)
{
    uint32_t n;
    memcpy(&n, p, 4);
    return n;
}

/* Setting the case bit maps no other byte to a letter, so two texts of equal length with equal
 * letters are the same name if one of them has only letters. It makes a DEL of an underscore, and
 * the middle of a long name is not among them: such a name is looked at again. */
static inline struct name_letters letters_of(struct slice name)
{
    const char *p = name.ptr;
    size_t len = name.len;
    struct name_letters l = {0, 0};
    if (len >= 8) {
        l.head = load8(p);
        l.tail = load8(p + len - 8);
    } else if (len >= 4) {
        l.head = load4(p) | load4(p + len - 4) << 32;
    } else if (len > 0) {
        l.head = (uint64_t)(unsigned char)p[0] | (uint64_t)(unsigned char)p[len / 2] << 8 |
                 (uint64_t)(unsigned char)p[len - 1] << 16;
    }
    l.head |= CASE_BITS;
    l.tail |= CASE_BITS;
    return l;
}

static inline size_t command_bucket_of(struct name_letters l, size_t len)
{
    uint64_t h = (l.head ^ (l.tail * 3) ^ len) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(h >> 54);
}
_Static_assert(BUCKETS == 1 << (64 - 54), "bucket_of yields an index");

static void command_fill(void)
{
    for (uint32_t id = 0; id < COMMAND_COUNT; id++) {
        struct slice name = slice_str(rows[id].name);
        if (memchr(name.ptr, '|', name.len) != NULL)
            continue;
        must(name.len > 0 && name.len <= NAME_MAX_LEN);
        for (size_t i = 0; i < name.len; i++)
            must((name.ptr[i] >= 'a' && name.ptr[i] <= 'z') || name.ptr[i] == '_');
        if (renamed[id] != NULL)
            name = slice_str(renamed[id]);
        if (name.len == 0)
            continue;
        struct name_letters l = letters_of(name);
        size_t b = command_bucket_of(l, name.len);
        while (buckets[b].id_plus_1 != 0)
            b = (b + 1) % BUCKETS;
        bool look_again =
            name.len > LETTERS || memchr(name.ptr, '_', name.len) != NULL || renamed[id] != NULL;
        buckets[b] = (struct bucket){l, (uint32_t)name.len, id + 1, look_again};
    }
    __atomic_store_n(&buckets_ready, true, __ATOMIC_RELEASE);
}

static const char *name_of(const struct command *row)
{
    return renamed[row->id] != NULL ? renamed[row->id] : row->name;
}

static enum rc rename_one(struct slice from, struct slice to, struct err *err)
{
    const struct command *row = command_find(from);
    if (row == NULL)
        return err_set(err, RC_INVALID, "rename-command: no such command: '%.*s'",
                       (int)min_u64(from.len, NAME_MAX_LEN), from.ptr);
    if (to.len > RENAMED_MAX_LEN || (to.len > 0 && memchr(to.ptr, '\0', to.len) != NULL))
        return err_set(err, RC_INVALID, "rename-command %s: not a name", row->name);
    const struct command *other = to.len > 0 ? command_find(to) : NULL;
    if (other != NULL && other != row)
        return err_set(err, RC_INVALID,
                       "rename-command %s: the new name is that of a command already", row->name);
    char *name = strndup(to.ptr != NULL ? to.ptr : "", to.len);
    must(name != NULL);
    for (char *p = name; *p != '\0'; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + ('a' - 'A') : *p);
    longest = max_u64(longest, to.len);
    renamed[row->id] = name; /* for as long as the process lives */
    memset(buckets, 0, sizeof(buckets));
    command_fill();
    return RC_OK;
}

enum rc command_rename(struct slice pairs, struct err *err)
{
    char *space = malloc(pairs.len + 1), *room = space;
    must(space != NULL);
    struct slice from, to;
    enum rc rc = RC_OK;
    while (rc == RC_OK && words_next(&pairs, &room, &from) == WORDS_FOUND &&
           words_next(&pairs, &room, &to) == WORDS_FOUND)
        rc = rename_one(from, to, err);
    free(space);
    return rc;
}

const struct command *command_get(enum command_id id)
{
    must(id < COMMAND_COUNT);
    return &rows[id];
}

const struct command *command_find(struct slice name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (UNLIKELY(!__atomic_load_n(&buckets_ready, __ATOMIC_ACQUIRE)))
        must(pthread_once(&once, command_fill) == 0);
    if (name.len > longest)
        return NULL;
    struct name_letters l = letters_of(name);
    for (size_t b = command_bucket_of(l, name.len); buckets[b].id_plus_1 != 0;
         b = (b + 1) % BUCKETS) {
        const struct bucket *at = &buckets[b];
        const struct command *row = &rows[at->id_plus_1 - 1];
        if (at->letters.head == l.head && at->letters.tail == l.tail && at->len == name.len &&
            (LIKELY(!at->look_again) || slice_is_word(name, name_of(row))))
            return row;
    }
    return NULL;
}

const struct command *command_find_sub(const struct command *parent, struct slice name)
{
    size_t prefix = strlen(parent->name);
    for (uint32_t id = parent->id + 1; id < COMMAND_COUNT; id++) {
        const struct command *row = &rows[id];
        if (strncmp(row->name, parent->name, prefix) != 0 || row->name[prefix] != '|')
            return NULL;
        if (slice_is_word(name, row->name + prefix + 1))
            return row;
    }
    return NULL;
}

const struct command *command_find_full(struct slice name)
{
    const char *bar = name.len == 0 ? NULL : memchr(name.ptr, '|', name.len);
    if (bar == NULL)
        return command_find(name);
    size_t len = (size_t)(bar - name.ptr);
    const struct command *parent = command_find(slice_of(name.ptr, len));
    if (parent == NULL)
        return NULL;
    return command_find_sub(parent, slice_of(bar + 1, name.len - len - 1));
}

const struct command *command_lookup(uint32_t argc, const struct slice *argv)
{
    const struct command *command = command_find(argv[0]);
    if (command != NULL && UNLIKELY((command->flags & CMD_CONTAINER) != 0) && argc > 1)
        return command_find_sub(command, argv[1]);
    return command;
}
