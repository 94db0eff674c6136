/* The request parser against streams cut at every byte, wrong ones, and large ones.
 *
 * Every stream goes through a small model of a connection: each read is a heap block of its own
 * size, so that the sanitizers see any byte that is looked at too far or too late.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "resp/request.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BIG 100000

static const struct resp_limits open_limits = {1024 * 1024, 512 << 20, true};
static const struct resp_limits tight_limits = {10, 16384, false};

struct client {
    struct resp_parser *parser;
    struct resp_limits limits;
    struct buf rest; /* input that is still needed */
    struct buf seen; /* what was received, in a form of its own */
    size_t requests, max;
    bool run_few; /* runs only some of the returned requests at a time */
    bool keep;    /* detaches before looking */
    unsigned turn;
    bool failed;
};

static void client_open(struct client *c)
{
    *c = (struct client){.parser = resp_parser_new(), .limits = open_limits, .max = 64};
}

static void client_close(struct client *c)
{
    resp_parser_free(&c->parser);
    assert_null(c->parser);
    buf_fini(&c->rest);
    buf_fini(&c->seen);
}

static void check_raw(const struct request *r)
{
    if (r->raw.len == 0)
        return;
    struct buf again = {0};
    buf_append_array_header(&again, r->argc);
    for (uint32_t i = 0; i < r->argc; i++)
        buf_append_bulk(&again, r->argv[i]);
    assert_true(slice_eq(r->raw, buf_slice(&again)));
    buf_fini(&again);
}

static void note(struct client *c, struct request *r)
{
    struct request *kept = c->keep ? request_detach(r) : NULL;
    const struct request *look = kept != NULL ? kept : r;
    check_raw(look);
    assert_int_not_equal(look->argc, 0);
    buf_printf(&c->seen, "(%u:", look->argc);
    for (uint32_t i = 0; i < look->argc; i++) {
        if (look->blobs != NULL && look->blobs[i] != NULL)
            assert_ptr_equal(look->argv[i].ptr, look->blobs[i]->data);
        buf_printf(&c->seen, " %zu=", look->argv[i].len);
        buf_append_slice(&c->seen, look->argv[i]);
    }
    buf_append_str(&c->seen, ")");
    c->requests++;
    request_free(&kept);
}

/* One wake-up of the connection, with `fresh` bytes after what it kept. */
static void client_feed(struct client *c, const char *fresh, size_t len)
{
    if (c->failed)
        return;
    size_t have = c->rest.len + len, done = 0;
    char *in = malloc(have + 1); /* no block for nothing */
    char *at = in + 1;
    if (c->rest.len > 0)
        memcpy(at, c->rest.data, c->rest.len);
    if (len > 0)
        memcpy(at + c->rest.len, fresh, len);
    struct request out[64];
    enum resp_status status;
    do {
        size_t used;
        size_t n =
            resp_parse(c->parser, &c->limits, at + done, have - done, out, c->max, &used, &status);
        assert_true(n <= c->max && used <= have - done);
        if (n == 0 && status == RESP_MORE)
            assert_int_equal(used, have - done);
        size_t k = c->run_few && n > 1 ? 1 + c->turn++ % n : n;
        for (size_t i = 0; i < k; i++)
            note(c, &out[i]);
        done += k < n ? out[k - 1].end : used;
        if (k < n)
            status = RESP_FULL;
        if (status == RESP_ERROR) {
            assert_int_equal(n, 0);
            c->failed = true;
            buf_printf(&c->seen, "!%s", resp_parser_error(c->parser));
        }
    } while (status == RESP_FULL);
    c->rest.len = 0;
    if (!c->failed)
        buf_append(&c->rest, at + done, have - done);
    free(in);
}

/* Reads as much as may be read directly; returns how many bytes that were. */
static size_t client_direct(struct client *c, const char *fresh, size_t len)
{
    char *at;
    size_t room;
    if (c->failed || len == 0 || !resp_parser_direct(c->parser, &at, &room))
        return 0;
    assert_int_equal(c->rest.len, 0);
    size_t n = min_u64(room, len);
    memcpy(at, fresh, n);
    resp_parser_filled(c->parser, n);
    return n;
}

static void client_feed_pieces(struct client *c, struct slice stream, size_t piece, bool direct)
{
    while (stream.len > 0) {
        size_t n = direct ? client_direct(c, stream.ptr, stream.len) : 0;
        if (n == 0) {
            n = min_u64(piece, stream.len);
            client_feed(c, stream.ptr, n);
        }
        stream = slice_of(stream.ptr + n, stream.len - n);
    }
    client_feed(c, NULL, 0);
}

static void assert_seen(const struct client *c, const char *expected)
{
    char *got = strndup(c->seen.data != NULL ? c->seen.data : "", c->seen.len);
    assert_string_equal(got, expected);
    free(got);
}

static void assert_parses_with(const struct resp_limits *limits, struct slice stream,
                               const char *expected)
{
    struct client c;
    client_open(&c);
    c.limits = *limits;
    client_feed(&c, stream.ptr, stream.len);
    assert_seen(&c, expected);
    client_close(&c);
    client_open(&c); /* byte by byte */
    c.limits = *limits;
    client_feed_pieces(&c, stream, 1, false);
    assert_seen(&c, expected);
    client_close(&c);
}

static void assert_parses(const char *stream, const char *expected)
{
    assert_parses_with(&open_limits, slice_str(stream), expected);
}

static void append_command(struct buf *b, uint32_t argc, const struct slice *argv)
{
    buf_append_array_header(b, argc);
    for (uint32_t i = 0; i < argc; i++)
        buf_append_bulk(b, argv[i]);
}

/* --- */

static void a_pipeline_becomes_requests_in_order(void **state)
{
    (void)state;
    assert_parses("*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n",
                  "(1: 4=PING)(3: 3=SET 1=k 0=)");
}

static void binary_arguments_arrive_unchanged(void **state)
{
    (void)state;
    struct client c;
    client_open(&c);
    struct slice stream = SLICE("*2\r\n$6\r\n\0\r\n*$\xff\r\n$1\r\n\0\r\n");
    client_feed_pieces(&c, stream, 3, false);
    assert_true(slice_eq(buf_slice(&c.seen), SLICE("(2: 6=\0\r\n*$\xff 1=\0)")));
    client_close(&c);
}

static void empty_requests_are_skipped(void **state)
{
    (void)state;
    assert_parses("*0\r\n*-1\r\n\r\n\n  \r\n*-100\r\n*1\r\n$1\r\na\r\n*0\r\n\r\nb\r\n",
                  "(1: 1=a)(1: 1=b)");
}

static void inline_requests_are_split_at_blanks_and_unquoted(void **state)
{
    (void)state;
    assert_parses("set  k\tv \r\nPING\n", "(3: 3=set 1=k 1=v)(1: 4=PING)");
    assert_parses("set k \"a b\\x41\\n\\\"\" 'it\\'s \\n' x\"y\"\r\nget \"\"\r\n",
                  "(5: 3=set 1=k 6=a bA\n\" 7=it's \\n 2=xy)(2: 3=get 0=)");
}

static void many_quoted_inline_requests_keep_their_words_apart(void **state)
{
    (void)state;
    struct buf stream = {0}, expected = {0};
    for (int i = 0; i < 500; i++) {
        buf_printf(&stream, "set \"key %03d\" '%s%03d'\r\n", i, i % 7 == 0 ? "long long " : "", i);
        buf_printf(&expected, "(3: 3=set 7=key %03d %d=%s%03d)", i, i % 7 == 0 ? 13 : 3,
                   i % 7 == 0 ? "long long " : "", i);
    }
    for (size_t piece = 1; piece < 20000; piece = piece * 3 + 1) {
        struct client c;
        client_open(&c);
        client_feed_pieces(&c, buf_slice(&stream), piece, false);
        assert_true(slice_eq(buf_slice(&c.seen), buf_slice(&expected)));
        client_close(&c);
    }
    buf_fini(&stream);
    buf_fini(&expected);
}

static void wrong_bytes_get_redis_texts(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"*abc\r\n", "!Protocol error: invalid multibulk length"},
        {"*\r\n", "!Protocol error: invalid multibulk length"},
        {"*3x\r\n", "!Protocol error: invalid multibulk length"},
        {"* 3\r\n", "!Protocol error: invalid multibulk length"},
        {"*03\r\n", "!Protocol error: invalid multibulk length"},
        {"*01\r\n$4\r\nPING\r\n", "!Protocol error: invalid multibulk length"},
        {"*1\r\n$04\r\nPING\r\n", "!Protocol error: invalid bulk length"},
        {"*1\r\n$00\r\n\r\n", "!Protocol error: invalid bulk length"},
        {"*+1\r\n", "!Protocol error: invalid multibulk length"},
        {"*2147483648\r\n", "!Protocol error: invalid multibulk length"},
        {"*99999999999999999999\r\n", "!Protocol error: invalid multibulk length"},
        {"*1\r\n@4\r\nPING\r\n", "!Protocol error: expected '$', got '@'"},
        {"*1\r\n\r\n", "!Protocol error: expected '$', got ' '"},
        {"*2\r\n$1\r\na\r\n*1\r\n", "!Protocol error: expected '$', got '*'"},
        {"*1\r\n$-1\r\n", "!Protocol error: invalid bulk length"},
        {"*1\r\n$\r\n", "!Protocol error: invalid bulk length"},
        {"*1\r\n$1x\r\n", "!Protocol error: invalid bulk length"},
        {"*1\r\n$536870913\r\n", "!Protocol error: invalid bulk length"},
        {"*1\r\n$9223372036854775807\r\n", "!Protocol error: invalid bulk length"},
        {"*1\r\n$4294967297\r\n", "!Protocol error: invalid bulk length"},
        {"set \"a\r\n", "!Protocol error: unbalanced quotes in request"},
        {"set 'a'b\r\n", "!Protocol error: unbalanced quotes in request"},
        {"set 'a\\'\r\n", "!Protocol error: unbalanced quotes in request"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_parses(cases[i][0], cases[i][1]);
}

static void requests_before_an_error_are_returned_first(void **state)
{
    (void)state;
    assert_parses("*1\r\n$4\r\nPING\r\nget k\r\n*1\r\n:1\r\n",
                  "(1: 4=PING)(2: 3=get 1=k)!Protocol error: expected '$', got ':'");
}

static void an_error_is_final(void **state)
{
    (void)state;
    struct resp_parser *p = resp_parser_new();
    struct request out[4];
    size_t used;
    enum resp_status status;
    assert_int_equal(resp_parse(p, &open_limits, "*x\r\n", 4, out, 4, &used, &status), 0);
    assert_int_equal(status, RESP_ERROR);
    assert_int_equal(resp_parse(p, &open_limits, "PING\r\n", 6, out, 4, &used, &status), 0);
    assert_int_equal(status, RESP_ERROR);
    assert_string_equal(resp_parser_error(p), "Protocol error: invalid multibulk length");
    resp_parser_free(&p);
}

static void assert_too_long(const char *start, const char *text)
{
    struct buf stream = {0};
    buf_append_str(&stream, start);
    while (stream.len < RESP_INLINE_MAX + 20)
        buf_append_str(&stream, "1");
    for (size_t piece = 1000; piece < 200000; piece *= 10) {
        struct client c;
        client_open(&c);
        client_feed_pieces(&c, buf_slice(&stream), piece, false);
        assert_seen(&c, text);
        client_close(&c);
    }
    buf_fini(&stream);
}

static void endless_lines_are_refused(void **state)
{
    (void)state;
    assert_too_long("*", "!Protocol error: too big mbulk count string");
    assert_too_long("*1\r\n$", "!Protocol error: too big bulk count string");
    assert_too_long("get ", "!Protocol error: too big inline request");
}

static void limits_are_tight_before_authentication(void **state)
{
    (void)state;
    assert_parses_with(&tight_limits, SLICE("*11\r\n"),
                       "!Protocol error: unauthenticated multibulk length");
    assert_parses_with(&tight_limits, SLICE("*1\r\n$16385\r\n"),
                       "!Protocol error: unauthenticated bulk length");
    assert_parses_with(&tight_limits, SLICE("*1\r\n$-1\r\n"),
                       "!Protocol error: invalid bulk length");
    assert_parses_with(&tight_limits, SLICE("*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n"), "(2: 4=AUTH 1=x)");
}

static void what_follows_auth_is_judged_by_the_limits_after_it(void **state)
{
    (void)state;
    struct resp_parser *p = resp_parser_new();
    struct buf in = {0};
    buf_append_str(&in, "*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n*11\r\n");
    for (int i = 0; i < 11; i++)
        buf_append_bulk(&in, SLICE("a"));
    struct request out[8];
    size_t used;
    enum resp_status status;
    assert_int_equal(resp_parse(p, &tight_limits, in.data, in.len, out, 8, &used, &status), 1);
    assert_int_equal(status, RESP_FULL);
    assert_int_equal(used, out[0].end);
    size_t n = resp_parse(p, &open_limits, in.data + used, in.len - used, out, 8, &used, &status);
    assert_int_equal(n, 1);
    assert_int_equal(out[0].argc, 11);
    buf_fini(&in);
    resp_parser_free(&p);
}

static void bytes_behind_a_bulk_are_not_looked_at_but_spoil_raw(void **state)
{
    (void)state;
    struct resp_parser *p = resp_parser_new();
    struct request out[4];
    size_t used;
    enum resp_status status;
    const char in[] = "*1\r\n$4\r\nPINGxx*1\rx$4\r\nPING\r\n";
    assert_int_equal(resp_parse(p, &open_limits, in, sizeof(in) - 1, out, 4, &used, &status), 2);
    assert_int_equal(out[0].raw.len, 0);
    assert_int_equal(out[1].raw.len, 0);
    assert_true(slice_eq(out[1].argv[0], SLICE("PING")));
    resp_parser_free(&p);
}

static void a_whole_request_is_held_to_the_limits_too(void **state)
{
    (void)state;
    struct buf stream = {0};
    char filler[16385] = {0};
    append_command(&stream, 2, (struct slice[]){SLICE("SET"), slice_of(filler, 16385)});
    assert_parses_with(&tight_limits, buf_slice(&stream),
                       "!Protocol error: unauthenticated bulk length");
    stream.len = 0;
    append_command(&stream, 1, (struct slice[]){slice_of("", 0)});
    struct resp_limits none = {0, 512 << 20, true};
    assert_parses_with(&none, buf_slice(&stream), "!Protocol error: invalid multibulk length");
    buf_fini(&stream);
}

/* Requests of every kind, small and large, so that a cut at any byte meets any state. */
static void build_corpus(struct buf *b, size_t big)
{
    char *filler = malloc(big);
    for (size_t i = 0; i < big; i++)
        filler[i] = (char)(i * 31 + i / 251);
    struct slice blob = slice_of(filler, big);
    append_command(b, 3, (struct slice[]){SLICE("SET"), SLICE("key"), SLICE("value")});
    buf_append_str(b, "*0\r\nPING\r\n\r\nset k \"q \\x00 \" 'single'\r\n");
    append_command(b, 2, (struct slice[]){SLICE("SET"), blob});
    append_command(b, 1, (struct slice[]){SLICE("")});
    buf_append_str(b, "*2\r\n$1\r\naxx$2\rzbc\r\n*-1\r\nx y\n");
    append_command(b, 4, (struct slice[]){blob, SLICE("m"), blob, SLICE("\0\r\n")});
    append_command(b, 2, (struct slice[]){SLICE("GET"), SLICE("end")});
    free(filler);
}

static void feed_in_two(struct buf *corpus, size_t cut, struct client *c)
{
    client_feed(c, corpus->data, cut);
    size_t n = client_direct(c, corpus->data + cut, cut % 2 == 0 ? corpus->len - cut : 0);
    client_feed(c, corpus->data + cut + n, corpus->len - cut - n);
}

static void a_cut_at_any_byte_changes_nothing(void **state)
{
    (void)state;
    struct buf corpus = {0};
    build_corpus(&corpus, 300);
    struct client whole;
    client_open(&whole);
    client_feed(&whole, corpus.data, corpus.len);
    assert_int_equal(whole.requests, 9);
    for (size_t cut = 0; cut <= corpus.len; cut++) {
        for (unsigned way = 0; way < 4; way++) {
            struct client c;
            client_open(&c);
            c.run_few = way & 1;
            c.keep = (way & 2) != 0;
            c.max = way == 3 ? 2 : 64;
            feed_in_two(&corpus, cut, &c);
            assert_true(slice_eq(buf_slice(&c.seen), buf_slice(&whole.seen)));
            client_close(&c);
        }
    }
    client_close(&whole);
    buf_fini(&corpus);
}

static void reads_of_any_size_give_the_same(void **state)
{
    (void)state;
    struct buf corpus = {0};
    build_corpus(&corpus, BIG);
    struct client whole;
    client_open(&whole);
    client_feed(&whole, corpus.data, corpus.len);
    assert_int_equal(whole.requests, 9);
    for (size_t piece = 1; piece < corpus.len; piece = piece * 2 + piece / 3 + 1) {
        for (unsigned way = 0; way < 8; way++) {
            struct client c;
            client_open(&c);
            c.run_few = way & 1;
            c.keep = (way & 2) != 0;
            client_feed_pieces(&c, buf_slice(&corpus), piece, (way & 4) != 0);
            assert_true(slice_eq(buf_slice(&c.seen), buf_slice(&whole.seen)));
            client_close(&c);
        }
    }
    client_close(&whole);
    buf_fini(&corpus);
}

static void cuts_around_big_arguments_change_nothing(void **state)
{
    (void)state;
    struct buf corpus = {0};
    build_corpus(&corpus, RESP_BIG_ARG);
    struct client whole;
    client_open(&whole);
    client_feed(&whole, corpus.data, corpus.len);
    for (size_t cut = 0; cut <= corpus.len;
         cut += cut % 4096 < 200 || cut > corpus.len - 99 ? 1 : 61) {
        struct client c;
        client_open(&c);
        feed_in_two(&corpus, cut, &c);
        assert_true(slice_eq(buf_slice(&c.seen), buf_slice(&whole.seen)));
        client_close(&c);
    }
    client_close(&whole);
    buf_fini(&corpus);
}

static void a_big_argument_arrives_in_a_blob_that_may_be_kept(void **state)
{
    (void)state;
    struct resp_parser *p = resp_parser_new();
    struct buf in = {0};
    char *filler = calloc(1, BIG);
    append_command(&in, 3, (struct slice[]){SLICE("SET"), SLICE("k"), slice_of(filler, BIG)});
    buf_append_str(&in, "PING\r\n");
    struct request out[8];
    size_t used;
    enum resp_status status;
    assert_int_equal(resp_parse(p, &open_limits, in.data, 1000, out, 8, &used, &status), 0);
    assert_int_equal(used, 1000);
    size_t n = resp_parse(p, &open_limits, in.data + 1000, in.len - 1000, out, 8, &used, &status);
    assert_int_equal(n, 1);
    assert_int_equal(status, RESP_FULL); /* PING is still there */
    assert_non_null(out[0].blobs);
    assert_null(out[0].blobs[0]);
    struct blob *kept = out[0].blobs[2];
    out[0].blobs[2] = NULL;
    assert_int_equal(kept->len, BIG);
    assert_int_equal(kept->cap, BIG);
    used += 1000;
    assert_int_equal(
        resp_parse(p, &open_limits, in.data + used, in.len - used, out, 8, &used, &status), 1);
    assert_int_equal(out[0].argc, 1);
    assert_null(out[0].blobs);
    assert_memory_equal(kept->data, filler, BIG);
    blob_unref(&kept);
    free(filler);
    buf_fini(&in);
    resp_parser_free(&p);
}

static void announced_lengths_reserve_nothing(void **state)
{
    (void)state;
    struct client c;
    client_open(&c);
    struct slice stream = SLICE("*1048576\r\n$3\r\nSET\r\n$536870912\r\nabc");
    client_feed_pieces(&c, stream, 7, true);
    assert_true(resp_parser_memory(c.parser) < 200 * 1024);
    client_close(&c);
}

static void memory_of_a_big_request_is_given_back(void **state)
{
    (void)state;
    struct client c;
    client_open(&c);
    struct buf stream = {0};
    build_corpus(&stream, BIG);
    client_feed_pieces(&c, buf_slice(&stream), 999, false);
    client_feed(&c, "PING\r\n", 6);
    client_feed(&c, "PING\r\n", 6);
    assert_true(resp_parser_memory(c.parser) < 48 * 1024);
    buf_fini(&stream);
    client_close(&c);
}

static double seconds_to_feed(struct buf *stream, size_t piece)
{
    struct client c;
    client_open(&c);
    int64_t start = clock_thread_cpu_us();
    client_feed_pieces(&c, buf_slice(stream), piece, false);
    double seconds = (double)(clock_thread_cpu_us() - start) / 1e6;
    assert_int_equal(c.requests, 1);
    client_close(&c);
    return seconds;
}

static void a_million_arguments_in_small_reads_take_linear_time(void **state)
{
    (void)state;
    struct buf stream = {0};
    buf_append_array_header(&stream, 1 << 20);
    for (int i = 0; i < 1 << 20; i++)
        buf_append_bulk(&stream, SLICE("abc"));
    double large = seconds_to_feed(&stream, 16384), small = seconds_to_feed(&stream, 100);
    assert_true(small < 20 * large + 2.0); /* a quadratic parser needs hours */
    buf_fini(&stream);
}

static void detached_requests_outlive_the_input(void **state)
{
    (void)state;
    struct resp_parser *p = resp_parser_new();
    struct request out[2];
    size_t used;
    enum resp_status status;
    char in[] = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\nset \"a b\" c\r\n";
    assert_int_equal(resp_parse(p, &open_limits, in, sizeof(in) - 1, out, 2, &used, &status), 2);
    struct request *a = request_detach(&out[0]), *b = request_detach(&out[1]);
    memset(in, 'x', sizeof(in));
    resp_parser_free(&p);
    assert_true(slice_eq(a->argv[1], SLICE("key")));
    assert_true(slice_eq(a->raw, SLICE("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n")));
    assert_ptr_equal(a->argv[1].ptr, a->raw.ptr + 17);
    assert_true(slice_eq(b->argv[1], SLICE("a b")));
    assert_int_equal(b->raw.len, 0);
    request_free(&a);
    request_free(&b);
    assert_null(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipeline_becomes_requests_in_order),
        cmocka_unit_test(binary_arguments_arrive_unchanged),
        cmocka_unit_test(empty_requests_are_skipped),
        cmocka_unit_test(inline_requests_are_split_at_blanks_and_unquoted),
        cmocka_unit_test(many_quoted_inline_requests_keep_their_words_apart),
        cmocka_unit_test(wrong_bytes_get_redis_texts),
        cmocka_unit_test(requests_before_an_error_are_returned_first),
        cmocka_unit_test(an_error_is_final),
        cmocka_unit_test(endless_lines_are_refused),
        cmocka_unit_test(limits_are_tight_before_authentication),
        cmocka_unit_test(what_follows_auth_is_judged_by_the_limits_after_it),
        cmocka_unit_test(bytes_behind_a_bulk_are_not_looked_at_but_spoil_raw),
        cmocka_unit_test(a_whole_request_is_held_to_the_limits_too),
        cmocka_unit_test(a_cut_at_any_byte_changes_nothing),
        cmocka_unit_test(reads_of_any_size_give_the_same),
        cmocka_unit_test(cuts_around_big_arguments_change_nothing),
        cmocka_unit_test(a_big_argument_arrives_in_a_blob_that_may_be_kept),
        cmocka_unit_test(announced_lengths_reserve_nothing),
        cmocka_unit_test(memory_of_a_big_request_is_given_back),
        cmocka_unit_test(a_million_arguments_in_small_reads_take_linear_time),
        cmocka_unit_test(detached_requests_outlive_the_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
