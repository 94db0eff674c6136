#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""redis-benchmark: its whole default list runs through without an error, as do single tests.

Only that they run and that what they wrote is there: speed is measured by tests/bench.
"""
import csv
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))
from harness import PATIENCE, Server, run_checks  # pylint: disable=wrong-import-position

SERVER = Server()
DEFAULT = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPUSH", "LPOP", "RPOP",
           "SADD", "HSET", "SPOP", "ZADD", "ZPOPMIN", "LPUSH (needed to benchmark LRANGE)",
           "LRANGE_100 (first 100 elements)", "LRANGE_300 (first 300 elements)",
           "LRANGE_500 (first 500 elements)", "LRANGE_600 (first 600 elements)", "MSET (10 keys)"]


def benchmark(*args):
    """Rows of its CSV output: {test: requests per second}; any complaint fails."""
    command = ["redis-benchmark", "-p", str(SERVER.port), "--csv", *map(str, args)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=120 * PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rror" not in done.stderr + done.stdout, done.stderr
    rows = [row for row in csv.reader(done.stdout.splitlines()) if row and row[0] != "test"]
    return {row[0]: float(row[1]) for row in rows}


def the_default_list_runs():
    conn = SERVER.connect()
    for arguments in (("-n", 1000), ("-n", 3200, "-P", 16), ("-n", 1000, "-r", 1000, "-c", 200),
                      ("-n", 1000, "-3", "-d", 50, "--dbnum", 5)):
        conn("FLUSHALL")
        rates = benchmark(*arguments)
        assert list(rates) == DEFAULT and all(rate > 0 for rate in rates.values()), rates


def the_default_list_leaves_what_it_wrote():
    conn = SERVER.connect()
    conn("FLUSHALL")
    benchmark("-n", 2000, "-P", 16)
    assert conn("DBSIZE") == 4  # everything that was pushed and added has been popped, but for:
    assert conn("LLEN", "mylist") == 2000 and conn("HLEN", "myhash") == 1
    assert conn("STRLEN", "key:__rand_int__") == 3
    assert conn("GET", "counter:__rand_int__") == b"2000"
    benchmark("-n", 4800, "-r", 10**9, "-P", 16, "-t", "sadd,zadd,lpush,hset")
    assert 4790 < conn("SCARD", "myset") <= 4800 and 4790 < conn("ZCARD", "myzset") <= 4800
    assert conn("LLEN", "mylist") == 6800 and 4790 < conn("HLEN", "myhash") <= 4801


def quiet_and_human_readable_output_have_no_error():
    for arguments in (("-q",), ("-q", "-P", "16"), ("-t", "zadd,lrange_600,spop")):
        done = subprocess.run(["redis-benchmark", "-p", str(SERVER.port), "-n", "1000", *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=120 * PATIENCE, check=False)
        assert done.returncode == 0 and "rror" not in done.stdout, done.stdout
        assert "requests per second" in done.stdout and "WARNING" not in done.stdout, done.stdout


def random_keys_pipelined_are_all_written():
    conn = SERVER.connect()
    conn("FLUSHALL")
    benchmark("-t", "set", "-n", 100_000, "-r", 1000, "-P", 32, "-d", 64)
    assert conn("DBSIZE") == 1000
    assert len(conn("GET", "key:000000000999")) == 64
    benchmark("-t", "get", "-n", 100_000, "-r", 1000, "-P", 32)


def increments_are_exact():
    conn = SERVER.connect()
    conn("FLUSHALL")
    benchmark("-t", "incr", "-n", 50_000, "-P", 16, "-c", 20)
    assert conn("GET", "counter:__rand_int__") == b"50000"


def own_commands_and_threads_work():
    conn = SERVER.connect()
    conn("FLUSHALL")
    benchmark("-n", 20_000, "-r", 100, "hset", "h:__rand_int__", "field", "value")
    assert conn("DBSIZE") == 100
    benchmark("-n", 20_000, "--threads", 2, "-r", 100, "-t", "set")
    benchmark("-n", 2000, "-k", 0, "-t", "ping_mbulk")  # a connection per request


if __name__ == "__main__":
    with SERVER:
        SERVER.start()
        run_checks([the_default_list_runs, the_default_list_leaves_what_it_wrote,
                    quiet_and_human_readable_output_have_no_error,
                    random_keys_pipelined_are_all_written, increments_are_exact,
                    own_commands_and_threads_work])
