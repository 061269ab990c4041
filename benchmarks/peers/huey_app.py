"""Huey on Redis, which keeps results by default."""

import sys

from huey import RedisHuey

from benchmarks.peers import URL, tell

huey = RedisHuey("bench", url=URL)


@huey.task()
def noop() -> int:
    return 1


if __name__ == "__main__":
    from benchmarks.peers import huey_app  # under its own name, which the consumer knows its task by

    before = huey.storage.result_store_size()
    for _ in range(int(sys.argv[1])):
        huey_app.noop()
    tell("HLEN", huey.storage.result_key, expected=before + int(sys.argv[1]))
