/* The configuration: files, command line, CONFIG SET, REWRITE, reload, and proxy.conf itself.
 *
 * Runs in the root of the repository, as `make` does.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "config/option_set.h"
#include "config/words.h"
#include "journal/journal.h"

#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], file[96];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/weir-options-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(file, sizeof(file), "%s/weir.conf", dir);
    options_reset();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    options_reset();
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void assert_file(const char *path, const char *expected)
{
    static char got[64 * 1024];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(got, expected);
}

static void assert_text(enum option_id id, const char *expected)
{
    char *text = option_strdup(id);
    assert_string_equal(text, expected);
    free(text);
}

static void load(const char *text)
{
    struct err err = {0};
    write_file(file, text);
    enum rc rc = options_load(file, 0, NULL, &err);
    if (rc != RC_OK)
        fail_msg("%s", err.text);
}

/* Loading `text` fails with "<file>:<what>". */
static void assert_load_fails(const char *text, const char *what)
{
    struct err err = {0};
    char expected[400];
    write_file(file, text);
    snprintf(expected, sizeof(expected), "%s:%s", file, what);
    assert_int_equal(options_load(file, 0, NULL, &err), RC_INVALID);
    assert_string_equal(err.text, expected);
}

static enum rc load_args(struct err *err, const char *const *words)
{
    char *argv[16] = {0};
    int argc = 0;
    for (; words[argc] != NULL; argc++)
        argv[argc] = strdup(words[argc]);
    enum rc rc = options_load(NULL, argc, argv, err);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    return rc;
}

/* CONFIG SET with a NULL-terminated list; "" or what the client would read after "ERR ". */
static const char *config_set(const char *first, ...)
{
    static char answer[512];
    struct slice pairs[16];
    struct err err = {0};
    size_t n = 0;
    const char *failed;
    va_list args;
    va_start(args, first);
    for (const char *word = first; word != NULL; word = va_arg(args, const char *))
        pairs[n++] = slice_str(word);
    va_end(args);
    answer[0] = '\0';
    enum rc rc = options_set(pairs, n / 2, &failed, &err);
    if (rc == RC_NOT_FOUND)
        snprintf(answer, sizeof(answer), "%s", err.text);
    else if (rc != RC_OK)
        snprintf(answer, sizeof(answer), "'%s' - %s", failed, err.text);
    return answer;
}

/* --- */

/* The enums of words.h have the order of the words in options.def. */
static void a_word_means_its_place(void **state)
{
    static const struct {
        const char *name, *word;
        enum option_id id;
        int64_t value;
    } words[] = {
        {"--maxmemory-policy", "volatile-lru", OPT_maxmemory_policy, POLICY_VOLATILE_LRU},
        {"--maxmemory-policy", "volatile-lfu", OPT_maxmemory_policy, POLICY_VOLATILE_LFU},
        {"--maxmemory-policy", "volatile-random", OPT_maxmemory_policy, POLICY_VOLATILE_RANDOM},
        {"--maxmemory-policy", "volatile-ttl", OPT_maxmemory_policy, POLICY_VOLATILE_TTL},
        {"--maxmemory-policy", "allkeys-lru", OPT_maxmemory_policy, POLICY_ALLKEYS_LRU},
        {"--maxmemory-policy", "allkeys-lfu", OPT_maxmemory_policy, POLICY_ALLKEYS_LFU},
        {"--maxmemory-policy", "allkeys-random", OPT_maxmemory_policy, POLICY_ALLKEYS_RANDOM},
        {"--maxmemory-policy", "noeviction", OPT_maxmemory_policy, POLICY_NOEVICTION},
        {"--backpressure-policy", "delay", OPT_backpressure_policy, BACKPRESSURE_DELAY},
        {"--backpressure-policy", "refuse", OPT_backpressure_policy, BACKPRESSURE_REFUSE},
        {"--backpressure-policy", "off", OPT_backpressure_policy, BACKPRESSURE_OFF},
        {"--conflict-policy", "backend-wins", OPT_conflict_policy, CONFLICT_BACKEND_WINS},
        {"--conflict-policy", "proxy-wins", OPT_conflict_policy, CONFLICT_PROXY_WINS},
        {"--enable-debug-command", "no", OPT_enable_debug_command, DEBUG_FOR_NOBODY},
        {"--enable-debug-command", "yes", OPT_enable_debug_command, DEBUG_FOR_ALL},
        {"--enable-debug-command", "local", OPT_enable_debug_command, DEBUG_FOR_LOCAL},
        {"--supervised", "no", OPT_supervised, SUPERVISED_NO},
        {"--supervised", "upstart", OPT_supervised, SUPERVISED_UPSTART},
        {"--supervised", "systemd", OPT_supervised, SUPERVISED_SYSTEMD},
        {"--supervised", "auto", OPT_supervised, SUPERVISED_AUTO},
        {"--journal-fsync", "always", OPT_journal_fsync, JOURNAL_FSYNC_ALWAYS},
        {"--journal-fsync", "everysec", OPT_journal_fsync, JOURNAL_FSYNC_EVERYSEC},
        {"--journal-fsync", "no", OPT_journal_fsync, JOURNAL_FSYNC_NO},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        char *argv[] = {(char *)(uintptr_t)words[i].name, (char *)(uintptr_t)words[i].word};
        struct err err;
        options_reset();
        assert_int_equal(options_load(NULL, 2, argv, &err), RC_OK);
        assert_int_equal(option_num(words[i].id), words[i].value);
    }
    options_reset();
}

static void values_are_there_before_anything_is_loaded(void **state)
{
    (void)state;
    assert_int_equal(option_num(OPT_port), 6380);
    assert_int_equal(option_num(OPT_write_delay_ms), 1000);
    assert_int_equal(option_num(OPT_journal_segment_size), 64 << 20);
    assert_int_equal(option_num(OPT_journal), 1);
    assert_int_equal(option_num(OPT_loglevel), 2);
    assert_text(OPT_bind, "127.0.0.1 -::1");
    assert_text(OPT_backend, "sqlite:weir.db");
    assert_text(OPT_maxmemory_policy, "noeviction");
    assert_text(OPT_journal_segment_size, "67108864");
    assert_text(OPT_requirepass, "");
    assert_string_equal(options_path(), "");
    assert_string_equal(option_name(OPT_write_delay_ms), "write-delay-ms");
    assert_non_null(option_help(OPT_write_delay_ms));
}

static void a_file_is_read_as_redis_reads_it(void **state)
{
    (void)state;
    load("# comment\n\n   \t \r\n"
         "PORT 7000\r\n"
         "  maxmemory 100mb\n"
         "requirepass \"a \\x41\\\"\"\n"
         "unixsocket '/tmp/it\\'s'\n"
         "unixsocketperm 700\n"
         "bind 10.0.0.1   ::1\n"
         "journal no\nloglevel WARNING\n"
         "write-batch-bytes 3k\nclient-query-buffer-limit 2M\nproto-max-bulk-len 1gb\n"
         "dirty-low-watermark 10%\n"
         "maxmemory-clients 5%\n"
         "latency-tracking-info-percentiles 50 99.99\n"
         "save \"\"\n"
         "port 7001");
    assert_int_equal(option_num(OPT_port), 7001); /* the last one counts */
    assert_int_equal(option_num(OPT_maxmemory), 100 << 20);
    assert_text(OPT_requirepass, "a A\"");
    assert_text(OPT_unixsocket, "/tmp/it's");
    assert_int_equal(option_num(OPT_unixsocketperm), 0700);
    assert_text(OPT_unixsocketperm, "700");
    assert_text(OPT_bind, "10.0.0.1 ::1");
    assert_int_equal(option_num(OPT_journal), 0);
    assert_text(OPT_loglevel, "warning");
    assert_int_equal(option_num(OPT_write_batch_bytes), 3000);
    assert_int_equal(option_num(OPT_client_query_buffer_limit), 2000000);
    assert_int_equal(option_num(OPT_proto_max_bulk_len), 1 << 30);
    assert_int_equal(option_num(OPT_dirty_low_watermark), 10);
    assert_int_equal(option_num(OPT_maxmemory_clients), -5);
    assert_text(OPT_maxmemory_clients, "5%");
    assert_text(OPT_latency_tracking_info_percentiles, "50 99.99");
    assert_text(OPT_save, "");
    assert_string_equal(options_path(), file);
}

static void a_wrong_line_is_named_with_the_nearest_directive(void **state)
{
    (void)state;
    assert_load_fails("port 1\n\nmaxmemry 5\n",
                      "3: unknown directive 'maxmemry'; did you mean 'maxmemory'?");
    assert_load_fails("wirte-delay-ms 5\n",
                      "1: unknown directive 'wirte-delay-ms'; did you mean 'write-delay-ms'?");
    assert_load_fails("inlcude x\n", "1: unknown directive 'inlcude'; did you mean 'include'?");
    assert_load_fails("completely-different-thing 1\n",
                      "1: unknown directive 'completely-different-thing'");
    assert_load_fails("a\\x01\x02 1\n", "1: unknown directive 'a\\x5cx01\\x02'");
    assert_load_fails("port\n", "1: port: wrong number of arguments");
    assert_load_fails("port 1 2\n", "1: port: wrong number of arguments");
    assert_load_fails("port abc\n", "1: port 'abc': argument couldn't be parsed into an integer");
    assert_load_fails("port 65536\n",
                      "1: port '65536': argument must be between 0 and 65535 inclusive");
    assert_load_fails("unixsocketperm 1000\n",
                      "1: unixsocketperm '1000': argument must be between 0 and 777 inclusive");
    assert_load_fails("unixsocketperm 8\n",
                      "1: unixsocketperm '8': argument couldn't be parsed as an octal number");
    assert_load_fails("maxmemory 1tb\n", "1: maxmemory '1tb': argument must be a memory value");
    assert_load_fails("maxmemory 99999999999999gb\n",
                      "1: maxmemory '99999999999999gb': argument must be a memory value");
    assert_load_fails("shards 1000\n", "1: shards '1000': argument must be a power of two");
    assert_load_fails("journal maybe\n", "1: journal 'maybe': argument must be 'yes' or 'no'");
    assert_load_fails("journal-fsync often\n", "1: journal-fsync 'often': argument(s) must be one "
                                               "of the following: always, everysec, no");
    assert_load_fails("port 1\nrequirepass \"abc\n", "2: unbalanced quotes");
    assert_load_fails("save 900\n", "1: save '900': Invalid save parameters");
    assert_load_fails("prot 1\n", "1: unknown directive 'prot'; did you mean 'port'?");
    assert_load_fails("hosts 1\n", "1: unknown directive 'hosts'"); /* near to nothing */
    assert_load_fails("rename-command GET\n",
                      "1: rename-command 'GET': a command and its new name are needed");
    assert_load_fails("dir \"a\\x00b\"\n",
                      "1: dir 'a\\x00b': argument must not contain a zero byte");
    assert_int_equal(option_num(OPT_port), 6380); /* a failed load changes nothing */
    assert_string_equal(options_path(), "");
}

static void values_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    struct err err = {0};
    write_file(file, "dirty-low-watermark 80\n");
    assert_int_equal(options_load(file, 0, NULL, &err), RC_INVALID);
    assert_string_equal(err.text, "dirty-low-watermark (80) is above dirty-high-watermark (60)");
    load("dirty-low-watermark 80\ndirty-high-watermark 90\n");
    const char *none[] = {"--backend", "weir.db", NULL};
    assert_int_equal(load_args(&err, none), RC_INVALID);
    assert_string_equal(err.text, "backend must look like sqlite:FILE");
}

static void files_that_cannot_be_read_are_errors(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(options_load("/nonexistent/weir.conf", 0, NULL, &err), RC_IO);
    assert_non_null(strstr(err.text, "/nonexistent/weir.conf"));
    assert_int_equal(options_load(dir, 0, NULL, &err), RC_IO);
}

static void the_command_line_comes_after_the_file(void **state)
{
    (void)state;
    struct err err = {0};
    char a0[] = "--port", a1[] = "7002", a2[] = "--bind", a3[] = "127.0.0.1", a4[] = "-::1",
         a5[] = "--slowlog-log-slower-than", a6[] = "-1";
    char *argv[] = {a0, a1, a2, a3, a4, a5, a6};
    write_file(file, "port 1\ntimeout 5\n");
    assert_int_equal(options_load(file, 7, argv, &err), RC_OK);
    assert_int_equal(option_num(OPT_port), 7002);
    assert_int_equal(option_num(OPT_timeout), 5);
    assert_text(OPT_bind, "127.0.0.1 -::1");
    assert_int_equal(option_num(OPT_slowlog_log_slower_than), -1);

    const char *unknown[] = {"--prot", "1", NULL};
    assert_int_equal(load_args(&err, unknown), RC_INVALID);
    assert_string_equal(err.text, "command line: unknown directive 'prot'; did you mean 'port'?");
    const char *bare[] = {"port", "1", NULL};
    assert_int_equal(load_args(&err, bare), RC_INVALID);
    assert_string_equal(err.text, "command line: expected --directive, got 'port'");
    const char *missing[] = {"--port", "--timeout", "1", NULL};
    assert_int_equal(load_args(&err, missing), RC_INVALID);
    assert_string_equal(err.text, "command line: port: wrong number of arguments");
}

static void includes_are_read_where_they_stand(void **state)
{
    (void)state;
    char path[128], text[512], expected[256];
    struct err err = {0};
    snprintf(path, sizeof(path), "%s/a1.inc", dir);
    write_file(path, "port 1\ntimeout 1\n");
    snprintf(path, sizeof(path), "%s/a2.inc", dir);
    write_file(path, "timeout 2\n");
    snprintf(text, sizeof(text), "port 5\ninclude %s/a*.inc\ninclude %s/none*.inc\nhz 20\n", dir,
             dir);
    load(text);
    assert_int_equal(option_num(OPT_port), 1);
    assert_int_equal(option_num(OPT_timeout), 2);
    assert_int_equal(option_num(OPT_hz), 20);

    write_file(path, "timeout 2\ntimeuot 2\n");
    snprintf(expected, sizeof(expected),
             "%s:2: unknown directive 'timeuot'; did you mean 'timeout'?", path);
    assert_int_equal(options_load(file, 0, NULL, &err), RC_INVALID);
    assert_string_equal(err.text, expected);

    snprintf(text, sizeof(text), "include %s\n", file); /* itself */
    write_file(file, text);
    assert_int_equal(options_load(file, 0, NULL, &err), RC_INVALID);
    assert_non_null(strstr(err.text, "too many files"));
    write_file(file, "include /nonexistent/file\n");
    assert_int_equal(options_load(file, 0, NULL, &err), RC_IO);
    assert_non_null(strstr(err.text, ":1: cannot open"));
}

static void output_limits_are_given_by_class(void **state)
{
    (void)state;
    load("client-output-buffer-limit normal 1mb 2kb 3\n"
         "client-output-buffer-limit replica 5 6 7 pubsub 8 9 10\n");
    struct output_limit normal = option_output_limit(OUTPUT_NORMAL);
    assert_int_equal(normal.hard_bytes, 1 << 20);
    assert_int_equal(normal.soft_bytes, 2048);
    assert_int_equal(normal.soft_seconds, 3);
    assert_text(OPT_client_output_buffer_limit, "normal 1048576 2048 3 slave 5 6 7 pubsub 8 9 10");
    assert_string_equal(config_set("client-output-buffer-limit", "pubsub 0 0 0", NULL), "");
    assert_text(OPT_client_output_buffer_limit, "normal 1048576 2048 3 slave 5 6 7 pubsub 0 0 0");
    assert_int_equal(option_output_limit(OUTPUT_PUBSUB).hard_bytes, 0);
    assert_string_equal(config_set("client-output-buffer-limit", "normal 1 2", NULL),
                        "'client-output-buffer-limit' - Wrong number of arguments in buffer limit "
                        "configuration.");
    assert_string_equal(config_set("client-output-buffer-limit", "foo 1 2 3", NULL),
                        "'client-output-buffer-limit' - Invalid client class specified in buffer "
                        "limit configuration.");
    assert_string_equal(config_set("client-output-buffer-limit", "normal 1 -2 x", NULL),
                        "'client-output-buffer-limit' - Error in hard, soft or soft_seconds "
                        "setting in buffer limit configuration.");
}

static void zero_means_what_the_machine_has(void **state)
{
    (void)state;
    assert_true(option_num(OPT_maxmemory) >= 1 << 20);
    assert_true(option_num(OPT_io_threads) >= 1);
    assert_text(OPT_maxmemory, "0");
    assert_text(OPT_io_threads, "0");
    int64_t all = option_num(OPT_maxmemory);
    assert_string_equal(config_set("maxmemory", "5mb", NULL), "");
    assert_int_equal(option_num(OPT_maxmemory), 5 << 20);
    assert_string_equal(config_set("maxmemory", "0", NULL), "");
    assert_int_equal(option_num(OPT_maxmemory), all);
}

static void a_set_is_all_or_none_with_redis_texts(void **state)
{
    (void)state;
    assert_string_equal(config_set("timeout", "5", "HZ", "20", NULL), "");
    assert_int_equal(option_num(OPT_timeout), 5);
    assert_int_equal(option_num(OPT_hz), 20);
    assert_string_equal(config_set("timeout", "6", "maxclients", "abc", NULL),
                        "'maxclients' - argument couldn't be parsed into an integer");
    assert_int_equal(option_num(OPT_timeout), 5);
    assert_string_equal(config_set("timeout", "6", "foo", "1", NULL),
                        "Unknown option or number of arguments for CONFIG SET - 'foo'");
    assert_int_equal(option_num(OPT_timeout), 5);
    assert_string_equal(config_set("timeout", "6", "timeout", "7", NULL),
                        "'timeout' - duplicate parameter");
    assert_string_equal(config_set("timeout", "x", "databases", "7", NULL),
                        "'databases' - can't set immutable config");
    assert_string_equal(config_set("timeout", "-1", NULL),
                        "'timeout' - argument must be between 0 and 2147483647 inclusive");
    assert_string_equal(config_set("maxmemory", "50%", NULL),
                        "'maxmemory' - argument must be a memory value");
    assert_string_equal(config_set("maxmemory-clients", "-5", NULL),
                        "'maxmemory-clients' - argument must be a memory or percent value");
    assert_string_equal(config_set("maxmemory-clients", "101%", NULL),
                        "'maxmemory-clients' - percentage argument must be less or equal to 100");
    assert_string_equal(config_set("latency-tracking-info-percentiles", "50 101", NULL),
                        "'latency-tracking-info-percentiles' - latency-tracking-info-percentiles "
                        "parameters should sit between [0.0,100.0]");
    assert_string_equal(config_set("maxmemory-policy", "foo", NULL),
                        "'maxmemory-policy' - argument(s) must be one of the following: "
                        "volatile-lru, volatile-lfu, volatile-random, volatile-ttl, allkeys-lru, "
                        "allkeys-lfu, allkeys-random, noeviction");
    assert_string_equal(config_set("dirty-high-watermark", "20", NULL),
                        "'dirty-low-watermark' - dirty-low-watermark (30) is above "
                        "dirty-high-watermark (20)");
    assert_string_equal(config_set("hz", "99999", NULL), ""); /* taken as the most there is */
    assert_int_equal(option_num(OPT_hz), 500);
    assert_string_equal(config_set("requirepass", "", NULL), "");
    assert_string_equal(config_set("save", "", NULL), "");
    assert_string_equal(config_set("save", "900 1", NULL), "");
    assert_string_equal(config_set("save", "900 one", NULL), "'save' - Invalid save parameters");
    char shown[200] = "x\r\n";
    assert_null(strchr(config_set(shown, "1", NULL), '\n'));
}

static void aliases_stand_for_the_same_value(void **state)
{
    (void)state;
    assert_string_equal(config_set("hash-max-ziplist-entries", "7", NULL), "");
    assert_int_equal(option_num(OPT_hash_max_listpack_entries), 7);
    assert_string_equal(
        config_set("hash-max-ziplist-value", "7", "hash-max-listpack-value", "8", NULL),
        "'hash-max-listpack-value' - duplicate parameter");
    assert_string_equal(config_set("appendfsync", "always", NULL), "");
    assert_text(OPT_journal_fsync, "always");
    assert_string_equal(config_set("appendonly", "yes", NULL), "");
    assert_string_equal(config_set("appendonly", "no", NULL),
                        "'appendonly' - can't set immutable config");
}

struct watcher {
    enum option_id seen[8];
    size_t seen_len;
    enum option_id refuse; /* OPT_COUNT: none */
};

static enum rc watch(void *ctx, enum option_id id, struct err *err)
{
    struct watcher *w = ctx;
    if (w->seen_len < COUNT_OF(w->seen))
        w->seen[w->seen_len++] = id;
    if (id == w->refuse)
        return err_set(err, RC_IO, "not now");
    return RC_OK;
}

static void whoever_depends_on_a_value_hears_of_it_and_may_object(void **state)
{
    (void)state;
    struct watcher w = {.refuse = OPT_COUNT};
    options_on_change(watch, &w);
    assert_string_equal(config_set("timeout", "5", "maxclients", "10000", "hz", "11", NULL), "");
    assert_int_equal(w.seen_len, 2); /* maxclients was 10000 before */
    assert_int_equal(w.seen[0], OPT_timeout);
    assert_int_equal(w.seen[1], OPT_hz);
    w = (struct watcher){.refuse = OPT_hz};
    assert_string_equal(config_set("hz", "12", "timeout", "6", NULL), "'hz' - not now");
    assert_int_equal(option_num(OPT_hz), 11);
    assert_int_equal(option_num(OPT_timeout), 5);
    assert_int_equal(w.seen_len, 4); /* and once more, with the old values back */
    assert_int_equal(w.seen[2], OPT_timeout);
}

static void count(void *ctx, const char *name, enum option_id id)
{
    (void)id;
    buf_printf(ctx, "%s ", name);
}

static void names_are_matched_by_glob_without_case(void **state)
{
    (void)state;
    struct buf names = {0};
    options_match(SLICE("HASH-max-*-value"), count, &names);
    options_match(SLICE("append*"), count, &names);
    options_match(SLICE("nothing*"), count, &names);
    options_match(SLICE("save"), count, &names);
    buf_append(&names, "", 1);
    assert_string_equal(names.data, "hash-max-listpack-value hash-max-ziplist-value appenddirname "
                                    "appendfilename appendonly appendfsync save ");
    names.len = 0;
    options_match(SLICE("*"), count, &names);
    size_t n = 0;
    for (size_t i = 0; i < names.len; i++)
        n += names.data[i] == ' ';
    size_t unlisted = 0;
    for (size_t i = 0; i < OPT_COUNT; i++)
        unlisted += (option_rows[i].flags & OPTION_UNLISTED) != 0;
    assert_true(unlisted > 0);
    assert_int_equal(n, OPT_COUNT + option_aliases_len - unlisted);
    buf_fini(&names);
}

static void a_rewrite_keeps_comments_and_changes_only_what_differs(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(options_rewrite(&err), RC_NOT_FOUND);
    assert_string_equal(err.text, "The server is running without a config file");
    load("# mine\ntimeout 1 \n  maxclients   50\n\n# memory\nmaxmemory 1gb\ntimeout 2\n# end");
    assert_int_equal(chmod(file, 0640), 0);
    assert_string_equal(config_set("timeout", "3", "maxmemory", "1536mb", "requirepass",
                                   "a \"b\"\n\\", "hash-max-ziplist-entries", "9", NULL),
                        "");
    assert_int_equal(options_rewrite(&err), RC_OK);
    assert_file(file, "# mine\n  maxclients   50\n\n# memory\nmaxmemory 1536mb\ntimeout 3\n# end\n"
                      "# Generated by CONFIG REWRITE\nrequirepass \"a \\\"b\\\"\\x0a\\\\\"\n"
                      "hash-max-listpack-entries 9\n");
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(options_load(file, 0, NULL, &err), RC_OK);
    assert_text(OPT_requirepass, "a \"b\"\n\\");
    assert_string_equal(config_set("slowlog-max-len", "5", NULL), "");
    assert_int_equal(options_rewrite(&err), RC_OK);
    assert_file(file, "# mine\n  maxclients   50\n\n# memory\nmaxmemory 1536mb\ntimeout 3\n# end\n"
                      "# Generated by CONFIG REWRITE\nrequirepass \"a \\\"b\\\"\\x0a\\\\\"\n"
                      "hash-max-listpack-entries 9\nslowlog-max-len 5\n");
}

static void a_rewrite_without_changes_leaves_the_file_alone(void **state)
{
    (void)state;
    struct err err;
    struct stat before, after;
    load("timeout 1\n# no newline");
    assert_int_equal(stat(file, &before), 0);
    assert_string_equal(config_set("timeout", "2", NULL), "");
    assert_string_equal(config_set("timeout", "1", NULL), "");
    assert_int_equal(options_rewrite(&err), RC_OK);
    assert_int_equal(stat(file, &after), 0);
    assert_file(file, "timeout 1\n# no newline");
    assert_int_equal(before.st_ino, after.st_ino);
}

static void a_rewrite_wins_over_includes(void **state)
{
    (void)state;
    struct err err;
    char text[256], path[128];
    snprintf(path, sizeof(path), "%s/a.inc", dir);
    write_file(path, "timeout 2\n");
    snprintf(text, sizeof(text), "timeout 1\nhz 20\ninclude %s\n", path);
    load(text);
    assert_int_equal(options_rewrite(&err), RC_OK);
    assert_file(file, text);
    assert_string_equal(config_set("timeout", "3", NULL), "");
    assert_int_equal(options_rewrite(&err), RC_OK);
    assert_int_equal(options_load(file, 0, NULL, &err), RC_OK);
    assert_int_equal(option_num(OPT_timeout), 3);
    assert_file(path, "timeout 2\n");
    snprintf(text, sizeof(text), "hz 20\ninclude %s\n# Generated by CONFIG REWRITE\ntimeout 3\n",
             path);
    assert_file(file, text);
}

static void a_failed_rewrite_leaves_the_file_as_it_was(void **state)
{
    (void)state;
    struct err err;
    load("timeout 1\n");
    write_file(file, "timeout 1\nbroken by hand\n");
    assert_string_equal(config_set("timeout", "2", NULL), "");
    assert_int_equal(options_rewrite(&err), RC_INVALID);
    assert_file(file, "timeout 1\nbroken by hand\n");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(options_rewrite(&err), RC_IO);
}

static void a_reload_applies_what_may_change_and_lists_the_rest(void **state)
{
    (void)state;
    struct err err = {0};
    struct watcher w = {.refuse = OPT_COUNT};
    assert_int_equal(options_reload(&err), RC_NOT_FOUND);
    char a0[] = "--hz", a1[] = "15";
    char *argv[] = {a0, a1};
    write_file(file, "timeout 1\n");
    assert_int_equal(options_load(file, 2, argv, &err), RC_OK);
    options_on_change(watch, &w);
    write_file(file, "timeout 2\nhz 20\ndatabases 5\nshards 8\n");
    assert_int_equal(options_reload(&err), RC_OK);
    assert_string_equal(err.text, "only a restart changes databases, shards");
    assert_int_equal(option_num(OPT_timeout), 2);
    assert_int_equal(option_num(OPT_hz), 15); /* the command line still has the last word */
    assert_int_equal(option_num(OPT_databases), 16);
    assert_int_equal(w.seen_len, 1);
    write_file(file, "timeout 3\nnonsense\n");
    assert_int_equal(options_reload(&err), RC_INVALID);
    assert_int_equal(option_num(OPT_timeout), 2);
    write_file(file, "timeout 4\n");
    assert_int_equal(options_reload(&err), RC_OK);
    assert_string_equal(err.text, "");
}

static void whatever_config_get_tells_config_set_takes(void **state)
{
    (void)state;
    load("save 900 1\nsave 300 10 60 10000\nlatency-tracking-info-percentiles 50.0 99.90\n"
         "notify-keyspace-events Klx\nmaxmemory-clients 5%\nrename-command DEL \"\"\n");
    assert_text(OPT_save, "900 1 300 10 60 10000");
    assert_text(OPT_latency_tracking_info_percentiles, "50 99.9");
    size_t tried = 0;
    for (size_t i = 0; i < OPT_COUNT; i++) {
        struct buf text = {0}, again = {0};
        if ((option_rows[i].flags & (OPTION_IMMUTABLE | OPTION_UNLISTED)) != 0)
            continue;
        option_text((enum option_id)i, &text);
        struct slice pair[] = {slice_str(option_rows[i].name), buf_slice(&text)};
        const char *failed;
        struct err err = {0};
        if (options_set(pair, 1, &failed, &err) != RC_OK)
            fail_msg("%s '%.*s': %s", option_rows[i].name, (int)text.len, text.data, err.text);
        option_text((enum option_id)i, &again);
        assert_true(slice_eq(buf_slice(&text), buf_slice(&again)));
        buf_fini(&text);
        buf_fini(&again);
        tried++;
    }
    assert_true(tried > 100);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    const char *texts[] = {"", "rename-command GET \"\"\nrename-command del \"a b\\x01\\\"c\"\n"
                               "save 900 1\nsave 60 10\noom-score-adj-values 1 2 3\n"
                               "latency-tracking-info-percentiles 1 99.99999999\n"
                               "masterauth \"a # b\"\n"};
    for (size_t n = 0; n < COUNT_OF(texts); n++) {
        struct option_set set, again;
        struct err err = {0};
        struct buf text = {0};
        option_set_init(&set);
        option_set_init(&again);
        write_file(file, texts[n]);
        assert_int_equal(option_set_read_file(&set, file, &err), RC_OK);
        for (size_t i = 0; i < OPT_COUNT; i++) {
            buf_printf(&text, "%s ", option_rows[i].name);
            option_value_write((enum option_id)i, &set.values[i], &text);
            buf_append_str(&text, "\n");
        }
        buf_append(&text, "", 1);
        write_file(file, text.data);
        if (option_set_read_file(&again, file, &err) != RC_OK)
            fail_msg("%s", err.text);
        for (size_t i = 0; i < OPT_COUNT; i++)
            if (!option_value_eq((enum option_id)i, &set.values[i], &again.values[i]))
                fail_msg("%s differs", option_rows[i].name);
        buf_fini(&text);
        option_set_fini(&set);
        option_set_fini(&again);
    }
}

static void all_that_is_wrong_is_told_at_once(void **state)
{
    (void)state;
    char more[96], lines[256];
    char *args[] = {"--databases", "0", NULL};
    struct buf got = {0}, expected = {0};
    snprintf(more, sizeof(more), "%s/more.conf", dir);
    write_file(more, "cluster-enabled yes\n");
    snprintf(lines, sizeof(lines),
             "prot 1\nport 2\nmaxmemory 1tb\ninclude %s\njournal-max-size 100mb\n", more);
    write_file(file, lines);
    options_problems(file, 2, args, &got);
    buf_printf(
        &expected,
        "%s:1: unknown directive 'prot'; did you mean 'port'?\n"
        "%s:3: maxmemory '1tb': argument must be a memory value\n"
        "%s:1: cluster-enabled 'yes': refused: Weir is no node of a Redis Cluster; clients "
        "would be sent to slots that nobody serves\n"
        "command line: databases '0': argument must be between 1 and 4096 inclusive\n"
        "%s:5: journal-max-size (104857600) is below two of journal-segment-size (67108864): "
        "no write would ever be taken\n",
        file, file, more, file);
    buf_append(&got, "", 1);
    buf_append(&expected, "", 1);
    assert_string_equal(got.data, expected.data);
    buf_fini(&got);
    buf_fini(&expected);
}

static void what_has_no_effect_is_known_when_it_is_stated(void **state)
{
    (void)state;
    struct buf names = {0};
    options_stated_inert(&names);
    assert_int_equal(names.len, 0);
    load("lazyfree-lazy-expire yes\nport 7000\nslave-priority 5\n");
    options_stated_inert(&names);
    assert_true(slice_eq(buf_slice(&names), SLICE("lazyfree-lazy-expire, replica-priority")));
    assert_text(OPT_replica_priority, "5");
    buf_fini(&names);
}

static void proxy_conf_is_what_options_def_says(void **state)
{
    (void)state;
    struct buf text = {0};
    options_print_default(&text);
    buf_append(&text, "", 1);
    assert_file("proxy.conf", text.data);
    buf_fini(&text);
}

static void proxy_conf_states_every_default(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf before = {0}, after = {0};
    for (int i = 0; i < OPT_COUNT; i++)
        option_text((enum option_id)i, &before);
    assert_int_equal(options_load("proxy.conf", 0, NULL, &err), RC_OK);
    for (int i = 0; i < OPT_COUNT; i++)
        option_text((enum option_id)i, &after);
    assert_true(slice_eq(buf_slice(&before), buf_slice(&after)));
    buf_fini(&before);
    buf_fini(&after);
}

static void *read_all(void *arg)
{
    _Atomic bool *stop = arg;
    while (!atomic_load(stop)) {
        int64_t n = option_num(OPT_timeout);
        assert_true(n == 0 || n == 1000);
        char *text = option_strdup(OPT_requirepass);
        size_t len = strlen(text);
        assert_true(len == 0 || len == 300);
        free(text);
    }
    return NULL;
}

static void values_are_whole_while_they_change(void **state)
{
    (void)state;
    _Atomic bool stop = false;
    pthread_t threads[3];
    char password[301];
    memset(password, 'p', 300);
    password[300] = '\0';
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, &stop), 0);
    for (int i = 0; i < 500; i++)
        assert_string_equal(config_set("timeout", i % 2 == 0 ? "1000" : "0", "requirepass",
                                       i % 2 == 0 ? password : "", NULL),
                            "");
    atomic_store(&stop, true);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_are_there_before_anything_is_loaded),
        TEST(a_word_means_its_place),
        TEST(a_file_is_read_as_redis_reads_it),
        TEST(a_wrong_line_is_named_with_the_nearest_directive),
        TEST(values_that_contradict_each_other_are_refused),
        TEST(files_that_cannot_be_read_are_errors),
        TEST(the_command_line_comes_after_the_file),
        TEST(includes_are_read_where_they_stand),
        TEST(output_limits_are_given_by_class),
        TEST(zero_means_what_the_machine_has),
        TEST(a_set_is_all_or_none_with_redis_texts),
        TEST(aliases_stand_for_the_same_value),
        TEST(whoever_depends_on_a_value_hears_of_it_and_may_object),
        TEST(names_are_matched_by_glob_without_case),
        TEST(a_rewrite_keeps_comments_and_changes_only_what_differs),
        TEST(a_rewrite_without_changes_leaves_the_file_alone),
        TEST(a_rewrite_wins_over_includes),
        TEST(a_failed_rewrite_leaves_the_file_as_it_was),
        TEST(a_reload_applies_what_may_change_and_lists_the_rest),
        TEST(whatever_config_get_tells_config_set_takes),
        TEST(what_is_written_is_read_back),
        TEST(all_that_is_wrong_is_told_at_once),
        TEST(what_has_no_effect_is_known_when_it_is_stated),
        TEST(proxy_conf_is_what_options_def_says),
        TEST(proxy_conf_states_every_default),
        TEST(values_are_whole_while_they_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
