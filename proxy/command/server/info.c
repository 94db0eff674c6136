/* INFO: which sections are asked for, and in what order they come.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/server/info.h"

#include "config/options.h"
#include "journal/journal.h"

enum info_group { GROUP_DEFAULT = 1, GROUP_ALL = 2, GROUP_EVERYTHING = 4 };
enum { DEFAULT = GROUP_DEFAULT | GROUP_ALL | GROUP_EVERYTHING, ALL = GROUP_ALL | GROUP_EVERYTHING };

static void info_modules(const struct info_sources *from, struct buf *out)
{
    (void)from; /* there are none */
    (void)out;
}

static void info_cluster(const struct info_sources *from, struct buf *out)
{
    (void)from;
    buf_append_str(out, "cluster_enabled:0\r\n");
}

static const struct section {
    const char *name, *title;
    unsigned groups;
    void (*append)(const struct info_sources *from, struct buf *out);
} sections[] = {
    {"server", "Server", DEFAULT, info_server},
    {"clients", "Clients", DEFAULT, info_clients},
    {"memory", "Memory", DEFAULT, info_memory},
    {"persistence", "Persistence", DEFAULT, info_persistence},
    {"writeback", "Writeback", DEFAULT, info_writeback},
    {"stats", "Stats", DEFAULT, info_stats},
    {"replication", "Replication", DEFAULT, info_replication},
    {"cpu", "CPU", DEFAULT, info_cpu},
    {"modules", "Modules", GROUP_DEFAULT | GROUP_EVERYTHING, info_modules},
    {"commandstats", "Commandstats", ALL, info_commandstats},
    {"errorstats", "Errorstats", DEFAULT, info_errorstats},
    {"latencystats", "Latencystats", ALL, info_latencystats},
    {"cluster", "Cluster", DEFAULT, info_cluster},
    {"keyspace", "Keyspace", DEFAULT, info_keyspace},
};

static bool info_is_wanted(const struct section *section, const struct call *c)
{
    if (c->argc == 1)
        return (section->groups & GROUP_DEFAULT) != 0;
    for (uint32_t i = 1; i < c->argc; i++) {
        struct slice word = c->argv[i];
        if (slice_is_word(word, section->name) ||
            (slice_is_word(word, "default") && (section->groups & GROUP_DEFAULT) != 0) ||
            (slice_is_word(word, "all") && (section->groups & GROUP_ALL) != 0) ||
            (slice_is_word(word, "everything") && (section->groups & GROUP_EVERYTHING) != 0))
            return true;
    }
    return false;
}

/* INFO has to work when nothing else does: while the journal fails and the backend has not taken
 * the last changes either, the keys are left out, so that the other sections need not wait. */
static bool hides_keys(const struct call *c)
{
    struct keyspace *ks = c->keyspace;
    return ks != NULL && option_num(OPT_journal_fsync) == JOURNAL_FSYNC_ALWAYS &&
           journal_is_failing(keyspace_journal(ks)) &&
           keyspace_durable_lsn(ks) < journal_last_lsn(keyspace_journal(ks));
}

void cmd_info(struct call *c)
{
    struct info_sources from = {.keyspace = c->keyspace};
    struct buf out = {0};
    c->host->info(c->host->ctx, &from.host);
    if (c->keyspace != NULL)
        writeback_get_info(keyspace_writeback(c->keyspace), &from.writeback);
    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        if (!info_is_wanted(&sections[i], c))
            continue;
        buf_printf(&out, "%s# %s\r\n", out.len > 0 ? "\r\n" : "", sections[i].title);
        bool keys = sections[i].append == info_keyspace;
        if (keys && hides_keys(c))
            continue;
        sections[i].append(&from, &out);
        if (keys)
            call_depends_on_all(c);
    }
    reply_verbatim(c->reply, "txt", buf_slice(&out));
    buf_fini(&out);
}
