/* See steps.h: running the steps.
 *
 * Cuts are only made when a step asks for one (the cutter is paused in between), so that a sequence
 * says exactly what was in which cut; after !free they are made as in a server.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/steps_internal.h"

#include "base/num.h"
#include "base/stats.h"
#include "journal/journal.h"
#include "keyspace/internal.h"
#include "writeback/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum { SWAPS_MAX = 10000, PATIENCE_US = 10000000, CLOCK_START_S = 1800000000 };

struct steps steps;
static _Atomic int64_t clock_ms = INT64_C(1000) * CLOCK_START_S;

struct wall steps_clock(void)
{
    return (struct wall){atomic_load(&clock_ms)};
}

static int64_t patience_us(void)
{
    const char *factor = getenv("WEIR_PATIENCE");
    return PATIENCE_US * (factor != NULL ? strtoll(factor, NULL, 10) : 1);
}

void steps_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    steps.report->cause = (uintptr_t)format;
    vsnprintf(steps.report->text, sizeof(steps.report->text), format, args);
    va_end(args);
    _exit(1);
}

static void await(bool (*condition)(void), const char *what)
{
    int64_t until = clock_mono().us + patience_us();
    const struct writeback *wb = keyspace_writeback(steps.ks.ks);
    for (int round = 0; !condition(); round++) {
        if (clock_mono().us > until)
            steps_fail("waited in vain for %s; %lld keys dirty, %llu in flight, %u databases dead",
                       what, (long long)writeback_dirty_keys(wb),
                       (unsigned long long)atomic_load(&wb->in_flight_keys),
                       atomic_load(&wb->front.map.dead));
        /* No condition of ours: a step may stand in the middle of a transaction on purpose. */
        struct timespec look_again = {.tv_nsec = round < 100 ? 20000 : 1000000};
        nanosleep(&look_again, NULL);
    }
}

/* --- Clients --- */

void words_add(struct words *w, struct slice bytes)
{
    must(w->len < STEP_WORDS_MAX);
    w->at[w->len] = model_text(bytes);
    w->slices[w->len] = w->at[w->len]->bytes;
    w->len++;
}

static void be_ready(struct waiter *w)
{
    struct step_client *c =
        (struct step_client *)(void *)((char *)w - offsetof(struct step_client, session.waiter));
    lock_acquire(&c->lock);
    c->ready = true;
    cond_signal(&c->cond);
    lock_release(&c->lock);
}

static void connect_clients(void)
{
    static const struct host host; /* no command here asks for anything of it */
    steps.worker = command_worker_new(steps.ks.ks, &host, 0);
    for (int i = 0; i < 2; i++) {
        struct step_client *c = &steps.clients[i];
        *c = (struct step_client){.ready = false};
        session_init(&c->session, (uint64_t)i + 1);
        c->session.waiter.ready = be_ready;
        lock_init(&c->lock);
        cond_init(&c->cond);
    }
}

static void disconnect_clients(void)
{
    for (int i = 0; i < 2; i++) {
        command_leave(&steps.clients[i].session);
        session_fini(&steps.clients[i].session, steps.ks.ks);
        buf_fini(&steps.clients[i].reply);
        buf_fini(&steps.clients[i].raw);
    }
    command_worker_free(&steps.worker);
}

/* The request as it would come from a socket; argv points into it. */
static struct slice encode(struct step_client *c, const struct words *w, struct slice *argv)
{
    size_t starts[STEP_WORDS_MAX];
    c->raw.len = 0;
    buf_printf(&c->raw, "*%u\r\n", w->len);
    for (uint32_t i = 0; i < w->len; i++) {
        buf_printf(&c->raw, "$%zu\r\n", w->slices[i].len);
        starts[i] = c->raw.len;
        buf_append_slice(&c->raw, w->slices[i]);
        buf_append_str(&c->raw, "\r\n");
    }
    for (uint32_t i = 0; i < w->len; i++)
        argv[i] = slice_of(c->raw.data + starts[i], w->slices[i].len);
    return buf_slice(&c->raw);
}

/* False: it waits for a load. */
static bool try_say(struct step_client *c, uint32_t db, const struct words *w)
{
    struct slice argv[STEP_WORDS_MAX];
    struct request r = {.argc = w->len, .argv = argv, .raw = encode(c, w, argv)};
    if ((c->session.flags & SESSION_MULTI) == 0)
        c->session.db = db;
    if (command_run(steps.worker, &c->session, &r, -1) == RUN_PARKED)
        return false;
    struct buf *out = &c->session.reply.buf;
    c->reply.len = 0;
    buf_append_slice(&c->reply, buf_slice(out));
    reply_truncate(&c->session.reply, 0);
    atomic_fetch_add(&steps.report->commands, 1);
    return true;
}

static void wait_until_ready(struct step_client *c)
{
    int64_t until = clock_mono().us + patience_us();
    lock_acquire(&c->lock);
    while (!c->ready) {
        if (clock_mono().us > until)
            steps_fail("a command waits forever");
        /* No condition: another client of this thread may be in the middle of a transaction. */
        struct timespec look_again = {.tv_nsec = 20000};
        lock_release(&c->lock);
        nanosleep(&look_again, NULL);
        lock_acquire(&c->lock);
    }
    c->ready = false;
    lock_release(&c->lock);
    atomic_fetch_add(&steps.report->parked, 1);
}

/* Errors that a command of these may end in; others mean that the server could not do it. */
static void check_reply(const struct step_client *c, const struct words *w)
{
    static const char *const expected[] = {"-ERR ", "-WRONGTYPE ", "-BUSYKEY ", "-INVALIDOBJ "};
    const char *reply = c->reply.data;
    bool fine = reply[0] != '-';
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        fine = fine || strncmp(reply, expected[i], strlen(expected[i])) == 0;
    if (!fine)
        steps_fail("%.*s is answered with %.*s", (int)w->at[0]->bytes.len, w->at[0]->bytes.ptr,
                   (int)c->reply.len, reply);
}

static void end_split(void);

/* What is captured in parts is the cutter's, which must be able to go on. */
static void finish_saying(struct step_client *c, uint32_t db, const struct words *w, bool said)
{
    while (!said) {
        if (c->session.waiter.capture_since_us != 0)
            end_split();
        wait_until_ready(c);
        said = try_say(c, db, w);
    }
    check_reply(c, w);
}

void steps_say(uint32_t db, const struct words *w)
{
    struct step_client *c = &steps.clients[0];
    finish_saying(c, db, w, try_say(c, db, w));
}

/* --- Commands, here and in the model --- */

/* What is made of a key that somebody else has changed is as uncertain as that. */
static void spread_edits(const struct words *w)
{
    bool any = false;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 1; i < w->len; i++) {
            int key = model_key(w->at[i]);
            if (key < 0)
                continue;
            any |= steps.edited[key];
            if (any && pass == 1)
                steps.edited[key] = steps.tainted[key] = true;
        }
    }
}

static void take_into_model(uint32_t db, const struct words *w, const struct step_client *c)
{
    int adopt = -1;
    spread_edits(w);
    steps.model.now_ms = steps_clock().ms;
    if (model_run(&steps.model, db, w->len, w->at, &adopt) != MODEL_ADOPT)
        return;
    if (c->reply.data[0] == '-')
        return;
    struct model_slot *s = &steps.model.dbs[db].keys[adopt];
    view_note_past(); /* what is asked now may be due to an expired key */
    model_put(s, view_key(db, adopt));
}

static bool is_whole(const char *line)
{
    static const char *const words[] = {"FLUSHDB", "FLUSHALL", "SWAPDB", "SORT"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strstr(line, words[i]) != NULL)
            return true;
    return false;
}

static char hex_byte(const char *at)
{
    char digits[3] = {at[0], at[1], '\0'};
    return (char)strtol(digits, NULL, 16);
}

/* `text` is taken apart in place. */
static void split(char *text, struct words *w)
{
    char *rest = NULL;
    w->len = 0;
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        size_t len = 0;
        for (const char *from = word; *from != '\0'; len++) {
            bool escaped = from[0] == '%' && from[1] != '\0';
            word[len] = escaped ? hex_byte(from + 1) : *from;
            from += escaped ? 3 : 1;
        }
        words_add(w, slice_of(word, len));
    }
}

/* The parts between separators; `text` is cut into them. */
static uint32_t split_parts(char *text, const char *separator, struct words *parts)
{
    uint32_t n = 0;
    for (char *next; text != NULL && n < STEP_PARTS_MAX; text = next) {
        next = strstr(text, separator);
        if (next != NULL) {
            *next = '\0';
            next += strlen(separator);
        }
        split(text, &parts[n]);
        n += parts[n].len > 0;
    }
    return n;
}

static void run_group(uint32_t db, char *text)
{
    static struct words parts[STEP_PARTS_MAX];
    struct step_client *c = &steps.clients[0];
    uint32_t n = split_parts(text, " ; ", parts);
    for (uint32_t i = 0; i < n; i++)
        steps_say(db, &parts[i]);
    if (n > 1 && c->reply.data[0] != '*')
        steps_fail("EXEC is answered with %.*s", (int)c->reply.len, c->reply.data);
    for (uint32_t i = 0; i < n; i++) {
        int64_t number = 0;
        if (slice_is_word(parts[i].slices[0], "select") &&
            num_parse_i64(parts[i].slices[1], &number))
            db = (uint32_t)number;
        else
            take_into_model(db, &parts[i], c);
    }
    view_note_past();
}

/* The first part is said by a client that may have to wait, and then goes last. */
static void run_overlapping(uint32_t db, char *text)
{
    static struct words parts[STEP_PARTS_MAX];
    struct step_client *late = &steps.clients[1];
    uint32_t n = split_parts(text, " & ", parts);
    if (n == 0)
        return;
    bool said = try_say(late, db, &parts[0]);
    for (uint32_t i = 0; i < n; i++) {
        const struct words *w = &parts[said ? i : (i + 1) % n];
        bool is_late = w == &parts[0];
        if (is_late)
            finish_saying(late, db, w, said);
        else
            steps_say(db, w);
        take_into_model(db, w, is_late ? late : &steps.clients[0]);
        view_note_past();
    }
}

static void run_command_step(char *line)
{
    char *text = NULL;
    uint32_t db = (uint32_t)strtoul(line, &text, 10);
    if (strncmp(text, " & ", 3) == 0)
        run_overlapping(db, text + 3);
    else
        run_group(db, text);
}

/* --- Cuts --- */

static struct writeback *writeback(void)
{
    return keyspace_writeback(steps.ks.ks);
}

/* What is left to do behind a commit is done, too. */
static bool is_committed(void)
{
    struct writeback *wb = writeback();
    return writeback_applied_lsn(wb) >= atomic_load(&wb->last_cut_lsn) && lane_is_idle(wb) &&
           atomic_load(&wb->in_flight_keys) == 0;
}

static bool has_begun(void)
{
    return journal_cut(keyspace_journal(steps.ks.ks)) != steps.cut_before;
}

/* While the backend takes nothing, a cut of many pieces is not captured to its end, except by
 * writers. */
static bool is_captured(void)
{
    return stat_get(STAT_cuts) > steps.cuts_before || ((steps.held || steps.down) && has_begun());
}

static void allow_cut(void)
{
    steps.cuts_before = stat_get(STAT_cuts);
    steps.cut_before = journal_cut(keyspace_journal(steps.ks.ks));
    atomic_store(&writeback()->pausing, false);
    writeback_request_flush(writeback());
}

static bool can_cut(void)
{
    struct writeback *wb = writeback();
    return lane_is_idle(wb) &&
           (writeback_dirty_keys(wb) > 0 || atomic_load(&wb->front.map.changed) ||
            journal_last_lsn(keyspace_journal(steps.ks.ks)) > writeback_applied_lsn(wb));
}

static bool has_looked(void)
{
    struct writeback *wb = writeback();
    lock_acquire(&wb->lock);
    bool looked = !wb->flush_requested;
    lock_release(&wb->lock);
    return looked;
}

/* No cut begins from here on, not even one that the cutter had decided on a moment ago: it takes a
 * request at the end of a round. */
static void make_no_cuts(void)
{
    atomic_store(&writeback()->pausing, true);
    writeback_request_flush(writeback());
    await(has_looked, "the cutter");
}

static void await_commit(void)
{
    if (steps.held || steps.down || steps.stuck != NULL)
        return;
    await(is_committed, "a commit");
    atomic_fetch_add(&steps.report->commits, 1);
    view_check_backend();
}

static void cut(void)
{
    if (steps.loose || !can_cut())
        return;
    allow_cut();
    await(is_captured, "a cut");
    make_no_cuts();
    atomic_fetch_add(&steps.report->cuts, 1);
    await_commit();
}

/* Databases are exchanged without pause while a cut is made: which map belongs to it? */
static void cut_among_swaps(void)
{
    if (steps.loose || !is_committed() || !can_cut())
        return;
    static struct words w;
    w.len = 0;
    words_add(&w, SLICE("SWAPDB"));
    words_add(&w, SLICE("0"));
    words_add(&w, SLICE("1"));
    allow_cut();
    for (int i = 0; i < SWAPS_MAX && !is_captured(); i++) {
        steps_say(0, &w);
        take_into_model(0, &w, &steps.clients[0]);
        view_note_past();
    }
    await(is_captured, "a cut among swaps");
    make_no_cuts();
    steps.two_commits = true; /* the map as it is now may have gone, too */
    atomic_fetch_add(&steps.report->cuts, 1);
    await_commit();
    steps.two_commits = false;
}

/* A shard that no key of the model can be in, as long as no database is flushed. */
static struct shard *free_shard(void)
{
    struct store *store = &steps.ks.ks->store;
    uint32_t from = (uint32_t)(stat_get(STAT_cuts) * 7);
    for (uint32_t i = 0; i < store->shards_len; i++) {
        struct shard *sh = &store->shards[(from + i) % store->shards_len];
        bool taken = false;
        for (uint32_t db = 0; db < MODEL_DBS; db++)
            for (int key = 0; key < MODEL_KEYS; key++)
                taken |= sh == store_shard(store, keyspace_hash(steps.ks.ks, db,
                                                                slice_str(model_key_names[key])));
        if (!taken)
            return sh;
    }
    return NULL;
}

/* The cutter stops at a shard of which the lock is kept; after it nothing is captured yet. */
static void begin_split(void) NO_TSA
{
    bool sweeping = atomic_load(&writeback()->front.map.dead) > 0; /* it would be stuck in that */
    struct shard *sh =
        steps.loose || sweeping || !is_committed() || !can_cut() ? NULL : free_shard();
    if (sh == NULL)
        return;
    lock_acquire(&sh->lock);
    steps.stuck = sh;
    allow_cut();
    await(has_begun, "a cut that is stuck");
    atomic_store(&writeback()->pausing, true); /* the cutter cannot begin another */
}

static void end_split(void) NO_TSA
{
    if (steps.stuck == NULL)
        return;
    lock_release(&steps.stuck->lock);
    steps.stuck = NULL;
    await(is_captured, "the end of a cut");
    make_no_cuts(); /* and it is in the lane by now */
    atomic_fetch_add(&steps.report->cuts, 1);
    await_commit();
}

/* --- Control steps --- */

static void execute(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        steps_fail("%s: %s", sql, sqlite3_errmsg(db));
}

static void hold(bool on)
{
    if (steps.held == on)
        return;
    steps.held = on;
    if (steps.blocker != NULL)
        execute(steps.blocker, on ? "BEGIN IMMEDIATE" : "ROLLBACK");
    else
        memory_hold_applies(steps.ks.store, on);
}

static void set_down(bool on)
{
    if (steps.blocker != NULL)
        return;
    steps.down = on;
    memory_fail_applies(steps.ks.store, on ? UINT64_MAX : 0, RC_UNAVAILABLE);
    lane_hurry(writeback());
}

static void release(void)
{
    hold(false);
    lane_hurry(writeback());
    await_commit();
}

static bool has_settled(void)
{
    return !atomic_load(&writeback()->front.map.changed) && (steps.down || is_committed());
}

/* A keyspace that has databases which its backend does not know makes a cut on its own. It may be
 * on its way into the lane when all seems settled. */
static void after_open(void)
{
    if (steps.loose)
        return;
    await(has_settled, "the first cut");
    make_no_cuts();
    await(has_settled, "the first commit");
}

/* What is in flight is not committed before the end; then everything is to come back. */
/* per_cent 100: replays what the backend does not have. */
static void restart(bool drain, unsigned per_cent)
{

    if (drain) {
        set_down(false);
        atomic_store(&writeback()->pausing, false);
    } else if (steps.blocker == NULL) {
        memory_fail_applies(steps.ks.store, UINT64_MAX, RC_UNAVAILABLE);
    }
    hold(false);
    disconnect_clients();
    ks_stop(&steps.ks, drain);
    view_start_rewound(per_cent);
    set_down(steps.down);
    after_open();
    connect_clients();
    atomic_fetch_add(&steps.report->restarts, 1);
    steps.two_commits = true;
    view_check_backend();
    steps.two_commits = false;
}

static void refuse(struct words *w)
{
    int key = model_key(w->at[1]);
    if (steps.blocker != NULL || key < 0)
        return;
    steps.tainted[key] = true;
    memory_reject_key(steps.ks.store, w->slices[1]);
}

static void retry_letters(void)
{
    ks_order(&steps.ks, ORDER_RETRY_LETTER, 0);
}

/* Nothing is refused any more; what was is tried again, by an operator. */
static void accept_all(void)
{
    release();
    set_down(false);
    await_commit();
    memory_accept_all(steps.ks.store);
    if (steps.blocker == NULL)
        retry_letters();
    cut();
    memset(steps.tainted, 0, sizeof(steps.tainted));
    if (!steps.loose)
        view_check_backend();
    view_check_all();
}

static void edit(struct words *w)
{
    int64_t db = 0;
    int key = model_key(w->at[2]);
    if (steps.blocker != NULL || key < 0 || !num_parse_i64(w->slices[1], &db))
        return;
    steps.tainted[key] = steps.edited[key] = true;
    uint32_t store_db = dbmap_store_db(&writeback()->front.map, (uint32_t)db);
    enum value_type type =
        w->len > 4 ? (enum value_type)(w->at[4]->bytes.ptr[0] - '0') : VALUE_STRING;
    struct slice name = type == VALUE_LIST ? SLICE("") : w->slices[3]; /* a place has no name */
    struct backend_element e = {.name = name, .value = w->slices[3], .score = 1};
    struct backend_item item = {.db = store_db,
                                .key = w->slices[2],
                                .type = type,
                                .value = w->slices[3],
                                .replace = true,
                                .elements_len = type > VALUE_STRING,
                                .elements = &e};
    memory_edit(steps.ks.store, &item);
}

static uint64_t polls_before;

static bool has_polled(void)
{
    return memory_counters(steps.ks.store).polls >= polls_before + 2;
}

/* Until the proxy knows of what others changed, and they of what it has. */
static void settle(void)
{
    release();
    set_down(false);
    await_commit();
    polls_before = memory_counters(steps.ks.store).polls;
    await(has_polled, "the next poll");
    cut();
    polls_before = memory_counters(steps.ks.store).polls;
    await(has_polled, "the next poll");
    cut(); /* what was written over theirs is written anew, as a whole */
    view_adopt_tainted();
}

static void tick(void)
{
    (void)keyspace_tick(steps.ks.ks, command_worker_txn(steps.worker), 0, 1, 1000000);
    steps.model.now_ms = steps_clock().ms;
    model_expire(&steps.model);
    view_note_past();
}

static uint64_t count_word(const struct words *w)
{
    int64_t n = 0;
    return w->len > 1 && num_parse_i64(w->slices[1], &n) ? (uint64_t)n : 0;
}

static void check_step(struct words *w)
{
    int64_t db = 0;
    steps.model.now_ms = steps_clock().ms;
    if (slice_is_word(w->slices[0], "!look"))
        view_check_backend();
    else if (slice_is_word(w->slices[0], "!rows") && steps.rows_written != count_word(w))
        steps_fail("%llu rows were written", (unsigned long long)steps.rows_written);
    else if (slice_is_word(w->slices[0], "!check"))
        view_check_all();
    else if (w->len > 2 && model_key(w->at[2]) >= 0 && num_parse_i64(w->slices[1], &db))
        view_check_key((uint32_t)db, model_key(w->at[2]));
    view_note_past();
}

static void fail_batches(const struct words *w, bool lost)
{
    if (steps.blocker != NULL || steps.down)
        return;
    if (lost)
        memory_fail_applies_after_commit(steps.ks.store, count_word(w), RC_UNAVAILABLE);
    else
        memory_fail_applies(steps.ks.store, count_word(w), RC_UNAVAILABLE);
}

static void run_control_step(struct words *w)
{
    struct slice word = w->slices[0];
    bool reads = slice_is_word(word, "!read"), time = slice_is_word(word, "!time");
    if (!time && !reads)
        end_split();
    if (time)
        atomic_fetch_add(&clock_ms, (int64_t)count_word(w));
    else if (slice_is_word(word, "!cut"))
        cut();
    else if (slice_is_word(word, "!split"))
        begin_split();
    else if (slice_is_word(word, "!swaps"))
        cut_among_swaps();
    else if (slice_is_word(word, "!hold"))
        hold(steps.held || lane_is_idle(writeback()));
    else if (slice_is_word(word, "!release"))
        release();
    else if (slice_is_word(word, "!fail") || slice_is_word(word, "!lost"))
        fail_batches(w, slice_is_word(word, "!lost"));
    else if (slice_is_word(word, "!down") || slice_is_word(word, "!up"))
        set_down(slice_is_word(word, "!down"));
    else if (slice_is_word(word, "!reject"))
        refuse(w);
    else if (slice_is_word(word, "!accept"))
        accept_all();
    else if (slice_is_word(word, "!edit"))
        edit(w);
    else if (slice_is_word(word, "!settle"))
        settle();
    else if (slice_is_word(word, "!evict"))
        atomic_fetch_add(&steps.report->evicted, ks_evict(&steps.ks));
    else if (slice_is_word(word, "!tick"))
        tick();
    else if (slice_is_word(word, "!restart") || slice_is_word(word, "!drain"))
        restart(slice_is_word(word, "!drain"), 100);
    else if (slice_is_word(word, "!rewind"))
        restart(false, (unsigned)(count_word(w) % 101));
    else
        check_step(w);
    if (slice_is_word(word, "!free")) {
        steps.loose = true;
        atomic_store(&writeback()->pausing, false);
    }
    if (slice_is_word(word, "!up"))
        await_commit();
}

static void open_step(struct words *w)
{
    static const char *directives[STEP_PARTS_MAX * 2];
    static char backend[200];
    uint32_t n = 0, first = 1;
    if (w->len > 1 && slice_is_word(w->slices[1], "sqlite")) {
        first = 2;
        strcpy(steps.report->scratch[1], "/tmp/weir-steps-XXXXXX");
        must(mkdtemp(steps.report->scratch[1]) != NULL);
        snprintf(backend, sizeof(backend), "sqlite:%s/weir.db", steps.report->scratch[1]);
        directives[n++] = "--backend";
        directives[n++] = backend;
        directives[n++] = "--backend-timeout-ms";
        directives[n++] = "20";
    }
    directives[n++] = "--databases";
    directives[n++] = "3";
    for (uint32_t i = first; i < w->len && n + 1 < COUNT_OF(directives); i++)
        directives[n++] = strndup(w->slices[i].ptr, w->slices[i].len);
    directives[n] = NULL;
    ks_make(&steps.ks, directives);
    snprintf(steps.report->scratch[0], sizeof(steps.report->scratch[0]), "%s", steps.ks.dir);
    after_open();
    connect_clients();
    view_open_backend();
    model_init(&steps.model);
    steps.model.now_ms = steps_clock().ms;
    steps.rows_before = stat_get(STAT_flushed_rows);
    view_note_past();
}

/* Everything leaves, comes back, and is compared for the last time. */
static void finish(void)
{
    bool edited = false;
    end_split();
    for (int key = 0; key < MODEL_KEYS; key++)
        edited |= steps.edited[key];
    if (edited)
        settle();
    accept_all();
    if (!steps.loose) {
        cut();
        view_check_backend();
    }
    atomic_fetch_add(&steps.report->evicted, ks_evict(&steps.ks));
    view_check_all();
    restart(false, 100);
    view_check_all();
    disconnect_clients();
    view_close_backend();
    ks_destroy(&steps.ks);
    view_forget_pasts(steps.pasts_len);
    model_clear(&steps.model);
    model_forget_texts();
}

void steps_run(const char *const *lines, size_t len, struct steps_report *report)
{
    static char line[64 * 1024];
    static struct words words;
    steps = (struct steps){.report = report};
    for (size_t i = 0; i < len; i++) {
        atomic_store(&report->step, (long)i);
        must(strlen(lines[i]) < sizeof(line));
        strcpy(line, lines[i]);
        if (line[0] != '!') {
            if (is_whole(line))
                end_split();
            run_command_step(line);
            continue;
        }
        split(line, &words);
        if (i == 0)
            open_step(&words);
        else
            run_control_step(&words);
    }
    atomic_store(&report->step, (long)len);
    finish();
}
