/* A signature of a value, for DEBUG DIGEST-VALUE: equal values have equal ones, whatever their
 * encoding and the order in which a set or hash was filled. Not that of Redis, and not the same
 * from one build to the next: for comparing within one process.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMAND_SERVER_DIGEST_H
#define COMMAND_SERVER_DIGEST_H

#include "executor/call.h"

enum { DIGEST_BYTES = 20, DIGEST_TEXT = 2 * DIGEST_BYTES + 1 };

struct digest {
    uint8_t bytes[DIGEST_BYTES];
};

/* Mixes the value, its type and whether it expires into the digest. Lock: the shard of its key. */
void digest_value(struct digest *d, const struct value *v);
/* As hexadecimal digits in `text`, which has DIGEST_TEXT bytes and is returned. */
const char *digest_text(const struct digest *d, char *text);

#endif
