"""RQ, for its fork-per-job worker and its SimpleWorker alike."""

import sys

import redis
from rq import Queue

from benchmarks.peers import URL, tell

if __name__ == "__main__":
    client = redis.Redis.from_url(URL)
    queue = Queue(connection=client)
    before = client.zcard("rq:finished:default")
    jobs = [Queue.prepare_data("benchmarks.peers.noop.noop") for _ in range(int(sys.argv[1]))]
    queue.enqueue_many(jobs)
    tell("ZCARD", "rq:finished:default", expected=before + len(jobs))
