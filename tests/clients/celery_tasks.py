# SPDX-License-Identifier: BSD-3-Clause
"""The application of celery_worker.py: the worker imports it, the suite sends its tasks.

Broker and results are two databases of the server at WEIR_PORT, as small installations have it.
"""
import os

from celery import Celery

URL = "redis://127.0.0.1:%s/" % os.environ["WEIR_PORT"]
app = Celery("weir", broker=URL + "0", backend=URL + "1")
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=4, result_expires=600,
                task_track_started=True, broker_connection_retry_on_startup=True,
                worker_send_task_events=True, broker_pool_limit=5,
                task_routes={"celery_tasks.routed": {"queue": "other"}},
                broker_transport_options={"visibility_timeout": 3600})


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def echo(value):
    return value


@app.task
def fails(text):
    raise ValueError(text)


@app.task(bind=True, max_retries=5)
def succeeds_at_attempt(self, wanted):
    attempt = self.request.retries + 1
    if attempt < wanted:
        raise self.retry(countdown=0.05)
    return attempt


@app.task
def routed(value):
    return ["other queue", value]


@app.task
def counts(key):
    """Leaves a trace of each run in the result database."""
    return app.backend.client.incr(key)


@app.task(bind=True)
def waits_for(self, key):
    """Says that it runs, and ends when somebody pushes to the list."""
    app.backend.client.rpush(key + ":running", self.request.id)
    return app.backend.client.blpop([key], timeout=30)[1].decode()
