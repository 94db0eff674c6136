#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""redis-py as Debian ships it, unmodified: what an application in Python does all day.

PEER=redis runs the suite against redis-server, which shows that the suite asks for nothing else.
"""
import os
import sys
import threading
import time

import redis

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))
from harness import Server, run_checks, until  # pylint: disable=wrong-import-position

SERVER = Server()


def client(**options):
    r = redis.Redis(port=SERVER.port, decode_responses=True, socket_timeout=20, **options)
    return r


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


def strings_are_set_read_and_deleted():
    r = fresh()
    assert r.ping() is True
    assert r.set("name", "Weir") is True
    assert r.get("name") == "Weir" and r["name"] == "Weir"
    assert r.get("missing") is None
    assert r.set("name", "x", nx=True) is None and r.set("other", "x", xx=True) is None
    assert r.set("name", "new", get=True) == "Weir"
    assert r.append("name", "er") == 5 and r.strlen("name") == 5
    assert r.getrange("name", 1, 2) == "ew" and r.setrange("name", 3, "LY") == 5
    assert r.getset("name", "again") == "newLY" and r.getdel("name") == "again"
    assert r.mset({"a": 1, "b": 2, "c": 3}) is True
    assert r.mget(["a", "missing", "c"]) == ["1", None, "3"]
    assert r.msetnx({"c": 4, "d": 4}) is False and r.exists("d") == 0
    assert r.delete("a", "b", "nothing") == 2 and r.unlink("c") == 1
    assert r.exists("a", "b", "c") == 0 and r.dbsize() == 0


def numbers_count():
    r = fresh()
    assert r.incr("n") == 1 and r.incrby("n", 41) == 42 and r.decr("n", 2) == 40
    assert r.incrbyfloat("f", 1.5) == 1.5 and r.incrbyfloat("f", 0.1) == 1.6
    r.set("text", "abc")
    raises(redis.ResponseError, "not an integer or out of range", r.incr, "text")
    r.set("n", 2 ** 63 - 1)
    raises(redis.ResponseError, "overflow", r.incr, "n")


def bytes_come_back_as_they_went():
    r = redis.Redis(port=SERVER.port, socket_timeout=20)
    value = bytes(range(256)) * 1000
    key = b"bin\x00\r\n\xff"
    r.set(key, value)
    assert r.get(key) == value and key in r.keys("bin*")
    r.set("big", b"x" * (8 << 20))
    assert r.get("big") == b"x" * (8 << 20)
    r.set("text", "h\u00e9 \u2603")
    assert client().get("text") == "h\u00e9 \u2603"


def keys_expire():
    r = fresh()
    r.set("k", "v", ex=100)
    assert 98 <= r.ttl("k") <= 100 and 98_000 < r.pttl("k") <= 100_000
    assert r.persist("k") is True and r.ttl("k") == -1 and r.ttl("none") == -2
    assert r.expire("k", 50, nx=True) == 1 and r.expire("k", 60, nx=True) == 0
    assert r.expire("k", 70, gt=True) == 1 and r.expire("k", 10, gt=True) == 0
    at = int(time.time()) + 500
    assert r.expireat("k", at) == 1 and 498 <= r.ttl("k") <= 500
    r.set("short", "v", px=30)
    until(lambda: r.get("short") is None, 5, "the key expires")
    assert r.exists("short") == 0
    r.setex("s", 100, "v")
    assert r.getex("s", persist=True) == "v" and r.ttl("s") == -1


def hashes_hold_fields():
    r = fresh()
    assert r.hset("h", mapping={"a": 1, "b": 2}) == 2 and r.hset("h", "a", 9) == 0
    assert r.hget("h", "a") == "9" and r.hget("h", "z") is None
    assert r.hgetall("h") == {"a": "9", "b": "2"} and r.hgetall("none") == {}
    assert r.hmget("h", "a", "z", "b") == ["9", None, "2"]
    assert sorted(r.hkeys("h")) == ["a", "b"] and sorted(r.hvals("h")) == ["2", "9"]
    assert r.hlen("h") == 2 and r.hexists("h", "b") and not r.hexists("h", "z")
    assert r.hincrby("h", "b", 5) == 7 and r.hincrbyfloat("h", "f", 0.5) == 0.5
    assert r.hsetnx("h", "a", 1) == 0 and r.hstrlen("h", "a") == 1
    assert r.hrandfield("h") in ("a", "b", "f")
    r.hset("big", mapping={"field:%d" % i: i for i in range(3000)})
    assert dict(r.hscan_iter("big")) == {"field:%d" % i: str(i) for i in range(3000)}
    assert dict(r.hscan_iter("big", match="field:299?")) == {"field:%d" % i: str(i)
                                                             for i in range(2990, 3000)}
    assert r.hdel("h", "a", "b", "f", "z") == 3 and r.exists("h") == 0
    r.set("s", "v")
    raises(redis.ResponseError, "WRONGTYPE", r.hget, "s", "f")


def pipelines_answer_in_order():
    r = fresh()
    with r.pipeline(transaction=False) as p:
        for i in range(5000):
            p.set("k:%d" % i, i)
            p.get("k:%d" % (i // 2))
        replies = p.execute()
    assert replies[0::2] == [True] * 5000
    assert replies[1::2] == [str(i // 2) for i in range(5000)]
    with r.pipeline(transaction=False) as p:
        replies = p.set("x", "y").incr("x").get("x").execute(raise_on_error=False)
    assert replies[0] is True and replies[2] == "y"
    assert isinstance(replies[1], redis.ResponseError)


def transactions_are_atomic():
    r = fresh()
    with r.pipeline() as p:
        p.incr("n").incrby("n", 10).hset("h", "f", "v").get("n")
        assert p.execute() == [1, 11, 1, "11"]
    with r.pipeline() as p:  # an error when it runs takes nothing back
        replies = p.set("s", "v").hget("s", "f").set("t", "v").execute(raise_on_error=False)
    assert replies[0] is True and "WRONGTYPE" in str(replies[1]) and r.get("t") == "v"
    with r.pipeline() as p:  # an error when it is queued takes everything back
        p.set("u", "v")
        p.execute_command("NOSUCHCOMMAND")
        raises(redis.ResponseError, "unknown command", p.execute)
    assert r.get("u") is None


def watch_notices_other_writers():
    r = fresh()
    r.set("n", 1)
    with r.pipeline() as p:
        p.watch("n")
        r.incr("n")
        p.multi()
        p.set("n", 100)
        raises(redis.WatchError, "", p.execute)
    assert r.get("n") == "2"
    with r.pipeline() as p:
        p.watch("n", "absent")
        value = int(p.get("n"))
        p.multi()
        p.set("n", value + 1)
        assert p.execute() == [True]
    assert r.get("n") == "3"


def concurrent_optimistic_increments_lose_none():
    r = fresh()

    def add():
        mine = client()
        for _ in range(50):
            mine.transaction(lambda p: (value := int(p.get("n") or 0), p.multi(),
                                        p.set("n", value + 1)), "n")
    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert r.get("n") == "200"


def scan_finds_every_key():
    r = fresh()
    r.mset({"key:%d" % i: i for i in range(3000)})
    r.hset("hash:1", "f", "v")
    found = list(r.scan_iter(count=50))
    assert set(found) == {"key:%d" % i for i in range(3000)} | {"hash:1"}
    assert set(r.scan_iter(match="key:29?9")) == {"key:29%d9" % i for i in range(10)}
    assert list(r.scan_iter(_type="hash")) == ["hash:1"]
    assert r.keys("hash*") == ["hash:1"] and r.dbsize() == 3001
    assert r.randomkey() in set(found) and r.type("hash:1") == "hash"


def databases_are_apart():
    zero, one = fresh(), client(db=1)
    zero.set("k", "zero")
    one.set("k", "one")
    assert zero.get("k") == "zero" and one.get("k") == "one"
    assert zero.move("k", 1) is False and one.dbsize() == 1
    assert zero.swapdb(0, 1) and zero.get("k") == "one" and one.get("k") == "zero"
    one.flushdb()
    assert one.dbsize() == 0 and zero.get("k") == "one"
    assert zero.copy("k", "k2") and zero.rename("k2", "k3") and zero.get("k3") == "one"
    raises(redis.ResponseError, "no such key", zero.rename, "k2", "k4")


def the_server_tells_about_itself():
    r = fresh()
    info = r.info()
    assert info["redis_version"].startswith("7.2" if Server.is_weir else "7.")
    assert info["role"] == "master" and info["loading"] == 0
    assert r.config_get("port") == {"port": str(SERVER.port)}
    r.config_set("maxclients", 500)
    assert r.config_get("maxclients")["maxclients"] == "500"
    raises(redis.ResponseError, "", r.config_set, "nosuchdirective", 1)
    r.client_setname("suite")
    assert r.client_getname() == "suite" and r.client_id() > 0
    assert any(c["name"] == "suite" for c in r.client_list())
    assert abs(r.time()[0] - time.time()) < 5 and r.echo("x") == "x"
    assert r.command_count() > 60 and r.command()["get"]["arity"] == 2
    assert r.object("encoding", "none") is None
    r.set("i", 12)
    assert r.object("encoding", "i") == "int" and r.memory_usage("i") > 0


def a_killed_connection_is_replaced():
    r = fresh()
    r.set("k", "v")
    other = client()
    for _ in range(50):  # the end has to be there before the reply of whoever asked for it
        r.client_setname("victim")
        victim = [c for c in other.client_list() if c["name"] == "victim"][0]
        assert other.client_kill_filter(_id=victim["id"]) == 1
        assert r.get("k") == "v"


def many_clients_work_at_once():
    r = fresh()
    pool = redis.ConnectionPool(port=SERVER.port, socket_timeout=20)
    errors = []

    def work(n):
        try:
            mine = redis.Redis(connection_pool=pool)
            for i in range(200):
                mine.set("t:%d" % n, i)
                assert int(mine.get("t:%d" % n)) == i
                mine.incr("total")
        except Exception as e:  # pylint: disable=broad-except
            errors.append(e)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]
    assert r.get("total") == "4000"


if __name__ == "__main__":
    with SERVER:
        SERVER.start()
        run_checks([strings_are_set_read_and_deleted, numbers_count, bytes_come_back_as_they_went,
                    keys_expire, hashes_hold_fields, pipelines_answer_in_order,
                    transactions_are_atomic, watch_notices_other_writers,
                    concurrent_optimistic_increments_lose_none, scan_finds_every_key,
                    databases_are_apart, the_server_tells_about_itself,
                    a_killed_connection_is_replaced, many_clients_work_at_once])
