"""``coatcheck logs`` on moto: several groups as one stream, in the order of time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.stub import Stubber

from infra.deploy.errors import DeployError
from infra.deploy.logs import LATE, Line, Logs, groups
from infra.deploy.stack import Stack
from tests.deploy import answers

GROUP = "AWS::Logs::LogGroup"
GROUPS = {"/coatcheck/desk/api": "api", "/coatcheck/desk/worker": "worker"}


@pytest.fixture
def now() -> int:
    """Milliseconds. Not a constant: that would be minutes old when a test of a long run looks at it."""
    return int(time.time() * 1000)


@pytest.fixture
def write(stack: Stack, now: int) -> Callable[..., None]:
    """Writes lines to a log: ``write("api", (seconds ago, text), ...)``."""
    client = stack.target.client("logs")
    streams = (f"stream-{number}" for number in itertools.count())
    made: set[str] = set()

    def write(source: str, *lines: tuple[float, str]) -> None:
        group = f"/coatcheck/desk/{source}"
        if group not in made:
            client.create_log_group(logGroupName=group)
            made.add(group)
        place: dict[str, Any] = {"logGroupName": group, "logStreamName": next(streams)}
        client.create_log_stream(**place)
        events = [{"timestamp": now - int(ago * 1000), "message": text} for ago, text in lines]
        client.put_log_events(**place, logEvents=events)

    return write


def texts(lines: list[Line]) -> list[tuple[str, str]]:
    return [(line.source, line.text) for line in lines]


def test_two_logs_are_merged_in_the_order_of_time(stack: Stack, write: Callable[..., None]) -> None:
    write("api", (9, "first"), (5, "third"))
    write("worker", (7, "second\n"), (1, "fourth"))
    assert texts(Logs(stack, GROUPS, since=60).read()) == [
        ("api", "first"),
        ("worker", "second"),
        ("api", "third"),
        ("worker", "fourth"),
    ]


def test_lines_of_the_same_moment_keep_their_order(stack: Stack, write: Callable[..., None]) -> None:
    write("api", (1, "START"), (1, "END"), (1, "REPORT"))
    assert [line.text for line in Logs(stack, GROUPS, since=60).read()] == ["START", "END", "REPORT"]


def test_only_as_much_as_asked_for_is_shown(stack: Stack, write: Callable[..., None]) -> None:
    write("api", (500, "old"), (5, "new"))
    assert texts(Logs(stack, GROUPS, since=60).read()) == [("api", "new")]


def test_a_group_that_is_not_there_yet_has_no_lines(stack: Stack, write: Callable[..., None]) -> None:
    write("worker", (1, "alone"))
    assert texts(Logs(stack, GROUPS, since=60).read()) == [("worker", "alone")]


def test_following_shows_everything_once_even_what_comes_late(
    stack: Stack, write: Callable[..., None]
) -> None:
    write("api", (10, "one"))
    reader = Logs(stack, GROUPS, since=60)
    lines = reader.follow()
    assert next(lines).text == "one"
    write("api", (5, "two"))
    assert next(lines).text == "two"
    write("worker", (8, "late"), (4, "three"))
    assert [next(lines).text for _ in range(2)] == ["late", "three"]
    assert reader.read() == []


def test_what_is_older_than_late_is_not_asked_for_again(
    stack: Stack, write: Callable[..., None], now: int
) -> None:
    write("api", (1, "young"))
    reader = Logs(stack, GROUPS, since=600)
    reader.read()
    asked: list[int] = []
    stack.target.client("logs").meta.events.register(
        "provide-client-params.cloudwatch-logs.FilterLogEvents",
        lambda params, **_: asked.append(params["startTime"]),
    )
    reader.read()
    assert asked == [now - 1000 - LATE] * 2


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The time zone of this test."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("utc")
def test_a_line_shows_time_source_and_text_without_control_characters() -> None:
    line = Line(1_000_000_000_123, "api", "red \x1b[31m\ttab", "1")
    assert str(line) == "2001-09-09 01:46:40 api    red \\x1b[31m\ttab"
    assert line.document() == {
        "time": "2001-09-09T01:46:40.123Z",
        "source": "api",
        "text": "red \x1b[31m\ttab",
    }


def test_the_groups_are_those_of_the_api_and_the_workers(stack: Stack, stub: Callable[..., Stubber]) -> None:
    stub(stack.target, "cloudformation").add_response(
        "list_stack_resources",
        answers.resources(
            ("ApiLogGroup", GROUP, "/coatcheck/desk/api"),
            ("WorkerLogGroup", GROUP, "/coatcheck/desk/worker"),
            ("RedisLogGroup", GROUP, "/coatcheck/desk/redis"),
            ("APIHandler", "AWS::Lambda::Function", "desk-api"),
        ),
    )
    assert groups(stack) == GROUPS


def test_localstack_has_groups_of_its_own(stack: Stack, stub: Callable[..., Stubber]) -> None:
    local = Stack(replace(stack.target, kind="localstack"), "desk")
    stub(local.target, "cloudformation").add_response(
        "list_stack_resources", answers.resources(("APIHandler", "AWS::Lambda::Function", "desk-api"))
    )
    assert groups(local) == {"/aws/lambda/desk-api": "api"}


def test_a_stack_without_logs_is_told(stack: Stack, stub: Callable[..., Stubber]) -> None:
    stub(stack.target, "cloudformation").add_response("list_stack_resources", answers.resources())
    with pytest.raises(DeployError, match="no log groups"):
        groups(stack)


def test_lines_of_json_are_shown_as_what_they_say() -> None:
    def shown(text: str) -> str:
        return str(Line(0, "worker", text, "1")).partition("worker ")[2]

    assert shown('{"level": "info", "message": "job 1 t: finished", "job": "1"}') == "job 1 t: finished"
    assert shown('{"level": "error", "message": "no", "traceback": "a\\nValueError: b"}') == (
        "error: no (ValueError: b)"
    )
    for text in ("START RequestId: 1", "[1]", "{", '{"other": 1}', "null"):
        assert shown(text) == text


def test_figures_for_cloudwatch_are_no_messages() -> None:
    assert Line(0, "worker", '{"_aws": {"Timestamp": 1}}', "1").figures
    assert not Line(0, "worker", '{"message": "1"}', "1").figures
