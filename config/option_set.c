/* See option_set.h. The grammar of files is that of Redis: a directive and its words on a line,
 * quotes and escapes as in inline commands, '#' at the start of a line for comments.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "config/option_set.h"

#include "base/lock.h"
#include "base/words.h"
#include "config/option_text.h"

#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>

enum { WORDS_MAX = 1024, INCLUDE_DEPTH_MAX = 16, SHOWN_MAX = 60, FILES_MAX = 1000 };

/* Where a directive stands, for errors. */
struct setting_place {
    const char *file; /* NULL: the command line */
    int line;
    int depth;       /* of includes */
    int *files;      /* read so far, over all includes */
    struct buf *all; /* NULL: the first error ends it; else a line for each, and it goes on */
};

/* Names of files, for places that outlive the reading. Never freed, and few: an include that is
 * read again has its name already. */
static const char *keep_name(const char *file)
{
    static struct lock names_lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    static char **names;
    static size_t len;
    if (file == NULL)
        return NULL;
    lock_acquire(&names_lock);
    size_t i = 0;
    while (i < len && strcmp(names[i], file) != 0)
        i++;
    if (i == len) {
        names = realloc(names, (len + 1) * sizeof(*names));
        must(names != NULL && (names[len] = strdup(file)) != NULL);
        len++;
    }
    const char *name = names[i];
    lock_release(&names_lock);
    return name;
}

/* What `rc` is to be when more errors are looked for. */
static enum rc setting_go_on(const struct setting_place *at, enum rc rc, const struct err *err)
{
    if (rc == RC_OK || at->all == NULL)
        return rc;
    buf_printf(at->all, "%s\n", err->text);
    return RC_OK;
}

void option_set_init(struct option_set *s)
{
    *s = (struct option_set){0};
    for (size_t i = 0; i < OPT_COUNT; i++) {
        struct slice def = slice_str(option_rows[i].def);
        must(option_set_assign(s, (enum option_id)i, def, NULL) == RC_OK);
    }
}

void option_set_copy(struct option_set *to, const struct option_set *from)
{
    *to = *from;
    for (size_t i = 0; i < OPT_COUNT; i++) {
        if (from->values[i].text == NULL)
            continue;
        struct buf text = {0};
        buf_append(&text, from->values[i].text, from->values[i].len + 1);
        to->values[i].text = text.data;
    }
}

void option_set_fini(struct option_set *s)
{
    for (size_t i = 0; i < OPT_COUNT; i++)
        option_value_fini(&s->values[i]);
}

enum rc option_set_assign(struct option_set *s, enum option_id id, struct slice text,
                          struct err *err)
{
    struct option_value *old = &s->values[id], value;
    enum rc rc = option_value_parse(id, text, old->text != NULL ? old : NULL, &value, err);
    if (rc != RC_OK)
        return rc;
    option_value_fini(old);
    *old = value;
    return RC_OK;
}

enum rc option_set_check(const struct option_set *s, enum option_id *id, struct err *err)
{
    int64_t low = s->values[OPT_dirty_low_watermark].num;
    int64_t high = s->values[OPT_dirty_high_watermark].num;
    *id = OPT_dirty_low_watermark;
    if (low > high)
        return err_set(err, RC_INVALID,
                       "dirty-low-watermark (%" PRId64 ") is above dirty-high-watermark (%" PRId64
                       ")",
                       low, high);
    int64_t segment = s->values[OPT_journal_segment_size].num;
    int64_t journal = s->values[OPT_journal_max_size].num;
    *id = OPT_journal_max_size;
    if (journal != 0 && journal / 2 < segment)
        return err_set(err, RC_INVALID,
                       "journal-max-size (%" PRId64 ") is below two of journal-segment-size "
                       "(%" PRId64 "): no write would ever be taken",
                       journal, segment);
    const char *backend = s->values[OPT_backend].text;
    *id = OPT_backend;
    size_t scheme = strspn(backend, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (scheme == 0 || backend[scheme] != ':' || backend[scheme + 1] == '\0')
        return err_set(err, RC_INVALID, "backend must look like sqlite:FILE");
    return RC_OK;
}

/* Fills err with "<place>: <what>". A long path loses its beginning. */
static enum rc setting_fail(const struct setting_place *at, struct err *err, enum rc code,
                            const char *what)
{
    if (at->file == NULL)
        return err_set(err, code, "command line: %s", what);
    size_t len = strlen(at->file);
    const char *file = len > SHOWN_MAX ? at->file + len - SHOWN_MAX : at->file;
    return err_set(err, code, "%s%s:%d: %s", len > SHOWN_MAX ? "..." : "", file, at->line, what);
}

static enum rc fail_text(const struct setting_place *at, struct err *err, enum rc code,
                         struct buf *what)
{
    buf_append(what, "", 1);
    enum rc rc = setting_fail(at, err, code, what->data);
    buf_fini(what);
    return rc;
}

static enum rc fail_unknown(const struct setting_place *at, struct slice name, struct err *err)
{
    struct buf what = {0};
    buf_append_str(&what, "unknown directive '");
    buf_append_escaped(&what, name, SHOWN_MAX);
    buf_append_str(&what, "'");
    const char *nearest = option_row_nearest(name);
    if (nearest != NULL)
        buf_printf(&what, "; did you mean '%s'?", nearest);
    return fail_text(at, err, RC_INVALID, &what);
}

static enum rc fail_value(const struct setting_place *at, const char *name, unsigned flags,
                          struct slice text, struct err *err)
{
    struct buf what = {0};
    struct err why = *err;
    buf_append_str(&what, name);
    if ((flags & OPTION_SECRET) == 0) {
        buf_append_str(&what, " '");
        buf_append_escaped(&what, text, 40);
        buf_append_str(&what, "'");
    }
    buf_printf(&what, ": %s", why.text);
    return fail_text(at, err, why.code, &what);
}

static enum rc setting_read_file(struct option_set *s, const char *path,
                                 const struct setting_place *from, struct err *err);

void option_place_describe(const struct option_place *at, struct buf *out)
{
    if (at->line == 0)
        return;
    if (at->file == NULL)
        buf_append_str(out, "command line: ");
    else
        buf_printf(out, "%s:%d: ", at->file, at->line);
}

/* A pattern may match any number of files, in order; a plain path must exist. */
static enum rc include(struct option_set *s, const struct setting_place *at, struct slice pattern,
                       struct err *err)
{
    if (pattern.len == 0 || memchr(pattern.ptr, '\0', pattern.len) != NULL)
        return setting_fail(at, err, RC_INVALID, "include: not a path");
    char *text = strndup(pattern.ptr, pattern.len);
    must(text != NULL);
    enum rc rc = RC_OK;
    glob_t found = {0};
    if (strpbrk(text, "*?[") == NULL) {
        rc = setting_read_file(s, text, at, err);
    } else {
        int status = glob(text, 0, NULL, &found);
        if (status != 0 && status != GLOB_NOMATCH)
            rc = setting_fail(at, err, RC_IO, "include: cannot look for files");
        for (size_t i = 0; rc == RC_OK && i < found.gl_pathc; i++)
            rc = setting_read_file(s, found.gl_pathv[i], at, err);
        globfree(&found);
    }
    free(text);
    return rc;
}

/* Executes one directive with its words. */
static enum rc setting_apply(struct option_set *s, const struct setting_place *at,
                             const struct slice *words, size_t n, struct err *err)
{
    enum option_id id;
    const char *name;
    if (at->file != NULL && slice_is_word(words[0], "include"))
        return n == 2 ? include(s, at, words[1], err)
                      : setting_fail(at, err, RC_INVALID, "include: wrong number of arguments");
    if (!option_row_find(words[0], &id, &name))
        return fail_unknown(at, words[0], err);
    if (n < 2 || (n > 2 && !option_row_is_list(id))) {
        struct buf what = {0};
        buf_printf(&what, "%s: wrong number of arguments", name);
        return fail_text(at, err, RC_INVALID, &what);
    }
    struct buf text = {0};
    const char *old = s->values[id].text;
    if (option_row_adds_up(id) && (n > 2 || words[1].len > 0) && old[0] != '\0')
        buf_printf(&text, "%s ", old);
    for (size_t i = 1; i < n; i++) {
        if (i > 1)
            buf_append_str(&text, " ");
        if (option_rows[id].kind == OPTION_KIND_RENAMES)
            option_value_quote(words[i], &text);
        else
            buf_append_slice(&text, words[i]);
    }
    struct err why;
    enum rc rc = option_set_assign(s, id, buf_slice(&text), &why);
    if (rc != RC_OK) {
        *err = why;
        rc = fail_value(at, name, option_rows[id].flags, buf_slice(&text), err);
    } else {
        s->places[id] = (struct option_place){keep_name(at->file), at->file != NULL ? at->line : 1};
    }
    buf_fini(&text);
    return rc;
}

static enum rc read_line(struct option_set *s, const struct setting_place *at, struct slice line,
                         struct err *err)
{
    struct slice words[WORDS_MAX];
    size_t n = 0;
    char *space = malloc(line.len + 1), *room = space;
    must(space != NULL);
    enum words_next next;
    enum rc rc = RC_OK;
    while ((next = words_next(&line, &room, &words[n])) == WORDS_FOUND && ++n < WORDS_MAX)
        ;
    if (next == WORDS_UNBALANCED)
        rc = setting_fail(at, err, RC_INVALID, "unbalanced quotes");
    else if (n == WORDS_MAX)
        rc = setting_fail(at, err, RC_INVALID, "too many words");
    else if (n > 0)
        rc = setting_apply(s, at, words, n, err);
    free(space);
    return rc;
}

static enum rc read_text(struct option_set *s, const char *path, struct slice text,
                         const struct setting_place *from, struct err *err)
{
    struct setting_place at = {
        .file = path, .depth = from->depth + 1, .files = from->files, .all = from->all};
    struct slice line;
    while (option_text_line(&text, &line)) {
        at.line++;
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        enum rc rc = setting_go_on(&at, read_line(s, &at, line, err), err);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

static enum rc setting_read_file(struct option_set *s, const char *path,
                                 const struct setting_place *from, struct err *err)
{
    if (from->depth >= INCLUDE_DEPTH_MAX || ++*from->files > FILES_MAX)
        return setting_fail(from, err, RC_INVALID, "include: too many files within each other");
    struct buf text = {0};
    struct err why;
    enum rc rc = option_text_read(path, &text, &why);
    if (rc == RC_OK)
        rc = read_text(s, path, buf_slice(&text), from, err);
    else if (from->file == NULL)
        *err = why;
    else
        rc = setting_fail(from, err, why.code, why.text);
    buf_fini(&text);
    return rc;
}

static enum rc read_first(struct option_set *s, const char *path, struct buf *all, struct err *err)
{
    int files = 0;
    const struct setting_place at = {.files = &files, .all = all};
    return setting_go_on(&at, setting_read_file(s, path, &at, err), err);
}

enum rc option_set_read_file(struct option_set *s, const char *path, struct err *err)
{
    return read_first(s, path, NULL, err);
}

static enum rc fail_word(const struct setting_place *at, const char *word, struct err *err)
{
    struct buf what = {0};
    buf_append_str(&what, "expected --directive, got '");
    buf_append_escaped(&what, slice_str(word), SHOWN_MAX);
    buf_append_str(&what, "'");
    return fail_text(at, err, RC_INVALID, &what);
}

static enum rc read_args(struct option_set *s, int argc, char *const *argv, struct buf *all,
                         struct err *err)
{
    struct slice words[WORDS_MAX];
    const struct setting_place at = {.all = all};
    enum rc rc = RC_OK;
    for (int i = 0; i < argc && rc == RC_OK;) {
        if (strncmp(argv[i], "--", 2) != 0) {
            rc = setting_go_on(&at, fail_word(&at, argv[i++], err), err);
            continue;
        }
        size_t n = 0;
        words[n++] = slice_str(argv[i++] + 2);
        while (i < argc && n < WORDS_MAX && strncmp(argv[i], "--", 2) != 0)
            words[n++] = slice_str(argv[i++]);
        rc = setting_go_on(&at, setting_apply(s, &at, words, n, err), err);
    }
    return rc;
}

enum rc option_set_read_args(struct option_set *s, int argc, char *const *argv, struct err *err)
{
    return read_args(s, argc, argv, NULL, err);
}

enum rc option_set_load(struct option_set *s, const char *path, int argc, char *const *argv,
                        struct buf *all, struct err *err)
{
    enum rc rc = RC_OK;
    enum option_id blamed;
    if (path != NULL)
        rc = read_first(s, path, all, err);
    if (rc == RC_OK)
        rc = read_args(s, argc, argv, all, err);
    if (rc == RC_OK)
        rc = option_set_check(s, &blamed, err);
    if (rc == RC_OK || all == NULL || blamed == OPT_COUNT)
        return rc;
    option_place_describe(&s->places[blamed], all);
    buf_printf(all, "%s\n", err->text);
    return RC_OK;
}
