# SPDX-License-Identifier: BSD-3-Clause
"""One round: an endless seeded stream of steps, drawn from the tables of commands.

A round starts from an empty keyspace, so that what it finds can be had again from the seed and the
number of the round, and its history is short enough to be shrunk.
"""
import random

import rows_basic
import rows_collections
from duel import CONNECTIONS, DISTURBANCES
from grammar import Grammar

FAMILIES = {
    "strings": rows_basic.STRINGS, "bitmaps": rows_basic.BITMAPS,
    "hyperloglogs": rows_basic.HYPERLOGLOGS, "hashes": rows_basic.HASHES,
    "keys": rows_basic.KEYS, "whole": rows_basic.WHOLE, "connection": rows_basic.CONNECTION,
    "lists": rows_collections.LISTS, "blocking": rows_collections.BLOCKING,
    "sets": rows_collections.SETS, "sorted sets": rows_collections.SORTED_SETS,
    "geo": rows_collections.GEO,
}
# How often a family is drawn, in a round without and with that family as its theme.
SHARES = {"strings": 12, "bitmaps": 4, "hyperloglogs": 2, "hashes": 10, "keys": 14, "whole": 0.15,
          "connection": 1, "lists": 10, "blocking": 0.4, "sets": 8, "sorted sets": 12, "geo": 5}
THEMES = ("mixed", "strings", "hashes", "lists", "sets", "sorted sets", "geo", "bitmaps", "keys",
          "mixed", "hyperloglogs")
WORDS_OF_TRANSACTIONS = ("MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH")
# A spoilt argument must not become a short time to live, nor the size of an endless reply.
NO_OTHER_ARGUMENT = {
    b"SET", b"SETEX", b"PSETEX", b"GETEX", b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT",
    b"HRANDFIELD", b"SRANDMEMBER", b"ZRANDMEMBER", b"SPOP", b"FLUSHALL", b"FLUSHDB", b"SCAN",
    b"SSCAN", b"HSCAN", b"ZSCAN", b"SORT"}
# Nor may a wait become long, or PFCOUNT leave its count in the value. ZRANK may be longer in 7.2.
# RESTORE adds any time to live to the time of day; its row has oddities of its own.
NOT_SPOILT = {b"PFCOUNT", b"BLPOP", b"BRPOP", b"BLMOVE", b"BRPOPLPUSH", b"BLMPOP", b"BZPOPMIN",
              b"BZPOPMAX", b"BZMPOP", b"ZRANK", b"ZREVRANK", b"RESTORE"}
# What happens to a HyperLogLog that was tampered with is nobody's promise.
TAMPERING = {b"APPEND", b"SETRANGE", b"SETBIT", b"BITFIELD", b"BITOP", b"RENAME", b"RENAMENX",
             b"COPY", b"PFADD", b"PFMERGE"}
SPOILING = (b"", b"0", b"-1", b"9223372036854775807", b"-9223372036854775808", b"2147483648",
            b"nan", b"*", b"\x00", b"WITHSCORES", b"LIMIT", b"GET", b"1", b"x" * 70)
# Redis's SORT takes a number for too large when any command before it had one that was (1e-320 in
# ZADD), unless another one was read in between.
READS_A_NUMBER = [b"GEORADIUS_RO", b"missing", b"0", b"0", b"1", b"m"]
SETTINGS = (
    (),
    ((b"hash-max-listpack-entries", b"8"), (b"hash-max-listpack-value", b"32"),
     (b"zset-max-listpack-entries", b"8"), (b"zset-max-listpack-value", b"32"),
     (b"set-max-intset-entries", b"16"), (b"list-max-listpack-size", b"4")),
    ((b"hash-max-listpack-entries", b"0"), (b"zset-max-listpack-entries", b"0"),
     (b"set-max-intset-entries", b"0"), (b"list-max-listpack-size", b"-1")),
)
DEFAULTS = ((b"hash-max-listpack-entries", b"128"), (b"hash-max-listpack-value", b"64"),
            (b"zset-max-listpack-entries", b"128"), (b"zset-max-listpack-value", b"64"),
            (b"set-max-intset-entries", b"512"), (b"list-max-listpack-size", b"-2"))

# Weir takes a watched key for changed by these when it would have to ask the backend whether the
# key was there at all: not drawn while something is watched.
WHOLE = (b"FLUSHALL", b"FLUSHDB", b"SWAPDB")
WALKS = ((b"SCAN", ""), (b"SSCAN", "e"), (b"HSCAN", "h"), (b"ZSCAN", "z"))


def all_names():
    names = {name for rows in FAMILIES.values() for name, _, _ in rows}
    return names | set(WORDS_OF_TRANSACTIONS)


class Round:
    def __init__(self, seed, number, missing, reading):
        self.random = random.Random("%d/%d" % (seed, number))
        self.g = Grammar(self.random)
        self.number, self.missing, self.reading = number, missing, reading
        self.theme = THEMES[number % len(THEMES)]
        self.settings = DEFAULTS + self.random.choice(SETTINGS)
        self.in_multi = [False] * CONNECTIONS
        self.watching = [False] * CONNECTIONS
        self.listens = number % 2 == 1
        self.disturbances = () if number % 3 == 0 else DISTURBANCES
        rows, weights = [], []
        for family, table in FAMILIES.items():
            share = SHARES[family] * (8 if family == self.theme else 1)
            total = sum(weight for _, weight, _ in table)
            for name, weight, make in table:
                if name not in missing:
                    rows.append((tuple(name.encode().split()), make))
                    weights.append(share * weight / total)
        self.rows = rows
        self.cumulative = []
        for weight in weights:
            self.cumulative.append((self.cumulative[-1] if self.cumulative else 0) + weight)

    # --- One command ---

    def made(self):
        """One command; or two, where the first is what the second is judged by."""
        words, make = self.random.choices(self.rows, cum_weights=self.cumulative)[0]
        if words[0] in WHOLE and any(self.watching):
            words, make = (b"DBSIZE",), lambda g: []
        args = make(self.g)
        if args and isinstance(args[0], list):
            return args
        args = [*words, *args]
        g = self.g
        if words[0] not in NOT_SPOILT and g.chance(0.035):
            args = self.spoilt(args)
        if args[0].upper() in (b"LREM", b"LPOS"):  # 7.2 refuses what it cannot negate
            args = [b"-9223372036854775807" if a == b"-9223372036854775808" else a for a in args]
        if args[0].upper() in TAMPERING:
            args = self.apart(args)
        if g.chance(0.01):
            args = [b"COMMAND", b"GETKEYS", *args]
        if args[0].upper() in (b"SORT", b"SORT_RO"):
            return [READS_A_NUMBER, args]
        return [args]

    @staticmethod
    def apart(args):
        """HyperLogLogs stay among themselves: p1 meets no s1."""
        def is_key(a, kinds):
            return len(a) == 2 and a[:1] in kinds and a[1:].isdigit()
        written, name, keys = args[0], args[0].upper(), args[1:]
        if name in (b"PFADD", b"PFMERGE"):
            of_keys = 1 if name == b"PFADD" else len(keys)
            return [written] + [k if is_key(k, b"phlez") else b"p0" for k in keys[:of_keys]] \
                + keys[of_keys:]
        if name in (b"RENAME", b"RENAMENX", b"COPY") and keys and is_key(keys[0], b"p"):
            return [written, keys[0]] \
                + [k if is_key(k, b"p") else b"p0" for k in keys[1:2]] + keys[2:]
        return [written] + [b"s" + k[1:] if is_key(k, b"p") else k for k in keys]

    def spoilt(self, args):
        g = self.g
        r = g.roll()
        if r < 0.3:
            return args[:-1] if len(args) > 1 else args
        if r < 0.45:
            return args + [g.choose(SPOILING)]
        if r < 0.55:
            return args + args[-1:]
        if r < 0.7:
            return [g.any_case(args[0])] + args[1:]
        if r < 0.75 and len(args) > 2:
            return args[:1] + args[2:]
        # The sorted sets that are asked by lex keep their equal scores.
        if len(args) > 1 and args[0] not in NO_OTHER_ARGUMENT and args[1][:1] != b"x":
            at = 1 + g.below(len(args) - 1)
            return args[:at] + [g.choose(SPOILING)] + args[at + 1:]
        return args

    def command(self, connection):
        """Args of the next one or two, with transactions in between."""
        g = self.g
        if self.in_multi[connection]:
            if g.chance(0.12):
                return [[g.word(b"EXEC")]]
            if g.chance(0.02):
                return [[b"DISCARD"]]
            if g.chance(0.02):
                return [[g.choose((b"MULTI", b"WATCH", b"UNWATCH", b"NOSUCH", b"GET", b"EXEC")),
                         *([b"k"] * g.below(1))]]
            made = self.made()
            if made[-1][0].upper() == b"SPOP":
                return made[:1]
            if made[-1][0] == b"SORT":  # it may answer TRYAGAIN
                made[-1][0] = b"SORT_RO"
            # Whether a watched key was changed is not always seen alike: see Duel.unnoticed().
            while self.watching[connection] and made[-1][0] not in self.reading:
                made = self.made()
            return made
        r = g.roll()
        if r < 0.012:
            return [[g.word(b"MULTI")]]
        if r < 0.024:
            return [[b"WATCH", *g.any_keys(2)]]
        if r < 0.027:
            return [[g.choose((b"UNWATCH", b"DISCARD", b"EXEC"))]]
        if r < 0.029:
            return [[b"HELLO", g.choose((b"2", b"3"))]]
        return self.made()

    def note(self, connection, args):
        """Follows the state that decides what is drawn next."""
        name = args[0].upper()
        if len(args) == 1 and name == b"MULTI":
            self.in_multi[connection] = True
        elif not self.in_multi[connection] and name in (b"EXEC", b"DISCARD"):
            pass  # an error, and what is watched is still watched
        elif name == b"EXEC" or (len(args) == 1 and name == b"DISCARD"):
            self.in_multi[connection] = self.watching[connection] = False
        elif name == b"WATCH":
            self.watching[connection] = True

    # --- Steps ---

    def start(self):
        """HELLO of every connection: two of each protocol."""
        self.in_multi = [False] * CONNECTIONS
        self.watching = [False] * CONNECTIONS
        return [("cmd", c, [b"SELECT", b"0"]) for c in range(CONNECTIONS)] + [
            ("version", c, 2 + c % 2) for c in range(CONNECTIONS)] + (
                [("listen",)] if self.listens else [])

    def batch(self):
        """Some commands on one connection, as one pipeline."""
        g = self.g
        connection = g.below(CONNECTIONS)
        steps = [("cut",)]
        for _ in range(1 + g.below(40) if g.chance(0.8) else 1):
            for args in self.command(connection):
                self.note(connection, args)
                steps.append(("cmd", connection, args))
        return steps

    def walk(self):
        g = self.g
        name, kind = g.choose([(n, k) for n, k in WALKS if n.decode() not in self.missing])
        args = [name, *([g.key(kind)] if kind else []), b"*",
                *g.options((b"MATCH", g.pattern), (b"COUNT", lambda: g.integer(1, 5)), p=0.4)]
        return args

    def blocking(self, free):
        """Some clients wait, the others go on; at the end all are called back."""
        g = self.g
        rows = [row for row in rows_collections.BLOCKING if row[0] not in self.missing]
        waiting = self.random.sample(free, min(len(free), 1 + g.below(2)))
        others = [c for c in range(CONNECTIONS) if c not in waiting]
        g.patient = True
        steps = [("block", c, [name.encode(), *make(g)])
                 for c in waiting for name, _, make in [g.choose(rows)]]
        g.patient = False
        for _ in range(2 + g.below(8)):
            connection = g.choose(others)
            table = g.choose((rows_collections.LISTS, rows_collections.SORTED_SETS))
            made = [self.made()] if g.chance(0.2) else [
                [[name.encode(), *args]] for name, _, make in table[:8]
                for args in [make(g)] if g.chance(0.15) and name not in self.missing]
            if self.in_multi[connection] or g.chance(0.1):
                made = [self.command(connection)]
            for args in [args for commands in made for args in commands]:
                self.note(connection, args)
                steps.append(("cmd", connection, args))
        return steps + [("unblock",)]

    def special(self, disturbances):
        """What comes between batches now and then. A connection within MULTI is left alone."""
        g = self.g
        free = [c for c in range(CONNECTIONS) if not self.in_multi[c]]
        r = g.roll()
        if r < 0.5 and free:
            return [("walk", g.choose(free), self.walk())]
        if r < 0.7 and r >= 0.6 and len(free) > 1 and "BLPOP" not in self.missing:
            return self.blocking(free)
        if r < 0.6 and free:
            return [("expire", g.choose(free), g.any_keys(3))]
        if r < 0.8:
            return [("check",)]
        how = g.choose(disturbances) if disturbances else "flush"
        steps = [(how,)]
        if how in ("kill", "restart", "lose-journal"):
            steps += self.start()
        return steps + [("check",)]

    def steps(self, commands):
        """A list of lists of steps: each inner one is played before the next is drawn."""
        disturbances = self.disturbances
        yield self.start()
        made = 0
        while made < commands:
            batch = self.batch()
            made += len(batch) - 1
            yield batch
            if self.g.chance(0.05):
                yield self.special(disturbances)
        yield [("check",), ("flush",), ("check",)]
        if disturbances:
            yield [(self.g.choose(DISTURBANCES[1:]),), ("check",)]
