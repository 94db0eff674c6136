/* WEIR: write-back, for operators. What waits, what was rejected, what was changed from outside.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/num.h"
#include "executor/order.h"
#include "executor/wait.h"
#include "journal/journal.h"
#include "writeback/writeback.h"

#include <stdio.h>

static struct writeback *writeback_of(const struct call *c)
{
    return keyspace_writeback(c->keyspace);
}

static void weir_reply_field(struct reply *r, const char *name, int64_t n)
{
    reply_bulk_str(r, name);
    reply_int(r, n);
}

static void weir_reply_text(struct reply *r, const char *name, const char *text)
{
    reply_bulk_str(r, name);
    reply_bulk_str(r, text);
}

/* --- STATUS, BACKENDS --- */

static const char *status_word(const struct writeback_info *wb)
{
    if (wb->paused)
        return "paused";
    if (strcmp(wb->backend_state, "records-full") == 0)
        return "attention";
    if (strcmp(wb->backend_state, "no-memory") == 0)
        return "failing";
    if (wb->breaker != BREAKER_CLOSED || wb->failures > 0)
        return "failing";
    if (wb->dead_letters > 0)
        return "attention";
    if (wb->flushing)
        return "flushing";
    return wb->dirty_keys > 0 ? "collecting" : "idle";
}

void cmd_weir_status(struct call *c)
{
    struct writeback_info wb;
    struct journal_info journal;
    writeback_get_info(writeback_of(c), &wb);
    journal_get_info(keyspace_journal(c->keyspace), &journal);
    struct reply *r = c->reply;
    reply_map(r, 16);
    weir_reply_text(r, "state", status_word(&wb));
    weir_reply_text(r, "backend_state", wb.backend_state);
    weir_reply_text(r, "journal_state", journal_state_name(journal.state));
    weir_reply_field(r, "dirty_keys", (int64_t)wb.dirty_keys);
    weir_reply_field(r, "dirty_bytes", (int64_t)wb.dirty_bytes);
    weir_reply_field(r, "oldest_dirty_ms", wb.oldest_dirty_ms);
    weir_reply_field(r, "in_flight_keys", (int64_t)wb.in_flight_keys);
    weir_reply_field(r, "last_flush_age_ms", wb.last_flush_age_ms);
    weir_reply_field(r, "last_lsn", (int64_t)journal.last_lsn);
    weir_reply_field(r, "durable_lsn", (int64_t)journal.durable_lsn);
    weir_reply_field(r, "applied_lsn", (int64_t)wb.applied_lsn);
    weir_reply_field(r, "lag_records", (int64_t)wb.lag_records);
    weir_reply_field(r, "exposure_records", (int64_t)wb.unsynced_records);
    weir_reply_field(r, "journal_size", (int64_t)journal.bytes);
    weir_reply_field(r, "dead_letters", (int64_t)wb.dead_letters);
    weir_reply_field(r, "conflicts", (int64_t)wb.conflicts);
}

void cmd_weir_backends(struct call *c)
{
    static const char *const breakers[] = {"closed", "open", "half-open"};
    struct writeback_info wb;
    writeback_get_info(writeback_of(c), &wb);
    struct reply *r = c->reply;
    reply_array(r, 1);
    reply_map(r, 10);
    weir_reply_text(r, "url", wb.backend_url);
    weir_reply_text(r, "state", wb.backend_state);
    weir_reply_text(r, "breaker", breakers[wb.breaker]);
    weir_reply_field(r, "failures", (int64_t)wb.failures);
    weir_reply_field(r, "next_retry_ms", wb.next_retry_ms);
    weir_reply_text(r, "last_error", wb.last_error.code == RC_OK ? "" : wb.last_error.text);
    weir_reply_field(r, "applied_lsn", (int64_t)wb.applied_lsn);
    weir_reply_field(r, "last_flush_us", wb.last_flush_us);
    weir_reply_field(r, "last_flush_age_ms", wb.last_flush_age_ms);
    weir_reply_field(r, "wal_bytes", (int64_t)wb.wal_bytes);
}

/* --- FLUSH, PAUSE, RESUME, EXPLAIN --- */

/* Everything has left, except what the backend has refused, now or long ago. */
static void reply_flushed(struct call *c)
{
    struct writeback_info wb;
    char text[96];
    writeback_get_info(writeback_of(c), &wb);
    snprintf(text, sizeof(text), "OK, but the backend refuses %llu keys: see WEIR DEADLETTER",
             (unsigned long long)wb.dead_letters);
    reply_simple(c->reply, wb.dead_letters > 0 ? text : "OK");
}

void cmd_weir_flush(struct call *c)
{
    if (c->argc > 3 || (c->argc == 3 && !slice_is_word(c->argv[2], "async"))) {
        reply_error(c->reply, REPLY_SYNTAX);
    } else if (c->argc == 3) {
        (void)writeback_request_flush(writeback_of(c));
        reply_ok(c->reply);
    } else if (wait_flushed(c)) {
        reply_flushed(c);
    }
}

void cmd_weir_pause(struct call *c)
{
    writeback_pause(writeback_of(c), true, c->session->addr);
    call_log(c, "");
    reply_ok(c->reply);
}

void cmd_weir_resume(struct call *c)
{
    writeback_pause(writeback_of(c), false, c->session->addr);
    call_log(c, "");
    reply_ok(c->reply);
}

static void explain_letter(const struct order *o, struct buf *text)
{
    uint64_t n;
    struct err err;
    if (order_result(o, &n, &err) != RC_OK) {
        buf_printf(text, "dead_letter:yes\r\nrefused:not known, %s\r\n", err.text);
    } else if (n > 0) {
        const struct writeback_record *r = order_record(o, 0);
        buf_printf(text, "dead_letter:%llu\r\nrefused:", (unsigned long long)r->id);
        buf_append_escaped(text, r->reason, r->reason.len);
        buf_printf(text,
                   "\r\nnext:when the backend would take it, WEIR DEADLETTER RETRY %llu; or WEIR "
                   "DEADLETTER DROP %llu, and the key is what the backend has; a newer value "
                   "replaces it\r\n",
                   (unsigned long long)r->id, (unsigned long long)r->id);
    }
}

void cmd_weir_explain(struct call *c)
{
    struct writeback_order find = {
        .kind = ORDER_FIND_LETTER, .db = c->session->db, .key = c->argv[2]};
    struct buf text = {0};
    struct order *o = NULL;
    bool dead = keyspace_explain(c->keyspace, c->session->db, c->argv[2], &text);
    if ((dead || c->session->pending != NULL) && !call_order(c, &find, &o)) {
        buf_fini(&text);
        return;
    }
    if (o != NULL) {
        explain_letter(o, &text);
        call_order_end(c);
    }
    call_depends_on_all(c);
    reply_verbatim(c->reply, "txt", buf_slice(&text));
    buf_fini(&text);
}

void cmd_weir_help(struct call *c)
{
    call_help(c);
}

/* --- DEADLETTER, CONFLICTS --- */

enum { RECORDS_DEFAULT = 10 };

static void reply_record(struct reply *r, const struct writeback_record *record, bool conflict)
{
    reply_map(r, conflict ? 9 : 7);
    weir_reply_field(r, "id", (int64_t)record->id);
    weir_reply_field(r, "time_ms", record->time.ms);
    weir_reply_field(r, "db", record->db);
    reply_bulk_str(r, "key");
    reply_bulk(r, record->key);
    weir_reply_text(r, "type", record->type);
    reply_bulk_str(r, conflict ? "verdict" : "reason");
    reply_bulk(r, record->reason);
    reply_bulk_str(r, "ours");
    reply_bulk(r, record->ours);
    if (!conflict)
        return;
    reply_bulk_str(r, "base");
    reply_bulk(r, record->base);
    reply_bulk_str(r, "theirs");
    reply_bulk(r, record->theirs);
}

static void reply_failure(struct call *c, const struct err *err)
{
    reply_errorf(c->reply, "%s %s",
                 err->code == RC_AGAIN || err->code == RC_BUSY ? "TRYAGAIN" : "ERR", err->text);
}

/* LIST [count] | LIST [id] COUNT count: records with higher numbers than id, oldest first. */
static bool parse_page(struct call *c, struct writeback_order *page)
{
    int64_t max = RECORDS_DEFAULT, after = 0;
    uint32_t argc = c->argc, last = argc - 1;
    bool counted = argc >= 5 && slice_is_word(c->argv[argc - 2], "count");
    if (argc > 6 || (argc > 4 && !counted)) {
        reply_error(c->reply, REPLY_SYNTAX);
        return false;
    }
    if (argc > 3 && (!num_parse_i64(c->argv[last], &max) || max < -1)) {
        reply_error(c->reply, "ERR count should be greater than or equal to -1");
        return false;
    }
    if (argc == 6 && (!num_parse_i64(c->argv[3], &after) || after < 0)) {
        reply_error(c->reply, "ERR id should be a number greater than or equal to 0");
        return false;
    }
    page->after = (uint64_t)after;
    page->max = max < 0 ? WRITEBACK_PAGE_MAX : (uint64_t)max;
    return true;
}

static void list_records(struct call *c, bool conflicts)
{
    struct writeback_order page = {.kind = conflicts ? ORDER_LIST_CONFLICTS : ORDER_LIST_LETTERS};
    struct order *o;
    struct err err;
    uint64_t n;
    if (!parse_page(c, &page) || !call_order(c, &page, &o))
        return;
    if (order_result(o, &n, &err) == RC_OK) {
        reply_array(c->reply, n);
        for (uint64_t i = 0; i < n; i++)
            reply_record(c->reply, order_record(o, i), conflicts);
    } else {
        reply_failure(c, &err);
    }
    call_order_end(c);
}

/* An id, or ALL, which is 0. */
static bool parse_record_id(struct call *c, uint64_t *id)
{
    int64_t n;
    *id = 0;
    if (c->argc != 4) {
        reply_error(c->reply, REPLY_SYNTAX);
        return false;
    }
    if (slice_is_word(c->argv[3], "all"))
        return true;
    if (!num_parse_i64(c->argv[3], &n) || n < 1) {
        reply_error(c->reply, "ERR id should be a number greater than 0, or ALL");
        return false;
    }
    *id = (uint64_t)n;
    return true;
}

static void order(struct call *c, enum writeback_order_kind kind)
{
    struct writeback_order what = {.kind = kind};
    struct order *o;
    struct err err;
    uint64_t count;
    if (!parse_record_id(c, &what.id) || !call_order(c, &what, &o))
        return;
    if (order_result(o, &count, &err) == RC_OK) {
        const char *verb = kind == ORDER_RETRY_LETTER ? "RETRY" : "DROP";
        char text[64];
        snprintf(text, sizeof(text), " %s: %llu records", verb, (unsigned long long)count);
        call_log(c, text);
        reply_int(c->reply, (int64_t)count);
    } else {
        reply_failure(c, &err);
    }
    call_order_end(c);
}

void cmd_weir_deadletter(struct call *c)
{
    struct writeback_info info;
    if (c->argc == 2 || slice_is_word(c->argv[2], "list")) {
        list_records(c, false);
    } else if (c->argc == 3 && slice_is_word(c->argv[2], "len")) {
        writeback_get_info(writeback_of(c), &info);
        reply_int(c->reply, (int64_t)info.dead_letters);
    } else if (slice_is_word(c->argv[2], "retry")) {
        order(c, ORDER_RETRY_LETTER);
    } else if (slice_is_word(c->argv[2], "drop")) {
        order(c, ORDER_DROP_LETTER);
    } else {
        reply_error(c->reply, REPLY_SYNTAX);
    }
}

void cmd_weir_conflicts(struct call *c)
{
    struct writeback_info info;
    if (c->argc == 2 || slice_is_word(c->argv[2], "list")) {
        list_records(c, true);
    } else if (c->argc == 3 && slice_is_word(c->argv[2], "len")) {
        writeback_get_info(writeback_of(c), &info);
        reply_int(c->reply, (int64_t)info.conflicts);
    } else if (slice_is_word(c->argv[2], "drop")) {
        order(c, ORDER_DROP_CONFLICT);
    } else {
        reply_error(c->reply, REPLY_SYNTAX);
    }
}
