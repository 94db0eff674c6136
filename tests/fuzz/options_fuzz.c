/* A configuration file of any bytes is read or refused with a text; what was read can be written
 * back and read again to the same values; so can CONFIG SET with the same bytes.
 *
 * `include` is left out: the fuzzer must not open what files are around it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "config/option_set.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *in_memory_file(int *fd, struct slice text)
{
    static char path[64];
    if (*fd < 0)
        *fd = memfd_create("weir.conf", 0);
    must(*fd >= 0 && ftruncate(*fd, 0) == 0);
    must(pwrite(*fd, text.ptr, text.len, 0) == (ssize_t)text.len);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
    return path;
}

static bool has_include(struct slice text)
{
    for (; text.len >= 7; text = slice_of(text.ptr + 1, text.len - 1))
        if (slice_is_word(slice_of(text.ptr, 7), "include"))
            return true;
    return false;
}

/* Writes every value, reads that, and compares. */
static void check_round_trip(const struct option_set *set, int *fd)
{
    struct buf text = {0};
    struct option_set again;
    struct err err = {0};
    for (size_t i = 0; i < OPT_COUNT; i++) {
        buf_printf(&text, "%s ", option_rows[i].name);
        option_value_write((enum option_id)i, &set->values[i], &text);
        buf_append_str(&text, "\n");
    }
    option_set_init(&again);
    must(option_set_read_file(&again, in_memory_file(fd, buf_slice(&text)), &err) == RC_OK);
    for (size_t i = 0; i < OPT_COUNT; i++)
        must(option_value_eq((enum option_id)i, &set->values[i], &again.values[i]));
    option_set_fini(&again);
    buf_fini(&text);
}

static void set_at_run_time(const uint8_t *data, size_t size)
{
    struct slice pairs[8];
    size_t n = 0;
    const char *at = (const char *)data, *end = at + size, *failed;
    struct err err = {0};
    while (at < end && n < 8) {
        const char *stop = memchr(at, n % 2 == 0 ? ' ' : '\n', (size_t)(end - at));
        stop = stop != NULL ? stop : end;
        pairs[n++] = slice_of(at, (size_t)(stop - at));
        at = stop < end ? stop + 1 : end;
    }
    if (options_set(pairs, n / 2, &failed, &err) == RC_OK)
        options_reset();
    else
        must(err.text[0] != '\0' && strpbrk(err.text, "\r\n") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    set_at_run_time(data, size);
    if (has_include(slice_of(data, size)))
        return 0;
    struct option_set set;
    struct err err = {0};
    option_set_init(&set);
    if (option_set_read_file(&set, in_memory_file(&fd, slice_of(data, size)), &err) == RC_OK)
        check_round_trip(&set, &fd);
    else
        must(err.text[0] != '\0');
    option_set_fini(&set);
    return 0;
}
