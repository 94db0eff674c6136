#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""redis-cli, unmodified: one-shot commands, bulk and scan modes, and the interactive prompt."""
import os
import pty
import re
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))
from harness import PATIENCE, Server, encode, run_checks  # pylint: disable=wrong-import-position

SERVER = Server()


def cli(*args, stdin=b"", **options):
    """Output of one redis-cli, which must succeed."""
    command = ["redis-cli", "-p", str(SERVER.port), *map(str, args)]
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=30 * PATIENCE, check=False, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout.decode(errors="replace").rstrip("\n")


def one_shot_commands_answer():
    assert cli("PING") == "PONG"
    assert cli("SET", "greeting", "hello world") == "OK"
    assert cli("GET", "greeting") == "hello world"
    assert cli("--no-raw", "INCR", "n") == "(integer) 1"
    assert cli("--no-raw", "GET", "absent") == "(nil)"
    assert cli("HSET", "user:1", "name", "Ann", "age", "30") == "2"
    assert cli("--no-raw", "HGETALL", "user:1") == '1) "name"\n2) "Ann"\n3) "age"\n4) "30"'
    assert cli("-r", "3", "INCR", "n") == "2\n3\n4"
    assert cli("-x", "SET", "from-stdin", stdin=b"a\nb\x00c") == "OK"
    assert cli("STRLEN", "from-stdin") == "5"
    assert cli("-n", "3", "SET", "k", "v") == "OK" and cli("EXISTS", "k") == "0"


def errors_are_those_of_redis():
    assert cli("NOSUCH", "a", "b") == \
        "ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' "
    assert cli("GET") == "ERR wrong number of arguments for 'get' command"
    assert cli("CONFIG", "GET") == "ERR wrong number of arguments for 'config|get' command"
    assert cli("SET", "k", "v", "EX", "0") == "ERR invalid expire time in 'set' command"
    assert cli("HGET", "greeting", "f") == \
        "WRONGTYPE Operation against a key holding the wrong kind of value"
    assert cli("SELECT", "99") == "ERR DB index is out of range"


def resp3_is_spoken_when_asked_for():
    cli("HSET", "user:1", "name", "Ann", "age", "30")
    out = cli("-3", "--no-raw", "HGETALL", "user:1")
    assert out == '1# "name" => "Ann"\n2# "age" => "30"', out
    assert cli("-3", "--no-raw", "GET", "absent") == "(nil)"


def pipe_mode_loads_in_bulk():
    data = b"".join(encode("SET", "bulk:%d" % i, "value-%d" % i) for i in range(20_000))
    out = cli("--pipe", stdin=data)
    assert "errors: 0, replies: 20000" in out, out
    assert cli("GET", "bulk:19999") == "value-19999"
    out = subprocess.run(["redis-cli", "-p", str(SERVER.port), "--pipe"], check=False,
                         input=encode("SET", "k") + encode("SET", "k", "v"), stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, timeout=30 * PATIENCE).stdout.decode()
    assert "errors: 1, replies: 2" in out, out


def inline_commands_arrive_from_a_file():
    out = cli(stdin=b"SET inline 'with space'\nGET inline\nMULTI\nINCR tx\nINCR tx\nEXEC\n")
    assert out == "OK\nwith space\nOK\nQUEUED\nQUEUED\n1\n2", out


def scan_mode_lists_every_key():
    cli("FLUSHALL")
    cli("--pipe", stdin=b"".join(encode("SET", "scan:%d" % i, i) for i in range(2500)))
    assert sorted(cli("--scan").split()) == sorted("scan:%d" % i for i in range(2500))
    assert sorted(cli("--scan", "--pattern", "scan:24?9").split()) == \
        ["scan:24%d9" % i for i in range(10)]


def key_statistics_modes_work():
    cli("FLUSHALL")
    cli("SET", "small", "x")
    cli("SET", "large", "x" * 5000)
    out = cli("--bigkeys")
    assert "Biggest string found" in out and "large" in out and "5000 bytes" in out, out
    out = cli("--memkeys")
    assert "large" in out, out
    out = cli("--csv", "MGET", "small", "absent")
    assert out == '"x",NULL', out


def interactive_mode_starts_and_helps():
    """A terminal session: redis-cli asks COMMAND DOCS first, and completes and hints from it."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="dumb", HOME="/nonexistent", REDISCLI_HISTFILE="/dev/null")
        os.execvp("redis-cli", ["redis-cli", "-p", str(SERVER.port)])
    out = b""

    def read_until(text):
        nonlocal out
        deadline = time.monotonic() + 20 * PATIENCE
        while text not in out:
            assert select.select([fd], [], [], max(0, deadline - time.monotonic()))[0], out
            out += os.read(fd, 65536)
    try:
        read_until(b"%d>" % SERVER.port)
        os.write(fd, b"SET interactive yes\n")
        read_until(b"OK")
        os.write(fd, b"HELP GETEX\n")
        read_until(b"summary:")
        read_until(b"GETEX")
        os.write(fd, b"GET interactive\n")
        read_until(b'"yes"')
        os.write(fd, b"QUIT\n")
    finally:
        os.close(fd)
        os.waitpid(pid, 0)


def command_docs_are_complete():
    names = set(cli("COMMAND", "LIST").split())
    assert {"get", "hset", "multi", "exec", "config", "config|get", "info"} <= names
    assert re.match(r" *1\) ", cli("-3", "--no-raw", "COMMAND", "LIST"))  # an array, not a set
    docs = cli("--no-raw", "COMMAND", "DOCS", "get", "set")
    assert "summary" in docs and "since" in docs and "string" in docs, docs
    assert cli("COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2") == "a\nb"
    assert int(cli("COMMAND", "COUNT")) > 60


def latency_mode_measures():
    numbers = cli("--latency", "--raw", "-i", "1").split()
    assert len(numbers) == 4 and float(numbers[2]) < 1000 * PATIENCE, numbers


if __name__ == "__main__":
    with SERVER:
        SERVER.start()
        run_checks([one_shot_commands_answer, errors_are_those_of_redis,
                    resp3_is_spoken_when_asked_for, pipe_mode_loads_in_bulk,
                    inline_commands_arrive_from_a_file, scan_mode_lists_every_key,
                    key_statistics_modes_work, interactive_mode_starts_and_helps,
                    command_docs_are_complete, latency_mode_measures])
