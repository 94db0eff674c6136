/* Bytes on the disk never crash the journal, and what it reads is always a history: LSNs without a
 * gap, each record once, whatever the bytes.
 *
 * The first byte of the input chooses: how many segments there are, whether records get valid
 * checksums (else nearly every input ends at the first record), LSNs that follow on, and a ring.
 * The rest is their content.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "journal/format.h"
#include "journal/reader.h"
#include "journal/ring.h"

/* The fuzz targets link the library only. */
#include "tests/support/simdisk.c"
#include "tests/support/simfs.c"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEGMENT_BYTES = 16 << 10, SEALED = 4, FOLLOWING = 8, RING = 16 };

static const uint8_t id[16] = {1};
static struct format_key key;

struct input {
    const uint8_t *at;
    size_t left;
};

static size_t take(struct input *in, void *to, size_t len)
{
    size_t n = len < in->left ? len : in->left;
    memcpy(to, in->at, n);
    in->at += n;
    in->left -= n;
    return n;
}

/* Makes records of what lies there: lengths that fit, and checksums that are right. */
static uint64_t seal(char *bytes, size_t len, uint64_t mix, uint64_t lsn, uint8_t how)
{
    size_t at = 0;
    while (len - at >= sizeof(struct record_header)) {
        struct record_header *r = (void *)(bytes + at);
        r->len %= 300;
        if (format_record_bytes(r->len) > len - at)
            break;
        if ((how & FOLLOWING) != 0 || r->lsn % 8 != 0)
            r->lsn = lsn;
        r->flags &= FORMAT_MARKER | JOURNAL_NOOP;
        if ((r->flags & FORMAT_MARKER) == 0)
            lsn++;
        r->checksum = format_hash(&key, r) ^ mix;
        at += format_record_bytes(r->len);
    }
    return lsn;
}

static uint64_t put_segment(struct simfs *disk, struct input *in, uint64_t number, uint64_t lsn,
                            uint8_t how)
{
    static char bytes[FORMAT_DATA_AT + SEGMENT_BYTES] __attribute__((aligned(16)));
    char name[FORMAT_NAME_MAX], path[64];
    struct segment_header header = {
        .number = number, .first_lsn = lsn, .continues_after = lsn - 1, .run = 1};
    memset(bytes, 0, sizeof(bytes));
    memcpy(header.journal_id, id, 16);
    format_seal_header(&header, bytes);
    size_t len = take(in, bytes + FORMAT_DATA_AT, SEGMENT_BYTES / 2);
    if ((how & SEALED) != 0)
        lsn = seal(bytes + FORMAT_DATA_AT, len, format_mix(number), lsn, how);
    format_segment_name(name, header.first_lsn);
    snprintf(path, sizeof(path), "d/%s", name);
    simfs_put(disk, path, bytes, sizeof(bytes));
    return lsn > header.first_lsn ? lsn : header.first_lsn + 1;
}

static void put_ring(struct simfs *disk, struct input *in, uint64_t lsn, uint8_t how)
{
    struct ring ring;
    struct err err;
    uint8_t boot[16];
    uint16_t positions[2] = {0, 0};
    const struct fs *fs = simfs_fs(disk);
    fs->boot_id(fs->ctx, boot);
    must(ring_create(fs, "d/ring-0", 4096, &ring, &err) == RC_OK);
    ring_reset(&ring, id, boot, 0, 1);
    take(in, positions, sizeof(positions));
    size_t len = take(in, ring.data, 4096);
    if ((how & SEALED) != 0)
        seal(ring.data, len, ring.mix, lsn, how);
    atomic_store(&ring.page->read_pos, positions[0] & 0x1ff8);
    atomic_store(&ring.page->write_pos, positions[1] & 0x3ff8);
    ring_close(fs, &ring);
}

static void read_everything(struct simfs *disk)
{
    struct journal_reader *reader;
    struct journal_record record;
    struct err err;
    uint64_t last = 0;
    enum rc rc;
    if (journal_reader_open(simfs_fs(disk), "d", &reader, &err) != RC_OK)
        return;
    while ((rc = journal_reader_next(reader, &record, &err)) == RC_OK) {
        must(record.lsn > last);
        must(record.payload.len <= JOURNAL_PAYLOAD_MAX);
        last = record.lsn;
    }
    must(rc == RC_NOT_FOUND || rc == RC_CORRUPT);
    journal_reader_close(&reader);
}

static enum rc check_next(void *last, const struct journal_record *record, struct err *err)
{
    (void)err;
    uint64_t *expected = last;
    must(*expected == 0 || record->lsn == *expected);
    *expected = record->lsn + 1;
    return RC_OK;
}

/* The number of records that a recovery finds; none where it refuses. */
static uint64_t recover(struct simfs *disk)
{
    struct journal_options options = {.dir = "d",
                                      .fs = simfs_fs(disk),
                                      .producers = 1,
                                      .segment_bytes = 64 << 10,
                                      .ring_bytes = 4096};
    struct journal *j;
    struct err err;
    uint64_t next = 0;
    if (journal_open(&options, &j, &err) != RC_OK)
        return 0;
    enum rc rc = journal_replay(j, 0, check_next, &next, &err);
    must(rc == RC_OK || rc == RC_CORRUPT);
    must(rc == RC_CORRUPT || next == 0 || next == journal_last_lsn(j) + 1);
    journal_close(&j);
    return rc == RC_OK ? next : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    log_set_level(LOG_NOTHING);
    format_key_init(&key, id);
    struct input in = {data + 1, size - 1};
    struct simfs *disk = simfs_new(1);
    uint8_t how = data[0];
    uint64_t lsn = 1;
    for (uint64_t i = 0; i < 1u + how % 4; i++)
        lsn = put_segment(disk, &in, i + 1, lsn, how);
    if ((how & RING) != 0)
        put_ring(disk, &in, lsn, how);
    read_everything(disk);
    uint64_t found = recover(disk);
    must(recover(disk) == found);
    struct journal_salvage salvage;
    struct err err;
    enum rc rc = journal_salvage(simfs_fs(disk), "d", &salvage, &err);
    must(rc == RC_OK);
    if (found > 0 && salvage.was_sound)
        must(recover(disk) == found);
    simfs_free(&disk);
    return 0;
}
