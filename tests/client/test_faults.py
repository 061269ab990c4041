"""What a client does when the API is away, in a hurry, older, or none: for both clients."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from chalicelib.options import NAMES
from chalicelib.problems import problem as problem_answer
from coatcheck.client import ClientError, ConnectionFailedError, Order, ResponseError
from coatcheck.client.errors import error_of
from coatcheck.client.flow import backoff
from coatcheck.client.wire import Answer
from coatcheck.errors import FieldError, ProblemError, SettingsError, UnavailableError, problem_classes
from infra.remote import run
from tests.client.both import KINDS, Both, both
from tests.client.scripted import JOB, Scripted, ScriptedApi, job, problem

UNAVAILABLE = problem(503, "unavailable", Retry_After="7")
DONE = job(status="finished", result=5)
BROKEN = httpx.ReadError("broken")
REFUSED = httpx.ConnectError("refused")


Opening = Callable[..., tuple[Both, ScriptedApi]]


@pytest.fixture(params=KINDS)
def to(request: pytest.FixtureRequest) -> Iterator[Opening]:
    """Opens a client of each kind on an API that answers as told."""
    with ExitStack() as stack:

        def opening(*answers: Scripted, **options: Any) -> tuple[Both, ScriptedApi]:
            api = ScriptedApi(*answers)
            opened = both(request.param, "http://api.test/stage/", transport=api, **options)
            return stack.enter_context(opened), api

        yield opening


@pytest.mark.parametrize("fault", [UNAVAILABLE, httpx.Response(502), httpx.Response(504), BROKEN, REFUSED])
def test_a_submission_is_repeated_with_its_own_key(to: Opening, pauses: list[float], fault: Scripted) -> None:
    on, api = to(fault, fault, job())
    on.do(on.client.submit("a.b", {"n": 1}, queue="q"))
    assert [str(request.url) for request in api.requests] == ["http://api.test/stage/tasks/a.b?queue=q"] * 3
    assert len({request.headers["idempotency-key"] for request in api.requests}) == 1
    assert len(pauses) == 2
    assert all(pause > 7 for pause in pauses) == (fault is UNAVAILABLE)
    on.do(on.client.submit("a.b"))
    assert api.requests[-1].headers["idempotency-key"] != api.requests[0].headers["idempotency-key"]


@pytest.mark.parametrize("fault", [UNAVAILABLE, BROKEN])
@pytest.mark.parametrize("name", ["cancel", "retry"])
def test_so_is_what_is_done_about_a_job(to: Opening, pauses: list[float], name: str, fault: Scripted) -> None:
    on, api = to(job(), fault, job(status="queued"))
    ticket = on.do(on.client.ticket(JOB["id"]))
    assert on.do(getattr(ticket, name)()).status == "queued"
    _, first, second = api.requests
    assert first.url == second.url and first.method == second.method
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    on.do(getattr(ticket, name)())
    assert api.requests[-1].headers["idempotency-key"] != first.headers["idempotency-key"]
    assert len(pauses) == 1


def test_what_may_have_been_done_is_not_repeated(to: Opening, pauses: list[float]) -> None:
    for fault, error in ((UNAVAILABLE, UnavailableError), (BROKEN, ConnectionFailedError)):
        on, api = to(httpx.Response(200, json={"id": JOB["id"], "status": "running", "jobs": []}), fault)
        batch = on.do(on.client.batch(JOB["id"]))
        with pytest.raises(error):
            on.do(batch.cancel())
        assert [request.method for request in api.requests] == ["GET", "DELETE"]
    assert pauses == []


@pytest.mark.parametrize("fault", [REFUSED, problem(429, "too-many", Retry_After="3")])
def test_what_was_not_done_is_repeated(to: Opening, pauses: list[float], fault: Scripted) -> None:
    on, api = to(job(), fault, job(status="canceled"))
    ticket = on.do(on.client.ticket(JOB["id"]))
    assert on.do(ticket.cancel()).status == "canceled"
    assert [request.method for request in api.requests] == ["GET", "DELETE", "DELETE"]
    assert len(pauses) == 1


def test_it_gives_up_in_time_and_says_why(to: Opening, pauses: list[float]) -> None:
    on, api = to(REFUSED, retry_for=0)
    with pytest.raises(ConnectionFailedError, match=r"no answer from http://api\.test/stage: refused"):
        on.do(on.client.list_queues())
    on, api = to(UNAVAILABLE, retry_for=5)
    with pytest.raises(UnavailableError):
        on.do(on.client.list_queues())
    assert len(api.requests) == 1, "Retry-After is later than that"
    assert pauses == []


def test_the_back_off_grows_to_a_limit_and_is_never_before_retry_after() -> None:
    for attempt in range(40):
        most = min(10, 0.2 * 2**attempt)
        assert most / 2 <= backoff(attempt, None) <= most
        assert 30 <= backoff(attempt, 30.0) <= 30 + most


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3),
        ("0", 0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("99999", 300),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0),
    ],
)
def test_retry_after_is_read(text: str, seconds: float | None) -> None:
    assert Answer(503, {"retry-after": text}, b"").retry_after == seconds


@pytest.mark.parametrize("kind", problem_classes(), ids=lambda kind: kind.slug)
def test_each_problem_of_the_api_is_raised_as_its_own_class(kind: type[ProblemError]) -> None:
    raised = kind.__new__(kind, "")
    ProblemError.__init__(raised, "It is so.", errors=[FieldError("/a", "is wrong")])
    told = problem_answer(raised, "urn:uuid:1")
    headers = {name.lower(): value for name, value in told.headers.items()}
    error = error_of(Answer(told.status, headers, told.body.encode()))
    assert type(error) is kind
    assert isinstance(error, ProblemError)
    assert (str(error), error.detail, error.status) == ("It is so. /a is wrong", "It is so.", told.status)
    assert error.errors == (FieldError("/a", "is wrong"),)
    assert error.__notes__ == ["The API's log tells more of urn:uuid:1."]


def test_each_problem_that_is_documented_has_its_class() -> None:
    documented = Path("docs/problems.md").read_text().split("\n## `")[1:]
    assert {part.partition("`")[0] for part in documented} == {kind.slug for kind in problem_classes()}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (httpx.Response(403, text="<html>"), "answered 403 without a problem document"),
        (httpx.Response(301, headers={"Location": "http://elsewhere.test"}), "answered 301"),
        (problem(418, "teapot"), "418 with an unknown problem, urn:coatcheck:problem:teapot: so"),
        (httpx.Response(200, text="<html>"), "is the URL right?"),
        (httpx.Response(200, json={"id": 1}), "a job that can't be read"),
        (job(status="dreaming"), "a job that can't be read"),
        (httpx.Response(500, text="{", headers={"Content-Type": "application/problem+json"}), "answered 500"),
    ],
)
def test_what_is_no_answer_of_the_api_is_told(to: Opening, answer: httpx.Response, told: str) -> None:
    on, api = to(answer)
    with pytest.raises(ResponseError, match=told):
        on.do(on.client.ticket(JOB["id"]))
    assert len(api.requests) == 1


def test_the_token_and_the_stage_are_sent(to: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COATCHECK_TOKEN", "cc_env")
    on, api = to(job())
    on.do(on.client.ticket("a/b"))
    assert api.requests[0].headers["authorization"] == "Bearer cc_env"
    assert api.requests[0].url.raw_path == b"/stage/jobs/a%2Fb"
    on, api = to(job(), token="cc_given")
    on.do(on.client.ticket("a"))
    assert api.requests[0].headers["authorization"] == "Bearer cc_given"


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_needs_a_url(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COATCHECK_URL", raising=False)
    for url in ("", "ftp://a", "a.example", "http://", "http://a:b", "http://a/?b=c"):
        with pytest.raises(SettingsError), both(kind, url):
            pass
    monkeypatch.setenv("COATCHECK_URL", "http://a.example/api/")
    with both(kind, ""):
        pass


def test_the_server_is_asked_to_hold_the_request(to: Opening, pauses: list[float]) -> None:
    on, api = to(job(), DONE)
    ticket = on.do(on.client.ticket(JOB["id"]))
    assert on.do(ticket.result()) == 5
    assert api.requests[1].url.params["wait"] == "20"
    assert api.requests[1].extensions["timeout"]["read"] == 50
    assert pauses == []


def test_a_server_that_refuses_that_is_polled(to: Opening, pauses: list[float]) -> None:
    refusal = problem(400, "invalid-request", [{"pointer": "?wait", "detail": "is not known"}])
    on, api = to(job(), refusal, job(), job(), DONE)
    ticket = on.do(on.client.ticket(JOB["id"]))
    assert on.do(ticket.result()) == 5
    assert [dict(request.url.params) for request in api.requests] == [{}, {"wait": "20"}, {}, {}, {}]
    assert [round(pause) for pause in pauses] == [1, 1, 1]


def test_a_server_that_ignores_that_is_polled(to: Opening, pauses: list[float]) -> None:
    on, _ = to(job(), job(), DONE)
    ticket = on.do(on.client.ticket(JOB["id"]))
    assert on.do(ticket.result()) == 5
    assert [round(pause) for pause in pauses] == [1]


def test_every_option_of_the_api_can_be_given(to: Opening) -> None:
    given: dict[str, Any] = dict.fromkeys(NAMES, "x")
    on, api = to(job())
    on.do(on.client.submit("a.b", **given))
    on.do(on.client.tasks.a.b.with_options(**given)())
    on.do(on.client.submit_order(Order("a.b", **given)))
    assert [dict(request.url.params) for request in api.requests] == [given] * 3
    assert set(run.OPTIONS) == NAMES


def test_batches_are_as_few_as_the_limits_allow(to: Opening) -> None:
    answer = httpx.Response(202, json={"jobs": [JOB]})
    on, api = to(answer)
    assert on.do(on.client.submit_many([])) == []
    on.do(on.client.submit_many([Order("a.b")] * 2500, idempotency_key="k"))
    assert [len(json.loads(request.content)["jobs"]) for request in api.requests] == [1000, 1000, 500]
    assert [request.headers["idempotency-key"] for request in api.requests] == ["k-0", "k-1", "k-2"]
    on, api = to(answer)
    on.do(on.client.submit_many([Order("a.b", {"text": "x" * 300_000})] * 7))
    assert [len(json.loads(request.content)["jobs"]) for request in api.requests] == [3, 3, 1]
    assert all(len(request.content) < 2**20 for request in api.requests)


def test_a_batch_that_came_through_in_part_says_how_to_go_on(to: Opening) -> None:
    on, _ = to(httpx.Response(202, json={"jobs": [JOB]}), problem(403, "forbidden"))
    with pytest.raises(ProblemError) as refused:
        on.do(on.client.submit_many([Order("a.b")] * 1001, idempotency_key="k"))
    assert "1 jobs were submitted before" in refused.value.__notes__[0]
    assert "idempotency_key='k'" in refused.value.__notes__[0]


def test_many_jobs_are_looked_at_ever_more_rarely(to: Opening, pauses: list[float]) -> None:
    on, api = to(httpx.Response(202, json={"jobs": [JOB, {**JOB, "status": "finished"}]}), *[job()] * 9, DONE)
    tickets = on.do(on.client.submit_many([Order("a.b")] * 2))
    assert len(on.take(on.client.as_completed(tickets))) == 2
    waits = [int(request.url.params.get("wait", 0)) for request in api.requests[1:]]
    waits = [wait for wait in waits if wait]
    assert waits == sorted(waits)
    assert waits[0] <= 2
    assert waits[-1] > 4


def test_every_error_of_the_client_has_one_root() -> None:
    from coatcheck import client

    errors = [
        kind for kind in vars(client).values() if isinstance(kind, type) and issubclass(kind, Exception)
    ]
    assert len(errors) == 9
    assert all(issubclass(kind, ClientError) for kind in errors)
