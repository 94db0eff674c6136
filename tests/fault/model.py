# SPDX-License-Identifier: BSD-3-Clause
"""What a Redis does with the commands of the kill -9 suite: the state by key, and the replies.

A key's type shows in its name: s and n are strings, h hashes, l lists, t sets, z sorted sets. The
state of a key is a Python value of its own: bytes, dict, list, set, Scores.
"""
import copy
import struct
import time

from harness import PATIENCE, ReplyError

KINDS = "snhltz"
JONES = 0x95ac9329ac4bc9b5  # Jones's polynomial, reflected
TOLERANCE_MS = 30_000  # between a deadline set relative to the server's clock and our idea of it


def now_ms():
    return int(time.time() * 1000)


class Scores(dict):
    """member -> integer score"""

    def ordered(self):
        return sorted(self, key=lambda member: (self[member], member))


def crc64(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (JONES if crc & 1 else 0)
    return crc


def length_prefixed(text):
    return struct.pack(">BI", 0x80, len(text)) + text


class Payload(bytes):
    """What RESTORE takes, in the plain encodings of RDB version 10, and the value that it holds."""

    def __new__(cls, value):
        kinds = {bytes: 0, list: 1, set: 2, dict: 4, Scores: 5}
        if isinstance(value, bytes):
            body = length_prefixed(value)
        else:
            body = struct.pack(">BI", 0x80, len(value))
            for part in value:
                body += length_prefixed(part)
                if isinstance(value, Scores):
                    body += struct.pack("<d", value[part])
                elif isinstance(value, dict):
                    body += length_prefixed(value[part])
        body = bytes([kinds[type(value)]]) + body + struct.pack("<H", 10)
        made = super().__new__(cls, body + struct.pack("<Q", crc64(body)))
        made.value = value
        return made

    def __deepcopy__(self, memo):
        return self


class AnyBytes:
    """A reply that the model knows only to be there."""

    def __eq__(self, other):
        return isinstance(other, bytes)


def pairs_of(flat):
    return zip(flat[::2], flat[1::2])


class Model:
    def __init__(self):
        self.values = {}
        self.deadlines = {}  # key -> wall ms, about

    def run(self, command):
        return getattr(self, "do_" + command[0].lower())(*command[1:])

    def drop(self, key):
        self.deadlines.pop(key, None)
        return self.values.pop(key, None) is not None

    def put(self, key, value):
        """*STORE: a new value without deadline, or none."""
        self.drop(key)
        if value:
            self.values[key] = value

    def of(self, key, kind):
        """The aggregate under the key, made if it is absent."""
        return self.values.setdefault(key, kind())

    def seen(self, key, kind):
        """The same to look at, or to take away from."""
        return self.values.get(key, kind())

    def drop_empty(self, key):
        if key in self.values and not self.values[key]:
            self.drop(key)

    # --- Strings ---

    def do_set(self, key, value, *options):
        if options[:1] == ("NX",) and key in self.values:
            return None
        keep = options[:1] == ("KEEPTTL",)
        deadline = self.deadlines.get(key) if keep else None
        self.drop(key)
        self.values[key] = value
        if options[:1] == ("EX",):
            deadline = now_ms() + options[1] * 1000
        if deadline:
            self.deadlines[key] = deadline
        return "OK"

    def do_get(self, key):
        return self.values.get(key)

    def do_getdel(self, key):
        value = self.values.get(key)
        self.drop(key)
        return value

    def do_incrby(self, key, n):
        value = int(self.values.get(key, b"0")) + n
        self.values[key] = b"%d" % value
        return value

    def do_append(self, key, tail):
        self.values[key] = self.values.get(key, b"") + tail
        return len(self.values[key])

    def do_setbit(self, key, offset, bit):
        value = bytearray(self.values.get(key, b""))
        value.extend(bytes(max(0, offset // 8 + 1 - len(value))))
        mask = 128 >> offset % 8
        old = int(value[offset // 8] & mask != 0)
        value[offset // 8] = value[offset // 8] & ~mask | (mask if bit else 0)
        self.values[key] = bytes(value)
        return old

    def do_setrange(self, key, offset, part):
        value = self.values.get(key, b"").ljust(offset, b"\0")
        self.values[key] = value[:offset] + part + value[offset + len(part):]
        return len(self.values[key])

    def do_getex(self, key, *options):
        if key in self.values:
            if options == ("PERSIST",):
                self.deadlines.pop(key, None)
            else:
                self.deadlines[key] = now_ms() + options[1] * 1000
        return self.values.get(key)

    def do_bitfield(self, key, *operations):
        """SET and INCRBY of whole bytes, which wrap."""
        replies = []
        for what, _, at, n in zip(*[iter(operations)] * 4):
            at = int(at[1:])
            value = bytearray(self.values.get(key, b"").ljust(at + 1, b"\0"))
            old, value[at] = value[at], (n if what == "SET" else value[at] + n) & 0xff
            replies.append(old if what == "SET" else value[at])
            self.values[key] = bytes(value)
        return replies

    # --- Hashes ---

    def do_hset(self, key, *pairs):
        fields = self.of(key, dict)
        new = len(set(pairs[::2]) - set(fields))
        fields.update(pairs_of(pairs))
        return new

    def do_hincrby(self, key, field, n):
        fields = self.of(key, dict)
        value = int(fields.get(field, b"0")) + n
        fields[field] = b"%d" % value
        return value

    def do_hincrbyfloat(self, key, field, n):
        """Halves are exact."""
        fields = self.of(key, dict)
        fields[field] = b"%g" % (float(fields.get(field, b"0")) + n)
        return fields[field]

    def do_hdel(self, key, *names):
        fields = self.seen(key, dict)
        gone = sum(fields.pop(name, None) is not None for name in names)
        self.drop_empty(key)
        return gone

    # --- Lists ---

    def do_rpush(self, key, *values):
        self.of(key, list).extend(values)
        return len(self.values[key])

    def do_lpush(self, key, *values):
        self.of(key, list)[:0] = values[::-1]
        return len(self.values[key])

    def pop(self, key, at):
        values = self.seen(key, list)
        if not values:
            return None
        value = values.pop(at)
        self.drop_empty(key)
        return value

    def do_lpop(self, key):
        return self.pop(key, 0)

    def do_rpop(self, key):
        return self.pop(key, -1)

    def do_lmove(self, source, target, whence, where):
        deadline = self.deadlines.get(target) if source == target else None
        value = self.pop(source, 0 if whence == "LEFT" else -1)
        if value is not None:
            self.of(target, list).insert(0 if where == "LEFT" else len(self.values[target]), value)
        if deadline:  # a list that is moved to itself never goes, though it had one element
            self.deadlines[target] = deadline
        return value

    def do_ltrim(self, key, first, last):
        if key in self.values:
            values = self.values[key]
            values[:] = values[first:] if last == -1 else values[first:last + 1]
            self.drop_empty(key)
        return "OK"

    def do_lrem(self, key, count, value):
        values = self.seen(key, list)
        removed = 0
        while value in values and removed < count:
            values.remove(value)
            removed += 1
        self.drop_empty(key)
        return removed

    def do_lmpop(self, count, *rest):
        keys, (end, _, n) = rest[:count], rest[count:]
        for key in keys:
            if self.seen(key, list):
                at = 0 if end == "LEFT" else -1
                n = min(n, len(self.values[key]))
                return [key.encode(), [self.pop(key, at) for _ in range(n)]]
        return None

    def do_linsert(self, key, where, pivot, value):
        values = self.seen(key, list)
        if not values:
            return 0
        if pivot not in values:
            return -1
        values.insert(values.index(pivot) + (where == "AFTER"), value)
        return len(values)

    def do_lset(self, key, index, value):
        values = self.seen(key, list)
        if not values:
            return ReplyError("ERR no such key")
        if index >= len(values):
            return ReplyError("ERR index out of range")
        values[index] = value
        return "OK"

    # --- Sets ---

    def do_sadd(self, key, *members):
        members_now = self.of(key, set)
        before = len(members_now)
        members_now.update(members)
        return len(members_now) - before

    def do_srem(self, key, *members):
        members_now = self.seen(key, set)
        before = len(members_now)
        members_now.difference_update(members)
        removed = before - len(members_now)
        self.drop_empty(key)
        return removed

    def do_smove(self, source, target, member):
        if member not in self.seen(source, set):
            return 0
        self.do_srem(source, member)
        self.of(target, set).add(member)
        return 1

    def do_sunionstore(self, target, *sources):
        self.put(target, set().union(*(self.seen(key, set) for key in sources)))
        return len(self.seen(target, set))

    def do_sdiffstore(self, target, first, *others):
        self.put(target, self.seen(first, set).difference(*(self.seen(k, set) for k in others)))
        return len(self.seen(target, set))

    # --- Sorted sets ---

    def do_zadd(self, key, *pairs):
        scores = self.of(key, Scores)
        new = len(set(pairs[1::2]) - set(scores))
        for score, member in pairs_of(pairs):
            scores[member] = score
        return new

    def do_zincrby(self, key, by, member):
        scores = self.of(key, Scores)
        scores[member] = scores.get(member, 0) + by
        return b"%d" % scores[member]

    def do_zrem(self, key, *members):
        scores = self.seen(key, Scores)
        gone = sum(scores.pop(member, None) is not None for member in members)
        self.drop_empty(key)
        return gone

    def do_zpopmin(self, key):
        scores = self.seen(key, Scores)
        if not scores:
            return []
        member = scores.ordered()[0]
        reply = [member, b"%d" % scores.pop(member)]
        self.drop_empty(key)
        return reply

    def do_zremrangebyrank(self, key, first, last):
        scores = self.seen(key, Scores)
        gone = scores.ordered()[first:last + 1]
        for member in gone:
            del scores[member]
        self.drop_empty(key)
        return len(gone)

    def do_zrangestore(self, target, source, first, last):
        scores = self.seen(source, Scores)
        self.put(target, Scores((m, scores[m]) for m in scores.ordered()[first:last + 1]))
        return len(self.seen(target, Scores))

    def do_geosearchstore(self, target, source, *_everywhere):
        """A small score is a place near the south pole; one below zero is none."""
        found = Scores((m, score) for m, score in self.seen(source, Scores).items() if score >= 0)
        self.put(target, found)
        return len(found)

    def do_zunionstore(self, target, count, *sources):
        union = Scores()
        for key in sources[:count]:
            for member, score in self.seen(key, Scores).items():
                union[member] = union.get(member, 0) + score
        self.put(target, union)
        return len(union)

    # --- Keys ---

    def do_del(self, *keys):
        return sum(self.drop(key) for key in keys)

    def do_expire(self, key, seconds):
        if key not in self.values:
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
        if old not in self.values:
            return ReplyError("ERR no such key")
        value, deadline = self.values[old], self.deadlines.get(old)
        self.drop(old)
        self.drop(new)
        self.values[new] = value
        if deadline:
            self.deadlines[new] = deadline
        return "OK"

    def do_copy(self, old, new, _replace):
        if old not in self.values:
            return 0
        value, deadline = self.values[old], self.deadlines.get(old)
        self.drop(new)
        self.values[new] = value if isinstance(value, bytes) else type(value)(value)
        if deadline:
            self.deadlines[new] = deadline
        return 1

    def do_dump(self, key):
        return AnyBytes() if key in self.values else None

    def do_restore(self, key, ttl_ms, payload, *options):
        if not options and key in self.values:
            return ReplyError("BUSYKEY Target key name already exists.")
        self.put(key, copy.deepcopy(payload.value))
        if ttl_ms:
            self.deadlines[key] = now_ms() + ttl_ms
        return "OK"

    def do_sort(self, source, _alpha, _store, target):
        self.put(target, sorted(self.values.get(source, ())))
        return len(self.seen(target, list))

    # --- Comparing ---

    def same(self, other):
        if self.values != other.values or self.deadlines.keys() != other.deadlines.keys():
            return False
        return all(abs(at - other.deadlines[key]) < TOLERANCE_MS * PATIENCE
                   for key, at in self.deadlines.items())

    def difference(self, other):
        out = []
        for key in sorted(self.values.keys() | other.values.keys()):
            mine, theirs = self.values.get(key), other.values.get(key)
            if isinstance(mine, dict) and isinstance(theirs, dict):
                out += ["%s %r: expected %.80r, found %.80r" % (key, f, mine.get(f), theirs.get(f))
                        for f in sorted(mine.keys() | theirs.keys())
                        if mine.get(f) != theirs.get(f)]
            elif mine != theirs:
                out.append("%s: expected %.300r, found %.300r" % (key, mine, theirs))
        for key in sorted(self.deadlines.keys() ^ other.deadlines.keys()):
            out.append("deadline of %s: expected %r, found %r"
                       % (key, self.deadlines.get(key), other.deadlines.get(key)))
        return "\n".join(out[:20])


READ = {"s": ("GET",), "n": ("GET",), "h": ("HGETALL",), "l": ("LRANGE", 0, -1),
        "t": ("SMEMBERS",), "z": ("ZRANGE", 0, -1, "WITHSCORES")}


def from_reply(kind, reply):
    """The Python value of what a READ command answered; None: the key is absent."""
    if kind in "sn":
        return reply
    if not reply:
        return None
    if kind == "h":
        return dict(pairs_of(reply))
    if kind == "z":
        return Scores((member, int(score)) for member, score in pairs_of(reply))
    return set(reply) if kind == "t" else list(reply)


def read_state(conn, keys):
    """What the server says about keys, as a Model."""
    found = Model()
    values = conn.pipeline([(READ[key[0]][0], key, *READ[key[0]][1:]) for key in keys])
    ttls = conn.pipeline([("PTTL", key) for key in keys])
    now = now_ms()
    for key, reply, ttl in zip(keys, values, ttls):
        if isinstance(reply, ReplyError):
            raise reply
        value = from_reply(key[0], reply)
        if value is not None:
            found.values[key] = value
        if ttl >= 0:
            found.deadlines[key] = now + ttl
    return found


def raw(value):
    return value if isinstance(value, bytes) else str(value).encode()


def read_database(db):
    """What SQLite alone shows through its views, as a Model. Deadlines come from the view `keys`,
    values from the view of each type."""
    found = Model()
    values = found.values
    for key, value in db.execute("SELECT key, value FROM string"):
        values[key] = raw(value)
    for key, field, value in db.execute("SELECT key, field, value FROM hash"):
        values.setdefault(key, {})[raw(field)] = raw(value)
    for key, value in db.execute("SELECT key, value FROM list ORDER BY key, position"):
        values.setdefault(key, []).append(raw(value))
    for key, member in db.execute('SELECT key, member FROM "set"'):
        values.setdefault(key, set()).add(raw(member))
    for key, member, score in db.execute("SELECT key, member, score FROM zset"):
        values.setdefault(key, Scores())[raw(member)] = int(score)
    for key, deadline in db.execute("SELECT key, expires_at FROM keys WHERE expires_at > 0"):
        found.deadlines[key] = deadline
    return found
