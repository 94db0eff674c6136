# SPDX-License-Identifier: BSD-3-Clause
"""When two replies are the same: exactly the same type and bytes, but for the rules below. A rule
exists where Redis itself promises no more: sets have no order, clocks tick between two calls, what
is drawn at random need only have been there.
"""
import known
from wire import Double, Error, SetReply

TTL_TOLERANCE = {b"TTL": 3, b"PTTL": 3000, b"EXPIRETIME": 3, b"PEXPIRETIME": 3000}


def identical(a, b):
    """Type for type and byte for byte."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(identical, a, b))
    return a == b


def shortest(text):
    """The text that Redis 7.2 gives a double: the fewest digits that read back as the same."""
    value = float(text)
    if value in (float("inf"), float("-inf")):
        return b"inf" if value > 0 else b"-inf"
    mantissa, _, exponent = ("%r" % abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    shift = int(exponent or 0) - len(fraction)
    stripped = digits.rstrip("0")
    shift += len(digits) - len(stripped)
    digits = stripped or "0"
    sign = "-" if text[:1] == b"-" else ""
    if digits == "0":
        return (sign + "0").encode()
    power = shift + len(digits) - 1
    if shift >= 0 and abs(power) < len(digits) + 7:
        out = digits + "0" * shift
    elif shift < 0 and (shift > -7 or abs(power) < 4):
        point = len(digits) + shift
        out = digits[:point] + "." + digits[point:] if point > 0 else "0." + "0" * -point + digits
    else:
        tail = "." + digits[1:] if len(digits) > 1 else ""
        out = digits[0] + tail + "e%s%d" % ("-" if power < 0 else "+", abs(power))
    return (sign + out).encode()


def same_number(r, w, any_text=False):
    """Redis 7.0 writes scores with 17 digits, 7.2 with as few as are needed. A score that comes out
    as -0 keeps its sign in Redis, but where it is packed; in Weir it never does."""
    if type(r) is not type(w) or not isinstance(r, (bytes, Double)) or isinstance(r, Error):
        return False
    try:
        return float(r) == float(w) and (any_text or bytes(w) == shortest(r)
                                         or bytes(w) == b"0")
    except ValueError:
        return False


def same_scores(r, w, any_text=False):
    if isinstance(r, list):
        return type(r) is type(w) and len(r) == len(w) and all(
            same_scores(a, b, any_text) for a, b in zip(r, w))
    return identical(r, w) or same_number(r, w, any_text)


def ordered(items):
    return sorted(items, key=repr)


def pairs(items):
    """Of a flat list, of a RESP3 map, or of an array of pairs."""
    if items and all(isinstance(i, list) and len(i) == 2 for i in items):
        return [list(i) for i in items]
    return [list(p) for p in zip(items[::2], items[1::2])]


def any_order(args, r, w, before):
    del args, before
    return isinstance(r, list) and type(r) is type(w) and identical(ordered(list(r)),
                                                                    ordered(list(w)))


def any_order_of_pairs(args, r, w, before):
    del args, before
    if not (isinstance(r, list) and type(r) is type(w)) or len(r) != len(w):
        return False
    return identical(ordered(pairs(r)), ordered(pairs(w)))


def scan(args, r, w, before):
    """One call that returns the whole: an element may come twice."""
    if not (isinstance(r, list) and isinstance(w, list) and len(w) == 2 and isinstance(w[1], list)):
        return False
    if r[0] != b"0" or not identical(r[0], w[0]):
        return False
    if args[0].upper() in (b"HSCAN", b"ZSCAN"):
        return same_scores(ordered(pairs(r[1])), ordered(pairs(w[1])), any_text=True)
    return sorted(set(map(repr, r[1]))) == sorted(set(map(repr, w[1])))


def remaining_time(args, r, w, before):
    del before
    name = args[0].upper()
    return type(r) is int and type(w) is int and r > 0 and w > 0 \
        and abs(r - w) <= TTL_TOLERANCE[name]


def clock(args, r, w, before):
    del args, before
    return isinstance(r, list) and isinstance(w, list) and len(w) == 2 \
        and abs(int(r[0]) - int(w[0])) <= 3


def hello(args, r, w, before):
    """Versions and numbers of clients differ; the protocol does not."""
    del args, before
    return isinstance(r, list) and type(r) is type(w) and list(r[::2]) == list(w[::2]) \
        and r[5] == w[5]


def same_kind(args, r, w, before):
    del args, before
    return type(r) is type(w) and not isinstance(r, Error)


def repeats(items):
    return len(set(map(repr, items))) != len(items)


def random_members(args, r, w, before):
    """As many, of the same types, without repetition unless one was asked for, and all of them
    elements of what the command before this one has listed."""
    if type(r) is not type(w) or isinstance(r, Error):
        return False
    if not isinstance(r, list):
        r, w = [r], [w]
    if len(r) != len(w) or [type(i) for i in r] != [type(i) for i in w]:
        return False
    with_more = args[-1].upper() in (b"WITHVALUES", b"WITHSCORES")
    drawn = pairs(w) if with_more else list(w)
    may_repeat = len(args) > 2 and args[2].startswith(b"-")
    if repeats(drawn) and not may_repeat:
        return False
    if before is None or len(before[0]) < 2 or before[0][1] != args[1] or \
            not isinstance(before[2], list):
        return True
    listed = before[2]
    if not isinstance(listed, SetReply) and before[0][0] != b"SMEMBERS":
        listed = pairs(listed) if with_more else [p[0] for p in pairs(listed)]
    return {repr(d) for d in drawn} <= {repr(i) for i in listed}


def sorted_elements(args, r, w, before):
    """SORT leaves open the order of a set BY nosort, and of texts of equal weight: to Redis a text
    ends at a NUL."""
    del before
    if not (isinstance(r, list) and isinstance(w, list)) or len(r) != len(w):
        return False
    upper = [a.upper() for a in args]
    if b"STORE" in upper:
        return False
    if b"BY" in upper:
        loose = b"ALPHA" in upper or b"*" not in args[upper.index(b"BY") + 1]
    else:
        loose = b"ALPHA" in upper and (b"GET" in upper and b"#" not in upper
                                       or any(type(i) is bytes and b"\0" in i for i in r))
    if not loose or b"LIMIT" in upper:
        return loose
    group = max(1, upper.count(b"GET"))
    return identical(ordered([list(r[i:i + group]) for i in range(0, len(r), group)]),
                     ordered([list(w[i:i + group]) for i in range(0, len(w), group)]))


def scores(args, r, w, before):
    del args, before
    return same_scores(r, w)


def places(args, r, w, before):
    """Without an order GEOSEARCH and its like return what they find as it comes. Of several members
    in one place, or as far away, COUNT takes any: what is said beside their names is the same."""
    del before
    upper = {a.upper() for a in args}
    if b"COUNT" in upper:
        return type(r) is type(w) and isinstance(r, list) and len(r) == len(w) and (
            b"ANY" in upper or all(identical(a[1:], b[1:]) for a, b in zip(r, w)
                                   if isinstance(a, list)))
    return not upper & {b"ASC", b"DESC"} and any_order(args, r, w, None)


def keys_and_flags(args, r, w, before):
    del args, before
    if not isinstance(r, list) or not isinstance(w, list) or len(r) != len(w):
        return False
    return all(a[0] == b[0] and ordered(list(a[1])) == ordered(list(b[1])) for a, b in zip(r, w))


RULES = {
    b"TIME": clock, b"RANDOMKEY": same_kind, b"DUMP": same_kind,
    b"HGETALL": any_order_of_pairs, b"HELLO": hello,
    b"SORT": sorted_elements, b"SORT_RO": sorted_elements, b"SPOP": random_members,
    b"SRANDMEMBER": random_members,
    b"HRANDFIELD": random_members, b"ZRANDMEMBER": random_members,
}
RULES.update(dict.fromkeys(TTL_TOLERANCE, remaining_time))
RULES.update(dict.fromkeys((b"KEYS", b"SMEMBERS", b"SINTER", b"SUNION", b"SDIFF", b"HKEYS",
                            b"HVALS"), any_order))
RULES.update(dict.fromkeys((b"SCAN", b"SSCAN", b"HSCAN", b"ZSCAN"), scan))
RULES.update(dict.fromkeys(
    (b"ZADD", b"ZINCRBY", b"ZSCORE", b"ZMSCORE", b"ZRANGE", b"ZREVRANGE", b"ZRANGEBYSCORE",
     b"ZREVRANGEBYSCORE", b"ZPOPMIN", b"ZPOPMAX", b"ZMPOP", b"BZPOPMIN", b"BZPOPMAX", b"BZMPOP",
     b"ZUNION", b"ZINTER", b"ZDIFF"), scores))
RULES.update(dict.fromkeys((b"GEOSEARCH", b"GEORADIUS", b"GEORADIUS_RO", b"GEORADIUSBYMEMBER",
                            b"GEORADIUSBYMEMBER_RO"), places))
# After these something is asked before the next command may run: they end a pipeline.
FOLLOWED = (b"SPOP", b"SCAN", b"WATCH", b"EXEC")


class Judge:
    """Compares replies, and counts what the table of known differences has excused."""

    def __init__(self):
        self.excused = {}
        self.reloaded = False  # whether Weir may have built values anew since the last FLUSHALL

    def same(self, args, r, w, before=None):
        if identical(r, w):
            return True
        name = args[0].upper()
        rule = RULES.get(name)
        if rule is not None and rule(args, r, w, before):
            return True
        for difference in known.DIFFERENCES:
            if difference.excuses(name, args, r, w, self.reloaded):
                self.excused[difference.reason] = self.excused.get(difference.reason, 0) + 1
                return True
        return False

    def same_events(self, redis, weir):
        """Events, as (database and name, key), but for those of the known differences."""
        for difference in known.EVENTS:
            a, b = difference.without(redis), difference.without(weir)
            if a != redis or b != weir:
                redis, weir = a, b
                self.excused[difference.reason] = self.excused.get(difference.reason, 0) + 1
                if redis == weir:
                    return True
        return redis == weir

    def same_transaction(self, queue, r, w):
        """The index of the first command of an EXEC that differs; -1: none, -2: the whole."""
        if not (type(r) is list and type(w) is list and len(r) == len(w) == len(queue)):
            return -1 if identical(r, w) else -2
        before = None
        for i, args in enumerate(queue):
            if not self.same(args, r[i], w[i], before):
                return i
            before = (args, r[i], w[i])
        return -1
