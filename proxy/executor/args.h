/* Arguments and effects that several command families have in common: expiry times, SCAN's options,
 * the limit of a string, and the journalled form of a command that was relative or conditional.
 *
 * A parser replies the error itself and returns false; the handler then just returns. Nothing here
 * touches a key.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXECUTOR_ARGS_H
#define EXECUTOR_ARGS_H

#include "base/glob.h"
#include "executor/call.h"

/* True when argument i is this word, which is written in lower case. */
static inline bool args_is(const struct call *c, uint32_t i, const char *word)
{
    return slice_is_word(c->argv[i], word);
}

/* Replies "wrong number of arguments for '<command>' command". */
void args_wrong_number(struct call *c);
/* Replies "invalid expire time in '<command>' command". */
void args_invalid_expiry(struct call *c);
/* Parses argument i as a number that fits the C `int` of Redis (database numbers). */
MUST_CHECK bool args_int32(struct call *c, uint32_t i, int64_t *out, const char *error);
/* Parses argument i, which must be at least 1 (numkeys, COUNT); else replies `error`. */
MUST_CHECK bool args_positive(struct call *c, uint32_t i, int64_t *out, const char *error);
/* Parses argument i as a number whose negative exists as well: any but -2^63. */
MUST_CHECK bool args_negatable(struct call *c, uint32_t i, int64_t *out);
/* "count [option]" from argument 2 on, of HRANDFIELD and ZRANDMEMBER; with the option, twice the
 * count is in range, too. */
MUST_CHECK bool args_draw(struct call *c, const char *option, int64_t *count, bool *with);
/* Parses argument i as a database number below `databases`. */
MUST_CHECK bool args_db(struct call *c, uint32_t i, uint32_t *out);
/* The same without a reply, for find_keys. */
MUST_CHECK bool args_peek_db(struct slice text, uint32_t *out);

enum expiry_unit {
    EXPIRY_RELATIVE_S,
    EXPIRY_RELATIVE_MS,
    EXPIRY_AT_S,
    EXPIRY_AT_MS,
};
/* Argument i, which must be positive, as an absolute time in milliseconds. */
MUST_CHECK bool args_expiry(struct call *c, uint32_t i, enum expiry_unit unit, int64_t *at_ms);

/* How long a string may become. */
uint64_t args_string_max(void);
/* False, with a reply, when a string of old_len bytes grown by `more` would be longer. */
MUST_CHECK bool args_string_fits(struct call *c, uint64_t old_len, uint64_t more);

/* What one reply may take up before a command refuses to go on. */
size_t args_reply_limit(void);
/* False when what was written after `mark` has grown past that limit; an error stands there then.
 * For commands that can name one large value many times. */
MUST_CHECK bool args_reply_fits(struct call *c, size_t mark);

struct args_scan {
    uint64_t cursor;
    uint64_t count;
    bool has_pattern;
    struct slice pattern;
    bool has_type;
    struct slice type;
};
/* A cursor, as strtoul reads it: Redis takes "+1", "-1" (all bits set) and "" (0). */
MUST_CHECK bool args_scan_cursor(struct call *c, uint32_t i, struct args_scan *out);
/* The options from argument i on. */
MUST_CHECK bool args_scan_options(struct call *c, uint32_t i, bool may_type, struct args_scan *out);

/* A step of HSCAN and its kind. The next cursor is known only when the elements have been written:
 * they go into a reply of their own first. */
struct args_scan_step {
    struct args_scan options;
    struct reply elements;
    uint64_t bulks; /* in it */
};
/* Of key 0, which exists or does not. False: replied. After true, args_scan_end() must follow. */
MUST_CHECK bool args_scan_begin(struct call *c, bool exists, struct args_scan_step *out);
static inline bool args_scan_wants(const struct args_scan_step *s, struct slice name)
{
    return !s->options.has_pattern || glob_match(s->options.pattern, name, false);
}
/* Replies with the next cursor and the elements. */
void args_scan_end(struct call *c, struct args_scan_step *s, uint64_t cursor);

/* *n + by, as Redis's increments by a float have it. False: replied. */
MUST_CHECK bool args_add_float(struct call *c, long double *n, long double by);

#endif
