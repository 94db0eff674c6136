# SPDX-License-Identifier: BSD-3-Clause
"""Servers for transcripts.py: a process in a temporary directory of its own, reached over a unix
socket there, so that no port can be taken by somebody else."""
import os
import shutil
import signal
import subprocess
import tempfile
import time

import respwire

# A slow build (sanitizers) may take this many times longer for everything.
PATIENCE = float(os.environ.get("WEIR_PATIENCE", "1"))
START_S = 20.0 * PATIENCE
STOP_S = 20.0 * PATIENCE
WORKERS = 2


class Server:
    is_redis = False
    older = False  # than Redis 7.2

    def __init__(self, program, args):
        self.program, self.args, self.process = os.path.abspath(program), args, None
        self.dir = tempfile.mkdtemp(prefix="transcript-")
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.dir, name)

    def connect(self):
        return respwire.Connection(self.path("socket"))

    def alive(self):
        return self.process.poll() is None

    def log_tail(self):
        with open(self.path("output"), errors="replace") as f:
            return "".join(f.readlines()[-40:])

    def start(self):
        with open(self.path("output"), "ab") as out:
            self.process = subprocess.Popen(self.command(), stdout=out, stderr=out, cwd=self.dir,
                                            stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_S
        while True:
            if not self.alive():
                raise RuntimeError("the server did not start:\n" + self.log_tail())
            if self.answers():
                return
            if time.monotonic() > deadline:
                raise RuntimeError("the server does not answer:\n" + self.log_tail())
            time.sleep(0.005)

    def answers(self):
        """Whether it has loaded: every worker says so for itself, hence more than one client."""
        clients = []
        try:
            for _ in range(2 * WORKERS):
                clients.append(self.connect())
            return all(c.call(b"PING") == respwire.Reply("simple", "PONG") for c in clients)
        except (OSError, respwire.WireError):
            return False
        finally:
            for c in clients:
                c.close()

    def stop(self, how):
        if self.process is None:
            return
        if self.alive():
            self.process.send_signal(how)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def restart(self, kill):
        self.stop(signal.SIGKILL if kill else signal.SIGTERM)
        self.start()

    def close(self):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)


class WeirServer(Server):
    """Flushes only when it is told to (WEIR FLUSH), so that counters can be predicted."""

    def command(self):
        return [self.program, "--port", "0", "--unixsocket", self.path("socket"), "--dir",
                self.dir, "--io-threads", str(WORKERS), "--journal-segment-size", "1mb",
                "--write-delay-ms", "3600000", "--write-delay-max-ms", "3600000"] + self.args


class RedisServer(Server):
    is_redis = True
    older = True

    def command(self):
        return [self.program, "--port", "0", "--unixsocket", self.path("socket"), "--dir",
                self.dir, "--save", "", "--appendonly", "no"] + self.args
