#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Memory is bounded: whatever is written, and however fast, Weir stays within maxmemory.

Each fill is faster than the store. Nobody may hear an error while data only waits for its turn, and
what INFO calls used_memory stays within five per cent of the limit. In a container that gives half
of its memory to the data, the kernel has no reason to kill the proxy.
"""
import contextlib
import os
import threading
import time

from harness import PATIENCE, Conn, Gone, ReplyError, Server, Skip, run_checks, until

MB = 1 << 20
IS_FAST = PATIENCE == 1  # a sanitizer's allocator is another one, and its figures say nothing
CGROUP_V1, CGROUP_V2 = "/sys/fs/cgroup/memory", "/sys/fs/cgroup"


class Watcher(threading.Thread):
    """Asks for the figures all the time, on a connection of its own."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.conn = server.connect()
        self.used_peak = self.held_peak = 0
        self.over = threading.Event()

    def run(self):
        with contextlib.suppress(Gone, TimeoutError):
            while not self.over.is_set():
                info = self.conn.info("memory", "writeback")
                self.used_peak = max(self.used_peak, int(info["used_memory"]))
                self.held_peak = max(self.held_peak, int(info["dirty_bytes"]))
                time.sleep(0.005)

    def end(self):
        self.over.set()
        self.join()


class Fill:
    """Several connections that SET keys of their own, a few to a write, as fast as they can."""

    def __init__(self, server, keys, size, connections=4, pipeline=16):
        self.server, self.keys, self.size = server, keys, size
        self.connections, self.pipeline = connections, pipeline
        self.errors, self.calls = [], []

    def _run(self, number):
        conn = Conn(self.server.port, 60)
        value = b"v" * self.size
        mine = range(number, self.keys, self.connections)
        for at in range(0, len(mine), self.pipeline):
            began = time.monotonic()
            replies = conn.pipeline([("SET", "key:%09d" % i, value)
                                     for i in mine[at:at + self.pipeline]])
            self.calls.append(time.monotonic() - began)
            self.errors += [r for r in replies if isinstance(r, ReplyError)]

    def run(self):
        threads = [threading.Thread(target=self._run, args=(i,)) for i in range(self.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self


def flushed(conn):
    def is_clean():
        info = conn.info("writeback")
        return info["dirty_keys"] == "0" and info["in_flight_keys"] == "0"
    until(is_clean, 120, "everything flushed")


def check_fill(limit_mb, keys, size, pipeline=16, **directives):
    limit = limit_mb * MB
    with Server(maxmemory="%dmb" % limit_mb, write_delay_ms=100,
                backpressure_max_delay_ms=int(1000 * PATIENCE), **directives) as server:
        server.start()
        conn, watcher = server.connect(), Watcher(server)
        watcher.start()
        fill = Fill(server, keys, size, pipeline=pipeline).run()
        flushed(conn)
        watcher.end()
        assert not fill.errors, (len(fill.errors), str(fill.errors[0]))
        assert conn("DBSIZE") == keys, conn("DBSIZE")
        assert watcher.held_peak <= limit * 0.65, (watcher.held_peak, limit)
        if IS_FAST:  # what is being read counts, too
            most = limit * 1.05 + fill.connections * pipeline * size
            assert watcher.used_peak <= most, (watcher.used_peak, limit)
        print("        used at most %.1f of %d MB, unflushed %.1f, longest call %.0f ms" %
              (watcher.used_peak / MB, limit_mb, watcher.held_peak / MB, max(fill.calls) * 1000))
        return server, conn


def small_keys_beyond_memory():
    check_fill(40, 400000 if IS_FAST else 60000, 16)


def values_of_20_kb_beyond_memory():
    check_fill(64, 8000 if IS_FAST else 4000, 20000)


def large_values_beyond_memory():
    check_fill(200, 300 if IS_FAST else 250, 1000000, pipeline=2)


def everything_fits():
    """109 MB of data below 300 MB: nothing is evicted, and no cut copies it all."""
    with Server(maxmemory="300mb", write_delay_ms=100) as server:
        server.start()
        conn, watcher = server.connect(), Watcher(server)
        watcher.start()
        fill = Fill(server, 109, 1000000, pipeline=1).run()
        flushed(conn)
        watcher.end()
        assert not fill.errors, fill.errors[0]
        assert conn.info("stats")["evicted_keys"] == "0"
        if IS_FAST:
            assert watcher.used_peak <= 150 * MB, watcher.used_peak


def clean_data_is_no_reason_to_refuse():
    """150 MB of clean values at 64 MB, whatever worker the client is on."""
    for threads in (1, 2, 4):
        with Server(maxmemory="64mb", io_threads=threads, write_delay_ms=10) as server:
            server.start()
            conns = [server.connect() for _ in range(threads)]
            for i in range(150):
                assert conns[i % threads]("SET", "key:%d" % i, b"v" * MB) == "OK"


def the_log_says_why_writes_are_refused_where_nothing_can_be_evicted():
    """Less than Weir itself takes: it cannot help to flush or to evict."""
    with Server(maxmemory="1mb") as server:
        server.start()
        conn = server.connect()

        def is_refused():
            reply = conn.pipeline([("SET", "key", "v" * 1000)])[0]
            return isinstance(reply, ReplyError) and "used memory > 'maxmemory'" in str(reply)
        until(is_refused, 20, "a write is refused")
        until(lambda: "writes are refused: " in server.log_tail(), 20, "the log says so")
        assert server.log_tail().count("writes are refused: ") == 1, server.log_tail()
        assert conn("CONFIG", "SET", "maxmemory", "100mb") == "OK"
        until(lambda: not is_refused(), 20, "writes go on")


# --- Containers ---

class Container:
    """A memory cgroup of its own; Skip where this machine lets nobody make one."""

    def __init__(self, limit_mb):
        name = "weir-test-%d-%d" % (os.getpid(), limit_mb)
        is_v1 = os.path.isdir(CGROUP_V1)
        self.path = os.path.join(CGROUP_V1 if is_v1 else CGROUP_V2, name)
        try:
            os.mkdir(self.path)
            self._write("memory.limit_in_bytes" if is_v1 else "memory.max", limit_mb * MB)
            with contextlib.suppress(OSError):  # no swap, where that can be said
                self._write("memory.memsw.limit_in_bytes" if is_v1 else "memory.swap.max",
                            limit_mb * MB if is_v1 else 0)
        except OSError as e:
            self.remove()
            raise Skip("no memory cgroup can be made here: %s" % e) from e

    def _write(self, name, value):
        with open(os.path.join(self.path, name), "w") as f:
            f.write(str(value))

    def prefix(self):
        return ["/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', self.path]

    def remove(self):
        with contextlib.suppress(OSError):
            os.rmdir(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        until(lambda: self.remove() or not os.path.isdir(self.path), 10, "the cgroup is empty")


def check_container(limit_mb, size):
    if not IS_FAST:
        raise Skip("a sanitizer takes more memory than the container has")
    with Container(limit_mb) as box, Server(prefix=box.prefix()) as server:
        server.start()
        until_s = time.monotonic() + 5
        fills = 0
        while time.monotonic() < until_s:
            fill = Fill(server, max(200, 20 * MB // (size + 100)), size).run()
            assert server.alive(), server.log_tail()
            assert not fill.errors, str(fill.errors[0])
            fills += 1
        conn = server.connect()
        memory = conn.info("memory")
        assert int(memory["maxmemory"]) <= limit_mb * MB / 2
        print("        %d MB, values of %d: %d fills, maxmemory %s, used %s" %
              (limit_mb, size, fills, memory["maxmemory_human"], memory["used_memory_human"]))
        until(lambda: server.stop() == 0, 1, "an orderly end")


def a_small_container_is_not_killed():
    for limit_mb in (64, 128, 256):
        for size in (1000, 20000):
            check_container(limit_mb, size)


def a_small_container_starts_again(limit_mb=128):
    """As much as may be unflushed, in large values: replay has the same memory as what wrote it."""
    if not IS_FAST:
        raise Skip("a sanitizer takes more memory than the container has")
    with Container(limit_mb) as box, Server(prefix=box.prefix()) as server:
        server.start()
        conn = server.connect()
        conn("WEIR", "PAUSE")
        taken = refused = 0
        while not refused and taken < 1000:
            size = 200_000 + taken * 37_123 % 800_000
            replies = conn.pipeline([("SET", "large%d" % taken, b"x" * size)])
            refused += isinstance(replies[0], ReplyError)
            taken += not refused
        assert refused and taken > 20, taken
        for _ in range(3):
            server.kill()
            server.start()
            conn = server.connect()
            assert conn("DBSIZE") == taken
            conn("WEIR", "PAUSE")
        conn("WEIR", "RESUME")
        until(lambda: conn.info("writeback")["dirty_keys"] == "0", 30, "all is flushed")
        assert server.alive() and conn("DBSIZE") == taken
        until(lambda: server.stop() == 0, 1, "an orderly end")


run_checks([
    small_keys_beyond_memory,
    values_of_20_kb_beyond_memory,
    large_values_beyond_memory,
    everything_fits,
    clean_data_is_no_reason_to_refuse,
    the_log_says_why_writes_are_refused_where_nothing_can_be_evicted,
    a_small_container_is_not_killed,
    a_small_container_starts_again,
])
