/* INFO persistence, stats, replication, keyspace, writeback: the data and where it is.
 *
 * What Redis calls a save is a flush to the backend here, and its append-only file is the journal.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock.h"
#include "base/stats.h"
#include "command/server/info.h"
#include "config/options.h"
#include "journal/journal.h"

static bool is_loading(const struct info_sources *from)
{
    return from->keyspace == NULL;
}

void info_persistence(const struct info_sources *from, struct buf *out)
{
    const struct writeback_info *wb = &from->writeback;
    struct journal_info journal = {.state = JOURNAL_RUNNING};
    if (!is_loading(from))
        journal_get_info(keyspace_journal(from->keyspace), &journal);
    int64_t saved_ms = from->host.started_at_wall.ms;
    if (!is_loading(from) && wb->last_flush_age_ms >= 0)
        saved_ms = clock_wall().ms - wb->last_flush_age_ms;
    buf_printf(out,
               "loading:%d\r\nasync_loading:0\r\ncurrent_cow_peak:0\r\ncurrent_cow_size:0\r\n"
               "current_cow_size_age:0\r\ncurrent_fork_perc:0.00\r\n"
               "current_save_keys_processed:0\r\ncurrent_save_keys_total:0\r\n"
               "rdb_changes_since_last_save:%lld\r\nrdb_bgsave_in_progress:%d\r\n"
               "rdb_last_save_time:%lld\r\nrdb_last_bgsave_status:%s\r\n"
               "rdb_last_bgsave_time_sec:%lld\r\nrdb_current_bgsave_time_sec:-1\r\n"
               "rdb_saves:%lld\r\nrdb_last_cow_size:0\r\nrdb_last_load_keys_expired:0\r\n"
               "rdb_last_load_keys_loaded:0\r\n",
               is_loading(from), ll(wb->lag_records), wb->flushing, (long long)(saved_ms / 1000),
               wb->failures == 0 ? "ok" : "err",
               wb->last_flush_age_ms >= 0 && !is_loading(from)
                   ? (long long)(wb->last_flush_us / 1000000)
                   : -1,
               ll(stat_get(STAT_batches)));
    buf_printf(out,
               "aof_enabled:1\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\n"
               "aof_last_rewrite_time_sec:-1\r\naof_current_rewrite_time_sec:-1\r\n"
               "aof_last_bgrewrite_status:ok\r\naof_rewrites:0\r\n"
               "aof_rewrites_consecutive_failures:0\r\naof_last_write_status:%s\r\n"
               "aof_last_cow_size:0\r\nmodule_fork_in_progress:0\r\n"
               "module_fork_last_cow_size:0\r\naof_current_size:%lld\r\naof_base_size:0\r\n"
               "aof_pending_rewrite:0\r\naof_buffer_length:%lld\r\naof_pending_bio_fsync:0\r\n"
               "aof_delayed_fsync:0\r\n",
               journal.state == JOURNAL_RUNNING ? "ok" : "err", ll(journal.bytes),
               ll(journal.buffered_bytes));
}

static void append_stat(struct buf *out, enum stat_id id)
{
    buf_printf(out, "%s:%lld\r\n", stat_name(id), ll(stat_get(id)));
}

/* Fields of Redis for what does not exist here, which exporters read all the same. */
static const char absent_stats[] =
    "total_net_repl_input_bytes:0\r\ntotal_net_repl_output_bytes:0\r\n"
    "instantaneous_input_repl_kbps:0.00\r\ninstantaneous_output_repl_kbps:0.00\r\n"
    "sync_full:0\r\nsync_partial_ok:0\r\nsync_partial_err:0\r\nexpired_stale_perc:0.00\r\n"
    "expired_time_cap_reached_count:0\r\nexpire_cycle_cpu_milliseconds:0\r\n"
    "total_eviction_exceeded_time:0\r\n"
    "current_eviction_exceeded_time:0\r\nlatest_fork_usec:0\r\ntotal_forks:0\r\n"
    "migrate_cached_sockets:0\r\nslave_expires_tracked_keys:0\r\nactive_defrag_hits:0\r\n"
    "active_defrag_misses:0\r\nactive_defrag_key_hits:0\r\nactive_defrag_key_misses:0\r\n"
    "total_active_defrag_time:0\r\ncurrent_active_defrag_time:0\r\ntracking_total_keys:0\r\n"
    "tracking_total_items:0\r\ntracking_total_prefixes:0\r\nunexpected_error_replies:0\r\n"
    "dump_payload_sanitizations:0\r\nio_threaded_reads_processed:0\r\n"
    "io_threaded_writes_processed:0\r\nreply_buffer_shrinks:0\r\nreply_buffer_expands:0\r\n"
    "acl_access_denied_cmd:0\r\nacl_access_denied_key:0\r\nacl_access_denied_channel:0\r\n";

void info_stats(const struct info_sources *from, struct buf *out)
{
    static const enum stat_id shown[] = {
        STAT_total_connections_received,
        STAT_total_commands_processed,
        STAT_total_net_input_bytes,
        STAT_total_net_output_bytes,
        STAT_rejected_connections,
        STAT_expired_keys,
        STAT_evicted_keys,
        STAT_evicted_clients,
        STAT_keyspace_hits,
        STAT_keyspace_misses,
        STAT_total_error_replies,
        STAT_total_reads_processed,
        STAT_total_writes_processed,
        STAT_client_query_buffer_limit_disconnections,
        STAT_client_output_buffer_limit_disconnections,
        STAT_acl_access_denied_auth,
    };
    for (size_t i = 0; i < COUNT_OF(shown); i++)
        append_stat(out, shown[i]);
    buf_printf(out,
               "instantaneous_ops_per_sec:%lld\r\ninstantaneous_input_kbps:%.2f\r\n"
               "instantaneous_output_kbps:%.2f\r\n",
               ll(from->host.instantaneous_ops), from->host.instantaneous_input_kbps,
               from->host.instantaneous_output_kbps);
    buf_printf(out, "pubsub_channels:%lld\r\npubsub_patterns:%lld\r\npubsubshard_channels:%lld\r\n",
               ll(from->host.pubsub_topics[PUBSUB_CHANNEL]),
               ll(from->host.pubsub_topics[PUBSUB_PATTERN]),
               ll(from->host.pubsub_topics[PUBSUB_SHARD]));
    if (lock_longest_hold_us() >= 0) /* in a build with checks */
        buf_printf(out, "longest_shard_hold_us:%lld\r\n", (long long)lock_longest_hold_us());
    buf_append_str(out, absent_stats);
}

void info_replication(const struct info_sources *from, struct buf *out)
{
    buf_printf(out,
               "role:master\r\nconnected_slaves:0\r\nmaster_failover_state:no-failover\r\n"
               "master_replid:%s\r\nmaster_replid2:0000000000000000000000000000000000000000\r\n"
               "master_repl_offset:0\r\nsecond_repl_offset:-1\r\nrepl_backlog_active:0\r\n"
               "repl_backlog_size:0\r\nrepl_backlog_first_byte_offset:0\r\n"
               "repl_backlog_histlen:0\r\n",
               from->host.run_id);
}

void info_keyspace(const struct info_sources *from, struct buf *out)
{
    for (int64_t db = 0; !is_loading(from) && db < option_num(OPT_databases); db++) {
        struct keyspace_db_info info;
        keyspace_db_info(from->keyspace, (uint32_t)db, &info);
        if (info.keys > 0)
            buf_printf(out, "db%lld:keys=%lld,expires=%lld,avg_ttl=%lld\r\n", (long long)db,
                       ll(info.keys), ll(info.expires), (long long)info.avg_ttl_ms);
    }
}

static const char *breaker_name(enum breaker_state state)
{
    switch (state) {
    case BREAKER_CLOSED:
        return "closed";
    case BREAKER_OPEN:
        return "open";
    case BREAKER_HALF_OPEN:
        return "half-open";
    }
    return "unknown";
}

static void append_lane(const struct writeback_info *wb, struct buf *out)
{
    static const char *const pressure[] = {"none", "slowing", "holding-back"};
    buf_printf(out,
               "dirty_keys:%lld\r\ndirty_bytes:%lld\r\nin_flight_keys:%lld\r\n"
               "in_flight_bytes:%lld\r\noldest_dirty_ms:%lld\r\nflushing:%d\r\npaused:%d\r\n"
               "backpressure:%s\r\nlast_cut_lsn:%lld\r\napplied_lsn:%lld\r\n"
               "last_flush_us:%lld\r\nlast_flush_age_ms:%lld\r\nlag_records:%lld\r\n",
               ll(wb->dirty_keys), ll(wb->dirty_bytes), ll(wb->in_flight_keys),
               ll(wb->in_flight_bytes), (long long)wb->oldest_dirty_ms, wb->flushing, wb->paused,
               pressure[wb->backpressure], ll(wb->last_cut_lsn), ll(wb->applied_lsn),
               (long long)wb->last_flush_us, (long long)wb->last_flush_age_ms, ll(wb->lag_records));
    buf_printf(out,
               "exposure_records:%lld\r\nbackend:%s\r\nbackend_state:%s\r\nbreaker:%s\r\n"
               "backend_failures:%lld\r\nbackend_next_retry_ms:%lld\r\nbackend_last_error:%s\r\n"
               "wal_bytes:%lld\r\npages_summed:%lld\r\npages_unknown:%lld\r\n"
               "pages_damaged:%lld\r\npages_verified_at:%lld\r\n"
               "dead_letters:%lld\r\nconflicts:%lld\r\n",
               ll(wb->unsynced_records), wb->backend_url, wb->backend_state,
               breaker_name(wb->breaker), ll(wb->failures), (long long)wb->next_retry_ms,
               wb->last_error.code == RC_OK ? "" : wb->last_error.text, ll(wb->wal_bytes),
               ll(wb->pages_summed), ll(wb->pages_unknown), ll(wb->pages_damaged),
               (long long)(wb->verified_at_ms / 1000), ll(wb->dead_letters), ll(wb->conflicts));
}

static void append_journal(struct keyspace *ks, struct buf *out)
{
    struct journal_info j;
    journal_get_info(keyspace_journal(ks), &j);
    buf_printf(out,
               "journal_state:%s\r\njournal_last_lsn:%lld\r\nwritten_lsn:%lld\r\n"
               "durable_lsn:%lld\r\njournal_trimmed_lsn:%lld\r\njournal_segments:%lld\r\n"
               "journal_size:%lld\r\njournal_buffered_bytes:%lld\r\n"
               "journal_unappended_ms:%lld\r\njournal_last_sync_us:%lld\r\n"
               "journal_error:%s\r\njournal_fsync:",
               journal_state_name(j.state), ll(j.last_lsn), ll(j.written_lsn), ll(j.durable_lsn),
               ll(j.trimmed_lsn), ll(j.segments), ll(j.bytes), ll(j.buffered_bytes),
               (long long)j.unappended_ms, (long long)j.last_sync_us,
               j.error.code == RC_OK ? "" : j.error.text);
    option_text(OPT_journal_fsync, out);
    buf_append_str(out, "\r\n");
}

void info_writeback(const struct info_sources *from, struct buf *out)
{
    if (is_loading(from))
        return;
    append_lane(&from->writeback, out);
    append_journal(from->keyspace, out);
    for (int id = STAT_backend_loads; id <= STAT_journal_write_failures; id++)
        append_stat(out, (enum stat_id)id);
}
