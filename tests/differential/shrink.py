# SPDX-License-Identifier: BSD-3-Clause
"""Finds a short history that ends in the same difference: first only what touches the same keys,
then whatever can be left out, as long as time allows."""
import time

import duel
from wire import PATIENCE, show_command

SECONDS = 20


def keys_of(args):
    """Everything that might be a key."""
    return {a for a in args[1:] if 1 <= len(a) <= 240}


def names_of(step):
    if step[0] in ("cmd", "block"):
        return keys_of(step[2])
    if step[0] == "expire":
        return set(step[2])
    return set(step[2][1:2]) if step[0] == "walk" else set()


STATE = {b"MULTI", b"EXEC", b"DISCARD", b"WATCH", b"UNWATCH", b"SELECT", b"HELLO", b"SWAPDB",
         b"FLUSHALL", b"FLUSHDB"}
KEPT = {"cut", "version", "unblock", "listen", *duel.DISTURBANCES}


def related(steps, keys):
    """Steps that touch one of the keys, or change what a connection or the server is."""
    pool = {k for k in keys if len(k) == 2 and k[1:].isdigit() and k[:1].isalpha()} or keys
    for step in reversed(steps):
        if step[0] == "cmd" and step[2][0].upper() in (b"RENAME", b"COPY", b"RENAMENX"):
            if names_of(step) & pool:
                pool = pool | set(step[2][1:3])
    return [s for s in steps if names_of(s) & pool or s[0] in KEPT
            or (s[0] == "cmd" and s[2][0].upper() in STATE)]


class Shrinker:
    def __init__(self, arena, settings, steps, difference):
        self.arena, self.settings = arena, settings
        self.steps = steps[:difference.at + 1] if difference.at >= 0 else steps
        self.difference = difference
        self.deadline = time.monotonic() + SECONDS
        if difference.is_silence():
            arena.timeout = 2 * PATIENCE

    def fails(self, steps):
        """The same kind of difference; it is kept when it is."""
        self.arena.fresh(self.settings)
        try:
            self.arena.play(steps)
        except duel.Difference as d:
            if d.kind() != self.difference.kind():
                return False
            self.difference = d
            self.steps = steps[:d.at + 1] if d.at >= 0 else steps
            return True
        return False

    def run(self):
        """The shortest history found, or None when the difference does not come again."""
        if not self.fails(self.steps):
            return None
        last = self.difference
        keys = keys_of(last.args) if last.args else set()
        if keys:
            self.fails(related(self.steps[:-1], keys) + self.steps[-1:])
        chunk = max(1, len(self.steps) // 2)
        while time.monotonic() < self.deadline:
            before = len(self.steps)
            self.without_chunks(chunk)
            if chunk == 1 and len(self.steps) == before:
                break
            chunk = max(1, min(chunk // 2, len(self.steps) // 2))
        return self.steps

    def without_chunks(self, chunk):
        """Leaves out each stretch in turn, from the end; the last step stays."""
        end = len(self.steps) - 1
        while end > 0 and time.monotonic() < self.deadline:
            start = max(0, end - chunk)
            self.fails(self.steps[:start] + self.steps[end:])
            end = min(start, len(self.steps) - 1)


def show_steps(steps, most=60):
    """As a transcript would have it; clients are A, B, C, D."""
    lines = []
    shown = [s for s in steps if s[0] != "cut"]
    if len(shown) > most:
        lines.append("... %d steps before" % (len(shown) - most))
    for step in shown[-most:]:
        if step[0] == "cmd":
            lines.append("%s> %s" % ("ABCD"[step[1]], show_command(step[2])))
        elif step[0] == "block":
            lines.append("%s>> %s" % ("ABCD"[step[1]], show_command(step[2])))
        elif step[0] == "version":
            lines.append("%s> HELLO %d" % ("ABCD"[step[1]], step[2]))
        elif step[0] in ("walk", "expire"):
            lines.append("%s %s" % (step[0], show_command(step[2])))
        else:
            lines.append(step[0])
    return [line if len(line) <= 400 else line[:400] + "..." for line in lines]
