#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The database file is taken away, replaced, or shared, while the proxy runs.

What was acknowledged as committed is in a file that somebody can find; what was not is in the
journal; and two proxies never write one file, whatever they call it.
"""
import os
import re
import shutil
import signal
import sqlite3
import subprocess

from harness import PATIENCE, Server, Skip, run_checks, until

FAST = {"write_delay_ms": 10, "flush_backoff_ms": 10, "flush_backoff_max_ms": 50,
        "breaker_open_ms": 50, "backend_timeout_ms": 500}


def committed(conn):
    """Whether the backend has this connection's writes, asked as clients do."""
    return conn("WAITAOF", 1, 1, 5000)[1] == 1


def only_the_journal_has_it(conn):
    """However long its disk takes."""
    assert conn("WAITAOF", 1, 0, 5000)[0] == 1
    assert conn("WAITAOF", 1, 1, 300) == [1, 0]


def state(conn):
    return conn.info("writeback")["backend_state"]


def value_in(path, key):
    db = sqlite3.connect("file:%s?mode=ro" % path, uri=True, timeout=10 * PATIENCE)
    try:
        row = db.execute("SELECT value FROM string WHERE key = ?", (key,)).fetchone()
        return row and row[0]
    finally:
        db.close()


def back_up(server, conn):
    """A copy of the database with what this connection wrote so far; where it lies."""
    assert committed(conn)
    backup = server.database() + ".backup"
    db = sqlite3.connect(server.database())
    db.execute("VACUUM INTO ?", (backup,))
    db.close()
    return backup


def a_database_that_was_moved_takes_no_receipts_and_goes_on_when_it_is_back():
    with Server(**FAST) as server:
        server.start()
        conn = server.connect()
        conn("SET", "k", "one")
        assert committed(conn)
        path, away = server.database(), server.database() + ".away"
        os.rename(path, away)
        until(lambda: state(conn) == "moved", 10, "state moved, it is " + state(conn))
        assert "removed or replaced" in str(conn("WEIR", "BACKENDS"))
        conn("SET", "k", "two")
        only_the_journal_has_it(conn)
        assert not os.path.exists(path)
        os.rename(away, path)
        assert committed(conn)
        until(lambda: state(conn) == "up", 10, "state up")
        assert value_in(path, "k") == "two"


def a_database_that_was_removed_loses_nothing_that_the_journal_has():
    with Server(**FAST) as server:
        server.start()
        conn = server.connect()
        conn("SET", "k", "one")
        assert committed(conn)
        os.unlink(server.database())
        expected = {"late:%d" % i: "value %d" % i for i in range(100)}
        for key, value in expected.items():
            conn("SET", key, value)
        only_the_journal_has_it(conn)
        for key, value in expected.items():
            assert conn("GET", key).decode() == value
        server.kill()
        journal = b"".join(open(os.path.join(folder, name), "rb").read()
                           for folder, _, names in os.walk(os.path.join(server.dir, "journal"))
                           for name in names)
        for value in expected.values():
            assert value.encode() in journal, value


def a_backup_moved_over_it_is_not_written_and_not_mixed():
    with Server(**FAST) as server:
        server.start()
        conn = server.connect()
        conn("SET", "k", "old")
        backup = back_up(server, conn)
        conn("SET", "k", "new")
        assert committed(conn)
        os.rename(server.database(), server.database() + ".before")
        os.rename(backup, server.database())
        until(lambda: state(conn) == "moved", 10, "state moved")
        conn("SET", "other", "1")
        only_the_journal_has_it(conn)
        server.kill()
        assert value_in(server.database() + ".before", "k") == "new"
        assert value_in(server.database(), "k") == "old"
        assert value_in(server.database(), "other") is None


def outgrow_backup(server):
    """A client, and a backup that lacks what was committed since: k, and 500 keys."""
    conn = server.connect()
    conn("SET", "k", "old")
    backup = back_up(server, conn)
    for i in range(500):
        conn("SET", "k%d" % i, "new")
    conn("SET", "k", "new")
    assert committed(conn)
    return conn, backup


def a_backup_moved_over_it_just_before_a_kill_is_not_mixed_with_the_wal():
    with Server(**FAST) as server:
        server.start()
        conn, backup = outgrow_backup(server)
        server.process.send_signal(signal.SIGSTOP)  # it shall not notice
        wal = server.database() + "-wal"
        if not os.path.getsize(wal):
            raise Skip("a checkpoint came first")
        os.rename(server.database(), server.database() + ".before")
        os.rename(backup, server.database())
        server.kill()
        before = open(server.database(), "rb").read()
        for _ in range(2):  # to be refused changes nothing
            server.launch()
            assert server.process.wait(20 * PATIENCE) == 1
            assert "belongs to the database that was here before" in server.log_tail()
            assert weirctl_check(server, server.database())[0] == 1
        assert open(server.database(), "rb").read() == before
        os.rename(wal, server.database() + ".before-wal")
        os.unlink(server.database() + "-shm")
        assert value_in(server.database() + ".before", "k") == "new"
        conn = server.start().connect()  # the journal still has what the backup lacks
        assert conn("GET", "k") == b"new" and conn("GET", "k499") == b"new"


def a_backup_copied_over_it_is_not_written_and_not_mixed():
    with Server(**FAST) as server:
        server.start()
        conn, backup = outgrow_backup(server)
        shutil.copyfile(backup, server.database())
        until(lambda: state(conn) == "moved", 10, "state moved, it is " + state(conn))
        conn("SET", "other", "1")
        only_the_journal_has_it(conn)
        assert "overwritten while in use" in str(conn("WEIR", "BACKENDS"))
        server.kill()
        assert value_in(server.database(), "k") == "old"
        db = sqlite3.connect(server.database())
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert db.execute("SELECT count(*) FROM string").fetchone()[0] == 1
        db.close()


def weirctl_check(server, path):
    weirctl = os.path.join(os.path.dirname(server.command()[0]), "weirctl")
    if not os.path.exists(weirctl):
        raise Skip("no weirctl of this build")
    done = subprocess.run([weirctl, "check", path], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60 * PATIENCE, check=False)
    return done.returncode, done.stdout


def a_store_can_be_checked_while_it_is_used():
    with Server(**FAST) as server:
        server.start()
        conn = server.connect()
        for i in range(200):
            conn("SET", "k%d" % i, "x" * 200)
        conn("HSET", "h", "f", "v")
        assert committed(conn)
        status, text = weirctl_check(server, server.database())
        assert status == 0 and "sound" in text, text
        conn("SET", "after", "1")  # the check has not disturbed it
        assert committed(conn) and state(conn) == "up"
        db = sqlite3.connect(server.database())
        page = db.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'weir_key'").fetchone()[0]
        size = db.execute("PRAGMA page_size").fetchone()[0]
        db.close()
        assert server.stop() == 0
        db = sqlite3.connect(server.database())
        db.execute("DROP TRIGGER weir_hash_deleted")
        db.execute("DELETE FROM weir_hash")
        db.commit()
        db.close()
        status, text = weirctl_check(server, server.database())
        assert status == 1, text
        assert "'h' in store database" in text and "is without elements" in text, text
        with open(server.database(), "r+b") as f:
            f.seek((page - 1) * size + 3)
            f.write(b"\xff\xff")  # more cells than a page can hold
        status, text = weirctl_check(server, server.database())
        assert status == 1 and "findings" in text, text
        assert weirctl_check(server, server.database() + ".none")[0] == 1


def two_proxies_never_share_a_file():
    with Server(**FAST) as first, Server(**FAST) as second:
        first.start()
        conn = first.connect()
        conn("SET", "k", "one")
        assert committed(conn)
        here = second.dir
        os.symlink(first.database(), os.path.join(here, "symbolic.db"))
        os.link(first.database(), os.path.join(here, "hard.db"))
        os.symlink(first.dir, os.path.join(here, "folder"))
        for leftover in ("weir.db.lock",):
            if os.path.exists(os.path.join(first.dir, leftover)):
                os.unlink(os.path.join(first.dir, leftover))
        for name in (first.database(), "symbolic.db", "hard.db", "folder/weir.db"):
            second.directives["backend"] = "sqlite:" + name
            second.launch()
            assert second.process.wait(20 * PATIENCE) == 1, name
            text = second.log_tail()
            assert re.search("%s: in use by another Weir" % re.escape(os.path.basename(name)),
                             text), text
        conn("SET", "k", "two")
        assert committed(conn)
        assert value_in(first.database(), "k") == "two"
        conn.close()
        assert first.stop() == 0
        # Nobody holds it any more, but it goes with the journal of the first.
        second.directives["backend"] = "sqlite:" + first.database()
        second.launch()
        assert second.process.wait(20 * PATIENCE) == 1
        assert "weirctl store adopt" in second.log_tail()
        assert first.start().connect()("GET", "k") == b"two"


def a_second_name_of_the_file_is_warned_of():
    with Server(**FAST) as server:
        server.start()
        assert "hard links" not in server.log_tail()
        assert server.stop() == 0
        os.link(server.database(), server.database() + ".other")
        server.start()
        assert "has 2 names (hard links)" in server.log_tail()


def a_dropped_trigger_is_back_soon_and_what_it_missed_is_read_again():
    with Server(**FAST) as server:
        server.start()
        conn = server.connect()
        conn("SET", "k", "one")
        conn("SET", "n", "one")
        assert committed(conn)
        assert conn("GET", "k") == b"one"
        db = sqlite3.connect(server.database(), timeout=10 * PATIENCE)
        db.execute("BEGIN IMMEDIATE")
        db.execute("DROP TRIGGER weir_key_update")
        db.execute("UPDATE string SET value = 'unseen' WHERE key = 'k'")
        db.commit()
        until(lambda: conn("GET", "k") == b"unseen", 10, "the unseen change")
        log = server.log_tail()
        assert "trigger weir_key_update was missing and has been made again" in log, log
        db.execute("UPDATE string SET value = 'seen' WHERE key = 'n'")
        db.commit()
        db.close()
        until(lambda: conn("GET", "n") == b"seen", 10, "a change that is noticed again")


if __name__ == "__main__":
    run_checks([a_database_that_was_moved_takes_no_receipts_and_goes_on_when_it_is_back,
                a_database_that_was_removed_loses_nothing_that_the_journal_has,
                a_backup_moved_over_it_is_not_written_and_not_mixed,
                a_backup_moved_over_it_just_before_a_kill_is_not_mixed_with_the_wal,
                a_backup_copied_over_it_is_not_written_and_not_mixed,
                a_store_can_be_checked_while_it_is_used,
                two_proxies_never_share_a_file,
                a_second_name_of_the_file_is_warned_of,
                a_dropped_trigger_is_back_soon_and_what_it_missed_is_read_again])
