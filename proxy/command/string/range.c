/* Parts of strings: APPEND, STRLEN, GETRANGE, SETRANGE.
 *
 * Offsets come from clients: every sum is checked before it is made.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/args.h"

void cmd_strlen(struct call *c)
{
    const struct value *v;
    if (call_read(c, 0, VALUE_STRING, &v))
        reply_int(c->reply, v != NULL ? (int64_t)v->str.len : 0);
}

void cmd_append(struct call *c)
{
    const struct value *v;
    struct slice tail = c->argv[2];
    if (!call_read(c, 0, VALUE_STRING, &v))
        return;
    if (v == NULL) {
        if (!args_string_fits(c, 0, tail.len))
            return;
        if (call_set_string(c, 0, 2, 0) != RC_OK) {
            call_out_of_memory(c);
            return;
        }
        call_notify(c, NOTIFY_STRING, "append", 0);
        reply_int(c->reply, (int64_t)tail.len);
        return;
    }
    size_t old_len = v->str.len;
    if (!args_string_fits(c, old_len, tail.len))
        return;
    if (tail.len > 0) {
        char *bytes = txn_edit_string(c->txn, c->key, old_len + tail.len);
        if (bytes == NULL) {
            call_out_of_memory(c);
            return;
        }
        memcpy(bytes + old_len, tail.ptr, tail.len);
        txn_effect_bytes(c->txn, c->key, old_len, tail.len);
    }
    call_notify(c, NOTIFY_STRING, "append", 0);
    reply_int(c->reply, (int64_t)(old_len + tail.len));
}

void cmd_getrange(struct call *c)
{
    int64_t start, end;
    const struct value *v;
    if (!call_int(c, 2, &start, NULL) || !call_int(c, 3, &end, NULL) ||
        !call_read(c, 0, VALUE_STRING, &v))
        return;
    int64_t len = v != NULL ? (int64_t)v->str.len : 0;
    bool crossed = start < 0 && end < 0 && start > end;
    if (start < 0)
        start = start < -len ? 0 : start + len;
    if (end < 0)
        end = end < -len ? 0 : end + len;
    if (end >= len)
        end = len - 1;
    if (crossed || start > end) {
        reply_bulk(c->reply, SLICE(""));
        return;
    }
    struct slice part = slice_of(v->str.ptr + start, (size_t)(end - start + 1));
    if (v->blob != NULL)
        reply_bulk_blob(c->reply, v->blob, part);
    else
        reply_bulk(c->reply, part);
}

void cmd_substr(struct call *c)
{
    cmd_getrange(c);
}

void cmd_setrange(struct call *c)
{
    int64_t offset;
    const struct value *v;
    struct slice part = c->argv[3];
    if (!call_int(c, 2, &offset, NULL))
        return;
    if (offset < 0) {
        reply_error(c->reply, "ERR offset is out of range");
        return;
    }
    if (!call_read(c, 0, VALUE_STRING, &v))
        return;
    size_t len = v != NULL ? v->str.len : 0;
    if (part.len > 0) {
        if (!args_string_fits(c, (uint64_t)offset, part.len))
            return;
        size_t end = (size_t)offset + part.len;
        len = end > len ? end : len;
        char *bytes = txn_edit_string(c->txn, c->key, len);
        if (bytes == NULL) {
            call_out_of_memory(c);
            return;
        }
        memcpy(bytes + offset, part.ptr, part.len);
        txn_effect_request(c->txn, c->key);
        call_notify(c, NOTIFY_STRING, "setrange", 0);
    }
    reply_int(c->reply, (int64_t)len);
}
