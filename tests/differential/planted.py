# SPDX-License-Identifier: BSD-3-Clause
"""A test that cannot fail is a defect: faults are planted between two redis-servers, and have to be
found, told and shrunk."""
import contextlib

import duel
import rounds
import shrink
from wire import Connection

COMMANDS = 4000


def wrong_length(args, reply):
    """The fault of one command with certain values only."""
    return reply + 1 if args[0] == b"STRLEN" and reply in range(40, 70) else reply


def a_wrong_reply_is_found_and_its_history_is_short(arena, reading):
    arena.plant = wrong_length
    for number in range(5):
        drawn, history = rounds.Round(1, number, set(), reading), []
        arena.fresh(drawn.settings)
        for steps in drawn.steps(COMMANDS):
            history += steps
            try:
                arena.play(steps)
            except duel.Difference as difference:
                difference.at += len(history) - len(steps)
                if difference.args[0].upper() != b"STRLEN":
                    return "another command was blamed: %s" % difference
                shortest = shrink.Shrinker(arena, drawn.settings, history, difference).run()
                commands = [s for s in shortest or () if s[0] == "cmd"]
                return None if 1 <= len(commands) <= 6 else \
                    "the history has %d commands: %s" % (len(commands), shortest)
    return "nobody noticed"


def changed_behind_its_back(arena, *commands):
    """Plays a little, changes the second server alone, and has the keyspace compared."""
    arena.plant = None
    arena.fresh(rounds.DEFAULTS)
    steps = [[b"SET", b"s", b"v", b"EX", b"10000"], [b"HSET", b"h", b"f", b"1", b"g", b"2"],
             [b"RPUSH", b"l", b"a", b"b"], [b"ZADD", b"z", b"1", b"a", b"2", b"b"],
             [b"SADD", b"e", b"1", b"2"]]
    arena.play([("cmd", 0, args) for args in steps] + [("check",)])
    connection = Connection(arena.weir.path("socket"))
    for args in commands:
        connection.call(*args)
    connection.close()
    with contextlib.suppress(duel.Difference):
        arena.play([("check",)])
        return "the check of the keyspace saw nothing after %s" % (commands,)
    return None


def a_lost_change_of_any_type_is_found(arena, reading):
    del reading
    for command in ((b"DEL", b"s"), (b"SET", b"s", b"w", b"KEEPTTL"), (b"PERSIST", b"s"),
                    (b"EXPIRE", b"s", b"9000"), (b"SET", b"new", b"v"), (b"HSET", b"h", b"f", b"2"),
                    (b"HDEL", b"h", b"g"), (b"LSET", b"l", b"1", b"c"), (b"RPOP", b"l"),
                    (b"ZADD", b"z", b"3", b"a"), (b"ZREM", b"z", b"a"), (b"SADD", b"e", b"3"),
                    (b"MOVE", b"s", b"1"), (b"RENAME", b"l", b"l2")):
        problem = changed_behind_its_back(arena, command)
        if problem:
            return problem
    return None


def a_missing_event_is_found(arena, reading):
    del reading
    arena.plant = None
    arena.fresh(rounds.DEFAULTS)
    arena.play([("cmd", 0, [b"SET", b"s", b"v"]), ("listen",), ("cmd", 0, [b"APPEND", b"s", b"w"])])
    connection = Connection(arena.weir.path("socket"))
    connection.call(b"CONFIG", b"SET", b"notify-keyspace-events", b"El")
    connection.close()
    with contextlib.suppress(duel.Difference):
        arena.play([("cmd", 0, [b"APPEND", b"s", b"x"])])
        return "an event was swallowed and nobody noticed"
    return None


def faults_are_found(options, reading):
    """(name of the test, what is wrong or None) for each."""
    arena = duel.Duel(options.weir, options.redis, peer_is_redis=True)
    try:
        for test in (a_wrong_reply_is_found_and_its_history_is_short,
                     a_lost_change_of_any_type_is_found, a_missing_event_is_found):
            yield test.__name__.replace("_", " "), test(arena, reading)
    finally:
        arena.close()
