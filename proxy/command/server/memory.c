/* MEMORY: what keys and the process take.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "config/options.h"
#include "executor/call.h"
#include "store/store.h"
#include "writeback/writeback.h"

void cmd_memory_usage(struct call *c)
{
    int64_t samples;
    for (uint32_t i = 3; i < c->argc; i += 2) {
        if (!slice_is_word(c->argv[i], "samples") || i + 1 >= c->argc) {
            reply_error(c->reply, REPLY_SYNTAX);
            return;
        }
        if (!call_int(c, i + 1, &samples, NULL))
            return;
        if (samples < 0) {
            reply_error(c->reply, REPLY_SYNTAX);
            return;
        }
    }
    if (txn_peek(c->txn, c->key) == NULL) {
        reply_null(c->reply);
        return;
    }
    struct txn_object_info info;
    txn_object_info(c->txn, c->key, &info);
    reply_int(c->reply, (int64_t)info.memory_bytes);
}

static void memory_reply_count(struct reply *r, const char *name, uint64_t n)
{
    reply_bulk_str(r, name);
    reply_int(r, (int64_t)n);
}

static void reply_ratio(struct reply *r, const char *name, double a, double b)
{
    reply_bulk_str(r, name);
    reply_double(r, b > 0 ? a / b : 0);
}

static uint64_t memory_count_keys(struct keyspace *ks)
{
    uint64_t keys = 0;
    for (int64_t db = 0; db < option_num(OPT_databases); db++) {
        struct keyspace_db_info info;
        keyspace_db_info(ks, (uint32_t)db, &info);
        keys += info.resident;
    }
    return keys;
}

void cmd_memory_stats(struct call *c)
{
    struct memory_info m;
    struct host_info host;
    memory_refresh();
    memory_get_info(&m);
    c->host->info(c->host->ctx, &host);
    uint64_t overhead = memory_at_start() + host.clients_bytes;
    uint64_t dataset = m.data > overhead ? m.data - overhead : 0;
    uint64_t keys = memory_count_keys(c->keyspace);
    call_depends_on_all(c);
    struct reply *r = c->reply;
    struct writeback_memory w;
    writeback_get_memory(keyspace_writeback(c->keyspace), &w);
    reply_map(r, 28);
    memory_reply_count(r, "peak.allocated", m.peak);
    memory_reply_count(r, "total.allocated", m.data);
    memory_reply_count(r, "startup.allocated", memory_at_start());
    memory_reply_count(r, "replication.backlog", 0);
    memory_reply_count(r, "clients.slaves", 0);
    memory_reply_count(r, "clients.normal", host.clients_bytes);
    memory_reply_count(r, "cluster.links", 0);
    memory_reply_count(r, "aof.buffer", 0);
    memory_reply_count(r, "lua.caches", 0);
    memory_reply_count(r, "functions.caches", 0);
    memory_reply_count(r, "store.caches", w.caches);
    memory_reply_count(r, "batches", w.batches);
    memory_reply_count(r, "captured.ahead", w.captured_ahead);
    memory_reply_count(r, "selections", w.selections);
    memory_reply_count(r, "journal.long-records", w.long_records);
    memory_reply_count(r, "journal.rings", w.rings);
    memory_reply_count(r, "journal.retained", w.retained);
    memory_reply_count(r, "overhead.total", overhead);
    memory_reply_count(r, "keys.count", keys);
    memory_reply_count(r, "keys.bytes-per-key", keys == 0 ? 0 : dataset / keys);
    memory_reply_count(r, "dataset.bytes", dataset);
    reply_ratio(r, "dataset.percentage", (double)dataset * 100, (double)m.data);
    reply_ratio(r, "peak.percentage", (double)m.data * 100, (double)m.peak);
    memory_reply_count(r, "allocator.allocated", m.allocated);
    memory_reply_count(r, "allocator.active", m.active);
    memory_reply_count(r, "allocator.resident", m.resident);
    reply_ratio(r, "allocator-fragmentation.ratio", (double)m.active, (double)m.allocated);
    reply_ratio(r, "fragmentation", (double)m.resident, (double)m.allocated);
}

void cmd_memory_doctor(struct call *c)
{
    struct memory_info m;
    struct buf out = {0};
    memory_refresh();
    memory_get_info(&m);
    uint64_t limit = (uint64_t)option_num(OPT_maxmemory);
    if (limit > 0 && (double)m.data > (double)limit * 0.95)
        buf_append_str(&out, "Memory is within five per cent of maxmemory: clean keys are being "
                             "dropped, and each comes back from the backend when it is read.\n");
    if ((double)m.resident > (double)m.allocated * 1.5 && m.resident > (64u << 20))
        buf_append_str(&out, "The allocator holds half as much again as is in use: memory is "
                             "fragmented, or much was freed of late.\n");
    if ((double)m.peak > (double)m.data * 1.5 && m.peak > (64u << 20))
        buf_append_str(&out, "There was a peak well above what is used now; the system may not "
                             "have got all of that memory back.\n");
    if (out.len == 0)
        buf_append_str(&out, "Nothing about the use of memory calls for attention.\n");
    reply_verbatim(c->reply, "txt", buf_slice(&out));
    buf_fini(&out);
}

void cmd_memory_purge(struct call *c)
{
    memory_purge();
    reply_ok(c->reply);
}

void cmd_memory_malloc_stats(struct call *c)
{
    struct buf out = {0};
    memory_append_stats(&out);
    reply_verbatim(c->reply, "txt", buf_slice(&out));
    buf_fini(&out);
}

void cmd_memory_help(struct call *c)
{
    call_help(c);
}
