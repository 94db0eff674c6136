# SPDX-License-Identifier: BSD-3-Clause
"""The two servers that are compared, and how they and the load are measured.

Both run on this machine, in directories on a real disk (below build/), on ports that are free.
While one is measured the other is stopped with SIGSTOP, so that neither pays for the other's
background work. CPU time is the kernel's own account of each thread.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "fault"))
from harness import (  # pylint: disable=wrong-import-position
    Conn, Gone, ReplyError, die_with_parent, free_port, until)

BUILD = os.path.join(ROOT, "build/release")
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
VALUE_BYTES = 64
CONNECTIONS = 50


class Peer:
    """A server process; its directory survives a restart."""

    name = "?"
    program = "?"

    def __init__(self, base, fsync):
        self.dir = os.path.join(base, self.name)
        self.fsync = fsync
        self.process = self.port = None
        self.extra = []
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)

    def command(self):
        raise NotImplementedError

    def start(self, patience_s=600):
        """Returns the seconds from the start of the process to its first answer to a command."""
        self.port = free_port()
        with open(os.path.join(self.dir, "log"), "ab") as log:
            began = time.monotonic()
            self.process = subprocess.Popen(self.command() + self.extra, cwd=self.dir, stdout=log,
                                            stderr=log, preexec_fn=die_with_parent)
        until(self.serves, patience_s, "%s serves" % self.name)
        return time.monotonic() - began

    def serves(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.dir, "log"), encoding="utf-8", errors="replace") as log:
                sys.exit("%s exited with %d:\n%s" % (self.name, self.process.returncode,
                                                     log.read()[-2000:]))
        try:
            conn = self.connect()
        except OSError:
            return False
        try:
            return conn("PING") == "PONG"
        except (ReplyError, Gone):
            return False
        finally:
            conn.close()

    def connect(self):
        return Conn(self.port, 600)

    def ask(self, *args):
        conn = self.connect()
        try:
            return conn(*args)
        finally:
            conn.close()

    def info(self):
        conn = self.connect()
        try:
            return conn.info("everything")
        finally:
            conn.close()

    def kill(self):
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def remove(self):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def settle(self):
        """Lets work that the last load left behind come to its end."""

    def resident_bytes(self):
        with open("/proc/%d/statm" % self.process.pid, encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu(self):
        """User and system time of each thread so far: {thread id: (name, ns)}."""
        threads = {}
        tasks = "/proc/%d/task" % self.process.pid
        for tid in os.listdir(tasks):
            try:
                with open("%s/%s/comm" % (tasks, tid), encoding="utf-8") as f:
                    name = f.read().strip()
                threads[tid] = (name, thread_ns("%s/%s" % (tasks, tid)))
            except FileNotFoundError:
                continue
        return threads

    def workers_only(self, name):
        """Whether a thread serves clients, rather than writing behind them."""
        return True


def thread_ns(task):
    try:
        with open(task + "/schedstat", encoding="ascii") as f:
            return int(f.read().split()[0])
    except (OSError, IndexError):
        with open(task + "/stat", encoding="utf-8") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * TICK_NS


def cpu_between(peer, before, after):
    """ns of (threads that serve, all threads)."""
    serving = total = 0
    for tid, (name, ns) in after.items():
        spent = ns - before.get(tid, (name, 0))[1]
        total += spent
        if peer.workers_only(name):
            serving += spent
    return serving, total


class Redis(Peer):
    name = "redis"

    def command(self):
        # No rewrite of the AOF while it is measured: that is in Redis's favour.
        return ["redis-server", "--port", str(self.port), "--dir", self.dir, "--save", "",
                "--appendonly", "yes", "--appendfsync", self.fsync,
                "--auto-aof-rewrite-percentage", "0", "--aof-use-rdb-preamble", "no"]


class Weir(Peer):
    name = "weir"
    program = os.path.join(BUILD, "weir")

    def command(self):
        return [self.program, "--port", str(self.port), "--dir", self.dir,
                "--journal-fsync", self.fsync]

    def workers_only(self, name):
        return name.startswith("worker")

    def clean(self):
        info = self.info()
        return info["dirty_keys"] == "0" and info["in_flight_keys"] == "0"

    def settle(self):
        self.ask("WEIR", "FLUSH")
        try:
            until(self.clean, 120, "weir is clean")
        except TimeoutError:
            sys.exit("weir does not come clean:\n" + self.ask("INFO", "writeback").decode())


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def run_load(peer, *args, wait=True):
    """tests/bench/load against a peer; its JSON, or the process when it is not waited for."""
    command = [os.path.join(BUILD, "tests/bench/load"), "-p", str(peer.port),
               "-c", str(CONNECTIONS), "-d", str(VALUE_BYTES), *map(str, args)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    return load_result(process) if wait else process


def load_result(process):
    out, _ = process.communicate()
    if process.returncode:
        sys.exit("load failed")
    result = json.loads(out)
    if result["errors"]:
        sys.exit("load: %d error replies" % result["errors"])
    return result


def redis_benchmark(peer, test, requests, pipeline, words=None, keys=1_000_000):
    """One run: requests per second and latencies in milliseconds. words: a command instead of one
    of its tests."""
    command = ["redis-benchmark", "-p", str(peer.port), "-c", str(CONNECTIONS),
               "-d", str(VALUE_BYTES), "-r", str(keys), "-n", str(requests), "-P", str(pipeline),
               "--precision", "3"] + (words or ["-t", test])
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         check=True).stdout
    try:
        rps = float(re.search(r"throughput summary: ([\d.]+)", out)[1])
        row = re.search(r"avg\s+min\s+p50\s+p95\s+p99\s+max\s+([\d. ]+)", out)[1].split()
    except TypeError:
        sys.exit("redis-benchmark said:\n" + out[-2000:])
    shares = [(float(share), float(ms)) for share, ms in
              re.findall(r"([\d.]+)% <= ([\d.]+) milliseconds \(cum", out.split("Cumulative")[0])]
    p999 = next((ms for share, ms in shares if share >= 99.9), float(row[5]))
    return {"rps": rps, "p50": float(row[2]), "p99": float(row[4]), "p999": p999}


def measured_run(peer, test, requests, pipeline, words=None):
    """redis_benchmark with the CPU time per request in microseconds beside it."""
    before = peer.cpu()
    result = redis_benchmark(peer, test, requests, pipeline, words)
    serving, total = cpu_between(peer, before, peer.cpu())
    result["cpu_us"] = serving / 1e3 / requests
    result["cpu_all_us"] = total / 1e3 / requests
    peer.settle()
    _, with_rest = cpu_between(peer, before, peer.cpu())
    result["cpu_all_drained_us"] = with_rest / 1e3 / requests
    return result
