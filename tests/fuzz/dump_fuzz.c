/* Any bytes as a payload: they are refused, or become a value that comes back from a dump of its
 * own as the same value. Memory stays in proportion to the payload.
 *
 * The first byte of an input says whether version and checksum are put after the rest, so that the
 * reader gets to see it, or the rest is a payload as it is. The payload lies in a block of exactly
 * its length, so that reading past it is seen.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/crc64.h"
#include "compute/lzf.h"
#include "compute/rdb.h"
#include "keyspace/dump.h"
#include "tests/support/capture.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice seal(char *block, struct slice body)
{
    memcpy(block, body.ptr, body.len);
    memcpy(block + body.len, "\x0b\0", 2);
    uint64_t crc = crc64(0, slice_of(block, body.len + 2));
    for (int i = 0; i < 8; i++)
        block[body.len + 2 + (size_t)i] = (char)(crc >> (8 * i));
    return slice_of(block, body.len + RDB_FOOTER_LEN);
}

static size_t count(const struct restored *r)
{
    return r->object != NULL ? value_ops(r->value.type)->count(r->object) : r->value.str.len;
}

/* The bytes of all elements together; they do not depend on their order. */
static bool add_element(void *ctx, struct slice name, struct slice value, int64_t position,
                        double score, bool removed)
{
    uint64_t *sum = ctx, bits;
    memcpy(&bits, &score, sizeof(bits));
    must(!removed);
    uint64_t crc = crc64(crc64(bits + (uint64_t)position, name), SLICE("="));
    *sum += crc64(crc, value) * 0x9e3779b97f4a7c15u;
    return true;
}

static uint64_t digest(struct restored *r)
{
    uint64_t sum = 0;
    struct change_sink sink = {&sum, add_element, NULL};
    if (r->object == NULL)
        return crc64(0, r->value.str);
    must(value_ops(r->value.type)->changes(r->object, false) == count(r));
    capture_whole(r->value.type, &r->object, true, sink);
    return sum;
}

static void comes_back(struct restored *first)
{
    struct restored second;
    struct buf out = {0};
    struct err err;
    first->value.object = first->object;
    must(value_dump(&out, &first->value));
    must(value_restore(&second, buf_slice(&out), UINT64_MAX, &err) == RC_OK);
    must(first->value.type == second.value.type && count(first) == count(&second));
    must(digest(first) == digest(&second));
    restored_fini(&second);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice body = slice_of(data + 1, size - 1), payload = body;
    char *block = malloc(body.len + RDB_FOOTER_LEN);
    must(block != NULL);
    if (data[0] % 8 != 0) {
        payload = seal(block, body);
    } else {
        free(block);
        block = malloc(body.len > 0 ? body.len : 1);
        must(block != NULL);
        memcpy(block, body.ptr, body.len);
        payload.ptr = block;
    }
    struct restored r;
    struct err err;
    enum rc rc = value_restore(&r, payload, UINT64_MAX, &err);
    must(rc == RC_OK || (rc == err.code && (rc == RC_CORRUPT || rc == RC_FOREIGN)));
    if (rc == RC_OK) {
        must(count(&r) <= payload.len * LZF_RATIO_MAX &&
             (r.value.type == VALUE_STRING || count(&r) > 0));
        comes_back(&r);
        restored_fini(&r);
    }
    free(block);
    return 0;
}
