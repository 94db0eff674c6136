/* The CRC-64 that ends a DUMP payload: the polynomial of D. Jones (ad93d23594c935a9), reflected in
 * and out, begun with 0, nothing xored at the end. "123456789" gives e9c6d914c4b8d9ca.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMPUTE_CRC64_H
#define COMPUTE_CRC64_H

#include "base/slice.h"

/* Goes on from `crc`, which is 0 for the first bytes. Thread: any. */
uint64_t crc64(uint64_t crc, struct slice bytes);

#endif
