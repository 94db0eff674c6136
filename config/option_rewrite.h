/* CONFIG REWRITE: a file edited so that loading it gives the values in force.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_OPTION_REWRITE_H
#define CONFIG_OPTION_REWRITE_H

#include "config/option_set.h"

/* Lines whose directive already says what `now` says stay as they are, comments included. */
MUST_CHECK enum rc option_rewrite(const char *path, const struct option_set *now, struct err *err);

#endif
