"""One worker process: takes jobs from one queue and has its work-horse run them.

An RQ worker: it registers, beats, obeys RQ's commands and is listed by RQ's tools. What differs is the
run of a job, since RQ's would import whatever name stands in Redis, may lose a job between two
commands, and notices a lost worker after minutes:

- each step of a job is one script (``coatcheck/lua``), checked against a lease that this process renews;
- the task runs in a work-horse that has imported the tasks and has no connection to Redis;
- a job that a stopping worker can't finish goes back to the head of its queue.
"""

from __future__ import annotations

import contextlib
import json
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
from rq.defaults import RQ_KEY_PREFIX
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from coatcheck.codec import MalformedJobError
from coatcheck.connection import as_text, connect
from coatcheck.errors import CatalogError, SettingsError
from coatcheck.job import JobError, utcnow
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings, load
from coatcheck.signing import Signatures
from worker_image.ending import Ending, renew
from worker_image.horse_process import HorseDiedError, HorseProcess
from worker_image.lifeline import EX_CONFIG, follow_parent
from worker_image.logs import configure
from worker_image.run import Outcome, Piece, Run
from worker_image.spool import Spool
from worker_image.telemetry import Telemetry

DEQUEUE_SECONDS = 1
"""How long one blocking take waits, and so how soon an idle worker stops."""
BEAT_SECONDS = 5.0
"""How often a worker shows that it lives."""
SOCKET_SECONDS = 15
"""Time-out of the connection for blocking takes; at least what RQ asks for with this time to live."""
POLL_SECONDS = 0.25
"""How often a running job's output and progress go to Redis."""
TIMEOUT_GRACE = 5.0
"""Seconds after a job's time-out in which the task may end by itself, before its process is killed."""
RECONNECT_SECONDS = 0.2
"""First pause between two tries to reach Redis; each further one is twice as long."""
LONGEST_PAUSE = 5.0
"""Longest pause, in seconds."""
DELIVERY_SECONDS = 600
"""How long a worker tries to record an end, before it leaves that to the pool and takes the next job."""

log = logging.getLogger("coatcheck.worker")


def new_execution() -> str:
    """Names one run of a job: whoever holds its lease under this name may write."""
    return secrets.token_hex(8)


class CoatcheckWorker(Worker):
    """A worker of one queue.

    Takes the queue's name, the settings, a connection for blocking takes, and the file descriptor on
    which it tells its pool when it begins and ends a job (-1: none).
    """

    def __init__(self, queue: str, settings: Settings, connection: Redis, pool: int = -1) -> None:
        self._settings = settings
        self._keys = Keys(settings.prefix)
        # Short time-outs here: the connection for blocking takes waits too long for a heartbeat.
        self._redis = connect(settings)
        self._scripts = Scripts(self._redis, settings.prefix, settings.redis_wait_replicas)
        self._spool = Spool(settings)
        self._signatures = Signatures.of(settings)
        self._horse: HorseProcess | None = None
        self._current: str | None = None
        self._stop_at: float | None = None
        self._kill_asked: tuple[str | None, bool] | None = None
        """For which job RQ's command came, and whether a client asked for it."""
        self._beaten = 0.0
        self.catalog_version = ""
        super().__init__(
            [Queue(queue, connection=connection, serializer=JSONSerializer)],
            name=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}",
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=20,
            prepare_for_work=False,  # it would ask Redis, which may be away
        )
        self.hostname, self.pid = socket.gethostname(), os.getpid()
        self._telemetry = Telemetry(settings, self.name, pool)

    # What RQ's loop calls

    def serialize(self) -> dict[str, Any]:
        """RQ's own fields of a worker, and the version of the catalogue that it runs."""
        fields: dict[str, Any] = super().serialize()
        return fields | {"catalog": self.catalog_version}

    def bootstrap(self, *_log_formats: Any) -> None:
        """Sign on; wait for a Redis that is away."""
        self.birth_date = utcnow()
        pause = RECONNECT_SECONDS
        while not self._stop_requested:
            try:
                self.ip_address = str(self.connection.client_info()["addr"])
                self._beat()
                self.subscribe()  # type: ignore[no-untyped-call]
                return
            except RedisError as error:
                self._away(error, pause)
                pause = self._longer(pause)

    def run_maintenance_tasks(self) -> None:
        """Nothing: the pool's janitor does it, by lease. RQ's would run callbacks named in Redis."""

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
        pause = RECONNECT_SECONDS
        while not self._stop_requested:
            try:
                if time.monotonic() - self._beaten >= BEAT_SECONDS:
                    self._beat()
                taken = self._take(source, target, 0 if timeout is None else DEQUEUE_SECONDS)
                pause = RECONNECT_SECONDS
            except RedisError as error:
                self._away(error, pause)
                pause = self._longer(pause)
                continue
            if taken is not None:
                return as_text(taken), queue
            if timeout is None:
                break
        return None

    def _away(self, error: RedisError, pause: float) -> None:
        self._telemetry.redis_failed()
        log.warning("Redis can't be used (%s); trying again in %.1f s", type(error).__name__, pause)
        self._sleep(pause)

    def _take(self, source: str, target: str, seconds: int) -> Any:
        """The id of the next job, or None when none comes within that time."""
        try:
            if seconds:
                return self.connection.blmove(source, target, seconds, "LEFT", "RIGHT")
            return self.connection.lmove(source, target, "LEFT", "RIGHT")
        except OutOfMemoryError:
            taken = self._scripts.run("take", [source, target])
            if taken is None:
                self._sleep(seconds)
            return taken

    def check_for_suspension(self, burst: bool) -> None:
        """Wait while ``rq suspend`` is on. A Redis that is away is dealt with when a job is taken."""
        with contextlib.suppress(RedisError):
            super().check_for_suspension(burst)

    def execute_job(self, job: Any, queue: Queue) -> None:
        """Run the job of that id, and then, without a pause, those that wait behind it."""
        try:
            run = self._begin(Run(str(job), new_execution(), queue.name))
            if run is not None:
                self._telemetry.busy()
            while run is not None:
                run = self._serve(run)
        except RedisError as error:
            self._telemetry.redis_failed()
            # The job is on the list of taken ones or has a lease: the janitor deals with it.
            log.warning("job %s: could not be begun (%s)", job, type(error).__name__)
        finally:
            self._current = None
            self._telemetry.idle()

    def _serve(self, run: Run) -> Run | None:
        """Run a job that has begun to its recorded end. Returns the next one, which has begun by then."""
        self._current = run.job_id
        started = time.monotonic()
        if started - self._beaten >= BEAT_SECONDS:
            with contextlib.suppress(RedisError):
                self._beat()
        outcome = self._run(run)
        self._current = None
        status, following = self._deliver(run, outcome)
        seconds = time.monotonic() - started
        log.info(
            "job %s %s: %s after %.2f s%s",
            run.job_id,
            run.task,
            status,
            seconds,
            outcome.note,
            extra=run.log_fields(outcome=status, duration=round(seconds, 3), worker=self.name),
        )
        self._telemetry.ended(run, outcome, status, seconds)
        return following

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """RQ's loop calls it after each job; the beats that count are in ``_beat``."""

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """A command of RQ (stop a job, kill the horse), from the thread that listens to them.

        It may come too late: then the horse runs another job already, which it must not hit.
        """
        stopped, self._stopped_job_id = self._stopped_job_id, None
        self._kill_asked = (stopped or self._current, stopped is not None)
        if self._horse is not None:
            self._horse.wake()

    @property
    def horse_pid(self) -> int:
        """The work-horse's process while it runs a job, else 0: RQ's commands ask for it."""
        return self._horse.pid if self._horse is not None and self._current is not None else 0

    def get_current_job_id(self) -> str | None:
        """The id of the running job, for RQ's commands; no look-up in Redis."""
        return self._current

    # The handlers of signals only set what the loops look at. RQ's raise from wherever the process is
    # just then, which may be between taking a job and beginning it.

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """First SIGTERM or SIGINT: take nothing new; the running job has its time to finish."""
        signal.signal(signal.SIGINT, self.request_force_stop)
        signal.signal(signal.SIGTERM, self.request_force_stop)
        self._stop_at = time.monotonic() + self._settings.worker_stop_timeout
        self._stop_requested = True

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """Second signal: the running job goes back to its queue at once."""
        self._stop_at = time.monotonic()
        if self._horse is not None:
            self._horse.wake()

    def teardown(self) -> None:
        """End the work-horse and sign off."""
        if self._horse is not None:
            self._horse.kill()
            self._horse = None
        self._telemetry.flush(now=True)
        with contextlib.suppress(RedisError):
            super().teardown()  # type: ignore[no-untyped-call]

    # A run

    def _begin(self, run: Run) -> Run | None:
        """Begin a job that was taken; None when it is no longer this worker's to run. Raises RedisError."""
        keys = [self._keys.job(run.job_id), self._keys.intermediate(run.queue), self._keys.leases]
        lease = self._settings.worker_lease
        args = (run.job_id, run.queue, self.name, run.execution, lease)
        pause, give_up = RECONNECT_SECONDS, time.monotonic() + lease
        while True:
            try:
                answer = self._scripts.run("begin", keys, *args)
            except RedisError as error:
                # It may have begun all the same: then nobody else runs it before the lease has ended.
                now = time.monotonic()
                if now >= give_up or (self._stop_at is not None and now >= self._stop_at):
                    raise
                self._away(error, pause)
                pause = self._longer(pause)
                continue
            run.fields = dict(zip(answer[::2], answer[1::2], strict=True))
            return run if answer else None

    def _run(self, run: Run) -> Outcome:
        """Have the work-horse run the task. Whatever goes wrong is an outcome too."""
        try:
            try:
                run.read(self._signatures)
            finally:
                self._telemetry.began(run)
            horse = self.start_horse()
            if run.task not in horse.tasks:
                return Outcome.unknown(run.task)
            log.info(
                "job %s %s: started, attempt %d",
                run.job_id,
                run.task,
                run.attempt,
                extra=run.log_fields(worker=self.name),
            )
            if run.at_most_once and (ended := self._confirmed(run)):
                return ended
            horse.start_job(run.task, run.arguments, run.timeout, self._telemetry.span)
            outcome = self._watch(run, horse)
        except MalformedJobError as error:
            return Outcome.refused(error)
        except HorseDiedError as error:
            self._drop_horse()
            return Outcome.failed("WorkerLost", f"{error} while it ran the task")
        except CatalogError as error:
            self._stop_requested = True
            return Outcome("interrupted", note=f": the tasks can't be loaded: {error}")
        if not outcome.by_task or self._worn(horse):
            self._drop_horse()
        return outcome

    def _confirmed(self, run: Run) -> Outcome | None:
        """Wait until replicas know that the job has begun: after a failover it must not begin again.

        Returns the end of a run that must not start any more.
        """
        pause = RECONNECT_SECONDS
        while True:
            try:
                answer = self._send(run, "", Piece(), durable=True)
            except RedisError as error:
                if self._stop_requested:
                    return Outcome("interrupted", note=": the worker stops")
                self._away(error, pause)
                pause = self._longer(pause)
                continue
            if answer == "ok":
                return None
            return Outcome.stopped() if answer == "stop" else Outcome.given_away()

    def _worn(self, horse: HorseProcess) -> bool:
        limit = self._settings.worker_memory_limit * 1024 * 1024
        return horse.jobs_run >= self._settings.worker_jobs_per_process or 0 < limit <= horse.memory

    def start_horse(self) -> HorseProcess:
        """The work-horse, started if there is none. Raises CatalogError, HorseDiedError."""
        if self._horse is None:
            self._horse = HorseProcess()
            self.catalog_version = self._horse.version
            self._telemetry.horse_started(self._horse.tasks)
        return self._horse

    def _drop_horse(self) -> None:
        horse, self._horse = self._horse, None
        if horse is not None:
            horse.kill()

    def _watch(self, run: Run, horse: HorseProcess) -> Outcome:
        """Follow a running task: hand on what it reports, renew the lease, end it when it must end."""
        deadline = time.monotonic() + run.timeout + TIMEOUT_GRACE
        renew_every = self._settings.worker_lease / 4
        renewed = time.monotonic()
        while True:
            for event in horse.events(POLL_SECONDS):
                if outcome := self._heard(run, event):
                    return outcome
            now = time.monotonic()
            if run.unsent or now - renewed >= renew_every:
                answer = self._renew(run)
                renewed = now
                if answer == "lost":
                    return Outcome.given_away()
                if answer == "stop":
                    return Outcome.stopped()
            if self._kill_asked is not None:
                (job_id, wanted), self._kill_asked = self._kill_asked, None
                if job_id == run.job_id:
                    message = "the work-horse was ended by a command"
                    return Outcome.stopped() if wanted else Outcome.failed("WorkerLost", message)
            if now >= deadline:
                return Outcome.failed("Timeout", f"the task ran longer than its time-out of {run.timeout} s")
            if self._stop_at is not None and now >= self._stop_at:
                return self._interrupted(run)

    def _heard(self, run: Run, event: dict[str, Any]) -> Outcome | None:
        if "output" in event:
            run.printed(event["output"], self._settings.max_log)
        elif "progress" in event:
            run.progress = json.dumps(event["progress"])
        elif "result" in event:
            return Outcome("finished", result=event["result"], by_task=True)
        elif "error" in event:
            kind, message, traceback = event["error"]
            return Outcome("failed", error=JobError(kind, message, traceback), by_task=True, note=f": {kind}")
        elif "died" in event:
            return Outcome.failed("WorkerLost", f"{event['died']} while it ran the task")
        return None

    def _interrupted(self, run: Run) -> Outcome:
        if run.at_most_once:
            return Outcome.failed("WorkerLost", "the worker was stopped, and the task may run only once")
        return Outcome("interrupted", note=": the worker stops")

    def _renew(self, run: Run) -> str:
        """Renew the lease, and hand on output and progress; while Redis is away they are kept."""
        try:
            try:
                answer = self._send(run, run.progress, run.next_piece())
                run.sent()
            except OutOfMemoryError:
                # Text has to wait for room; the lease must not.
                answer = self._send(run, "", Piece())
            if time.monotonic() - self._beaten >= BEAT_SECONDS:
                self._beat()
        except RedisError as error:
            self._telemetry.redis_failed()
            log.warning("job %s: Redis can't be used (%s); it runs on", run.job_id, type(error).__name__)
            return "away"
        return answer

    def _send(self, run: Run, progress: str, piece: Piece, *, durable: bool = False) -> str:
        lease, ids = self._settings.worker_lease, (run.job_id, run.execution)
        return renew(self._scripts, self._keys, *ids, lease, progress, piece, durable=durable)

    def _deliver(self, run: Run, outcome: Outcome) -> tuple[str, Run | None]:
        """Record the end of a run, and wait for Redis as long as it must.

        Returns what became of the job, and the next job, which was begun in the same step.
        """
        if outcome.kind == "lost":
            return "lost", None
        ending, kept = Ending.of(run, outcome, self.name), None
        # A horse that must be started anew would keep a job waiting that has begun.
        wanted = not self._stop_requested and self._horse is not None
        following = new_execution() if wanted else ""
        pause, give_up = RECONNECT_SECONDS, 0.0
        while True:
            try:
                ended = ending.deliver(self._scripts, self._keys, self._settings, following)
            except RedisError as failure:
                self._telemetry.redis_failed()
                name, now = type(failure).__name__, time.monotonic()
                if not give_up:
                    give_up = now + DELIVERY_SECONDS
                    kept = self._spool.keep(ending)
                if now >= give_up or (self._stop_at is not None and now >= self._stop_at):
                    if kept is None:
                        return f"not recorded ({name}); its lease will end", None
                    kept.leave()
                    return f"not recorded yet ({name}): a pool on this host will do it", None
                log.warning("job %s: its end can't be recorded (%s); trying again", run.job_id, name)
                self._sleep(pause)
                pause = self._longer(pause)
                continue
            if kept is not None:
                kept.drop()
            if not ended.next_id:
                return ended.status, None
            return ended.status, Run(ended.next_id, following, run.queue, ended.next_fields)

    def _longer(self, pause: float) -> float:
        """The next pause: short enough to be back, when Redis is, before a lease of then ends."""
        return min(2 * pause, LONGEST_PAUSE, self._settings.worker_lease / 4)

    def _sleep(self, seconds: float) -> None:
        """Wait, but no longer than until this worker must stop."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (self._stop_requested and self._current is None):
            time.sleep(0.1)

    def _beat(self) -> None:
        """Show that this worker lives."""
        self.last_heartbeat = utcnow()
        state = WorkerStatus.BUSY if self._current else WorkerStatus.IDLE
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
