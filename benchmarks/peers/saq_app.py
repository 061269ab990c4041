"""SAQ on Redis, which keeps results by default. Also the peer for tasks that wait."""

import asyncio
import os
import sys

from saq import Queue

from benchmarks.peers import URL, tell

queue = Queue.from_url(URL)


async def noop(_context) -> int:  # type: ignore[no-untyped-def]
    return 1


async def asleep(_context, *, seconds: float) -> float:  # type: ignore[no-untyped-def]
    await asyncio.sleep(seconds)
    return seconds


settings = {
    "queue": queue,
    "functions": [noop, asleep],
    "concurrency": int(os.environ.get("BENCH_CONCURRENCY", "10")),
}


async def submit(count: int, task: str, **arguments: float) -> None:
    await queue.connect()
    for _ in range(count):
        await queue.enqueue(task, **arguments)
    await queue.disconnect()
    tell("ZCARD", "saq:default:incomplete", expected=0)


if __name__ == "__main__":
    if sys.argv[2:]:
        asyncio.run(submit(int(sys.argv[1]), "asleep", seconds=float(sys.argv[2])))
    else:
        asyncio.run(submit(int(sys.argv[1]), "noop"))
