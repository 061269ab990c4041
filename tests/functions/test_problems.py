"""Errors become HTTP in one place, and each problem is documented."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import redis
from chalice.app import BadRequestError, Chalice

from chalicelib import problems, routing
from chalicelib.callers import authorize
from chalicelib.requests import Request
from chalicelib.responses import Answer, to_json
from chalicelib.routing import PUBLIC, Route
from coatcheck.errors import FieldError, InvalidArgumentsError, problem_classes
from coatcheck.keys import Keys
from tests.functions.client import FUNCTIONS, Api

DOCUMENTATION = FUNCTIONS.parent / "docs" / "problems.md"


def app_with(handler: Callable[[Request], Answer]) -> Api:
    """A small app of the same parts, with one route."""
    app = Chalice(app_name="small", configure_logs=False)
    app.register_middleware(problems.middleware, "http")
    routing.bind(app, [Route("GET", "/", handler, PUBLIC)], app.authorizer()(authorize))

    def chalice_refuses() -> None:
        raise BadRequestError("Chalice says no")

    app.route("/chalice")(chalice_refuses)
    return Api(application=app)


def test_an_unexpected_error_is_logged_with_its_traceback_and_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_request: Request) -> Answer:
        raise KeyError("secret of the house")

    reply = app_with(broken).get("/")
    assert reply.is_problem(500, "internal-error")
    assert "secret" not in reply.body
    assert "KeyError: 'secret of the house'" in caplog.text
    assert reply.json["instance"].startswith("urn:uuid:")
    assert reply.json["instance"] in caplog.text


def test_an_error_of_ours_becomes_its_problem() -> None:
    def wrong(_request: Request) -> Answer:
        raise InvalidArgumentsError("Two.", errors=[FieldError("/a", "is odd"), FieldError("/b", "is even")])

    reply = app_with(wrong).get("/")
    assert reply.is_problem(422, "invalid-arguments")
    assert reply.json == {
        "type": "urn:coatcheck:problem:invalid-arguments",
        "title": InvalidArgumentsError.title,
        "status": 422,
        "detail": "Two.",
        "errors": [{"pointer": "/a", "detail": "is odd"}, {"pointer": "/b", "detail": "is even"}],
    }
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_an_error_of_chalice_s_own_becomes_a_problem() -> None:
    def fine(_request: Request) -> Answer:
        return Answer(200, "")

    reply = app_with(fine).get("/chalice")
    assert reply.is_problem(400, "invalid-request")
    assert reply.json["detail"] == "Chalice says no"


def test_an_error_between_gateway_and_view_is_a_problem_too(caplog: pytest.LogCaptureFixture) -> None:
    api = app_with(lambda _request: Answer(200, "", {"X-Bad": "two\nlines"}))
    assert api.get("/").is_problem(500, "internal-error")
    assert "Bad value for header" in caplog.text


def test_a_reply_that_redis_should_not_give_is_an_internal_error(
    api: Api, client: redis.Redis, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    client.set(keys.queues, "not a set")
    assert api.get("/jobs").is_problem(500, "internal-error")
    assert "WRONGTYPE" in caplog.text


def test_half_a_surrogate_pair_in_a_result_can_be_sent() -> None:
    document = {"result": "\ud800 ä"}
    assert json.loads(to_json(document).encode()) == document
    assert to_json({"result": "ä"}) == '{"result":"ä"}'


def test_the_local_server_answers_unknown_paths_with_the_same_body() -> None:
    answer = problems.not_found("/nowhere")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert '"type":"urn:coatcheck:problem:not-found"' in answer.body and "/nowhere" in answer.body


def test_the_local_server_answers_unknown_methods_as_the_app_does(api: Api) -> None:
    answer = problems.method_not_allowed("/jobs", ["POST", "GET"])
    reply = api.request("PUT", "/jobs")
    assert (answer.status, answer.body) == (reply.status, reply.body)
    assert answer.headers["Allow"] == reply.headers["allow"]


def documented() -> dict[str, dict[str, Any]]:
    """What docs/problems.md says: for each section's slug its type and status."""
    sections = re.split(r"^## ", DOCUMENTATION.read_text(), flags=re.MULTILINE)[1:]
    return {
        section.split("\n", 1)[0].strip("` "): {
            "type": re.search(r'"type": "([^"]+)"', section),
            "status": re.search(r'"status": (\d+)', section),
            "title": re.search(r'"title": "([^"]+)"', section),
            "when": "**When:**" in section,
            "do": "**What to do:**" in section,
        }
        for section in sections
    }


def test_exactly_the_problems_that_exist_are_documented() -> None:
    assert list(documented()) == [cls.slug for cls in problem_classes()]


@pytest.mark.parametrize("cls", problem_classes())
def test_the_documentation_of_a_problem_is_right_and_whole(cls: Any) -> None:
    section = documented()[cls.slug]
    assert section["type"][1] == cls.type_uri()
    assert section["status"][1] == str(cls.status)
    assert section["title"][1] == cls.title
    assert section["when"] and section["do"]
