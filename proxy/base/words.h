/* A line of text split into words, as Redis splits inline commands and configuration lines: blanks
 * separate, "..." with the escapes \n \r \t \b \a \xHH, '...' with \' only.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include "base/slice.h"

enum words_next {
    WORDS_FOUND,
    WORDS_END,
    WORDS_UNBALANCED, /* a quote that is not closed, or is followed by something */
};

/* Takes the next word off *line. A word without quotes is a slice of the line; one with quotes is
 * unescaped to *room, which moves on past it. The words of a line never need more room than the
 * line is long. */
enum words_next words_next(struct slice *line, char **room, struct slice *word);

/* The room that all words of the line need: 0 when it has no quotes. */
size_t words_room(struct slice line);

#endif
