/* The sections of INFO: each appends its lines to a buffer. INFO is info.c.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMAND_SERVER_INFO_H
#define COMMAND_SERVER_INFO_H

#include "executor/call.h"
#include "writeback/writeback.h"

struct info_sources {          /* what the sections read, fetched once per INFO */
    struct keyspace *keyspace; /* NULL while loading */
    struct host_info host;
    struct writeback_info writeback;
};

/* For "%lld". */
static inline long long ll(uint64_t n)
{
    return (long long)n;
}
/* "1.50M", as Redis writes sizes for people. `out` has INFO_HUMAN_MAX bytes. */
enum { INFO_HUMAN_MAX = 32 };
const char *info_human_bytes(char *out, uint64_t bytes);

/* info_server.c */
void info_server(const struct info_sources *from, struct buf *out);
void info_clients(const struct info_sources *from, struct buf *out);
void info_memory(const struct info_sources *from, struct buf *out);
void info_cpu(const struct info_sources *from, struct buf *out);
/* info_data.c */
void info_persistence(const struct info_sources *from, struct buf *out);
void info_stats(const struct info_sources *from, struct buf *out);
void info_replication(const struct info_sources *from, struct buf *out);
void info_keyspace(const struct info_sources *from, struct buf *out);
void info_writeback(const struct info_sources *from, struct buf *out);
/* info_commands.c */
void info_commandstats(const struct info_sources *from, struct buf *out);
void info_errorstats(const struct info_sources *from, struct buf *out);
void info_latencystats(const struct info_sources *from, struct buf *out);

#endif
