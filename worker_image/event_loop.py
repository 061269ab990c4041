"""A work-horse's event loop: many async tasks at once, each with its own time-out, log and progress."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, TextIO, cast

from coatcheck.files.workspace import Workspace
from coatcheck.task import Order, set_identifier, set_reporter, set_submitter
from worker_image import runner
from worker_image.reporter import Reporter
from worker_image.submitting import Submitter
from worker_image.work import Work, end_process, failure, log_to_standard_error, memory

READ_SIZE = 65_536
BLOCKED_SECONDS = 2.0
"""How long a task may keep the loop from going on, before the worker is told."""

LEFT_SECONDS = 1.0
"""How long what a task started in the loop and left there may take to end, once it is cancelled."""


class _Run:
    """A run in this loop: its job's id, whom it tells, and what it has started here."""

    def __init__(self, job_id: str, reporter: Reporter, submitter: Submitter) -> None:
        self.job_id = job_id
        self.reporter = reporter
        self.submitter = submitter
        self.tasks: set[asyncio.Task[Any]] = set()


_current: ContextVar[_Run | None] = ContextVar("run", default=None)
"""The run of the task that runs here and now; in the threads that it starts by ``asyncio.to_thread`` too."""


class _Routed(io.TextIOBase):
    """Standard output or error, whose lines go to the run that prints them; the rest to the stream itself."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        run = _current.get()
        if run is None:
            return self._stream.write(text)
        run.reporter.printed(text)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def buffer(self) -> Any:
        return self._stream.buffer


def serve(work: Work, ready: Callable[[], None]) -> None:
    """Run jobs until the worker says that it is over, or is gone. Takes what tells it that all is ready."""
    sys.stdout, sys.stderr = _routed(sys.stdout), _routed(sys.stderr)
    log_to_standard_error()
    set_reporter(_tell_progress)
    set_submitter(_submit)
    set_identifier(_job_id)
    asyncio.run(_Loop(work).serve(ready))


def _routed(stream: TextIO) -> TextIO:
    wrapper = cast(io.TextIOWrapper, stream)
    wrapper.reconfigure(line_buffering=True)
    return cast(TextIO, _Routed(wrapper))


def _tell_progress(fraction: float, message: str) -> None:
    run = _current.get()
    if run is not None:
        run.reporter.progress(fraction, message)


def _submit(order: Order) -> str:
    return _run_for("submit").submitter(order)


def _job_id() -> str:
    return _run_for("job_id").job_id


def _run_for(name: str) -> _Run:
    """The current run. Takes the name of what needs one. Raises RuntimeError."""
    run = _current.get()
    if run is None:
        raise RuntimeError(
            f"{name}() was called by none of the tasks that run here, or by a thread of its own"
        )
    return run


def _new_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    """The loop's factory of tasks: remembers what each run starts."""
    task = asyncio.Task(coroutine, loop=loop, **options)
    run = _current.get()
    if run is not None:
        run.tasks.add(task)
        task.add_done_callback(run.tasks.discard)
    return task


class _Loop:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._runs: dict[str, tuple[_Run, asyncio.Task[None]]] = {}
        self._buffer = b""
        self._over = asyncio.Event()
        self._turned = time.monotonic()

    async def serve(self, ready: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_new_task)  # type: ignore[arg-type]
        loop.add_reader(self._work.end, self._hear)
        threading.Thread(target=self._watch, args=(loop,), daemon=True).start()
        ready()
        while not self._over.is_set():
            self._turned = time.monotonic()
            try:
                await asyncio.wait_for(self._over.wait(), BLOCKED_SECONDS / 4)
            except TimeoutError:
                continue

    def _hear(self) -> None:
        """Take what the worker sent."""
        data = self._work.end.recv(READ_SIZE)
        if not data:
            end_process()
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            told = json.loads(line)
            if "end" in told:
                self._over.set()
            elif "cancel" in told:
                if told["cancel"] in self._runs:
                    self._runs[told["cancel"]][1].cancel()
            else:
                reporter = Reporter(self._work.channel, told["run"])
                run = _Run(told["job"], reporter, Submitter(self._work, told["job"], told["run"]))
                task = asyncio.get_running_loop().create_task(self._run(run, told))
                self._runs[told["run"]] = run, task

    async def _run(self, run: _Run, job: dict[str, Any]) -> None:
        _current.set(run)
        tracing = self._work.tracing
        if tracing is None or job["span"] is None:
            report = await self._ended(job)
        else:
            with tracing.run(job["span"]) as ended:
                report = await self._ended(job)
                ended(report.get("error"))
        if run.tasks:
            await _end_all(run.tasks)
        run.reporter.flush()
        del self._runs[job["run"]]
        run.reporter.send(**report, memory=memory())

    async def _ended(self, job: dict[str, Any]) -> dict[str, Any]:
        """Run a job to its end. Returns what to report of it."""
        scope = asyncio.timeout(job["timeout"])
        try:
            async with scope:
                with self._work.files.of(job) as workspace:
                    arguments = job["arguments"]
                    if job["large"]:
                        arguments = await asyncio.to_thread(self._work.files.arguments, job, workspace)
                    value = await runner.begin(self._work.tasks, job["task"], arguments)
                    if workspace is not None and workspace.used:  # it may take its time
                        return await asyncio.to_thread(self._report, value, workspace)
                    return self._report(value, workspace)
        except TimeoutError as error:
            if not scope.expired():
                return failure(error, job["timeout"])
            frames = error.__cause__.__traceback__ if error.__cause__ else None
            over = runner.TaskTimeoutError("the task's time is over").with_traceback(frames)
            return failure(over, job["timeout"])
        except asyncio.CancelledError as error:
            return {"cancelled": True, **failure(error, job["timeout"])}
        except BaseException as error:  # sys.exit() in a task: it must not end the others
            return failure(error, job["timeout"])

    def _report(self, value: Any, workspace: Workspace | None) -> dict[str, Any]:
        """What to tell of a result."""
        files = self._work.files
        return files.report(runner.result_json(value, files.largest), workspace)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell the worker which run keeps the loop from going on. A thread's."""
        told = False
        while True:
            time.sleep(BLOCKED_SECONDS / 4)
            seconds = time.monotonic() - self._turned
            if seconds < BLOCKED_SECONDS:
                if told:
                    self._work.channel.send(blocked=0)
                told = False
            elif not told:
                current = asyncio.current_task(loop)
                for execution, (run, task) in list(self._runs.items()):
                    if current is task or current in run.tasks:
                        self._work.channel.send(run=execution, blocked=seconds)
                        told = True


async def _end_all(tasks: set[asyncio.Task[Any]]) -> None:
    """End what a run has started and left, as the end of ``asyncio.run`` does."""
    left = list(tasks)
    for task in left:
        task.cancel()
    await asyncio.wait(left, timeout=LEFT_SECONDS)
