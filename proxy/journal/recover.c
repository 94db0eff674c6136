/* Opening, replaying and starting: from what a past run left to a running journal.
 *
 *   open     lock, read the headers, find the end of the segments, see what the rings hold beyond
 *   replay   segments, then rings; changes nothing, may be repeated
 *   start    1. remove the spares of earlier runs
 *            2. a new segment, whole and synced, that begins with all records that no marker or
 *               header proves to be durable: the end of the segments, and what only the rings hold
 *            3. remove the segments that it replaces, and those behind the end
 *            4. empty the rings; they count only together with the run named in that segment
 *
 * Killed between any two steps, the next open finds the same records. A new segment with every
 * start is what makes this simple: nothing is ever appended behind a torn tail.
 *
 * The end of the segments is written anew although reading shows it. A run that saw a sync fail and
 * was killed leaves pages that are on no disk and that the system takes for clean: they can be read
 * for as long as the machine runs, and a sync of them succeeds and does nothing.
 *
 * What the rings hold beyond the segments, and a gap in it:
 *   - The machine has run ever since (same boot id): everything that was appended is there. An LSN
 *     that is missing was handed out and not appended when the process was killed, at most one a
 *     producer. Its transaction was not acknowledged and still held its locks, so nothing behind
 *     the gap depends on it, while what is behind may have been acknowledged: a no-op takes the
 *     place, and the history goes on.
 *   - Else the rings' pages are from any time: the history ends at the gap.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/missing.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

/* ---- the rings of the last run ---- */

struct ring_walk {
    struct journal *j;
    uint64_t next_lsn;
    uint32_t gaps_left;
    bool cut; /* ended before records that do not follow on */
    struct record_header noop;
};

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
    return err_set(err, RC_CORRUPT,
                   "journal file '%s' is damaged at offset %llu: a record at or above %llu is "
                   "lost; `weirctl journal salvage` keeps what is before",
                   old->name,
                   (unsigned long long)(FORMAT_PAGE + (old->ring.cursor & (old->ring.bytes - 1))),
                   (unsigned long long)w->next_lsn);
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

static enum rc open_old_ring(struct journal *j, uint32_t producer, struct err *err)
{
    struct old_ring *old = &j->old[j->old_len];
    memset(old, 0, sizeof(*old));
    old->producer = producer;
    format_ring_name(old->name, producer);
    char *path = chain_path(j->dir, old->name);
    enum rc rc = ring_open(j->fs, path, j->id, &old->ring, err);
    free(path);
    if (rc == RC_CORRUPT || rc == RC_NOT_FOUND) {
        if (j->chain.len > 0) /* else a first start was killed on the way */
            log_err(LOG_NOTICE, "journal: a ring is not usable, it is made anew", err);
        j->coherent = false;
        return RC_OK;
    }
    if (rc != RC_OK)
        return rc;
    const struct ring_page *page = old->ring.page;
    old->counts = j->chain_end > 0 && page->generation == j->run;
    if (old->counts && !same_boot(j, page->boot_id))
        j->coherent = false;
    j->old_len++;
    return RC_OK;
}

/* The run of the last segment says which rings belong to it: older contents were carried over. */
static enum rc open_old_rings(struct journal *j, struct err *err)
{
    bool any = false;
    enum rc rc = RC_OK;
    j->old = aligned_alloc(CACHE_LINE, (j->chain.rings_len + 1) * sizeof(*j->old));
    must(j->old != NULL);
    j->coherent = true;
    for (size_t i = 0; i < j->chain.len; i++)
        if (j->chain.segments[i].good)
            j->run = max_u64(j->run, j->chain.segments[i].header.run);
    for (size_t i = 0; rc == RC_OK && i < j->chain.rings_len; i++)
        rc = open_old_ring(j, j->chain.rings[i], err);
    for (size_t i = 0; i < j->old_len; i++)
        any |= j->old[i].counts;
    j->coherent &= any;
    return rc;
}

void recover_release(struct journal *j)
{
    for (size_t i = 0; i < j->old_len; i++)
        ring_close(j->fs, &j->old[i].ring);
    free(j->old);
    j->old = NULL;
    j->old_len = 0;
    chain_close(&j->chain);
}

/* ---- open ---- */

/* Everything up to the durable LSN in the last header is synced, so the end is looked for from
 * there on, or from where the first segment with a good header begins: it may have got its name
 * before what it continues was synced. What is before is verified when it is replayed. */
static enum rc find_end(struct journal *j, struct err *err)
{
    const struct record_header *record;
    struct chain_walk w;
    const struct chain_segment *first = chain_first_good(&j->chain);
    uint64_t durable = first == NULL ? 0 : first->header.continues_after;
    for (size_t i = 0; i < j->chain.len; i++)
        if (j->chain.segments[i].good)
            durable = max_u64(durable, j->chain.segments[i].header.durable_lsn);
    enum rc rc = chain_walk_init(&w, &j->chain, durable, j->coherent, err);
    if (rc == RC_OK && j->chain.len > 0) {
        do
            rc = chain_walk_next(&w, &record, err);
        while (rc == RC_OK);
        j->chain_end = w.at + 1;
    }
    j->chain_lsn = w.next_lsn - 1;
    j->proven_lsn = min_u64(max_u64(durable, w.durable_lsn), j->chain_lsn);
    j->run_begun = w.marked_run == j->run || j->chain.number_max > j->run + 1;
    if (w.torn) {
        struct chain_place place = chain_walk_place(&w);
        log_line(LOG_NOTICE,
                 "journal: '%s' ends at offset %llu in what was not synced when it was "
                 "interrupted: cut off behind record %llu",
                 place.name, (unsigned long long)place.offset, (unsigned long long)j->chain_lsn);
    }
    chain_walk_fini(&w);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc find_last(struct journal *j, struct err *err)
{
    const struct record_header *record;
    struct ring_walk w;
    enum rc rc;
    ring_walk_init(&w, j, j->chain_lsn);
    do
        rc = ring_walk_next(&w, &record, err);
    while (rc == RC_OK);
    if (w.cut && rc == RC_NOT_FOUND)
        log_line(LOG_NOTICE, "journal: records behind %llu in the rings are incomplete: dropped",
                 (unsigned long long)w.next_lsn - 1);
    atomic_store(&j->clock, w.next_lsn - 1);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc check_options(const struct journal_options *o, struct err *err)
{
    uint64_t ring = o->ring_bytes == 0 ? RING_BYTES_DEFAULT : o->ring_bytes;
    if (o->segment_bytes < SEGMENT_BYTES_MIN)
        return err_set(err, RC_INVALID, "a journal segment needs %d bytes at least",
                       SEGMENT_BYTES_MIN);
    if (ring < RING_BYTES_MIN || (ring & (ring - 1)) != 0 || ring > UINT32_MAX)
        return err_set(err, RC_INVALID, "the size of a journal ring must be a power of two");
    if (o->producers == 0 || o->producers > 4096)
        return err_set(err, RC_INVALID, "a journal needs 1 to 4096 producers");
    return RC_OK;
}

static struct journal *new_journal(const struct journal_options *options)
{
    struct journal *j = aligned_alloc(CACHE_LINE, format_round_up(sizeof(*j), CACHE_LINE));
    must(j != NULL);
    memset(j, 0, sizeof(*j));
    j->options = *options;
    if (j->options.ring_bytes == 0)
        j->options.ring_bytes = RING_BYTES_DEFAULT;
    j->options.segment_bytes = format_round_up(options->segment_bytes, FORMAT_PAGE);
    j->fs = options->fs == NULL ? &fs_posix : options->fs;
    j->options.fs = j->fs;
    j->dir = strdup(options->dir);
    must(j->dir != NULL);
    j->options.dir = j->dir;
    j->lock_handle = -1;
    j->policy = options->fsync;
    lock_init(&j->lock);
    cond_init(&j->wake_cond);
    cond_init(&j->progress);
    cond_init(&j->sync_cond);
    lock_init(&j->names_lock);
    return j;
}

/* The id that a ring says, when no segment does (any more, or because its header is damaged). */
static bool id_of_rings(struct journal *j)
{
    bool found = false;
    for (size_t i = 0; !found && i < j->chain.rings_len; i++) {
        char name[FORMAT_NAME_MAX];
        struct ring ring;
        struct err ignored;
        format_ring_name(name, j->chain.rings[i]);
        char *path = chain_path(j->dir, name);
        if (ring_open(j->fs, path, NULL, &ring, &ignored) == RC_OK) {
            memcpy(j->id, ring.page->journal_id, sizeof(j->id));
            found = true;
            ring_close(j->fs, &ring);
        }
        free(path);
    }
    return found;
}

/* A journal has the id that its files say. A new one gets its id here, and keeps it from the first
 * segment on, which the start makes. */
static enum rc settle_id(struct journal *j, struct err *err)
{
    static const uint8_t none[JOURNAL_ID_BYTES];
    memcpy(j->id, j->chain.journal_id, sizeof(j->id));
    j->existed = memcmp(j->id, none, sizeof(none)) != 0 || id_of_rings(j) || j->chain.len > 0;
    if (!j->existed)
        memcpy(j->id, j->options.new_id, sizeof(j->id));
    if (!j->existed && memcmp(j->id, none, sizeof(none)) == 0 &&
        getrandom(j->id, sizeof(j->id), 0) != (ssize_t)sizeof(j->id))
        return err_sys(err, errno, "no random bytes for the id of the journal '%s'", j->dir);
    format_key_init(&j->key, j->id);
    j->chain.key = j->key;
    return RC_OK;
}

/* Reads everything but the records that are known to be synced. */
static enum rc examine(struct journal *j, struct err *err)
{
    enum rc rc = chain_open(&j->chain, j->fs, j->dir, err);
    if (rc == RC_OK)
        rc = settle_id(j, err);
    if (rc == RC_OK) {
        j->fs->boot_id(j->fs->ctx, j->boot_id);
        j->chain_end = j->chain.len;
        rc = open_old_rings(j, err);
    }
    if (rc == RC_OK)
        rc = find_end(j, err);
    if (rc == RC_OK)
        rc = find_last(j, err);
    return rc == RC_OK ? missing_check(j, err) : rc;
}

enum rc recover_examine(const struct fs *fs, const char *dir, struct err *err)
{
    struct journal_options options = {.dir = dir, .fs = fs, .producers = 1};
    struct journal *j = new_journal(&options);
    enum rc rc = examine(j, err);
    journal_close(&j);
    return rc;
}

enum rc journal_open(const struct journal_options *options, struct journal **out, struct err *err)
{
    enum rc rc = check_options(options, err);
    if (rc != RC_OK)
        return rc;
    struct journal *j = new_journal(options);
    rc = j->fs->make_dir(j->fs->ctx, j->dir, err);
    if (rc == RC_OK)
        rc = j->fs->lock_dir(j->fs->ctx, j->dir, &j->lock_handle, err);
    if (rc == RC_OK)
        rc = j->fs->lookup(j->fs->ctx, j->dir, &j->dir_id, err);
    if (rc == RC_OK)
        rc = examine(j, err);
    if (rc != RC_OK)
        journal_close(&j);
    else
        *out = j;
    return rc;
}

/* ---- what there is ---- */

const uint8_t *journal_id(const struct journal *j)
{
    return j->id;
}

void journal_get_history(const struct journal *j, struct journal_history *out)
{
    must(!j->started);
    const struct chain *c = &j->chain;
    *out = (struct journal_history){
        .exists = j->existed, .coherent = j->coherent, .last_lsn = journal_lsn(j)};
    memcpy(out->id, j->id, sizeof(out->id));
    const struct chain_segment *first = chain_first_good(c);
    if (first != NULL)
        out->after_lsn = first->first_lsn - 1;
    out->whole_after_lsn = out->after_lsn;
    for (size_t i = 1; i < j->chain_end; i++) { /* a jump: what was between was lost */
        const struct segment_header *h = &c->segments[i].header;
        if (c->segments[i].good && h->continues_after + 1 < h->first_lsn)
            out->whole_after_lsn = h->first_lsn - 1;
    }
}

/* ---- replay ---- */

static struct journal_record view(const struct record_header *r)
{
    return (struct journal_record){
        .lsn = r->lsn,
        .time = {r->time_ms},
        .db = r->db,
        .flags = r->flags,
        .payload = slice_of(r + 1, r->len),
    };
}

enum rc journal_replay(struct journal *j, uint64_t after_lsn,
                       enum rc (*each)(void *ctx, const struct journal_record *record,
                                       struct err *err),
                       void *ctx, struct err *err)
{
    must(!j->started);
    const struct record_header *record;
    struct chain_walk w;
    struct ring_walk rings;
    enum rc rc = chain_walk_init(&w, &j->chain, after_lsn, j->coherent, err);
    while (rc == RC_OK && after_lsn < j->chain_lsn) {
        rc = chain_walk_next(&w, &record, err);
        if (rc != RC_OK || record->lsn <= after_lsn)
            continue;
        struct journal_record r = view(record);
        rc = each(ctx, &r, err);
    }
    chain_walk_fini(&w);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    ring_walk_init(&rings, j, j->chain_lsn);
    do {
        rc = ring_walk_next(&rings, &record, err);
        if (rc != RC_OK || record->lsn <= after_lsn)
            continue;
        struct journal_record r = view(record);
        rc = each(ctx, &r, err);
    } while (rc == RC_OK);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

/* ---- start ---- */

/* The records above the last one that is proven to be durable: what the segments end with, then
 * what only the rings hold. */
struct tail_walk {
    struct journal *j;
    struct chain_walk chain;
    struct ring_walk rings;
    bool in_rings;
};

static enum rc tail_walk_init(struct tail_walk *w, struct journal *j, struct err *err)
{
    w->j = j;
    w->in_rings = false;
    ring_walk_init(&w->rings, j, j->chain_lsn);
    return chain_walk_init(&w->chain, &j->chain, j->proven_lsn, j->coherent, err);
}

/* RC_NOT_FOUND: the end. */
static enum rc tail_walk_next(struct tail_walk *w, const struct record_header **out,
                              struct err *err)
{
    while (!w->in_rings && w->chain.next_lsn <= w->j->chain_lsn) {
        enum rc rc = chain_walk_next(&w->chain, out, err);
        if (rc == RC_NOT_FOUND) /* a last segment that holds nothing yet */
            break;
        if (rc != RC_OK || (*out)->lsn > w->j->proven_lsn)
            return rc;
    }
    w->in_rings = true;
    return ring_walk_next(&w->rings, out, err);
}

/* The tail as the body of a segment, collected into larger writes. */
static enum rc write_tail(struct journal *j, struct fs_file *file, uint64_t number, uint64_t *end,
                          struct err *err)
{
    const struct record_header *record;
    struct tail_walk w;
    size_t cap = (size_t)j->options.segment_bytes, len = 0;
    char *buf = malloc(cap);
    must(buf != NULL);
    enum rc rc = tail_walk_init(&w, j, err);
    while (rc == RC_OK) {
        rc = tail_walk_next(&w, &record, err);
        uint64_t bytes = rc == RC_OK ? format_record_bytes(record->len) : 0;
        if (len > 0 && (rc == RC_NOT_FOUND || len + bytes > cap)) {
            enum rc written = j->fs->pwrite(j->fs->ctx, file, buf, len, *end, err);
            *end += len;
            len = 0;
            if (written != RC_OK)
                rc = written;
        }
        if (rc != RC_OK)
            break;
        if (bytes > cap) {
            cap = (size_t)bytes;
            buf = realloc(buf, cap);
            must(buf != NULL);
        }
        struct record_header *to = (void *)(buf + len);
        memcpy(to, record, (size_t)bytes);
        to->checksum = format_hash(&j->key, record) ^ format_mix(number);
        len += bytes;
    }
    chain_walk_fini(&w.chain);
    free(buf);
    static const char zeros[FORMAT_TAIL_ZEROS];
    return rc == RC_NOT_FOUND ? j->fs->pwrite(j->fs->ctx, file, zeros, sizeof(zeros), *end, err)
                              : rc;
}

/* How large the tail is, and with which LSN it begins. */
static enum rc measure_tail(struct journal *j, uint64_t *first_lsn, uint64_t *bytes,
                            struct err *err)
{
    const struct record_header *record;
    struct tail_walk w;
    *bytes = 0;
    enum rc rc = tail_walk_init(&w, j, err);
    while (rc == RC_OK && (rc = tail_walk_next(&w, &record, err)) == RC_OK) {
        if (*bytes == 0)
            *first_lsn = record->lsn;
        *bytes += format_record_bytes(record->len);
    }
    if (*bytes == 0)
        *first_lsn = j->chain_lsn + 1;
    chain_walk_fini(&w.chain);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

/* The segments that were found, as part of the journal that runs now. */
static void take_over_segments(struct journal *j)
{
    for (size_t i = 0; i < j->chain_end; i++) {
        const struct chain_segment *from = &j->chain.segments[i];
        struct segment *s = calloc(1, sizeof(*s));
        must(s != NULL);
        s->number = from->header.number;
        s->first_lsn = from->first_lsn;
        s->continues_after = from->good ? from->header.continues_after : from->first_lsn - 1;
        s->bytes = from->size;
        s->synced = s->named = s->spoiled = true;
        segment_link(j, s);
    }
}

/* A spare of the usual size; on a full disk one that holds what it must, so that reads can be
 * served: the next segment then waits for room, and says so. */
static enum rc prepare_segment(struct journal *j, uint64_t need, struct err *err)
{
    bool done = false;
    enum rc rc = RC_OK;
    while (rc == RC_OK && !done)
        rc = spare_step(j, max_u64(need, j->options.segment_bytes), &done, err);
    if (rc != RC_FULL)
        return rc;
    log_err(LOG_WARNING, "journal: no room for a segment, beginning with a small one", err);
    spare_discard(j, &j->making);
    rc = names_sync(j, atomic_load(&j->names_epoch), err); /* gives its space back */
    need = format_round_up(need, FORMAT_PAGE);
    while (rc == RC_OK && !done)
        rc = spare_step(j, need, &done, err);
    if (rc != RC_FULL)
        return rc;
    spare_discard(j, &j->making);
    return err_set(err, RC_FULL,
                   "no room for the journal in '%s': %llu bytes are needed to start, and %llu more "
                   "to take writes",
                   j->dir, (unsigned long long)need, (unsigned long long)j->options.segment_bytes);
}

/* Step 2: a segment that is whole and durable, and the current one from now on. Those that begin
 * with the same LSN or later are replaced by it. */
static enum rc begin_segment(struct journal *j, uint64_t first_lsn, uint64_t after,
                             uint64_t body_bytes, struct err *err)
{
    uint64_t need = FORMAT_DATA_AT + body_bytes + FORMAT_TAIL_ZEROS + FORMAT_PAGE, end;
    enum rc rc = prepare_segment(j, need, err);
    if (rc != RC_OK)
        return rc;
    for (const struct segment *old = j->oldest; old != NULL; old = old->next)
        if (old->first_lsn == first_lsn)
            after = old->continues_after;
    struct spare spare = j->making;
    j->making.file = NULL;
    struct segment *s = segment_new(j, &spare, first_lsn, after);
    rc = segment_write_whole(j, &spare, s, body_bytes > 0 ? write_tail : NULL, &end, err);
    if (rc != RC_OK) {
        spare_discard(j, &spare);
        free(s);
        return rc;
    }
    if (j->current != NULL) { /* only when a floor follows a tail */
        j->fs->close(j->fs->ctx, &j->current->file);
        j->current->synced = true;
    }
    s->named = true;
    segment_adopt(j, s, end);
    j->unsynced = s;
    return RC_OK;
}

static enum rc begin_segments(struct journal *j, uint64_t floor_lsn, struct err *err)
{
    uint64_t last = journal_lsn(j), first = 0, bytes = 0;
    enum rc rc = measure_tail(j, &first, &bytes, err);
    j->next_number = j->chain.number_max + 1;
    j->run = j->next_number;
    atomic_store(&j->durable_lsn, j->proven_lsn);
    if (rc == RC_OK && (bytes > 0 || floor_lsn <= last))
        rc = begin_segment(j, first, first - 1, bytes, err);
    if (rc != RC_OK)
        return rc;
    atomic_store(&j->durable_lsn, last);
    if (floor_lsn > last)
        rc = begin_segment(j, floor_lsn + 1, last, 0, err);
    last = max_u64(last, floor_lsn);
    atomic_store(&j->clock, last);
    atomic_store(&j->written_lsn, last);
    atomic_store(&j->durable_lsn, last);
    j->gathered_lsn = last;
    return rc;
}

static bool is_in_use(const struct journal *j, uint64_t first_lsn)
{
    const struct segment *s = j->oldest;
    while (s != NULL && s->first_lsn != first_lsn)
        s = s->next;
    return s != NULL;
}

/* Step 3: segments behind the end, and those that were superseded long ago. */
static enum rc remove_the_rest(struct journal *j, struct err *err)
{
    struct chain *c = &j->chain;
    enum rc rc = RC_OK;
    for (size_t i = c->len + c->superseded; rc == RC_OK && i > j->chain_end; i--) {
        if (is_in_use(j, c->segments[i - 1].first_lsn)) /* the name is another file's by now */
            continue;
        char *path = chain_path(j->dir, c->segments[i - 1].name);
        rc = j->fs->remove(j->fs->ctx, path, err);
        free(path);
    }
    return rc == RC_OK ? names_sync(j, atomic_load(&j->names_epoch), err) : rc;
}

/* The ring of a producer: its old one if it has the right size, else a new one. */
static enum rc set_up_ring(struct journal *j, uint32_t producer, bool *created, struct err *err)
{
    struct ring *ring = &j->producers[producer].ring;
    for (size_t i = 0; i < j->old_len; i++) {
        struct old_ring *old = &j->old[i];
        if (old->producer != producer || old->ring.bytes != j->options.ring_bytes)
            continue;
        *ring = old->ring;
        old->ring.page = NULL;
        return RC_OK;
    }
    char name[FORMAT_NAME_MAX];
    format_ring_name(name, producer);
    char *path = chain_path(j->dir, name);
    *created = true;
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < j->chain.rings_len; i++)
        if (j->chain.rings[i] == producer)
            rc = j->fs->remove(j->fs->ctx, path, err);
    if (rc == RC_OK)
        rc = ring_create(j->fs, path, j->options.ring_bytes, ring, err);
    free(path);
    return rc;
}

static enum rc identify_ring(struct journal *j, uint32_t producer, struct err *err)
{
    char name[FORMAT_NAME_MAX];
    format_ring_name(name, producer);
    char *path = chain_path(j->dir, name);
    enum rc rc = j->fs->lookup(j->fs->ctx, path, &j->producers[producer].ring_id, err);
    free(path);
    return rc;
}

/* Step 4. All are emptied only when all exist. */
static enum rc set_up_rings(struct journal *j, struct err *err)
{
    bool changed = false;
    enum rc rc = RC_OK;
    size_t bytes = j->options.producers * sizeof(*j->producers);
    j->producers = aligned_alloc(CACHE_LINE, bytes);
    must(j->producers != NULL);
    memset(j->producers, 0, bytes);
    j->producers_len = j->options.producers;
    for (uint32_t p = 0; rc == RC_OK && p < j->producers_len; p++)
        rc = set_up_ring(j, p, &changed, err);
    for (uint32_t p = 0; rc == RC_OK && p < j->producers_len; p++)
        rc = identify_ring(j, p, err);
    for (size_t i = 0; rc == RC_OK && i < j->chain.rings_len; i++) {
        char name[FORMAT_NAME_MAX];
        if (j->chain.rings[i] < j->producers_len)
            continue;
        format_ring_name(name, j->chain.rings[i]);
        char *path = chain_path(j->dir, name);
        rc = j->fs->remove(j->fs->ctx, path, err);
        free(path);
        changed = true;
    }
    if (rc == RC_OK && changed)
        rc = names_sync(j, atomic_load(&j->names_epoch), err);
    for (uint32_t p = 0; rc == RC_OK && p < j->producers_len; p++) {
        struct ring *ring = &j->producers[p].ring;
        ring_reset(ring, j->id, j->boot_id, p, j->run);
        /* Best effort: an append that faults a page in would be slow. Only a store makes the page
         * of a file writable. */
        (void)mlock(ring->page, (size_t)ring->bytes + FORMAT_PAGE);
        for (uint64_t at = 0; at < ring->bytes; at += FORMAT_PAGE)
            *(volatile char *)(ring->data + at) = 0;
    }
    return rc;
}

/* Spares of earlier runs hold nothing, and nobody knows whether a sync of one has failed. So they
 * go, and one that cannot be removed is left alone: it must not keep the journal from starting. */
static void remove_spares(struct journal *j)
{
    for (size_t i = 0; i < j->chain.spares_len; i++) {
        char name[FORMAT_NAME_MAX];
        struct err err;
        j->spare_serial = max_u64(j->spare_serial, j->chain.spares[i]);
        format_spare_name(name, j->chain.spares[i]);
        char *path = chain_path(j->dir, name);
        if (j->fs->remove(j->fs->ctx, path, &err) != RC_OK)
            log_err(LOG_WARNING, "cannot remove an unused journal segment of an earlier run", &err);
        free(path);
    }
}

enum rc journal_start(struct journal *j, uint64_t floor_lsn, struct err *err)
{
    must(!j->started);
    remove_spares(j);
    take_over_segments(j);
    enum rc rc = names_sync(j, atomic_load(&j->names_epoch), err); /* gives their space back */
    if (rc == RC_OK)
        rc = begin_segments(j, floor_lsn, err);
    if (rc == RC_OK)
        rc = remove_the_rest(j, err);
    if (rc == RC_OK)
        rc = set_up_rings(j, err);
    if (rc != RC_OK)
        return rc;
    /* A run whose rings are set up has a marker: from now on they are needed. */
    rc = group_write_mark(j, err);
    if (rc != RC_OK)
        return rc;
    group_set_durable(j, j->gathered_lsn);
    recover_release(j);
    retained_init(&j->retained, j->options.ring_bytes / 2);
    j->trimmed_lsn = j->oldest->continues_after;
    j->spare_want = j->options.segment_bytes;
    j->started = true;
    thread_start(&j->syncer, "journal-sync", 0, syncer_main, j);
    thread_start(&j->writer, "journal", 0, writer_main, j);
    return RC_OK;
}
