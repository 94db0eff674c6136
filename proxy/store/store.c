/* Opening and closing the store, hashing, prefetching, counters, and the marks of use; see store.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/shard.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* What a shard points to, next to each other and for all shards in one block. */
struct shard_body {
    struct table table;
    struct expiry_heap expiry;
} __attribute__((aligned(CACHE_LINE)));

/* --- Opening and closing --- */

static void init_shard(struct store *s, uint32_t index, struct shard_body *body)
{
    struct shard *sh = &s->shards[index];
    lock_init_kind(&sh->lock, LOCK_BRIEF);
    sh->store = s;
    sh->table = &body->table;
    sh->expiry = &body->expiry;
    atomic_init(&sh->index, index);
}

enum rc store_open(struct store *s, uint32_t shards_len, struct err *err)
{
    *s = (struct store){.shards_len = shards_len, .seed = alloc_hash_seed()};
    if (shards_len == 0 || (shards_len & (shards_len - 1)) != 0 || shards_len > 1 << 20)
        return err_set(err, RC_INVALID, "%u shards: must be a power of two", shards_len);
    size_t shards_size = shards_len * sizeof(struct shard);
    size_t bodies_size = shards_len * sizeof(struct shard_body);
    struct shard_body *bodies = alloc_try_aligned(bodies_size);
    s->shards = alloc_try_aligned(shards_size);
    s->dbs = calloc(STORE_DB_MAX + 1, sizeof(*s->dbs));
    if (bodies == NULL || s->shards == NULL || s->dbs == NULL) {
        free(bodies);
        free(s->shards);
        free(s->dbs);
        *s = (struct store){0};
        return err_set(err, RC_NOMEM, "no memory for %u shards", shards_len);
    }
    memset(s->shards, 0, shards_size);
    memset(bodies, 0, bodies_size);
    for (uint32_t i = 0; i < shards_len; i++)
        init_shard(s, i, &bodies[i]);
    arrivals_init(&s->arrivals);
    store_clock_tick(clock_wall());
    return RC_OK;
}

static void fini_shard(struct shard *sh)
{
    for (size_t i = 0; i < table_slots(sh->table); i++) {
        struct entry *e = table_at(sh->table, i);
        if (e == NULL)
            continue;
        struct content c = entry_content(e);
        content_release(&c);
        free(e);
    }
    table_fini(sh->table);
    expiry_fini(sh->expiry);
    free(sh->dirty);
    lock_fini(&sh->lock);
}

void store_close(struct store *s)
{
    if (s->shards == NULL)
        return;
    for (uint32_t i = 0; i < s->shards_len; i++)
        fini_shard(&s->shards[i]);
    arrivals_fini(&s->arrivals);
    free(s->shards[0].table); /* the first body: all of them */
    free(s->shards);
    free(s->dbs);
    *s = (struct store){0};
    store_free_later_run();
}

/* --- Finding the place of a key --- */

uint64_t store_hash(const struct store *s, uint32_t db, struct slice key)
{
    uint64_t hash = XXH3_64bits_withSeed(key.ptr, key.len, s->seed + db * 0x9e3779b97f4a7c15u);
    return hash != 0 ? hash : 1;
}

/* shard->table never changes after open; table_prefetch does without a lock. */
void store_prefetch_bucket(const struct store *s, uint64_t hash)
{
    const struct shard *sh = store_shard(s, hash);
    __builtin_prefetch(sh, 1);
    table_prefetch(sh->table, table_position(hash));
}

void store_prefetch_entry(const struct store *s, uint64_t hash)
{
    struct shard *sh = store_shard(s, hash);
    if (!lock_try_acquire(&sh->lock))
        return;
    struct table_probe probe;
    uint64_t *slot = table_first(sh->table, table_position(hash), &probe);
    const char *at = slot == NULL ? NULL : slot_pointer(*slot);
    lock_release(&sh->lock);
    if (at != NULL) {
        __builtin_prefetch(at, 1);
        __builtin_prefetch(at + CACHE_LINE, 1);
    }
}

void store_prefetch_element(const struct store *s, uint64_t hash, struct slice name, bool near)
{
    struct shard *sh = store_shard(s, hash);
    if (!lock_try_acquire(&sh->lock))
        return;
    struct table_probe probe;
    uint64_t *slot = table_first(sh->table, table_position(hash), &probe);
    const struct entry *e = slot == NULL ? NULL : slot_pointer(*slot);
    if (e != NULL && e->type != VALUE_NONE && e->type != VALUE_STRING) {
        const struct value_ops *ops = value_ops((enum value_type)e->type);
        if (ops->prefetch != NULL)
            ops->prefetch(entry_object(e), name, near);
    }
    lock_release(&sh->lock);
}

struct entry *shard_find_dirty(struct shard *sh, uint64_t hash, bool odd)
{
    struct table_probe probe;
    for (uint64_t *slot = table_first(sh->table, table_position(hash), &probe); slot != NULL;
         slot = table_next(&probe)) {
        struct entry *e = slot_pointer(*slot);
        if ((e->flags & ENTRY_DIRTY) != 0 && ((e->flags & ENTRY_CUT_ODD) != 0) != odd)
            return e;
    }
    return NULL;
}

/* --- Counting --- */

static void store_count(_Atomic int64_t *n, bool was, bool is)
{
    if (was != is)
        atomic_fetch_add_explicit(n, is ? 1 : -1, memory_order_relaxed);
}

void store_account(struct store *s, uint32_t db, struct kind was, struct kind is)
{
    store_count(&s->dbs[db].keys, was.live, is.live);
    store_count(&s->dbs[db].expires, was.expires, is.expires);
    store_count(&s->negatives, was.present && !was.live && !was.head,
                is.present && !is.live && !is.head);
}

/* --- Use --- */

enum {
    USED_BITS = 21, /* seconds: 24 days */
    USED_LOW_BITS = 17,
    FREQUENCY_NEW = 5, /* Redis: so that new keys are not the first to go */
};

static _Atomic uint32_t now_seconds;

void store_clock_tick(struct wall now)
{
    atomic_store_explicit(&now_seconds, (uint32_t)(now.ms / 1000), memory_order_relaxed);
}

static uint32_t used_now(void)
{
    return atomic_load_explicit(&now_seconds, memory_order_relaxed) & ((1u << USED_BITS) - 1);
}

static uint32_t used_at(const struct entry *e)
{
    return (uint32_t)e->used_high << USED_LOW_BITS | e->used_low;
}

static void set_used_at(struct entry *e, uint32_t seconds)
{
    e->used_low = seconds & ((1u << USED_LOW_BITS) - 1);
    e->used_high = (seconds >> USED_LOW_BITS) & 15;
}

void entry_touch_new(struct entry *e)
{
    set_used_at(e, used_now());
    e->frequency = FREQUENCY_NEW;
}

static uint64_t next_random(void)
{
    static _Thread_local uint64_t state;
    if (state == 0)
        state = alloc_hash_seed() ^ (uint64_t)(uintptr_t)&state;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

struct store_settings store_settings = {.lfu_log_factor = 10, .lfu_decay_minutes = 1};

/* The rarer the higher it stands: 255 means about a million uses. */
static uint8_t counted(uint8_t frequency)
{
    if (frequency == 255)
        return 255;
    uint32_t above = frequency > FREQUENCY_NEW ? frequency - FREQUENCY_NEW : 0;
    uint64_t one_in = (uint64_t)above * store_settings.lfu_log_factor + 1;
    return (uint8_t)(frequency + ((next_random() >> 32) * one_in >> 32 == 0));
}

int64_t store_idle_seconds(const struct entry *e)
{
    return (used_now() - used_at(e)) & ((1u << USED_BITS) - 1);
}

uint8_t store_frequency(const struct entry *e)
{
    uint32_t minutes = store_settings.lfu_decay_minutes;
    int64_t lost = minutes == 0 ? 0 : store_idle_seconds(e) / (60 * (int64_t)minutes);
    return lost < e->frequency ? (uint8_t)(e->frequency - lost) : 0;
}

void store_set_use(struct entry *e, int64_t idle_seconds, int frequency)
{
    if (idle_seconds >= 0)
        set_used_at(e,
                    used_now() - (uint32_t)min_u64((uint64_t)idle_seconds, (1u << USED_BITS) - 1));
    if (frequency >= 0)
        e->frequency = (uint8_t)frequency;
}

void store_touch(struct entry *e, bool lfu)
{
    if ((e->flags & ENTRY_VISITED) == 0)
        e->flags |= ENTRY_VISITED;
    if (lfu) {
        uint8_t frequency = counted(store_frequency(e));
        if (e->frequency != frequency)
            e->frequency = frequency;
    }
    uint32_t now = used_now();
    if (used_at(e) != now)
        set_used_at(e, now);
}
