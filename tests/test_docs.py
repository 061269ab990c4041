"""The documents tell what the code does: settings, commands, routes and problems, no more and no less."""

from __future__ import annotations

import re
from argparse import ArgumentParser, _SubParsersAction

import pytest

from chalicelib.openapi import PATHS
from chalicelib.options import NAMES
from coatcheck.client.transport import VARIABLES
from coatcheck.errors import problem_classes
from coatcheck.settings import SETTINGS, Setting
from infra.cli import build_parser
from infra.deploy.parameters import parse
from infra.template import load_extra
from tests.support.processes import ROOT
from worker_image.discovery import catalog_of, discover

README = (ROOT / "README.md").read_text()
API = (ROOT / "docs" / "api.md").read_text()
COMMAND = (ROOT / "docs" / "command.md").read_text()
SETTINGS_PAGE = (ROOT / "docs" / "settings.md").read_text()
DEPLOY = (ROOT / "docs" / "deploy.md").read_text()
SCALE = (ROOT / "docs" / "scale.md").read_text()
OUTSIDE = {"MAX_TIME_TO_WAIT"}
"""Settings of the example tasks, which are no settings of Coatcheck's."""
SETTING_ROW = r"\| `[A-Z_]+` \|"
COMMAND_ROW = r"\| `coatcheck (\w+)"
ROUTE_ROW = r"\| `(?:GET|POST|DELETE) /"


def rows(page: str, start: str) -> list[str]:
    """The rows of a page's tables that begin so."""
    return [line for line in page.splitlines() if re.match(start, line)]


def row(setting: Setting) -> str:
    """A setting's row."""
    default = ",".join(setting.default) if isinstance(setting.default, tuple) else setting.default
    shown = "" if default in (None, "", False) else f"`{default}`"
    return f"| `{setting.variable}` | {shown} | {setting.help} |"


def test_the_table_of_settings_is_the_codes() -> None:
    assert sorted(rows(SETTINGS_PAGE, SETTING_ROW)) == sorted(row(setting) for setting in SETTINGS)


@pytest.mark.parametrize(
    ("start", "name", "page"),
    [
        (SETTING_ROW, "settings.md", SETTINGS_PAGE),
        (COMMAND_ROW, "command.md", COMMAND),
        (ROUTE_ROW, "api.md", API),
    ],
    ids=["settings", "commands", "routes"],
)
def test_the_readme_has_some_rows_of_each_table_word_for_word(start: str, name: str, page: str) -> None:
    shown = rows(README, start)
    assert shown
    assert set(shown) <= set(rows(page, start))
    assert f"(docs/{name})" in README


def test_every_setting_that_a_document_names_exists() -> None:
    named: set[str] = set()
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]:
        named |= set(re.findall(r"\b(?:COATCHECK|WORKER)_[A-Z_]+\b", path.read_text()))
    assert named - OUTSIDE - set(VARIABLES) <= {setting.variable for setting in SETTINGS}


def test_the_clients_variables_are_documented() -> None:
    page = (ROOT / "docs" / "client.md").read_text()
    assert rows(page, SETTING_ROW) == [f"| `{name}` | {meaning} |" for name, meaning in VARIABLES.items()]


def commands() -> dict[str, ArgumentParser]:
    """The subcommands of ``coatcheck``."""
    choices: dict[str, ArgumentParser] = next(
        action.choices for action in build_parser()._actions if isinstance(action.choices, dict)
    )
    return choices


def options(parser: ArgumentParser) -> set[str]:
    """The long options of a command and of its own commands, without --help."""
    names = {name for action in parser._actions for name in action.option_strings}
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            names = names.union(*map(options, action.choices.values()))
    return {name for name in names if name.startswith("--")} - {"--help"}


def task_options() -> set[str]:
    """What ``run`` takes for the arguments of the shipped tasks."""
    tasks = catalog_of(discover("worker_image.tasks")).tasks
    return {f"--{name.replace('_', '-')}" for task in tasks for name in task.schema["properties"]}


def documents() -> str:
    """All that is written for users."""
    return "\n".join(path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/**/*.md")))


def test_every_command_is_in_the_tables_and_every_one_there_exists() -> None:
    assert sorted(re.findall(f"^{COMMAND_ROW}", COMMAND, re.MULTILINE)) == sorted(commands())


def test_every_command_that_a_document_names_exists() -> None:
    named = set(re.findall(r"^ *(?:\$ )?(?:\.venv/bin/)?coatcheck ([a-z]+)", documents(), re.MULTILINE))
    assert named <= set(commands())


@pytest.mark.parametrize("command", commands())
def test_every_option_of_a_command_is_documented(command: str) -> None:
    text = documents()
    assert not {name for name in options(commands()[command]) if not re.search(rf"{name}[ =`\n]", text)}


def test_every_option_that_follows_a_command_in_a_document_exists() -> None:
    for command, rest in re.findall(r"coatcheck ([a-z]+)((?: [^\n`|]*)?)", documents()):
        if command in commands():
            known = (
                options(commands()[command]) | {"--help"} | (task_options() if command == "run" else set())
            )
            assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= known, command


def test_the_tables_of_routes_are_the_apps() -> None:
    expected = ["POST /tasks/{name}"]  # the description has one of these for each task
    for path, operations in PATHS.items():
        for method, operation in operations.items():
            taken = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
            query = "?" + "&".join(f"{name}=" for name in taken) if taken else ""
            expected.append(f"{method.upper()} {path}{query}")
    found = re.findall(r"`((?:GET|POST|DELETE) /[^`]*)`", "\n".join(rows(API, ROUTE_ROW)))
    assert sorted(found) == sorted(expected)


def test_every_option_of_a_submission_is_in_its_table() -> None:
    table = API.partition("\n| option | means |\n")[2].partition("\n\n")[0]
    first = [line.split("|")[1] for line in table.splitlines()[1:]]
    assert sorted(re.findall(r"`(\w+)`", "".join(first))) == sorted(NAMES)


def test_the_table_of_parameters_is_the_templates() -> None:
    expected = []
    for name, spec in load_extra()["Parameters"].items():
        default = f"`{spec['Default']}`" if str(spec["Default"]) else ""
        expected.append(f"| `{name}` | {default} | {spec['Description']} |")
    assert rows(DEPLOY, r"\| `[A-Z][A-Za-z]+` \|") == expected


def test_every_parameter_that_a_document_sets_is_allowed() -> None:
    given = re.findall(r"(?:--parameter |`)([A-Z][a-z]+[A-Z]?[A-Za-z]*=[^\s`]+)", documents())
    assert len(given) > 10
    for text in given:
        if "..." in text or "HOST" in text:  # only its name is meant
            assert text.partition("=")[0] in load_extra()["Parameters"]
        else:
            parse([text], load_extra()["Parameters"])


def test_every_alarm_has_its_runbook_and_every_runbook_its_alarm() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text()
    alarms = operations.partition("\n## Alarms\n")[2].partition("\n## ")[0]
    resources = load_extra()["Resources"].items()
    assert sorted(re.findall(r"^### (\w+)$", alarms, re.MULTILINE)) == sorted(
        name for name, resource in resources if resource.get("Type") == "AWS::CloudWatch::Alarm"
    )
    for section in alarms.split("\n### ")[1:]:
        steps = re.findall(r"^- \*\*(\w+):\*\*", section, re.MULTILINE)
        assert steps == ["Look", "Do", "Over"], section.splitlines()[0]


def test_every_link_within_the_documents_leads_somewhere() -> None:
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")):
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            if "://" in target:
                continue
            file, _, anchor = target.partition("#")
            found = path.parent / file if file else path
            assert found.exists(), (path.name, target)
            if anchor:
                titles = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
                anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
                assert anchor in anchors, (path.name, target)


@pytest.mark.parametrize("page", [DEPLOY, SCALE], ids=["deploy", "scale"])
def test_what_it_costs_is_reckoned_right(page: str) -> None:
    total = 0.0
    for arithmetic, amount in re.findall(
        r"\| (?:`([^`]+)` )?\| (?:\*\*)?([0-9.]+)(?:\*\*)? \|$", page, re.MULTILINE
    ):
        if arithmetic:
            assert re.fullmatch(r"[0-9. x+/()]+", arithmetic)
            assert float(amount) == pytest.approx(eval(arithmetic.replace("x", "*")), abs=0.005)
            total += float(amount)
        else:
            assert float(amount) == pytest.approx(total, abs=0.001)
            total = 0.0
    assert total == 0.0, "every table has its sum"
    for arithmetic, amount in re.findall(r"`([0-9][0-9. x+/()]+)` = ([0-9]+\.[0-9]+)", page):
        assert float(amount) == pytest.approx(eval(arithmetic.replace("x", "*")), abs=0.005)


@pytest.mark.parametrize("problem", problem_classes(), ids=lambda problem: problem.slug)
def test_every_problem_is_documented(problem: type) -> None:
    assert problem.type_uri() in (ROOT / "docs" / "problems.md").read_text()  # type: ignore[attr-defined]
