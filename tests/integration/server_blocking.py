#!/usr/bin/env python3
"""Clients that wait for a key: who is served, when, by whom, and what becomes of those that leave.

Connections are gathered on the first worker until it has its share: `spread` opens idle ones, so
that what is opened after them lands on another worker.

SPDX-License-Identifier: BSD-3-Clause
"""

import os
import random
import sqlite3
import threading
import time

from weirproc import Failure, Weir, check, command, run, wait_until

TWO_WORKERS = "io-threads 2"


def spread(weir, n=70):
    return [weir.connect() for _ in range(n)]


def blocked(weir, n):
    wait_until(lambda: int(weir.info("blocked_clients")) == n, "%d blocked clients" % n)


def block(weir, c, *args):
    """Sends a command that blocks, and waits until it does."""
    before = int(weir.info("blocked_clients"))
    c.send(command(*args))
    blocked(weir, before + 1)


def is_silent(c):
    """Nothing has been received, and nothing comes that was sent before a PING of another."""
    c.socket.setblocking(False)
    try:
        c.received += c.socket.recv(1 << 16)
    except BlockingIOError:
        pass
    finally:
        c.socket.settimeout(20)
    return c.received == b""


def the_first_to_wait_is_the_first_to_be_served_across_workers():
    with Weir(TWO_WORKERS) as weir:
        pusher = weir.connect()
        idle = spread(weir)
        other = [weir.connect() for _ in range(4)]
        near = idle[:4]
        order = [c for pair in zip(other, near) for c in pair]
        for c in order:
            block(weir, c, "BLPOP", "q", "0")
        for i in range(len(order)):
            check(pusher.call("RPUSH", "q", "v%d" % i) == 1, "the push found an element")
            check(pusher.call("LLEN", "q") == 0, "the element was not handed over")
            check(order[i].reply() == [b"q", b"v%d" % i], "not in order")
        check(pusher.call("RPUSH", "q", *range(4)) == 4, "nobody waits any more")


def a_push_of_many_serves_many():
    with Weir(TWO_WORKERS) as weir:
        pusher = weir.connect()
        spread(weir)
        waiting = [weir.connect() for _ in range(10)]
        for c in waiting:
            block(weir, c, "BRPOP", "a", "b", "0")
        check(pusher.call("RPUSH", "b", *range(15)) == 15, "length at the time of the push")
        for i, c in enumerate(waiting):
            check(c.reply() == [b"b", b"%d" % (14 - i)], "not the newest")
        check(pusher.call("LRANGE", "b", "0", "-1") == [b"0", b"1", b"2", b"3", b"4"], "the rest")


def a_chain_of_moves_is_done_before_the_push_is_answered():
    with Weir(TWO_WORKERS) as weir:
        pusher = weir.connect()
        spread(weir)
        waiting = [weir.connect() for _ in range(3)]
        for i, c in enumerate(waiting):
            block(weir, c, "BLMOVE", "l%d" % i, "l%d" % (i + 1), "LEFT", "RIGHT", "0")
        check(pusher.call("RPUSH", "l0", "v") == 1, "push")
        check(pusher.call("LRANGE", "l3", "0", "-1") == [b"v"], "the chain did not end in l3")
        check(pusher.call("EXISTS", "l0", "l1", "l2") == 0, "something stayed on the way")
        for c in waiting:
            check(c.reply() == b"v", "a move")


def a_circle_of_moves_ends():
    with Weir(TWO_WORKERS) as weir:
        pusher = weir.connect()
        spread(weir)
        a, b = weir.connect(), weir.connect()
        block(weir, a, "BRPOPLPUSH", "x", "y", "0")
        block(weir, b, "BRPOPLPUSH", "y", "x", "0")
        pusher.call("RPUSH", "x", "v")
        check(a.reply() == b"v" and b.reply() == b"v", "both moved it")
        check(pusher.call("LRANGE", "x", "0", "-1") == [b"v"], "it is back where it was")


def a_move_onto_a_wrong_type_fails_and_the_next_is_served():
    with Weir(TWO_WORKERS) as weir:
        pusher = weir.connect()
        spread(weir)
        a, b = weir.connect(), weir.connect()
        block(weir, a, "BLMOVE", "src", "dst", "LEFT", "LEFT", "0")
        block(weir, b, "BLPOP", "src", "0")
        pusher.call("SET", "dst", "a string")
        pusher.call("RPUSH", "src", "v")
        check(a.reply().startswith(b"-WRONGTYPE"), "the move did not fail")
        check(b.reply() == [b"src", b"v"], "the element was lost")


def any_command_that_makes_the_key_wakes():
    with Weir(TWO_WORKERS) as weir:
        c = weir.connect()
        spread(weir)
        waiting = weir.connect()
        makers = [
            [["RPUSH", "o", "v"], ["RENAME", "o", "k"]],
            [["RPUSH", "o", "v"], ["COPY", "o", "k"], ["DEL", "o"]],
            [["RPUSH", "o", "v"], ["LMOVE", "o", "k", "LEFT", "LEFT"]],
            [["RPUSH", "o", "v"], ["SORT", "o", "BY", "nosort", "STORE", "k"], ["DEL", "o"]],
            [["SELECT", "1"], ["RPUSH", "k", "v"], ["MOVE", "k", "0"], ["SELECT", "0"]],
            [["SELECT", "1"], ["RPUSH", "k", "v"], ["SWAPDB", "0", "1"], ["SELECT", "0"]],
            [["MULTI"], ["SET", "k", "v"], ["DEL", "k"], ["RPUSH", "k", "v"], ["EXEC"]],
        ]
        for maker in makers:
            block(weir, waiting, "BLPOP", "k", "0")
            for words in maker:
                reply = c.call(*words)
                check(not (isinstance(reply, bytes) and reply.startswith(b"-")),
                      "%s: %r" % (words, reply))
            waiting.socket.settimeout(5)
            try:
                reply = waiting.reply()
            except Failure:
                reply = None
            check(reply == [b"k", b"v"], "%s did not wake: %r" % (maker, reply))
            check(c.call("EXISTS", "k") == 0, "the element is still there")
            c.call("FLUSHALL")


def what_is_not_there_after_all_wakes_nobody():
    with Weir(TWO_WORKERS) as weir:
        c, waiting = weir.connect(), weir.connect()
        block(weir, waiting, "BLPOP", "k", "0")
        for words in (["MULTI"], ["RPUSH", "k", "v"], ["DEL", "k"], ["EXEC"], ["SET", "k", "v"],
                      ["DEL", "k"], ["ZADD", "k", "1", "m"], ["DEL", "k"], ["FLUSHALL"]):
            c.call(*words)
        check(is_silent(waiting), "woken by something that is not a list")
        c.call("RPUSH", "k", "v")
        check(waiting.reply() == [b"k", b"v"], "not woken by a list")


def sorted_sets_wake_those_who_wait_for_them():
    with Weir(TWO_WORKERS) as weir:
        c = weir.connect()
        spread(weir)
        lists, low, high = weir.connect(), weir.connect(), weir.connect()
        block(weir, lists, "BLPOP", "z", "0")
        block(weir, low, "BZPOPMIN", "z", "0")
        block(weir, high, "BZMPOP", "0", "2", "y", "z", "MAX", "COUNT", "5")
        c.call("ZADD", "z", "1", "a", "2", "b", "3", "c")
        check(low.reply() == [b"z", b"a", b"1"], "the lowest")
        check(high.reply() == [b"z", [[b"c", b"3"], [b"b", b"2"]]], "the highest")
        check(is_silent(lists), "a sorted set is no list")


def timeouts_are_decimal_and_end_with_null():
    with Weir(TWO_WORKERS) as weir:
        c = weir.connect()
        begin = time.monotonic()
        check(c.call("BLPOP", "k", "0.05") is None, "no null")
        check(c.call("BLMOVE", "k", "l", "LEFT", "LEFT", "0.05") is None, "no null")
        check(c.call("BZPOPMAX", "k", "1e-2") is None, "no null")
        check(c.call("BLMPOP", "0.001", "1", "k", "LEFT") is None, "no null")
        took = time.monotonic() - begin
        check(took >= 0.11, "too early: %.3f s" % took)
        for wrong, text in (("-1", b"-ERR timeout is negative"),
                            ("x", b"-ERR timeout is not a float or out of range"),
                            ("nan", b"-ERR timeout is not a float or out of range"),
                            ("1e30", b"-ERR timeout is out of range")):
            check(c.call("BLPOP", "k", wrong) == text, "timeout %s" % wrong)
        check(c.call("RPUSH", "k", "v") == 1 and c.call("LLEN", "k") == 1, "somebody waited still")


def figure(c, section, name):
    """The line `name` of a section of INFO; None where there is none."""
    for line in c.call("INFO", section).decode().split("\r\n"):
        if line.startswith(name + ":"):
            return line[len(name) + 1:]
    return None


def what_is_not_served_is_counted_too():
    with Weir(TWO_WORKERS) as weir:
        c = weir.connect()
        spread(weir)
        waiting = weir.connect()
        number = waiting.call("CLIENT", "ID")
        c.call("CONFIG", "RESETSTAT")
        check(waiting.call("BLPOP", "nokey", "0.05") is None, "no null")
        block(weir, waiting, "BLPOP", "nokey", "0")
        check(c.call("CLIENT", "UNBLOCK", number, "ERROR") == 1, "ERROR")
        check(waiting.reply().startswith(b"-UNBLOCKED"), "the error")
        block(weir, waiting, "BLPOP", "k", "0")
        c.call("RPUSH", "k", "v")
        check(waiting.reply() == [b"k", b"v"], "served")
        line = figure(c, "commandstats", "cmdstat_blpop")
        check(line is not None and line.startswith("calls=3,") and
              line.endswith("rejected_calls=0,failed_calls=1"), "of BLPOP: %s" % line)
        check(figure(c, "errorstats", "errorstat_UNBLOCKED") == "count=1", "errors by code")
        check(figure(c, "stats", "total_error_replies") == "1", "errors")


def inside_a_transaction_nobody_waits():
    with Weir(TWO_WORKERS) as weir:
        c = weir.connect()
        for words in (["MULTI"], ["BLPOP", "k", "0"], ["BRPOPLPUSH", "k", "l", "0"],
                      ["BZPOPMIN", "z", "0"], ["RPUSH", "k", "v"], ["BLPOP", "k", "0"]):
            c.call(*words)
        check(c.call("EXEC") == [None, None, None, 1, [b"k", b"v"]], "EXEC")


def a_client_that_leaves_takes_nothing_with_it():
    with Weir(TWO_WORKERS) as weir:
        c = weir.connect()
        spread(weir)
        for leave in ("close", "reset"):
            gone = [weir.connect() for _ in range(5)]
            stays = weir.connect()
            for g in gone:
                block(weir, g, "BLPOP", "k", "0")
            block(weir, stays, "BLPOP", "k", "0")
            for g in gone:
                getattr(g, leave)()
            blocked(weir, 1)
            c.call("RPUSH", "k", "v")
            check(stays.reply() == [b"k", b"v"], "somebody who had left was served")
        check(c.call("EXISTS", "k") == 0, "left over")


def clients_are_unblocked_by_command():
    with Weir(TWO_WORKERS) as weir:
        c = weir.connect()
        spread(weir)
        waiting = weir.connect()
        number = waiting.call("CLIENT", "ID")
        block(weir, waiting, "BLPOP", "k", "0")
        check(c.call("CLIENT", "UNBLOCK", number) == 1, "TIMEOUT")
        check(waiting.reply() is None, "null as by a timeout")
        block(weir, waiting, "BLMOVE", "k", "l", "LEFT", "LEFT", "0")
        check(c.call("CLIENT", "UNBLOCK", number, "ERROR") == 1, "ERROR")
        check(waiting.reply() == b"-UNBLOCKED client unblocked via CLIENT UNBLOCK", "the error")
        check(c.call("CLIENT", "UNBLOCK", number) == 0, "it does not wait")
        check(c.call("CLIENT", "UNBLOCK", "999999") == 0, "there is no such client")
        check(c.call("CLIENT", "UNBLOCK", number, "x") ==
              b"-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR", "reason")
        check(c.call("RPUSH", "k", "v") == 1 and c.call("LLEN", "k") == 1, "somebody waited still")


def a_key_that_comes_from_the_backend_wakes():
    with Weir(TWO_WORKERS, "write-delay-ms 10") as weir:
        c, waiting = weir.connect(), weir.connect()
        block(weir, waiting, "BLPOP", "k", "0")
        c.call("SET", "first", "v")
        c.call("WEIR", "FLUSH")
        db = sqlite3.connect(os.path.join(weir.directory, "weir.db"), timeout=20)
        db.execute("INSERT INTO list(db, key, position, value) VALUES (0, 'k', 1, 'outside')")
        db.commit()
        db.close()
        check(waiting.reply() == [b"k", b"outside"], "not woken")
        check(c.call("EXISTS", "k") == 0, "still there")


def what_was_handed_over_is_journalled():
    with Weir(TWO_WORKERS, "journal-fsync always") as weir:
        c = weir.connect()
        spread(weir)
        waiting = [weir.connect() for _ in range(3)]
        block(weir, waiting[0], "BLPOP", "k", "0")
        block(weir, waiting[1], "BLMOVE", "k", "l", "LEFT", "LEFT", "0")
        block(weir, waiting[2], "BZPOPMIN", "z", "0")
        c.call("RPUSH", "k", "a", "b", "c")
        c.call("ZADD", "z", "1", "a", "2", "b")
        check([w.reply() for w in waiting] == [[b"k", b"a"], b"b", [b"z", b"a", b"1"]], "served")
        weir.kill()
        weir.start()
        c = weir.connect()
        check(c.call("LRANGE", "k", "0", "-1") == [b"c"], "k")
        check(c.call("LRANGE", "l", "0", "-1") == [b"b"], "l")
        check(c.call("ZRANGE", "z", "0", "-1") == [b"b"], "z")


def the_server_stops_while_clients_wait():
    with Weir(TWO_WORKERS) as weir:
        spread(weir)
        waiting = [weir.connect() for _ in range(20)]
        for i, c in enumerate(waiting):
            c.send(command("BLPOP", "k%d" % (i % 3), "0"))
        blocked(weir, 20)
        weir.terminate()
        check(weir.wait() == 0, "exit code")
        for c in waiting:
            c.expect_close()


def nothing_is_lost_and_nothing_is_served_twice():
    """Pushers, waiters with short timeouts, waiters that leave and movers, on both workers: every
    element that was pushed arrives exactly once, or is still there."""
    seed = random.randrange(1 << 30)
    rounds, pushers, waiters = 300, 3, 6
    got, errors, lock = [], [], threading.Lock()
    with Weir(TWO_WORKERS) as weir:
        idle = spread(weir, 50)
        done = threading.Event()

        def push(n):
            rng = random.Random(seed + n)
            c = weir.connect()
            for i in range(rounds):
                name = "%d:%d" % (n, i)
                key = "q%d" % rng.randrange(3)
                if rng.random() < 0.3:
                    c.call("MULTI")
                    c.call("RPUSH", key, name)
                    c.call("EXEC")
                else:
                    c.call("RPUSH", key, name)
            c.close()

        def wait(n):
            rng = random.Random(seed + 100 + n)
            c = weir.connect()
            while not done.is_set():
                kind = rng.randrange(4)
                timeout = rng.choice(["0.001", "0.01", "0.05"])
                if kind == 0:
                    reply = c.call("BLMOVE", "q0", "q1", "LEFT", "RIGHT", timeout)
                    continue
                if kind == 1:
                    reply = c.call("BLMPOP", timeout, "2", "q2", "q1", "LEFT", "COUNT", "2")
                    values = reply[1] if reply else []
                else:
                    reply = c.call("BLPOP", "q0", "q1", "q2", timeout)
                    values = reply[1:] if reply else []
                with lock:
                    got.extend(values)
            c.close()

        def guarded(fn, n):
            try:
                fn(n)
            except (Failure, OSError) as e:
                errors.append("%s %d: %s" % (fn.__name__, n, e))

        threads = [threading.Thread(target=guarded, args=(wait, n)) for n in range(waiters)]
        feeders = [threading.Thread(target=guarded, args=(push, n)) for n in range(pushers)]
        for t in threads + feeders:
            t.start()
        for t in feeders:
            t.join()
        done.set()
        for t in threads:
            t.join()
        c = weir.connect()
        for key in ("q0", "q1", "q2"):
            got.extend(c.call("LRANGE", key, "0", "-1"))
        expected = sorted(b"%d:%d" % (n, i) for n in range(pushers) for i in range(rounds))
        check(not errors, "seed %d: %s" % (seed, errors[:3]))
        check(sorted(got) == expected, "seed %d: %d elements of %d, %d different" %
              (seed, len(got), len(expected), len(set(got))))
        check(len(idle) == 50, "the idle ones are kept until here")


run([the_first_to_wait_is_the_first_to_be_served_across_workers,
     a_push_of_many_serves_many,
     a_chain_of_moves_is_done_before_the_push_is_answered,
     a_circle_of_moves_ends,
     a_move_onto_a_wrong_type_fails_and_the_next_is_served,
     any_command_that_makes_the_key_wakes,
     what_is_not_there_after_all_wakes_nobody,
     sorted_sets_wake_those_who_wait_for_them,
     timeouts_are_decimal_and_end_with_null,
     what_is_not_served_is_counted_too,
     inside_a_transaction_nobody_waits,
     a_client_that_leaves_takes_nothing_with_it,
     clients_are_unblocked_by_command,
     a_key_that_comes_from_the_backend_wakes,
     what_was_handed_over_is_journalled,
     the_server_stops_while_clients_wait,
     nothing_is_lost_and_nothing_is_served_twice])
