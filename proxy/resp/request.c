/* The request parser: see request.h for what it promises.
 *
 * Three ways through it, the first of which nearly every byte takes:
 *
 *   fast      a whole `*n $len ...` request lies in the input: slices into it, no state
 *   step      anything else (inline, odd, wrong, unfinished): a state machine that can stop at any
 *             byte and go on there, over the input or over the assembly
 *   assembly  an unfinished request whose turn it is: its bytes move into memory of the parser,
 *             a big bulk into a blob, and the input is free
 *
 * Only a request that is the first of its call is assembled. One after others is left in the
 * input and looked at again when those have run: the caller may then have other limits (AUTH), or
 * may have run only some of them. So all state there is belongs to the one request that is being
 * assembled, and a wrong request is reported when everything before it is gone.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "resp/request.h"

#include "base/num.h"
#include "base/words.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    ASSEMBLY_CHUNK = 4096,  /* bytes taken over at a time; what is after the request goes back */
    BLOB_FIRST = 64 * 1024, /* of a big bulk, before anything of it is known but its length */
    KEEP_ARGS = 1024,       /* larger slabs are given back when they turn out not to be needed */
    KEEP_BYTES = 16 * 1024, /* the same for the assembly and the scratch space */
    ARG_BYTES_MIN = 6,      /* "$0\r\n\r\n" */
    FAST_DIGITS = 9,        /* longer lengths take the slow way */
};

enum stage { STAGE_START, STAGE_BULK_LENGTH, STAGE_BULK, STAGE_BULK_END };

/* Where the parser is within one request. Positions count from the request's first byte. */
struct frame {
    enum stage stage;
    bool canonical; /* so far every line end is CRLF: it may be passed on as it came */
    uint32_t args_left;
    size_t pos;      /* next byte to look at */
    size_t searched; /* bytes after pos that hold no line end */
    size_t bulk_len; /* STAGE_BULK */
};

struct resp_parser {
    struct slice *args; /* of all requests of one call, one after the other */
    size_t args_len, args_cap;
    struct blob **blobs; /* of the assembled request only: beside its args, NULL where none */
    size_t blobs_len, blobs_cap;
    struct buf scratch; /* unescaped words of inline requests; never moves while they are used */

    bool assembling, delivered; /* delivered: the assembly belongs to a request already returned */
    struct frame frame;         /* of the assembled request */
    struct buf assembly;
    struct blob *big; /* being received */

    bool failed; /* for good: error is the answer to every further call */
    char error[64];
};

enum step { STEP_DONE, STEP_EMPTY, STEP_MORE, STEP_ERROR, STEP_FLUSH };

struct resp_parser *resp_parser_new(void)
{
    struct resp_parser *p = calloc(1, sizeof(*p));
    must(p != NULL);
    return p;
}

static void resp_drop_blobs(struct resp_parser *p)
{
    for (size_t i = 0; i < p->blobs_len; i++)
        blob_unref(&p->blobs[i]);
    p->blobs_len = 0;
    blob_unref(&p->big);
}

void resp_parser_free(struct resp_parser **p)
{
    if (*p == NULL)
        return;
    resp_drop_blobs(*p);
    free((*p)->blobs);
    free((*p)->args);
    buf_fini(&(*p)->scratch);
    buf_fini(&(*p)->assembly);
    free(*p);
    *p = NULL;
}

const char *resp_parser_error(const struct resp_parser *p)
{
    return p->error;
}

size_t resp_parser_memory(const struct resp_parser *p)
{
    size_t bytes = sizeof(*p) + p->args_cap * sizeof(*p->args) + p->blobs_cap * sizeof(*p->blobs) +
                   p->scratch.cap + p->assembly.cap + (p->big != NULL ? p->big->cap : 0);
    for (size_t i = 0; i < p->blobs_len; i++)
        bytes += p->blobs[i] != NULL ? p->blobs[i]->cap : 0;
    return bytes;
}

static enum step resp_fail(struct resp_parser *p, const char *text)
{
    snprintf(p->error, sizeof(p->error), "%s", text);
    return STEP_ERROR;
}

static enum step fail_memory(struct resp_parser *p)
{
    return resp_fail(p, "out of memory");
}

/* --- argument slabs --- */

static bool reserve_args(struct resp_parser *p, size_t more)
{
    if (LIKELY(more <= p->args_cap - p->args_len))
        return true;
    size_t cap = p->args_cap < 32 ? 32 : p->args_cap;
    while (cap - p->args_len < more)
        cap *= 2;
    struct slice *args = realloc(p->args, cap * sizeof(*args));
    if (args == NULL)
        return false;
    p->args = args;
    p->args_cap = cap;
    return true;
}

static bool push_arg(struct resp_parser *p, struct slice arg)
{
    if (!reserve_args(p, 1))
        return false;
    p->args[p->args_len++] = arg;
    return true;
}

/* Makes the blobs reach as far as `len` arguments. */
static bool extend_blobs(struct resp_parser *p, size_t len)
{
    if (len > p->blobs_cap) {
        size_t cap = max_u64(len, p->blobs_cap * 2);
        struct blob **blobs = realloc(p->blobs, cap * sizeof(*blobs));
        if (blobs == NULL)
            return false;
        p->blobs = blobs;
        p->blobs_cap = cap;
    }
    while (p->blobs_len < len)
        p->blobs[p->blobs_len++] = NULL;
    return true;
}

/* --- fast: a whole multibulk request in the input --- */

/* Reads a canonical length and its CRLF; NULL when it is anything else or cut off. */
static inline const char *fast_length(const char *p, const char *end, uint32_t *out)
{
    if (UNLIKELY(end - p < FAST_DIGITS + 2)) {
        const char *cr = p < end ? memchr(p, '\r', (size_t)(end - p)) : NULL;
        if (cr == NULL || cr + 1 == end)
            return NULL;
    }
    uint32_t n = (uint32_t)(unsigned char)p[0] - '0';
    if (UNLIKELY(n > 9 || (n == 0 && p[1] != '\r')))
        return NULL;
    const char *last = p + FAST_DIGITS;
    for (p++; *p != '\r'; p++) {
        uint32_t digit = (uint32_t)(unsigned char)*p - '0';
        if (UNLIKELY(digit > 9 || p == last))
            return NULL;
        n = n * 10 + digit;
    }
    if (UNLIKELY(p[1] != '\n'))
        return NULL;
    *out = n;
    return p + 2;
}

/* Parses the request at in[0]; returns its length, or 0 when the slow way has to look at it. Its
 * arguments lie after args_len, which the caller moves when it takes them. */
static inline size_t fast_request(struct resp_parser *p, const struct resp_limits *limits,
                                  const char *in, const char *end, uint32_t *argc)
{
    uint32_t n;
    const char *at = fast_length(in + 1, end, &n);
    if (UNLIKELY(at == NULL || n > limits->argc_max))
        return 0;
    if (UNLIKELY(n > (size_t)(end - at) / ARG_BYTES_MIN || !reserve_args(p, n)))
        return 0;
    *argc = n;
    if (UNLIKELY(n == 0))
        return (size_t)(at - in);
    struct slice *arg = p->args + p->args_len;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t len;
        if (UNLIKELY(at == end || *at != '$'))
            return 0;
        at = fast_length(at + 1, end, &len);
        if (UNLIKELY(at == NULL || (size_t)(end - at) < (size_t)len + 2 ||
                     len > limits->bulk_len_max))
            return 0;
        arg[i] = slice_of(at, len);
        at += len;
        if (UNLIKELY(at[0] != '\r' || at[1] != '\n'))
            return 0;
        at += 2;
    }
    return (size_t)(at - in);
}

/* --- step: everything else --- */

/* Finds the end of the line at the frame's position. STEP_DONE: *line is all before `last`. */
static enum step find_line(struct resp_parser *p, struct frame *f, const char *base, size_t len,
                           char last, const char *too_big, struct slice *line)
{
    const char *at = base + f->pos;
    size_t have = len - f->pos;
    const char *found =
        have > f->searched ? memchr(at + f->searched, last, have - f->searched) : NULL;
    size_t line_len = found != NULL ? (size_t)(found - at) : have;
    if (line_len > RESP_INLINE_MAX)
        return resp_fail(p, too_big);
    f->searched = line_len;
    *line = slice_of(at, line_len);
    return found == NULL ? STEP_MORE : STEP_DONE;
}

/* Reads "<prefix><number>CR?" as Redis does: the byte after CR is skipped, whatever it is. */
static enum step resp_read_header(struct resp_parser *p, struct frame *f, const char *base,
                                  size_t len, const char *too_big, struct slice *line)
{
    enum step step = find_line(p, f, base, len, '\r', too_big, line);
    if (step != STEP_DONE)
        return step;
    size_t end = f->pos + line->len + 2;
    if (end > len)
        return STEP_MORE;
    f->canonical = f->canonical && base[end - 1] == '\n';
    f->pos = end;
    f->searched = 0;
    return STEP_DONE;
}

static enum step step_multibulk_length(struct resp_parser *p, const struct resp_limits *limits,
                                       struct frame *f, const char *base, size_t len)
{
    struct slice line;
    enum step step =
        resp_read_header(p, f, base, len, "Protocol error: too big mbulk count string", &line);
    if (step != STEP_DONE)
        return step;
    int64_t n;
    if (!num_parse_i64(slice_of(line.ptr + 1, line.len - 1), &n) || n > INT32_MAX)
        return resp_fail(p, "Protocol error: invalid multibulk length");
    if (n > (int64_t)limits->argc_max)
        return resp_fail(p, limits->authenticated
                                ? "Protocol error: invalid multibulk length"
                                : "Protocol error: unauthenticated multibulk length");
    if (n <= 0)
        return STEP_EMPTY;
    f->args_left = (uint32_t)n;
    f->stage = STAGE_BULK_LENGTH;
    return STEP_DONE;
}

static enum step fail_no_dollar(struct resp_parser *p, char got)
{
    /* A byte that would end the error's line, or the text, is shown as a blank. */
    char shown = got == '\r' || got == '\n' || got == '\0' ? ' ' : got;
    snprintf(p->error, sizeof(p->error), "Protocol error: expected '$', got '%c'", shown);
    return STEP_ERROR;
}

static enum step step_bulk_length(struct resp_parser *p, const struct resp_limits *limits,
                                  struct frame *f, const char *base, size_t len)
{
    struct slice line;
    enum step step =
        resp_read_header(p, f, base, len, "Protocol error: too big bulk count string", &line);
    if (step != STEP_DONE)
        return step;
    if (line.len == 0 || line.ptr[0] != '$')
        return fail_no_dollar(p, line.len == 0 ? '\r' : line.ptr[0]);
    int64_t n;
    if (!num_parse_i64(slice_of(line.ptr + 1, line.len - 1), &n) || n < 0)
        return resp_fail(p, "Protocol error: invalid bulk length");
    if ((uint64_t)n > limits->bulk_len_max || n > INT64_MAX / 4)
        return resp_fail(p, limits->authenticated ? "Protocol error: invalid bulk length"
                                                  : "Protocol error: unauthenticated bulk length");
    f->bulk_len = (size_t)n;
    f->stage = STAGE_BULK;
    return STEP_DONE;
}

/* The two bytes after a bulk; Redis does not look at them, so neither is this an error here. */
static enum step step_bulk_end(struct frame *f, const char *base, size_t len)
{
    if (len - f->pos < 2)
        return STEP_MORE;
    f->canonical = f->canonical && memcmp(base + f->pos, "\r\n", 2) == 0;
    f->pos += 2;
    f->stage = STAGE_BULK_LENGTH;
    f->args_left--;
    return STEP_DONE;
}

static enum step step_bulk(struct resp_parser *p, struct frame *f, const char *base, size_t len)
{
    if (len - f->pos < f->bulk_len)
        return STEP_MORE;
    if (!push_arg(p, slice_of(base + f->pos, f->bulk_len)))
        return fail_memory(p);
    f->pos += f->bulk_len;
    f->stage = STAGE_BULK_END;
    return STEP_DONE;
}

/* Splits an inline request. STEP_FLUSH: earlier requests of this call use the scratch space that
 * would have to grow. */
static enum step step_inline(struct resp_parser *p, struct frame *f, const char *base, size_t len,
                             bool *finished)
{
    struct slice line;
    enum step step =
        find_line(p, f, base, len, '\n', "Protocol error: too big inline request", &line);
    if (step != STEP_DONE)
        return step;
    size_t end = f->pos + line.len + 1;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    size_t need = words_room(line);
    if (need > p->scratch.cap - p->scratch.len && p->scratch.len > 0)
        return STEP_FLUSH;
    if (need > 0 && !buf_try_reserve(&p->scratch, need))
        return fail_memory(p);
    char *room = need > 0 ? p->scratch.data + p->scratch.len : NULL;
    size_t args_before = p->args_len;
    struct slice word;
    enum words_next next;
    while ((next = words_next(&line, &room, &word)) == WORDS_FOUND)
        if (!push_arg(p, word))
            return fail_memory(p);
    if (next == WORDS_UNBALANCED)
        return resp_fail(p, "Protocol error: unbalanced quotes in request");
    p->scratch.len = need > 0 ? (size_t)(room - p->scratch.data) : p->scratch.len;
    f->pos = end;
    f->canonical = false;
    *finished = true;
    return p->args_len == args_before ? STEP_EMPTY : STEP_DONE;
}

/* Goes on with a request in base[0..len) as far as its bytes reach. Arguments are appended. */
static enum step step_request(struct resp_parser *p, const struct resp_limits *limits,
                              struct frame *f, const char *base, size_t len)
{
    bool finished = false;
    enum step step = STEP_DONE;
    while (step == STEP_DONE && !finished) {
        if (f->pos == len && !(f->stage == STAGE_BULK && f->bulk_len == 0))
            return STEP_MORE;
        switch (f->stage) {
        case STAGE_START:
            step = base[f->pos] == '*' ? step_multibulk_length(p, limits, f, base, len)
                                       : step_inline(p, f, base, len, &finished);
            break;
        case STAGE_BULK_LENGTH:
            step = step_bulk_length(p, limits, f, base, len);
            break;
        case STAGE_BULK:
            step = step_bulk(p, f, base, len);
            break;
        case STAGE_BULK_END:
            step = step_bulk_end(f, base, len);
            finished = f->args_left == 0;
            break;
        }
    }
    return step;
}

/* --- assembly: an unfinished request in memory of ours --- */

static bool at_big_bulk(const struct frame *f)
{
    return f->stage == STAGE_BULK && f->bulk_len >= RESP_BIG_ARG;
}

/* Appends to the assembly; when it moves, the arguments that lie in it move along. */
static bool assembly_append(struct resp_parser *p, const char *bytes, size_t len)
{
    struct buf *a = &p->assembly;
    if (len > a->cap - a->len) {
        struct buf grown = {0};
        if (!buf_try_reserve(&grown, max_u64(a->cap * 2, a->len + len)))
            return false;
        if (a->len > 0)
            memcpy(grown.data, a->data, a->len);
        for (size_t i = 0; i < p->args_len; i++)
            if (i >= p->blobs_len || p->blobs[i] == NULL)
                p->args[i].ptr = grown.data + (p->args[i].ptr - a->data);
        grown.len = a->len;
        buf_fini(a);
        *a = grown;
    }
    if (len > 0)
        memcpy(a->data + a->len, bytes, len);
    a->len += len;
    return true;
}

/* Makes room after the received part of the big bulk: as much again as there is. */
static bool grow_big(struct resp_parser *p)
{
    struct blob *big = p->big;
    size_t cap = min_u64(p->frame.bulk_len, max_u64(BLOB_FIRST, big != NULL ? big->cap * 2 : 0));
    big = big == NULL ? blob_try_new(cap) : blob_try_grow(big, cap);
    if (big == NULL)
        return false;
    p->big = big;
    return true;
}

/* Copies what belongs to the big bulk; returns how many bytes that were. */
static size_t feed_big(struct resp_parser *p, const char *bytes, size_t len, bool *ok)
{
    size_t fed = 0, want = p->frame.bulk_len - (p->big != NULL ? p->big->len : 0);
    size_t all = min_u64(len, want);
    while (fed < all) {
        if ((p->big == NULL || p->big->len == p->big->cap) && !grow_big(p)) {
            *ok = false;
            break;
        }
        size_t n = min_u64(all - fed, p->big->cap - p->big->len);
        memcpy(p->big->data + p->big->len, bytes + fed, n);
        p->big->len += n;
        fed += n;
    }
    return fed;
}

/* The big bulk is complete: it becomes an argument. */
static bool finish_big(struct resp_parser *p)
{
    if (!extend_blobs(p, p->args_len + 1) || !push_arg(p, blob_slice(p->big)))
        return false;
    p->blobs[p->args_len - 1] = p->big;
    p->big = NULL;
    p->frame.stage = STAGE_BULK_END;
    p->frame.canonical = false;
    return true;
}

static void assembly_reset(struct resp_parser *p)
{
    resp_drop_blobs(p);
    p->assembly.len = 0;
    if (p->assembly.cap > KEEP_BYTES)
        buf_fini(&p->assembly);
    if (p->blobs_cap > KEEP_ARGS) {
        free(p->blobs);
        p->blobs = NULL;
        p->blobs_cap = 0;
    }
    p->assembling = p->delivered = false;
}

/* Moves what lies in the assembly after the head of a big bulk into its blob, and finishes the
 * blob when it is complete. */
static enum step settle_big(struct resp_parser *p)
{
    bool ok = true;
    size_t at = p->frame.pos;
    feed_big(p, p->assembly.data + at, p->assembly.len - at, &ok);
    p->assembly.len = at; /* the bulk was not complete, so all of it belonged to the bulk */
    return ok ? STEP_MORE : fail_memory(p);
}

/* Feeds input to the request in assembly, no further than its end. */
static enum step assemble(struct resp_parser *p, const struct resp_limits *limits, const char *in,
                          size_t len, size_t *used)
{
    struct frame *f = &p->frame;
    while (true) {
        if (p->big != NULL && p->big->len == f->bulk_len && !finish_big(p))
            return fail_memory(p);
        enum step step = STEP_MORE;
        if (p->big == NULL) {
            step = step_request(p, limits, f, p->assembly.data, p->assembly.len);
            if (step == STEP_DONE || step == STEP_EMPTY) {
                *used -= p->assembly.len - f->pos; /* what is after the request goes back */
                p->assembly.len = f->pos;
            } else if (step == STEP_MORE && at_big_bulk(f)) {
                step = settle_big(p);
            }
        }
        if (step != STEP_MORE || *used == len)
            return step;
        if (at_big_bulk(f)) {
            bool ok = true;
            *used += feed_big(p, in + *used, len - *used, &ok);
            if (!ok)
                return fail_memory(p);
            continue;
        }
        size_t want = f->stage == STAGE_BULK ? f->bulk_len + 2 - (p->assembly.len - f->pos) : 0;
        size_t n = min_u64(max_u64(want, ASSEMBLY_CHUNK), len - *used);
        if (!assembly_append(p, in + *used, n))
            return fail_memory(p);
        *used += n;
    }
}

/* Takes the unfinished request at in[0..len) over. */
static bool assembly_begin(struct resp_parser *p, const struct frame *f, const char *in, size_t len)
{
    p->frame = *f;
    p->assembling = true;
    size_t small = at_big_bulk(f) ? f->pos : len;
    struct slice *args = p->args;
    must(p->assembly.len == 0 && p->blobs_len == 0);
    size_t count = p->args_len;
    p->args_len = 0; /* they do not lie in the assembly yet */
    bool ok = assembly_append(p, in, small);
    for (size_t i = 0; ok && i < count; i++)
        args[i].ptr = p->assembly.data + (args[i].ptr - in);
    p->args_len = count;
    if (ok && small < len)
        feed_big(p, in + small, len - small, &ok);
    return ok;
}

/* --- one call --- */

struct parse_call {
    const struct resp_limits *limits;
    const char *in;
    size_t len, pos; /* everything before pos is done with */
    struct request *out;
    size_t n;
    enum resp_status status; /* RESP_MORE as long as the call goes on */
};

static void begin_call(struct resp_parser *p)
{
    p->scratch.len = 0;
    if (UNLIKELY(p->assembling)) {
        if (!p->delivered)
            return;
        assembly_reset(p);
    }
    if (UNLIKELY(p->args_cap > KEEP_ARGS && p->args_len < p->args_cap / 4)) {
        free(p->args);
        p->args = NULL;
        p->args_cap = 0;
    }
    p->args_len = 0;
    if (UNLIKELY(p->scratch.cap > KEEP_BYTES))
        buf_fini(&p->scratch);
}

/* Goes on with the assembled request. */
static void resume(struct resp_parser *p, struct parse_call *c)
{
    enum step step = assemble(p, c->limits, c->in, c->len, &c->pos);
    if (step == STEP_EMPTY) {
        p->args_len = 0;
        assembly_reset(p);
    } else if (step == STEP_ERROR) {
        c->status = RESP_ERROR;
    } else if (step == STEP_DONE) {
        struct slice raw = p->frame.canonical ? buf_slice(&p->assembly) : (struct slice){0};
        c->out[c->n++] = (struct request){
            .argc = (uint32_t)p->args_len,
            .raw = raw,
            .end = c->pos,
        };
        p->delivered = true;
        if (p->blobs_len > 0) { /* such a request is the last one returned */
            c->out[0].blobs = extend_blobs(p, p->args_len) ? p->blobs : NULL;
            c->status = c->pos < c->len ? RESP_FULL : RESP_MORE;
            c->len = c->pos;
        }
    }
}

/* Takes the unfinished request at c->pos over, if it is the first of this call; else leaves it. */
static void take_over(struct resp_parser *p, struct parse_call *c, const struct frame *f,
                      size_t args_before)
{
    size_t start = c->pos;
    if (c->n > 0) {
        p->args_len = args_before;
        c->len = c->pos;
        return;
    }
    c->pos = c->len;
    if (!assembly_begin(p, f, c->in + start, c->len - start)) {
        fail_memory(p);
        c->status = RESP_ERROR;
    }
}

/* Lets the state machine look at the request at c->pos. */
static void slow_request(struct resp_parser *p, struct parse_call *c)
{
    struct frame f = {.canonical = true};
    size_t args_before = p->args_len;
    const char *start = c->in + c->pos;
    switch (step_request(p, c->limits, &f, start, c->len - c->pos)) {
    case STEP_DONE:
        c->pos += f.pos;
        c->out[c->n++] = (struct request){
            .argc = (uint32_t)(p->args_len - args_before),
            .raw = f.canonical ? slice_of(start, f.pos) : (struct slice){0},
            .end = c->pos,
        };
        break;
    case STEP_EMPTY:
        c->pos += f.pos;
        break;
    case STEP_MORE:
        take_over(p, c, &f, args_before);
        break;
    case STEP_ERROR:
        p->args_len = args_before;
        c->status = c->n > 0 ? RESP_FULL : RESP_ERROR;
        break;
    case STEP_FLUSH:
        c->status = RESP_FULL;
        break;
    }
}

/* Arguments of all requests lie one after the other, and the slab has stopped moving. */
static void place_arguments(struct resp_parser *p, struct parse_call *c)
{
    const struct slice *argv = p->args;
    for (size_t i = 0; i < c->n; i++) {
        c->out[i].argv = argv;
        argv += c->out[i].argc;
    }
}

size_t resp_parse(struct resp_parser *p, const struct resp_limits *limits, const char *in,
                  size_t len, struct request *out, size_t max, size_t *consumed,
                  enum resp_status *status)
{
    struct parse_call c = {.limits = limits, .in = in, .len = len, .out = out, .status = RESP_MORE};
    must(max > 0);
    begin_call(p);
    if (UNLIKELY(p->failed))
        c.status = RESP_ERROR;
    else if (UNLIKELY(p->assembling))
        resume(p, &c);
    while (c.pos < c.len && c.status == RESP_MORE) {
        if (c.n == max) {
            c.status = RESP_FULL;
            break;
        }
        const char *at = in + c.pos;
        uint32_t argc = 0;
        size_t whole = *at == '*' ? fast_request(p, limits, at, in + c.len, &argc) : 0;
        if (UNLIKELY(whole == 0)) {
            slow_request(p, &c);
            continue;
        }
        c.pos += whole;
        p->args_len += argc;
        out[c.n] = (struct request){.argc = argc, .raw = slice_of(at, whole), .end = c.pos};
        c.n += argc > 0;
    }
    p->failed = c.status == RESP_ERROR;
    *consumed = c.pos;
    *status = c.status;
    place_arguments(p, &c);
    return c.n;
}

/* --- direct reads --- */

bool resp_parser_direct(struct resp_parser *p, char **at, size_t *room)
{
    if (!p->assembling || p->delivered || p->failed || p->big == NULL)
        return false;
    if (p->big->len == p->frame.bulk_len || (p->big->len == p->big->cap && !grow_big(p)))
        return false;
    *at = p->big->data + p->big->len;
    *room = min_u64(p->big->cap, p->frame.bulk_len) - p->big->len;
    return true;
}

void resp_parser_filled(struct resp_parser *p, size_t n)
{
    must(p->big != NULL && n <= p->big->cap - p->big->len);
    p->big->len += n;
}

/* --- requests that outlive the next call --- */

struct request *request_detach(struct request *r)
{
    size_t bytes = r->raw.len, blobs = r->blobs != NULL ? r->argc : 0;
    for (uint32_t i = 0; r->raw.len == 0 && i < r->argc; i++)
        bytes += r->blobs != NULL && r->blobs[i] != NULL ? 0 : r->argv[i].len;
    struct request *d =
        malloc(sizeof(*d) + r->argc * sizeof(struct slice) + blobs * sizeof(struct blob *) + bytes);
    if (d == NULL)
        return NULL;
    struct slice *argv = (struct slice *)(d + 1);
    struct blob **taken = (struct blob **)(argv + r->argc);
    char *at = (char *)(taken + blobs);
    *d = (struct request){.argc = r->argc, .argv = argv, .blobs = blobs > 0 ? taken : NULL};
    if (r->raw.len > 0) {
        memcpy(at, r->raw.ptr, r->raw.len);
        d->raw = slice_of(at, r->raw.len);
    }
    for (uint32_t i = 0; i < r->argc; i++) {
        argv[i] = r->argv[i];
        if (blobs > 0) {
            taken[i] = r->blobs[i];
            r->blobs[i] = NULL;
            if (taken[i] != NULL)
                continue;
        }
        if (r->raw.len > 0) {
            argv[i].ptr = at + (r->argv[i].ptr - r->raw.ptr);
            continue;
        }
        if (argv[i].len > 0)
            memcpy(at, r->argv[i].ptr, argv[i].len);
        argv[i].ptr = at;
        at += argv[i].len;
    }
    return d;
}

void request_drop_blobs(struct request *r)
{
    for (uint32_t i = 0; r->blobs != NULL && i < r->argc; i++)
        blob_unref(&r->blobs[i]);
}

void request_free(struct request **r)
{
    if (*r == NULL)
        return;
    request_drop_blobs(*r);
    free(*r);
    *r = NULL;
}
