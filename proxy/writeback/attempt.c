/* One attempt at a batch: what the backend says of its items becomes outcomes and records.
 *
 *   on_begin ──> on_refused, on_conflict ... ──> before_commit ──> [the backend commits]
 *      outcomes and records of                     records are durable,
 *      the attempt before are void                 or the backend does not commit
 *
 * Whether a commit of which the answer was lost has happened is asked, not guessed: the second
 * attempt would see no conflict any more where the first one lost it. While nobody can say, the
 * attempt is kept as it is (`unsure` of the lane), its records too, and asking is all that is done.
 *
 * Thread: flusher.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/internal.h"

#include "base/log.h"
#include "base/path.h"
#include "config/options.h"
#include "store/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { JOURNAL_LOOK_US = 1000 };

struct attempt {
    struct writeback *wb;
    struct batch *batch;
    struct piece *piece;      /* the one that the backend has; NULL: none yet */
    struct piece *first_part; /* of the key whose parts are under way; NULL: of none */
    struct err part_refused;  /* why it was refused; code RC_OK: it was not */
    uint64_t items;           /* of all pieces so far */
    uint32_t refused, conflicts, kept_theirs;
    struct told {     /* of the first one of a kind */
        char key[80]; /* printable */
        struct err why;
        uint64_t id; /* of its record; 0: there is none */
    } first_refused, first_conflict;
    struct err records; /* why something could not be recorded; RC_OK: it could */
    struct backend_applied applied;
    bool reached_commit;
};

static struct records_bounds bounds_of(enum record_kind kind)
{
    bool letters = kind == RECORD_DEAD_LETTER;
    return (struct records_bounds){
        (uint64_t)option_num(letters ? OPT_dead_letters_max : OPT_conflicts_max),
        (uint64_t)option_num(letters ? OPT_dead_letters_max_bytes : OPT_conflicts_max_bytes)};
}

static void attempt_describe(struct writeback *wb, const struct backend_item *ours,
                             struct record *out)
{
    int number = dbmap_number(&wb->front.map, ours->db);
    out->time = clock_wall();
    out->number = number < 0 ? 0 : (uint32_t)number;
    out->ours = ours;
}

static void attempt_keep(struct attempt *a, struct record *record, const struct backend_item *ours)
{
    if (a->records.code != RC_OK)
        return; /* nothing will be committed */
    struct records_bounds bounds = bounds_of(record->kind);
    attempt_describe(a->wb, ours, record);
    record->lsn = a->batch->cut_lsn;
    a->records.code = records_add(a->wb->records, record, &bounds, &a->records);
}

enum rc record_lost_changes(struct writeback *wb, const struct lost *lost, struct err *err)
{
    static const char on_top[] = "backend-wins, made on top of a change that lost";
    struct records_bounds bounds = bounds_of(RECORD_CONFLICT);
    uint32_t n = (uint32_t)lost->items->len;
    struct record *list = alloc_try(n * sizeof(*list));
    if (list == NULL)
        return err_set(err, RC_NOMEM, "no memory for the records of %u lost changes", n);
    for (uint32_t i = 0; i < n; i++) {
        list[i] = (struct record){.kind = RECORD_CONFLICT,
                                  .lsn = lost->lsn,
                                  .reason = slice_str(lost->reason ? lost->reason : on_top),
                                  .ours_lost = true};
        attempt_describe(wb, &lost->items->items[i], &list[i]);
    }
    enum rc rc = records_add_alone(wb->records, list, n, &bounds, err);
    if (rc == RC_OK)
        stat_add(STAT_conflicts_total, n);
    free(list);
    return rc;
}

static void on_begin(void *ctx)
{
    struct attempt *a = ctx;
    a->piece = a->first_part = NULL;
    a->part_refused.code = RC_OK;
    a->batch->in_memory = 0;
    a->items = 0;
    a->refused = a->conflicts = a->kept_theirs = 0;
    a->records.code = RC_OK;
    a->reached_commit = false;
    records_begin(a->wb->records, a->batch->cut_lsn);
}

/* What the transaction has is only needed for another attempt: beyond a bound it waits on disk. */
static void put_by(struct attempt *a)
{
    struct batch *b = a->batch;
    uint64_t bytes = a->piece != NULL ? piece_memory(a->piece) : 0;
    if (bytes == 0)
        return;
    b->in_memory += bytes;
    if (b->in_memory > batch_memory()) {
        spool_put(&a->wb->lane.spool, a->piece);
        b->in_memory -= bytes;
    }
}

/* What could not be recorded, for people. */
static enum rc records_error(const struct attempt *a, struct err *err)
{
    if (a->records.code == RC_FULL && a->refused > 0)
        return err_set(err, RC_FULL,
                       "%s; a batch with %u refused keys waits, and all behind it: WEIR DEADLETTER "
                       "RETRY or DROP some, or CONFIG SET a higher bound",
                       a->records.text, a->refused);
    *err = a->records;
    return err->code;
}

/* After keep(). */
static void note_first(const struct attempt *a, struct told *first, struct slice key,
                       const struct err *why)
{
    first->id = a->records.code == RC_OK ? records_last_id(a->wb->records) : 0;
    struct buf text = {0};
    buf_append_escaped(&text, key, 64);
    snprintf(first->key, sizeof(first->key), "%.*s", (int)text.len, text.data);
    first->why = *why;
    buf_fini(&text);
}

/* --- A key in parts --- */

/* The piece after one of the parts, NULL after the last: what the backend does not have yet is
 * still being linked by the cutter. */
static struct piece *attempt_next_part(const struct attempt *a, const struct piece *p)
{
    return p == a->piece ? NULL : p->next;
}

static bool is_part(const struct piece *p)
{
    return p->live > 0 && p->items != NULL && p->items[p->live - 1].goes_on;
}

/* The whole of what came in parts, as one item, whose elements the caller frees. They lie in the
 * pieces, which are read back for that. */
static enum rc join_parts(struct attempt *a, struct backend_item *out, struct err *err)
{
    struct backend_element *elements = NULL;
    uint32_t n = 0;
    for (struct piece *p = a->first_part; p != NULL; p = attempt_next_part(a, p)) {
        enum rc rc = spool_get(&a->wb->lane.spool, p, err);
        uint32_t more = rc == RC_OK ? p->items[0].elements_len : 0;
        struct backend_element *grown =
            rc == RC_OK ? alloc_try_resize(elements, (n + more + (size_t)1) * sizeof(*elements))
                        : NULL;
        if (grown == NULL) {
            free(elements);
            return rc != RC_OK ? rc : err_set(err, RC_NOMEM, "no memory for a large dead letter");
        }
        elements = grown;
        if (p == a->first_part)
            *out = p->items[0];
        if (more > 0)
            memcpy(&elements[n], p->items[0].elements, more * sizeof(*elements));
        n += more;
    }
    out->elements = elements;
    out->elements_len = n;
    out->goes_on = false;
    return RC_OK;
}

static void attempt_refuse_parts(struct attempt *a)
{
    struct backend_item whole;
    struct record r = {.kind = RECORD_DEAD_LETTER, .reason = slice_str(a->part_refused.text)};
    if (a->records.code == RC_OK)
        a->records.code = join_parts(a, &whole, &a->records);
    if (a->records.code != RC_OK)
        return;
    attempt_keep(a, &r, &whole);
    if (a->refused++ == 0)
        note_first(a, &a->first_refused, whole.key, &a->part_refused);
    free((void *)(uintptr_t)whole.elements);
    for (struct piece *p = a->first_part; p != NULL; p = attempt_next_part(a, p)) {
        p->outcomes[0] = BATCH_DEAD;
        if (p != a->piece)
            spool_put(&a->wb->lane.spool, p);
    }
}

/* Of parts that all kept or lost something, the last one has the outcome of the whole. */
static void settle_parts(struct attempt *a)
{
    uint8_t outcome = BATCH_APPLIED;
    for (struct piece *p = a->first_part; p != NULL; p = attempt_next_part(a, p))
        outcome = max_u64(outcome, p->outcomes[0]) & 0xff;
    a->piece->outcomes[0] = outcome;
}

/* The backend has had the last one of them. */
static void attempt_end_parts(struct attempt *a)
{
    if (LIKELY(a->first_part == NULL) || is_part(a->piece))
        return; /* there is none, or more to come */
    if (a->part_refused.code != RC_OK)
        attempt_refuse_parts(a);
    else
        settle_parts(a);
    a->first_part = NULL;
    a->part_refused.code = RC_OK;
}

/* --- What the backend asks and says --- */

static enum rc next_piece(void *ctx, const struct backend_item **items, uint32_t *items_len,
                          struct err *err)
{
    struct attempt *a = ctx;
    struct piece *p;
    attempt_end_parts(a);
    put_by(a);
    if (a->records.code != RC_OK) /* nothing will be committed */
        return records_error(a, err);
    enum rc rc = lane_next_piece(a->wb, a->batch, a->piece, &p, err);
    if (rc == RC_OK && p->outcomes == NULL && !piece_try_seal(p, &a->batch->map))
        return err_set(err, RC_NOMEM, "no memory to sort %u keys of a batch", p->len);
    if (rc == RC_OK)
        rc = spool_get(&a->wb->lane.spool, p, err); /* where it is not in memory */
    if (rc != RC_OK)
        return rc;
    memset(p->outcomes, BATCH_APPLIED, p->live);
    a->piece = p;
    atomic_store_explicit(&a->wb->applied_keys, a->items, memory_order_relaxed);
    a->items += p->live - is_part(p);
    if (a->first_part == NULL && is_part(p))
        a->first_part = p;
    a->records.code = records_supersede(a->wb->records, p->items, p->live, &a->records);
    *items = p->items;
    *items_len = p->live;
    return RC_OK;
}

static void on_refused(void *ctx, uint32_t item, const struct err *why)
{
    struct attempt *a = ctx;
    must(item < a->piece->live);
    if (a->first_part != NULL) { /* what the key would be is known at the last one */
        a->part_refused = *why;
        return;
    }
    struct record r = {.kind = RECORD_DEAD_LETTER, .reason = slice_str(why->text)};
    attempt_keep(a, &r, &a->piece->items[item]);
    if (a->refused++ == 0)
        note_first(a, &a->first_refused, a->piece->items[item].key, why);
    a->piece->outcomes[item] = BATCH_DEAD;
}

static enum backend_verdict on_conflict(void *ctx, uint32_t item, const struct backend_conflict *c)
{
    struct attempt *a = ctx;
    must(item < a->piece->live);
    enum backend_verdict verdict = conflict_decide();
    struct err why;
    struct record r = {.kind = RECORD_CONFLICT,
                       .reason = slice_str(conflict_verdict_name(verdict)),
                       .ours_lost = verdict == BACKEND_KEEP,
                       .base = c->base,
                       .theirs = c->theirs};
    (void)err_set(&why, RC_INVALID, "%s, %s is in the record", conflict_verdict_name(verdict),
                  r.ours_lost ? "ours" : "theirs");
    attempt_keep(a, &r, c->ours);
    if (a->conflicts++ == 0)
        note_first(a, &a->first_conflict, c->ours->key, &why);
    if (verdict == BACKEND_KEEP && a->records.code == RC_OK)
        a->records.code = records_add_kept(a->wb->records, &a->piece->items[item], &a->records);
    a->kept_theirs += verdict == BACKEND_KEEP;
    a->piece->outcomes[item] = verdict == BACKEND_KEEP ? BATCH_KEPT_THEIRS : BATCH_APPLIED_OVER;
    return verdict;
}

static void on_merged(void *ctx, uint32_t item)
{
    struct attempt *a = ctx;
    uint8_t *outcome = &a->piece->outcomes[item];
    if (*outcome != BATCH_KEPT_THEIRS)
        *outcome = BATCH_MERGED;
}

/* A record that lies in memory only must not be in the backend first: after a kill the store would
 * be ahead of the journal, as it is when the wrong journal lies beside it, and the start refused.
 * Where the journal cannot be written, what memory holds is better off in the backend. */
static void wait_for_journal(struct writeback *wb, uint64_t cut_lsn)
{
    struct lane *l = &wb->lane;
    int64_t until_us = clock_mono().us + option_num(OPT_backend_timeout_ms) * 1000;
    if (LIKELY(journal_oversize_lsn(wb->journal) > cut_lsn))
        return;
    journal_request_sync(wb->journal);
    lock_acquire(&l->lock);
    while (journal_oversize_lsn(wb->journal) <= cut_lsn && !journal_is_failing(wb->journal) &&
           clock_mono().us < until_us)
        cond_wait_us(&l->cond, &l->lock, JOURNAL_LOOK_US);
    lock_release(&l->lock);
}

static enum rc before_commit(void *ctx, struct err *err)
{
    struct attempt *a = ctx;
    struct records *r = a->wb->records;
    attempt_end_parts(a);
    enum rc rc = a->records.code;
    if (rc == RC_OK && a->batch->map_changed)
        rc = records_keep_databases(r, &a->batch->map, &a->records);
    if (rc == RC_OK)
        rc = records_commit(r, &a->records);
    if (rc == RC_OK)
        wait_for_journal(a->wb, a->batch->cut_lsn);
    a->reached_commit = rc == RC_OK;
    a->records.code = rc;
    return rc == RC_OK ? RC_OK : records_error(a, err);
}

static struct attempt *attempt_try_new(struct writeback *wb, struct batch *b)
{
    struct attempt *a = alloc_try(sizeof(*a));
    if (a != NULL)
        *a = (struct attempt){.wb = wb, .batch = b};
    return a;
}

void attempt_free(struct attempt **ap)
{
    free(*ap);
    *ap = NULL;
}

/* RC_OK: the backend has this batch. RC_NOT_FOUND: it has not. Any other code: it cannot say. A cut
 * that only carries a map may have the position of the one before; to write a map twice is
 * harmless. */
static enum rc ask_outcome(struct writeback *wb, const struct batch *b, struct err *err)
{
    struct backend_position p;
    if (b->cut_lsn <= writeback_applied_lsn(wb))
        return RC_NOT_FOUND;
    enum rc rc = wb->ops->position(wb->backend, &p, err);
    if (rc != RC_OK)
        return rc;
    if (memcmp(p.mark.journal_id, b->mark.journal_id, sizeof(p.mark.journal_id)) != 0)
        return err_set(
            err, RC_FOREIGN,
            "the backend belongs to another journal by now and cannot say what became of "
            "the last batch: put the right one back, or stop and see `weirctl store`");
    return p.cut_lsn >= b->cut_lsn ? RC_OK : RC_NOT_FOUND;
}

/* One line of each kind for a batch, however many keys it is about. */
static void attempt_tell(const struct attempt *a)
{
    if (a->refused + a->conflicts == 0)
        return;
    char place[PATH_MAX];
    const char *shown = path_shown(records_path(a->wb->records), place);
    if (a->refused > 0) {
        stat_add(STAT_dead_letters_total, a->refused);
        log_line(LOG_WARNING,
                 "the backend refuses %u keys of a batch, dead letters now (WEIR DEADLETTER LIST, "
                 "%s); the first is number %llu, '%s': %s",
                 a->refused, shown, (unsigned long long)a->first_refused.id, a->first_refused.key,
                 a->first_refused.why.text);
    }
    if (a->conflicts > 0) {
        stat_add(STAT_conflicts_total, a->conflicts);
        log_line(LOG_WARNING,
                 "%u keys of a batch were changed in the backend too (WEIR CONFLICTS LIST, %s); "
                 "the first is number %llu, '%s': %s",
                 a->conflicts, shown, (unsigned long long)a->first_conflict.id,
                 a->first_conflict.key, a->first_conflict.why.text);
    }
}

static enum rc attempt_apply(struct attempt *a, struct err *err)
{
    struct writeback *wb = a->wb;
    const struct batch *b = a->batch;
    struct backend_batch batch = {
        .cut_lsn = b->cut_lsn,
        .mark = b->mark,
        .next_piece = next_piece,
        .dbmap = &b->map, /* always: somebody else may have changed what is there */
        .on_begin = on_begin,
        .on_conflict = on_conflict,
        .on_merged = on_merged,
        .on_refused = on_refused,
        .before_commit = before_commit,
        .ctx = a,
    };
    return wb->ops->apply(wb->backend, &batch, &a->applied, err);
}

static void attempt_account(struct attempt *a)
{
    struct writeback *wb = a->wb;
    stat_add(STAT_flushed_items, a->items - a->refused);
    stat_add(STAT_flushed_rows, a->applied.rows);
    stat_add(STAT_flushed_bytes, a->applied.bytes);
    losses_add(wb, writeback_applied_lsn(wb), a->batch->cut_lsn, a->refused, a->kept_theirs);
    attempt_tell(a);
}

enum rc attempt_batch(struct writeback *wb, struct batch *b, bool *records_failed, struct err *err)
{
    struct attempt *a = wb->lane.unsure;
    enum rc rc = RC_NOT_FOUND, outcome = RC_NOT_FOUND;
    *records_failed = false;
    if (a != NULL)
        rc = outcome = ask_outcome(wb, b, err);
    if (rc == RC_NOT_FOUND) {
        attempt_free(&wb->lane.unsure);
        a = attempt_try_new(wb, b);
        if (a == NULL)
            return err_set(err, RC_NOMEM, "no memory to begin a flush");
        rc = outcome = attempt_apply(a, err);
        *records_failed = rc != RC_OK && a->records.code != RC_OK;
        struct err ignored; /* what apply said is the reason */
        if (rc != RC_OK)
            outcome = a->reached_commit ? ask_outcome(wb, b, &ignored) : RC_NOT_FOUND;
    }
    if (outcome != RC_OK && outcome != RC_NOT_FOUND) {
        wb->lane.unsure = a;
        return rc;
    }
    wb->lane.unsure = NULL;
    records_end(wb->records, outcome == RC_OK);
    if (outcome == RC_OK) {
        attempt_account(a);
        rc = RC_OK;
    }
    attempt_free(&a);
    return rc;
}
