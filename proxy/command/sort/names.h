/* The keys that SORT's BY and GET patterns name, each once, and where the transaction has them.
 * With them an arena, for what lives as long as one SORT.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMAND_SORT_NAMES_H
#define COMMAND_SORT_NAMES_H

#include "base/slice.h"

/* Bytes that are freed all at once; they do not move. */
struct sort_arena {
    struct sort_chunk *chunks;
    char *at;
    size_t left;
};

/* Copies bytes and puts a NUL after them. False: out of memory. */
MUST_CHECK bool sort_arena_copy(struct sort_arena *a, struct slice bytes, struct slice *copy);
void sort_arena_free(struct sort_arena *a);

enum {
    SORT_NAMES_MAX = 1000 * 1000, /* more is refused: each one is locked and may be loaded */
    SORT_KEY_UNKNOWN = UINT32_MAX
};

struct sort_name {
    struct slice name;
    uint64_t hash;
    uint32_t key; /* its number in the transaction, or SORT_KEY_UNKNOWN: not locked yet */
    bool counted; /* as a hit or a miss: once, in however many rounds it is looked at */
};

struct sort_names {
    struct sort_name *list;
    uint32_t len, cap;
    uint32_t *table; /* indices into list, plus one; 0: free */
    uint32_t slots;  /* of the table, a power of two */
    struct sort_arena arena;
};

/* The name, which is added (copied, and unknown) when it is new. NULL: out of memory, or *full.
 * hash: the keyspace's, which nobody outside can make collide. */
struct sort_name *sort_names_find(struct sort_names *n, struct slice name, uint64_t hash,
                                  bool *full);
void sort_names_free(struct sort_names *n);

#endif
