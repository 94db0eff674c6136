/* Replies: the bytes of every type in both protocols, references to blobs, and taking back.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "resp/reply.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* All bytes as the socket would get them. */
static struct buf flatten(const struct reply *r)
{
    struct buf out = {0};
    size_t at = 0;
    for (uint32_t i = 0; i < r->refs_len; i++) {
        assert_true(r->refs[i].at >= at);
        buf_append(&out, r->buf.data + at, r->refs[i].at - at);
        buf_append_slice(&out, r->refs[i].bytes);
        at = r->refs[i].at;
    }
    buf_append(&out, r->buf.len > at ? r->buf.data + at : NULL, r->buf.len - at);
    assert_int_equal(out.len, reply_len(r));
    return out;
}

static void assert_bytes(struct reply *r, const char *expected)
{
    struct buf got = flatten(r);
    buf_append(&got, "", 1);
    assert_string_equal(got.data, expected);
    buf_fini(&got);
    reply_truncate(r, 0);
}

/* What `write` produces in each protocol. */
static void assert_forms(void (*write)(struct reply *r), const char *resp2, const char *resp3)
{
    struct reply r;
    reply_init(&r);
    write(&r);
    assert_bytes(&r, resp2);
    r.proto = 3;
    write(&r);
    assert_bytes(&r, resp3);
    r.muted = true;
    write(&r);
    assert_int_equal(reply_len(&r), 0);
    reply_fini(&r);
}

static void write_plain(struct reply *r)
{
    reply_ok(r);
    reply_simple(r, "PONG");
    reply_int(r, -42);
    reply_int(r, INT64_MIN);
    reply_int(r, 7);
    reply_bulk(r, SLICE("a\r\nb"));
    reply_bulk(r, (struct slice){0});
    reply_bulk_str(r, "0123456789");
    reply_bulk_i64(r, -1);
    reply_array(r, 3);
    reply_raw(r, SLICE(":1\r\n"));
}

static void write_nulls(struct reply *r)
{
    reply_null(r);
    reply_null_array(r);
    reply_bool(r, true);
    reply_bool(r, false);
}

static void write_numbers(struct reply *r)
{
    reply_double(r, 1.5);
    reply_double(r, 3);
    reply_double(r, -INFINITY);
    reply_big_number(r, SLICE("12345678901234567890123"));
}

static void write_aggregates(struct reply *r)
{
    reply_map(r, 2);
    reply_set(r, 12);
    reply_push(r, 3);
    reply_verbatim(r, "txt", SLICE("hi"));
}

static void write_deferred(struct reply *r)
{
    reply_int(r, 0);
    size_t outer = reply_array_begin(r), inner = reply_array_begin(r);
    reply_int(r, 1);
    reply_map_end(r, inner, 10);
    inner = reply_array_begin(r);
    reply_set_end(r, inner, 0);
    reply_array_end(r, outer, 2);
    reply_int(r, 2);
}

static void every_type_has_its_form_in_both_protocols(void **state)
{
    (void)state;
    static const char plain[] =
        "+OK\r\n+PONG\r\n:-42\r\n:-9223372036854775808\r\n:7\r\n$4\r\na\r\nb\r\n$0\r\n\r\n"
        "$10\r\n0123456789\r\n$2\r\n-1\r\n*3\r\n:1\r\n";
    assert_forms(write_plain, plain, plain);
    assert_forms(write_nulls, "$-1\r\n*-1\r\n:1\r\n:0\r\n", "_\r\n_\r\n#t\r\n#f\r\n");
    assert_forms(write_numbers,
                 "$3\r\n1.5\r\n$1\r\n3\r\n$4\r\n-inf\r\n$23\r\n12345678901234567890123\r\n",
                 ",1.5\r\n,3\r\n,-inf\r\n(12345678901234567890123\r\n");
    assert_forms(write_aggregates, "*4\r\n*12\r\n*3\r\n$2\r\nhi\r\n",
                 "%2\r\n~12\r\n>3\r\n=6\r\ntxt:hi\r\n");
}

static void a_length_may_be_given_after_the_elements(void **state)
{
    (void)state;
    assert_forms(write_deferred, ":0\r\n*2\r\n*20\r\n:1\r\n*0\r\n:2\r\n",
                 ":0\r\n*2\r\n%10\r\n:1\r\n~0\r\n:2\r\n");
}

static void errors_are_one_line_and_counted(void **state)
{
    (void)state;
    struct reply r;
    reply_init(&r);
    reply_ok(&r);
    reply_error(&r, "ERR a\r\nb\nc");
    assert_int_equal(r.errors, 1);
    assert_int_equal(r.last_error, 5);
    assert_bytes(&r, "+OK\r\n-ERR a  b c\r\n");
    reply_errorf(&r, "ERR unknown command '%.*s'", 4, "x\ny\r");
    assert_int_equal(r.errors, 2);
    assert_bytes(&r, "-ERR unknown command 'x y '\r\n");
    reply_errorf(&r, "%01500d", 7);
    assert_true(reply_len(&r) < 1100); /* cut, still one line */
    assert_memory_equal(r.buf.data + r.buf.len - 2, "\r\n", 2);
    reply_truncate(&r, 0);
    size_t begin = reply_array_begin(&r);
    reply_error(&r, REPLY_WRONGTYPE);
    reply_array_end(&r, begin, 1);
    assert_int_equal(r.buf.data[r.last_error], '-');
    assert_bytes(&r,
                 "*1\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    reply_fini(&r);
}

static void large_values_are_referenced_and_released(void **state)
{
    (void)state;
    struct reply r;
    reply_init(&r);
    struct blob *b = blob_try_new(REPLY_REF_MIN + 10);
    b->len = b->cap;
    memset(b->data, 'x', b->len);
    reply_bulk_blob(&r, b, slice_of(b->data, REPLY_REF_MIN - 1)); /* copied */
    assert_int_equal(r.refs_len, 0);
    reply_truncate(&r, 0);

    size_t begin = reply_array_begin(&r);
    for (int i = 0; i < 6; i++)
        reply_bulk_blob(&r, b, slice_of(b->data + i, REPLY_REF_MIN));
    reply_array_end(&r, begin, 6);
    assert_int_equal(r.refs_len, 6);
    assert_int_equal(atomic_load(&b->refs), 7);
    assert_true(r.buf.len < 100);
    struct buf expected = {0}, got = flatten(&r);
    buf_append_array_header(&expected, 6);
    for (int i = 0; i < 6; i++)
        buf_append_bulk(&expected, slice_of(b->data + i, REPLY_REF_MIN));
    assert_true(slice_eq(buf_slice(&got), buf_slice(&expected)));
    buf_fini(&expected);
    buf_fini(&got);
    reply_fini(&r);
    assert_int_equal(atomic_load(&b->refs), 1);
    blob_unref(&b);
}

static void a_half_written_reply_is_taken_back_with_its_references(void **state)
{
    (void)state;
    struct reply r;
    reply_init(&r);
    struct blob *b = blob_try_new(REPLY_REF_MIN);
    b->len = b->cap;
    memset(b->data, 'x', b->len);
    reply_bulk_blob(&r, b, blob_slice(b));
    size_t mark = r.buf.len, len = reply_len(&r);
    reply_bulk_blob(&r, b, blob_slice(b));
    reply_int(&r, 5);
    reply_truncate(&r, mark);
    assert_int_equal(reply_len(&r), len);
    assert_int_equal(r.refs_len, 1);
    assert_int_equal(atomic_load(&b->refs), 2);
    reply_fini(&r);
    assert_int_equal(atomic_load(&b->refs), 1);
    blob_unref(&b);
}

/* One reply of every kind, large ones referenced, some nested. */
static void write_reply(struct reply *r, int kind, struct blob *b)
{
    switch (kind) {
    case 0:
        reply_ok(r);
        break;
    case 1:
        reply_error(r, "ERR x");
        break;
    case 2:
        reply_int(r, -5);
        break;
    case 3:
        reply_bulk(r, SLICE("a\r\nb"));
        break;
    case 4:
        reply_bulk_blob(r, b, blob_slice(b));
        break;
    case 5:
        reply_null(r);
        break;
    case 6:
        reply_null_array(r);
        break;
    case 7:
        reply_verbatim(r, "txt", SLICE("text"));
        break;
    case 8:
        reply_array(r, 3);
        write_reply(r, 4, b);
        write_reply(r, 9, b);
        write_reply(r, 6, b);
        break;
    case 9:
        reply_map(r, 2);
        for (int i = 3; i < 7; i++)
            write_reply(r, i, b);
        break;
    case 10:
        reply_array(r, 0);
        break;
    case 11:
        reply_double(r, 1.5);
        break;
    default:
        reply_push(r, 1);
        reply_bool(r, true);
        break;
    }
}

static void whole_replies_are_stepped_over_and_exchanged(void **state)
{
    (void)state;
    enum { KINDS = 13 };
    struct blob *b = blob_try_new(REPLY_REF_MIN);
    b->len = b->cap;
    memset(b->data, 'x', b->len);
    for (int which = 0; which < KINDS; which++) {
        for (uint8_t proto = 2; proto <= 3; proto++) {
            struct reply r, expected;
            struct reply_place at = {0}, from = {0}, to = {0};
            reply_init(&r);
            reply_init(&expected);
            r.proto = expected.proto = proto;
            for (int kind = 0; kind < KINDS; kind++) {
                write_reply(&r, kind, b);
                if (kind == which)
                    reply_raw(&expected, SLICE("-IN PLACE\r\n"));
                else
                    write_reply(&expected, kind, b);
            }
            for (int kind = 0; kind < KINDS; kind++) {
                from = kind == which ? at : from;
                char first = r.buf.data[at.at];
                assert_int_equal(reply_skip(&r, &at), first);
                to = kind == which ? at : to;
            }
            assert_int_equal(at.at, r.buf.len);
            assert_int_equal(at.ref, r.refs_len);
            assert_true(reply_replace(&r, from, to, SLICE("-IN PLACE\r\n")));
            struct buf got = flatten(&r), want = flatten(&expected);
            assert_true(slice_eq(buf_slice(&got), buf_slice(&want)));
            buf_fini(&got);
            buf_fini(&want);
            reply_fini(&r);
            reply_fini(&expected);
            assert_int_equal(atomic_load(&b->refs), 1);
        }
    }
    blob_unref(&b);
}

static void nothing_is_built_above_the_limit(void **state)
{
    (void)state;
    struct blob *b = blob_try_new(100000);
    memset(b->data, 'x', 100000);
    b->len = 100000;
    for (int kind = 0; kind < 5; kind++) {
        struct reply r;
        reply_init(&r);
        reply_ok(&r);
        size_t mark = r.buf.len;
        r.limit = r.appended + 1000;
        size_t begin = reply_array_begin(&r);
        for (int i = 0; i < 20; i++) {
            if (kind == 0)
                reply_bulk(&r, slice_of(b->data, 100));
            else if (kind == 1)
                reply_bulk_blob(&r, b, blob_slice(b));
            else if (kind == 2)
                reply_errorf(&r, "ERR %0100d", i);
            else if (kind == 3)
                reply_raw(&r, slice_of(b->data, 300));
            else
                assert_int_equal(reply_fits(&r, (uint64_t)i * 100), i <= 10);
        }
        reply_array_end(&r, begin, 20);
        assert_true(r.over);
        assert_true(reply_len(&r) <= mark + 1000 + 50);
        reply_truncate(&r, mark);
        assert_true(slice_eq(buf_slice(&r.buf), SLICE("+OK\r\n")));
        reply_fini(&r);
        assert_int_equal(atomic_load(&b->refs), 1);
    }
    blob_unref(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_has_its_form_in_both_protocols),
        cmocka_unit_test(a_length_may_be_given_after_the_elements),
        cmocka_unit_test(errors_are_one_line_and_counted),
        cmocka_unit_test(large_values_are_referenced_and_released),
        cmocka_unit_test(a_half_written_reply_is_taken_back_with_its_references),
        cmocka_unit_test(nothing_is_built_above_the_limit),
        cmocka_unit_test(whole_replies_are_stepped_over_and_exchanged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
