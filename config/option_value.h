/* One value of one directive: read from text, checked, written as text.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_OPTION_VALUE_H
#define CONFIG_OPTION_VALUE_H

#include "config/option_row.h"

struct option_value {
    int64_t num; /* as configured */
    char *text;  /* owned, with a zero byte after it; NULL for numbers */
    size_t len;  /* of the text; a secret may have zero bytes in it */
};

/* Reads `text`; what a LIMITS leaves open is taken from `old` (NULL: the default). *out is a new
 * value. Errors: RC_INVALID with Redis's text. */
MUST_CHECK enum rc option_value_parse(enum option_id id, struct slice text,
                                      const struct option_value *old, struct option_value *out,
                                      struct err *err);
void option_value_fini(struct option_value *v);
bool option_value_eq(enum option_id id, const struct option_value *a, const struct option_value *b);
/* As CONFIG GET shows it. */
void option_value_format(enum option_id id, const struct option_value *v, struct buf *out);
/* As it stands in a file: with units, quoted where needed. */
void option_value_write(enum option_id id, const struct option_value *v, struct buf *out);

/* Quoted where needed, so that the parser of files reads it back as one word. */
void option_value_quote(struct slice text, struct buf *out);

/* The limits of a valid LIMITS text. */
void option_value_limits(const struct option_value *v, struct output_limit out[OUTPUT_CLASSES]);

#endif
