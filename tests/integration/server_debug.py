#!/usr/bin/env python3
"""DEBUG RELOAD and LOADAOF, and what INFO memory says of the parts.

SPDX-License-Identifier: BSD-3-Clause
"""

from servers import PATIENCE
from weirproc import Weir, check, command, run

FILL = (("SET", "string", "value"), ("SET", "timed", "value", "EX", "1000"),
        ("HSET", "hash", "field", "1", "other", "2"), ("SADD", "set", "a", "b", "c"),
        ("RPUSH", "list", "one", "two", "two"), ("ZADD", "zset", "1.5", "m", "-inf", "n"))


def what_is_reloaded_is_dropped_and_is_the_same_when_it_is_read():
    for how in (("RELOAD",), ("LOADAOF",), ("RELOAD", "NOSAVE", "NOFLUSH")):
        with Weir("enable-debug-command local", "write-delay-ms 600000",
                  "write-delay-max-ms 600000") as weir:
            c = weir.connect()
            for words in FILL:
                check(not str(c.call(*words)).startswith("b'-"), words)
            for i in range(2000):
                c.send(command("SET", "k%d" % i, "v"))
            check([c.reply() for _ in range(2000)] == [b"OK"] * 2000, "SET")
            keys = [words[1] for words in FILL]
            before = c.call("DEBUG", "DIGEST-VALUE", *keys)
            check(c.call("DEBUG", *how) == b"OK", how)
            check(weir.info("dirty_keys") == "0", "all is flushed")
            check(b"No stats available" in c.call("DEBUG", "HTSTATS", 0), "none is in memory")
            check(c.call("DBSIZE") == 2000 + len(keys), "DBSIZE")
            loads = int(weir.info("backend_loads"))
            check(c.call("DEBUG", "DIGEST-VALUE", *keys) == before, "the values")
            check(int(weir.info("backend_loads")) > loads, "they are loaded")
            check(c.call("DEBUG", "CHECK") == b"OK", "the sums")


def a_reload_that_cannot_flush_or_runs_in_a_transaction_is_an_error():
    with Weir("enable-debug-command local") as weir:
        c = weir.connect()
        check(c.call("WEIR", "PAUSE") == b"OK", "PAUSE")
        check(c.call("SET", "a", "1") == b"OK", "SET")
        check(c.call("DEBUG", "RELOAD").startswith(b"-TRYAGAIN"), "paused")
        check(c.call("WEIR", "RESUME") == b"OK", "RESUME")
        check(c.call("MULTI") == b"OK" and c.call("DEBUG", "RELOAD") == b"QUEUED", "MULTI")
        check(c.call("EXEC")[0].startswith(b"-ERR"), "EXEC")
        check(c.call("GET", "a") == b"1", "GET")


def the_parts_of_memory_add_up_to_what_the_process_has():
    parts = ("used_memory", "mem_store_caches", "mem_batches", "mem_selections",
             "mem_journal_long_records", "mem_journal_rings", "mem_journal_retained",
             "mem_allocator_slack", "mem_program", "mem_other")
    with Weir("maxmemory 400mb") as weir:  # below that of huge pages, which nobody accounts for
        c = weir.connect()
        for first in range(0, 200000, 10000):
            for i in range(first, first + 10000):
                c.send(command("SET", "key:%d" % i, b"x" * 100))
            check([c.reply() for _ in range(10000)] == [b"OK"] * 10000, "SET")
        info = dict(line.split(b":", 1) for line in c.call("INFO", "memory").split(b"\r\n")
                    if b":" in line)
        figures = {name: int(info[name.encode()]) for name in parts}
        rss = int(info[b"used_memory_rss"])
        check(abs(sum(figures.values()) - rss) <= rss // 100, (figures, rss))
        if PATIENCE == 1:  # a sanitizer takes memory that nobody accounts for
            check(abs(figures["mem_other"]) < rss // 8, (figures, rss))
        check(figures["mem_store_caches"] > 0 and figures["mem_journal_rings"] > 0, figures)
        stats = c.call("MEMORY", "STATS")
        named = dict(zip(stats[::2], stats[1::2]))
        check(named[b"journal.rings"] == figures["mem_journal_rings"], named)
        check(named[b"store.caches"] > 0, named)


run([what_is_reloaded_is_dropped_and_is_the_same_when_it_is_read,
     a_reload_that_cannot_flush_or_runs_in_a_transaction_is_an_error,
     the_parts_of_memory_add_up_to_what_the_process_has])
