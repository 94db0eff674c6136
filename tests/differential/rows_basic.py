# SPDX-License-Identifier: BSD-3-Clause
"""Commands on strings, hashes, bitmaps, HyperLogLogs, on keys of any type and on the connection.

A row is the command's name, how often it is drawn, and a function that makes its arguments. See
README.md for how to add one.
"""
import payloads


def set_options(g):
    return g.options(b"NX", b"XX", b"GET", p=0.15) + g.one_of(
        b"KEEPTTL", (b"EX", g.seconds), (b"PX", g.milliseconds), (b"EXAT", g.unix_s),
        (b"PXAT", g.unix_ms)) + g.options(b"KEEPTTL", b"NX", p=0.03)


def set_row(g):
    if g.chance(0.05):
        return [g.any_key(), g.value()]
    key = g.key("s") if g.chance(0.7) else g.key("n")
    value = g.number_value() if key[:1] == b"n" else g.value()
    return [key, value] + (set_options(g) if g.chance(0.5) else [])


def getex_row(g):
    return [g.key("s"), *g.one_of(b"PERSIST", (b"EX", g.seconds), (b"PX", g.milliseconds),
                                  (b"EXAT", g.past_or_future_s), (b"PXAT", g.unix_ms)),
            *g.options(b"PERSIST", b"EX", p=0.03)]


def lcs_row(g):
    return [g.key("s"), g.key("s"), *g.options(
        b"LEN", b"IDX", b"WITHMATCHLEN", (b"MINMATCHLEN", lambda: g.integer(-1, 5)), p=0.25)]


def bit_offset(g):
    return g.integer(-1, 80) if g.chance(0.9) else g.integer(0, 9000)


def bit_range(g):
    if g.chance(0.4):
        return []
    return [g.index(), *([g.index(), *g.options(b"BIT", b"BYTE", p=0.3)]
                         if g.chance(0.85) else [])]


def bitfield_type(g):
    if g.chance(0.06):
        return g.choose((b"u64", b"i65", b"u0", b"i0", b"x8", b"u", b"", b"i-1", b"u8x", b"U8"))
    return g.choose((b"u8", b"i8", b"u1", b"i5", b"u4", b"i16", b"u31", b"i64", b"u63"))


def bitfield_offset(g):
    # A multiple is small: with a huge one Redis's multiplication overflows.
    return b"#%d" % g.below(20) if g.chance(0.25) else bit_offset(g)


def bitfield_get(g):
    return [g.word(b"GET"), bitfield_type(g), bitfield_offset(g)]


def bitfield_ops(g):
    out = []
    for _ in range(1 + g.below(4)):
        r = g.roll()
        if r < 0.3:
            out += bitfield_get(g)
        elif r < 0.6:
            out += [g.word(b"SET"), bitfield_type(g), bitfield_offset(g), g.integer(-300, 300)]
        elif r < 0.85:
            out += [g.word(b"INCRBY"), bitfield_type(g), bitfield_offset(g), g.integer(-300, 300)]
        else:
            out += [g.word(b"OVERFLOW"), g.choose((b"WRAP", b"SAT", b"FAIL", b"sat", b"fai"))]
    return out


STRINGS = (
    ("GET", 3, lambda g: [g.key("s")]),
    ("SET", 7, set_row),
    ("SETEX", 1, lambda g: [g.key("s"), g.seconds(), g.value()]),
    ("PSETEX", 1, lambda g: [g.key("s"), g.milliseconds(), g.value()]),
    ("SETNX", 1, lambda g: [g.key("s"), g.value()]),
    ("GETSET", 1, lambda g: [g.key("s"), g.value()]),
    ("GETDEL", 1, lambda g: [g.key("s")]),
    ("GETEX", 2, getex_row),
    ("MGET", 1, lambda g: g.any_keys(5)),
    ("MSET", 1, lambda g: g.pairs(lambda: g.key(g.choose("sn")), g.value, 3)),
    ("MSETNX", 1, lambda g: g.pairs(lambda: g.key(g.choose("sn")), g.value, 2)),
    ("INCR", 2, lambda g: [g.key("n")]),
    ("DECR", 1, lambda g: [g.key("n")]),
    ("INCRBY", 2, lambda g: [g.key("n"), g.integer()]),
    ("DECRBY", 1, lambda g: [g.key("n"), g.integer()]),
    ("INCRBYFLOAT", 3, lambda g: [g.key("n"), g.float()]),
    ("APPEND", 2, lambda g: [g.key("s"), g.value()]),
    ("STRLEN", 1, lambda g: [g.any_key()]),
    ("GETRANGE", 2, lambda g: [g.key("s"), g.index(), g.index()]),
    ("SUBSTR", 1, lambda g: [g.key("s"), g.index(), g.index()]),
    ("SETRANGE", 2, lambda g: [g.key("s"), g.integer(-1, 300), g.value()]),
    ("LCS", 1, lcs_row),
)

BITMAPS = (
    ("SETBIT", 4, lambda g: [g.key("b"), bit_offset(g), g.choose((b"0", b"1", b"1", b"2", b"x"))]),
    ("GETBIT", 2, lambda g: [g.key("b"), bit_offset(g)]),
    ("BITCOUNT", 2, lambda g: [g.key(g.choose("bbs")), *bit_range(g)]),
    ("BITPOS", 2, lambda g: [g.key(g.choose("bbs")), g.choose((b"0", b"1", b"1", b"2", b"")),
                             *bit_range(g)]),
    ("BITOP", 2, lambda g: [g.word(g.choose((b"AND", b"OR", b"XOR", b"NOT", b"NOR"))), g.key("b"),
                            *(g.keys("b", 1) if g.chance(0.3) else g.keys("b", 4))]),
    ("BITFIELD", 4, lambda g: [g.key("b"), *bitfield_ops(g)]),
    ("BITFIELD_RO", 1, lambda g: [g.key("b"), *(bitfield_get(g) + bitfield_get(g)
                                                if g.chance(0.8) else bitfield_ops(g))]),
)

def pfcount_row(g):
    """Both keep their count in the value, Weir while it is in memory: it is wiped in both."""
    if g.chance(0.4):
        return [g.key("p"), *g.keys("p")]
    key = g.key("p")
    return [[b"PFCOUNT", key], [b"SETRANGE", key, b"8", b"\x00" * 7 + b"\x80"]]


HYPERLOGLOGS = (
    ("PFADD", 5, lambda g: [g.key("p"), *[b"e%d" % g.below(5000) for _ in range(g.below(12))]]),
    ("PFCOUNT", 3, pfcount_row),
    ("PFMERGE", 2, lambda g: g.keys("p")),
    ("GET", 1, lambda g: [g.key("p")]),
    ("STRLEN", 1, lambda g: [g.key("p")]),
)


def random_field(g):
    key = g.key("h")
    after = [b"HRANDFIELD", key]
    if g.chance(0.8):
        after.append(g.choose((b"0", b"1", b"3", b"-1", b"-5", b"-40", b"100", b"4294967296", b"x",
                               b"-9223372036854775808", b"9223372036854775807")))
        after += g.options(b"WITHVALUES", p=0.5)
    return [[b"HGETALL", key], after]


HASHES = (
    ("HSET", 7, lambda g: [g.key("h"), *g.pairs(g.member, g.value)]),
    ("HMSET", 1, lambda g: [g.key("h"), *g.pairs(g.member, g.value)]),
    ("HSETNX", 1, lambda g: [g.key("h"), g.member(), g.value()]),
    ("HGET", 2, lambda g: [g.key("h"), g.member()]),
    ("HMGET", 1, lambda g: [g.key("h"), *g.some(g.member)]),
    ("HGETALL", 2, lambda g: [g.key("h")]),
    ("HKEYS", 1, lambda g: [g.key("h")]),
    ("HVALS", 1, lambda g: [g.key("h")]),
    ("HLEN", 1, lambda g: [g.key("h")]),
    ("HSTRLEN", 1, lambda g: [g.key("h"), g.member()]),
    ("HEXISTS", 1, lambda g: [g.key("h"), g.member()]),
    ("HDEL", 3, lambda g: [g.key("h"), *g.some(g.member, 6)]),
    ("HINCRBY", 2, lambda g: [g.key("h"), g.member(), g.integer()]),
    ("HINCRBYFLOAT", 2, lambda g: [g.key("h"), g.member(), g.float()]),
    ("HRANDFIELD", 1, random_field),
    ("HSCAN", 1, lambda g: [g.key("h"), *scan_rest(g)]),
)


def scan_rest(g, *more):
    """The whole collection in one call, or a cursor that is no cursor."""
    if g.chance(0.06):
        return [g.choose((b"x", b"1.5", b"0x", b"18446744073709551616"))]
    return [b"0", *g.options((b"MATCH", g.pattern), p=0.4), b"COUNT",
            g.choose((b"100000", b"1000000")) if g.chance(0.97) else g.choose((b"0", b"-1", b"x")),
            *g.options(*more, p=0.3)]


def types(g):
    return g.choose((b"string", b"hash", b"list", b"set", b"zset", b"stream", b"HASH", b"none"))


def copy_row(g):
    source = g.any_key()
    target = g.key(chr(source[0])) if source and g.chance(0.8) else g.any_key()
    return [source, target, *g.options(b"REPLACE", p=0.6),
            *g.options((b"DB", lambda: g.integer(0, 2)), p=0.1)]


def rename_row(g):
    source = g.any_key()
    return [source, g.key(chr(source[0])) if source and g.chance(0.8) else g.any_key()]


def restore_row(g):
    kind = g.choose("shlez")
    absolute = g.chance(0.2)
    ttl = g.unix_ms() if absolute else g.choose((b"0", b"0", b"0", b"20000000"))
    if absolute and g.chance(0.3):
        ttl = b"1"
    if g.chance(0.03):
        ttl = g.choose((b"-1", b"x", b"", b"1.5"))
    options = [b"ABSTTL"] if absolute else []
    return [g.key(kind), ttl, payloads.payload(g, kind), *options, *g.options(b"REPLACE", p=0.7),
            *g.options((b"IDLETIME", lambda: g.integer(-1, 100)), p=0.05),
            *g.options((b"FREQ", lambda: g.integer(-1, 300)), p=0.05)]


def expire_options(g):
    return g.options(b"NX", b"XX", b"GT", b"LT", p=0.12)


def sort_row(g, may_store):
    out = [g.key(g.choose("lleezgs"))]
    store = may_store and g.chance(0.25)
    if g.chance(0.4):
        out += [g.word(b"BY"), g.choose((b"n*", b"h*->1", b"s*", b"h*->foo", b"*", b"h*->"))
                if g.chance(0.8) else b"nosort"]
    by = len(out) > 1
    for _ in range(g.below(3)):
        out += [g.word(b"GET"), g.choose((b"#", b"s*", b"h*->foo", b"h*->1", b"nothing", b"n*"))]
    out += g.options((b"LIMIT", lambda: g.integer(-1, 4), lambda: g.integer(-1, 9)), p=0.25)
    out += g.options(b"DESC", b"ASC", p=0.25)
    # Elements of equal weight come in any order when texts are compared: not for what is stored.
    if g.chance(0.6) and not (store and by):
        out.append(g.word(b"ALPHA"))
    return out + ([g.word(b"STORE"), g.key("l")] if store else [])


KEYS = (
    ("DEL", 3, lambda g: g.any_keys(2)),
    ("UNLINK", 1, lambda g: g.any_keys(2)),
    ("EXISTS", 1, lambda g: g.any_keys(5)),
    ("TOUCH", 1, lambda g: g.any_keys(5)),
    ("TYPE", 1, lambda g: [g.any_key()]),
    ("EXPIRE", 3, lambda g: [g.any_key(), g.seconds(), *expire_options(g)]),
    ("PEXPIRE", 2, lambda g: [g.any_key(), g.milliseconds(), *expire_options(g)]),
    ("EXPIREAT", 2, lambda g: [g.any_key(), g.past_or_future_s(), *expire_options(g)]),
    ("PEXPIREAT", 2, lambda g: [g.any_key(), g.unix_ms(), *expire_options(g)]),
    ("TTL", 2, lambda g: [g.any_key()]),
    ("PTTL", 2, lambda g: [g.any_key()]),
    ("EXPIRETIME", 1, lambda g: [g.any_key()]),
    ("PEXPIRETIME", 1, lambda g: [g.any_key()]),
    ("PERSIST", 2, lambda g: [g.any_key()]),
    ("RENAME", 2, rename_row),
    ("RENAMENX", 1, rename_row),
    ("COPY", 3, copy_row),
    ("DUMP", 1, lambda g: [g.any_key()]),
    ("RESTORE", 4, restore_row),
    ("MOVE", 1, lambda g: [g.any_key(), g.integer(0, 2)]),
    ("DBSIZE", 1, lambda g: []),
    ("KEYS", 1, lambda g: [g.pattern()]),
    ("RANDOMKEY", 1, lambda g: []),
    ("SCAN", 1, lambda g: scan_rest(g, (b"TYPE", lambda: types(g)))),
    ("OBJECT ENCODING", 3, lambda g: [g.any_key()]),
    ("OBJECT REFCOUNT", 1, lambda g: [g.any_key()]),
    ("SORT", 4, lambda g: sort_row(g, True)),
    ("SORT_RO", 2, lambda g: sort_row(g, g.chance(0.02))),
)

# Rare: they take away what other commands are to find.
WHOLE = (
    ("SWAPDB", 2, lambda g: [g.integer(0, 2), g.integer(0, 2)]),
    ("FLUSHDB", 2, lambda g: g.options(b"ASYNC", b"SYNC", p=0.3)),
    ("FLUSHALL", 1, lambda g: g.options(b"ASYNC", b"SYNC", p=0.3)),
)

CONNECTION = (
    ("ECHO", 1, lambda g: [g.value()]),
    ("PING", 1, lambda g: [g.value()] if g.chance(0.3) else []),
    ("SELECT", 3, lambda g: [g.choose((b"0", b"0", b"0", b"1", b"2")) if g.chance(0.95)
                             else g.choose((b"16", b"-1", b"x", b"", b"9223372036854775808"))]),
    ("TIME", 1, lambda g: []),
)
