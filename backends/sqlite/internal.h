/* What the files of the SQLite backend share. Nobody else includes this, except its own tests.
 *
 *   sqlite.c     the ops table: open, close, position, maintain; errors
 *   value.h      result codes, text or blob; others may use it too
 *   file.c       the lock on the file; does its name still point to it?
 *   overwrite.c  was the file overwritten where it lies?
 *   label.c      which database a WAL belongs to
 *   sums.h       checksums of pages
 *   sync.h       what a failed sync may have lost is written again; others may use it too
 *   wal.c        the size of the WAL, who holds it up; waiting for locks
 *   guard.c      what is checked before a commit or an answer is believed
 *   schema.c     tables, views, triggers; is this database ours?
 *   repair.c     is its schema what we made? what can be made again
 *   check.c      weirctl check
 *   apply.c      a batch, in one transaction
 *   change.c     the log of what others changed: poll, trimming
 *   conflict.c   an item that meets that log
 *   load.c       load, scan
 *   count.c      how many keys there are: kept, answered, counted anew
 *   reap.c       deleting what has expired
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef BACKENDS_SQLITE_INTERNAL_H
#define BACKENDS_SQLITE_INTERNAL_H

#include "backends/backend.h"
#include "backends/sqlite/sums.h"
#include "backends/sqlite/value.h"
#include "base/clock.h"
#include "base/file_id.h"
#include "base/lock.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>

enum {
    SCHEMA_FORMAT = 1,     /* of our tables; a newer one is refused */
    SCHEMA_REVISION = 4,   /* of views, triggers, indexes; an older one is brought up to date */
    PAGE_BYTES = 8192,     /* of a database that we create */
    WAL_PAGES_MAX = 20000, /* a checkpoint is due above this */
    AGGREGATES = 4,        /* hash, list, set, zset */
};

/* The elements that an aggregate had before the first change of others that is in the log: those
 * that nobody touched, and of the others what was first said about them. ?3: the type's number. */
#define ELEMENTS_BEFORE(table, name, value)                                                     \
    "SELECT " name ", " value " FROM " table " WHERE db = ?1 AND key = ?2 AND " name " NOT IN " \
    "(SELECT name FROM weir_change WHERE db = ?1 AND key = ?2 AND type = ?3 AND part <> 0) "    \
    "UNION ALL SELECT name, value FROM (SELECT name, value, part, min(seq) FROM weir_change "   \
    "WHERE db = ?1 AND key = ?2 AND type = ?3 AND part <> 0 GROUP BY name) WHERE part = 1 "     \
    "ORDER BY 1"

#define NOW_ALIVE(now) "(expires_at IS NULL OR expires_at > " now ")"

/* Every statement, once. ?1 is the database and ?2 the key wherever both occur. OR ABORT overrides
 * what the owner of a table may have said of its constraints: one row is refused, and neither
 * ignored nor does it end the transaction. ON CONFLICT names our key for the same reason: what else
 * is to be unique is not ours to resolve. */
#define SQLITE_STATEMENTS(S)                                                                       \
    S(BEGIN_READ, "BEGIN")                                                                         \
    S(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                              \
    S(COMMIT, "COMMIT")                                                                            \
    S(ROLLBACK, "ROLLBACK")                                                                        \
    S(SAVEPOINT, "SAVEPOINT item")                                                                 \
    S(RELEASE, "RELEASE item")                                                                     \
    S(ROLLBACK_TO, "ROLLBACK TO item")                                                             \
    S(IDENTITY, "SELECT (SELECT value FROM weir_meta WHERE name = 'cut_lsn'), "                    \
                "(SELECT value FROM weir_meta WHERE name = 'store_id')")                           \
    S(META_PUT, "INSERT INTO weir_meta(name, value) VALUES (?1, ?2) "                              \
                "ON CONFLICT DO UPDATE SET value = excluded.value")                                \
    S(HASH_BEFORE, ELEMENTS_BEFORE("weir_hash", "field", "value"))                                 \
    S(LIST_BEFORE, ELEMENTS_BEFORE("weir_list", "position", "value"))                              \
    S(SET_BEFORE, ELEMENTS_BEFORE("weir_set", "member", "NULL"))                                   \
    S(ZSET_BEFORE, ELEMENTS_BEFORE("weir_zset", "member", "score"))                                \
    S(SCHEMA_VERSION, "PRAGMA schema_version")                                                     \
    S(META, "SELECT value FROM weir_meta WHERE name = ?1")                                         \
    S(META_CUT, "UPDATE weir_meta SET value = max(value, ?1) WHERE name = 'cut_lsn'")              \
    S(MAP, "SELECT number, store_db FROM weir_db ORDER BY number")                                 \
    S(MAP_CLEAR, "DELETE FROM weir_db")                                                            \
    S(MAP_ADD, "INSERT INTO weir_db(number, store_db) VALUES (?1, ?2)")                            \
    S(DROPPED, "SELECT store_db FROM weir_dropped LIMIT 1")                                        \
    S(DROPPED_FIND, "SELECT 1 FROM weir_dropped WHERE store_db = ?1")                              \
    S(DROPPED_ADD, "INSERT INTO weir_dropped(store_db) VALUES (?1) ON CONFLICT DO NOTHING")        \
    S(DROPPED_DONE, "DELETE FROM weir_dropped WHERE store_db = ?1")                                \
    S(ANY_KEY, "SELECT 1 FROM weir_key LIMIT 1")                                                   \
    S(KEY, "SELECT type, expires_at, value FROM weir_key WHERE db = ?1 AND key = ?2")              \
    S(HEAD, "SELECT type, expires_at FROM weir_key WHERE db = ?1 AND key = ?2")                    \
    S(KEY_PUT_STRING, "INSERT OR ABORT INTO weir_key(db, key, type, value, expires_at) VALUES "    \
                      "(?1, ?2, 1, ?3, ?4) "                                                       \
                      "ON CONFLICT(db, key) DO UPDATE SET value = excluded.value, "                \
                      "expires_at = weir_met(excluded.expires_at, expires_at) WHERE type = 1")     \
    S(KEY_PUT, "INSERT OR ABORT INTO weir_key(db, key, type, value, expires_at) VALUES (?1, ?2, "  \
               "?5, ?3, ?4) "                                                                      \
               "ON CONFLICT(db, key) DO UPDATE SET type = excluded.type, value = excluded.value, " \
               "expires_at = weir_met(excluded.expires_at, expires_at)")                           \
    S(KEY_DELETE_STRING, "DELETE FROM weir_key WHERE db = ?1 AND key = ?2 AND type = 1 AND "       \
                         "weir_met(1, expires_at)")                                                \
    S(KEY_DELETE, "DELETE FROM weir_key WHERE db = ?1 AND key = ?2 AND weir_met(1, expires_at)")   \
    S(HASH, "SELECT field, value FROM weir_hash WHERE db = ?1 AND key = ?2 ORDER BY field")        \
    S(LIST, "SELECT position, value FROM weir_list WHERE db = ?1 AND key = ?2 ORDER BY position")  \
    S(SET, "SELECT member, NULL FROM weir_set WHERE db = ?1 AND key = ?2 ORDER BY member")         \
    S(ZSET, "SELECT member, score FROM weir_zset WHERE db = ?1 AND key = ?2 ORDER BY member")      \
    S(HASH_ANY, "SELECT 1 FROM weir_hash WHERE db = ?1 AND key = ?2 LIMIT 1")                      \
    S(LIST_ANY, "SELECT 1 FROM weir_list WHERE db = ?1 AND key = ?2 LIMIT 1")                      \
    S(SET_ANY, "SELECT 1 FROM weir_set WHERE db = ?1 AND key = ?2 LIMIT 1")                        \
    S(ZSET_ANY, "SELECT 1 FROM weir_zset WHERE db = ?1 AND key = ?2 LIMIT 1")                      \
    S(HASH_GET, "SELECT field, value FROM weir_hash WHERE db = ?1 AND key = ?2 AND field = ?3")    \
    S(LIST_GET, "SELECT position, value FROM weir_list "                                           \
                "WHERE db = ?1 AND key = ?2 AND position = ?3")                                    \
    S(SET_GET, "SELECT member, NULL FROM weir_set WHERE db = ?1 AND key = ?2 AND member = ?3")     \
    S(ZSET_GET, "SELECT member, score FROM weir_zset "                                             \
                "WHERE db = ?1 AND key = ?2 AND member = ?3")                                      \
    S(HASH_PUT, "INSERT OR ABORT INTO weir_hash(db, key, field, value) VALUES (?1, ?2, ?3, ?4) "   \
                "ON CONFLICT(db, key, field) DO UPDATE SET value = excluded.value")                \
    S(LIST_PUT,                                                                                    \
      "INSERT OR ABORT INTO weir_list(db, key, position, value) VALUES (?1, ?2, ?3, ?4) "          \
      "ON CONFLICT(db, key, position) DO UPDATE SET value = excluded.value")                       \
    S(SET_PUT, "INSERT OR ABORT INTO weir_set(db, key, member) VALUES (?1, ?2, ?3) "               \
               "ON CONFLICT(db, key, member) DO NOTHING")                                          \
    S(ZSET_PUT, "INSERT OR ABORT INTO weir_zset(db, key, member, score) VALUES (?1, ?2, ?3, ?4) "  \
                "ON CONFLICT(db, key, member) DO UPDATE SET score = excluded.score")               \
    S(HASH_REMOVE, "DELETE FROM weir_hash WHERE db = ?1 AND key = ?2 AND field = ?3")              \
    S(LIST_REMOVE, "DELETE FROM weir_list WHERE db = ?1 AND key = ?2 AND position = ?3")           \
    S(SET_REMOVE, "DELETE FROM weir_set WHERE db = ?1 AND key = ?2 AND member = ?3")               \
    S(ZSET_REMOVE, "DELETE FROM weir_zset WHERE db = ?1 AND key = ?2 AND member = ?3")             \
    S(HASH_CLEAR, "DELETE FROM weir_hash WHERE db = ?1 AND key = ?2")                              \
    S(LIST_CLEAR, "DELETE FROM weir_list WHERE db = ?1 AND key = ?2")                              \
    S(SET_CLEAR, "DELETE FROM weir_set WHERE db = ?1 AND key = ?2")                                \
    S(ZSET_CLEAR, "DELETE FROM weir_zset WHERE db = ?1 AND key = ?2")                              \
    S(HASH_EMPTY, "DELETE FROM weir_hash WHERE (db, key, field) IN "                               \
                  "(SELECT db, key, field FROM weir_hash WHERE db = ?1 LIMIT ?2)")                 \
    S(LIST_EMPTY, "DELETE FROM weir_list WHERE (db, key, position) IN "                            \
                  "(SELECT db, key, position FROM weir_list WHERE db = ?1 LIMIT ?2)")              \
    S(SET_EMPTY, "DELETE FROM weir_set WHERE (db, key, member) IN "                                \
                 "(SELECT db, key, member FROM weir_set WHERE db = ?1 LIMIT ?2)")                  \
    S(ZSET_EMPTY, "DELETE FROM weir_zset WHERE (db, key, member) IN "                              \
                  "(SELECT db, key, member FROM weir_zset WHERE db = ?1 LIMIT ?2)")                \
    S(KEY_EMPTY, "DELETE FROM weir_key WHERE (db, key) IN "                                        \
                 "(SELECT db, key FROM weir_key WHERE db = ?1 LIMIT ?2)")                          \
    S(SCAN_START, "SELECT key, type, expires_at FROM weir_key WHERE db = ?1 AND " NOW_ALIVE(       \
                      "?3") " ORDER BY key LIMIT ?4")                                              \
    S(SCAN_AFTER,                                                                                  \
      "SELECT key, type, expires_at FROM weir_key WHERE db = ?1 AND key > ?2 AND " NOW_ALIVE(      \
          "?3") " ORDER BY key LIMIT ?4")                                                          \
    S(COUNT,                                                                                       \
      "SELECT count(*), count(expires_at) FROM weir_key WHERE db = ?1 AND " NOW_ALIVE("?2"))       \
    S(COUNT_MARKED, "SELECT 1 FROM weir_count WHERE db = 0")                                       \
    S(COUNT_KEPT, "SELECT keys, expires FROM weir_count WHERE db = ?1")                            \
    S(COUNT_EXPIRED, "SELECT count(*) FROM weir_key WHERE expires_at <= ?2 AND +db = ?1")          \
    S(COUNT_ADD, "INSERT INTO weir_count(db, keys, expires) VALUES (?1, ?2, ?3) ON CONFLICT(db) "  \
                 "DO UPDATE SET keys = keys + excluded.keys, expires = expires + "                 \
                 "excluded.expires")                                                               \
    S(COUNT_FORGET, "DELETE FROM weir_count WHERE db = ?1")                                        \
    S(REAP_FIRST, "SELECT min(expires_at) FROM weir_key WHERE expires_at IS NOT NULL")             \
    S(REAP_DUE, "SELECT db, key, type, expires_at FROM weir_key WHERE expires_at <= ?4 AND "       \
                "(expires_at, db, key) > (?3, ?1, ?2) AND +db IN (SELECT store_db FROM weir_db) "  \
                "ORDER BY expires_at, db, key LIMIT ?5")                                           \
    S(REAP_KEY, "DELETE FROM weir_key WHERE db = ?1 AND key = ?2 AND expires_at <= ?3")            \
    S(HASH_SHORTEN, "DELETE FROM weir_hash WHERE (db, key, field) IN (SELECT db, key, field "      \
                    "FROM weir_hash WHERE db = ?1 AND key = ?2 LIMIT ?3)")                         \
    S(LIST_SHORTEN, "DELETE FROM weir_list WHERE (db, key, position) IN (SELECT db, key, "         \
                    "position FROM weir_list WHERE db = ?1 AND key = ?2 LIMIT ?3)")                \
    S(SET_SHORTEN, "DELETE FROM weir_set WHERE (db, key, member) IN (SELECT db, key, member "      \
                   "FROM weir_set WHERE db = ?1 AND key = ?2 LIMIT ?3)")                           \
    S(ZSET_SHORTEN, "DELETE FROM weir_zset WHERE (db, key, member) IN (SELECT db, key, member "    \
                    "FROM weir_zset WHERE db = ?1 AND key = ?2 LIMIT ?3)")                         \
    S(DATA_VERSION, "PRAGMA data_version")                                                         \
    S(CHANGE_FIRST, "SELECT min(seq) FROM weir_change")                                            \
    S(CHANGE_LAST, "SELECT max(seq) FROM weir_change")                                             \
    S(CHANGE_SINCE, "SELECT seq, db, key FROM weir_change WHERE seq > ?1 ORDER BY seq LIMIT ?2")   \
    S(CHANGE_OF_KEY, "SELECT part, type, value, expires_at, name FROM weir_change "                \
                     "WHERE db = ?1 AND key = ?2 AND seq > ?3 ORDER BY seq")                       \
    S(CHANGE_LAST_OF_KEY, "SELECT max(seq) FROM weir_change WHERE db = ?1 AND key = ?2")           \
    S(CHANGE_FORGET_KEY, "DELETE FROM weir_change WHERE db = ?1 AND key = ?2 AND seq <= ?3")       \
    S(CHANGE_TRIM, "DELETE FROM weir_change WHERE seq IN "                                         \
                   "(SELECT seq FROM weir_change WHERE seq <= ?1 ORDER BY seq LIMIT ?2)")

enum sqlite_statement {
#define S(name, sql) ST_##name,
    SQLITE_STATEMENTS(S)
#undef S
        ST_COUNT_OF,
};

/* Rows that our statements overwrote or deleted, see count.c. */
struct sqlite_met {
    int64_t rows, expiring;
};

/* What a transaction changes in the numbers of one store database. */
struct sqlite_tally {
    uint32_t db;
    int64_t keys, expires;
};

/* One connection, used by one thread at a time. */
struct sqlite_conn {
    const char *path;
    sqlite3 *db;
    const _Atomic int64_t *deadline_us; /* the backend's */
    int64_t wait_ms;                    /* for a lock */
    int64_t waits_since_us;
    struct sqlite_met met;
    sqlite3_stmt *statements[ST_COUNT_OF];
};

/* The elements of one aggregate, read a bounded piece at a time. */
struct sqlite_piece {
    char *bytes; /* BACKEND_PIECE_BYTES: what the elements point to */
    struct backend_element *elements;
    size_t bytes_len;
    uint32_t elements_len;
    bool last; /* during emit: nothing of this key follows */
};

/* Keys whose changes by others are known to the proxy (poll or load settled them): whatever it
 * makes of such a key from now on is later, and no conflict with the changes up to `seq`. */
struct sqlite_resolved {
    struct sqlite_resolved_entry **buckets; /* NULL while empty */
    size_t entries;
    size_t bytes;
};

/* The database as a file, see file.c. Immutable between bind and close. */
struct sqlite_file {
    const char *path; /* as configured */
    char *wal_path, *shm_path;
    struct file_id id, wal, shm;
    int fd;       /* holds the lock */
    bool created; /* it was not there before we opened it */

    /* under the lock of the list of open files */
    struct sqlite_file *next;
    bool listed;
    int *parked; /* descriptors of the same file that may not be closed before SQLite's */
    size_t parked_len;
};

/* What weir_meta says of the database. */
struct sqlite_identity {
    bool has_cut, has_store;
    uint64_t cut_lsn;
    uint8_t store_id[16];
};

/* How far checkpoints have come: the WAL's salts, new with each of its lives, and its frames that
 * are in the database. */
struct sqlite_backfill {
    uint32_t salts[2], frames;
};

/* The database file at a moment when nobody was writing to it, read past SQLite. */
struct sqlite_file_seen {
    bool known;
    struct sqlite_backfill backfill;
    int64_t meta_page; /* the root of weir_meta */
    int64_t time_ns, bytes;
    uint64_t digest[2];  /* of the first page and the one with weir_meta */
    uint32_t wal_frames; /* that the WAL had */
    struct sqlite_identity identity;
};

/* A key in the order in which keys expire. */
struct sqlite_reaped {
    int64_t expires_at_ms; /* INT64_MIN: before the first */
    uint32_t db;
    char *key;
    size_t key_len;
};

/* Counts all keys once, see count.c. */
struct sqlite_counter {
    pthread_t thread;
    bool running;         /* flusher thread only */
    struct sqlite_conn c; /* its own thread only */
    _Atomic bool stopping;
    _Atomic uint64_t forgotten; /* how often the numbers of a database were deleted */
};

struct sqlite_backend {
    struct backend_base base;

    /* immutable after open */
    char *path;
    struct sqlite_file file;
    struct sqlite_sums *sums;
    int timeout_ms;
    int cache_kib; /* of both connections */
    int64_t page_bytes;
    bool discards_unused;

    /* flusher thread only */
    bool used; /* a batch was committed */
    struct sqlite_conn writer;
    struct sqlite_piece theirs; /* a conflict: what the key holds now */
    struct sqlite_piece before; /* a conflict: what it held */
    int wal_pages;              /* that no checkpoint has moved yet */
    int wal_pages_max;          /* above that a checkpoint is due; tests set it */
    bool told_of_wal;
    bool applied_since;       /* a batch since the last maintain */
    struct mono busy_at;      /* when maintain last saw a batch; 0: its cache was given back */
    int64_t polled_before[3]; /* polled_seq at the last commits of a whole batch, newest first */
    bool warned_about_log;
    struct sqlite_file_seen file_seen;
    struct sqlite_identity committed; /* by us, or found at start */
    bool rescued;                     /* the file was moved, and its WAL was emptied into it */
    int64_t schema_version;           /* when the schema was last compared */
    struct sqlite_overlap *overlap;   /* see conflict.c */
    uint32_t careful_batches;         /* see apply.c */
    struct sqlite_counter counter;

    /* loader thread only */
    struct sqlite_conn reader;
    struct sqlite_piece piece;
    struct sqlite_held *held; /* changes of keys that stay unflushed for long */
    uint32_t held_len;
    int64_t data_version; /* at the last poll that read the log to its end; -1: none yet */

    /* walker thread only */
    struct sqlite_conn walker;
    struct sqlite_reaped reaped; /* where the last call ended */

    _Atomic int64_t wal_bytes;   /* after the last batch or maintenance */
    _Atomic int64_t deadline_us; /* monotonic; nothing waits or works past it; 0: none */
    _Atomic bool overwritten;    /* for good: SQLite's view of the file is worth nothing */
    _Atomic bool unnoticed;      /* others may have changed anything: the next poll says so */

    /* under lock */
    struct lock lock;
    struct sqlite_resolved resolved GUARDED_BY(lock);
    int64_t polled_seq GUARDED_BY(lock); /* poll() has handed out the log up to here */
    int64_t held_seq GUARDED_BY(lock);   /* the first row that `held` speaks of; INT64_MAX: none */
};

/* sqlite.c: errors and the small change of talking to SQLite. */

/* Turns a SQLite result into our code, with a text that names the file. */
enum rc sqlite_fail(const struct sqlite_conn *c, int result, const char *what, struct err *err);
/* What is stored under a key, without its value. */
struct sqlite_head {
    enum value_type type; /* VALUE_NONE: nothing, or a type that this version does not know */
    int64_t expires_at_ms;
};
/* The same from a row that has type and expiry in these columns. */
struct sqlite_head sqlite_head_from_row(sqlite3_stmt *s, int type_at, int expires_at);
MUST_CHECK enum rc sqlite_read_head(const struct sqlite_conn *c, uint32_t db, struct slice key,
                                    struct sqlite_head *out, struct err *err);
/* Runs a statement that yields no row, then resets it. */
MUST_CHECK enum rc sqlite_run(const struct sqlite_conn *c, enum sqlite_statement id,
                              struct err *err);
/* Runs a statement of one number; `otherwise` when there is no row or it is NULL. */
MUST_CHECK enum rc sqlite_number(const struct sqlite_conn *c, enum sqlite_statement id,
                                 int64_t otherwise, int64_t *out, struct err *err);
/* Of the journal that the store has joined; zeros, as it was given, where there is none. */
MUST_CHECK enum rc sqlite_read_journal_id(const struct sqlite_conn *c, struct backend_mark *out,
                                          struct err *err);
/* Binds (db, key) as ?1 and ?2. */
sqlite3_stmt *sqlite_with_key(const struct sqlite_conn *c, enum sqlite_statement id, uint32_t db,
                              struct slice key);
/* Runs SQL that is not worth prepared statements; `what` is for an error: "creating its tables".
 */
MUST_CHECK enum rc sqlite_exec(const struct sqlite_conn *c, const char *sql, const char *what,
                               struct err *err);
/* Gives up the transaction, if there is one. */
void sqlite_rollback(const struct sqlite_conn *c);
/* Opens a connection beside the writer's, with its statements. Close it after an error too. */
MUST_CHECK enum rc sqlite_open_side(struct sqlite_conn *c, struct sqlite_backend *b, int cache_kib,
                                    struct err *err);
void sqlite_close_conn(struct sqlite_conn *c);
/* For tests: the flusher's connection. */
sqlite3 *sqlite_writer_of(struct backend *b);

/* holder.c */

/* Bytes of a file on which somebody may have a lock, for writing or for reading. */
struct sqlite_lock_bytes {
    bool write;
    unsigned long inode;
    long long first, last;
};
/* Who has one: "python3 (pid 4711)"; or "another program" and false: nobody but us, or not known.
 */
bool sqlite_holder_find(const struct sqlite_lock_bytes *wanted, char *out, size_t size);
/* Who keeps us from writing to a database, or from opening it. */
bool sqlite_holder_of(const char *path, char *out, size_t size);

/* file.c */

/* Where the files are that SQLite has open. */
enum sqlite_place {
    SQLITE_PLACE_OURS, /* where their names say */
    SQLITE_PLACE_DATABASE_MOVED,
    SQLITE_PLACE_WAL_MOVED,
    SQLITE_PLACE_SHM_MOVED,
};

/* Opens (or creates) the file and locks it. Errors: RC_BUSY: another Weir has it, by any name.
 * `path` must stay. Close it after an error too, and always after SQLite's connections. */
MUST_CHECK enum rc sqlite_file_open(struct sqlite_file *f, const char *path, struct err *err);
void sqlite_file_close(struct sqlite_file *f);
/* Removes the files of a database that is closed, and locked by us still. */
void sqlite_file_discard(const struct sqlite_file *f);
/* Remembers the -wal and the -shm that a connection has opened. */
MUST_CHECK enum rc sqlite_file_bind(struct sqlite_file *f, const struct sqlite_conn *c,
                                    struct err *err);
/* Thread: any. */
enum sqlite_place sqlite_file_place(const struct sqlite_file *f);
/* RC_OK or RC_MOVED, with a text that says what to do. Thread: any. */
MUST_CHECK enum rc sqlite_file_check(const struct sqlite_file *f, struct err *err);
/* Whether a connection's own file is the one that its path points to. */
bool sqlite_file_is_opened_by(const struct sqlite_conn *c);
/* Thread: any. */
int64_t sqlite_file_wal_bytes(const struct sqlite_file *f);

/* label.c */

/* Says on the WAL that is open which database it belongs to. */
void sqlite_label_put(const struct sqlite_file *f);
/* Before SQLite sees a database: RC_FOREIGN when the WAL beside it is another's. Opens neither. */
MUST_CHECK enum rc sqlite_label_check(const char *path, struct err *err);

/* overwrite.c */

/* After a checkpoint: this is what the file looks like. */
void sqlite_overwrite_remember(struct sqlite_backend *b);
/* RC_MOVED: somebody wrote over the file, past SQLite; it stays that way. */
MUST_CHECK enum rc sqlite_overwrite_check(struct sqlite_backend *b, struct err *err);
/* What the last check found. Thread: any. */
MUST_CHECK enum rc sqlite_overwrite_result(const struct sqlite_backend *b, struct err *err);

/* wal.c */

void sqlite_wal_watch(struct sqlite_backend *b);
/* Moves what it can of the WAL into the database. */
MUST_CHECK enum rc sqlite_wal_checkpoint(struct sqlite_backend *b, int mode, struct err *err);
/* A checkpoint if one is due; idle: no batch came since the last call, and the file is cut too. */
MUST_CHECK enum rc sqlite_wal_maintain(struct sqlite_backend *b, bool idle, struct err *err);
/* Before the connections are closed: what is left of the WAL is said. */
void sqlite_wal_close(struct sqlite_backend *b);
/* Names a program that reads the database: "sqlite3 (pid 4711)". False: none is seen. */
bool sqlite_wal_find_reader(const struct sqlite_file *f, char *out, size_t size);
/* A connection waits for locks as long as its wait_ms says, and never past the deadline. */
void sqlite_limit_waiting(struct sqlite_conn *c, struct sqlite_backend *b);
bool sqlite_is_past_deadline(const struct sqlite_conn *c);

/* guard.c */

/* Reads what the database says that it is. */
MUST_CHECK enum rc sqlite_guard_identity(struct sqlite_backend *b, struct sqlite_identity *out,
                                         struct err *err);
/* Before a batch: RC_MOVED when somebody restored an older state, or another store, by SQL. */
MUST_CHECK enum rc sqlite_guard_restored(struct sqlite_backend *b, struct err *err);
/* When the schema was changed since the last look: repairs it, in a transaction of its own. */
MUST_CHECK enum rc sqlite_guard_schema(struct sqlite_backend *b, struct err *err);
/* Before and after a commit: RC_MOVED when the file was taken away meanwhile. */
MUST_CHECK enum rc sqlite_guard_write(struct sqlite_backend *b, struct err *err);

/* schema.c */

/* Creates our tables in a database that has none, or checks that they are ours and of this
 * format. */
MUST_CHECK enum rc sqlite_schema_prepare(const struct sqlite_conn *c, struct err *err);
/* Creates everything but the rows of weir_meta. */
MUST_CHECK enum rc sqlite_schema_create(const struct sqlite_conn *c, struct err *err);
/* One value of a query that is not worth a prepared statement, as a number; `otherwise` when there
 * is no row. */
MUST_CHECK enum rc sqlite_query_number(const struct sqlite_conn *c, const char *sql,
                                       int64_t otherwise, int64_t *out, struct err *err);
/* The statement that comes `offset` kinds after the hash's: put, remove, clear... */
enum sqlite_statement sqlite_statement_for(enum sqlite_statement of_hash, enum value_type type);

/* repair.c */

/* Inside a write transaction: compares the schema with what this version creates, and makes again
 * what can be. *unnoticed: changes of others may have left no trace. Errors: RC_CORRUPT: a table is
 * missing; RC_FOREIGN: a table was altered. */
MUST_CHECK enum rc sqlite_schema_repair(const struct sqlite_conn *c, bool *unnoticed,
                                        struct err *err);

/* apply.c */
MUST_CHECK enum rc sqlite_apply(struct backend *b, const struct backend_batch *batch,
                                struct backend_applied *out, struct err *err);
/* Deletes up to `limit` rows of a store database (all tables); *left says whether some remain. */
MUST_CHECK enum rc sqlite_empty_db(const struct sqlite_conn *c, uint32_t db, int64_t limit,
                                   bool *left, struct err *err);

/* load.c */
void sqlite_piece_fini(struct sqlite_piece *p);
/* Empties it, and makes sure that it has memory; false: out of memory. */
MUST_CHECK bool sqlite_piece_start(struct sqlite_piece *p);
/* An element from a row that begins with its name (or position) and its value (or score). */
void sqlite_element_from_row(sqlite3_stmt *s, enum value_type type, struct backend_element *e);
/* Copies an element; false when it does not fit any more. */
bool sqlite_piece_add(struct sqlite_piece *p, const struct backend_element *e);
/* Emits what is stored under a key, in pieces; slices live until emit returns. */
MUST_CHECK enum rc sqlite_read_key(const struct sqlite_conn *c, struct sqlite_piece *p,
                                   const struct backend_item *key, backend_emit *emit, void *ctx,
                                   struct err *err);
MUST_CHECK enum rc sqlite_load(struct backend *b, const struct backend_item *keys, uint32_t n,
                               backend_emit *emit, void *ctx, struct err *err);
MUST_CHECK enum rc sqlite_scan(struct backend *b, uint32_t db, struct slice after, uint32_t limit,
                               backend_emit *emit, void *ctx, struct err *err);

/* count.c */

/* Defines what our statements call, before they are prepared. */
MUST_CHECK enum rc sqlite_count_define(struct sqlite_conn *c, struct err *err);
/* What comes is about this store database: writes what there is about another one. Not where a
 * savepoint may take it back. */
MUST_CHECK enum rc sqlite_tally_turn(const struct sqlite_conn *c, struct sqlite_tally *t,
                                     uint32_t db, struct err *err);
MUST_CHECK enum rc sqlite_tally_write(const struct sqlite_conn *c, struct sqlite_tally *t,
                                      struct err *err);
/* A store database has been emptied, in this transaction of the writer. */
MUST_CHECK enum rc sqlite_count_forget(struct sqlite_backend *b, uint32_t db, struct err *err);
MUST_CHECK enum rc sqlite_count(struct backend *b, struct backend_count *what, struct err *err);
/* Counts everything anew, by a thread of its own, if the numbers are not to be believed. Thread:
 * flusher, outside of a transaction. */
MUST_CHECK enum rc sqlite_counter_start(struct sqlite_backend *b, struct err *err);
void sqlite_counter_stop(struct sqlite_backend *b);

/* reap.c */
MUST_CHECK enum rc sqlite_reap(struct backend *b, const struct backend_reap *what, bool *more,
                               struct err *err);
void sqlite_reap_fini(struct sqlite_backend *b);

/* conflict.c */

/* What of an item conflicts with the log of its key, of which `s` stands on the first row. *whole:
 * as of sqlite_change_settle(). */
MUST_CHECK enum rc sqlite_conflict_decide(struct sqlite_backend *b,
                                          const struct backend_batch *batch, uint32_t index,
                                          const struct backend_item **item, bool *whole,
                                          struct err *err);
void sqlite_conflict_fini(struct sqlite_backend *b);

/* change.c */
MUST_CHECK enum rc sqlite_poll(struct backend *b, backend_emit *emit, void *ctx, struct err *err);
/* Whether the change log has anything at all. Inside the transaction of `c`. */
MUST_CHECK enum rc sqlite_change_any(const struct sqlite_conn *c, bool *any, struct err *err);
/* Settles an item against the log, inside the transaction. *item: what is to be applied of it, NULL
 * when theirs stays; its elements are valid until the next call. *whole: true when it was decided
 * about the key, not about some elements. The log of a part that goes on stays. */
MUST_CHECK enum rc sqlite_change_settle(struct sqlite_backend *b, const struct backend_batch *batch,
                                        uint32_t index, const struct backend_item **item,
                                        bool *whole, struct err *err);
/* Nothing is left to be settled of this key. */
MUST_CHECK enum rc sqlite_change_forget(const struct sqlite_conn *c,
                                        const struct backend_item *item, struct err *err);
/* A load is about to emit this key: its changes up to now are known to the proxy. */
MUST_CHECK enum rc sqlite_change_resolve(struct sqlite_backend *b, uint32_t db, struct slice key,
                                         struct err *err);
/* Commits the write transaction of `c`, with the resolved changes taken out of the log in it. */
MUST_CHECK enum rc sqlite_change_commit(struct sqlite_backend *b, const struct sqlite_conn *c,
                                        struct err *err);
/* Takes the resolved changes out of the log from the loader's side, unless the flusher is writing:
 * its commit does it then. */
void sqlite_change_relieve(struct sqlite_backend *b);
/* Drops up to `limit` log rows that can be no conflict any more; *left says whether some remain.
 * A transaction of its own. */
MUST_CHECK enum rc sqlite_change_trim(struct sqlite_backend *b, int64_t limit, bool *left,
                                      struct err *err);
/* A whole batch was committed: what was polled before it ages. */
void sqlite_change_committed(struct sqlite_backend *b);
void sqlite_change_fini(struct sqlite_backend *b);

#endif
