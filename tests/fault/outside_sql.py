#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Somebody else changes weir.db with SQL while Weir has changes of the same keys that are not
flushed, and then Weir is killed. It starts again, and each key ends as one version: ours or theirs,
in memory and in the database alike; what lost is in the conflict log. Where both changed elements
of one value, each element is ours or theirs.

Every command that makes a value of what was there is tried on every kind of outside change, made
while the proxy runs or while it is down.
"""
import contextlib
import itertools
import sqlite3

from harness import PATIENCE, ReplyError, Server, run_checks, until

# What a key is before, the commands that change it, by type.
BASES = {
    "string": (("SET", "K", "10"),),
    "hash": (("HSET", "K", "a", "1", "b", "2", "n", "5"),),
    "list": (("RPUSH", "K", "one", "two", "three"),),
    "set": (("SADD", "K", "x", "y", "z"),),
    "zset": (("ZADD", "K", "1", "x", "2", "y", "3", "z"),),
}
COMMANDS = {
    "string": ["INCR K", "DECRBY K 3", "INCRBYFLOAT K 0.5", "APPEND K irsz", "SETRANGE K 1 xy",
               "SETBIT K 6 1", "BITFIELD K SET u8 0 65", "GETSET K new", "PEXPIRE K 1000000",
               "SET K 5 KEEPTTL", "GETDEL K", "RENAME K K:to", "BITOP NOT K K",
               "SET K again PX 900000", "DEL K"],
    "hash": ["HSET K a 9", "HINCRBY K n 2", "HINCRBYFLOAT K n 0.5", "HDEL K a", "HDEL K a b n",
             "HSETNX K c 3", "PEXPIRE K 1000000", "RENAME K K:to", "DEL K"],
    "list": ["LPUSH K zero", "RPUSH K four five", "LPOP K", "RPOP K 2", "LSET K 1 TWO",
             "LINSERT K BEFORE two half", "LREM K 0 two", "LTRIM K 1 1", "LMOVE K K LEFT RIGHT",
             "LMOVE K K:to LEFT RIGHT", "SORT K ALPHA STORE K", "PEXPIRE K 1000000",
             "RENAME K K:to", "DEL K"],
    "set": ["SADD K w", "SREM K x", "SREM K x y z", "SPOP K", "SMOVE K K:to y",
            "SUNIONSTORE K K", "SDIFFSTORE K K K:none", "RENAME K K:to", "DEL K"],
    "zset": ["ZADD K 9 w", "ZADD K GT 7 x", "ZINCRBY K 4 y", "ZREM K x", "ZPOPMIN K", "ZPOPMAX K 2",
             "ZREMRANGEBYRANK K 0 0", "ZUNIONSTORE K 1 K WEIGHTS 2", "GEOADD K 1 1 w",
             "ZRANGESTORE K K 0 1", "RENAME K K:to", "DEL K"],
}
ELEMENTS = {"hash": ("field", "value"), "list": ("position", "value"), "set": ("member", None),
            "zset": ("member", "score")}
VIEW = {"string": "string", "hash": "hash", "list": "list", "set": '"set"', "zset": "zset"}


def outside_changes(kind):
    """Statements, with :key, that somebody might use; each makes another value of the key."""
    delete = "DELETE FROM weir_key WHERE key = :key"
    as_string = "INSERT INTO string(key, value) VALUES (:key, 'theirs')"
    as_hash = "INSERT INTO hash(key, field, value) VALUES (:key, 'theirs', '1')"
    other = as_hash if kind == "string" else as_string
    changes = {"deleted": [delete], "another type": [delete, other],
               "expiry": ["UPDATE weir_key SET expires_at = 4102444800000 WHERE key = :key"]}
    if kind == "string":
        changes["no number"] = ["UPDATE string SET value = 'th' WHERE key = :key"]
        changes["a number"] = ["UPDATE string SET value = '5' WHERE key = :key"]
    else:
        changes["became a string"] = [as_string]
        view, (name, value) = VIEW[kind], ELEMENTS[kind]
        changes["all elements"] = ["DELETE FROM %s WHERE key = :key" % view]
        if kind in ("hash", "zset"):
            changes["every value"] = ["UPDATE %s SET %s = '7' WHERE key = :key" % (view, value)]
        if kind == "list":
            changes["every value"] = ["UPDATE list SET value = 'theirs' WHERE key = :key"]
        if kind == "set":
            changes["other members"] = ["DELETE FROM \"set\" WHERE key = :key",
                                        "INSERT INTO \"set\"(key, member) VALUES (:key, 'theirs')"]
    return changes


def seen(conn, key):
    """What a client sees of a key: its value and whether it expires."""
    kind = conn("TYPE", key)
    if kind == "none":
        return None
    value = {"string": ("GET", key), "hash": ("HGETALL", key), "list": ("LRANGE", key, 0, -1),
             "set": ("SMEMBERS", key), "zset": ("ZRANGE", key, 0, -1, "WITHSCORES")}[kind]
    value = conn(*value)
    if kind == "hash":
        value = sorted(zip(value[::2], value[1::2]))
    if kind == "zset":
        value = sorted((m, float(s)) for m, s in zip(value[::2], value[1::2]))
    if kind == "set":
        value = sorted(value)
    return kind, value, conn("PTTL", key) >= 0


def as_bytes(value):
    return value if isinstance(value, bytes) else str(value).encode()


def stored(db, key):
    """The same, of the database."""
    row = db.execute("SELECT type, expires_at FROM keys WHERE db = 0 AND key = ?",
                     (key,)).fetchone()
    if row is None:
        return None
    kind, expires = row
    if kind == "string":
        value = as_bytes(db.execute("SELECT value FROM string WHERE key = ?", (key,)).fetchone()[0])
    else:
        name, other = ELEMENTS[kind]
        rows = db.execute("SELECT %s, %s FROM %s WHERE key = ? ORDER BY 1"
                          % (name, other or "NULL", VIEW[kind]), (key,)).fetchall()
        value = {"hash": lambda: sorted((as_bytes(f), as_bytes(v)) for f, v in rows),
                 "list": lambda: [as_bytes(v) for _, v in rows],
                 "set": lambda: sorted(as_bytes(m) for m, _ in rows),
                 "zset": lambda: sorted((as_bytes(m), float(s)) for m, s in rows)}[kind]()
    return kind, value, expires is not None


def conflicted_keys(conn):
    """Keys in the conflict log."""
    records = conn("WEIR", "CONFLICTS", "LIST", "10000")
    return {dict(zip(r[::2], r[1::2]))[b"key"] for r in records}


def flush(conn):
    with contextlib.suppress(ReplyError):  # it says what lost
        conn("WEIR", "FLUSH")


def settled(conn):
    def clean():
        flush(conn)
        info = conn.info("writeback")
        return info["dirty_keys"] == "0" and info["in_flight_keys"] == "0"
    until(clean, 30, "everything is flushed")


class Case:
    def __init__(self, number, kind, command, outside):
        self.key = "%s:%d" % (kind, number)
        self.kind = kind
        self.command = command
        self.outside = outside
        self.base = self.ours = self.theirs = None

    def request(self):
        return tuple(word.replace("K", self.key, 1) if word in ("K", "K:to", "K:none") else word
                     for word in self.command.split())

    def is_of_both(self, found):
        """Each element, and the expiry, is as one of the two has it."""
        both = [v for v in (self.ours, self.theirs) if v is not None and v[0] == self.kind]
        if found is None or found[0] != self.kind or self.outside in ("deleted", "another type"):
            return False
        expiries = {v[2] for v in both}
        if self.kind in ("list", "set"):
            return found[2] in expiries and all(
                any(e in v[1] for v in both) for e in found[1])
        return self.kind != "string" and found[2] in expiries and all(
            any(pair in v[1] for v in both) for pair in found[1])

    def what(self, *more):
        return "%s, outside: %s: %s" % (self.command, self.outside, " / ".join(map(str, more)))


def all_cases():
    number = itertools.count()
    return [Case(next(number), kind, command, outside)
            for kind in BASES for command in COMMANDS[kind] for outside in outside_changes(kind)]


def every_command_over_every_outside_change(while_down, policy):
    cases = all_cases()
    with Server(write_delay_ms=3600000, conflict_policy=policy) as server:
        server.start()
        conn = server.connect()
        for case in cases:
            for request in BASES[case.kind]:
                conn(*(case.key if word == "K" else word for word in request))
        conn("WEIR", "FLUSH")
        conn("WEIR", "PAUSE")
        for case in cases:
            case.base = seen(conn, case.key)
            conn(*case.request())
            case.ours = seen(conn, case.key)
        db = sqlite3.connect(server.database(), timeout=10 * PATIENCE, isolation_level=None)
        if while_down:
            server.kill()
        db.execute("BEGIN IMMEDIATE")
        for case in cases:
            for statement in outside_changes(case.kind)[case.outside]:
                db.execute(statement, {"key": case.key})
        db.execute("COMMIT")
        for case in cases:
            case.theirs = stored(db, case.key)
        if not while_down:
            until(lambda: conn.info("stats").get("backend_polls", "1") != "0", 5, "a poll")
            server.kill()
        server.start()
        conn = server.connect()
        settled(conn)
        logged = conflicted_keys(conn)
        bad = []
        for case in cases:
            store, client = stored(db, case.key), seen(conn, case.key)
            if store != client:
                bad.append(case.what("the client sees", client, "the store has", store))
            elif store not in (case.ours, case.theirs) and not case.is_of_both(store):
                bad.append(case.what("a mixture", store, "ours", case.ours, "theirs", case.theirs))
            elif store == case.theirs and case.ours not in (case.theirs, case.base) \
                    and case.key.encode() not in logged:
                bad.append(case.what("no conflict is on record", store))
        assert not bad, "%d of %d:\n%s" % (len(bad), len(cases), "\n".join(bad[:40]))
        # It may be killed and started once more: nothing has changed.
        server.kill()
        server.start()
        conn = server.connect()
        for case in cases:
            assert seen(conn, case.key) == stored(db, case.key), case.what("after a second start")
        db.close()


def each_key_is_one_version_after_changes_while_it_ran():
    every_command_over_every_outside_change(False, "backend-wins")


def each_key_is_one_version_after_changes_while_it_was_down():
    every_command_over_every_outside_change(True, "backend-wins")


def each_key_is_one_version_where_the_proxy_wins():
    every_command_over_every_outside_change(True, "proxy-wins")


if __name__ == "__main__":
    run_checks([each_key_is_one_version_after_changes_while_it_ran,
                each_key_is_one_version_after_changes_while_it_was_down,
                each_key_is_one_version_where_the_proxy_wins])
