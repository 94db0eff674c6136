/* The rows of options.def as data, and how a name finds its row.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_OPTION_ROW_H
#define CONFIG_OPTION_ROW_H

#include "config/options.h"

enum option_kind {
    OPTION_KIND_BOOL,
    OPTION_KIND_INT,
    OPTION_KIND_OCTAL,
    OPTION_KIND_BYTES,
    OPTION_KIND_SHARE,
    OPTION_KIND_MS,
    OPTION_KIND_SECONDS,
    OPTION_KIND_PERCENT,
    OPTION_KIND_ENUM,
    OPTION_KIND_LETTERS, /* a set: letter i of `words` is bit i of the number */
    OPTION_KIND_TEXT,
    OPTION_KIND_LIST,
    OPTION_KIND_LIMITS,
    OPTION_KIND_PERCENTILES,
    OPTION_KIND_SAVE,
    OPTION_KIND_RENAMES,
};

struct option_row {
    const char *name;
    enum option_kind kind;
    const char *def;
    int64_t min, max;
    unsigned flags;
    const char *words; /* ENUM: joined by '|'; LETTERS: the letters */
    const char *help;
};

extern const struct option_row option_rows[OPT_COUNT];

/* A second name that Redis has for a directive. */
struct option_alias {
    const char *name;
    enum option_id id;
};
extern const struct option_alias option_aliases[];
extern const size_t option_aliases_len;

/* A number is kept as a number, everything else as text. */
bool option_row_is_text(enum option_id id);
/* Takes several words on its line: LIST, LIMITS, PERCENTILES, SAVE, RENAMES. */
bool option_row_is_list(enum option_id id);
/* The lines of a file add up: SAVE, RENAMES. */
bool option_row_adds_up(enum option_id id);

/* Finds a name or alias, without regard to case; *name is its own spelling. */
bool option_row_find(struct slice text, enum option_id *id, const char **name);
/* The known directive that is most like `text`, NULL when none is near. */
const char *option_row_nearest(struct slice text);

#endif
