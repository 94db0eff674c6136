/* One producer's way to the journal thread: a ring of records in a file that is mapped shared, so
 * that what was appended outlives the process.
 *
 *   | page: who, generation | positions | records ... |
 *
 * One thread writes, one reads; both only ever move their own position forward. The writer
 * publishes a record by storing write_pos after the bytes; the reader gives space back by storing
 * read_pos after the bytes are in a segment. So between the two lies, at every instant, exactly
 * what a killed process had appended and not yet written. A machine that loses power leaves
 * arbitrary pages: every record carries its checksum, XORed with the ring's generation, which is
 * new with every start.
 *
 * A record never wraps: what is left at the end is skipped, marked by RING_SKIP in its first word.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef JOURNAL_RING_H
#define JOURNAL_RING_H

#include "journal/format.h"

enum { RING_BYTES_MIN = 4096, RING_BYTES_DEFAULT = 8 << 20 };
#define RING_SKIP UINT64_C(0x5355520053554B49)

struct ring_page { /* the first page of the file */
    char magic[8];
    uint32_t version;
    uint32_t producer;
    uint8_t journal_id[16];
    uint8_t boot_id[16]; /* of the run of the machine in which it was last reset */
    uint64_t generation;
    uint64_t bytes;
    uint64_t checksum; /* over everything above; zero while the page is being changed */
    _Alignas(1024) _Atomic uint64_t write_pos;
    _Alignas(1024) _Atomic uint64_t read_pos;
    _Atomic uint64_t released_lsn; /* all records up to here, of any ring, are in segments */
    _Atomic uint64_t durable_lsn;  /* and up to here on the disk */
};
_Static_assert(sizeof(struct ring_page) <= FORMAT_PAGE, "it is a page");

/* What page->checksum is; never zero, which stands for "being changed". */
uint64_t ring_page_checksum(const struct ring_page *page);

struct ring {
    /* set at open */
    struct ring_page *page;
    char *data;
    uint64_t bytes;
    uint64_t mix;
    /* writer only */
    _Alignas(CACHE_LINE) uint64_t write_pos;
    uint64_t read_seen; /* read_pos as last looked at */
    /* reader only */
    _Alignas(CACHE_LINE) uint64_t cursor; /* after the last record taken; read_pos follows later */
    uint64_t write_seen;
};

/* Opens the file of a producer, mapping it. RC_NOT_FOUND: none. RC_CORRUPT: its size or its page
 * make no sense (after power loss they may not); nothing can be read from it. RC_FOREIGN: of
 * another journal, or of another format. `journal_id` NULL: of any journal. */
MUST_CHECK enum rc ring_open(const struct fs *fs, const char *path, const uint8_t *journal_id,
                             struct ring *out, struct err *err);
/* Creates the file, all of it written, and syncs it; RC_IO when it exists. It must be reset. */
MUST_CHECK enum rc ring_create(const struct fs *fs, const char *path, uint64_t bytes,
                               struct ring *out, struct err *err);
void ring_close(const struct fs *fs, struct ring *ring);
/* Empties the ring and dedicates it. A process killed on the way leaves a ring that is invalid. */
void ring_reset(struct ring *ring, const uint8_t journal_id[16], const uint8_t boot_id[16],
                uint32_t producer, uint64_t generation);

/* Largest record that is certain to fit into an empty ring. */
static inline uint64_t ring_record_max(const struct ring *ring)
{
    return ring->bytes / 2;
}
/* Thread: the writer. Whether a record of `bytes` fits now. */
bool ring_has_room(struct ring *ring, uint64_t bytes);
/* Thread: the writer. Copies a record in and publishes it; false when there is no room. */
bool ring_put(struct ring *ring, const struct format_key *key, const struct record_header *head,
              const struct slice *parts, uint32_t parts_len);
/* Thread: the writer. Bytes not given back yet, as far as last seen. */
static inline uint64_t ring_used_seen(const struct ring *ring)
{
    return ring->write_pos - ring->read_seen;
}

/* Thread: the reader. The next record, or NULL when there is none. With `key` every byte is
 * doubted: a record that does not verify is an end, and *bad says so. */
const struct record_header *ring_peek(struct ring *ring, const struct format_key *key, bool *bad);
/* Thread: the reader. Steps over the record that ring_peek gave. */
void ring_skip(struct ring *ring, const struct record_header *record);
/* Thread: the reader. Gives all space before the cursor back to the writer; records up to `lsn` are
 * in segments. */
void ring_release(struct ring *ring, uint64_t lsn);
/* Thread: any. Bytes between the positions. */
uint64_t ring_used(const struct ring *ring);

#endif
