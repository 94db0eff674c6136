/* Requests: bytes from a client become arguments, in place.
 *
 * A whole buffer is parsed at once, so that the caller can hash all keys and prefetch before it
 * runs the first command. Arguments are slices into the input buffer. A bulk of RESP_BIG_ARG bytes
 * or more that is not all there yet is received straight into a blob of its own, so it is never
 * copied twice; a command may keep the blob by a reference of its own. A blob grows with the bytes
 * that arrive, never with the length that was announced.
 *
 * Parsing is linear in the bytes received, whatever the size of the reads that bring them.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef RESP_REQUEST_H
#define RESP_REQUEST_H

#include "base/buf.h"

enum { RESP_BIG_ARG = 32 * 1024, RESP_INLINE_MAX = 64 * 1024 };

struct request {
    uint32_t argc;
    const struct slice *argv;
    struct blob **blobs; /* NULL, or argc pointers: the blob that argv[i] lies in, or NULL */
    struct slice raw; /* the request as it came, when it is one contiguous RESP array; else empty */
    size_t end;       /* input offset behind this request, see resp_parse */
};

struct resp_limits {
    uint32_t argc_max;     /* arguments a request may announce (10 before AUTH) */
    uint64_t bulk_len_max; /* proto-max-bulk-len; 16384 before AUTH */
    bool authenticated;    /* false: errors say "unauthenticated multibulk length" and "... bulk
                              length" */
};

enum resp_status {
    RESP_MORE,  /* every complete request was returned; more bytes are needed for the next */
    RESP_FULL,  /* there is more to say, but not before the returned requests have run: call again
                   then with the bytes after them, even if no new ones came */
    RESP_ERROR, /* the input begins with what is not the protocol, nothing was returned: error() has
                   the text, and every further call says the same */
};

struct resp_parser; /* one per connection */

struct resp_parser *resp_parser_new(void);
void resp_parser_free(struct resp_parser **p);

/* Parses requests from in[0..len). Returns how many were put into out[0..max); *status says why it
 * stopped. Requests and their arguments are valid until the next call on p, as long as the input
 * stays in place. *consumed: input bytes that are no longer needed once the returned requests have
 * run; all of them when none was returned, for the parser has then taken the unfinished request
 * over. A caller that runs only the first k >= 1 of them drops out[k-1].end bytes instead, and
 * calls again: the others are parsed anew, with the limits as they are then (AUTH may be among the
 * first k). A request that holds blobs is always the only one returned.
 * Empty requests ("*0", "*-1", blank lines) are skipped. Inline commands are split as redis-cli
 * does. */
size_t resp_parse(struct resp_parser *p, const struct resp_limits *limits, const char *in,
                  size_t len, struct request *out, size_t max, size_t *consumed,
                  enum resp_status *status);

/* "Protocol error: invalid bulk length" and the like, without "-ERR " and CRLF. */
const char *resp_parser_error(const struct resp_parser *p);

/* While a big bulk is being received: where the next bytes may be read to directly, and how many
 * (never past the end of that bulk). Returns false when input must go through the ordinary buffer.
 * After reading n bytes there call resp_parser_filled(p, n), then resp_parse() again (with whatever
 * input there is, maybe none). */
bool resp_parser_direct(struct resp_parser *p, char **at, size_t *room);
void resp_parser_filled(struct resp_parser *p, size_t n);

/* Bytes held by the parser itself: partial requests, argument arrays; counts to the query buffer
 * limit. */
size_t resp_parser_memory(const struct resp_parser *p);

/* Moves a request that has to outlive the next resp_parse() (its command waits for a load) into one
 * heap object; blobs are taken over, arguments in the input are copied. NULL when out of memory. */
struct request *request_detach(struct request *r);
void request_free(struct request **r);
/* The request has run, and nobody looks at its arguments any more: large ones are given back. */
void request_drop_blobs(struct request *r);

#endif
