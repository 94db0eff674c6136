/* See option_row.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "config/option_row.h"

enum { NAME_MAX_LEN = 64 };

const struct option_row option_rows[OPT_COUNT] = {
#define OPTION(id, name, kind, def, min, max, flags, words, help) \
    [OPT_##id] = {name, OPTION_KIND_##kind, def, min, max, flags, words, help},
#include "config/options.def"
#undef OPTION
};

const struct option_alias option_aliases[] = {
    {"hash-max-ziplist-entries", OPT_hash_max_listpack_entries},
    {"hash-max-ziplist-value", OPT_hash_max_listpack_value},
    {"list-max-ziplist-size", OPT_list_max_listpack_size},
    {"zset-max-ziplist-entries", OPT_zset_max_listpack_entries},
    {"zset-max-ziplist-value", OPT_zset_max_listpack_value},
    {"appendonly", OPT_journal},
    {"appendfsync", OPT_journal_fsync},
    {"cluster-slave-no-failover", OPT_cluster_replica_no_failover},
    {"cluster-slave-validity-factor", OPT_cluster_replica_validity_factor},
    {"lua-time-limit", OPT_busy_reply_threshold},
    {"min-slaves-max-lag", OPT_min_replicas_max_lag},
    {"min-slaves-to-write", OPT_min_replicas_to_write},
    {"repl-ping-slave-period", OPT_repl_ping_replica_period},
    {"slave-announce-ip", OPT_replica_announce_ip},
    {"slave-announce-port", OPT_replica_announce_port},
    {"slave-ignore-maxmemory", OPT_replica_ignore_maxmemory},
    {"slave-lazy-flush", OPT_replica_lazy_flush},
    {"slave-priority", OPT_replica_priority},
    {"slave-read-only", OPT_replica_read_only},
    {"slave-serve-stale-data", OPT_replica_serve_stale_data},
    {"slaveof", OPT_replicaof},
    {"server_cpulist", OPT_server_cpulist},
    {"bio_cpulist", OPT_bio_cpulist},
    {"aof_rewrite_cpulist", OPT_aof_rewrite_cpulist},
    {"bgsave_cpulist", OPT_bgsave_cpulist},
};
const size_t option_aliases_len = COUNT_OF(option_aliases);

bool option_row_is_list(enum option_id id)
{
    enum option_kind kind = option_rows[id].kind;
    return kind == OPTION_KIND_LIST || kind == OPTION_KIND_LIMITS ||
           kind == OPTION_KIND_PERCENTILES || option_row_adds_up(id);
}

bool option_row_adds_up(enum option_id id)
{
    return option_rows[id].kind == OPTION_KIND_SAVE || option_rows[id].kind == OPTION_KIND_RENAMES;
}

bool option_row_is_text(enum option_id id)
{
    return option_rows[id].kind == OPTION_KIND_TEXT || option_row_is_list(id);
}

bool option_row_find(struct slice text, enum option_id *id, const char **name)
{
    for (size_t i = 0; i < OPT_COUNT; i++) {
        if (slice_is_word(text, option_rows[i].name)) {
            *id = (enum option_id)i;
            *name = option_rows[i].name;
            return true;
        }
    }
    for (size_t i = 0; i < option_aliases_len; i++) {
        if (slice_is_word(text, option_aliases[i].name)) {
            *id = option_aliases[i].id;
            *name = option_aliases[i].name;
            return true;
        }
    }
    return false;
}

/* How many bytes to insert, delete, replace or swap with a neighbour to make b out of a. */
static size_t edit_distance(struct slice a, struct slice b)
{
    size_t rows[3][NAME_MAX_LEN + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.len; j++)
        above[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = (a.ptr[i - 1] | 0x20) == (b.ptr[j - 1] | 0x20);
            row[j] = min_u64(above[j - 1] + !same, min_u64(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
                row[j] = min_u64(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b.len];
}

static void consider(struct slice text, const char *name, size_t *least, const char **nearest)
{
    struct slice known = slice_str(name);
    must(known.len <= NAME_MAX_LEN);
    size_t distance = edit_distance(text, known);
    if (distance < *least) {
        *least = distance;
        *nearest = name;
    }
}

const char *option_row_nearest(struct slice text)
{
    const char *nearest = NULL;
    if (text.len > NAME_MAX_LEN)
        return NULL;
    size_t least = 2 + text.len / 8; /* so many and it is another word */
    for (size_t i = 0; i < OPT_COUNT; i++)
        consider(text, option_rows[i].name, &least, &nearest);
    for (size_t i = 0; i < option_aliases_len; i++)
        consider(text, option_aliases[i].name, &least, &nearest);
    consider(text, "include", &least, &nearest);
    return nearest;
}
