/* Replies: values become bytes of RESP2 or RESP3. No sockets here.
 *
 * A reply is built at the end of the connection's output. Small bytes are copied into one buffer; a
 * large stored value is referenced, not copied. Types that RESP2 lacks are written in the form that
 * Redis uses there: maps as flat arrays, doubles as bulks, booleans as integers, nulls as $-1 or
 * *-1.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef RESP_REPLY_H
#define RESP_REPLY_H

#include "base/buf.h"

enum { REPLY_REF_MIN = 16 * 1024 }; /* from here on a blob is referenced */

struct reply_ref { /* bytes of a blob that belong after `at` bytes of the buffer */
    size_t at;
    struct blob *blob; /* one reference held */
    struct slice bytes;
};

struct reply {
    struct buf buf;
    struct reply_ref *refs; /* ascending by at */
    uint32_t refs_len, refs_cap;
    uint8_t proto;     /* 2 or 3 */
    bool muted;        /* CLIENT REPLY OFF/SKIP: everything is dropped */
    bool over;         /* more was replied than `limit` lets through, and was dropped: the newest
                          reply is not whole, and whoever set the limit must take it back */
    uint64_t appended; /* bytes since the start, references included */
    uint64_t limit;    /* what `appended` may come to; 0: no limit */
    uint64_t errors;   /* error replies written since the start: callers compare before and after */
    size_t last_error; /* buf offset of the newest error reply's '-', valid when errors > 0 */
};

void reply_init(struct reply *r);
void reply_fini(struct reply *r);
/* Bytes waiting: buffer and references. */
size_t reply_len(const struct reply *r);
/* Drops everything after `mark` (an earlier buf.len): a half-written reply is taken back. */
void reply_truncate(struct reply *r, size_t mark);
/* Whether `len` bytes more fit below the limit; else the reply is over, as if they had been
 * appended: for who gathers a result apart before it is replied. */
bool reply_fits(struct reply *r, uint64_t len);

void reply_simple(struct reply *r, const char *text); /* +OK */
void reply_ok(struct reply *r);
/* "-<text>": text starts with the code ("ERR ...", "WRONGTYPE ..."); CR and LF in it become spaces.
 */
void reply_error(struct reply *r, const char *text);
void reply_errorf(struct reply *r, const char *format, ...) PRINTF_LIKE(2, 3);
void reply_int(struct reply *r, int64_t n);
void reply_bulk(struct reply *r, struct slice s);
void reply_bulk_str(struct reply *r, const char *text);
/* A bulk that is the bytes `s` inside blob b: referenced from REPLY_REF_MIN on. */
void reply_bulk_blob(struct reply *r, struct blob *b, struct slice s);
void reply_bulk_i64(struct reply *r, int64_t n);             /* the number as a bulk */
void reply_null(struct reply *r);                            /* $-1 or _ */
void reply_null_array(struct reply *r);                      /* *-1 or _ */
void reply_double(struct reply *r, double n);                /* bulk or , */
void reply_bool(struct reply *r, bool b);                    /* :1 :0 or #t #f */
void reply_big_number(struct reply *r, struct slice digits); /* bulk or ( */
void reply_verbatim(struct reply *r, const char *format3,
                    struct slice s); /* bulk or =, format3 "txt" */
void reply_array(struct reply *r, uint64_t n);
void reply_map(struct reply *r, uint64_t pairs);     /* *2n or %n */
void reply_set(struct reply *r, uint64_t n);         /* *n or ~n */
void reply_push(struct reply *r, uint64_t n);        /* *n or >n */
void reply_raw(struct reply *r, struct slice bytes); /* already encoded */

/* An aggregate whose length is known only later: start, write the elements, then set the length. */
size_t reply_array_begin(struct reply *r);
void reply_array_end(struct reply *r, size_t begin, uint64_t n);
void reply_map_end(struct reply *r, size_t begin, uint64_t pairs);
void reply_set_end(struct reply *r, size_t begin, uint64_t n);

/* A place between two replies, or parts of one. */
struct reply_place {
    size_t at;    /* in buf */
    uint32_t ref; /* references before it */
};
/* Steps over the one whole reply that begins there; returns its first byte, which says what it is.
 */
char reply_skip(const struct reply *r, struct reply_place *p);
/* Puts `bytes` in the place of what lies between. False: out of memory, nothing is changed. */
MUST_CHECK bool reply_replace(struct reply *r, struct reply_place from, struct reply_place to,
                              struct slice bytes);

/* The texts that many commands share. */
extern const char REPLY_WRONGTYPE[], REPLY_SYNTAX[], REPLY_NOT_INT[], REPLY_NOT_FLOAT[],
    REPLY_NO_KEY[], REPLY_RANGE[], REPLY_OOM[], REPLY_NOSUB[];

#endif
