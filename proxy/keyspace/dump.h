/* Whole values as bytes and back: DUMP, RESTORE, and every effect that journals a whole value.
 *
 * What was dumped restores to an equal value: elements of a list in order, at the positions that a
 * new list gives them; scores bit for bit; fields and members in any order.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KEYSPACE_DUMP_H
#define KEYSPACE_DUMP_H

#include "base/buf.h"
#include "store/value.h"

/* Appends the payload of a value, version and checksum included. Lock: the shard of the key.
 * False: out of memory, and out is as it was. */
MUST_CHECK bool value_dump(struct buf *out, const struct value *v);

/* A value that belongs to nobody yet: for txn_put_value(). */
struct restored {
    struct value value; /* type, and of a string the bytes; they lie in `blob` or `bytes` */
    void *object;       /* of an aggregate; all of it counts as changed. May be taken: then NULL */
    struct blob *blob;
    struct buf bytes;
};

/* Makes the value of a payload. bytes_max: what its names and values may come to together, since a
 * compressed payload can hold 88 times its length.
 * Errors: RC_FOREIGN: version or checksum are wrong; RC_CORRUPT: bad data; RC_NOMEM, also when it
 * has more than bytes_max. Owns: restored_fini() is due after RC_OK only. */
MUST_CHECK enum rc value_restore(struct restored *out, struct slice payload, uint64_t bytes_max,
                                 struct err *err);
void restored_fini(struct restored *r);

#endif
