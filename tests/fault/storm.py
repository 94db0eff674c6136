#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Everything at once, for the sanitizers: large and odd values, monitors, the slow log, clients
that are killed, directives that change, keys that expire and are evicted, SQL from outside,
transactions and blocking clients, against one small server.

What is asked for is little: the server stays up and answers, no reply comes out of step, and when
the storm is over the client and the database agree on every key.
"""
import contextlib
import os
import sqlite3
import threading
import time

from harness import PATIENCE, Conn, Gone, ReplyError, Seed, Server, run_checks, until

SEED = Seed()
SECONDS = float(os.environ.get("STORM_SECONDS", "8"))
KEYS = ["k%d" % i for i in range(12)]
LARGE = [b"x" * n for n in (63 * 1024, 64 * 1024, 200 * 1024, 1024 * 1024)]


class Storm:
    """Threads that each do one kind of harm until the time is over; the first failure is kept."""

    def __init__(self, server):
        self.server = server
        self.until = time.monotonic() + SECONDS
        self.failure = None
        self.threads = []

    def over(self):
        return time.monotonic() > self.until or self.failure is not None

    def run(self, harm, number):
        rng = SEED.rng(harm.__name__, number)
        while not self.over():
            try:
                with contextlib.closing(self.server.connect()) as conn:
                    while not self.over():
                        harm(conn, rng)
            except (Gone, OSError):
                if not self.server.alive():
                    self.failure = "the server ended in %s" % harm.__name__
            except ReplyError:
                pass  # asked for: wrong types, memory, refusals
            except Exception as e:  # pylint: disable=broad-except
                self.failure = "%s: %r" % (harm.__name__, e)

    def add(self, harm, times=1):
        for number in range(times):
            self.threads.append(threading.Thread(target=self.run, args=(harm, number)))

    def blow(self):
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()
        assert self.failure is None, self.failure


def value(rng):
    kind = rng.randrange(6)
    if kind == 0:
        return rng.choice(LARGE)
    if kind == 1:
        return rng.randbytes(rng.randrange(40))
    if kind == 2:
        return b"\0" * rng.randrange(70000)
    return str(rng.randrange(1000)).encode()


def writes(conn, rng):
    """A pipeline whose replies have to come in step: each is followed by an echo of its number."""
    key, other, v = rng.choice(KEYS), rng.choice(KEYS), value(rng)
    requests = [
        ("PSETEX", key, rng.choice((1, 50, 100000)), v), ("SET", key, v), ("APPEND", key, v),
        ("SETRANGE", key, rng.randrange(100000), v), ("GET", key), ("GETDEL", key),
        ("INCR", key), ("HSET", key, "f%d" % rng.randrange(9), v, "g", "1"), ("HGETALL", key),
        ("HDEL", key, "f1", "g"), ("RPUSH", key, v, "e"), ("LPOP", key), ("LINSERT", key, "BEFORE",
        "e", v), ("LTRIM", key, 1, -2), ("SADD", key, v), ("SPOP", key), ("ZADD", key, 1, v),
        ("ZPOPMIN", key), ("RENAME", key, other), ("COPY", key, other, "REPLACE"), ("DEL", key),
        ("DUMP", key), ("PEXPIRE", key, rng.choice((1, 1000))), ("MSET", key, v, other, v, key, v),
        ("SORT", key, "ALPHA", "STORE", other), ("BITOP", "NOT", other, key), ("UNLINK", other)]
    chosen = [rng.choice(requests) for _ in range(rng.randrange(1, 8))]
    if rng.randrange(4) == 0:
        chosen = [("MULTI",)] + chosen + [("EXEC",)]
    batch = []
    for i, request in enumerate(chosen):
        batch += [request, ("ECHO", str(i))] if chosen[0] != ("MULTI",) else [request]
    replies = conn.pipeline(batch)
    if chosen[0] != ("MULTI",):
        for i in range(len(chosen)):
            assert replies[2 * i + 1] == str(i).encode(), "a reply is out of step"


def restores(conn, rng):
    key, other = rng.choice(KEYS), rng.choice(KEYS)
    payload = conn("DUMP", key)
    if payload is not None:
        conn("RESTORE", other, 0, payload, "REPLACE")


def watches(conn, rng):
    conn("MONITOR")
    for _ in range(rng.randrange(1, 200)):
        conn.read()
    raise Gone("enough seen")


def asks(conn, rng):
    requests = [("SLOWLOG", "GET", 128), ("SLOWLOG", "RESET"), ("INFO", "everything"),
                ("CLIENT", "LIST"), ("SCAN", 0, "COUNT", 100), ("RANDOMKEY",), ("DBSIZE",),
                ("WEIR", "EXPLAIN", rng.choice(KEYS)), ("WEIR", "STATUS"), ("WEIR", "CONFLICTS"),
                ("MEMORY", "USAGE", rng.choice(KEYS)), ("OBJECT", "ENCODING", rng.choice(KEYS)),
                ("WAITAOF", 1, 0, 20), ("LATENCY", "HISTOGRAM")]
    conn(*rng.choice(requests))


def blocks(conn, rng):
    conn(*rng.choice([("BLPOP", rng.choice(KEYS), 0.01), ("BZPOPMIN", rng.choice(KEYS), 0.01),
                      ("BLMOVE", rng.choice(KEYS), rng.choice(KEYS), "LEFT", "RIGHT", 0.01)]))


def kills(conn, rng):
    conn("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    time.sleep(rng.random() * 0.3)  # the others are to get somewhere meanwhile


def turns_knobs(conn, rng):
    name, values = rng.choice([
        ("maxmemory", ("20mb", "200mb")), ("slowlog-log-slower-than", ("0", "10000")),
        ("journal-fsync", ("always", "everysec", "no")), ("write-delay-ms", ("1", "500")),
        ("conflict-policy", ("backend-wins", "proxy-wins")), ("slowlog-max-len", ("3", "128")),
        ("hash-max-listpack-entries", ("2", "128")), ("list-max-listpack-size", ("1", "-2")),
        ("maxmemory-policy", ("allkeys-lfu", "allkeys-lru")), ("latency-monitor-threshold",
                                                              ("0", "1"))])
    conn("CONFIG", "SET", name, rng.choice(values))
    conn("FLUSHDB" if rng.randrange(40) == 0 else "PING")
    time.sleep(0.005)  # not to be the only thing that happens


def writes_sql(storm):
    rng = SEED.rng("sql")
    db = sqlite3.connect(storm.server.database(), timeout=10 * PATIENCE, isolation_level=None)
    while not storm.over():
        key = rng.choice(KEYS)
        with contextlib.suppress(sqlite3.Error):
            db.execute(*rng.choice([
                ("UPDATE string SET value = 'sql' WHERE key = ?", (key,)),
                ("DELETE FROM weir_key WHERE key = ?", (key,)),
                ("INSERT INTO string(key, value) VALUES (?, 'sql')", (key,)),
                ("INSERT INTO hash(key, field, value) VALUES (?, 'sql', '1')", (key,)),
                ("DELETE FROM list WHERE key = ?", (key,)),
                ("UPDATE list SET value = 'sql' WHERE key = ?", (key,))]))
        time.sleep(0.002)  # so that the flusher gets the lock now and then
    db.close()


def text(v):
    return v.encode() if isinstance(v, str) else v


def agree(conn, db):
    """The keys on which the client and the database differ."""
    differ = []
    for key in KEYS:
        kind = conn("TYPE", key)
        row = db.execute("SELECT type FROM keys WHERE db = 0 AND key = ? AND"
                         " (expires_at IS NULL OR expires_at > ?)",
                         (key, int(time.time() * 1000))).fetchone()
        if (row[0] if row else "none") != kind:
            differ.append((key, kind, row))
        elif kind == "string":
            stored = db.execute("SELECT value FROM string WHERE key = ?", (key,)).fetchone()[0]
            if text(stored) != conn("GET", key):
                differ.append((key, kind, len(stored)))
        elif kind == "list":
            rows = db.execute("SELECT value FROM list WHERE key = ? ORDER BY position", (key,))
            if [text(v) for v, in rows] != conn("LRANGE", key, 0, -1):
                differ.append((key, kind, "elements"))
        elif kind == "hash":
            rows = db.execute("SELECT field, value FROM hash WHERE key = ?", (key,)).fetchall()
            seen = conn("HGETALL", key)
            if {text(f): text(v) for f, v in rows} != dict(zip(seen[::2], seen[1::2])):
                differ.append((key, kind, "fields"))
    return differ


def the_server_survives_everything_at_once():
    with Server(write_delay_ms=5, io_threads=2, maxmemory="60mb", databases=2,
                slowlog_log_slower_than=0, backpressure_max_delay_ms=200,
                backend_timeout_ms=200, flush_backoff_ms=5, enable_debug_command="yes") as server:
        server.start()
        storm = Storm(server)
        storm.add(writes, 4)
        for harm in (restores, watches, asks, blocks, kills, turns_knobs):
            storm.add(harm)
        storm.threads.append(threading.Thread(target=writes_sql, args=(storm,)))
        try:
            storm.blow()
            with contextlib.closing(server.connect()) as conn:
                conn("CONFIG", "SET", "maxmemory", "200mb", "write-delay-ms", "1")
                for key in KEYS:
                    with contextlib.suppress(ReplyError):
                        conn("PERSIST", key)
                db = sqlite3.connect(server.database(), timeout=10 * PATIENCE)
                until(lambda: conn.info("writeback")["dirty_keys"] == "0" and not agree(conn, db),
                      30, "client and database agree: %s" % agree(conn, db))
                db.close()
            assert server.stop() == 0, "it did not end in order"
            with open(server.log, "rb") as f:
                log = f.read()
            for word in (b"Sanitizer", b"runtime error", b"broken invariant"):
                assert word not in log, log[log.index(word) - 200:][:4000].decode(errors="replace")
        except BaseException:
            print(server.log_tail(6000))
            raise


if __name__ == "__main__":
    run_checks([the_server_survives_everything_at_once])
