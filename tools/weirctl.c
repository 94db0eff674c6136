/* weirctl: what an operator needs beside the proxy: ask a running one, read its journal, and get a
 * damaged journal going again, check a store, or join it with a journal that it was not written
 * with.
 *
 * Reads a journal through journal/reader.h, and knows a running proxy only through its port. What
 * `store` does needs the locks of both, so that no proxy can run meanwhile.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite/check.h"
#include "base/path.h"
#include "config/options.h"
#include "journal/reader.h"
#include "keyspace/join.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "usage: weirctl [-h HOST] [-p PORT] [-a PASSWORD] status | flush | backends\n"
    "       weirctl journal cat DIR [AFTER-LSN]   print the records, as commands\n"
    "       weirctl journal cat FILE.damaged      the same of a file that was set aside: whatever\n"
    "                                             in it can be read\n"
    "       weirctl journal verify DIR            check every record\n"
    "       weirctl journal salvage DIR           set aside what is damaged, and what follows "
    "files\n"
    "                                             that are missing, so that the proxy starts; it\n"
    "                                             is kept in *.damaged*\n"
    "       weirctl store check [FILE] [--directive value ...]\n"
    "                                             do store and journal belong together?\n"
    "       weirctl store adopt replay|as-is [--yes] [FILE] [--directive value ...]\n"
    "                                             joins the two that the configuration names:\n"
    "                                             replay: the journal's records over this store\n"
    "                                             as-is: the store, the journal set aside\n"
    "                                             without --yes only says what that means\n"
    "       weirctl check FILE                    read a SQLite store, and say what is wrong\n"
    "\n"
    "HOST defaults to 127.0.0.1, PORT to 6380. Exit status: 0 done, 1 not done, 2 wrong usage.\n";

static int ctl_complain(const struct err *err)
{
    fprintf(stderr, "weirctl: %s\n", err->text);
    return 1;
}

/* Bytes that a terminal takes; line ends of the protocol become one space. */
static void print_payload(struct slice payload)
{
    for (size_t i = 0; i < payload.len; i++) {
        unsigned char c = (unsigned char)payload.ptr[i];
        if (c == '\r' && i + 1 < payload.len && payload.ptr[i + 1] == '\n') {
            putchar(' ');
            i++;
        } else if (c >= ' ' && c <= '~' && c != '\\') {
            putchar(c);
        } else {
            printf("\\x%02x", c);
        }
    }
    putchar('\n');
}

static void print_record(const struct journal_record *record)
{
    printf("%" PRIu64 " %" PRId64 " db%u ", record->lsn, record->time.ms, record->db);
    print_payload(record->payload);
}

static void print_damaged(void *ctx, const struct journal_record *record)
{
    ++*(uint64_t *)ctx;
    print_record(record);
}

/* A file that was set aside: whatever in it can be read. */
static int cat_damaged(const char *path)
{
    struct err err;
    uint64_t records = 0;
    if (journal_read_damaged(NULL, path, print_damaged, &records, &err) != RC_OK)
        return ctl_complain(&err);
    fprintf(stderr, "weirctl: %" PRIu64 " records of '%s' can be read\n", records, path);
    return 0;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The records may all be sound, and yet files be missing. */
static bool journal_is_whole(const char *dir)
{
    struct err err;
    enum rc rc = journal_check(NULL, dir, &err);
    if (rc == RC_BUSY)
        printf("the proxy runs: whether files are missing is told when it is stopped\n");
    else if (rc != RC_OK)
        ctl_complain(&err);
    return rc == RC_OK || rc == RC_BUSY;
}

/* Reads to the end, printing if asked to; the text of the last line says how it ended. */
static int journal_read(const char *dir, uint64_t after_lsn, bool print)
{
    struct journal_reader *r;
    struct journal_record record = {0};
    struct err err;
    uint64_t records = 0, first = 0, last = 0;
    char shown[PATH_MAX];
    uint8_t id[JOURNAL_ID_BYTES];
    enum rc rc = journal_reader_open(NULL, dir, &r, &err);
    if (rc != RC_OK)
        return ctl_complain(&err);
    rc = journal_reader_seek(r, after_lsn, &err);
    while (rc == RC_OK && (rc = journal_reader_next(r, &record, &err)) == RC_OK) {
        first = records++ == 0 ? record.lsn : first;
        last = record.lsn;
        if (!print)
            continue;
        print_record(&record);
    }
    const struct journal_segment *segments;
    if (rc == RC_NOT_FOUND && journal_reader_segments(r, &segments) == 0)
        rc = err_set(&err, RC_CORRUPT, "no segment of a journal is in the directory '%s'",
                     path_shown(dir, shown));
    bool torn = rc == RC_NOT_FOUND && journal_reader_is_torn(r);
    journal_reader_id(r, id);
    journal_reader_close(&r);
    if (rc != RC_NOT_FOUND)
        return ctl_complain(&err);
    if (!print && !journal_is_whole(dir))
        return 1;
    if (!print)
        printf("sound: journal %02x%02x%02x%02x, %" PRIu64 " records, LSN %" PRIu64 " to %" PRIu64
               "%s\n",
               id[0], id[1], id[2], id[3], records, first, last,
               torn ? "; behind them bytes that never were synced, which a start ignores" : "");
    if (!print && first > 1)
        printf("it begins with LSN %" PRIu64 ": `weirctl store check` says whether the store has "
               "what was before\n",
               first);
    return 0;
}

static int journal_cut_off(const char *dir)
{
    struct journal_salvage done;
    struct err err;
    if (journal_salvage(NULL, dir, &done, &err) != RC_OK)
        return ctl_complain(&err);
    char shown[PATH_MAX];
    dir = path_shown(dir, shown);
    if (done.was_empty) {
        printf("nothing to do: no journal is in the directory '%s'\n", dir);
        return 1;
    }
    if (done.was_sound) {
        printf("nothing to do: the journal '%s' is sound\n", dir);
        return 0;
    }
    printf("mended at '%s/%s', offset %" PRIu64 "; the last record is LSN %" PRIu64 "; %" PRIu64
           " files named *.damaged* hold what was set aside\n",
           dir, done.at.name, done.at.offset, done.last_lsn, done.set_aside);
    if (done.known_lsn > done.last_lsn)
        printf("not replayed any more: LSN %" PRIu64 " to %" PRIu64 " at least, %" PRIu64
               " records; `weirctl journal cat FILE.damaged` prints what can be read of them\n",
               done.last_lsn + 1, done.known_lsn, done.known_lsn - done.last_lsn);
    return 0;
}

static int journal_command(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[0], "verify") == 0)
        return journal_read(argv[1], 0, false);
    if (argc == 2 && strcmp(argv[0], "salvage") == 0)
        return journal_cut_off(argv[1]);
    if (argc == 2 && strcmp(argv[0], "cat") == 0 && is_file(argv[1]))
        return cat_damaged(argv[1]);
    if ((argc == 2 || argc == 3) && strcmp(argv[0], "cat") == 0)
        return journal_read(argv[1], argc == 3 ? strtoull(argv[2], NULL, 10) : 0, true);
    fputs(usage, stderr);
    return 2;
}

/* ---- store ---- */

/* A store and a journal, both locked, as the configuration names them. */
struct pair {
    const struct backend_ops *ops;
    struct backend *store;
    struct backend_position position;
    struct journal *journal;
    struct journal_history history;
};

static enum rc pair_open(struct pair *p, struct err *err)
{
    enum rc rc = join_open_store(&p->ops, &p->store, &p->position, err);
    if (rc != RC_OK)
        return rc;
    char *dir = option_strdup(OPT_journal_dir);
    struct journal_options o = {.dir = dir,
                                .producers = 1,
                                .segment_bytes = (uint64_t)option_num(OPT_journal_segment_size)};
    rc = journal_open(&o, &p->journal, err);
    free(dir);
    if (rc == RC_OK)
        journal_get_history(p->journal, &p->history);
    return rc;
}

static void pair_close(struct pair *p)
{
    if (p->journal != NULL)
        journal_close(&p->journal);
    if (p->store != NULL)
        p->ops->close(&p->store);
}

static void print_line(void *ctx, const char *text)
{
    (void)ctx;
    printf("%s\n", text);
}

/* The name says which journal and how far it went; one of that name is not written over. */
static enum rc set_aside(struct pair *p, struct err *err)
{
    char to[64];
    uint64_t files;
    const uint8_t *id = p->history.id;
    snprintf(to, sizeof(to), "set-aside-%02x%02x%02x%02x-%" PRIu64, id[0], id[1], id[2], id[3],
             p->history.last_lsn);
    enum rc rc = journal_set_aside(p->journal, to, &files, err);
    if (rc == RC_OK)
        printf("set aside: %" PRIu64 " files of the journal, in its directory under %s\n", files,
               to);
    return rc;
}

/* The store is changed last: interrupted, the two are still refused, and this is done again. */
static int store_adopt(struct pair *p, enum join_way way, bool yes, struct err *err)
{
    const char *why = join_forbids(&p->position, &p->history, way);
    if (why != NULL) {
        printf("not done: %s\n", why);
        return 1;
    }
    if (!yes) {
        printf("nothing was done; --yes does it\n");
        return 1;
    }
    enum rc rc = RC_OK;
    if (way == JOIN_WAY_STORE && p->history.exists)
        rc = set_aside(p, err);
    if (rc == RC_OK)
        rc = join_mark_store(p->ops, p->store, &p->position, &p->history, way, err);
    if (rc != RC_OK)
        return ctl_complain(err);
    printf(way == JOIN_WAY_REPLAY ? "done: the next start replays the journal over this store\n"
                                  : "done: the next start begins a new journal for this store\n");
    return 0;
}

/* FILE and directives, as the proxy takes them. */
static enum rc ctl_configure(int argc, char **argv, struct err *err)
{
    const char *path = argc > 0 && argv[0][0] != '-' ? argv[0] : NULL;
    int skip = path != NULL ? 1 : 0;
    enum rc rc = options_load(path, argc - skip, argv + skip, err);
    if (rc != RC_OK)
        return rc;
    char *dir = option_strdup(OPT_dir);
    if (dir[0] != '\0' && chdir(dir) != 0)
        rc = err_sys(err, errno, "cannot enter the directory '%s'", dir);
    free(dir);
    return rc;
}

static int store_command(int argc, char **argv)
{
    struct err err;
    struct pair p = {0};
    bool adopts = argc >= 2 && strcmp(argv[0], "adopt") == 0;
    bool replays = adopts && strcmp(argv[1], "replay") == 0;
    if (adopts ? !replays && strcmp(argv[1], "as-is") != 0
               : argc < 1 || strcmp(argv[0], "check") != 0) {
        fputs(usage, stderr);
        return 2;
    }
    int skip = adopts ? 2 : 1;
    bool yes = adopts && argc > skip && strcmp(argv[skip], "--yes") == 0;
    skip += yes ? 1 : 0;
    enum rc rc = ctl_configure(argc - skip, argv + skip, &err);
    if (rc == RC_OK)
        rc = pair_open(&p, &err);
    int status = 1;
    if (rc != RC_OK) {
        ctl_complain(&err);
    } else {
        join_describe(&p.position, p.journal, print_line, NULL);
        status = adopts ? store_adopt(&p, replays ? JOIN_WAY_REPLAY : JOIN_WAY_STORE, yes, &err)
                        : join_is_refused(join_decide(&p.position, &p.history));
    }
    pair_close(&p);
    return status;
}

static void print_finding(const char *what)
{
    printf("%s\n", what);
}

static int ctl_check_file(const char *path)
{
    struct err err = {0};
    struct sqlite_checked found;
    if (sqlite_check_file(path, print_finding, &found, &err) != RC_OK)
        return ctl_complain(&err);
    if (found.wrong == 0)
        printf("%s: the structure is sound, and the tables agree with each other\n", path);
    else
        printf("%s: %llu findings\n", path, (unsigned long long)found.wrong);
    if (found.sums_not_believed != NULL)
        printf("%s: no page could be compared with its checksum (%s-sums: %s)\n", path, path,
               found.sums_not_believed);
    else
        printf("%s: %u of %u pages were compared with their checksums\n", path, found.with_sum,
               found.pages);
    return found.wrong == 0 ? 0 : 1;
}

static void print_reply(const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_INTEGER)
        printf("%lld\n", reply->integer);
    for (size_t i = 0; i < reply->elements; i++)
        print_reply(reply->element[i]);
    if (reply->str != NULL)
        printf("%s\n", reply->str);
}

struct target {
    const char *host, *password;
    int port;
};

static int ctl_ask(const struct target *to, const char *subcommand)
{
    redisContext *c = redisConnect(to->host, to->port);
    if (c == NULL || c->err != 0) {
        fprintf(stderr, "weirctl: %s:%d: %s\n", to->host, to->port,
                c != NULL ? c->errstr : "out of memory");
        if (c != NULL)
            redisFree(c);
        return 1;
    }
    redisReply *reply = NULL;
    if (to->password != NULL) {
        reply = redisCommand(c, "AUTH %s", to->password);
        freeReplyObject(reply);
    }
    reply = redisCommand(c, "WEIR %s", subcommand);
    bool good = reply != NULL && reply->type != REDIS_REPLY_ERROR;
    if (reply != NULL)
        print_reply(reply);
    else
        fprintf(stderr, "weirctl: %s\n", c->errstr);
    freeReplyObject(reply);
    redisFree(c);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct target to = {.host = "127.0.0.1", .port = 6380};
    int i = 1;
    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        if (strcmp(argv[i], "-h") == 0)
            to.host = argv[i + 1];
        else if (strcmp(argv[i], "-p") == 0)
            to.port = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "-a") == 0)
            to.password = argv[i + 1];
        else
            break;
    }
    if (i < argc && strcmp(argv[i], "journal") == 0)
        return journal_command(argc - i - 1, argv + i + 1);
    if (i < argc && strcmp(argv[i], "store") == 0)
        return store_command(argc - i - 1, argv + i + 1);
    if (i + 2 == argc && strcmp(argv[i], "check") == 0)
        return ctl_check_file(argv[i + 1]);
    static const char *const questions[] = {"status", "flush", "backends"};
    for (size_t q = 0; i + 1 == argc && q < COUNT_OF(questions); q++) {
        if (strcmp(argv[i], questions[q]) == 0)
            return ctl_ask(&to, questions[q]);
    }
    bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
    fputs(usage, help ? stdout : stderr);
    return help ? 0 : 2;
}
