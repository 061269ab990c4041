"""Celery on Redis, with its results there."""

import sys

from celery import Celery

from benchmarks.peers import URL, tell

app = Celery("bench", broker=URL, backend=URL)
app.conf.broker_connection_retry_on_startup = True


@app.task(name="noop")
def noop() -> int:
    return 1


if __name__ == "__main__":
    keys = [app.backend.get_key_for_task(noop.delay().id).decode() for _ in range(int(sys.argv[1]))]
    tell("EXISTS", *keys, expected=len(keys))
