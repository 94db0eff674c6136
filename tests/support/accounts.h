/* Pairs of accounts, and two writers that move money between them: both accounts of a pair change
 * in one transaction, so that their sum never does.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_ACCOUNTS_H
#define TESTS_SUPPORT_ACCOUNTS_H

#include "tests/support/ks.h"

#include <pthread.h>

struct accounts {
    struct ks_fixture *f;
    int pairs; /* of each writer */
    _Atomic bool running;
    pthread_t threads[2];
};

void accounts_start(struct accounts *a, struct ks_fixture *f, int pairs);
void accounts_stop(struct accounts *a);
/* Both accounts of each pair are in the backend, and add up, or neither is. Returns how many
 * accounts are there. The backend stands still meanwhile. */
int accounts_check(const struct accounts *a);

#endif
