#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Somebody moves, removes or forgets the files of the journal, while the proxy runs and while it
does not. It says what is wrong, acknowledges nothing that is not safe, and there is a way on.
"""
import contextlib
import glob
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile

from harness import ROOT, PATIENCE, ReplyError, Server, Skip, run_checks, until

WEIRCTL = os.path.join(ROOT, "build/release/weirctl")
NEVER = {"write_delay_ms": 3600000, "write_delay_max_ms": 3600000}


def journal(server, *name):
    return os.path.join(server.dir, "journal", *name)


def newest_segment(server):
    return sorted(glob.glob(journal(server, "[0-9]*.wj")))[-1]


def weirctl(*args):
    done = subprocess.run([WEIRCTL, "journal", *args], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60 * PATIENCE, check=False)
    return done.returncode, done.stdout


def refuses_to_start(server):
    """Starts it; what it says when it ends."""
    server.launch()
    assert server.process.wait(60 * PATIENCE) == 1
    text = server.log_tail(2000)
    assert "Cannot start" in text, text
    return text[text.index("Cannot start"):]


def state(conn):
    return conn.info("writeback")["journal_state"]


def refused(conn, *command, begins="MISCONF"):
    try:
        conn(*command)
    except ReplyError as e:
        assert str(e).startswith(begins), e
        return
    raise AssertionError("%s was accepted" % (command,))


def the_newest_segment_is_missed_after_kill9():
    with Server(journal_fsync="everysec", **NEVER) as server:
        with_keys(server.start(), 0, 34)
        server.stop()
        with_keys(server.start(), 34, 61)
        server.kill()
        os.remove(newest_segment(server))
        text = refuses_to_start(server)
        assert "missing" in text and "weirctl journal salvage" in text, text
        code, text = weirctl("verify", journal(server))
        assert code == 1 and "missing" in text, text
        code, text = weirctl("salvage", journal(server))
        assert code == 0, text
        assert server.start().connect()("DBSIZE") == 34


def what_is_missing_in_the_middle_is_named_with_both_files_and_what_giving_up_costs():
    with Server(journal_segment_size="1mb", **NEVER) as server:
        conn = server.start().connect()
        until(lambda: conn.info("writeback")["cuts"] != "0", 10, "the cut that marks a new store")
        for i in range(60):
            conn("SET", "key:%d" % i, "x" * 100000)
        assert conn("WAITAOF", 1, 0, 5000)[0] == 1  # however slow the disk: all is in segments
        server.kill()
        segments = sorted(glob.glob(journal(server, "[0-9]*.wj")))
        first = [int(os.path.basename(s)[:-3]) for s in segments]
        os.remove(segments[2])
        text = refuses_to_start(server)
        there = os.path.realpath(journal(server))
        for part in ("journal '%s'" % there,
                     "records %d to %d are missing (%d of them)"
                     % (first[2], first[3] - 1, first[3] - first[2]),
                     os.path.basename(segments[1]), os.path.basename(segments[3]),
                     "`weirctl journal salvage %s` keeps what is before record %d"
                     % (there, first[2])):
            assert part in text, (part, text)
        upto = int(re.search(r"up to record (\d+) at least: (\d+) records", text).group(1))
        assert first[-1] <= upto <= 60, text
        code, text = weirctl("salvage", journal(server))
        assert code == 0 and "the last record is LSN %d;" % (first[2] - 1) in text, text
        assert re.search(r"not replayed any more: LSN %d to \d+ at least" % first[2], text), text
        assert server.start().connect()("DBSIZE") == first[2] - 1


def what_was_set_aside_can_be_read():
    with Server(journal_fsync="always", **NEVER) as server:
        with_keys(server.start(), 0, 60)
        server.kill()
        path = newest_segment(server)
        with open(path, "r+b") as f:
            data = f.read()
            f.seek(data.index(b"key:30"))
            f.write(b"KEY")
        text = refuses_to_start(server)
        assert "weirctl journal salvage" in text, text
        code, text = weirctl("salvage", journal(server))
        assert code == 0, text
        code, text = weirctl("cat", path + ".damaged")
        assert code == 0 and "29 records" in text, text
        assert "key:30" not in text and all("key:%d " % i in text for i in range(31, 60)), text
        for ring in glob.glob(journal(server, "ring-*.damaged")):
            assert weirctl("cat", ring)[0] == 0
        assert server.start().connect()("DBSIZE") == 30
        code, text = weirctl("cat", os.path.join(server.dir, "weir.db"))
        assert code == 1 and "no sound header" in text, text


def an_empty_directory_is_not_a_sound_journal():
    with Server() as server:
        os.mkdir(journal(server))
        for what in ("verify", "cat"):
            code, text = weirctl(what, journal(server))
            assert code == 1 and "no segment" in text and journal(server) in text, text
        code, text = weirctl("salvage", journal(server))
        assert code == 1 and "no journal is in the directory '%s'" % journal(server) in text, text
        assert os.listdir(journal(server)) == []


def with_keys(server, first, end):
    conn = server.connect()
    for i in range(first, end):
        conn("SET", "key:%d" % i, i)
    conn.close()


def a_ring_is_missed_after_kill9():
    with Server(**NEVER) as server:
        with_keys(server.start(), 0, 20)
        server.kill()
        os.remove(journal(server, "ring-0"))
        text = refuses_to_start(server)
        assert "ring-0" in text and "weirctl journal salvage" in text, text
        assert weirctl("salvage", journal(server))[0] == 0
        server.start()


def the_directory_is_missed_while_the_store_is_not_fresh():
    with Server() as server:
        with_keys(server.start(), 0, 20)
        assert server.stop() == 0
        shutil.move(journal(server), os.path.join(server.dir, "elsewhere"))
        text = refuses_to_start(server)
        assert "journal is not there" in text and "weirctl store adopt" in text, text
        shutil.rmtree(journal(server))
        shutil.move(os.path.join(server.dir, "elsewhere"), journal(server))
        assert server.start().connect()("DBSIZE") == 20


def an_orderly_stop_needs_nothing_but_the_segments():
    with Server() as server:
        with_keys(server.start(), 0, 20)
        assert server.stop() == 0
        for ring in glob.glob(journal(server, "ring-*")):
            os.remove(ring)
        assert server.start().connect()("DBSIZE") == 20


def moved_while_it_runs(server, path):
    """The state says so, writes are refused and reads are not, until it is back."""
    conn = server.connect()
    elsewhere = os.path.join(server.dir, "elsewhere")
    shutil.move(path, elsewhere)
    until(lambda: state(conn) == "failing", 5, "the state is failing")
    info = conn.info("writeback")
    assert "moved or removed" in info["journal_error"], info
    until(lambda: conn.info("writeback")["lag_records"] == "0", 20, "all is flushed")
    refused(conn, "SET", "key:0", "changed")
    assert conn("GET", "key:0") == b"0"
    assert not os.path.exists(path)
    shutil.move(elsewhere, path)
    until(lambda: state(conn) == "running", 5, "the state is running")
    conn("SET", "back", "yes")
    conn.close()


def a_journal_that_moves_under_always_is_noticed():
    with Server(journal_fsync="always", **NEVER) as server:
        with_keys(server.start(), 0, 20)
        moved_while_it_runs(server, journal(server))
        moved_while_it_runs(server, newest_segment(server))
        moved_while_it_runs(server, journal(server, "ring-0"))
        server.kill()
        assert server.start().connect()("DBSIZE") == 21


def a_removed_journal_loses_nothing_that_reaches_the_store():
    with Server(journal_fsync="always", **NEVER) as server:
        conn = server.start().connect()
        until(lambda: conn.info("writeback")["last_flush_age_ms"] != "-1", 20,
              "the first cut, which tells a new database its numbers")
        with_keys(server, 0, 20)
        assert conn.info("writeback")["dirty_keys"] == "20"
        shutil.rmtree(journal(server))
        until(lambda: state(conn) == "failing", 5, "the state is failing")
        error = conn.info("writeback")["journal_error"]
        assert "was removed" in error and "weirctl store adopt as-is" in error, error
        refused(conn, "SET", "key:0", "changed")
        until(lambda: conn.info("writeback")["lag_records"] == "0", 20, "all is flushed")
        conn.close()
        server.kill()
        text = refuses_to_start(server)
        assert "journal is not there" in text, text
        directives = server.command()[len(server.prefix) + 1:]
        done = subprocess.run([WEIRCTL, "store", "adopt", "as-is", "--yes", *directives],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60 * PATIENCE, check=False)
        assert done.returncode == 0, done.stdout
        assert server.start().connect()("DBSIZE") == 20
        with_keys(server, 0, 30)


def remove_all(directory):
    while os.path.exists(directory):  # a file may come in between
        shutil.rmtree(directory, ignore_errors=True)


def recreate_directory(server):
    remove_all(journal(server))
    os.mkdir(journal(server))


def move_directory_and_make_another(server):
    shutil.move(journal(server), os.path.join(server.dir, "elsewhere"))
    os.mkdir(journal(server))


def put_a_copy_in_its_place(server):
    copy = os.path.join(server.dir, "copy")
    shutil.copytree(journal(server), copy)
    remove_all(journal(server))
    os.rename(copy, journal(server))


def remove_its_files(server):
    for name in os.listdir(journal(server)):
        os.remove(journal(server, name))


def first_segment(server):
    return sorted(glob.glob(journal(server, "[0-9]*.wj")))[0]


def make_another(path):
    os.remove(path)
    with open(path, "w"):
        pass  # the number of its inode is often the same


def cut_short(path):
    with open(path, "r+b") as f:
        f.truncate(0)


LOSSES = {
    "the directory is recreated": recreate_directory,
    "another directory is in its place": move_directory_and_make_another,
    "a copy of the directory is in its place": put_a_copy_in_its_place,
    "all files are removed": remove_its_files,
    "the oldest segment is removed": lambda server: os.remove(first_segment(server)),
    "the oldest segment is another": lambda server: make_another(first_segment(server)),
    "the oldest segment is cut short": lambda server: cut_short(first_segment(server)),
    "the newest segment is another": lambda server: make_another(newest_segment(server)),
    "the newest segment is cut short": lambda server: cut_short(newest_segment(server)),
    "a ring is another": lambda server: make_another(journal(server, "ring-0")),
}


def whatever_is_missing_what_was_acknowledged_reaches_the_store():
    """Although the next flush is an hour away; and when it has, what only an old segment held is
    needed no more, so that writes go on."""
    for fsync in ("everysec", "always"):
        for what, lose in LOSSES.items():
            with Server(journal_fsync=fsync, **NEVER, **SMALL) as server:
                conn = server.start().connect()
                until(lambda: conn.info("writeback")["last_flush_age_ms"] != "-1", 20, "a cut")
                for i in range(600):  # into three segments
                    conn("SET", "key:%d" % i, "x" * 4000)
                assert conn.info("writeback")["dirty_keys"] == "600"
                lose(server)
                until(lambda: conn.info("writeback")["lag_records"] == "0", 20,
                      "all is flushed after " + what)
                if "oldest" in what:
                    until(lambda: state(conn) == "running", 20, "writes are taken")
                    conn("SET", "key:600", "x")
                else:
                    assert "was " in conn.info("writeback")["journal_error"], what
                    refused(conn, "SET", "key:0", "changed")
                server.kill()
                with contextlib.closing(sqlite3.connect(server.database())) as db:
                    keys = db.execute("SELECT count(*) FROM string WHERE length(value) = 4000")
                    assert keys.fetchone() == (600,), what
                if "oldest" in what:
                    assert server.start().connect()("DBSIZE") == 601, what


@contextlib.contextmanager
def small_disk(server, size):
    """The journal's directory on a file system of its own."""
    os.mkdir(journal(server))
    mount = ["mount", "-t", "tmpfs", "-o", "size=%s" % size, "none", journal(server)]
    if os.geteuid() != 0 or subprocess.run(mount, stderr=subprocess.DEVNULL,
                                           check=False).returncode:
        raise Skip("no right to mount a small file system")
    try:
        yield lambda bigger: subprocess.run(
            ["mount", "-o", "remount,size=%s" % bigger, journal(server)], check=True)
    finally:
        server.kill()
        subprocess.run(["umount", journal(server)], check=True)


SMALL = {"journal_segment_size": 1 << 20, "journal_ring_size": 65536, "io_threads": 1}


def fill(conn):
    """Writes until the disk is full; the keys that were accepted."""
    for i in range(100000):
        try:
            conn("SET", "key:%d" % i, "x" * 4000)
        except ReplyError as e:
            assert str(e).startswith("MISCONF"), e
            return i
    raise AssertionError("the disk is never full")


def a_full_disk_takes_deletions():
    with Server(journal_fsync="always", **NEVER, **SMALL) as server:
        with small_disk(server, "3m") as grow:
            conn = server.start().connect()
            conn("HSET", "hash", "a", "1", "b", "2")
            conn("SADD", "set", "a", "b")
            conn("ZADD", "zset", "1", "a", "2", "b")
            conn("SET", "string", "got")
            keys = fill(conn)
            assert keys > 200 and state(conn) == "full", (keys, state(conn))
            refused(conn, "SET", "more", "x")
            refused(conn, "EXPIRE", "key:0", "100")
            assert conn("DEL", *["key:%d" % i for i in range(100)]) == 100
            assert conn("HDEL", "hash", "a") == conn("SREM", "set", "a") == 1
            assert conn("ZREM", "zset", "a") == 1 and conn("GETDEL", "string") == b"got"
            conn("MULTI")
            conn("DEL", "key:100")
            conn("UNLINK", "key:101")
            assert conn("EXEC") == [1, 1]
            conn("MULTI")
            conn("DEL", "key:102")
            conn("SET", "more", "x")
            refused(conn, "EXEC", begins="EXECABORT Transaction discarded because of: MISCONF")
            assert "no room" in conn.info("writeback")["journal_error"]
            server.kill()
            conn = server.start().connect()
            assert conn("DBSIZE") == keys - 102 + 3
            assert conn("HLEN", "hash") == conn("SCARD", "set") == conn("ZCARD", "zset") == 1
            assert conn("EXISTS", "key:0", "key:101", "key:102") == 1
            until(lambda: state(conn) == "full", 20, "the full disk is found again")
            grow("64m")
            until(lambda: state(conn) == "running", 20, "writes are taken")
            conn("SET", "more", "x")


def a_start_without_any_room_waits_for_it():
    """What was not synced is to be written anew, and takes more than the start gives back."""
    with Server(journal_fsync="no", **NEVER, **SMALL) as server:
        with small_disk(server, "3m") as grow:
            keys = fill(server.start().connect())
            server.kill()
            for name in glob.glob(journal(server, "spare-*")):
                os.remove(name)  # as a start does; what it gives back is taken at once
            with contextlib.suppress(OSError), open(journal(server, "filler"), "wb", 0) as f:
                while True:
                    f.write(b"x" * 4096)
            server.launch()
            until(lambda: "The start waits until there is room" in server.log_tail(3000), 20,
                  "the log says so")
            assert "bytes are needed to start" in server.log_tail(3000), server.log_tail(3000)
            conn = server.connect()
            refused(conn, "GET", "key:0", begins="LOADING")
            conn.close()
            server.process.terminate()
            assert server.process.wait(20 * PATIENCE) is not None
            server.launch()
            until(lambda: server.log_tail(4000).count("The start waits until there is room") == 2,
                  20, "it waits again")
            grow("64m")
            until(server.answers, 20, "it serves")
            conn = server.connect()
            assert conn("DBSIZE") == keys
            conn("SET", "more", "x")


def what_is_deleted_on_a_full_disk_makes_room():
    with Server(**NEVER, **SMALL) as server:
        with small_disk(server, "3m"):
            conn = server.start().connect()
            fill(conn)
            refused(conn, "SET", "more", "x")
            conn("FLUSHALL")  # is flushed at once, and then the journal is trimmed
            until(lambda: state(conn) == "running", 20, "writes are taken")
            conn("SET", "more", "x")
            server.kill()
            assert server.start().connect()("DBSIZE") == 1


SLOW_JOURNAL = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    char link[64], name[512] = "";
    ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite");
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if (len > 200000 && len < 1 << 20 && readlink(link, name, 511) > 0 && strstr(name, ".wj"))
        usleep(1500000);
    return real(fd, bytes, len, at);
}
ssize_t pwrite64(int fd, const void *b, size_t n, off_t o) { return pwrite(fd, b, n, o); }
"""


def a_store_is_not_ahead_of_a_journal_whose_disk_is_slow():
    """A record longer than a ring is only in memory until it is written: its cut waits for that."""
    with tempfile.TemporaryDirectory() as there:
        shim = os.path.join(there, "slow.so")
        if "release" not in os.environ.get("WEIR_BIN", "release") or subprocess.run(
                ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", shim, "-ldl"],
                input=SLOW_JOURNAL.encode(), check=False).returncode != 0:
            raise Skip("nothing can be put before the libraries of this build")
        with Server(prefix=["env", "LD_PRELOAD=" + shim], journal_ring_size=65536,
                    write_delay_ms=1, io_threads=1) as server:
            server.start()
            conn = server.connect()
            conn("SET", "small", "1")
            conn("WEIR", "FLUSH")
            db = sqlite3.connect(server.database())
            conn.send(("SET", "big", "x" * 250000))
            until(lambda: db.execute("SELECT count(*) FROM string WHERE key = 'big'").fetchone()[0],
                  20, "the database has it")
            db.close()
            server.kill()
            server.prefix = []
            server.start()
            assert server.connect()("STRLEN", "big") == 250000


if __name__ == "__main__":
    run_checks([the_newest_segment_is_missed_after_kill9,
                what_is_missing_in_the_middle_is_named_with_both_files_and_what_giving_up_costs,
                what_was_set_aside_can_be_read,
                an_empty_directory_is_not_a_sound_journal,
                a_ring_is_missed_after_kill9,
                the_directory_is_missed_while_the_store_is_not_fresh,
                an_orderly_stop_needs_nothing_but_the_segments,
                a_journal_that_moves_under_always_is_noticed,
                a_removed_journal_loses_nothing_that_reaches_the_store,
                whatever_is_missing_what_was_acknowledged_reaches_the_store,
                a_full_disk_takes_deletions,
                a_start_without_any_room_waits_for_it,
                what_is_deleted_on_a_full_disk_makes_room,
                a_store_is_not_ahead_of_a_journal_whose_disk_is_slow])
