/* Recovery: the effects that the journal has above the backend's cut are applied again.
 *
 * Effects are absolute, so applying them in order gives the state at the end of the journal, also
 * where the backend had some of them already. The bases that they need are loaded some at a time,
 * as they were before any outside change that is not settled yet; what had expired since is still
 * there, for its deletion is an effect too. Everything that is changed becomes dirty, and leaves
 * with the first cut. Nothing is written here, so recovery may be killed and run again.
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
    uint32_t db; /* store database of its first effect */
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
    uint32_t db;    /* store database that is selected within the running record */
};

/* An effect with the record that it belongs to and the store database of its keys. */
struct recover_step {
    const struct request *effect;
    size_t record; /* index into pending */
    uint32_t db;
};

static bool selects(const struct request *q, int64_t *db)
{
    return q->argc == 2 && slice_is_word(q->argv[0], "select") && num_parse_i64(q->argv[1], db) &&
           *db > 0 && *db <= STORE_DB_MAX;
}

/* Finds out to which record and database each of `n` effects belongs, the first of which begins at
 * `at` of the gathered bytes. */
static void locate(struct recovery *r, const struct request *effects, size_t n, size_t at,
                   struct recover_step *steps)
{
    for (size_t i = 0; i < n; i++) {
        int64_t selected;
        while (at + effects[i].end > r->pending[r->running].end)
            r->db = r->pending[++r->running].db;
        if (selects(&effects[i], &selected))
            r->db = (uint32_t)selected;
        steps[i] = (struct recover_step){&effects[i], r->running, r->db};
    }
}

/* Queues the load of the base of an effect, where that is not resident. */
static bool want_base(struct recovery *r, const struct recover_step *step, uint64_t hash)
{
    struct keyspace *ks = r->ks;
    if (!replay_needs_base(step->effect->argc, step->effect->argv))
        return true;
    struct txn_key key = {.db = step->db, .mode = KEY_UPDATE, .name = step->effect->argv[1]};
    struct shard *sh = store_shard(&ks->store, hash);
    struct slot slot = {.key = &key, .hash = hash, .shard = sh, .store_db = step->db};
    lock_acquire(&sh->lock);
    bool fine = true;
    if (entry_find(sh, hash, step->db, key.name) == NULL &&
        !writeback_is_complete(ks->wb, sh, step->db))
        fine = load_join(ks, &slot, NULL);
    lock_release(&sh->lock);
    return fine;
}

/* Brings closer what a batch of effects will need: memory, and bases from the backend. The first
 * argument is the key of nearly every effect; for the others this is a wasted hint. */
static enum rc recover_prepare(struct recovery *r, const struct recover_step *steps, size_t n,
                               struct err *err)
{
    uint64_t hashes[BATCH];
    for (size_t i = 0; i < n; i++) {
        const struct request *q = steps[i].effect;
        struct slice key = q->argc > 1 ? q->argv[1] : q->argv[0];
        hashes[i] = store_hash(&r->ks->store, steps[i].db, key);
        store_prefetch_bucket(&r->ks->store, hashes[i]);
    }
    for (size_t i = 0; i < n; i++)
        store_prefetch_entry(&r->ks->store, hashes[i]);
    for (size_t i = 0; i < n; i++) {
        if (!want_base(r, &steps[i], hashes[i]))
            return err_set(err, RC_NOMEM, "out of memory to load a key");
    }
    return load_queued(r->ks, err);
}

static enum rc recover_run(struct recovery *r, const struct recover_step *step, struct err *err)
{
    const struct request *q = step->effect;
    const struct pending *p = &r->pending[step->record];
    int64_t ignored;
    if (selects(q, &ignored))
        return RC_OK;
    r->t->stamp.lsn = p->lsn;
    enum rc rc = replay_effect(r->t, step->db, q->argc, q->argv, err);
    if (rc == RC_OK)
        return RC_OK;
    struct err why = *err;
    return err_set(err, rc, "journal record %" PRIu64 ": %s", p->lsn, why.text);
}

static enum rc run_pending(struct recovery *r, struct err *err)
{
    static const struct resp_limits limits = {
        .argc_max = UINT32_MAX, .bulk_len_max = JOURNAL_PAYLOAD_MAX, .authenticated = true};
    enum rc rc = RC_OK;
    r->running = 0;
    if (r->pending_len > 0)
        r->db = r->pending[0].db;
    for (size_t at = 0; at < r->bytes.len && rc == RC_OK;) {
        struct request requests[BATCH];
        size_t consumed;
        enum resp_status status;
        size_t n = resp_parse(r->parser, &limits, r->bytes.data + at, r->bytes.len - at, requests,
                              BATCH, &consumed, &status);
        if (n == 0 || status == RESP_ERROR)
            return err_set(err, RC_CORRUPT,
                           "journal record %" PRIu64 " does not hold whole effects",
                           r->pending[r->running].lsn);
        struct recover_step steps[BATCH];
        locate(r, requests, n, at, steps);
        rc = recover_prepare(r, steps, n, err);
        for (size_t i = 0; i < n && rc == RC_OK; i++)
            rc = recover_run(r, &steps[i], err);
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
    if (record->db > STORE_DB_MAX)
        return err_set(err, RC_CORRUPT, "journal record %" PRIu64 " is for store database %u",
                       record->lsn, record->db);
    if (!buf_try_reserve(&r->bytes, record->payload.len))
        return err_set(err, RC_NOMEM, "out of memory for record %" PRIu64, record->lsn);
    buf_append_slice(&r->bytes, record->payload);
    r->pending[r->pending_len++] =
        (struct pending){.lsn = record->lsn, .db = record->db, .end = r->bytes.len};
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
    ks->replaying = true; /* and r.t->now stays 0: nothing has expired */
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
