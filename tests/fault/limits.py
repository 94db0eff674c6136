#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Where something comes to its end, it is refused with a reason, and nothing dies of it."""
from harness import ReplyError, Server, run_checks, until


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


if __name__ == "__main__":
    run_checks([more_flushes_than_can_be_removed_are_refused])
