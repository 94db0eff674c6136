#!/usr/bin/env python3
"""The door: what a stranger may do before it is trusted, and what is turned away at once.

SPDX-License-Identifier: BSD-3-Clause
"""

import os
import socket
import sqlite3
import subprocess

from weirproc import BINARY, Failure, Weir, check, command, run, wait_until


def http_ends_the_connection_before_its_body_runs():
    with Weir() as weir:
        for head in [b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: localhost:6380\r\n",
                     command("PoSt", "/"), command("MULTI") + b"Host: x\r\n",
                     command("POST")]:
            c = weir.connect()
            c.send(head + b"Content-Length: 10\r\n\r\nSET stolen yes\r\nSET stolen no\r\n")
            try:
                while c._more():
                    pass
            except (OSError, Failure):
                pass
            c.close()
            check(weir.connect().call("EXISTS", "stolen") == 0, "the body of %r ran" % head)
        check(weir.log().count("SECURITY ATTACK") == 1, "it is said once a minute")
        c = weir.connect()
        check(c.call("SET", "post", "host:") == b"OK", "as a key the word is free")
        check(c.call("ECHO", "post") == b"post", "as an argument, too")


def who_gave_no_password_and_does_not_read_holds_kilobytes():
    with Weir("requirepass secret", "client-query-buffer-limit 100mb") as weir:
        mute = weir.connect()
        mute.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        mute.socket.settimeout(1)
        requests = command("GET", "x") * 20000
        sent = 0
        try:
            for _ in range(400):
                mute.send(requests)
                sent += len(requests)
        except OSError:  # closed by the other side, which is what is wanted
            pass

        def closed():
            c = weir.connect()
            c.call("AUTH", "secret")
            info = c.call("INFO", "stats").decode()
            c.close()
            return "client_output_buffer_limit_disconnections:1" in info
        wait_until(closed, "the client to be closed; %d bytes were sent" % sent)
        check("before AUTH" in weir.log(), "the log does not say why")
        wait_until(lambda: "Ready." in weir.log(), "the start to end")
        polite = weir.connect()
        for _ in range(20):  # reads what it is told, and so may go on for as long as it likes
            polite.send(command("GET", "x") * 400)
            polite.expect(b"-NOAUTH Authentication required.\r\n" * 400)
        trusted = weir.connect()
        trusted.call("AUTH", "secret")
        trusted.call("CONFIG", "SET", "requirepass", "")
        value = b"x" * 10_000_000  # no password is asked for any more, so nobody is held short
        check(polite.call("SET", "v", value) == b"OK", "SET without a password")
        polite.send(command("GET", "v") * 4)
        wait_until(lambda: int(weir.info("total_commands_processed")) > 5, "the replies to wait")
        for _ in range(4):
            check(polite.reply() == value, "a reply is missing")


def a_request_may_have_more_than_a_million_arguments():
    with Weir() as weir:
        c = weir.connect()
        n = 1_300_000
        c.send(b"*%d\r\n$4\r\nSADD\r\n$1\r\ns\r\n" % (n + 2)
               + b"".join(b"$%d\r\n%d\r\n" % (len(b"%d" % i), i) for i in range(n)))
        check(c.reply() == n, "SADD")
        check(c.call("SCARD", "s") == n, "SCARD")
        c.send(b"*2147483648\r\n")
        c.expect(b"-ERR Protocol error: invalid multibulk length\r\n")
        c.expect_close()


def started_with_its_standard_descriptors_closed_it_gives_their_numbers_to_nothing():
    with Weir() as weir:
        weir.kill()
        process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$0" "$1" <&- >&- 2>&-', BINARY, weir.config],
            cwd=weir.directory)
        try:
            weir.process = process
            wait_until(weir._answers, "the server to answer")
            c = weir.connect()
            check(c.call("SET", "a", "1") == b"OK", "SET")
            for fd in range(3):
                where = os.readlink("/proc/%d/fd/%d" % (process.pid, fd))
                check(where == "/dev/null", "descriptor %d is %s" % (fd, where))
        finally:
            weir.kill()


def raced_to(weir):
    """A client that was there before anybody answered."""
    def connected():
        try:
            return weir.connect()
        except OSError:
            check(weir.process.poll() is None, "it ended: " + weir.log())
            return None
    return wait_until(connected, "the port to be there")


def the_first_client_of_a_new_store_is_served_without_a_retry():
    for _ in range(3):
        with Weir(wait=False) as weir:
            clients = [raced_to(weir) for _ in range(8)]
            for i, c in enumerate(clients):
                check(c.call("SET", "k%d" % i, "v") == b"OK", "SET was not taken")
            weir.kill()
            weir.start(wait=False)
            check(raced_to(weir).call("GET", "k7") == b"v", "GET after a kill")


def a_long_start_is_told_to_those_who_ask():
    with Weir("backend-timeout-ms 60000") as weir:
        wait_until(lambda: "Ready." in weir.log(), "the start to end")
        weir.kill()
        db = sqlite3.connect(os.path.join(weir.directory, "weir.db"), isolation_level=None)
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        weir.start(wait=False)
        c = raced_to(weir)
        check(c.call("GET", "a") == b"-LOADING Redis is loading the dataset in memory", "GET")
        db.execute("ROLLBACK")
        db.close()
        wait_until(lambda: c.call("PING") == b"PONG", "the start to end")


run([http_ends_the_connection_before_its_body_runs,
     the_first_client_of_a_new_store_is_served_without_a_retry,
     a_long_start_is_told_to_those_who_ask,
     who_gave_no_password_and_does_not_read_holds_kilobytes,
     a_request_may_have_more_than_a_million_arguments,
     started_with_its_standard_descriptors_closed_it_gives_their_numbers_to_nothing])
