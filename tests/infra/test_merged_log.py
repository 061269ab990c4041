"""The one log of several processes."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest

from infra.merged_log import MergedLog
from tests.support.polling import eventually


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Slow(io.StringIO):
    """Takes a line in two parts, and lets the other threads run in between."""

    def writelines(self, lines: Iterable[Any]) -> None:
        for line in lines:
            self.write(line[:20])
            time.sleep(0)
            self.write(line[20:])


def test_each_line_has_its_time_and_source() -> None:
    stream = io.StringIO()
    MergedLog(stream).write("api", "one\ntwo")
    assert re.fullmatch(r"\d\d:\d\d:\d\d api    one\n\d\d:\d\d:\d\d api    two\n", stream.getvalue())


def test_with_json_every_line_is_one_document() -> None:
    stream = io.StringIO()
    log = MergedLog(stream, as_json=True)
    log.write("worker", '{"message": "one"}')
    log.write("up", "two\x9b")
    one, two = map(json.loads, stream.getvalue().splitlines())
    assert one == {"message": "one"}
    assert (two["level"], two["logger"], two["message"]) == ("info", "coatcheck.up", "two\x9b")
    assert "\x9b" not in stream.getvalue()


def test_what_could_steer_a_terminal_is_shown_instead() -> None:
    stream = io.StringIO()
    MergedLog(stream).write("worker", "\x1b[2Jgone\tthere\x9b1m\x7f")
    assert stream.getvalue()[16:] == "\\x1b[2Jgone\tthere\\x9b1m\\x7f\n"


def test_a_terminal_gets_colours_unless_they_are_unwanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = Terminal()
    MergedLog(coloured).write("redis", "ready")
    assert "\x1b[35mredis \x1b[0m ready\n" in coloured.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    MergedLog(plain).write("redis", "ready")
    assert "\x1b" not in plain.getvalue()


def test_lines_of_many_threads_stay_whole() -> None:
    stream = Slow()
    log = MergedLog(stream)

    def speak() -> None:
        for _ in range(100):
            log.write("api", "x" * 200)

    threads = [threading.Thread(target=speak) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {line[9:] for line in stream.getvalue().splitlines()} == {"api    " + "x" * 200}


def test_a_pipe_is_followed_to_its_end() -> None:
    stream = io.StringIO()
    reading, writing = os.pipe()
    MergedLog(stream).follow("worker", os.fdopen(reading, "rb"))
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(b"caf\xc3\xa9 \xff\nno end")
    eventually(lambda: "no end" in stream.getvalue())
    assert [line[9:] for line in stream.getvalue().splitlines()] == ["worker café \ufffd", "worker no end"]


def test_loggers_can_write_to_it() -> None:
    stream = io.StringIO()
    logger = logging.Logger("test")
    logger.addHandler(MergedLog(stream).handler("api"))
    try:
        raise ValueError("why")
    except ValueError:
        logger.exception("%s failed", "it")
    lines = [line[9:] for line in stream.getvalue().splitlines()]
    assert (lines[0], lines[-1]) == ("api    it failed", "api    ValueError: why")


def test_a_stream_that_nobody_reads_stops_nothing() -> None:
    stream = io.StringIO()
    log = MergedLog(stream)
    stream.close()
    log.write("api", "unheard")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as pipe:
        MergedLog(pipe).write("api", "unheard")
        with pytest.raises(BrokenPipeError):
            pipe.write("this test is about a broken pipe\n")
        with pytest.raises(BrokenPipeError):
            pipe.close()
