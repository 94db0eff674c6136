#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 under load, against an oracle of acknowledged operations.

Several connections, each with keys of its own, send random pipelined writes. Each keeps a model:
what its keys must be after every operation whose reply it has read, and the operations still in
flight, in order. At a random moment the server is killed, sometimes again while it recovers, and
started on the same directory. Then every connection's keys must be exactly its model after the
acknowledged operations and some prefix of those in flight: nothing acknowledged is missing, nothing
is half done, nothing is done twice or out of order. A counter that all connections increment must
lie between the increments acknowledged and those sent. After a clean shutdown SQLite alone must
show the last state.

FAULT_ROUNDS sets the number of kills per fsync policy (20).
"""
import copy
import os
import sqlite3
import threading
import time

from harness import PATIENCE, Gone, ReplyError, Seed, Server, run_checks

CONNECTIONS = 6
KEYS = 12  # of each type, per connection
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "20"))
TOLERANCE_MS = 30_000  # between a deadline set relative to the server's clock and our idea of it
SEED = Seed()


def now_ms():
    return int(time.time() * 1000)


class Model:
    """What a Redis does with the commands this suite sends: state by key, and the reply."""

    def __init__(self):
        self.strings = {}  # key -> bytes
        self.hashes = {}  # key -> {field: bytes}
        self.deadlines = {}  # key -> wall ms, about

    def run(self, command):
        return getattr(self, "do_" + command[0].lower())(*command[1:])

    def exists(self, key):
        return key in self.strings or key in self.hashes

    def drop(self, key):
        self.deadlines.pop(key, None)
        return (self.strings.pop(key, None) is not None) | (self.hashes.pop(key, None) is not None)

    def do_set(self, key, value, *options):
        if options[:1] == ("NX",) and self.exists(key):
            return None
        keep = options[:1] == ("KEEPTTL",)
        deadline = self.deadlines.get(key) if keep else None
        self.drop(key)
        self.strings[key] = value
        if options[:1] == ("EX",):
            deadline = now_ms() + options[1] * 1000
        if deadline:
            self.deadlines[key] = deadline
        return "OK"

    def do_del(self, *keys):
        return sum(self.drop(key) for key in keys)

    def do_get(self, key):
        return self.strings.get(key)

    def do_getdel(self, key):
        value = self.strings.get(key)
        self.drop(key)
        return value

    def do_incrby(self, key, n):
        value = int(self.strings.get(key, b"0")) + n
        self.strings[key] = b"%d" % value
        return value

    def do_append(self, key, tail):
        self.strings[key] = self.strings.get(key, b"") + tail
        return len(self.strings[key])

    def do_hset(self, key, *pairs):
        fields = self.hashes.setdefault(key, {})
        new = len(set(pairs[::2]) - set(fields))
        fields.update(zip(pairs[::2], pairs[1::2]))
        return new

    def do_hincrby(self, key, field, n):
        fields = self.hashes.setdefault(key, {})
        value = int(fields.get(field, b"0")) + n
        fields[field] = b"%d" % value
        return value

    def do_hdel(self, key, *names):
        fields = self.hashes.get(key, {})
        gone = sum(fields.pop(name, None) is not None for name in names)
        if key in self.hashes and not fields:
            self.drop(key)
        return gone

    def do_expire(self, key, seconds):
        if not self.exists(key):
            return 0
        self.deadlines[key] = now_ms() + seconds * 1000
        return 1

    def do_pexpireat(self, key, at_ms):
        """Only used with a moment that has passed: deletes."""
        assert at_ms < now_ms()
        return int(self.drop(key))

    def do_persist(self, key):
        return int(self.deadlines.pop(key, None) is not None)

    def do_rename(self, old, new):
        if not self.exists(old):
            return ReplyError("ERR no such key")
        table = self.strings if old in self.strings else self.hashes
        value, deadline = table[old], self.deadlines.get(old)
        self.drop(old)
        self.drop(new)
        table[new] = value
        if deadline:
            self.deadlines[new] = deadline
        return "OK"

    def same(self, other):
        if self.strings != other.strings or self.hashes != other.hashes:
            return False
        if self.deadlines.keys() != other.deadlines.keys():
            return False
        return all(abs(at - other.deadlines[key]) < TOLERANCE_MS * PATIENCE
                   for key, at in self.deadlines.items())

    def difference(self, other):
        out = []

        def compare(what, mine, theirs, values):
            for key in sorted(mine.keys() | theirs.keys()):
                a, b = mine.get(key), theirs.get(key)
                if isinstance(a, dict) and isinstance(b, dict):
                    compare("%s %s" % (what, key), a, b, True)
                elif a != b if values else (a is None) != (b is None):
                    out.append("%s %s: expected %.80r, found %.80r" % (what, key, a, b))
        compare("string", self.strings, other.strings, True)
        compare("hash", self.hashes, other.hashes, True)
        compare("deadline", self.deadlines, other.deadlines, False)
        return "\n".join(out[:20])


class Writer:
    """One connection: its keys, its model, what is in flight, and how many shared increments."""

    def __init__(self, number):
        self.number = number
        self.rng = SEED.rng("writer", number)
        self.model = Model()
        self.in_flight = []  # lists of commands: one element, or the commands of one MULTI/EXEC
        self.shared_acked = 0
        self.sequence = 0
        self.acked = 0
        self.error = None

    def keys(self):
        return ["%s:%d:%d" % (kind, self.number, i) for kind in "snh" for i in range(KEYS)]

    def value(self):
        self.sequence += 1
        size = self.rng.choice((8, 8, 64, 64, 300, 20_000))
        head = b"%d.%d." % (self.number, self.sequence)
        return head + self.rng.randbytes(self.rng.randrange(size))

    def random_command(self):
        rng = self.rng
        s, n, h = ("%s:%d:%d" % (kind, self.number, rng.randrange(KEYS)) for kind in "snh")
        other = "s:%d:%d" % (self.number, rng.randrange(KEYS))
        field, field2 = b"f%d" % rng.randrange(30), b"g%d" % rng.randrange(30)
        choices = (
            (8, lambda: ("SET", s, self.value())),
            (2, lambda: ("SET", s, self.value(), "EX", rng.randrange(50_000, 90_000))),
            (1, lambda: ("SET", s, self.value(), "KEEPTTL")),
            (1, lambda: ("SET", s, self.value(), "NX")),
            (2, lambda: ("GET", s)),
            (3, lambda: ("APPEND", s, b"+%d" % rng.randrange(1000))),
            (2, lambda: ("DEL", s, rng.choice((n, h)))),
            (1, lambda: ("GETDEL", s)),
            (1, lambda: ("RENAME", s, other) if s != other else ("GET", s)),
            (6, lambda: ("INCRBY", n, rng.randrange(-5, 100))),
            (6, lambda: ("HSET", h, field, self.value()[:400], field2, b"%d" % self.sequence)),
            (3, lambda: ("HINCRBY", h, b"count", rng.randrange(1, 9))),
            (3, lambda: ("HDEL", h, field, field2)),
            (2, lambda: ("EXPIRE", rng.choice((s, n, h)), rng.randrange(50_000, 90_000))),
            (1, lambda: ("PERSIST", rng.choice((s, h)))),
            (1, lambda: ("PEXPIREAT", rng.choice((s, n, h)), 1_000_000_000_000)),
            (4, lambda: ("INCRBY", "shared", 1)),
        )
        weights = [weight for weight, _ in choices]
        return rng.choices(choices, weights)[0][1]()

    def random_operation(self):
        if self.rng.random() < 0.15:
            return [self.random_command() for _ in range(self.rng.randrange(1, 6))]
        return [self.random_command()]

    def settle(self, operation, reply):
        """An acknowledged operation moves from `in flight` into the model."""
        replies = reply if len(operation) > 1 else [reply]
        for command, got in zip(operation, replies):
            if command[1] == "shared":
                self.shared_acked += 1
                continue
            expected = self.model.run(command)
            if isinstance(expected, ReplyError):
                right = isinstance(got, ReplyError) and str(got) == str(expected)
            else:
                right = got == expected
            if not right:
                raise AssertionError("%.200r answered %.200r instead of %.200r"
                                     % (command, got, expected))
        self.acked += 1

    def work(self, port_of, stopping):
        try:
            conn = port_of()
        except OSError:
            return
        try:
            while not stopping.is_set():
                batch = [self.random_operation() for _ in range(self.rng.randrange(1, 24))]
                requests = []
                for operation in batch:
                    wrapped = [("MULTI",), *operation, ("EXEC",)]
                    requests += wrapped if len(operation) > 1 else operation
                self.in_flight = batch
                conn.send(*requests)
                while self.in_flight:
                    operation = self.in_flight[0]
                    if len(operation) > 1:
                        for _ in range(len(operation) + 1):
                            conn.read()
                    self.settle(operation, conn.read())
                    self.in_flight = self.in_flight[1:]
        except Gone:
            pass
        except Exception as e:  # pylint: disable=broad-except
            self.error = e
        finally:
            conn.close()

    def check(self, found):
        """found: the state after the restart. Raises unless it is a state we may be in."""
        states = [copy.deepcopy(self.model)]
        increments = [0]
        for operation in self.in_flight:
            state = copy.deepcopy(states[-1])
            for command in operation:
                if command[1] != "shared":
                    state.run(command)
            states.append(state)
            increments.append(increments[-1] + sum(c[1] == "shared" for c in operation))
        for state in states:
            if state.same(found):
                self.model = state
                shared = increments[-1]
                self.in_flight = []
                return shared
        raise AssertionError(
            "connection %d, %d operations in flight: no prefix of them explains what is there.\n"
            "Against the acknowledged state:\n%s\nAgainst everything sent:\n%s"
            % (self.number, len(self.in_flight), states[0].difference(found),
               states[-1].difference(found)))


def read_state(conn, keys):
    """What the server says about keys, as a Model."""
    found = Model()
    requests = [("HGETALL" if key[0] == "h" else "GET", key) for key in keys]
    values = conn.pipeline(requests)
    ttls = conn.pipeline([("PTTL", key) for key in keys])
    now = now_ms()
    for key, value, ttl in zip(keys, values, ttls):
        if isinstance(value, ReplyError):
            raise value
        if key[0] == "h" and value:
            found.hashes[key] = dict(zip(value[::2], value[1::2]))
        elif key[0] != "h" and value is not None:
            found.strings[key] = value
        if ttl >= 0:
            found.deadlines[key] = now + ttl
    return found


class Run:
    def __init__(self, policy):
        self.rng = SEED.rng("run", policy)
        self.writers = [Writer(i) for i in range(CONNECTIONS)]
        self.shared_low = 0
        self.server = Server(journal_fsync=policy)

    def one_round(self, number):
        server = self.server
        server.directives["write_delay_ms"] = self.rng.choice((2, 10, 50, 5000))
        server.start()
        stopping = threading.Event()
        threads = [threading.Thread(target=w.work, args=(server.connect, stopping))
                   for w in self.writers]
        for thread in threads:
            thread.start()
        time.sleep(self.rng.uniform(0.02, 0.5) * min(PATIENCE, 3))
        server.kill()
        stopping.set()
        for thread in threads:
            thread.join()
        for writer in self.writers:
            if writer.error:
                raise AssertionError("round %d: %s" % (number, writer.error)) from writer.error
        while self.rng.random() < 0.3:  # and again, while it recovers
            server.launch()
            time.sleep(self.rng.uniform(0, 0.06) * PATIENCE)
            server.kill()
        server.start()
        self.check()
        server.kill()

    def check(self):
        conn = self.server.connect()
        extra = sum(w.check(read_state(conn, w.keys())) for w in self.writers)
        low = self.shared_low + sum(w.shared_acked for w in self.writers)
        shared = int(conn("GET", "shared") or 0)
        conn.close()
        assert low <= shared <= low + extra, \
            "shared counter %d, acknowledged %d, in flight %d" % (shared, low, extra)
        self.shared_low = shared
        for writer in self.writers:
            writer.shared_acked = 0

    def check_database(self):
        """SQLite alone, after a clean shutdown."""
        db = sqlite3.connect("file:%s?mode=ro" % self.server.database(), uri=True)
        expected = Model()
        for writer in self.writers:
            expected.strings.update(writer.model.strings)
            expected.hashes.update(writer.model.hashes)
            expected.deadlines.update(writer.model.deadlines)
        expected.strings["shared"] = b"%d" % self.shared_low

        def raw(value):
            return value if isinstance(value, bytes) else str(value).encode()
        found = Model()
        for key, value, deadline in db.execute("SELECT key, value, expires_at FROM string"):
            found.strings[key] = raw(value)
            if deadline:
                found.deadlines[key] = deadline
        for key, field, value in db.execute("SELECT key, field, value FROM hash"):
            found.hashes.setdefault(key, {})[raw(field)] = raw(value)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
        for key in expected.hashes:  # the view of hashes does not show their deadlines
            expected.deadlines.pop(key, None)
        assert expected.same(found), "SQLite:\n" + expected.difference(found)


def kill_rounds(policy):
    run = Run(policy)
    with run.server:
        for number in range(ROUNDS):
            run.one_round(number)
        acked = sum(w.acked for w in run.writers)
        print("        %d kills, %d acknowledged operations" % (ROUNDS, acked), flush=True)
        assert acked > 100 * ROUNDS or PATIENCE > 1, "too little happened to prove anything"
        if not Server.is_weir:
            return
        run.server.start()
        status = run.server.stop()
        assert status == 0, "exit status %s" % status
        run.check_database()
        # And all of it comes back from the backend when there is nothing to replay.
        run.server.start()
        run.check()


def nothing_acknowledged_is_lost_by_kill9_under_always():
    kill_rounds("always")


def nothing_acknowledged_is_lost_by_kill9_under_everysec():
    kill_rounds("everysec")


if __name__ == "__main__":
    run_checks([nothing_acknowledged_is_lost_by_kill9_under_always,
                nothing_acknowledged_is_lost_by_kill9_under_everysec])
