/* Geo indices: searching a circle or a box, and storing what was found.
 *
 * GEOSEARCH, and GEORADIUS as the older form: the ranges of scores that cover the area are walked
 * (geo_cover), every member there is measured, and what lies inside is kept as a reference into the
 * set until it is replied or stored. GEORADIUS without ordering answers in the order of the walk.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "command/geo/geo.h"
#include "compute/sort_range.h"
#include "executor/find_keys.h"

#include "base/num.h"
#include "store/alloc.h"
#include "store/zset.h"

#include <stdlib.h>

enum form { FORM_RADIUS, FORM_MEMBER, FORM_SEARCH };
enum order { ORDER_NONE, ORDER_ASC, ORDER_DESC };

struct geo_found {
    double distance_m, score;
    size_t number; /* in the order of the walk */
    struct slice member;
};

struct geosearch {
    struct call *c;
    enum form form;
    bool may_store;         /* STORE and STOREDIST are options */
    const struct zset *set; /* NULL: absent */
    struct geo_area area;
    bool from_member, from_place, by_radius, by_box;
    bool with_distance, with_hash, with_place, any;
    enum order order;
    int64_t count; /* 0: all */
    bool stores, store_distance;
    uint32_t store_key; /* of the call's keys */

    struct geo_found *items;
    size_t len, cap;
    bool out_of_memory;
};

/* --- Arguments --- */

static bool parse_size(struct call *c, uint32_t i, const char *error, double *out)
{
    if (num_parse_double(c->argv[i], out))
        return true;
    reply_error(c->reply, error);
    return false;
}

static bool parse_circle(struct geosearch *s, uint32_t i)
{
    if (!parse_size(s->c, i, "ERR need numeric radius", &s->area.radius))
        return false;
    if (s->area.radius < 0) {
        reply_error(s->c->reply, "ERR radius cannot be negative");
        return false;
    }
    s->area.box = false;
    return geo_read_unit(s->c, i + 1, &s->area.unit_m);
}

static bool parse_box(struct geosearch *s, uint32_t i)
{
    if (!parse_size(s->c, i, "ERR need numeric width", &s->area.width) ||
        !parse_size(s->c, i + 1, "ERR need numeric height", &s->area.height))
        return false;
    if (s->area.width < 0 || s->area.height < 0) {
        reply_error(s->c->reply, "ERR height or width cannot be negative");
        return false;
    }
    s->area.box = true;
    return geo_read_unit(s->c, i + 2, &s->area.unit_m);
}

static bool parse_member(struct geosearch *s, uint32_t i)
{
    double score;
    if (s->set == NULL)
        return true; /* there will be nothing to search */
    if (zset_score(s->set, s->c->argv[i], &score)) {
        s->area.center = geo_decode(score);
        return true;
    }
    reply_error(s->c->reply, "ERR could not decode requested zset member");
    return false;
}

static bool geosearch_parse_count(struct geosearch *s, uint32_t i)
{
    if (!call_int(s->c, i, &s->count, NULL))
        return false;
    if (s->count > 0)
        return true;
    reply_error(s->c->reply, "ERR COUNT must be > 0");
    return false;
}

/* What comes before the options of GEORADIUS and GEORADIUSBYMEMBER. */
static bool parse_head(struct geosearch *s)
{
    switch (s->form) {
    case FORM_RADIUS:
        return geo_read_point(s->c, 2, &s->area.center) && parse_circle(s, 4);
    case FORM_MEMBER: /* of a set that is not there nothing is checked */
        return s->set == NULL || (parse_member(s, 2) && parse_circle(s, 3));
    case FORM_SEARCH:
        break;
    }
    return true;
}

static bool parse_flag(struct geosearch *s, uint32_t i)
{
    struct call *c = s->c;
    if (args_is(c, i, "withdist"))
        s->with_distance = true;
    else if (args_is(c, i, "withhash"))
        s->with_hash = true;
    else if (args_is(c, i, "withcoord"))
        s->with_place = true;
    else if (args_is(c, i, "any"))
        s->any = true;
    else if (args_is(c, i, "asc"))
        s->order = ORDER_ASC;
    else if (args_is(c, i, "desc"))
        s->order = ORDER_DESC;
    else if (s->form == FORM_SEARCH && s->stores && args_is(c, i, "storedist"))
        s->store_distance = true;
    else
        return false;
    return true;
}

static bool parse_store(struct geosearch *s, uint32_t i)
{
    s->store_distance = args_is(s->c, i, "storedist");
    s->stores = true;
    s->store_key = s->store_distance && s->c->keys_len > 2 ? 2 : 1;
    return true;
}

/* The option at argument *i with its own arguments; *i is moved to the last of them. */
static bool geosearch_parse_option(struct geosearch *s, uint32_t *i)
{
    struct call *c = s->c;
    uint32_t at = *i, more = c->argc - at - 1;
    bool searching = s->form == FORM_SEARCH;
    if (parse_flag(s, at))
        return true;
    if (more >= 1 && args_is(c, at, "count")) {
        *i += 1;
        return geosearch_parse_count(s, at + 1);
    }
    if (more >= 1 && s->may_store && !searching &&
        (args_is(c, at, "store") || args_is(c, at, "storedist"))) {
        *i += 1;
        return parse_store(s, at);
    }
    if (more >= 1 && searching && !s->from_place && args_is(c, at, "frommember")) {
        s->from_member = true;
        *i += 1;
        return parse_member(s, at + 1);
    }
    if (more >= 2 && searching && !s->from_member && args_is(c, at, "fromlonlat")) {
        s->from_place = true;
        *i += 2;
        return geo_read_point(c, at + 1, &s->area.center);
    }
    if (more >= 2 && searching && !s->by_box && args_is(c, at, "byradius")) {
        s->by_radius = true;
        *i += 2;
        return parse_circle(s, at + 1);
    }
    if (more >= 3 && searching && !s->by_radius && args_is(c, at, "bybox")) {
        s->by_box = true;
        *i += 3;
        return parse_box(s, at + 1);
    }
    reply_error(c->reply, REPLY_SYNTAX);
    return false;
}

/* What only all options together tell. */
static bool geosearch_check_options(struct geosearch *s)
{
    struct reply *r = s->c->reply;
    struct slice name = s->c->argv[0];
    if (s->stores && (s->with_distance || s->with_hash || s->with_place))
        reply_errorf(r,
                     "ERR %s is not compatible with WITHDIST, WITHHASH and "
                     "WITHCOORD options",
                     s->form == FORM_SEARCH ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
    else if (s->form == FORM_SEARCH && !s->from_member && !s->from_place)
        reply_errorf(r, "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s",
                     (int)name.len, name.ptr);
    else if (s->form == FORM_SEARCH && !s->by_radius && !s->by_box)
        reply_errorf(r, "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s",
                     (int)name.len, name.ptr);
    else if (s->any && s->count == 0)
        reply_error(r, "ERR the ANY argument requires COUNT argument");
    else
        return true;
    return false;
}

static bool geosearch_parse(struct geosearch *s, uint32_t options)
{
    if (!parse_head(s))
        return false;
    for (uint32_t i = options; i < s->c->argc; i++)
        if (!geosearch_parse_option(s, &i))
            return false;
    /* The nearest are meant, unless any will do. */
    if (s->count > 0 && s->order == ORDER_NONE && !s->any)
        s->order = ORDER_ASC;
    return geosearch_check_options(s);
}

/* --- Finding --- */

static bool geosearch_is_enough(const struct geosearch *s)
{
    return s->any && s->len >= (uint64_t)s->count;
}

static bool geosearch_keep(struct geosearch *s, struct slice member, double score,
                           double distance_m)
{
    if (s->len == s->cap) {
        size_t cap = s->cap == 0 ? 64 : s->cap * 2;
        struct geo_found *grown = alloc_try_resize(s->items, cap * sizeof(*grown));
        if (grown == NULL) {
            s->out_of_memory = true;
            return false;
        }
        s->items = grown;
        s->cap = cap;
    }
    s->items[s->len] = (struct geo_found){distance_m, score, s->len, member};
    s->len++;
    return true;
}

static bool measure(void *ctx, struct slice member, double score)
{
    struct geosearch *s = ctx;
    double distance_m;
    if (geo_within(&s->area, geo_decode(score), &distance_m) &&
        !geosearch_keep(s, member, score, distance_m))
        return false;
    return !geosearch_is_enough(s);
}

static void geosearch_find(struct geosearch *s)
{
    struct geo_range ranges[GEO_RANGES];
    uint32_t n = geo_cover(&s->area, ranges);
    for (uint32_t i = 0; i < n && !s->out_of_memory && !geosearch_is_enough(s); i++) {
        size_t first = zset_below(s->set, ranges[i].first, false);
        size_t end = zset_below(s->set, ranges[i].end, false);
        zset_each(s->set, first, end - first, false, measure, s);
    }
}

static int geosearch_compare(const void *a, const void *b, void *ctx)
{
    const struct geo_found *x = a, *y = b;
    const struct geosearch *s = ctx;
    if (x->distance_m != y->distance_m)
        return (x->distance_m < y->distance_m) == (s->order == ORDER_ASC) ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* Puts what is asked for at the front, and drops the rest. */
static void order_and_cut(struct geosearch *s)
{
    size_t wanted = s->count > 0 ? min_u64((uint64_t)s->count, s->len) : s->len;
    if (s->order != ORDER_NONE)
        sort_range(s->items, s->len, sizeof(*s->items), 0, wanted, geosearch_compare, s);
    s->len = wanted;
}

/* --- Answering --- */

static void geosearch_reply_found(const struct geosearch *s)
{
    struct call *c = s->c;
    uint64_t with = (uint64_t)s->with_distance + s->with_hash + s->with_place;
    reply_array(c->reply, s->len);
    for (size_t i = 0; i < s->len; i++) {
        const struct geo_found *f = &s->items[i];
        if (with > 0)
            reply_array(c->reply, with + 1);
        reply_bulk(c->reply, f->member);
        if (s->with_distance)
            geo_reply_distance(c, f->distance_m / s->area.unit_m);
        if (s->with_hash)
            reply_int(c->reply, (int64_t)f->score);
        if (s->with_place)
            geo_reply_point(c, geo_decode(f->score));
    }
}

static void geosearch_store_nothing(const struct geosearch *s)
{
    if (txn_remove(s->c->txn, s->c->key + s->store_key))
        call_notify(s->c, NOTIFY_GENERIC, "del", s->store_key);
    reply_int(s->c->reply, 0);
}

/* The set that is searched may be the one that is replaced: so all is copied first. */
static void *as_set(const struct geosearch *s)
{
    struct zset *made = zset_try_new();
    for (size_t i = 0; made != NULL && i < s->len; i++) {
        const struct geo_found *f = &s->items[i];
        double score = s->store_distance ? f->distance_m / s->area.unit_m : f->score;
        if (zset_put(&made, f->member, score) == ZSET_OOM) {
            zset_ops.free(made);
            made = NULL;
        }
    }
    return made;
}

static void store_found(const struct geosearch *s)
{
    struct call *c = s->c;
    void *made = as_set(s);
    if (made == NULL || txn_put_object(c->txn, c->key + s->store_key, VALUE_ZSET, &made) != RC_OK) {
        if (made != NULL)
            zset_ops.free(made);
        call_out_of_memory(c);
        return;
    }
    call_notify(c, NOTIFY_ZSET, s->form == FORM_SEARCH ? "geosearchstore" : "georadiusstore",
                s->store_key);
    reply_int(c->reply, (int64_t)s->len);
}

static void geosearch_answer(struct geosearch *s)
{
    if (s->set != NULL)
        geosearch_find(s);
    if (s->out_of_memory) {
        call_out_of_memory(s->c);
        return;
    }
    order_and_cut(s);
    if (!s->stores)
        geosearch_reply_found(s);
    else if (s->len == 0)
        geosearch_store_nothing(s);
    else
        store_found(s);
}

static void search(struct geosearch *s, uint32_t source_key, uint32_t options)
{
    if (!geo_read_index(s->c, source_key, &s->set) || !geosearch_parse(s, options))
        return;
    geosearch_answer(s);
    free(s->items);
}

void cmd_geosearch(struct call *c)
{
    search(&(struct geosearch){.c = c, .form = FORM_SEARCH}, 0, 2);
}

void cmd_geosearchstore(struct call *c)
{
    search(&(struct geosearch){.c = c, .form = FORM_SEARCH, .stores = true, .store_key = 0}, 1, 3);
}

void cmd_georadius(struct call *c)
{
    search(&(struct geosearch){.c = c, .form = FORM_RADIUS, .may_store = true}, 0, 6);
}

void cmd_georadius_ro(struct call *c)
{
    search(&(struct geosearch){.c = c, .form = FORM_RADIUS}, 0, 6);
}

void cmd_georadiusbymember(struct call *c)
{
    search(&(struct geosearch){.c = c, .form = FORM_MEMBER, .may_store = true}, 0, 5);
}

void cmd_georadiusbymember_ro(struct call *c)
{
    search(&(struct geosearch){.c = c, .form = FORM_MEMBER}, 0, 5);
}

/* --- Keys --- */

/* An empty result removes what was there, so that has to be known. */
int find_keys_geosearchstore(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    (void)argc;
    keys[0].name = argv[1];
    keys[0].mode = KEY_REMOVE;
    keys[1].name = argv[2];
    keys[1].mode = KEY_READ;
    return 2;
}

/* The key of STORE and then that of STOREDIST, each as it was named last. Of the two the handler
 * takes the one that comes last in the request. What is before the options is never one that the
 * handler takes for an option, since it starts after it, too. */
static int find_radius_keys(uint32_t argc, const struct slice *argv, uint32_t options,
                            struct txn_key *keys)
{
    keys[0].name = argv[1];
    keys[0].mode = KEY_READ;
    uint32_t named[2] = {0}; /* where; 0: it is not there */
    for (uint32_t i = options; i + 1 < argc; i++) {
        bool distance = slice_is_word(argv[i], "storedist");
        if (distance || slice_is_word(argv[i], "store"))
            named[distance] = ++i;
    }
    int found = 1;
    for (size_t i = 0; i < COUNT_OF(named); i++) {
        if (named[i] == 0)
            continue;
        keys[found].name = argv[named[i]];
        keys[found++].mode = KEY_REMOVE;
    }
    return found;
}

int find_keys_georadius(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    return find_radius_keys(argc, argv, 6, keys);
}

int find_keys_georadiusbymember(uint32_t argc, const struct slice *argv, struct txn_key *keys)
{
    return find_radius_keys(argc, argv, 5, keys);
}
