#!/usr/bin/env python3
"""What clients do to each other: killing, pausing, watching, and being closed for what they take.

SPDX-License-Identifier: BSD-3-Clause
"""

import multiprocessing
import os
import re
import select
import socket
import threading
import time

from weirproc import Connection, Weir, check, command, run, wait_until

LINE = re.compile(rb'^\+(\d+)\.(\d{6}) \[(\d+) (\S+)\]((?: "(?:[^"\\]|\\.)*")+)$')


def fields_of(line):
    return dict(f.split("=", 1) for f in line.split(" ") if "=" in f)


class TwoWorkers(Weir):
    """With connections on both workers: the first few would be gathered on one. The idle ones that
    see to that are not listed."""
    IDLE = 150

    def __init__(self, *directives):
        super().__init__("io-threads 2", *directives)

    def start(self, wait=True):
        super().start(wait)
        self.idle = [self.connect() for _ in range(self.IDLE)]
        for c in self.idle:
            c.send(command("CLIENT", "SETNAME", "idle"))
        for c in self.idle:
            c.expect(b"+OK\r\n")


def everybody(c, *args):
    text = c.call("CLIENT", "LIST", *args).decode()
    return [fields_of(line) for line in text.split("\n") if line]


def client_list(c, *args):
    return [e for e in everybody(c, *args) if e["name"] != "idle"]


def identify(c):
    return c.call("CLIENT", "ID")


def is_closed_now(c):
    """The end is there already: nothing is waited for."""
    c.socket.setblocking(False)  # with a timeout, recv() waits whatever its flags say
    try:
        return c.socket.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def is_silent(c, seconds=0.2):
    """Nothing comes for a while, which is what a client that is held back sees."""
    return not select.select([c.socket], [], [], seconds)[0] and not c.received


def blocked(weir):
    return int(weir.info("blocked_clients"))


# --- Killing ---


class Busy:
    """A process with a client that has so much pipelined work that its worker goes on with it at
    the end of every turn: what comes after that is late."""
    REQUESTS = 4000

    def __init__(self, weir):
        self.connection = weir.connect()
        for key in "ab":
            check(self.connection.call("SET", "lcs:" + key, key * 50) == b"OK", "SET")
        self.process = multiprocessing.Process(target=self.work, daemon=True)

    def work(self):
        pipeline = command("LCS", "lcs:a", "lcs:b", "LEN") * self.REQUESTS
        while True:
            self.connection.send(pipeline)
            self.connection.expect(b":0\r\n" * self.REQUESTS)

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.join()


def a_killed_client_is_closed_before_the_killer_is_answered():
    with TwoWorkers() as weir:
        killers = [weir.connect(), weir.connect()]  # one on each worker, like the victims
        with Busy(weir):
            for n in range(150):
                victims = [weir.connect(), weir.connect()]
                for victim in victims:
                    number = identify(victim)
                    check(killers[n % 2].call("CLIENT", "KILL", "ID", number) == 1, "not killed")
                    check(is_closed_now(victim), "the victim's socket is open after the reply")
                    victim.close()


def several_killed_clients_are_closed_before_the_killer_is_answered():
    with TwoWorkers("unixsocket weir.sock") as weir:
        killers = [weir.connect(), weir.connect()]
        path = os.path.join(weir.directory, "weir.sock")
        with Busy(weir):
            for n in range(60):
                victims = [Connection(path) for _ in range(8)]
                for victim in victims:
                    identify(victim)
                killed = killers[n % 2].call("CLIENT", "KILL", "ADDR", "weir.sock:0")
                check(killed == 8, "not all were killed: %r" % killed)
                open_still = [v for v in victims if not is_closed_now(v)]
                check(not open_still, "%d sockets are open after the reply" % len(open_still))
                for victim in victims:
                    victim.close()


def a_killed_client_that_waits_is_closed_too():
    with TwoWorkers() as weir:
        killer = weir.connect()
        for _ in range(20):
            victim = weir.connect()
            number = identify(victim)
            victim.send(command("WAIT", 1, 0))
            wait_until(lambda: blocked(weir) == 1, "the victim to wait")
            check(killer.call("CLIENT", "KILL", "ID", number) == 1, "not killed")
            check(is_closed_now(victim), "the victim's socket is open after the reply")
            wait_until(lambda: blocked(weir) == 0, "nobody to wait")


# --- Pausing ---


def a_pause_of_writes_holds_writes_and_lets_reads_through():
    with TwoWorkers() as weir:
        boss, reader, writer = weir.connect(), weir.connect(), weir.connect()
        boss.call("SET", "k", "old")
        check(boss.call("CLIENT", "PAUSE", 100000, "WRITE") == b"OK", "no pause")
        writer.send(command("GET", "k") + command("SET", "k", "new") + command("GET", "k") +
                    command("INCR", "n"))
        writer.expect(b"$3\r\nold\r\n")
        wait_until(lambda: blocked(weir) == 1, "the writer to be held")
        check(is_silent(writer), "a write was run")
        check(reader.call("GET", "k") == b"old", "a read was held, or the write was not")
        flags = [c["flags"] for c in client_list(reader)]
        check(flags.count("b") == 1, "flags %r" % flags)
        check(boss.call("CLIENT", "UNPAUSE") == b"OK", "no end of it")
        writer.expect(b"+OK\r\n$3\r\nnew\r\n:1\r\n")
        check(blocked(weir) == 0, "somebody is blocked")


def a_pause_of_all_holds_everybody_and_ends_by_itself():
    with TwoWorkers() as weir:
        boss, other = weir.connect(), weir.connect()
        begin = time.monotonic()
        boss.send(command("CLIENT", "PAUSE", 500) + command("PING") + command("ECHO", "x"))
        boss.expect(b"+OK\r\n")
        other.send(command("GET", "k") + command("CLIENT", "UNPAUSE"))
        check(is_silent(boss) and is_silent(other), "something was run")
        other.expect(b"$-1\r\n+OK\r\n")
        boss.expect(b"+PONG\r\n$1\r\nx\r\n")
        check(time.monotonic() - begin >= 0.49, "the pause was too short")


def of_two_pauses_the_later_end_and_the_stricter_mode_hold():
    with Weir() as weir:
        boss, other = weir.connect(), weir.connect()
        begin = time.monotonic()
        pauses = [(600, "WRITE"), (50, "ALL"), (0, "WRITE")]
        boss.send(command("MULTI") +
                  b"".join(command("CLIENT", "PAUSE", ms, mode) for ms, mode in pauses) +
                  command("EXEC"))
        boss.expect(b"+OK\r\n" + b"+QUEUED\r\n" * 3 + b"*3\r\n" + b"+OK\r\n" * 3)
        check(other.call("GET", "k") is None, "a value")
        check(time.monotonic() - begin >= 0.59, "the shorter one counted")
        check(other.call("SET", "k", "v") == b"OK", "still held")


def an_exec_waits_when_it_would_write():
    with TwoWorkers() as weir:
        boss, writer, reader, queuer = (weir.connect() for _ in range(4))
        for c in (writer, reader, queuer):
            check(c.call("MULTI") == b"OK", "MULTI")
        check(writer.call("SET", "k", "v") == b"QUEUED", "SET")
        check(reader.call("GET", "k") == b"QUEUED", "GET")
        check(boss.call("CLIENT", "PAUSE", 100000, "WRITE") == b"OK", "no pause")
        check(reader.call("EXEC") == [None], "the reading EXEC")
        writer.send(command("EXEC"))
        queuer.send(command("SET", "q", "1") + command("EXEC"))
        wait_until(lambda: blocked(weir) == 2, "both to be held")
        check(boss.call("EXISTS", "k", "q") == 0, "a held write was run")
        check(boss.call("CLIENT", "UNPAUSE") == b"OK", "no end of it")
        writer.expect(b"*1\r\n+OK\r\n")
        queuer.expect(b"+QUEUED\r\n*1\r\n+OK\r\n")


def what_waits_already_is_not_held_by_a_pause():
    with TwoWorkers() as weir:
        boss, waiter = weir.connect(), weir.connect()
        waiter.call("SET", "k", "v")
        waiter.send(command("WAIT", 1, 300))
        wait_until(lambda: blocked(weir) == 1, "WAIT to wait")
        check(boss.call("CLIENT", "PAUSE", 100000, "ALL") == b"OK", "no pause")
        waiter.expect(b":0\r\n")


def clients_that_leave_during_a_pause_leave_nothing_behind():
    with TwoWorkers() as weir:
        boss = weir.connect()
        check(boss.call("CLIENT", "PAUSE", 1000000, "WRITE") == b"OK", "no pause")
        before = int(weir.info("used_memory"))
        for more in (1, 2):  # the second leaves bytes behind that nobody reads
            leaving = [weir.connect() for _ in range(60)]
            for i, c in enumerate(leaving):
                c.send(command("SET", "k%d" % i, b"v" * 200000) * more)
            wait_until(lambda: blocked(weir) == 60, "all to be held")
            for c in leaving:
                c.reset()
            wait_until(lambda: len(client_list(boss)) == 1, "all to be gone")
        check(blocked(weir) == 0, "%d are blocked" % blocked(weir))
        grown = int(weir.info("used_memory")) - before
        check(grown < 8 << 20, "their requests are still there: %d bytes" % grown)
        check(boss.call("CLIENT", "UNPAUSE") == b"OK", "no end of it")
        check(boss.call("DBSIZE") == 0, "a write of a client that left was run")


def no_key_is_deleted_for_its_age_during_a_pause():
    with TwoWorkers() as weir:
        boss = weir.connect()
        boss.call("CLIENT", "PAUSE", 100000, "WRITE")
        boss.call("CLIENT", "UNPAUSE")
        check(boss.call("SET", "k", "v", "PX", 100) == b"OK", "SET")
        check(boss.call("CLIENT", "PAUSE", 100000, "WRITE") == b"OK", "no pause")
        wait_until(lambda: boss.call("GET", "k") is None, "the key to expire")
        check(is_silent(boss, 0.5) and weir.info("expired_keys") == "0", "it was deleted")
        boss.call("CLIENT", "UNPAUSE")
        wait_until(lambda: weir.info("expired_keys") == "1", "it to be deleted after the pause")


def the_process_ends_in_order_during_a_pause():
    with TwoWorkers() as weir:
        boss, writer = weir.connect(), weir.connect()
        check(boss.call("SET", "k", "v") == b"OK", "SET")
        check(boss.call("CLIENT", "PAUSE", 1000000, "WRITE") == b"OK", "no pause")
        writer.send(command("SET", "k", "never"))
        wait_until(lambda: blocked(weir) == 1, "the writer to be held")
        boss.send(command("SHUTDOWN"))
        check(weir.wait() == 0, "exit code")
        writer.expect_close()
        weir.start()
        check(weir.connect().call("GET", "k") == b"v", "the held write was run")
        boss = weir.connect()
        check(boss.call("CLIENT", "PAUSE", 1000000, "ALL") == b"OK", "no pause")
        weir.connect().send(command("GET", "k"))
        weir.terminate()
        check(weir.wait() == 0, "exit code after SIGTERM")


def info_tells_of_a_pause():
    with Weir() as weir:
        boss = weir.connect()
        check(weir.info("paused_actions") == "none", "a pause")
        boss.call("CLIENT", "PAUSE", 100000, "WRITE")
        check(weir.info("paused_actions") == "write", "not told")
        check(weir.info("paused_reason") == "client_pause", "no reason")
        check(90000 < int(weir.info("paused_timeout_milliseconds")) <= 100000, "no end")
        boss.call("CLIENT", "UNPAUSE")
        check(weir.info("paused_timeout_milliseconds") == "0", "still there")


# --- Watching ---


def shown(c):
    """The next line of a monitor: database, address, the words as they are written."""
    line = c.line()
    match = LINE.match(line)
    check(match, "not a line of a monitor: %r" % line)
    return int(match[3]), match[4].decode(), match[5][1:].decode()


def a_monitor_sees_the_commands_of_all_workers_in_the_order_of_each_client():
    with TwoWorkers() as weir:
        monitors = [weir.connect() for _ in range(2)]
        for m in monitors:
            check(m.call("MONITOR") == b"OK", "MONITOR")
        clients = [weir.connect() for _ in range(4)]
        for i, c in enumerate(clients):
            c.send(b"".join(command("ECHO", "%d:%d" % (i, n)) for n in range(2000)))
        for m in monitors:
            seen = {}
            for _ in range(2000 * len(clients)):
                _, addr, words = shown(m)
                seen.setdefault(addr, []).append(words)
            check(len(seen) == len(clients), "%d clients were seen" % len(seen))
            for words in seen.values():
                i = words[0].split('"')[3].split(":")[0]
                check(words == ['"ECHO" "%s:%d"' % (i, n) for n in range(2000)],
                      "the commands of a client are out of order")


def a_monitor_sees_what_was_answered_before_it_sees_what_was_sent_then():
    with TwoWorkers() as weir:
        m, a, b = weir.connect(), weir.connect(), weir.connect()
        check(m.call("MONITOR") == b"OK", "MONITOR")
        for n in range(1000):
            a.call("SET", "a", n)
            b.call("SET", "b", n)
            for key in "ab":
                words = shown(m)[2]
                check(words == '"SET" "%s" "%d"' % (key, n), "out of order: " + words)


def a_monitor_tells_the_time_and_who():
    with Weir("unixsocket weir.sock", "databases 16") as weir:
        m = weir.connect()
        check(m.call("MONITOR") == b"OK", "MONITOR")
        before = time.time()
        c = weir.connect()
        c.call("SET", "k", b"a\"b\\\n\r\t\a\b\x00\x7f\xff")
        line = m.line()
        match = LINE.match(line)
        check(match, "%r" % line)
        check(before - 1 <= int(match[1]) + int(match[2]) / 1e6 <= time.time() + 1, "%r" % line)
        check(match[4].decode() == "%s:%d" % c.socket.getsockname(), "%r" % line)
        check(match[5] == rb' "SET" "k" "a\"b\\\n\r\t\a\b\x00\x7f\xff"', "%r" % line)
        path = os.path.join(weir.directory, "weir.sock")
        u = Connection(path)
        u.call("SELECT", 3)
        check(shown(m)[0] == 3, "the database")
        u.call("PING")
        check(shown(m) == (3, "unix:weir.sock", '"PING"'), "a unix socket")


def a_monitor_shows_commands_of_exec_when_they_run_and_nothing_secret():
    with Weir("requirepass secret") as weir:
        m, c = weir.connect(), weir.connect()
        m.call("AUTH", "secret")
        wait_until(lambda: m.call("GET", "k") is None, "it to have recovered")
        check(m.call("MONITOR") == b"OK", "MONITOR")
        for words in (["AUTH", "wrong"], ["AUTH", "default", "secret"], ["GET"], ["NOSUCH"],
                      ["HELLO", "2", "AUTH", "default", "secret", "SETNAME", "n"],
                      ["CONFIG", "SET", "requirepass", "other"], ["CLIENT", "LIST"], ["MULTI"],
                      ["SET", "k", "v"], ["CONFIG", "GET", "port"], ["GET", "k"], ["EXEC"],
                      ["CLIENT", "ID"], ["WAIT", "1", "20"], ["QUIT"]):
            c.call(*words)
        expected = ['"AUTH" "(redacted)"', '"AUTH" "(redacted)" "(redacted)"',
                    '"HELLO" "2" "AUTH" "(redacted)" "(redacted)" "SETNAME" "n"', '"MULTI"',
                    '"SET" "k" "v"', '"GET" "k"', '"EXEC"', '"CLIENT" "ID"', '"WAIT" "1" "20"',
                    '"QUIT"']
        for words in expected:
            got = shown(m)[2]
            check(got == words, "expected %s, got %s" % (words, got))
        check(is_silent(m), "more than expected: %r" % m.received)


def a_monitor_ends_with_reset_quit_and_its_connection():
    with TwoWorkers() as weir:
        monitors = [weir.connect() for _ in range(4)]
        c = weir.connect()
        last = identify(monitors[3])
        for m in monitors:
            check(m.call("MONITOR") == b"OK", "MONITOR")
        check([e["flags"] for e in client_list(c)].count("O") == 4, "flags")
        check(len(client_list(c, "TYPE", "normal")) == 5, "a monitor is a normal client")
        check(monitors[0].call("GET", "k").startswith(b"-ERR Replica can't interact"), "GET")
        check(monitors[0].call("RESET") == b"RESET", "RESET")
        for m in monitors[1:]:
            while shown(m)[2] != '"RESET"':
                pass
        check(monitors[0].call("SET", "k", "v") == b"OK", "SET after RESET")
        monitors[1].send(command("QUIT"))
        monitors[2].reset()
        check(c.call("CLIENT", "KILL", "ID", last) == 1, "KILL")
        wait_until(lambda: len(client_list(c)) == 2, "the monitors to be gone")
        check(is_silent(monitors[0]), "RESET did not end it")
        check(c.call("SET", "k", "v") == b"OK", "SET")


def a_monitor_that_does_not_read_is_closed_and_slows_nobody():
    with TwoWorkers("client-output-buffer-limit normal 8mb 0 0") as weir:
        m, c = weir.connect(), weir.connect()
        m.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        check(m.call("MONITOR") == b"OK", "MONITOR")
        value = b"x" * 100000
        for _ in range(1000):
            begin = time.monotonic()
            check(c.call("SET", "k", value) == b"OK", "SET")
            check(time.monotonic() - begin < 5, "a client had to wait")
            if b"limit_disconnections:1" in c.call("INFO", "stats"):
                break
        wait_until(lambda: weir.info("client_output_buffer_limit_disconnections") == "1",
                   "it to be closed")
        wait_until(lambda: len(client_list(c)) == 1, "its connection to be gone")


# --- Limits of what clients take ---


def fill_input(weir, size):
    """A client with an unfinished request of about that size."""
    c = weir.connect()
    check(c.call("CLIENT", "SETNAME", "takes-%d" % size) == b"OK", "SETNAME")
    c.send(b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % (size * 2) + b"x" * size)
    return c


def names(c):
    return sorted(e["name"] for e in client_list(c) if e["name"])


def the_clients_that_take_most_are_closed_first():
    with TwoWorkers() as weir:
        boss = weir.connect()
        clients = [fill_input(weir, n << 20) for n in (1, 5, 2, 9, 1, 4)]

        def taken():
            return sum(int(e["tot-mem"]) for e in everybody(boss))
        wait_until(lambda: taken() > 22 << 20, "the requests to arrive")
        wait_until(lambda: int(weir.info("mem_clients_normal")) > 22 << 20, "INFO to count")
        for gone, evicted in ([9], 1), ([5, 4], 3):
            biggest = [int(e["tot-mem"]) for e in client_list(boss)
                       if e["name"] in ["takes-%d" % (n << 20) for n in gone]]
            limit = taken() - sum(biggest) + min(biggest) // 2
            check(boss.call("CONFIG", "SET", "maxmemory-clients", limit) == b"OK", "SET")
            wait_until(lambda: len(client_list(boss)) == 7 - evicted, "the largest to be gone")
            check(weir.info("evicted_clients") == str(evicted), "more were evicted")
        left = ["takes-%d" % (n << 20) for n in (1, 1, 2)]
        check(names(boss) == left, "left: %r" % names(boss))
        check(boss.call("PING") == b"PONG", "the small one was closed")
        del clients


def a_client_that_grows_beyond_the_limit_is_closed_and_others_stay():
    with TwoWorkers("maxmemory-clients 8mb") as weir:
        others = [weir.connect() for _ in range(50)]
        for n in range(4):
            c = weir.connect()
            try:
                if n % 2 == 0:
                    c.send(b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % (64 << 20) + b"x" * (32 << 20))
                else:
                    c.send(command("MULTI") + command("SET", "k", b"x" * 10000) * 2000)
            except OSError:
                pass
            wait_until(lambda at=n + 1: weir.info("evicted_clients") == str(at), "it to be evicted")
            c.close()
        for c in others:
            check(c.call("PING") == b"PONG", "another one was closed")


def replies_that_are_not_read_count_for_eviction():
    with TwoWorkers("maxmemory-clients 20mb",
              "client-output-buffer-limit normal 0 0 0") as weir:
        boss, greedy = weir.connect(), weir.connect()
        check(boss.call("SET", "v", b"x" * 1000000) == b"OK", "SET")
        greedy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.send(command("GET", "v") * 100)
        wait_until(lambda: boss.call("INFO", "stats").find(b"evicted_clients:1\r\n") > 0,
                   "it to be evicted")
        wait_until(lambda: len(client_list(boss)) == 1, "it to be gone")


def a_reply_that_would_exceed_the_limit_by_itself_is_not_built():
    with TwoWorkers("maxmemory 64mb", "maxmemory-clients 16mb") as weir:
        boss = weir.connect()
        check(boss.call("WEIR", "PAUSE") == b"OK", "PAUSE")  # a flush would copy the set, too
        for n in range(5):
            check(boss.call("SADD", "s", *[b"%d" % n * 400 + b"-%d" % i for i in range(5000)])
                  == 5000, "SADD")
            check(boss.call("ZADD", "z", *[part for i in range(5000) for part in
                                           (b"1", b"%d" % n * 400 + b"-%d" % i)]) == 5000, "ZADD")
        boss.call("CONFIG", "SET", "maxmemory-clients", "1mb")
        before = int(weir.info("used_memory_peak"))
        for n, request in enumerate((("SMEMBERS", "s"), ("SUNION", "s", "t"), ("SDIFF", "s", "t"),
                                     ("ZUNION", "2", "z", "t"), ("ZDIFF", "2", "z", "t"))):
            greedy = weir.connect()
            greedy.send(command(*request))
            greedy.expect_close()
            wait_until(lambda n=n: weir.info("evicted_clients") == str(n + 1), "it to be evicted")
            check(boss.call("PING") == b"PONG", "another one was closed")
        grown = int(weir.info("used_memory_peak")) - before
        check(grown < 5 << 20, "it was built: %d bytes more" % grown)
        safe = weir.connect()
        safe.call("CLIENT", "NO-EVICT", "on")
        check(len(safe.call("SMEMBERS", "s")) == 25000, "who is exempt hears all of it")


def no_limit_is_so_small_that_nobody_can_connect():
    with TwoWorkers("maxmemory-clients 0") as weir:
        boss = weir.connect()
        check(boss.call("CONFIG", "SET", "maxmemory-clients", "1") == b"OK", "SET")
        for _ in range(3):
            other = weir.connect()
            check(other.call("CONFIG", "SET", "maxmemory-clients", "2") == b"OK", "SET again")
            other.close()


def a_client_may_be_exempt_from_eviction_and_a_share_may_be_the_limit():
    with TwoWorkers("maxmemory 200mb") as weir:
        boss = weir.connect()
        safe = weir.connect()
        check(safe.call("CLIENT", "NO-EVICT", "on") == b"OK", "NO-EVICT")
        safe.send(b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % (20 << 20) + b"x" * (15 << 20))
        victim = fill_input(weir, 3 << 20)
        wait_until(lambda: sum(int(e["tot-mem"]) for e in client_list(boss)) > 18 << 20,
                   "the requests to arrive")
        check(boss.call("CLIENT", "NO-EVICT", "on") == b"OK", "NO-EVICT")
        check(boss.call("CONFIG", "SET", "maxmemory-clients", "9%") == b"OK", "SET")
        wait_until(lambda: boss.call("INFO", "stats").find(b"evicted_clients:1\r\n") > 0,
                   "the other to be evicted")
        victim.expect_close()
        check(boss.call("CONFIG", "GET", "maxmemory-clients") == [b"maxmemory-clients", b"9%"],
              "CONFIG GET")
        check(boss.call("CONFIG", "SET", "maxmemory-clients", "0") == b"OK", "SET")
        safe.send(b"x" * (5 << 20) + b"\r\n")
        safe.expect(b"$%d\r\n" % (20 << 20))


def evicting_thousands_takes_many_turns_and_ends():
    with Weir("io-threads 2", "maxclients 2000", "maxmemory-clients 0") as weir:
        boss = weir.connect()
        clients = [fill_input(weir, 40000) for _ in range(600)]
        wait_until(lambda: sum(int(e["tot-mem"]) for e in everybody(boss)) > 600 * 40000,
                   "the requests to arrive")
        boss.call("CLIENT", "NO-EVICT", "on")
        check(boss.call("CONFIG", "SET", "maxmemory-clients", "1mb") == b"OK", "SET")
        wait_until(lambda: len(client_list(boss)) < 30, "nearly all others to be evicted")
        wait_until(lambda: int(weir.info("evicted_clients")) == 601 - len(client_list(boss)),
                   "all to be counted")
        del clients


def a_client_above_its_soft_limit_is_closed_when_its_time_is_over():
    with TwoWorkers("client-output-buffer-limit normal 0 1mb 1") as weir:
        boss, greedy = weir.connect(), weir.connect()
        check(boss.call("SET", "v", b"x" * 1000000) == b"OK", "SET")
        greedy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        begin = time.monotonic()
        greedy.send(command("GET", "v") * 30)
        wait_until(lambda: weir.info("client_output_buffer_limit_disconnections") == "1",
                   "it to be closed")
        check(time.monotonic() - begin > 1, "it was closed at once")
        wait_until(lambda: len(client_list(boss)) == 1, "its connection to be gone")


def a_client_that_reads_again_in_time_is_not_closed_at_its_soft_limit():
    with TwoWorkers("client-output-buffer-limit normal 0 1mb 4") as weir:
        boss, slow = weir.connect(), weir.connect()
        check(boss.call("SET", "v", b"x" * 1000000) == b"OK", "SET")
        for _ in range(2):
            slow.send(command("GET", "v") * 30)
            wait_until(lambda: any(int(e["omem"]) + int(e["obl"]) > 1 << 20
                                   for e in client_list(boss)), "its replies to wait")
            for _ in range(30):
                check(len(slow.reply()) == 1000000, "a reply is broken")
        check(weir.info("client_output_buffer_limit_disconnections") == "0", "it was closed")


# --- Being listed ---


def replies_that_wait_are_shown_where_redis_shows_them():
    with TwoWorkers() as weir:
        boss, slow = weir.connect(), weir.connect()
        check(boss.call("RPUSH", "l", *[b"x" * 10000] * 100) == 100, "RPUSH")
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        number = identify(slow)
        slow.send(command("LRANGE", "l", "0", "-1") * 20)  # copied, not referenced

        def me():
            return client_list(boss, "ID", number)[0]
        wait_until(lambda: int(me()["omem"]) > 5 << 20, "what waits to be shown")
        shown = me()
        check(shown["obl"] == "16384" and int(shown["oll"]) > 300, "%r" % shown)
        check(int(shown["tot-mem"]) > int(shown["omem"]), "%r" % shown)


def a_listed_client_shows_what_it_holds():
    with TwoWorkers() as weir:
        boss, c = weir.connect(), weir.connect()
        number = identify(c)

        def me():
            return client_list(boss, "ID", number)[0]
        idle = int(me()["tot-mem"])
        c.send(command("MULTI") + command("SET", "k", b"x" * 5000) + command("SET", "k", "v"))
        c.expect(b"+OK\r\n+QUEUED\r\n+QUEUED\r\n")
        check(me()["flags"] == "x" and me()["multi"] == "2", "%r" % me())
        check(5000 < int(me()["multi-mem"]) < 20000 and int(me()["tot-mem"]) > idle + 5000,
              "%r" % me())
        c.call("DISCARD")
        check(me()["multi-mem"] == "0" and int(me()["tot-mem"]) == idle, "%r" % me())
        c.send(b"*2\r\n$4\r\nECHO\r\n$50000\r\n" + b"y" * 40000)
        wait_until(lambda: int(me()["qbuf"]) > 40000, "its input to be shown")
        c.send(b"y" * 10000 + b"\r\n")
        check(len(c.reply()) == 50000, "the echo")
        check(int(me()["rbp"]) > 50000 and me()["obl"] == "0", "the peak: %r" % me())
        c.send(command("WAIT", 1, 0))
        wait_until(lambda: me()["flags"] == "b", "it to be blocked")
        check(me()["argv-mem"] == "6" and me()["cmd"] == "wait" and me()["events"] == "r",
              "%r" % me())
        check(int(me()["qbuf"]) >= len(command("WAIT", 1, 0)), "the request that waits")
        own = client_list(boss, "ID", identify(boss))[0]
        check(own["flags"] == "N" and own["cmd"] == "client|list", "%r" % own)


def the_peak_of_a_reply_buffer_is_forgotten():
    with Weir() as weir:
        boss = weir.connect()
        boss.call("ECHO", b"x" * 20000)
        check(int(client_list(boss)[0]["rbp"]) > 20000, "no peak")
        idle = weir.connect()
        number = identify(boss)
        wait_until(lambda: int(client_list(idle, "ID", number)[0]["rbp"]) < 20000, "it to fade")


def pausing_killing_and_watching_at_once_loses_no_reply():
    """Everything at the same time, with a count at the end."""
    rounds = 150
    with TwoWorkers() as weir:
        boss = weir.connect()
        counts = []

        def work():
            c = weir.connect()
            for _ in range(rounds):
                c.send(command("INCR", "n") * 5 + command("PING"))
                for _ in range(5):
                    check(isinstance(c.reply(), int), "INCR")
                check(c.reply() == b"PONG", "PING")
            counts.append(rounds * 5)
            c.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        n = 0
        while any(thread.is_alive() for thread in threads):
            m = weir.connect()
            number = identify(m)
            check(m.call("MONITOR") == b"OK", "MONITOR")
            n += 1
            mode = "ALL" if n % 3 == 0 else "WRITE"
            check(boss.call("CLIENT", "PAUSE", 3 if mode == "ALL" else 100, mode) == b"OK", "PAUSE")
            check(boss.call("CLIENT", "UNPAUSE") == b"OK", "UNPAUSE")
            if n % 2:
                m.close()
            else:
                boss.call("CLIENT", "KILL", "ID", number)
                m.reset()
        for thread in threads:
            thread.join()
        check(len(counts) == 4 and boss.call("GET", "n") == b"%d" % sum(counts), "INCRs were lost")
        check(n > 3, "nothing happened meanwhile")


run([a_killed_client_is_closed_before_the_killer_is_answered,
     several_killed_clients_are_closed_before_the_killer_is_answered,
     a_killed_client_that_waits_is_closed_too,
     a_pause_of_writes_holds_writes_and_lets_reads_through,
     a_pause_of_all_holds_everybody_and_ends_by_itself,
     of_two_pauses_the_later_end_and_the_stricter_mode_hold,
     an_exec_waits_when_it_would_write,
     what_waits_already_is_not_held_by_a_pause,
     clients_that_leave_during_a_pause_leave_nothing_behind,
     no_key_is_deleted_for_its_age_during_a_pause,
     the_process_ends_in_order_during_a_pause,
     info_tells_of_a_pause,
     a_monitor_sees_the_commands_of_all_workers_in_the_order_of_each_client,
     a_monitor_sees_what_was_answered_before_it_sees_what_was_sent_then,
     a_monitor_tells_the_time_and_who,
     a_monitor_shows_commands_of_exec_when_they_run_and_nothing_secret,
     a_monitor_ends_with_reset_quit_and_its_connection,
     a_monitor_that_does_not_read_is_closed_and_slows_nobody,
     the_clients_that_take_most_are_closed_first,
     a_client_that_grows_beyond_the_limit_is_closed_and_others_stay,
     replies_that_are_not_read_count_for_eviction,
     a_reply_that_would_exceed_the_limit_by_itself_is_not_built,
     no_limit_is_so_small_that_nobody_can_connect,
     a_client_may_be_exempt_from_eviction_and_a_share_may_be_the_limit,
     evicting_thousands_takes_many_turns_and_ends,
     a_client_above_its_soft_limit_is_closed_when_its_time_is_over,
     a_client_that_reads_again_in_time_is_not_closed_at_its_soft_limit,
     replies_that_wait_are_shown_where_redis_shows_them,
     a_listed_client_shows_what_it_holds,
     the_peak_of_a_reply_buffer_is_forgotten,
     pausing_killing_and_watching_at_once_loses_no_reply])
