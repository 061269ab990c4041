"""Options made of schemas that the shipped tasks don't have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.remote import describe
from infra.remote.task_options import LocalFile, TaskParser
from tests.client.fake_files import FILE_SCHEMA

SCHEMA: dict[str, Any] = {
    "properties": {
        "url": {"type": "string", "description": "Collides, 100%."},
        "dry_run": {"type": "boolean", "default": True},
        "maybe": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        "anything": {"title": "Anything"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "ratio": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "level": {"enum": [1, 2, "high"]},
        "help": {"type": "integer"},
        "dry-run": {"type": "integer"},
        "-x": {"type": "string"},
    },
    "required": ["url"],
}


@pytest.fixture
def parser() -> TaskParser:
    """The options of a task with these arguments."""
    return TaskParser(
        {"name": "a.b", "title": "B", "description": "Does 100%.", "schema": SCHEMA, "result": {}}
    )


def arguments(parser: TaskParser, *words: str) -> dict[str, Any]:
    return parser.read(["--arg", "url=u", *words]).arguments


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (["--dry-run"], {"dry_run": True}),
        (["--no-dry-run"], {"dry_run": False}),
        (["--no-dry_run"], {"dry_run": False}),
        (["--maybe"], {"maybe": True}),
        (["--anything", "3"], {"anything": 3}),
        (["--anything", '{"a": [1]}'], {"anything": {"a": [1]}}),
        (["--anything", "some text"], {"anything": "some text"}),
        (["--tags", "a"], {"tags": ["a"]}),
        (["--tags", "a", "--tags", "b"], {"tags": ["a", "b"]}),
        (["--tags", '["a", "b"]'], {"tags": ["a", "b"]}),
        (["--ratio", "-1.5"], {"ratio": -1.5}),
        (["--level", "high"], {"level": "high"}),
        (["--arg", "help=5"], {"help": 5}),
        (["--arg=-x=1=2"], {"-x": "1=2"}),
        (["--timeout", "5m"], {}),
    ],
)
def test_texts_become_what_the_schema_says(
    parser: TaskParser, words: list[str], read: dict[str, Any]
) -> None:
    assert arguments(parser, *words) == {"url": "u", **read}


def test_our_own_options_win_and_come_back(parser: TaskParser) -> None:
    called = parser.read(["--url", "http://a", "--arg", "url=u", "--detach"], ["tags=t"])
    assert called.arguments == {"url": "u", "tags": ["t"]}
    assert called.options == {"url": "http://a", "detach": True}


def test_the_help_names_what_only_arg_sets(parser: TaskParser) -> None:
    text = parser.parser.format_help()
    assert "arguments that only --arg NAME=VALUE sets: url, help, dry-run, -x" in text
    assert "Does 100%." in text


def test_what_is_required_is_named_as_it_is_written(
    parser: TaskParser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser.read([])
    assert "are required: --arg url=" in capsys.readouterr().err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files, in which we are."""
    (tmp_path / "sales.csv").write_text("a,b")
    (tmp_path / "dot.png").write_text("png")
    (tmp_path / "notes.txt").write_text("x" * 1001)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def files() -> TaskParser:
    """The options of a task that takes files."""
    properties = {
        "table": {"anyOf": [FILE_SCHEMA, {"type": "null"}]},
        "many": {"type": "array", "items": FILE_SCHEMA},
        "text": {"type": "string"},
    }
    schema = {"properties": properties, "required": ["table"]}
    return TaskParser({"name": "a.b", "title": "B", "description": "", "schema": schema, "result": {}})


def test_a_file_is_given_with_an_at_sign(files: TaskParser, folder: Path) -> None:
    table, picture = LocalFile(Path("sales.csv"), "text/csv"), LocalFile(Path("dot.png"), "image/png")
    words = ["--table", "@sales.csv", "--many", "@dot.png", "--many=@sales.csv", "--text", "@sales.csv"]
    assert files.read(words).arguments == {"table": table, "many": [picture, table], "text": "@sales.csv"}
    assert files.read(["--table", '{"$file": "f1"}']).arguments == {"table": {"$file": "f1"}}
    said = " ".join(files.parser.format_help().split())
    assert "--table TABLE (@FILE, text/csv or image/*, at most 1 kB; required)" in said
    assert "--many MANY (list of: @FILE, text/csv or image/*, at most 1 kB; optional)" in said


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nothing.csv", "argument --table: nothing.csv can't be read: No such file"),
        ("notes.txt", "argument --table: must have at most 1000 bytes, notes.txt has 1001"),
        (".", "argument --table: . can't be read: Is a directory"),
    ],
)
def test_a_file_that_the_task_would_not_take_is_told_before_it_is_sent(
    files: TaskParser, folder: Path, capsys: pytest.CaptureFixture[str], name: str, told: str
) -> None:
    with pytest.raises(SystemExit):
        files.read(["--table", f"@{name}"])
    assert told in capsys.readouterr().err


def test_a_file_without_the_at_sign_is_told_how_it_is_given(
    files: TaskParser, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        files.read(["--table", "sales.csv"])
    assert "argument --table: should be @sales.csv, which sends the file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (12_345_678, "12.3 MB"), (5 * 2**30, "5.37 GB")],
)
def test_a_size_in_words(size: int, said: str) -> None:
    assert describe.size(size) == said


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({}, "any JSON"),
        ({"type": "integer", "minimum": 1}, "whole number, at least 1"),
        ({"type": "string", "minLength": 1, "maxLength": 80}, "text, 1 to 80 characters"),
        ({"type": "string", "pattern": "^a"}, "text, like ^a"),
        ({"type": "number", "exclusiveMinimum": 0}, "number, more than 0"),
        ({"type": "array", "maxItems": 3}, "list, at most 3 entries"),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}, "whole number or text"),
        ({"const": 3}, "one of 3"),
        ({"type": "null"}, "null"),
        ({"type": "object", "additionalProperties": {}}, "JSON object"),
    ],
)
def test_a_schema_in_words(schema: dict[str, Any], said: str) -> None:
    assert describe.words(schema, {}) == said
