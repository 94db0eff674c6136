# SPDX-License-Identifier: BSD-3-Clause
"""The longest hold of a shard lock in each of some large commands (docs/HOLDS.md has more).

Weir is built as the release with the measure (KIND=holds). Redis has no locks: whoever is there
waits for the whole command, so its column is how long that takes.
"""
import os
import subprocess
import sys
import time

from peers import ROOT, Redis, Weir

sys.dont_write_bytecode = True

BOUND_MS = 20


class MeasuredWeir(Weir):
    program = os.path.join(ROOT, "build/holds/weir")


def fill(peer, n, step, words):
    """words(i): what a request says of number i, after the command and its key."""
    conn = peer.connect()
    try:
        for at in range(0, n, step):
            conn(*words[:-1], *(w for i in range(at, at + step) for w in words[-1](i)))
    finally:
        conn.close()


def keys(n):
    return tuple("k%d" % i for i in range(n))


def cases(bench):
    """(name, what is there before, commands that are measured)."""
    n, many = bench.size(100_000, 20_000), bench.size(1_000_000, 200_000)
    strings = (n, 10_000, ("MSET", lambda i: ("k%d" % i, "v")))
    fields = (many, 5_000, ("HSET", "h", lambda i: ("f%d" % i, "v")))
    added = [("HSET", "g") + tuple(w for i in range(at, at + 100) for w in ("f%d" % i, "v"))
             for at in range(0, many, 100)]
    return (("DEL of %d keys" % n, strings, [("DEL",) + keys(n)]),
            ("EXISTS of %d keys" % n, strings, [("EXISTS",) + keys(n)]),
            ("UNLINK of %d fields" % many, fields, [("UNLINK", "h")]),
            ("%d fields by 100, flushed meanwhile" % many, None, added))


def longest_ms(peer, commands):
    """The longest hold; of a Redis, the longest call."""
    conn = peer.connect()
    try:
        conn("CONFIG", "RESETSTAT")
        longest = 0
        for command in commands:
            began = time.monotonic()
            conn(*command)
            longest = max(longest, (time.monotonic() - began) * 1e3)
        if peer.name == "weir":
            longest = int(conn.info("stats")["longest_shard_hold_us"]) / 1e3
        return longest
    finally:
        conn.close()


def holds(bench):
    subprocess.run(["make", "-s", "KIND=holds", "build/holds/weir"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)
    redis, weir = Redis(bench.base, "everysec"), MeasuredWeir(bench.base, "everysec")
    try:
        for peer in (redis, weir):
            peer.start()
        for name, before, commands in cases(bench):
            figures = []
            for peer, other in ((redis, weir), (weir, redis)):
                peer.ask("FLUSHALL")
                if before is not None:
                    fill(peer, *before)
                peer.settle()
                other.freeze()
                try:
                    figures.append(longest_ms(peer, commands))
                finally:
                    other.thaw()
            bench.table.add("longest hold of a shard lock ms, " + name, figures[0], figures[1],
                            figures[1] / BOUND_MS, 1.0, False, "of %d ms" % BOUND_MS)
    finally:
        redis.remove()
        weir.remove()
