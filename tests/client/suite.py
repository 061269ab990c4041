"""What a client does on a real system. Runs for both clients, here and in ``tests/localstack``.

Takes the fixtures ``on`` (a ``Both``) and the tasks of ``worker_image/tasks/examples.py``.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coatcheck.client import (
    JobCanceledError,
    JobFailedError,
    JobStatus,
    JobStoppedError,
    Order,
    WaitTimeoutError,
    result_of,
)
from coatcheck.errors import (
    ConflictError,
    InvalidArgumentsError,
    UnknownBatchError,
    UnknownJobError,
    UnknownTaskError,
)
from tests.client.both import Both
from tests.support.polling import eventually

QUICK = {"to": 2, "pause": 0}
WAIT = 60


def test_a_task_is_called_like_a_function_and_its_ticket_has_the_result(on: Both) -> None:
    ticket = on.do(on.client.tasks.examples.count_slowly(to=3, pause=0))
    assert ticket.job.task == "examples.count_slowly"
    assert ticket.job.arguments == {"to": 3, "pause": 0}
    assert on.do(ticket.result(timeout=WAIT)) == 3
    assert ticket.status is JobStatus.FINISHED
    assert ticket.progress.fraction == 1
    assert on.do(ticket.log()) == "1 of 3\n2 of 3\n3 of 3\n"


def test_arguments_may_be_what_json_has_no_type_for(on: Both) -> None:
    ticket = on.do(
        on.client.submit(
            "examples.plan_trip", {"start": {"city": "Köln"}, "travellers": 2, "leaves": date(2027, 5, 1)}
        )
    )
    assert on.do(ticket.result(timeout=WAIT))["leaves"] == "2027-05-01"


def test_a_positional_argument_is_told_that_it_needs_a_name(on: Both) -> None:
    count: Any = on.client.tasks.examples.count_slowly
    with pytest.raises(TypeError, match=r"takes its arguments by name: examples\.count_slowly\("):
        count(3)


def test_a_failure_is_an_error_with_the_workers_traceback(on: Both) -> None:
    ticket = on.do(on.client.tasks.examples.task_raises_error())
    with pytest.raises(JobFailedError, match="ZeroDivisionError: division by zero") as failed:
        on.do(ticket.result(timeout=WAIT))
    assert failed.value.job.error.type == "ZeroDivisionError"  # type: ignore[union-attr]
    assert "1 / 0" in failed.value.__notes__[0]


def test_every_change_of_a_job_is_told_its_end_last(on: Both) -> None:
    ticket = on.do(on.client.tasks.examples.count_slowly(to=3, pause=0.7))
    updates = on.take(ticket)
    assert "".join(update.text for update in updates) == "1 of 3\n2 of 3\n3 of 3\n"
    assert [update.kind for update in updates].count("progress") >= 1
    fractions = [update.job.progress.fraction for update in updates if update.kind == "progress"]
    assert fractions == sorted(fractions)
    assert updates[-1].kind == "status"
    assert updates[-1].job.status == ticket.status == JobStatus.FINISHED
    assert on.take(ticket)[-1].job.ended, "a job that is over tells its end again"


def test_what_waits_is_canceled_and_run_again(on: Both) -> None:
    ticket = on.do(on.client.submit("examples.count_slowly", QUICK, delay=timedelta(hours=1)))
    assert ticket.status is JobStatus.SCHEDULED
    assert on.do(ticket.cancel()).status is JobStatus.CANCELED
    with pytest.raises(JobCanceledError):
        on.do(ticket.result())
    with pytest.raises(ConflictError):
        on.do(ticket.cancel())
    assert on.do(ticket.retry()).status is JobStatus.QUEUED
    assert on.do(ticket.result(timeout=WAIT)) == 2


def test_what_runs_is_stopped_and_nobody_waits_longer_than_told(on: Both) -> None:
    ticket = on.do(on.client.tasks.examples.count_slowly(to=1000, pause=1))
    with pytest.raises(WaitTimeoutError):
        on.do(ticket.result(timeout=0.5))
    eventually(lambda: on.do(ticket.refresh()).status is JobStatus.STARTED)
    on.do(ticket.cancel())
    with pytest.raises(JobStoppedError):
        on.do(ticket.result(timeout=WAIT))


def test_many_are_submitted_with_one_call_and_come_as_they_end(on: Both) -> None:
    counting = on.client.tasks.examples.count_slowly
    later = counting.with_options(at=datetime.now(UTC) + timedelta(hours=1))
    orders = [later.as_order(**QUICK), *(counting.as_order(to=n, pause=0) for n in (1, 2, 3))]
    tickets = on.do(on.client.submit_many(orders))
    ended = on.take(on.client.as_completed(tickets, timeout=WAIT), 3)
    assert {ticket.id for ticket in ended} == {ticket.id for ticket in tickets[1:]}
    assert [on.do(ticket.result()) for ticket in tickets[1:]] == [1, 2, 3]
    assert on.do(tickets[0].cancel()).status is JobStatus.CANCELED
    assert on.take(on.client.as_completed(tickets[:1])) == tickets[:1]


def test_jobs_come_after_others_and_take_their_results(on: Both) -> None:
    first = on.do(on.client.submit("examples.count_slowly", QUICK))
    counting = on.client.tasks.examples.count_slowly
    second = on.do(counting.with_options(after=[first])(to=result_of(first), pause=0))
    assert second.job.after == (first.id,) and second.job.if_failed == "cancel"
    third = on.do(on.client.submit("examples.count_slowly", QUICK, after=[first, second.id], if_failed="run"))
    assert third.job.after == (first.id, second.id) and third.job.if_failed == "run"
    assert [on.do(ticket.result(timeout=WAIT)) for ticket in (first, second, third)] == [2, 2, 2]


def test_a_workflow_is_submitted_at_once_and_watched_as_a_batch(on: Both) -> None:
    earlier = on.do(on.client.submit("examples.count_slowly", QUICK))
    flow = on.client.workflow()
    top = flow.add("examples.count_slowly", {"to": 3, "pause": 0}, after=[earlier])
    left = flow.add("examples.count_slowly", {"to": top.result(), "pause": 0})
    order = on.client.tasks.examples.count_slowly.as_order(to=1, pause=0)
    right = flow.add(order, after=[top], if_failed="run")
    flow.add("examples.count_slowly", {"to": left.result(""), "pause": 0}, after=[right])
    tickets = on.do(flow.submit(idempotency_key=f"flow-{id(flow)}"))
    ids = [ticket.id for ticket in tickets]
    assert [ticket.job.after for ticket in tickets] == [(earlier.id,), (ids[0],), (ids[0],), (ids[2], ids[1])]
    batch = on.do(on.client.batch(tickets[0].job.batch))
    assert on.do(batch.wait(timeout=WAIT)) == batch.status == "finished"
    assert (batch.counts, batch.total, batch.progress) == ({"finished": 4}, 4, 1)
    assert [on.do(ticket.result()) for ticket in batch.tickets] == [3, 3, 1, 3]
    again = on.do(flow.submit(idempotency_key=f"flow-{id(flow)}"))
    assert [ticket.id for ticket in again] == ids


def test_a_batch_is_canceled_with_one_call(on: Both) -> None:
    flow = on.client.workflow()
    first = flow.add("examples.count_slowly", QUICK, delay="1h")
    flow.add("examples.short_task", after=[first])
    [ticket, _] = on.do(flow.submit())
    batch = on.do(on.client.batch(ticket.job.batch))
    assert batch.status == "running" and batch.counts == {"scheduled": 1, "deferred": 1}
    with pytest.raises(WaitTimeoutError):
        on.do(batch.wait(timeout=0.1))
    held, last = batch.tickets
    listed = on.take(on.client.list_jobs(batch=batch.id))
    assert [each.id for each in listed] == [last.id, held.id]
    page, cursor = on.do(on.client.jobs_page(batch=batch.id, limit=1))
    assert ([each.id for each in page], cursor) == ([last.id], last.id)
    assert on.do(on.client.jobs_page(batch=batch.id, status="finished")) == ([], None)
    on.do(batch.cancel())
    assert batch.status == "failed" and batch.counts == {"canceled": 2}
    on.do(batch.refresh())
    assert batch.id in repr(batch) and batch.document["links"]["self"].endswith(batch.id)
    with pytest.raises(ConflictError):
        on.do(batch.cancel())
    with pytest.raises(UnknownBatchError):
        on.do(on.client.batch("0" * 36))


def test_the_same_key_gives_the_same_job(on: Both) -> None:
    first, again = (
        on.do(on.client.submit("examples.count_slowly", QUICK, idempotency_key=f"key-{id(on)}"))
        for _ in range(2)
    )
    assert first.id == again.id
    assert on.do(on.client.submit("examples.count_slowly", QUICK)).id != first.id


def test_a_ticket_can_be_had_again_and_jobs_are_listed(on: Both) -> None:
    mine = on.do(on.client.submit("examples.count_slowly", QUICK))
    assert on.do(mine.result(timeout=WAIT)) == 2
    assert on.do(on.do(on.client.ticket(mine.id)).result()) == 2
    listed = on.take(on.client.list_jobs(task="examples.count_slowly", status="finished", limit=3))
    assert mine.id in [ticket.id for ticket in listed]
    assert len(listed) <= 3
    assert on.do(listed[0].result()) is not None


def test_what_is_refused_is_the_problems_own_error(on: Both) -> None:
    with pytest.raises(InvalidArgumentsError) as refused:
        on.do(on.client.tasks.examples.count_slowly(to="many", steps=1))
    assert {error.pointer for error in refused.value.errors} == {"/to", "/steps"}
    with pytest.raises(UnknownTaskError):
        on.do(on.client.tasks.examples.nothing())
    with pytest.raises(UnknownJobError):
        on.do(on.client.ticket("0" * 36))
    with pytest.raises(InvalidArgumentsError) as refused:
        on.do(on.client.submit_many([Order("examples.short_task"), Order("examples.short_task", {"a": 1})]))
    assert [error.pointer for error in refused.value.errors] == ["/jobs/1/arguments/a"]


def test_a_file_goes_in_and_another_comes_out(on: Both, tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("month,price\nMay,2\nJune,4\n")
    ticket = on.do(on.client.tasks.examples.plot_table(table=path))
    result = on.do(ticket.result(timeout=WAIT))
    assert result["rows"] == 2
    assert result["columns"] == [{"name": "price", "smallest": 2, "largest": 4, "mean": 3}]
    plot = result["plot"]
    assert (plot.name, plot.type) == ("plot.svg", "image/svg+xml")
    saved = on.do(plot.save(tmp_path))
    assert saved.read_text().startswith("<svg")
    assert saved.stat().st_size == plot.size
    assert b"".join(on.take(plot.stream())) == saved.read_bytes()


def test_a_file_is_uploaded_once_for_many_jobs_and_only_where_it_fits(on: Both) -> None:
    table = on.do(on.client.upload(b"a,b\n1,2\n", "small.csv"))
    plot_table = on.client.tasks.examples.plot_table
    tickets = on.do(on.client.submit_many([plot_table.as_order(table=table, column=c) for c in ("a", "b")]))
    plots = [on.do(ticket.result(timeout=WAIT))["plot"] for ticket in tickets]
    with pytest.raises(InvalidArgumentsError) as refused:
        on.do(plot_table(table=plots[0]))
    assert [error.pointer for error in refused.value.errors] == ["/table"]
    with pytest.raises(InvalidArgumentsError, match="must be text/csv"):
        on.do(plot_table(table=Path(__file__)))


def test_tasks_queues_and_health_are_told(on: Both) -> None:
    names = [task["name"] for task in on.do(on.client.list_tasks())]
    assert "examples.plan_trip" in names
    assert on.do(on.client.task("examples.plan_trip"))["schema"]["required"] == ["start", "travellers"]
    assert [queue["name"] for queue in on.do(on.client.list_queues())] == ["default"]
    assert on.do(on.client.health())["redis"] is True
