/* Where the keys of a request are: by the positions of its row, or by the row's own function.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/worker.h"

#include <stdlib.h>
#include <string.h>

bool worker_reserve_keys(struct command_worker *w, uint64_t n)
{
    if (LIKELY(n <= w->keys_cap))
        return true;
    uint64_t cap = max_u64(n, (uint64_t)w->keys_cap * 2);
    if (cap > UINT32_MAX)
        return false;
    struct txn_key *grown = realloc(w->keys, cap * sizeof(*grown));
    if (grown == NULL)
        return false;
    w->keys = grown;
    w->keys_cap = (uint32_t)cap;
    return true;
}

int command_keys(const struct command *command, uint32_t db, uint32_t argc,
                 const struct slice *argv, struct txn_key *out)
{
    if (command->find_keys != NULL) {
        for (uint32_t i = 0; i < argc; i++)
            out[i] = (struct txn_key){.db = db, .mode = command->key_mode};
        int found = command->find_keys(argc, argv, out);
        must(found <= (int)argc);
        return found;
    }
    if (command->first_key == 0)
        return 0;
    int last = command->last_key < 0 ? (int)argc + command->last_key : command->last_key;
    if (last >= (int)argc)
        last = (int)argc - 1;
    int found = 0;
    for (int i = command->first_key; i <= last; i += command->key_step)
        out[found++] = (struct txn_key){.db = db, .mode = command->key_mode, .name = argv[i]};
    return found;
}

int worker_find_keys(struct command_worker *w, const struct command *command, uint32_t db,
                     const struct request *r, uint32_t at)
{
    if (command->find_keys == NULL && command->first_key == 0)
        return 0;
    if (!worker_reserve_keys(w, (uint64_t)at + r->argc))
        return -1;
    int found = command_keys(command, db, r->argc, r->argv, w->keys + at);
    return found < 0 ? 0 : found;
}
