/* The `syntax` text of a row as a tree of arguments: what COMMAND DOCS shows.
 *
 *   key value [NX | XX] [EX seconds | PX milliseconds] [field value ...]
 *
 * Capitals are literal words; [ ] is optional; < > and | are a choice; "x [x ...]" is one or more.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef COMMAND_SERVER_SYNTAX_H
#define COMMAND_SERVER_SYNTAX_H

#include "base/slice.h"

enum { SYNTAX_NODES_MAX = 64, SYNTAX_NONE = 0 };

enum syntax_kind { SYNTAX_ARGUMENT, SYNTAX_TOKEN, SYNTAX_ONEOF, SYNTAX_BLOCK };

struct syntax_node {
    enum syntax_kind kind;
    struct slice name;  /* arguments: "key"; groups: empty */
    struct slice token; /* the literal word in front of it, or itself; empty: none */
    bool optional, multiple;
    uint8_t child, next; /* indices into nodes; SYNTAX_NONE: none */
};

struct syntax {
    struct syntax_node nodes[SYNTAX_NODES_MAX]; /* nodes[0] is a block of everything */
    uint8_t len;
};

/* False when the text is not in the notation, which is a mistake in executor/commands.def. */
MUST_CHECK bool syntax_parse(const char *text, struct syntax *out);

#endif
