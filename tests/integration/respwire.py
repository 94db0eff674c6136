# SPDX-License-Identifier: BSD-3-Clause
"""The Redis protocol as it is on the wire: every type of reply stays what it was, so that a test
can tell RESP2 from RESP3. A client library would hide just that."""
import collections
import os
import socket

# A slow build (sanitizers) may take this many times longer for everything.
TIMEOUT_S = 15.0 * float(os.environ.get("WEIR_PATIENCE", "1"))

# kind: simple error int bulk nil nil-array null array map set push double true false big verbatim
# closed; value: what it holds (bytes, int, str, or a list of replies).
Reply = collections.namedtuple("Reply", "kind value")


class WireError(Exception):
    """The connection ended, or what came is not the protocol."""


class Connection:
    def __init__(self, address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(address)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, *args):
        parts = [b"*%d\r\n" % len(args)]
        for a in args:
            parts += [b"$%d\r\n" % len(a), a, b"\r\n"]
        self.send_raw(b"".join(parts))

    def send_raw(self, data):
        try:
            self.socket.sendall(data)
        except OSError as e:
            raise WireError(str(e))

    def call(self, *args):
        self.send(*args)
        return self.read()

    def line(self):
        try:
            line = self.file.readline()
        except OSError as e:
            raise WireError(str(e) or "timed out")
        if not line.endswith(b"\r\n"):
            raise WireError("the connection was closed")
        return line[:-2]

    def bytes(self, n):
        data = self.file.read(n + 2)
        if len(data) != n + 2 or not data.endswith(b"\r\n"):
            raise WireError("the connection was closed within a bulk")
        return data[:-2]

    def read(self):
        line = self.line()
        mark, text = line[:1], line[1:].decode("latin-1")
        if mark == b"+":
            return Reply("simple", text)
        if mark == b"-":
            return Reply("error", text)
        if mark == b":":
            return Reply("int", int(text))
        if mark == b"$":
            return Reply("nil", None) if text == "-1" else Reply("bulk", self.bytes(int(text)))
        if mark == b"*" and text == "-1":
            return Reply("nil-array", None)
        if mark in (b"*", b"~", b">"):
            kind = {b"*": "array", b"~": "set", b">": "push"}[mark]
            return Reply(kind, [self.read() for _ in range(int(text))])
        if mark == b"%":
            return Reply("map", [(self.read(), self.read()) for _ in range(int(text))])
        if mark == b"_":
            return Reply("null", None)
        if mark == b",":
            return Reply("double", text)
        if mark == b"#":
            return Reply("true" if text == "t" else "false", None)
        if mark == b"(":
            return Reply("big", text)
        if mark == b"=":
            data = self.bytes(int(text))
            return Reply("verbatim", (data[:3].decode(), data[4:]))
        raise WireError("not the protocol: %r" % line)
