"""The context of a trace is taken only as W3C's recommendation writes it, wherever it comes from."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.codec import decode_trace
from coatcheck.errors import SettingsError
from coatcheck.job import Job, Submission
from coatcheck.keys import Keys
from coatcheck.settings import Settings
from coatcheck.trace_context import TraceContext, open_tracing, read_context

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    "text", [PARENT, f"00-{TRACE}-{SPAN}-00", f"cc-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-comes"]
)
def test_a_valid_parent_is_taken(text: str) -> None:
    assert read_context(text) == TraceContext(text)
    assert TraceContext(text).trace_id == TRACE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01\n",
        f"{PARENT}, {PARENT}",
        f"cc-{TRACE}-{SPAN}-01-" + "x" * 300,
        f"cc-{TRACE}-{SPAN}-01-é",
    ],
)
def test_an_invalid_parent_is_not(text: str) -> None:
    assert read_context(text) is None


@pytest.mark.parametrize("text", ["vendor=1", "a=1,b@c=2", "a=1, b=2", "a=1,,b=2", "1a@b=x y"])
def test_a_valid_state_is_kept(text: str) -> None:
    assert read_context(PARENT, text) == TraceContext(PARENT, text)


@pytest.mark.parametrize(
    "text",
    [
        "A=1",
        "a",
        "a=1,a=2",
        "a=1\r\nx: y",
        "a=é",
        "a=b=c",
        "a=" + "x" * 600,
        ",".join(f"k{number}=1" for number in range(33)),
    ],
)
def test_an_invalid_state_is_left_out_and_the_parent_stays(text: str) -> None:
    assert read_context(PARENT, text) == TraceContext(PARENT)


def test_the_context_travels_in_fields_of_their_own(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys, submit: Callable[..., Job]
) -> None:
    trace = TraceContext(PARENT, "vendor=1")
    submission = Submission("odd.add", {"left": 1}, "default", 60, 60, trace=trace)
    adapter.submit([submission])
    fields: Any = client.hgetall(keys.job(submission.id))
    assert (fields[b"traceparent"], fields[b"tracestate"]) == (PARENT.encode(), b"vendor=1")
    assert decode_trace(fields) == trace
    assert adapter.get(submission.id).arguments == {"left": 1}
    untraced: Any = client.hgetall(keys.job(submit("odd.add", {"left": 1}).id))
    assert b"traceparent" not in untraced
    assert decode_trace(untraced) is None


@pytest.mark.parametrize("parent", [b"00-planted-by-someone-01", b"\xff" * 55, b"x" * 1_000_000])
def test_what_stands_in_redis_is_checked(parent: bytes) -> None:
    assert decode_trace({b"traceparent": parent, b"tracestate": b"a=1"}) is None


def test_tracing_that_is_off_is_none(settings: Settings) -> None:
    assert open_tracing(settings, "test") is None


@pytest.mark.parametrize("missing", ["opentelemetry.sdk", "opentelemetry.exporter"])
def test_tracing_that_lacks_its_library_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delitem(sys.modules, "coatcheck.tracing", raising=False)
    for name in [name for name in sys.modules if name == missing or name.startswith(f"{missing}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SettingsError, match=r"OTEL_TRACES_EXPORTER=otlp needs opentelemetry-sdk"):
        open_tracing(replace(settings, traces="otlp"), "test")
