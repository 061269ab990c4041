"""The catalogue's file: written and read back the same, and refused with a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coatcheck.catalog import FORMAT, Catalog, TaskSpec
from coatcheck.errors import CatalogError, UnknownTaskError
from coatcheck.settings import load

SIMPLE = TaskSpec("a.simple", "Simple", "Does little.", {"type": "object", "properties": {}})
FULL = TaskSpec(
    "b.full",
    "Füll",
    'Says "hi"\n🚀',
    {"type": "object", "properties": {"x": {"type": "integer"}}},
    {"type": "string"},
    "slow",
    60,
    3,
    (1, 2),
    3600,
)
CATALOG = Catalog((SIMPLE, FULL))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "catalog.json"
    path.write_text(CATALOG.dumps())
    for read in (Catalog.load(path), Catalog.load(str(path)), Catalog.loads(CATALOG.dumps())):
        assert read == CATALOG
        assert read.tasks == (SIMPLE, FULL)
        assert read.version == CATALOG.version
        assert read.dumps() == CATALOG.dumps()


def test_the_file_tells_its_format_and_version_and_is_plain_ascii() -> None:
    document = json.loads(CATALOG.dumps())
    assert (document["format"], document["version"]) == (FORMAT, CATALOG.version)
    assert [task["name"] for task in document["tasks"]] == ["a.simple", "b.full"]
    assert CATALOG.dumps().isascii() and CATALOG.dumps().endswith("}\n")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a.other"},
        {"title": "Other"},
        {"description": ""},
        {"schema": {}},
        {"result": {"type": "null"}},
        {"queue": "fast"},
        {"timeout": 61},
        {"retries": None},
        {"retry_delays": (2, 1)},
        {"result_ttl": None},
    ],
)
def test_any_change_of_a_task_is_another_version(change: dict[str, Any]) -> None:
    assert Catalog((SIMPLE, replace(FULL, **change))).version != CATALOG.version


def test_a_version_is_twelve_hexadecimal_digits_and_the_same_for_the_same_tasks() -> None:
    assert CATALOG.version == Catalog((SIMPLE, replace(FULL))).version
    assert len(CATALOG.version) == 12 and int(CATALOG.version, 16) > 0
    assert Catalog((FULL, SIMPLE)).version != CATALOG.version


def test_a_task_is_found_by_its_name() -> None:
    assert CATALOG.get("b.full") is FULL


@pytest.mark.parametrize("name", ["", "b", "full", "B.FULL", "b.full\n", "__dict__"])
def test_any_other_name_is_unknown_and_named(name: str) -> None:
    with pytest.raises(UnknownTaskError) as caught:
        CATALOG.get(name)
    assert repr(name) in caught.value.detail


def test_queues_are_those_of_the_settings_then_those_that_only_tasks_name() -> None:
    settings = load({"REDIS_URL": "redis://x", "COATCHECK_QUEUES": "fast,default"})
    assert CATALOG.queues(settings) == ("fast", "default", "slow")
    assert Catalog((FULL, replace(FULL, queue="fast"))).queues(settings) == ("fast", "default", "slow")
    assert Catalog(()).queues(settings) == ("fast", "default")


def entry(**changed: Any) -> dict[str, Any]:
    first: dict[str, Any] = json.loads(CATALOG.dumps())["tasks"][0]
    return first | changed


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is not a catalogue"),
        ("{", "is not a catalogue"),
        ("[]", "is not a catalogue"),
        ("5", "is not a catalogue"),
        ("{}", "is not a catalogue"),
        ('{"format": 1}', "is not a catalogue"),
        ('{"format": 1, "tasks": 5}', "is not a catalogue"),
        ('{"format": 1, "tasks": [5]}', "is not a catalogue"),
        ('{"format": 1, "tasks": [{}]}', "is not a catalogue"),
        (json.dumps({"format": 1, "tasks": [entry(unknown=1)]}), "is not a catalogue"),
        (json.dumps({"format": 1, "tasks": [entry(retry_delays=None)]}), "is not a catalogue"),
        ('{"format": 2, "tasks": []}', "has format 2, this version reads 1"),
        (b"\xff\xfe{", "is not a catalogue"),
        (b'{"format": "\xff"}', "is not a catalogue"),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused_with_its_path_the_reason_and_the_remedy(
    content: str | bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "catalog.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CatalogError) as caught:
        Catalog.load(path)
    told = str(caught.value)
    assert told.startswith(f"{path} {reason}")
    assert told.endswith("build it again with 'coatcheck catalog'")


def test_a_file_that_is_not_there_or_a_folder_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"missing\.json can't be read \(No such file or directory\)"):
        Catalog.load(tmp_path / "missing.json")
    with pytest.raises(CatalogError, match="can't be read"):
        Catalog.load(tmp_path)
