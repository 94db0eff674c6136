/* A start meets a key whose base cannot be read, because its page in the store is damaged: what the
 * journal has for this key cannot be applied then. Nothing of it is thrown away, and everything
 * else is served:
 *
 *   load fails ──> the key is noted ──> its effects gather, as text, in its entry
 *   an effect that needs no base (SET, DEL ...) ──> the key is as any other again
 *   end of the replay ──> a file beside the journal, synced ──> a record for people ──> FORGET
 *
 * From then on the key is what the store says: a read hears of the damage. The file holds the
 * effects as they are in the journal. Killed anywhere, the next start does the same again.
 *
 * Few keys only: a store of which much is damaged is to be restored, and then it needs the journal
 * as it is. So beyond a bound the start is refused.
 *
 * Thread: the one that starts.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include "base/log.h"
#include "config/options.h"
#include "journal/fs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEYS_MAX = 256 };

struct unreadable_key {
    struct unreadable_key *next;
    uint32_t store_db;
    size_t len;
    char key[];
};

static struct unreadable_key **unreadable_find(struct keyspace *ks, uint32_t store_db,
                                               struct slice key)
{
    struct unreadable_key **at = &ks->unreadable;
    while (*at != NULL &&
           ((*at)->store_db != store_db || !slice_eq(slice_of((*at)->key, (*at)->len), key)))
        at = &(*at)->next;
    return at;
}

bool unreadable_note(struct keyspace *ks, uint32_t store_db, struct slice key)
{
    struct unreadable_key **at = unreadable_find(ks, store_db, key);
    if (*at != NULL)
        return true;
    if (ks->unreadable_len == KEYS_MAX)
        return false;
    *at = malloc(sizeof(**at) + key.len);
    must(*at != NULL);
    **at = (struct unreadable_key){.store_db = store_db, .len = key.len};
    memcpy((*at)->key, key.ptr, key.len);
    ks->unreadable_len++;
    return true;
}

bool unreadable_is(struct keyspace *ks, uint32_t store_db, struct slice key)
{
    return UNLIKELY(ks->unreadable != NULL) && *unreadable_find(ks, store_db, key) != NULL;
}

static void remove_at(struct keyspace *ks, struct unreadable_key **at)
{
    struct unreadable_key *u = *at;
    *at = u->next;
    ks->unreadable_len--;
    free(u);
}

void unreadable_replaced(struct keyspace *ks, uint32_t store_db, struct slice key)
{
    if (unreadable_is(ks, store_db, key))
        remove_at(ks, unreadable_find(ks, store_db, key));
}

enum rc unreadable_keep(struct txn *t, uint32_t store_db, uint32_t argc, const struct slice *argv,
                        struct err *err)
{
    struct txn_key key = {.db = store_db, .mode = KEY_OVERWRITE, .name = argv[1]};
    struct buf text = {0};
    enum rc rc = RC_OK;
    if (txn_begin(t, &key, 1, TXN_WRITES | TXN_NO_OOM, (struct slice){NULL, 0}, 0, NULL, NULL) !=
        TXN_READY)
        return err_set(err, RC_UNAVAILABLE, "%s", txn_refusal(t));
    const struct value *v = txn_peek(t, 0);
    if (v != NULL)
        buf_append_slice(&text, v->str);
    buf_append_array_header(&text, argc);
    for (uint32_t i = 0; i < argc; i++)
        buf_append_bulk(&text, argv[i]);
    if (text.len > STORE_STRING_MAX || txn_set_string(t, 0, buf_slice(&text), 0) != RC_OK)
        rc = err_set(err, RC_NOMEM, "out of memory for the changes of a key that cannot be read");
    (void)txn_commit(t);
    buf_fini(&text);
    return rc;
}

/* --- The end of the replay --- */

static uint64_t hash_of(const struct keyspace *ks, const struct unreadable_key *u)
{
    return store_hash(&ks->store, u->store_db, slice_of(u->key, u->len));
}

static struct entry *entry_of(struct keyspace *ks, const struct unreadable_key *u, uint64_t hash)
{
    return entry_find(store_shard(&ks->store, hash), hash, u->store_db, slice_of(u->key, u->len));
}

static void unreadable_gather(struct keyspace *ks,
                              struct buf *text) NO_TSA /* no other thread is there yet */
{
    for (const struct unreadable_key *u = ks->unreadable; u != NULL; u = u->next) {
        struct value v;
        char number[24];
        const struct entry *e = entry_of(ks, u, hash_of(ks, u));
        int db = dbmap_number(ks->map, u->store_db);
        if (e == NULL || db < 0)
            continue;
        snprintf(number, sizeof(number), "%d", db);
        buf_append_array_header(text, 2);
        buf_append_bulk(text, SLICE("SELECT"));
        buf_append_bulk(text, slice_str(number));
        entry_value(e, &v);
        buf_append_slice(text, v.str);
    }
}

/* False: out of memory. */
static bool unreadable_forget(struct keyspace *ks, const struct unreadable_key *u,
                              struct lost *lost)
{
    uint64_t hash = hash_of(ks, u);
    struct buf name = {0};
    buf_append_escaped(&name, slice_of(u->key, u->len), 64);
    log_line(LOG_WARNING,
             "the key %.*s cannot be read from the backend: what the journal has for it is not "
             "applied",
             (int)name.len, name.data);
    buf_fini(&name);
    struct shard *sh = store_shard(&ks->store, hash);
    lock_acquire(&sh->lock);
    struct entry *e = entry_of(ks, u, hash);
    bool done = e == NULL || forget_key(ks->wb, sh, e, hash, lost);
    lock_release(&sh->lock);
    return done;
}

static enum rc unreadable_no_memory(struct err *err)
{
    return err_set(err, RC_NOMEM, "out of memory for the changes of keys that cannot be read");
}

enum rc unreadable_set_aside(struct keyspace *ks, struct err *err)
{
    struct lost lost = {.reason = UNREADABLE};
    struct buf text = {0};
    char name[64];
    enum rc rc = RC_OK;
    if (LIKELY(ks->unreadable == NULL))
        return RC_OK;
    unreadable_gather(ks, &text);
    snprintf(name, sizeof(name), "unapplied-%020" PRIu64 ".resp", journal_last_lsn(ks->journal));
    char *dir = option_strdup(OPT_journal_dir);
    if (text.len > 0)
        rc = fs_put_file(ks->options.fs != NULL ? ks->options.fs : &fs_posix, dir, name,
                         buf_slice(&text), err);
    uint32_t keys = ks->unreadable_len;
    while (rc == RC_OK && ks->unreadable != NULL) {
        if (!unreadable_forget(ks, ks->unreadable, &lost))
            rc = unreadable_no_memory(err);
        else
            remove_at(ks, &ks->unreadable);
    }
    if (rc == RC_OK && !lost_record(ks->wb, &lost))
        rc = unreadable_no_memory(err);
    if (rc == RC_OK)
        log_line(LOG_WARNING,
                 "what the journal has for %u keys that cannot be read is in '%s/%s', as commands, "
                 "and in WEIR CONFLICTS. To have it, stop Weir, restore the database, and apply it",
                 keys, dir, name);
    free(dir);
    buf_fini(&text);
    return rc;
}

void unreadable_fini(struct keyspace *ks)
{
    while (ks->unreadable != NULL)
        remove_at(ks, &ks->unreadable);
}
