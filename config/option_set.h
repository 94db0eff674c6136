/* A value for every directive: what a file and a command line add up to, before it is in force.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_OPTION_SET_H
#define CONFIG_OPTION_SET_H

#include "config/option_value.h"

struct option_set {
    struct option_value values[OPT_COUNT];
    /* Where the value was stated: line 0: nowhere, it is the default or CONFIG SET's; file NULL: on
     * the command line. The names live as long as the process. */
    struct option_place {
        const char *file;
        int line;
    } places[OPT_COUNT];
};

void option_set_init(struct option_set *s);                                 /* all defaults */
void option_set_copy(struct option_set *to, const struct option_set *from); /* to: not in use */
void option_set_fini(struct option_set *s);
/* Gives a directive the value that `text` says; unchanged on failure. */
MUST_CHECK enum rc option_set_assign(struct option_set *s, enum option_id id, struct slice text,
                                     struct err *err);
/* What no single value shows to be wrong; *id is the directive to blame. */
MUST_CHECK enum rc option_set_check(const struct option_set *s, enum option_id *id,
                                    struct err *err);

/* Reads a file with all that it includes. Errors name file, line and directive. */
MUST_CHECK enum rc option_set_read_file(struct option_set *s, const char *path, struct err *err);
/* Reads "--name value ..." arguments. */
MUST_CHECK enum rc option_set_read_args(struct option_set *s, int argc, char *const *argv,
                                        struct err *err);
/* File (NULL: none), then arguments, then option_set_check. `all` NULL: ends at the first error, in
 * err. Else goes on after each, and a line in `all` tells each. */
MUST_CHECK enum rc option_set_load(struct option_set *s, const char *path, int argc,
                                   char *const *argv, struct buf *all, struct err *err);
/* Appends "FILE:LINE: ", "command line: " or nothing. */
void option_place_describe(const struct option_place *at, struct buf *out);

#endif
