/* See slice.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/slice.h"

bool slice_is_word(struct slice text, const char *word)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 'A' && c <= 'Z')
            c = (unsigned char)(c + ('a' - 'A'));
        if (word[i] == '\0' || c != (unsigned char)word[i])
            return false;
    }
    return word[text.len] == '\0';
}
