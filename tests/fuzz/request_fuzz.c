/* The request parser must give the same requests however the bytes are cut into reads, and must
 * not look at a byte that is not there.
 *
 * The first byte of the input seeds the cuts; the rest is the stream.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "resp/request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BATCH = 8 };

struct run {
    struct resp_parser *parser;
    struct buf rest, seen;
    uint32_t random;
    bool whole, failed;
};

static uint32_t next_random(struct run *r)
{
    r->random = r->random * 1664525 + 1013904223;
    return r->random >> 8;
}

static void note(struct run *r, struct request *request)
{
    struct request *kept = next_random(r) % 2 == 0 ? request_detach(request) : NULL;
    const struct request *look = kept != NULL ? kept : request;
    must(look->argc > 0);
    if (look->raw.len > 0) {
        struct buf again = {0};
        buf_append_array_header(&again, look->argc);
        for (uint32_t i = 0; i < look->argc; i++)
            buf_append_bulk(&again, look->argv[i]);
        must(slice_eq(look->raw, buf_slice(&again)));
        buf_fini(&again);
    }
    buf_append_array_header(&r->seen, look->argc);
    for (uint32_t i = 0; i < look->argc; i++)
        buf_append_bulk(&r->seen, look->argv[i]);
    request_free(&kept);
}

/* One read of `fresh`, in a heap block of its exact size. */
static void feed(struct run *r, const char *fresh, size_t len, const struct resp_limits *limits)
{
    size_t have = r->rest.len + len, done = 0;
    char *block = malloc(have + 1), *in = block + 1;
    struct request out[BATCH];
    enum resp_status status = RESP_FULL;
    if (r->rest.len > 0)
        memcpy(in, r->rest.data, r->rest.len);
    if (len > 0)
        memcpy(in + r->rest.len, fresh, len);
    while (status == RESP_FULL) {
        size_t used, max = r->whole ? BATCH : 1 + next_random(r) % BATCH;
        size_t n = resp_parse(r->parser, limits, in + done, have - done, out, max, &used, &status);
        must(n <= max && used <= have - done && (n == 0 || status != RESP_ERROR));
        must(n > 0 || status != RESP_FULL);
        must(n > 0 || status == RESP_ERROR || used == have - done);
        size_t run = n > 1 && !r->whole ? 1 + next_random(r) % n : n;
        for (size_t i = 0; i < run; i++)
            note(r, &out[i]);
        done += run < n ? out[run - 1].end : used;
        status = run < n ? RESP_FULL : status;
    }
    r->failed = status == RESP_ERROR;
    if (r->failed)
        buf_append_str(&r->seen, resp_parser_error(r->parser));
    r->rest.len = 0;
    if (!r->failed)
        buf_append(&r->rest, in + done, have - done);
    free(block);
}

static void run_stream(struct run *r, struct slice stream, const struct resp_limits *limits)
{
    r->parser = resp_parser_new();
    while (stream.len > 0 && !r->failed) {
        char *at;
        size_t room, n;
        if (!r->whole && next_random(r) % 2 == 0 && resp_parser_direct(r->parser, &at, &room)) {
            n = min_u64(room, stream.len);
            memcpy(at, stream.ptr, n);
            resp_parser_filled(r->parser, n);
        } else {
            n = r->whole ? stream.len : 1 + next_random(r) % (next_random(r) % 3 == 0 ? 64 : 4096);
            n = min_u64(n, stream.len);
            feed(r, stream.ptr, n, limits);
        }
        stream = slice_of(stream.ptr + n, stream.len - n);
    }
    if (!r->failed)
        feed(r, NULL, 0, limits);
    must(resp_parser_memory(r->parser) < 4096 * 1024);
    resp_parser_free(&r->parser);
    buf_fini(&r->rest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct resp_limits limits = {1024 * 1024, 512 << 20, data[0] % 8 != 0};
    struct slice stream = slice_of(data + 1, size - 1);
    struct run whole = {.random = 1, .whole = true}, cut = {.random = data[0]};
    run_stream(&whole, stream, &limits);
    run_stream(&cut, stream, &limits);
    must(slice_eq(buf_slice(&whole.seen), buf_slice(&cut.seen)));
    buf_fini(&whole.seen);
    buf_fini(&cut.seen);
    return 0;
}
