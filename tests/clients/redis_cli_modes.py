#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""redis-cli, unmodified, in every mode that needs neither scripts nor a replication stream, on a
keyspace that holds every type. One-shot commands and the prompt are in redis_cli.py.

PEER=redis runs the suite against redis-server, which shows that the suite asks for nothing else.
"""
import json
import os
import pty
import re
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))
# pylint: disable-next=wrong-import-position
from harness import PATIENCE, Server, encode, run_checks, until

SERVER = Server(enable_debug_command="local")


def cli(*args, stdin=b"", status=0):
    """Output of one redis-cli, which must end with the given status."""
    command = ["redis-cli", "-p", str(SERVER.port), *map(str, args)]
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60 * PATIENCE, check=False)
    assert done.returncode == status, done.stdout[-2000:]
    return done.stdout.decode(errors="replace").rstrip("\n")


class Endless:
    """A redis-cli that goes on until it is ended, on a terminal, where it writes line by line."""

    def __init__(self, *args):
        self.seen = ""
        pid, self.fd = pty.fork()
        if pid == 0:
            os.environ.update(TERM="dumb", HOME="/nonexistent", REDISCLI_HISTFILE="/dev/null")
            os.execvp("redis-cli", ["redis-cli", "-p", str(SERVER.port), *map(str, args)])
        self.pid = pid

    def shows(self, pattern):
        """Reads on until the pattern was shown; returns the match."""
        deadline = time.monotonic() + 20 * PATIENCE
        while True:
            found = re.search(pattern, self.seen, re.S)
            if found:
                return found
            left = max(0, deadline - time.monotonic())
            assert select.select([self.fd], [], [], left)[0], (pattern, self.seen)
            self.seen += os.read(self.fd, 65536).decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        os.kill(self.pid, 9)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def requests_for_every_type():
    """A few small keys and a large one of each type, as one stream of requests."""
    rows = []
    for i in range(3000):
        rows += [("SET", "string:%d" % (i % 1500), "v%d" % i), ("RPUSH", "list:large", i),
                 ("SADD", "set:large", "member:%d" % i), ("ZADD", "zset:large", i / 8, "m%d" % i),
                 ("HSET", "hash:large", "f%d" % i, i)]
    for i in range(100):
        rows += [("LPUSH", "list:%d" % i, "a", "b"), ("SADD", "set:%d" % i, 1, 2, 3),
                 ("ZADD", "zset:%d" % i, "+inf", "m"), ("HSET", "hash:%d" % i, "f", "v"),
                 ("PFADD", "hll:%d" % i, "x", "y"), ("SETBIT", "bits:%d" % i, i, 1),
                 ("GEOADD", "geo:%d" % i, i, i / 2, "place"), ("INCR", "counter"),
                 ("SETEX", "session:%d" % i, 1000, "\0\r\n\xff")]
    return rows


def load():
    cli("FLUSHALL")
    rows = requests_for_every_type()
    out = cli("--pipe", stdin=b"".join(encode(*row) for row in rows))
    assert "errors: 0, replies: %d" % len(rows) in out, out


def a_mass_insertion_holds_every_type():
    load()
    assert cli("DBSIZE") == str(1500 + 4 + 8 * 100 + 1)
    assert cli("LLEN", "list:large") == cli("SCARD", "set:large") == cli("HLEN", "hash:large")
    assert cli("ZSCORE", "zset:large", "m2999") == "374.875" and cli("GET", "counter") == "100"
    assert cli("PFCOUNT", "hll:7") == "2" and cli("GETBIT", "bits:99", 99) == "1"
    assert cli("--pipe", stdin=b"".join(encode("LPUSH", "counter", i) for i in range(3)),
               status=1).count("WRONGTYPE") == 3


def scan_lists_by_pattern_and_type():
    load()
    keys = cli("--scan").split("\n")
    assert len(keys) == len(set(keys)) == int(cli("DBSIZE"))
    assert sorted(cli("--scan", "--pattern", "geo:9?").split()) == ["geo:9%d" % i
                                                                   for i in range(10)]
    # Its --type is newer than Debian's redis-cli; this is what it sends.
    for name, count in (("zset", 201), ("list", 101), ("set", 101), ("hash", 101), ("stream", 0)):
        found = cli("SCAN", 0, "MATCH", "*", "COUNT", 100_000, "TYPE", name).split()
        assert len(found) == 1 + count, found
    assert cli("--scan", "--quoted-pattern", '"counte\\x72"') == "counter"


def the_biggest_key_of_each_type_is_found():
    load()
    out = cli("--bigkeys")
    for text in ("Biggest   list found '\"list:large\"' has 3000 items",
                 "Biggest    set found '\"set:large\"' has 3000 members",
                 "Biggest   zset found '\"zset:large\"' has 3000 members",
                 "Biggest   hash found '\"hash:large\"' has 3000 fields",
                 "101 lists with 3200 items", "201 zsets with 3200 members", "0 streams"):
        assert text in out, out
    for args in (("--memkeys",), ("--memkeys-samples", 0), ("--memkeys-samples", 3)):
        out = cli(*args)
        for name in ("list", "set", "zset", "hash"):
            assert re.search(r"Biggest +%s found '\"%s:large\"' has \d{4,} bytes" % (name, name),
                             out), out


def hot_keys_are_found_under_an_lfu_policy():
    load()
    out = cli("--hotkeys", status=1)
    assert "LFU maxmemory policy" in out, out
    policy = cli("CONFIG", "GET", "maxmemory-policy").split("\n")[1]
    cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    for args in (("GET", "string:7"), ("LRANGE", "list:large", 0, 1), ("HGET", "hash:large", "f1"),
                 ("ZSCORE", "zset:large", "m1"), ("SISMEMBER", "set:large", "x")):
        cli("-r", 3000, *args)
    hottest = cli("--hotkeys").split("-- summary --")[1]
    for key in ("string:7", "list:large", "zset:large", "hash:large", "set:large"):
        assert '"%s"' % key in hottest, hottest
        assert int(cli("OBJECT", "FREQ", key)) > 8
    cli("CONFIG", "SET", "maxmemory-policy", policy)


def every_type_answers_to_object_memory_and_debug():
    load()
    encodings = {"string:1": "embstr", "counter": "int", "list:large": "quicklist",
                 "set:large": "hashtable", "set:1": "intset", "zset:large": "skiplist",
                 "zset:1": "listpack", "hash:large": "hashtable", "hash:1": "listpack",
                 "hll:1": "raw", "bits:1": "raw", "geo:1": "listpack"}
    for key, encoding in encodings.items():
        assert cli("OBJECT", "ENCODING", key) in (encoding, "embstr"), key
        assert cli("OBJECT", "REFCOUNT", key).isdigit() and cli("OBJECT", "IDLETIME", key).isdigit()
        assert 0 < int(cli("MEMORY", "USAGE", key, "SAMPLES", 5)) < 2_000_000, key
        assert int(cli("MEMORY", "USAGE", key)) > 0 and cli("TYPE", key) != "none"
        out = cli("DEBUG", "OBJECT", key)
        assert out.startswith("Value at:0x") or not Server.is_weir, out


def statistics_are_shown_again_and_again():
    load()
    with Endless("--stat", "-i", "0.05") as stat:
        stat.shows(r"keys +mem +clients")
        row = stat.shows(r"\n(\d+) +([\d.]+[BKMG]) +(\d+) +\d+ +(\d+) \(\+\d+\).*\n\d+ .*\n\d+ ")
        assert row[1] == cli("DBSIZE") and int(row[3]) >= 1, stat.seen


def latency_is_measured():
    found = cli("--latency", "--raw", "-i", 1).split()
    assert len(found) == 4 and int(found[3]) > 10, found
    with Endless("--latency-history", "-i", "0.2") as history:
        history.shows(r"min: \d+, max: \d+, avg: [\d.]+ \(\d+ samples\) -- .*\n.*min: \d+")
    with Endless("--latency-dist", "-i", "0.1") as spectrum:
        spectrum.shows(r"\.\x1b\[0m|\x1b\[48;5;\d+m")
    assert "Max latency so far" in cli("--intrinsic-latency", 1)


def commands_repeat_at_an_interval():
    load()
    began = time.monotonic()
    assert cli("-r", 5, "-i", "0.02", "LPOP", "list:large") == "0\n1\n2\n3\n4"
    assert time.monotonic() - began >= 0.08
    assert cli("-r", 3, "-i", "0.01", "INCR", "counter") == "101\n102\n103"


def replies_come_as_csv_and_json():
    cli("FLUSHALL")
    cli("RPUSH", "l", "a", 'b"c', "d\ne")
    cli("ZADD", "z", 1.5, "m", "-inf", "n")
    cli("HSET", "h", "f", "v")
    cli("SADD", "s", "x")
    assert cli("--csv", "LRANGE", "l", 0, -1) == '"a","b\\"c","d\\ne"'
    assert cli("--csv", "MGET", "none", "none") == "NULL,NULL"
    assert json.loads(cli("--json", "LRANGE", "l", 0, -1)) == ["a", 'b"c', "d\ne"]
    assert json.loads(cli("-3", "--json", "HGETALL", "h")) == {"f": "v"}
    assert cli("-3", "--json", "ZRANGE", "z", 0, -1, "WITHSCORES") == '[["n",-inf],["m",1.5]]'
    assert json.loads(cli("-3", "--json", "SMEMBERS", "s")) == ["x"]
    assert cli("-3", "--json", "GET", "none") == "null"
    assert cli("-3", "--csv", "ZSCORE", "z", "m") == "1.5"
    assert cli("-3", "--no-raw", "SMEMBERS", "s") == '1~ "x"'
    assert cli("-2", "--no-raw", "ZRANGE", "z", 0, 0, "WITHSCORES") == '1) "n"\n2) "-inf"'


def arguments_come_from_standard_input():
    cli("FLUSHALL")
    data = os.urandom(100_000)
    assert cli("-x", "RPUSH", "l", stdin=data) == "1"
    assert cli("-X", "HERE", "HSET", "h", "f", "HERE", stdin=data) == "1"
    assert cli("HSTRLEN", "h", "f") == "100000"
    assert cli("--quoted-input", "SADD", "s", '"\\x00\\xff"') == "1"
    assert cli("--no-raw", "SMEMBERS", "s") == '1) "\\x00\\xff"'


def monitor_and_subscriptions_show_what_others_do():
    with Endless("MONITOR") as monitor:
        monitor.shows("OK")
        cli("ZADD", "z", 1, "a b")
        monitor.shows(r'\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "ZADD" "z" "1" "a b"')
    for command, publish, shown in (
            (("SUBSCRIBE", "news", "sport"), "PUBLISH", r'"message".*"sport"'),
            (("PSUBSCRIBE", "s*t"), "PUBLISH", r'"pmessage".*"s\*t".*"sport"'),
            (("SSUBSCRIBE", "sport"), "SPUBLISH", r'"smessage".*"sport"')):
        for protocol in ("-2", "-3"):
            with Endless(protocol, *command) as subscriber:
                subscriber.shows(r"%s.*\(integer\) %d" % (command[0].lower(), len(command) - 1))
                until(lambda: cli(publish, "sport", "goal!") == "1", 10, "somebody listens")
                subscriber.shows(shown + r'.*"goal!"')


def what_is_not_there_says_so():
    if not Server.is_weir:
        return
    for command in (("EVAL", "return 1", "0"), ("FCALL", "f", "0"), ("SCRIPT", "LOAD", "x"),
                    ("REPLCONF", "capa", "eof"), ("XADD", "s", "*", "f", "v")):
        assert cli(*command).startswith("ERR unknown command '%s', with args" % command[0])
    script = os.path.join(SERVER.dir, "script.lua")
    with open(script, "w", encoding="ascii") as f:
        f.write("return 1")
    assert "ERR unknown command 'EVAL'" in cli("--eval", script)
    assert "ERR unknown command 'SYNC'" in cli("--rdb", "-", status=1)
    assert cli("PING") == "PONG"


if __name__ == "__main__":
    with SERVER:
        SERVER.start()
        run_checks([a_mass_insertion_holds_every_type, scan_lists_by_pattern_and_type,
                    the_biggest_key_of_each_type_is_found, hot_keys_are_found_under_an_lfu_policy,
                    every_type_answers_to_object_memory_and_debug,
                    statistics_are_shown_again_and_again, latency_is_measured,
                    commands_repeat_at_an_interval, replies_come_as_csv_and_json,
                    arguments_come_from_standard_input,
                    monitor_and_subscriptions_show_what_others_do, what_is_not_there_says_so])
