#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Where something comes to its end, it is refused with a reason, and nothing dies of it."""
import contextlib
import os
import sqlite3
import threading
import time

from harness import PATIENCE, Conn, Gone, ReplyError, Server, Skip, run_checks, until


def more_flushes_than_can_be_removed_are_refused():
    """A flushed database is removed by a cut; while flushing is paused, none is."""
    with Server() as server:
        server.start()
        conn = server.connect()
        conn("WEIR", "PAUSE")
        pair = [("SET", "k", "v"), ("FLUSHDB",)]
        for _ in range(654):
            assert conn.pipeline(pair * 100) == ["OK", "OK"] * 100
        replies = conn.pipeline([("MULTI",), *pair * 200, ("EXEC",)])[-1]
        assert replies[0::2] == ["OK"] * 200, replies
        assert replies[1] == "OK" and isinstance(replies[-1], ReplyError), replies
        assert "too many databases were flushed" in str(replies[-1]), replies
        assert conn("GET", "k") == b"v"  # a flush that was refused has changed nothing
        server.kill()
        server.start()  # and can be replayed
        conn = server.connect()
        assert conn("GET", "k") == b"v"
        assert conn("WAITAOF", 1, 1, 20000) == [1, 1]
        until(lambda: conn.pipeline(pair * 100) == ["OK", "OK"] * 100, 20, "room for more")


def a_removal_that_no_record_can_say_is_refused():
    """Members of 120 MiB: what is removed is journalled by name."""
    if "LARGE" not in os.environ:
        raise Skip("writes 1 GiB, which takes a minute; LARGE=1 has it")
    if os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") < 6 << 30:
        raise Skip("too little memory for a sorted set of 1 GiB")
    with Server(journal_fsync="no", maxmemory="4gb", timeout=0) as server:
        server.start()
        conn = Conn(server.port, 120)
        conn("WEIR", "PAUSE")
        members = [bytes([97 + i]) * (120 << 20) for i in range(9)]
        for i, member in enumerate(members):
            assert conn("ZADD", "z", i, member) == 1
        assert conn("ZADD", "z", 100, "small") == 1
        for command in (("ZREMRANGEBYRANK", "z", 0, -2), ("ZREMRANGEBYSCORE", "z", 0, 50),
                        ("ZPOPMIN", "z", 9), ("ZMPOP", 1, "z", "MIN", "COUNT", 9)):
            refused(conn, *command)
            assert conn("ZCARD", "z") == 10
        assert conn("MULTI") == "OK"
        conn.pipeline([("ZREMRANGEBYRANK", "z", 0, 4), ("ZREMRANGEBYRANK", "z", 0, 3)])
        replies = conn("EXEC")
        assert replies[0] == 5 and "record of the journal" in str(replies[1]), replies
        assert conn("ZCARD", "z") == 5
        server.kill()


def segment_bytes(server):
    """What segments take up; spares and rings are apart."""
    total = 0
    for entry in os.scandir(os.path.join(server.dir, "journal")):
        if entry.name.endswith(".wj") and entry.name[0].isdigit():
            with contextlib.suppress(FileNotFoundError):
                total += entry.stat().st_size
    return total


def write_until(server, told):
    conn = server.connect()
    i = 0
    while not told.is_set():
        conn.pipeline([("SET", "key:%d" % (i % 5000), "x" * 4000)] * 50)
        i += 50
    conn.close()


def the_journal_stays_within_its_size():
    """However slow the store is: four writers, and a lock that leaves the store some moments."""
    most, segment = 8 << 20, 1 << 20
    for fsync in ("everysec", "always"):
        with Server(journal_fsync=fsync, journal_max_size=most, journal_segment_size=segment,
                    write_delay_ms=100, backpressure_max_delay_ms=200,
                    maxmemory="1gb") as server:
            conn = server.start().connect()
            told = threading.Event()
            writers = [threading.Thread(target=write_until, args=(server, told), daemon=True)
                       for _ in range(4)]
            reached = 0
            with contextlib.closing(sqlite3.connect(server.database(), isolation_level=None,
                                                    timeout=60 * PATIENCE)) as db:
                for writer in writers:
                    writer.start()
                for _ in range(5):
                    db.execute("BEGIN IMMEDIATE")
                    end = time.monotonic() + 0.5
                    while time.monotonic() < end:
                        reached = max(reached, segment_bytes(server))
                    db.execute("ROLLBACK")
                    before = int(conn.info("writeback")["applied_lsn"])
                    until(lambda last=before: int(conn.info("writeback")["applied_lsn"]) > last,
                          20, "a cut in between")
            told.set()
            for writer in writers:
                writer.join(60 * PATIENCE)
            print("  %s: %.1f of %.1f MiB" % (fsync, reached / (1 << 20), most / (1 << 20)))
            assert most / 2 < reached <= most + segment, reached


def refused(conn, *command):
    try:
        conn(*command)
    except ReplyError as e:
        assert "more than one record of the journal can say" in str(e), e
        return
    raise AssertionError("not refused")


def clients_do_not_take_the_last_open_files():
    """The journal goes from segment to segment while as many clients are connected as can be."""
    with Server(prefix=["prlimit", "--nofile=128"], journal_segment_size="1mb", io_threads=2,
                journal_fsync="no", write_delay_ms=50) as server:
        server.start()
        assert "more are refused, though maxclients is 10000" in server.log_tail()
        conn = server.connect()
        clients = int(conn.info("clients")["maxclients"])
        assert 10 < clients < 100, clients
        others = [server.connect() for _ in range(200)]
        served = [c for c in others if refusal(c) is None]
        assert len(served) <= clients - 1, (len(served), clients)
        assert len(served) >= clients - 3, (len(served), clients)  # one may be closing
        for i in range(80):  # 16 segments
            replies = conn.pipeline([("SET", "k%d" % j, "x" * 2000) for j in range(100)])
            assert replies == ["OK"] * 100, (i, replies)
        assert conn.info("writeback")["journal_state"] == "running"
        assert conn("CONFIG", "SET", "maxclients", clients) == "OK"
        try:
            conn("CONFIG", "SET", "maxclients", clients + 1)
            raise AssertionError("more clients than there can be")
        except ReplyError as e:
            assert "try with %d" % clients in str(e), e
        assert conn("CONFIG", "GET", "maxclients")[1] == b"%d" % clients
        assert conn("CONFIG", "SET", "maxclients", clients - 10) == "OK"
        assert conn.info("clients")["maxclients"] == str(clients - 10)


def refusal(conn):
    try:
        return None if conn("PING") == "PONG" else "?"
    except (ReplyError, Gone) as e:
        return e


def a_start_with_too_few_open_files_says_how_many_are_needed():
    for limit in 20, 40, 64:
        with Server(prefix=["prlimit", "--nofile=%d" % limit], io_threads=2) as server:
            server.launch()
            assert server.process.wait(20) == 1
            assert "the system allows %d open files, and Weir needs 68" % limit in server.log_tail()


if __name__ == "__main__":
    run_checks([more_flushes_than_can_be_removed_are_refused,
                a_removal_that_no_record_can_say_is_refused,
                the_journal_stays_within_its_size,
                clients_do_not_take_the_last_open_files,
                a_start_with_too_few_open_files_says_how_many_are_needed])
