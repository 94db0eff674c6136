/* weirctl: what an operator needs beside the proxy: ask a running one, read its journal, get a
 * damaged journal going again, and check a store.
 *
 * Knows the journal only through journal/reader.h, and a running proxy only through its port.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "backends/sqlite_check.h"
#include "journal/reader.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: weirctl [-h HOST] [-p PORT] [-a PASSWORD] status | flush | backends\n"
    "       weirctl journal cat DIR [AFTER-LSN]   print the records, as commands\n"
    "       weirctl journal verify DIR            check every record\n"
    "       weirctl journal salvage DIR           cut a damaged journal off before its first bad\n"
    "                                             place; what is behind is kept in *.damaged\n"
    "       weirctl check FILE                    read a SQLite store, and say what is wrong\n"
    "\n"
    "HOST defaults to 127.0.0.1, PORT to 6380. Exit status: 0 done, 1 not done, 2 wrong usage.\n";

static int complain(const struct err *err)
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

/* Reads to the end, printing if asked to; the text of the last line says how it ended. */
static int journal_read(const char *dir, uint64_t after_lsn, bool print)
{
    struct journal_reader *r;
    struct journal_record record;
    struct err err;
    uint64_t records = 0, first = 0, last = 0;
    enum rc rc = journal_reader_open(NULL, dir, &r, &err);
    if (rc != RC_OK)
        return complain(&err);
    rc = journal_reader_seek(r, after_lsn, &err);
    while (rc == RC_OK && (rc = journal_reader_next(r, &record, &err)) == RC_OK) {
        first = records++ == 0 ? record.lsn : first;
        last = record.lsn;
        if (!print)
            continue;
        printf("%" PRIu64 " %" PRId64 " db%u ", record.lsn, record.time.ms, record.db);
        print_payload(record.payload);
    }
    bool torn = rc == RC_NOT_FOUND && journal_reader_is_torn(r);
    journal_reader_close(&r);
    if (rc != RC_NOT_FOUND)
        return complain(&err);
    if (!print)
        printf("sound: %" PRIu64 " records, LSN %" PRIu64 " to %" PRIu64 "%s\n", records, first,
               last,
               torn ? "; behind them bytes that never were synced, which a start ignores" : "");
    return 0;
}

static int journal_cut_off(const char *dir)
{
    struct journal_salvage done;
    struct err err;
    if (journal_salvage(NULL, dir, &done, &err) != RC_OK)
        return complain(&err);
    if (done.was_sound) {
        printf("nothing to do: the journal is sound\n");
        return 0;
    }
    printf("cut off at %s, offset %" PRIu64 "; the last record is LSN %" PRIu64 "; %" PRIu64
           " files ending in .damaged hold what was behind\n",
           done.at.name, done.at.offset, done.last_lsn, done.set_aside);
    return 0;
}

static int journal_command(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[0], "verify") == 0)
        return journal_read(argv[1], 0, false);
    if (argc == 2 && strcmp(argv[0], "salvage") == 0)
        return journal_cut_off(argv[1]);
    if ((argc == 2 || argc == 3) && strcmp(argv[0], "cat") == 0)
        return journal_read(argv[1], argc == 3 ? strtoull(argv[2], NULL, 10) : 0, true);
    fputs(usage, stderr);
    return 2;
}

static void print_finding(const char *what)
{
    printf("%s\n", what);
}

static int check_file(const char *path)
{
    struct err err = {0};
    uint64_t wrong;
    if (sqlite_check_file(path, print_finding, &wrong, &err) != RC_OK)
        return complain(&err);
    if (wrong == 0)
        printf("%s: the structure is sound, and the tables agree with each other (values carry no "
               "checksums)\n",
               path);
    else
        printf("%s: %llu findings\n", path, (unsigned long long)wrong);
    return wrong == 0 ? 0 : 1;
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

static int ask(const struct target *to, const char *subcommand)
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
    if (i + 2 == argc && strcmp(argv[i], "check") == 0)
        return check_file(argv[i + 1]);
    static const char *const questions[] = {"status", "flush", "backends"};
    for (size_t q = 0; i + 1 == argc && q < COUNT_OF(questions); q++) {
        if (strcmp(argv[i], questions[q]) == 0)
            return ask(&to, questions[q]);
    }
    bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
    fputs(usage, help ? stdout : stderr);
    return help ? 0 : 2;
}
