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
from model import KINDS, Model, Payload, Scores, read_database, read_state

CONNECTIONS = 6
KEYS = 8  # of each type, per connection
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "20"))
SEED = Seed()


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
        return ["%s:%d:%d" % (kind, self.number, i) for kind in KINDS for i in range(KEYS)]

    def value(self):
        self.sequence += 1
        size = self.rng.choice((8, 8, 64, 64, 300, 20_000))
        head = b"%d.%d." % (self.number, self.sequence)
        return head + self.rng.randbytes(self.rng.randrange(size))

    def key(self, kind):
        return "%s:%d:%d" % (kind, self.number, self.rng.randrange(KEYS))

    def string_commands(self):
        rng, s, n = self.rng, self.key("s"), self.key("n")
        return (
            (6, lambda: ("SET", s, self.value())),
            (2, lambda: ("SET", s, self.value(), "EX", rng.randrange(50_000, 90_000))),
            (1, lambda: ("SET", s, self.value(), "KEEPTTL")),
            (1, lambda: ("SET", s, self.value(), "NX")),
            (2, lambda: ("GET", s)),
            (2, lambda: ("APPEND", s, b"+%d" % rng.randrange(1000))),
            (1, lambda: ("SETBIT", s, rng.randrange(400), rng.randrange(2))),
            (1, lambda: ("GETDEL", s)),
            (1, lambda: ("SETRANGE", s, rng.randrange(200), b"(%d)" % rng.randrange(1000))),
            (1, lambda: ("GETEX", s, "EX", rng.randrange(50_000, 90_000))),
            (1, lambda: ("GETEX", s, "PERSIST")),
            (1, lambda: ("BITFIELD", s, "SET", "u8", "#%d" % rng.randrange(60), rng.randrange(256),
                         "INCRBY", "u8", "#%d" % rng.randrange(60), rng.randrange(-99, 99))),
            (4, lambda: ("INCRBY", n, rng.randrange(-5, 100))),
            (4, lambda: ("INCRBY", "shared", 1)),
        )

    def collection_commands(self):
        rng, h, t, t2 = self.rng, self.key("h"), self.key("t"), self.key("t")
        field, field2 = b"f%d" % rng.randrange(30), b"g%d" % rng.randrange(30)
        number, word = b"%d" % rng.randrange(40), b"m%d" % rng.randrange(300)
        return (
            (5, lambda: ("HSET", h, field, self.value()[:400], field2, b"%d" % self.sequence)),
            (3, lambda: ("HINCRBY", h, b"count", rng.randrange(1, 9))),
            (2, lambda: ("HINCRBYFLOAT", h, b"halves", rng.randrange(1, 9) / 2)),
            (3, lambda: ("HDEL", h, field, field2)),
            (4, lambda: ("SADD", t, number)),
            (4, lambda: ("SADD", t, word, number)),
            (4, lambda: ("SREM", t, word, number)),
            (2, lambda: ("SMOVE", t, t2, number)),
            (1, lambda: ("SUNIONSTORE", t, t2, self.key("t"))),
            (1, lambda: ("SDIFFSTORE", t, t2, self.key("t"))),
        )

    def ordered_commands(self):
        rng, a, b, z = self.rng, self.key("l"), self.key("l"), self.key("z")
        ends, small = ("LEFT", "RIGHT"), b"%d" % rng.randrange(5)
        member = b"m%d" % rng.randrange(200)
        return (
            (4, lambda: ("RPUSH", a, self.value()[:200], small)),
            (3, lambda: ("LPUSH", a, small, self.value()[:200])),
            (4, lambda: ("LPOP", a)),
            (3, lambda: ("RPOP", a)),
            (2, lambda: ("LMOVE", a, b, rng.choice(ends), rng.choice(ends))),
            (1, lambda: ("LMPOP", 2, a, b, rng.choice(ends), "COUNT", rng.randrange(1, 4))),
            (1, lambda: ("SORT", self.key("t"), "ALPHA", "STORE", a)),
            (1, lambda: ("LTRIM", a, rng.randrange(3), -1)),
            (1, lambda: ("LREM", a, 2, small)),
            (2, lambda: ("LINSERT", a, rng.choice(("BEFORE", "AFTER")), small, b"between")),
            (2, lambda: ("LSET", a, rng.randrange(4), small)),
            (6, lambda: ("ZADD", z, rng.randrange(100), member, rng.randrange(100), small)),
            (3, lambda: ("ZINCRBY", z, rng.randrange(-9, 9), member)),
            (3, lambda: ("ZREM", z, member, small)),
            (2, lambda: ("ZPOPMIN", z)),
            (1, lambda: ("ZREMRANGEBYRANK", z, 0, 1)),
            (1, lambda: ("ZRANGESTORE", z, self.key("z"), rng.randrange(3), rng.randrange(3, 9))),
            (1, lambda: ("GEOSEARCHSTORE", z, self.key("z"), "FROMLONLAT", 0, 0,
                         "BYRADIUS", 40_000, "km")),
            (1, lambda: ("ZUNIONSTORE", z, 2, self.key("z"), self.key("z"))),
        )

    def payload(self, kind):
        rng = self.rng
        names = [b"r%d" % rng.randrange(99) for _ in range(rng.randrange(1, 12))]
        return Payload({
            "s": names[0], "n": b"%d" % rng.randrange(-99, 99), "l": names, "t": set(names),
            "h": {name: b"v%d" % rng.randrange(9) for name in names},
            "z": Scores((name, rng.randrange(-9, 99)) for name in names)}[kind])

    def key_commands(self):
        rng = self.rng
        kind = rng.choice(KINDS)
        key, other = self.key(kind), self.key(kind)
        return (
            (2, lambda: ("DEL", key, self.key(rng.choice(KINDS)))),
            (2, lambda: ("EXPIRE", key, rng.randrange(50_000, 90_000))),
            (1, lambda: ("PERSIST", key)),
            (1, lambda: ("PEXPIREAT", key, 1_000_000_000_000)),
            (1, lambda: ("DUMP", key)),
            (2, lambda: ("RESTORE", key, rng.choice((0, 80_000_000)), self.payload(kind),
                         "REPLACE")),
            (1, lambda: ("RESTORE", key, 0, self.payload(kind))),
            (1, lambda: ("RENAME", key, other) if key != other else ("PERSIST", key)),
            (1, lambda: ("COPY", key, other, "REPLACE") if key != other else ("PERSIST", key)),
        )

    def random_command(self):
        choices = self.rng.choices((self.string_commands, self.collection_commands,
                                    self.ordered_commands, self.key_commands), (5, 4, 6, 2))[0]()
        return self.rng.choices(choices, [weight for weight, _ in choices])[0][1]()

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
        expected, found = Model(), read_database(db)
        for writer in self.writers:
            expected.values.update(writer.model.values)
            expected.deadlines.update(writer.model.deadlines)
        expected.values["shared"] = b"%d" % self.shared_low
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
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
