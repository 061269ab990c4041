"""The jobs that tasks submit, until Redis has them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis import RedisError

from coatcheck.errors import FieldError, InvalidArgumentsError, ProblemError, UnknownDependencyError
from coatcheck.job import Submission
from worker_image.delivery import Delivery
from worker_image.horse_process import HorseProcess
from worker_image.patience import Patience
from worker_image.run import Run
from worker_image.submitting import heard, told_problem


@dataclass(frozen=True, slots=True)
class Asked:
    """A child that a task has asked for, and who waits for the answer."""

    run: Run
    horse: HorseProcess
    number: int
    child: Submission


class Children:
    """Takes what writes to Redis, and when to try that again."""

    def __init__(self, delivery: Delivery, patience: Patience) -> None:
        self._delivery = delivery
        self._patience = patience
        self._asked: deque[Asked] = deque()

    def add(self, run: Run, horse: HorseProcess, question: Mapping[str, Any]) -> None:
        """Take what a task of that work-horse asks for."""
        child = heard(question["child"], owner=run.owner, parent=run.job_id)
        self._asked.append(Asked(run, horse, question["number"], child))

    def submit(self) -> None:
        """Submit those that wait, and tell their tasks; while Redis is away they wait on."""
        while self._asked and not self._patience.left():
            asked = self._asked[0]
            answer: dict[str, Any] = {}
            try:
                self._delivery.submit(asked.child)
            except RedisError as error:
                self._patience.failed(error, f"job {asked.run.job_id}: its child waits")
                return
            except UnknownDependencyError as error:
                told = InvalidArgumentsError(error.detail, errors=[FieldError("/after", error.id)])
                answer = {"problem": told_problem(told)}
            except ProblemError as error:
                answer = {"problem": told_problem(error)}
            self._patience.worked()
            self._asked.popleft()
            asked.horse.answer(asked.number, answer)

    def forget(self, run: Run) -> None:
        """A run is over: nobody waits for its children any more."""
        self._asked = deque(asked for asked in self._asked if asked.run is not run)
