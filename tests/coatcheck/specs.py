"""Entries of a catalogue made from types, as the discovery of tasks makes them."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from coatcheck.catalog import TaskSpec


class Comfort(Enum):
    SIMPLE = "simple"
    GRAND = "grand"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


def model_of(**types: Any) -> type[BaseModel]:
    """The model of a task's arguments. A type alone is required, ``(type, default)`` is optional."""
    fields: dict[str, Any] = {
        name: kind if isinstance(kind, tuple) else (kind, ...) for name, kind in types.items()
    }
    model: type[BaseModel] = create_model("arguments", __config__=ConfigDict(extra="forbid"), **fields)
    return model


def spec_of(model: type[BaseModel]) -> TaskSpec:
    """The entry of a task with these arguments."""
    schema = model.model_json_schema()
    schema.setdefault("properties", {})
    return TaskSpec("some.task", "Task", "", schema)


def spec(**types: Any) -> TaskSpec:
    """The entry of a task with arguments of these types."""
    return spec_of(model_of(**types))
