/* What salvage has set aside, read once more: every record that verifies, wherever it lies.
 *
 * A file that was set aside whole says itself what its checksums are computed with. Of one whose
 * sound beginning stayed in place, that beginning says it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "journal/internal.h"

#include "journal/reader.h"

#include <stdlib.h>

enum { RECORD_UNIT = 8 };
static const char suffix[] = ".damaged";

struct bytes {
    char *data;
    uint64_t len;
};

/* All of a file, or its first page. Owns: the caller, bytes.data. */
static enum rc damaged_read_file(const struct fs *fs, const char *path, uint64_t max,
                                 struct bytes *out, struct err *err)
{
    struct fs_file *file = NULL;
    size_t got = 0;
    *out = (struct bytes){0};
    enum rc rc = fs->open(fs->ctx, path, FS_READ, &file, err);
    if (rc == RC_OK)
        rc = fs->size(fs->ctx, file, &out->len, err);
    if (rc == RC_OK) {
        out->len = min_u64(out->len, max);
        out->data = malloc(out->len + 1);
        rc = out->data != NULL ? fs->pread(fs->ctx, file, out->data, out->len, 0, &got, err)
                               : err_set(err, RC_NOMEM, "no memory to read '%s'", path);
        out->len = got;
    }
    if (file != NULL)
        fs->close(fs->ctx, &file);
    return rc;
}

/* Whether a first page tells the key, and what is mixed in. */
static bool take_key(const struct bytes *page, struct format_key *key, uint64_t *mix)
{
    struct segment_header header;
    struct ring_page ring;
    if (page->len < FORMAT_PAGE)
        return false;
    if (format_check_header(page->data, page->len, &header) == FORMAT_GOOD) {
        format_key_init(key, header.journal_id);
        *mix = format_mix(header.number);
        return true;
    }
    memcpy(&ring, page->data, sizeof(ring));
    if (ring.checksum != ring_page_checksum(&ring))
        return false;
    format_key_init(key, ring.journal_id);
    *mix = format_mix(ring.generation);
    return true;
}

/* The same of the file that it was set aside from. */
static bool take_key_beside(const struct fs *fs, const char *path, struct format_key *key,
                            uint64_t *mix)
{
    size_t len = strlen(path), cut = sizeof(suffix) - 1;
    struct bytes page = {0};
    struct err ignored;
    if (len <= cut || strcmp(path + len - cut, suffix) != 0)
        return false;
    char *original = strndup(path, len - cut);
    must(original != NULL);
    bool told = damaged_read_file(fs, original, FORMAT_PAGE, &page, &ignored) == RC_OK &&
                take_key(&page, key, mix);
    free(page.data);
    free(original);
    return told;
}

enum rc journal_read_damaged(const struct fs *fs, const char *path,
                             void (*each)(void *ctx, const struct journal_record *record),
                             void *ctx, struct err *err)
{
    struct format_key key;
    struct bytes all;
    uint64_t mix;
    fs = fs == NULL ? &fs_posix : fs;
    enum rc rc = damaged_read_file(fs, path, UINT64_MAX, &all, err);
    if (rc == RC_OK && !take_key(&all, &key, &mix) && !take_key_beside(fs, path, &key, &mix))
        rc = err_set(err, RC_CORRUPT,
                     "'%s' has no sound header, and no file beside it tells what its records are "
                     "checked with",
                     path);
    for (uint64_t at = 0; rc == RC_OK && at + sizeof(struct record_header) <= all.len;) {
        const struct record_header *record = (const void *)(all.data + at);
        if (!format_verify(&key, mix, record, all.len - at)) {
            at += RECORD_UNIT;
            continue;
        }
        struct journal_record view = format_view(record);
        if ((record->flags & FORMAT_MARKER) == 0)
            each(ctx, &view);
        at += format_record_bytes(record->len);
    }
    free(all.data);
    return rc;
}
