"""Lists of jobs: filters, order, and pages that neither miss nor repeat a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from coatcheck import listing
from coatcheck.adapter import JobPage, QueueAdapter
from coatcheck.errors import InvalidRequestError, UnknownBatchError
from coatcheck.job import Job, JobStatus, Submission, new_job_id, utcnow
from coatcheck.keys import Keys
from coatcheck.scopes import EVERYTHING, Access
from coatcheck.settings import Settings
from tests.coatcheck.conftest import WorkerByHand, plant_batch
from tests.support.invariants import place
from worker_image.janitor import Janitor

MOMENT = 1_700_000_000.0


FILTERS: list[dict[str, Any]] = [
    {},
    {"status": JobStatus.QUEUED},
    {"status": JobStatus.FINISHED},
    {"queue": "default"},
    {"queue": "default", "status": JobStatus.CANCELED},
    {"access": Access("ann")},
    {"access": Access("ann"), "status": JobStatus.FINISHED},
    {"task": "odd.add"},
]


def submissions(
    count: int,
    *,
    now: float | None = None,
    task: str = "odd.add",
    queue: str = "default",
    owner: str | None = None,
) -> list[Submission]:
    return [
        Submission(task, {"left": 1}, queue, 60, 600, id=new_job_id(now), owner=owner) for _ in range(count)
    ]


def newest_first(jobs: list[Job] | list[Submission]) -> list[str]:
    return sorted((job.id for job in jobs), reverse=True)


def pages(adapter: QueueAdapter, limit: int, **filters: Any) -> Iterator[JobPage]:
    cursor = None
    while True:
        page = adapter.list(limit=limit, cursor=cursor, **filters)
        yield page
        if page.next is None:
            return
        cursor = page.next


def walk(adapter: QueueAdapter, limit: int, **filters: Any) -> list[str]:
    return [job.id for page in pages(adapter, limit, **filters) for job in page.jobs]


@pytest.fixture
def one_of_each(adapter: QueueAdapter, worker: WorkerByHand) -> dict[JobStatus, str]:
    """A job in each state that a client can bring about, on two queues, with different tasks."""

    def submit(**options: Any) -> str:
        options = {"queue": "default", "timeout": 60, "result_ttl": 600, **options}
        return adapter.submit([Submission("odd.add", {}, **options)])[0].id

    found = {}
    for status in (JobStatus.FINISHED, JobStatus.FAILED, JobStatus.STOPPED):
        found[status] = submit()
        worker.run(status.value)
    found[JobStatus.STARTED] = submit()
    worker.begin()
    found[JobStatus.SCHEDULED] = submit(at=utcnow() + timedelta(hours=1))
    found[JobStatus.CANCELED] = adapter.cancel(submit()).id
    found[JobStatus.QUEUED] = submit()
    return found


def test_nothing_submitted_is_an_empty_list(adapter: QueueAdapter) -> None:
    assert adapter.list() == JobPage([], None)
    assert adapter.list(status=JobStatus.FAILED) == JobPage([], None)


def test_jobs_come_newest_first_whatever_their_state(
    adapter: QueueAdapter, one_of_each: dict[JobStatus, str]
) -> None:
    page = adapter.list()
    assert [job.id for job in page.jobs] == sorted(one_of_each.values(), reverse=True)
    assert {job.status: job.id for job in page.jobs} == one_of_each
    assert page.next is None


@pytest.mark.parametrize("status", JobStatus)
def test_a_status_finds_its_jobs_only(
    status: JobStatus, adapter: QueueAdapter, one_of_each: dict[JobStatus, str]
) -> None:
    expected = [one_of_each[status]] if status in one_of_each else []
    assert [job.id for job in adapter.list(status=status).jobs] == expected
    assert [job.id for job in adapter.list(status=status, queue="default").jobs] == expected
    assert [job.id for job in adapter.list(status=status, task="odd.add").jobs] == expected
    assert adapter.list(status=status, queue="other") == JobPage([], None)
    assert adapter.list(status=status, task="odd.other") == JobPage([], None)


def test_a_job_that_is_taken_but_not_begun_counts_as_queued(
    adapter: QueueAdapter, submit: Callable[..., Job], worker: WorkerByHand
) -> None:
    job = submit("odd.add")
    worker.take()
    assert [found.id for found in adapter.list(status=JobStatus.QUEUED).jobs] == [job.id]


def test_queue_and_task_are_filters_alone_and_together(
    adapter: QueueAdapter, submit: Callable[..., Job]
) -> None:
    jobs = {
        (task, queue): submit(task, queue=queue).id
        for task in ("a.b", "a.c")
        for queue in ("default", "other")
    }
    for task in (None, "a.b", "a.c", "a"):
        for queue in (None, "default", "other", "none"):
            expected = {
                job_id
                for (its_task, its_queue), job_id in jobs.items()
                if task in (None, its_task) and queue in (None, its_queue)
            }
            for status in (None, JobStatus.QUEUED):
                found = adapter.list(task=task, queue=queue, status=status).jobs
                assert {job.id for job in found} == expected


def test_a_listed_job_has_no_arguments_and_no_result(
    adapter: QueueAdapter, submit: Callable[..., Job], worker: WorkerByHand
) -> None:
    submit("odd.add", {"left": 1})
    submit("odd.add", {"left": 2})
    worker.run("finished", result="large")
    worker.run("failed")
    failed, finished = adapter.list().jobs
    assert (finished.arguments, finished.result, finished.task) == ({}, None, "odd.add")
    assert failed.error is not None
    assert (failed.error.type, failed.error.traceback) == ("ValueError", None)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("status", [None, JobStatus.QUEUED])
def test_pages_of_any_size_hold_every_job_once(
    limit: int, status: JobStatus | None, adapter: QueueAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = adapter.submit(submissions(3) + submissions(3, now=MOMENT))
    found = list(pages(adapter, limit, status=status))
    assert [job.id for page in found for job in page.jobs] == newest_first(jobs)
    assert all(len(page.jobs) == limit for page in found[:-1])


@pytest.mark.parametrize(("limit", "count"), [(6, 1), (5, 2), (3, 2), (2, 3), (1, 6)])
def test_the_last_page_has_no_next_one_also_when_it_is_full(
    limit: int, count: int, adapter: QueueAdapter
) -> None:
    adapter.submit(submissions(6))
    assert len(list(pages(adapter, limit))) == count


def test_jobs_of_the_same_millisecond_are_paged_like_others(adapter: QueueAdapter) -> None:
    jobs = adapter.submit(submissions(11, now=MOMENT))
    assert walk(adapter, 2) == newest_first(jobs)
    assert walk(adapter, 2, status=JobStatus.QUEUED) == newest_first(jobs)


@pytest.mark.parametrize("status", [None, JobStatus.QUEUED])
def test_jobs_that_come_and_go_between_pages_make_no_gap_and_no_repetition(
    status: JobStatus | None,
    adapter: QueueAdapter,
    client: redis.Redis,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = newest_first(adapter.submit(submissions(12, now=MOMENT)))
    shown: list[str] = []
    gone: set[str] = set()
    for number, page in enumerate(pages(adapter, 2, status=status)):
        shown += [job.id for job in page.jobs]
        if number < 3:
            adapter.submit(submissions(3))
            # Of those shown the last one, whose id is the cursor; of those to come the second next.
            lost = {shown[-1], jobs[jobs.index(shown[-1]) + 2]}
            for job_id in lost:
                client.delete(keys.job(job_id))
                client.zrem(keys.index, job_id)
                client.lrem(keys.queue("default"), 0, job_id)
            gone |= lost - set(shown)
    assert shown == [job_id for job_id in jobs if job_id not in gone]
    assert len(gone) == 3


def test_expired_jobs_are_passed_over(adapter: QueueAdapter, client: redis.Redis, keys: Keys) -> None:
    jobs = newest_first(adapter.submit(submissions(6)))
    client.delete(*(keys.job(job_id) for job_id in jobs[::2]))
    assert walk(adapter, 2) == walk(adapter, 2, status=JobStatus.QUEUED) == jobs[1::2]


def test_one_page_looks_at_a_bounded_number_of_jobs_and_says_where_to_go_on(
    adapter: QueueAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SCAN_LIMIT", 4)
    wanted = newest_first(adapter.submit(submissions(2, now=MOMENT, task="a.wanted")))
    others = newest_first(adapter.submit(submissions(9)))
    first = adapter.list(task="a.wanted")
    assert first == JobPage([], others[3])
    assert walk(adapter, 50, task="a.wanted") == wanted
    assert walk(adapter, 50, task="a.wanted", status=JobStatus.QUEUED) == wanted
    assert [len(page.jobs) for page in pages(adapter, 50, task="a.wanted")] == [0, 0, 2]


@pytest.mark.parametrize("filters", [{}, {"status": JobStatus.QUEUED}, {"task": "odd.add"}])
def test_a_page_is_read_in_one_round_trip_however_large_the_limit(
    filters: dict[str, Any], adapter: QueueAdapter, sent: list[bytes]
) -> None:
    adapter.submit(submissions(500))
    adapter.list()
    sent.clear()
    assert len(adapter.list(limit=200, **filters).jobs) == 200
    assert len(sent) == 1


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_what_a_page_costs_redis_does_not_depend_on_how_many_jobs_there_are(
    filters: dict[str, Any], adapter: QueueAdapter, client: redis.Redis, worker: WorkerByHand
) -> None:
    def more(count: int) -> None:
        """As many again of each: waiting, finished and canceled, of two owners and on two queues."""
        for owner in ("ann", "bob"):
            for queue in ("default", "other"):
                jobs = adapter.submit(submissions(count, owner=owner, queue=queue))
                for job in jobs[: count // 4]:
                    adapter.cancel(job.id)
            for _ in range(count // 4):
                worker.run()

    def commands() -> int:
        client.config_resetstat()
        page = adapter.list(limit=10, **filters)
        assert len(page.jobs) == 10 and page.next
        second = adapter.list(limit=10, cursor=page.next, **filters)
        assert second.jobs[0].id < page.jobs[-1].id
        return sum(int(each["calls"]) for each in client.info("commandstats").values())

    more(44)
    few = commands()
    more(400)
    # A cursor is sought by halves: ten times as many jobs are four looks more in each of the ranges.
    assert commands() < few + 4 * 8


def test_a_list_of_an_owner_is_of_their_jobs_in_each_status(
    adapter: QueueAdapter, worker: WorkerByHand
) -> None:
    for number in range(30):
        (job,) = adapter.submit(submissions(1, owner=("ann", "bob", None)[number % 3]))
        for act in (lambda: None, worker.run, lambda: worker.run("failed"), lambda: adapter.cancel(job.id)):  # noqa: B023
            if number % 4 == 0:
                act()
                break
            number //= 4
    everything = adapter.list(limit=100).jobs
    for owner in ("ann", "bob", "eve"):
        access = Access(owner)
        for status in (None, *JobStatus):
            wanted = [job.id for job in everything if job.owner == owner and status in (None, job.status)]
            assert [job.id for job in adapter.list(access=access, status=status).jobs] == wanted
            assert walk(adapter, 2, access=access, status=status) == wanted
            assert walk(adapter, 2, access=access, status=status, queue="default") == wanted


def test_an_entry_that_others_left_behind_is_put_right_by_the_janitor(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    (job,) = adapter.submit(submissions(1, owner="ann"))
    client.lrem(keys.queue("default"), 0, job.id)
    client.hset(keys.job(job.id), "status", "failed")  # as RQ's own worker does
    assert adapter.list(status=JobStatus.FAILED).jobs == []
    assert adapter.list(status=JobStatus.QUEUED).jobs == []
    assert [found.id for found in adapter.list().jobs] == [job.id]
    Janitor(client, settings, ["default"]).tick()
    for access in (EVERYTHING, Access("ann")):
        assert [found.id for found in adapter.list(status=JobStatus.FAILED, access=access).jobs] == [job.id]
    client.delete(keys.job(job.id))
    Janitor(client, settings, ["default"]).tick()
    assert not client.exists(keys.index, keys.owned)


def of_a_batch(adapter: QueueAdapter, submissions: list[Submission]) -> tuple[str, list[str]]:
    """Submit a batch among other jobs; returns its id, and those of its jobs, newest first."""
    adapter.submit([*map(fresh, submissions[:3])])
    batch = new_job_id()
    jobs = adapter.submit(submissions, batch=batch)
    adapter.submit([*map(fresh, submissions[:3])])
    return batch, newest_first(jobs)


def fresh(submission: Submission) -> Submission:
    return replace(submission, id=new_job_id())


@pytest.mark.parametrize("limit", [1, 2, 49, 50, 51, 100, 119, 120, 121])
def test_the_pages_of_a_batch_hold_each_of_its_jobs_once(limit: int, adapter: QueueAdapter) -> None:
    batch, jobs = of_a_batch(adapter, submissions(120))
    found = list(pages(adapter, limit, batch=batch))
    assert [job.id for page in found for job in page.jobs] == jobs
    assert [len(page.jobs) for page in found[:-1]] == [limit] * ((120 - 1) // limit)


def test_a_batch_is_filtered_like_any_list(
    adapter: QueueAdapter, worker: WorkerByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SCAN_LIMIT", 4)
    kinds: list[dict[str, Any]] = [{}, {"task": "a.b"}, {"queue": "other"}]
    batch, jobs = of_a_batch(
        adapter, [each for _ in range(3) for kind in kinds for each in submissions(1, **kind)]
    )
    adapter.cancel(jobs[-1])
    adapter.cancel(jobs[1])
    for every, wanted in (
        ({"status": JobStatus.CANCELED}, [jobs[1], jobs[-1]]),
        ({"status": JobStatus.FINISHED}, []),
        ({"queue": "other"}, jobs[::3]),
        ({"task": "a.b"}, jobs[1::3]),
        ({"task": "a.b", "status": JobStatus.QUEUED}, jobs[4::3]),
        ({"access": Access(None, ("a.*",))}, jobs[1::3]),
    ):
        assert walk(adapter, 2, batch=batch, **every) == wanted, every
        assert [len(page.jobs) <= 4 for page in pages(adapter, 9, batch=batch, **every)] == [True] * 3


def test_a_batch_is_listed_for_its_owner_only(adapter: QueueAdapter) -> None:
    batch, jobs = of_a_batch(adapter, submissions(3, owner="ann"))
    for access in (EVERYTHING, Access("ann")):
        assert walk(adapter, 2, batch=batch, access=access) == jobs
    for asked, access in ((batch, Access("bob")), (new_job_id(), EVERYTHING)):
        with pytest.raises(UnknownBatchError, match=f"no batch {asked}"):
            adapter.list(batch=asked, access=access)


def test_a_batch_is_listed_without_those_of_its_jobs_that_are_kept_no_more(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    batch, jobs = of_a_batch(adapter, submissions(6))
    client.delete(*(keys.job(job_id) for job_id in jobs[1::2]))
    assert walk(adapter, 2, batch=batch) == jobs[::2]
    assert [job.id for job in adapter.list(batch=batch, cursor=jobs[1]).jobs] == jobs[2::2]


def test_what_a_page_of_a_batch_costs_redis_does_not_depend_on_its_size(
    adapter: QueueAdapter, client: redis.Redis
) -> None:
    def commands(count: int) -> int:
        batch, jobs = of_a_batch(adapter, submissions(count))
        client.config_resetstat()
        page = adapter.list(limit=10, batch=batch, cursor=jobs[count // 2])
        assert [job.id for job in page.jobs] == jobs[count // 2 + 1 : count // 2 + 11]
        return sum(int(each["calls"]) for each in client.info("commandstats").values())

    assert commands(50) == commands(1000)


@pytest.mark.parametrize(
    "planted", ["text", "", "x" * 1000, {"owner": "ann"}, {"jobs": ""}, {"jobs": "," * 99}]
)
def test_what_is_no_batch_has_no_jobs(
    planted: Any, adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    batch = plant_batch(client, keys, planted)
    if isinstance(planted, str) or "jobs" not in planted:
        with pytest.raises(UnknownBatchError):
            adapter.list(batch=batch)
    else:
        assert adapter.list(batch=batch) == JobPage([], None)


@pytest.mark.parametrize(
    "cursor", ["", "x", "0", "-", "+", "[" + "0" * 35, "0123456789ABCDEFGHJK" + "0" * 16, "0" * 36 + "\n"]
)
@pytest.mark.parametrize("status", [None, JobStatus.QUEUED])
def test_a_cursor_that_no_page_gave_is_refused(
    cursor: str, status: JobStatus | None, adapter: QueueAdapter
) -> None:
    with pytest.raises(InvalidRequestError, match="cursor"):
        adapter.list(cursor=cursor, status=status)


def test_entries_of_the_index_that_are_no_ids_do_no_harm(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = adapter.submit(submissions(1))
    for member in (b"\x80", b"\xff\xfe", b"", b"zzz", b"0" * 36 + b"\n", b"a:b"):
        client.zadd(keys.index, {member: place("default", "queued")})
    assert [found.id for found in adapter.list().jobs] == [job.id]
