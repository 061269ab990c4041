"""What many workers send to Redis, in the pace of real ones, from one process over one connection each."""

from __future__ import annotations

import heapq
import itertools
import random
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.connection import Connection

from benchmarks.recording import commands, record
from benchmarks.servers import Server, cpu_seconds
from benchmarks.systems import submissions
from coatcheck.adapter import QueueAdapter
from coatcheck.connection import connect
from coatcheck.job import format_time, utcnow
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts, source
from coatcheck.settings import Settings
from worker_image.janitor import TRIM_SECONDS, Janitor
from worker_image.pool import TICK
from worker_image.worker import BEAT_SECONDS, DEQUEUE_SECONDS

WORKERS_PER_POOL = 2
SETTLE_SECONDS = 2.0
"""Before it is measured, so that all have connected and begun."""

Due = tuple[bytes, float]
"""Commands that are sent together, packed, and how often, in seconds."""


@dataclass(frozen=True)
class Load:
    """What Redis got: commands sent a second, those that scripts ran included, and the share of a core."""

    sent: float
    commands: float
    cpu: float


class Sender:
    """One connection that sends its commands when they are due, and reads over the answers.

    Takes the address and what it sends: packed commands that go together, and the seconds until they are due
    again.
    """

    def __init__(self, address: tuple[str, int], due: Sequence[Due]) -> None:
        self.socket = socket.create_connection(address)
        self.commands = [(packed, commands(packed), every) for packed, every in due]

    def send(self, index: int) -> tuple[int, float]:
        """Send what is due. Returns how many commands that were, and the seconds until they are due again."""
        packed, count, every = self.commands[index]
        self.socket.sendall(packed)
        return count, every


def simulate(server: Server, settings: Settings, workers: int, seconds: float, *, busy: bool) -> Load:
    """Let workers with a job each, or with none, beat for a while."""
    with connect(settings, socket_timeout=30) as client:
        client.flushdb()
        shas = {name: client.script_load(source(name)) for name in ("beat", "renew")}
        leases = _begin_jobs(client, settings, workers) if busy else []
        address = ("127.0.0.1", server.port)
        senders = [
            Sender(address, _worker(settings, shas, number, leases[number] if busy else None))
            for number in range(workers)
        ]
        _run(senders, BEAT_SECONDS + 1)  # now all have registered, which janitors look at
        janitor = _janitor(client, settings)
        senders += [Sender(address, janitor) for _ in range(workers // WORKERS_PER_POOL)]
        _run(senders, SETTLE_SECONDS)
        before, cpu, begin = _commands(client), cpu_seconds(server.pid), time.perf_counter()
        sent = _run(senders, seconds)
        elapsed = time.perf_counter() - begin
        after, cpu = _commands(client), cpu_seconds(server.pid) - cpu
        for sender in senders:
            sender.socket.close()
        client.flushdb()
    return Load(sent / elapsed, (after - before) / elapsed, cpu / elapsed)


def _run(senders: list[Sender], seconds: float) -> int:
    """Send what is due for so long. Returns how many commands were sent."""
    selector = selectors.DefaultSelector()
    for sender in senders:
        selector.register(sender.socket, selectors.EVENT_READ)
    begin = time.monotonic()
    order = itertools.count()
    due = [
        (begin + random.random() * every, next(order), sender, index)
        for sender in senders
        for index, (_, _, every) in enumerate(sender.commands)
    ]
    heapq.heapify(due)
    sent = 0
    while (now := time.monotonic()) < begin + seconds:
        while due[0][0] <= now:
            moment, number, sender, index = heapq.heappop(due)
            count, every = sender.send(index)
            heapq.heappush(due, (moment + every, number, sender, index))
            sent += count
        for key, _ in selector.select(max(0.0, min(due[0][0], begin + seconds) - time.monotonic())):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.recv(1 << 20)
    selector.close()
    return sent


def _worker(
    settings: Settings, shas: dict[str, str], number: int, lease: tuple[str, str] | None
) -> list[Due]:
    keys, queue, prefix = Keys(settings.prefix), settings.queues[0], settings.prefix
    name = _name(number)
    now = format_time(utcnow())
    fields = {
        "birth": now,
        "last_heartbeat": now,
        "queues": queue,
        "pid": "7",
        "hostname": "worker-host",
        "ip_address": "10.0.0.1:40000",
        "version": "3.0.0",
        "python_version": "3.11.7 (main, Dec  4 2023, 18:10:11) [GCC 12.2.0]",
        "catalog": "0123456789ab",
        "state": "busy" if lease else "idle",
    }
    names = (keys.worker(name), keys.workers, keys.workers_of(queue))
    flat = [word for pair in fields.items() for word in pair]
    beat = _packed("EVALSHA", shas["beat"], 3, *names, prefix, 80, *flat)
    if lease is None:
        lists = (keys.queue(queue), keys.intermediate(queue))
        take = _packed("BLMOVE", *lists, "LEFT", "RIGHT", DEQUEUE_SECONDS)
        return [(beat, BEAT_SECONDS), (take, float(DEQUEUE_SECONDS))]
    job_id, execution = lease
    of_job = (keys.job(job_id), keys.leases, keys.log(job_id))
    arguments = (job_id, execution, settings.worker_lease, "", "", "", 0)
    renew = _packed("EVALSHA", shas["renew"], 3, *of_job, prefix, *arguments)
    return [(beat, BEAT_SECONDS), (renew, settings.worker_lease / 4)]


def _packed(*words: Any) -> bytes:
    packer: Any = Connection()  # type: ignore[no-untyped-call]
    return b"".join(packer.pack_command(*words))


def _name(number: int) -> str:
    return f"worker-host-{number // WORKERS_PER_POOL}-{number}-abcdef"


def _janitor(client: redis.Redis, settings: Settings) -> list[Due]:
    """What a real janitor sends: each second, and, with the trimming of registries, each TRIM_SECONDS."""
    janitor = Janitor(client, settings, settings.queues)
    janitor.tick()  # the server knows the scripts now
    _, often = record(client, janitor.tick)
    janitor = Janitor(client, settings, settings.queues)
    _, seldom = record(client, janitor.tick)
    return [(b"".join(often), TICK), (b"".join(seldom), TRIM_SECONDS)]


def _begin_jobs(client: Any, settings: Settings, count: int) -> list[tuple[str, str]]:
    """Begin as many jobs. Returns their ids and executions."""
    keys, queue, scripts = Keys(settings.prefix), settings.queues[0], Scripts(client, settings.prefix)
    QueueAdapter(client, settings).submit(submissions(settings, count))
    begun = []
    for number in range(count):
        job_id = client.lmove(keys.queue(queue), keys.intermediate(queue), "LEFT", "RIGHT").decode()
        names = [keys.job(job_id), keys.intermediate(queue), keys.leases]
        scripts.run(
            "begin", names, job_id, queue, f"worker-{number}", "0123456789abcdef", settings.worker_lease
        )
        begun.append((job_id, "0123456789abcdef"))
    return begun


def _commands(client: Any) -> int:
    return int(client.info("stats")["total_commands_processed"])
