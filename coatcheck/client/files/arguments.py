"""Files among a task's arguments: where the schema wants one, and what it may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, BinaryIO, TypeAlias

from coatcheck.client.files.reference import FileReference, UploadedFile
from coatcheck.client.files.source import UNKNOWN, Source, is_source, name_of
from coatcheck.client.flow import Flow
from coatcheck.errors import FieldError, InvalidArgumentsError

FORMAT = "coatcheck-file"
"""The ``format`` of a schema that wants a file."""
Schema = Mapping[str, Any]
FileArgument: TypeAlias = FileReference | PurePath | bytes | BinaryIO
"""What may be given where a task takes a file."""


@dataclass(frozen=True)
class Rules:
    """What a file may be: its types, ``image/*`` for all of a kind, none: any; and its bytes at most."""

    types: tuple[str, ...] = ()
    max_size: int | None = None

    @classmethod
    def of(cls, schema: Schema) -> Rules:
        """The rules of a file's schema."""
        return cls(tuple(schema.get("x-types") or ()), schema.get("x-max-size"))

    def wrong(self, source: Source) -> str | None:
        """What is wrong with a file, None: nothing."""
        if self.max_size is not None and source.size > self.max_size:
            return f"must have at most {self.max_size} bytes, {source.name} has {source.size}"
        if self.types and not any(fits(source.type, allowed) for allowed in self.types):
            return f"must be {' or '.join(self.types)}, {source.name} is {source.type}"
        return None

    def guess(self) -> str | None:
        """The type of a file whose name does not tell it: the only one that there may be."""
        return self.types[0] if len(self.types) == 1 and "*" not in self.types[0] else None


def fits(kind: str, allowed: str) -> bool:
    """Whether a media type is one that is allowed."""
    kind, allowed = kind.partition(";")[0].strip().lower(), allowed.lower()
    return allowed in (kind, "*/*") or (allowed.endswith("/*") and kind.startswith(allowed[:-1]))


def opened(value: Any, rules: Rules, name: str | None = None) -> Source:
    """Something to upload, with the type that the rules tell where its name does not."""
    source = Source(value, name)
    if source.type == UNKNOWN:
        source.type = rules.guess() or UNKNOWN
    return source


def file_rules(schema: Any, definitions: Schema) -> Rules | None:
    """The rules where a schema takes a file, None where it takes none."""
    return _rules(_options(schema, definitions))


def has_sources(value: Any) -> bool:
    """Whether anything in arguments may have to be uploaded."""
    if isinstance(value, Mapping):
        return any(map(has_sources, value.values()))
    if isinstance(value, list | tuple):
        return any(map(has_sources, value))
    return is_source(value)


class Files:
    """Uploads the files of a task's arguments. Takes the schema of these, and what uploads one."""

    def __init__(self, schema: Schema, upload: Callable[[Source], Flow[UploadedFile]]) -> None:
        self._schema = schema
        self._definitions = schema.get("$defs", {})
        self._upload = upload

    def uploaded(self, arguments: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        """The arguments, with what was uploaded in the place of each file. Nothing is sent if one is wrong.

        Raises InvalidArgumentsError: a file is none that the task takes; and what uploading raises.
        """
        sources: dict[str, Source] = {}
        try:
            made = self._opened(arguments, self._schema, "", sources)
            done = {}
            for pointer, source in sources.items():
                done[pointer] = yield from self._upload(source)
        finally:
            for source in sources.values():
                source.close()
        replaced: dict[str, Any] = _replaced(made, done)
        return replaced

    def _opened(self, value: Any, schema: Any, pointer: str, sources: dict[str, Source]) -> Any:
        options = list(_options(schema, self._definitions))
        if is_source(value):
            rules = _rules(options)
            if rules is None:
                return value
            source = opened(value, rules, name_of(value) or pointer.rpartition("/")[2])
            sources[pointer] = source
            if wrong := rules.wrong(source):
                raise InvalidArgumentsError(
                    "The task does not take this file.", errors=[FieldError(pointer, wrong)]
                )
            return _Place(pointer)
        if isinstance(value, Mapping):
            return {
                name: self._opened(entry, _member(options, name), f"{pointer}/{_step(name)}", sources)
                for name, entry in value.items()
            }
        if isinstance(value, list | tuple):
            return [
                self._opened(entry, _item(options, number), f"{pointer}/{number}", sources)
                for number, entry in enumerate(value)
            ]
        return value


@dataclass(frozen=True)
class _Place:
    pointer: str


def _replaced(value: Any, done: Mapping[str, Any]) -> Any:
    if isinstance(value, _Place):
        return done[value.pointer]
    if isinstance(value, Mapping):
        return {name: _replaced(entry, done) for name, entry in value.items()}
    if isinstance(value, list):
        return [_replaced(entry, done) for entry in value]
    return value


def _rules(options: Iterable[Schema]) -> Rules | None:
    return next((Rules.of(option) for option in options if option.get("format") == FORMAT), None)


def _options(schema: Any, definitions: Schema) -> Iterator[Schema]:
    """The schemas of which a value has to fit one, or all, without references."""
    if not isinstance(schema, Mapping):
        return
    yield schema
    if "$ref" in schema:
        yield from _options(definitions.get(str(schema["$ref"]).rpartition("/")[2]), definitions)
    for keyword in ("anyOf", "oneOf", "allOf"):
        for option in schema.get(keyword, ()):
            yield from _options(option, definitions)


def _member(options: list[Schema], name: Any) -> Any:
    found = (option.get("properties", {}).get(name) for option in options)
    others = (option.get("additionalProperties") for option in options)
    return next(filter(None, found), None) or _any(others)


def _item(options: list[Schema], number: int) -> Any:
    first = (option.get("prefixItems", [])[number : number + 1] for option in options)
    return next((entry[0] for entry in first if entry), None) or _any(
        option.get("items") for option in options
    )


def _any(schemas: Iterator[Any]) -> Any:
    found = [schema for schema in schemas if isinstance(schema, Mapping)]
    return {"anyOf": found} if found else None


def _step(name: Any) -> str:
    return str(name).replace("~", "~0").replace("/", "~1")
