"""What the workers of the suites do."""

import os

import celery
import redis

connection = redis.Redis.from_url(f"redis://127.0.0.1:{os.environ['CLIENTS_PORT']}/0")
url = f"redis://127.0.0.1:{os.environ['CLIENTS_PORT']}/1"
app = celery.Celery("work", broker=url, backend=url)
app.conf.update(
    broker_connection_retry_on_startup=True,
    result_extended=True,
    beat_schedule={"tick": {"task": "work.count", "schedule": 0.3, "args": ["ticks"]}},
)


def add(a, b):
    return a + b


def fail():
    raise ValueError("on purpose")


def succeed_at(key, attempt):
    """Fails until it has been tried so often."""
    tried = connection.incr(key)
    if tried < attempt:
        raise ValueError(f"attempt {tried}")
    return tried


def note(key, word):
    return connection.rpush(key, word)


@app.task
def multiply(a, b):
    return a * b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def refuse():
    raise ValueError("on purpose")


@app.task
def count(key):
    return connection.incr(key)


@app.task(bind=True, max_retries=5)
def insist(self, key, attempt):
    tried = connection.incr(key)
    if tried < attempt:
        raise self.retry(countdown=0.05)
    return tried
