/* Writing effects; see effect.h for the words.
 *
 * They gather in the transaction and go to the journal as one record. The effect of most requests
 * is the request itself, which is then copied once, from where the network put it.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "keyspace/effect.h"

#include "base/num.h"
#include "keyspace/dump.h"
#include "keyspace/internal.h"

enum {
    EFFECT_PAIRS = 64, /* elements or spans of a list in one effect */
    FRAME = 64,        /* of an effect beside its key and value, at the most */
};

static void effect_append_number(struct buf *out, int64_t n)
{
    char digits[NUM_I64_MAX];
    buf_append_bulk(out, slice_of(digits, num_format_i64(digits, n)));
}

/* Effects lie in one stream that starts in record_db; where they go to another database, SELECT
 * comes first. */
void effect_select(struct txn *t, uint32_t store_db)
{
    if (t->effects.len == 0) {
        t->record_db = store_db;
    } else if (store_db != t->effects_db) {
        buf_append_array_header(&t->effects, 2);
        buf_append_bulk(&t->effects, SLICE("SELECT"));
        effect_append_number(&t->effects, store_db);
    }
    t->effects_db = store_db;
}

void effect_head(struct txn *t, uint32_t store_db, struct slice verb, uint32_t argc)
{
    effect_select(t, store_db);
    buf_append_array_header(&t->effects, argc + 1);
    buf_append_bulk(&t->effects, verb);
}

void effect_del(struct txn *t, uint32_t store_db, struct slice key)
{
    if (t->ks->replaying)
        return;
    effect_head(t, store_db, SLICE("DEL"), 1);
    buf_append_bulk(&t->effects, key);
}

/* The head of an effect of key k, and the key; `argc` arguments follow. */
static void effect_begin(struct txn *t, uint32_t k, const char *verb, uint32_t argc)
{
    const struct slot *s = &t->slots[k];
    must(k < t->slots_len);
    t->said = SAID_EFFECTS;
    effect_head(t, s->store_db, slice_str(verb), argc + 1);
    buf_append_bulk(&t->effects, s->key->name);
}

void txn_effect_request(struct txn *t, uint32_t k)
{
    must(k < t->slots_len);
    if (t->said == SAID_EFFECTS)
        return;
    t->said = SAID_REQUEST;
    t->request_db = t->slots[k].store_db;
}

bool txn_effect_try_request(struct txn *t, uint32_t k)
{
    uint64_t bytes = txn_request_bytes(t->raw, t->argc, t->argv);
    if (!txn_effect_fits(t, bytes) || !buf_try_reserve(&t->effects, bytes))
        return false;
    txn_effect_request(t, k);
    return true;
}

void txn_effect_nothing(struct txn *t)
{
    t->said = SAID_EFFECTS;
}

void txn_effect(struct txn *t, uint32_t k, const char *verb, uint32_t argc,
                const struct slice *argv)
{
    effect_begin(t, k, verb, argc);
    for (uint32_t i = 0; i < argc; i++)
        buf_append_bulk(&t->effects, argv[i]);
}

bool txn_effect_fits(const struct txn *t, uint64_t bytes)
{
    uint64_t taken = t->effects.len + t->following;
    return taken <= JOURNAL_PAYLOAD_MAX && bytes <= JOURNAL_PAYLOAD_MAX - taken;
}

void txn_effect_bytes(struct txn *t, uint32_t k, size_t from, size_t len)
{
    const struct value *v = txn_peek(t, k);
    char digits[NUM_I64_MAX];
    must(v != NULL && v->type == VALUE_STRING && from <= v->str.len && len <= v->str.len - from);
    struct slice argv[] = {slice_of(digits, num_format_u64(digits, from)),
                           slice_of(v->str.ptr + from, len)};
    txn_effect(t, k, "SETRANGE", COUNT_OF(argv), argv);
}

/* --- What the functions that change whole keys say --- */

/* Whether the request says its effects one by one. */
static bool says(const struct txn *t)
{
    return t->said != SAID_REQUEST && !t->ks->replaying;
}

void effect_say_removed(struct txn *t, uint32_t k)
{
    if (says(t))
        txn_effect(t, k, "DEL", 0, NULL);
}

void effect_say_expiry(struct txn *t, uint32_t k, int64_t expires_at_ms)
{
    if (!says(t))
        return;
    char digits[NUM_I64_MAX];
    struct slice at = slice_of(digits, num_format_i64(digits, expires_at_ms));
    txn_effect(t, k, expires_at_ms == 0 ? "PERSIST" : "PEXPIREAT", expires_at_ms != 0, &at);
}

bool effect_try_reserve(struct txn *t, uint32_t k, size_t bytes)
{
    size_t all = t->slots[k].key->name.len + bytes + 2 * FRAME;
    return !says(t) || (txn_effect_fits(t, all) && buf_try_reserve(&t->effects, all));
}

void effect_say_string(struct txn *t, uint32_t k, struct slice value, int64_t expires_at_ms)
{
    if (!says(t))
        return;
    effect_begin(t, k, "SET", expires_at_ms == 0 ? 1 : 3);
    buf_append_bulk(&t->effects, value);
    if (expires_at_ms == 0)
        return;
    buf_append_bulk(&t->effects, SLICE("PXAT"));
    effect_append_number(&t->effects, expires_at_ms);
}

bool effect_say_whole(struct txn *t, uint32_t k, const struct value *v)
{
    if (!says(t))
        return true;
    if (v->type == VALUE_STRING) {
        if (!effect_try_reserve(t, k, v->str.len))
            return false;
        effect_say_string(t, k, v->str, v->expires_at_ms);
        return true;
    }
    struct buf payload = {0};
    bool fits = value_dump(&payload, v) && payload.len <= STORE_STRING_MAX &&
                effect_try_reserve(t, k, payload.len);
    if (fits) {
        effect_begin(t, k, "RESTORE", 4);
        effect_append_number(&t->effects, v->expires_at_ms);
        buf_append_bulk(&t->effects, buf_slice(&payload));
        buf_append_bulk(&t->effects, SLICE("REPLACE"));
        buf_append_bulk(&t->effects, SLICE("ABSTTL"));
    }
    buf_fini(&payload);
    return fits;
}

void effect_say_renamed(struct txn *t, uint32_t from, uint32_t to)
{
    if (says(t))
        txn_effect(t, from, "RENAME", 1, &t->slots[to].key->name);
}

void effect_say_map(struct txn *t, const uint32_t *numbers, uint32_t n)
{
    if (!says(t))
        return;
    t->said = SAID_EFFECTS;
    effect_head(t, t->effects.len > 0 ? t->effects_db : 0, SLICE("DBMAP"), 2 * n);
    for (uint32_t i = 0; i < n; i++) {
        effect_append_number(&t->effects, numbers[i]);
        effect_append_number(&t->effects, dbmap_store_db(t->ks->map, numbers[i]));
    }
}

void txn_effect_string(struct txn *t, uint32_t k)
{
    const struct value *v = txn_peek(t, k);
    must(v != NULL && v->type == VALUE_STRING && t->said != SAID_REQUEST);
    effect_say_string(t, k, v->str, v->expires_at_ms);
}

/* --- Lists --- */

static struct list *list_of(struct txn *t, uint32_t k)
{
    const struct entry *e = slot_entry(t, &t->slots[k]);
    must(e != NULL && e->type == VALUE_LIST);
    return entry_object(e);
}

/* Says pairs of arguments, of which the first is a position, some in each effect. */
struct effect_pairs {
    struct txn *t;
    uint32_t k;
    const char *verb;
    size_t left;   /* not said yet */
    uint32_t room; /* in the effect that was begun */
};

/* The first of the next pair; the second is for the caller to say. */
static void pairs_next(struct effect_pairs *p, int64_t position)
{
    if (p->room == 0) {
        p->room = (uint32_t)min_u64(p->left, EFFECT_PAIRS);
        effect_begin(p->t, p->k, p->verb, 2 * p->room);
    }
    p->room--;
    p->left--;
    effect_append_number(&p->t->effects, position);
}

static bool add_element(void *ctx, int64_t position, struct slice value)
{
    struct effect_pairs *p = ctx;
    pairs_next(p, position);
    buf_append_bulk(&p->t->effects, value);
    return true;
}

/* All elements, at new positions, with the TTL. They have the positions already and nothing can be
 * refused any more: where there is no memory for a payload, or it is too long for one, the elements
 * are said one by one. */
static void say_whole_list(struct txn *t, uint32_t k)
{
    struct list *l = list_of(t, k);
    list_renumber(l);
    const struct value *v = txn_peek(t, k);
    if (LIKELY(effect_say_whole(t, k, v)))
        return;
    struct effect_pairs p = {.t = t, .k = k, .verb = "LISTSET", .left = list_count(l)};
    txn_effect(t, k, "DEL", 0, NULL);
    list_each_placed(l, 0, list_count(l), add_element, &p);
    if (v->expires_at_ms != 0)
        effect_say_expiry(t, k, v->expires_at_ms);
}

/* True: the elements have other positions than the journal knows, and all of them were said. */
static bool say_renumbered(struct txn *t, uint32_t k, struct list *l)
{
    if (LIKELY(!list_take_renumbered(l)))
        return false;
    say_whole_list(t, k);
    return true;
}

void txn_effect_list_set(struct txn *t, uint32_t k, size_t index, size_t n)
{
    struct list *l = list_of(t, k);
    if (say_renumbered(t, k, l))
        return;
    must(index <= list_count(l) && n <= list_count(l) - index);
    struct effect_pairs p = {.t = t, .k = k, .verb = "LISTSET", .left = n};
    list_each_placed(l, index, n, add_element, &p);
}

void txn_effect_list_gone(struct txn *t, uint32_t k, const struct list_span *spans, size_t n)
{
    struct effect_pairs p = {.t = t, .k = k, .verb = "LISTDEL", .left = n};
    for (size_t i = 0; i < n; i++) {
        pairs_next(&p, spans[i].first);
        effect_append_number(&t->effects, spans[i].last);
    }
}

void txn_effect_list_span(struct txn *t, uint32_t k, struct list_span span)
{
    struct list *l = list_of(t, k);
    if (say_renumbered(t, k, l))
        return;
    if (span.first == INT64_MIN && span.last == INT64_MAX) {
        say_whole_list(t, k); /* without any element the key would be gone, and its TTL */
        return;
    }
    size_t first = list_index_from(l, span.first);
    size_t end = span.last == INT64_MAX ? list_count(l) : list_index_from(l, span.last + 1);
    txn_effect_list_gone(t, k, &span, 1);
    txn_effect_list_set(t, k, first, end - first);
}
