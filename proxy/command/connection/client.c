/* CLIENT: who is connected, and what they are called.
 *
 * Sessions belong to their workers. LIST and KILL go round all workers: each visits its own
 * sessions in its own thread and adds to one `struct round`; the caller is parked meanwhile and
 * finds the result in session->pending when it runs again.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock.h"
#include "base/num.h"
#include "command/connection/names.h"
#include "executor/call.h"

#include <stdlib.h>

/* --- One line about a session --- */

/* The letters in Redis's order. Whoever asks is not blocked by asking. */
static void append_flags(struct buf *out, const struct session *s, bool is_caller)
{
    const struct {
        bool holds;
        char letter;
    } letters[] = {
        {(s->flags & SESSION_MONITOR) != 0, 'O'},
        {session_is_subscribed(s), 'P'},
        {(s->flags & SESSION_MULTI) != 0, 'x'},
        {(s->flags & SESSION_PARKED) != 0 && !is_caller, 'b'},
        {atomic_load_explicit(&s->watch.broken, memory_order_relaxed), 'd'},
        {(s->flags & SESSION_CLOSE_AFTER_REPLY) != 0, 'c'},
        {(s->flags & SESSION_UNIX) != 0, 'U'},
        {(s->flags & SESSION_NO_EVICT) != 0, 'e'},
        {(s->flags & SESSION_NO_TOUCH) != 0, 'T'},
    };
    size_t before = out->len;
    for (size_t i = 0; i < COUNT_OF(letters); i++)
        if (letters[i].holds)
            buf_append(out, &letters[i].letter, 1);
    if (out->len == before)
        buf_append_str(out, "N");
}

static const char *text_or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

/* Redis keeps the first replies of a client in a buffer of its own, which `obl` is about, and the
 * others in a list: `omem` and `oll`. Here the list is what is above that much, and what is
 * referenced. */
static void append_output(struct buf *out, const struct host_session_info *info)
{
    enum { BUFFER_BYTES = 16 * 1024 };
    size_t in_buffer = min_u64(info->output_plain, BUFFER_BYTES);
    size_t blocks = (info->output_plain - in_buffer + BUFFER_BYTES - 1) / BUFFER_BYTES;
    buf_printf(out, "obl=%zu oll=%zu omem=%zu ", in_buffer, blocks + info->output_refs,
               info->output_bytes - in_buffer);
}

/* `argv_bytes`: of the arguments of the request that runs now, 0 where the connection knows.
 * Thread: the session's worker. */
static void append_session(struct buf *out, const struct host *host, const struct session *s,
                           bool is_caller, size_t argv_bytes)
{
    struct host_session_info info = {0};
    host->session_info(s, &info);
    int64_t now = clock_mono().us;
    buf_printf(out, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld idle=%lld flags=",
               (unsigned long long)s->id, s->addr, s->laddr, s->fd, text_or_empty(s->name),
               (long long)((now - s->connected_at.us) / 1000000),
               (long long)((now - s->last_active_at.us) / 1000000));
    append_flags(out, s, is_caller);
    buf_printf(out, " db=%u sub=%u psub=%u ssub=%u multi=%d qbuf=%zu qbuf-free=%zu argv-mem=%zu ",
               s->db, s->subscriptions[PUBSUB_CHANNEL], s->subscriptions[PUBSUB_PATTERN],
               s->subscriptions[PUBSUB_SHARD],
               (s->flags & SESSION_MULTI) != 0 ? (int)s->queue_len : -1, info.query_buffer,
               info.query_buffer_free, info.argv_bytes + argv_bytes);
    buf_printf(out, "multi-mem=%zu rbs=%zu rbp=%zu ", s->queue_bytes, s->reply.buf.cap,
               info.output_peak);
    append_output(out, &info);
    buf_printf(out,
               "tot-mem=%zu events=%s cmd=%s user=default redir=-1 resp=%u lib-name=%s "
               "lib-ver=%s\n",
               info.memory_bytes, info.events,
               s->last_command == NULL ? "NULL" : s->last_command->name, s->reply.proto,
               text_or_empty(s->lib_name), text_or_empty(s->lib_ver));
}

/* --- Going round --- */

struct filter {
    uint64_t *ids; /* NULL: any */
    uint32_t ids_len;
    bool nobody; /* an address that no client can have */
    enum { TYPE_ANY, TYPE_NORMAL, TYPE_PUBSUB, TYPE_OTHER } type;
    struct slice addr, laddr; /* ptr NULL: any */
    bool skip_me;
};

struct line {
    uint64_t id;
    size_t at, len;
};

struct round {
    struct lock lock;
    const struct host *host;
    struct session *caller;
    struct filter filter;
    bool kill;
    /* under lock */
    struct buf text;
    struct line *lines;
    size_t lines_len, lines_cap;
    uint64_t killed;
    bool killed_caller, out_of_memory;
    char addresses[2][80]; /* what filter.addr and filter.laddr point to */
};

static void round_free(void *pending)
{
    struct round *r = pending;
    lock_fini(&r->lock);
    free(r->filter.ids);
    free(r->lines);
    buf_fini(&r->text);
    free(r);
}

static bool passes(const struct filter *f, const struct session *s)
{
    bool listed = f->ids == NULL;
    for (uint32_t i = 0; i < f->ids_len && !listed; i++)
        listed = f->ids[i] == s->id;
    bool of_type =
        f->type == TYPE_ANY || f->type == (session_is_subscribed(s) ? TYPE_PUBSUB : TYPE_NORMAL);
    return listed && of_type && !f->nobody &&
           (f->addr.ptr == NULL || slice_eq(f->addr, slice_str(s->addr))) &&
           (f->laddr.ptr == NULL || slice_eq(f->laddr, slice_str(s->laddr)));
}

static void client_list_one(struct round *r, const struct session *s)
{
    if (r->lines_len == r->lines_cap) {
        size_t cap = r->lines_cap == 0 ? 64 : r->lines_cap * 2;
        struct line *grown = realloc(r->lines, cap * sizeof(*grown));
        if (grown == NULL) {
            r->out_of_memory = true;
            return;
        }
        r->lines = grown;
        r->lines_cap = cap;
    }
    size_t at = r->text.len;
    append_session(&r->text, r->host, s, s == r->caller, 0);
    r->lines[r->lines_len++] = (struct line){s->id, at, r->text.len - at};
}

static void kill_one(struct round *r, struct session *s)
{
    if (s == r->caller && r->filter.skip_me)
        return;
    r->killed++;
    if (s == r->caller)
        r->killed_caller = true;
    else
        r->host->session_close(s, true);
}

static void client_visit_session(void *arg, struct session *s)
{
    struct round *r = arg;
    if (!passes(&r->filter, s))
        return;
    lock_acquire(&r->lock);
    if (r->kill)
        kill_one(r, s);
    else
        client_list_one(r, s);
    lock_release(&r->lock);
}

static void client_visit_worker(void *arg, struct host_worker *w)
{
    struct round *r = arg;
    r->host->each_session(w, client_visit_session, r);
}

static struct round *round_new(struct call *c, bool kill)
{
    struct round *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        call_out_of_memory(c);
        return NULL;
    }
    lock_init(&r->lock);
    r->host = c->host;
    r->caller = c->session;
    r->kill = kill;
    return r;
}

static void round_start(struct call *c, struct round *r)
{
    struct session *s = c->session;
    session_keep(s, r, round_free);
    call_park(c);
    c->host->on_every_worker(c->host->ctx, client_visit_worker, r, &s->waiter);
}

/* --- Filters --- */

/* Clients listen to channels or are normal ones; there are no replicas. The last type counts. */
static bool parse_type(struct call *c, uint32_t i, struct filter *f)
{
    struct slice type = c->argv[i];
    f->type = slice_is_word(type, "normal")   ? TYPE_NORMAL
              : slice_is_word(type, "pubsub") ? TYPE_PUBSUB
                                              : TYPE_OTHER;
    if (f->type != TYPE_OTHER || slice_is_word(type, "master") || slice_is_word(type, "replica") ||
        slice_is_word(type, "slave"))
        return true;
    reply_errorf(c->reply, "ERR Unknown client type '%.*s'", (int)min_u64(type.len, 128), type.ptr);
    return false;
}

static bool add_id(struct call *c, uint32_t i, struct filter *f, const char *error)
{
    int64_t id;
    if (!num_parse_i64(c->argv[i], &id) || id < 1) {
        reply_error(c->reply, error);
        return false;
    }
    if (f->ids == NULL)
        f->ids = malloc(c->argc * sizeof(*f->ids));
    if (f->ids == NULL) {
        call_out_of_memory(c);
        return false;
    }
    f->ids[f->ids_len++] = (uint64_t)id;
    return true;
}

static void set_address(struct round *r, int which, struct slice text)
{
    struct slice *place = which == 0 ? &r->filter.addr : &r->filter.laddr;
    size_t len = text.len;
    if (len > sizeof(r->addresses[which])) { /* longer than any address: no client has it */
        r->filter.nobody = true;
        len = 0;
    }
    if (len > 0)
        memcpy(r->addresses[which], text.ptr, len);
    *place = (struct slice){r->addresses[which], len};
}

/* --- LIST --- */

static bool parse_list(struct call *c, struct filter *f)
{
    if (c->argc == 2)
        return true;
    if (c->argc == 4 && slice_is_word(c->argv[2], "type"))
        return parse_type(c, 3, f);
    if (c->argc > 3 && slice_is_word(c->argv[2], "id")) {
        for (uint32_t i = 3; i < c->argc; i++)
            if (!add_id(c, i, f, "ERR Invalid client ID"))
                return false;
        return true;
    }
    reply_error(c->reply, REPLY_SYNTAX);
    return false;
}

static int by_id(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void reply_list(struct call *c, struct round *r)
{
    if (r->out_of_memory) {
        call_out_of_memory(c);
        return;
    }
    if (r->lines_len > 0)
        qsort(r->lines, r->lines_len, sizeof(r->lines[0]), by_id);
    struct buf sorted = {0};
    for (size_t i = 0; i < r->lines_len; i++)
        buf_append(&sorted, r->text.data + r->lines[i].at, r->lines[i].len);
    reply_verbatim(c->reply, "txt", buf_slice(&sorted));
    buf_fini(&sorted);
}

void cmd_client_list(struct call *c)
{
    struct round *r = session_take(c->session);
    if (r != NULL) {
        reply_list(c, r);
        round_free(r);
        return;
    }
    r = round_new(c, false);
    if (r == NULL)
        return;
    if (parse_list(c, &r->filter))
        round_start(c, r);
    else
        round_free(r);
}

/* --- KILL --- */

static bool parse_kill_option(struct call *c, uint32_t i, struct round *r)
{
    struct slice name = c->argv[i], value = c->argv[i + 1];
    if (slice_is_word(name, "id"))
        return add_id(c, i + 1, &r->filter, "ERR client-id should be greater than 0");
    if (slice_is_word(name, "type"))
        return parse_type(c, i + 1, &r->filter);
    if (slice_is_word(name, "user")) {
        if (slice_eq(value, SLICE("default")))
            return true;
        reply_errorf(c->reply, "ERR No such user '%.*s'", (int)min_u64(value.len, 128), value.ptr);
        return false;
    }
    if (slice_is_word(name, "addr")) {
        set_address(r, 0, value);
        return true;
    }
    if (slice_is_word(name, "laddr")) {
        set_address(r, 1, value);
        return true;
    }
    if (slice_is_word(name, "skipme")) {
        r->filter.skip_me = slice_is_word(value, "yes");
        if (r->filter.skip_me || slice_is_word(value, "no"))
            return true;
    }
    reply_error(c->reply, REPLY_SYNTAX);
    return false;
}

static bool parse_kill(struct call *c, struct round *r)
{
    if (c->argc == 3) { /* the old form, which may hit the caller */
        set_address(r, 0, c->argv[2]);
        return true;
    }
    r->filter.skip_me = true;
    if (c->argc % 2 != 0) {
        reply_error(c->reply, REPLY_SYNTAX);
        return false;
    }
    for (uint32_t i = 2; i < c->argc; i += 2) {
        uint32_t ids = r->filter.ids_len;
        if (!parse_kill_option(c, i, r))
            return false;
        if (r->filter.ids_len == 2) { /* the last ID counts */
            must(ids == 1);
            r->filter.ids[0] = r->filter.ids[1];
            r->filter.ids_len = 1;
        }
    }
    return true;
}

static void reply_kill(struct call *c, const struct round *r)
{
    if (c->argc > 3)
        reply_int(c->reply, (int64_t)r->killed);
    else if (r->killed == 0)
        reply_error(c->reply, "ERR No such client");
    else
        reply_ok(c->reply);
    if (r->killed_caller)
        c->session->flags |= SESSION_CLOSE_AFTER_REPLY;
}

void cmd_client_kill(struct call *c)
{
    struct round *r = session_take(c->session);
    if (r != NULL) {
        reply_kill(c, r);
        round_free(r);
        return;
    }
    r = round_new(c, true);
    if (r == NULL)
        return;
    if (parse_kill(c, r))
        round_start(c, r);
    else
        round_free(r);
}

/* --- The connection's own --- */

void cmd_client_info(struct call *c)
{
    struct buf line = {0};
    size_t argv_bytes = 0;
    for (uint32_t i = 0; i < c->argc; i++)
        argv_bytes += c->argv[i].len;
    append_session(&line, c->host, c->session, true, argv_bytes);
    reply_verbatim(c->reply, "txt", buf_slice(&line));
    buf_fini(&line);
}

void cmd_client_id(struct call *c)
{
    reply_int(c->reply, (int64_t)c->session->id);
}

void cmd_client_getname(struct call *c)
{
    if (c->session->name == NULL)
        reply_null(c->reply);
    else
        reply_bulk_str(c->reply, c->session->name);
}

void cmd_client_setname(struct call *c)
{
    if (!name_is_plain(c->argv[2]))
        reply_error(c->reply, NAME_NOT_PLAIN);
    else if (!name_set(&c->session->name, c->argv[2]))
        call_out_of_memory(c);
    else
        reply_ok(c->reply);
}

void cmd_client_setinfo(struct call *c)
{
    struct slice what = c->argv[2];
    char **place = NULL;
    if (slice_is_word(what, "lib-name"))
        place = &c->session->lib_name;
    else if (slice_is_word(what, "lib-ver"))
        place = &c->session->lib_ver;
    if (place == NULL)
        reply_errorf(c->reply, "ERR Unrecognized option '%.*s'", (int)min_u64(what.len, 128),
                     what.ptr);
    else if (!name_is_plain(c->argv[3]))
        reply_errorf(c->reply, "ERR %.*s cannot contain spaces, newlines or special characters.",
                     (int)what.len, what.ptr);
    else if (!name_set(place, c->argv[3]))
        call_out_of_memory(c);
    else
        reply_ok(c->reply);
}

static void switch_flag(struct call *c, unsigned flag)
{
    if (slice_is_word(c->argv[2], "on"))
        c->session->flags |= flag;
    else if (slice_is_word(c->argv[2], "off"))
        c->session->flags &= ~flag;
    else {
        reply_error(c->reply, REPLY_SYNTAX);
        return;
    }
    reply_ok(c->reply);
}

void cmd_client_no_evict(struct call *c)
{
    switch_flag(c, SESSION_NO_EVICT);
}

void cmd_client_no_touch(struct call *c)
{
    switch_flag(c, SESSION_NO_TOUCH);
}

void cmd_client_reply(struct call *c)
{
    struct session *s = c->session;
    if (slice_is_word(c->argv[2], "on")) {
        s->flags &= ~(unsigned)(SESSION_REPLY_SKIP | SESSION_REPLY_OFF);
        s->reply.muted = false;
        reply_ok(c->reply);
    } else if (slice_is_word(c->argv[2], "off")) {
        s->flags |= SESSION_REPLY_OFF;
        s->reply.muted = true;
    } else if (slice_is_word(c->argv[2], "skip")) {
        if ((s->flags & SESSION_REPLY_OFF) == 0)
            s->flags |= SESSION_REPLY_SKIP_NEXT;
    } else {
        reply_error(c->reply, REPLY_SYNTAX);
    }
}

/* Tracking of keys by clients is not offered: it is off for everybody. */
void cmd_client_getredir(struct call *c)
{
    reply_int(c->reply, -1);
}

void cmd_client_trackinginfo(struct call *c)
{
    reply_map(c->reply, 3);
    reply_bulk_str(c->reply, "flags");
    reply_set(c->reply, 1);
    reply_bulk_str(c->reply, "off");
    reply_bulk_str(c->reply, "redirect");
    reply_int(c->reply, -1);
    reply_bulk_str(c->reply, "prefixes");
    reply_array(c->reply, 0);
}

void cmd_client_help(struct call *c)
{
    call_help(c);
}
