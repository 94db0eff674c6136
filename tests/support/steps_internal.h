/* What the files of steps share: the state of the one run of this process.
 *
 *   steps.c        commands, control steps, cuts
 *   steps_view.c   what a client and the backend show, and comparing that
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_STEPS_INTERNAL_H
#define TESTS_SUPPORT_STEPS_INTERNAL_H

#include "base/lock.h"
#include "executor/executor.h"
#include "tests/support/ks.h"
#include "tests/support/model.h"
#include "tests/support/steps.h"

#include <sqlite3.h>

enum { STEP_WORDS_MAX = 600, STEP_PARTS_MAX = 32 };

struct step_client {
    struct session session; /* first: found from its waiter by subtraction */
    struct lock lock;
    struct cond cond;
    bool ready;
    struct buf reply, raw;
};

struct words {
    uint32_t len;
    const struct text *at[STEP_WORDS_MAX];
    struct slice slices[STEP_WORDS_MAX];
};

struct past { /* the model from an LSN on */
    uint64_t lsn;
    struct model model;
};

struct steps {
    struct ks_fixture ks;
    struct command_worker *worker;
    struct step_client clients[2];
    struct model model;
    struct past *pasts; /* ascending; the first one is what the backend has */
    size_t pasts_len, pasts_cap;
    bool held, down, loose;   /* !hold, !down, !free */
    bool tainted[MODEL_KEYS]; /* the backend may have something else, in any database */
    bool edited[MODEL_KEYS];  /* and so a client may see something else */
    bool two_commits;         /* may have been made since the backend was looked at */
    bool rewound;             /* the next commit writes what the backend has already */
    uint64_t rewound_at;      /* the newest cut then */
    struct shard *stuck;      /* of which the lock is held: !split */
    uint64_t cuts_before;     /* when a cut was allowed */
    uint16_t cut_before;      /* the number of the one that was open then */
    uint64_t rows_before, rows_written;
    uint64_t faded_used;       /* rows that were due to expired keys */
    sqlite3 *reader, *blocker; /* NULL: the memory backend */
    struct steps_report *report;
};
extern struct steps steps;

void steps_fail(const char *format, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));
/* Runs a request of client 0 to its end; its reply is in the client. */
void steps_say(uint32_t db, const struct words *w);
void words_add(struct words *w, struct slice bytes);

/* --- steps_view.c --- */
/* What client 0 sees; NULL: absent. The caller unrefs it. */
struct model_value *view_key(uint32_t db, int key);
void view_check_key(uint32_t db, int key);
void view_check_all(void);
void view_open_backend(void);
void view_close_backend(void);
/* Starts the keyspace with a backend that has more than it says: so many per cent of what the
 * journal has of it, 100: all. */
void view_start_rewound(unsigned per_cent);
/* Compares the backend with the past that it says it is. */
void view_check_backend(void);
/* Compares the keys that were tainted with the backend, and takes them over. */
void view_adopt_tainted(void);
/* The newest thing that may be asked later: the model as it is after the last LSN. */
void view_note_past(void);
void view_forget_pasts(size_t n);

#endif
