/* MONITOR: a line about every command, for whoever asks.
 *
 *   the worker that runs a command        every worker
 *   monitor_show: a line into w->shown
 *   monitor_post: at the end of the turn ──> deliver: to its own monitors
 *
 * The lines of a turn travel together. They are posted before the replies of the turn leave, so a
 * command that was sent after such a reply comes later in every monitor, whichever worker it runs
 * on; commands that ran on several workers at the same moment come in any order.
 *
 * Under `journal-fsync always` lines wait for the journal like the replies of their commands.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"
#include "executor/attention.h"
#include "executor/slowlog.h"
#include "executor/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Lines on their way between workers. Above this they are lost, and so are the monitors: a gap that
 * nobody sees would be worse. */
#define IN_FLIGHT_MAX (UINT64_C(64) * 1024 * 1024)
enum { HEAD_MAX = 160, ESCAPED_MAX = 4 /* bytes of "\x00" for one */ };

struct lines {
    struct waiter done; /* first: called when all workers have them */
    const struct host *host;
    struct buf bytes;
    uint64_t lsn;
    bool lost;
};

static _Atomic uint64_t monitors, in_flight;

/* --- Who watches --- */

void monitor_enter(struct session *s)
{
    struct command_worker *w = worker_current();
    s->flags |= SESSION_MONITOR;
    s->monitor_next = w->monitors;
    w->monitors = s;
    atomic_fetch_add(&monitors, 1);
    atomic_fetch_or(&attention_bits, ATTENTION_MONITOR);
}

void monitor_leave(struct session *s)
{
    if ((s->flags & SESSION_MONITOR) == 0)
        return;
    struct session **at = &worker_current()->monitors;
    while (*at != s)
        at = &(*at)->monitor_next;
    *at = s->monitor_next;
    s->flags &= ~(unsigned)SESSION_MONITOR;
    if (atomic_fetch_sub(&monitors, 1) > 1)
        return;
    atomic_fetch_and(&attention_bits, ~(unsigned)ATTENTION_MONITOR);
    if (atomic_load(&monitors) > 0) /* one came meanwhile, maybe before the bit was cleared */
        atomic_fetch_or(&attention_bits, ATTENTION_MONITOR);
}

/* --- What is shown --- */

static size_t escape(char *out, unsigned char byte)
{
    static const char plain[] = "\n\r\t\a\b\"\\", letters[] = "nrtab\"\\";
    static const char digits[] = "0123456789abcdef";
    const char *special = byte == '\0' ? NULL : strchr(plain, byte);
    if (special != NULL) {
        out[0] = '\\';
        out[1] = letters[special - plain];
        return 2;
    }
    if (byte >= ' ' && byte <= '~') {
        out[0] = (char)byte;
        return 1;
    }
    out[0] = '\\';
    out[1] = 'x';
    out[2] = digits[byte >> 4];
    out[3] = digits[byte & 15];
    return ESCAPED_MAX;
}

static void append_quoted(struct buf *out, struct slice arg) /* there is room */
{
    char *at = out->data + out->len;
    *at++ = ' ';
    *at++ = '"';
    for (size_t i = 0; i < arg.len; i++)
        at += escape(at, (unsigned char)arg.ptr[i]);
    *at++ = '"';
    out->len = (size_t)(at - out->data);
}

/* "+1700000000.123456 [0 127.0.0.1:50000]" */
static void monitor_append_head(struct buf *out, const struct session *s)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    bool is_unix = (s->flags & SESSION_UNIX) != 0;
    int addr_len = (int)strlen(s->addr);
    if (is_unix && addr_len > 2) /* ":0" in the place of a port */
        addr_len -= 2;
    int n =
        snprintf(out->data + out->len, HEAD_MAX, "+%lld.%06ld [%u %s%.*s]", (long long)now.tv_sec,
                 now.tv_nsec / 1000, s->db, is_unix ? "unix:" : "", addr_len, s->addr);
    must(n > 0 && n < HEAD_MAX);
    out->len += (size_t)n;
}

void monitor_show(struct command_worker *w, const struct session *s, const struct command *command,
                  uint32_t argc, const struct slice *argv)
{
    static const struct slice hidden = {"(redacted)", sizeof("(redacted)") - 1};
    if ((command->flags & (CMD_ADMIN | CMD_SKIP_MONITOR)) != 0)
        return;
    struct buf *out = &w->shown;
    size_t most = HEAD_MAX + 2;
    for (uint32_t i = 0; i < argc; i++)
        most += (argv[i].len > hidden.len ? argv[i].len : hidden.len) * ESCAPED_MAX + 3;
    if (!buf_try_reserve(out, most)) {
        w->shown_lost = true;
        return;
    }
    monitor_append_head(out, s);
    for (uint32_t i = 0; i < argc; i++)
        append_quoted(out, slowlog_is_secret(argv, argc, i) ? hidden : argv[i]);
    memcpy(out->data + out->len, "\r\n", 2);
    out->len += 2;
    w->shown_lsn = max_u64(w->shown_lsn, s->depends_lsn);
}

/* --- On its way --- */

static void lines_free(struct waiter *done)
{
    struct lines *l = (struct lines *)done;
    atomic_fetch_sub(&in_flight, l->bytes.len);
    buf_fini(&l->bytes);
    free(l);
}

static void monitor_deliver(void *arg, struct host_worker *host_worker)
{
    struct lines *l = arg;
    struct command_worker *w = worker_current();
    (void)host_worker;
    for (struct session *s = w == NULL ? NULL : w->monitors; s != NULL; s = s->monitor_next) {
        if (!l->lost) {
            l->host->session_push(s, buf_slice(&l->bytes), l->lsn);
            continue;
        }
        log_line(LOG_WARNING, "client %s closed: commands come faster than MONITOR can be told",
                 s->addr);
        l->host->session_close(s, true);
    }
}

void monitor_post(struct command_worker *w)
{
    if (LIKELY(w->shown.len == 0 && !w->shown_lost))
        return;
    struct lines *l = calloc(1, sizeof(*l));
    must(l != NULL);
    l->done.ready = lines_free;
    l->host = w->host;
    l->lsn = w->shown_lsn;
    l->bytes = w->shown;
    l->lost = w->shown_lost;
    w->shown = (struct buf){0};
    w->shown_lsn = 0;
    w->shown_lost = false;
    if (atomic_fetch_add(&in_flight, l->bytes.len) > IN_FLIGHT_MAX)
        l->lost = true;
    w->host->on_every_worker(w->host->ctx, monitor_deliver, l, &l->done);
}
