/* Effects: what a command has done, in the words that the journal keeps.
 *
 * An effect is absolute: it says what a part of a key *is* from now on, never what to do with what
 * was there. So replay cannot fail, and may begin too early. A key that was left empty is deleted,
 * and the deletion is an effect of its own. Effects are RESP, for people and for tools:
 *
 *   SET key value [PXAT ms]            a whole string with its expiry; none when it is not named
 *   MSET (MSETNX) key value ...        several whole strings, without expiry
 *   SETRANGE key offset bytes          bytes of a string; what is missing before them is zero
 *   HSET (HMSET) key field value ...   fields of a hash           HDEL key field ...
 *   SADD key member ...                members of a set           SREM key member ...
 *   ZADD key score member ...          members of a sorted set    ZREM key member ...
 *   LISTSET key position value ...     elements of a list         LISTDEL key first last ...
 *   PEXPIREAT key ms   PERSIST key     the expiry of a key        DEL key
 *   RESTORE key ms payload REPLACE ABSTTL    a whole key of any type; ms 0: without expiry
 *   RENAME from to                     only for a value that is too large to be named in full
 *   FORGET key                         the key is what the backend says: what was not flushed of it
 *                                      lost a conflict (writeback/forget.c writes this one)
 *   DBMAP number store-database ...    what numbered databases point to
 *   SELECT store-database              where the keys of the following effects are
 *
 * A record begins in the store database that its header names. Everything but the words of lists,
 * FORGET and DBMAP may be piped into any Redis. replay.c reads what is written here.
 *
 * The functions that change a whole key (txn_set_string, txn_remove, txn_put_object, ...) say their
 * effect themselves. A handler that changes a part says it, before it changes anything else, with
 * one of these; a request that has changed something and has said nothing is a defect, and caught.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KEYSPACE_EFFECT_H
#define KEYSPACE_EFFECT_H

#include "keyspace/txn.h"
#include "store/list.h"

/* The running request, byte for byte, is its effect: it is absolute as it stands, and all its keys
 * are in the database of key k. Called before the first change, it keeps the functions that change
 * whole keys from saying theirs. Any other effect of the request takes its place. */
void txn_effect_request(struct txn *t, uint32_t k);
/* The same for a request that may end halfway, with room to say txn_effect_string() of all its keys
 * after txn_effect_nothing(). False: no memory for that. */
MUST_CHECK bool txn_effect_try_request(struct txn *t, uint32_t k);
/* Nothing was changed after all: memory ran out after an edit. Forgets txn_effect_request(). */
void txn_effect_nothing(struct txn *t);
/* verb key arguments. They are copied. */
void txn_effect(struct txn *t, uint32_t k, const char *verb, uint32_t argc,
                const struct slice *argv);
/* The whole string with its expiry, as it is now. */
void txn_effect_string(struct txn *t, uint32_t k);
/* Bytes [from, from + len) of the string, as they are now. */
void txn_effect_bytes(struct txn *t, uint32_t k, size_t from, size_t len);
/* `n` elements of the list from `index` on, as they are now: added or replaced. */
void txn_effect_list_set(struct txn *t, uint32_t k, size_t index, size_t n);
/* All elements within a span, as they are now: they got new positions. */
void txn_effect_list_span(struct txn *t, uint32_t k, struct list_span span);
/* No element has a position within these spans any more. */
void txn_effect_list_gone(struct txn *t, uint32_t k, const struct list_span *spans, size_t n);
/* False when effects of so many bytes more would make the record too long, or leave too little for
 * the requests that follow: for commands whose effect can be much longer than their request. */
bool txn_effect_fits(const struct txn *t, uint64_t bytes);

#endif
