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
 * NULL, "help"). Kinds: BOOL yes/no - INT - BYTES ("100mb") - MS (milliseconds) - SECONDS - PERCENT
 * - ENUM - TEXT - LIST (text with spaces, may be given several times: lines append). Flags:
 * OPTION_IMMUTABLE (CONFIG SET is refused), OPTION_SECRET (hidden in logs). */
enum option_id {
#define OPTION(id, name, kind, def, min, max, flags, words, help) OPT_##id,
#include "config/options.def"
#undef OPTION
    OPT_COUNT
};

/* Loads defaults, then the file (NULL: none), then "--name value ..." arguments. The error names
 * file, line and, for an unknown directive, the nearest known one. `include` works as in Redis. */
MUST_CHECK enum rc options_load(const char *path, int argc, char *const *argv, struct err *err);
void options_reset(void); /* all defaults, as before options_load */

/* BOOL 0/1, ENUM the index of the word, all others the number in the base unit (bytes, ms, s).
 * Thread: any, lock-free. */
int64_t option_num(enum option_id id);
/* The text as CONFIG GET shows it, appended to out. Thread: any. */
void option_text(enum option_id id, struct buf *out);
/* TEXT options: a heap copy that the caller frees. Thread: any. */
char *option_strdup(enum option_id id);
const char *option_name(enum option_id id);
const char *option_help(enum option_id id);

/* CONFIG SET name value [name value ...]: all or none. On failure err.text is Redis's text after
 * "ERR CONFIG SET failed (possibly related to argument 'x') - ". */
MUST_CHECK enum rc options_set(const struct slice *pairs, size_t pairs_len,
                               const char **failed_name, struct err *err);
/* Called, in the thread of CONFIG SET, after all values of one SET were stored, once for each that
 * changed. An error takes the whole SET back. */
typedef enum rc option_changed(void *ctx, enum option_id id, struct err *err);
void options_on_change(option_changed *changed, void *ctx);
/* Calls each for every directive whose name matches a glob; Redis aliases (ziplist for listpack)
 * match too, under their own name. */
void options_match(struct slice glob, void (*each)(void *ctx, const char *name, enum option_id id),
                   void *ctx);
/* CONFIG REWRITE: the file that was loaded, comments kept, changed directives replaced or appended;
 * written aside, synced, renamed. */
MUST_CHECK enum rc options_rewrite(struct err *err);
/* SIGHUP: reads the file again and applies what may change at run time; err lists what was ignored.
 */
MUST_CHECK enum rc options_reload(struct err *err);
const char *options_path(void); /* absolute path of the loaded file, "" when none */
/* The annotated default configuration: proxy.conf is exactly this (make tidy compares). */
void options_print_default(struct buf *out);

#endif
