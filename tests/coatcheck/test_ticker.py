"""Each tick of a periodic task becomes one job, however many look, whoever dies, whatever the clock does."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from coatcheck import ticker as ticking
from coatcheck.adapter import QueueAdapter, signatures_of
from coatcheck.catalog import TaskSpec
from coatcheck.connection import as_text
from coatcheck.doctor import examine
from coatcheck.job import JobStatus, is_job_id, submitted_at_ms
from coatcheck.keys import Keys
from coatcheck.schedule import Schedule
from coatcheck.schedules import ScheduleState, pause_schedule, read_schedules
from coatcheck.settings import Settings, load
from coatcheck.signing import BadSignatureError, Signatures
from coatcheck.ticker import Ticker
from tests.coatcheck.conftest import WorkerByHand
from tests.support.missing import missing
from tests.support.polling import eventually
from tests.support.processes import ROOT
from tests.support.servers import FAKETIME, Clock, RedisServer

TASK = "odd.add"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def spec(**schedule: Any) -> TaskSpec:
    values: dict[str, Any] = {"every": 60, "arguments": {"left": 1}} | schedule
    return TaskSpec(TASK, "Add", "", {"type": "object"}, schedule=Schedule(**values))


class Time:
    """The time that tickers see in a test."""

    def __init__(self) -> None:
        self.now = NOON

    def step(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(ticking, "redis_time", lambda _: clock.now)
    return clock


@pytest.fixture
def make(client: redis.Redis, settings: Settings) -> Callable[..., Ticker]:
    """A new ticker, as a pool that has just started has it."""
    return lambda **schedule: Ticker(client, settings, [spec(**schedule)], None)


def waiting(client: redis.Redis, keys: Keys, queue: str = "default") -> list[str]:
    return [as_text(member) for member in client.lrange(keys.queue(queue), 0, -1)]


def ticks_of(jobs: list[str]) -> list[datetime]:
    return [datetime.fromtimestamp(submitted_at_ms(job) / 1000, UTC) for job in jobs]


def test_a_schedule_begins_when_it_is_first_seen(
    make: Callable[..., Ticker], clock: Time, client: redis.Redis, keys: Keys
) -> None:
    ticker = make()
    assert ticker.tick() == [], "noon itself was before it was known"
    clock.step(59.9)
    assert ticker.tick() == []
    clock.step(0.1)
    assert ticker.tick() == [(TASK, "new")]
    assert ticks_of(waiting(client, keys)) == [NOON + timedelta(minutes=1)]


def test_a_tick_is_a_job_like_any_other(
    make: Callable[..., Ticker],
    clock: Time,
    client: redis.Redis,
    keys: Keys,
    adapter: QueueAdapter,
    settings: Settings,
) -> None:
    ticker = make()
    ticker.tick()
    clock.step(60)
    ticker.tick()
    (job_id,) = waiting(client, keys)
    assert is_job_id(job_id)
    job = adapter.get(job_id)
    assert (job.task, job.arguments, job.queue, job.status) == (
        TASK,
        {"left": 1},
        "default",
        JobStatus.QUEUED,
    )
    assert job.owner is None
    assert [each.id for each in adapter.list(task=TASK).jobs] == [job_id]
    assert examine(client, settings, pause=0, healing=0) == []


@pytest.fixture
def signing(settings: Settings, tmp_path: Path) -> Settings:
    """Settings by which jobs are signed, with keys in a file."""
    secret = tmp_path / "keys"
    secret.write_text("secret-" * 8)
    secret.chmod(0o600)
    return replace(settings, signing_keys=str(secret))


def test_a_tick_is_signed_where_jobs_are(
    clock: Time, client: redis.Redis, keys: Keys, signing: Settings
) -> None:
    ticker = Ticker(client, signing, [spec()], signatures_of(signing))
    ticker.tick()
    clock.step(60)
    ticker.tick()
    (job_id,) = waiting(client, keys)
    signatures = Signatures.of(signing)
    assert signatures is not None
    fields: Any = client.hgetall(keys.job(job_id))
    signatures.check(job_id, fields)
    with pytest.raises(BadSignatureError):
        signatures.check(job_id, fields | {b"timeout": b"1"})


def test_the_adapter_ticks_with_the_keys_that_it_has(
    clock: Time, client: redis.Redis, keys: Keys, signing: Settings
) -> None:
    adapter = QueueAdapter(client, signing)
    Path(signing.signing_keys).unlink()  # as where Secrets Manager is away: the keys that were read are good
    adapter.tick([spec()])
    clock.step(60)
    adapter.tick([spec()])
    (job_id,) = waiting(client, keys)
    assert client.hexists(keys.job(job_id), "signature")


def test_many_tickers_make_one_job_of_each_tick(
    make: Callable[..., Ticker], clock: Time, client: redis.Redis, keys: Keys
) -> None:
    make(catch_up="all", overlap="queue").tick()
    clock.step(600)
    threads = [threading.Thread(target=make(catch_up="all", overlap="queue").tick) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    jobs = waiting(client, keys)
    assert len(jobs) == len(set(jobs)) == 10


def test_no_tick_comes_again_when_its_job_is_forgotten(
    make: Callable[..., Ticker], clock: Time, client: redis.Redis, keys: Keys, adapter: QueueAdapter
) -> None:
    make().tick()
    clock.step(60)
    late = make()
    late.tick()
    client.delete(keys.job(waiting(client, keys)[0]), keys.queue("default"))
    assert make().tick() == []
    assert waiting(client, keys) == []


def test_ids_can_not_be_foretold(
    make: Callable[..., Ticker], clock: Time, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    found = []
    for namespace in ("one", "two"):
        there = replace(settings, namespace=f"{settings.namespace}{namespace}")
        ticker = Ticker(client, there, [spec()], None)
        clock.now = NOON
        ticker.tick()
        clock.step(60)
        ticker.tick()
        found += waiting(client, Keys(there.prefix))
    first, second = found
    assert first[:11] == second[:11] and first[11:] != second[11:]


@pytest.mark.parametrize(("overlap", "expected"), [("skip", ["new", "skipped"]), ("queue", ["new", "new"])])
@pytest.mark.parametrize("running", [False, True])
def test_what_becomes_of_a_tick_while_the_job_before_has_not_ended(
    overlap: str,
    expected: list[str],
    running: bool,
    make: Callable[..., Ticker],
    clock: Time,
    client: redis.Redis,
    keys: Keys,
    worker: WorkerByHand,
) -> None:
    ticker = make(overlap=overlap)
    ticker.tick()
    outcomes = []
    for _ in range(2):
        clock.step(60)
        outcomes += [outcome for _, outcome in ticker.tick()]
        if running and len(outcomes) == 1:
            worker.begin()
    assert outcomes == expected
    (state,) = read_schedules(client, keys, [TASK])
    assert state.skipped == expected.count("skipped")


def test_after_the_job_before_has_ended_the_next_tick_runs(
    make: Callable[..., Ticker], clock: Time, worker: WorkerByHand
) -> None:
    ticker = make()
    ticker.tick()
    for _ in range(3):
        clock.step(60)
        assert ticker.tick() == [(TASK, "new")]
        worker.run(result=1)


def test_a_paused_schedule_lets_its_ticks_pass_and_does_not_make_up_for_them(
    make: Callable[..., Ticker], clock: Time, client: redis.Redis, keys: Keys
) -> None:
    ticker = make(catch_up="all")
    ticker.tick()
    pause_schedule(client, keys, TASK, True)
    clock.step(300)
    assert {outcome for _, outcome in ticker.tick()} == {"paused"}
    pause_schedule(client, keys, TASK, False)
    assert make(catch_up="all").tick() == []
    clock.step(60)
    assert ticker.tick() == [(TASK, "new")]


def test_a_clock_that_steps_repeats_nothing_and_loses_nothing(
    make: Callable[..., Ticker], clock: Time, client: redis.Redis, keys: Keys
) -> None:
    options: dict[str, Any] = {"catch_up": "all", "overlap": "queue"}
    ticker = make(**options)
    ticker.tick()
    for step in (60, -3600, 3600, 60, -86_400, 86_400 + 120):
        clock.step(step)
        ticker.tick()
        make(**options).tick()
    assert ticks_of(waiting(client, keys)) == [NOON + timedelta(minutes=minute) for minute in (1, 2, 3, 4)]


def test_a_full_queue_holds_a_tick_back_until_there_is_room(
    clock: Time, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    settings = replace(settings, max_queued=1)
    ticker = Ticker(client, settings, [spec(catch_up="all", overlap="queue")], None)
    ticker.tick()
    clock.step(120)
    assert ticker.tick() == [(TASK, "new"), (TASK, "full")]
    assert ticker.tick() == [(TASK, "full")]
    client.delete(keys.queue("default"))
    assert ticker.tick() == [(TASK, "new")]


@pytest.mark.parametrize("planted", [b"soon", b"1e400", b"nan", b"-inf", b""])
def test_a_last_tick_that_is_no_time_begins_anew(
    planted: bytes, make: Callable[..., Ticker], clock: Time, client: redis.Redis, keys: Keys
) -> None:
    client.hset(keys.schedule(TASK), "last", planted)
    ticker = make()
    assert ticker.tick() == []
    clock.step(60)
    assert ticker.tick() == [(TASK, "new")]


def test_what_others_wrote_is_shown_as_nothing(client: redis.Redis, keys: Keys) -> None:
    client.hset(keys.schedule(TASK), mapping={"ran": "x", "job": "../key", "skipped": "-1", "paused": "yes"})
    assert read_schedules(client, keys, [TASK]) == [ScheduleState()]


TICKING = """\
import sys, time
from redis import RedisError
from coatcheck.catalog import TaskSpec
from coatcheck.connection import connect
from coatcheck.schedule import Schedule
from coatcheck.settings import load
from coatcheck.ticker import Ticker
settings = load()
task = TaskSpec("odd.add", "Add", "", {}, schedule=Schedule(every=10, catch_up="all", overlap="queue"))
ticker = Ticker(connect(settings), settings, [task], None)
while True:
    try:
        ticker.tick()
    except RedisError:
        pass
    time.sleep(0.02)
"""


@pytest.mark.timeout(300)
def test_five_hundred_ticks_while_everything_is_killed_again_and_again(tmp_path: Path) -> None:
    if not FAKETIME:
        missing("libfaketime (apt install libfaketime)")
    clock = Clock(tmp_path / "clock")
    server = RedisServer(tmp_path / "redis", clock, appendfsync="always")
    server.start()
    url = f"redis://127.0.0.1:{server.port}"
    numbers = random.Random(500)
    settings = load({"REDIS_URL": url})
    keys = Keys(settings.prefix)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", TICKING], cwd=ROOT, env={"REDIS_URL": url, "PATH": ""})

    tickers = [start() for _ in range(3)]
    with server.client() as client:
        begun = float(eventually(lambda: client.hget(keys.schedule("odd.add"), "last")) or 0)
    try:
        while clock.offset < 5500:
            clock.step(numbers.choice([250, 400, -30]))
            time.sleep(numbers.uniform(0.2, 0.8))
            victim = numbers.randrange(3)
            tickers[victim].send_signal(signal.SIGKILL)
            tickers[victim].wait()
            tickers[victim] = start()
            if numbers.random() < 0.3:
                server.kill()
                server.start()
        with server.client() as client:

            def settled() -> list[str]:
                jobs = waiting(client, keys)
                now = ticking.redis_time(client).timestamp()
                return jobs if len(jobs) >= max(500, int(now // 10) - int(begun // 10)) else []

            jobs = eventually(settled, seconds=60, what="all ticks are there")
    finally:
        for each in tickers:
            each.kill()
            each.wait()
        server.kill()
    found = [round(tick.timestamp()) for tick in ticks_of(jobs)]
    first = 10 * (int(begun // 10) + 1)
    assert found == list(range(first, first + 10 * len(found), 10)), "each once, in order"
