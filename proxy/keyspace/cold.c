/* How large a database is: the keys in memory, which the store counts, and the cold ones, which
 * only the backend has.
 *
 * A count of the cold keys is believed and kept up: a load takes one off, an eviction adds one.
 * What cannot be followed (an overwrite that does not look, a change by somebody else, an expiry in
 * the backend) makes it wrong, so after such news the walker measures the database again (size.c)
 * and looks at some keys for the mean time to live. The share of time that this takes is bounded,
 * not how long it takes: neither INFO nor an EXEC waits for it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include "base/log.h"

enum {
    SAMPLE_KEYS = 1000,    /* of the backend, for each measurement */
    REST_FACTOR = 3,       /* pause after a step, in times of what it took */
    PASS_REST_FACTOR = 50, /* and after a pass */
    PASS_REST_US = 500000,
    EXPIRY_REST_US = 60000000, /* without other news, where cold keys may expire */
    FAILED_REST_US = 5000000,
    SAMPLES = 4, /* keys with an expiry, of each shard */
};

struct sample {
    struct keyspace *ks;
    struct cold_count *c;
    struct wall now;
    uint32_t seen;
    uint64_t expires; /* of the cold ones among them */
    double ttl_ms;    /* their sum */
};

bool keyspace_is_all_resident(struct keyspace *ks, uint32_t store_db)
{
    for (uint32_t i = 0; i < ks->store.shards_len; i++) {
        struct shard *sh = &ks->store.shards[i];
        lock_acquire(&sh->lock);
        bool complete = writeback_is_complete(ks->wb, sh, store_db);
        lock_release(&sh->lock);
        if (!complete)
            return false;
    }
    return true;
}

static bool is_cold(struct keyspace *ks, uint32_t store_db, struct slice key)
{
    uint64_t hash = store_hash(&ks->store, store_db, key);
    struct shard *sh = store_shard(&ks->store, hash);
    lock_acquire(&sh->lock);
    const struct entry *e = entry_find(sh, hash, store_db, key);
    bool cold = e == NULL || (e->flags & ENTRY_LOADING) != 0;
    lock_release(&sh->lock);
    return cold;
}

static enum rc look_at_key(void *ctx, const struct backend_item *item)
{
    struct sample *s = ctx;
    struct buf *after = &s->c->after;
    s->seen++;
    if (!buf_try_reserve(after, item->key.len))
        return RC_NOMEM;
    after->len = 0;
    buf_append_slice(after, item->key);
    if (item->expires_at_ms > s->now.ms && is_cold(s->ks, s->c->store_db, item->key)) {
        s->expires++;
        s->ttl_ms += (double)(item->expires_at_ms - s->now.ms);
    }
    return RC_OK;
}

/* Times to live go up to INT64_MAX each, so their sum is no integer. */
static int64_t mean_ms(double sum_ms, uint64_t n)
{
    double mean = n > 0 ? sum_ms / (double)n : 0;
    return mean < 0x1p63 ? (int64_t)mean : INT64_MAX;
}

/* Changes that the count cannot follow, in some number that is another one after each. */
static uint64_t news_of(const struct cold_count *c)
{
    return stat_get(STAT_flushed_items) + stat_get(STAT_invalidations) + c->reaped;
}

/* Sets out for the next database whose backend may hold more than memory; false: there is none. */
static bool next_database(struct keyspace *ks, uint32_t from)
{
    struct cold_count *c = &ks->cold;
    for (c->number = from; c->number < ks->map->len; c->number++) {
        c->store_db = dbmap_store_db(ks->map, c->number);
        if (!keyspace_is_all_resident(ks, c->store_db))
            return true;
        atomic_store(&ks->store.dbs[c->store_db].cold, 0);
        atomic_store(&c->dbs[c->number].expires, 0);
    }
    return false;
}

static void begin_pass(struct keyspace *ks)
{
    struct cold_count *c = &ks->cold;
    c->news = news_of(c);
    c->worked_us = 0;
    c->any_expires = false;
    c->running = next_database(ks, 0);
    c->pass_ended = clock_mono();
}

/* The mean time to live of cold keys, from some of them: others in each pass. */
static enum rc sample_ttl(struct keyspace *ks, struct err *err)
{
    struct cold_count *c = &ks->cold;
    struct sample s = {.ks = ks, .c = c, .now = clock_wall()};
    enum rc rc = ks->ops->scan(ks->backend, c->store_db, buf_slice(&c->after), SAMPLE_KEYS,
                               look_at_key, &s, err);
    if (s.seen < SAMPLE_KEYS)
        c->after.len = 0;
    if (s.expires > 0)
        atomic_store(&c->dbs[c->number].avg_ttl_ms, mean_ms(s.ttl_ms, s.expires));
    return rc;
}

/* Loads and evictions that come between the looks at memory are news enough for another pass. */
static void believe(struct keyspace *ks, const struct database_size *size, int64_t cold_before)
{
    struct cold_count *c = &ks->cold;
    struct store_db_stats *stats = &ks->store.dbs[c->store_db];
    if (dbmap_store_db(ks->map, c->number) != c->store_db)
        return;
    int64_t cold = atomic_load(&stats->cold);
    int64_t expires = (int64_t)size->expires - atomic_load(&stats->expires);
    atomic_fetch_add(&stats->cold, (int64_t)size->keys - atomic_load(&stats->keys) - cold);
    atomic_store(&c->dbs[c->number].expires, expires > 0 ? expires : 0);
    c->any_expires |= expires > 0;
    c->news -= cold != cold_before ? 1 : 0;
}

static bool is_pass_due(const struct cold_count *c, struct mono now)
{
    return c->pass_ended.us == 0 || c->news != news_of(c) ||
           (c->any_expires && now.us - c->pass_ended.us >= EXPIRY_REST_US);
}

static int64_t rest_after_pass(const struct cold_count *c)
{
    int64_t rest = c->worked_us * PASS_REST_FACTOR;
    return rest > PASS_REST_US ? rest : PASS_REST_US;
}

/* One database; returns how long to wait before the next. */
static int64_t count_database(struct keyspace *ks)
{
    struct cold_count *c = &ks->cold;
    int64_t cold_before = atomic_load(&ks->store.dbs[c->store_db].cold);
    struct mono began = clock_mono();
    struct database_size size;
    struct err err;
    enum rc rc = keyspace_measure(ks, c->store_db, &size, &err);
    if (rc == RC_OK && size.expires > 0)
        rc = sample_ttl(ks, &err); /* first: a number without its mean would be shown as one of 0 */
    if (rc == RC_OK)
        believe(ks, &size, cold_before);
    int64_t took = clock_mono().us - began.us;
    c->worked_us += took;
    if (rc != RC_OK) { /* the flusher or a load says what is wrong */
        c->running = false;
        c->news--;
        return FAILED_REST_US;
    }
    c->running = next_database(ks, c->number + 1);
    if (c->running)
        return took * REST_FACTOR;
    c->pass_ended = clock_mono();
    return rest_after_pass(c);
}

int64_t cold_count_step(struct keyspace *ks)
{
    struct cold_count *c = &ks->cold;
    struct mono now = clock_mono();
    if (now.us < c->next.us)
        return c->next.us - now.us;
    int64_t rest = PASS_REST_US / 4;
    if (!c->running && is_pass_due(c, now))
        begin_pass(ks);
    if (c->running)
        rest = count_database(ks);
    c->next = (struct mono){clock_mono().us + rest};
    return rest;
}

/* ---- what INFO shows ---- */

/* Within EXEC this thread holds some of the shards, so it must not wait for any: what is taken is
 * left out. */
static int64_t resident_ttl(struct keyspace *ks, uint32_t store_db)
{
    struct wall now = clock_wall();
    double sum_ms = 0;
    uint64_t n = 0;
    for (uint32_t i = 0; i < ks->store.shards_len; i++) {
        struct shard *sh = &ks->store.shards[i];
        if (!lock_try_acquire(&sh->lock))
            continue;
        shard_sample_ttl(sh, store_db, now, SAMPLES, &sum_ms, &n);
        lock_release(&sh->lock);
    }
    return mean_ms(sum_ms, n);
}

void keyspace_db_info(struct keyspace *ks, uint32_t db, struct keyspace_db_info *out)
{
    uint32_t store_db = dbmap_store_db(ks->map, db);
    const struct store_db_stats *stats = &ks->store.dbs[store_db];
    int64_t keys = atomic_load(&stats->keys), expires = atomic_load(&stats->expires);
    uint64_t cold = keyspace_cold(ks, store_db);
    uint64_t cold_expires = min_u64((uint64_t)atomic_load(&ks->cold.dbs[db].expires), cold);
    *out = (struct keyspace_db_info){.resident = keys > 0 ? (uint64_t)keys : 0};
    out->keys = out->resident + cold;
    uint64_t resident_expires = expires > 0 ? (uint64_t)expires : 0;
    out->expires = resident_expires + cold_expires;
    if (out->expires == 0)
        return;
    double sum = (double)atomic_load(&ks->cold.dbs[db].avg_ttl_ms) * (double)cold_expires;
    if (resident_expires > 0)
        sum += (double)resident_ttl(ks, store_db) * (double)resident_expires;
    out->avg_ttl_ms = mean_ms(sum, out->expires);
}
