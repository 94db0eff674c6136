/* See hyperloglog.h.
 *
 * Three parts: reading a value, either encoding; the estimate; changing a copy. Only next_run() and
 * the two functions for dense registers know how bits lie.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "compute/hyperloglog.h"

#include <endian.h>
#include <math.h>

enum {
    ENCODING_DENSE,
    ENCODING_SPARSE,
    ENCODING_AT = 4,
    STALE_AT = 15,
    STALE = 0x80,
    INDEX_BITS = 14,
    HASH_BITS = 64 - INDEX_BITS, /* so an element's count is HASH_BITS + 1 at most */
    SHORT_ZEROS_MAX = 64,
    VALUE_RUN_MAX = 4,
    SPARSE_VALUE_MAX = 32,
    MERGE_SCAN = 5, /* opcodes looked at after a change, for runs that have become mergeable */
};

static const uint64_t HASH_SEED = 0xadc83b19;
static const uint8_t magic[ENCODING_AT] = {'H', 'Y', 'L', 'L'};

/* --- Elements --- */

static uint64_t load_u64(const void *at)
{
    uint64_t n;
    memcpy(&n, at, sizeof(n));
    return le64toh(n);
}

/* MurmurHash64A, by A. Appleby. */
static uint64_t murmur(struct slice s)
{
    const uint64_t mul = 0xc6a4a7935bd1e995;
    const unsigned fold = 47;
    uint64_t h = HASH_SEED ^ s.len * mul;
    for (; s.len >= 8; s = slice_of(s.ptr + 8, s.len - 8)) {
        uint64_t k = load_u64(s.ptr) * mul;
        h = (h ^ (k ^ k >> fold) * mul) * mul;
    }
    if (s.len > 0) {
        uint64_t rest = 0;
        memcpy(&rest, s.ptr, s.len);
        h = (h ^ le64toh(rest)) * mul;
    }
    h = (h ^ h >> fold) * mul;
    return h ^ h >> fold;
}

struct hll_point hll_point(struct slice element)
{
    uint64_t hash = murmur(element);
    uint64_t rest = hash >> INDEX_BITS | UINT64_C(1) << HASH_BITS; /* ends the search */
    return (struct hll_point){.index = (uint32_t)(hash & (HLL_REGISTERS - 1)),
                              .count = (uint8_t)(__builtin_ctzll(rest) + 1)};
}

/* --- Reading --- */

static const uint8_t *bytes_of(struct slice value)
{
    return (const uint8_t *)value.ptr;
}

bool hll_is_valid(struct slice value)
{
    return value.len >= HLL_HEADER_LEN && memcmp(value.ptr, magic, sizeof(magic)) == 0 &&
           (bytes_of(value)[ENCODING_AT] == ENCODING_SPARSE ||
            (bytes_of(value)[ENCODING_AT] == ENCODING_DENSE && value.len == HLL_DENSE_LEN));
}

bool hll_is_dense(struct slice value)
{
    return bytes_of(value)[ENCODING_AT] == ENCODING_DENSE;
}

bool hll_cached_count(struct slice value, uint64_t *count)
{
    *count = load_u64(value.ptr + HLL_CACHED_AT);
    return (bytes_of(value)[STALE_AT] & STALE) == 0;
}

void hll_cache_count(char *bytes, uint64_t count)
{
    for (int i = 0; i < HLL_CACHED_LEN; i++)
        bytes[i] = (char)(count >> 8 * i);
}

bool hll_has_same_registers(struct slice a, struct slice b)
{
    return a.len == b.len && a.len >= HLL_HEADER_LEN && memcmp(a.ptr, b.ptr, HLL_CACHED_AT) == 0 &&
           memcmp(a.ptr + HLL_HEADER_LEN, b.ptr + HLL_HEADER_LEN, a.len - HLL_HEADER_LEN) == 0;
}

static uint8_t dense_get(const uint8_t *value, uint32_t index)
{
    uint32_t bit = index * 6, shift = bit % 8;
    const uint8_t *at = value + HLL_HEADER_LEN + bit / 8;
    unsigned two = shift > 2 ? (unsigned)at[1] << 8 | at[0] : at[0]; /* only then it crosses over */
    return two >> shift & HLL_REGISTER_MAX;
}

static void dense_put(uint8_t *value, uint32_t index, uint8_t count)
{
    uint32_t bit = index * 6, shift = bit % 8;
    uint8_t *at = value + HLL_HEADER_LEN + bit / 8;
    at[0] = (uint8_t)((at[0] & ~(HLL_REGISTER_MAX << shift)) | count << shift);
    if (shift > 2)
        at[1] = (uint8_t)((at[1] & ~(HLL_REGISTER_MAX >> (8 - shift))) | count >> (8 - shift));
}

struct hll_run {
    uint32_t first, len; /* registers */
    uint8_t value;       /* 0, or 1..32 */
    uint8_t size;        /* bytes */
};

/* The opcode at `at`; first is not set. False: cut off, or beyond the end. */
static bool read_run(const uint8_t *bytes, size_t len, size_t at, struct hll_run *out)
{
    if (at >= len)
        return false;
    uint8_t op = bytes[at];
    out->value = 0;
    out->size = 1;
    if ((op & 0x80) != 0) {
        out->value = (uint8_t)((op >> 2 & 31) + 1);
        out->len = (op & 3u) + 1;
    } else if ((op & 0x40) == 0) {
        out->len = (op & 63u) + 1;
    } else {
        if (at + 1 >= len)
            return false;
        out->size = 2;
        out->len = ((op & 63u) << 8 | bytes[at + 1]) + 1;
    }
    return true;
}

struct hll_walk {
    const uint8_t *bytes;
    size_t len, at;
    uint32_t next; /* register */
};

static struct hll_walk walk_of(struct slice value)
{
    return (struct hll_walk){.bytes = bytes_of(value), .len = value.len, .at = HLL_HEADER_LEN};
}

/* False: the end, or what cannot be there; walk_is_whole() tells. */
static bool next_run(struct hll_walk *w, struct hll_run *out)
{
    if (!read_run(w->bytes, w->len, w->at, out) || out->len > HLL_REGISTERS - w->next)
        return false;
    out->first = w->next;
    w->next += out->len;
    w->at += out->size;
    return true;
}

static bool walk_is_whole(const struct hll_walk *w)
{
    return w->at == w->len && w->next == HLL_REGISTERS;
}

int hll_register(struct slice value, uint32_t index)
{
    must(index < HLL_REGISTERS);
    if (hll_is_dense(value))
        return dense_get(bytes_of(value), index);
    struct hll_walk w = walk_of(value);
    struct hll_run run;
    while (next_run(&w, &run))
        if (index < w.next)
            return run.value;
    return -1;
}

/* Twelve bytes are sixteen registers, in two words of eight. */
enum { WORD_REGISTERS = 8, BLOCK_REGISTERS = 16, BLOCK_BYTES = 12 };

static uint64_t block_low(const uint8_t *at)
{
    return load_u64(at);
}

static uint64_t block_high(const uint8_t *at)
{
    return load_u64(at + 4) >> 16;
}

static void merge_word(uint8_t *registers, uint64_t word)
{
    for (unsigned i = 0; i < WORD_REGISTERS; i++) {
        uint8_t count = word >> 6 * i & HLL_REGISTER_MAX;
        registers[i] = registers[i] > count ? registers[i] : count;
    }
}

static void merge_dense(uint8_t *registers, const uint8_t *value)
{
    const uint8_t *at = value + HLL_HEADER_LEN;
    for (uint32_t i = 0; i < HLL_REGISTERS; i += BLOCK_REGISTERS, at += BLOCK_BYTES) {
        merge_word(registers + i, block_low(at));
        merge_word(registers + i + WORD_REGISTERS, block_high(at));
    }
}

bool hll_merge(uint8_t *registers, struct slice value)
{
    if (hll_is_dense(value)) {
        merge_dense(registers, bytes_of(value));
        return true;
    }
    struct hll_walk w = walk_of(value);
    struct hll_run run;
    while (next_run(&w, &run))
        for (uint32_t i = run.first; run.value != 0 && i < w.next; i++)
            if (registers[i] < run.value)
                registers[i] = run.value;
    return walk_is_whole(&w);
}

bool hll_describe(struct slice value, struct buf *out)
{
    struct hll_walk w = walk_of(value);
    struct hll_run run;
    while (next_run(&w, &run)) {
        if (w.at > HLL_HEADER_LEN + (size_t)run.size)
            buf_append_str(out, " ");
        if (run.value != 0)
            buf_printf(out, "v:%u,%u", run.value, run.len);
        else
            buf_printf(out, "%c:%u", run.size == 1 ? 'z' : 'Z', run.len);
    }
    return walk_is_whole(&w);
}

/* --- The estimate --- */

/* x + sum of x^(2^k) * 2^(k-1), k from 1 on: what the registers at 0 say. */
static double sigma(double x)
{
    if (x == 1.0)
        return INFINITY;
    double sum = x, last, weight = 1;
    do {
        x *= x;
        last = sum;
        sum += x * weight;
        weight += weight;
    } while (sum != last);
    return sum;
}

/* (1 - x - sum of (1 - x^(2^-k))^2 * 2^-k, k from 1 on) / 3: what the full registers say. */
static double tau(double x)
{
    if (x == 0.0 || x == 1.0)
        return 0.0;
    double sum = 1 - x, last, weight = 1;
    do {
        x = sqrt(x);
        last = sum;
        weight *= 0.5;
        sum -= (1 - x) * (1 - x) * weight;
    } while (sum != last);
    return sum / 3;
}

static bool estimate(const uint32_t *histogram, uint64_t *count)
{
    const double alpha = 0.721347520444481703680; /* 1 / (2 ln 2) */
    const double m = HLL_REGISTERS;
    double z = m * tau((m - histogram[HASH_BITS + 1]) / m);
    for (int k = HASH_BITS; k >= 1; k--)
        z = (z + histogram[k]) * 0.5;
    z += m * sigma(histogram[0] / m);
    double n = alpha * m * m / z;
    if (!(n < 0x1p62)) /* nearly all registers full, or values that no element gives */
        return false;
    *count = (uint64_t)llround(n);
    return true;
}

/* Several tables, so that equal neighbours do not wait for one another. */
enum { TABLES = 4 };
typedef uint32_t histogram_tables[TABLES][HLL_REGISTER_MAX + 1];

/* Written out: a loop costs half as much again. */
static void count_word(histogram_tables tables, uint64_t word)
{
    tables[0][word & HLL_REGISTER_MAX]++;
    tables[1][word >> 6 & HLL_REGISTER_MAX]++;
    tables[2][word >> 12 & HLL_REGISTER_MAX]++;
    tables[3][word >> 18 & HLL_REGISTER_MAX]++;
    tables[0][word >> 24 & HLL_REGISTER_MAX]++;
    tables[1][word >> 30 & HLL_REGISTER_MAX]++;
    tables[2][word >> 36 & HLL_REGISTER_MAX]++;
    tables[3][word >> 42 & HLL_REGISTER_MAX]++;
}

static bool estimate_tables(histogram_tables tables, uint64_t *count)
{
    for (unsigned k = 1; k < TABLES; k++)
        for (unsigned i = 0; i <= HLL_REGISTER_MAX; i++)
            tables[0][i] += tables[k][i];
    return estimate(tables[0], count);
}

bool hll_estimate(const uint8_t *registers, uint64_t *count)
{
    histogram_tables tables = {{0}};
    for (uint32_t i = 0; i < HLL_REGISTERS; i++)
        tables[i % TABLES][registers[i]]++;
    return estimate_tables(tables, count);
}

bool hll_count(struct slice value, uint64_t *count)
{
    histogram_tables tables = {{0}};
    if (hll_is_dense(value)) {
        const uint8_t *at = bytes_of(value) + HLL_HEADER_LEN;
        for (uint32_t i = 0; i < HLL_REGISTERS; i += BLOCK_REGISTERS, at += BLOCK_BYTES) {
            count_word(tables, block_low(at));
            count_word(tables, block_high(at));
        }
        return estimate_tables(tables, count);
    }
    struct hll_walk w = walk_of(value);
    struct hll_run run;
    while (next_run(&w, &run))
        tables[0][run.value] += run.len;
    return walk_is_whole(&w) && estimate(tables[0], count);
}

/* --- Changing --- */

static void forget_hint(struct hll *h)
{
    h->hint = (struct hll_hint){.at = HLL_HEADER_LEN};
}

/* The fewest opcodes for so many registers of one value; returns their bytes. */
static uint32_t write_run(uint8_t *out, uint8_t value, uint32_t len)
{
    if (len == 0)
        return 0;
    if (value != 0) {
        must(len <= VALUE_RUN_MAX && value <= SPARSE_VALUE_MAX);
        out[0] = (uint8_t)(0x80u | (value - 1u) << 2 | (len - 1));
        return 1;
    }
    if (len <= SHORT_ZEROS_MAX) {
        out[0] = (uint8_t)(len - 1);
        return 1;
    }
    out[0] = (uint8_t)(0x40u | (len - 1) >> 8);
    out[1] = (uint8_t)(len - 1);
    return 2;
}

void hll_init(struct hll *h)
{
    memset(h->bytes, 0, HLL_HEADER_LEN);
    memcpy(h->bytes, magic, sizeof(magic));
    h->bytes[ENCODING_AT] = ENCODING_SPARSE;
    h->len = HLL_HEADER_LEN + write_run(h->bytes + HLL_HEADER_LEN, 0, HLL_REGISTERS);
    forget_hint(h);
}

bool hll_open(struct hll *h, struct slice value)
{
    if (value.len > sizeof(h->bytes))
        return false;
    memcpy(h->bytes, value.ptr, value.len);
    h->len = (uint32_t)value.len;
    forget_hint(h);
    return true;
}

void hll_touch(struct hll *h)
{
    h->bytes[STALE_AT] |= STALE;
}

static bool raise_dense(uint8_t *value, struct hll_point point)
{
    if (dense_get(value, point.index) >= point.count)
        return false;
    dense_put(value, point.index, point.count);
    value[STALE_AT] |= STALE;
    return true;
}

bool hll_raise_dense(char *value, struct hll_point point)
{
    return raise_dense((uint8_t *)value, point);
}

void hll_fill(struct hll *h, const uint8_t *registers)
{
    must(hll_is_dense(hll_slice(h)));
    for (uint32_t i = 0; i < HLL_REGISTERS; i++)
        dense_put(h->bytes, i, registers[i]);
}

bool hll_densify(struct hll *h)
{
    uint8_t registers[HLL_REGISTERS] = {0};
    if (hll_is_dense(hll_slice(h)))
        return true;
    if (!hll_merge(registers, hll_slice(h)))
        return false;
    h->bytes[ENCODING_AT] = ENCODING_DENSE;
    h->len = HLL_DENSE_LEN;
    hll_fill(h, registers);
    return true;
}

static enum hll_change promote(struct hll *h, struct hll_point point)
{
    if (!hll_densify(h))
        return HLL_CORRUPT;
    return raise_dense(h->bytes, point) ? HLL_CHANGED : HLL_SAME;
}

/* Where the opcode of a register is, and the two before it. */
struct hll_place {
    struct hll_run run;
    uint32_t at;
    uint32_t previous;      /* offset of the opcode before; the first opcode has itself */
    struct hll_hint before; /* the one before that */
};

static bool hll_find_place(const struct hll *h, uint32_t index, struct hll_hint from,
                           struct hll_place *out)
{
    struct hll_walk w = {.bytes = h->bytes, .len = h->len, .at = from.at, .next = from.first};
    *out = (struct hll_place){.at = from.at, .previous = from.at, .before = from};
    struct hll_hint previous = from;
    while (next_run(&w, &out->run)) {
        if (index < w.next)
            return true;
        out->before = previous;
        previous = (struct hll_hint){.at = out->at, .first = out->run.first};
        out->previous = out->at;
        out->at = (uint32_t)w.at;
    }
    return false;
}

/* A search that goes on where the last one was, which makes raising registers in order cheap. The
 * opcode before the one that is found must be known too, so it does not do to find the hint. */
static bool find_near(const struct hll *h, uint32_t index, struct hll_place *out)
{
    const struct hll_hint begin = {.at = HLL_HEADER_LEN};
    if (h->hint.at != begin.at && index >= h->hint.first &&
        hll_find_place(h, index, h->hint, out) && out->at != h->hint.at)
        return true;
    return hll_find_place(h, index, begin, out);
}

/* Joins equal neighbours, a few opcodes from `at` on: no more than Redis does, so that the bytes
 * are the same. */
static void merge_runs(struct hll *h, uint32_t at)
{
    for (int i = 0; i < MERGE_SCAN; i++) {
        struct hll_run run, next;
        if (!read_run(h->bytes, h->len, at, &run))
            return;
        bool joins = run.value != 0 && read_run(h->bytes, h->len, at + 1, &next) &&
                     next.value == run.value && run.len + next.len <= VALUE_RUN_MAX;
        if (joins) {
            write_run(h->bytes + at, run.value, run.len + next.len);
            memmove(h->bytes + at + 1, h->bytes + at + 2, h->len - at - 2);
            h->len--;
        } else {
            at += run.size;
        }
    }
}

static enum hll_change raise_sparse(struct hll *h, struct hll_point point, uint64_t sparse_max)
{
    struct hll_place p;
    if (point.count > SPARSE_VALUE_MAX)
        return promote(h, point);
    if (!find_near(h, point.index, &p))
        return HLL_CORRUPT;
    if (p.run.value >= point.count)
        return HLL_SAME;
    /* The run is split around the register. */
    uint8_t split[8];
    uint32_t size = write_run(split, p.run.value, point.index - p.run.first);
    size += write_run(split + size, point.count, 1);
    size += write_run(split + size, p.run.value, p.run.first + p.run.len - 1 - point.index);
    uint32_t len = h->len + size - p.run.size;
    if (size > p.run.size && (len > sparse_max || len > sizeof(h->bytes)))
        return promote(h, point);
    uint32_t rest = p.at + p.run.size;
    memmove(h->bytes + p.at + size, h->bytes + rest, h->len - rest);
    memcpy(h->bytes + p.at, split, size);
    h->len = len;
    h->hint = p.before;
    merge_runs(h, p.previous);
    hll_touch(h);
    return HLL_CHANGED;
}

enum hll_change hll_raise(struct hll *h, struct hll_point point, uint64_t sparse_max)
{
    must(point.index < HLL_REGISTERS && point.count >= 1 && point.count <= HLL_REGISTER_MAX);
    if (!hll_is_dense(hll_slice(h)))
        return raise_sparse(h, point, sparse_max);
    return raise_dense(h->bytes, point) ? HLL_CHANGED : HLL_SAME;
}
