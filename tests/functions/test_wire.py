"""The app over real HTTP, through the local server: what goes over the wire, and many at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from threading import Thread

import pytest

from app import app
from chalicelib import problems
from chalicelib.context import Context
from infra.server import ApiServer
from tests.functions.client import FORM, Reply

JSON = "application/json"


class Wire:
    """A client that sends paths as they are."""

    def __init__(self, port: int) -> None:
        self._port = port

    def request(
        self, method: str, path: str, body: bytes | str | None = None, content_type: str = JSON
    ) -> Reply:
        """The answer on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": content_type})
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, headers, answer.read().decode())
        finally:
            connection.close()


@pytest.fixture
def wire(context: Context) -> Iterator[Wire]:
    """The app behind the server of ``coatcheck up``."""
    server = ApiServer(app, problems, ("127.0.0.1", 0), max_body=context.settings.max_body)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield Wire(server.server_port)
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_submission_and_its_ticket(wire: Wire) -> None:
    reply = wire.request("POST", "/tasks/examples.count_slowly", '{"to": 3}')
    assert reply.status == 202
    assert int(reply.headers["content-length"]) == len(reply.body.encode())
    assert wire.request("GET", reply.headers["location"]).json == reply.json


def test_the_story_byte_for_byte(wire: Wire) -> None:
    reply = wire.request("POST", "/_run_task", "task=Task+raises+error", FORM)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (202, "{}", JSON)
    assert wire.request("GET", reply.headers["location"]).body == '{"status": "queued", "result": null}'
    assert wire.request("GET", "/status/8f6a").body == '{"status": "unknown"}'


def test_many_clients_at_once_each_get_their_own_job(wire: Wire) -> None:
    def submit(number: int) -> list[int]:
        reply = wire.request("POST", "/tasks/examples.count_slowly", json.dumps({"to": number}))
        ticket = wire.request("GET", reply.headers["location"])
        return [reply.json["arguments"]["to"], ticket.json["arguments"]["to"]]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(submit, range(1, 101)))
    assert answers == [[number, number] for number in range(1, 101)]


def test_an_answer_that_has_not_changed_has_no_body_on_the_wire(wire: Wire) -> None:
    connection = HTTPConnection("127.0.0.1", wire._port, timeout=10)
    connection.request("GET", "/tasks")
    etag = (first := connection.getresponse()).headers["ETag"]
    first.read()
    connection.request("GET", "/tasks", headers={"If-None-Match": etag})
    again = connection.getresponse()
    assert (again.status, again.read()) == (304, b"")
    connection.request("GET", "/health")
    assert connection.getresponse().read().startswith(b'{"status":')
    connection.close()


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/static/../../app.py",
        "/static/..%2f..%2fapp.py",
        "/static/%2e%2e/index.html",
        "/static/",
        "/static/css/base.css",
        "/jobs/a/b/c",
        "/TASKS",
    ],
)
def test_a_path_that_is_none_is_a_404_in_the_same_format(wire: Wire, path: str) -> None:
    assert wire.request("GET", path).is_problem(404, "not-found")


def test_an_unknown_method_says_which_are_known(wire: Wire) -> None:
    reply = wire.request("PUT", "/jobs", "{}")
    assert reply.is_problem(405, "method-not-allowed")
    assert {"GET", "POST"} <= set(reply.headers["allow"].split(", "))


@pytest.mark.parametrize("path", ["/tasks/examples.short_task", "/jobs"])
def test_too_large_a_body_is_refused_readably(wire: Wire, path: str) -> None:
    assert wire.request("POST", path, b" " * (1024 * 1024 + 1)).is_problem(413, "payload-too-large")


def test_text_of_all_scripts_comes_back_as_it_was_sent(wire: Wire) -> None:
    trip = {"start": {"city": 'Zürich 東京 🚀 \u2028 \\ " </script>'}, "travellers": 1}
    reply = wire.request("POST", "/tasks/examples.plan_trip", json.dumps(trip, ensure_ascii=False).encode())
    assert wire.request("GET", reply.headers["location"]).json["arguments"] == trip
