"""``coatcheck doctor``: what is wrong in Redis, and with ``--repair`` the cure."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import redis

from coatcheck.connection import connect
from coatcheck.doctor import Finding, examine, repair
from coatcheck.settings import Settings, load
from infra.embedded import EmbeddedRedis
from infra.errors import StartError

SOCKET_TIMEOUT = 30
"""Seconds that Redis gets for one answer: a queue of a million jobs is searched in much less."""
LEFT = "left as it is"


@dataclass(frozen=True, slots=True)
class Line:
    """A finding as it is told; ``done`` is None where nothing was to be done, or nothing could be."""

    kind: str
    key: str
    job: str | None
    message: str
    done: str | None = None


def run(arguments: Namespace) -> int:
    """Carry out ``coatcheck doctor``. Returns the exit status: 1 when something is, or stays, wrong.

    Raises CoatcheckError when Redis can't be reached or the settings are wrong.
    """
    settings = load({**os.environ, "REDIS_URL": _url(arguments.url, arguments.data)})
    tell = _tell_json if arguments.json else _tell
    try:
        with connect(settings, socket_timeout=SOCKET_TIMEOUT) as client:
            findings = examine(client, settings)
            if arguments.repair:
                return tell(_mended(client, settings, findings), settings, repaired=True)
            return tell(map(_line, findings), settings, repaired=False)
    except redis.RedisError as error:
        raise StartError(f"the Redis server can't be examined: {type(error).__name__}: {error}") from error


def _url(url: str | None, data: Path) -> str:
    """The server's URL: as given, as set, or that of ``coatcheck up``. Raises StartError."""
    if found := url or os.environ.get("REDIS_URL"):
        return found
    server = EmbeddedRedis(data)
    if not server.running():
        raise StartError(
            f"no server to examine: 'coatcheck up' does not run with the data in {data};"
            " set REDIS_URL, or name a server with --url"
        )
    return server.url


def _line(finding: Finding, done: str | None = None) -> Line:
    return Line(finding.kind, finding.key, finding.job, finding.message, done)


def _mended(client: redis.Redis, settings: Settings, findings: list[Finding]) -> Iterator[Line]:
    for repaired in repair(client, settings, findings):
        yield _line(repaired.finding, repaired.done)


def _tell_json(lines: Iterable[Line], settings: Settings, repaired: bool) -> int:
    told = list(lines)
    wrong = sum(line.done is None for line in told)
    document = {
        "namespace": settings.namespace,
        "repaired": repaired,
        "counts": dict(sorted(Counter(line.kind for line in told).items())),
        "wrong": wrong,
        "findings": [asdict(line) for line in told],
    }
    print(json.dumps(document, indent=1))
    return int(wrong > 0)


def _printable(text: str) -> str:
    """Text without what a terminal would obey: whoever writes to Redis may have put anything there."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _tell(lines: Iterable[Line], settings: Settings, repaired: bool) -> int:
    width = shutil.get_terminal_size((110, 24)).columns if sys.stdout.isatty() else 10_000
    counts: Counter[str] = Counter()
    wrong = 0
    for line in lines:
        counts[line.kind] += 1
        wrong += line.done is None
        print(f"{line.kind}  {_printable(line.key)}")
        done = f" -> {line.done or LEFT}" if repaired else ""
        print(
            textwrap.fill(_printable(line.message) + done, width, initial_indent="  ", subsequent_indent="  ")
        )
    if not counts:
        print(f"namespace {settings.namespace}: nothing is wrong")
        return 0
    print()
    longest = max(map(len, counts))
    for kind, count in sorted(counts.items()):
        print(f"{kind:{longest}}  {count:>7}")
    total = counts.total()
    end = f"{total - wrong} mended, {wrong} left" if repaired else "nothing was changed; --repair mends"
    print(f"namespace {settings.namespace}: {total} finding{'s' * (total > 1)}, {end}")
    return int(wrong > 0)
