#!/usr/bin/env python3
"""Publish and subscribe with many clients at once: order, completeness, bounds.

SPDX-License-Identifier: BSD-3-Clause
"""

import resource
import threading

from weirproc import Weir, check, command, run, wait_until

HEAD = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n"


class Spread(Weir):
    """A server whose first clients, which gather on one worker, are there already and idle: those
    of the test are spread over both workers."""

    def __init__(self, *directives):
        super().__init__("io-threads 2", *directives)
        self.idle = [self.connect() for _ in range(200)]
        for c in self.idle:
            c.call("PING")


def listen(weir, *args):
    """A client that listens: SUBSCRIBE or PSUBSCRIBE, and names."""
    c = weir.connect()
    c.send(command(*args))
    for i in range(1, len(args)):
        check(c.reply()[2] == i, "the count of subscriptions is wrong")
    return c


def publish_all(weir, name, n):
    """A pipeline of n messages "name:i"; every reply is read."""
    c = weir.connect()
    for at in range(0, n, 100):
        c.send(b"".join(command("PUBLISH", "c", "%s:%d" % (name, i)) for i in range(at, at + 100)))
        for _ in range(100):
            check(c.reply() > 0, "nobody listens")


def at_once(*jobs):
    """Runs functions in threads; the first failure is raised."""
    failures = []

    def guarded(job):
        try:
            job()
        except Exception as e:  # pylint: disable=broad-except
            failures.append(e)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]


def all_subscribers_see_the_messages_of_all_publishers_in_one_order():
    n, publishers = 3000, 4
    with Spread() as weir:
        listeners = [listen(weir, "SUBSCRIBE", "c") for _ in range(8)]
        seen = [[] for _ in listeners]

        def hear(i):
            for _ in range(n * publishers):
                seen[i].append(listeners[i].reply()[2])

        at_once(*[lambda i=i: hear(i) for i in range(len(listeners))],
                *[lambda p=p: publish_all(weir, p, n) for p in range(publishers)])
        for other in seen[1:]:
            check(other == seen[0], "two subscribers saw two orders")
        for p in range(publishers):
            mine = [m for m in seen[0] if m.startswith(b"%d:" % p)]
            check(mine == [b"%d:%d" % (p, i) for i in range(n)], "one publisher's order is lost")


def a_message_is_there_before_the_reply_to_a_later_request():
    with Spread() as weir:
        publisher = weir.connect()
        readers = [weir.connect() for _ in range(4)]  # on both workers
        for r in readers:
            r.call("HELLO", 3)
            r.call("SUBSCRIBE", "c")
        for i in range(300):
            check(publisher.call("PUBLISH", "c", i) == len(readers), "not all listen")
            for r in readers:
                r.send(b"PING\r\n")
            for r in readers:
                check(r.reply() == [b"message", b"c", b"%d" % i], "the message is late")
                check(r.reply() == b"PONG", "no answer")


def messages_to_oneself_come_behind_the_reply():
    with Spread() as weir:
        c = weir.connect()
        c.call("HELLO", 3)
        c.call("SUBSCRIBE", "c")
        c.send(command("PUBLISH", "c", 1) + command("PUBLISH", "c", 2) + command("PING"))
        push = b">" + HEAD[1:]
        c.expect(b":1\r\n" + push + b"$1\r\n1\r\n:1\r\n" + push + b"$1\r\n2\r\n+PONG\r\n")
        c.send(command("MULTI") + command("PUBLISH", "c", 3) + command("PING") + command("EXEC"))
        c.expect(b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n+PONG\r\n" + push + b"$1\r\n3\r\n")
        c.send(command("PUBLISH", "c", 4) + command("UNSUBSCRIBE"))
        c.expect(b":1\r\n" + push + b"$1\r\n4\r\n>3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n")


def a_channel_may_have_ten_thousand_subscribers():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    n = min(10000, hard - 500)
    with Spread("maxclients %d" % (n + 300)) as weir:
        publisher = weir.connect()
        listeners = [weir.connect() for _ in range(n)]
        for c in listeners:
            c.send(command("SUBSCRIBE", "c"))
        for c in listeners:
            c.expect(b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n")
        for i in range(5):
            check(publisher.call("PUBLISH", "c", i) == n, "the number of receivers is wrong")
        for c in listeners:
            for i in range(5):
                c.expect(HEAD + b"$1\r\n%d\r\n" % i)
        for c in listeners[:n // 2]:
            c.reset()
        for c in listeners[n // 2:]:
            c.close()
        wait_until(lambda: publisher.call("PUBLISH", "c", "x") == 0, "all subscribers forgotten")
        check(publisher.call("PUBSUB", "CHANNELS") == [], "the channel stayed")


def a_subscriber_may_have_a_thousand_patterns():
    patterns = ["*%s%d*" % ("c" if i % 2 else "x", i % 10) for i in range(1000)]
    patterns = ["%s|%d" % (p, i) for i, p in enumerate(patterns)]
    with Spread() as weir:
        c = listen(weir, "PSUBSCRIBE", *patterns)
        publisher = weir.connect()
        check(publisher.call("PUBLISH", "ac7b|7", "x") == 1, "one pattern matches")
        check(c.reply() == [b"pmessage", b"*c7*|7", b"ac7b|7", b"x"], "the wrong pattern")
        all_of_them = weir.connect()
        all_of_them.send(command("PSUBSCRIBE", *["*" * i for i in range(1, 1001)]))
        for _ in range(1000):
            all_of_them.reply()
        check(publisher.call("PUBLISH", "c", "y") == 1000, "a thousand patterns match")
        got = {all_of_them.reply()[1] for _ in range(1000)}
        check(len(got) == 1000, "a pattern was left out")
        c.send(command("PUNSUBSCRIBE"))
        for i in range(1000):
            check(c.reply()[2] == 999 - i, "the count of what is left is wrong")


def a_subscriber_that_does_not_read_is_closed_and_the_others_are_not():
    payload = b"x" * 10000
    with Spread("client-output-buffer-limit pubsub 1mb 0 0") as weir:
        slow = [listen(weir, "SUBSCRIBE", "c") for _ in range(2)]
        good = [listen(weir, "SUBSCRIBE", "c") for _ in range(2)]
        publisher = weir.connect()
        sent = 0
        while publisher.call("PUBSUB", "NUMSUB", "c")[1] > len(good):
            check(sent < 20000, "the slow subscribers stay")
            publisher.send(command("PUBLISH", "c", payload) * 20)
            for _ in range(20):
                publisher.reply()
            sent += 20
            for c in good:
                for _ in range(20):
                    check(c.reply()[2] == payload, "the payload differs")
        wait_until(lambda: weir.info("client_output_buffer_limit_disconnections") == "2",
                   "both to be counted")
        for c in slow:
            c.close()


def a_subscriber_above_the_soft_limit_for_too_long_is_closed():
    with Weir("client-output-buffer-limit pubsub 0 100kb 1") as weir:
        listen_only = listen(weir, "SUBSCRIBE", "c")
        publisher = weir.connect()
        for _ in range(200):
            publisher.send(command("PUBLISH", "c", b"x" * 100000))
            publisher.reply()
        wait_until(lambda: publisher.call("PUBSUB", "NUMSUB", "c")[1] == 0, "the close")
        listen_only.close()


def a_flood_of_messages_holds_its_publisher_and_loses_nothing():
    """Deliveries cost a hundred times the publishing: the mail of the workers fills up."""
    n, payload = 20000, b"y" * 1000
    with Spread("client-output-buffer-limit pubsub 0 0 0") as weir:
        listeners = [listen(weir, "SUBSCRIBE", "c") for _ in range(20)]
        publisher = weir.connect()
        expected = HEAD + b"$1000\r\n" + payload + b"\r\n"

        def publish():
            publisher.send(command("PUBLISH", "c", payload) * n)

        def replies():
            publisher.expect(b":20\r\n" * n)

        def hear(c):
            for _ in range(n // 100):
                c.expect(expected * 100)

        at_once(publish, replies, *[lambda c=c: hear(c) for c in listeners])


def events_of_a_key_come_in_the_order_of_its_changes():
    """SETNX and DEL from all sides: what succeeds alternates, and so must the events."""
    n = 2000
    with Spread("notify-keyspace-events K$g") as weir:
        c = listen(weir, "SUBSCRIBE", "__keyspace@0__:k")
        changes = []

        def change():
            writer = weir.connect()
            for _ in range(n // 50):
                writer.send((command("SETNX", "k", "v") + command("DEL", "k")) * 50)
                changes.append(sum(writer.reply() for _ in range(100)))

        at_once(change, change, change, change)
        for i in range(sum(changes)):
            event = c.reply()[2]
            check(event == (b"set" if i % 2 == 0 else b"del"), "event %d is %r" % (i, event))


def nobody_is_told_of_a_write_that_a_kill_undoes():
    with Spread("journal-fsync always", "notify-keyspace-events E$") as weir:
        c = listen(weir, "SUBSCRIBE", "__keyevent@0__:set")
        writers = [weir.connect() for _ in range(4)]
        for w, writer in enumerate(writers):
            writer.send(b"".join(command("SET", "k:%d:%d" % (w, i), "v") for i in range(2000)))
        told = [c.reply()[2] for _ in range(3000)]
        weir.kill()
        weir.start()
        again = weir.connect()
        for key in told:
            check(again.call("EXISTS", key) == 1, "%r was told of and is gone" % key)


def an_idle_subscriber_is_not_closed():
    with Weir("timeout 1") as weir:
        c = listen(weir, "SUBSCRIBE", "c")
        idle = weir.connect()
        idle.call("PING")
        idle.expect_close()
        publisher = weir.connect()
        check(publisher.call("PUBLISH", "c", "x") == 1, "the subscriber was closed")
        c.expect(HEAD + b"$1\r\nx\r\n")


run([all_subscribers_see_the_messages_of_all_publishers_in_one_order,
     a_message_is_there_before_the_reply_to_a_later_request,
     messages_to_oneself_come_behind_the_reply,
     a_channel_may_have_ten_thousand_subscribers,
     a_subscriber_may_have_a_thousand_patterns,
     a_subscriber_that_does_not_read_is_closed_and_the_others_are_not,
     a_subscriber_above_the_soft_limit_for_too_long_is_closed,
     a_flood_of_messages_holds_its_publisher_and_loses_nothing,
     events_of_a_key_come_in_the_order_of_its_changes,
     nobody_is_told_of_a_write_that_a_kill_undoes,
     an_idle_subscriber_is_not_closed])
