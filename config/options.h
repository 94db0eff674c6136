/* Every directive: parsed from the file and the command line, read everywhere, changed by CONFIG
 * SET.
 *
 * options.def has one row per directive; everything here follows from it. Values that can change at
 * run time are read without a lock (numbers) or copied out under one (texts), so they may be asked
 * for from any thread at any time.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include "base/buf.h"
#include "base/err.h"

/* A row of options.def is OPTION(id, "name", kind, default text, min, max, flags, enum words or
 * NULL, "help"). Kinds: BOOL yes/no - INT - OCTAL - BYTES ("100mb") - SHARE (bytes, or "5%" of
 * maxmemory, which is kept as -5) - MS (milliseconds) - SECONDS -
 * PERCENT - ENUM - TEXT - LIST (words) - LIMITS (output buffers by class of client: a line changes
 * the classes that it names) - PERCENTILES - SAVE and RENAMES (pairs; the lines of a file add up).
 * Of several lines for any other directive the last one counts, as in Redis. */
enum option_flag {
    OPTION_IMMUTABLE = 1,    /* fixed at start: CONFIG SET is refused */
    OPTION_SECRET = 2,       /* hidden in logs and errors */
    OPTION_POWER_OF_TWO = 4, /* of a number */
    OPTION_FIXED = 8,        /* may be stated, has no other value than the default */
    OPTION_CLAMP = 16,       /* a number out of bounds becomes the nearest one within */
    OPTION_INERT = 32,       /* of Redis: without effect here, for OPTION_FIXED with the reason */
    OPTION_UNLISTED = 64,    /* CONFIG GET and SET do not know it */
    OPTION_OR_0 = 128,       /* a number: 0 is allowed too, and means that others decide */
};

/* Per cent of buffer-memory. Batches take theirs twice, waiting and applied; the journal's rings
 * and what it retains take the rest. */
enum { BUFFER_SHARE_CACHES = 55, BUFFER_SHARE_BATCH = 10 };

enum option_id {
#define OPTION(id, name, kind, def, min, max, flags, words, help) OPT_##id,
#include "config/options.def"
#undef OPTION
    OPT_COUNT
};

/* Loads defaults, then the file (NULL: none), then "--name value ..." arguments. The error names
 * file, line and, for an unknown directive, the nearest known one. `include` works as in Redis. */
MUST_CHECK enum rc options_load(const char *path, int argc, char *const *argv, struct err *err);
/* Appends everything that options_load would find wrong, a line each, with file and line. */
void options_problems(const char *path, int argc, char *const *argv, struct buf *out);
/* Appends "FILE:LINE: " or "command line: ", where the directive was stated; nothing for a default.
 * Thread: any. */
void option_where(enum option_id id, struct buf *out);
/* Appends the names of the directives that were stated and have no effect, with commas. */
void options_stated_inert(struct buf *out);
void options_reset(void); /* all defaults, as before options_load */

/* BOOL 0/1, ENUM the index of the word, LETTERS a bit for each, all others the number in the base
 * unit (bytes, ms, s).
 * Where 0 is configured for "as the machine is" (maxmemory, io-threads), this is what the machine
 * has; CONFIG GET and option_text show the 0. Thread: any, lock-free. */
int64_t option_num(enum option_id id);
/* The text as CONFIG GET shows it, appended to out. Thread: any. */
void option_text(enum option_id id, struct buf *out);
/* TEXT options: a heap copy that the caller frees. Thread: any. */
char *option_strdup(enum option_id id);
/* client-output-buffer-limit. 0: no limit. Thread: any, lock-free. */
enum output_class { OUTPUT_NORMAL, OUTPUT_REPLICA, OUTPUT_PUBSUB, OUTPUT_CLASSES };
struct output_limit {
    uint64_t hard_bytes, soft_bytes; /* soft: tolerated for soft_seconds */
    int64_t soft_seconds;
};
struct output_limit option_output_limit(enum output_class c);

const char *option_name(enum option_id id);
const char *option_help(enum option_id id);

/* CONFIG SET name value [name value ...]: `pairs` has 2 * pairs_len slices. All or none. On failure
 * err.text is Redis's text after "ERR CONFIG SET failed (possibly related to argument 'x') - ",
 * *failed_name is that x; RC_NOT_FOUND: a name is unknown, *failed_name is NULL and err.text is all
 * that follows "ERR ". */
MUST_CHECK enum rc options_set(const struct slice *pairs, size_t pairs_len,
                               const char **failed_name, struct err *err);
/* Called, in the thread of CONFIG SET, after all values of one SET were stored, once for each that
 * changed. An error takes the whole SET back, and those already called are called again. */
typedef enum rc option_changed(void *ctx, enum option_id id, struct err *err);
void options_on_change(option_changed *changed, void *ctx);
/* Calls each for every directive whose name matches a glob; Redis aliases (ziplist for listpack,
 * appendfsync for journal-fsync) match too, under their own name. */
void options_match(struct slice glob, void (*each)(void *ctx, const char *name, enum option_id id),
                   void *ctx);
/* CONFIG REWRITE: the file that was loaded, comments kept, changed directives replaced or appended;
 * written aside, synced, renamed. err.text is what follows "ERR Rewriting config file: ", but for
 * RC_NOT_FOUND, when no file was loaded, all that follows "ERR ". Blocks on the disk. */
MUST_CHECK enum rc options_rewrite(struct err *err);
/* SIGHUP: reads file and arguments again and applies what may change at run time. On RC_OK err.text
 * says what was ignored; "" when nothing was. Blocks on the disk. */
MUST_CHECK enum rc options_reload(struct err *err);
const char *options_path(void); /* absolute path of the loaded file, "" when none */
/* The annotated default configuration: proxy.conf is exactly this (make tidy compares). */
void options_print_default(struct buf *out);

#endif
