"""What browsers are told, and what pages of other sites may do."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
import redis

from app import app
from chalicelib.page import WEB
from chalicelib.responses import GUARDED
from chalicelib.sites import EXPOSED
from coatcheck.job import JobError
from coatcheck.keys import Keys
from tests.coatcheck.conftest import WorkerByHand, worker
from tests.functions.client import FORM, Api, Reply

__all__ = ["worker"]

TASK = "/tasks/examples.short_task"
FRIEND, STRANGER = "https://app.example.com", "https://evil.example.net"
HOME = {"host": "127.0.0.1:8000"}


def asked(api: Api, method: str, path: str) -> Reply:
    """The answer to a request for a route, with some values for what it captures."""
    job = api.post(f"{TASK}?delay=1h", {}).json["id"]
    name = "app.js" if path.startswith("/static") else "examples.short_task"
    return api.request(method, path.replace("{id}", job).replace("{name}", name))


ROUTES = [(method, path) for path, methods in app.routes.items() for method in methods]


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
def test_each_answer_tells_browsers_to_be_careful(method: str, path: str, api: Api) -> None:
    reply = asked(api, method, path)
    assert {name.lower() for name in GUARDED} <= reply.headers.keys()
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-frame-options"] == "DENY"
    assert reply.headers["referrer-policy"] == "no-referrer"
    policy = reply.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"unsafe|data:|https?:|\*", policy)
    assert not any(name.startswith("access-control-") for name in reply.headers)
    assert "set-cookie" not in reply.headers
    if "json" in reply.headers["content-type"]:
        assert "default-src 'none'" in policy


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
def test_what_is_about_a_job_is_kept_by_nobody(method: str, path: str, api: Api) -> None:
    reply = asked(api, method, path)
    about = path.startswith(("/jobs", "/status", "/_run_task")) or (method == "POST" and "/tasks" in path)
    if about or reply.status >= 400:
        assert reply.headers["cache-control"] == "no-store"


def test_errors_are_no_html_whatever_is_asked_for(api: Api) -> None:
    attack = "<script>alert(1)</script>"
    for reply in (
        api.get(f"/tasks/{quote(attack, safe='')}"),
        api.get(f"/static/{quote(attack, safe='')}"),
        api.get(f"/jobs?status={quote(attack)}&{quote(attack)}=1"),
        api.send(TASK, attack),
        api.send(TASK, f"{attack}={attack}", FORM),
        api.send("/_run_task", f"task={attack}", FORM),
        api.post(f"{TASK}?queue={quote(attack)}", {}),
    ):
        assert 400 <= reply.status < 500
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.headers["x-content-type-options"] == "nosniff"


def test_the_page_has_no_inline_script_style_or_handler() -> None:
    text = (WEB / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bon[a-z]+=|\bstyle=|javascript:", text)


@pytest.mark.parametrize("path", ["/", "/tasks", "/jobs/none"])
def test_over_https_browsers_are_told_to_stay_there(path: str, api: Api) -> None:
    reply = api.get(path, x_forwarded_proto="https")
    assert re.fullmatch(r"max-age=\d{8,}; includeSubDomains", reply.headers["strict-transport-security"])
    assert "strict-transport-security" not in api.get(path).headers


# CORS


def preflight(api: Api, origin: str, path: str = TASK) -> Reply:
    headers = {"origin": origin, "access-control-request-method": "POST"}
    return api.request("OPTIONS", path, headers=headers)


def test_pages_of_other_origins_may_nothing_by_default(api: Api) -> None:
    reply = preflight(api, FRIEND)
    assert reply.is_problem(405, "method-not-allowed")
    assert reply.headers["allow"] == "GET, HEAD, POST"
    assert not any(name.startswith("access-control-") for name in api.get("/tasks", origin=FRIEND).headers)


def test_an_origin_that_is_named_may_ask_and_read(api: Api, change: Callable[..., None]) -> None:
    change(cors_origins=(FRIEND, "http://localhost:3000"))
    reply = preflight(api, FRIEND)
    assert (reply.status, reply.body) == (204, "")
    assert reply.headers["access-control-allow-origin"] == FRIEND
    assert reply.headers["access-control-allow-methods"] == "GET, POST"
    assert {"authorization", "content-type", "idempotency-key", "prefer"} <= set(
        reply.headers["access-control-allow-headers"].split(", ")
    )
    assert "access-control-allow-credentials" not in reply.headers
    for answer in (
        api.get("/tasks", origin=FRIEND),
        api.get("/jobs/none", origin=FRIEND),
        api.post(TASK, {}, origin=FRIEND, sec_fetch_site="cross-site"),
    ):
        assert answer.headers["access-control-allow-origin"] == FRIEND
        assert "Location" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"


def test_every_header_that_is_described_may_be_read(api: Api) -> None:
    operations = [each for path in api.get("/openapi.json").json["paths"].values() for each in path.values()]
    answers = [answer for operation in operations for answer in operation["responses"].values()]
    described = {name for answer in answers for name in answer.get("headers", ())}
    assert "Preference-Applied" in described
    assert described <= set(EXPOSED.split(", "))


@pytest.mark.parametrize(
    "origin",
    [
        STRANGER,
        "null",
        "https://app.example.com.evil.net",
        "https://evilapp.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://APP.example.com",
        "*",
        "",
    ],
)
def test_only_that_very_origin(origin: str, api: Api, change: Callable[..., None]) -> None:
    change(cors_origins=(FRIEND,))
    assert preflight(api, origin).is_problem(405, "method-not-allowed")
    reply = api.get("/tasks", origin=origin)
    assert "access-control-allow-origin" not in reply.headers
    assert reply.headers["vary"] == "Origin", "a cache must not give it to others"


# What a page of another site can make a browser send without asking


CHANGES = [
    ("POST", TASK),
    ("POST", "/jobs"),
    ("POST", "/_run_task"),
    ("DELETE", "/jobs/{id}"),
    ("POST", "/jobs/{id}/retry"),
    ("POST", "/jobs/{id}/deliveries"),
]
OTHERS = [
    {"sec-fetch-site": "cross-site", "origin": STRANGER},
    {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:3000"},
    {"sec-fetch-site": "cross-site"},
    {"origin": STRANGER},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:8001"},
    {"origin": "http://[::1"},
]


@pytest.mark.parametrize("headers", OTHERS, ids=str)
@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_page_of_another_site_changes_nothing(
    method: str, path: str, headers: dict[str, str], api: Api
) -> None:
    job = api.post(f"{TASK}?delay=1h", {}).json["id"]
    sent = {"content-type": FORM, **HOME, **headers}
    reply = api.request(method, path.replace("{id}", job), b"", sent)
    assert reply.is_problem(403, "cross-site")
    jobs = api.get("/jobs").json["jobs"]
    assert [(each["id"], each["status"]) for each in jobs] == [(job, "scheduled")]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8000"},
        {"sec-fetch-site": "none"},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "http://127.0.0.1:8000", "referer": "http://127.0.0.1:8000/"},
    ],
    ids=str,
)
def test_the_page_itself_and_programs_may(headers: dict[str, str], api: Api) -> None:
    assert api.request("POST", TASK, b"", {**HOME, **headers}).status == 202


def test_where_callers_are_asked_a_browser_has_nothing_to_add(api: Api, change: Callable[..., None]) -> None:
    change(auth="tokens")
    reply = api.request("POST", TASK, b"", {**HOME, **OTHERS[0]})
    assert reply.is_problem(401, "unauthorized")


def test_others_may_look_but_browsers_don_t_let_them_read(api: Api) -> None:
    reply = api.get("/jobs", origin=STRANGER, sec_fetch_site="cross-site")
    assert reply.status == 200
    assert "access-control-allow-origin" not in reply.headers
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"


# Tracebacks


@pytest.fixture
def failed(api: Api, worker: WorkerByHand) -> str:
    """The path of a job that has failed with a traceback."""
    job = api.post(TASK, {}).json
    worker.run("failed", error=JobError("ValueError", "bad", "Traceback: secret path"))
    path: str = job["links"]["self"]
    return path


def as_holder(api: Api, scopes: str) -> Api:
    api.authorizer = {"principalId": "ann", "scopes": scopes, "tasks": "*"}
    return api


def test_tracebacks_are_shown_to_all_who_see_the_job_unless_a_setting_says_no(
    failed: str, api: Api, change: Callable[..., None], client: redis.Redis, keys: Keys
) -> None:
    shown = {"type": "ValueError", "message": "bad", "traceback": "Traceback: secret path"}
    assert api.get(failed).json["error"] == shown
    change(tracebacks="admin", auth="tokens")
    assert as_holder(api, "read admin").get(failed).json["error"] == shown
    client.hset(keys.job(failed.rpartition("/")[2]), "owner", "ann")
    reply = as_holder(api, "read")
    assert reply.get(failed).json["error"] == {**shown, "traceback": None}
    assert "secret path" not in reply.get(failed.replace("/jobs/", "/status/")).body
