#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Django's cache and sessions through django-redis, both as Debian ships them, unmodified.

Its locks and incr() are scripts; those are not asked for, but for incr() of a key that need not be
there. PEER=redis runs the suite
against redis-server, which shows that the suite asks for nothing else.
"""
import os
import sys
import threading
import time

import django
from django.conf import settings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))
from harness import Server, run_checks, until  # pylint: disable=wrong-import-position

SERVER = Server()


def backend(**options):
    return {"BACKEND": "django_redis.cache.RedisCache", "TIMEOUT": 300,
            "LOCATION": "redis://127.0.0.1:%d/1" % SERVER.port,
            "OPTIONS": {"CLIENT_CLASS": "django_redis.client.DefaultClient", **options}}


def configure():
    """Settings of an application: one cache as it is by default, others with the usual options."""
    packed = backend(COMPRESSOR="django_redis.compressors.zlib.ZlibCompressor",
                     SERIALIZER="django_redis.serializers.json.JSONSerializer")
    herd = backend(CLIENT_CLASS="django_redis.client.HerdClient")
    settings.configure(CACHES={"default": backend(),
                               "packed": {**packed, "KEY_PREFIX": "packed", "VERSION": 7},
                               "herd": {**herd, "KEY_PREFIX": "herd"}},
                       SESSION_ENGINE="django.contrib.sessions.backends.cache",
                       SESSION_CACHE_ALIAS="default", USE_TZ=True, SECRET_KEY="only a test",
                       ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, INSTALLED_APPS=[],
                       MIDDLEWARE=["django.middleware.cache.UpdateCacheMiddleware",
                                   "django.contrib.sessions.middleware.SessionMiddleware",
                                   "django.middleware.cache.FetchFromCacheMiddleware"])
    django.setup()


def fresh(name="default"):
    from django.core.cache import caches
    caches[name].clear()
    return caches[name]


def values_of_every_kind_are_kept():
    for name in ("default", "packed", "herd"):
        cache = fresh(name)
        for value in (1, -7, 1.5, "text \u2603", [1, "two", None], {"a": {"b": [True]}}, None):
            cache.set("k", value, 100)
            assert cache.get("k", "absent") == value, (name, value)
        cache.set("long", "x" * 200_000)
        assert cache.get("long") == "x" * 200_000 and cache.get("none", "default") == "default"
        assert cache.delete("k") and not cache.delete("k") and "k" not in cache and "long" in cache
    cache = fresh()
    cache.set("object", {b"bytes", (1, 2), frozenset({3})})
    assert cache.get("object") == {b"bytes", (1, 2), frozenset({3})}


def many_values_travel_together():
    cache = fresh()
    values = {"key:%d" % i: [i] for i in range(1000)}
    cache.set_many(values, timeout=100)
    assert cache.get_many([*values, "none"]) == values
    assert cache.delete_many(list(values)[:400]) == 400 and len(cache.keys("key:*")) == 600
    assert sorted(cache.iter_keys("key:99*")) == ["key:99%d" % i for i in range(10)]
    assert cache.delete_pattern("key:9*") == 100 and cache.delete_pattern("none*") == 0
    assert len(cache.keys("*")) == 500


def add_sets_only_what_is_absent():
    cache = fresh()
    assert cache.add("k", 1) is True and cache.add("k", 2) is False and cache.get("k") == 1
    assert cache.get_or_set("other", lambda: "made") == "made"
    assert cache.get_or_set("other", lambda: "again") == "made"
    assert cache.set("k", 3, nx=True) in (False, None) and cache.get("k") == 1
    winners = []
    threads = [threading.Thread(target=lambda: winners.append(cache.add("race", 1)))
               for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(winners) == [False] * 9 + [True]


def timeouts_are_set_read_and_removed():
    cache = fresh()
    cache.set("k", "v", timeout=100)
    assert 98 <= cache.ttl("k") <= 100 and 98_000 < cache.pttl("k") <= 100_000
    assert cache.touch("k", 50) and cache.ttl("k") <= 50 and not cache.touch("none", 50)
    assert cache.expire("k", 60) and cache.pexpire("k", 70_000) and 68 <= cache.ttl("k") <= 70
    assert cache.persist("k") and cache.ttl("k") is None and cache.ttl("none") == 0
    cache.set("forever", "v", timeout=None)
    assert cache.ttl("forever") is None
    cache.set("gone", "v", timeout=0)
    assert cache.get("gone") is None
    cache.set("default", "v")
    assert 295 < cache.ttl("default") <= 300
    cache.expire_at("k", int(time.time()) + 500)
    assert 498 <= cache.ttl("k") <= 500
    cache.pexpire("k", 20)
    until(lambda: cache.get("k") is None, 5, "the value expires")


def versions_and_prefixes_are_apart():
    from django.core.cache import caches
    cache = fresh()
    cache.set("n", 1)
    cache.set("v", "one", version=1)
    cache.set("v", "two", version=2)
    assert cache.get("v") == "one" and cache.get("v", version=2) == "two"
    assert cache.incr_version("n") == 2 and cache.get("n", version=2) == 1
    assert cache.decr_version("n", version=2) == 1 and cache.get("n") == 1
    packed = caches["packed"]
    packed.set("v", "elsewhere")
    assert cache.get("v") == "one"
    assert cache.keys("v*") == ["v"] and packed.keys("*") == ["v"]


def the_raw_client_shares_the_connection_pool():
    from django_redis import get_redis_connection
    cache = fresh()
    connection = get_redis_connection("default")
    connection.rpush("queue", "a", "b")
    connection.zadd("board", {"ann": 3, "bob": 5})
    connection.sadd("tags", "x")
    connection.hset("user", mapping={"name": "Ann"})
    assert connection.blpop("queue", timeout=5) == (b"queue", b"a")
    assert connection.zrevrange("board", 0, 0, withscores=True) == [(b"bob", 5.0)]
    cache.set("k", [1])
    assert connection.keys(":1:*") == [b":1:k"] and connection.dbsize() == 5
    cache.clear()
    assert connection.dbsize() == 0


def sessions_last_from_request_to_request():
    from importlib import import_module
    fresh()
    store = import_module(settings.SESSION_ENGINE).SessionStore
    session = store()
    session["cart"] = {"apples": 3, "pears": [1, 2]}
    session.set_expiry(1000)
    session.save()
    again = store(session_key=session.session_key)
    assert again["cart"] == {"apples": 3, "pears": [1, 2]} and again.exists(session.session_key)
    old = again.session_key
    again.cycle_key()
    assert again.session_key != old and not again.exists(old) and again["cart"]["apples"] == 3
    again.flush()
    assert store(session_key=again.session_key).get("cart") is None
    other = store(session_key="never-created-by-us-but-sent")
    other["x"] = 1
    other.save()
    assert other.session_key != "never-created-by-us-but-sent"


VIEWED = {"count": 0}


def page(request):
    from django.http import HttpResponse
    VIEWED["count"] += 1
    return HttpResponse("page number %d" % VIEWED["count"])


def visits(request):
    from django.http import HttpResponse
    request.session["visits"] = request.session.get("visits", 0) + 1
    response = HttpResponse(str(request.session["visits"]))
    response["Cache-Control"] = "private, max-age=0"
    return response


def urlpatterns_of_the_site():
    from django.urls import path
    return [path("page/", page), path("visits/", visits)]


def a_site_is_served_from_the_cache():
    from django.test import Client
    fresh()
    first = Client().get("/page/")
    assert first.status_code == 200
    assert Client().get("/page/").content == first.content  # everybody sees the cached page
    ann, bob = Client(), Client()
    assert [ann.get("/visits/").content for _ in range(3)] == [b"1", b"2", b"3"]
    assert bob.get("/visits/").content == b"1"
    fresh()
    assert Client().get("/page/").content != first.content


def threads_share_the_cache():
    cache = fresh()
    errors = []

    def work(n):
        try:
            for i in range(100):
                cache.set("t:%d" % n, {"i": i})
                assert cache.get("t:%d" % n) == {"i": i}
                cache.get_many(["t:%d" % k for k in range(8)])
        except Exception as e:  # pylint: disable=broad-except
            errors.append(e)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]
    assert cache.get_many(["t:%d" % n for n in range(8)]) == {"t:%d" % n: {"i": 99}
                                                             for n in range(8)}


if __name__ == "__main__":
    with SERVER:
        SERVER.start()
        configure()
        urlpatterns = urlpatterns_of_the_site()
        run_checks([values_of_every_kind_are_kept, many_values_travel_together,
                    add_sets_only_what_is_absent, timeouts_are_set_read_and_removed,
                    versions_and_prefixes_are_apart,
                    the_raw_client_shares_the_connection_pool,
                    sessions_last_from_request_to_request, a_site_is_served_from_the_cache,
                    threads_share_the_cache])
