# SPDX-License-Identifier: BSD-3-Clause
"""The rows of what must stay bounded: memory while everything that is dirty is written, what fits
a limit of memory, the longest call in a surge, and commands on much data at once.
"""
import contextlib
import sys
import threading
import time

from peers import Redis, Weir, median, run_load
from types_rows import feed, request

sys.dont_write_bytecode = True

LIMIT = "40mb"
LIMIT_BYTES = 40 << 20
TIGHT = {"redis": ["--maxmemory", LIMIT, "--maxmemory-policy", "allkeys-lru"],
         "weir": ["--maxmemory", LIMIT]}


@contextlib.contextmanager
def started(kind, bench, extra=()):
    peer = kind(bench.base, "everysec")
    peer.extra = list(extra)
    try:
        peer.start()
        yield peer
    finally:
        peer.remove()


# --- Memory while everything is written ---

def private_bytes(pid):
    """Of a process, where pages that it shares with another are halved."""
    try:
        with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("Pss:")) << 10
    except (OSError, StopIteration):
        return 0


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as f:
            return [int(word) for word in f.read().split()]
    except OSError:
        return []


class Peak:
    """The most that a server and its children take while the block runs."""

    def __init__(self, peer):
        self.pid = peer.process.pid
        self.bytes = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.ended.wait(0.02):
            now = sum(private_bytes(pid) for pid in [self.pid] + children(self.pid))
            self.bytes = max(self.bytes, now)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def rewritten(redis):
    """Redis's counterpart of a cut: the whole log written anew, under writes to every key."""
    redis.ask("BGREWRITEAOF")
    while redis.info()["aof_rewrite_in_progress"] != "0":
        time.sleep(0.1)


def peak(bench):
    keys = bench.size(5_000_000, 500_000)
    ratios = []
    for kind in (Redis, Weir):
        with started(kind, bench) as peer:
            fill = ("-P", 64, "-m", "shuffle", "-n", keys, "-r", keys)
            if kind is Weir:
                peer.ask("WEIR", "PAUSE")
                run_load(peer, *fill)
                with Peak(peer) as most:
                    peer.ask("WEIR", "RESUME")
                    peer.settle()
            else:
                run_load(peer, *fill)
                with Peak(peer) as most:
                    load = run_load(peer, "-P", 64, "-m", "shuffle", "-n", keys, "-r", keys,
                                    wait=False)
                    rewritten(peer)
                    load.communicate()
            ratios.append(most.bytes / bench.settled_resident(peer))
    bench.table.add("peak memory, %.1f M dirty keys written, of steady" % (keys / 1e6), *ratios,
                    ratios[1], 1.3, False, "Redis: a rewrite of its log under writes")


# --- A limit of memory ---

def resident(bench):
    keys = bench.size(1_400_000, 1_000_000)
    counts, used = [], []
    for kind in (Redis, Weir):
        with started(kind, bench, TIGHT[kind.name]) as peer:
            run_load(peer, "-P", 16, "-m", "shuffle", "-n", keys, "-r", keys)
            peer.settle()
            info = peer.info()
            counts.append(keys - int(info["evicted_keys"]))
            used.append(int(info["used_memory_peak"]) / LIMIT_BYTES)
    bench.table.add("keys in memory at maxmemory %s, of %.1f M" % (LIMIT, keys / 1e6), *counts,
                    None, 1.0, True)
    bench.table.add("most used_memory, of maxmemory %s" % LIMIT, *used, used[1], 1.05, False)


def surge(bench):
    """New keys without end at a limit that a fraction of them fills."""
    keys = bench.size(5_000_000, 1_000_000)
    longest = {Redis: [], Weir: []}
    tails = {Redis: [], Weir: []}
    for _ in range(bench.rounds):
        for kind in (Redis, Weir):
            with started(kind, bench, TIGHT[kind.name]) as peer:
                result = run_load(peer, "-P", 16, "-m", "shuffle", "-n", keys, "-r", keys)
            longest[kind].append(result["max_us"] / 1e3)
            tails[kind].append(result["p999_us"] / 1e3)
    note = "%.1f M new keys at maxmemory %s, P16" % (keys / 1e6, LIMIT)
    bench.table.add("surge, longest call, ms", *(median(longest[k]) for k in (Redis, Weir)),
                    note=note)
    r, w = (median(tails[k]) for k in (Redis, Weir))
    bench.table.add("surge, p99.9 ms", r, w, w / 60, 1.0, False, "to reach: 60 ms")


# --- Much data at once ---

def timed(peer, *command):
    """Seconds of one command, and what it answered."""
    conn = peer.connect()
    try:
        began = time.monotonic()
        answer = conn(*command)
        return time.monotonic() - began, answer
    finally:
        conn.close()


def dbsize(bench):
    """Weir has been started again: not one key is in memory."""
    rows = bench.size(10_000_000, 1_000_000)
    took = []
    for kind in (Redis, Weir):
        with started(kind, bench) as peer:
            run_load(peer, "-P", 64, "-m", "each", "-n", rows, "-r", rows)
            peer.settle()
            if kind is Weir:
                peer.kill()
                peer.start()
            answers = [timed(peer, "DBSIZE") for _ in range(5)]
            if any(size != rows for _, size in answers):
                sys.exit("%s: DBSIZE says %s" % (kind.name, answers))
            took.append(answers[0][0] * 1e3)
    bench.table.add("DBSIZE of %.0f M keys, first call, ms" % (rows / 1e6), *took, took[1], 20.0,
                    False, "Weir's are all in SQLite")


def copy(bench):
    fields = 500_000
    took = []
    for kind in (Redis, Weir):
        with started(kind, bench) as peer:
            for first in range(0, fields, 50_000):
                commands = [request("HSET", "h", *[word for i in range(at, at + 500)
                                                   for word in ("field:%d" % i, i)])
                            for at in range(first, first + 50_000, 500)]
                feed(peer, commands, len(b":500\r\n") * len(commands))
            peer.settle()
            took.append(median([timed(peer, "COPY", "h", "copy:%d" % i)[0]
                                for i in range(bench.rounds)]) * 1e3)
    bench.table.add("COPY of a hash of %d fields, ms" % fields, *took, None, 1.5, False)


def watch(bench):
    keys = ["key:%d" % i for i in range(32_000)]
    took = []
    for kind in (Redis, Weir):
        with started(kind, bench) as peer:
            took.append(median([timed(peer, "WATCH", *keys)[0]
                                for _ in range(bench.rounds)]) * 1e3)
    bench.table.add("WATCH of %d keys, ms" % len(keys), *took, None, 1.0, False)
