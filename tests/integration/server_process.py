#!/usr/bin/env python3
"""The process: signals, the orderly end, the supervisor, recovery, and fsync always.

SPDX-License-Identifier: BSD-3-Clause
"""

import os
import signal
import socket
import sqlite3
import subprocess
import threading

from weirproc import BINARY, Connection, Failure, Weir, check, command, run, wait_until


def lock_database(weir):
    """Takes SQLite's write lock, so that nothing can be flushed until it is let go. Before the
    writes in question: a new database is written to once the server is ready."""
    db = sqlite3.connect(os.path.join(weir.directory, "weir.db"), isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    return db


def sigterm_flushes_and_ends_with_zero():
    with Weir("write-delay-ms 600000") as weir:
        c = weir.connect()
        for i in range(1000):
            c.send(command("SET", "k%d" % i, "v%d" % i))
        c.expect(b"+OK\r\n" * 1000)
        weir.terminate()
        check(weir.wait() == 0, "exit code")
        db = sqlite3.connect(os.path.join(weir.directory, "weir.db"))
        rows = db.execute("select count(*) from string").fetchone()[0]
        check(rows == 1000, "%d rows in the backend" % rows)
        db.close()
        weir.start()
        check(weir.connect().call("GET", "k999") == b"v999", "a key is missing")


def clients_are_served_while_the_flush_goes_on():
    with Weir("write-delay-ms 600000", "shutdown-timeout 60") as weir:
        c = weir.connect()
        db = lock_database(weir)
        check(c.call("SET", "a", "1") == b"OK", "SET failed")
        weir.terminate()
        wait_until(lambda: "Ending: flushing" in weir.log(), "the drain to begin")
        late = weir.connect()
        check(late.call("SET", "b", "2") == b"OK", "SET failed while draining")
        check(late.call("GET", "a") == b"1", "GET failed while draining")
        db.execute("ROLLBACK")
        db.close()
        check(weir.wait() == 0, "exit code")
        weir.start()
        c = weir.connect()
        check([c.call("GET", "a"), c.call("GET", "b")] == [b"1", b"2"], "keys are missing")


def a_second_signal_ends_at_once_and_the_journal_has_everything():
    with Weir("write-delay-ms 600000", "shutdown-timeout 600") as weir:
        c = weir.connect()
        db = lock_database(weir)
        check(c.call("SET", "a", "1") == b"OK", "SET failed")
        weir.terminate()
        wait_until(lambda: "Ending: flushing" in weir.log(), "the drain to begin")
        weir.terminate()
        check(weir.wait() == 0, "exit code")
        db.execute("ROLLBACK")
        db.close()
        weir.start()
        check(weir.connect().call("GET", "a") == b"1", "the write is lost")


def shutdown_timeout_bounds_the_flush():
    with Weir("write-delay-ms 600000", "shutdown-timeout 1") as weir:
        db = lock_database(weir)
        check(weir.connect().call("SET", "a", "1") == b"OK", "SET failed")
        weir.terminate()
        check(weir.wait() == 0, "exit code")
        db.execute("ROLLBACK")
        db.close()
        weir.start()
        check(weir.connect().call("GET", "a") == b"1", "the write is lost")


def the_shutdown_command_ends_the_process():
    for args in (["SHUTDOWN"], ["SHUTDOWN", "NOSAVE"]):
        with Weir("write-delay-ms 600000") as weir:
            c = weir.connect()
            check(c.call("SET", "a", "1") == b"OK", "SET failed")
            c.send(command(*args))
            check(weir.wait() == 0, "exit code")
            c.expect_close()
            weir.start()
            check(weir.connect().call("GET", "a") == b"1", "the write is lost")


def kill_9_loses_nothing_that_was_acknowledged():
    with Weir("write-delay-ms 600000") as weir:
        c = weir.connect()
        for i in range(2000):
            c.send(command("SET", "k%d" % i, "v%d" % i))
        c.expect(b"+OK\r\n" * 2000)
        weir.kill()
        weir.start()
        c = weir.connect()
        for i in range(2000):
            c.send(command("GET", "k%d" % i))
        for i in range(2000):
            check(c.reply() == b"v%d" % i, "k%d is lost" % i)


def replies_under_fsync_always_come_in_order_for_many_clients():
    def client(weir, number, failures):
        try:
            c = weir.connect()
            for i in range(30):
                c.send(b"".join(command("SET", "c%d" % number, "%d" % (i * 10 + n)) +
                                command("GET", "c%d" % number) + b"PING\r\n" for n in range(10)))
                for n in range(10):
                    value = b"%d" % (i * 10 + n)
                    c.expect(b"+OK\r\n$%d\r\n%s\r\n+PONG\r\n" % (len(value), value))
        except (Failure, OSError) as e:
            failures.append(e)
    with Weir("journal-fsync always", "io-threads 2") as weir:
        failures = []
        threads = [threading.Thread(target=client, args=(weir, n, failures)) for n in range(10)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        check(not failures, "%r" % failures[:1])
        c = weir.connect()
        c.send(command("SET", "last", "1") + command("QUIT"))
        c.expect(b"+OK\r\n+OK\r\n")
        c.expect_close()


def sighup_reads_the_configuration_again():
    with Weir("timeout 0") as weir:
        c = weir.connect()
        with open(weir.config, encoding="utf-8") as f:
            text = f.read()
        with open(weir.config, "w", encoding="utf-8") as f:
            f.write(text.replace("timeout 0", "timeout 77"))
        weir.signal(signal.SIGHUP)
        wait_until(lambda: c.call("CONFIG", "GET", "timeout") == [b"timeout", b"77"], "the reload")
        with open(weir.config, "w", encoding="utf-8") as f:
            f.write(text + "no-such-directive 1\n")
        weir.signal(signal.SIGHUP)
        wait_until(lambda: "no-such-directive" in weir.log(), "the complaint")
        check(c.call("PING") == b"PONG", "a wrong file ended the server")


def sigusr1_opens_the_log_again():
    with Weir("logfile weir.log") as weir:
        path = os.path.join(weir.directory, "weir.log")
        os.rename(path, path + ".1")
        weir.signal(signal.SIGUSR1)
        wait_until(lambda: os.path.exists(path), "the new log")


def a_supervisor_is_told_and_the_watchdog_is_fed():
    with Weir() as probe:
        directory = probe.directory
        path = os.path.join(directory, "notify")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(path)
        listener.settimeout(20)
        env = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000"}
        with Weir("supervised systemd", env=env) as weir:
            def until(word):
                while True:
                    got = listener.recv(1000).decode()
                    if word in got:
                        return
            until("READY=1")
            until("WATCHDOG=1")
            until("WATCHDOG=1")
            weir.signal(signal.SIGHUP)
            until("RELOADING=1")
            until("READY=1")
            weir.terminate()
            until("STOPPING=1")
            check(weir.wait() == 0, "exit code")
        listener.close()


def the_command_line_is_understood():
    def weir(*args):
        done = subprocess.run([BINARY, *args], capture_output=True, check=False, timeout=20)
        return done.returncode, (done.stdout + done.stderr).decode()
    code, out = weir("--version")
    check(code == 0 and out.startswith("Weir "), out)
    code, out = weir("--help")
    check(code == 0 and "--journal-fsync" in out, out)
    code, out = weir("--check", "--port", "7000")
    check(code == 0, out)
    code, out = weir("--check", "--prot", "7000")
    check(code == 1 and "port" in out, out)
    code, out = weir("/nonexistent/weir.conf")
    check(code == 1 and "/nonexistent/weir.conf" in out, out)


def two_processes_do_not_share_a_directory():
    with Weir() as weir:
        try:
            Weir(directory=weir.directory).close()
            raise Failure("the second one started")
        except Failure as e:
            check("did not start" in str(e), str(e))
        check(weir.connect().call("PING") == b"PONG", "the first one suffered")


def a_client_can_connect_by_unix_socket_only():
    weir = Weir(wait=False)
    try:
        weir.kill()
        with open(weir.config, "w", encoding="utf-8") as f:
            f.write("port 0\nunixsocket only.sock\ndir %s\n" % weir.directory)
        weir.process = subprocess.Popen([BINARY, weir.config], stdout=subprocess.DEVNULL)
        path = os.path.join(weir.directory, "only.sock")

        def answers():
            try:
                return Connection(path).call("PING") == b"PONG"
            except OSError:
                return False
        wait_until(answers, "the unix socket")
        weir.terminate()
        check(weir.wait() == 0, "exit code")
    finally:
        weir.close()


run([sigterm_flushes_and_ends_with_zero,
     clients_are_served_while_the_flush_goes_on,
     a_second_signal_ends_at_once_and_the_journal_has_everything,
     shutdown_timeout_bounds_the_flush,
     the_shutdown_command_ends_the_process,
     kill_9_loses_nothing_that_was_acknowledged,
     replies_under_fsync_always_come_in_order_for_many_clients,
     sighup_reads_the_configuration_again,
     sigusr1_opens_the_log_again,
     a_supervisor_is_told_and_the_watchdog_is_fed,
     the_command_line_is_understood,
     two_processes_do_not_share_a_directory,
     a_client_can_connect_by_unix_socket_only])
