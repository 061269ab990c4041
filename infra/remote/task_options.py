"""A task's arguments as options of ``coatcheck run``, made from its JSON Schema."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from coatcheck.catalog import TaskSpec
from coatcheck.client.files.arguments import Rules, file_rules, opened
from coatcheck.errors import InvalidArgumentsError
from coatcheck.schema import coerce_form
from infra.remote import describe
from infra.remote.options import EPILOG, add_api_options, add_run_options

ANYTHING = {"type": ["boolean", "integer", "number", "object"]}
"""Stands for a schema that takes anything: what is no JSON stays text."""
OPTION = re.compile(r"\w[\w-]*")
"""A name that can be an option's."""
PREFIX = "argument:"
"""What tells a task's arguments from our own options in a namespace."""


@dataclass(frozen=True)
class LocalFile:
    """A file that is to be uploaded for an argument, and the media type that it has there."""

    path: Path
    type: str


@dataclass(frozen=True)
class Wanted:
    """An argument that is a file, or a list of files."""

    rules: Rules
    several: bool


@dataclass(frozen=True)
class Called:
    """What a call of ``run`` asks for: the task's arguments, and our own options given after its name.

    A file among the arguments is a LocalFile.
    """

    arguments: dict[str, Any]
    options: dict[str, Any]


class TaskParser:
    """Reads what follows the task's name. Takes the task, as ``GET /tasks/{name}`` tells it."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        self._schema: Mapping[str, Any] = task["schema"]
        self._properties: Mapping[str, Any] = self._schema.get("properties", {})
        self._spec = TaskSpec(
            task["name"],
            task["title"],
            task["description"],
            {
                **self._schema,
                "properties": {
                    name: ANYTHING if not schema.keys() - {"title", "description", "default"} else schema
                    for name, schema in self._properties.items()
                },
            },
        )
        self._files = dict(self._file_arguments())
        self._hidden: list[str] = []
        self.parser = self._parser(task)

    def read(self, words: Sequence[str], given: Sequence[str] = ()) -> Called:
        """What the words ask for. Takes --arg that stood before the task's name too.

        Ends the program with 2 when they can't be read, or with 0 after --help.
        """
        options = vars(self.parser.parse_intermixed_args(words))
        named = [
            (name.removeprefix(PREFIX), text) for name, text in options.items() if name.startswith(PREFIX)
        ]
        pairs = [(name, text) for name, texts in named for text in texts]
        for text in [*given, *options.pop("arg", [])]:
            name, equals, value = text.partition("=")
            if not equals:
                self._fail(f"argument --arg: {text!r} should be NAME=VALUE")
            pairs.append((name, value))
        local = [pair for pair in pairs if pair[0] in self._files and pair[1].startswith("@")]
        plain = [pair for pair in pairs if pair not in local]
        for name, text in plain:
            if name in self._files and Path(text).is_file():
                self._fail(f"argument {self.option(name)}: should be @{text}, which sends the file")
        arguments = self._from_files(options.pop("files")) | coerce_form(self._spec, plain)
        for name, text in local:
            self._add_file(arguments, name, Path(text[1:]))
        missing = [name for name in self._schema.get("required", ()) if name not in arguments]
        if missing:
            self._fail("the following arguments are required: " + ", ".join(map(self.option, missing)))
        ours = {name: value for name, value in options.items() if not name.startswith(PREFIX)}
        return Called(arguments, ours)

    def refused(self, error: InvalidArgumentsError) -> NoReturn:
        """End the program as for any wrong argument. Takes what the API says."""
        told = []
        for wrong in error.errors:
            name, _, rest = wrong.pointer.removeprefix("/").partition("/")
            place = f"{self.option(name)}{'/' + rest if rest else ''}" if name in self._properties else name
            told.append(f"argument {place}: {wrong.detail}" if place else wrong.detail)
        self._fail("; ".join(told) or error.detail)

    def option(self, name: str) -> str:
        """How an argument of the task is written."""
        return f"--arg {name}=" if name in self._hidden else _flag(name)

    def _parser(self, task: Mapping[str, Any]) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(
            prog=f"coatcheck run {task['name']}",
            usage=f"coatcheck run {task['name']} [--ARGUMENT VALUE ...] [@FILE | -] [options]",
            description=task["description"] or task["title"],
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            argument_default=argparse.SUPPRESS,
            allow_abbrev=False,
        )
        own = parser.add_argument_group("arguments of the task")
        parser.add_argument(
            "files",
            nargs="*",
            metavar="@FILE",
            default=[],
            help="a JSON file with all arguments; -: standard input",
        )
        add_run_options(parser, argparse.SUPPRESS)
        add_api_options(parser, argparse.SUPPRESS)
        for name, schema in self._properties.items():
            taken = {option for action in parser._actions for option in action.option_strings}
            if taken & {_flag(name), f"--{name}"} or not OPTION.fullmatch(name):
                self._hidden.append(name)
            else:
                self._add(own, name, schema)
        if self._hidden:
            parser.epilog = (
                f"arguments that only --arg NAME=VALUE sets: {', '.join(self._hidden)}\n\n{EPILOG}"
            )
        return parser

    def _add(self, group: Any, name: str, schema: Mapping[str, Any]) -> None:
        definitions = self._schema.get("$defs", {})
        # An argument with an underscore is found with it too, as Python writes it.
        flags = dict.fromkeys((_flag(name), f"--{name}"))
        options: dict[str, Any] = {"dest": PREFIX + name, "help": self._help(name, schema)}
        if [option.get("type") for option in describe.alternatives(schema, definitions)] == ["boolean"]:
            group.add_argument(*flags, action=Flag, nargs=0, **options)
            return
        if allowed := describe.choices(schema, definitions):
            options |= {"choices": allowed, "metavar": "{" + ",".join(allowed) + "}"}
        else:
            options["metavar"] = name.upper()
        group.add_argument(*flags, action="append", **options)

    def _help(self, name: str, schema: Mapping[str, Any]) -> str:
        definitions = self._schema.get("$defs", {})
        told = describe.resolved(schema, definitions).get("description", "")
        end = "required"
        if "default" in schema:
            end = f"default: {json.dumps(schema['default'], ensure_ascii=False)}"
        elif name not in self._schema.get("required", ()):
            end = "optional"
        text = f"{told} ({describe.words(schema, definitions)}; {end})".strip()
        return text.replace("%", "%%")

    def _file_arguments(self) -> Iterator[tuple[str, Wanted]]:
        """The arguments that are files, or lists of them."""
        definitions = self._schema.get("$defs", {})
        for name, schema in self._properties.items():
            if rules := file_rules(schema, definitions):
                yield name, Wanted(rules, several=False)
                continue
            for option in describe.alternatives(schema, definitions):
                if rules := file_rules(option.get("items"), definitions):
                    yield name, Wanted(rules, several=True)

    def _add_file(self, arguments: dict[str, Any], name: str, path: Path) -> None:
        """Add a file of this machine to the arguments; one that the task would not take ends the program."""
        wanted = self._files[name]
        try:
            source = opened(path, wanted.rules)
        except OSError as error:
            self._fail(f"argument {self.option(name)}: {path} can't be read: {error.strerror}")
        source.close()
        if wrong := wanted.rules.wrong(source):
            self._fail(f"argument {self.option(name)}: {wrong}")
        file = LocalFile(path, source.type)
        arguments[name] = [*arguments.get(name, ()), file] if wanted.several else file

    def _from_files(self, names: Sequence[str]) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        for name in names:
            try:
                text = sys.stdin.read() if name == "-" else Path(name.removeprefix("@")).read_text()
                read = json.loads(text)
            except (OSError, ValueError) as error:
                self._fail(f"{name} can't be read: {error}")
            if not isinstance(read, dict):
                self._fail(f"{name} should hold a JSON object with the task's arguments")
            arguments |= read
        return arguments

    def _fail(self, message: str) -> NoReturn:
        self.parser.error(message)


class Flag(argparse.Action):
    """``--NAME`` and ``--no-NAME``, kept as the texts that other arguments are."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        self._no = [f"--no-{text.removeprefix('--')}" for text in option_strings]
        super().__init__([*option_strings, *self._no], dest, **options)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option: str | None = None,
    ) -> None:
        """Keep which of the two it was."""
        setattr(namespace, self.dest, ["false" if option in self._no else "true"])


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
