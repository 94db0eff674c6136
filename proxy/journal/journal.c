/* The journal as its callers see it: the clock, appending, waiting, and the state. Opening,
 * replaying and starting are in recover.c, the journal thread is in writer.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/missing.h"

#include "base/log.h"

#include <stdlib.h>

uint64_t journal_lsn(const struct journal *j)
{
    return atomic_load(&j->clock) & JOURNAL_LSN_MASK;
}

void journal_wake(struct journal *j, int depth)
{
    int now = atomic_load(&j->sleeping);
    while (now >= depth) {
        if (!atomic_compare_exchange_weak(&j->sleeping, &now, AWAKE))
            continue;
        lock_acquire(&j->lock);
        j->wake = true;
        cond_signal(&j->wake_cond);
        lock_release(&j->lock);
        return;
    }
}

/* ---- the clock ---- */

struct journal_stamp journal_stamp(struct journal *j)
{
    uint64_t now = atomic_fetch_add(&j->clock, 1) + 1;
    return (struct journal_stamp){now & JOURNAL_LSN_MASK, (uint16_t)(now >> JOURNAL_LSN_BITS)};
}

uint64_t journal_bump_cut(struct journal *j)
{
    return atomic_fetch_add(&j->clock, UINT64_C(1) << JOURNAL_LSN_BITS) & JOURNAL_LSN_MASK;
}

uint16_t journal_cut(const struct journal *j)
{
    return (uint16_t)(atomic_load(&j->clock) >> JOURNAL_LSN_BITS);
}

/* ---- waiting ---- */

/* Waits until done(j, arg) or for timeout_us (INT64_MAX: without end). Counting the waiter comes
 * before looking, as the journal thread changes things before it looks for waiters. */
static bool wait_until(struct journal *j, bool (*done)(struct journal *j, void *arg), void *arg,
                       int64_t timeout_us)
{
    int64_t end = timeout_us == INT64_MAX ? INT64_MAX : clock_mono().us + timeout_us;
    bool ok;
    atomic_fetch_add(&j->waiters, 1);
    lock_acquire(&j->lock);
    while (!(ok = done(j, arg))) {
        int64_t left = end == INT64_MAX ? INT64_MAX : end - clock_mono().us;
        if (left <= 0)
            break;
        if (left == INT64_MAX)
            cond_wait(&j->progress, &j->lock);
        else
            cond_wait_us(&j->progress, &j->lock, left);
    }
    lock_release(&j->lock);
    atomic_fetch_sub(&j->waiters, 1);
    return ok;
}

static bool is_durable(struct journal *j, void *lsn)
{
    return atomic_load(&j->durable_lsn) >= *(uint64_t *)lsn;
}

static void ask_for_sync(struct journal *j, uint64_t lsn)
{
    uint64_t old = atomic_load(&j->sync_request);
    while (old < lsn && !atomic_compare_exchange_weak(&j->sync_request, &old, lsn))
        continue;
    if (atomic_load(&j->durable_lsn) < lsn)
        journal_wake(j, SLEEP_TICK);
}

void journal_request_sync(struct journal *j)
{
    ask_for_sync(j, journal_lsn(j));
}

enum rc journal_sync(struct journal *j, uint64_t lsn, int64_t timeout_ms, struct err *err)
{
    lsn = min_u64(lsn, journal_lsn(j));
    if (is_durable(j, &lsn))
        return RC_OK;
    ask_for_sync(j, lsn);
    if (wait_until(j, is_durable, &lsn, timeout_ms * 1000))
        return RC_OK;
    if (journal_is_failing(j))
        return err_set(err, RC_UNAVAILABLE, "the journal cannot be written now");
    return err_set(err, RC_AGAIN, "the journal was not synced within %lld ms",
                   (long long)timeout_ms);
}

/* ---- appending ---- */

static bool oversize_is_bounded(const struct journal *j)
{
    return atomic_load_explicit(&j->oversize_bytes, memory_order_relaxed) <=
           OVERSIZE_RINGS_MAX * j->options.ring_bytes;
}

/* What has to be free. Much of what a transaction says is not known before it holds its locks. */
static uint64_t room_for(const struct ring *ring, uint64_t bytes)
{
    return max_u64(format_record_bytes(bytes), ring->bytes / RESERVED_SHARE);
}

/* A record that no ring takes goes to memory of its own, of which there is only so much. */
static bool journal_has_room(const struct journal *j, struct ring *ring, uint64_t bytes)
{
    uint64_t need = room_for(ring, bytes);
    return LIKELY(oversize_is_bounded(j)) &&
           (LIKELY(ring_has_room(ring, need)) || need > ring_record_max(ring));
}

static uint64_t buffered_bytes(const struct journal *j)
{
    uint64_t bytes = 0;
    for (uint32_t p = 0; p < j->producers_len; p++)
        bytes += ring_used(&j->producers[p].ring);
    return bytes;
}

/* What the rings hold already comes first, and each record may be a group of its own. */
static bool has_room_for_removal(const struct journal *j, uint64_t bytes)
{
    uint64_t need = buffered_bytes(j) + format_record_bytes(bytes) + 2 * FORMAT_MARKER_BYTES;
    return need + FORMAT_TAIL_ZEROS <= atomic_load(&j->room_left);
}

/* Whether a write would come to lie in what is kept for removals. The journal thread sees how far
 * the segment is used up when that is written; what producers append until then could take all. */
static bool takes_kept_room(const struct journal *j, uint64_t bytes)
{
    return buffered_bytes(j) + format_record_bytes(bytes) + kept_room(j) >
           atomic_load(&j->room_left);
}

/* Nothing but removals is accepted while the journal is full, or when this record would fill it. */
static bool journal_is_refused(const struct journal *j, uint64_t bytes, bool removal)
{
    int state = atomic_load_explicit(&j->state, memory_order_acquire);
    if (LIKELY(state == JOURNAL_RUNNING))
        return UNLIKELY(atomic_load_explicit(&j->scarce, memory_order_relaxed)) && !removal &&
               takes_kept_room(j, bytes);
    return !removal || state != JOURNAL_FULL || !has_room_for_removal(j, bytes);
}

/* A write was refused: from now on all are, until there is room for the next segment. The journal
 * thread tells the log. */
static void note_refused(struct journal *j)
{
    int running = JOURNAL_RUNNING;
    if (atomic_load(&j->state) != JOURNAL_RUNNING)
        return;
    atomic_store(&j->pressed, true);
    if (atomic_compare_exchange_strong(&j->state, &running, JOURNAL_FULL))
        journal_wake(j, SLEEP_TICK);
}

static enum rc journal_reserve_any(struct journal *j, uint32_t producer, uint64_t bytes,
                                   bool removal, struct err *err)
{
    must(producer < j->producers_len);
    struct ring *ring = &j->producers[producer].ring;
    if (UNLIKELY(journal_is_refused(j, bytes, removal))) {
        note_refused(j);
        return err_set(err, RC_READONLY, "the journal cannot be written now");
    }
    if (UNLIKELY(bytes > JOURNAL_PAYLOAD_MAX))
        return err_set(err, RC_FULL, "%llu bytes are more than a journal record may have",
                       (unsigned long long)bytes);
    if (LIKELY(journal_has_room(j, ring, bytes)))
        return RC_OK;
    journal_wake(j, SLEEP_TICK);
    return err_set(err, RC_AGAIN, "the journal is behind");
}

enum rc journal_reserve(struct journal *j, uint32_t producer, uint64_t bytes, struct err *err)
{
    return journal_reserve_any(j, producer, bytes, false, err);
}

enum rc journal_reserve_removal(struct journal *j, uint32_t producer, uint64_t bytes,
                                struct err *err)
{
    return journal_reserve_any(j, producer, bytes, true, err);
}

struct wanted_room {
    struct ring *ring;
    uint64_t bytes;
    bool removal;
};

static bool is_answered(struct journal *j, void *arg)
{
    const struct wanted_room *room = arg;
    return journal_is_refused(j, room->bytes, room->removal) ||
           journal_has_room(j, room->ring, room->bytes);
}

enum rc journal_wait_room(struct journal *j, uint32_t producer, uint64_t bytes, bool removal,
                          int64_t timeout_ms, struct err *err)
{
    enum rc rc = journal_reserve_any(j, producer, bytes, removal, err);
    if (rc != RC_AGAIN)
        return rc;
    struct wanted_room room = {&j->producers[producer].ring, bytes, removal};
    wait_until(j, is_answered, &room, timeout_ms * 1000);
    return journal_reserve_any(j, producer, bytes, removal, err);
}

/* Memory for it, with all parts in it that are not in memory of their own. Running out of memory
 * here ends the process: the change is made, and what was acknowledged is in the rings. */
__attribute__((noinline)) static struct oversize *oversize_new(const struct record_header *head,
                                                               struct journal_entry *e)
{
    struct oversize *o = calloc(1, sizeof(*o));
    must(o != NULL);
    o->head = *head;
    o->parts_len = e->parts_len;
    for (uint32_t i = 0; i < e->parts_len; i++) {
        struct slice part = e->parts[i];
        o->parts[i] = part;
        if (e->memory[i] != NULL) {
            o->memory[i] = e->memory[i];
            e->memory[i] = NULL;
        } else if (part.len > 0) {
            char *copy = malloc(part.len);
            must(copy != NULL);
            memcpy(copy, part.ptr, part.len);
            o->memory[i] = copy;
            o->parts[i].ptr = copy;
        }
    }
    return o;
}

/* Hands the record over. Nobody waits here: the transaction's locks are held. */
static void append_oversize(struct journal *j, struct producer *p, struct oversize *o)
{
    uint64_t lsn = o->head.lsn;
    o->account = &j->oversize_bytes;
    atomic_fetch_add(o->account, o->head.len);
    lock_acquire(&j->lock);
    if (atomic_load(&p->oversize) == NULL)
        atomic_store(&p->oversize, o);
    else
        p->oversize_last->next = o;
    p->oversize_last = o;
    j->oversize_newest = max_u64(j->oversize_newest, lsn);
    if (atomic_load(&j->oversize_first) > lsn)
        atomic_store(&j->oversize_first, lsn);
    lock_release(&j->lock);
    ask_for_sync(j, lsn);
}

void journal_append(struct journal *j, uint32_t producer, struct journal_stamp stamp,
                    struct wall now, uint32_t db, uint32_t flags, const struct slice *parts,
                    uint32_t parts_len)
{
    struct journal_entry e = {.stamp = stamp, .now = now, .db = db, .flags = flags};
    must(parts_len <= JOURNAL_PARTS_MAX);
    for (uint32_t i = 0; i < parts_len; i++)
        e.parts[i] = parts[i];
    e.parts_len = parts_len;
    journal_append_entry(j, producer, &e);
}

void journal_append_entry(struct journal *j, uint32_t producer, struct journal_entry *e)
{
    must(producer < j->producers_len);
    struct producer *p = &j->producers[producer];
    uint64_t len = 0;
    for (uint32_t i = 0; i < e->parts_len; i++)
        len += e->parts[i].len;
    must(len <= JOURNAL_PAYLOAD_MAX);
    struct record_header head = {.lsn = e->stamp.lsn,
                                 .time_ms = e->now.ms,
                                 .len = (uint32_t)len,
                                 .db = e->db,
                                 .flags = e->flags & ~FORMAT_MARKER};
    if (UNLIKELY(format_record_bytes(len) > ring_record_max(&p->ring) ||
                 !ring_put(&p->ring, &j->key, &head, e->parts, e->parts_len))) {
        append_oversize(j, p, oversize_new(&head, e));
        return;
    }
    int sleeping = atomic_load(&j->sleeping);
    if (LIKELY(sleeping < SLEEP_TICK))
        return;
    if (sleeping == SLEEP_DEEP)
        journal_wake(j, SLEEP_DEEP);
    else if (ring_used_seen(&p->ring) > p->ring.bytes / 4 &&
             ring_used(&p->ring) > p->ring.bytes / 4)
        journal_wake(j, SLEEP_TICK);
}

void journal_kick(struct journal *j)
{
    if (atomic_load_explicit(&j->policy, memory_order_relaxed) != JOURNAL_FSYNC_ALWAYS)
        return;
    if (journal_lsn(j) > atomic_load(&j->durable_lsn))
        journal_wake(j, SLEEP_TICK);
}

/* ---- state ---- */

uint64_t journal_ring_max(const struct journal *j, uint32_t producer)
{
    return ring_record_max(&j->producers[producer].ring) - sizeof(struct record_header);
}

uint64_t journal_oversize_bytes(const struct journal *j)
{
    return atomic_load_explicit(&j->oversize_bytes, memory_order_relaxed);
}

uint64_t journal_oversize_lsn(const struct journal *j)
{
    return atomic_load_explicit(&j->oversize_first, memory_order_acquire);
}

uint64_t journal_durable_lsn(const struct journal *j)
{
    return atomic_load_explicit(&j->durable_lsn, memory_order_acquire);
}

uint64_t journal_last_lsn(const struct journal *j)
{
    return journal_lsn(j);
}

bool journal_is_failing(const struct journal *j)
{
    return atomic_load_explicit(&j->state, memory_order_acquire) >= JOURNAL_FAILING;
}

bool journal_is_lost(const struct journal *j)
{
    return atomic_load_explicit(&j->state, memory_order_acquire) == JOURNAL_LOST;
}

const char *journal_state_name(enum journal_state state)
{
    switch (state) {
    case JOURNAL_RUNNING:
        return "running";
    case JOURNAL_FULL:
        return "full";
    case JOURNAL_FAILING:
    case JOURNAL_LOST:
        break;
    }
    return "failing";
}

void journal_trim(struct journal *j, uint64_t lsn)
{
    uint64_t old = atomic_load(&j->trim_lsn);
    while (old < lsn && !atomic_compare_exchange_weak(&j->trim_lsn, &old, lsn))
        continue;
    lock_acquire(&j->lock);
    cond_signal(&j->sync_cond);
    lock_release(&j->lock);
}

void journal_set_fsync(struct journal *j, enum journal_fsync policy)
{
    atomic_store(&j->policy, policy);
    atomic_fetch_add(&j->news, 1);
    journal_wake(j, SLEEP_BLOCKED);
}

void journal_get_info(struct journal *j, struct journal_info *out)
{
    memset(out, 0, sizeof(*out));
    out->state = (enum journal_state)atomic_load(&j->state);
    out->durable_lsn = atomic_load(&j->durable_lsn);
    out->written_lsn = atomic_load(&j->written_lsn);
    out->last_lsn = journal_lsn(j);
    out->last_sync_us = atomic_load(&j->last_sync_us);
    out->buffered_bytes = buffered_bytes(j);
    int64_t gap_since_us = atomic_load(&j->gap_since_us);
    if (gap_since_us != 0)
        out->unappended_ms = (clock_mono().us - gap_since_us) / 1000;
    lock_acquire(&j->lock);
    for (uint32_t i = 0; j->started && i < j->options.producers; i++)
        out->rings_bytes += j->producers[i].ring.bytes;
    out->retained_bytes = atomic_load(&j->retained.mapped_bytes);
    out->segments = j->segments_len;
    out->bytes = j->segments_bytes;
    uint64_t left = atomic_load(&j->room_left), segment = j->options.segment_bytes;
    out->bytes_due = out->bytes;
    if (out->buffered_bytes > left)
        out->bytes_due += format_round_up(out->buffered_bytes - left, segment);
    out->trimmed_lsn = j->trimmed_lsn;
    out->error = j->error;
    if (j->oldest != NULL && j->oldest->first_lsn <= out->written_lsn)
        out->first_lsn = j->oldest->first_lsn;
    lock_release(&j->lock);
}

/* ---- the end ---- */

static void stop_threads(struct journal *j)
{
    atomic_store(&j->stop, true);
    journal_wake(j, SLEEP_BLOCKED);
    must(pthread_join(j->writer, NULL) == 0);
    lock_acquire(&j->lock);
    j->sync_stop = true;
    cond_signal(&j->sync_cond);
    lock_release(&j->lock);
    must(pthread_join(j->syncer, NULL) == 0);
}

/* Says that everything is in the segments and synced, if it is. */
static void mark_stop(struct journal *j)
{
    uint64_t last = journal_lsn(j);
    struct stop_mark mark = {j->run, last};
    struct err err;
    if (j->broken || journal_is_lost(j) || atomic_load(&j->durable_lsn) != last)
        return;
    if (stop_mark_write(j->fs, j->dir, j->id, &mark, &err) != RC_OK)
        log_err(LOG_WARNING, "journal: the orderly stop could not be noted", &err);
}

void journal_close(struct journal **journal)
{
    struct journal *j = *journal;
    if (j == NULL)
        return;
    *journal = NULL;
    if (j->started) {
        stop_threads(j);
        mark_stop(j);
    }
    recover_release(j);
    for (struct segment *s = j->oldest, *next; s != NULL; s = next) {
        next = s->next;
        if (s->file != NULL)
            j->fs->close(j->fs->ctx, &s->file);
        free(s);
    }
    if (j->ready.file != NULL)
        j->fs->close(j->fs->ctx, &j->ready.file);
    if (j->making.file != NULL)
        j->fs->close(j->fs->ctx, &j->making.file);
    for (uint32_t p = 0; p < j->producers_len; p++) {
        for (struct oversize *o = j->producers[p].oversize, *next; o != NULL; o = next) {
            next = o->next;
            oversize_free(o);
        }
        ring_close(j->fs, &j->producers[p].ring);
    }
    free(j->producers);
    retained_fini(&j->retained);
    if (j->lock_handle >= 0)
        j->fs->unlock_dir(j->fs->ctx, j->lock_handle);
    cond_fini(&j->wake_cond);
    cond_fini(&j->progress);
    cond_fini(&j->sync_cond);
    lock_fini(&j->lock);
    lock_fini(&j->names_lock);
    free(j->dir);
    free(j);
}
