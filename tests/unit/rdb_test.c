/* Payloads of single values: what is written, byte for byte; every encoding that is read, from
 * bytes made by hand; and what is refused.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/crc64.h"
#include "compute/rdb_pack.h"
#include "compute/rdb_read.h"
#include "compute/rdb_write.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* --- What was told, as text --- */

struct heard {
    struct buf text; /* "hash: a=1 b=2", "zset: a(1.5)" */
    struct rdb_summary summary;
    uint64_t elements, bytes;
    uint64_t refuse_at; /* this element, counted from 1 */
    enum rc refuse_as;
};

static enum rc hear_begin(void *ctx, const struct rdb_summary *summary)
{
    struct heard *h = ctx;
    h->summary = *summary;
    buf_printf(&h->text, "%s:", value_type_name(summary->type));
    return h->refuse_at == 0 ? h->refuse_as : RC_OK;
}

static enum rc hear_element(void *ctx, struct slice name, struct slice value, double score)
{
    struct heard *h = ctx;
    h->elements++;
    h->bytes += name.len + value.len;
    buf_append_str(&h->text, " ");
    buf_append_escaped(&h->text, name, 64);
    if (h->summary.type == VALUE_HASH)
        buf_append_str(&h->text, "=");
    buf_append_escaped(&h->text, value, 64);
    if (h->summary.type == VALUE_ZSET)
        buf_printf(&h->text, "(%.17g)", score);
    return h->elements == h->refuse_at ? h->refuse_as : RC_OK;
}

static enum rc read_payload(struct slice payload, struct heard *h, struct err *err)
{
    struct rdb_sink sink = {h, hear_begin, hear_element};
    char *block = malloc(payload.len > 0 ? payload.len : 1); /* reading beyond it is seen */
    assert_non_null(block);
    if (payload.len > 0)
        memcpy(block, payload.ptr, payload.len);
    *err = (struct err){.code = RC_OK};
    enum rc rc = rdb_read(slice_of(block, payload.len), &sink, err);
    assert_int_equal(rc, err->code);
    free(block);
    return rc;
}

static void seal(struct buf *payload, unsigned version)
{
    char footer[10] = {(char)version, (char)(version >> 8)};
    buf_append(payload, footer, 2);
    uint64_t crc = crc64(0, buf_slice(payload));
    for (int i = 0; i < 8; i++)
        footer[i] = (char)(crc >> (8 * i));
    buf_append(payload, footer, 8);
}

/* The body is refused as `rc`, and nothing was told: or, NULL, it was told as `expected`. */
static void reads(struct slice body, const char *expected)
{
    struct heard h = {.refuse_as = RC_OK};
    struct buf payload = {0};
    struct err err;
    buf_append_slice(&payload, body);
    seal(&payload, 10);
    enum rc rc = read_payload(buf_slice(&payload), &h, &err);
    buf_append(&h.text, "", 1);
    if (expected == NULL) {
        assert_int_equal(rc, RC_CORRUPT);
        assert_string_equal(h.text.data, "");
    } else {
        if (rc != RC_OK)
            fail_msg("refused: %s", err.text);
        assert_string_equal(h.text.data, expected);
        assert_true(h.elements == h.summary.elements && h.bytes == h.summary.bytes);
    }
    buf_fini(&payload);
    buf_fini(&h.text);
}

/* --- Writing --- */

static void writes(struct slice text, struct slice expected)
{
    struct buf out = {0};
    struct rdb_writer w;
    buf_append_str(&out, "before");
    rdb_write_begin(&w, &out, RDB_STRING);
    rdb_write_string(&w, text);
    assert_true(rdb_write_end(&w));
    struct slice body = slice_of(out.data + 7, out.len - 7 - 10);
    assert_memory_equal(out.data, "before\0", 7);
    assert_true(body.len >= expected.len && memcmp(body.ptr, expected.ptr, expected.len) == 0);
    assert_true(memcmp(out.data + out.len - 10, "\x08\0", 2) == 0);
    assert_true(crc64(0, slice_of(out.data + 6, out.len - 6)) == 0); /* as behind any such CRC */
    struct heard h = {.refuse_as = RC_OK};
    struct err err;
    assert_int_equal(read_payload(slice_of(out.data + 6, out.len - 6), &h, &err), RC_OK);
    assert_true(h.elements == 1 && h.bytes == text.len);
    buf_fini(&out);
    buf_fini(&h.text);
}

static void strings_are_written_in_their_shortest_form(void **state)
{
    (void)state;
    static char long_text[70000];
    writes(SLICE(""), SLICE("\0"));
    writes(SLICE("a"), SLICE("\1a"));
    writes(slice_of(long_text, 63), SLICE("\x3f\0"));
    writes(slice_of(long_text, 64), SLICE("\x40\x40\0"));
    writes(slice_of(long_text, 16383), SLICE("\x7f\xff\0"));
    writes(slice_of(long_text, 16384), SLICE("\x80\0\0\x40\0\0"));
    writes(slice_of(long_text, 70000), SLICE("\x80\0\1\x11\x70\0"));
    writes(SLICE("0"), SLICE("\xc0\0"));
    writes(SLICE("-1"), SLICE("\xc0\xff"));
    writes(SLICE("127"), SLICE("\xc0\x7f"));
    writes(SLICE("-128"), SLICE("\xc0\x80"));
    writes(SLICE("128"), SLICE("\xc1\x80\0"));
    writes(SLICE("-32768"), SLICE("\xc1\0\x80"));
    writes(SLICE("32768"), SLICE("\xc2\0\x80\0\0"));
    writes(SLICE("2147483647"), SLICE("\xc2\xff\xff\xff\x7f"));
    writes(SLICE("-2147483648"), SLICE("\xc2\0\0\0\x80"));
    writes(SLICE("2147483648"), SLICE("\x0a"
                                      "2147483648"));
    writes(SLICE("-0"), SLICE("\2-0"));
    writes(SLICE("007"), SLICE("\3"
                               "007"));
    writes(SLICE("+1"), SLICE("\2+1"));
}

static void aggregates_are_written_with_count_and_scores(void **state)
{
    (void)state;
    struct buf out = {0};
    struct rdb_writer w;
    rdb_write_begin(&w, &out, RDB_ZSET);
    rdb_write_count(&w, 2);
    rdb_write_string(&w, SLICE("a"));
    rdb_write_score(&w, 1.5);
    rdb_write_string(&w, SLICE("b"));
    rdb_write_score(&w, -0.0);
    assert_true(rdb_write_end(&w));
    struct slice expected = SLICE("\5\2\1a\0\0\0\0\0\0\xf8\x3f\1b\0\0\0\0\0\0\0\x80\x08\0");
    assert_int_equal(out.len, expected.len + 8);
    assert_memory_equal(out.data, expected.ptr, expected.len);
    out.len = 0;
    rdb_write_begin(&w, &out, RDB_HASH);
    rdb_write_count(&w, 5000000000u);
    assert_true(rdb_write_end(&w));
    assert_memory_equal(out.data, "\4\x81\0\0\0\1\x2a\x05\xf2\0", 10);
    buf_fini(&out);
}

/* --- Reading: plain forms --- */

static void strings_are_read_in_every_form(void **state)
{
    (void)state;
    reads(SLICE("\0\0"), "string: ");
    reads(SLICE("\0\3abc"), "string: abc");
    reads(SLICE("\0\x40\3abc"), "string: abc");
    reads(SLICE("\0\x80\0\0\0\3abc"), "string: abc");
    reads(SLICE("\0\x81\0\0\0\0\0\0\0\3abc"), "string: abc");
    reads(SLICE("\0\xc0\xfe"), "string: -2");
    reads(SLICE("\0\xc1\xfe\xff"), "string: -2");
    reads(SLICE("\0\xc1\0\x80"), "string: -32768");
    reads(SLICE("\0\xc2\xfe\xff\xff\xff"), "string: -2");
    reads(SLICE("\0\xc2\0\0\0\x80"), "string: -2147483648");
    reads(SLICE("\0\xc3\5\x0a\0a\xe0\0\0"), "string: aaaaaaaaaa");
}

static void aggregates_are_read_in_their_plain_forms(void **state)
{
    (void)state;
    reads(SLICE("\1\3\1a\xc0\5\1a"), "list: a 5 a");
    reads(SLICE("\2\2\1a\xc0\5"), "set: a 5");
    reads(SLICE("\4\2\1a\xc0\1\0\1x"), "hash: a=1 =x");
    reads(SLICE("\4\1\xc3\5\x0a\0a\xe0\0\0\xc3\5\x0a\0b\xe0\0\0"), "hash: aaaaaaaaaa=bbbbbbbbbb");
    reads(SLICE("\5\2\1a\0\0\0\0\0\0\xf8\x3f\1b\0\0\0\0\0\0\xf0\xff"), "zset: a(1.5) b(-inf)");
    reads(SLICE("\5\1\1a\0\0\0\0\0\0\0\x80"), "zset: a(-0)");
    reads(SLICE("\3\4\1a\0031.5\1b\xfe\1c\xff\1d\4-inf"), "zset: a(1.5) b(inf) c(-inf) d(-inf)");
}

/* --- Reading: compact forms --- */

/* An item as it is encoded, and what it is. */
struct item {
    struct slice bytes;
    const char *text;
};
#define ITEM(bytes, text)  \
    {                      \
        SLICE(bytes), text \
    }

static const struct item listpack_items[] = {
    ITEM("\0", "0"),
    ITEM("\x7f", "127"),
    ITEM("\x80", ""),
    ITEM("\x81"
         "a",
         "a"),
    ITEM("\xc0\x05", "5"),
    ITEM("\xcf\xff", "4095"),
    ITEM("\xd0\0", "-4096"),
    ITEM("\xdf\xff", "-1"),
    ITEM("\xe0\2xy", "xy"),
    ITEM("\xf0\3\0\0\0xyz", "xyz"),
    ITEM("\xf1\xfe\xff", "-2"),
    ITEM("\xf2\0\0\x80", "-8388608"),
    ITEM("\xf3\0\0\0\x80", "-2147483648"),
    ITEM("\xf4\0\0\0\0\0\0\0\x80", "-9223372036854775808"),
    ITEM("\xf4\xff\xff\xff\xff\xff\xff\xff\x7f", "9223372036854775807"),
};
static const struct item ziplist_items[] = {
    ITEM("\0", ""),
    ITEM("\1a", "a"),
    ITEM("\x40\2xy", "xy"),
    ITEM("\x80\0\0\0\3xyz", "xyz"),
    ITEM("\xf1", "0"),
    ITEM("\xfd", "12"),
    ITEM("\xfe\x80", "-128"),
    ITEM("\xc0\xfe\xff", "-2"),
    ITEM("\xf0\0\0\x80", "-8388608"),
    ITEM("\xd0\0\0\0\x80", "-2147483648"),
    ITEM("\xe0\0\0\0\0\0\0\0\x80", "-9223372036854775808"),
};

static void add_number(struct buf *b, uint64_t n, unsigned width)
{
    for (unsigned i = 0; i < width; i++) {
        char byte = (char)(n >> (8 * i));
        buf_append(b, &byte, 1);
    }
}

/* An RDB string of a block. */
static void add_block(struct buf *body, const struct buf *block)
{
    uint8_t head[5] = {0x80, (uint8_t)(block->len >> 24), (uint8_t)(block->len >> 16),
                       (uint8_t)(block->len >> 8), (uint8_t)block->len};
    buf_append(body, head, sizeof(head));
    buf_append_slice(body, buf_slice(block));
}

static void make_listpack(struct buf *b, const struct slice *items, size_t n, unsigned says)
{
    struct buf entries = {0};
    for (size_t i = 0; i < n; i++) {
        size_t len = items[i].len;
        unsigned more = len < 128 ? 0 : len < 16383 ? 1 : len < 2097151 ? 2 : 3;
        buf_append_slice(&entries, items[i]);
        for (unsigned k = 0; k <= more; k++) {
            unsigned byte = (unsigned)(len >> (7 * (more - k))) & 127;
            add_number(&entries, byte | (k > 0 ? 128 : 0), 1);
        }
    }
    add_number(b, entries.len + 7, 4);
    add_number(b, says, 2);
    buf_append_slice(b, buf_slice(&entries));
    add_number(b, 255, 1);
    buf_fini(&entries);
}

/* long_heads: the length of the item before always takes five bytes. */
static void make_ziplist(struct buf *b, const struct slice *items, size_t n, bool long_heads)
{
    struct buf entries = {0};
    size_t before = 0, tail = 10;
    for (size_t i = 0; i < n; i++) {
        size_t start = entries.len;
        tail = start + 10;
        if (long_heads || before >= 254) {
            add_number(&entries, 254, 1);
            add_number(&entries, before, 4);
        } else {
            add_number(&entries, before, 1);
        }
        buf_append_slice(&entries, items[i]);
        before = entries.len - start;
    }
    add_number(b, entries.len + 11, 4);
    add_number(b, tail, 4);
    add_number(b, n, 2);
    buf_append_slice(b, buf_slice(&entries));
    add_number(b, 255, 1);
    buf_fini(&entries);
}

enum form { LISTPACK, ZIPLIST, FORMS };

static size_t items_of(enum form form, const struct item **out)
{
    *out = form == LISTPACK ? listpack_items : ziplist_items;
    return form == LISTPACK ? COUNT_OF(listpack_items) : COUNT_OF(ziplist_items);
}

static void make_block(struct buf *b, enum form form, const struct slice *items, size_t n)
{
    if (form == LISTPACK)
        make_listpack(b, items, n, (unsigned)n);
    else
        make_ziplist(b, items, n, false);
}

/* A body of one block; NULL: it is refused. */
static void reads_block(unsigned type, const struct buf *block, const char *expected)
{
    struct buf body = {0};
    add_number(&body, type, 1);
    add_block(&body, block);
    reads(buf_slice(&body), expected);
    buf_fini(&body);
}

static void every_item_of_a_compact_block_is_read(void **state)
{
    (void)state;
    static const unsigned types[FORMS] = {RDB_SET_LISTPACK, RDB_LIST_ZIPLIST};
    for (enum form form = LISTPACK; form < FORMS; form++) {
        const struct item *items;
        size_t n = items_of(form, &items);
        struct slice encoded[32];
        struct buf block = {0}, all = {0};
        buf_append_str(&all, form == LISTPACK ? "set:" : "list:");
        for (size_t i = 0; i < n; i++) {
            encoded[i] = items[i].bytes;
            buf_printf(&all, " %s", items[i].text);
        }
        make_block(&block, form, encoded, n);
        reads_block(types[form], &block, all.data);
        block.len = 0; /* the number of items may be unknown, a length before may be long */
        if (form == LISTPACK)
            make_listpack(&block, encoded, n, 65535);
        else
            make_ziplist(&block, encoded, n, true);
        reads_block(types[form], &block, all.data);
        block.len = 0;
        make_listpack(&block, encoded, n, (unsigned)n - 1);
        reads_block(RDB_SET_LISTPACK, &block, NULL);
        buf_fini(&block);
        buf_fini(&all);
    }
}

static void pairs_in_compact_blocks_are_read(void **state)
{
    (void)state;
    static const unsigned hashes[FORMS] = {RDB_HASH_LISTPACK, RDB_HASH_ZIPLIST};
    static const unsigned zsets[FORMS] = {RDB_ZSET_LISTPACK, RDB_ZSET_ZIPLIST};
    struct slice pairs[FORMS][6] = {
        {SLICE("\x81"
               "f"),
         SLICE("\5"), SLICE("\7"), SLICE("\x83-.5"), SLICE("\x80"), SLICE("\x84-inf")},
        {SLICE("\1f"), SLICE("\xfe\5"), SLICE("\xfe\7"), SLICE("\3-.5"), SLICE("\0"),
         SLICE("\4-inf")},
    };
    for (enum form form = LISTPACK; form < FORMS; form++) {
        struct buf block = {0};
        make_block(&block, form, pairs[form], 6);
        reads_block(hashes[form], &block, "hash: f=5 7=-.5 =-inf");
        reads_block(zsets[form], &block, "zset: f(5) 7(-0.5) (-inf)");
        block.len = 0;
        make_block(&block, form, pairs[form], 5); /* half a pair */
        reads_block(hashes[form], &block, NULL);
        reads_block(zsets[form], &block, NULL);
        block.len = 0;
        make_block(&block, form, (struct slice[]){pairs[form][0], pairs[form][0]}, 2);
        reads_block(hashes[form], &block, "hash: f=f");
        reads_block(zsets[form], &block, NULL); /* a score that is none */
        block.len = 0;
        struct slice nan = form == LISTPACK ? SLICE("\x83nan") : SLICE("\3nan");
        make_block(&block, form, (struct slice[]){pairs[form][0], nan}, 2);
        reads_block(zsets[form], &block, NULL);
        block.len = 0;
        make_block(&block, form, NULL, 0);
        reads_block(hashes[form], &block, NULL); /* empty */
        buf_fini(&block);
    }
}

/* Strings whose lengths take more bytes, in their heads and after or before them. */
static void long_items_of_compact_blocks_are_read(void **state)
{
    (void)state;
    static const size_t lens[] = {63,   64,    126,   127,   252,   253,   300,    4095,
                                  4096, 16377, 16378, 16379, 16380, 70000, 2097200};
    for (enum form form = LISTPACK; form < FORMS; form++) {
        for (size_t i = 0; i < COUNT_OF(lens); i++) {
            size_t len = lens[i];
            struct buf item = {0}, block = {0}, expected = {0};
            if (form == LISTPACK && len < 4096) {
                add_number(&item, 0xe0 | len >> 8, 1);
                add_number(&item, len, 1);
            } else if (form == LISTPACK) {
                add_number(&item, 0xf0, 1);
                add_number(&item, len, 4);
            } else {
                add_number(&item, 0x80, 1);
                for (int shift = 24; shift >= 0; shift -= 8)
                    add_number(&item, len >> shift, 1);
            }
            memset(buf_reserve(&item, len), 'x', len);
            item.len += len;
            struct slice small = form == LISTPACK ? SLICE("\1") : SLICE("\xf2");
            make_block(&block, form, (struct slice[]){small, buf_slice(&item), small}, 3);
            buf_append_str(&expected, form == LISTPACK ? "set: 1 " : "list: 1 ");
            buf_append_escaped(&expected, slice_of(item.data + item.len - len, len), 64);
            buf_append(&expected, " 1", 3);
            reads_block(form == LISTPACK ? RDB_SET_LISTPACK : RDB_LIST_ZIPLIST, &block,
                        expected.data);
            buf_fini(&item);
            buf_fini(&block);
            buf_fini(&expected);
        }
    }
}

static void intsets_are_read(void **state)
{
    (void)state;
    reads(SLICE("\x0b\x0c\2\0\0\0\2\0\0\0\xff\xff\5\0"), "set: -1 5");
    reads(SLICE("\x0b\x10\4\0\0\0\2\0\0\0\0\0\0\x80\5\0\0\0"), "set: -2147483648 5");
    reads(SLICE("\x0b\x18\x08\0\0\0\2\0\0\0\0\0\0\0\0\0\0\x80\5\0\0\0\0\0\0\0"),
          "set: -9223372036854775808 5");
    reads(SLICE("\x0b\x0c\2\0\0\0\2\0\0\0\5\0\5\0"), NULL); /* the same twice */
    reads(SLICE("\x0b\x0c\2\0\0\0\2\0\0\0\5\0\4\0"), NULL); /* falling */
    reads(SLICE("\x0b\x0c\2\0\0\0\3\0\0\0\4\0\5\0"), NULL); /* another count */
    reads(SLICE("\x0b\x0b\3\0\0\0\1\0\0\0\4\0\5"), NULL);   /* another width */
    reads(SLICE("\x0b\x08\2\0\0\0\0\0\0\0"), NULL);         /* empty */
    reads(SLICE("\x0b\x0c\4\0\0\0\1\0\0\x40\4\0\0\0"), NULL);
    reads(SLICE("\x0b\7\2\0\0\0\0\0\0"), NULL);
}

static void zipmaps_are_read(void **state)
{
    (void)state;
    reads(SLICE("\x09\x0d\2\1a\1\0x\1b\0\2..\xff"), "hash: a=x b=");
    reads(SLICE("\x09\x10\xfe\xfe\1\0\0\0a\xfe\1\0\0\0\1x.\xff"), "hash: a=x");
    reads(SLICE("\x09\x0d\3\1a\1\0x\1b\0\2..\xff"), NULL); /* another count */
    reads(SLICE("\x09\x0d\2\1a\1\0x\1b\0\3..\xff"), NULL); /* too many free bytes */
    reads(SLICE("\x09\x09\1\1a\1\0x\1b\xff"), NULL);       /* half a pair */
    reads(SLICE("\x09\2\0\xff"), NULL);
    reads(SLICE("\x09\6\1\1a\xff\0\xff"), NULL);
}

static void lists_of_blocks_are_read(void **state)
{
    (void)state;
    struct buf body = {0}, empty = {0}, some = {0};
    make_listpack(&empty, NULL, 0, 0);
    make_listpack(&some, (struct slice[]){SLICE("\1"), SLICE("\x81z")}, 2, 2);
    buf_append_str(&body, "\x12\4\2");
    add_block(&body, &empty);
    buf_append_str(&body, "\2");
    add_block(&body, &some);
    buf_append_str(&body, "\1\5plain\2");
    add_block(&body, &some);
    reads(buf_slice(&body), "list: 1 z plain 1 z");
    body.data[2] = 3; /* a node in an unknown form */
    reads(buf_slice(&body), NULL);
    body.len = 0;
    buf_append_str(&body, "\x12\1\2");
    add_block(&body, &empty);
    reads(buf_slice(&body), NULL); /* nothing in it */
    body.len = empty.len = some.len = 0;
    make_ziplist(&empty, NULL, 0, false);
    make_ziplist(&some, (struct slice[]){SLICE("\xf2"), SLICE("\1z")}, 2, false);
    buf_append_str(&body, "\x0e\3");
    add_block(&body, &some);
    add_block(&body, &empty);
    add_block(&body, &some);
    reads(buf_slice(&body), "list: 1 z 1 z");
    buf_fini(&body);
    buf_fini(&empty);
    buf_fini(&some);
}

static void a_compressed_block_is_read(void **state)
{
    (void)state;
    /* A listpack of "a" ten times: 7 + 10 * 3 bytes, the middle of it copied. */
    reads(SLICE("\x14\xc3\x0f\x25\x08\x25\0\0\0\x0a\0\x81"
                "a\2\xe0\x12\2\0\xff"),
          "set: a a a a a a a a a a");
}

/* --- What is refused --- */

static void what_does_not_add_up_is_refused(void **state)
{
    (void)state;
    static const struct slice bodies[] = {
        SLICE("\0"),                          /* no string */
        SLICE("\0\3ab"),                      /* cut off */
        SLICE("\0\3abcd"),                    /* bytes after it */
        SLICE("\0\x40"),                      /* a length cut off */
        SLICE("\0\x80\0\0\0"),                /* */
        SLICE("\0\x81\0\0\0\0\0\0\0"),        /* */
        SLICE("\0\x82\0\0\0\3abc"),           /* no length */
        SLICE("\0\x81\x10\0\0\0\0\0\0\0abc"), /* 2^60 */
        SLICE("\0\xc4\0"),                    /* an unknown encoding */
        SLICE("\0\xc0"),
        SLICE("\0\xc1\0"),
        SLICE("\0\xc2\0\0\0"),
        SLICE("\0\xc3\5\x0b\0a\xe0\0\0"),           /* expands to less */
        SLICE("\0\xc3\5\x09\0a\xe0\0\0"),           /* to more */
        SLICE("\0\xc3\5\x0a\0a\xe0\0"),             /* cut off */
        SLICE("\0\xc3\0\0"),                        /* nothing */
        SLICE("\0\xc3\5\x80\x20\0\0\0\0a\xe0\0\0"), /* 512 MB out of 5 bytes */
        SLICE("\0\xc3\5\x81\x10\0\0\0\0\0\0\0\0a\xe0\0\0"),
        SLICE("\1\0"),
        SLICE("\2\0"),
        SLICE("\3\0"),
        SLICE("\4\0"),
        SLICE("\5\0"),                        /* empty */
        SLICE("\1\2\1a"),                     /* fewer than announced */
        SLICE("\1\x81\x10\0\0\0\0\0\0\0\1a"), /* many fewer */
        SLICE("\1\xc1\1a"),                   /* a count that is none */
        SLICE("\4\1\1a"),                     /* half a pair */
        SLICE("\5\1\1a\0\0\0\0\0\0\xf8"),     /* half a score */
        SLICE("\5\1\1a\0\0\0\0\0\0\xf8\x7f"), /* not a number */
        SLICE("\5\1\1a\1\0\0\0\0\0\xf0\xff"), /* not one either */
        SLICE("\3\1\1a\xfd"),
        SLICE("\3\1\1a\0031.x"),
        SLICE("\3\1\1a\0"),
        SLICE("\3\1\1a\0041.5"),
        SLICE("\3\1\1a\3nan"),
        SLICE("\6\1\1a"),
        SLICE("\7\1\1a"),
        SLICE("\x08\1\1a"), /* modules; nothing */
        SLICE("\x0f\0"),
        SLICE("\x13\0"),
        SLICE("\x15\0"), /* streams */
        SLICE("\x16\0"),
        SLICE("\xff\0"),
        SLICE("\x14\7\7\0\0\0\0\0\0"),     /* a block without end */
        SLICE("\x14\7\x08\0\0\0\0\0\xff"), /* of another length */
        SLICE("\x14\7\7\0\0\0\0\0\xff"),   /* empty */
        SLICE("\x14\6\6\0\0\0\0\xff"),     /* too short */
        SLICE("\x14\0"),
        SLICE("\x14\x09\x09\0\0\0\1\0\1\2\xff"), /* a wrong length after an item */
        SLICE("\x14\x0a\x0a\0\0\0\1\0\x82"
              "a\2\xff"), /* a string as long as the block */
        SLICE("\x14\x0d\x0d\0\0\0\1\0\xf0\xff\xff\xff\xffz\xff"), /* of 4 GB */
        SLICE("\x14\x08\x08\0\0\0\1\0\xf5\xff"),                  /* an unknown encoding */
        SLICE("\x14\x08\x08\0\0\0\1\0\xf1\xff"),                  /* an integer cut off */
        SLICE("\x0a\x0d\x0d\0\0\0\x0a\0\0\0\1\0\1\xf1\xff"), /* the item before was of length 0 */
        SLICE("\x0a\x0d\x0d\0\0\0\x0b\0\0\0\1\0\0\xf1\xff"), /* the last item elsewhere */
        SLICE("\x0a\x0d\x0d\0\0\0\x0a\0\0\0\2\0\0\xf1\xff"), /* another count */
        SLICE("\x0a\x0d\x0d\0\0\0\x0a\0\0\0\1\0\0\xff\xff"),
        SLICE("\x0a\x0b\x0b\0\0\0\x0a\0\0\0\0\0\xff"), /* empty */
        SLICE("\x12\1"),
        SLICE("\x12\1\2"),
        SLICE("\x0e\1"),
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        reads(bodies[i], NULL);
}

/* Before anything is done for them: no half gigabyte is asked for on behalf of five bytes. */
static void what_is_announced_is_bounded_by_what_is_there(void **state)
{
    (void)state;
    static const char compressed[] = "cannot become as long as it says", many[] = "more elements";
    static const struct {
        struct slice body;
        const char *says;
    } cases[] = {
        {SLICE("\x14\xc3\5\x80\x20\0\0\0\0a\xe0\0\0"), compressed},         /* 512 MB */
        {SLICE("\x14\xc3\5\x80\0\0\1\xb9\0a\xe0\0\0"), compressed},         /* 441 bytes, of five */
        {SLICE("\x14\xc3\5\x81\x10\0\0\0\0\0\0\0\0a\xe0\0\0"), compressed}, /* 2^60 */
        {SLICE("\1\x81\x10\0\0\0\0\0\0\0\1a"), many},
        {SLICE("\1\3\1a"), many},
        {SLICE("\4\2\1a\0"), many},
        {SLICE("\5\2\1a\0\0\0\0\0\0\0\0"), many},
        {SLICE("\x12\4\1\0\1\0\1\0"), many},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct heard h = {.refuse_as = RC_OK};
        struct buf payload = {0};
        struct err err;
        buf_append_slice(&payload, cases[i].body);
        seal(&payload, 10);
        assert_int_equal(read_payload(buf_slice(&payload), &h, &err), RC_CORRUPT);
        assert_non_null(strstr(err.text, cases[i].says));
        buf_fini(&payload);
    }
}

/* The end mark looks like the second byte of the length of an item of 255 bytes. */
static void the_end_of_a_block_is_no_part_of_an_item(void **state)
{
    (void)state;
    enum { STRING = 253, LEN = 6 + 2 + STRING + 1 + 1 };
    uint8_t *block = malloc(LEN); /* reading beyond it is seen */
    assert_non_null(block);
    memset(block, 'x', LEN);
    memcpy(block, (uint8_t[]){LEN & 255, LEN >> 8, 0, 0, 1, 0, 0xe0, STRING}, 8);
    block[LEN - 2] = 1;
    block[LEN - 1] = 255;
    struct rdb_pack pack;
    struct rdb_item item;
    assert_true(rdb_pack_open(&pack, RDB_LISTPACK, slice_of(block, LEN)));
    assert_int_equal(rdb_pack_next(&pack, &item), RDB_BROKEN);
    free(block);
}

static void version_and_checksum_are_looked_at_first(void **state)
{
    (void)state;
    struct err err;
    struct heard h = {.refuse_as = RC_OK};
    struct buf payload = {0};
    for (unsigned version = 0; version < 70000; version = version * 3 + 1) {
        payload.len = 0;
        buf_append(&payload, "\0\1a", 3);
        seal(&payload, version);
        enum rc rc = read_payload(buf_slice(&payload), &h, &err);
        assert_int_equal(rc, (version & 0xffff) <= 11 ? RC_OK : RC_FOREIGN);
    }
    payload.len = 0;
    buf_append(&payload, "\0\1a", 3);
    seal(&payload, 11);
    for (size_t i = 0; i < payload.len * 8; i++) {
        payload.data[i / 8] ^= (char)(1 << i % 8);
        assert_int_equal(read_payload(buf_slice(&payload), &h, &err), RC_FOREIGN);
        payload.data[i / 8] ^= (char)(1 << i % 8);
    }
    for (size_t len = 0; len < payload.len; len++)
        assert_int_equal(read_payload(slice_of(payload.data, len), &h, &err), RC_FOREIGN);
    payload.len = 0;
    seal(&payload, 8);
    assert_int_equal(read_payload(buf_slice(&payload), &h, &err), RC_CORRUPT);
    buf_fini(&payload);
    buf_fini(&h.text);
}

static void what_the_sink_says_ends_the_reading(void **state)
{
    (void)state;
    static const struct {
        enum rc says, comes;
    } cases[] = {{RC_NOMEM, RC_NOMEM}, {RC_INVALID, RC_CORRUPT}, {RC_FULL, RC_FULL}};
    struct buf payload = {0};
    struct err err;
    buf_append_slice(&payload, SLICE("\1\3\1a\1b\1c"));
    seal(&payload, 8);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct heard h = {.refuse_at = 2, .refuse_as = cases[i].says};
        assert_int_equal(read_payload(buf_slice(&payload), &h, &err), cases[i].comes);
        assert_int_equal(h.elements, 2);
        buf_fini(&h.text);
    }
    struct heard h = {.refuse_at = 0, .refuse_as = RC_NOMEM};
    assert_int_equal(read_payload(buf_slice(&payload), &h, &err), RC_NOMEM);
    assert_true(h.elements == 0 && h.summary.elements == 3 && h.summary.bytes == 3);
    buf_fini(&h.text);
    buf_fini(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_written_in_their_shortest_form),
        cmocka_unit_test(aggregates_are_written_with_count_and_scores),
        cmocka_unit_test(strings_are_read_in_every_form),
        cmocka_unit_test(aggregates_are_read_in_their_plain_forms),
        cmocka_unit_test(every_item_of_a_compact_block_is_read),
        cmocka_unit_test(pairs_in_compact_blocks_are_read),
        cmocka_unit_test(long_items_of_compact_blocks_are_read),
        cmocka_unit_test(intsets_are_read),
        cmocka_unit_test(zipmaps_are_read),
        cmocka_unit_test(lists_of_blocks_are_read),
        cmocka_unit_test(a_compressed_block_is_read),
        cmocka_unit_test(what_does_not_add_up_is_refused),
        cmocka_unit_test(what_is_announced_is_bounded_by_what_is_there),
        cmocka_unit_test(the_end_of_a_block_is_no_part_of_an_item),
        cmocka_unit_test(version_and_checksum_are_looked_at_first),
        cmocka_unit_test(what_the_sink_says_ends_the_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
