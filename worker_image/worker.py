"""One worker process: takes jobs from one queue and has its work-horses run them.

An RQ worker: it registers, beats, obeys RQ's commands and is listed by RQ's tools. What differs is the
run of a job, since RQ's would import whatever name stands in Redis, may lose a job between two
commands, and notices a lost worker after minutes:

- each step of a job is one script (``coatcheck/lua``), checked against a lease that this process renews;
- the task runs in a work-horse that has imported the tasks and has no connection to Redis;
- a job that a stopping worker can't finish goes back to the head of its queue.

This module is what RQ's loop calls; ``runs.py`` is what happens between two of its calls.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
import time
from types import FrameType
from typing import Any

from redis import Redis, RedisError
from redis.exceptions import OutOfMemoryError
from rq import Queue, Worker
from rq.command import parse_payload
from rq.defaults import RQ_KEY_PREFIX
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from coatcheck.connection import as_text, connect
from coatcheck.errors import CatalogError, SettingsError
from coatcheck.job import utcnow
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings, load
from worker_image.delivery import Delivery
from worker_image.horse_process import HorseProcess
from worker_image.horses import HorseDiedError, Horses
from worker_image.lifeline import EX_CONFIG, follow_parent
from worker_image.logs import configure
from worker_image.orders import Orders
from worker_image.patience import Patience
from worker_image.runs import Runs
from worker_image.telemetry import Telemetry

DEQUEUE_SECONDS = 1
"""How long one blocking take waits, and so how soon an idle worker stops."""
BEAT_SECONDS = 5.0
"""How often a worker shows that it lives."""
SOCKET_SECONDS = 15
"""Time-out of the connection for blocking takes; at least what RQ asks for with this time to live."""

log = logging.getLogger("coatcheck.worker")


class CoatcheckWorker(Worker):
    """A worker of one queue.

    Takes the queue's name, the settings, a connection for blocking takes, and the file descriptor on
    which it tells its pool when it begins and ends a job (-1: none).
    """

    def __init__(self, queue: str, settings: Settings, connection: Redis, pool: int = -1) -> None:
        self._settings = settings
        self._keys = Keys(settings.prefix)
        self._beaten = 0.0
        self._catalog_version = ""
        super().__init__(
            [Queue(queue, connection=connection, serializer=JSONSerializer)],
            name=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}",
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=20,
            prepare_for_work=False,  # it would ask Redis, which may be away
        )
        self.hostname, self.pid = socket.gethostname(), os.getpid()
        # Short time-outs here: the connection for blocking takes waits too long for a heartbeat.
        self._short = connect(settings)
        self._scripts = Scripts(self._short, settings.prefix)
        self._telemetry = Telemetry(settings, self.name, pool)
        self._patience = Patience(settings.worker_lease, self._telemetry)
        self._orders = Orders()
        self._horses = Horses(settings, self._horse_is_ready)
        self._delivery = Delivery(settings, self._short, self.name, self._horses.watch, self._horses.forget)
        self._orders.wake = self._horses.wake
        self._runs = Runs(
            settings,
            self.name,
            queue,
            self._delivery,
            self._horses,
            self._telemetry,
            self._orders,
            self._beat_in_time,
        )

    # What RQ's loop calls

    def serialize(self) -> dict[str, Any]:
        """RQ's own fields of a worker, and the version of the catalogue that it runs."""
        fields: dict[str, Any] = super().serialize()
        return fields | {"catalog": self._catalog_version}

    def bootstrap(self, *_log_formats: Any) -> None:
        """Sign on; wait for a Redis that is away."""
        self.birth_date = utcnow()
        while not self._orders.stop:
            try:
                self.ip_address = str(self.connection.client_info()["addr"])
                self._beat()
                self.subscribe()  # type: ignore[no-untyped-call]
                return
            except RedisError as error:
                self._away(error)

    def run_maintenance_tasks(self) -> None:
        """Nothing: the pool's janitor does it, by lease. RQ's would run callbacks named in Redis."""

    def start_horse(self) -> None:
        """Start the work-horse if there is none, and wait for it. Raises CatalogError, HorseDiedError."""
        self._horses.ready()

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Any, Queue] | None:
        """The next job's id and its queue; waits for one, through failures of Redis too.

        ``timeout`` None: returns None when the queue is empty (RQ's burst mode).
        """
        try:
            self.start_horse()
        except (CatalogError, HorseDiedError) as error:
            log.error("the tasks can't be loaded any more:\n%s", error)
            return None
        queue = self.queues[0]
        source, target = self._keys.queue(queue.name), self._keys.intermediate(queue.name)
        while not self._orders.stop:
            try:
                self._beat_in_time()
                taken = self._take(source, target, 0 if timeout is None else DEQUEUE_SECONDS)
                self._patience.worked()
            except RedisError as error:
                self._away(error)
                continue
            if taken is not None:
                return as_text(taken), queue
            if timeout is None:
                break
        return None

    def _away(self, error: RedisError) -> None:
        """Wait until Redis is worth a try, but no longer than until this worker must stop."""
        self._patience.failed(error)
        while not self._orders.stop and (left := self._patience.left()):
            time.sleep(min(0.1, left))

    def _take(self, source: str, target: str, seconds: int) -> Any:
        """The id of the next job, or None when none comes within that time."""
        try:
            if seconds:
                return self.connection.blmove(source, target, seconds, "LEFT", "RIGHT")
            return self.connection.lmove(source, target, "LEFT", "RIGHT")
        except OutOfMemoryError:
            taken = self._delivery.take(self.queues[0].name)
            if taken is None:
                time.sleep(seconds)
            return taken

    def check_for_suspension(self, burst: bool) -> None:
        """Wait while ``rq suspend`` is on. A Redis that is away is dealt with when a job is taken."""
        with contextlib.suppress(RedisError):
            super().check_for_suspension(burst)

    def execute_job(self, job: Any, queue: Queue) -> None:
        """Run the job of that id, and then, without a pause, those that wait behind it."""
        try:
            self._runs.serve(str(job))
        except RedisError as error:
            self._telemetry.redis_failed()
            # The job is on the list of taken ones or has a lease: the janitor deals with it.
            log.warning("job %s: could not be begun (%s)", job, type(error).__name__)

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """RQ's loop calls it after each job; the beats that count are in ``_beat``."""

    def handle_payload(self, message: Any) -> None:
        """A command of RQ, from the thread that listens to them: stop a job, kill the horse, shut down.

        It may come too late: then the horse runs another job already, which it must not hit.
        """
        payload = parse_payload(message)
        if payload["command"] in ("stop-job", "stop-execution"):
            self._orders.end(str(payload.get("job_id")), wanted=True)
        elif payload["command"] == "kill-horse":
            for job_id in self._runs.current():
                self._orders.end(job_id, wanted=False)
        else:
            super().handle_payload(message)  # type: ignore[no-untyped-call]

    # The handlers of signals only set what the loops look at. RQ's raise from wherever the process is
    # just then, which may be between taking a job and beginning it.

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """First SIGTERM or SIGINT: take nothing new; the running job has its time to finish."""
        signal.signal(signal.SIGINT, self.request_force_stop)
        signal.signal(signal.SIGTERM, self.request_force_stop)
        self._stop_requested = True
        self._orders.stop_within(self._settings.worker_stop_timeout)

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """Second signal: the running job goes back to its queue at once."""
        self._orders.stop_within(0)

    def teardown(self) -> None:
        """End the work-horses and sign off."""
        self._delivery.close()
        self._horses.close()
        self._short.close()
        self._telemetry.flush(now=True)
        with contextlib.suppress(RedisError):
            super().teardown()  # type: ignore[no-untyped-call]

    def _horse_is_ready(self, horse: HorseProcess) -> None:
        self._catalog_version = horse.version
        self._telemetry.horse_started(horse.tasks)

    def _beat_in_time(self) -> None:
        if time.monotonic() - self._beaten >= BEAT_SECONDS:
            self._beat()

    def _beat(self) -> None:
        """Show that this worker lives. Raises RedisError."""
        self.last_heartbeat = utcnow()
        state = WorkerStatus.BUSY if self._runs else WorkerStatus.IDLE
        keys = [self.key, self._keys.workers, self._keys.workers_of(self.queues[0].name)]
        fields = self.serialize() | {"state": state.value}
        values = [value for pair in fields.items() for value in pair]
        self._scripts.run("beat", keys, self.worker_ttl + 60, *values)
        self._beaten = time.monotonic()
        self._telemetry.flush()


def main() -> int:
    """Serve a queue until a signal. Returns the process' status.

    Its arguments: the queue's name, and the file descriptor of the pool's pipe.
    """
    try:
        settings = load()
    except SettingsError as error:
        configure("text")
        log.error("%s", error)
        return EX_CONFIG
    configure(settings.log_format)
    if settings.prefix != RQ_KEY_PREFIX:
        log.error("RQ_KEY_PREFIX=%r should be %r: the pool sets it", RQ_KEY_PREFIX, settings.prefix)
        return EX_CONFIG
    follow_parent()
    queue, pipe = sys.argv[1], int(sys.argv[2])
    os.set_inheritable(pipe, False)
    worker = CoatcheckWorker(queue, settings, connect(settings, socket_timeout=SOCKET_SECONDS), pipe)
    try:
        worker.start_horse()
    except (CatalogError, HorseDiedError) as error:
        log.error("the tasks can't be loaded:\n%s", error)
        return EX_CONFIG
    log.info("worker %s serves queue %s", worker.name, queue)
    try:
        worker.work(logging_level="WARNING")
    except RedisError as error:
        log.error("worker %s: Redis can't be used (%s)", worker.name, type(error).__name__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
