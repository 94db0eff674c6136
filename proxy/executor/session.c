/* See session.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "executor/session.h"

#include "config/options.h"

#include <stdlib.h>
#include <string.h>

bool session_password_is_set(void)
{
    struct buf password = {0};
    option_text(OPT_requirepass, &password);
    bool set = password.len > 0;
    buf_fini(&password);
    return set;
}

void session_init(struct session *s, uint64_t id)
{
    memset(s, 0, sizeof(*s));
    s->id = id;
    s->fd = -1;
    reply_init(&s->reply);
    s->connected_at = s->last_active_at = clock_mono();
    if (!session_password_is_set())
        s->flags |= SESSION_AUTHENTICATED;
}

static void forget_names(struct session *s)
{
    free(s->name);
    free(s->lib_name);
    free(s->lib_ver);
    s->name = s->lib_name = s->lib_ver = NULL;
}

static void drop_pending(struct session *s)
{
    if (s->pending != NULL)
        s->pending_free(s->pending);
    (void)session_take(s);
}

static void free_queue(struct session *s)
{
    for (uint32_t i = 0; i < s->queue_len; i++)
        request_free(&s->queue[i]);
    free(s->queue);
    s->queue = NULL;
    s->queue_len = s->queue_cap = 0;
    s->queue_bytes = 0;
}

void session_fini(struct session *s, struct keyspace *ks)
{
    must(s->blocked == NULL && (s->flags & SESSION_MONITOR) == 0);
    drop_pending(s);
    session_unwatch(s, ks);
    free_queue(s);
    forget_names(s);
    reply_fini(&s->reply);
}

void session_reset(struct session *s, struct keyspace *ks, bool authenticated)
{
    must((s->flags & SESSION_MONITOR) == 0);
    drop_pending(s);
    session_discard(s, ks);
    free(s->name);
    s->name = NULL;
    s->db = 0;
    s->flags &= SESSION_UNIX;
    if (authenticated)
        s->flags |= SESSION_AUTHENTICATED;
    s->reply.proto = 2;
    s->reply.muted = false;
}

/* A copy of each watched key stays with the session: EXEC locks the watched keys together with its
 * own, so that no change can come between the check and the commit. */
bool session_watch(struct session *s, struct txn *t, uint32_t at, struct slice key)
{
    if (s->watched_len == s->watched_cap) {
        uint32_t cap = s->watched_cap == 0 ? 4 : s->watched_cap * 2;
        struct session_watched *grown = realloc(s->watched, (size_t)cap * sizeof(*grown));
        if (grown == NULL)
            return false;
        s->watched = grown;
        s->watched_cap = cap;
    }
    char *copy = malloc(key.len + 1);
    if (copy == NULL)
        return false;
    enum watch_result result = watch_add(t, at, &s->watch);
    if (result != WATCH_ADDED) {
        free(copy);
        return result == WATCH_PRESENT;
    }
    if (key.len > 0)
        memcpy(copy, key.ptr, key.len);
    s->watched[s->watched_len++] = (struct session_watched){.db = s->db, .name = {copy, key.len}};
    s->queue_bytes += key.len + sizeof(struct session_watched);
    return true;
}

void session_unwatch(struct session *s, struct keyspace *ks)
{
    for (uint32_t i = 0; i < s->watched_len; i++) {
        s->queue_bytes -= s->watched[i].name.len + sizeof(struct session_watched);
        free((void *)(uintptr_t)s->watched[i].name.ptr);
    }
    free(s->watched);
    s->watched = NULL;
    s->watched_len = s->watched_cap = 0;
    if (ks != NULL && (s->watch.keys != NULL || atomic_load(&s->watch.broken)))
        watch_clear(ks, &s->watch);
}

void session_discard(struct session *s, struct keyspace *ks)
{
    session_unwatch(s, ks);
    free_queue(s);
    s->flags &= ~(unsigned)(SESSION_MULTI | SESSION_MULTI_FAILED);
}
