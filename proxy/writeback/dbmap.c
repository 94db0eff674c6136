/* See dbmap.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "writeback/dbmap.h"

static void make_live(struct dbmap *m, uint32_t number, uint32_t store_db, bool empty)
{
    atomic_store(&m->state[store_db], DBMAP_LIVE);
    atomic_store(&m->born_empty[store_db], empty);
    atomic_store(&m->touched[store_db], false);
    atomic_store(&m->store_db[number], store_db);
}

static uint32_t find_free(struct dbmap *m)
{
    for (uint32_t tried = 0; tried < STORE_DB_MAX; tried++) {
        uint32_t candidate = m->next_free;
        m->next_free = m->next_free == STORE_DB_MAX ? 1 : m->next_free + 1;
        if (atomic_load(&m->state[candidate]) == DBMAP_FREE)
            return candidate;
    }
    return 0;
}

void dbmap_init(struct dbmap *m, const struct backend_position *position, uint32_t databases)
{
    const struct backend_dbmap *known = &position->dbmap;
    m->len = (uint32_t)max_u64(known->len, databases);
    must(m->len > 0 && m->len <= BACKEND_DATABASES_MAX);
    m->next_free = 1;
    m->changed = m->len > known->len;
    for (uint32_t n = 0; n < known->len; n++) {
        make_live(m, n, known->store_db[n], position->fresh);
        m->next_free = (uint32_t)max_u64(m->next_free, known->store_db[n] % STORE_DB_MAX + 1);
    }
    for (uint32_t n = known->len; n < m->len; n++)
        make_live(m, n, find_free(m), true);
}

int dbmap_number(const struct dbmap *m, uint32_t store_db)
{
    for (uint32_t n = 0; n < m->len; n++) {
        if (dbmap_store_db(m, n) == store_db)
            return (int)n;
    }
    return -1;
}

uint32_t dbmap_free(const struct dbmap *m)
{
    return STORE_DB_MAX - m->len - atomic_load(&m->dead);
}

bool dbmap_has_room(const struct dbmap *m)
{
    return dbmap_free(m) > m->len;
}

void dbmap_renew(struct dbmap *m, uint32_t number, uint64_t lsn)
{
    uint32_t old = dbmap_store_db(m, number), fresh = find_free(m);
    must(fresh != 0); /* dbmap_free() was asked */
    m->dead_lsn[old] = lsn;
    atomic_store(&m->state[old], DBMAP_DEAD);
    atomic_fetch_add(&m->dead, 1);
    make_live(m, number, fresh, true);
    atomic_fetch_add(&m->version, 1);
}

void dbmap_swap(struct dbmap *m, uint32_t a, uint32_t b)
{
    uint32_t db = dbmap_store_db(m, a);
    atomic_store(&m->store_db[a], dbmap_store_db(m, b));
    atomic_store(&m->store_db[b], db);
    atomic_fetch_add(&m->version, 1);
}

void dbmap_become(struct dbmap *m, const struct backend_dbmap *wanted, uint64_t lsn)
{
    struct backend_dbmap old;
    dbmap_export(m, &old);
    for (uint32_t n = 0; n < wanted->len; n++) {
        uint32_t store_db = wanted->store_db[n];
        uint8_t state = atomic_load(&m->state[store_db]);
        if (state == DBMAP_DEAD) /* replay began before it was left */
            atomic_fetch_sub(&m->dead, 1);
        if (state != DBMAP_LIVE)
            make_live(m, n, store_db, state == DBMAP_FREE);
        atomic_store(&m->store_db[n], store_db);
    }
    for (uint32_t n = 0; n < old.len; n++) {
        uint32_t store_db = old.store_db[n];
        if (dbmap_number(m, store_db) >= 0 || atomic_load(&m->state[store_db]) != DBMAP_LIVE)
            continue;
        m->dead_lsn[store_db] = lsn;
        atomic_store(&m->state[store_db], DBMAP_DEAD);
        atomic_fetch_add(&m->dead, 1);
    }
    atomic_store(&m->changed, true);
    atomic_fetch_add(&m->version, 1);
}

void dbmap_export(const struct dbmap *m, struct backend_dbmap *out)
{
    out->len = m->len;
    for (uint32_t n = 0; n < m->len; n++)
        out->store_db[n] = dbmap_store_db(m, n);
}

void dbmap_free_dead(struct dbmap *m, uint64_t applied_lsn)
{
    for (uint32_t db = 1; db <= STORE_DB_MAX && atomic_load(&m->dead) > 0; db++) {
        if (atomic_load(&m->state[db]) == DBMAP_DEAD && m->dead_lsn[db] <= applied_lsn) {
            atomic_store(&m->state[db], DBMAP_FREE);
            atomic_fetch_sub(&m->dead, 1);
        }
    }
}
