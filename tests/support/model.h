/* What Redis would hold: a keyspace of few keys as plain sorted arrays, with the commands that the
 * write-back tests use. Slow, obvious, and independent of proxy/.
 *
 * A value is shared between the model and its copies until it is changed, so that keeping the model
 * as it was after every command costs little. Bytes are interned: equal bytes are the same pointer.
 *
 * Beside the values, each key counts how much of it commands have touched: from that follows how
 * many rows a flush may cost at most.
 *
 * Thread: one.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_MODEL_H
#define TESTS_SUPPORT_MODEL_H

#include "base/slice.h"
#include "base/value_type.h"

enum { MODEL_DBS = 3, MODEL_KEYS = 5 };

struct text { /* interned */
    struct text *chain;
    struct slice bytes;
};

/* string: value; hash: name, value; list: value; set: name; zset: name, score */
struct model_element {
    const struct text *name, *value;
    double score;
};

struct model_value {
    uint32_t refs;
    enum value_type type;
    int64_t expires_at_ms; /* 0: never */
    uint32_t len, cap;
    struct model_element *elements; /* lists: in order; else sorted by the address of the name */
};

/* Both only grow, and belong to the name in its database rather than to the value. */
struct model_slot {
    struct model_value *value; /* NULL: absent */
    uint64_t touched;          /* elements named by commands */
    uint64_t anew;             /* times that everything of it may have to be written */
    uint64_t expired;          /* times that its value did */
};

struct model_db {
    uint64_t id; /* a flushed database is another one */
    struct model_slot keys[MODEL_KEYS];
};

struct model {
    int64_t now_ms;
    uint64_t next_id;
    uint64_t faded; /* rows of what expired: they may be written all the same, or removed later */
    struct model_db dbs[MODEL_DBS];
};

extern const char *const model_key_names[MODEL_KEYS];

const struct text *model_text(struct slice bytes);
void model_forget_texts(void); /* nothing holds one any more */

void model_init(struct model *m);
void model_clear(struct model *m);
void model_copy(struct model *to, const struct model *from);
/* Keys whose time is over go. */
void model_expire(struct model *m);

/* -1: no key of the model. */
int model_key(const struct text *name);

enum model_knows {
    MODEL_DONE,  /* also when the command is an error that changes nothing */
    MODEL_ADOPT, /* the model cannot tell what key *adopt of database `db` has become */
    MODEL_UNKNOWN,
};
enum model_knows model_run(struct model *m, uint32_t db, uint32_t argc,
                           const struct text *const *argv, int *adopt);

/* Values put together by hand: what a client or the backend shows. */
struct model_value *model_value_new(enum value_type type);
void model_value_unref(struct model_value **v);
void model_value_add(struct model_value *v, const struct text *name, const struct text *value,
                     double score);
void model_value_sort(struct model_value *v); /* after the last model_value_add, but for lists */
bool model_value_equal(const struct model_value *a, const struct model_value *b); /* NULL: absent */
/* "hash{f: v, ...} until 17"; static buffers, two in turn. */
const char *model_value_show(const struct model_value *v);

/* For model_commands.c: the slot's value, made its own; created when absent. */
struct model_value *model_own(struct model_slot *s);
struct model_value *model_make(struct model_slot *s, enum value_type type);
/* v may be NULL: the key goes. Takes the reference over. */
void model_put(struct model_slot *s, struct model_value *v);
/* Index of a name, or where it would be as -1 - index. */
int64_t model_value_find(const struct model_value *v, const struct text *name);
void model_value_insert(struct model_value *v, uint32_t at, struct model_element e);
void model_value_remove(struct model_value *v, uint32_t at, uint32_t n);

#endif
