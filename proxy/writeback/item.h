/* A batch item as bytes, for the records, and as text, for people.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef WRITEBACK_ITEM_H
#define WRITEBACK_ITEM_H

#include "backends/backend.h"
#include "base/buf.h"

/* Little-endian numbers and length-prefixed bytes. NULL items are encoded too, and come back as
 * such. */
struct item_sink {
    void (*write)(void *ctx, struct slice bytes);
    void *ctx;
};
void item_encode(const struct item_sink *out, const struct backend_item *item);
/* *known false: it was NULL. The slices point into `bytes`; *elements is a heap array that the
 * caller frees. */
MUST_CHECK enum rc item_decode(struct slice bytes, bool *known, struct backend_item *item,
                               struct backend_element **elements, struct err *err);
/* "hello", "{field: value, ...}", "(deleted)"; bytes escaped, cut at about `max`. */
void item_render(struct buf *out, const struct backend_item *item, size_t max);

#endif
