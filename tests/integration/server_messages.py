#!/usr/bin/env python3
"""What an operator reads when something is wrong: errors that name their cause, and the log.

SPDX-License-Identifier: BSD-3-Clause
"""

import os
import re
import sqlite3
import time

from weirproc import Weir, check, command, run, wait_until


def fill(c, upto=400):
    """Writes 1 MB values until one is refused, and returns the error."""
    for i in range(upto):
        reply = c.call("SET", "k%d" % i, b"x" * 1000000)
        if reply != b"OK":
            return reply.decode()
    return "nothing was refused"


def lock_database(weir):
    db = sqlite3.connect(os.path.join(weir.directory, "weir.db"), isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    return db


def who_is_refused_while_flushing_is_paused_hears_since_when_and_by_whom():
    with Weir("maxmemory 60mb", "backpressure-policy refuse") as weir:
        operator, c = weir.connect(), weir.connect()
        check(operator.call("WEIR", "PAUSE") == b"OK", "PAUSE")
        who = "%s:%d" % operator.socket.getsockname()
        error = fill(c)
        check(re.search(r"^-OOM .* Flushing has been paused for \S+ \w+ by the client %s; "
                        r"WEIR RESUME ends that\.$" % re.escape(who), error), error)
        error = operator.call("WEIR", "FLUSH").decode()
        check("paused" in error and who in error, error)
        check(operator.call("WEIR", "RESUME") == b"OK", "RESUME")
        wait_until(lambda: c.call("SET", "after", "1") == b"OK", "a write to be taken")


def who_is_refused_while_the_backend_fails_hears_why():
    with Weir("maxmemory 60mb", "backpressure-policy refuse", "backend-timeout-ms 100") as weir:
        c = weir.connect()
        db = lock_database(weir)
        check(c.call("SET", "first", "1") == b"OK", "SET")
        wait_until(lambda: int(weir.info("backend_failures")) > 0, "a flush to fail")
        error = fill(c)
        check(re.search(r"^-OOM .* Flushing has failed for \S+ \w+, \d+ times, and is tried again: "
                        r".*lock", error), error)
        db.execute("ROLLBACK")
        db.close()


def a_failure_that_lasts_is_told_with_its_duration_and_what_waits():
    with Weir("backend-timeout-ms 50", "breaker-failures 3", "breaker-open-ms 100",
              "write-delay-ms 10", "flush-backoff-ms 1", "flush-backoff-max-ms 10") as weir:
        c = weir.connect()
        db = lock_database(weir)
        for i in range(5):
            check(c.call("SET", "k%d" % i, "1") == b"OK", "SET")
        wait_until(lambda: weir.info("breaker") != "closed", "the breaker to open")
        wait_until(lambda: int(weir.info("backend_failures")) >= 6, "more failures")
        check(int(weir.info("dirty_keys")) == 5, "they are not in the backend")
        check(int(weir.info("oldest_dirty_ms")) > 0, "they have an age")
        db.execute("ROLLBACK")
        db.close()
        wait_until(lambda: "committed again" in weir.log(), "it to recover")
        log = weir.log()
        opened = re.findall(r"flushing has failed for \S+ s, \d+ times; nothing is lost; \d+ keys "
                            r"are not in the backend, the oldest change for \S+ s; the circuit "
                            r"breaker opens", log)
        check(len(opened) == 1, log)
        check(re.search(r"committed again, after \d+ failures in \S+ s; \d+ keys", log), log)


def conflicts_are_one_line_with_the_number_of_the_first_and_where_it_is():
    with Weir("write-delay-ms 600000", "write-delay-max-ms 600000") as weir:
        c = weir.connect()
        for i in range(3000):
            c.send(command("SET", "k%d" % i, "1"))
        check([c.reply() for _ in range(3000)] == [b"OK"] * 3000, "SET")
        check(c.call("WEIR", "FLUSH") == b"OK", "FLUSH")
        for i in range(3000):
            c.send(command("APPEND", "k%d" % i, "ours"))
        check([c.reply() for _ in range(3000)] == [5] * 3000, "APPEND")
        db = sqlite3.connect(os.path.join(weir.directory, "weir.db"))
        db.execute("UPDATE weir_key SET value = 'theirs'")
        db.commit()
        db.close()
        c.call("WEIR", "FLUSH")
        records = os.path.join(os.path.realpath(weir.directory), "journal", "records.db")
        lines = re.findall(r"(\d+) keys of a batch were changed in the backend too \(WEIR "
                           r"CONFLICTS LIST, (\S+)\); the first is number (\d+), '(\w+)': "
                           r"backend-wins, ours is in the record", weir.log())
        check(len(lines) == 1 and lines[0][:2] == ("3000", records), weir.log())
        db = sqlite3.connect("file:%s?mode=ro" % records, uri=True)
        row = db.execute("SELECT key, ours FROM record WHERE id = ?", (lines[0][2],)).fetchone()
        db.close()
        check(row is not None and lines[0][3] in str(row[0]) and "ours" in str(row[1]), row)


def the_watermark_is_told_once_with_its_name():
    with Weir("maxmemory 60mb", "backpressure-policy refuse") as weir:
        c, operator = weir.connect(), weir.connect()
        for _ in range(4):  # up and down again
            check(operator.call("WEIR", "PAUSE") == b"OK", "PAUSE")
            fill(c)
            check(operator.call("WEIR", "RESUME") == b"OK", "RESUME")
            wait_until(lambda: int(weir.info("dirty_keys")) == 0, "all to be flushed")
        lines = [line for line in weir.log().split("\n") if "writers are held back" in line]
        check(len(lines) == 1 and "dirty data is above dirty-high-watermark" in lines[0], lines)


def an_end_while_flushing_is_paused_does_not_wait():
    with Weir("shutdown-timeout 600") as weir:
        c = weir.connect()
        check(c.call("WEIR", "PAUSE") == b"OK", "PAUSE")
        check(c.call("SET", "a", "1") == b"OK", "SET")
        begin = time.monotonic()
        weir.terminate()
        check(weir.wait() == 0, "exit code")
        check(time.monotonic() - begin < 60, "it waited")
        log = weir.log()
        check("Ending without a flush. Flushing has been paused for" in log, log)
        check("Ended in order" not in log, log)
        check(log.count("not in the backend yet") == 1, log)
        check("Ended: 1 changes are not in the backend yet" in log, log)
        weir.start()
        check(weir.connect().call("GET", "a") == b"1", "the write is lost")


run([who_is_refused_while_flushing_is_paused_hears_since_when_and_by_whom,
     who_is_refused_while_the_backend_fails_hears_why,
     a_failure_that_lasts_is_told_with_its_duration_and_what_waits,
     conflicts_are_one_line_with_the_number_of_the_first_and_where_it_is,
     the_watermark_is_told_once_with_its_name,
     an_end_while_flushing_is_paused_does_not_wait])
