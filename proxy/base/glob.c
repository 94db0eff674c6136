/* See glob.h. A star matches as little as will do; when the rest fails, the last star takes one
 * byte more. Earlier stars need not be revisited: every element but a star takes exactly one byte.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/glob.h"

static unsigned char fold(char c, bool ignore_case)
{
    return (unsigned char)(ignore_case && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* Matches c against the class whose '[' is at *at, and moves *at past it. A class that is not
 * closed ends with the pattern. */
static bool match_class(const char **at, const char *end, unsigned char c, bool ignore_case)
{
    const char *p = *at + 1;
    bool found = false, negated = p < end && *p == '^';
    if (negated)
        p++;
    while (p < end && *p != ']') {
        if (*p == '\\' && end - p >= 2) {
            found = found || fold(p[1], ignore_case) == c;
            p += 2;
        } else if (end - p >= 3 && p[1] == '-') {
            unsigned char a = fold(p[0], ignore_case), b = fold(p[2], ignore_case);
            found = found || (a <= b ? a <= c && c <= b : b <= c && c <= a);
            p += 3;
        } else {
            found = found || fold(*p, ignore_case) == c;
            p++;
        }
    }
    *at = p < end ? p + 1 : end;
    return found != negated;
}

/* Matches one byte against the element at *at, which is no star, and moves *at past it. */
static bool match_one(const char **at, const char *end, unsigned char c, bool ignore_case)
{
    switch (**at) {
    case '?':
        ++*at;
        return true;
    case '[':
        return match_class(at, end, c, ignore_case);
    case '\\':
        if (end - *at >= 2)
            ++*at;
        break;
    default:
        break;
    }
    return fold(*(*at)++, ignore_case) == c;
}

bool glob_match(struct slice pattern, struct slice text, bool ignore_case)
{
    const char *p = pattern.len > 0 ? pattern.ptr : "", *p_end = p + pattern.len;
    const char *t = text.len > 0 ? text.ptr : "", *t_end = t + text.len;
    const char *star = NULL, *star_text = NULL; /* after the last star; what it ends before */
    while (t < t_end) {
        if (p < p_end && *p == '*') {
            star = ++p;
            star_text = t;
            if (p == p_end)
                return true;
        } else if (p < p_end && match_one(&p, p_end, fold(*t, ignore_case), ignore_case)) {
            t++;
        } else if (star != NULL) {
            p = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < p_end && *p == '*')
        p++;
    return p == p_end;
}

bool glob_is_literal(struct slice pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.ptr[i] == '*' || pattern.ptr[i] == '?' || pattern.ptr[i] == '[' ||
            pattern.ptr[i] == '\\')
            return false;
    return true;
}
