#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The same random commands for redis-server and for Weir: every reply, and now and then the whole
keyspace, must be the same; also after a flush, an eviction, kill -9, and from the backend alone.

usage: differential.py [--commands N] [--seed S] [--round R] [--size N] [--weir PATH]
                       [--redis PATH] [--against-itself] [--keep-going]

The seed is printed. A difference names the seed, the round and the number of the command, and shows
the shortest history that was found for it: `--seed S --round R` has it again.
"""
import argparse
import atexit
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback

import duel
import planted
import rounds
import shrink
from wire import PATIENCE, TIMEOUT_S, Gone

HERE = os.path.dirname(os.path.abspath(__file__))
WEIR = os.environ.get("WEIR_BIN", os.path.join(HERE, "..", "..", "weir"))
DIFFERENCES_MOST = 25
# Groups of COMMAND DOCS whose commands all must have a row, or stand here.
GROUPS = {b"string", b"hash", b"list", b"set", b"sorted-set", b"bitmap", b"hyperloglog", b"geo",
          b"generic", b"transactions"}
WITHOUT_ROW = {
    "wait": "replicas", "waitaof": "replicas", "object|freq": "a clock of its own",
    "object|idletime": "a clock of its own", "object|help": "text", "object": "a container",
    "hello": "drawn by rounds.py", "pfdebug": "internal", "pfselftest": "internal",
}


def missing_commands(arena):
    """Commands with a row here that Weir does not know."""
    names = sorted({name for name in rounds.all_names()})
    pair = arena.pair("control")
    replies = pair.call(b"COMMAND", b"INFO", *[n.replace(" ", "|").lower().encode()
                                               for n in names])
    return [name for name, known in zip(names, replies[1]) if not isinstance(known, list)]


def commands_without_row(arena):
    """The other way round: what Weir has and nobody compares."""
    names = {name.replace(" ", "|").lower() for name in rounds.all_names()}
    docs = arena.pair("control").call(b"COMMAND", b"DOCS")[1]
    without = []
    for name, doc in zip(docs[::2], docs[1::2]):
        group = dict(zip(doc[::2], doc[1::2])).get(b"group")
        known = name.decode()
        if group in GROUPS and known not in names and known not in WITHOUT_ROW \
                and not any(n.startswith(known + "|") for n in names):
            without.append(known)
    return without


class Run:
    def __init__(self, options):
        self.options = options
        # Weir is started again and again: what runs must not be built anew in between.
        self.directory = tempfile.mkdtemp(prefix="differential-")
        atexit.register(shutil.rmtree, self.directory, ignore_errors=True)
        if not options.against_itself:
            shutil.copy(options.weir + "ctl", os.path.join(self.directory, "weirctl"))
            options.weir = shutil.copy(options.weir, os.path.join(self.directory, "weir"))
        self.arena = duel.Duel(options.weir, options.redis, options.against_itself)
        self.passed = self.failed = 0
        self.seen = {}
        self.reading = self.arena.reading_commands([n.encode() for n in rounds.all_names()])

    def test(self, name, problem):
        """Counts; a problem is told."""
        if problem:
            self.failed += 1
            print("FAILED  %s\n%s" % (name, problem), flush=True)
        else:
            self.passed += 1

    def play_round(self, number, missing):
        drawn = rounds.Round(self.options.seed, number, missing, self.reading)
        self.arena.fresh(drawn.settings)
        history = []
        for steps in drawn.steps(self.options.size):
            base = len(history)
            history += steps
            try:
                self.arena.play(steps)
            except duel.Difference as d:
                if d.at >= 0:
                    d.at += base
                return drawn, history, d
        return drawn, history, None

    def round(self, number, missing):
        name = "round %d" % number
        drawn, history, difference = self.play_round(number, missing)
        if difference is None:
            self.test(name, None)
            return
        kind = difference.kind()
        self.seen[kind] = self.seen.get(kind, 0) + 1
        text = "seed %d, round %d, step %d of it:\n%s" % (self.options.seed, number, difference.at,
                                                          difference)
        if self.seen[kind] == 1 and len(self.seen) <= DIFFERENCES_MOST:
            shrinker = shrink.Shrinker(self.arena, drawn.settings, history, difference)
            shortest = self.shrunk(shrinker)
            if shortest is None:
                shown = shrink.show_steps(history[:difference.at + 1], 80)
                text += "\nit does not come again when the same steps are played alone; the last " \
                    "of them:\n  " + "\n  ".join(shown)
            else:
                settings = [" ".join(s.decode() for s in pair) for pair in drawn.settings[6:]]
                text += "\nthe shortest history found%s:\n  %s\n%s" % (
                    " (%s)" % ", ".join(settings) if settings else "",
                    "\n  ".join(shrink.show_steps(shortest)), shrinker.difference)
        self.test("%s (%s)" % (name, drawn.theme), text)

    def shrunk(self, shrinker):
        """A server may stop answering while its history is played again."""
        try:
            return shrinker.run()
        except (Gone, OSError, RuntimeError) as e:
            print("while shrinking: %s" % e)
            return shrinker.steps
        finally:
            self.arena.timeout = TIMEOUT_S

    def run(self):
        options, began = self.options, time.monotonic()
        if not options.against_itself and options.round is None:
            for name, problem in planted.faults_are_found(options, self.reading):
                self.test(name, problem)
        missing = [] if options.against_itself else missing_commands(self.arena)
        if missing:
            print("skipped, %d unknown commands: %s" % (len(missing), " ".join(missing)))
        if not options.against_itself:
            self.test("every command with a row is known to Weir",
                      missing and "unknown: " + " ".join(missing))
            without = commands_without_row(self.arena)
            self.test("every command of these groups has a row",
                      without and "no row: " + " ".join(without))
        number = 0
        if options.round is not None:
            self.round(options.round, set(missing))
        while options.round is None and self.arena.commands < options.commands:
            self.round(number, set(missing))
            number += 1
            if len(self.seen) > DIFFERENCES_MOST:
                print("too many differences, the rest is not played")
                break
        if not options.against_itself:
            self.test("Weir ends in order", self.end())
        for reason, count in sorted(self.arena.judge.excused.items()):
            print("%7d  excused: %s" % (count, reason))
        self.tell()
        print("%d commands in %.1f s" % (self.arena.commands, time.monotonic() - began))

    def end(self):
        self.arena.disconnect()
        try:
            self.arena.end_in_order()
        except duel.Difference as e:
            return str(e)
        return None

    def tell(self):
        """What was met, so that a reader sees that something was."""
        arena = self.arena
        total = sum(arena.kinds.values()) or 1
        print("replies: " + ", ".join("%.1f %% %s" % (100 * n / total, kind)
                                      for kind, n in arena.kinds.most_common()))
        print("steps: " + ", ".join("%d %s" % (n, kind) for kind, n in arena.drawn.items()
                                    if isinstance(kind, str)))
        names = {name: arena.drawn[name.split()[0].encode()] for name in rounds.all_names()}
        rarest = sorted(names, key=names.get)[:6]
        print("rarest: " + ", ".join("%d %s" % (names[name], name) for name in rarest))

    def close(self):
        self.arena.close()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    slower = 10 if PATIENCE > 1 else 1
    parser.add_argument("--commands", type=int,
                        default=int(os.environ.get("DIFFERENTIAL_COMMANDS", 200_000 // slower)))
    parser.add_argument("--seed", type=int, default=os.environ.get("FAULT_SEED"))
    parser.add_argument("--round", type=int)
    parser.add_argument("--size", type=int, default=4000, help="commands of a round")
    parser.add_argument("--weir", default=WEIR)
    parser.add_argument("--redis", default="/usr/bin/redis-server")
    parser.add_argument("--against-itself", action="store_true",
                        help="two redis-servers: is the test itself right?")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 31)
    print("seed %d" % int(options.seed), flush=True)
    options.seed = int(options.seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers are ended on the way out
    run = Run(options)
    try:
        run.run()
    except (Gone, OSError, RuntimeError):
        run.test("the run comes to its end", traceback.format_exc())
    finally:
        run.close()
    print("%d passed, %d failed" % (run.passed, run.failed))
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
