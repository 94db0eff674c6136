/* See accounts.h.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/accounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void move_money(struct accounts *accounts, int worker)
{
    unsigned random = (unsigned)worker + 1;
    char a[16], b[16], key_a[16], key_b[16];
    while (atomic_load(&accounts->running)) {
        random = random * 1664525u + 1013904223u;
        int amount = (int)(random >> 8) % 1000;
        int pair = (int)(random >> 20) % accounts->pairs * 2 + worker;
        snprintf(key_a, sizeof(key_a), "a%d", pair);
        snprintf(key_b, sizeof(key_b), "b%d", pair);
        snprintf(a, sizeof(a), "%d", 1000 + amount);
        snprintf(b, sizeof(b), "%d", 1000 - amount);
        ks_set_two(accounts->f, worker, key_a, a, key_b, b);
    }
}

static void *first_writer(void *accounts)
{
    move_money(accounts, 0);
    return NULL;
}

static void *second_writer(void *accounts)
{
    move_money(accounts, 1);
    return NULL;
}

void accounts_start(struct accounts *a, struct ks_fixture *f, int pairs)
{
    a->f = f;
    a->pairs = pairs;
    atomic_store(&a->running, true);
    must(pthread_create(&a->threads[0], NULL, first_writer, a) == 0);
    must(pthread_create(&a->threads[1], NULL, second_writer, a) == 0);
}

void accounts_stop(struct accounts *a)
{
    atomic_store(&a->running, false);
    for (int i = 0; i < 2; i++)
        must(pthread_join(a->threads[i], NULL) == 0);
}

static int check_pair(const struct accounts *a, int pair)
{
    char key[16];
    int sum = 0, found = 0;
    for (int side = 0; side < 2; side++) {
        snprintf(key, sizeof(key), "%c%d", "ab"[side], pair);
        const char *stored = ks_stored(a->f, key);
        found += stored != NULL;
        sum += stored != NULL ? atoi(stored) : 0;
    }
    assert_true(found == 0 || found == 2);
    if (found == 2)
        assert_int_equal(sum, 2000);
    return found;
}

int accounts_check(const struct accounts *a)
{
    int found = 0;
    for (int pair = 0; pair < 2 * a->pairs; pair++)
        found += check_pair(a, pair);
    return found;
}
