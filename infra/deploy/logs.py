"""The logs of the API and of the workers, merged in the order of time."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.deploy import localstack
from infra.deploy.errors import DeployError, code
from infra.deploy.stack import Stack
from infra.merged_log import CONTROLS

LATE = 15_000
"""Milliseconds by which CloudWatch may show an event after younger ones of another group."""
SOURCES = {"api": re.compile("api", re.IGNORECASE), "worker": re.compile("worker", re.IGNORECASE)}
"""Who speaks, by how the logical id of the log group begins."""


@dataclass(frozen=True)
class Line:
    """An event of a log. ``time`` is milliseconds since 1970."""

    time: int
    source: str
    text: str
    id: str

    def __str__(self) -> str:
        moment = datetime.fromtimestamp(self.time / 1000).astimezone()
        return f"{moment:%Y-%m-%d %H:%M:%S} {self.source:<6} {readable(self.text).translate(CONTROLS)}"

    @property
    def figures(self) -> bool:
        """Whether it is no message but figures for CloudWatch."""
        return self.text.startswith('{"_aws":')

    def document(self) -> dict[str, str]:
        """For ``--json``."""
        moment = datetime.fromtimestamp(self.time / 1000, UTC)
        stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"time": stamp, "source": self.source, "text": self.text}


def readable(text: str) -> str:
    """What a line of JSON says, for people: its message, and the last line of its traceback."""
    try:
        document = json.loads(text)
        message, traceback = document["message"], str(document.get("traceback", ""))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return text
    last = f" ({traceback.splitlines()[-1]})" if traceback else ""
    level = document.get("level", "info")
    return f"{'' if level == 'info' else f'{level}: '}{message}{last}"


def groups(stack: Stack) -> dict[str, str]:
    """Which log groups of a stack to show: the names of the groups, and who speaks in each.

    Raises DeployError when the stack has none of them.
    """
    resources = stack.resources()
    names = {entry.name: entry.id for entry in resources if entry.type == "AWS::Logs::LogGroup"}
    if stack.target.kind == "localstack":
        names |= localstack.log_groups(resources)
    found = {
        group: source
        for name, group in names.items()
        for source, pattern in SOURCES.items()
        if pattern.match(name)
    }
    if not found:
        raise DeployError("the stack has no log groups of the API or the workers")
    return found


class Logs:
    """Reads several groups. Takes the stack, the groups and who speaks in each, and seconds to go back."""

    def __init__(self, stack: Stack, groups: Mapping[str, str], since: int) -> None:
        self._client = stack.target.client("logs")
        self._delay = stack.target.delay
        self._groups = groups
        self._start = int((time.time() - since) * 1000)
        self._seen: dict[str, int] = {}

    def read(self) -> list[Line]:
        """All that is new since the last look, in the order of time."""
        lines = [line for name in self._groups for line in self._group(name) if line.id not in self._seen]
        self._seen.update((line.id, line.time) for line in lines)
        if self._seen:
            self._start = max(self._start, max(self._seen.values()) - LATE)
            self._seen = {key: moment for key, moment in self._seen.items() if moment >= self._start}
        return sorted(lines, key=lambda line: line.time)  # stable: a stream keeps its order

    def follow(self) -> Iterator[Line]:
        """All that there is, and then what comes, without end."""
        while True:
            yield from self.read()
            time.sleep(self._delay)

    def _group(self, name: str) -> Iterator[Line]:
        pages = self._client.get_paginator("filter_log_events").paginate(
            logGroupName=name, startTime=self._start
        )
        try:
            for page in pages:
                yield from (self._line(event, self._groups[name]) for event in page["events"])
        except self._client.exceptions.ClientError as error:
            if code(error) != "ResourceNotFoundException":  # a group may come with its first line
                raise

    def _line(self, event: Mapping[str, Any], source: str) -> Line:
        return Line(event["timestamp"], source, event["message"].rstrip(), event["eventId"])
