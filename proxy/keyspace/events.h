/* Keyspace notifications: the classes of events, and who is told.
 *
 * Expiry and misses happen inside the keyspace, everything else is said by the command that does
 * it. An event is told at once, under the locks of the transaction: the listener only passes it on,
 * together with the LSN of the change, so that nobody hears of a write that could still vanish.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KEYSPACE_EVENTS_H
#define KEYSPACE_EVENTS_H

#include "base/slice.h"

enum notify_class {                           /* bits and letters of notify-keyspace-events, in the
                                                 order of its row in options.def */
                    NOTIFY_KEYSPACE = 1 << 0, /* K */
                    NOTIFY_KEYEVENT = 1 << 1, /* E */
                    NOTIFY_GENERIC = 1 << 2,  /* g */
                    NOTIFY_STRING = 1 << 3,   /* $ */
                    NOTIFY_LIST = 1 << 4,     /* l */
                    NOTIFY_SET = 1 << 5,      /* s */
                    NOTIFY_HASH = 1 << 6,     /* h */
                    NOTIFY_ZSET = 1 << 7,     /* z */
                    NOTIFY_EXPIRED = 1 << 8,  /* x */
                    NOTIFY_EVICTED = 1 << 9,  /* e */
                    NOTIFY_STREAM = 1 << 10,  /* t */
                    NOTIFY_MISS = 1 << 11,    /* m */
                    NOTIFY_MODULE = 1 << 12,  /* d */
                    NOTIFY_NEW = 1 << 13,     /* n */
};

struct keyspace_event {
    enum notify_class class;
    const char *name;
    uint32_t db; /* database number */
    struct slice key;
    uint64_t lsn; /* of the change; 0: none */
};

#endif
