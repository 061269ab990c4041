"""Where the time of one no-op job goes: Redis, the way there and back, JSON, Python, processes.

``python -m benchmarks.breakdown``. The whole is what ``benchmarks.throughput`` measures: one worker process,
from SIGCONT to the last result, but that the work-horse is not replaced meanwhile. Its parts are measured by
themselves, in the same round: the scripts by Redis' own statistics, the round trips by a loop of the bare
scripts, the rest by loops of the product's own functions. What no part explains is the worker's loop and its
log. Parts that are done at the same time as others count in full, so the last one is below zero where the
processes keep each other busy.

The second table is what the system counts meanwhile: processor time of each process, and how often they
waited, by job.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from benchmarks.floor import Floor
from benchmarks.harness import Options, Report, main, rounds, say
from benchmarks.processes import Processes, ahead
from benchmarks.servers import Server
from benchmarks.systems import Pending, our_settings, ours, submit_ours
from benchmarks.throughput import START_SECONDS, WARM_UP
from coatcheck.codec import encode_result
from coatcheck.connection import connect
from coatcheck.keys import Keys
from worker_image import runner
from worker_image.discovery import discover
from worker_image.horses import Horses
from worker_image.run import Run

JOBS = 2000
LOOPS = 2000
RUN_SECONDS = 60.0
SCRIPTS = "Redis: the scripts"
TRIPS = "round trips: redis-py, the kernel, the server's loop"
DECODING = "JSON and zlib: the job read, its result written"
CALL = "the call: arguments checked, the task, its result as JSON"
IPC = "to the work-horse and back, without the call"
REST = "the worker's loop and log, less what is done at the same time"


def measure(options: Options) -> Report:
    """Measure the whole and its parts, round by round."""
    report = Report("breakdown")
    jobs, loops = (50, 50) if options.quick else (JOBS, LOOPS)
    counted: list[dict[str, tuple[float, float, float]]] = []
    with Server() as server, tempfile.TemporaryDirectory() as name:
        report.versions = {"server": server.version}
        for round_number in rounds(options):
            say(f"breakdown: round {round_number + 1}")
            whole, scripts, processes = run_pool(server, jobs, Path(name), options.ahead)
            counted.append(processes)
            with ahead([server.pid, os.getpid()], options.ahead):
                bare, bare_scripts = run_floor(server, jobs)
                horse, call = horse_microseconds(loops), call_microseconds(loops)
                decoding = decoding_microseconds(server, loops)
            parts = {
                SCRIPTS: scripts,
                TRIPS: bare - bare_scripts,
                DECODING: decoding,
                CALL: call,
                IPC: horse - call,
            }
            for title, value in (parts | {REST: whole - sum(parts.values()), "the whole": whole}).items():
                report.figure(title, "µs a job").values.append(value)
    whole = report.figure("the whole", "").median
    for figure in report.figures:
        figure.note = f"{100 * figure.median / whole:.0f} %"
    report.tables["What the system counts, by job"] = counted_rows(counted)
    return report


def run_pool(
    server: Server, jobs: int, folder: Path, first: bool
) -> tuple[float, float, dict[str, tuple[float, float, float]]]:
    """One run of the pool.

    Returns microseconds a job, those of them in scripts, and for each process its user and system time a job
    in microseconds and how often it waited.
    """
    system, url = ours(), server.url()
    variables = system.environment(url) | {"WORKER_JOBS_PER_PROCESS": "1000000"}
    with (
        server.client() as client,
        Processes(system.command, variables, folder / "log") as pool,
    ):
        client.flushdb()
        ready = submit_ours(url, WARM_UP)
        workers = system.workers or ready
        pool.wait_for(lambda: ready.done(client) and workers.done(client), START_SECONDS, pause=0.02)
        pool.signal(signal.SIGSTOP)
        pending = submit_ours(url, jobs)
        pids = {_title(pid): pid for pid in pool.pids()} | {"Redis": server.pid}
        client.config_resetstat()
        with ahead([*pids.values(), os.getpid()], first):
            before = {title: _counts(pid) for title, pid in pids.items()}
            begin = time.perf_counter()
            pool.signal(signal.SIGCONT)
            seconds = _until_done(pool, pending, client) - begin
            after = {title: _counts(pid) for title, pid in pids.items()}
        scripts = _script_microseconds(client)
    spent = {
        title: tuple((b - a) / jobs for a, b in zip(before[title], after[title], strict=True))
        for title in pids
    }
    return 1e6 * seconds / jobs, scripts / jobs, spent  # type: ignore[return-value]


def _until_done(pool: Processes, pending: Pending, client: redis.Redis) -> float:
    return pool.wait_for(lambda: pending.done(client), RUN_SECONDS)


def run_floor(server: Server, jobs: int) -> tuple[float, float]:
    """The bare scripts: microseconds a job, and those of them in scripts."""
    settings = our_settings(server.url())
    with connect(settings, socket_timeout=15) as client:
        client.flushdb()
        submit_ours(server.url(), jobs + WARM_UP)
        floor = Floor(client, settings)
        for _ in range(WARM_UP):
            floor.one_job()
        client.config_resetstat()
        begin = time.perf_counter()
        for _ in range(jobs):
            floor.one_job()
        seconds = time.perf_counter() - begin
        return 1e6 * seconds / jobs, _script_microseconds(client) / jobs


def decoding_microseconds(server: Server, loops: int) -> float:
    """What the worker does to read a job's hash, and to write its end."""
    settings = our_settings(server.url())
    with connect(settings) as client:
        client.flushdb()
        submit_ours(server.url(), 1)
        keys = Keys(settings.prefix)
        job_id: Any = client.lindex(keys.queue(settings.queues[0]), 0)
        fields: Any = client.hgetall(keys.job(job_id.decode()))
    fields[b"attempt"] = b"1"

    def both_ways() -> None:
        Run("id", "execution", "default", fields).read()
        encode_result("1")

    return each(both_ways, loops)


def call_microseconds(loops: int) -> float:
    """What the work-horse does for a job, between its arrival and its report."""
    tasks = discover("benchmarks.tasks")
    line = json.dumps({"run": "id", "task": "bench.noop", "arguments": {}, "timeout": 60})

    def call() -> None:
        job = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, job["timeout"])
        value = runner.call(tasks, job["task"], job["arguments"])
        signal.setitimer(signal.ITIMER_REAL, 0)
        json.loads(json.dumps({"result": runner.result_json(value, 1_000_000), "memory": 1}))

    return each(call, loops)


def horse_microseconds(loops: int) -> float:
    """A job to a real work-horse and its report back, as the worker's process sees it."""
    before = os.environ.get("COATCHECK_TASKS"), os.environ.get("REDIS_URL")
    os.environ |= {"COATCHECK_TASKS": "benchmarks.tasks", "REDIS_URL": "redis://127.0.0.1"}
    horses = Horses(our_settings("redis://127.0.0.1"), lambda _horse: None)
    horse = horses.ready()
    for name, value in zip(("COATCHECK_TASKS", "REDIS_URL"), before, strict=True):
        os.environ.pop(name)
        if value is not None:
            os.environ[name] = value

    run = Run("id", "execution", "default")
    run.task, run.timeout = "bench.noop", 60

    def there_and_back() -> None:
        horse.start(run)
        while not any("result" in event for _, (_, event) in horses.events(5)):
            pass

    try:
        return each(there_and_back, loops)
    finally:
        horses.close()


def each(call: Callable[[], object], loops: int) -> float:
    """The microseconds of one call, over many."""
    call()
    begin = time.perf_counter()
    for _ in range(loops):
        call()
    return 1e6 * (time.perf_counter() - begin) / loops


def _script_microseconds(client: redis.Redis) -> float:
    """Microseconds in the commands of jobs so far, those in scripts not twice."""
    found: Any = client.info("commandstats")
    names = ("cmdstat_evalsha", "cmdstat_eval", "cmdstat_fcall", "cmdstat_blmove")
    return float(sum(found[name]["usec"] for name in names if name in found))


def _title(pid: int) -> str:
    """Which process of the pool it is, by its command."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    module = words[words.index(b"-m") + 1].decode() if b"-m" in words else "?"
    return {"worker_image": "pool"}.get(module, module.removeprefix("worker_image."))


def _counts(pid: int) -> tuple[float, float, float]:
    """User and system time of a process in microseconds, and how often it waited for something."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    tick = 1e6 / os.sysconf("SC_CLK_TCK")
    waited = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        line = next(line for line in status.read_text().splitlines() if line.startswith("voluntary"))
        waited += int(line.split()[1])
    return int(fields[11]) * tick, int(fields[12]) * tick, float(waited)


def counted_rows(counted: list[dict[str, tuple[float, float, float]]]) -> list[list[str]]:
    """The system's counts as a table, medians of the rounds."""
    rows = [["process", "user, µs", "system, µs", "waits"]]
    for title in counted[0]:
        columns = zip(*(one[title] for one in counted if title in one), strict=True)
        user, kernel, waits = (statistics.median(column) for column in columns)
        rows.append([title, f"{user:.0f}", f"{kernel:.0f}", f"{waits:.1f}"])
    return rows


if __name__ == "__main__":
    sys.exit(main(measure, __doc__))
