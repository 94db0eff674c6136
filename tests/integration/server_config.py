#!/usr/bin/env python3
"""The configuration of a server that runs: where it listens, its password, its file.

SPDX-License-Identifier: BSD-3-Clause
"""

import os
import re
import socket

from weirproc import Connection, Weir, check, free_port, run, wait_until


def refuses(address):
    try:
        socket.create_connection(address, 5).close()
    except ConnectionRefusedError:
        return True
    return False


def answers(address):
    c = Connection(address)
    try:
        return c.call("PING") == b"PONG"
    finally:
        c.close()


def listens_at_once(c, weir, *pairs):
    check(c.call("CONFIG", "SET", *pairs) == b"OK", pairs)
    check(c.call("PING") == b"PONG", "who is connected stays so")
    return weir


def a_port_is_exchanged_for_another():
    with Weir() as weir:
        c, old, new = weir.connect(), weir.port, free_port()
        listens_at_once(c, weir, "port", new)
        check(answers(("127.0.0.1", new)), "the new one listens when the reply is there")
        wait_until(lambda: refuses(("127.0.0.1", old)), "the old one to be closed")
        weir.port = new
        check(weir.info("tcp_port") == str(new), "INFO tcp_port")
        check(c.call("CONFIG", "GET", "port") == [b"port", b"%d" % new], "CONFIG GET")


def addresses_come_and_go_and_one_may_contain_another():
    with Weir("protected-mode no") as weir:
        c, port = weir.connect(), weir.port
        listens_at_once(c, weir, "bind", "127.0.0.1 127.0.0.2")
        check(answers(("127.0.0.1", port)) and answers(("127.0.0.2", port)), "both")
        listens_at_once(c, weir, "bind", "*")
        check(answers(("127.0.0.1", port)) and answers(("127.0.0.3", port)), "all")
        listens_at_once(c, weir, "bind", "127.0.0.2")
        wait_until(lambda: refuses(("127.0.0.1", port)), "the others to be closed")
        check(answers(("127.0.0.2", port)), "one")
        new = free_port()
        listens_at_once(c, weir, "bind", "127.0.0.3", "port", new)
        check(answers(("127.0.0.3", new)), "both at a time")
        wait_until(lambda: refuses(("127.0.0.2", port)), "the last to be closed")


def polled(pid):
    """(number, inode) of everything that an epoll of the process looks at."""
    found = []
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            if "eventpoll" not in os.readlink("/proc/%d/fd/%s" % (pid, name)):
                continue
            with open("/proc/%d/fdinfo/%s" % (pid, name), encoding="utf-8") as f:
                found += re.findall(r"^tfd:\s*(\d+) .*? ino:([0-9a-f]+)", f.read(), re.M)
        except FileNotFoundError:
            pass  # a file that was open for a moment
    return [(int(number), int(inode, 16)) for number, inode in found]


def a_socket_that_stays_is_polled_under_one_number():
    """A number that was closed while its socket goes on under another would be told for ever."""
    with Weir("protected-mode no") as weir:
        c, pid = weir.connect(), weir.process.pid
        listens_at_once(c, weir, "bind", "127.0.0.1 127.0.0.2")
        listens_at_once(c, weir, "bind", "127.0.0.1")
        wait_until(lambda: refuses(("127.0.0.2", weir.port)), "the other to be closed")
        everything = polled(pid)
        check(len(everything) >= 4, everything)
        for number, inode in everything:
            path = "/proc/%d/fd/%d" % (pid, number)
            check(os.path.exists(path) and os.stat(path).st_ino == inode, (number, everything))


def what_cannot_be_listened_on_leaves_all_as_it_was():
    with Weir() as weir, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        c, taken = weir.connect(), other.getsockname()[1]
        for pairs in (("port", taken), ("bind", "127.0.0.1 192.0.2.1"), ("bind", "nowhere.example"),
                      ("port", 0), ("timeout", 5, "port", taken), ("port", taken, "timeout", 5)):
            error = c.call("CONFIG", "SET", *pairs)
            check(error.startswith(b"-ERR CONFIG SET failed"), (pairs, error))
            check(b"'bind'" in error or b"'port'" in error, error)
        check(c.call("CONFIG", "GET", "port") == [b"port", b"%d" % weir.port], "port")
        check(c.call("CONFIG", "GET", "bind") == [b"bind", b"127.0.0.1"], "bind")
        check(c.call("CONFIG", "GET", "timeout") == [b"timeout", b"0"], "timeout")
        check(answers(("127.0.0.1", weir.port)), "it still listens")


def a_unix_socket_stays_when_the_port_changes():
    with Weir("unixsocket weir.sock") as weir:
        path = os.path.join(weir.directory, "weir.sock")
        listens_at_once(weir.connect(), weir, "port", 0)
        wait_until(lambda: refuses(("127.0.0.1", weir.port)), "the port to be closed")
        check(answers(path), "the socket")
        c = Connection(path)
        listens_at_once(c, weir, "port", weir.port)
        check(answers(("127.0.0.1", weir.port)), "the port again")


def many_changes_in_a_row_end_with_the_last():
    with Weir("io-threads 2") as weir:
        clients = [weir.connect() for _ in range(4)]
        ports = [free_port() for _ in range(20)]
        for i, port in enumerate(ports):
            reply = clients[i % 4].call("CONFIG", "SET", "port", port)
            check(reply == b"OK" or b"another process" in reply, reply)
        last = int(clients[0].call("CONFIG", "GET", "port")[1])
        check(answers(("127.0.0.1", last)), "the last")
        for port in set([weir.port] + ports) - {last}:
            wait_until(lambda p=port: refuses(("127.0.0.1", p)), "port %d to be closed" % port)


def a_password_may_contain_a_zero_byte():
    secret = b"before\0after"
    with Weir() as weir:
        c = weir.connect()
        check(c.call("CONFIG", "SET", "requirepass", secret) == b"OK", "SET")
        for wrong in (b"before", b"before\0", b"before\0afteR", b"before\0after\0"):
            check(weir.connect().call("AUTH", wrong).startswith(b"-WRONGPASS"), wrong)
        check(weir.connect().call("AUTH", secret) == b"OK", "AUTH")
        check(c.call("CONFIG", "GET", "requirepass") == [b"requirepass", secret], "GET")
        check(c.call("CONFIG", "REWRITE") == b"OK", "REWRITE")
        weir.terminate()
        weir.wait()
        weir.process = None
        with open(weir.config, "rb") as f:
            check(b'requirepass "before\\x00after"' in f.read(), "the file")
        rewritten = Weir(r'requirepass "before\x00after"', directory=weir.directory)
        with rewritten:
            check(rewritten.connect().call("AUTH", secret) == b"OK", "AUTH after a start")
            check(rewritten.connect().call("GET", "a").startswith(b"-NOAUTH"), "without")


def written_by_threads(weir):
    """Bytes that threads have written to files and sockets: workers, and all others."""
    tasks, workers, others = "/proc/%d/task" % weir.process.pid, 0, 0
    for task in os.listdir(tasks):
        with open(os.path.join(tasks, task, "comm"), encoding="utf-8") as f:
            worker = f.read().startswith("worker-")
        with open(os.path.join(tasks, task, "io"), encoding="utf-8") as f:
            count = int(re.search(r"^wchar: (\d+)$", f.read(), re.M).group(1))
        workers += count * worker
        others += count * (not worker)
    return workers, others


def a_rewrite_is_written_by_no_worker():
    size = 1 << 20
    with Weir(*["# " + "x" * 1000] * (size // 1000)) as weir:
        c = weir.connect()
        check(c.call("CONFIG", "SET", "timeout", "77") == b"OK", "CONFIG SET")
        before = written_by_threads(weir)
        check(c.call("CONFIG", "REWRITE") == b"OK", "REWRITE")
        after = written_by_threads(weir)
        with open(weir.config, encoding="utf-8") as f:
            check("\ntimeout 77\n" in f.read(), "the file")
        check(after[1] - before[1] >= size, "others wrote %d" % (after[1] - before[1]))
        check(after[0] - before[0] < size / 10, "workers wrote %d" % (after[0] - before[0]))
        os.remove(weir.config)
        error = c.call("CONFIG", "REWRITE")
        check(error.startswith(b"-ERR Rewriting config file: "), error)


run([a_port_is_exchanged_for_another,
     addresses_come_and_go_and_one_may_contain_another,
     a_socket_that_stays_is_polled_under_one_number,
     what_cannot_be_listened_on_leaves_all_as_it_was,
     a_unix_socket_stays_when_the_port_changes,
     many_changes_in_a_row_end_with_the_last,
     a_password_may_contain_a_zero_byte,
     a_rewrite_is_written_by_no_worker])
