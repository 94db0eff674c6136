/* See walk.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/walk.h"

static void ring_walk_init(struct ring_walk *w, struct journal *j, uint64_t after_lsn)
{
    memset(w, 0, sizeof(*w));
    w->j = j;
    w->next_lsn = after_lsn + 1;
    for (size_t i = 0; i < j->old_len; i++) {
        struct old_ring *old = &j->old[i];
        old->head = NULL;
        if (!old->counts)
            continue;
        old->ring.cursor = atomic_load(&old->ring.page->read_pos);
        old->ring.write_seen = atomic_load(&old->ring.page->write_pos);
        w->gaps_left += j->coherent ? 1 : 0;
    }
}

/* Brings the ring's head to next_lsn or beyond. */
static enum rc advance_head(struct ring_walk *w, struct old_ring *old, struct err *err)
{
    bool bad = false;
    while (old->head == NULL || old->head->lsn < w->next_lsn) {
        if (old->head != NULL)
            ring_skip(&old->ring, old->head);
        old->head = ring_peek(&old->ring, &w->j->key, &bad);
        if (old->head == NULL)
            break;
    }
    if (!bad)
        return RC_OK;
    w->cut = true;
    if (!w->j->coherent)
        return RC_OK;
    char shown[PATH_MAX];
    const char *dir = path_shown(w->j->dir, shown);
    return err_set(err, RC_CORRUPT,
                   "journal file '%s/%s' is damaged at offset %llu: a record at or above %llu is "
                   "lost. Put a sound copy back, or `weirctl journal salvage %s` keeps what is "
                   "before",
                   dir, old->name,
                   (unsigned long long)(FORMAT_PAGE + (old->ring.cursor & (old->ring.bytes - 1))),
                   (unsigned long long)w->next_lsn, dir);
}

/* RC_NOT_FOUND: the end. The record stays valid while the rings are open. */
static enum rc ring_walk_next(struct ring_walk *w, const struct record_header **out,
                              struct err *err)
{
    const struct record_header *first = NULL;
    for (size_t i = 0; i < w->j->old_len; i++) {
        struct old_ring *old = &w->j->old[i];
        if (!old->counts)
            continue;
        enum rc rc = advance_head(w, old, err);
        if (rc != RC_OK)
            return rc;
        if (old->head != NULL && (first == NULL || old->head->lsn < first->lsn))
            first = old->head;
    }
    if (first == NULL)
        return RC_NOT_FOUND;
    if (first->lsn != w->next_lsn) {
        w->cut |= w->gaps_left == 0;
        if (w->gaps_left == 0)
            return RC_NOT_FOUND;
        w->gaps_left--;
        w->noop = (struct record_header){
            .lsn = w->next_lsn, .time_ms = first->time_ms, .flags = JOURNAL_NOOP};
        w->noop.checksum = format_hash(&w->j->key, &w->noop);
        first = &w->noop;
    }
    w->next_lsn++;
    *out = first;
    return RC_OK;
}

enum rc record_walk_init(struct record_walk *w, struct journal *j, uint64_t after_lsn,
                         struct err *err)
{
    w->j = j;
    w->after_lsn = after_lsn;
    w->in_rings = after_lsn >= j->chain_lsn;
    ring_walk_init(&w->rings, j, j->chain_lsn);
    return chain_walk_init(&w->chain, &j->chain, after_lsn, j->coherent, err);
}

void record_walk_fini(struct record_walk *w)
{
    chain_walk_fini(&w->chain);
}

enum rc record_walk_next(struct record_walk *w, const struct record_header **out, struct err *err)
{
    enum rc rc;
    do {
        w->in_rings |= w->chain.next_lsn > w->j->chain_lsn;
        rc = w->in_rings ? ring_walk_next(&w->rings, out, err)
                         : chain_walk_next(&w->chain, out, err);
        if (rc == RC_NOT_FOUND && !w->in_rings) { /* a last segment that holds nothing yet */
            w->in_rings = true;
            rc = ring_walk_next(&w->rings, out, err);
        }
    } while (rc == RC_OK && (*out)->lsn <= w->after_lsn);
    return rc;
}
