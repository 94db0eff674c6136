# SPDX-License-Identifier: BSD-3-Clause
"""What the fault and client suites share: a server to kill, a raw connection, a list of checks.

The raw connection exists because a client library hides what these suites are about: which replies
had arrived when the server died. A server is started in a directory of its own under the temporary
directory, on a port that was free a moment ago, and is ended by its process id only.
"""
import contextlib
import ctypes
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# A slow build (sanitizers) may take this many times longer for everything.
PATIENCE = float(os.environ.get("WEIR_PATIENCE", "1"))
PR_SET_PDEATHSIG = 1


class ReplyError(Exception):
    """An error reply."""


class Gone(Exception):
    """The connection ended before the reply was complete."""


def encode(*args):
    """One request as RESP."""
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        if isinstance(arg, (int, float)):
            arg = str(arg)
        if isinstance(arg, str):
            arg = arg.encode()
        out.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
    return b"".join(out)


class Conn:
    """A RESP2 connection that pipelines as told; error replies come back as ReplyError objects."""

    def __init__(self, port, timeout=20.0):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout * PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb", 65536)

    def close(self):
        with contextlib.suppress(OSError):
            self.file.close()
            self.sock.close()

    def send(self, *requests):
        """Requests as tuples, in one write."""
        try:
            self.sock.sendall(b"".join(encode(*r) for r in requests))
        except socket.timeout as e:
            raise TimeoutError("the server does not read") from e
        except OSError as e:
            raise Gone(str(e)) from e

    def read(self):
        try:
            return self._read()
        except socket.timeout as e:
            raise TimeoutError("no reply in time") from e
        except OSError as e:
            raise Gone(str(e)) from e

    def _read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise Gone("end of stream")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return ReplyError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            length = int(rest)
            if length < 0:
                return None
            data = self.file.read(length + 2)
            if len(data) != length + 2:
                raise Gone("end of stream")
            return data[:-2]
        if kind == b"*":
            return None if int(rest) < 0 else [self._read() for _ in range(int(rest))]
        raise ValueError("not RESP: %r" % line)

    def __call__(self, *args):
        """One request, its reply; an error reply is raised."""
        self.send(args)
        reply = self.read()
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    def pipeline(self, requests):
        self.send(*requests)
        return [self.read() for _ in requests]

    def info(self, *sections):
        text = self("INFO", *sections).decode()
        pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
        return {name: value for name, value in pairs}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(condition, seconds, what):
    """Waits for condition() to be true and returns what it said."""
    deadline = time.monotonic() + seconds * PATIENCE
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError("waited %g s in vain: %s" % (seconds * PATIENCE, what))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """Weir on a directory, started and killed as often as wanted.

    PEER=redis runs the same suite against redis-server: a check of the suite itself.
    """

    def __init__(self, directory=None, prefix=(), user=None, **directives):
        self.own_dir = directory is None
        self.dir = directory or tempfile.mkdtemp(prefix="weir-")
        self.directives = directives
        self.prefix = list(prefix)
        self.user = user
        self.log = os.path.join(self.dir, "server.log")
        self.log_start = 0  # where the log of this process begins
        self.process = None
        self.port = None

    peer = os.environ.get("PEER", "weir")
    is_weir = peer == "weir"

    def command(self):
        if not self.is_weir:
            fsync = self.directives.get("journal_fsync", "everysec")
            return ["redis-server", "--port", str(self.port), "--dir", self.dir, "--save", "",
                    "--appendonly", "yes", "--appendfsync", fsync]
        binary = os.environ.get("WEIR_BIN") or os.path.join(ROOT, "build/release/weir")
        command = self.prefix + [os.path.abspath(binary), "--port", str(self.port),
                                 "--dir", self.dir]
        for name, value in self.directives.items():
            command += ["--" + name.replace("_", "-"), *str(value).split(" ")]
        return command

    def launch(self):
        """Starts the process without waiting for anything."""
        self.port = free_port()
        with open(self.log, "ab") as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.dir,
                                            stdin=subprocess.DEVNULL, user=self.user,
                                            preexec_fn=die_with_parent)
        return self

    def start(self, seconds=60):
        """Starts and waits until commands are served; a port taken meanwhile is tried again."""
        for attempt in range(5):
            self.launch()
            try:
                until(self.answers, seconds, "the server serves")
                return self
            except ChildProcessError:
                if attempt == 4 or not re.search("in use|another process", self.log_tail(2000)):
                    raise
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise ChildProcessError("the server exited with %s\n%s"
                                    % (self.process.returncode, self.log_tail()))
        try:
            conn = Conn(self.port, 5)
        except OSError:
            return False
        try:
            return conn("PING") == "PONG" and self.says_ready()
        except (ReplyError, Gone, TimeoutError):
            return False
        finally:
            conn.close()

    def says_ready(self):
        """One worker may serve a moment before another; the log says when all of them do."""
        if not self.is_weir:
            return True
        with open(self.log, "rb") as f:
            f.seek(self.log_start)
            return b"Ready. Connect" in f.read()

    def connect(self):
        return Conn(self.port)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self, seconds=60):
        """SIGTERM; returns the exit status."""
        if not self.process:
            return None
        self.process.terminate()
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError("SIGTERM did not end the server\n" + self.log_tail()) from None

    def log_tail(self, size=4000):
        with open(self.log, "rb") as f:
            f.seek(max(0, os.path.getsize(self.log) - size))
            return f.read().decode(errors="replace")

    def database(self):
        return os.path.join(self.dir, "weir.db")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.kill()
        if self.own_dir and not os.environ.get("KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)


class Seed:
    """The seed of this run, printed, so that a failure can be had again: FAULT_SEED=n."""

    def __init__(self):
        self.value = int(os.environ.get("FAULT_SEED") or random.SystemRandom().getrandbits(32))
        print("seed %d (FAULT_SEED=%d repeats it)" % (self.value, self.value), flush=True)

    def rng(self, *salt):
        return random.Random("/".join(map(str, (self.value,) + salt)))


class Skip(Exception):
    """This machine cannot run the check; the text says why."""


def run_checks(checks):
    """Runs each function, prints its name and outcome and the closing line; exits."""
    wanted = sys.argv[1:]
    passed = failed = 0
    for check in checks:
        name = check.__name__
        if wanted and name not in wanted:
            continue
        began = time.monotonic()
        try:
            check()
            passed += 1
            print("ok      %s (%.1f s)" % (name, time.monotonic() - began), flush=True)
        except Skip as e:
            print("skipped %s: %s" % (name, e), flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print("FAILED  %s\n%s" % (name, traceback.format_exc()), flush=True)
    print("%d passed, %d failed" % (passed, failed), flush=True)
    sys.exit(1 if failed else 0)
