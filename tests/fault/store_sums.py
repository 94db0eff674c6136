#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A bit is turned over in the database file, or somebody else rightly writes to it.

The first is never served: who asks hears an error, the state says `corrupt`, and `weirctl check`
names the page. The second is no damage.
"""
import glob
import os
import shutil
import sqlite3
import subprocess

from harness import PATIENCE, ReplyError, Server, Skip, run_checks, until

FAST = {"write_delay_ms": 10, "flush_backoff_ms": 10, "flush_backoff_max_ms": 50,
        "breaker_open_ms": 50, "backend_timeout_ms": 500}
KEYS = 3000
NEEDLE = "needle-" + "n" * 60


def value_of(i):
    return NEEDLE if i == KEYS // 2 else "value-%d-" % i + "x" * 60


def started_and_filled(server):
    """A connection; everything is in the database file, and every page has a sum."""
    server.start()
    conn = server.connect()
    conn.pipeline([("SET", "k%d" % i, value_of(i)) for i in range(KEYS)])
    conn("HSET", "h", *sum((["f%d" % i, "v%d" % i] for i in range(200)), []))
    assert conn("WAITAOF", 1, 1, 10000)[1] == 1
    settle(conn)
    return conn


def settle(conn):
    def settled():
        info = conn.info("writeback")
        return info["wal_bytes"] == "0" and info["pages_unknown"] == "0"
    until(settled, 20, "an empty WAL and no page without a sum")


def turn_a_bit(path):
    """Within the needle; the number of its page."""
    with open(path, "r+b") as f:
        data = f.read()
        at = data.index(NEEDLE.encode()) + 20
        f.seek(at)
        f.write(bytes([data[at] ^ 1]))
    return at // 8192 + 1


def weirctl_check(server):
    weirctl = os.path.join(os.path.dirname(server.command()[0]), "weirctl")
    if not os.path.exists(weirctl):
        raise Skip("no weirctl of this build")
    done = subprocess.run([weirctl, "check", server.database()], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60 * PATIENCE, check=False)
    return done.returncode, done.stdout


def ask(conn, key):
    try:
        return conn("GET", key)
    except ReplyError as e:
        return e


def check_damage_is_met(server, conn, page):
    right = refused = 0
    for i in range(KEYS):
        reply = ask(conn, "k%d" % i)
        if isinstance(reply, ReplyError):
            refused += 1
        else:
            assert reply is not None and reply.decode() == value_of(i), (i, reply)
            right += 1
    assert refused > 0 and right > 0, (refused, right)
    assert isinstance(ask(conn, "k%d" % (KEYS // 2)), ReplyError)
    until(lambda: conn.info("writeback")["backend_state"] == "corrupt", 10, "state corrupt")
    info = conn.info("writeback")
    assert info["pages_damaged"] == "1", info
    assert "page %d is not what was written" % page in info["backend_last_error"], info
    status, text = weirctl_check(server)
    assert status == 1 and "page %d: not what was written" % page in text, text
    assert "of weir_key" in text, text


def a_turned_bit_is_not_served_after_an_orderly_stop():
    with Server(**FAST) as server:
        started_and_filled(server)
        assert server.stop() == 0
        page = turn_a_bit(server.database())
        status, text = weirctl_check(server)
        assert status == 1 and "page %d: not what was written" % page in text, text
        server.start()
        check_damage_is_met(server, server.connect(), page)
        assert server.stop() == 0
        server.start()  # and is not forgotten
        check_damage_is_met(server, server.connect(), page)
        server.kill()
        server.start()
        check_damage_is_met(server, server.connect(), page)


def a_damaged_page_takes_no_other_key_with_it():
    """A group loads all of its keys together, and then hears that one of them cannot be had. The
    others are in memory all the same; loaded alone, from the file, none but the page's is refused.
    """
    with Server(**FAST) as server:
        started_and_filled(server)
        assert server.stop() == 0
        turn_a_bit(server.database())
        server.start()
        conn = server.connect()
        keys = ["k%d" % i for i in range(0, KEYS, KEYS // 100)]
        assert "k%d" % (KEYS // 2) in keys
        assert isinstance(conn.pipeline([("MGET", *keys)])[0], ReplyError)
        loads = int(conn.info("writeback")["backend_loads"])
        refused = [k for k in keys if isinstance(ask(conn, k), ReplyError)]
        assert "k%d" % (KEYS // 2) in refused and len(refused) <= 6, refused
        assert int(conn.info("writeback")["backend_loads"]) == loads, "the others were in memory"


def a_turned_bit_is_not_served_after_kill_9():
    with Server(**FAST) as server:
        started_and_filled(server)
        server.kill()
        page = turn_a_bit(server.database())
        server.start()
        check_damage_is_met(server, server.connect(), page)


def unapplied(server):
    """What starts have set aside, as one text."""
    names = sorted(glob.glob(os.path.join(server.dir, "journal", "unapplied-*.resp")))
    assert all(name.endswith(".resp") for name in names)
    parts = []
    for name in names:
        with open(name, "rb") as f:
            parts.append(f.read())
    return b"".join(parts)


def a_base_that_is_damaged_is_no_reason_not_to_start():
    """What the journal has for such a key is set aside, whole, and what it has for others is there
    and is flushed."""
    starts_without_a_base("k0", True)


def a_key_that_was_overwritten_needs_no_base():
    """Though its row is on the damaged page, so that no flush succeeds."""
    starts_without_a_base("k%d" % (KEYS // 2 + 1), False)


def starts_without_a_base(other, can_flush):
    key = "k%d" % (KEYS // 2)
    with Server(**FAST) as server:
        conn = started_and_filled(server)
        conn("CONFIG", "SET", "write-delay-max-ms", "3600000")
        conn("CONFIG", "SET", "write-delay-ms", "3600000")
        conn("APPEND", key, "appended")
        conn("PEXPIREAT", key, "4102444800000")
        conn("APPEND", other, "lost with what it was appended to")
        conn("SET", other, "new")
        conn("HSET", "h", "f0", "changed")
        assert conn.info("writeback")["dirty_keys"] == "3"
        server.directives.update({"write_delay_ms": 3600000, "write_delay_max_ms": 3600000})
        server.kill()
        turn_a_bit(server.database())
        for again in range(3):  # killed again and again, before any flush and after
            conn = server.start().connect()
            assert isinstance(ask(conn, key), ReplyError)
            assert conn("GET", other) == b"new"
            assert conn("HGET", "h", "f0") == b"changed" and conn("HGET", "h", "f1") == b"v1"
            text = unapplied(server)
            at = len(value_of(KEYS // 2))
            assert (b"SETRANGE\r\n$%d\r\n%s\r\n$%d\r\n%d\r\n$8\r\nappended\r\n" %
                    (len(key), key.encode(), len(str(at)), at)) in text, text
            assert text.count(b"appended") == 1 and b"4102444800000" in text, text
            assert b"lost with" not in text and b"changed" not in text, text
            assert "cannot be read" in str(conn("WEIR", "CONFLICTS")), conn("WEIR", "CONFLICTS")
            conn("SET", "after%d" % again, "1")
            if can_flush and again == 1:
                assert conn("WEIR", "FLUSH") == "OK"
            server.kill()
        conn = server.start().connect()
        assert conn("MGET", "after0", "after1", "after2") == [b"1", b"1", b"1"]
        assert conn("SET", key, "written anew") == "OK"


def a_turned_bit_is_not_served_after_kill_9_with_a_wal():
    with Server(**FAST) as server:
        conn = started_and_filled(server)
        reader = sqlite3.connect(server.database(), isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM weir_meta").fetchall()
        conn("SET", "zz", "1")  # of another page, which stays in the WAL
        assert conn("WAITAOF", 1, 1, 10000)[1] == 1
        server.kill()
        page = turn_a_bit(server.database())
        server.start()
        check_damage_is_met(server, server.connect(), page)
        reader.close()


def a_turned_bit_is_not_served_while_it_runs():
    """What SQLite has in its cache is right; what it reads is compared."""
    with Server(**FAST) as server:
        conn = started_and_filled(server)
        page = turn_a_bit(server.database())
        for i in range(KEYS):
            reply = ask(conn, "k%d" % i)
            assert isinstance(reply, ReplyError) or reply.decode() == value_of(i), (i, reply)
        status, text = weirctl_check(server)
        assert status == 1 and "page %d: not what was written" % page in text, text


def check_sound(server):
    server.start()
    conn = server.connect()
    settle(conn)
    for i in range(1, KEYS):
        assert conn("GET", "k%d" % i).decode() == value_of(i)
    info = conn.info("writeback")
    assert info["backend_state"] == "up" and info["pages_damaged"] == "0", info
    status, text = weirctl_check(server)
    assert status == 0 and "were compared" in text, text
    return conn


def what_others_write_while_it_is_down_is_no_damage():
    with Server(**FAST) as server:
        started_and_filled(server)
        for stop in (server.stop, server.kill):
            for sql in ("UPDATE string SET value = 'theirs' WHERE key = 'k0'", "VACUUM",
                        "PRAGMA wal_checkpoint(TRUNCATE)", "DELETE FROM weir_change"):
                stop()
                db = sqlite3.connect(server.database(), isolation_level=None)
                db.execute(sql)
                db.close()
                check_sound(server)


def what_others_write_while_it_runs_is_no_damage():
    with Server(**FAST) as server:
        conn = started_and_filled(server)
        db = sqlite3.connect(server.database(), isolation_level=None, timeout=10 * PATIENCE)
        for i in range(20):
            db.execute("CREATE TABLE IF NOT EXISTS mine(a, b)")
            db.execute("INSERT INTO mine VALUES (?, ?)", (i, "b" * 5000))
            busy, _, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            assert busy == 1  # only Weir makes checkpoints
            conn("SET", "more%d" % i, "v")
        db.execute("VACUUM")
        assert conn("WAITAOF", 1, 1, 10000)[1] == 1
        settle(conn)
        server.kill()
        db.execute("INSERT INTO mine VALUES (1, 2)")
        db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        check_sound(server)
        db.execute("INSERT INTO mine VALUES (1, 2)")
        assert server.stop() == 0
        db.execute("INSERT INTO mine VALUES (1, 2)")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        check_sound(server)
        db.close()


def a_backup_that_is_put_in_its_place_is_no_damage():
    with Server(**FAST) as server:
        started_and_filled(server)
        assert server.stop() == 0
        backup = server.database() + ".backup"
        shutil.copyfile(server.database(), backup)
        conn = check_sound(server)
        conn("SET", "k0", "later")
        conn("DEL", "h")
        assert conn("WAITAOF", 1, 1, 10000)[1] == 1
        assert server.stop() == 0
        shutil.copyfile(backup, server.database())  # what is missing is in the journal
        check_sound(server)


if __name__ == "__main__":
    run_checks([a_turned_bit_is_not_served_after_an_orderly_stop,
                a_damaged_page_takes_no_other_key_with_it,
                a_turned_bit_is_not_served_after_kill_9,
                a_base_that_is_damaged_is_no_reason_not_to_start,
                a_key_that_was_overwritten_needs_no_base,
                a_turned_bit_is_not_served_after_kill_9_with_a_wal,
                a_turned_bit_is_not_served_while_it_runs,
                what_others_write_while_it_is_down_is_no_damage,
                what_others_write_while_it_runs_is_no_damage,
                a_backup_that_is_put_in_its_place_is_no_damage])
