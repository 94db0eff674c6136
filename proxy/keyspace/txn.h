/* The transaction that every command runs in: locks, hit or miss, load, edit, commit.
 *
 *   txn_begin ──> READY ──> txn_read / txn_set / txn_edit / txn_remove ... ──> txn_commit
 *       ├───────> PARKED   a key is being loaded: run the command again, from the start, when the
 *       │                  waiter is called
 *       └───────> REFUSED  out of memory, journal failing, key too long: txn_refusal() is the reply
 *
 * A handler gets `const struct value *` from txn_read(). The only way to anything mutable is one of
 * the functions that change a key here; each records what changes, for write-back, for the journal
 * and for WATCH. That is the whole of write-back as seen by a command. After commit nothing
 * obtained from the transaction is valid.
 *
 * What is journalled are effects, see effect.h: the functions here that change a whole key say
 * theirs, a handler that changes a part of one says its own. A transaction that changes nothing
 * journals nothing.
 *
 * Thread: one worker per txn. Lock: between begin and commit all shards of the keys are held.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KEYSPACE_TXN_H
#define KEYSPACE_TXN_H

#include "base/clock.h"
#include "base/err.h"
#include "keyspace/events.h"
#include "store/value.h"

struct keyspace;
struct hash;
struct list;
struct set;
struct zset;
struct txn; /* one per worker, made by txn_new; a nested one is not possible */

/* What a command does with a key; it decides whether a miss loads. */
enum key_mode {
    KEY_NONE,      /* not looked at by the transaction (WATCH, OBJECT HELP) */
    KEY_HEAD,      /* needs type and expiry, which is all that txn_read shows of it; counts as hit
                      or miss */
    KEY_READ,      /* needs the value; counts as hit or miss */
    KEY_UPDATE,    /* needs the value and may change it */
    KEY_PLACE,     /* may set it, and needs to know whether it exists (SET NX): as KEY_HEAD */
    KEY_OVERWRITE, /* replaces whatever is there without looking: never loads, txn_read is not
                      allowed */
    KEY_REMOVE,    /* may delete or replace it; needs to know whether it exists: as KEY_HEAD */
};

/* Else type and expiry are enough, or nothing is needed. */
static inline bool key_mode_needs_value(enum key_mode mode)
{
    return mode == KEY_READ || mode == KEY_UPDATE;
}

struct txn_key {
    uint32_t db; /* database number, as SELECT has it */
    enum key_mode mode;
    struct slice name;
    uint64_t hash; /* 0, or what keyspace_hash() said when the command was prefetched */
};

/* Called once, from any thread, when what was waited for has happened; it must only pass the news
 * on to the owner. The owner keeps the waiter alive until then. */
struct waiter {
    void (*ready)(struct waiter *w);
    struct waiter *next; /* for the list it waits in */
    enum rc
        failed; /* why it was called, when not for good news; txn_begin turns it into a refusal */
    int64_t since_us;         /* back-pressure: when the wait began, 0: not waiting for that */
    bool admitted;            /* and it is this one's turn */
    int64_t room_since_us;    /* the same of a wait for room in the journal */
    int64_t capture_since_us; /* the same of a wait for the capture of a large value */
    uint32_t load_rounds;     /* how often in a row the command has waited for loads */
};

enum txn_state { TXN_READY, TXN_PARKED, TXN_REFUSED };

enum txn_flag {
    TXN_WRITES =
        1, /* the command may change something: refused when memory or journal do not allow it */
    TXN_NO_OOM =
        2, /* the command only frees memory (DEL, EXPIRE): memory limits do not refuse it */
    TXN_NO_TOUCH = 4, /* CLIENT NO-TOUCH, OBJECT: the use of keys is not noted */
    TXN_WHOLE = 8, /* locks every shard: FLUSHALL, SWAPDB, and EXEC around a command that walks the
                      keyspace */
    TXN_REMOVES =
        32,       /* only takes away, and says so in few bytes (DEL): a full disk leaves it room */
    TXN_TRY = 16, /* never waits: PARKED means that nothing was begun, nobody will be called */
};

struct txn *txn_new(struct keyspace *ks,
                    uint32_t producer); /* producer: this worker's number for the journal */
void txn_free(struct txn **t);

/* `raw` is the request as it came if it is one RESP array, else empty; argv is then encoded if the
 * effect is needed. keys, raw and argv must stay until commit. The same key may be there twice.
 * waiter may be NULL: then a miss that would have to load is answered as absent. */
enum txn_state txn_begin(struct txn *t, const struct txn_key *keys, uint32_t keys_len,
                         unsigned flags, struct slice raw, uint32_t argc, const struct slice *argv,
                         struct waiter *waiter);
/* How long the effects of a request may be where they depend on nothing but its arguments. */
uint64_t txn_request_bytes(struct slice raw, uint32_t argc, const struct slice *argv);
/* Before txn_begin around requests that come by txn_next_request: the sum of their bytes. The
 * journal is to have room for all of them, and none may take the room of those after it. */
void txn_announce(struct txn *t, uint64_t bytes);
const char *txn_refusal(const struct txn *t); /* "OOM command not allowed ..." */
/* LSN of what the open transaction has changed so far; 0: nothing. */
uint64_t txn_changed_lsn(const struct txn *t);
/* More keys for a TXN_WHOLE transaction, for a command that learns their names from values (SORT
 * BY). They are copied; their numbers begin at *first. What txn_read returned before is no longer
 * valid. PARKED: as in txn_begin; nothing may have been changed. REFUSED: the transaction goes on
 * without them; with `waiter` NULL also when one of them has to be loaded, which is then begun. */
enum txn_state txn_join(struct txn *t, const struct txn_key *keys, uint32_t keys_len,
                        struct waiter *waiter, uint32_t *first);
/* Ends the transaction: journals the effects, unlocks. Returns the LSN that the reply depends on
 * (0: none): its own, or under `always` that of the newest write it may have seen. */
uint64_t txn_commit(struct txn *t);
/* EXEC: each queued command's effects are kept apart. next: the request the following handlers run
 * for. */
void txn_next_request(struct txn *t, struct slice raw, uint32_t argc, const struct slice *argv);

/* Wall time, the same throughout the transaction. */
struct wall txn_now(const struct txn *t);

/* From here on k is an index into the keys of txn_begin. An expired key is absent. */

/* NULL: absent. Valid until the key is changed or the transaction ends. Hits, misses and use are
 * counted for KEY_READ and KEY_HEAD. Of a key that needs no value it may show type and expiry
 * alone. */
const struct value *txn_read(struct txn *t, uint32_t k);
/* The same without counting a hit or miss. */
const struct value *txn_peek(struct txn *t, uint32_t k);

/* A command writes what is there already: nothing is journalled or flushed, but, as in Redis, who
 * watches the key is told that it was changed. */
void txn_touch(struct txn *t, uint32_t k);

/* Writes over bytes of a string in memory, although the key does not change: nothing is journalled
 * or flushed, and nobody is told. For what can be computed again from the other bytes. Does nothing
 * when somebody else holds the value. */
void txn_note_in_string(struct txn *t, uint32_t k, size_t at, struct slice bytes);
enum { TXN_KEEP_TTL = -1 }; /* for expires_at_ms; 0: no expiry */

/* Each: RC_NOMEM leaves the key as it was. The key may have been absent or of any type.
 * expires_at_ms in the past deletes. */
MUST_CHECK enum rc txn_set_string(struct txn *t, uint32_t k, struct slice value,
                                  int64_t expires_at_ms);
/* The argument's blob becomes the value without a copy; *blob may be NULL: then `value` is copied.
 */
MUST_CHECK enum rc txn_set_blob(struct txn *t, uint32_t k, struct slice value, struct blob **blob,
                                int64_t expires_at_ms);
/* A string made `new_len` bytes long and writable, old bytes kept, rest zero, expiry kept; absent
 * counts as empty. NULL: out of memory. The caller has checked the type and STORE_STRING_MAX, and
 * says the effect: txn_effect_bytes(). */
char *txn_edit_string(struct txn *t, uint32_t k, size_t new_len);
/* The aggregate to change: the place of its pointer, since it may move when it changes. Valid until
 * the next call of a txn_ function that changes a key. Created when absent (then *created, which
 * may be NULL); the caller has checked the type. NULL: out of memory. One that is left empty is
 * removed when the request ends, or by the handler with txn_remove() where it matters before. The
 * caller says the effect. */
void **txn_edit_object(struct txn *t, uint32_t k, enum value_type type, bool *created);
#define TXN_EDIT(type_name, TYPE)                                                    \
    static inline struct type_name **txn_edit_##type_name(struct txn *t, uint32_t k, \
                                                          bool *created)             \
    {                                                                                \
        return (struct type_name **)(void *)txn_edit_object(t, k, TYPE, created);    \
    }
TXN_EDIT(hash, VALUE_HASH)
TXN_EDIT(list, VALUE_LIST)
TXN_EDIT(set, VALUE_SET)
TXN_EDIT(zset, VALUE_ZSET)
#undef TXN_EDIT
/* A new aggregate over whatever is there, without expiry (SUNIONSTORE, SORT STORE). It must not be
 * empty. Taken over (*object is NULLed) unless RC_NOMEM. */
MUST_CHECK enum rc txn_put_object(struct txn *t, uint32_t k, enum value_type type, void **object);
/* Any value with its expiry over whatever is there (RESTORE): bytes or blob of a string are copied
 * or shared, the object of an aggregate is taken over, as by txn_put_object. */
MUST_CHECK enum rc txn_put_value(struct txn *t, uint32_t k, const struct value *v, void **object);
/* True when there was a live key; for KEY_OVERWRITE, also when there may have been one. */
bool txn_remove(struct txn *t, uint32_t k);
/* 0: persist. In the past: deletes the key. The key exists. RC_NOMEM, never for these two: it is as
 * it was. */
MUST_CHECK enum rc txn_set_expiry(struct txn *t, uint32_t k, int64_t expires_at_ms);
/* Moves or copies value and expiry over whatever is at `to`. The key at `from` exists, from and to
 * differ. */
MUST_CHECK enum rc txn_rename(struct txn *t, uint32_t from, uint32_t to);
MUST_CHECK enum rc txn_copy(struct txn *t, uint32_t from, uint32_t to);

/* Tells whoever listens (notify-keyspace-events) what was done to a key, under Redis's name for it:
 * txn_notify(t, NOTIFY_LIST, "lpush", k). Nothing when nobody listens. */
void txn_notify(struct txn *t, enum notify_class class, const char *event, uint32_t k);

/* Whole databases; TXN_WHOLE. Database numbers. A flush is false, with nothing changed, when too
 * many databases were flushed before that are not removed yet: txn_refusal() is the reply. */
MUST_CHECK bool txn_flush_db(struct txn *t, uint32_t db);
MUST_CHECK bool txn_flush_all(struct txn *t);
void txn_swap_db(struct txn *t, uint32_t a, uint32_t b);

/* OBJECT IDLETIME / FREQ / MEMORY USAGE of an existing key. */
struct txn_object_info {
    int64_t idle_seconds;
    uint8_t frequency;
    size_t memory_bytes;
};
void txn_object_info(struct txn *t, uint32_t k, struct txn_object_info *out);
/* As if an existing key had last been used so long ago, or so often; -1: leaves that as it is. No
 * change of the key. */
void txn_set_use(struct txn *t, uint32_t k, int64_t idle_seconds, int frequency);

#endif
