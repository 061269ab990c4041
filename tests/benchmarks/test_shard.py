"""What jobs cost Redis is measured on a real one, with real workers."""

from __future__ import annotations

import re

import pytest

from benchmarks import shard


def test_a_small_run_measures_everything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["shard", "--jobs", "200"])
    monkeypatch.setattr(shard, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(shard, "PROCESSES", 1)
    assert shard.main() == 0
    rows = dict(re.findall(r"^\| (.+?) \| ([0-9.,]+)", capsys.readouterr().out, re.MULTILINE))
    figures = {name: float(value.replace(",", "")) for name, value in rows.items()}
    assert len(figures) == 8
    assert 300 < figures["memory, a waiting job without arguments"] < 1000
    assert 1000 < figures["memory, a finished job that is kept"] < 2500  # no 4 KiB node for its result
    assert figures["jobs a second that fill its thread"] > 100
    assert figures["connections of a pool of 1 worker processes"] == 4
