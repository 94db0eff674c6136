/* See join.h for the table.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/join.h"

#include "base/log.h"
#include "base/path.h"
#include "config/options.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SHORT_ID_BYTES = 4, LINE_MAX_BYTES = 800, TIME_TEXT_BYTES = 40 };

_Static_assert((int)BACKEND_JOURNAL_ID_BYTES == (int)JOURNAL_ID_BYTES, "the same id");

static bool has_journal(const struct backend_position *store)
{
    static const uint8_t none[BACKEND_JOURNAL_ID_BYTES];
    return memcmp(store->mark.journal_id, none, sizeof(none)) != 0;
}

enum rc join_check_url(struct slice url, struct err *err)
{
    char *text = strndup(url.ptr != NULL ? url.ptr : "", url.len);
    must(text != NULL);
    enum rc rc = RC_OK;
    if (backend_find(text) == NULL)
        rc = err_set(err, RC_INVALID,
                     "backend '%s': no such kind of backend; known are sqlite:FILE (see --help)",
                     text);
    free(text);
    return rc;
}

enum rc join_open_store(const struct backend_ops **ops, struct backend **b,
                        struct backend_position *position, struct err *err)
{
    char *url = option_strdup(OPT_backend);
    struct backend_config config = {.url = url,
                                    .dir = ".",
                                    .timeout_ms = option_num(OPT_backend_timeout_ms),
                                    .discards_unused = true,
                                    .memory = (uint64_t)option_num(OPT_buffer_memory) / 100 *
                                              BUFFER_SHARE_CACHES};
    *ops = backend_find(url);
    enum rc rc = join_check_url(slice_str(url), err);
    if (rc == RC_OK)
        rc = (*ops)->open(&config, b, err);
    if (rc == RC_OK)
        rc = (*ops)->position(*b, position, err);
    if (rc == RC_OK && position->cut_lsn > 0 && position->dbmap.len == 0)
        rc = err_set(err, RC_CORRUPT,
                     "%s: the map of its databases is gone (weir_db in SQLite), so nobody knows to "
                     "which of them its keys belong: put back its rows, or restore a backup",
                     url);
    free(url);
    return rc;
}

enum join_verdict join_decide(const struct backend_position *store,
                              const struct journal_history *journal)
{
    uint64_t at = store->cut_lsn;
    bool same = memcmp(store->mark.journal_id, journal->id, sizeof(journal->id)) == 0;
    bool no_record = journal->after_lsn == journal->last_lsn;
    if (!has_journal(store)) {
        if (!journal->exists || (no_record && journal->last_lsn == at))
            return JOIN_JOIN;
        return store->fresh ? JOIN_NEW_STORE : JOIN_FOREIGN;
    }
    if (!journal->exists)
        return JOIN_NO_JOURNAL;
    if (!same)
        return JOIN_FOREIGN;
    bool accepted = at >= journal->after_lsn && store->mark.accepts_lsn >= journal->whole_after_lsn;
    if (at < journal->whole_after_lsn && !accepted)
        return JOIN_STORE_OLDER;
    if (at <= journal->last_lsn)
        return JOIN_REPLAY;
    bool lost_by_power = !journal->coherent && journal->last_lsn >= store->mark.durable_lsn;
    return lost_by_power ? JOIN_REPLAY_NOTHING : JOIN_JOURNAL_OLDER;
}

/* ---- in words ---- */

struct survey {
    uint64_t records;
    int64_t first_ms, last_ms;
    struct err err; /* code RC_OK: all of it can be read */
};

static enum rc count_record(void *ctx, const struct journal_record *record, struct err *err)
{
    struct survey *s = ctx;
    (void)err;
    if (s->records++ == 0)
        s->first_ms = record->time.ms;
    s->last_ms = record->time.ms;
    return RC_OK;
}

static void join_survey(struct journal *j, const struct journal_history *h, struct survey *out)
{
    *out = (struct survey){0};
    enum rc rc = journal_replay(j, h->after_lsn, count_record, out, &out->err);
    if (rc == RC_OK)
        out->err.code = RC_OK;
}

static const char *time_text(int64_t ms, char out[TIME_TEXT_BYTES])
{
    struct tm tm;
    time_t seconds = (time_t)(ms / 1000);
    if (ms == 0 || gmtime_r(&seconds, &tm) == NULL ||
        strftime(out, TIME_TEXT_BYTES, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        snprintf(out, TIME_TEXT_BYTES, "an unknown time");
    return out;
}

static void short_id(const uint8_t *id, char out[2 * SHORT_ID_BYTES + 1])
{
    for (int i = 0; i < SHORT_ID_BYTES; i++)
        snprintf(out + (size_t)i * 2, 3, "%02x", id[i]);
}

struct telling {
    void (*line)(void *ctx, const char *text);
    void *ctx;
};

static void join_tell(const struct telling *to, const char *format, ...) PRINTF_LIKE(2, 3);
static void join_tell(const struct telling *to, const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    to->line(to->ctx, text);
}

/* Where a directive points to: the absolute path, where there is something. Owns: the caller. */
static char *join_place_of(enum option_id id)
{
    char *text = option_strdup(id);
    const char *colon = id == OPT_backend ? strchr(text, ':') : NULL;
    char *full = realpath(colon != NULL ? colon + 1 : text, NULL);
    if (full == NULL)
        return text;
    free(text);
    return full;
}

static void tell_store(const struct telling *to, const struct backend_position *store)
{
    char id[2 * SHORT_ID_BYTES + 1], when[TIME_TEXT_BYTES];
    char *place = join_place_of(OPT_backend);
    short_id(store->mark.journal_id, id);
    if (!has_journal(store) && store->fresh)
        join_tell(to, "store: new and empty, of no journal yet (%s)", place);
    else if (!has_journal(store))
        join_tell(to, "store: at LSN %" PRIu64 " of no known journal (%s)", store->cut_lsn, place);
    else
        join_tell(to, "store: of journal %s, at LSN %" PRIu64 ", from %s (%s)", id, store->cut_lsn,
                  time_text(store->mark.cut_at_ms, when), place);
    free(place);
}

static void tell_journal(const struct telling *to, const struct journal_history *h,
                         const struct survey *s)
{
    char id[2 * SHORT_ID_BYTES + 1], first[TIME_TEXT_BYTES], last[TIME_TEXT_BYTES];
    char *place = join_place_of(OPT_journal_dir);
    short_id(h->id, id);
    if (!h->exists)
        join_tell(to, "journal: none in the directory (%s)", place);
    else if (s->records == 0)
        join_tell(to, "journal: %s, without a record, at LSN %" PRIu64 " (%s)", id, h->last_lsn,
                  place);
    else
        join_tell(to,
                  "journal: %s, %" PRIu64 " records, LSN %" PRIu64 " to %" PRIu64 ", %s to %s (%s)",
                  id, s->records, h->after_lsn + 1, h->last_lsn, time_text(s->first_ms, first),
                  time_text(s->last_ms, last), place);
    free(place);
    if (s->err.code != RC_OK)
        join_tell(to, "journal: cannot be read to its end: %s", s->err.text);
}

static void tell_missing(const struct telling *to, const struct backend_position *store,
                         const struct journal_history *h, const struct survey *s)
{
    char from[TIME_TEXT_BYTES], until[TIME_TEXT_BYTES];
    time_text(store->mark.cut_at_ms, from);
    switch (join_decide(store, h)) {
    case JOIN_NEW_STORE:
        join_tell(to,
                  h->whole_after_lsn == 0
                      ? "the store was removed, or is another one. The journal reaches back to its "
                        "first record: replayed, it gives everything that was written"
                      : "the store was removed, or is another one. Missing: what was written up to "
                        "LSN %" PRIu64 ", which was in a store and is not in the journal",
                  h->whole_after_lsn);
        break;
    case JOIN_FOREIGN:
        join_tell(to, "they do not belong together: what the journal has was not written for this "
                      "store, and what was written for this store is not in it");
        break;
    case JOIN_NO_JOURNAL:
        join_tell(to,
                  "the journal was removed, or is elsewhere. Missing: whatever was written after "
                  "LSN %" PRIu64 " (%s) and had not reached the store",
                  store->cut_lsn, from);
        break;
    case JOIN_STORE_OLDER:
        join_tell(to,
                  "the store is older than the journal (a backup?). Missing: LSN %" PRIu64
                  " to %" PRIu64 ", %" PRIu64 " records, from %s to %s",
                  store->cut_lsn + 1, h->whole_after_lsn, h->whole_after_lsn - store->cut_lsn, from,
                  s->records > 0 && h->whole_after_lsn == h->after_lsn
                      ? time_text(s->first_ms, until)
                      : "later");
        break;
    case JOIN_JOURNAL_OLDER:
        join_tell(to,
                  "the journal is older than the store, or has lost its end. Missing: whatever was "
                  "written after LSN %" PRIu64 " (%s) and had not reached the store",
                  store->cut_lsn, from);
        break;
    case JOIN_JOIN:
    case JOIN_REPLAY:
    case JOIN_REPLAY_NOTHING:
        join_tell(to, "they belong together: the proxy starts with them");
        break;
    }
}

/* weirctl reads the configuration that the proxy reads. */
static void tell_arguments(const struct telling *to)
{
    char dir[PATH_MAX];
    if (options_path()[0] != '\0')
        join_tell(to, "behind the words of weirctl stands the configuration, as for the proxy: %s",
                  options_path());
    else
        join_tell(
            to, "behind the words of weirctl stands the configuration, as for the proxy: --dir %s",
            path_shown(".", dir));
}

static void tell_ways(const struct telling *to, const struct backend_position *store,
                      const struct journal_history *h)
{
    if (!join_is_refused(join_decide(store, h)))
        return;
    join_tell(to, "way 1: put the store and the journal that belong together in place");
    const char *why = join_forbids(store, h, JOIN_WAY_REPLAY);
    if (why == NULL)
        join_tell(to,
                  "way 2: `weirctl store adopt replay`: the journal's LSN %" PRIu64 " to %" PRIu64
                  ", %" PRIu64 " records, are replayed over this store; keys that they name become "
                  "what they say",
                  h->after_lsn + 1, h->last_lsn, h->last_lsn - h->after_lsn);
    else
        join_tell(to, "way 2, replaying the journal over this store, is closed: %s", why);
    if (h->exists)
        join_tell(
            to,
            "way 3: `weirctl store adopt as-is`: the store stays as it is; the journal's files "
            "are set aside and their %" PRIu64 " records are not replayed",
            h->last_lsn - h->after_lsn);
    else
        join_tell(to,
                  "way 3: `weirctl store adopt as-is`: the store stays as it is and begins a new "
                  "journal");
    tell_arguments(to);
}

void join_describe(const struct backend_position *store, struct journal *j,
                   void (*line)(void *ctx, const char *text), void *ctx)
{
    struct telling to = {line, ctx};
    struct journal_history h;
    struct survey s;
    journal_get_history(j, &h);
    join_survey(j, &h, &s);
    tell_store(&to, store);
    tell_journal(&to, &h, &s);
    tell_missing(&to, store, &h, &s);
    tell_ways(&to, store, &h);
}

static void log_warning(void *ctx, const char *text)
{
    (void)ctx;
    log_line(LOG_WARNING, "%s", text);
}

enum rc join_check(const struct backend_position *store, struct journal *j, struct err *err)
{
    static const char *const short_texts[] = {
        [JOIN_NEW_STORE] = "the store is new, and the journal has a history",
        [JOIN_FOREIGN] = "the store and the journal do not belong together",
        [JOIN_NO_JOURNAL] = "the store's journal is not there",
        [JOIN_STORE_OLDER] = "the store is older than the journal reaches back",
        [JOIN_JOURNAL_OLDER] = "the journal ends before what the store has",
    };
    struct journal_history h;
    journal_get_history(j, &h);
    enum join_verdict verdict = join_decide(store, &h);
    if (verdict == JOIN_REPLAY_NOTHING)
        log_line(LOG_NOTICE,
                 "the journal ends at LSN %" PRIu64 ", before the store (LSN %" PRIu64
                 "): power was lost, and the store has all that the journal had",
                 h.last_lsn, store->cut_lsn);
    if (!join_is_refused(verdict))
        return RC_OK;
    join_describe(store, j, log_warning, NULL);
    return err_set(err, RC_FOREIGN,
                   "%s. The lines above say what would be missing; `weirctl store check` says it "
                   "again, and `weirctl store adopt` joins them on purpose",
                   short_texts[verdict]);
}

/* ---- on purpose ---- */

const char *join_forbids(const struct backend_position *store,
                         const struct journal_history *journal, enum join_way way)
{
    enum join_verdict verdict = join_decide(store, journal);
    if (!join_is_refused(verdict))
        return "the proxy starts with the two as they are";
    if (way == JOIN_WAY_STORE)
        return NULL;
    if (!journal->exists)
        return "there is no journal";
    if (verdict == JOIN_JOURNAL_OLDER)
        return "its records are older than what the store has";
    if (journal->after_lsn == journal->last_lsn)
        return "it has no record";
    return NULL;
}

enum rc join_mark_store(const struct backend_ops *ops, struct backend *b,
                        const struct backend_position *store, const struct journal_history *journal,
                        enum join_way way, struct err *err)
{
    struct backend_applied applied;
    struct backend_batch batch = {
        .cut_lsn = store->cut_lsn, .joins = true, .mark.cut_at_ms = store->mark.cut_at_ms};
    if (way == JOIN_WAY_REPLAY) {
        memcpy(batch.mark.journal_id, journal->id, sizeof(journal->id));
        batch.cut_lsn = journal->after_lsn;
        batch.mark.accepts_lsn = journal->whole_after_lsn;
    }
    return ops->apply(b, &batch, &applied, err);
}
