/* See call.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/call.h"

#include "base/log.h"
#include "base/num.h"
#include "executor/worker.h"

#include <ctype.h>
#include <string.h>

enum rc call_set_string(struct call *c, uint32_t key, uint32_t i, int64_t expires_at_ms)
{
    bool large = c->blobs != NULL && c->blobs[i] != NULL;
    struct blob *blob = large ? blob_ref(c->blobs[i]) : NULL;
    enum rc rc = txn_set_blob(c->txn, c->key + key, c->argv[i], &blob, expires_at_ms);
    blob_unref(&blob);
    return rc;
}

bool call_int(struct call *c, uint32_t i, int64_t *out, const char *error)
{
    if (num_parse_i64(c->argv[i], out))
        return true;
    reply_error(c->reply, error != NULL ? error : REPLY_NOT_INT);
    return false;
}

bool call_read(struct call *c, uint32_t i, enum value_type type, const struct value **out)
{
    *out = txn_read(c->txn, c->key + i);
    if (*out == NULL || (*out)->type == type)
        return true;
    reply_error(c->reply, REPLY_WRONGTYPE);
    return false;
}

void call_park(struct call *c)
{
    c->parked = true;
}

void call_depends_on_all(struct call *c)
{
    worker_depends_on_all(worker_current(), c->session);
}

void call_out_of_memory(struct call *c)
{
    if (c->txn != NULL)
        txn_effect_nothing(c->txn);
    reply_error(c->reply, REPLY_OOM);
}

bool call_effect_fits(struct call *c, uint64_t bytes)
{
    if (LIKELY(txn_effect_fits(c->txn, bytes)))
        return true;
    txn_effect_nothing(c->txn);
    reply_error(c->reply,
                "ERR the command, or its transaction, changes more than one record of the "
                "journal can say (1 GiB). Change less at a time.");
    return false;
}

void call_log(const struct call *c, const char *text)
{
    const struct session *s = c->session;
    char name[64];
    size_t n = 0;
    for (const char *at = c->command->name; *at != '\0' && n < sizeof(name) - 1; at++)
        name[n++] = *at == '|' ? ' ' : (char)toupper((unsigned char)*at);
    name[n] = '\0';
    log_line(LOG_NOTICE, "%s%s, by client %s%s%s", name, text, s->addr,
             s->name != NULL ? ", named " : "", s->name != NULL ? s->name : "");
}

static void append_upper(struct buf *b, const char *text)
{
    for (; *text != '\0'; text++) {
        char letter = *text >= 'a' && *text <= 'z' ? (char)(*text - 32) : *text;
        buf_append(b, &letter, 1);
    }
}

void call_help(struct call *c)
{
    const char *bar = strchr(c->command->name, '|');
    must(bar != NULL);
    size_t prefix = (size_t)(bar - c->command->name);
    const struct command *parent = command_find(slice_of(c->command->name, prefix));
    struct buf line = {0};
    size_t begin = reply_array_begin(c->reply);
    append_upper(&line, parent->name);
    buf_append(&line, " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", 58);
    reply_simple(c->reply, line.data);
    uint64_t lines = 1;
    for (uint32_t id = parent->id + 1; id < COMMAND_COUNT; id++) {
        const struct command *row = command_get((enum command_id)id);
        if (strncmp(row->name, parent->name, prefix) != 0 || row->name[prefix] != '|')
            break;
        line.len = 0;
        append_upper(&line, row->name + prefix + 1);
        buf_printf(&line, "%s%s", row->syntax[0] != '\0' ? " " : "", row->syntax);
        buf_append(&line, "", 1);
        reply_simple(c->reply, line.data);
        line.len = 0;
        buf_printf(&line, "    %s", row->summary);
        buf_append(&line, "", 1);
        reply_simple(c->reply, line.data);
        lines += 2;
    }
    reply_array_end(c->reply, begin, lines);
    buf_fini(&line);
}
