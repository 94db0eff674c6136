# SPDX-License-Identifier: BSD-3-Clause
"""Commands on lists, sets, sorted sets and positions. The notation: rows_basic.py."""
from rows_basic import scan_rest


def side(g):
    return g.word(g.choose((b"LEFT", b"RIGHT"))) if g.chance(0.97) else g.choose((b"UP", b""))


def timeout(g):
    """Of a blocking command: not for long, unless somebody is there to serve it."""
    if g.patient:
        return b"0"
    if g.chance(0.05):
        return g.choose((b"-1", b"x", b"", b"inf", b"nan", b"1e308", b"9223372036854775807"))
    return b"0.01"


def popping_count(g):
    return [g.count()] if g.chance(0.5) else []


def one_to_four(g):
    return g.integer(1, 4)


LISTS = (
    ("LPUSH", 4, lambda g: [g.key("l"), *g.some(g.value)]),
    ("RPUSH", 5, lambda g: [g.key("l"), *g.some(g.value, 6)]),
    ("LPUSHX", 1, lambda g: [g.key("l"), *g.some(g.value)]),
    ("RPUSHX", 1, lambda g: [g.key("l"), *g.some(g.value)]),
    ("LPOP", 2, lambda g: [g.key("l"), *popping_count(g)]),
    ("RPOP", 2, lambda g: [g.key("l"), *popping_count(g)]),
    ("LLEN", 1, lambda g: [g.key("l")]),
    ("LINDEX", 2, lambda g: [g.key("l"), g.index()]),
    ("LRANGE", 3, lambda g: [g.key("l"), g.index(), g.index()]),
    ("LSET", 2, lambda g: [g.key("l"), g.index(), g.value()]),
    ("LINSERT", 2, lambda g: [g.key("l"), g.word(g.choose((b"BEFORE", b"AFTER", b"AT"))),
                              g.value(), g.value()]),
    ("LREM", 2, lambda g: [g.key("l"), g.integer(-3, 3), g.value()]),
    ("LTRIM", 1, lambda g: [g.key("l"), g.index(), g.integer(-3, 60)]),
    ("LPOS", 2, lambda g: [g.key("l"), g.value(), *g.options(
        (b"RANK", lambda: g.integer(-3, 3)), (b"COUNT", g.count),
        (b"MAXLEN", lambda: g.integer(0, 20)))]),
    ("LMOVE", 2, lambda g: [g.key("l"), g.key("l"), side(g), side(g)]),
    ("RPOPLPUSH", 1, lambda g: [g.key("l"), g.key("l")]),
    ("LMPOP", 2, lambda g: [*g.counted_keys("l"), side(g),
                            *g.options((b"COUNT", lambda: one_to_four(g)))]),
)

BLOCKING = (
    ("BLPOP", 2, lambda g: [*g.keys(g.choose("lllls")), timeout(g)]),
    ("BRPOP", 2, lambda g: [*g.keys("l"), timeout(g)]),
    ("BLMOVE", 2, lambda g: [g.key("l"), g.key("l"), side(g), side(g), timeout(g)]),
    ("BRPOPLPUSH", 1, lambda g: [g.key("l"), g.key("l"), timeout(g)]),
    ("BLMPOP", 2, lambda g: [timeout(g), *g.counted_keys("l"), side(g),
                             *g.options((b"COUNT", lambda: one_to_four(g)))]),
    ("BZPOPMIN", 2, lambda g: [*g.keys("z"), timeout(g)]),
    ("BZPOPMAX", 2, lambda g: [*g.keys("z"), timeout(g)]),
    ("BZMPOP", 2, lambda g: [timeout(g), *g.counted_keys("z"), g.choose((b"MIN", b"max", b"x")),
                             *g.options((b"COUNT", lambda: one_to_four(g)))]),
)


def set_members(g):
    key = g.key("e")
    return [key, *g.members(key, 6)]


def random_member(g, command, all_of, kind, option=()):
    """The members come first, so that what is drawn can be looked up among them."""
    key = g.key(kind)
    after = [command, key]
    if g.chance(0.8):
        after.append(g.choose((b"0", b"1", b"3", b"-1", b"-5", b"-40", b"100", b"4294967296", b"x",
                               b"-9223372036854775808", b"9223372036854775807")))
        after += g.options(*option, p=0.5)
    return [[*all_of(key)], after]


def spop_row(g):
    key = g.key("e")
    return [[b"SMEMBERS", key], [b"SPOP", key, *([g.integer(0, 5)] if g.chance(0.6) else [])]]


SETS = (
    ("SADD", 8, set_members),
    ("SREM", 3, set_members),
    ("SMOVE", 1, lambda g: [g.key("e"), g.key("e"), g.member()]),
    ("SISMEMBER", 1, lambda g: [g.key("e"), g.member()]),
    ("SMISMEMBER", 1, lambda g: [g.key("e"), *g.some(g.member)]),
    ("SCARD", 1, lambda g: [g.key("e")]),
    ("SMEMBERS", 2, lambda g: [g.key("e")]),
    ("SPOP", 1, spop_row),
    ("SRANDMEMBER", 1, lambda g: random_member(g, b"SRANDMEMBER", lambda k: (b"SMEMBERS", k), "e")),
    ("SINTER", 1, lambda g: g.keys("e", 4)),
    ("SUNION", 1, lambda g: g.keys("e", 4)),
    ("SDIFF", 1, lambda g: g.keys("e", 4)),
    ("SINTERSTORE", 1, lambda g: g.keys("e", 1) + g.keys("e")),
    ("SUNIONSTORE", 1, lambda g: g.keys("e", 1) + g.keys("e")),
    ("SDIFFSTORE", 1, lambda g: g.keys("e", 1) + g.keys("e")),
    ("SINTERCARD", 1, lambda g: [*g.counted_keys("e"),
                                 *g.options((b"LIMIT", lambda: g.integer(-1, 6)))]),
    ("SSCAN", 1, lambda g: [g.key("e"), *scan_rest(g)]),
)


def score_bound(g):
    if g.chance(0.15):
        return g.choose((b"-inf", b"+inf", b"(-inf", b"(+inf", b"inf", b"(", b"(x", b"x", b"nan",
                         b"((1", b"[1", b"", b"(1.5", b"1e308"))
    n = b"%d" % (g.below(34) - 3) if g.chance(0.8) else b"%.1f" % (g.roll() * 30)
    return b"(" + n if g.chance(0.25) else n


def lex_bound(g):
    if g.chance(0.25):
        return g.choose((b"-", b"+", b"[", b"(", b"a", b"", b"[\xff", b"--"))
    return g.choose((b"[", b"(")) + g.member()


def limit(g):
    return g.options((b"LIMIT", lambda: g.integer(-1, 4), lambda: g.integer(-1, 8)), p=0.3)


def zadd_row(g):
    key = g.key("z")
    if g.chance(0.6):
        return [key, *g.pairs(g.score, g.member, 5)]
    flags = g.options(b"NX", b"XX", b"GT", b"LT", b"CH", p=0.25)
    if g.chance(0.25):
        flags.append(g.word(b"INCR"))
        return [key, *flags, *g.pairs(g.score, g.member, 1 + (g.roll() < 0.05))]
    return [key, *flags, *g.pairs(g.score, g.member, 4)]


def lex_key(g):
    """By lex only where all scores are the same, else the answer is whatever is met on the way.
    Nothing but zadd_lex() adds to these keys."""
    return b"x%d" % g.below(3) if g.chance(0.97) else b"none"


def zadd_lex(g):
    return [b"x%d" % g.below(3), *g.pairs(lambda: b"0", g.member, 4)]


def zrange_bounds(g, kind):
    bound = {b"BYSCORE": score_bound, b"BYLEX": lex_bound}.get(kind, lambda grammar: g.index())
    return [lex_key(g) if kind == b"BYLEX" else g.key("z"), bound(g), bound(g)]


def zrange_row(g, stored=False):
    kind = g.choose((b"", b"BYSCORE", b"BYLEX"))
    out = ([g.key("z")] if stored else []) + zrange_bounds(g, kind)
    options = [g.word(kind)] if kind else []
    options += g.options(b"REV", p=0.3) + limit(g)
    if not stored or g.chance(0.03):
        options += g.options(b"WITHSCORES", p=0.4)
    return out + options


def zrange_old(g, kind, *more):
    return zrange_bounds(g, kind) + g.options(*more, p=0.4) + (limit(g) if kind else [])


def weights(g, counted):
    """WEIGHTS and AGGREGATE of as many keys as there are, mostly."""
    keys = len(counted) - 1 + (g.roll() < 0.03)
    return g.options((b"WEIGHTS", lambda: [g.score() for _ in range(keys)]),
                     (b"AGGREGATE", lambda: g.choose((b"SUM", b"min", b"MAX", b"AVG")
                                                     if g.chance(0.2) else (b"SUM", b"MIN"))))


def z_algebra(g, stored, aggregates=True):
    counted = g.counted_keys("z" if g.chance(0.75) else "e")
    if len(counted) > 2 and g.chance(0.3):
        counted[1] = g.key("e")
    out = ([g.key("z")] if stored else []) + counted
    if aggregates:
        out += weights(g, counted)
    return out + (g.options(b"WITHSCORES", p=0.4) if not stored else [])


def random_zmember(g):
    return random_member(g, b"ZRANDMEMBER", lambda k: (b"ZRANGE", k, b"0", b"-1", b"WITHSCORES"),
                         "z", (b"WITHSCORES",))


SORTED_SETS = (
    ("ZADD", 9, zadd_row),
    ("ZADD", 2, zadd_lex),
    ("ZINCRBY", 2, lambda g: [g.key("z"), g.score(), g.member()]),
    ("ZREM", 3, lambda g: [g.key("z") if g.chance(0.8) else lex_key(g), *g.some(g.member, 6)]),
    ("ZCARD", 1, lambda g: [g.key("z")]),
    ("ZSCORE", 1, lambda g: [g.key("z"), g.member()]),
    ("ZMSCORE", 1, lambda g: [g.key("z"), *g.some(g.member)]),
    ("ZRANK", 1, lambda g: [g.key("z"), g.member()]),
    ("ZREVRANK", 1, lambda g: [g.key("z"), g.member()]),
    ("ZCOUNT", 1, lambda g: zrange_bounds(g, b"BYSCORE")),
    ("ZLEXCOUNT", 1, lambda g: zrange_bounds(g, b"BYLEX")),
    ("ZRANGE", 4, zrange_row),
    ("ZRANGESTORE", 2, lambda g: zrange_row(g, True)),
    ("ZREVRANGE", 1, lambda g: zrange_old(g, b"", b"WITHSCORES")),
    ("ZRANGEBYSCORE", 1, lambda g: zrange_old(g, b"BYSCORE", b"WITHSCORES")),
    ("ZREVRANGEBYSCORE", 1, lambda g: zrange_old(g, b"BYSCORE", b"WITHSCORES")),
    ("ZRANGEBYLEX", 1, lambda g: zrange_old(g, b"BYLEX")),
    ("ZREVRANGEBYLEX", 1, lambda g: zrange_old(g, b"BYLEX")),
    ("ZREMRANGEBYRANK", 1, lambda g: [g.key("z"), g.integer(-3, 20), g.integer(-3, 20)]),
    ("ZREMRANGEBYSCORE", 1, lambda g: zrange_bounds(g, b"BYSCORE")),
    ("ZREMRANGEBYLEX", 1, lambda g: [lex_key(g), lex_bound(g), lex_bound(g)]),
    ("ZPOPMIN", 1, lambda g: [g.key("z"), *popping_count(g)]),
    ("ZPOPMAX", 1, lambda g: [g.key("z"), *popping_count(g)]),
    ("ZMPOP", 1, lambda g: [*g.counted_keys("z"), g.choose((b"MIN", b"MAX", b"max")),
                            *g.options((b"COUNT", lambda: one_to_four(g)))]),
    ("ZUNION", 1, lambda g: z_algebra(g, False)),
    ("ZINTER", 1, lambda g: z_algebra(g, False)),
    ("ZDIFF", 1, lambda g: z_algebra(g, False, False)),
    ("ZUNIONSTORE", 1, lambda g: z_algebra(g, True)),
    ("ZINTERSTORE", 1, lambda g: z_algebra(g, True)),
    ("ZDIFFSTORE", 1, lambda g: z_algebra(g, True, False)),
    ("ZINTERCARD", 1, lambda g: [*g.counted_keys("z"),
                                 *g.options((b"LIMIT", lambda: g.integer(-1, 6)))]),
    ("ZRANDMEMBER", 1, random_zmember),
    ("ZSCAN", 1, lambda g: [g.key("z"), *scan_rest(g)]),
)


# --- Positions ---

def longitude(g):
    if g.chance(0.03):
        return g.choose((b"180", b"-180", b"180.1", b"-181", b"nan", b"x", b"", b"inf", b"0"))
    return b"%.6f" % (13 + g.roll() * 4) if g.chance(0.85) else b"%.4f" % (g.roll() * 360 - 180)


def latitude(g):
    if g.chance(0.03):
        return g.choose((b"85.05112878", b"-85.05112878", b"86", b"-90", b"nan", b"x", b"0"))
    return b"%.6f" % (46 + g.roll() * 3) if g.chance(0.85) else b"%.4f" % (g.roll() * 170 - 85)


def geo_members(g):
    out = []
    for _ in range(1 + g.below(4)):
        out += (longitude(g), latitude(g), b"%d" % g.below(30) if g.chance(0.9) else g.value())
    return out


def place(g):
    return b"%d" % g.below(30) if g.chance(0.9) else g.member()


def unit(g):
    return g.word(g.choose((b"M", b"KM", b"FT", b"MI"))) if g.chance(0.97) else b"yd"


def length(g):
    if g.chance(0.04):
        return g.choose((b"-1", b"x", b"nan", b"inf", b"0", b"1e308", b""))
    return b"%d" % g.choose((1, 10, 50, 100, 200, 500, 5000, 100000))


def geo_with(g):
    """COUNT alone orders by distance; ANY may take whichever come first, so it stands with a count
    that is never reached."""
    return g.options(b"WITHCOORD", b"WITHDIST", b"WITHHASH", p=0.3) + geo_order(g)


def geo_order(g):
    out = g.options(b"ASC", b"DESC", p=0.3)
    if g.chance(0.3):
        out += [g.word(b"COUNT"), g.integer(0, 6)]
    elif g.chance(0.1):
        out += [g.word(b"COUNT"), b"1000", g.word(b"ANY")]
    return out


def geosearch_from_by(g):
    out = g.options((b"FROMMEMBER", lambda: place(g)), p=0.5) or \
        [g.word(b"FROMLONLAT"), longitude(g), latitude(g)]
    if g.chance(0.5):
        return out + [g.word(b"BYRADIUS"), length(g), unit(g)]
    return out + [g.word(b"BYBOX"), length(g), length(g), unit(g)]


def stored_order(g):
    """No COUNT: which of several members in one place it takes is nobody's promise."""
    return g.options(b"ASC", b"DESC", p=0.3) + (
        [g.word(b"COUNT"), b"1000", g.word(b"ANY")] if g.chance(0.1) else [])


def radius_store(g):
    return [g.word(g.choose((b"STORE", b"STOREDIST"))), g.key("z")]


GEO = (
    ("GEOADD", 7, lambda g: [g.key("g"), *g.options(b"NX", b"XX", b"CH", p=0.15),
                             *geo_members(g)]),
    ("GEOPOS", 2, lambda g: [g.key("g"), *[place(g) for _ in range(g.below(4))]]),
    ("GEOHASH", 2, lambda g: [g.key("g"), *[place(g) for _ in range(g.below(4))]]),
    ("GEODIST", 2, lambda g: [g.key("g"), place(g), place(g),
                              *([unit(g)] if g.chance(0.7) else [])]),
    ("GEOSEARCH", 4, lambda g: [g.key("g"), *geosearch_from_by(g), *geo_with(g)]),
    ("GEOSEARCHSTORE", 2, lambda g: [g.key("g"), g.key("g"), *geosearch_from_by(g),
                                     *stored_order(g), *g.options(b"STOREDIST", p=0.3)]),
    ("GEORADIUS", 2, lambda g: [g.key("g"), longitude(g), latitude(g), length(g), unit(g),
                                *(stored_order(g) + radius_store(g) if g.chance(0.2)
                                  else geo_with(g))]),
    ("GEORADIUS_RO", 1, lambda g: [g.key("g"), longitude(g), latitude(g), length(g), unit(g),
                                   *geo_with(g)]),
    ("GEORADIUSBYMEMBER", 2, lambda g: [g.key("g"), place(g), length(g), unit(g),
                                        *(stored_order(g) + radius_store(g) if g.chance(0.2)
                                          else geo_with(g))]),
    ("GEORADIUSBYMEMBER_RO", 1, lambda g: [g.key("g"), place(g), length(g), unit(g),
                                           *geo_with(g)]),
)
