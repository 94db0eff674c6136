/* See reader.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/reader.h"

#include "journal/chain.h"

#include <stdio.h>
#include <stdlib.h>

struct journal_reader {
    struct chain chain;
    struct chain_walk walk;
    struct journal_segment *segments;
    uint64_t after_lsn;
};

enum rc journal_reader_open(const struct fs *fs, const char *dir, struct journal_reader **out,
                            struct err *err)
{
    struct journal_reader *r = calloc(1, sizeof(*r));
    must(r != NULL);
    enum rc rc = chain_open(&r->chain, fs == NULL ? &fs_posix : fs, dir, err);
    if (rc != RC_OK) {
        free(r);
        return rc;
    }
    r->segments = calloc(r->chain.len + 1, sizeof(*r->segments));
    must(r->segments != NULL);
    for (size_t i = 0; i < r->chain.len; i++) {
        const struct chain_segment *from = &r->chain.segments[i];
        struct journal_segment *to = &r->segments[i];
        memcpy(to->name, from->name, sizeof(to->name));
        to->valid = from->good;
        to->first_lsn = from->first_lsn;
        to->bytes = from->size;
        if (!from->good)
            continue;
        to->number = from->header.number;
        to->continues_after = from->header.continues_after;
        to->created.ms = from->header.created_ms;
    }
    rc = journal_reader_seek(r, 0, err);
    if (rc != RC_OK && rc != RC_CORRUPT) {
        journal_reader_close(&r);
        return rc;
    }
    *out = r; /* damage at the very beginning is for journal_reader_next to report */
    return RC_OK;
}

void journal_reader_close(struct journal_reader **reader)
{
    struct journal_reader *r = *reader;
    if (r == NULL)
        return;
    *reader = NULL;
    chain_walk_fini(&r->walk);
    chain_close(&r->chain);
    free(r->segments);
    free(r);
}

size_t journal_reader_segments(const struct journal_reader *r, const struct journal_segment **out)
{
    *out = r->segments;
    return r->chain.len;
}

void journal_reader_id(const struct journal_reader *r, uint8_t out[16])
{
    memcpy(out, r->chain.journal_id, JOURNAL_ID_BYTES);
}

enum rc journal_reader_seek(struct journal_reader *r, uint64_t after_lsn, struct err *err)
{
    const struct chain *c = &r->chain;
    uint64_t from = after_lsn;
    chain_walk_fini(&r->walk);
    const struct chain_segment *first = chain_first_good(c);
    if (from == 0 && first != NULL)
        from = first->header.continues_after;
    r->after_lsn = from;
    return chain_walk_init(&r->walk, c, from, false, err);
}

enum rc journal_reader_next(struct journal_reader *r, struct journal_record *out, struct err *err)
{
    const struct record_header *record;
    if (r->walk.file == NULL && r->chain.len > 0) /* no header verifies */
        return journal_reader_seek(r, r->after_lsn, err);
    do {
        enum rc rc = chain_walk_next(&r->walk, &record, err);
        if (rc != RC_OK)
            return rc;
    } while (record->lsn <= r->after_lsn);
    *out = format_view(record);
    return RC_OK;
}

struct journal_place journal_reader_place(const struct journal_reader *r)
{
    struct chain_place from = chain_walk_place(&r->walk);
    struct journal_place place = {.offset = from.offset, .next_lsn = from.next_lsn};
    snprintf(place.name, sizeof(place.name), "%s", from.name);
    return place;
}

bool journal_reader_is_torn(const struct journal_reader *r)
{
    return r->walk.torn;
}
