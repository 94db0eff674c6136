/* A list as a plain array, and the rows that a backend has of it.
 *
 * Every function fails the running test when something is not as it should be.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_LIST_MODEL_H
#define TESTS_SUPPORT_LIST_MODEL_H

#include "store/list.h"

enum { LIST_MODEL_MAX = 40000, LIST_ROWS_MAX = 3 * LIST_MODEL_MAX };

/* A value that tells its number: of very different lengths, some as digits alone. Valid until the
 * next call. */
struct slice list_model_value(unsigned n);
unsigned list_model_number(struct slice value);

/* --- The model: an array --- */

struct list_model {
    unsigned value[LIST_MODEL_MAX];
    size_t count;
};

void list_model_insert(struct list_model *m, size_t index, unsigned value);
void list_model_remove(struct list_model *m, size_t index, size_t n);
/* The list shows just these values, from both ends and in the middle. */
void list_model_shown(const struct list *l, const struct list_model *m);

/* --- The backend: rows in the order of their positions --- */

struct list_row {
    int64_t position;
    unsigned value;
};

struct list_rows {
    struct list_row rows[LIST_ROWS_MAX];
    size_t count;
    size_t told, removed; /* by the last capture */
};

/* As change_sink.change; removing what is not there fails. */
bool list_rows_tell(void *rows, struct slice name, struct slice value, int64_t position,
                    double score, bool removed);
/* As write-back does it: a list that says so is written anew. */
void list_rows_capture(struct list **l, struct list_rows *b, bool everything);
void list_rows_equal(const struct list_rows *b, const struct list_model *m);
struct list *list_rows_load(const struct list_rows *b);

#endif
