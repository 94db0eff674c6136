#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the backend refuses, and what others change in it: one commit, one version, one record.

The owner of the database adds constraints and changes rows with SQL while the proxy writes, is
killed and comes back. Whoever reads the database sees whole transactions; each acknowledged write
is in the store, in memory, in a dead letter or in the conflict log.
"""
import os
import select
import sqlite3
import threading
import time

from backend_down import Store
from harness import PATIENCE, ReplyError, Seed, run_checks, until

SEED = Seed()


def letters(conn):
    return conn.info("writeback")["dead_letters"]


def start_refusing(store):
    """Weir runs, over a store whose owner allows the value "twin" once: a client and the owner."""
    store.server.start()
    conn, owner = store.connect(), store.open()
    refuse(owner)
    return conn, owner


def wait_letters(conn, n):
    until(lambda: letters(conn) == str(n), 20, "%d dead letters, there are %s" % (n, letters(conn)))


def value(store, key):
    return store.rows().get(key)


def refuse(owner, text="twin"):
    """No two keys with one value: whoever writes this text is refused."""
    until(lambda: owner.execute("SELECT count(*) FROM weir_db").fetchone()[0], 20, "databases")
    owner.execute("CREATE UNIQUE INDEX IF NOT EXISTS no_twins ON weir_key(value)")
    owner.execute("INSERT OR REPLACE INTO string(db, key, value) VALUES (0, 'first', ?)", (text,))


def flush(conn):
    """Flushes, and says what was refused or overruled meanwhile: "" when nothing was."""
    try:
        conn("WEIR", "FLUSH")
    except ReplyError as e:
        return str(e)
    return ""


def record(conn, kind, n=-1):
    """Records as dictionaries, the newest first."""
    rows = conn("WEIR", kind, "LIST", n)
    pairs = [dict(zip(r[::2], r[1::2])) for r in rows]
    return [{k.decode(): v for k, v in r.items()} for r in reversed(pairs)]


def a_refused_key_does_not_tear_a_transaction():
    with Store(write_delay_ms=1) as store:
        conn, owner = start_refusing(store)
        torn, stop = [], threading.Event()

        def watch():
            reader = sqlite3.connect(store.path, timeout=10 * PATIENCE)
            while not stop.is_set():
                rows = dict(reader.execute("SELECT key, value FROM string "
                                           "WHERE key IN ('aa', 'zz')"))
                if rows.get("aa", "") + "z" != rows.get("zz", "z"):
                    torn.append(rows)

        watcher = threading.Thread(target=watch)
        watcher.start()
        for i in range(400):
            conn.pipeline([("MULTI",), ("SET", "aa", "%d" % i), ("SET", "bad:%d" % (i % 7), "twin"),
                           ("SET", "zz", "%dz" % i), ("EXEC",)])
        flush(conn)
        stop.set()
        watcher.join()
        assert not torn, torn[:3]
        assert (value(store, "aa"), value(store, "zz")) == ("399", "399z"), store.rows()


def a_dead_letter_does_not_come_back_over_what_came_later():
    with Store() as store:
        conn, owner = start_refusing(store)
        rng = SEED.rng("later")
        for i in range(8):
            key, newer = "bad%d" % i, "newer %d" % i
            conn("SET", key, "twin")
            wait_letters(conn, 1)
            if i % 2:  # known from the file, not from memory
                store.server.kill()
                store.server.start()
                conn = store.connect()
                assert conn("GET", key) == b"twin" and letters(conn) == "1"
            conn("SET", key, newer)
            until(lambda k=key, v=newer: value(store, k) == v, 20, "the newer value in the store")
            time.sleep(rng.random() * 0.002)  # somewhere about the end of the letter
            store.server.kill()
            store.server.start()
            conn = store.connect()
            assert conn("GET", key).decode() == newer, conn("GET", key)
            assert letters(conn) == "0", letters(conn)


def a_flush_takes_the_dead_letters_of_its_database():
    with Store() as store:
        conn, owner = start_refusing(store)
        conn("SET", "bad", "twin")
        conn("SELECT", 1)
        conn("SET", "other", "twin")
        wait_letters(conn, 2)
        conn("FLUSHDB")
        conn("WEIR", "FLUSH")
        wait_letters(conn, 1)
        store.server.kill()
        store.server.start()
        conn = store.connect()
        assert letters(conn) == "1" and conn("GET", "bad") == b"twin"
        conn("FLUSHALL")
        store.server.kill()
        store.server.start()
        conn = store.connect()
        assert conn("GET", "bad") is None
        conn("WEIR", "FLUSH")
        wait_letters(conn, 0)
        records = sqlite3.connect(os.path.join(store.server.dir, "journal", "records.db"))
        assert records.execute("SELECT count(*) FROM record WHERE kind = 1").fetchone() == (0,)


def with_too_many_dead_letters_the_lane_says_what_to_do():
    with Store(dead_letters_max=2) as store:
        conn, owner = start_refusing(store)
        for i in range(2):
            conn("SET", "bad%d" % i, "twin")
        wait_letters(conn, 2)
        for i in range(20):  # the same keys again take no more room
            conn("SET", "bad%d" % (i % 2), "twin")
            conn("SET", "good", "before %d" % i)
            until(lambda v="before %d" % i: value(store, "good") == v, 20, "good keys go on")
        conn("SET", "bad2", "twin")
        conn("SET", "good", "after")
        store.wait_state(conn, "records-full")
        error = conn.info("writeback")["backend_last_error"]
        assert "records.db: 2 dead letters, dead-letters-max is 2; a batch with 1 " in error, error
        assert error.endswith("CONFIG SET a higher bound"), error
        status = conn("WEIR", "STATUS")
        assert status[status.index(b"state") + 1] == b"attention", status
        assert conn.info("writeback")["breaker"] == "closed"
        conn("CONFIG", "SET", "dead-letters-max", 3)
        conn("WEIR", "FLUSH", "ASYNC")
        until(lambda: value(store, "good") == "after", 20, "room was made")
        wait_letters(conn, 3)
        conn("SET", "bad3", "twin")
        store.wait_state(conn, "records-full")
        until(lambda: conn("WEIR", "DEADLETTER", "DROP", "ALL") == 3, 20, "three are dropped")
        wait_letters(conn, 1)
        store.flushed(conn)
        assert conn("GET", "bad0") is None and conn("GET", "bad3") == b"twin"


def writers_hear_that_dead_letters_are_why_nothing_more_is_taken():
    with Store(dead_letters_max=1, maxmemory="200mb", dirty_high_watermark=1,
               dirty_low_watermark=1, backpressure_policy="refuse") as store:
        conn, owner = start_refusing(store)
        conn.pipeline([("SET", "bad%d" % i, "twin") for i in range(2)])
        store.wait_state(conn, "records-full")

        def refusal():
            replies = conn.pipeline([("SET", "more:%d" % i, "x" * 1000) for i in range(3000)])
            return next((str(r) for r in replies if isinstance(r, ReplyError)), "")

        told = until(refusal, 20, "a writer is refused")
        assert "refused more keys than there is room for" in told, told


def damaged_records_do_not_keep_the_proxy_from_starting():
    with Store() as store:
        conn, owner = start_refusing(store)
        conn("SET", "bad", "twin")
        conn("SET", "good", "1")
        wait_letters(conn, 1)
        assert store.server.stop() == 0
        path = os.path.join(store.server.dir, "journal", "records.db")
        with open(path, "r+b") as f:
            f.seek(4096)
            f.write(SEED.rng("damage").randbytes(os.path.getsize(path) - 4096))
        store.server.start()
        conn = store.connect()
        assert "moved aside" in store.server.log_tail() and conn("GET", "good") == b"1"
        conn("SET", "bad", "twin")
        wait_letters(conn, 1)


def log_says(store, text):
    until(lambda: text in store.server.log_tail(20000), 20, "the log says: " + text)


def a_file_of_records_that_is_taken_away_comes_back_with_all_of_it():
    rng = SEED.rng("taken")
    with Store() as store:
        conn, owner = start_refusing(store)
        path = os.path.join(store.server.dir, "journal", "records.db")
        for i in range(4):
            conn("SET", "bad%d" % i, "twin")
            wait_letters(conn, i + 1)
            ends = rng.choice([("",), ("", "-wal", "-shm"), ("-wal",), ("", "-wal")])
            for end in ends:
                os.rename(path + end, path + end + ".taken")
            until(lambda: os.path.exists(path) and os.path.exists(path + "-wal"), 20, "it is back")
            log_says(store, "it is written anew, with %d dead letters" % (i + 1))
            store.server.kill()
            store.server.start()
            conn = store.connect()
            assert letters(conn) == str(i + 1), (ends, letters(conn))
            for k in range(i + 1):
                assert conn("GET", "bad%d" % k) == b"twin", (ends, k)
        away = os.path.dirname(path) + ".away"  # nothing can be written there
        os.rename(os.path.dirname(path), away)
        store.wait_state(conn, "records-failing")
        assert "records.db" in conn.info("writeback")["backend_last_error"]
        os.rename(away, os.path.dirname(path))
        store.wait_state(conn, "up")
        assert letters(conn) == "4"
        store.server.stop()
        os.unlink(path)
        for name in ("dead-letters", "conflicts"):
            with open(os.path.join(os.path.dirname(path), name), "w") as f:
                f.write("of an older version")
        store.server.start()
        log_says(store, "records.db is missing")
        log_says(store, "journal/dead-letters: records of an older Weir")
        log_says(store, "journal/conflicts: records of an older Weir")


def neighbours_of_what_others_change_are_not_lost():
    with Store(write_delay_ms=3600000) as store:
        store.server.start()
        conn, owner = store.connect(), store.open()
        conn("HSET", "h", "a", 1, "b", 1)
        conn("RPUSH", "l", 1, 2, 3)
        conn("WEIR", "FLUSH")
        for round_ in range(2, 5):
            conn("HSET", "h", "a", round_)
            owner.execute("UPDATE hash SET value = ? WHERE key = 'h' AND field = 'b'",
                          (str(round_ * 10),))
            conn("WEIR", "FLUSH")
            until(lambda n=round_: conn("HGET", "h", "b") == b"%d0" % n, 20, "theirs is seen")
            assert conn("HGET", "h", "a") == b"%d" % round_, conn("HGETALL", "h")
        conn("RPUSH", "l", 4)
        owner.execute("DELETE FROM list WHERE key = 'l' AND value = '2'")
        conn("WEIR", "FLUSH")
        until(lambda: conn("LRANGE", "l", 0, -1) == [b"1", b"3", b"4"], 20, "both are there")
        assert record(conn, "CONFLICTS") == [], record(conn, "CONFLICTS")
        conn("HSET", "h", "a", "ours", "b", "ours")
        owner.execute("UPDATE hash SET value = 'theirs' WHERE key = 'h' AND field = 'b'")
        assert "1 that lost" in flush(conn)
        until(lambda: conn("HGET", "h", "b") == b"theirs", 20, "theirs wins")
        assert conn("HGET", "h", "a") == b"ours"
        lost = record(conn, "CONFLICTS")
        assert len(lost) == 1 and lost[0]["ours"] == b"{b: ours}", lost


def a_key_that_is_written_all_the_time_does_not_overrule_others():
    with Store(write_delay_ms=1) as store:
        store.server.start()
        conn, owner = store.connect(), store.open()
        conn("SET", "c", 1000000)
        store.flushed(conn)
        for round_ in range(1, 9):
            stop = threading.Event()

            def count():
                mine = store.connect()
                while not stop.is_set():
                    mine.pipeline([("INCR", "c")] * 20)

            client = threading.Thread(target=count)
            client.start()
            time.sleep(0.02)
            theirs = round_ * 10000000
            owner.execute("UPDATE string SET value = ? WHERE key = 'c'", (str(theirs),))
            until(lambda n=theirs: int(conn("GET", "c")) >= n, 20, "theirs is seen")
            for _ in range(20):
                now = int(conn("GET", "c"))
                assert theirs <= now < theirs + 9000000, (theirs, now)
            stop.set()
            client.join()
            if round_ % 3 == 0:  # what was forgotten does not come back from the journal
                store.server.kill()
                store.server.start()
                conn = store.connect()
            store.flushed(conn)
            assert theirs <= int(value(store, "c")) < theirs + 9000000, (theirs, store.rows())
            assert int(conn("GET", "c")) == int(value(store, "c"))


def the_row_of_a_dead_letter_may_be_changed():
    with Store() as store:
        conn, owner = start_refusing(store)
        conn("SET", "other", "1")
        conn("SET", "bad", "twin")
        wait_letters(conn, 1)
        store.flushed(conn)
        owner.execute("INSERT INTO string(db, key, value) VALUES (0, 'bad', 'by hand')")
        for i in range(5):
            owner.execute("UPDATE string SET value = ? WHERE key = 'other'", ("theirs %d" % i,))
            until(lambda v=b"theirs %d" % i: conn("GET", "other") == v, 20, "other is noticed")
        assert conn("GET", "bad") == b"twin"  # until an operator decides
        assert conn("WEIR", "DEADLETTER", "DROP", "ALL") == 1
        assert conn("GET", "bad") == b"by hand"


def a_retry_meets_what_was_changed_by_hand_long_ago():
    with Store() as store:
        conn, owner = start_refusing(store)
        conn.pipeline([("SET", "bad%d" % i, "twin") for i in range(3)])
        wait_letters(conn, 3)
        owner.execute("INSERT INTO string(db, key, value) VALUES (0, 'bad0', 'by hand')")
        owner.execute("INSERT INTO string(db, key, value) VALUES (0, 'bad2', 'by hand, too')")

        def age(name):  # whole batches pass, and each change of others is noticed
            for i in range(6):
                owner.execute("INSERT OR REPLACE INTO string(db, key, value) VALUES (0, 'x', ?)",
                              ("%s %d" % (name, i),))
                until(lambda v="%s %d" % (name, i): conn("GET", "x") == v.encode(), 20, "noticed")
                conn("SET", "other", "ours, %s %d" % (name, i))
                assert flush(conn) == ""

        age("before")
        store.server.kill()
        store.server.start()
        conn = store.connect()
        age("after")
        owner.execute("DROP INDEX no_twins")
        ids = [r["id"] for r in record(conn, "DEADLETTER")]
        assert conn("WEIR", "DEADLETTER", "DROP", ids[0]) == 1
        assert conn("GET", "bad2") == b"by hand, too"
        assert conn("WEIR", "DEADLETTER", "RETRY", "ALL") == 2
        wait_letters(conn, 0)
        until(lambda: conn("GET", "bad0") == b"by hand", 20, "theirs wins")
        assert value(store, "bad0") == "by hand" and value(store, "bad1") == "twin", store.rows()
        lost = record(conn, "CONFLICTS")
        assert len(lost) == 1 and lost[0]["ours"] == b"twin", lost
        age("at last")  # and what is settled leaves the log
        until(lambda: owner.execute("SELECT count(*) FROM weir_change").fetchone()[0] < 5, 20,
              "the log is trimmed")


def dropping_a_letter_leaves_what_was_made_of_it():
    with Store(write_delay_ms=3600000) as store:
        store.server.start()
        conn, owner = store.connect(), store.open()
        refuse(owner, "5")
        conn("SET", "bad", "5")
        conn("WEIR", "FLUSH", "ASYNC")
        wait_letters(conn, 1)
        assert conn("INCRBY", "bad", 1) == 6
        assert conn("WEIR", "DEADLETTER", "DROP", "ALL") == 0
        store.server.kill()
        store.server.start()
        conn = store.connect()
        assert conn("GET", "bad") == b"6", conn("GET", "bad")
        conn("WEIR", "FLUSH", "ASYNC")
        wait_letters(conn, 0)
        until(lambda: value(store, "bad") == "6", 20, "what was made of it arrives")


def who_writes_after_a_change_was_noticed_does_not_lose_to_it():
    with Store(write_delay_ms=3600000) as store:
        store.server.start()
        conn, owner = store.connect(), store.open()
        conn("SET", "k", "base")
        conn("WEIR", "FLUSH")
        for i in range(5):
            conn("SET", "k", "before %d" % i)
            owner.execute("UPDATE string SET value = ? WHERE key = 'k'", ("theirs %d" % i,))
            # no flush is due: it is noticed, and what was written before it has lost
            until(lambda v=b"theirs %d" % i: conn("GET", "k") == v, 20, "the change is noticed")
            conn("SET", "k", "after %d" % i)
            assert flush(conn) == ""
            assert value(store, "k") == "after %d" % i, store.rows()
        lost = record(conn, "CONFLICTS")
        assert len(lost) == 5 and lost[0]["ours"] == b"before 4", lost
        assert lost[0]["base"] == b"after 3" and lost[0]["theirs"] == b"theirs 4", lost


def receipts_tell_what_was_refused_or_overruled():
    with Store(write_delay_ms=20) as store:
        conn, owner = start_refusing(store)
        other = store.connect()
        conn("SET", "good", "1")
        assert conn("WAITAOF", 1, 1, 20000) == [1, 1]
        other("SET", "mine", "2")
        assert other("WAITAOF", 1, 1, 20000) == [1, 1]
        conn("SET", "bad", "twin")
        assert conn("WAITAOF", 1, 1, 20000) == [1, 0]
        assert other("WAITAOF", 1, 1, 20000) == [1, 1]  # wrote nothing since
        conn("SET", "bad", "else")  # what was lost does not spoil later receipts
        assert conn("WAITAOF", 1, 1, 20000) == [1, 1]
        assert conn("WAITAOF", 0, 1, 20000) == [1, 1]
        assert flush(conn) == ""
        conn("SET", "bad", "twin")
        assert "1 changes that the backend refuses" in flush(conn)
        assert conn("WAITAOF", 1, 1, 20000) == [1, 0]
        assert conn("WEIR", "DEADLETTER", "DROP", "ALL") == 1
        store.flushed(conn)
        conn("CONFIG", "SET", "write-delay-ms", 3600000)
        conn("SET", "good", "ours")
        owner.execute("UPDATE string SET value = 'theirs' WHERE key = 'good'")
        assert "1 that lost" in flush(conn)
        assert conn("WAITAOF", 1, 1, 20000) == [1, 0]
        assert conn("GET", "good") == b"theirs"
        fresh = store.connect()
        fresh("SET", "new", "3")
        assert flush(fresh) == ""
        assert fresh("WAITAOF", 1, 1, 20000) == [1, 1]


def records_are_listed_a_page_at_a_time():
    with Store() as store:
        conn, owner = start_refusing(store)
        conn.pipeline([("SET", "bad%d" % i, "twin") for i in range(25)])
        wait_letters(conn, 25)
        assert len(conn("WEIR", "DEADLETTER")) == 10
        assert len(conn("WEIR", "DEADLETTER", "LIST", 12)) == 12
        assert len(conn("WEIR", "DEADLETTER", "LIST", -1)) == 25
        after, seen = 0, []
        while True:
            page = record_ids(conn("WEIR", "DEADLETTER", "LIST", after, "COUNT", 7))
            if not page:
                break
            seen += page
            after = page[-1]
        assert len(set(seen)) == 25 and seen == sorted(seen), seen
        assert len(conn("WEIR", "DEADLETTER", "LIST", "COUNT", 3)) == 3
        for wrong in (("LIST", "x"), ("LIST", "x", "COUNT", 1), ("LIST", 1, 2),
                      ("LIST", 1, "NO", 2)):
            try:
                conn("WEIR", "DEADLETTER", *wrong)
                raise AssertionError("%s is taken" % (wrong,))
            except ReplyError:
                pass


def what_needs_a_person_is_said_and_who_saw_to_it():
    with Store() as store:
        conn, owner = start_refusing(store)
        conn("CLIENT", "SETNAME", "carol")

        def state():
            status = conn("WEIR", "STATUS")
            return status[status.index(b"state") + 1]

        conn("SET", "good", "1")
        store.flushed(conn)
        assert state() != b"attention" and b"dead_letter" not in conn("WEIR", "EXPLAIN", "good")
        conn("SET", "bad", "twin")
        assert "1 changes that the backend refuses" in flush(conn)
        assert state() == b"attention", state()
        told = conn("WEIR", "EXPLAIN", "bad").decode()
        (letter,) = record(conn, "DEADLETTER")
        assert "dead_letter:%d\r\n" % letter["id"] in told, told
        assert "refused:%s\r\n" % letter["reason"].decode() in told, told
        assert "WEIR DEADLETTER RETRY %d" % letter["id"] in told, told
        conn("SELECT", 1)
        assert b"dead_letter" not in conn("WEIR", "EXPLAIN", "bad")
        conn("SELECT", 0)
        conn("CONFIG", "SET", "requirepass", "hidden", "write-delay-ms", 21)
        conn("WEIR", "PAUSE")
        conn("WEIR", "RESUME")
        assert conn("WEIR", "DEADLETTER", "RETRY", letter["id"]) == 1
        wait_letters(conn, 1)
        until(lambda: conn("WEIR", "DEADLETTER", "DROP", "ALL") == 1, 20, "it is dropped")
        until(lambda: state() != b"attention", 20, "nothing is left to see to")
        log = store.server.log_tail(20000)
        who = ", by client %s:%d, named carol" % conn.sock.getsockname()[:2]
        for what in ("CONFIG SET requirepass write-delay-ms", "WEIR PAUSE", "WEIR RESUME",
                     "WEIR DEADLETTER RETRY: 1 records", "WEIR DEADLETTER DROP: 1 records"):
            assert what + who in log, what + who
        assert "hidden" not in log


def orders_hold_up_nobody():
    """One worker, and the file of the records is being written by somebody else."""
    with Store(io_threads=1) as store:
        conn, owner = start_refusing(store)
        asks = store.connect()
        conn("SET", "bad", "twin")
        wait_letters(conn, 1)
        path = os.path.join(store.server.dir, "journal", "records.db")
        for order in (("DROP", "ALL"), ("LIST",)):
            other = sqlite3.connect(path, timeout=10 * PATIENCE, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            behind = store.connect()
            behind.send(("WEIR", "CONFLICTS", "DROP", "ALL"))
            asks.send(("WEIR", "DEADLETTER", *order))
            for _ in range(5):
                assert conn("PING") == "PONG"
                assert conn("GET", "bad") == b"twin"
            waiting = not select.select([behind.sock], [], [], 0)[0]
            assert waiting, "the order was not held up, or held up others"
            other.execute("ROLLBACK")
            other.close()
            for reply in (behind.read(), asks.read()):
                assert not isinstance(reply, ReplyError) or "TRYAGAIN" in str(reply), reply
            until(lambda: conn("WEIR", "CONFLICTS", "DROP", "ALL") == 0, 20, "orders go on")
            if order == ("DROP", "ALL"):
                wait_letters(conn, 0)
                assert conn("GET", "bad") is None
                conn("SET", "bad", "twin")
                wait_letters(conn, 1)
        other = sqlite3.connect(path, timeout=10 * PATIENCE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        leaves = store.connect()  # and who leaves meanwhile is no trouble
        leaves.send(("WEIR", "DEADLETTER", "DROP", "ALL"))
        assert conn("PING") == "PONG"
        leaves.sock.close()
        other.execute("ROLLBACK")
        wait_letters(conn, 0)
        other.execute("BEGIN IMMEDIATE")
        asks.send(("WEIR", "CONFLICTS", "DROP", "ALL"))
        assert conn("PING") == "PONG"
        assert store.server.stop() == 0


def record_ids(rows):
    return [row[row.index(b"id") + 1] for row in rows]


if __name__ == "__main__":
    run_checks([a_refused_key_does_not_tear_a_transaction,
                a_dead_letter_does_not_come_back_over_what_came_later,
                a_flush_takes_the_dead_letters_of_its_database,
                with_too_many_dead_letters_the_lane_says_what_to_do,
                writers_hear_that_dead_letters_are_why_nothing_more_is_taken,
                damaged_records_do_not_keep_the_proxy_from_starting,
                a_file_of_records_that_is_taken_away_comes_back_with_all_of_it,
                neighbours_of_what_others_change_are_not_lost,
                a_key_that_is_written_all_the_time_does_not_overrule_others,
                the_row_of_a_dead_letter_may_be_changed,
                a_retry_meets_what_was_changed_by_hand_long_ago,
                dropping_a_letter_leaves_what_was_made_of_it,
                who_writes_after_a_change_was_noticed_does_not_lose_to_it,
                receipts_tell_what_was_refused_or_overruled,
                records_are_listed_a_page_at_a_time,
                what_needs_a_person_is_said_and_who_saw_to_it,
                orders_hold_up_nobody])
