# SPDX-License-Identifier: BSD-3-Clause
"""The differences that are meant: redis-server here is 7.0, Weir speaks 7.2, and some things of
Redis are no promise to clients. Each has its reason; the run says how often each was met."""
import re

from wire import Error


class Events:
    """Events of these names are not compared."""

    def __init__(self, reason, *names):
        self.reason, self.names = reason, names

    def without(self, events):
        return [e for e in events if e[0].split(b":", 1)[-1] not in self.names]


class Difference:
    def __init__(self, reason, names, test):
        self.reason, self.names, self.test = reason, names, test

    def excuses(self, name, args, r, w, reloaded):
        return (not self.names or name in self.names) and self.test(args, r, w, reloaded)


def errors(redis, weir):
    """Both answer with an error, and these are the texts."""
    def test(args, r, w, reloaded):
        del args, reloaded
        return isinstance(r, Error) and isinstance(w, Error) \
            and re.fullmatch(redis, r, re.S) and re.fullmatch(weir, w, re.S)
    return test


def encodings(redis, weir, only_reloaded=False):
    def test(args, r, w, reloaded):
        if len(args) != 3 or args[1].upper() != b"ENCODING" or (only_reloaded and not reloaded):
            return False
        return r in redis and w in weir
    return test


def only_redis_fails(text):
    def test(args, r, w, reloaded):
        del args, reloaded
        return isinstance(r, Error) and not isinstance(w, Error) and re.fullmatch(text, r, re.S)
    return test


def reference_counts(args, r, w, reloaded):
    del args, reloaded
    return type(r) is int and r > 1 and w == 1


def in_transaction_only(args, r, w, reloaded):
    del args, r
    return reloaded and isinstance(w, Error) and w.startswith(b"TRYAGAIN ")


def part_of_a_scan(args, r, w, reloaded):
    """Outside EXEC the rest is asked for, see duel.py."""
    del args
    return reloaded and isinstance(w, list) and isinstance(r, list) and w[0] != b"0" \
        and set(w[1]) <= set(r[1])


DIFFERENCES = (
    Difference("a step of SCAN may find less than COUNT", (b"SCAN",), part_of_a_scan),
    Difference("7.2 packs small sets", (b"OBJECT",), encodings((b"hashtable",), (b"listpack",))),
    Difference("SORT only reads: the sorted set stays packed", (b"OBJECT",),
               encodings((b"skiplist",), (b"listpack",))),
    Difference("7.2 packs small lists", (b"OBJECT",), encodings((b"quicklist",), (b"listpack",))),
    Difference("a value that came back from the backend is as small as a new one", (b"OBJECT",),
               encodings((b"raw", b"hashtable", b"skiplist", b"quicklist", b"embstr"),
                         (b"embstr", b"int", b"listpack", b"intset", b"raw"), True)),
    Difference("Redis may build anew what SPOP leaves; 7.2 makes room for all that SADD names",
               (b"OBJECT",), encodings((b"intset",), (b"listpack", b"hashtable"))),
    Difference("SORT of Redis looks at what the reading of an earlier, tiny number left in errno",
               (b"SORT", b"SORT_RO"), only_redis_fails(b"ERR One or more scores can't be .*")),
    Difference("no integer object is shared", (b"OBJECT",), reference_counts),
    Difference("a number is a number, also after INCRBYFLOAT", (b"OBJECT",),
               encodings((b"embstr",), (b"int",))),
    Difference("7.2 knows a timeout that is too large",
               (b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH", b"BLMPOP", b"BZPOPMIN", b"BZPOPMAX",
                b"BZMPOP"), errors(b"ERR .*", b"ERR timeout is out of range")),
    Difference("7.2 has ZRANK WITHSCORE", (b"ZRANK", b"ZREVRANK"),
               errors(b"ERR wrong number of arguments for.*", b"ERR syntax error")),
    Difference("7.2 refuses -2^63 where it would be negated", (b"LREM", b"LPOS"),
               lambda args, r, w, reloaded: b"-9223372036854775808" in args
               and isinstance(w, Error) and w.startswith(b"ERR value is out of range, value must")),
    Difference("PFMERGE has a key also without sources", (b"COMMAND",),
               lambda args, r, w, reloaded: len(args) == 4 and args[2].upper() == b"PFMERGE"),
    Difference("what changes no bit does not make a string raw", (b"OBJECT",),
               encodings((b"raw",), (b"embstr", b"int"))),
    Difference("a walk over the backend's keys is not possible within EXEC",
               (b"KEYS", b"SCAN", b"DBSIZE", b"RANDOMKEY"), in_transaction_only),
    Difference("nor can SORT wait there for a key that EXEC itself has made it name",
               (b"SORT", b"SORT_RO"), lambda args, r, w, reloaded: in_transaction_only(
                   args, r, w, True)),
)

EVENTS = (
    Events("a key expires when somebody looks, or a little later", b"expired"),
)
