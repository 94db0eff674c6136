#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A backend in trouble: locked, read-only, full, corrupt, or refusing a row.

In each case the proxy goes on serving from memory and journal, says in WEIR BACKENDS and INFO what
is wrong, loses nothing (killed and restarted meanwhile), and writes everything once the trouble is
over. The journal lies on another directory than the database, so that only the database suffers.
"""
import os
import pwd
import shutil
import sqlite3
import subprocess
import time

from harness import (PATIENCE, Conn, ReplyError, Seed, Server, Skip, run_checks, until)

SEED = Seed()
FAST = {"write_delay_ms": 20, "backend_timeout_ms": 200, "flush_backoff_ms": 20,
        "flush_backoff_max_ms": 200, "breaker_open_ms": 100}


class Store:
    """A server whose database is in a directory of its own."""

    def __init__(self, **directives):
        self.server = Server(backend="sqlite:store/weir.db", **{**FAST, **directives})
        self.store_dir = os.path.join(self.server.dir, "store")
        self.path = os.path.join(self.store_dir, "weir.db")
        os.mkdir(self.store_dir)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if exc[0] is not None:
            print(self.server.log_tail(3000))
        self.server.__exit__(*exc)

    def connect(self):
        return self.server.connect()

    def open(self):
        return sqlite3.connect(self.path, timeout=10 * PATIENCE, isolation_level=None)

    def rows(self):
        db = sqlite3.connect("file:%s?mode=ro" % self.path, uri=True, timeout=10 * PATIENCE)
        try:
            return dict(db.execute("SELECT key, value FROM string"))
        finally:
            db.close()

    def state(self, conn):
        """The backend's state in one word, as INFO shows it."""
        return conn.info("writeback")["backend_state"]

    def wait_state(self, conn, *wanted):
        return until(lambda: self.state(conn) in wanted and self.state(conn), 20,
                     "backend state %s, it is %s" % ("/".join(wanted), self.state(conn)))

    def flushed(self, conn):
        """Waits until nothing is dirty or in flight, and the backend is up."""
        def clean():
            info = conn.info("writeback")
            return (info["dirty_keys"] == "0" and info["in_flight_keys"] == "0"
                    and info["backend_state"] == "up")
        until(clean, 30, "everything flushed")


def write_many(conn, prefix, n, size=20):
    expected = {"%s:%d" % (prefix, i): ("%s-%d-" % (prefix, i)).ljust(size, "x") for i in range(n)}
    for reply in conn.pipeline([("SET", k, v) for k, v in expected.items()]):
        assert reply == "OK", reply
    return expected


def a_locked_database_delays_and_loses_nothing():
    with Store() as store:
        store.server.start()
        conn = store.connect()
        expected = write_many(conn, "before", 50)
        store.flushed(conn)
        other = store.open()
        other.execute("BEGIN EXCLUSIVE")
        expected.update(write_many(conn, "during", 200))
        state = store.wait_state(conn, "locked", "open")
        assert conn("GET", "during:7").decode() == expected["during:7"]
        assert not any(key.startswith("during") for key in store.rows())
        text = str(conn("WEIR", "BACKENDS"))
        assert "lock" in text.lower() or "busy" in text.lower(), (state, text)
        store.server.kill()  # and started again while it is still locked
        other.execute("COMMIT")
        for lock in "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE":
            other.execute(lock)
            store.server.launch()
            waits_for(store.server, os.getpid())
            assert store.server.stop() == 0  # while it waits
            store.server.launch()
            waits_for(store.server, os.getpid())
            other.execute("COMMIT")
            until(store.server.answers, 20, "the server serves")
            conn = store.connect()
            expected.update(write_many(conn, "after " + lock, 50))
            assert conn("GET", "during:7").decode() == expected["during:7"]
            store.flushed(conn)
            store.server.kill()
        store.server.start()
        conn = store.connect()
        assert store.rows() == expected
        other.close()


def waits_for(server, pid):
    """Until the start says whom it waits for; clients are told to wait, too."""
    def said():
        with open(server.log, "rb") as f:
            f.seek(server.log_start)
            return b"(pid %d) holds the lock" % pid in f.read()
    until(said, 20, "a line in the log")
    assert server.alive()
    conn = server.connect()
    try:
        conn("GET", "k")
        raise AssertionError("served before the store was read")
    except ReplyError as e:
        assert str(e).startswith("LOADING"), e
    conn.close()


def a_store_that_is_locked_at_the_first_start_is_waited_for():
    """Locked by whoever makes the file: it is of no journal yet."""
    with Store() as store:
        other = store.open()
        other.execute("CREATE TABLE mine(a)")
        other.execute("BEGIN IMMEDIATE")
        store.server.launch()
        waits_for(store.server, os.getpid())
        other.execute("COMMIT")
        until(store.server.answers, 20, "the server serves")
        expected = write_many(store.connect(), "k", 50)
        store.flushed(store.connect())
        assert store.rows() == expected
        other.close()


def an_orderly_end_keeps_to_its_time_with_a_locked_database():
    with Store(shutdown_timeout=2, backend_timeout_ms=60_000) as store:
        store.server.start()
        conn = store.connect()
        expected = write_many(conn, "before", 50)
        store.flushed(conn)
        other = store.open()
        other.execute("BEGIN IMMEDIATE")
        expected.update(write_many(conn, "during", 50))
        until(lambda: conn.info("writeback")["flushing"] == "1", 10, "a batch that waits")
        began = time.monotonic()
        assert store.server.stop() == 0
        took = time.monotonic() - began
        assert took <= 3 * PATIENCE, "SIGTERM took %.1f s" % took
        log = store.server.log_tail()
        assert "journal keeps" in log and "Ended in order" in log, log
        other.execute("COMMIT")
        other.close()
        store.server.start()
        store.flushed(store.connect())
        assert store.rows() == expected


def a_reader_that_holds_up_the_wal_is_seen():
    with Store(write_batch_keys=1000) as store:
        store.server.start()
        conn = store.connect()
        write_many(conn, "key", 100)
        store.flushed(conn)
        other = store.open()
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM weir_key").fetchone()
        write_many(conn, "key", 2000, 200)
        store.flushed(conn)
        size = int(conn.info("writeback")["wal_bytes"])
        assert size == os.path.getsize(store.path + "-wal") > 0, size
        other.execute("COMMIT")
        until(lambda: conn.info("writeback")["wal_bytes"] == "0", 10, "an empty WAL")
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM weir_key").fetchone()
        write_many(conn, "key", 100)
        store.flushed(conn)
        assert store.server.stop() == 0
        log = store.server.log_tail()
        assert "bytes are left in it" in log and "(pid %d)" % os.getpid() in log, log
        other.close()


def a_row_the_backend_refuses_becomes_a_dead_letter():
    with Store() as store:
        store.server.start()
        conn = store.connect()
        conn("SET", "first", "1")
        store.flushed(conn)
        # A constraint of the owner of the database: no two keys with one value.
        other = store.open()
        other.execute("CREATE UNIQUE INDEX no_twins ON weir_key(value)")
        expected = {"first": "1"}
        expected.update(write_many(conn, "good", 300))
        conn("SET", "bad", "1")
        expected.update(write_many(conn, "fine", 300))
        until(lambda: conn.info("writeback")["dead_letters"] == "1", 20, "a dead letter")
        store.flushed(conn)
        rows = store.rows()
        assert rows == expected, set(rows) ^ set(expected)
        assert conn("GET", "bad") == b"1"
        letters = str(conn("WEIR", "DEADLETTER", "LIST"))
        assert "bad" in letters and "UNIQUE constraint failed" in letters, letters
        store.server.kill()
        store.server.start()
        conn = store.connect()
        assert conn.info("writeback")["dead_letters"] == "1"
        other.execute("DROP INDEX no_twins")
        other.close()
        conn("WEIR", "DEADLETTER", "RETRY", "ALL")
        until(lambda: store.rows().get("bad") == "1", 20, "the dead letter arrives")
        until(lambda: conn.info("writeback")["dead_letters"] == "0", 20, "the end of the letter")


def a_full_disk_is_reported_and_survived():
    with Store(backpressure_policy="delay") as store:
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", store.store_dir]
        if os.geteuid() != 0 or subprocess.run(mount, stderr=subprocess.DEVNULL,
                                               check=False).returncode:
            raise Skip("no right to mount a small file system")
        try:
            store.server.start()
            conn = store.connect()
            expected = write_many(conn, "before", 50)
            store.flushed(conn)
            expected.update(write_many(conn, "big", 400, 20_000))
            store.wait_state(conn, "full")
            assert "full" in str(conn("WEIR", "BACKENDS")).lower()
            assert conn("GET", "big:399").decode() == expected["big:399"]
            store.server.kill()
            store.server.start()
            conn = store.connect()
            assert conn("GET", "big:399").decode() == expected["big:399"]
            expected.update(write_many(conn, "while", 20))
            subprocess.run(["mount", "-o", "remount,size=64m", store.store_dir], check=True)
            store.flushed(conn)
            assert store.rows() == expected
        finally:
            store.server.kill()
            subprocess.run(["umount", store.store_dir], check=True)


def an_ordinary_user():
    """Root may write what is read-only: such a check runs as somebody else."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody").pw_name
    except KeyError as e:
        raise Skip("no ordinary user to become") from e


def a_read_only_database_is_reported_and_loses_nothing():
    user = an_ordinary_user()
    with Store() as store:
        server = store.server
        binary = os.path.join(server.dir, "weir")  # the tree may not be readable for that user
        shutil.copy(server.command()[0], binary)
        os.environ["WEIR_BIN"], before = binary, os.environ.get("WEIR_BIN")
        server.user = user
        try:
            if user:
                for path in (server.dir, store.store_dir):
                    shutil.chown(path, user)
            server.start()
            conn = store.connect()
            expected = write_many(conn, "before", 50)
            store.flushed(conn)
            expected.update(write_many(conn, "during", 50))
            server.kill()
            read_only(store, True)
            refused = serves_or_refuses(store, expected)
            read_only(store, False)
            if refused:
                server.start()
            conn = store.connect()
            store.flushed(conn)
            assert store.rows() == expected
        finally:
            os.environ.pop("WEIR_BIN")
            if before:
                os.environ["WEIR_BIN"] = before


def read_only(store, on):
    for name in os.listdir(store.store_dir):
        os.chmod(os.path.join(store.store_dir, name), 0o444 if on else 0o644)
    os.chmod(store.store_dir, 0o555 if on else 0o755)


def serves_or_refuses(store, expected):
    """A start on a database that cannot be written: either refused, clearly, or served."""
    try:
        store.server.start()
    except ChildProcessError as e:
        assert "read" in str(e).lower() and "weir.db" in str(e), str(e)
        assert store.server.process.returncode == 1, store.server.process.returncode
        return True
    conn = store.connect()
    store.wait_state(conn, "read-only", "retrying", "open")
    assert conn("GET", "during:7").decode() == expected["during:7"]
    store.server.kill()
    return True


def a_corrupt_database_is_never_taken_for_an_empty_one():
    with Store() as store:
        store.server.start()
        conn = store.connect()
        expected = write_many(conn, "before", 2000, 100)
        store.flushed(conn)
        assert store.server.stop() == 0
        good = os.path.join(store.server.dir, "good.db")
        shutil.copy(store.path, good)
        rng = SEED.rng("corrupt")
        with open(store.path, "r+b") as f:  # every page but the first
            size = os.path.getsize(store.path)
            for page in range(4096, size, 4096):
                f.seek(page)
                f.write(rng.randbytes(min(4096, size - page)))
        refused_or_reported(store)
        for name in os.listdir(store.store_dir):
            os.unlink(os.path.join(store.store_dir, name))
        shutil.copy(good, store.path)
        store.server.start()
        conn = store.connect()
        for key in ("before:0", "before:1999"):
            assert conn("GET", key).decode() == expected[key]
        late = conn("GET", "late")
        if late is not None:
            expected["late"] = late.decode()
        store.flushed(conn)
        assert store.rows() == expected


def refused_or_reported(store):
    """With a corrupt database: no start, or an error for what cannot be read; never `absent`."""
    try:
        store.server.start()
    except ChildProcessError as e:
        assert "malformed" in str(e) or "corrupt" in str(e).lower(), str(e)
        assert store.server.process.returncode == 1, store.server.process.returncode
        return
    conn = Conn(store.server.port)
    conn.send(("GET", "before:1000"))
    reply = conn.read()
    assert isinstance(reply, ReplyError), "a corrupt database answered %r" % reply
    assert conn("SET", "late", "kept") == "OK"
    store.wait_state(conn, "corrupt")
    store.server.kill()


def a_store_that_cannot_be_read_says_so_until_it_can():
    with Store() as store:
        store.server.start()
        conn = store.connect()
        conn("HSET", "h", "f", "v")
        expected = write_many(conn, "key", 20)
        store.flushed(conn)
        other = store.open()
        page = other.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'weir_hash'").fetchone()[0]
        size = other.execute("PRAGMA page_size").fetchone()[0]
        other.close()
        assert store.server.stop() == 0
        with open(store.path, "r+b") as f:
            f.seek((page - 1) * size)
            kind = f.read(1)
            f.seek((page - 1) * size)
            f.write(b"\xff")
        store.server.start()  # nothing is resident
        conn = store.connect()
        conn.send(("HGET", "h", "f"))
        assert isinstance(conn.read(), ReplyError)
        store.wait_state(conn, "corrupt")
        assert "not what was written" in str(conn("WEIR", "BACKENDS"))
        assert conn("GET", "key:1").decode() == expected["key:1"]
        assert store.state(conn) == "corrupt"  # one key that can be read proves nothing
        store.server.kill()
        with open(store.path, "r+b") as f:
            f.seek((page - 1) * size)
            f.write(kind)
        store.server.start()
        conn = store.connect()
        assert conn("HGET", "h", "f") == b"v" and store.state(conn) == "up"


def a_renamed_table_is_reported_until_it_is_back():
    with Store() as store:
        store.server.start()
        conn = store.connect()
        conn("HSET", "h", "f", "v")
        store.flushed(conn)
        assert store.server.stop() == 0
        store.server.start()
        conn = store.connect()
        other = store.open()
        other.execute("ALTER TABLE weir_hash RENAME TO mine")
        conn.send(("HGET", "h", "f"))
        assert isinstance(conn.read(), ReplyError)
        until(lambda: store.state(conn) != "up", 10, "a state")
        assert "weir_hash" in str(conn("WEIR", "BACKENDS"))
        other.execute("ALTER TABLE mine RENAME TO weir_hash")
        other.close()
        until(lambda: conn("HGET", "h", "f") == b"v" and store.state(conn) == "up", 20, "up again")


if __name__ == "__main__":
    run_checks([a_locked_database_delays_and_loses_nothing,
                a_store_that_is_locked_at_the_first_start_is_waited_for,
                an_orderly_end_keeps_to_its_time_with_a_locked_database,
                a_reader_that_holds_up_the_wal_is_seen,
                a_row_the_backend_refuses_becomes_a_dead_letter,
                a_full_disk_is_reported_and_survived,
                a_store_that_cannot_be_read_says_so_until_it_can,
                a_renamed_table_is_reported_until_it_is_back,
                a_read_only_database_is_reported_and_loses_nothing,
                a_corrupt_database_is_never_taken_for_an_empty_one])
