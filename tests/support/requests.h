/* Representative requests of every command, for tests that have one question for all of them: what
 * happens without memory, what with extreme numbers.
 *
 * A form is text: requests apart by " ; ", their words by spaces. "%H" is a key of a kind:
 *
 *   i integer   s short string   b large string   p, P HyperLogLog, sparse and dense
 *   h, H hash   l, L list   e, E, T set: integers, packed, table   z, Z sorted set   g geo
 *   n absent    x expired
 *
 * (capitals are beyond the compact forms), "%k" one of each kind in turn, "%m" one of each type.
 * "%H" and "%H2" are two keys. "$big" is a string that is stored apart, "$long" one too long for
 * the compact forms, "$dump-h" a payload of a hash, or of another type by its letter. What comes
 * before a '|' prepares the rest. A form that begins with
 *   '*' may be done in part when memory runs out (what was done is journalled),
 *   '?' has a result that is random, or tells of time or memory.
 *
 * The keys' names end in a serial number, so every run of a form has its own, and all of them can
 * be looked at again in the end.
 *
 * Failing is a test failure, as in ks.h. Thread: one.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_REQUESTS_H
#define TESTS_SUPPORT_REQUESTS_H

#include "executor/executor.h"
#include "tests/support/ks.h"

enum { REQUESTS_MAX = 40, REQUEST_ARGS_MAX = 48, REQUEST_KEYS_MAX = 8, REQUEST_NAME_MAX = 24 };

extern const char *const request_forms[]; /* NULL at the end */

/* A form with its keys named. */
struct requests {
    bool partial, random;
    uint32_t len, prepares; /* the first `prepares` are not in question */
    struct one_request {
        uint32_t argc;
        struct slice argv[REQUEST_ARGS_MAX];
        bool is_key[REQUEST_ARGS_MAX];
    } all[REQUESTS_MAX];
    uint32_t keys_len;
    struct request_key {
        char kind;
        char name[REQUEST_NAME_MAX];
    } keys[REQUEST_KEYS_MAX];
    char text[2048];
    struct buf big, dumped;
};

/* Calls `each` for a form with each of the kinds that its %k and %m stand for; every_kind false:
 * with one of each only. False: its command is not in the table. */
bool requests_each(const char *form, bool every_kind,
                   void (*each)(void *ctx, const char *form, char k, char m), void *ctx);
void requests_make(struct requests *out, const char *form, char k, char m, uint32_t serial);
void requests_fini(struct requests *r);

/* Options for ks_make() under which a dozen elements are many. */
extern const char *const requests_options[];

/* A client without a server: a session, and a host that lets time pass at once. */
void requests_begin(struct ks_fixture *ks); /* and makes the keys that others are copied
                                                from, unless they are there */
/* The same without those keys; of the fixture only `ks` is used. */
void requests_connect(struct ks_fixture *ks);
void requests_end(void);
/* Of the newest write that was said. */
uint64_t requests_last_lsn(void);
/* The session as if just connected. */
void requests_reconnect(uint8_t proto);
/* Makes the keys, each a copy of its kind. */
void requests_set_up(const struct requests *r);
/* Waits a millisecond or two, if a key of the kind x is among them. */
void requests_let_expire(const struct requests *r);
/* Runs one request; its whole reply, which is well formed. Valid until the next call. */
struct slice requests_say(uint32_t argc, const struct slice *argv);
struct slice requests_say_text(const char *text); /* words apart by spaces */

/* A sum over type, content and expiry of a key of database 0; 0: absent. exact: the time of expiry
 * counts, else whether there is one. Needs no memory beyond what
 * loading it takes. */
uint64_t requests_digest(const char *key, bool exact);
/* Everything that the keyspace counts is counted anew. */
void requests_check_store(void);

#endif
