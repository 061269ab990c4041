"""Who calls: as API Gateway tells, as a token tells, as a signature tells; and what they may do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import authorizer
from chalicelib import context as contexts
from chalicelib.callers import NO_TOKEN
from coatcheck.catalog import Catalog
from coatcheck.scopes import ALL_TASKS, Scope
from coatcheck.token_store import FileStore
from coatcheck.tokens import TokenBook
from tests.functions.client import Api
from tests.functions.test_schedules import NIGHTLY

ARN = "arn:aws:execute-api:eu-central-1:123456789012:abc/api/GET/jobs"
TASK = "/tasks/examples.short_task"
OTHER = "/tasks/examples.long_task"
Make = Callable[..., str]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the tokens are."""
    path = tmp_path / "tokens.json"
    monkeypatch.setenv("COATCHECK_TOKENS", str(path))
    return path


@pytest.fixture
def make(place: Path) -> Make:
    """Makes a token: ``make("ann", "read", tasks=["reports.*"])``."""

    def make(name: str, *scopes: str, tasks: tuple[str, ...] = ALL_TASKS, now: float | None = None) -> str:
        made = ""

        def create(book: TokenBook) -> TokenBook:
            nonlocal made
            book, made = book.create(
                name,
                now=time.time() if now is None else now,
                scopes=[Scope(scope) for scope in scopes],
                tasks=tasks,
                lifetime=None if now is None else 60,
            )
            return book

        FileStore(place).change(create)
        return made

    return make


def asked(token: str) -> dict[str, Any]:
    """What the authorizer answers API Gateway."""
    answer: dict[str, Any] = authorizer({"type": "TOKEN", "authorizationToken": token, "methodArn": ARN}, {})
    return answer


def test_the_authorizer_lets_a_token_pass_on_every_path(make: Make) -> None:
    answer = asked(f"Bearer {make('ann', 'read', 'submit', tasks=('a.*', 'b.c'))}")
    assert answer["principalId"] == "ann"
    assert answer["context"] == {"scopes": "read submit", "tasks": "a.* b.c"}
    [statement] = answer["policyDocument"]["Statement"]
    # API Gateway keeps the answer for the token, whatever path it is used for next.
    assert statement["Resource"] == ["arn:aws:execute-api:eu-central-1:123456789012:abc/api/*/*"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "execute-api:Invoke")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer cc_a_b", "Basic {}", "{}", "Bearer {}x", "Bearer {} x"]
)
def test_the_authorizer_refuses_in_the_one_word_that_api_gateway_takes_for_401(
    header: str, make: Make
) -> None:
    token = make("ann", "admin")
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        asked(header.format(token))


def test_the_authorizer_refuses_an_expired_token_and_a_revoked_one(make: Make, place: Path) -> None:
    expired, revoked = make("ann", "admin", now=time.time() - 61), make("bob", "admin")
    assert asked(f"bearer {revoked}")["principalId"] == "bob"
    FileStore(place).change(lambda book: book.revoke("bob"))
    for token in (expired, revoked):
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            asked(f"Bearer {token}")


def test_tokens_that_can_not_be_read_are_not_a_401(place: Path) -> None:
    place.write_text("{")
    with pytest.raises(Exception, match="can't be read"):
        asked("Bearer cc_" + "a" * 12 + "_" + "b" * 40)


def told(api: Api, make: Make, name: str, *scopes: str, **options: Any) -> Api:
    """The client, as API Gateway would describe the holder of such a token."""
    answer = asked(f"Bearer {make(name, *scopes, **options)}")
    api.authorizer = {**answer["context"], "principalId": answer["principalId"]}
    return api


@pytest.fixture
def guarded(api: Api, change: Callable[..., None]) -> Api:
    """A client of the app behind API Gateway."""
    change(auth="tokens")
    return api


@pytest.fixture
def scheduled(guarded: Api) -> Api:
    """The same, with a periodic task."""
    context = contexts.current()
    contexts.use(replace(context, catalog=Catalog((*context.catalog.tasks, NIGHTLY))))
    return guarded


def test_what_the_authorizer_says_is_what_the_api_goes_by(guarded: Api, make: Make) -> None:
    ann = told(guarded, make, "ann", "read", tasks=("examples.short_*",))
    assert [task["name"] for task in ann.get("/tasks").json["tasks"]] == ["examples.short_task"]
    assert ann.get(TASK).status == 200
    assert ann.get(OTHER).is_problem(403, "forbidden")
    reply = ann.post(TASK, {})
    assert reply.is_problem(403, "forbidden")
    assert reply.headers["www-authenticate"] == (
        'Bearer realm="coatcheck", error="insufficient_scope", scope="submit"'
    )


def test_a_gateway_that_asked_nobody_lets_nobody_in(guarded: Api) -> None:
    for told_by_gateway in (None, {}, {"principalId": ""}):
        guarded.authorizer = told_by_gateway
        reply = guarded.get("/jobs", authorization="Bearer cc_" + "a" * 12 + "_" + "b" * 40)
        assert reply.is_problem(401, "unauthorized") and reply.json["detail"] == NO_TOKEN
        assert reply.headers["www-authenticate"] == 'Bearer realm="coatcheck"'
    assert guarded.get("/").status == guarded.get("/static/app.js").status == 200


def test_with_iam_it_is_the_signer_who_calls(api: Api, change: Callable[..., None]) -> None:
    change(auth="iam")
    reply = api.get("/jobs")
    assert reply.is_problem(401, "unauthorized")
    assert reply.headers["www-authenticate"] == "AWS4-HMAC-SHA256"
    api.identity = {"userArn": "arn:aws:iam::123456789012:user/ann"}
    assert api.get("/jobs").status == 200
    assert api.post(TASK, {}).status == 202


def test_without_authentication_whatever_is_sent_is_of_no_account(api: Api) -> None:
    api.authorizer = {"principalId": "ann", "scopes": "", "tasks": ""}
    assert api.get("/jobs", authorization="Bearer nonsense").status == 200
    assert api.post(TASK, {}).status == 202


def test_a_batch_is_refused_as_a_whole(guarded: Api, make: Make) -> None:
    ann = told(guarded, make, "ann", "submit", "read", tasks=("*.short_task",))
    jobs = [{"task": "examples.short_task"}, {"task": "examples.long_task"}]
    reply = ann.post("/jobs", {"jobs": jobs})
    assert reply.is_problem(403, "forbidden")
    assert reply.json["detail"] == "ann may use the tasks *.short_task only, not examples.long_task."
    assert ann.get("/jobs").json["jobs"] == []
    assert ann.post("/jobs", {"jobs": jobs[:1]}).status == 202


def test_jobs_of_other_tasks_are_neither_seen_nor_touched(
    api: Api, change: Callable[..., None], make: Make, place: Path
) -> None:
    change(auth="tokens")
    ann = told(api, make, "ann", "submit", "read")
    mine, other = (ann.post(f"{task}?delay=1h", {}).json["id"] for task in (TASK, OTHER))
    FileStore(place).change(lambda book: book.revoke("ann"))
    ann = told(api, make, "ann", "submit", "read", tasks=("examples.short_task",))
    assert [job["id"] for job in ann.get("/jobs").json["jobs"]] == [mine]
    for method, path in [("GET", ""), ("GET", "/log"), ("DELETE", ""), ("POST", "/retry")]:
        assert ann.request(method, f"/jobs/{other}{path}").is_problem(403, "forbidden")
    assert ann.get(f"/status/{other}").status == 403
    assert ann.delete(f"/jobs/{mine}").status == 202
    assert ann.post(f"/jobs/{mine}/retry").status == 202
    assert ann.get("/jobs/nothing").is_problem(404, "unknown-job")


def test_an_admin_is_bound_to_no_task(guarded: Api, make: Make) -> None:
    admin = told(guarded, make, "root", "admin", tasks=("nothing.*",))
    assert admin.post(OTHER, {}).status == 202
    assert len(admin.get("/tasks").json["tasks"]) > 1


def test_a_task_that_is_not_the_callers_is_refused_whether_it_exists_or_not(guarded: Api, make: Make) -> None:
    ann = told(guarded, make, "ann", "submit", "read", tasks=("examples.short_task",))
    one, other = ann.post(OTHER, {}), ann.post("/tasks/examples.nothing", {})
    assert one.is_problem(403, "forbidden") and other.is_problem(403, "forbidden")
    assert one.body.replace("long_task", "nothing") == other.body


def test_the_description_shows_what_the_caller_may_use(guarded: Api, make: Make) -> None:
    ann = told(guarded, make, "ann", "read", tasks=("examples.short_task",))
    document = ann.get("/openapi.json").json
    submissions = [
        path
        for path, methods in document["paths"].items()
        if path.startswith("/tasks/") and "post" in methods
    ]
    assert submissions == [TASK]
    assert document["components"]["securitySchemes"]["tokens"]["scheme"] == "bearer"
    assert json.dumps(document).count("plan_trip") == 0


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (["read"], {}),
        (["read", "submit"], {"retry", "submit", "run"}),
        (["admin"], {"retry", "submit", "run", "pause", "resume"}),
    ],
)
def test_links_to_what_a_caller_may_not_do_are_null(
    scopes: list[str], allowed: set[str], scheduled: Api, make: Make, place: Path
) -> None:
    job = told(scheduled, make, "ann", "submit").post("/tasks/reports.nightly", {}).json["id"]
    FileStore(place).change(lambda book: book.revoke("ann"))
    ann = told(scheduled, make, "ann", *scopes)
    documents = [
        ann.get(path).json
        for path in (f"/jobs/{job}", "/tasks/reports.nightly", "/schedules/reports.nightly")
    ]
    links = {name: link for document in documents for name, link in document["links"].items()}
    asked_for = {"retry", "submit", "run", "pause", "resume"}
    assert {name for name in asked_for if links[name] is not None} == set(allowed)
    assert ann.get("/jobs").json["jobs"][0]["links"] == documents[0]["links"]
    for name in asked_for - {"submit"}:  # retry: 409, since it waits
        path = f"/jobs/{job}/retry" if name == "retry" else f"/schedules/reports.nightly/{name}"
        assert (ann.post(path).status == 403) is (name not in allowed), name
