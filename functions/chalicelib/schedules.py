"""``/schedules``: the periodic tasks, when they run, and their pause."""

from __future__ import annotations

from itertools import islice
from typing import Any

from chalicelib.context import Context, current
from chalicelib.options import Options, idempotency_key
from chalicelib.requests import Request
from chalicelib.responses import PRIVATE, Answer, json_answer
from chalicelib.routing import Route
from chalicelib.submissions import Entry, submit
from chalicelib.tasks import accepted
from coatcheck.catalog import TaskSpec
from coatcheck.document import time
from coatcheck.errors import UnknownScheduleError
from coatcheck.job import utcnow
from coatcheck.schedule import Schedule
from coatcheck.schedule_words import words
from coatcheck.schedules import ScheduleState
from coatcheck.scopes import Scope

COMING = 3
"""So many of the next ticks are shown."""


def list_schedules(request: Request) -> Answer:
    """All periodic tasks that the caller may use."""
    context = current()
    tasks = [task for task in context.catalog.tasks if task.schedule and request.caller.may_use(task.name)]
    documents = _documents(tasks, request, context)
    return json_answer({"schedules": documents}, headers=PRIVATE)


def get_schedule(request: Request) -> Answer:
    """One periodic task."""
    context = current()
    return _shown(_task(request, context), request, context)


def pause(request: Request) -> Answer:
    """Let its ticks pass from now on."""
    return _paused(request, True)


def resume(request: Request) -> Answer:
    """Let its ticks run again. Those of the pause are gone."""
    return _paused(request, False)


def run_now(request: Request) -> Answer:
    """Submit a job with the schedule's arguments, beside its ticks."""
    context = current()
    task = _task(request, context)
    assert task.schedule is not None
    entry = Entry(task, task.schedule.arguments, Options())
    [job], limits = submit(context, [entry], idempotency_key(request), request.caller)
    return accepted(job, request, limits)


def tick() -> None:
    """Submit what is due. Raises UnavailableError, SettingsError, CatalogError."""
    context = current()
    context.adapter.tick(context.catalog.tasks)


def _paused(request: Request, paused: bool) -> Answer:
    context = current()
    task = _task(request, context)
    context.adapter.pause_schedule(task.name, paused)
    return _shown(task, request, context)


def _shown(task: TaskSpec, request: Request, context: Context) -> Answer:
    [document] = _documents([task], request, context)
    return json_answer(document, headers=PRIVATE)


def _documents(tasks: list[TaskSpec], request: Request, context: Context) -> list[dict[str, Any]]:
    states = context.adapter.schedules([task.name for task in tasks])
    return [
        _document(task, task.schedule, state, request)
        for task, state in zip(tasks, states, strict=True)
        if task.schedule is not None
    ]


def _document(task: TaskSpec, schedule: Schedule, state: ScheduleState, request: Request) -> dict[str, Any]:
    address = request.link("schedules", task.name)
    coming = [] if state.paused else [time(tick) for tick in islice(schedule.after(utcnow()), COMING)]
    return {
        "task": task.name,
        "title": task.title,
        "cron": schedule.cron,
        "every": schedule.every,
        "words": words(schedule),
        "timezone": schedule.timezone,
        "arguments": schedule.arguments,
        "overlap": schedule.overlap,
        "catch_up": schedule.catch_up,
        "paused": state.paused,
        "next": next(iter(coming), None),
        "coming": coming,
        "last": time(state.ran),
        "last_job": state.job,
        "skipped": state.skipped,
        "links": {
            "self": address,
            "task": request.link("tasks", task.name),
            "last_job": state.job and request.link("jobs", state.job),
            "pause": request.allowed(f"{address}/pause", Scope.ADMIN),
            "resume": request.allowed(f"{address}/resume", Scope.ADMIN),
            "run": request.allowed(f"{address}/run", Scope.SUBMIT),
        },
    }


def _task(request: Request, context: Context) -> TaskSpec:
    """The task of the path. Raises ForbiddenError, UnknownTaskError, UnknownScheduleError."""
    name = request.parameters["name"]
    request.caller.check_tasks([name])
    task = context.catalog.get(name)
    if task.schedule is None:
        raise UnknownScheduleError(f"{name} has no schedule: give it one with @task(cron=...) or every=...")
    return task


ROUTES = (
    Route("GET", "/schedules", list_schedules, Scope.READ),
    Route("GET", "/schedules/{name}", get_schedule, Scope.READ),
    Route("POST", "/schedules/{name}/pause", pause, Scope.ADMIN),
    Route("POST", "/schedules/{name}/resume", resume, Scope.ADMIN),
    Route("POST", "/schedules/{name}/run", run_now, Scope.SUBMIT),
)
