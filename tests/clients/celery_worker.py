#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Celery with a worker process: Weir is its broker and holds its results. As Debian ships them,
unmodified.

At its start, and then from time to time, the transport takes a lock to look for messages of workers
that died, and the release of that lock is a script. Where there are no scripts the suite holds the
lock, as another worker would; everything else is checked. PEER=redis runs the suite against
redis-server.
"""
import gc
import os
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fault"))
# pylint: disable-next=wrong-import-position
from harness import PATIENCE, Server, die_with_parent, run_checks, until

HERE = os.path.dirname(os.path.abspath(__file__))
SERVER = Server()
WAIT = 30 * PATIENCE
tasks = None  # the application, imported once the server has a port


class Worker:
    """A worker with two child processes, ended by its process id."""

    def __init__(self, name, *options):
        self.name = name
        self.log = os.path.join(SERVER.dir, name + ".log")
        command = [sys.executable, "-B", "-m", "celery", "-A", "celery_tasks", "worker",
                   "--hostname", name + "@here", "--concurrency", "2", "--loglevel", "INFO",
                   "--queues", "celery,other", *options]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=SERVER.dir, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "PYTHONPATH": HERE, "C_FORCE_ROOT": "1"},
                preexec_fn=die_with_parent)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def started(self):
        until(lambda: " ready." in self.said() or self.process.poll() is not None, 30,
              "the worker is ready")
        assert self.process.poll() is None, self.said()
        return self

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(WAIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the worker does not end\n" + self.said()) from None


def hold_the_lock_unless_there_are_scripts():
    conn = SERVER.connect()
    if conn("COMMAND", "INFO", "evalsha") == [None]:
        conn("SET", "unacked_mutex", "held by the suite")


def tasks_run_and_results_come_back():
    assert tasks.add.delay(2, 3).get(timeout=WAIT) == 5
    value = {"text": "\u2603", "list": [1, None, True], "long": "x" * 300_000}
    result = tasks.echo.delay(value)
    assert result.get(timeout=WAIT) == value and result.state == "SUCCESS"
    results = [tasks.add.delay(i, i) for i in range(200)]
    assert [r.get(timeout=WAIT) for r in results] == [2 * i for i in range(200)]
    conn = SERVER.connect()
    conn("SELECT", 1)
    assert 500 < conn("TTL", "celery-task-meta-" + result.id) <= 600
    result.forget()
    assert conn("EXISTS", "celery-task-meta-" + result.id) == 0


def a_failure_is_a_result_too():
    result = tasks.fails.delay("on purpose")
    try:
        result.get(timeout=WAIT)
    except ValueError as e:
        assert str(e) == "on purpose"
    else:
        raise AssertionError("no error")
    assert result.state == "FAILURE" and "on purpose" in result.traceback


def groups_chains_and_chords_fit_together():
    from celery import chain, chord, group
    assert group(tasks.add.s(i, 1) for i in range(30))().get(timeout=WAIT) == list(range(1, 31))
    assert chain(tasks.add.s(1, 2), tasks.add.s(10), tasks.add.s(100))().get(timeout=WAIT) == 113
    assert chord((tasks.add.s(i, i) for i in range(40)), tasks.total.s())().get(
        timeout=WAIT) == 40 * 39
    assert (group(tasks.echo.s(i) for i in range(5)) | tasks.total.s() | tasks.add.s(1))().get(
        timeout=WAIT) == 11


def retries_wait_for_their_countdown():
    assert tasks.succeeds_at_attempt.delay(4).get(timeout=WAIT) == 4


def a_countdown_is_held_as_unacknowledged():
    conn = SERVER.connect()
    result = tasks.add.apply_async((1, 1), countdown=1)
    until(lambda: conn("ZCARD", "unacked_index") == conn("HLEN", "unacked") == 1, 10,
          "the worker holds the message")
    assert result.get(timeout=WAIT) == 2
    until(lambda: conn("EXISTS", "unacked", "unacked_index") == 0, 10, "it is acknowledged")


def queues_and_priorities_are_kept_apart():
    assert tasks.routed.delay(7).get(timeout=WAIT) == ["other queue", 7]
    assert tasks.add.apply_async((1, 2), priority=9).get(timeout=WAIT) == 3
    conn = SERVER.connect()
    assert {"_kombu.binding.celery", "_kombu.binding.other"} <= {
        key.decode() for key in conn("KEYS", "_kombu.binding.*")}
    assert conn("SCARD", "_kombu.binding.celery") == 1


def revoked_tasks_do_not_run():
    conn = SERVER.connect()
    conn("SELECT", 1)
    revoked = tasks.counts.apply_async(("revoked",), countdown=0.5)
    revoked.revoke()
    assert tasks.counts.apply_async(("kept",), countdown=0.6).get(timeout=WAIT) == 1
    until(lambda: revoked.state == "REVOKED", 10, "the task is revoked")
    assert conn("EXISTS", "revoked") == 0


def a_running_task_is_terminated():
    running = tasks.waits_for.delay("gate:1")
    conn = SERVER.connect()
    conn("SELECT", 1)
    assert conn("BLPOP", "gate:1:running", 20)[1].decode() == running.id
    assert running.state == "STARTED"
    running.revoke(terminate=True, signal="SIGKILL")
    until(lambda: running.state == "REVOKED", 20, "the task is terminated")
    other = tasks.waits_for.delay("gate:2")
    conn("BLPOP", "gate:2:running", 20)
    conn("RPUSH", "gate:2", "open")
    assert other.get(timeout=WAIT) == "open"


def the_worker_answers_to_control_messages():
    replies = tasks.app.control.ping(timeout=10 * PATIENCE, limit=1)
    assert replies == [{"first@here": {"ok": "pong"}}], replies
    inspect = tasks.app.control.inspect(timeout=10 * PATIENCE, limit=1)
    assert "celery_tasks.add" in inspect.registered()["first@here"]
    assert inspect.stats()["first@here"]["broker"]["transport"] == "redis"


def events_are_broadcast():
    seen = []
    with tasks.app.connection_for_read() as connection:
        receiver = tasks.app.events.Receiver(
            connection, handlers={"task-succeeded": lambda event: seen.append(event["result"])})
        conn = SERVER.connect()
        thread = threading.Thread(target=receiver.capture, daemon=True,
                                  kwargs={"limit": None, "timeout": WAIT, "wakeup": False})
        thread.start()
        until(lambda: any(b"celeryev" in name for name in conn("PUBSUB", "CHANNELS"))
              or conn("PUBSUB", "NUMPAT") > 0, 10, "somebody listens")
        until(lambda: tasks.add.delay(20, 22).get(timeout=WAIT) == 42 and "42" in seen, 20,
              "the event arrives")
        receiver.should_stop = True
        thread.join(WAIT)
        assert not thread.is_alive()


def a_second_worker_takes_over_from_one_that_ends():
    results = [tasks.add.delay(i, 1) for i in range(100)]
    second = Worker("second").started()
    try:
        assert WORKERS[0].end() == 0, WORKERS[0].said()
        results += [tasks.add.delay(i, 1) for i in range(100, 200)]
        assert [r.get(timeout=WAIT) for r in results] == list(range(1, 201))
        until(lambda: SERVER.connect()("LLEN", "celery") == 0, 10, "the queue is empty")
    finally:
        second.end()
    assert "Traceback" not in second.said(), second.said()


WORKERS = []

if __name__ == "__main__":
    with SERVER:
        SERVER.start()
        hold_the_lock_unless_there_are_scripts()
        os.environ["WEIR_PORT"] = str(SERVER.port)
        WORKERS.append(Worker("first"))
        import celery_tasks
        tasks = celery_tasks
        try:
            WORKERS[0].started()
            run_checks([tasks_run_and_results_come_back, a_failure_is_a_result_too,
                        groups_chains_and_chords_fit_together, retries_wait_for_their_countdown,
                        a_countdown_is_held_as_unacknowledged,
                        queues_and_priorities_are_kept_apart, revoked_tasks_do_not_run,
                        a_running_task_is_terminated, the_worker_answers_to_control_messages,
                        events_are_broadcast, a_second_worker_takes_over_from_one_that_ends])
        finally:
            for worker in WORKERS:
                worker.end(signal.SIGKILL)
            gc.collect()  # results say goodbye to the server, so they go before it does
