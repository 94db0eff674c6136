#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Plays the transcripts in transcripts/*.t against a real server and compares every reply.

A transcript reads as a dialogue; README.md has its grammar. Each file has a server of its own, each
case starts from an empty keyspace with fresh connections. With --redis the same dialogues are held
with a redis-server, which is how the expectations are checked against the original. With --replay
the process is killed after every case and must come back with exactly the same keys: that proves
what each command journals.

usage: transcripts.py [--weir PATH | --redis [PATH]] [--replay] [--verbose] [FILE | CASE WORDS ...]
"""
import argparse
import difflib
import glob
import os
import re
import sqlite3
import sys
import time

import respwire
from respwire import Reply
from servers import PATIENCE, RedisServer, WeirServer

HERE = os.path.dirname(os.path.abspath(__file__))
DEADLINE_S = 10.0 * PATIENCE


class Mismatch(Exception):
    """A reply is not what the transcript says, or the transcript makes no sense."""


# --- The notation of arguments and replies ---------------------------------------------------

ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "\\": "\\", '"': '"', "'": "'"}
TIME = re.compile(r"@(s|ms)([+-]\d+)?")


def clock(text):
    """@s+100, @ms-5: Unix time now, with an offset."""
    m = TIME.fullmatch(text)
    now = time.time() * (1 if m.group(1) == "s" else 1000)
    return int(now) + int(m.group(2) or 0)


class Scanner:
    """Reads the tokens of one command or one expected reply."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def skip(self, chars=" \t"):
        while self.at < len(self.text) and self.text[self.at] in chars:
            self.at += 1

    def peek(self, prefix):
        return self.text.startswith(prefix, self.at)

    def take(self, prefix):
        found = self.peek(prefix)
        self.at += len(prefix) if found else 0
        return found

    def match(self, pattern):
        m = re.compile(pattern).match(self.text, self.at)
        if m:
            self.at = m.end()
        return m

    def done(self):
        self.skip()
        return self.at >= len(self.text)

    def quoted(self):
        """A string in double quotes after self.at, with escapes, and maybe repeated: "ab"*3."""
        out = bytearray()
        while not self.take('"'):
            if self.at >= len(self.text):
                raise Mismatch("a quote is not closed: " + self.text)
            c = self.text[self.at]
            self.at += 1
            if c != "\\":
                out += c.encode()
                continue
            m = self.match(r"x([0-9a-fA-F]{2})")
            if m:
                out.append(int(m.group(1), 16))
            else:
                out += ESCAPES[self.text[self.at]].encode()
                self.at += 1
        m = self.match(r"\*(\d+)")
        return bytes(out) * (int(m.group(1)) if m else 1)


def parse_command(text):
    s, out = Scanner(text), []
    while not s.done():
        if s.take('"'):
            out.append(s.quoted())
        else:
            word = s.match(r"[^ \t]+").group()
            out.append(str(clock(word)).encode() if TIME.fullmatch(word) else word.encode())
    return out


# An expected reply is parsed into a pattern: (kind, payload).

def parse_list(s, close):
    out = []
    s.skip(" \t")
    while not s.take(close):
        if s.done():
            raise Mismatch("'%s' is missing in the expected reply" % close)
        out.append(parse_pattern(s))
        s.match(r"[ \t]*,?[ \t]*")  # one comma: the next may begin a double
    return out


def parse_map(s):
    out = []
    s.skip(" \t,")
    while not s.take("}"):
        if s.done():
            raise Mismatch("'}' is missing in the expected reply")
        key = parse_pattern(s)
        s.skip(" \t:=")
        out.append((key, parse_pattern(s)))
        s.skip(" \t,")
    return out


def parse_number(s):
    """7, -3, 95..100, @s+9..@s+11; None when there is no number here."""
    number = r"(-?\d+|@m?s(?:[+-]\d+)?)"
    m = s.match(number + r"\.\." + number + r"(?![\w.])")
    if m:
        return "range", (m.group(1), m.group(2))
    m = s.match(number + r"(?![\w.])")
    return ("range", (m.group(1), m.group(1))) if m else None


def parse_pattern(s):
    s.skip()
    for prefix, kind in (("~[", "set"), (">[", "push"), ("[", "array")):
        if s.take(prefix):
            return kind, parse_list(s, "]")
    if s.match(r"any-order\s*\["):
        return "any-order", parse_list(s, "]")
    if s.take("{"):
        return "map", parse_map(s)
    if s.take('blob "'):
        return "blob", s.quoted()
    if s.take('"'):
        return "bulk", s.quoted()
    if s.take("/"):
        return "regex", s.match(r"((?:[^/\\]|\\.)*)/").group(1)
    if s.take('!"'):
        return "error", s.quoted().decode("latin-1")
    if s.take("!"):
        return "error", s.match(r".*").group()
    if s.take(","):
        return "double", s.match(r"[^\s,\]}]+").group()
    if s.take("="):
        kind = s.match(r'(\w{3})\s*"').group(1)
        return "verbatim", (kind, s.quoted())
    number = parse_number(s)
    if number:
        return number
    m = s.match(r"(count|distinct) (\d+)")
    if m:
        return m.group(1), int(m.group(2))
    word = s.match(r"[^\s,\]}:]+")
    if not word:
        raise Mismatch("cannot read the expected reply at: " + s.text[s.at:])
    word = word.group()
    fixed = {"nil": "nil", "nil-array": "nil-array", "null": "null", "*": "any", "#t": "true",
             "#f": "false", "closed": "closed"}
    return (fixed[word], None) if word in fixed else ("simple", word)


def parse_reply(text):
    s = Scanner(text)
    pattern = parse_pattern(s)
    if not s.done():
        raise Mismatch("more than one expected reply: " + text)
    return pattern


def number_of(text):
    return clock(text) if text.startswith("@") else int(text)


def match_any_order(patterns, values):
    left = list(values)
    for pattern in patterns:
        for i, value in enumerate(left):
            if matches(pattern, value):
                del left[i]
                break
        else:
            return False
    return not left


def matches(pattern, reply):
    kind, want = pattern
    have, value = reply
    if kind == "any":
        return True
    if kind == "count":
        return have in ("array", "set") and len(value) == want
    if kind == "distinct":
        return have == "array" and len(value) == want == len(set(map(str, value)))
    if kind == "regex":
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        return have in ("bulk", "simple", "error", "verbatim") and re.search(want, text) is not None
    if kind == "range":
        return have == "int" and number_of(want[0]) <= value <= number_of(want[1])
    if kind == "any-order":
        return have == "array" and match_any_order(want, value)
    if kind != have:
        return False
    if kind in ("array", "push"):
        return len(want) == len(value) and all(map(matches, want, value))
    if kind == "set":
        return match_any_order(want, value)
    if kind == "map":
        pairs = [("array", [k, v]) for k, v in want]
        return match_any_order(pairs, [Reply("array", [k, v]) for k, v in value])
    return want == value


def show_bytes(data):
    if len(data) > 200:
        return '"%s"... (%d bytes)' % (show_bytes(data[:60])[1:-1], len(data))
    out = ""
    for b in data:
        c = chr(b)
        back = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", '"': '\\"'}.get(c)
        out += back or (c if " " <= c <= "~" else "\\x%02x" % b)
    return '"%s"' % out


def show(reply):
    kind, value = reply
    if kind == "bulk":
        return show_bytes(value)
    if kind == "blob":
        return "blob " + show_bytes(value)
    if kind == "error":
        return "!" + value
    if kind == "double":
        return "," + value
    if kind == "verbatim":
        return "=%s %s" % (value[0], show_bytes(value[1]))
    if kind in ("array", "set", "push"):
        return {"array": "", "set": "~", "push": ">"}[kind] + "[%s]" % ", ".join(map(show, value))
    if kind == "map":
        return "{%s}" % ", ".join("%s: %s" % (show(k), show(v)) for k, v in value)
    if kind in ("true", "false"):
        return "#" + kind[0]
    return kind if value is None else str(value)


# --- Reading a transcript ---------------------------------------------------------------------

LINE = re.compile(r"(?:(weir) )?(?:(\w+)(>>?|<)|(>>?|<))(7\.2)?(?: (.*)|$)")
WORDS = ("proto", "stat", "mark", "restart", "kill")


class Step:
    def __init__(self, number, verb, client, text, weir_only):
        self.number, self.verb, self.client, self.text = number, verb, client, text
        self.weir_only, self.reply, self.newer = weir_only, None, False


class Case:
    def __init__(self, path, number, name):
        self.path, self.number, self.name, self.steps = path, number, name, []


def parse_line(case, number, line):
    m = LINE.fullmatch(line)
    if not m:
        word = line.split()[0]
        if word not in WORDS:
            raise SystemExit("%s:%d: what is this? %s" % (case.path, number, line))
        weir_only = word in ("stat", "mark", "restart", "kill")
        case.steps.append(Step(number, word, "", line[len(word):].strip(), weir_only))
        return
    name, arrow = m.group(2) or "", m.group(3) or m.group(4)
    text = m.group(6) or ""
    last = case.steps[-1] if case.steps else None
    if arrow == "<" and not name and last and last.verb in (">", "<", "until", "walk", "backend"):
        last.reply = text if last.reply is None else last.reply + " " + text
        last.newer |= m.group(5) is not None
        return
    verb, client = arrow, name
    if arrow == ">" and name in ("until", "walk", "backend"):
        verb, client = name, ""
    step = Step(number, verb, client, text, m.group(1) is not None or verb == "backend")
    if arrow == "<":
        step.reply, step.newer = text, m.group(5) is not None
    case.steps.append(step)


def read_transcript(path):
    """Returns the server's arguments (of both kinds, of Weir; None: a Redis is not asked) and the
    cases."""
    common, weir, cases = [], [], []
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if not line.strip() or line.startswith("#|"):
                continue
            if line.startswith("# "):
                cases.append(Case(path, number, line[2:].strip()))
            elif line.startswith("server ") and not cases:
                common = (common or []) + line.split()[1:]
            elif line.startswith("weir-server ") and not cases:
                weir += line.split()[1:]
            elif line == "weir-only" and not cases:
                common = None
            elif not cases:
                raise SystemExit("%s:%d: before the first case" % (path, number))
            else:
                parse_line(cases[-1], number, line)
    return common, weir, cases


# --- Playing ----------------------------------------------------------------------------------

class Player:
    def __init__(self, server, case):
        self.server, self.case = server, case
        self.clients, self.marks = {}, {}

    def client(self, name):
        if name not in self.clients:
            self.clients[name] = self.server.connect()
        return self.clients[name]

    def close(self):
        for c in self.clients.values():
            c.close()
        self.clients = {}

    def info(self):
        client = self.server.connect()
        reply = client.call(b"INFO", b"everything")
        client.close()
        out = {}
        for line in reply.value.decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon and re.fullmatch(r"-?\d+", value):
                out[name] = int(value)
        return out

    def expect(self, step, reply):
        if step.reply is None:
            if reply.kind == "error":
                raise Mismatch("< " + show(reply))
            return
        if step.newer and self.server.older:
            return
        if not matches(parse_reply(step.reply), reply):
            raise Mismatch("< " + show(reply))

    def until(self, step):
        deadline = time.monotonic() + DEADLINE_S
        while True:
            reply = self.client("").call(*parse_command(step.text))
            if matches(parse_reply(step.reply), reply):
                return
            if time.monotonic() > deadline:
                raise Mismatch("< %s   (for %g seconds)" % (show(reply), DEADLINE_S))
            time.sleep(0.002)

    def walk(self, step):
        """SCAN or one of its kind from cursor 0 to 0; * stands for the cursor."""
        cursor, out, rounds = b"0", {}, 0
        args = parse_command(step.text)
        pairs = args[0].upper() in (b"HSCAN", b"ZSCAN")
        while rounds == 0 or cursor != b"0":
            rounds += 1
            reply = self.client("").call(*[cursor if a == b"*" else a for a in args])
            if reply.kind != "array" or rounds > 100000:
                raise Mismatch("< " + show(reply))
            cursor, items = reply.value[0].value, reply.value[1].value
            for i in range(0, len(items), 2 if pairs else 1):
                out[items[i].value] = items[i + 1] if pairs else None
        names = sorted(out)
        if pairs:
            self.expect(step, Reply("map", [(Reply("bulk", n), out[n]) for n in names]))
        else:
            self.expect(step, Reply("array", [Reply("bulk", n) for n in names]))

    def backend(self, step):
        db = sqlite3.connect("file:%s?mode=ro" % self.server.path("weir.db"), uri=True)
        db.text_factory = bytes
        try:
            rows = db.execute(step.text).fetchall()
        except sqlite3.Error as e:
            raise Mismatch("< !%s" % e)
        finally:
            db.close()
        self.expect(step, Reply("array", [Reply("array", [sql_value(v) for v in r]) for r in rows]))

    def stat(self, step):
        m = re.fullmatch(r"(\w+) ([+=])(\d+)(?:\.\.(\d+))?", step.text)
        if not m:
            raise Mismatch("stat wants: name +n, name =n, name +n..m")
        name, low = m.group(1), int(m.group(3))
        high = int(m.group(4) or low)
        now = self.info()
        if name not in now:
            raise Mismatch("INFO has no number %s" % name)
        value = now[name] - (self.marks.get(name, 0) if m.group(2) == "+" else 0)
        if not low <= value <= high:
            raise Mismatch("stat %s %s%d" % (name, m.group(2), value))

    def play(self, step):
        if step.weir_only and self.server.is_redis:
            return
        verb = step.verb
        if verb == ">":
            self.expect(step, self.client(step.client).call(*parse_command(step.text)))
        elif verb == ">>":
            self.client(step.client).send(*parse_command(step.text))
        elif verb == "<":
            self.expect(step, self.client(step.client).read())
        elif verb == "proto":
            self.client("").call(b"HELLO", step.text.encode())
        elif verb == "mark":
            self.marks = self.info()
        elif verb in ("restart", "kill"):
            self.close()
            self.server.restart(kill=verb == "kill")
            self.marks = {}
        else:
            getattr(self, verb)(step)

    def play_all(self):
        """None, or the step that failed and how."""
        self.client("").call(b"FLUSHALL")
        if not self.server.is_redis:
            self.client("").call(b"WEIR", b"FLUSH")
            if any(s.verb == "stat" for s in self.case.steps):
                self.marks = self.info()
        for step in self.case.steps:
            try:
                self.play(step)
            except Mismatch as e:
                return step, str(e)
            except respwire.WireError as e:
                return step, "< closed (%s)" % e
        return None


def sql_value(v):
    if v is None:
        return Reply("nil", None)
    if isinstance(v, int):
        return Reply("int", v)
    if isinstance(v, float):
        return Reply("double", repr(v))
    return Reply("bulk", v) if isinstance(v, bytes) else Reply("bulk", bytes(v))


def must_call(client, kinds, *args):
    reply = client.call(*args)
    if reply.kind not in kinds:
        raise Mismatch("%s: %s" % (b" ".join(args).decode("latin-1"), show(reply)))
    return reply.value


def without_estimate(text):
    """A sketch keeps what PFCOUNT has made of it as long as it is in memory."""
    return text[:8] + text[16:] if text is not None and text.startswith(b"HYLL") else text


def dump(server):
    """All keys of all databases with type, expiry and value: what a restart must not change."""
    out, client = {}, server.connect()
    for db in range(16):
        must_call(client, ["simple"], b"SELECT", b"%d" % db)
        for _, key in must_call(client, ["array"], b"KEYS", b"*"):
            kind = must_call(client, ["simple"], b"TYPE", key)
            if kind == "hash":
                flat = [r.value for r in must_call(client, ["array"], b"HGETALL", key)]
                value = sorted(zip(flat[::2], flat[1::2]))
            elif kind == "set":
                value = sorted(r.value for r in must_call(client, ["array"], b"SMEMBERS", key))
            elif kind in ("list", "zset"):
                args = [b"LRANGE", key, b"0", b"-1"] if kind == "list" else \
                    [b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]
                value = [r.value for r in must_call(client, ["array"], *args)]
            else:
                value = without_estimate(must_call(client, ["bulk", "nil"], b"GET", key))
            out[db, key] = (kind, must_call(client, ["int"], b"PEXPIRETIME", key), value)
    client.close()
    return out


def check_same(player, before, how):
    after = dump(player.server)
    now = time.time() * 1000
    lost = {k: v for k, v in before.items() if after.get(k) != v and not 0 < v[1] <= now + 50}
    extra = [k for k in after if k not in before]
    if lost or extra:
        raise Mismatch("%s: was %.500s, is %.500s, new %s" %
                       (how, lost, {k: after.get(k) for k in lost}, extra))


def check_replay(player):
    """Kills the server: the journal must bring everything back, and after a flush the backend."""
    player.close()
    server = player.server
    try:
        before = dump(server)
        server.restart(kill=True)
        check_same(player, before, "from the journal")
        client = server.connect()
        must_call(client, ["simple"], b"WEIR", b"FLUSH")
        client.close()
        server.restart(kill=True)
        check_same(player, before, "from the backend")
    except (Mismatch, OSError, RuntimeError, respwire.WireError) as e:
        return "after kill -9, %s" % e
    return None


def report(case, step, text):
    print("%s:%d: %s" % (os.path.relpath(case.path), step.number if step else case.number,
                         case.name))
    want = []
    if step:
        print("    %s> %s" % (step.client if step.verb in (">", "<", ">>") else step.verb,
                             step.text))
        if step.reply is not None:
            want = ["< " + step.reply]
        elif step.verb == "stat":
            want = ["stat " + step.text]
    for line in difflib.ndiff(want, text.split("\n")):
        if not line.startswith("?"):
            print("  " + line)
    print(flush=True)


def run_file(path, options):
    common, weir, cases = read_transcript(path)
    chosen = [c for c in cases if not options.words or any(w in c.name for w in options.words)]
    if not chosen or (options.redis and common is None):
        return 0, 0
    passed = failed = 0
    server = RedisServer(options.redis, common) if options.redis \
        else WeirServer(options.weir, (common or []) + weir)
    try:
        for case in chosen:
            player = Player(server, case)
            try:
                try:
                    problem = player.play_all()
                except (OSError, respwire.WireError) as e:
                    problem = (None, "the server does not answer: %s" % e)
                if not problem and options.replay:
                    lost = check_replay(player)
                    problem = (None, lost) if lost else None
            finally:
                player.close()
            if problem:
                failed += 1
                report(case, *problem)
            else:
                passed += 1
                if options.verbose:
                    print("ok %s: %s" % (os.path.basename(path), case.name), flush=True)
            if not server.alive():
                print("%s: the server died in: %s\n%s" % (path, case.name, server.log_tail()))
                server.restart(kill=True)
    finally:
        server.close()
    return passed, failed


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--weir", default=os.path.join(HERE, "..", "..", "weir"))
    parser.add_argument("--redis", nargs="?", const="/usr/bin/redis-server")
    parser.add_argument("--replay", action="store_true")
    parser.add_argument("--verbose", "-v", action="store_true")
    parser.add_argument("what", nargs="*")
    options = parser.parse_args()
    files = [w for w in options.what if w.endswith(".t")]
    options.words = [w for w in options.what if not w.endswith(".t")]
    passed = failed = 0
    for path in files or sorted(glob.glob(os.path.join(HERE, "transcripts", "*.t"))):
        try:
            p, f = run_file(path, options)
        except (OSError, RuntimeError) as e:
            print("%s: %s" % (path, e))
            p, f = 0, 1
        passed, failed = passed + p, failed + f
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
