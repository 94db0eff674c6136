/* What the words of options.def's ENUM directives mean: option_num() gives the place of the word.
 * Those of journal-fsync are the journal's (journal/journal.h), those of loglevel the log's.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_WORDS_H
#define CONFIG_WORDS_H

#include "config/options.h"

enum maxmemory_policy {
    POLICY_VOLATILE_LRU,
    POLICY_VOLATILE_LFU,
    POLICY_VOLATILE_RANDOM,
    POLICY_VOLATILE_TTL,
    POLICY_ALLKEYS_LRU,
    POLICY_ALLKEYS_LFU,
    POLICY_ALLKEYS_RANDOM,
    POLICY_NOEVICTION,
};
/* Only keys with an expiry may be evicted. Thread: any. */
static inline bool policy_is_volatile(void)
{
    return option_num(OPT_maxmemory_policy) <= POLICY_VOLATILE_TTL;
}
/* How often a key is used counts, and not when it was. Thread: any. */
static inline bool policy_is_lfu(void)
{
    int64_t policy = option_num(OPT_maxmemory_policy);
    return policy == POLICY_VOLATILE_LFU || policy == POLICY_ALLKEYS_LFU;
}

enum backpressure_policy { BACKPRESSURE_DELAY, BACKPRESSURE_REFUSE, BACKPRESSURE_OFF };
enum conflict_policy { CONFLICT_BACKEND_WINS, CONFLICT_PROXY_WINS };
enum debug_users { DEBUG_FOR_NOBODY, DEBUG_FOR_ALL, DEBUG_FOR_LOCAL };
enum supervised { SUPERVISED_NO, SUPERVISED_UPSTART, SUPERVISED_SYSTEMD, SUPERVISED_AUTO };

#endif
