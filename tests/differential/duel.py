# SPDX-License-Identifier: BSD-3-Clause
"""Two servers, the same commands. A duel plays a list of steps against both and compares every
reply; it stops at the first difference.

A step is a tuple:
    ("cmd", connection, args)    neighbours on one connection go out as one pipeline
    ("cut",)                     what stands before it has been answered before the rest is sent
    ("walk", connection, args)   a SCAN to its end; the cursor is written as *
    ("check",)                   the whole keyspace is compared
    ("block", connection, args)  a command that waits, or is answered at once; until ("unblock",)
                                 the commands of the others go out one by one
    ("listen",)                  keyspace events are compared from here on
    ("expire", connection, keys) the keys get a short life, and are awaited to be gone
    ("version", connection, n)   HELLO n
    (a disturbance,)             something happens to Weir alone: see disturb()
"""
import collections
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import compare  # noqa: E402
import events  # noqa: E402
import servers  # noqa: E402
from wire import (NIL, NIL_ARRAY, NULL, PATIENCE, TIMEOUT_S, Connection, Error, Gone,
                  Simple, encode, show, show_command)  # noqa: E402

CONNECTIONS = 4
DATABASES = 3  # that the commands use
DISTURBANCES = ("flush", "evict", "kill", "restart", "lose-journal")
OPTIONS = ["--proto-max-bulk-len", "1mb"]


class Difference(Exception):
    """The first difference of a duel."""

    def __init__(self, at, args, redis, weir, note=""):
        super().__init__(note)
        self.at, self.args, self.redis, self.weir, self.note = at, args, redis, weir, note

    def is_silence(self):
        return self.note.startswith("a connection is lost")

    def kind(self):
        """What makes two differences the same one, more or less."""
        def shape(reply):
            return bytes(reply) if isinstance(reply, Error) else type(reply).__name__
        if self.is_silence():
            return (self.note,)
        name = self.args[0].upper() if self.args else b""
        return name, self.note.split(":")[0], shape(self.redis), shape(self.weir)

    def __str__(self):
        lines = ["command: %s" % show_command(self.args)] if self.args else []
        if self.note:
            lines.append(self.note)
        lines += ["redis:   %s" % clipped(show(self.redis)),
                  "weir:    %s" % clipped(show(self.weir))]
        return "\n".join(lines)


def clipped(text, most=1500):
    return text if len(text) <= most else text[:most] + "... (%d characters)" % len(text)


class Pair:
    """One client of each server, and what is known about its state."""

    def __init__(self, duel):
        self.redis = Connection(duel.redis.path("socket"))
        self.weir = Connection(duel.weir.path("socket"), duel.timeout)
        self.ids = [b"%d" % i for i in self.call(b"CLIENT", b"ID")]
        self.queue = None  # of MULTI
        self.before = None  # the last command and its replies
        self.watched = {}  # (database, key): what Redis held when WATCH came
        self.waits = None  # the command that blocks

    def close(self):
        self.redis.close()
        self.weir.close()

    def send(self, encoded):
        self.redis.send(encoded)
        self.weir.send(encoded)

    def read(self):
        return self.redis.read(), self.weir.read()

    def call(self, *args):
        self.send(encode(args))
        return self.read()

    def note_watched(self, keys):
        """What a watched key is like, from Redis alone; see Duel.unnoticed()."""
        info = self.redis.call(b"CLIENT", b"INFO")
        db = info.split(b" db=")[1].split()[0]
        for key in keys:
            self.watched.setdefault((db, key), likeness(self.redis, key))


def told(list_of_events):
    return [b" ".join(event) for event in list_of_events]


def kind_of_reply(reply):
    if isinstance(reply, Error):
        return "wrong type" if reply.startswith(b"WRONGTYPE") else "other error"
    if reply in (NIL, NIL_ARRAY, NULL) or reply == 0 or reply == [] or reply == b"":
        return "nothing found"
    return "queued" if reply == b"QUEUED" else "something"


def readable(connection):
    return bool(connection.data) or bool(select.select([connection.socket], [], [], 0)[0])


def likeness(redis, key):
    dump = redis.call(b"DUMP", key)
    return dump if isinstance(dump, bytes) else None, redis.call(b"PEXPIRETIME", key)


class Duel:
    def __init__(self, weir, redis, peer_is_redis=False):
        self.weir = self.redis = None
        self.timeout = TIMEOUT_S
        self.pairs = {}
        self.blocked = []  # (step, pair), who has waited longest first
        self.judge = compare.Judge()
        self.commands = 0
        self.drawn = collections.Counter()  # commands by name, steps by kind
        self.kinds = collections.Counter()  # of replies
        self.listeners = None
        self.plant = None  # (args, reply) -> reply: spoils Weir's, for planted.py
        try:
            self.redis = servers.RedisServer(redis, OPTIONS)
            self.weir = servers.RedisServer(redis, OPTIONS) if peer_is_redis \
                else servers.WeirServer(weir, OPTIONS)
            self.peer_is_redis = peer_is_redis
        except BaseException:
            self.close()
            raise

    def close(self):
        self.disconnect()
        for server in (self.redis, self.weir):
            if server is not None:
                server.close()

    def disconnect(self):
        for pair in self.pairs.values():
            pair.close()
        self.pairs, self.blocked = {}, []
        if self.listeners is not None:
            self.listeners.close()
            self.listeners = None

    def pair(self, number):
        if number not in self.pairs:
            self.pairs[number] = Pair(self)
        return self.pairs[number]

    def fresh(self, settings):
        """Both empty and set alike, no connection open."""
        try:
            self.empty(settings)
        except (Gone, OSError):
            self.weir.restart(kill=True)
            self.empty(settings)

    def empty(self, settings):
        self.disconnect()
        pair = self.pair("control")
        for args in [(b"FLUSHALL",)] + [(b"CONFIG", b"SET", *s) for s in settings]:
            for reply in pair.call(*args):
                if reply != b"OK":
                    raise RuntimeError("%s: %s" % (show_command(args), show(reply)))
        self.judge.reloaded = False

    def listen(self):
        """From the next pipeline on keyspace events are compared; until disconnect()."""
        pair = self.pair("control")
        pair.call(b"CONFIG", b"SET", b"notify-keyspace-events", events.ALL)
        self.listeners = events.Listeners(self.redis.path("socket"), self.weir.path("socket"))

    def compare_events(self, batch):
        """After a pipeline; what was asked there is told when the events differ."""
        redis, weir = self.listeners.collect()
        if redis == weir or self.judge.same_events(redis, weir):
            return
        at, args = batch[-1][0], batch[-1][1][2]
        raise Difference(at, args, told(redis), told(weir),
                         "events of a pipeline of %d" % len(batch))

    # --- Playing steps ---

    def play(self, steps):
        batch = []
        for at, step in enumerate(steps):
            if step[0] == "cmd":
                if batch and batch[0][1][1] != step[1]:
                    self.play_batch(batch)
                    batch = []
                batch.append((at, step))
                if self.blocked or step[2][0].upper() in compare.FOLLOWED:
                    self.play_batch(batch)
                    batch = []
                continue
            self.play_batch(batch)
            batch = []
            if step[0] != "cut":
                self.play_special(at, step)
        self.play_batch(batch)

    def play_special(self, at, step):
        self.drawn[step[0]] += 1
        try:
            if step[0] == "block":
                self.block(at, self.pair(step[1]), step[2])
            elif step[0] == "unblock" or self.blocked:
                self.unblock_all()
            if step[0] in ("block", "unblock"):
                pass
            elif step[0] == "walk":
                self.walk(at, self.pair(step[1]), step[2])
            elif step[0] == "check":
                self.check(at)
            elif step[0] == "version":
                self.pair(step[1]).call(b"HELLO", b"%d" % step[2])
            elif step[0] == "expire":
                self.expire(at, self.pair(step[1]), step[2])
            elif step[0] == "listen":
                self.listen()
            else:
                self.disturb(step[0])
            if self.listeners is not None:
                self.listeners.collect()
        except (Gone, OSError, RuntimeError) as e:
            raise self.lost(at, [], e) from e

    def lost(self, at, args, error):
        note = "a connection is lost: %s" % error
        if not self.weir.alive():
            note = "the server died with %d: %s\n%s" % (self.weir.process.wait(), error,
                                                        self.weir.log_tail())
        return Difference(at, args, NIL, NIL, note)

    def play_batch(self, batch):
        if not batch:
            return
        pair = self.pair(batch[0][1][1])
        at, args = batch[0][0], batch[0][1][2]
        try:
            if pair.waits:
                self.unblock_all()
            pair.send(b"".join(encode(step[2]) for _, step in batch))
            for at, step in batch:
                args = step[2]
                r, w = pair.read()
                self.commands += 1
                if self.plant is not None:
                    w = self.plant(args, w)
                self.judge_reply(at, pair, args, r, w)
            if self.blocked:
                self.settle()
            if self.listeners is not None:
                self.compare_events(batch)
        except Gone as e:
            raise self.lost(at, args, e) from e

    # --- Commands that wait ---

    def waiting(self):
        """How many clients are blocked in each server."""
        replies = self.pair("control").call(b"INFO", b"clients")
        return [int(bytes(r).split(b"blocked_clients:")[1].split()[0]) for r in replies]

    def block(self, at, pair, args):
        if pair.waits:
            self.unblock_all()
        pair.send(encode(args))
        self.commands += 1
        pair.waits = args
        self.blocked.append((at, pair))
        deadline = time.monotonic() + 5 * PATIENCE
        while len(self.blocked) != self.waiting()[0] and not readable(pair.redis):
            if time.monotonic() > deadline:
                raise Difference(at, args, NIL, NIL, "Redis neither waits nor answers")
        self.settle()

    def settle(self):
        """Who was served in Redis must be served in Weir, with the same; nobody else."""
        deadline = time.monotonic() + 5 * PATIENCE
        while True:
            waiting = self.waiting()
            served = [(at, pair) for at, pair in self.blocked if readable(pair.redis)]
            if waiting[0] == len(self.blocked) - len(served) and waiting[0] == waiting[1]:
                break
            if time.monotonic() > deadline:
                at, pair = self.blocked[0]
                raise Difference(at, pair.waits, NIL, NIL,
                                 "clients that wait: %d in Redis, %d in Weir" % tuple(waiting))
        self.blocked = [b for b in self.blocked if b not in served]
        for at, pair in served:
            args, pair.waits = pair.waits, None
            self.judge_reply(at, pair, args, *pair.read())

    def unblock_all(self):
        control = self.pair("control")
        for i, (_, pair) in enumerate(list(self.blocked)):
            how = (b"TIMEOUT", b"ERROR")[i % 2]
            control.redis.send(encode((b"CLIENT", b"UNBLOCK", pair.ids[0], how)))
            control.weir.send(encode((b"CLIENT", b"UNBLOCK", pair.ids[1], how)))
            replies = control.read()
            if replies[0] != replies[1]:
                raise Difference(-1, [b"CLIENT", b"UNBLOCK"], *replies)
            self.settle()

    def judge_reply(self, at, pair, args, r, w):
        name = args[0].upper()
        if name == b"EXEC" and self.unnoticed(pair, r, w):
            pass
        elif name == b"EXEC" and pair.queue is not None and type(r) is list:
            wrong = self.judge.same_transaction(pair.queue, r, w)
            if wrong >= 0:
                raise Difference(at, pair.queue[wrong], r[wrong], w[wrong], "within EXEC")
            if wrong != -1:
                raise Difference(at, args, r, w)
        elif name == b"SCAN" and pair.queue is None and isinstance(w, list) and w[0] != b"0":
            w = self.scanned_on(pair.weir, args, w)
            if not self.judge.same(args, r, w):
                raise Difference(at, args, r, w)
        elif not self.judge.same(args, r, w, pair.before):
            raise Difference(at, args, r, w, self.counted_again(pair, name))
        self.drawn[name] += 1
        self.kinds[kind_of_reply(r)] += 1
        self.follow(pair, name, args, r, w)
        pair.before = (args, r, w)

    def counted_again(self, pair, name):
        """By other clients: on this one answers may be under way."""
        if name != b"DBSIZE":
            return ""
        counts, keys = [], []
        for number, server in enumerate((self.redis, self.weir)):
            other = Connection(server.path("socket"))
            try:
                info = other.call(b"CLIENT", b"LIST", b"ID", pair.ids[number])
                other.call(b"SELECT", info.split(b" db=")[1].split()[0])
                counts.append(other.call(b"DBSIZE"))
                keys.append(set(other.call(b"KEYS", b"*")))
            finally:
                other.close()
        return "counted again: %s, only in Redis %s, only in Weir %s" % (
            counts, sorted(keys[0] - keys[1]), sorted(keys[1] - keys[0]))

    def unnoticed(self, pair, r, w):
        """A watched key has changed and Redis runs the EXEC all the same: the values tell. What a
        watching client has queued does not write, see rounds.py."""
        nothing = (NIL_ARRAY, NULL)
        if r in nothing or w not in nothing or isinstance(r, Error):
            return False
        redis, changed = Connection(self.redis.path("socket")), False
        try:
            for (db, key), was in pair.watched.items():
                redis.call(b"SELECT", db)
                changed = changed or likeness(redis, key) != was
        finally:
            redis.close()
        if not changed:
            return False
        reason = "Redis has not noticed that a watched key changed"
        self.judge.excused[reason] = self.judge.excused.get(reason, 0) + 1
        return True

    @staticmethod
    def scanned_on(connection, args, reply):
        """A step of SCAN may find less than it was asked for: the rest of the walk."""
        items, cursor = list(reply[1]), reply[0]
        for _ in range(1000):
            reply = connection.call(args[0], cursor, *args[2:])
            if isinstance(reply, Error):
                return reply
            items, cursor = items + reply[1], reply[0]
            if cursor == b"0":
                break
        return [cursor, items]

    def follow(self, pair, name, args, r, w):
        """Keeps up with the state of a connection, and makes the servers equal again."""
        if isinstance(r, Simple) and r == b"QUEUED":
            if pair.queue is not None:
                pair.queue.append(args)
        elif name == b"MULTI" and not isinstance(r, Error):
            pair.queue = []
        elif name == b"WATCH" and r == b"OK":
            pair.note_watched(args[1:])
        elif name == b"UNWATCH" and r == b"OK":
            pair.watched = {}
        elif name in (b"EXEC", b"DISCARD") and not (
                isinstance(r, Error) and re.match(b"ERR (wrong number|.* without MULTI)", r)):
            pair.queue, pair.watched = None, {}
        elif name == b"SPOP" and not isinstance(r, Error) and r not in (NIL, NULL, NIL_ARRAY):
            members = list(r) + list(w) if isinstance(r, list) else [r, w]
            if members:
                removed = pair.call(b"SREM", args[1], *members)
                if removed[0] != removed[1]:
                    raise Difference(-1, args, *removed, "SPOP: it removed what it did not name")

    def walk(self, at, pair, args):
        """Every element that is there is met; one may be met twice."""
        results, place = [], 1 if args[0] == b"SCAN" else 2
        for connection in (pair.redis, pair.weir):
            cursor, found, calls = b"0", set(), 0
            while True:
                reply = connection.call(*args[:place], cursor, *args[place + 1:])
                calls += 1
                if not isinstance(reply, list):
                    found = reply
                    break
                items = reply[1]
                if args[0].upper() in (b"HSCAN", b"ZSCAN"):
                    items = [(k, float(v) if args[0].upper() == b"ZSCAN" else v)
                             for k, v in zip(items[::2], items[1::2])]
                found |= set(items)
                cursor = reply[0]
                if cursor == b"0":
                    break
                if calls > 100_000:
                    raise Difference(at, args, NIL, cursor, "a walk has no end")
            results.append(found)
        self.commands += 1
        if results[0] != results[1]:
            raise Difference(at, args, *[listing(found) for found in results], "a walk to its end")

    def expire(self, at, pair, keys):
        for key in keys:
            replies = pair.call(b"PEXPIRE", key, b"20")
            if replies[0] != replies[1]:
                raise Difference(at, [b"PEXPIRE", key, b"20"], *replies)
        self.commands += len(keys)
        deadline = time.monotonic() + 10 * PATIENCE
        while True:
            replies = pair.call(b"EXISTS", *keys)
            sizes = pair.call(b"DBSIZE")
            if replies[0] == 0 and replies[1] == 0 and sizes[0] == sizes[1]:
                return
            if time.monotonic() > deadline:
                raise Difference(at, [b"EXISTS", *keys], *replies,
                                 "a key does not expire: DBSIZE %s and %s" % sizes)
            time.sleep(0.002)

    # --- What happens to Weir alone ---

    def control(self):
        connection = Connection(self.weir.path("socket"))

        def call(*args):
            reply = connection.call(*args)
            if isinstance(reply, Error):
                raise RuntimeError("%s: %s" % (show_command(args), show(reply)))
            return reply
        return connection, call

    def disturb(self, how):
        if self.peer_is_redis:
            if how in ("kill", "restart", "lose-journal"):
                self.disconnect()
            return
        if how != "flush":
            self.judge.reloaded = True
        connection, call = self.control()
        try:
            if how in ("flush", "evict", "lose-journal"):
                call(b"WEIR", b"FLUSH")
            if how == "evict":
                self.evict(call)
        finally:
            connection.close()
        if how in ("kill", "restart", "lose-journal"):
            self.disconnect()
            if how == "restart":
                self.end_in_order()
            self.weir.stop(signal.SIGKILL)
            if how == "lose-journal":
                shutil.rmtree(self.weir.path("journal"))
                self.adopt_store()
            self.weir.start()

    def adopt_store(self):
        """What an operator does with a store whose journal is gone."""
        weirctl = os.path.abspath(self.weir.program) + "ctl"
        done = subprocess.run([weirctl, "store", "adopt", "as-is", "--yes",
                               *self.weir.command()[1:]], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stdout)

    def end_in_order(self):
        """SIGTERM; a sanitizer that has found something says so in the exit status."""
        self.weir.stop(signal.SIGTERM)
        status = self.weir.process.returncode
        if status != 0:
            raise Difference(-1, [], NIL, NIL, "the server ended with status %d:\n%s" % (
                status, self.weir.log_tail()))

    def evict(self, call):
        """All is clean after the flush; with no memory allowed it leaves, if it can be evicted."""
        def resident():
            text = call(b"INFO", b"stats")
            return int(text.split(b"evicted_keys:")[1].split()[0])
        call(b"CONFIG", b"SET", b"maxmemory", b"1")
        last, since = resident(), time.monotonic()
        while time.monotonic() - since < 0.25 * PATIENCE:
            time.sleep(0.02)
            now = resident()
            if now != last:
                last, since = now, time.monotonic()
        call(b"CONFIG", b"SET", b"maxmemory", b"0")
        self.await_room(call)

    def await_room(self, call):
        """Writes go on once the flusher has looked at the memory again."""
        deadline = time.monotonic() + 10 * PATIENCE
        while True:
            call(b"WEIR", b"FLUSH")
            try:
                call(b"SELECT", b"15")
                call(b"SET", b"room", b"1")
                call(b"DEL", b"room")
                return
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    # --- The whole keyspace ---

    def reading_commands(self, names):
        """Those that Redis says do not write."""
        connection = Connection(self.redis.path("socket"))
        infos = connection.call(b"COMMAND", b"INFO", *names)
        connection.close()
        return {name for name, info in zip(names, infos)
                if isinstance(info, list) and b"readonly" in info[2]}

    def check(self, at):
        pair = Pair(self)
        try:
            for db in range(DATABASES):
                self.check_database(at, pair, b"%d" % db)
        finally:
            pair.close()

    def check_database(self, at, pair, db):
        pair.call(b"SELECT", db)
        names = [sorted(reply) for reply in pair.call(b"KEYS", b"*")]
        if names[0] != names[1]:
            raise Difference(at, [b"KEYS", b"*"], *[listing(n) for n in names],
                             "keyspace: the keys of database %s" % db.decode())
        ask = [[b"DBSIZE"]]
        for name in names[0]:
            ask += [[b"TYPE", name], [b"PTTL", name], [b"OBJECT", b"ENCODING", name]]
        replies = self.ask(at, pair, ask)
        types = [r for args, r in zip(ask, replies) if args[0] == b"TYPE"]
        everything = {b"string": (b"GET",), b"hash": (b"HGETALL",), b"set": (b"SMEMBERS",),
                      b"list": (b"LRANGE", b"0", b"-1"),
                      b"zset": (b"ZRANGE", b"0", b"-1", b"WITHSCORES")}
        self.ask(at, pair, [[everything[t][0], name, *everything[t][1:]]
                            for name, t in zip(names[0], types) if t in everything])

    def ask(self, at, pair, commands):
        pair.send(b"".join(map(encode, commands)))
        out = []
        for args in commands:
            r, w = pair.read()
            if not self.judge.same(args, r, w):
                raise Difference(at, args, r, w, "keyspace")
            out.append(r)
        return out


def listing(found):
    return found if isinstance(found, Error) else [
        k if isinstance(k, bytes) else repr(k).encode() for k in sorted(found)]
