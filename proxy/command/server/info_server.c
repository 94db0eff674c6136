/* INFO server, clients, memory, cpu: the process.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/server/info.h"
#include "config/options.h"
#include "executor/attention.h"
#include "executor/ticks.h"
#include "executor/version.h"
#include "store/store.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

const char *info_human_bytes(char *out, uint64_t bytes)
{
    static const char units[] = "KMGTP";
    double n = (double)bytes;
    int unit = -1;
    while (n >= 1024 && unit < 4) {
        n /= 1024;
        unit++;
    }
    if (unit < 0)
        snprintf(out, INFO_HUMAN_MAX, "%lluB", (unsigned long long)bytes);
    else
        snprintf(out, INFO_HUMAN_MAX, "%.2f%c", n, units[unit]);
    return out;
}

void info_server(const struct info_sources *from, struct buf *out)
{
    const struct host_info *host = &from->host;
    struct utsname os;
    struct timespec now;
    uname(&os);
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t up_s = (clock_mono().us - host->started_at.us) / 1000000;
    buf_printf(out,
               "redis_version:%s\r\nredis_git_sha1:00000000\r\nredis_git_dirty:0\r\n"
               "redis_build_id:0\r\nredis_mode:standalone\r\nweir_version:%s\r\n"
               "os:%s %s %s\r\narch_bits:%zu\r\nmonotonic_clock:%s\r\n"
               "multiplexing_api:epoll\r\natomicvar_api:c11-builtin\r\ngcc_version:%d.%d.%d\r\n",
               REDIS_VERSION, WEIR_VERSION, os.sysname, os.release, os.machine, sizeof(void *) * 8,
               ticks_steady ? "X86 TSC" : "POSIX clock_gettime", __GNUC__, __GNUC_MINOR__,
               __GNUC_PATCHLEVEL__);
    buf_printf(out,
               "process_id:%d\r\nprocess_supervised:no\r\nrun_id:%s\r\ntcp_port:%d\r\n"
               "server_time_usec:%lld\r\nuptime_in_seconds:%lld\r\nuptime_in_days:%lld\r\n"
               "hz:%lld\r\nconfigured_hz:%lld\r\nlru_clock:%lld\r\nexecutable:%s\r\n"
               "config_file:%s\r\nio_threads_active:%d\r\nio_threads:%u\r\n",
               (int)getpid(), host->run_id, host->tcp_port,
               (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000, (long long)up_s,
               (long long)(up_s / 86400), (long long)option_num(OPT_hz),
               (long long)option_num(OPT_hz), (long long)(now.tv_sec & 0xffffff), host->executable,
               options_path(), host->io_threads > 1, host->io_threads);
}

void info_clients(const struct info_sources *from, struct buf *out)
{
    const struct host_info *host = &from->host;
    buf_printf(out,
               "connected_clients:%lld\r\ncluster_connections:0\r\nmaxclients:%lld\r\n"
               "client_recent_max_input_buffer:%lld\r\nclient_recent_max_output_buffer:%lld\r\n"
               "blocked_clients:%lld\r\ntracking_clients:0\r\nclients_in_timeout_table:0\r\n"
               "total_blocking_keys:0\r\ntotal_blocking_keys_on_nokey:0\r\n"
               "max_clients_seen:%lld\r\n",
               ll(host->clients), ll(host->max_clients), ll(host->input_buffers_bytes),
               ll(host->output_buffers_bytes), ll(host->blocked), ll(host->max_clients_seen));
    static const char *const held[] = {"none", "write", "all"};
    int64_t left_ms;
    enum pause_mode mode = pause_now(&left_ms);
    buf_printf(out, "paused_reason:%s\r\npaused_actions:%s\r\npaused_timeout_milliseconds:%lld\r\n",
               mode == PAUSE_NONE ? "none" : "client_pause", held[mode], (long long)left_ms);
}

/* *files: of them, what is mapped from files. */
static uint64_t resident_bytes(uint64_t *files)
{
    unsigned long long total, resident = 0, shared = 0;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    FILE *f = fopen("/proc/self/statm", "re");
    *files = 0;
    if (f == NULL)
        return 0;
    if (fscanf(f, "%llu %llu %llu", &total, &resident, &shared) != 3)
        resident = shared = 0;
    fclose(f);
    *files = shared * page;
    return resident * page;
}

static double ratio(uint64_t a, uint64_t b)
{
    return b == 0 ? 0 : (double)a / (double)b;
}

static void append_size(struct buf *out, const char *name, uint64_t bytes)
{
    char human[INFO_HUMAN_MAX];
    buf_printf(out, "%s:%lld\r\n%s_human:%s\r\n", name, ll(bytes), name,
               info_human_bytes(human, bytes));
}

struct resident {
    uint64_t all, files;
};

/* used_memory and all of these but mem_captured_ahead (which used_memory has) make used_memory_rss.
 * What is mapped counts whole, touched or not, so that mem_program and mem_other may be negative.
 * mem_program: the program, its libraries and SQLite's shared files; mem_other: stacks, and what
 * the kernel fills up to huge pages, of which the allocator does not know. */
static void info_server_append_parts(const struct info_sources *from, const struct memory_info *m,
                                     struct resident rss, struct buf *out)
{
    struct writeback_memory w = {0};
    if (from->keyspace != NULL)
        writeback_get_memory(keyspace_writeback(from->keyspace), &w);
    uint64_t slack = m->resident > m->allocated ? m->resident - m->allocated : 0;
    buf_printf(out,
               "mem_store_caches:%lld\r\nmem_batches:%lld\r\nmem_captured_ahead:%lld\r\n"
               "mem_selections:%lld\r\nmem_journal_long_records:%lld\r\n"
               "mem_journal_rings:%lld\r\nmem_journal_retained:%lld\r\n"
               "mem_allocator_slack:%lld\r\nmem_program:%lld\r\nmem_other:%lld\r\n",
               ll(w.caches), ll(w.batches), ll(w.captured_ahead), ll(w.selections),
               ll(w.long_records), ll(w.rings), ll(w.retained), ll(slack),
               ll(rss.files) - ll(w.rings),
               ll(rss.all) - ll(rss.files) - ll(m->allocated + slack + w.retained));
}

void info_memory(const struct info_sources *from, struct buf *out)
{
    struct memory_info m;
    memory_refresh();
    memory_get_info(&m);
    uint64_t files, rss = resident_bytes(&files);
    uint64_t system = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t startup = memory_at_start(), overhead = startup + from->host.clients_bytes;
    uint64_t dataset = m.data > overhead ? m.data - overhead : 0;
    uint64_t besides = m.data > startup ? m.data - startup : 0;
    append_size(out, "used_memory", m.data);
    append_size(out, "used_memory_rss", rss);
    append_size(out, "used_memory_peak", m.peak);
    buf_printf(out,
               "used_memory_peak_perc:%.2f%%\r\nused_memory_overhead:%lld\r\n"
               "used_memory_startup:%lld\r\nused_memory_dataset:%lld\r\n"
               "used_memory_dataset_perc:%.2f%%\r\nallocator_allocated:%lld\r\n"
               "allocator_active:%lld\r\nallocator_resident:%lld\r\n",
               ratio(m.data, m.peak) * 100, ll(overhead), ll(startup), ll(dataset),
               ratio(dataset, besides) * 100, ll(m.allocated), ll(m.active), ll(m.resident));
    append_size(out, "total_system_memory", system);
    buf_append_str(out, "used_memory_lua:0\r\nused_memory_vm_eval:0\r\nused_memory_lua_human:0B\r\n"
                        "used_memory_scripts_eval:0\r\nnumber_of_cached_scripts:0\r\n"
                        "number_of_functions:0\r\nnumber_of_libraries:0\r\n"
                        "used_memory_vm_functions:0\r\nused_memory_vm_total:0\r\n"
                        "used_memory_vm_total_human:0B\r\nused_memory_functions:0\r\n"
                        "used_memory_scripts:0\r\nused_memory_scripts_human:0B\r\n");
    append_size(out, "maxmemory", (uint64_t)option_num(OPT_maxmemory));
    buf_append_str(out, "maxmemory_policy:");
    option_text(OPT_maxmemory_policy, out);
    buf_printf(out,
               "\r\nallocator_frag_ratio:%.2f\r\nallocator_frag_bytes:%lld\r\n"
               "allocator_rss_ratio:%.2f\r\nallocator_rss_bytes:%lld\r\n"
               "rss_overhead_ratio:%.2f\r\nrss_overhead_bytes:%lld\r\n"
               "mem_fragmentation_ratio:%.2f\r\nmem_fragmentation_bytes:%lld\r\n",
               ratio(m.active, m.allocated), ll(m.active - m.allocated),
               ratio(m.resident, m.active), ll(m.resident - m.active), ratio(rss, m.resident),
               ll(rss - m.resident), ratio(rss, m.allocated), ll(rss - m.allocated));
    buf_printf(out,
               "mem_not_counted_for_evict:0\r\nmem_replication_backlog:0\r\n"
               "mem_total_replication_buffers:0\r\nmem_clients_slaves:0\r\n"
               "mem_clients_normal:%lld\r\nmem_cluster_links:0\r\nmem_aof_buffer:0\r\n"
               "mem_allocator:%s\r\nactive_defrag_running:0\r\nlazyfree_pending_objects:0\r\n"
               "lazyfreed_objects:0\r\n",
               ll(from->host.clients_bytes),
#ifdef WEIR_NO_JEMALLOC
               "libc"
#else
               "jemalloc"
#endif
    );
    info_server_append_parts(from, &m, (struct resident){rss, files}, out);
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

void info_cpu(const struct info_sources *from, struct buf *out)
{
    struct rusage self = {0}, children = {0}, thread = {0};
    (void)from;
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    getrusage(RUSAGE_THREAD, &thread);
    buf_printf(out,
               "used_cpu_sys:%f\r\nused_cpu_user:%f\r\nused_cpu_sys_children:%f\r\n"
               "used_cpu_user_children:%f\r\nused_cpu_sys_main_thread:%f\r\n"
               "used_cpu_user_main_thread:%f\r\n",
               seconds(self.ru_stime), seconds(self.ru_utime), seconds(children.ru_stime),
               seconds(children.ru_utime), seconds(thread.ru_stime), seconds(thread.ru_utime));
}
