#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Stores and journals that do not belong together: an older or newer store, another one, none.

Each check is a row of the table in proxy/keyspace/join.h, made with files as an operator would (or
an accident would), and then the way on that the refusal names.
"""
import contextlib
import glob
import os
import re
import shutil
import sqlite3
import subprocess

from harness import PATIENCE, Server, run_checks, until

SMALL = {"write_delay_ms": 600000, "journal_segment_size": "1mb", "journal_ring_size": "256kb",
         "io_threads": 1}


def journal_dir(server):
    return os.path.join(server.dir, "journal")


def flushed(server, *pairs):
    """Writes and flushes, in a server that runs."""
    conn = server.connect()
    for key, value in pairs:
        conn("SET", key, value)
    conn("WEIR", "FLUSH")
    until(lambda: conn.info("writeback")["dirty_keys"] == "0" and
          conn.info("writeback")["in_flight_keys"] == "0", 20, "everything is flushed")
    conn.close()


def copy_store(server, to):
    """A backup, taken with SQLite's own means."""
    source = sqlite3.connect(server.database())
    target = sqlite3.connect(to)
    source.backup(target)
    target.close()
    source.close()


def put_store(server, path):
    for name in glob.glob(server.database() + "*"):
        os.unlink(name)
    shutil.copy(path, server.database())


def refuses(server, *words):
    """The start is refused, with all of the words in the log."""
    try:
        server.start()
    except ChildProcessError:
        with open(server.log, "rb") as f:
            f.seek(server.log_start)
            log = f.read().decode()
        for word in words:
            assert word in log, "'%s' is not in\n%s" % (word, log)
        assert server.process.returncode == 1, server.process.returncode
        return log
    raise AssertionError("it started")


def weirctl(server, *args, status=0):
    binary = os.path.abspath(os.environ.get("WEIR_BIN") or "build/release/weir") + "ctl"
    directives = server.command()[len(server.prefix) + 1:]
    done = subprocess.run([binary, "store", *args, *directives], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60 * PATIENCE, check=False, text=True)
    assert done.returncode == status, "%s: %s\n%s" % (args, done.returncode, done.stdout)
    return done.stdout


def values(server, *keys):
    conn = server.connect()
    found = [v.decode() if v is not None else None for v in map(lambda k: conn("GET", k), keys)]
    conn.close()
    return found


def turn_over(server):
    """Writes until the journal's first segment is gone."""
    conn = server.connect()
    first = sorted(glob.glob(journal_dir(server) + "/0*.wj"))[0]
    for _ in range(400):
        if not os.path.exists(first):
            break
        conn.pipeline([("SET", "filler:%d" % i, "x" * 1000) for i in range(40)])
        conn("WEIR", "FLUSH")
    conn.close()
    until(lambda: not os.path.exists(first), 20, "the journal is trimmed")


@contextlib.contextmanager
def running(**more):
    with Server(**{**SMALL, **more}) as server:
        try:
            yield server.start()
        except Exception:
            print(server.log_tail(4000))
            raise


def a_store_within_the_journal_is_replayed():
    """An older backup is made whole when the journal still has what came later."""
    with running() as server:
        backup = os.path.join(server.dir, "backup.db")
        flushed(server, ("a", "1"))
        copy_store(server, backup)
        flushed(server, ("a", "2"), ("b", "2"))
        server.kill()
        put_store(server, backup)
        assert "they belong together" in weirctl(server, "check")
        server.start()
        assert values(server, "a", "b") == ["2", "2"]


def an_older_store_is_refused_and_joined_on_purpose():
    with running() as server:
        backup = os.path.join(server.dir, "backup.db")
        flushed(server, ("a", "1"), ("old", "1"))
        copy_store(server, backup)
        flushed(server, ("a", "2"), ("b", "2"))
        turn_over(server)
        conn = server.connect()
        conn("SET", "late", "3")
        server.kill()
        put_store(server, backup)
        log = refuses(server, "older than the journal", "weirctl store adopt replay",
                      "weirctl store adopt as-is")
        missing = re.search(r"Missing: LSN (\d+) to (\d+), (\d+) records, "
                            r"from 20\d\d-.* to 20\d\d-", log)
        assert missing, log
        first, last, count = map(int, missing.groups())
        assert count == last - first + 1, log
        assert "(%s)" % os.path.realpath(os.path.join(server.dir, "weir.db")) in log, log
        refuses(server, "older than the journal")  # nothing was changed by being refused
        assert "nothing was done" in weirctl(server, "adopt", "replay", status=1)
        weirctl(server, "check", status=1)
        assert "done" in weirctl(server, "adopt", "replay", "--yes")
        server.start()
        # b was in the part that is missing; what the journal has is there.
        assert values(server, "old", "late", "b") == ["1", "3", None]
        flushed(server, ("after", "4"))
        server.kill()
        server.start()
        assert values(server, "after") == ["4"]


def an_older_store_goes_on_alone_with_the_journal_set_aside():
    with running() as server:
        backup = os.path.join(server.dir, "backup.db")
        flushed(server, ("a", "1"))
        copy_store(server, backup)
        flushed(server, ("a", "2"))
        turn_over(server)
        server.connect()("SET", "late", "3")
        server.kill()
        put_store(server, backup)
        refuses(server, "older than the journal")
        said = weirctl(server, "adopt", "as-is", "--yes")
        aside = os.path.join(journal_dir(server), re.search(r"under (set-aside\S+)", said)[1])
        assert glob.glob(aside + "/0*.wj") and glob.glob(aside + "/ring-*"), os.listdir(aside)
        server.start()
        assert values(server, "a", "late") == ["1", None]
        flushed(server, ("b", "2"))
        server.kill()
        server.start()
        assert values(server, "a", "b") == ["1", "2"]


def an_older_journal_is_refused_and_the_store_goes_on():
    with running() as server:
        flushed(server, ("a", "1"))
        assert server.stop() == 0
        older = os.path.join(server.dir, "journal-copy")
        shutil.copytree(journal_dir(server), older)
        server.start()
        flushed(server, ("a", "2"))
        assert server.stop() == 0
        shutil.rmtree(journal_dir(server))
        shutil.copytree(older, journal_dir(server))
        refuses(server, "the journal is older than the store", "way 2",
                "is closed: its records are older")
        weirctl(server, "adopt", "replay", "--yes", status=1)
        weirctl(server, "adopt", "as-is", "--yes")
        server.start()
        assert values(server, "a") == ["2"]


def another_store_is_refused():
    with running() as server, running() as other:
        flushed(server, ("a", "ours"))
        flushed(other, ("a", "theirs"), ("b", "theirs"))
        assert other.stop() == 0
        server.connect()("SET", "late", "ours")
        server.kill()
        put_store(server, other.database())
        refuses(server, "they do not belong together")
        weirctl(server, "adopt", "replay", "--yes")
        server.start()
        assert values(server, "a", "b", "late") == ["ours", "theirs", "ours"]


def two_proxies_do_not_take_each_others_position():
    """The second has a directory of its own, and the database of the first."""
    with running() as first:
        flushed(first, ("a", "1"))
        assert first.stop() == 0
        with Server(**SMALL, backend="sqlite:" + first.database()) as second:
            refuses(second, "the store's journal is not there")
            weirctl(second, "adopt", "as-is", "--yes")
            second.start()
            flushed(second, ("b", "2"))
            assert second.stop() == 0
        refuses(first, "they do not belong together")


def a_store_that_is_exchanged_under_a_running_proxy_is_not_written_to():
    with running(flush_backoff_ms=20, breaker_open_ms=100) as server:
        flushed(server, ("a", "1"))
        db = sqlite3.connect(server.database())
        db.execute("UPDATE weir_meta SET value = randomblob(16) WHERE name = 'journal_id'")
        db.commit()
        conn = server.connect()
        conn("SET", "a", "2")
        conn.send(("WEIR", "FLUSH"))
        seen = server.connect()
        until(lambda: "another journal" in seen.info("writeback").get("backend_last_error", "") or
              "another journal" in server.log_tail(), 20, "it is noticed")
        assert db.execute("SELECT value FROM string WHERE key = 'a'").fetchone() == ("1",)
        db.close()


def a_removed_store_is_refused_and_made_again_from_a_whole_journal():
    with running() as server:
        conn = server.connect()
        conn("SET", "a", "1")
        flushed(server, ("b", "2"))
        conn("SET", "late", "3")
        server.kill()
        for name in glob.glob(server.database() + "*"):
            os.unlink(name)
        refuses(server, "the store was removed", "reaches back to its first record")
        weirctl(server, "check", status=1)
        left = glob.glob(server.database() + "*")
        assert not left, "a refused start, or a check, left a new store behind: %s" % left
        weirctl(server, "adopt", "replay", "--yes")
        server.start()
        assert values(server, "a", "b", "late") == ["1", "2", "3"]


def a_store_removed_after_an_orderly_stop_is_refused_too():
    with running() as server:
        flushed(server, ("a", "1"))
        turn_over(server)
        assert server.stop() == 0
        for name in glob.glob(server.database() + "*"):
            os.unlink(name)
        refuses(server, "the store was removed", "Missing: what was written up to LSN")
        weirctl(server, "adopt", "as-is", "--yes")
        server.start()
        assert values(server, "a") == [None]


def a_removed_journal_is_refused_and_the_store_goes_on():
    with running() as server:
        flushed(server, ("a", "1"))
        server.connect()("SET", "late", "2")
        server.kill()
        shutil.rmtree(journal_dir(server))
        refuses(server, "the journal was removed", "Missing: whatever was written after LSN")
        weirctl(server, "adopt", "replay", "--yes", status=1)
        weirctl(server, "adopt", "as-is", "--yes")
        server.start()
        assert values(server, "a", "late") == ["1", None]


def a_kill_before_the_first_flush_needs_no_decision():
    with running() as server:
        server.connect()("SET", "a", "1")
        server.kill()
        server.start()
        assert values(server, "a") == ["1"]
        server.kill()
        server.start()
        assert values(server, "a") == ["1"]


def a_store_of_an_older_weir_joins_a_new_journal():
    """What the README says: stopped in order by the old version, its journal removed."""
    with running() as server:
        flushed(server, ("a", "1"))
        assert server.stop() == 0
        db = sqlite3.connect(server.database())
        db.execute("DELETE FROM weir_meta WHERE name NOT IN ('format', 'cut_lsn')")
        db.commit()
        db.close()
        shutil.rmtree(journal_dir(server))
        server.start()
        assert values(server, "a") == ["1"]
        flushed(server, ("b", "2"))
        server.kill()
        server.start()
        assert values(server, "a", "b") == ["1", "2"]


def a_running_proxy_keeps_its_files():
    with running() as server:
        flushed(server, ("a", "1"))
        assert "in use" in weirctl(server, "adopt", "as-is", "--yes", status=1)


if __name__ == "__main__":
    run_checks([a_store_within_the_journal_is_replayed,
                an_older_store_is_refused_and_joined_on_purpose,
                an_older_store_goes_on_alone_with_the_journal_set_aside,
                an_older_journal_is_refused_and_the_store_goes_on,
                another_store_is_refused,
                two_proxies_do_not_take_each_others_position,
                a_store_that_is_exchanged_under_a_running_proxy_is_not_written_to,
                a_removed_store_is_refused_and_made_again_from_a_whole_journal,
                a_store_removed_after_an_orderly_stop_is_refused_too,
                a_removed_journal_is_refused_and_the_store_goes_on,
                a_kill_before_the_first_flush_needs_no_decision,
                a_store_of_an_older_weir_joins_a_new_journal,
                a_running_proxy_keeps_its_files])
