/* See crc64.h. Eight bytes a step: table k says what a byte comes to when k more bytes follow it,
 * so the eight look-ups of a step do not wait for each other ("slicing by eight", Kounavis and
 * Berry 2005). The tables are computed once, when they are first needed.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/crc64.h"

#include <endian.h>
#include <pthread.h>

#define POLYNOMIAL_REFLECTED 0x95ac9329ac4bc9b5u /* ad93d23594c935a9 with its bits turned round */

enum { SLICES = 8 };

static uint64_t tables[SLICES][256];
static pthread_once_t tables_made = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? POLYNOMIAL_REFLECTED : 0);
        tables[0][byte] = crc;
    }
    for (int k = 1; k < SLICES; k++)
        for (unsigned byte = 0; byte < 256; byte++) {
            uint64_t before = tables[k - 1][byte];
            tables[k][byte] = tables[0][before & 255] ^ before >> 8;
        }
}

static uint64_t eight_bytes(uint64_t crc, const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    crc ^= le64toh(word);
    uint64_t next = 0;
    for (int k = 0; k < SLICES; k++)
        next ^= tables[SLICES - 1 - k][crc >> (8 * k) & 255];
    return next;
}

uint64_t crc64(uint64_t crc, struct slice bytes)
{
    pthread_once(&tables_made, make_tables);
    const char *at = bytes.ptr;
    size_t left = bytes.len;
    for (; left >= 8; left -= 8, at += 8)
        crc = eight_bytes(crc, at);
    for (; left > 0; left--, at++)
        crc = tables[0][(crc ^ (uint8_t)*at) & 255] ^ crc >> 8;
    return crc;
}
