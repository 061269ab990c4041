"""What each setting of Redis loses: accepted jobs that are gone after a fault.

``python -m benchmarks.durability`` submits jobs, breaks Redis in the middle, brings it back or promotes its
replica, and counts the jobs that were accepted and are not there any more. Each line is the worst of several
rounds. Two faults are not among them, nothing here can make them: a machine that loses power, and a slow
disk. With ``appendfsync everysec`` either may cost what was accepted in the last two seconds (Redis
documentation, "Persistence"; src/aof.c, flushAppendOnlyFile), with ``always`` nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from coatcheck.adapter import QueueAdapter
from coatcheck.connection import connect
from coatcheck.errors import UnavailableError
from coatcheck.job import Submission
from coatcheck.keys import Keys
from coatcheck.settings import load
from tests.support.proxy import Proxy
from tests.support.servers import Clock, RedisServer

SECONDS = 1.0
"""How long jobs are submitted before the fault."""
LINK_DELAY = 0.05
"""Seconds that the way to the replica takes, so that the last moment is one that can be measured."""
FAILOVER_PAUSE = 0.02
"""Seconds between two submissions before a failover, so that the way to the replica keeps up with them."""
BATCH = 10
"""Jobs in one submission."""
MEMORY = "6mb"
"""Size of the Redis that gets full."""


@dataclass
class Load:
    """Submits jobs one after another until Redis takes no more; knows those that were accepted."""

    adapter: QueueAdapter
    pause: float = 0.0
    accepted: list[str] = field(default_factory=list)
    refused: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        arguments = {"text": "x" * 200}
        while not self.refused.is_set():
            try:
                jobs = self.adapter.submit(
                    [Submission("tasks.some", arguments, "default", 60, 600) for _ in range(BATCH)]
                )
            except UnavailableError:
                self.refused.set()
            else:
                self.accepted += [job.id for job in jobs]
                time.sleep(self.pause)


@contextmanager
def servers(proxied: bool, **options: str) -> Iterator[tuple[RedisServer, RedisServer | None, Proxy, Proxy]]:
    """A primary, its replica behind a slow link if there shall be one, and the way to whichever serves."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(Path(folder, "clock"))
        primary = RedisServer(Path(folder, "primary"), clock, **options)
        replica = RedisServer(Path(folder, "replica"), clock) if proxied else None
        primary.start()
        try:
            with Proxy(primary.port) as way, Proxy(primary.port) as link:
                if replica is not None:
                    replica.follow(primary, link.port)
                    link.delay(LINK_DELAY)
                yield primary, replica, way, link
        finally:
            for server in (primary, replica):
                if server is not None:
                    server.kill()


def lost_by_a_kill(**options: str) -> tuple[int, int]:
    """Jobs accepted, and of them lost, when Redis is killed and started again."""
    with servers(False, **options) as (primary, _, way, _link):

        def fault() -> None:
            time.sleep(SECONDS)
            primary.kill()

        accepted = submitted_until(way, fault)
        primary.start()
        return len(accepted), missing(primary, accepted)


def lost_by_a_failover(replicas: int) -> tuple[int, int]:
    """The same when the primary is killed and its replica takes over."""
    with servers(True) as (primary, replica, way, link):
        assert replica is not None

        def fault() -> None:
            time.sleep(SECONDS)
            link.cut()
            primary.kill()

        accepted = submitted_until(way, fault, replicas, FAILOVER_PAUSE)
        replica.promote()
        return len(accepted), missing(replica, accepted)


def lost_by_a_full_memory(policy: str) -> tuple[int, int]:
    """The same when more is submitted than there is memory for."""
    with servers(False, maxmemory=MEMORY, maxmemory_policy=policy) as (primary, _, way, _link):
        accepted = submitted_until(way, lambda: time.sleep(5 * SECONDS))
        return len(accepted), missing(primary, accepted)


def submitted_until(
    way: Proxy, fault: Callable[[], object], replicas: int = 0, pause: float = 0.0
) -> list[str]:
    """The ids of the jobs that were accepted until the fault, or until Redis took no more."""
    settings = load({"REDIS_URL": f"redis://127.0.0.1:{way.port}", "REDIS_WAIT_REPLICAS": str(replicas)})
    with connect(settings) as client:
        submitting = Load(QueueAdapter(client, settings), pause)
        thread = threading.Thread(target=submitting.run)
        thread.start()
        fault()
        submitting.refused.set()
        thread.join()
    return submitting.accepted


def missing(server: RedisServer, accepted: list[str]) -> int:
    """How many of the jobs the server does not have, or has on no list."""
    keys = Keys("{coatcheck}")
    with server.client(30) as client:
        waiting = {as_id.decode() for as_id in client.lrange(keys.queue("default"), 0, -1)}
        pipeline = client.pipeline(transaction=False)
        for job_id in accepted:
            pipeline.exists(keys.job(job_id))
        return sum(
            1
            for job_id, there in zip(accepted, pipeline.execute(), strict=True)
            if not there or job_id not in waiting
        )


FAULTS: dict[str, Callable[[], tuple[int, int]]] = {
    "kill -9, no file (appendonly no, save '')": lambda: lost_by_a_kill(appendonly="no"),
    "kill -9, appendonly yes, appendfsync everysec": lambda: lost_by_a_kill(appendfsync="everysec"),
    "kill -9, appendonly yes, appendfsync always": lambda: lost_by_a_kill(appendfsync="always"),
    "failover, REDIS_WAIT_REPLICAS=0": lambda: lost_by_a_failover(0),
    "failover, REDIS_WAIT_REPLICAS=1": lambda: lost_by_a_failover(1),
    "full, maxmemory-policy allkeys-lru": lambda: lost_by_a_full_memory("allkeys-lru"),
    "full, maxmemory-policy noeviction": lambda: lost_by_a_full_memory("noeviction"),
}


def main() -> None:
    """Break, count, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each line (default: 5)")
    rounds = parser.parse_args().rounds
    print(f"{'fault and setting':<50}{'accepted':>10}{'lost':>8}")
    for name, fault in FAULTS.items():
        accepted, lost = max((fault() for _ in range(rounds)), key=lambda counts: counts[1])
        print(f"{name:<50}{accepted:>10}{lost:>8}", flush=True)


if __name__ == "__main__":
    main()
