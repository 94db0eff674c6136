/* Recovery: what the journal has above the backend's cut is run again.
 *
 * Effects are deterministic and the base is exactly the state at the cut, so running them in order
 * gives the state at the end of the journal. Wall time is that of the record: what had expired for
 * the command that ran then is absent for it now, though it may only have looked at it, and what
 * has expired since is not yet. Everything that is changed becomes dirty, and leaves with
 * the first cut. Nothing is written here, so recovery may be killed and run again.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include "base/log.h"
#include "base/num.h"
#include "resp/request.h"

#include <inttypes.h>

enum { BATCH = 64, RECORDS = 256, PENDING_BYTES = 256 * 1024 };

/* A record whose effects lie in `bytes`, up to `end`. */
struct pending {
    uint64_t lsn;
    struct wall time;
    uint32_t db;
    size_t end;
};

struct recovery {
    struct keyspace *ks;
    struct txn *t;
    struct resp_parser *parser;
    uint64_t records;
    struct buf bytes; /* effects that are gathered, so that their keys can be prefetched */
    struct pending pending[RECORDS];
    size_t pending_len;
    size_t running; /* index into pending, while they run */
    uint32_t db;    /* selected within the running record */
};

static enum rc run(struct recovery *r, const struct request *q, struct err *err)
{
    int64_t number;
    if (q->argc == 2 && slice_is_word(q->argv[0], "select")) {
        if (!num_parse_i64(q->argv[1], &number) || number < 0 || number >= r->ks->wb->map.len)
            return err_set(err, RC_CORRUPT,
                           "a record selects a database that does not exist; see `databases`");
        r->db = (uint32_t)number;
        return RC_OK;
    }
    if (q->argc == 2 && slice_eq(q->argv[0], SLICE(WRITEBACK_FORGET))) {
        struct writeback *wb = r->ks->wb;
        writeback_forget(wb, dbmap_store_db(&wb->map, r->db), q->argv[1], r->t->stamp.lsn);
        return RC_OK;
    }
    struct keyspace_options *o = &r->ks->options;
    return o->replay(o->replay_ctx, r->t, r->db, q->argc, q->argv, err);
}

/* The first argument is the key of nearly every effect; for the others this is a wasted hint. */
static void prefetch(struct recovery *r, const struct request *requests, size_t n)
{
    uint64_t hashes[BATCH];
    for (size_t i = 0; i < n; i++) {
        struct slice key = requests[i].argc > 1 ? requests[i].argv[1] : requests[i].argv[0];
        hashes[i] = keyspace_hash(r->ks, r->db, key);
        keyspace_prefetch_bucket(r->ks, hashes[i]);
    }
    for (size_t i = 0; i < n; i++)
        keyspace_prefetch_entry(r->ks, hashes[i]);
}

static void begin_record(struct recovery *r, size_t index)
{
    const struct pending *p = &r->pending[index];
    r->running = index;
    r->db = p->db;
    r->t->now = p->time;
    r->t->stamp.lsn = p->lsn;
}

/* Runs one request that ends at `end` of the gathered bytes, for the record that it lies in. */
static enum rc run_at(struct recovery *r, const struct request *q, size_t end, struct err *err)
{
    while (end > r->pending[r->running].end)
        begin_record(r, r->running + 1);
    enum rc rc = run(r, q, err);
    if (rc == RC_OK)
        return RC_OK;
    struct err why = *err;
    return err_set(err, rc, "record %" PRIu64 ": %s", r->pending[r->running].lsn, why.text);
}

static enum rc run_pending(struct recovery *r, struct err *err)
{
    static const struct resp_limits limits = {
        .argc_max = UINT32_MAX, .bulk_len_max = JOURNAL_PAYLOAD_MAX, .authenticated = true};
    enum rc rc = RC_OK;
    if (r->pending_len > 0)
        begin_record(r, 0);
    for (size_t at = 0; at < r->bytes.len && rc == RC_OK;) {
        struct request requests[BATCH];
        size_t consumed;
        enum resp_status status;
        size_t n = resp_parse(r->parser, &limits, r->bytes.data + at, r->bytes.len - at, requests,
                              BATCH, &consumed, &status);
        if (n == 0 || status == RESP_ERROR)
            return err_set(err, RC_CORRUPT, "record %" PRIu64 " does not hold whole commands",
                           r->pending[r->running].lsn);
        prefetch(r, requests, n);
        for (size_t i = 0; i < n && rc == RC_OK; i++)
            rc = run_at(r, &requests[i], at + requests[i].end, err);
        at += consumed;
    }
    r->bytes.len = 0;
    r->pending_len = 0;
    return rc;
}

static enum rc replay_record(void *ctx, const struct journal_record *record, struct err *err)
{
    struct recovery *r = ctx;
    r->records++;
    if (record->db >= r->ks->wb->map.len)
        return err_set(err, RC_CORRUPT, "record %" PRIu64 " is for database %u; raise `databases`",
                       record->lsn, record->db);
    if (!buf_try_reserve(&r->bytes, record->payload.len))
        return err_set(err, RC_NOMEM, "out of memory for record %" PRIu64, record->lsn);
    buf_append_slice(&r->bytes, record->payload);
    r->pending[r->pending_len++] = (struct pending){
        .lsn = record->lsn, .time = record->time, .db = record->db, .end = r->bytes.len};
    if (r->records % 65536 == 0 && r->ks->options.on_replay_progress != NULL)
        r->ks->options.on_replay_progress(r->ks->options.ctx, r->records, 0);
    if (r->pending_len == RECORDS || r->bytes.len >= PENDING_BYTES)
        return run_pending(r, err);
    return RC_OK;
}

enum rc recover(struct keyspace *ks, uint64_t applied_lsn, struct err *err)
{
    struct recovery r = {.ks = ks, .t = txn_new(ks, 0), .parser = resp_parser_new()};
    struct mono start = clock_mono();
    must(r.parser != NULL);
    ks->replaying = true;
    enum rc rc = journal_replay(ks->journal, applied_lsn, replay_record, &r, err);
    if (rc == RC_OK)
        rc = run_pending(&r, err);
    ks->replaying = false;
    if (rc == RC_OK && r.records > 0)
        log_line(LOG_NOTICE, "recovered %" PRIu64 " records of the journal in %.3f seconds",
                 r.records, (double)(clock_mono().us - start.us) / 1e6);
    txn_free(&r.t);
    resp_parser_free(&r.parser);
    buf_fini(&r.bytes);
    return rc;
}
