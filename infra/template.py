"""The CloudFormation template: Chalice's resources and those of ``template.yaml`` in one JSON document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from infra import auth_mode
from infra.errors import StartError

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "template.yaml"

Template = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML as CloudFormation means it: ``!Ref`` and its kind, and no dates (``Version: 2012-10-17``)."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """The long form of ``!Sub text``, ``!If [...]`` and so on."""
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def load_extra(path: Path = TEMPLATE) -> Template:
    """Read a fragment such as ``template.yaml``. Raises StartError when it can't be read."""
    try:
        extra = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except (OSError, yaml.YAMLError) as error:
        raise StartError(f"{path} can't be read: {error}") from error
    if not isinstance(extra, dict):
        raise StartError(f"{path} holds no template")
    return extra


def merge(chalice: Template, extra: Template) -> Template:
    """Chalice's template with a fragment merged into it: mappings deeply, all else of the fragment replaces.

    Leaves both arguments alone. Raises StartError when the fragment adds to a resource that neither defines.
    """
    merged: Template = _merged(chalice, extra)
    for name, resource in merged.get("Resources", {}).items():
        if "Type" not in resource:
            raise StartError(f"template.yaml adds to the resource {name}, which Chalice does not make")
    return merged


def assemble(chalice: Template, extra: Template) -> Template:
    """The whole template of Chalice's and ours. Raises StartError as ``merge`` does."""
    return auth_mode.choose(merge(chalice, extra))


def _merged(base: Any, extra: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(extra, dict) or _is_function(base) or _is_function(extra):
        return extra
    return {key: _merged(base.get(key), extra[key]) if key in extra else base[key] for key in base | extra}


def _is_function(value: dict[str, Any]) -> bool:
    """Whether a mapping is a call such as ``{"Ref": ...}``, of which two can't be one."""
    return len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::"))


def dumps(template: Template) -> str:
    """The template as JSON: always the same text for the same template, and no YAML anchors in it."""
    return json.dumps(template, indent=1) + "\n"
