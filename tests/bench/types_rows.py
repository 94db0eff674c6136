# SPDX-License-Identifier: BSD-3-Clause
"""The rows of the types: redis-benchmark's tests at pipeline 16, memory of many aggregates, the
flush of one field of a large hash, and how long a client that waits for a key takes to wake.
"""
import select
import socket
import sys
import time

from peers import Redis, Weir, measured_run, median, until

sys.dont_write_bytecode = True

# test: (throughput to reach, what must be there before a run)
TESTS = {"incr": (1.8, None), "lpush": (1.8, None), "rpop": (1.8, "lpush"), "sadd": (1.8, None),
         "hset": (1.8, None), "spop": (1.8, "members"), "zadd": (1.8, None), "mset": (1.8, None),
         "lrange_100": (1.2, "list")}
CPU_TO_REACH = 0.6


def request(*args):
    parts = [a if isinstance(a, bytes) else str(a).encode() for a in args]
    return b"".join([b"*%d\r\n" % len(parts)] + [b"$%d\r\n%s\r\n" % (len(p), p) for p in parts])


def feed(peer, commands, replies_bytes):
    """Sends many requests at once and reads as many bytes of replies."""
    with socket.create_connection(("127.0.0.1", peer.port)) as s:
        s.settimeout(120)
        pending, sent, got = b"".join(commands), 0, 0
        while got < replies_bytes:
            readable, writable, _ = select.select([s], [s] if sent < len(pending) else [], [], 60)
            if writable:
                sent += s.send(pending[sent:sent + (1 << 18)])
            if readable:
                data = s.recv(1 << 20)
                if not data:
                    sys.exit("%s closed the connection" % peer.name)
                got += len(data)


def add_integers(peer, key, n, first=0, step=500):
    """SADD of n integers whose texts have the same length in every call, `step` a request."""
    commands = [request("SADD", key, *range(at, at + step)) for at in range(first, first + n, step)]
    feed(peer, commands, len(b":%d\r\n" % step) * len(commands))


def prepare(peer, need, requests):
    peer.ask("DEL", "mylist", "myset", "myzset", "myhash")
    if need == "lpush":
        commands = [request("LPUSH", "mylist", *[b"x" * 64] * 500)] * (requests // 500 + 1)
        feed(peer, commands, sum(len(b":%d\r\n" % (500 * (i + 1))) for i in range(len(commands))))
    elif need == "members":
        add_integers(peer, "myset", requests + 500, 1_000_000_000)
    elif need == "list":
        peer.ask("RPUSH", "mylist", *[b"x" * 64] * 200)
    peer.settle()


def speeds(bench):
    requests = bench.size(1_000_000, 200_000)
    with bench.pair() as (redis, weir):
        for test, (throughput, need) in TESTS.items():
            def measure(peer, test=test, need=need):
                n = requests // 4 if test in ("mset", "lrange_100") else requests
                prepare(peer, need, n)
                words = ["LRANGE", "mylist", "0", "99"] if need == "list" else None
                return measured_run(peer, test, n, 16, words)
            r, w = bench.interleaved(redis, weir, measure)
            label = "%s P16" % test.upper()
            bench.table.add(label + " requests/s", r["rps"], w["rps"], None, throughput, True)
            bench.table.add(label + " CPU us/op, workers", r["cpu_us"], w["cpu_us"], None,
                            CPU_TO_REACH, False)
            bench.table.add(label + " CPU us/op, until in SQLite", r["cpu_all_drained_us"],
                            w["cpu_all_drained_us"])


# --- Memory ---

def fill_sorted_set(peer, n):
    for first in range(0, n, 100_000):
        commands = [request("ZADD", "z", *[v for i in range(at, at + 500)
                                           for v in (i * 7919 % 1000003, "member:%09d" % i)])
                    for at in range(first, first + 100_000, 500)]
        feed(peer, commands, len(b":500\r\n") * len(commands))


def fill_hashes(peer, n):
    for first in range(0, n, 50_000):
        commands = [request("HSET", "h:%07d" % i, *[v for f in range(5)
                                                    for v in ("f%d" % f, "%08d" % (i + f))])
                    for i in range(first, first + 50_000)]
        feed(peer, commands, len(b":5\r\n") * len(commands))


def fill_sets(peer, n):
    for first in range(0, n, 50_000):
        commands = [request("SADD", "s:%07d" % i, *[(i * 31 + m * 977) % 30000 for m in range(5)])
                    for i in range(first, first + 50_000)]
        feed(peer, commands, len(b":5\r\n") * len(commands))


def settled_memory(peer):
    """used_memory once it no longer changes: SQLite's cache goes when nothing has been flushed for
    two seconds."""
    last, unchanged = 0, 0
    while unchanged < 8:
        time.sleep(0.5)
        now = int(peer.info()["used_memory"])
        unchanged = unchanged + 1 if abs(now - last) < 1 << 20 else 0
        last = now
    return last


def memory(bench):
    n = bench.size(1_000_000, 100_000)
    for label, fill, target in (("members in one sorted set", fill_sorted_set, 0.7),
                                ("hashes of 5 short fields", fill_hashes, 0.9),
                                ("sets of 5 small integers", fill_sets, 0.9)):
        figures = []
        for kind in (Redis, Weir):
            peer = kind(bench.base, "everysec")
            try:
                peer.start()
                before = int(peer.info()["used_memory"])
                fill(peer, n)
                peer.settle()
                figures.append((settled_memory(peer) - before) / n)
            finally:
                peer.remove()
        bench.table.add("bytes each, %.1f M %s" % (n / 1e6, label), *figures, None, target, False,
                        "used_memory, flushed and clean")


# --- One field of a large hash ---

def field(bench):
    fields, rounds = bench.size(1_000_000, 100_000), 20
    weir = Weir(bench.base, "everysec")
    weir.extra = ["--write-delay-ms", "3600000", "--write-delay-max-ms", "3600000"]
    try:
        weir.start()
        for at in range(0, fields, 500):
            weir.ask("HSET", "h", *[v for i in range(at, at + 500) for v in ("f%d" % i, "v")])
        weir.settle()
        spent, rows = [], int(weir.info()["flushed_rows"])
        for i in range(rounds):
            before = flusher_ns(weir)
            weir.ask("HSET", "h", "f%d" % (i * 37), "changed %d" % i)
            weir.settle()
            spent.append((flusher_ns(weir) - before) / 1e6)
        rows = (int(weir.info()["flushed_rows"]) - rows) / rounds
    finally:
        weir.remove()
    bench.table.add("flush of a field of %.1f M: flusher CPU ms" % (fields / 1e6), None,
                    median(spent), median(spent), 1.0, False)
    bench.table.add("flush of a field of %.1f M: rows" % (fields / 1e6), None, rows, rows, 1.0,
                    False)


def flusher_ns(weir):
    return sum(ns for name, ns in weir.cpu().values() if name.startswith(("flusher", "cutter")))


# --- Waking ---

def wake(bench):
    """From the push to the reply of the client that waited, with 100 of them."""
    rounds = bench.size(20_000, 4_000)
    with bench.pair() as (redis, weir):
        r, w = bench.interleaved(redis, weir, lambda peer: wake_once(peer, 100, rounds))
    for key in ("p50", "p99"):
        bench.table.add("BLPOP wake-up, 100 waiters, %s us" % key, r[key], w[key], None,
                        1.0 if key == "p99" else None, False)


def wake_once(peer, waiters, rounds):
    poll = select.epoll()
    socks = {}
    for _ in range(waiters):
        s = socket.create_connection(("127.0.0.1", peer.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        socks[s.fileno()] = s
        poll.register(s, select.EPOLLIN)
        s.sendall(request("BLPOP", "q", "0"))
    pusher = socket.create_connection(("127.0.0.1", peer.port))
    pusher.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    until(lambda: int(peer.info()["blocked_clients"]) == waiters, 20, "all wait")
    took = []
    push, pop = request("RPUSH", "q", "v"), request("BLPOP", "q", "0")
    for _ in range(rounds):
        began = time.perf_counter_ns()
        pusher.sendall(push)
        (fd, _), = poll.poll(10)
        data = socks[fd].recv(4096)
        took.append((time.perf_counter_ns() - began) / 1e3)
        if not data.endswith(b"v\r\n"):
            sys.exit("%s woke a client with %r" % (peer.name, data))
        pusher.recv(4096)
        socks[fd].sendall(pop)
    for s in list(socks.values()) + [pusher]:
        s.close()
    took.sort()
    return {"p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100]}
