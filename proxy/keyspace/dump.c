/* See dump.h. The encodings are compute/rdb_*; here is what they hold.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/dump.h"

#include "compute/rdb_read.h"
#include "compute/rdb_write.h"
#include "store/alloc.h"
#include "store/hash.h"
#include "store/list.h"
#include "store/set.h"
#include "store/store.h"
#include "store/zset.h"

/* --- To bytes --- */

static bool dump_pair(void *ctx, struct slice field, struct slice value)
{
    struct rdb_writer *w = ctx;
    rdb_write_string(w, field);
    rdb_write_string(w, value);
    return !w->failed;
}

static bool dump_single(void *ctx, struct slice element)
{
    struct rdb_writer *w = ctx;
    rdb_write_string(w, element);
    return !w->failed;
}

static bool dump_scored(void *ctx, struct slice member, double score)
{
    struct rdb_writer *w = ctx;
    rdb_write_string(w, member);
    rdb_write_score(w, score);
    return !w->failed;
}

bool value_dump(struct buf *out, const struct value *v)
{
    static const enum rdb_type types[] = {[VALUE_STRING] = RDB_STRING,
                                          [VALUE_HASH] = RDB_HASH,
                                          [VALUE_LIST] = RDB_LIST,
                                          [VALUE_SET] = RDB_SET,
                                          [VALUE_ZSET] = RDB_ZSET};
    struct rdb_writer w;
    must(v->type > VALUE_NONE && v->type < COUNT_OF(types));
    rdb_write_begin(&w, out, types[v->type]);
    if (v->type == VALUE_STRING) {
        rdb_write_string(&w, v->str);
        return rdb_write_end(&w);
    }
    size_t count = value_ops(v->type)->count(v->object);
    must(count > 0); /* it could not be restored */
    rdb_write_count(&w, count);
    if (v->type == VALUE_HASH)
        hash_each(v->object, dump_pair, &w);
    else if (v->type == VALUE_LIST)
        list_each(v->object, 0, count, false, dump_single, &w);
    else if (v->type == VALUE_SET)
        set_each(v->object, dump_single, &w);
    else /* Redis adds to a skip list fastest at its head */
        zset_each(v->object, count - 1, count, true, dump_scored, &w);
    return rdb_write_end(&w);
}

/* --- And back --- */

struct building {
    struct restored *r;
    uint64_t bytes_max;
};

static enum rc begin_string(struct restored *r, uint64_t len)
{
    if (len <= STORE_INLINE_MAX)
        return buf_try_reserve(&r->bytes, (size_t)len) ? RC_OK : RC_NOMEM;
    r->blob = len <= STORE_STRING_MAX ? alloc_try_blob((size_t)len) : NULL;
    return r->blob != NULL ? RC_OK : RC_NOMEM;
}

static enum rc dump_begin(void *ctx, const struct rdb_summary *summary)
{
    const struct building *b = ctx;
    struct restored *r = b->r;
    r->value.type = summary->type;
    if (summary->bytes > b->bytes_max)
        return RC_NOMEM;
    if (summary->type == VALUE_STRING)
        return begin_string(r, summary->bytes);
    r->object = value_ops(summary->type)->try_new();
    return r->object != NULL ? RC_OK : RC_NOMEM;
}

static enum rc take_string(struct restored *r, struct slice text)
{
    if (r->blob != NULL) {
        memcpy(r->blob->data, text.ptr, text.len);
        r->blob->len = text.len;
        r->value.blob = r->blob;
        r->value.str = blob_slice(r->blob);
        return RC_OK;
    }
    buf_append_slice(&r->bytes, text);
    r->value.str = text.len > 0 ? buf_slice(&r->bytes) : SLICE("");
    return RC_OK;
}

static enum rc put_pair(struct restored *r, struct slice field, struct slice value)
{
    struct hash *h = r->object;
    enum hash_set_result result = hash_set(&h, field, value);
    r->object = h;
    return result == HASH_ADDED ? RC_OK : result == HASH_OOM ? RC_NOMEM : RC_INVALID;
}

static enum rc put_last(struct restored *r, struct slice element)
{
    struct list *l = r->object;
    bool done = list_push(&l, LIST_TAIL, element);
    r->object = l;
    return done ? RC_OK : RC_NOMEM;
}

static enum rc put_member(struct restored *r, struct slice member)
{
    struct set *s = r->object;
    enum set_add_result result = set_add(&s, member);
    r->object = s;
    return result == SET_ADDED ? RC_OK : result == SET_OOM ? RC_NOMEM : RC_INVALID;
}

static enum rc put_scored(struct restored *r, struct slice member, double score)
{
    struct zset *z = r->object;
    enum zset_put_result result = zset_put(&z, member, score);
    r->object = z;
    return result == ZSET_ADDED ? RC_OK : result == ZSET_OOM ? RC_NOMEM : RC_INVALID;
}

static enum rc dump_take_element(void *ctx, struct slice name, struct slice value, double score)
{
    const struct building *b = ctx;
    switch (b->r->value.type) {
    case VALUE_HASH:
        return put_pair(b->r, name, value);
    case VALUE_LIST:
        return put_last(b->r, value);
    case VALUE_SET:
        return put_member(b->r, name);
    case VALUE_ZSET:
        return put_scored(b->r, name, score);
    default:
        return take_string(b->r, value);
    }
}

enum rc value_restore(struct restored *out, struct slice payload, uint64_t bytes_max,
                      struct err *err)
{
    *out = (struct restored){.value = {.type = VALUE_NONE}};
    struct building b = {out, bytes_max};
    struct rdb_sink sink = {&b, dump_begin, dump_take_element};
    enum rc rc = rdb_read(payload, &sink, err);
    if (rc != RC_OK)
        restored_fini(out);
    return rc;
}

void restored_fini(struct restored *r)
{
    if (r->object != NULL)
        value_ops(r->value.type)->free(r->object);
    blob_unref(&r->blob);
    buf_fini(&r->bytes);
    *r = (struct restored){.value = {.type = VALUE_NONE}};
}
