#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""redis-benchmark: its default tests of the commands that exist run through without an error.

Only that they run and that what they wrote is there: speed is measured by tests/bench.
"""
import csv
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))
from harness import PATIENCE, Server, run_checks  # pylint: disable=wrong-import-position

SERVER = Server()
TESTS = "ping_inline,ping_mbulk,set,get,incr,hset,mset"


def benchmark(*args):
    """Rows of its CSV output: {test: requests per second}; any complaint fails."""
    command = ["redis-benchmark", "-p", str(SERVER.port), "--csv", *map(str, args)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=120 * PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rror" not in done.stderr + done.stdout, done.stderr
    rows = [row for row in csv.reader(done.stdout.splitlines()) if row and row[0] != "test"]
    return {row[0]: float(row[1]) for row in rows}


def the_default_tests_run():
    rates = benchmark("-t", TESTS, "-n", 20_000, "-q")
    assert len(rates) == 7 and all(rate > 0 for rate in rates.values()), rates


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
        run_checks([the_default_tests_run, random_keys_pipelined_are_all_written,
                    increments_are_exact, own_commands_and_threads_work])
