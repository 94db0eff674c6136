#!/usr/bin/env python3
"""Connections against the real server: framing, limits, slow and rude clients.

SPDX-License-Identifier: BSD-3-Clause
"""

import os
import resource
import select
import socket
import stat
import subprocess
import threading
import time

from weirproc import BINARY, Connection, Failure, Weir, check, command, free_port, run, wait_until


def resident_bytes(weir):
    with open("/proc/%d/statm" % weir.process.pid, encoding="ascii") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def requests_may_be_cut_at_any_byte():
    data = command("SET", "key", b"\r\n$5\r\n") + b"GET key\r\n" + command("PING") + b"  \r\n"
    with Weir() as weir:
        c = weir.connect()
        c.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for cut in range(len(data)):
            c.send(data[:cut])
            c.send(data[cut:])
            c.expect(b"+OK\r\n$6\r\n\r\n$5\r\n\r\n+PONG\r\n")
        for byte in data:
            c.send(bytes([byte]))
        c.expect(b"+OK\r\n$6\r\n\r\n$5\r\n\r\n+PONG\r\n")


def who_asks_first_is_served_first():
    with Weir("io-threads 1", "enable-debug-command yes") as weir:
        busy = weir.connect()
        clients = [weir.connect() for _ in range(40)]
        for c in clients:
            check(c.call("PING") == b"PONG", "PING failed")
        # The kernel keeps the place of a socket that it has just named: now that is the busy one's.
        check(busy.call("PING") == b"PONG", "PING failed")
        busy.send(command("DEBUG", "SLEEP", "0.2"))
        for i, c in enumerate(clients):
            c.send(command("RPUSH", "order", "%d" % i))
        for c in clients:
            c.reply()
        check(busy.reply() == b"OK", "DEBUG SLEEP failed")
        order = [int(i) for i in busy.call("LRANGE", "order", "0", "-1")]
        check(order == list(range(40)), "served in the order %s" % order)


def a_pipeline_of_a_hundred_thousand_is_answered_while_it_is_sent_first():
    """As a client library does it: everything is sent before the first reply is read."""
    n = 100000
    with Weir() as weir:
        c = weir.connect()
        value = b"x" * 64
        sets = b"".join(command("SET", "k%d" % i, value) for i in range(n))
        c.send(sets)
        c.expect(b"+OK\r\n" * n)
        c.send(b"".join(command("GET", "k%d" % i) for i in range(n)))
        c.expect(b"$64\r\n%s\r\n" % value * n)


def a_large_value_survives_the_round_trip():
    value = os.urandom(1 << 20) * 20
    with Weir() as weir:
        c = weir.connect()
        c.send(b"PING\r\n" + command("SET", "big", value) + command("GET", "big") + b"PING\r\n")
        c.expect(b"+PONG\r\n+OK\r\n$%d\r\n" % len(value))
        check(c.read(len(value)) == value, "the value differs")
        c.expect(b"\r\n+PONG\r\n")


def a_request_of_many_small_arguments_is_read_in_linear_time():
    pairs = []
    for i in range(50000):
        pairs += ["key:%d" % i, "value"]
    data = command("MSET", *pairs)
    with Weir() as weir:
        c = weir.connect()
        begin = weir.cpu_seconds()
        for at in range(0, len(data), 50000):
            c.send(data[at:at + 50000])
        c.expect(b"+OK\r\n")
        check(weir.cpu_seconds() - begin < 5, "it took %.1f s" % (weir.cpu_seconds() - begin))


def an_announced_length_reserves_nothing():
    with Weir() as weir:
        before = resident_bytes(weir)
        clients = [weir.connect() for _ in range(50)]
        for c in clients:
            c.send(b"*2\r\n$4\r\nECHO\r\n$500000000\r\nabc")
        check(weir.connect().call("PING") == b"PONG", "no answer")
        grown = resident_bytes(weir) - before
        check(grown < 32 << 20, "50 announcements took %d bytes" % grown)


def idle_connections_hold_no_buffers():
    with Weir() as weir:
        payload = b"v" * 30000
        clients = [weir.connect() for _ in range(500)]
        for c in clients:
            check(c.call("ECHO", payload) == payload, "echo differs")
        listed = weir.connect().call("CLIENT", "LIST").decode().strip().split("\n")
        check(len(listed) == 501, "%d clients are listed" % len(listed))
        for line in listed:
            fields = dict(f.split("=", 1) for f in line.split(" ") if "=" in f)
            check(fields["qbuf"] == "0" or int(fields["qbuf"]) < 20000, line)
            check(int(fields["tot-mem"]) < 25000, "an idle client holds memory: " + line)


def a_half_closed_client_gets_all_replies():
    with Weir() as weir:
        c = weir.connect()
        n = 5000
        c.send(b"".join(command("ECHO", "%05d" % i) for i in range(n)))
        c.finish_sending()
        for i in range(n):
            c.expect(b"$5\r\n%05d\r\n" % i)
        c.expect_close()


def protocol_errors_are_answered_and_close():
    cases = [
        (b"*1\r\nhello\r\n", b"-ERR Protocol error: expected '$', got 'h'\r\n"),
        (b"*abc\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n$-5\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$99999999999999\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*2147483648\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b'SET a "b\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
        (b"x" * 70000, b"-ERR Protocol error: too big inline request\r\n"),
    ]
    with Weir() as weir:
        for data, error in cases:
            c = weir.connect()
            c.send(b"PING\r\n" + data)
            c.expect(b"+PONG\r\n" + error)
            c.expect_close()
        check(weir.connect().call("PING") == b"PONG", "the server suffered")


def limits_are_tight_before_authentication():
    with Weir("requirepass secret") as weir:
        for data, error in [
                (b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
                (b"*2\r\n$4\r\nECHO\r\n$16385\r\n",
                 b"-ERR Protocol error: unauthenticated bulk length\r\n")]:
            c = weir.connect()
            c.send(data)
            c.expect(error)
            c.expect_close()
        c = weir.connect()
        c.send(command("GET", "x") + command("AUTH", "secret") + command("ECHO", b"y" * 20000))
        c.expect(b"-NOAUTH Authentication required.\r\n+OK\r\n$20000\r\n")


def clients_beyond_maxclients_are_told_so():
    with Weir("maxclients 5") as weir:
        clients = []
        wait_until(lambda: int(weir.info("connected_clients")) == 1, "the first clients to be gone")
        c = weir.connect()
        check(c.call("CONFIG", "SET", "maxclients", "5") == b"OK", "CONFIG SET failed")
        clients.append(c)
        for _ in range(4):
            clients.append(weir.connect())
            check(clients[-1].call("PING") == b"PONG", "no answer")
        for _ in range(3):
            c = weir.connect()
            c.expect(b"-ERR max number of clients reached\r\n")
            c.expect_close()
        wait_until(lambda: b"rejected_connections:3" in clients[0].call("INFO", "stats"),
                   "them to be counted")
        clients.pop().close()

        def accepted_again():
            c = weir.connect()
            try:
                return c.call("PING") == b"PONG"
            finally:
                c.close()
        wait_until(accepted_again, "room for a client")


def idle_clients_are_closed_after_timeout():
    with Weir("timeout 1") as weir:
        idle, busy = weir.connect(), weir.connect()
        idle.call("PING")
        closed = threading.Thread(target=idle.expect_close)
        closed.start()
        until = time.monotonic() + 15
        while closed.is_alive():
            check(busy.call("PING") == b"PONG", "a busy client was closed")
            check(time.monotonic() < until, "the idle client was not closed")
            select.select([], [], [], 0.05)
        check(busy.call("PING") == b"PONG", "a busy client was closed")


def a_client_that_does_not_read_slows_nobody_and_is_closed_at_its_limit():
    with Weir("client-output-buffer-limit normal 20mb 0 0") as weir:
        other = weir.connect()
        check(other.call("SET", "v", b"x" * 1000000) == b"OK", "SET failed")
        greedy = weir.connect()
        greedy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.send(command("GET", "v") * 2000)

        def is_closed():
            begin = time.monotonic()
            check(other.call("PING") == b"PONG", "no answer")
            check(time.monotonic() - begin < 2, "another client had to wait")
            info = other.call("INFO", "stats")
            return b"client_output_buffer_limit_disconnections:1" in info
        wait_until(is_closed, "the greedy client to be closed")
        wait_until(lambda: int(weir.info("connected_clients")) == 2, "its connection to be gone")
        check(resident_bytes(weir) < 400 << 20, "%d bytes are held" % resident_bytes(weir))


def a_reply_above_the_limit_is_not_built():
    with Weir("client-output-buffer-limit normal 1mb 0 0") as weir:
        c = weir.connect()
        for _ in range(100):
            check(c.call("RPUSH", "l", *[b"x" * 10000] * 100) > 0, "RPUSH")
        before = resident_bytes(weir)
        for _ in range(5):
            alone, grouped = weir.connect(), weir.connect()
            alone.send(command("LRANGE", "l", "0", "-1"))
            alone.expect_close()
            check(grouped.call("MULTI") == b"OK", "MULTI")
            for words in (["LRANGE", "l", "0", "-1"], ["INCR", "ran"]):
                check(grouped.call(*words) == b"QUEUED", "it is queued")
            grouped.send(command("EXEC"))
            grouped.expect_close()
        grown = resident_bytes(weir) - before
        check(grown < 40 << 20, "%d bytes more are held" % grown)
        check(c.call("GET", "ran") == b"5", "a transaction that is cut short runs to its end")
        check(weir.info("client_output_buffer_limit_disconnections") == "10", "how many there were")
        limit = ("client-output-buffer-limit", "normal 100kb 0 0")
        check(c.call("CONFIG", "SET", *limit) == b"OK", "CONFIG SET")
        exact = weir.connect()
        check(len(exact.call("LRANGE", "l", "0", "8")) == 9, "90 KB are below 100")
        exact.send(command("LRANGE", "l", "0", "14"))
        exact.expect_close()


def who_asks_for_little_does_not_wait_for_those_who_ask_for_much():
    n = 300
    for ask, times in ((command("GET", "v"), 50), (command("LRANGE", "l", "0", "-1"), 4)):
        with Weir("maxmemory-clients 0", "maxmemory 1gb", "io-threads 1",
                  "enable-debug-command yes") as weir:
            c = weir.connect()
            check(c.call("SET", "v", b"x" * 1000000) == b"OK", "SET")
            check(c.call("RPUSH", "l", *[b"x" * 10000] * 100) == 100, "RPUSH")
            greedy = [weir.connect() for _ in range(n)]
            busy = weir.connect()
            busy.send(command("DEBUG", "SLEEP", "0.5"))
            for g in greedy:  # while the only worker is held up: it finds all of them at once
                g.send(ask * times)
            c.send(command("INFO", "stats"))
            check(busy.reply() == b"OK", "DEBUG SLEEP")
            for line in c.reply().split(b"\r\n"):
                if line.startswith(b"total_commands_processed:"):
                    ran = int(line.split(b":")[1])
            check(ran < n + 50, "it waited for %d commands of %d clients" % (ran, n))
            for g in greedy:
                g.reset()


def a_value_that_can_be_written_can_be_read_back():
    size = 270 << 20  # above the 256 MiB that waited for a client at most
    # Its record is too large for a ring, so the reply waits for the disk, however slow that is.
    with Weir("maxmemory 1gb", "journal-wait-max-ms 60000") as weir:
        c = weir.connect()
        check(c.call("SET", "v", b"x" * size) == b"OK", "SET")
        check(c.call("WEIR", "FLUSH") == b"OK", "FLUSH")
        before = resident_bytes(weir)
        c.send(command("GET", "v"))
        got = 0
        check(c.line() == b"$%d" % size, "its length")
        while got < size + 2:
            got += len(c.read(min(1 << 20, size + 2 - got)))
        check(resident_bytes(weir) - before < 64 << 20, "it was copied")
        check(c.call("PING") == b"PONG", "PING")


def what_clients_leave_unread_is_bounded_without_any_directive():
    with Weir("maxmemory 100mb") as weir:
        c = weir.connect()
        check(c.call("RPUSH", "l", *[b"x" * 10000] * 100) == 100, "RPUSH")
        greedy = [weir.connect() for _ in range(40)]
        for g in greedy:
            g.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            g.send(command("LRANGE", "l", "0", "-1") * 100)
        wait_until(lambda: int(weir.info("evicted_clients")) > 0, "the largest to be closed")
        check(c.call("LLEN", "l") == 100, "others go on")
        check(resident_bytes(weir) < 400 << 20, "%d bytes are held" % resident_bytes(weir))


def an_endless_request_is_closed_at_the_query_buffer_limit():
    with Weir("client-query-buffer-limit 1mb") as weir:
        for data in [b"*1000000\r\n" + b"$10\r\n0123456789\r\n" * 200000,
                     command("MULTI") + command("ECHO", b"x" * 1000) * 3000]:
            c = weir.connect()
            try:
                c.send(data)
                while c._more():
                    c.received = b""
            except (OSError, Failure):
                pass
            c.close()
        wait_until(lambda: weir.info("client_query_buffer_limit_disconnections") == "2",
                   "both clients to be closed")


def quietest_half_second(weir, enough):
    """Cores used in the quietest of up to twenty half seconds: what start-up left to do may take a
    while, what spins never rests."""
    least = float("inf")
    for _ in range(20):
        begin, cpu = time.monotonic(), weir.cpu_seconds()
        select.select([], [], [], 0.5)
        least = min(least, (weir.cpu_seconds() - cpu) / (time.monotonic() - begin))
        if least < enough:
            break
    return least


def running_out_of_descriptors_neither_spins_nor_stops_accepting():
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (70, 70))
    with Weir("io-threads 2", limits=few) as weir:
        clients = []
        for _ in range(90):
            try:
                clients.append(weir.connect())
            except OSError:
                break
        wait_until(lambda: "cannot accept a connection" in weir.log() or
                   "max number" in str(clients[-1].socket.recv(100, socket.MSG_DONTWAIT)),
                   "descriptors to run out")
        used = quietest_half_second(weir, 0.3)
        check(used < 0.3, "it spins: %.2f cores" % used)
        for c in clients:
            c.close()

        def answers():
            c = weir.connect()
            try:
                return c.call("PING") == b"PONG"
            except Failure:
                return False
            finally:
                c.close()
        wait_until(answers, "accepting to go on")


def an_idle_server_uses_no_cpu():
    with Weir() as weir:
        clients = [weir.connect() for _ in range(20)]
        for c in clients:
            c.call("PING")
        used = quietest_half_second(weir, 0.2)
        check(used < 0.2, "idle, but uses %.2f cores" % used)


def clients_of_all_workers_are_listed_and_killed():
    with Weir("io-threads 4") as weir:
        clients = [weir.connect() for _ in range(12)]
        for i, c in enumerate(clients):
            check(c.call("CLIENT", "SETNAME", "name%d" % i) == b"OK", "SETNAME failed")
        listed = clients[0].call("CLIENT", "LIST")
        for i in range(12):
            check(b"name=name%d " % i in listed, "client %d is not listed" % i)
        killed = clients[0].call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        check(killed == 11, "killed %r" % killed)
        for c in clients[1:]:
            c.expect_close()
        check(clients[0].call("PING") == b"PONG", "the caller was killed, too")


def clients_that_vanish_leave_nothing_behind():
    with Weir() as weir:
        for i in range(300):
            c = weir.connect()
            c.send(command("SET", "k%d" % i, b"x" * 100000)[:-(i * 300)] if i % 3 else b"*3\r\n$3")
            if i % 2:
                c.reset()
            else:
                c.close()
        wait_until(lambda: int(weir.info("connected_clients")) == 1, "their connections to be gone")


def a_unix_socket_has_its_mode_and_a_stale_one_is_replaced():
    with Weir("unixsocket weir.sock", "unixsocketperm 700") as weir:
        path = os.path.join(weir.directory, "weir.sock")
        check(stat.S_IMODE(os.stat(path).st_mode) == 0o700, oct(os.stat(path).st_mode))
        c = Connection(path)
        check(c.call("PING") == b"PONG", "no answer")
        weir.kill()
        check(os.path.exists(path), "the killed process removed its socket")
        weir.start()
        check(Connection(path).call("PING") == b"PONG", "no answer")
        weir.terminate()
        check(weir.wait() == 0, "exit code")
        check(not os.path.exists(path), "the socket was left behind")


def an_address_in_use_is_named_with_what_to_do():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        weir = Weir(wait=False)
        try:
            weir.kill()
            with open(weir.config, "w", encoding="utf-8") as f:
                f.write("port %d\nbind 127.0.0.1\ndir %s\n" % (port, weir.directory))
            done = subprocess.run([BINARY, weir.config], capture_output=True, check=False,
                                  timeout=20)
            out = (done.stdout + done.stderr).decode()
            check(done.returncode == 1, "exit code %d" % done.returncode)
            check("127.0.0.1:%d" % port in out and "--port" in out, out)
        finally:
            weir.close()


def an_optional_address_may_be_missing():
    port = free_port()
    weir = Weir(wait=False)
    try:
        weir.kill()
        weir.directives = []
        with open(weir.config, "w", encoding="utf-8") as f:
            f.write("port %d\nbind 127.0.0.1 -192.0.2.7\ndir %s\n" % (port, weir.directory))
        with open(weir.log_path, "ab") as log:
            weir.process = subprocess.Popen([BINARY, weir.config], stdout=log, stderr=log)
        weir.port = port
        check(weir._answers(), weir.log())
    finally:
        weir.close()


run([requests_may_be_cut_at_any_byte,
     who_asks_first_is_served_first,
     a_pipeline_of_a_hundred_thousand_is_answered_while_it_is_sent_first,
     a_large_value_survives_the_round_trip,
     a_request_of_many_small_arguments_is_read_in_linear_time,
     an_announced_length_reserves_nothing,
     idle_connections_hold_no_buffers,
     a_half_closed_client_gets_all_replies,
     protocol_errors_are_answered_and_close,
     limits_are_tight_before_authentication,
     clients_beyond_maxclients_are_told_so,
     idle_clients_are_closed_after_timeout,
     a_client_that_does_not_read_slows_nobody_and_is_closed_at_its_limit,
     a_reply_above_the_limit_is_not_built,
     who_asks_for_little_does_not_wait_for_those_who_ask_for_much,
     a_value_that_can_be_written_can_be_read_back,
     what_clients_leave_unread_is_bounded_without_any_directive,
     an_endless_request_is_closed_at_the_query_buffer_limit,
     running_out_of_descriptors_neither_spins_nor_stops_accepting,
     an_idle_server_uses_no_cpu,
     clients_of_all_workers_are_listed_and_killed,
     clients_that_vanish_leave_nothing_behind,
     a_unix_socket_has_its_mode_and_a_stale_one_is_replaced,
     an_address_in_use_is_named_with_what_to_do,
     an_optional_address_may_be_missing])
