# SPDX-License-Identifier: BSD-3-Clause
"""Payloads for RESTORE: a value of each type in the plain form of RDB, or in a compact one, with
version and checksum; some of them damaged."""
import struct

STRING, LIST, SET, HASH, ZSET, INTSET = 0, 1, 2, 4, 5, 11
HASH_LISTPACK, ZSET_LISTPACK = 16, 17


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x95ac9329ac4bc9b5 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc_table()


def sealed(body, version=10):
    body += struct.pack("<H", version)
    crc = 0
    for byte in body:
        crc = CRC_TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return body + struct.pack("<Q", crc)


def length(n):
    if n < 64:
        return bytes([n])
    return struct.pack(">H", 0x4000 | n) if n < 16384 else b"\x80" + struct.pack(">I", n)


def text(s):
    return length(len(s)) + s


def listpack(items):
    """Of short strings and small numbers."""
    entries = b""
    for item in items:
        entry = bytes([item]) if isinstance(item, int) else bytes([0x80 | len(item)]) + item
        entries += entry + bytes([len(entry)])
    block = struct.pack("<IH", len(entries) + 7, len(items)) + entries + b"\xff"
    return text(block)


def body(g, kind):
    """`kind` is the letter of the keys of a type, see grammar.py."""
    names = list(dict.fromkeys(g.member() for _ in range(g.how_many(6)))) or [b"one"]
    # Redis leaves a compact form as it is, even if an element is longer than the limit of today.
    short = list(dict.fromkeys(n[:20] for n in names))
    packed = g.chance(0.4)
    if kind == "s":
        return bytes([STRING]) + (b"\xc1" + struct.pack("<h", g.below(30000)) if packed
                                  else text(g.value()))
    if kind == "l":
        return bytes([LIST]) + length(len(names)) + b"".join(map(text, names))
    if kind == "e" and packed:
        numbers = sorted({g.below(2000) for _ in names})
        return bytes([INTSET]) + text(struct.pack("<II%dh" % len(numbers), 2, len(numbers),
                                                  *numbers))
    if kind == "e":
        return bytes([SET]) + length(len(names)) + b"".join(map(text, names))
    if kind == "h" and packed:
        return bytes([HASH_LISTPACK]) + listpack([i for n in short for i in (n, g.below(128))])
    if kind == "h":
        return bytes([HASH]) + length(len(names)) + b"".join(
            text(n) + text(g.value()) for n in names)
    if packed:
        scores = sorted(g.below(128) for _ in short)
        return bytes([ZSET_LISTPACK]) + listpack([i for n, s in zip(sorted(short), scores)
                                                  for i in (n, s)])
    return bytes([ZSET]) + length(len(names)) + b"".join(
        text(n) + struct.pack("<d", g.below(1000) / 8) for n in names)


def payload(g, kind):
    made = body(g, kind)
    if g.chance(0.9):
        return sealed(made, g.choose((6, 8, 9, 10)))
    # None is cut off before its footer: Redis would read on in that.
    kind = made[:1]
    return g.choose((sealed(made, 99), sealed(made)[:-1], sealed(b"\x09" + made), made, b"",
                     sealed(kind + b"\0"), sealed(kind + b"\x81" + b"\xff" * 8)))
