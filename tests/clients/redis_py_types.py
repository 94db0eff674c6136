#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""redis-py as Debian ships it, unmodified: every type but strings and hashes, and what waits,
listens or watches. The rest of its day is in redis_py.py.

PEER=redis runs the suite against redis-server, which shows that the suite asks for nothing else.
"""
import math
import os
import sys
import threading
import time

import redis

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))
from harness import PATIENCE, Server, run_checks, until  # pylint: disable=wrong-import-position

SERVER = Server()


def client(**options):
    options = {"decode_responses": True, **options}
    return redis.Redis(port=SERVER.port, socket_timeout=20 * PATIENCE, **options)


def fresh():
    r = client()
    r.flushall()
    return r


def raises(error, text, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except error as e:
        assert text in str(e), str(e)
        return
    raise AssertionError("%s was not raised" % error.__name__)


class Background:
    """A call in a thread of its own; result() is what it returned."""

    def __init__(self, function, *args, **kwargs):
        self.value = self.error = None

        def run():
            try:
                self.value = function(*args, **kwargs)
            except Exception as e:  # pylint: disable=broad-except
                self.error = e
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def result(self):
        self.thread.join(20 * PATIENCE)
        assert not self.thread.is_alive(), "it still waits"
        if self.error:
            raise self.error
        return self.value


def blocked(r, count=1):
    until(lambda: r.info("clients")["blocked_clients"] == count, 10, "%d clients wait" % count)


def lists_are_pushed_popped_and_cut():
    r = fresh()
    assert r.rpush("l", "a", "b", "c") == 3 and r.lpush("l", "z") == 4
    assert r.lpushx("none", "x") == 0 and r.rpushx("l", "d") == 5
    assert r.lrange("l", 0, -1) == ["z", "a", "b", "c", "d"]
    assert r.lindex("l", -1) == "d" and r.lindex("l", 9) is None and r.llen("l") == 5
    assert r.linsert("l", "BEFORE", "b", "x") == 6 and r.lset("l", 0, "y") is True
    assert r.lrem("l", 0, "x") == 1 and r.lpos("l", "c") == 3 and r.lpos("l", "?") is None
    assert r.lpop("l") == "y" and r.rpop("l", 2) == ["d", "c"] and r.lpop("none", 3) is None
    assert r.ltrim("l", 1, 1) is True and r.lrange("l", 0, -1) == ["b"]
    assert r.lmove("l", "m", "LEFT", "RIGHT") == "b" and r.exists("l") == 0
    r.rpush("m", *range(200))
    assert r.rpoplpush("m", "m") == "199" and r.llen("m") == 201
    assert r.lmpop(2, "none", "m", direction="RIGHT", count=2) == ["m", ["198", "197"]]
    assert r.lpos("m", "150", rank=1, count=0, maxlen=500) == [152]
    raises(redis.ResponseError, "index out of range", r.lset, "m", 1000, "x")
    raises(redis.ResponseError, "no such key", r.lset, "none", 0, "x")


def lists_hold_many_and_large_elements():
    r = client(decode_responses=False)
    r.flushall()
    small = [b"%d" % i for i in range(10_000)]
    large = os.urandom(3 << 20)
    r.rpush("l", *small, large)
    assert r.lrange("l", 0, -1) == small + [large]
    assert r.lindex("l", 10_000) == large and r.lindex("l", 5000) == b"5000"
    assert r.linsert("l", "AFTER", b"5000", b"between") == 10_002
    assert r.lrange("l", 5000, 5002) == [b"5000", b"between", b"5001"]


def sets_are_combined():
    r = fresh()
    assert r.sadd("a", 1, 2, 3, 3) == 3 and r.sadd("b", 2, 3, 4) == 3
    assert r.smembers("a") == {"1", "2", "3"} and r.smembers("none") == set()
    assert r.sismember("a", 1) and not r.sismember("a", 9) and r.smismember("a", 1, 9) == [1, 0]
    assert r.sinter("a", "b") == {"2", "3"} and r.sunion("a", "b") == {"1", "2", "3", "4"}
    assert r.sdiff("a", "b") == {"1"} and r.sdiffstore("d", "a", "b") == 1
    assert r.sinterstore("i", "a", "b") == 2 and r.sunionstore("a", "a", "b") == 4
    assert r.sintercard(2, ["a", "b"], limit=2) == 2
    assert r.smove("a", "d", "4") and r.smembers("d") == {"1", "4"}
    assert r.object("encoding", "a") == "intset"
    r.sadd("a", *("member:%d" % i for i in range(500)))
    assert r.object("encoding", "a") == "hashtable" and r.scard("a") == 503
    assert len(set(r.srandmember("a", 10))) == 10 and len(r.srandmember("a", -20)) == 20
    popped = r.spop("a", 100)
    assert len(set(popped)) == 100 and r.scard("a") == 403 and not r.sismember("a", popped[0])
    assert r.srem("a", *r.smembers("a")) == 403 and r.exists("a") == 0 and r.spop("a") is None


def sorted_sets_are_ranked():
    r = fresh()
    assert r.zadd("z", {"a": 1, "b": 2.5, "c": float("inf")}) == 3
    assert r.zadd("z", {"a": 0.5}, lt=True, ch=True) == 1 and r.zadd("z", {"a": 9}, nx=True) == 0
    assert r.zadd("z", {"b": 1}, incr=True) == 3.5 and r.zadd("z", {"q": 1}, xx=True) == 0
    assert r.zscore("z", "c") == math.inf and r.zscore("z", "q") is None
    assert r.zmscore("z", ["a", "q"]) == [0.5, None] and r.zincrby("z", -1, "a") == -0.5
    assert r.zrange("z", 0, -1, withscores=True) == [("a", -0.5), ("b", 3.5), ("c", math.inf)]
    assert r.zrevrange("z", 0, 0) == ["c"] and r.zrank("z", "b") == 1
    assert r.zrangebyscore("z", "-inf", "(3.5", withscores=True) == [("a", -0.5)]
    assert r.zrevrangebyscore("z", "+inf", 0, start=1, num=1) == ["b"]
    assert r.zcount("z", 0, "+inf") == 2 and r.zcard("z") == 3
    r.zadd("lex", {word: 0 for word in "delta alpha echo bravo charlie".split()})
    assert r.zrangebylex("lex", "[b", "(d") == ["bravo", "charlie"]
    assert r.zlexcount("lex", "-", "+") == 5 and r.zremrangebylex("lex", "-", "[alpha") == 1
    assert r.zrange("lex", "[c", "[bravo", desc=True, bylex=True, offset=0, num=1) == ["bravo"]
    assert r.zrangestore("copy", "z", 0, 1) == 2
    assert r.zunion(["z", "copy"], withscores=True)[0] == ("a", -1.0)
    assert r.zinter(["z", "copy"], aggregate="MAX") == ["a", "b"]
    assert r.zdiff(["z", "copy"]) == ["c"]
    assert r.zunionstore("u", {"z": 2, "copy": 0}) == 3 and r.zscore("u", "b") == 7
    assert r.zintercard(2, ["z", "copy"]) == 2
    assert r.zpopmax("z") == [("c", math.inf)] and r.zpopmin("z", 5) == [("a", -0.5), ("b", 3.5)]
    r.zadd("big", {"m%05d" % i: i / 7 for i in range(5000)})
    assert r.zrank("big", "m04321") == 4321 and r.zrange("big", 2500, 2500) == ["m02500"]
    assert r.zremrangebyrank("big", 0, 999) == 1000 and r.zrank("big", "m04321") == 3321
    assert r.zremrangebyscore("big", "-inf", 1999 / 7) == 1000 and r.zcard("big") == 3000
    assert len(r.zrandmember("big", -7, withscores=True)) in (7, 14)
    popped = r.zmpop(1, ["big"], min=True, count=2)[1]
    assert [(m, float(s)) for m, s in popped] == [("m02000", 2000 / 7), ("m02001", 2001 / 7)]
    raises(redis.ResponseError, "not a valid float", r.execute_command, "ZADD", "z", "x", "m")


def places_are_found():
    r = fresh()
    r.geoadd("g", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"))
    assert r.geodist("g", "Palermo", "Catania", unit="km") == 166.2742
    assert r.geohash("g", "Palermo", "Catania") == ["sqc8b49rny0", "sqdtr74hyu0"]
    positions = r.geopos("g", "Palermo", "Rome")
    assert abs(positions[0][1] - 38.115556) < 1e-5 and positions[1] is None
    found = r.geosearch("g", longitude=15, latitude=37, radius=200, unit="km", sort="ASC",
                        withdist=True, withcoord=True)
    assert [(row[0], row[1]) for row in found] == [("Catania", 56.4413), ("Palermo", 190.4424)]
    assert r.geosearch("g", member="Palermo", width=10, height=10, unit="km") == ["Palermo"]
    assert r.georadius("g", 15, 37, 100, unit="km") == ["Catania"]
    assert sorted(r.georadiusbymember("g", "Palermo", 200, unit="km")) == ["Catania", "Palermo"]
    assert r.geosearchstore("near", "g", longitude=15, latitude=37, radius=100, unit="km",
                            storedist=True) == 1
    assert abs(r.zscore("near", "Catania") - 56.4413) < 0.0001
    assert r.zrem("g", "Catania") == 1 and r.type("g") == "zset"


def bits_are_set_counted_and_combined():
    r = fresh()
    assert r.setbit("b", 7, 1) == 0 and r.getbit("b", 7) == 1 and r.getbit("b", 10_000) == 0
    r.set("x", b"\xff\x0f")
    assert r.bitcount("x") == 12 and r.bitcount("x", 1, 1) == 4 and r.bitpos("x", 0) == 8
    assert r.bitop("AND", "and", "x", "b") == 2 and r.bitcount("and") == 1
    assert r.bitop("NOT", "not", "x") == 2
    assert client(decode_responses=False).get("not") == b"\0\xf0"
    field = r.bitfield("f")
    assert field.set("u8", 0, 200).incrby("u8", 0, 100).get("u4", "#1").execute() == [0, 44, 12]
    field = r.bitfield("f", default_overflow="SAT")
    field.incrby("i5", 100, 100).incrby("u2", 200, 9, overflow="FAIL")
    assert field.execute() == [15, None]
    raises(redis.ResponseError, "bit offset", r.setbit, "b", 2 ** 32, 1)


def hyperloglogs_estimate():
    r = fresh()
    assert r.pfadd("a", *range(1000)) == 1 and r.pfadd("a", 1) == 0
    assert r.pfadd("b", *range(500, 1500)) == 1
    assert 950 < r.pfcount("a") < 1050 and 1400 < r.pfcount("a", "b") < 1600
    assert r.pfmerge("c", "a", "b") is True and r.pfcount("c") == r.pfcount("a", "b")
    raw = client(decode_responses=False)
    raw.set("moved", raw.get("c"))
    assert r.pfcount("moved") == r.pfcount("c")
    r.set("s", "not a sketch")
    raises(redis.ResponseError, "WRONGTYPE", r.pfcount, "s")


def sort_orders_follows_patterns_and_stores():
    r = fresh()
    r.rpush("ids", 3, 1, 2)
    r.mset({"w1": 30, "w2": 10, "w3": 20})
    for i, name in ((1, "one"), (2, "two"), (3, "three")):
        r.hset("item:%d" % i, "name", name)
    assert r.sort("ids") == ["1", "2", "3"] and r.sort("ids", desc=True, start=0, num=1) == ["3"]
    assert r.sort("ids", by="w*", get=["#", "item:*->name"], groups=True) == [
        ("2", "two"), ("3", "three"), ("1", "one")]
    assert r.sort("ids", by="nosort", get="item:*->name") == ["three", "one", "two"]
    assert r.sort("ids", store="sorted") == 3 and r.lrange("sorted", 0, -1) == ["1", "2", "3"]
    r.sadd("words", "pear", "apple", "fig")
    assert r.sort("words", alpha=True) == ["apple", "fig", "pear"]
    assert r.sort_ro("words", alpha=True, desc=True) == ["pear", "fig", "apple"]
    raises(redis.ResponseError, "can't be converted into double", r.sort, "words")


def scans_of_every_kind_find_all():
    r = fresh()
    names = ["n:%d" % i for i in range(2000)]
    r.sadd("set", *names)
    r.sadd("ints", *range(400))
    r.zadd("zset", {name: i for i, name in enumerate(names)})
    r.hset("hash", mapping={name: i for i, name in enumerate(names)})
    r.rpush("list", *names)
    r.set("string", "v")
    assert set(r.sscan_iter("set", count=33)) == set(names)
    assert set(r.sscan_iter("ints")) == {str(i) for i in range(400)}
    assert set(r.sscan_iter("set", match="n:19?9")) == {"n:19%d9" % i for i in range(10)}
    assert dict(r.zscan_iter("zset")) == {name: float(i) for i, name in enumerate(names)}
    assert dict(r.hscan_iter("hash", count=500)) == {name: str(i) for i, name in enumerate(names)}
    for kind, keys in (("string", ["string"]), ("list", ["list"]), ("hash", ["hash"]),
                       ("zset", ["zset"]), ("set", ["ints", "set"])):
        assert sorted(r.scan_iter(_type=kind)) == keys, kind
    for name in names[:1000]:  # elements that stay are found, whatever leaves meanwhile
        r.srem("set", name)
    seen = set()
    for i, name in enumerate(r.sscan_iter("set", count=10)):
        seen.add(name)
        r.srem("set", names[1000 + i % 500])
    assert set(names[1500:]) <= seen


def blocking_pops_wait_and_time_out():
    r = fresh()
    began = time.monotonic()
    assert r.blpop("none", timeout=0.1) is None and time.monotonic() - began >= 0.09
    assert r.bzpopmin("none", timeout=0.05) is None
    assert client().execute_command("BLMPOP", 0.05, 1, "none", "LEFT") is None
    r.rpush("l", "ready")
    assert r.brpop(["none", "l"], timeout=5) == ("l", "ready")
    waiting = Background(client().blpop, ["a", "b"], timeout=0)
    blocked(r)
    r.rpush("b", "x")
    assert waiting.result() == ("b", "x")
    waiting = Background(client().bzpopmax, "z", timeout=0)
    blocked(r)
    r.zadd("z", {"m": 1.5, "n": 2.5})
    assert waiting.result() == ("z", "n", 2.5)
    waiting = Background(client().blmove, "from", "to", 0, "LEFT", "RIGHT")
    chained = Background(client().brpop, "to", timeout=0)
    blocked(r, 2)
    r.lpush("from", "through")
    assert waiting.result() == "through" and chained.result() == ("to", "through")
    assert r.exists("from", "to") == 0
    waiting = Background(client().brpoplpush, "p", "q", timeout=0)
    blocked(r)
    r.rpush("tmp", "renamed")
    r.rename("tmp", "p")
    assert waiting.result() == "renamed" and r.lrange("q", 0, -1) == ["renamed"]


def waiting_clients_are_served_in_order():
    r = fresh()
    waiting = []
    for i in range(20):
        waiting.append(Background(client().blpop, "queue", timeout=0))
        blocked(r, i + 1)
    with r.pipeline() as p:
        for i in range(20):
            p.rpush("queue", i)
        p.execute()
    assert [w.result() for w in waiting] == [("queue", str(i)) for i in range(20)]
    assert r.exists("queue") == 0


def a_queue_between_threads_loses_nothing():
    r = fresh()
    jobs = ["job:%d" % i for i in range(2000)]

    def work():
        mine, done = client(), []
        while True:
            job = mine.blpop("jobs", timeout=0)[1]
            if job == "end":
                return done
            done.append(job)
    workers = [Background(work) for _ in range(8)]
    with r.pipeline(transaction=False) as p:
        for job in jobs:
            p.rpush("jobs", job)
        p.execute()
    r.rpush("jobs", *["end"] * 8)
    assert sorted(sum((w.result() for w in workers), [])) == sorted(jobs)


def a_waiting_client_is_unblocked():
    r = fresh()
    mine = client(single_connection_client=True)
    number = mine.client_id()
    waiting = Background(mine.blpop, "none", timeout=0)
    blocked(r)
    assert r.client_unblock(number) == 1 and waiting.result() is None
    waiting = Background(mine.blpop, "none", timeout=0)
    blocked(r)
    assert r.client_unblock(number, error=True) == 1
    raises(redis.ResponseError, "UNBLOCKED", waiting.result)


def messages_reach_listening_threads():
    r = fresh()
    seen = []
    pubsub = client().pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(**{"news": lambda m: seen.append((m["channel"], m["data"]))})
    pubsub.psubscribe(**{"log.*": lambda m: seen.append((m["pattern"], m["channel"], m["data"]))})
    thread = pubsub.run_in_thread(sleep_time=0.01)
    try:
        until(lambda: r.pubsub_numpat() == 1, 10, "the subscriptions stand")
        assert r.pubsub_channels() == ["news"] and r.pubsub_numsub("news", "x") == [
            ("news", 1), ("x", 0)]
        assert r.publish("news", "hello") == 1 and r.publish("log.error", "oops") == 1
        assert r.publish("elsewhere", "x") == 0
        with r.pipeline() as p:
            p.publish("news", "one").publish("news", "two").execute()
        until(lambda: len(seen) == 4, 10, "all messages")
    finally:
        thread.stop()
        thread.join(10)
    assert seen == [("news", "hello"), ("log.*", "log.error", "oops"), ("news", "one"),
                    ("news", "two")]
    pubsub.close()


def a_subscriber_reconnects_pings_and_leaves():
    r = fresh()
    pubsub = client().pubsub()
    pubsub.subscribe("a", "b")
    assert [pubsub.get_message(timeout=10)["data"] for _ in range(2)] == [1, 2]
    pubsub.ping("are you there")
    assert pubsub.get_message(timeout=10)["data"] == "are you there"
    assert r.client_kill_filter(_type="pubsub") == 1
    until(lambda: _message_after_kill(r, pubsub), 10, "subscribed again")
    pubsub.unsubscribe()
    until(lambda: r.pubsub_channels() == [], 10, "nobody listens")
    pubsub.close()


def _message_after_kill(r, pubsub):
    r.publish("a", "again")
    try:
        message = pubsub.get_message(timeout=0.1)
    except redis.ConnectionError:  # the client tells it once, then connects and subscribes again
        return False
    return message and message["type"] == "message"


def keyspace_events_name_what_happened():
    r = fresh()
    r.config_set("notify-keyspace-events", "KEA")
    pubsub = client().pubsub(ignore_subscribe_messages=True)
    pubsub.psubscribe("__keyevent@0__:*")
    until(lambda: r.pubsub_numpat() == 1, 10, "the subscription stands")
    r.rpush("l", 1)
    r.lpop("l")
    r.sadd("s", 1)
    r.zadd("z", {"m": 1})
    r.zincrby("z", 1, "m")
    r.pfadd("p", 1)
    r.setbit("b", 1, 1)
    r.geoadd("g", (1, 1, "m"))
    r.set("k", "v", px=10)
    events = []

    def collect():
        message = pubsub.get_message(timeout=0.05)
        if message:
            events.append((message["channel"].split(":")[1], message["data"]))
        return ("expired", "k") in events
    until(collect, 20, "k expires")
    assert events[:12] == [("rpush", "l"), ("lpop", "l"), ("del", "l"), ("sadd", "s"),
                           ("zadd", "z"), ("zincr", "z"), ("pfadd", "p"), ("setbit", "b"),
                           ("zadd", "g"), ("set", "k"), ("expire", "k"), ("expired", "k")], events
    r.config_set("notify-keyspace-events", "")
    pubsub.close()


def a_pause_holds_writers():
    r = fresh()
    r.execute_command("CLIENT", "PAUSE", 100_000, "WRITE")
    waiting = Background(client().set, "k", "v")
    blocked(r)
    assert r.get("k") is None
    r.client_unpause()
    assert waiting.result() is True and r.get("k") == "v"
    r.client_pause(50)
    began = time.monotonic()
    assert r.get("k") == "v" and time.monotonic() - began > 0.03


def monitor_shows_commands():
    r = fresh()
    with client().monitor() as m:
        r.rpush("l", "two words", "\u2603")
        r.execute_command("GETRANGE", "k", 0, 5)
        seen = [m.next_command() for _ in range(2)]
    assert seen[0]["command"].startswith("RPUSH l two words"), seen
    assert seen[1]["command"] == "GETRANGE k 0 5" and seen[1]["db"] == 0
    assert seen[1]["client_address"] == "127.0.0.1", seen


def wrong_types_are_refused_alike():
    r = fresh()
    r.set("s", "v")
    r.rpush("l", "v")
    for function, args in ((r.lpush, ("s", 1)), (r.sadd, ("s", 1)), (r.zadd, ("s", {"m": 1})),
                           (r.get, ("l",)), (r.incr, ("l",)), (r.sinter, ("s", "l")),
                           (r.zscore, ("l", "m")), (r.setbit, ("l", 1, 1)), (r.hget, ("l", "f"))):
        raises(redis.ResponseError, "WRONGTYPE", function, *args)
    assert r.get("s") == "v" and r.lrange("l", 0, -1) == ["v"]


def a_pipeline_of_every_type_is_one_transaction():
    r = fresh()
    with r.pipeline() as p:
        p.rpush("l", 1, 2).sadd("s", 1).zadd("z", {"m": 1}).hset("h", "f", "v").pfadd("p", "x")
        p.setbit("b", 3, 1).lrange("l", 0, -1).smembers("s").zrange("z", 0, -1, withscores=True)
        p.blpop("l", timeout=0).blpop("none", timeout=0)  # nothing waits inside a transaction
        assert p.execute() == [2, 1, 1, 1, 1, 0, ["1", "2"], {"1"}, [("m", 1.0)], ("l", "1"), None]


if __name__ == "__main__":
    with SERVER:
        SERVER.start()
        run_checks([lists_are_pushed_popped_and_cut, lists_hold_many_and_large_elements,
                    sets_are_combined, sorted_sets_are_ranked, places_are_found,
                    bits_are_set_counted_and_combined, hyperloglogs_estimate,
                    sort_orders_follows_patterns_and_stores, scans_of_every_kind_find_all,
                    blocking_pops_wait_and_time_out, waiting_clients_are_served_in_order,
                    a_queue_between_threads_loses_nothing, a_waiting_client_is_unblocked,
                    messages_reach_listening_threads, a_subscriber_reconnects_pings_and_leaves,
                    keyspace_events_name_what_happened, a_pause_holds_writers,
                    monitor_shows_commands, wrong_types_are_refused_alike,
                    a_pipeline_of_every_type_is_one_transaction])
