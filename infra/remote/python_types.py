"""JSON Schemas as Python's types, the way a stub writes them."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping
from typing import Any

from coatcheck.client.files.arguments import FORMAT

Schema = Mapping[str, Any]

PLAIN = {"integer": "int", "number": "float", "boolean": "bool", "null": "None", "string": "str"}
FORMATS = {"date": "datetime.date", "date-time": "datetime.datetime", "time": "datetime.time"}
"""What the client writes as text by itself, where a text of that format is asked for."""
FILE = "FileArgument"
"""What is given where a schema wants a file."""
NOTHING: tuple[Any, ...] = ({}, True)
"""Schemas that take anything."""


class Types:
    """Writes types, and gathers the definitions that they need in ``lines``."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._names = {"Any", "Order", "Ticket", "AsyncTicket", "TaskHandle", "Tasks", "AsyncTasks"}
        self._names |= {FILE, "RemoteFile", "AsyncRemoteFile"}
        self._written: dict[tuple[int, str], str] = {}

    @staticmethod
    def is_name(text: str) -> bool:
        """Whether a text can be the name of a parameter."""
        return text.isidentifier() and not keyword.iskeyword(text)

    def of(self, schema: Any, definitions: Schema, owner: str, name: str = "", *, received: str = "") -> str:
        """The type of a schema.

        Takes what references refer to, what the names of its classes begin with, its own name, and if the
        value is received, the class of files in it: then it is what JSON makes of it; what is sent may be
        more.
        """
        if received and FORMAT not in json.dumps([schema, definitions]):
            received = "Any"  # no file in it, so that one type does for both kinds of clients
        return _Writer(self, definitions, owner, received).of(schema, owner + name)

    def define(self, key: tuple[int, str], name: str) -> tuple[str, bool]:
        """The name of a class for a schema, and whether it is a new one."""
        if key in self._written:
            return self._written[key], False
        self._written[key] = found = self.unique(re.sub(r"\W", "_", name, flags=re.ASCII))
        return found, True

    def unique(self, name: str) -> str:
        """The name, or one like it that nothing else has."""
        found = name
        number = 1
        while found in self._names:
            number += 1
            found = f"{name}{number}"
        self._names.add(found)
        return found


class _Writer:
    """Writes the types of one task's arguments, or of its result."""

    def __init__(self, types: Types, definitions: Schema, owner: str, received: str) -> None:
        self._types = types
        self._owner = owner
        self._definitions = definitions
        self._received = received
        self._within: list[str] = []

    def of(self, schema: Any, name: str) -> str:
        if schema in NOTHING or not isinstance(schema, Mapping):
            return "Any"
        if "$ref" in schema:
            return self._referred(str(schema["$ref"]).rpartition("/")[2])
        if "const" in schema:
            return _literal([schema["const"]])
        if "enum" in schema:
            return _literal(schema["enum"])
        for keyword_ in ("anyOf", "oneOf"):
            if keyword_ in schema:
                return _union(
                    [self.of(option, f"{name}{n or ''}") for n, option in enumerate(schema[keyword_])]
                )
        if len(schema.get("allOf", ())) == 1:
            return self.of(schema["allOf"][0], name)
        kind = schema.get("type")
        if isinstance(kind, list):
            return _union([self.of({**schema, "type": one}, name) for one in kind])
        return self._typed(kind, schema, name)

    def _typed(self, kind: Any, schema: Schema, name: str) -> str:
        if kind == "array":
            return self._array(schema, name)
        if kind == "object":
            return self._object(schema, name)
        plain = PLAIN.get(str(kind), "Any")
        also = FORMATS.get(str(schema.get("format")))
        return f"{plain} | {also}" if plain == "str" and also and not self._received else plain

    def _referred(self, target: str) -> str:
        schema = self._definitions.get(target, {})
        if target in self._within and "properties" not in schema:
            return "Any"  # refers to itself other than through an object, which only a class can tell
        self._within.append(target)
        found = self.of(schema, self._owner + target)
        self._within.pop()
        return found

    def _array(self, schema: Schema, name: str) -> str:
        if "prefixItems" in schema:
            items = [self.of(item, f"{name}{n}") for n, item in enumerate(schema["prefixItems"])]
            # JSON has no tuples: what comes back is a list.
            return f"list[{_union(items)}]" if self._received else f"tuple[{', '.join(items)}]"
        return (
            f"{'list' if self._received else 'Sequence'}[{self.of(schema.get('items', {}), f'{name}Item')}]"
        )

    def _object(self, schema: Schema, name: str) -> str:
        if schema.get("format") == FORMAT:
            return self._received or FILE
        if "properties" not in schema:
            values = self.of(schema.get("additionalProperties", {}), f"{name}Value")
            return f"{'dict' if self._received else 'Mapping'}[str, {values}]"
        found, new = self._types.define((id(schema), self._received), name)
        if new:
            self._define(found, schema)
        return found

    def _define(self, name: str, schema: Schema) -> None:
        required = schema.get("required", ())
        fields = {}
        for key, value in schema["properties"].items():
            kind = self.of(value, name + "".join(part.title() for part in re.split(r"\W|_", key)))
            fields[key] = kind if key in required else f"NotRequired[{kind}]"
        # The other way of writing it takes any key.
        inside = ", ".join(f"{key!r}: {kind}" for key, kind in fields.items())
        self._types.lines += [f'{name} = TypedDict("{name}", {{{inside}}})', ""]


def _union(kinds: list[str]) -> str:
    return " | ".join(dict.fromkeys(kinds)) or "Any"


def _literal(values: Any) -> str:
    literals = [repr(value) for value in values if isinstance(value, str | int | bool) and value is not None]
    others = {"None" if value is None else "float" for value in values if not isinstance(value, str | int)}
    return _union([*([f"Literal[{', '.join(literals)}]"] if literals else []), *sorted(others)])
