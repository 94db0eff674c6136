/* The order in which a large cut is captured: pieces that follow each other in the backend's order,
 * so that the whole cut walks the backend's tree once although no more than a piece is in memory.
 *
 * A sample of the dirty keys, sorted, gives the boundaries between pieces; then each dirty key is
 * noted, by its hash, with the piece that it falls into (sample sort: Frazer and McKellar, JACM
 * 1970). That takes eight bytes a key, and nothing of its value. What changes meanwhile does not
 * matter: the writer that changes an entry captures it first, and finding it by its hash then finds
 * that nothing is owed any more.
 *
 * Thread: cutter.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WRITEBACK_SELECT_H
#define WRITEBACK_SELECT_H

#include "store/store.h"

enum {
    SELECT_BUCKETS_MAX = 1024,
    SELECT_SAMPLES = 16,  /* for each bucket: the largest is then hardly ever twice the mean */
    SELECT_KEY_BYTES = 64 /* of a key, in a sample */
};

struct selection;

/* Up to so many pieces. NULL: out of memory. */
struct selection *selection_try_new(uint32_t buckets);
void selection_free(struct selection **s);
/* First the samples ... */
void selection_sample(struct selection *s, uint32_t db, struct slice key);
/* ... then, once, this, and every key. False: out of memory, it is not in. */
void selection_divide(struct selection *s);
MUST_CHECK bool selection_add(struct selection *s, uint32_t db, struct slice key, uint64_t hash);
/* Takes up to `most` hashes out, in the order of buckets and never of two of them. 0: all are
 * out. */
uint32_t selection_take(struct selection *s, uint64_t *hashes, uint32_t most);
/* Bytes that the hashes of all selections take. Thread: any. */
size_t selections_memory(void);

#endif
