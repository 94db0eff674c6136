/* Any bytes as a stored sketch: they are refused, or the functions that read them agree, and it can
 * be added to and made dense without a register getting lower.
 *
 * The first byte of an input chooses how the value is made of its end: as it is, or after a valid
 * header, sparse or dense. In between are additions, three bytes each: a register and a count. The
 * value lies in a block of exactly its length, so that reading past it is seen.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/hyperloglog.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ADDITIONS = 16, ADDITION_LEN = 3 };

static void check_reading(struct slice value)
{
    uint8_t registers[HLL_REGISTERS] = {0};
    uint64_t count = 0, merged_count = 0;
    struct buf text = {0};
    bool sound = hll_merge(registers, value);
    bool estimated = hll_estimate(registers, &merged_count);
    must(hll_count(value, &count) == (sound && estimated));
    must(!sound || !estimated || count == merged_count);
    for (uint32_t i = 0; i < HLL_REGISTERS && sound; i += 61)
        must(hll_register(value, i) == registers[i]);
    (void)hll_register(value, HLL_REGISTERS - 1);
    (void)hll_cached_count(value, &count);
    if (!hll_is_dense(value))
        must(hll_describe(value, &text) == sound);
    buf_fini(&text);
}

static void check_adding(struct slice value, const uint8_t *additions, size_t len)
{
    uint8_t registers[HLL_REGISTERS] = {0}, after[HLL_REGISTERS] = {0};
    struct hll h;
    bool sound = hll_merge(registers, value);
    if (!hll_open(&h, value)) {
        must(!sound);
        return;
    }
    enum hll_change change = HLL_SAME;
    uint64_t limit = len > 0 ? (uint64_t)additions[0] * 64 : 3000;
    for (size_t i = 0; i + ADDITION_LEN <= len && change != HLL_CORRUPT; i += ADDITION_LEN) {
        uint32_t index = (additions[i] | (uint32_t)additions[i + 1] << 8) % HLL_REGISTERS;
        uint8_t count = (uint8_t)(1 + additions[i + 2] % 51);
        change = hll_raise(&h, (struct hll_point){index, count}, limit);
        registers[index] = registers[index] > count ? registers[index] : count;
    }
    must(h.len <= sizeof(h.bytes));
    must(!sound || change != HLL_CORRUPT);
    if (change == HLL_CORRUPT)
        return;
    must(hll_densify(&h) == sound);
    must(!sound ||
         (hll_merge(after, hll_slice(&h)) && memcmp(registers, after, sizeof(after)) == 0));
}

enum form { AS_IT_IS, SPARSE, DENSE, FORMS };

/* The value, of exactly *len bytes. */
static uint8_t *make_value(enum form form, struct slice bytes, size_t *len)
{
    struct hll empty;
    hll_init(&empty);
    must(form != DENSE || hll_densify(&empty));
    size_t header = form == AS_IT_IS ? 0 : HLL_HEADER_LEN;
    *len = form == DENSE ? HLL_DENSE_LEN : header + bytes.len;
    size_t used = (size_t)min_u64(bytes.len, *len - header);
    uint8_t *value = calloc(*len > 0 ? *len : 1, 1);
    must(value != NULL);
    memcpy(value, empty.bytes, header);
    if (used > 0)
        memcpy(value + header, bytes.ptr, used);
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum form form = (enum form)(data[0] % FORMS);
    size_t len, additions = (size_t)(data[0] / FORMS % ADDITIONS) * ADDITION_LEN;
    additions = (size_t)min_u64(additions, size - 1);
    struct slice rest = slice_of(data + 1 + additions, size - 1 - additions);
    uint8_t *value = make_value(form, rest, &len);
    if (hll_is_valid(slice_of(value, len))) {
        check_reading(slice_of(value, len));
        check_adding(slice_of(value, len), data + 1, additions);
    }
    free(value);
    return 0;
}
