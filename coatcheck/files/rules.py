"""What a task asks of its files: of which types they may be, and how large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

FORMAT = "coatcheck-file"
"""The format of the JSON Schema of a file."""
TYPES = "x-types"
MAX_SIZE = "x-max-size"


def fault(kind: str, size: int, types: Sequence[str], max_size: int | None) -> str | None:
    """Why a file of that type and size is not what is asked for; None: it is."""
    if types and not any(fnmatchcase(kind, pattern) for pattern in types):
        return f"should be a file of type {' or '.join(types)}, not {kind}"
    if max_size is not None and size > max_size:
        return f"should be a file of at most {max_size} bytes, not {size}"
    return None


def is_file(schema: Mapping[str, Any]) -> bool:
    """Whether a JSON Schema is that of a file."""
    return schema.get("format") == FORMAT and schema.get("type") == "object"


def schema_fault(schema: Mapping[str, Any], path: Sequence[str | int], kind: str, size: int) -> str | None:
    """Why a file can't stand at that place of the arguments; None: it can.

    Takes the JSON Schema of the arguments. Where that says nothing of a file, any may stand.
    """
    found = [
        fault(kind, size, place.get(TYPES, ()), place.get(MAX_SIZE))
        for place in _at(schema, path, schema.get("$defs", {}))
        if is_file(place)
    ]
    return None if None in found or not found else found[0]


def _at(
    schema: Mapping[str, Any], path: Sequence[str | int], definitions: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """Every schema that is about a place."""
    places = list(_alternatives(schema, definitions))
    for step in path:
        places = [
            inner
            for place in places
            for child in _children(place, step)
            for inner in _alternatives(child, definitions)
        ]
    yield from places


def _children(schema: Mapping[str, Any], step: str | int) -> Iterator[Mapping[str, Any]]:
    """The schemas of a member or an entry."""
    found: Any = None
    if isinstance(step, str):
        found = schema.get("properties", {}).get(step, schema.get("additionalProperties"))
    else:
        first = schema.get("prefixItems", ())
        found = first[step] if step < len(first) else schema.get("items")
    if isinstance(found, dict):
        yield found


def _alternatives(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A schema and all that it is made of, references followed."""
    seen: list[Any] = []
    inside = [schema]
    while inside:
        schema = inside.pop()
        if any(schema is other for other in seen):
            continue
        seen.append(schema)
        yield schema
        for word in ("anyOf", "oneOf", "allOf"):
            inside += [option for option in schema.get(word, ()) if isinstance(option, dict)]
        if "$ref" in schema:
            inside.append(definitions.get(str(schema["$ref"]).rpartition("/")[2], {}))
