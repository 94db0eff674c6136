/* The contract between the proxy and a store behind it.
 *
 * A backend is a plain C file with one `const struct backend_ops`. It blocks as it likes: it is
 * only ever called from the flusher thread of its lane and from loader threads, never from a
 * worker.
 *
 *   flusher thread:  open, position, apply, maintain, close       one call at a time
 *   loader thread:   load, poll                                   the same, alongside the flusher
 *   walker thread:   scan, count, reap                            the same, alongside both
 *
 * Every item of a batch is absolute ("field f is v", never "add 1"), so applying a batch twice
 * gives the same store as applying it once. A backend that is transactional commits the whole batch
 * together with its cut LSN; position() then says which cuts it has.
 *
 * apply tells an outcome for each item, and commits once:
 *   applied         the rule: nobody is told
 *   refused         on_refused(): the store will never take this one (too large, a constraint of
 *                   its owner). It leaves the transaction, the rest of the batch goes on
 *   a conflict      on_conflict() decides: applied over theirs, or theirs is kept. An item that
 *                   changes some elements conflicts with changes of these elements only; one that
 *                   is about the whole key (a string, a deletion, replace, another type or expiry
 *                   than it had) with any change; and any item with a change of the whole key
 *   merged          on_merged(): others changed other elements of the key
 * What apply returns is about the whole batch:
 *   RC_OK           what was not refused, and is not kept theirs, is durable, together with
 *                   batch->cut_lsn
 *   anything else   nothing, or everything, was changed: the caller asks position() which, and
 *                   retries the same batch. What was told of it is void, see on_begin()
 *   RC_FOREIGN      of these: the store is another journal's (by now); nothing was changed
 *   RC_MOVED        of these: the store's name no longer points to what was opened; nothing that
 *                   was written is believed
 * No part of a batch is ever to be seen in the store before the whole of it is.
 *
 * Knows nothing of caches, journals or clients. May include base/ only.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKENDS_BACKEND_H
#define BACKENDS_BACKEND_H

#include "base/clock.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/value_type.h"

/* One part of an aggregate. Which fields speak depends on the item's type:
 *   hash: name = field, value;  set: name = member;  zset: name = member, score;
 *   list: position (order of the elements, gaps allowed, may be negative), value. */
struct backend_element {
    struct slice name;
    struct slice value;
    int64_t position;
    double score;
    bool removed; /* this element is gone; name (or position) says which */
};

/* What one key is to become. `db` is the store's own number for a database, see backend_dbmap. */
struct backend_item {
    uint32_t db;
    enum value_type type; /* VALUE_NONE: the key and everything under it is removed */
    struct slice key;
    int64_t expires_at_ms; /* wall time; 0: never */
    struct slice value;    /* strings: the whole value */
    bool replace;          /* aggregates: everything the store has under this key goes first */
    uint32_t elements_len; /* aggregates: the changed elements only, unless `replace` */
    const struct backend_element *elements;
    bool goes_on;   /* aggregates: the next item of the batch is the rest of this one, see below */
    bool apart;     /* for its owner, backends do not look at it */
    bool head_only; /* of a key that is to be loaded: type and expiry are enough */
};

/* An aggregate with very many changed elements may come in parts: items of one key that follow each
 * other, each but the last one with `goes_on`, each in a piece of its own (see next_piece). They
 * have the same type and expiry, each element is in one of them, and `replace` is said by the first
 * one. All of them are one change: refused or kept theirs together, as soon as that is said of one
 * of them; which one it is said of is the backend's choice. */

/* Clients see numbered databases (SELECT n). Each is a pointer to a store database: FLUSHDB points
 * the number at a new, empty one and drops the old; SWAPDB exchanges two pointers. So neither
 * touches a key. */
enum { BACKEND_DATABASES_MAX = 4096 };
struct backend_dbmap {
    uint32_t len;                             /* databases in use: map[0..len) */
    uint32_t store_db[BACKEND_DATABASES_MAX]; /* database number -> store database, never 0 */
};

enum backend_verdict {
    BACKEND_APPLY, /* write ours over theirs */
    BACKEND_KEEP,  /* leave theirs; the item is not applied */
};

/* A key that somebody else changed since the proxy last looked. base and theirs are NULL where
 * unknown. */
struct backend_conflict {
    const struct backend_item *ours;
    const struct backend_item *base;   /* what the key was before the other's first change */
    const struct backend_item *theirs; /* what it is now; type VALUE_NONE: deleted */
};

/* A store belongs to one journal, by the journal's own id, and stands at a position of that: so a
 * store that was exchanged, set back, or used with another journal is told apart. */
enum { BACKEND_JOURNAL_ID_BYTES = 16 };
struct backend_mark {
    uint8_t journal_id[BACKEND_JOURNAL_ID_BYTES]; /* zeros: of no journal */
    uint64_t durable_lsn; /* up to here the journal was known to be synced at the cut */
    int64_t cut_at_ms;    /* wall time of the cut; 0: not known */
    uint64_t accepts_lsn; /* an operator joined the two although the journal lacks some records up
                             to here; until the next cut */
};

struct backend_batch {
    uint64_t cut_lsn;
    struct backend_mark mark; /* of the cut; RC_FOREIGN when the store is of another journal */
    bool joins; /* the store becomes that journal's, and stands at cut_lsn, whatever it was before.
                   Not while a proxy works with it. */
    const struct backend_item *items; /* each key once, sorted by backend_item_order() */
    uint32_t items_len;
    /* A large batch comes in pieces instead, each item in one of them; each is sorted, and they
     * mostly follow each other. Gives the first one after on_begin(), then the others, and may wait
     * for them. What it gave before is applied by then and no longer valid. RC_NOT_FOUND: that was
     * all. Any other code but RC_OK ends the batch, which is not committed. The other callbacks
     * count items from the beginning of their piece. See backend_next_piece(). */
    enum rc (*next_piece)(void *ctx, const struct backend_item **items, uint32_t *items_len,
                          struct err *err);
    const struct backend_dbmap
        *dbmap; /* NULL: unchanged. Store databases it no longer names are emptied, in this
                   transaction or by maintain() later, and are invisible at once. One that is given
                   again undoes what others did to the store's copy */
    /* An attempt at the batch begins: what the callbacks below said before is void. Called once or
     * more in each call of apply(), before any other. */
    void (*on_begin)(void *ctx);
    /* Inside the transaction, for each item that conflicts (conflict->ours is the item's place in
     * `items`, or, where only some elements of it conflict, an item with those). */
    enum backend_verdict (*on_conflict)(void *ctx, uint32_t item,
                                        const struct backend_conflict *conflict);
    /* Others changed elements of the key too: not those of this item, or those that on_conflict()
     * has decided before. What is applied stands beside theirs. */
    void (*on_merged)(void *ctx, uint32_t item);
    /* Inside the transaction, for each item that the store refuses for good. */
    void (*on_refused)(void *ctx, uint32_t item, const struct err *why);
    /* Everything has been told; when this does not return RC_OK, nothing is committed and apply
     * returns what it says. */
    enum rc (*before_commit)(void *ctx, struct err *err);
    void *ctx; /* each callback may be NULL: then ours is applied, refusals are not told */
};

struct backend_applied {
    uint64_t rows;  /* rows written or deleted */
    uint64_t bytes; /* of keys and values in them */
};

struct backend_position {
    bool fresh;                 /* the store was just created: it holds nothing */
    uint64_t cut_lsn;           /* 0 in a fresh store */
    struct backend_mark mark;   /* of the last batch */
    struct backend_dbmap dbmap; /* len 0 in a fresh store */
};

struct backend_status {
    uint64_t log_bytes; /* on disk beside the data: SQLite's WAL */
    /* Pages with a checksum, without one yet, and those that are not what was written. */
    uint64_t pages_summed, pages_unknown, pages_damaged;
    int64_t verified_at_ms; /* wall time: when all of them had been looked at last; 0: never */
};

struct backend_config {
    const char *url;      /* "sqlite:weir.db", "memory:" */
    const char *dir;      /* what relative paths in the URL are relative to */
    int64_t timeout_ms;   /* a call that waits longer fails with RC_UNAVAILABLE or RC_BUSY */
    bool discards_unused; /* a store that open() made, and that got no batch, goes with close() */
    uint64_t memory;      /* bytes that its caches may take; 0: as it likes */
};

struct backend; /* each backend defines its own, with `struct backend_base` first */

/* Receives what load and scan find. Slices are valid during the call only. Returning anything but
 * RC_OK ends the operation with that code. Loaded strings and small aggregates come as one item; a
 * large aggregate comes in pieces of at most BACKEND_PIECE_BYTES: the first has replace = true, the
 * others false. */
enum { BACKEND_PIECE_BYTES = 256 * 1024 };
/* In expires_at_ms of a key that is to be loaded: an expired one too. */
enum { BACKEND_EVEN_EXPIRED = -1 };
typedef enum rc backend_emit(void *ctx, const struct backend_item *item);

/* Deleting what has expired, see reap(). */
struct backend_reap {
    int64_t now_ms; /* wall time: what expires then or before is due */
    uint32_t limit; /* rows to look at */
    /* Inside the transaction, for each key that is due: may it go? */
    bool (*may_go)(void *ctx, const struct backend_item *key);
    /* Inside the transaction: it is deleted, once reap() returns RC_OK. */
    void (*on_gone)(void *ctx, const struct backend_item *key);
    void *ctx;
};

/* What is asked of count(), and its answer. What has expired does not count. */
struct backend_count {
    uint32_t db;
    const struct slice *named; /* some keys of that database, each once */
    uint32_t named_len;
    uint64_t keys, expires;        /* in all, and those of them with an expiry */
    uint64_t found, found_expires; /* the same of the named ones */
};

struct backend_ops {
    const char *scheme; /* "sqlite" */
    bool transactional; /* batch and cut LSN commit together */

    /* RC_AGAIN: somebody else has locked the store, as one does for a while; err says who. RC_BUSY:
     * another proxy serves it. */
    enum rc (*open)(const struct backend_config *config, struct backend **out, struct err *err)
        MUST_CHECK;
    void (*close)(struct backend **b);
    enum rc (*position)(struct backend *b, struct backend_position *out, struct err *err)
        MUST_CHECK;
    enum rc (*apply)(struct backend *b, const struct backend_batch *batch,
                     struct backend_applied *out, struct err *err) MUST_CHECK;
    /* Background work between batches: checkpoint, emptying dropped databases, trimming logs. Does
     * at most about budget_ms of it; *more says whether some is left. */
    enum rc (*maintain)(struct backend *b, int64_t budget_ms, bool *more, struct err *err)
        MUST_CHECK;

    /* Loads n keys (db, key, expires_at_ms and head_only of keys[i] are read). A key that is asked
     * for with head_only comes as one item without value and elements, and costs no more than that,
     * however large it is. emit gets an item for each, in
     * order; a missing key comes as VALUE_NONE, and so does an expired one, with its expiry, unless
     * expires_at_ms is BACKEND_EVEN_EXPIRED (recovery: that it expired is in the journal). What is
     * emitted
     * is not older than the last poll() that returned before. */
    enum rc (*load)(struct backend *b, const struct backend_item *keys, uint32_t n,
                    backend_emit *emit, void *ctx, struct err *err) MUST_CHECK;
    /* Emits keys (type, key and expiry; no values) of one store database in a fixed order, after
     * `after` (empty: from the start), at most `limit` of them. */
    enum rc (*scan)(struct backend *b, uint32_t db, struct slice after, uint32_t limit,
                    backend_emit *emit, void *ctx, struct err *err) MUST_CHECK;
    /* How many keys a store database has, and how many of the named ones are among them: all of
     * one moment. Cheap, but for the named ones, which cost a look each. */
    enum rc (*count)(struct backend *b, struct backend_count *what, struct err *err) MUST_CHECK;
    /* Deletes keys whose time is over (db, key, type and expiry are told), a bounded number of rows
     * in one transaction: of a large aggregate a part, and its key with the last part. Goes on
     * where the call before ended, and begins again after the last key that is due; *more is false
     * then. Keys with changes by others that are not settled are left alone, and so are those of
     * databases that no number points to. What is deleted counts as absent before and afterwards,
     * so that no position moves, and need not be durable. Errors: RC_BUSY: a batch is being
     * written. NULL: the store does so by itself. */
    enum rc (*reap)(struct backend *b, const struct backend_reap *what, bool *more, struct err *err)
        MUST_CHECK;
    /* Emits the keys (nothing else) that others have changed since the last poll, each at least
     * once, except those that a load or a conflict has shown meanwhile. A hint: it makes the proxy
     * drop clean entries; proof is apply's business, which still sees them as conflicts, unless
     * emit answers RC_NOT_FOUND: the proxy has nothing unflushed of this key, so that whatever it
     * writes from now on is later than the change. RC_BUSY: what the proxy has of this key may stay
     * unflushed for long, and must meet the change as a conflict all the same. (Any other code but
     * RC_OK ends the poll, and the key comes again.) Cheap when nothing has happened. A key without
     * bytes at all (ptr NULL): the noticing was interrupted, and any key may have been changed.
     * Not called before recovery has replayed the journal. Until the first poll a load settles
     * nothing, and what recovery loads (BACKEND_EVEN_EXPIRED) is what the key was before others
     * changed it, where the backend knows: the journal was written on top of that. */
    enum rc (*poll)(struct backend *b, backend_emit *emit, void *ctx, struct err *err) MUST_CHECK;

    /* Figures for people, as of the last batch or maintenance: looks at no file. NULL: it has none.
     * Thread: any. */
    void (*status)(struct backend *b, struct backend_status *out);
    /* Bytes from the proxy's allocator that the backend's caches take. NULL: none. Thread: any. */
    size_t (*memory)(struct backend *b);
    /* For an orderly end: from `until` on every call ends with RC_UNAVAILABLE or RC_BUSY, also one
     * that is under way. May be called again, with an earlier instant. NULL: none takes long.
     * Thread: any, also during a call. */
    void (*set_deadline)(struct backend *b, struct mono until);
};

struct backend_base {
    const struct backend_ops *ops;
};

/* The order of items in a batch: by store database, then text keys before binary ones, then by
 * bytes (the order of SQLite's index, so that a batch walks the tree once). */
int backend_item_order(const struct backend_item *a, const struct backend_item *b);
/* Goes through the pieces of a batch, also where there is only one: *piece is the batch with the
 * items of one, {0} before the first. RC_NOT_FOUND after the last. */
enum rc backend_next_piece(const struct backend_batch *batch, struct backend_batch *piece,
                           struct err *err);
/* Which element it is: by position (lists), then by name. */
int backend_element_order(const struct backend_element *a, const struct backend_element *b);
/* The rule of conflicts, for an item whose key somebody else has changed: true when each element of
 * it conflicts with a change of that element only, and false when the item conflicts as a whole.
 * `base` and `theirs` are the key before their changes and now; only type and expiry count. */
bool backend_conflicts_by_element(const struct backend_item *item, const struct backend_item *base,
                                  const struct backend_item *theirs);
/* Bytes of key and value, names included. */
uint64_t backend_item_bytes(const struct backend_item *item);
/* Whether a number points to this store database. */
bool backend_dbmap_names(const struct backend_dbmap *map, int64_t store_db);
/* True when the bytes are valid UTF-8 without NUL: stored as text, so that people can read them. */
bool backend_is_text(struct slice bytes);

/* The ops of every row of backends.def. */
#define BACKEND(name, help) extern const struct backend_ops name;
#include "backends/backends.def"
#undef BACKEND

/* Finds the ops for a URL ("sqlite:..."), or NULL; backends.def lists them. */
const struct backend_ops *backend_find(const char *url);

#endif
