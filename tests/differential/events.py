# SPDX-License-Identifier: BSD-3-Clause
"""Keyspace events: a listener on each server collects what a pipeline has caused, up to a message
that is published after it."""
from wire import Connection, Error, Push

ALL = b"EA"


class Listeners:
    """Lock step: collect() after each pipeline returns the events of both servers since the last
    one, as (database and event, key)."""

    def __init__(self, redis_path, weir_path):
        self.connections = [Connection(path) for path in (redis_path, weir_path)]
        self.publishers = [Connection(path) for path in (redis_path, weir_path)]
        self.number = 0
        for connection in self.connections:
            for args in ((b"HELLO", b"3"), (b"PSUBSCRIBE", b"__keyevent@*", b"mark")):
                if isinstance(connection.call(*args), Error):
                    raise RuntimeError("cannot listen to keyspace events")
            connection.read()  # the second confirmation

    def close(self):
        for connection in self.connections + self.publishers:
            connection.close()

    def collect(self):
        self.number += 1
        mark = b"%d" % self.number
        for publisher in self.publishers:
            publisher.call(b"PUBLISH", b"mark", mark)
        return [self.collect_one(connection, mark) for connection in self.connections]

    @staticmethod
    def collect_one(connection, mark):
        events = []
        while True:
            message = connection.read()
            if not isinstance(message, Push) or message[0] != b"pmessage":
                continue
            channel, payload = message[2], message[3]
            if channel == b"mark":
                if payload == mark:
                    return events
                continue
            events.append((channel[len(b"__keyevent@"):], payload))
