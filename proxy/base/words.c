/* See words.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/words.h"

static bool words_is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What ends a word outside of quotes; vertical tabs and form feeds do not. */
static bool is_end(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Reads the escape after a backslash at p[0]; returns how many bytes it took. */
static size_t unescape(const char *p, const char *end, char *out)
{
    static const char names[] = "nrtba", meanings[] = "\n\r\t\b\a";
    if (end - p >= 4 && p[1] == 'x' && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
        *out = (char)(hex_digit(p[2]) * 16 + hex_digit(p[3]));
        return 4;
    }
    const char *name = p[1] != '\0' ? strchr(names, p[1]) : NULL;
    *out = name != NULL ? meanings[name - names] : p[1];
    return 2;
}

/* Copies what stands between the quote at *at and its partner; false when it has none. */
static bool take_quoted(const char **at, const char *end, char **out)
{
    char quote = **at;
    for (const char *p = *at + 1; p < end;) {
        if (*p == quote) {
            *at = p + 1;
            return p + 1 == end || words_is_blank(p[1]);
        }
        if (*p == '\\' && end - p >= 2 && (quote == '"' || p[1] == '\''))
            p += quote == '"' ? unescape(p, end, *out) : (**out = '\'', 2);
        else
            **out = *p++;
        ++*out;
    }
    return false;
}

enum words_next words_next(struct slice *line, char **room, struct slice *word)
{
    const char *p = line->len > 0 ? line->ptr : "", *end = p + line->len;
    while (p < end && words_is_blank(*p))
        p++;
    if (p == end) {
        *line = slice_of(end, 0);
        return WORDS_END;
    }
    const char *start = p;
    while (p < end && !is_end(*p) && *p != '"' && *p != '\'')
        p++;
    *word = slice_of(start, (size_t)(p - start));
    if (p < end && !is_end(*p)) {
        char *out = *room;
        memcpy(out, start, word->len);
        out += word->len;
        while (p < end && !is_end(*p)) {
            if (*p != '"' && *p != '\'')
                *out++ = *p++;
            else if (!take_quoted(&p, end, &out))
                return WORDS_UNBALANCED;
            else
                break; /* a closing quote ends the word */
        }
        *word = slice_of(*room, (size_t)(out - *room));
        *room = out;
    }
    *line = slice_of(p, (size_t)(end - p));
    return WORDS_FOUND;
}

size_t words_room(struct slice line)
{
    if (line.len == 0)
        return 0;
    bool quotes = memchr(line.ptr, '"', line.len) != NULL || memchr(line.ptr, '\'', line.len);
    return quotes ? line.len : 0;
}
