/* A history of a keyspace over SQLite whose database has another owner, who refuses rows and
 * changes keys: what tests/fault/store_crash_test.c stops everywhere.
 *
 * The history has steps in one order, one at a time. An *operation* is a request of a client that
 * the journal keeps; what all plain keys are after each of them is known. A *deed* is something
 * else with an effect that outlives its return: SQL of the owner, an operator's order. Each round
 * has two keys of its own for what is not plain: x<round>, which the owner changes as well, and
 * b<round>, which the database refuses until the owner says otherwise.
 *
 * A failure ends the process. Thread: one; owned_look() any.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_OWNED_H
#define TESTS_SUPPORT_OWNED_H

#include "tests/support/simfs.h"

#include "base/buf.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { OWNED_ROUNDS = 4, OWNED_OPS_MAX = 160 };

enum owned_deed {
    DEED_SET_UP,  /* the owner's index is there (round 0) */
    DEED_THEIRS,  /* x<round> is theirs */
    DEED_FIX,     /* b<round> would be taken */
    DEED_RETRIED, /* and was, on an operator's order */
    DEED_DROP,    /* the dead letter of b<round> was given up */
    DEEDS,
};

/* What comes after the dead letter of b<round>. */
enum owned_fate {
    FATE_STAYS,
    FATE_REFUSED_AGAIN,
    FATE_FIXED,
    FATE_DROPPED,
    FATE_OVERWRITTEN,
    FATES
};

/* Operations of a round by their number; 0: none yet. */
struct owned_round {
    enum owned_fate fate;
    bool repeated;               /* the owner had to, so that theirs may be no conflict */
    uint32_t base, ours, on_top; /* SET x<round> to "base", "ours", "on-top" */
    uint32_t after;              /* and to "after", by one who knows theirs */
    uint32_t bad, good;          /* SET b<round> to "twin<round>", "good" */
};

/* What had happened at a moment. */
struct owned_moment {
    uint32_t begun, done, durable; /* operations; durable: of which the reply could have left */
    bool deed_begun[OWNED_ROUNDS][DEEDS], deed_done[OWNED_ROUNDS][DEEDS];
};

struct keyspace;
struct owned {
    uint64_t random;
    struct simfs *disk;
    struct sqlite3 *owner;
    struct keyspace *_Atomic ks;
    _Atomic uint64_t durable_before; /* of what ran before `ks` */
    atomic_uint begun, done;
    _Atomic uint64_t lsn[OWNED_OPS_MAX + 1]; /* of each operation */
    struct buf plain[OWNED_OPS_MAX + 1];     /* all plain keys after each, as text */
    struct owned_round rounds[OWNED_ROUNDS];
    atomic_bool deed_begun[OWNED_ROUNDS][DEEDS], deed_done[OWNED_ROUNDS][DEEDS];
};

extern char owned_where[200]; /* for a failure's text */
#define owned_require(cond, ...)                                             \
    do {                                                                     \
        if (!(cond)) {                                                       \
            fprintf(stderr, "%s:%d, %s: ", __FILE__, __LINE__, owned_where); \
            fprintf(stderr, __VA_ARGS__);                                    \
            fprintf(stderr, "\n");                                           \
            _exit(EXIT_FAILURE);                                             \
        }                                                                    \
    } while (0)

/* Runs all of it on a disk that simvfs_use() has made the current one. */
void owned_run(struct owned *o, struct simfs *disk, uint64_t seed);
void owned_fini(struct owned *o);
/* First for what is certain (done), then for what is possible (begun). */
void owned_look_done(struct owned *o, struct owned_moment *m);
void owned_look_begun(struct owned *o, struct owned_moment *m);

/* A keyspace on the current disk, and a client of it. may_fail: it is tried again. */
struct keyspace *owned_open(struct simfs *disk, bool may_fail);
void owned_close(struct keyspace **ks);
/* Until the backend has everything. */
void owned_flush(struct keyspace *ks);
/* Everything plain, as a client sees it. */
void owned_read(struct buf *out);
/* A string of database 0; "" when absent. Static. */
const char *owned_get(const char *key);

#endif
