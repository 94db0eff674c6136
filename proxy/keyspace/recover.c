/* Recovery: what the journal has above the backend's cut is run again.
 *
 * Effects are deterministic and the base is exactly the state at the cut, so running them in order
 * gives the state at the end of the journal. Wall time is that of the record: nothing expires on
 * the way but by a journalled deletion. Everything that is changed becomes dirty, and leaves with
 * the first cut. Nothing is written here, so recovery may be killed and run again.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include "base/log.h"
#include "base/num.h"
#include "resp/request.h"

#include <inttypes.h>

enum { BATCH = 64 };

struct recovery {
    struct keyspace *ks;
    struct txn *t;
    struct resp_parser *parser;
    uint64_t records;
};

static enum rc run(struct recovery *r, const struct request *q, uint32_t *db, struct err *err)
{
    int64_t number;
    if (q->argc == 2 && slice_is_word(q->argv[0], "select")) {
        if (!num_parse_i64(q->argv[1], &number) || number < 0 || number >= r->ks->wb->map.len)
            return err_set(err, RC_CORRUPT,
                           "a record selects a database that does not exist; see `databases`");
        *db = (uint32_t)number;
        return RC_OK;
    }
    struct keyspace_options *o = &r->ks->options;
    return o->replay(o->replay_ctx, r->t, *db, q->argc, q->argv, err);
}

static enum rc replay_record(void *ctx, const struct journal_record *record, struct err *err)
{
    static const struct resp_limits limits = {
        .argc_max = UINT32_MAX, .bulk_len_max = JOURNAL_PAYLOAD_MAX, .authenticated = true};
    struct recovery *r = ctx;
    struct slice rest = record->payload;
    uint32_t db = record->db;
    enum rc rc = RC_OK;
    r->t->now = record->time;
    r->t->stamp.lsn = record->lsn;
    r->records++;
    if (db >= r->ks->wb->map.len)
        return err_set(err, RC_CORRUPT, "record %" PRIu64 " is for database %u; raise `databases`",
                       record->lsn, db);
    while (rest.len > 0 && rc == RC_OK) {
        struct request requests[BATCH];
        size_t consumed;
        enum resp_status status;
        size_t n =
            resp_parse(r->parser, &limits, rest.ptr, rest.len, requests, BATCH, &consumed, &status);
        if (n == 0 || status == RESP_ERROR)
            return err_set(err, RC_CORRUPT, "record %" PRIu64 " does not hold whole commands",
                           record->lsn);
        for (size_t i = 0; i < n && rc == RC_OK; i++)
            rc = run(r, &requests[i], &db, err);
        rest = slice_of(rest.ptr + consumed, rest.len - consumed);
    }
    if (rc != RC_OK) {
        struct err why = *err;
        return err_set(err, rc, "record %" PRIu64 ": %s", record->lsn, why.text);
    }
    if (r->records % 65536 == 0 && r->ks->options.on_replay_progress != NULL)
        r->ks->options.on_replay_progress(r->ks->options.ctx, r->records, 0);
    return RC_OK;
}

enum rc recover(struct keyspace *ks, uint64_t applied_lsn, struct err *err)
{
    struct recovery r = {.ks = ks, .t = txn_new(ks, 0), .parser = resp_parser_new()};
    struct mono start = clock_mono();
    must(r.parser != NULL);
    ks->replaying = true;
    enum rc rc = journal_replay(ks->journal, applied_lsn, replay_record, &r, err);
    ks->replaying = false;
    if (rc == RC_OK && r.records > 0)
        log_line(LOG_NOTICE, "recovered %" PRIu64 " records of the journal in %.3f seconds",
                 r.records, (double)(clock_mono().us - start.us) / 1e6);
    txn_free(&r.t);
    resp_parser_free(&r.parser);
    return rc;
}
