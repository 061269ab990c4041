"""What one worker runs at a time, from the begin of its first job until nothing is left to run.

One plain task, in a process of its own, and beside it as many async tasks as the settings allow, which
share another process. While a plain task runs that is short, as those before it were, two more jobs are
begun, so that neither the work-horse nor Redis waits for the other.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from redis import RedisError

from coatcheck.codec import MalformedJobError
from coatcheck.job import JobError
from coatcheck.settings import Settings
from coatcheck.signing import Signatures
from worker_image.children import Children
from worker_image.delivery import Delivery, new_execution
from worker_image.ending import NOTHING, Following
from worker_image.ends import Ends
from worker_image.horse_process import HorseProcess
from worker_image.horses import Horses
from worker_image.orders import Orders
from worker_image.patience import Patience
from worker_image.run import Outcome, Run
from worker_image.taker import Taker
from worker_image.telemetry import Telemetry

POLL_SECONDS = 0.25
"""How long at most nobody looks at what has to be done in time."""
TIMEOUT_GRACE = 5.0
"""Seconds after a job's time-out in which the task may end by itself, before its process is killed."""
CANCEL_GRACE = 5.0
"""Seconds in which an async task that is to be stopped may end by itself, before its process is killed."""
SHORT_SECONDS = 0.05
"""A plain task that takes longer has no job begun ahead behind it; those that were are given back."""
AHEAD = 2
"""Most plain jobs that are begun ahead. With one, worker and Redis wait for each other in turn."""

log = logging.getLogger("coatcheck.worker")


@dataclass(slots=True, eq=False)
class Running:
    """A run that its work-horse has. Times are of the monotonic clock."""

    run: Run
    horse: HorseProcess
    started: float
    deadline: float
    asked: Outcome | None = None
    """How an async task that was told to end has ended, if it does not contradict until ``deadline``."""


class Runs:
    """Takes the settings, the worker's name and queue, what it works with, and how it shows that it lives."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        queue: str,
        delivery: Delivery,
        horses: Horses,
        telemetry: Telemetry,
        orders: Orders,
        beat: Callable[[], object],
    ) -> None:
        self._settings = settings
        self._name = name
        self._queue = queue
        self._delivery = delivery
        self._horses = horses
        self._telemetry = telemetry
        self._signatures = Signatures.of(settings)
        self._orders = orders
        self._beat = beat
        self._patience = Patience(settings.worker_lease, telemetry)
        self._waiting: list[Run] = []
        """Begun, and not given to a work-horse yet."""
        self._running: dict[str, Running] = {}
        self._plain: Running | None = None
        """The one of them that has a process of its own."""
        self._ends = Ends(name, delivery, self._patience, orders, telemetry, self._following, self._place)
        self._children = Children(delivery, self._patience)
        self._taker = Taker(queue, settings.worker_lease, delivery, self._patience, orders)
        self._short = False
        """Whether the last plain task was short."""
        self._unsent = False
        self._renew_at = 0.0

    def __bool__(self) -> bool:
        """Whether anything is left to do."""
        return bool(self._running or self._waiting or self._ends or self._taker)

    def current(self) -> list[str]:
        """The jobs that RQ's command to kill the work-horse is about."""
        running = list(self._running.values())
        return [self._plain.run.job_id] if self._plain else [each.run.job_id for each in running]

    def serve(self, job_id: str) -> None:
        """Run a job that was taken, and those that follow without a pause.

        Raises RedisError: it could not be begun.
        """
        run = Run(job_id, new_execution(), self._queue)
        if not self._begun(run):
            return
        self._telemetry.busy()
        self._renew_at = time.monotonic() + self._settings.worker_lease / 4
        try:
            self._place(run)
            while self:
                self._turn()
        finally:
            self._telemetry.idle()

    def _begun(self, run: Run) -> bool:
        give_up = time.monotonic() + self._settings.worker_lease
        while True:
            try:
                begun = self._delivery.begin(run)
            except RedisError as error:
                # It may have begun all the same: then nobody else runs it before the lease has ended.
                now = time.monotonic()
                if now >= give_up or self._orders.overdue(now):
                    raise
                self._patience.failed(error)
                time.sleep(self._patience.left())
            else:
                self._patience.worked()
                return begun

    def _turn(self) -> None:
        for horse, (run, event) in self._horses.events(self._pause()):
            self._heard(horse, run, event)
        self._children.submit()
        # Before its end is recorded: the work-horse has the next job meanwhile.
        self._start_waiting()
        self._ends.hear(self._horses.elsewhere)
        now = time.monotonic()
        self._renew(now)
        self._obey(now)
        self._look_at_the_clock(now)
        self._ends.record()
        self._take_beside()
        self._start_waiting()
        self._give_back(now)
        try:
            self._beat()
        except RedisError as error:
            self._patience.failed(error)

    def _pause(self) -> float:
        """How long to wait for what the work-horses report."""
        away = self._patience.left()
        if self._ends.waiting and not away:
            return 0.0
        now, seconds = time.monotonic(), min(POLL_SECONDS, away or POLL_SECONDS)
        if self._plain is not None and self._plain_waits():
            seconds = min(seconds, self._plain.started + SHORT_SECONDS - now)
        if not away and self._has_room():
            seconds = min(seconds, self._taker.next_look - now)
        return max(0.0, seconds)

    # What begins

    def _place(self, run: Run) -> None:
        """Find out what to do with a job that has begun."""
        try:
            try:
                run.read(self._signatures)
            finally:
                self._telemetry.began(run)
        except MalformedJobError as error:
            self._ends.add(run, Outcome.refused(error))
            return
        if run.task not in self._horses.tasks:
            self._ends.add(run, Outcome.unknown(run.task))
            return
        alone = run.suspect or self._settings.worker_concurrency == 1
        run.concurrent = run.task in self._horses.asynchronous and not alone
        self._waiting.append(run)
        self._start_waiting()

    def _start_waiting(self) -> None:
        """Give what waits to the work-horses, as far as they have room."""
        for run in list(self._waiting):
            if self._plain is not None and not run.concurrent:
                continue
            horse = self._horses.concurrent if run.concurrent else self._horses.plain
            if not horse.ready:
                continue
            if (not run.at_most_once or self._confirmed(run)) and (not run.borrows or self._filled(run)):
                self._waiting.remove(run)
                self._start(run, horse)

    def _start(self, run: Run, horse: HorseProcess) -> None:
        horse.start(run)
        run.begun = now = time.monotonic()
        running = Running(run, horse, now, now + run.timeout + TIMEOUT_GRACE)
        self._running[run.execution] = running
        if not run.concurrent:
            self._plain = running
        log.info(
            "job %s %s: started, attempt %d",
            run.job_id,
            run.task,
            run.attempt,
            extra=run.log_fields(worker=self._name),
        )

    def _confirmed(self, run: Run) -> bool:
        """Whether replicas know that the job has begun: after a failover it must not begin again."""
        if self._patience.left():
            return False
        try:
            answer = self._delivery.confirm(run)
        except RedisError as error:
            self._patience.failed(error, f"job {run.job_id}: it waits")
            return False
        self._patience.worked()
        if answer != "ok":
            self._waiting.remove(run)
            self._ends.add(run, Outcome.stopped() if answer == "stop" else Outcome.given_away())
        return answer == "ok"

    def _filled(self, run: Run) -> bool:
        """Whether the results are there that it gets as arguments."""
        if self._patience.left():
            return False
        try:
            self._delivery.fill(run)
        except RedisError as error:
            self._patience.failed(error, f"job {run.job_id}: it waits")
            return False
        except MalformedJobError as error:
            self._waiting.remove(run)
            self._ends.add(run, Outcome.refused(error))
            return False
        self._patience.worked()
        return True

    def _has_room(self) -> bool:
        """Whether the next job, whatever it is, can run at once beside those that do."""
        if self._plain is not None or not self._running or self._ends.sent:
            return False
        return self._concurrent_room() > 0 and not self._plain_waits()

    def _concurrent_room(self) -> int:
        """How many more async tasks may run; 0 where nothing may be begun."""
        if self._orders.stop or not self._horses.plain.ready:
            return 0
        beside = len(self._running) + len(self._waiting) - (self._plain is not None)
        return max(0, self._settings.worker_concurrency - beside)

    def _plain_waits(self) -> int:
        """How many jobs wait for the process that runs one at a time."""
        return sum(not run.concurrent for run in self._waiting)

    def _following(self) -> Following:
        """What to begin in the step that records an end."""
        coming = self._ends.coming
        room = self._concurrent_room() - coming
        if room <= 0 or self._taker or (self._plain is None and self._plain_waits()):
            return NOTHING
        held = coming + (self._plain is not None) + self._plain_waits()
        run = "" if held else new_execution()
        ahead = min(AHEAD + 1 - max(1, held), room - bool(run)) if self._short else 0
        return Following(run, tuple(new_execution() for _ in range(ahead)))

    def _take_beside(self) -> None:
        """Take a job beside the async tasks that run."""
        if (self._taker or self._has_room()) and (run := self._taker.begun()) is not None:
            self._place(run)

    def _give_back(self, now: float) -> None:
        """Let others have the plain jobs that were begun and can't run now."""
        if self._plain is not None:
            if now < self._plain.started + SHORT_SECONDS:
                return
            self._short = False
        elif self._horses.plain.ready:
            return
        self._return([run for run in self._waiting if not run.concurrent])

    def _return(self, runs: list[Run]) -> None:
        """Give back jobs that were begun, the last one first: each goes to the head of its queue."""
        for run in reversed(runs):
            self._waiting.remove(run)
            self._ends.add(run, Outcome.returned())

    # What happens meanwhile

    def _heard(self, horse: HorseProcess, run: Run | None, event: Mapping[str, Any]) -> None:
        running = self._running.get(run.execution) if run is not None else None
        if "died" in event:
            self._died(horse, event["died"])
        elif "broken" in event:
            self._can_not_start(horse, event["broken"])
        elif running is None:
            if "output" in event:
                log.info("a task's process printed: %s", event["output"].rstrip())
        elif "blocked" in event:
            log.warning(
                "job %s %s: has kept its event loop, and all other tasks in it, waiting for %.0f s",
                running.run.job_id,
                running.run.task,
                event["blocked"],
                extra=running.run.log_fields(worker=self._name),
            )
        elif "output" in event:
            running.run.printed(event["output"], self._settings.max_log)
            self._unsent = True
        elif "child" in event:
            self._children.add(running.run, horse, event)
        elif "progress" in event:
            running.run.progress = json.dumps(event["progress"])
            self._unsent = True
        else:
            self._over(running, _outcome(running, event))
            self._horses.replace_worn(horse)

    def _died(self, horse: HorseProcess, how: str) -> None:
        """A work-horse ended by itself. Which one of many tasks it was can't be told: each runs alone now."""
        if not horse.ready:
            self._can_not_start(horse, f"{how} while it imported the tasks")
            return
        ran = list(self._of(horse))
        self._horses.kill(horse)
        for running in ran:
            if len(ran) == 1:
                lost = Outcome.failed("WorkerLost", f"{how} while it ran the task")
            else:
                lost = Outcome.lost(running.run, f"{how} while it ran {len(ran)} tasks", "suspect")
            self._over(running, running.asked or lost)

    def _can_not_start(self, horse: HorseProcess, why: str) -> None:
        log.error("the tasks can't be loaded any more:\n%s", why)
        self._horses.kill(horse)
        self._orders.stop_within(self._settings.worker_stop_timeout)

    def _of(self, horse: HorseProcess) -> Iterator[Running]:
        return (running for running in list(self._running.values()) if running.horse is horse)

    def _kill(self, horse: HorseProcess, outcomes: Mapping[Running, Outcome]) -> None:
        """End a work-horse for the sake of some of its runs; the others are not to blame."""
        self._horses.kill(horse)
        for running in self._of(horse):
            outcome = outcomes.get(running) or running.asked
            if outcome is None and running.run is horse.blocked_by:
                outcome = Outcome.lost(running.run, "it kept the event loop from other tasks", "suspect")
            self._over(
                running, outcome or Outcome.lost(running.run, "its process was ended for another task")
            )

    def _stop(self, running: Running, outcome: Outcome) -> None:
        """End a run, with that outcome."""
        if not running.run.concurrent:
            self._kill(running.horse, {running: outcome})
        elif running.asked is None:
            running.asked = outcome
            running.deadline = min(running.deadline, time.monotonic() + CANCEL_GRACE)
            running.horse.cancel(running.run)

    def _obey(self, now: float) -> None:
        """Do what signals and commands ask for."""
        for job_id, wanted in self._orders.ends():
            message = "the work-horse was ended by a command"
            outcome = Outcome.stopped() if wanted else Outcome.failed("WorkerLost", message)
            for running in [each for each in self._running.values() if each.run.job_id == job_id]:
                self._stop(running, outcome)
            for run in [run for run in self._waiting if run.job_id == job_id]:
                self._waiting.remove(run)
                self._ends.add(run, outcome)
        if self._orders.stop:
            self._return(list(self._waiting))
        if self._orders.overdue(now):
            for horse in {running.horse for running in self._running.values()}:
                self._kill(horse, {each: _interrupted(each.run) for each in self._of(horse)})

    def _look_at_the_clock(self, now: float) -> None:
        """End what takes too long, and its process with it."""
        late: dict[HorseProcess, dict[Running, Outcome]] = {}
        for running in self._running.values():
            if now >= running.deadline:
                message = f"the task ran longer than its time-out of {running.run.timeout} s"
                if running.horse.blocked_by not in (None, running.run):
                    message += ", while another task kept their event loop"
                outcome = running.asked or Outcome.failed("Timeout", message)
                late.setdefault(running.horse, {})[running] = outcome
        for horse, outcomes in late.items():
            self._kill(horse, outcomes)
        for horse in self._horses.late():
            self._can_not_start(horse, "importing the tasks took too long")

    def _renew(self, now: float) -> None:
        """Renew the leases, and hand on output and progress; while Redis is away they are kept."""
        due = now >= self._renew_at
        if not (due or self._unsent) or self._patience.left():
            return
        held = [running.run for running in self._running.values()] + self._waiting
        for run in held:
            if not due and not run.unsent:
                continue
            try:
                answer = self._delivery.renew(run)
            except RedisError as error:
                self._patience.failed(error, f"job {run.job_id} runs on")
                return
            self._patience.worked()
            if answer != "ok":
                self._withdraw(run, Outcome.given_away() if answer == "lost" else Outcome.stopped())
        self._unsent = False
        if due:
            self._renew_at = now + self._settings.worker_lease / 4

    def _withdraw(self, run: Run, outcome: Outcome) -> None:
        """End a run, whether it has been started or not."""
        if run.execution in self._running:
            self._stop(self._running[run.execution], outcome)
        elif run in self._waiting:
            self._waiting.remove(run)
            self._ends.add(run, outcome)

    # What ends

    def _over(self, running: Running, outcome: Outcome) -> None:
        """A run that its work-horse had has ended."""
        del self._running[running.run.execution]
        self._children.forget(running.run)
        if running is self._plain:
            self._plain = None
            self._short = time.monotonic() - running.started < SHORT_SECONDS
        self._ends.add(running.run, outcome)


def _outcome(running: Running, event: Mapping[str, Any]) -> Outcome:
    """How a run ended that its work-horse reported."""
    if "result" in event:
        return Outcome("finished", result=event["result"], by_task=True)
    if "cancelled" in event and running.asked is not None:
        return running.asked
    kind, message, traceback = event["error"]
    return Outcome("failed", error=JobError(kind, message, traceback), by_task=True, note=f": {kind}")


def _interrupted(run: Run) -> Outcome:
    if run.at_most_once:
        return Outcome.failed("WorkerLost", "the worker was stopped, and the task may run only once")
    return Outcome("interrupted", note=": the worker stops")
