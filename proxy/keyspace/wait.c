/* Waiting for something other than a load: for durability (WAITAOF), and for back-pressure to fall.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/internal.h"

#include "config/options.h"

#include <stdlib.h>

uint64_t keyspace_durable_lsn(const struct keyspace *ks)
{
    return max_u64(journal_durable_lsn(ks->journal), writeback_applied_lsn(ks->wb));
}

bool keyspace_is_durable(struct keyspace *ks, uint64_t lsn)
{
    return journal_durable_lsn(ks->journal) >= lsn;
}

bool keyspace_is_applied(struct keyspace *ks, uint64_t lsn)
{
    return writeback_applied_lsn(ks->wb) >= lsn;
}

static bool is_reached(struct keyspace *ks, const struct lsn_wait *w)
{
    return (!w->local || keyspace_is_durable(ks, w->lsn)) &&
           (!w->remote || keyspace_is_applied(ks, w->lsn));
}

bool keyspace_wait_lsn(struct keyspace *ks, uint64_t lsn, bool local, bool remote, struct waiter *w)
{
    struct lsn_wait *wait = malloc(sizeof(*wait));
    must(wait != NULL);
    *wait = (struct lsn_wait){.lsn = lsn, .local = local, .remote = remote, .waiter = w};
    lock_acquire(&ks->wait_lock);
    bool waits = !is_reached(ks, wait);
    if (waits) {
        wait->next = ks->lsn_waits;
        ks->lsn_waits = wait;
        atomic_fetch_add(&ks->waiting, 1);
    }
    lock_release(&ks->wait_lock);
    if (!waits)
        free(wait);
    else if (local)
        journal_request_sync(ks->journal);
    return waits;
}

bool keyspace_cancel_wait(struct keyspace *ks, struct waiter *w)
{
    struct lsn_wait *found = NULL;
    lock_acquire(&ks->wait_lock);
    for (struct lsn_wait **at = &ks->lsn_waits; *at != NULL; at = &(*at)->next) {
        if ((*at)->waiter == w) {
            found = *at;
            *at = found->next;
            atomic_fetch_sub(&ks->waiting, 1);
            break;
        }
    }
    lock_release(&ks->wait_lock);
    free(found);
    return found != NULL;
}

void wait_for_relief(struct keyspace *ks, struct waiter *w)
{
    lock_acquire(&ks->wait_lock);
    w->next = NULL;
    *(ks->pressed == NULL ? &ks->pressed : ks->pressed_last) = w;
    ks->pressed_last = &w->next;
    atomic_fetch_add(&ks->pressed_len, 1);
    atomic_fetch_add(&ks->waiting, 1);
    lock_release(&ks->wait_lock);
}

/* Waiters are called under the lock: once keyspace_cancel_wait() says that one will not be called,
 * that is so. A call only passes the news on. First come, first served; who waits for room in the
 * journal or for a capture holds nobody else up. */
static void release_pressed(struct keyspace *ks, bool journal_moved) REQUIRES(ks->wait_lock)
{
    uint32_t admits = atomic_load(&ks->stuck) ? 0 : pressure_admits(ks->wb);
    bool refuses = !writeback_is_slowing(ks->wb) || atomic_load(&ks->stuck);
    int64_t now = clock_mono().us, most = option_num(OPT_backpressure_max_delay_ms) * 1000;
    struct waiter **at = &ks->pressed, *w;
    while ((w = *at) != NULL) {
        bool for_room = w->room_since_us != 0, for_capture = w->capture_since_us != 0;
        bool is_over = now - (for_room ? w->room_since_us : w->since_us) >= most;
        if (for_capture ? false
            : for_room  ? !journal_moved && !is_over
                        : admits == 0 && !(refuses && is_over)) {
            at = &w->next;
            continue;
        }
        bool in_turn = !for_room && !for_capture && admits > 0 && admits != PRESSURE_ADMITS_ALL;
        w->admitted = for_room || for_capture || in_turn;
        admits -= in_turn;
        *at = w->next;
        atomic_fetch_sub(&ks->pressed_len, 1);
        atomic_fetch_sub(&ks->waiting, 1);
        w->ready(w);
    }
    ks->pressed_last = at;
}

static void release_reached(struct keyspace *ks) REQUIRES(ks->wait_lock)
{
    for (struct lsn_wait **at = &ks->lsn_waits; *at != NULL;) {
        struct lsn_wait *w = *at;
        if (!is_reached(ks, w)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        atomic_fetch_sub(&ks->waiting, 1);
        w->waiter->ready(w->waiter);
        free(w);
    }
}

void wait_look(struct keyspace *ks, bool journal_moved)
{
    if (atomic_load(&ks->waiting) == 0)
        return;
    lock_acquire(&ks->wait_lock);
    release_pressed(ks, journal_moved);
    release_reached(ks);
    lock_release(&ks->wait_lock);
}
