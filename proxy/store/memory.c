/* Where memory comes from and how much is in use; see alloc.h and store.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock.h"
#include "store/alloc.h"
#include "store/store.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#endif

#if defined(UNDER_SANITIZER)
/* From the run-time library; its header is not always installed. */
size_t __sanitizer_get_current_allocated_bytes(void);
size_t __sanitizer_get_heap_size(void);
#elif !defined(WEIR_NO_JEMALLOC)
#include <jemalloc/jemalloc.h>
#endif

#define HUGE_PAGES_FROM (UINT64_C(512) << 20) /* below that the unused part of each counts */

bool (*alloc_should_fail)(void);

#if !defined(WEIR_NO_JEMALLOC)
/* jemalloc reads this at start; the environment (MALLOC_CONF) overrides it. Huge pages: a random
 * write to a store of 5 M keys takes a quarter less time. A thread of its own for giving memory
 * back, and soon: tables that grew leave holes of 15 % otherwise. */
const char *malloc_conf = "thp:always,metadata_thp:auto,background_thread:true,"
                          "dirty_decay_ms:1000,muzzy_decay_ms:0";
#endif

static bool told_to_fail(void)
{
    return UNLIKELY(alloc_should_fail != NULL) && alloc_should_fail();
}

void *alloc_try(size_t size)
{
    return told_to_fail() ? NULL : malloc(size);
}

void *alloc_try_zeroed(size_t size)
{
    void *block = alloc_try(size);
    if (block != NULL)
        memset(block, 0, size);
    return block;
}

void *alloc_try_resize(void *block, size_t size)
{
    return told_to_fail() ? NULL : realloc(block, size);
}

void *alloc_try_aligned(size_t size)
{
    return told_to_fail() ? NULL : aligned_alloc(CACHE_LINE, size);
}

struct blob *alloc_try_blob(size_t cap)
{
    return told_to_fail() ? NULL : blob_try_new(cap);
}

struct blob *alloc_try_grow_blob(struct blob *b, size_t cap)
{
    return told_to_fail() ? NULL : blob_try_grow(b, cap);
}

size_t alloc_usable(void *block)
{
    return malloc_usable_size(block);
}

uint64_t alloc_hash_seed(void)
{
    static _Atomic uint64_t seed;
    uint64_t now = atomic_load_explicit(&seed, memory_order_relaxed);
    if (LIKELY(now != 0))
        return now;
    uint64_t drawn = 0;
    must(getrandom(&drawn, sizeof(drawn), 0) == (ssize_t)sizeof(drawn));
    drawn |= 1;
    /* Whoever comes first decides. */
    return atomic_compare_exchange_strong(&seed, &now, drawn) ? drawn : now;
}

/* The figures as of the last refresh. */
static _Atomic size_t allocated, data, active, resident, mapped, peak, at_start;

#if defined(UNDER_SANITIZER) || defined(WEIR_NO_JEMALLOC)

void memory_purge(void)
{
    malloc_trim(0);
}

void memory_append_stats(struct buf *out)
{
    buf_append_str(out, "Stats not supported for the current allocator");
}

#else

void memory_purge(void)
{
    char name[32];
    snprintf(name, sizeof(name), "arena.%u.purge", (unsigned)MALLCTL_ARENAS_ALL);
    mallctl(name, NULL, NULL, NULL, 0);
}

static void append_text(void *out, const char *text)
{
    buf_append_str(out, text);
}

void memory_append_stats(struct buf *out)
{
    malloc_stats_print(append_text, out, NULL);
}

#endif

#if defined(UNDER_SANITIZER)

static void read_figures(struct memory_info *out)
{
    out->allocated = __sanitizer_get_current_allocated_bytes();
    out->active = out->allocated;
    out->resident = __sanitizer_get_heap_size();
    out->mapped = out->resident;
}

#elif defined(WEIR_NO_JEMALLOC)

static void read_figures(struct memory_info *out)
{
    struct mallinfo2 info = mallinfo2();
    out->allocated = info.uordblks + info.hblkhd;
    out->active = out->allocated;
    out->mapped = info.arena + info.hblkhd;
    out->resident = out->mapped;
    FILE *statm = fopen("/proc/self/statm", "re");
    unsigned long pages, in_memory;
    if (statm != NULL && fscanf(statm, "%lu %lu", &pages, &in_memory) == 2)
        out->resident = in_memory * (size_t)sysconf(_SC_PAGESIZE);
    if (statm != NULL)
        fclose(statm);
}

#else

static size_t read_figure(const char *name)
{
    size_t value = 0, len = sizeof(value);
    return mallctl(name, &value, &len, NULL, 0) == 0 ? value : 0;
}

static void read_figures(struct memory_info *out)
{
    uint64_t epoch = 1;
    size_t len = sizeof(epoch);
    mallctl("epoch", &epoch, &len, &epoch, len);
    out->allocated = read_figure("stats.allocated");
    out->active = read_figure("stats.active");
    out->resident = read_figure("stats.resident");
    out->mapped = read_figure("stats.mapped");
}

#endif

static void give_back_at_once(void)
{
#if !defined(UNDER_SANITIZER) && !defined(WEIR_NO_JEMALLOC)
    ssize_t decay_ms = 20;
    unsigned arenas = 0;
    size_t len = sizeof(arenas);
    (void)mallctl("arenas.narenas", &arenas, &len, NULL, 0);
    (void)mallctl("arenas.dirty_decay_ms", NULL, NULL, &decay_ms, sizeof(decay_ms));
    for (unsigned i = 0; i < arenas; i++) {
        char name[64];
        snprintf(name, sizeof(name), "arena.%u.dirty_decay_ms", i);
        (void)mallctl(name, NULL, NULL, &decay_ms, sizeof(decay_ms));
    }
#endif
}

void memory_begin(uint64_t limit)
{
    if (limit >= HUGE_PAGES_FROM)
        return;
    (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    give_back_at_once();
}

static struct lock caches_lock = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static size_t (*caches)(void *ctx) GUARDED_BY(caches_lock);
static void *caches_ctx GUARDED_BY(caches_lock);

void memory_count_apart(size_t (*bytes)(void *ctx), void *ctx)
{
    lock_acquire(&caches_lock);
    caches = bytes;
    caches_ctx = ctx;
    lock_release(&caches_lock);
}

static size_t count_apart(void)
{
    lock_acquire(&caches_lock);
    size_t bytes = caches != NULL ? caches(caches_ctx) : 0;
    lock_release(&caches_lock);
    return bytes;
}

void memory_refresh(void)
{
    struct memory_info now = {0};
    read_figures(&now);
    size_t apart = count_apart();
    now.data = now.allocated > apart ? now.allocated - apart : 0;
    atomic_store_explicit(&allocated, now.allocated, memory_order_relaxed);
    atomic_store_explicit(&data, now.data, memory_order_relaxed);
    atomic_store_explicit(&active, now.active, memory_order_relaxed);
    atomic_store_explicit(&resident, now.resident, memory_order_relaxed);
    atomic_store_explicit(&mapped, now.mapped, memory_order_relaxed);
    size_t highest = atomic_load_explicit(&peak, memory_order_relaxed);
    while (highest < now.data && !atomic_compare_exchange_weak(&peak, &highest, now.data))
        ;
}

size_t memory_data(void)
{
    return atomic_load_explicit(&data, memory_order_relaxed);
}

void memory_mark_started(void)
{
    memory_refresh();
    atomic_store_explicit(&at_start, memory_data(), memory_order_relaxed);
}

size_t memory_at_start(void)
{
    return atomic_load_explicit(&at_start, memory_order_relaxed);
}

void memory_get_info(struct memory_info *out)
{
    out->allocated = atomic_load_explicit(&allocated, memory_order_relaxed);
    out->data = memory_data();
    out->active = atomic_load_explicit(&active, memory_order_relaxed);
    out->resident = atomic_load_explicit(&resident, memory_order_relaxed);
    out->mapped = atomic_load_explicit(&mapped, memory_order_relaxed);
    out->peak = atomic_load_explicit(&peak, memory_order_relaxed);
}
