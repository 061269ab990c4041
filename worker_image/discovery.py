"""Finds the tasks: imports every module of the tasks' package and makes the catalogue of it.

``python -m worker_image.discovery`` prints ``catalog.json``; a fault in a task ends it with status 1 and
a line for each fault that names file, function and argument.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import json
import os
import pkgutil
import sys
import typing
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError

from coatcheck.catalog import Catalog, TaskSpec
from coatcheck.errors import CatalogError
from coatcheck.schedule import Schedule
from coatcheck.settings import SETTINGS
from coatcheck.task import options_of

Function = Callable[..., Any]
NO_SCHEMA = (
    PydanticSchemaGenerationError,
    PydanticInvalidForJsonSchema,
    PydanticUserError,
    TypeError,
    ValueError,
)
NAMED_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Task:
    """A task as the worker runs it: its entry in the catalogue, its function and its arguments' types."""

    spec: TaskSpec
    function: Function
    model: type[BaseModel]

    @property
    def asynchronous(self) -> bool:
        """Whether the function is an ``async def``, so that it can run with others in one process."""
        return inspect.iscoroutinefunction(self.function)

    def convert(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The function's keyword arguments, of the types that it names, from those of a job.

        Raises pydantic.ValidationError.
        """
        checked = self.model.model_validate_json(json.dumps(arguments))
        names = {name: info.alias or name for name, info in self.model.model_fields.items()}
        return {names[name]: getattr(checked, name) for name in checked.model_fields_set}


def discover(package: str) -> dict[str, Task]:
    """All tasks of a package, by name.

    Raises CatalogError: its message has a line for each fault.
    """
    tasks: dict[str, Task] = {}
    faults: list[str] = []
    for name, module in _modules(package, faults):
        faults += _repeated(module)
        for function in _public_functions(module):
            try:
                task = task_of(name, function)
            except CatalogError as error:
                faults.append(str(error))
                continue
            other = tasks.setdefault(task.spec.name, task)
            if other is not task:
                faults.append(
                    f"{_place(function)}: there is a task {task.spec.name} already,"
                    f" in {_place(other.function)}"
                )
    if faults:
        raise CatalogError("\n".join(faults))
    return tasks


def catalog_of(tasks: dict[str, Task]) -> Catalog:
    """The catalogue of discovered tasks, in the order of their modules and lines."""
    return Catalog(tuple(task.spec for task in tasks.values()))


def _modules(package: str, faults: list[str]) -> Iterator[tuple[str, ModuleType]]:
    """Each module of the package with its name below it, in the order of names."""
    try:
        root = importlib.import_module(package)
    except Exception as error:
        faults.append(f"{package}: {_why(error)}")
        return
    for info in sorted(pkgutil.walk_packages(root.__path__, f"{package}."), key=lambda info: info.name):
        name = info.name.removeprefix(f"{package}.")
        if any(part.startswith("_") for part in name.split(".")):
            continue
        try:
            yield name, importlib.import_module(info.name)
        except CatalogError as error:
            faults.append(str(error))
        except (Exception, SystemExit) as error:
            faults.append(f"{_module_file(root, name)}: {_why(error)}")


def _why(error: BaseException) -> str:
    """What is told of a module whose import has raised this."""
    text = f"can't be imported: {type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError):
        text += "; what tasks need is named in worker_image/requirements.in, and 'make lock' takes it up"
    return text


def _module_file(root: ModuleType, name: str) -> str:
    path = Path(root.__path__[0]).joinpath(*name.split("."))
    return _shown(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"))


def _public_functions(module: ModuleType) -> list[Function]:
    found = [
        value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and not name.startswith("_") and value.__module__ == module.__name__
    ]
    return sorted(dict.fromkeys(found), key=lambda function: inspect.unwrap(function).__code__.co_firstlineno)


def _repeated(module: ModuleType) -> list[str]:
    """A function that is defined twice: Python would silently keep the second one."""
    path = Path(module.__file__ or "")
    names = [
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
    ]
    counts = Counter(node.name for node in names)
    last = {node.name: node for node in names}
    return [
        f"{_shown(path)}:{last[name].lineno}: function {name} is defined twice in this file"
        for name, count in counts.items()
        if count > 1
    ]


def task_of(module: str, function: Function) -> Task:
    """A function as a task of a module. Raises CatalogError."""
    options = options_of(function)
    name = options.name or function.__name__
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise CatalogError(f"{_place(function)}: a task can't be a generator; return a list")
    model = _arguments_model(function)
    if options.schedule is not None:
        _check_schedule(function, model, options.schedule)
    return Task(
        spec=TaskSpec(
            name=f"{module}.{name}",
            title=options.title or name.replace("_", " ").strip().capitalize(),
            description=inspect.getdoc(function) or "",
            schema=_arguments_schema(model),
            result=_result_schema(function),
            queue=options.queue,
            timeout=options.timeout,
            retries=options.retries,
            retry_delays=options.retry_delays,
            result_ttl=options.result_ttl,
            schedule=options.schedule,
        ),
        function=function,
        model=model,
    )


def _check_schedule(function: Function, model: type[BaseModel], schedule: Schedule) -> None:
    """Its jobs' arguments must be what the task takes, or each of them would fail."""
    try:
        model.model_validate_json(json.dumps(schedule.arguments))
    except (ValidationError, TypeError, ValueError) as error:
        reason = wrong_fields(error) if isinstance(error, ValidationError) else error
        raise CatalogError(f"{_place(function)}: arguments of its schedule don't fit: {reason}") from error


def wrong_fields(error: ValidationError) -> str:
    """What pydantic finds wrong with arguments, in a line: each field and why."""
    return "; ".join(
        f"/{'/'.join(str(step) for step in fault['loc'])} {fault['msg']}" for fault in error.errors()
    )


def _arguments_model(function: Function) -> type[BaseModel]:
    hints = _hints(function)
    fields: dict[str, Any] = {}
    for position, (name, parameter) in enumerate(inspect.signature(function).parameters.items()):
        if parameter.kind not in NAMED_KINDS:
            raise CatalogError(
                f"{_place(function)}, argument {name}: arguments come by name, so *args, **kwargs and"
                " positional-only ones can't be offered"
            )
        if name not in hints:
            raise CatalogError(
                f"{_place(function)}, argument {name}: has no type annotation;"
                " add one, or start the function's name with _ if it is no task"
            )
        default = ... if parameter.default is parameter.empty else parameter.default
        try:
            TypeAdapter(hints[name]).json_schema()
        except NO_SCHEMA as error:
            reason = str(error).splitlines()[0]
            raise CatalogError(
                f"{_place(function)}, argument {name}: its type has no JSON Schema: {reason}"
            ) from error
        # Fields have neutral names, the argument's name is their alias: an argument may be called
        # "schema" or "copy", which a model's field may not.
        fields[f"argument_{position}"] = (hints[name], Field(default, alias=name))
    # An argument's own description comes from Annotated[..., Field(...)]; the function's is the task's.
    config = ConfigDict(extra="forbid")
    model: type[BaseModel] = create_model(function.__name__, __config__=config, **fields)
    return model


def _hints(function: Function) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception as error:
        raise CatalogError(f"{_place(function)}: an annotation can't be resolved: {error}") from error


def _arguments_schema(model: type[BaseModel]) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a default that JSON can't hold is simply not shown
        schema = model.model_json_schema()
    schema.pop("title", None)
    schema.setdefault("properties", {})
    return schema


def _result_schema(function: Function) -> dict[str, Any]:
    annotation = _hints(function).get("return", Any)
    try:
        return TypeAdapter(annotation).json_schema(mode="serialization")
    except NO_SCHEMA:
        return {}


def _place(function: Function) -> str:
    code = inspect.unwrap(function).__code__
    return f"{_shown(Path(code.co_filename))}:{code.co_firstlineno}: function {function.__name__}"


def _shown(path: Path) -> str:
    """The path below the current folder where it is one, as an editor takes it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def main() -> int:
    """Print the catalogue, or the faults. Returns the process' status."""
    variable = next(setting for setting in SETTINGS if setting.field == "tasks")
    try:
        package = variable.parse(os.environ.get(variable.variable) or variable.default)
        # A task's module may print while it is imported; that must not get into the catalogue.
        with contextlib.redirect_stdout(sys.stderr):
            tasks = discover(package)
    except (CatalogError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.write(catalog_of(tasks).dumps())
    return 0


if __name__ == "__main__":
    sys.exit(main())
