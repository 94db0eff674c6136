"""A weir process for tests of its connections: started on a free port in a directory of its own,
spoken to over raw sockets.

    with Weir("requirepass secret") as weir:
        c = weir.connect()
        c.send(b"PING\r\n")
        c.expect(b"-NOAUTH Authentication required.\r\n")

WEIR_BIN names another binary than build/release/weir. Nothing sleeps for a fixed time: everything
waits for a condition, with a deadline.

SPDX-License-Identifier: BSD-3-Clause
"""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("WEIR_BIN", os.path.join(ROOT, "build", "release", "weir"))
DEADLINE_S = 20


class Failure(Exception):
    """What a test found wrong."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def wait_until(condition, what):
    """Polls the condition until it is true; its value is returned."""
    until = time.monotonic() + DEADLINE_S
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise Failure("waited in vain for: " + what)
        time.sleep(0.005)


def command(*args):
    """A request as a RESP array; arguments are bytes or text."""
    parts = [a if isinstance(a, bytes) else str(a).encode() for a in args]
    out = [b"*%d\r\n" % len(parts)]
    out += [b"$%d\r\n%s\r\n" % (len(p), p) for p in parts]
    return b"".join(out)


class Connection:
    """A raw socket with a buffer of what was received and not looked at yet."""

    def __init__(self, address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(address)
        self.received = b""

    def send(self, data):
        self.socket.sendall(data)

    def _more(self):
        """Receives something; False when the other side has closed."""
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            return False
        except socket.timeout:
            raise Failure("no answer; so far: %r" % self.received[:200]) from None
        self.received += data
        return bool(data)

    def read(self, n):
        while len(self.received) < n:
            check(self._more(), "closed after %r" % self.received[:200])
        out, self.received = self.received[:n], self.received[n:]
        return out

    def line(self):
        while b"\r\n" not in self.received:
            check(self._more(), "closed after %r" % self.received[:200])
        out, self.received = self.received.split(b"\r\n", 1)
        return out

    def reply(self):
        """One RESP2 or RESP3 reply: bytes, int, None, list, or the error line with its '-'."""
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind in b"+":
            return rest
        if kind == b"-":
            return line
        if kind == b":":
            return int(rest)
        if kind in b"$=" and int(rest) >= 0:
            return self.read(int(rest) + 2)[:-2]
        if kind in b"*~>" and int(rest) >= 0:
            return [self.reply() for _ in range(int(rest))]
        if kind == b"%":
            return [self.reply() for _ in range(2 * int(rest))]
        if kind == b"_" or rest == b"-1":
            return None
        raise Failure("not a reply: %r" % line)

    def call(self, *args):
        self.send(command(*args))
        return self.reply()

    def expect(self, data):
        """Reads exactly these bytes."""
        got = self.read(len(data))
        check(got == data, "expected %r, got %r" % (data, got))

    def expect_close(self):
        """Nothing more comes, and the other side closes."""
        while self._more():
            pass
        check(not self.received, "more than expected: %r" % self.received[:200])
        self.socket.close()

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes so that the other side sees a reset, not an end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Weir:
    """One server process; directives as in the configuration file, one string each."""

    def __init__(self, *directives, directory=None, limits=None, wait=True, env=None):
        self.own_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="weir-test-")
        self.directives = list(directives)
        self.limits = limits
        self.env = env
        self.process = None
        self.start(wait)

    def _spawn(self):
        self.port = free_port()
        self.config = os.path.join(self.directory, "weir.conf")
        with open(self.config, "w", encoding="utf-8") as f:
            lines = ["port %d" % self.port, "bind 127.0.0.1", "dir %s" % self.directory]
            f.write("\n".join(lines + self.directives) + "\n")
        self.log_path = os.path.join(self.directory, "stdout.log")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [BINARY, self.config], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                cwd=self.directory, preexec_fn=self.limits,
                env=dict(os.environ, **self.env) if self.env else None)

    def start(self, wait=True):
        """Another process may take the free port between the look and the bind: then again."""
        for _ in range(10):
            self._spawn()
            if not wait or self._answers():
                return
            if "another process does" not in self.log():
                break
        log = self.log()
        self.close()
        raise Failure("weir did not start:\n" + log)

    def _answers(self):
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until and self.process.poll() is None:
            try:
                c = self.connect()
                try:
                    reply = c.call("PING")
                finally:
                    c.close()
                if reply == b"PONG" or reply.startswith(b"-NOAUTH"):
                    return True
            except (OSError, Failure):
                pass
            time.sleep(0.01)
        return False

    def connect(self):
        return Connection(("127.0.0.1", self.port))

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def info(self, field):
        """A field of INFO, as text."""
        c = self.connect()
        try:
            for line in c.call("INFO", "everything").decode().split("\r\n"):
                if line.startswith(field + ":"):
                    return line.split(":", 1)[1]
        finally:
            c.close()
        raise Failure("INFO has no " + field)

    def cpu_seconds(self):
        """User and system time used by the process so far."""
        with open("/proc/%d/stat" % self.process.pid, encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def signal(self, number):
        self.process.send_signal(number)

    def terminate(self):
        self.signal(signal.SIGTERM)

    def kill(self):
        """kill -9, and waits until the process is gone."""
        self.signal(signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def wait(self):
        """The exit code."""
        try:
            return self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise Failure("weir does not end:\n" + self.log()) from None

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, failure, *unused):
        if failure is not None:
            print(self.log(), end="")
        self.close()


def run(tests):
    """Runs functions whose names are sentences; ends with the summary line and the exit code."""
    passed = failed = 0
    only = sys.argv[1:]
    for test in tests:
        if only and test.__name__ not in only:
            continue
        try:
            test()
        except Exception:  # every kind of failure is reported, and the next test runs
            failed += 1
            print("FAIL %s\n%s" % (test.__name__, traceback.format_exc()))
        else:
            passed += 1
            print("ok   " + test.__name__)
        sys.stdout.flush()
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)
