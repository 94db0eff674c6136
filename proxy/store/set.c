/* The set type; see set.h. While all members are integers, few of them: a sorted block (intset.h).
 * Else names without values (named.h).
 *
 * Which form Redis would use, and so what OBJECT ENCODING says, is decided by value_limits. Our own
 * blocks have limits besides; a set that Redis would keep in a larger one is a table here that goes
 * by the name of "intset" or "listpack".
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store/set.h"

#include "base/num.h"
#include "store/intset.h"
#include "store/named.h"

#include <stdlib.h>

struct set {
    uint8_t form; /* enum object_form: a struct intset or a struct named */
};

static inline bool is_ints(const struct set *s)
{
    return (s->form & FORM_INTS) != 0;
}

static inline const struct intset *ints_seen(const struct set *s)
{
    must(is_ints(s));
    return (const void *)s;
}

static inline const struct named *named_seen(const struct set *s)
{
    return (const void *)s;
}

struct set_limits {
    size_t ints, entries, len;
};

static struct set_limits set_limits(void)
{
    return (struct set_limits){
        atomic_load_explicit(&value_limits.set_max_intset_entries, memory_order_relaxed),
        atomic_load_explicit(&value_limits.set_max_listpack_entries, memory_order_relaxed),
        atomic_load_explicit(&value_limits.set_max_listpack_value, memory_order_relaxed),
    };
}

struct set *set_try_new(void)
{
    return (void *)intset_try_new();
}

size_t set_count(const struct set *s)
{
    return is_ints(s) ? ints_seen(s)->count : named_count(named_seen(s));
}

static enum named_encoding encoding_of(const struct set *s)
{
    return is_ints(s) ? NAMED_INTSET : named_encoding(named_seen(s));
}

bool set_members_stay(const struct set *s)
{
    return !is_ints(s) && named_stays(named_seen(s));
}

static bool ints_have(const struct intset *s, struct slice member)
{
    int64_t value;
    uint32_t at;
    return num_parse_i64(member, &value) && intset_find(s, value, &at) &&
           (intset_flags(s, at) & FIELD_DEAD) == 0;
}

bool set_has(const struct set *s, struct slice member)
{
    return is_ints(s) ? ints_have(ints_seen(s), member) : named_find(named_seen(s), member, NULL);
}

/* --- From one form to another --- */

static struct slice set_text_of(int64_t value, char scratch[SET_SCRATCH])
{
    return slice_of(scratch, num_format_i64(scratch, value));
}

/* From integers to names; whatever is known of each stays known. */
static bool convert(struct set **place, enum named_encoding encoding, bool as_table)
{
    const struct intset *ints = ints_seen(*place);
    struct named *to = as_table ? named_try_new_table(false, encoding) : named_try_new(false);
    if (to == NULL)
        return false;
    for (uint32_t i = 0; i < ints->len; i++) {
        char scratch[SET_SCRATCH];
        if (!named_restore(&to, set_text_of(intset_at(ints, i), scratch), intset_flags(ints, i))) {
            named_free(to);
            return false;
        }
    }
    free(*place);
    *place = (void *)to;
    return true;
}

bool set_become_table(struct set **place)
{
    if (is_ints(*place))
        return convert(place, NAMED_HASHTABLE, true);
    struct named *n = (void *)*place;
    if (named_stays(n)) {
        named_set_encoding(n, NAMED_HASHTABLE);
        return true;
    }
    bool done = named_become_table(&n, NAMED_HASHTABLE);
    *place = (void *)n;
    return done;
}

bool set_expect(struct set **place, struct slice first, size_t more)
{
    struct set_limits max = set_limits();
    enum named_encoding encoding = encoding_of(*place);
    int64_t value;
    if (set_count(*place) > 0) {
        bool enough = encoding == NAMED_HASHTABLE ||
                      more <= (encoding == NAMED_INTSET ? max.ints : max.entries);
        return enough || set_become_table(place);
    }
    if (!is_ints(*place) || (num_parse_i64(first, &value) && more <= max.ints))
        return true;
    return more <= max.entries ? convert(place, NAMED_LISTPACK, false) : set_become_table(place);
}

/* --- Adding and removing --- */

static enum set_add_result add_name(struct set **place, struct slice member, bool loading)
{
    struct set_limits max = set_limits();
    struct named *n = (void *)*place;
    enum named_encoding was = named_encoding(n);
    int64_t value;
    struct named_put put = {.name = member, .value = SLICE(""), .loading = loading};
    put.limits = (struct named_limits){max.entries, max.len};
    if (was == NAMED_INTSET) { /* a table, for reasons of ours */
        if (num_parse_i64(member, &value))
            put.limits = (struct named_limits){max.ints, SIZE_MAX};
        else if (!named_find(n, member, NULL))
            named_set_encoding(n, NAMED_LISTPACK);
    }
    enum named_result result = named_put(&n, &put);
    if (result == NAMED_OOM && was == NAMED_INTSET)
        named_set_encoding(n, was);
    *place = (void *)n;
    return result == NAMED_OOM ? SET_OOM : result == NAMED_ADDED ? SET_ADDED : SET_PRESENT;
}

/* Makes the set one of names, to add a member that is no integer. */
static bool leave_ints(struct set **place, struct slice member)
{
    struct set_limits max = set_limits();
    const struct intset *ints = ints_seen(*place);
    char scratch[SET_SCRATCH];
    size_t longest = member.len;
    if (ints->len > 0) {
        longest = max_u64(longest, set_text_of(intset_at(ints, 0), scratch).len);
        longest = max_u64(longest, set_text_of(intset_at(ints, ints->len - 1u), scratch).len);
    }
    bool compact = ints->count < max.entries && longest <= max.len;
    return convert(place, compact ? NAMED_LISTPACK : NAMED_HASHTABLE, !compact);
}

static enum set_add_result set_put_int(struct set **place, uint32_t at, bool there, int64_t value,
                                       bool loading)
{
    struct intset *ints = (void *)*place;
    unsigned flags = loading ? 0 : FIELD_CHANGED | FIELD_FRESH;
    if (there)
        intset_set_flags(ints, at, FIELD_CHANGED);
    else if (!intset_insert(&ints, at, value, flags))
        return SET_OOM;
    *place = (void *)ints;
    return SET_ADDED;
}

static enum set_add_result add_int(struct set **place, struct slice member, int64_t value,
                                   bool loading)
{
    struct set_limits max = set_limits();
    const struct intset *ints = ints_seen(*place);
    uint32_t at;
    bool there = intset_find(ints, value, &at);
    unsigned flags = there ? intset_flags(ints, at) : 0;
    if (there && ((flags & FIELD_DEAD) == 0 || loading))
        return SET_PRESENT; /* or removed here, after what is loaded */
    size_t count = (size_t)ints->count + 1;
    if (count > max.ints) {
        bool compact = ints->len == 0 && count <= max.entries;
        if (!convert(place, compact ? NAMED_LISTPACK : NAMED_HASHTABLE, !compact))
            return SET_OOM;
        return add_name(place, member, loading);
    }
    if (!there && ints->len >= INTSET_LEN_MAX) {
        if (!convert(place, NAMED_INTSET, true))
            return SET_OOM;
        return add_name(place, member, loading);
    }
    return set_put_int(place, at, there, value, loading);
}

static enum set_add_result set_insert(struct set **place, struct slice member, bool loading)
{
    int64_t value;
    if (!is_ints(*place))
        return add_name(place, member, loading);
    if (num_parse_i64(member, &value))
        return add_int(place, member, value, loading);
    if (!leave_ints(place, member))
        return SET_OOM;
    return add_name(place, member, loading);
}

enum set_add_result set_add(struct set **s, struct slice member)
{
    return set_insert(s, member, false);
}

static bool remove_int(struct set **place, struct slice member)
{
    int64_t value;
    uint32_t at;
    struct intset *ints = (void *)*place;
    if (!num_parse_i64(member, &value) || !intset_find(ints, value, &at))
        return false;
    unsigned flags = intset_flags(ints, at);
    if ((flags & FIELD_DEAD) != 0)
        return false;
    if ((flags & FIELD_FRESH) != 0)
        intset_cut(&ints, at);
    else
        intset_set_flags(ints, at, FIELD_CHANGED | FIELD_DEAD);
    *place = (void *)ints;
    return true;
}

bool set_remove(struct set **place, struct slice member)
{
    if (is_ints(*place))
        return remove_int(place, member);
    struct named *n = (void *)*place;
    bool removed = named_remove(&n, member);
    *place = (void *)n;
    return removed;
}

/* --- Walking --- */

struct set_position {
    bool (*each)(void *ctx, struct slice member);
    void (*emit)(void *ctx, struct slice member);
    void *ctx;
};

static bool each_name(void *ctx, struct slice name, struct slice value)
{
    const struct set_position *w = ctx;
    (void)value;
    return w->each(w->ctx, name);
}

static void emit_name(void *ctx, struct slice name, struct slice value)
{
    const struct set_position *w = ctx;
    (void)value;
    w->emit(w->ctx, name);
}

static bool emit_member(void *ctx, struct slice member)
{
    const struct set_position *w = ctx;
    w->emit(w->ctx, member);
    return true;
}

void set_each(const struct set *s, bool (*each)(void *ctx, struct slice member), void *ctx)
{
    if (!is_ints(s)) {
        struct set_position w = {.each = each, .ctx = ctx};
        named_each(named_seen(s), each_name, &w);
        return;
    }
    const struct intset *ints = ints_seen(s);
    char scratch[SET_SCRATCH];
    for (uint32_t i = 0; i < ints->len; i++) {
        if ((intset_flags(ints, i) & FIELD_DEAD) == 0 &&
            !each(ctx, set_text_of(intset_at(ints, i), scratch)))
            return;
    }
}

uint64_t set_scan(const struct set *s, uint64_t cursor, size_t count,
                  void (*each)(void *ctx, struct slice member), void *ctx)
{
    struct set_position w = {.emit = each, .ctx = ctx};
    if (!is_ints(s))
        return named_scan(named_seen(s), cursor, count, emit_name, &w);
    set_each(s, emit_member, &w);
    return 0;
}

struct slice set_random(const struct set *s, uint64_t random, char scratch[SET_SCRATCH])
{
    must(set_count(s) > 0);
    if (!is_ints(s)) {
        struct slice name, value;
        named_random(named_seen(s), random, &name, &value);
        return name;
    }
    const struct intset *ints = ints_seen(s);
    uint32_t i = (uint32_t)(random % ints->count);
    if (ints->len != ints->count) { /* the dead ones do not count */
        uint32_t skip = i;
        for (i = 0; (intset_flags(ints, i) & FIELD_DEAD) != 0 || skip-- > 0; i++)
            ;
    }
    return set_text_of(intset_at(ints, i), scratch);
}

/* --- What write-back asks of every type --- */

static void *set_ops_try_new(void)
{
    return set_try_new();
}

static void set_ops_free(void *object)
{
    struct set *s = object;
    if (is_ints(s))
        free(s);
    else
        named_free(object);
}

static size_t set_ops_count(const void *object)
{
    return set_count(object);
}

static size_t set_ops_memory(const void *object)
{
    const struct set *s = object;
    return is_ints(s) ? intset_memory(ints_seen(s)) : named_memory(named_seen(s));
}

static const char *set_ops_encoding(const void *object)
{
    switch (encoding_of(object)) {
    case NAMED_INTSET:
        return "intset";
    case NAMED_LISTPACK:
        return "listpack";
    default:
        return "hashtable";
    }
}

static void *copy_ints(const struct intset *from)
{
    struct intset *to = intset_try_new();
    for (uint32_t i = 0; to != NULL && i < from->len; i++) {
        if ((intset_flags(from, i) & FIELD_DEAD) == 0 &&
            !intset_insert(&to, to->len, intset_at(from, i), FIELD_CHANGED | FIELD_FRESH)) {
            free(to);
            to = NULL;
        }
    }
    return to;
}

static void *set_ops_copy(const void *object)
{
    const struct set *s = object;
    return is_ints(s) ? copy_ints(ints_seen(s)) : named_copy(named_seen(s));
}

static size_t set_ops_changes(const void *object, bool everything)
{
    const struct set *s = object;
    if (!is_ints(s))
        return named_changes(named_seen(s), everything);
    return everything ? ints_seen(s)->count : ints_seen(s)->changed;
}

static bool capture_ints(struct intset **place, bool everything, const struct change_sink *sink)
{
    const struct intset *ints = *place;
    char scratch[SET_SCRATCH];
    for (uint32_t i = 0; i < ints->len; i++) {
        unsigned flags = intset_flags(ints, i);
        bool removed = (flags & FIELD_DEAD) != 0;
        if (everything ? removed : (flags & FIELD_CHANGED) == 0)
            continue;
        if (!sink->element(sink->ctx, set_text_of(intset_at(ints, i), scratch), SLICE(""), 0, 0,
                           removed))
            return false;
    }
    intset_settle(place);
    return true;
}

static bool set_ops_capture(void **object, bool everything, struct capture_place *place,
                            const struct change_sink *sink)
{
    bool done;
    if (is_ints(*object)) {
        struct intset *ints = *object;
        done = capture_ints(&ints, everything, sink);
        *object = ints;
    } else {
        struct named *n = *object;
        done = named_capture(&n, everything, place, sink);
        *object = n;
    }
    return done;
}

static bool set_ops_load(void **object, struct slice name, struct slice value, int64_t position,
                         double score)
{
    (void)value, (void)position, (void)score;
    struct set *s = *object != NULL ? *object : set_try_new();
    if (s == NULL)
        return false;
    enum set_add_result result = set_insert(&s, name, true);
    *object = s;
    return result != SET_OOM;
}

static void set_ops_prefetch(const void *object, struct slice name, bool near)
{
    const struct set *s = object;
    if (!is_ints(s))
        named_prefetch(named_seen(s), name, near);
}

const struct value_ops set_ops = {
    .type = VALUE_SET,
    .try_new = set_ops_try_new,
    .free = set_ops_free,
    .count = set_ops_count,
    .memory = set_ops_memory,
    .encoding = set_ops_encoding,
    .copy = set_ops_copy,
    .changes = set_ops_changes,
    .capture = set_ops_capture,
    .load = set_ops_load,
    .prefetch = set_ops_prefetch,
};
