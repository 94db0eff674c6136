/* Configuration files as texts: read whole, within a bound, and replaced whole.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_OPTION_TEXT_H
#define CONFIG_OPTION_TEXT_H

#include "base/buf.h"
#include "base/err.h"

MUST_CHECK enum rc option_text_read(const char *path, struct buf *out, struct err *err);
/* Writes aside, syncs, renames: after a crash there is the old text or the new one. Mode and, where
 * the system allows it, owner stay. */
MUST_CHECK enum rc option_text_replace(const char *path, struct slice text, struct err *err);
/* Takes the next line off *text, without its blanks at both ends; false at the end. */
bool option_text_line(struct slice *text, struct slice *line);

#endif
