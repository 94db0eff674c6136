/* Open files: the system allows a process a number of them, and clients must not take the last
 * ones. The journal opens a segment every now and then, SQLite its files, the log is opened anew;
 * where these fail, writes are refused to everybody.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SERVER_DESCRIPTORS_H
#define SERVER_DESCRIPTORS_H

#include "base/err.h"

/* Raises the limit to what maxclients needs, as far as that is allowed. *clients is how many there
 * can be then, at the most maxclients, and at least 1. RC_INVALID: not even one.
 * Thread: any, one at a time. */
MUST_CHECK enum rc descriptors_fit(uint32_t workers, uint64_t *clients, struct err *err);

#endif
