"""Dramatiq on Redis, with its results there."""

import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends.redis import RedisBackend

from benchmarks.peers import URL, tell

broker = RedisBroker(url=URL)
backend = RedisBackend(url=URL)
broker.add_middleware(Results(backend=backend))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def noop() -> int:
    return 1


if __name__ == "__main__":
    keys = [backend.build_message_key(noop.send()) for _ in range(int(sys.argv[1]))]
    tell("EXISTS", *keys, expected=len(keys))
