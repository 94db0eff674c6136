# SPDX-License-Identifier: BSD-3-Clause
"""The Redis protocol, fast enough for hundreds of thousands of replies: requests are encoded once
and sent to both servers, replies are parsed from a buffer. Every type of reply stays what it was
(Simple, Error, Double, SetReply ...), so that RESP2 and RESP3 and their nulls can be told apart.

    bulk: bytes    integer: int    array: list    all else: the classes below
"""
import os
import socket

# A slow build (sanitizers) may take this many times longer for everything.
PATIENCE = float(os.environ.get("WEIR_PATIENCE", "1"))
TIMEOUT_S = 20.0 * PATIENCE


class Gone(Exception):
    """The connection ended, nothing came in time, or what came is not the protocol."""


class Simple(bytes):
    """+OK"""


class Error(bytes):
    """-ERR ..."""


class Double(bytes):
    """,1.5"""


class Big(bytes):
    """(123..."""


class Verbatim(bytes):
    """=15 txt:..."""


class SetReply(list):
    """~"""


class MapReply(list):
    """%; keys and values in turn"""


class Push(list):
    """>"""


class Constant:
    """The values that have no content."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


NIL, NIL_ARRAY, NULL = Constant("nil"), Constant("nil-array"), Constant("null")
TRUE, FALSE = Constant("#t"), Constant("#f")

LINES = {ord("+"): Simple, ord("-"): Error, ord(","): Double, ord("("): Big}
LISTS = {ord("*"): list, ord("~"): SetReply, ord(">"): Push, ord("%"): MapReply}


def encode(args):
    parts = [b"*%d\r\n" % len(args)]
    for a in args:
        parts.append(b"$%d\r\n%b\r\n" % (len(a), a))
    return b"".join(parts)


def parse(data, at):
    """(reply, where it ends), or None when it is not all there yet."""
    end = data.find(b"\r\n", at)
    if end < 0:
        return None
    mark, after = data[at], end + 2
    if mark == 58:  # :
        return int(data[at + 1:end]), after
    if mark == 36 or mark == 61:  # $ =
        n = int(data[at + 1:end])
        if n < 0:
            return NIL, after
        if len(data) < after + n + 2:
            return None
        body = bytes(data[after:after + n])
        return (body if mark == 36 else Verbatim(body)), after + n + 2
    if mark in LINES:
        return LINES[mark](data[at + 1:end]), after
    if mark in LISTS:
        n = int(data[at + 1:end])
        if n < 0:
            return NIL_ARRAY, after
        items = LISTS[mark]()
        for _ in range(n * 2 if mark == 37 else n):
            found = parse(data, after)
            if found is None:
                return None
            items.append(found[0])
            after = found[1]
        return items, after
    if mark == 95:  # _
        return NULL, after
    if mark == 35:  # #
        return (TRUE if data[at + 1] == 116 else FALSE), after
    raise Gone("not the protocol: %r" % bytes(data[at:at + 80]))


class Connection:
    def __init__(self, path, timeout=TIMEOUT_S):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.data, self.at = bytearray(), 0

    def close(self):
        self.socket.close()

    def send(self, encoded):
        try:
            self.socket.sendall(encoded)
        except OSError as e:
            raise Gone("cannot send: %s" % e) from e

    def more(self):
        try:
            got = self.socket.recv(1 << 18)
        except OSError as e:
            raise Gone("no reply: %s" % e) from e
        if not got:
            raise Gone("the connection was closed")
        self.data += got

    def read(self):
        while True:
            found = parse(self.data, self.at) if self.at < len(self.data) else None
            if found is not None:
                break
            if self.at:
                del self.data[:self.at]
                self.at = 0
            self.more()
        reply, self.at = found
        if self.at == len(self.data):
            self.data.clear()
            self.at = 0
        return reply

    def call(self, *args):
        self.send(encode(args))
        return self.read()


def quoted(data):
    """Bytes as a transcript writes them: bare where that is readable."""
    text = ""
    for byte in data:
        c = chr(byte)
        back = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", '"': '\\"'}.get(c)
        text += back or (c if " " <= c <= "~" else "\\x%02x" % byte)
    bare = text == data.decode("latin-1") and text and not set(text) & set(' "@\\')
    return text if bare else '"%s"' % text


def show_command(args):
    return " ".join(a.decode() if a and a.isascii() and a.isalnum() else quoted(a) for a in args)


def show(reply):
    """A reply as a transcript writes it."""
    if isinstance(reply, Error):
        return "!" + reply.decode("latin-1")
    if isinstance(reply, Simple):
        return reply.decode("latin-1")
    if isinstance(reply, (Double, Big)):
        return "," + reply.decode("latin-1")
    if isinstance(reply, Verbatim):
        return '=%s "%s"' % (reply[:3].decode(), quoted(reply[4:]).strip('"'))
    if isinstance(reply, bytes):
        return '"%s"' % quoted(reply).strip('"')
    if isinstance(reply, MapReply):
        pairs = zip(reply[::2], reply[1::2])
        return "{%s}" % ", ".join("%s: %s" % (show(k), show(v)) for k, v in pairs)
    if isinstance(reply, list):
        mark = {SetReply: "~", Push: ">"}.get(type(reply), "")
        return "%s[%s]" % (mark, ", ".join(show(item) for item in reply))
    return repr(reply)
