#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""DUMP and RESTORE between redis-server and Weir: payloads of every type, small and large, go both
ways and are compared by value; and what redis-server answers to damaged ones, Weir answers."""
import os
import random
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))
from harness import (  # pylint: disable=wrong-import-position
    ReplyError, Seed, Server, encode, run_checks)


class Redis(Server):
    is_weir = False

    def command(self):
        command = ["redis-server", "--port", str(self.port), "--dir", self.dir, "--save", ""]
        for name, value in self.directives.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        return command


WEIR = Server()
REDIS = Redis()
# Aggregates in their large encodings, whatever their size; lists with compressed nodes inside.
LARGE = Redis(hash_max_listpack_entries=0, zset_max_listpack_entries=0, set_max_intset_entries=0,
              list_max_listpack_size=3, list_compress_depth=1)
# Nothing is compressed.
PLAIN = Redis(rdbcompression="no", list_max_listpack_size=-1)
SEED = Seed()


def value_of(conn, key):
    """What a key holds, in a form that compares."""
    kind = conn("TYPE", key)
    if kind == "string":
        return kind, conn("GET", key)
    if kind == "list":
        return kind, conn("LRANGE", key, 0, -1)
    if kind == "set":
        return kind, sorted(conn("SMEMBERS", key))
    if kind == "zset":
        flat = conn("ZRANGE", key, 0, -1, "WITHSCORES")
        # As numbers: 7.2 prints them shorter. Adding 0 makes -0, which Weir does not keep, to 0.
        return kind, list(zip(flat[::2], (float(score) + 0.0 for score in flat[1::2])))
    if kind == "hash":
        flat = conn("HGETALL", key)
        return kind, dict(zip(flat[::2], flat[1::2]))
    return kind, None


INTEGERS = ["0", "12", "13", "-1", "127", "128", "-128", "-129", "255", "4095", "4096", "-4096",
            "-4097", "32767", "-32768", "32768", "8388607", "-8388608", "8388608", "2147483647",
            "-2147483648", "2147483648", "9223372036854775807", "-9223372036854775808"]
NO_INTEGERS = ["", "007", "+1", "-0", " 1", "9223372036854775808", "1.5", "x", "\0\r\n\xff"]
TEXTS = ["a" * 63, "b" * 64, "c" * 4095, "d" * 4096, "ef" * 8192, "\0" * 70000]
SCORES = ["0", "1", "-1", "1.5", "0.1", "-2.5e-300", "1e300", "inf", "-inf", "17179869184.5",
          "3.0000000000000004", "9007199254740993", "5e-324"]


def strings_of(rng, count):
    """Of every kind that encodings distinguish, no two the same."""
    known = INTEGERS + NO_INTEGERS + TEXTS
    rest = ["%s:%d" % (rng.choice(["m", "member", "x" * rng.randrange(1, 90)]), i)
            for i in range(max(0, count - len(known)))]
    return rng.sample(known + rest, count)


def fill(conn, rng):
    """Keys of every type and size; returns their names."""
    conn("FLUSHALL")
    for i, text in enumerate(INTEGERS + NO_INTEGERS + TEXTS):
        conn("SET", "string:%d" % i, text)
    noise = bytes(rng.randrange(256) for _ in range(40000))
    conn("SET", "string:noise", noise)
    conn("SET", "string:long", noise * 40)
    conn("SETBIT", "string:bits", 100000, 1)
    for count in (1, 3, 30, 500, 20000):
        words = strings_of(rng, count)
        conn("RPUSH", "list:%d" % count, *words)
        conn("SADD", "set:%d" % count, *words)
        conn("HSET", "hash:%d" % count, *[w for pair in zip(words, words[::-1]) for w in pair])
        scores = [rng.choice(SCORES + [str(rng.uniform(-1e6, 1e6))]) for _ in words]
        conn("ZADD", "zset:%d" % count, *[w for pair in zip(scores, words) for w in pair])
        short = [w for w in words if len(w) <= 64][:100] or ["s"]
        conn("HSET", "hash:short:%d" % count, *[w for pair in zip(short, short) for w in pair])
        conn("ZADD", "zset:short:%d" % count, *[w for pair in zip(scores, short) for w in pair])
        conn("SADD", "set:int16:%d" % count, *range(-count, count))
        conn("SADD", "set:int32:%d" % count, *range(70000, 70000 + count))
        conn("SADD", "set:int64:%d" % count, *range(1 << 40, (1 << 40) + count))
        conn("RPUSH", "list:same:%d" % count, *["the same words again and again"] * count)
    conn("RPUSH", "list:big", "x" * 100000, "y" * 100000, "z")
    return sorted(conn("KEYS", "*"))


def carry_over(source, target, rng):
    """Every key of one server restored in the other; their values are the same."""
    a, b = source.connect(), target.connect()
    names = fill(a, rng)
    b("FLUSHALL")
    for key in names:
        assert b("RESTORE", key, 0, a("DUMP", key)) == "OK", key
    assert sorted(b("KEYS", "*")) == names
    for key in names:
        ours, theirs = value_of(b, key), value_of(a, key)
        assert ours == theirs, (key, str(ours)[:300], str(theirs)[:300])
    return a, b, names


def what_redis_dumps_restores_in_weir():
    rng = SEED.rng("redis")
    a, b, names = carry_over(REDIS, WEIR, rng)
    kinds = {a("OBJECT", "ENCODING", key) for key in names}
    assert kinds >= {b"int", b"embstr", b"raw", b"quicklist", b"intset", b"hashtable", b"listpack",
                     b"skiplist"}, kinds
    for key in names:
        if not key.startswith((b"list:", b"set:")):  # which 7.2 has other encodings for
            assert a("OBJECT", "ENCODING", key) == b("OBJECT", "ENCODING", key), key


def what_redis_dumps_in_its_large_encodings_restores_in_weir():
    a, _, names = carry_over(LARGE, WEIR, SEED.rng("large"))
    assert not {a("OBJECT", "ENCODING", key) for key in names} & {b"listpack", b"intset"}


def what_redis_dumps_without_compression_restores_in_weir():
    carry_over(PLAIN, WEIR, SEED.rng("plain"))


def what_weir_dumps_restores_in_redis():
    for redis in (REDIS, LARGE, PLAIN):
        carry_over(WEIR, redis, SEED.rng("weir"))


def what_weir_dumps_restores_in_weir():
    carry_over(WEIR, WEIR2, SEED.rng("ours"))


def a_value_comes_back_after_a_journey_and_a_kill():
    """Redis to Weir, flushed or only journalled, kill -9, and back to Redis."""
    rng = SEED.rng("journey")
    with Server(write_delay_ms=3600000, write_delay_max_ms=3600000) as weir:
        weir.start()
        a, b, names = carry_over(REDIS, weir, rng)
        for flush in (False, True):
            if flush:
                b("WEIR", "FLUSH")
            weir.kill()
            weir.start()
            b = weir.connect()
            assert sorted(b("KEYS", "*")) == names
            for key in names:
                assert value_of(a, key) == value_of(b, key), key
                assert a("RESTORE", key, 0, b("DUMP", key), "REPLACE") == "OK"
                assert value_of(a, key) == value_of(b, key), key


def options_and_errors_are_those_of_redis():
    now = int(time.time() * 1000)
    answers = []
    for server in (REDIS, WEIR):
        c = server.connect()
        c("FLUSHALL")
        c("SET", "there", "v")
        payload = c("DUMP", "there")
        c.pipeline([("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")])
        rows = []
        for tail in ([], ["REPLACE"], ["ABSTTL"], ["REPLACE", "ABSTTL"], ["IDLETIME", 100],
                     ["FREQ", 7], ["IDLETIME", 1, "FREQ", 2], ["FREQ", 1, "IDLETIME", 2],
                     ["IDLETIME"], ["FREQ"], ["IDLETIME", -1], ["FREQ", 256], ["FREQ", -1],
                     ["IDLETIME", "x"], ["FREQ", "x"], ["IDLETIME", 3, "IDLETIME", 4, "replace"],
                     ["idletime", 5, "absttl", "replace"], ["SOMETHING"], ["REPLACE", "NX"]):
            for key in ("there", "new"):
                for ttl in (0, 100000, 1, now + 100000, -1, "x", 9223372036854775807):
                    if ttl == 9223372036854775807 and "ABSTTL" not in tail:
                        continue  # Redis adds it to the time of day, which overflows
                    if ttl == 1 and "ABSTTL" not in tail and "absttl" not in tail:
                        continue  # gone in a millisecond, or not yet
                    c.send(("RESTORE", key, ttl, payload, *tail))
                    rows.append((tail, key, ttl, str(c.read()), c("EXISTS", key),
                                 c("PTTL", key) > 0, c("DEL", "new")))
                    c("SET", "there", "v")
        for damaged in (b"", b"\0" * 9, b"\1" * 10, payload[:-1], payload[1:], payload + b"\0",
                        payload[:-1] + bytes([payload[-1] ^ 1])):
            c.send(("RESTORE", "new", 0, damaged))
            rows.append((len(damaged), str(c.read()), c("EXISTS", "new")))
        answers.append(rows)
    for ours, theirs in zip(*answers):
        assert ours == theirs, (ours, theirs)


def what_is_journalled_is_what_the_key_is_from_then_on():
    """Whatever the request said: an absolute time, and no matter what is there."""
    with Server(write_delay_ms=3600000, write_delay_max_ms=3600000) as weir:
        weir.start()
        c = weir.connect()
        c("SET", "old", "v")
        payload = c("DUMP", "old")
        at = int(time.time() * 1000) + 100000
        forms = (("new", 0), ("relative", 100000), ("absolute", at, "ABSTTL"),
                 ("idle", 0, "IDLETIME", 5), ("old", 0, "REPLACE"),
                 ("verbatim", at, "REPLACE", "ABSTTL"))
        for key, ttl, *options in forms:
            assert c("RESTORE", key, ttl, payload, *options) == "OK"
        times = {key: max(0, int(c("PEXPIRETIME", key))) for key, *_ in forms}
        c("RESTORE", "old", 1, payload, "REPLACE", "ABSTTL")
        assert c("RESTORE", "nothing", 1, payload, "ABSTTL") == "OK"
        weir.kill()
        journal = b""
        for name in sorted(os.listdir(os.path.join(weir.dir, "journal"))):
            path = os.path.join(weir.dir, "journal", name)
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    journal += f.read()
        for key, *_ in forms:
            assert encode("RESTORE", key, times[key], payload, "REPLACE", "ABSTTL") in journal, key
        assert encode("DEL", "old") in journal and b"nothing" not in journal


CRC_TABLE = []


def crc64(data):
    """Bit by bit, from the polynomial: another way than the one under test."""
    if not CRC_TABLE:
        for byte in range(256):
            for _ in range(8):
                byte = byte >> 1 ^ (0x95ac9329ac4bc9b5 if byte & 1 else 0)
            CRC_TABLE.append(byte)
    crc = 0
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc


def sealed(body, version=10):
    data = body + struct.pack("<H", version)
    return data + struct.pack("<Q", crc64(data))


def damaged_payloads_are_refused_when_redis_refuses_them():
    """One byte or length of a real payload is changed and the checksum is right again. Where Redis
    (which looks closely: sanitize-dump-payload) says bad data, so does Weir; where both take it,
    they take it for the same. Weir may refuse more: bytes after the value, scores that are none.

    A count of four bytes or eight is left out: Redis makes a table of that size before it looks on,
    which takes seconds and gigabytes. an_announced_length_costs_no_memory() has them for Weir."""
    rng = SEED.rng("damaged")
    a, b = REDIS.connect(), WEIR.connect()
    a("CONFIG", "SET", "sanitize-dump-payload", "yes")
    names = [k for k in fill(a, rng) if len(a("DUMP", k)) < 3000]
    taken = refused = stricter = 0
    for _ in range(3000):
        body = bytearray(a("DUMP", rng.choice(names))[:-10])
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            body[rng.randrange(1, len(body))] = rng.choice((0, 1, 127, 128, 129, 254, 255,
                                                            rng.randrange(256)))
        if body[1] in (0x80, 0x81):
            continue
        payload = sealed(bytes(body))
        replies = []
        for c in (a, b):
            c.send(("RESTORE", "damaged", 0, payload, "REPLACE"))
            reply = c.read()
            assert not isinstance(reply, ReplyError) or str(reply) == "ERR Bad data format", reply
            replies.append(str(reply))
        if replies[0] != "OK":
            refused += 1
            assert replies[1] != "OK", (bytes(body), value_of(b, "damaged"))
        elif replies[1] != "OK":
            stricter += 1
        else:
            taken += 1
            (kind, theirs), (_, ours) = value_of(a, "damaged"), value_of(b, "damaged")
            if kind == "zset":  # a compact one with its scores in disorder stays so in Redis
                ours, theirs = sorted(ours), sorted(theirs)
            assert ours == theirs, bytes(body)
    assert taken > 100 and refused > 100, (taken, refused)
    assert stricter < 300, stricter


def an_announced_length_costs_no_memory():
    c = WEIR.connect()
    before = int(c.info("memory")["used_memory"])
    huge = b"\x81" + struct.pack(">Q", 1 << 60)
    for kind in range(32):
        for body in (huge, b"\x01" + huge, b"\x01\x02" + huge, b"\xc3\x03" + huge + b"abc",
                     b"\xc3\x05\x80\x20\0\0\0" + b"\xe0\xff\0\xe0\xff", b"\x05" + huge * 5):
            c.send(("RESTORE", "k", 0, sealed(bytes([kind]) + body)))
            assert str(c.read()) == "ERR Bad data format", (kind, body)
    assert int(c.info("memory")["used_memory"]) < before + (8 << 20)


def a_small_payload_of_a_value_beyond_maxmemory_is_refused():
    """LZF can make 88 bytes of one; that is not tried when there is no room for the result."""
    packed = b"\0a" + b"\xe0\xff\0" * 400000
    expanded = 1 + 264 * 400000
    element = b"\xc3\x80" + struct.pack(">I", len(packed)) + b"\x80" + struct.pack(">I", expanded)
    payload = sealed(b"\x01\x01" + element + packed)
    with Server(maxmemory="64mb") as weir:
        weir.start()
        c = weir.connect()
        c.send(("RESTORE", "k", 0, payload))
        assert str(c.read()).startswith("OOM "), "not refused"
        assert c("EXISTS", "k") == 0
        c("CONFIG", "SET", "maxmemory", "1gb")
        assert c("RESTORE", "k", 0, payload) == "OK" and c("LINDEX", "k", 0) == b"a" * expanded


WEIR2 = Server()

if __name__ == "__main__":
    with WEIR, WEIR2, REDIS, LARGE, PLAIN:
        for each in (WEIR, WEIR2, REDIS, LARGE, PLAIN):
            each.start()
        run_checks([what_redis_dumps_restores_in_weir,
                    what_redis_dumps_in_its_large_encodings_restores_in_weir,
                    what_redis_dumps_without_compression_restores_in_weir,
                    what_weir_dumps_restores_in_redis,
                    what_weir_dumps_restores_in_weir,
                    a_value_comes_back_after_a_journey_and_a_kill,
                    options_and_errors_are_those_of_redis,
                    what_is_journalled_is_what_the_key_is_from_then_on,
                    damaged_payloads_are_refused_when_redis_refuses_them,
                    an_announced_length_costs_no_memory,
                    a_small_payload_of_a_value_beyond_maxmemory_is_refused])
