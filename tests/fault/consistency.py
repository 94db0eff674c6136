#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The SQLite file alone is at every instant a state that the cache really had.

Writers move money between accounts with MULTI/EXEC, so that the sum never changes, and count the
transfers in a string and in a hash in the same transaction, so that the two never differ. In the
same transactions the money also moves between the members of a sorted set, a token goes from one
list to another, and one from one set to another: sums and counts stay. Cuts run
every few milliseconds, and the server is killed and restarted. All the while another process reads
weir.db through its views, each time in one read transaction: it must see the sum, the two counts
agreeing, and a count that never goes back. The journal is of no help to it, as if its disk had
burnt.

FAULT_ROUNDS sets the number of kills (20).
"""
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

from harness import PATIENCE, Gone, ReplyError, Seed, Server, run_checks, until

ACCOUNTS = 64
START = 1000
TOKENS = 40  # in three lists, and as many in three sets
WRITERS = 4
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "20"))

VIEW = """
SELECT (SELECT count(*) FROM string WHERE key LIKE 'account:%'),
       (SELECT sum(CAST(value AS INTEGER)) FROM string WHERE key LIKE 'account:%'),
       (SELECT CAST(value AS INTEGER) FROM string WHERE key = 'transfers'),
       (SELECT CAST(value AS INTEGER) FROM hash WHERE key = 'ledger' AND field = 'transfers'),
       (SELECT sum(CAST(value AS INTEGER)) FROM hash WHERE key = 'mirror'),
       (SELECT CAST(sum(score) AS INTEGER) FROM zset WHERE key = 'scores'),
       (SELECT count(*) FROM list WHERE key IN ('list:0', 'list:1', 'list:2')),
       (SELECT count(DISTINCT member) * 1000 + count(*) FROM "set"
         WHERE key IN ('set:0', 'set:1', 'set:2'))
"""


def read_once(path):
    """One read transaction; None while there is no database, or no such view in it yet."""
    try:
        db = sqlite3.connect("file:%s?mode=ro" % path, uri=True, timeout=20 * PATIENCE)
    except sqlite3.OperationalError:
        return None
    try:
        return db.execute(VIEW).fetchone()
    except sqlite3.OperationalError as e:
        if "no such table" in str(e) or "unable to open" in str(e):
            return None
        raise
    finally:
        db.close()


def watch_database(path, stop_file):
    """The other process: prints what it saw, or the first thing that must not be."""
    reads, states, last, complete = 0, 0, -1, False
    while not os.path.exists(stop_file):
        row = read_once(path)
        if row is None:
            time.sleep(0.001)
            continue
        reads += 1
        accounts, total, transfers, ledger, mirror, scores, listed, members = row
        transfers, ledger = transfers or 0, ledger or 0
        if accounts not in (0, ACCOUNTS) or (complete and accounts == 0):
            sys.exit("%d accounts of %d are there" % (accounts, ACCOUNTS))
        complete = accounts == ACCOUNTS
        if complete and total != ACCOUNTS * START:
            sys.exit("the sum is %s, not %d, after %d transfers"
                     % (total, ACCOUNTS * START, transfers))
        if complete and mirror != ACCOUNTS * START:
            sys.exit("the sum of the hash is %s, not %d" % (mirror, ACCOUNTS * START))
        if complete and scores != ACCOUNTS * START:
            sys.exit("the sum of the sorted set is %s, not %d" % (scores, ACCOUNTS * START))
        if complete and (listed, members) != (TOKENS, TOKENS * 1001):
            sys.exit("%s tokens in the lists, %s in the sets (different * 1000 + all) of %d"
                     % (listed, members, TOKENS))
        if transfers != ledger:
            sys.exit("the string counts %d transfers, the hash %d" % (transfers, ledger))
        if transfers < last:
            sys.exit("transfers went back from %d to %d" % (last, transfers))
        states += transfers != last
        last = transfers
    print("%d %d %d" % (reads, states, last))


def transfer(rng):
    source, target = rng.sample(range(ACCOUNTS), 2)
    amount = rng.randrange(1, 100)
    return [("MULTI",),
            ("DECRBY", "account:%d" % source, amount),
            ("HINCRBY", "ledger", "transfers", 1),
            ("HINCRBY", "mirror", "account:%d" % target, amount),
            ("INCRBY", "account:%d" % target, amount),
            ("HINCRBY", "mirror", "account:%d" % source, -amount),
            ("INCR", "transfers"),
            ("ZINCRBY", "scores", amount, target),
            ("ZINCRBY", "scores", -amount, source),
            ("LMOVE", "list:%d" % rng.randrange(3), "list:%d" % rng.randrange(3),
             rng.choice(("LEFT", "RIGHT")), rng.choice(("LEFT", "RIGHT"))),
            ("SMOVE", "set:%d" % rng.randrange(3), "set:%d" % rng.randrange(3),
             rng.randrange(TOKENS)),
            ("EXEC",)]


def write(server, rng, stopping, done, errors):
    """One writer: pipelines of transfers until the server is gone; counts what was acknowledged."""
    try:
        conn = server.connect()
    except OSError:
        return
    try:
        while not stopping.is_set():
            batch = [transfer(rng) for _ in range(rng.randrange(1, 8))]
            conn.send(*[request for one in batch for request in one])
            for one in batch:
                replies = [conn.read() for _ in one]
                if isinstance(replies[-1], ReplyError):
                    raise AssertionError("%r" % replies)
                done.append(1)
    except Gone:
        pass
    except Exception as e:  # pylint: disable=broad-except
        errors.append(e)
    finally:
        conn.close()


def start_accounts(conn):
    pairs = [x for i in range(ACCOUNTS) for x in ("account:%d" % i, START)]
    scores = [x for i in range(ACCOUNTS) for x in (START, i)]
    replies = conn.pipeline([("MULTI",), ("MSET", *pairs), ("HSET", "mirror", *pairs),
                             ("ZADD", "scores", *scores), ("RPUSH", "list:0", *range(TOKENS)),
                             ("SADD", "set:0", *range(TOKENS)), ("EXEC",)])
    assert replies[-1] == ["OK", ACCOUNTS, ACCOUNTS, TOKENS, TOKENS], replies


def one_round(server, rng, done):
    stopping, errors = threading.Event(), []
    threads = [threading.Thread(target=write, args=(server, SEED.rng(rng.random()), stopping,
                                                    done, errors)) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    time.sleep(rng.uniform(0.05, 0.6) * min(PATIENCE, 3))
    server.kill()
    stopping.set()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def the_backend_always_shows_a_state_the_cache_had():
    rng = SEED.rng("consistency")
    with Server(write_delay_ms=5) as server, tempfile.TemporaryDirectory() as scratch:
        stop_file = os.path.join(scratch, "stop")
        server.start()
        conn = server.connect()
        start_accounts(conn)
        conn.close()
        with subprocess.Popen([sys.executable, os.path.abspath(__file__), "--watch",
                               server.database(), stop_file], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as watcher:
            done = []
            try:
                for _ in range(ROUNDS):
                    one_round(server, rng, done)
                    assert watcher.poll() is None, watcher.stderr.read()
                    server.start()
                conn = server.connect()
                kept = int(conn("GET", "transfers"))
                assert kept >= len(done), "%d transfers kept, %d acknowledged" % (kept, len(done))
                until(lambda: (read_once(server.database()) or [0] * 8)[2] == kept, 20,
                      "the last transfer arrives in SQLite")
            finally:
                with open(stop_file, "w", encoding="ascii"):
                    pass
                out, err = watcher.communicate(timeout=30 * PATIENCE)
            assert watcher.returncode == 0, err
            reads, states, last = map(int, out.split())
            print("        %d transfers, %d kills, %d reads saw %d different states"
                  % (kept, ROUNDS, reads, states), flush=True)
            assert last <= kept and states > ROUNDS, "the watcher saw too little to prove anything"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--watch"]:
        watch_database(*sys.argv[2:])
    else:
        SEED = Seed()
        run_checks([the_backend_always_shows_a_state_the_cache_had])
