"""The bills of materials hold what is deployed, and the list of dependencies all that is locked."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from benchmarks.weights import PAGE, ROW, refreshed
from infra import sbom
from infra.package import build_package
from tests.support.processes import ROOT

OWN = {"app.py", "catalog.json", "chalicelib", "coatcheck", "__pycache__"}

ELSEWHERE = {"colorama", "async-timeout"}
"""What only Windows and older versions of Python need."""
LINUX = {"python_version": "3.11", "python_full_version": "3.11.9", "sys_platform": "linux"}


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sbom")
    return {path.name: path for path in sbom.write(folder)}


def components(path: Path) -> dict[str, dict[str, object]]:
    return {entry["name"]: entry for entry in json.loads(path.read_text())["components"]}


@pytest.mark.parametrize("name", [sbom.FUNCTIONS, sbom.IMAGE])
def test_a_bill_is_valid(name: str, bills: dict[str, Path]) -> None:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(bills[name].read_text())
    assert error is None, error


def test_the_functions_bill_names_every_module_that_ships(bills: dict[str, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(build_package(tmp_path).archive) as zipped:
        shipped = {name.partition("/")[0] for name in zipped.namelist() if ".dist-info" not in name}
    found = components(bills[sbom.FUNCTIONS])
    assert shipped - OWN == set(found)
    assert all(entry["version"] and entry["licenses"] for entry in found.values())
    assert all(entry["hashes"] for name, entry in found.items() if name != "chalice")


def test_the_images_bill_names_all_that_pip_installs_there(bills: dict[str, Path]) -> None:
    found = components(bills[sbom.IMAGE])
    locked = re.findall(r"^([\w-]+)==", (ROOT / "worker_image" / "requirements.txt").read_text(), re.M)
    assert set(found) == {*locked, "python"} - ELSEWHERE
    assert {"rq", "redis", "pydantic"} <= set(found)
    assert all(entry["hashes"] for name, entry in found.items() if name != "python")


def test_markers_decide_what_counts(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    digest = "0" * 64
    lock.write_text(
        "# a comment\n"
        f"Some_Thing==1.2 \\\n    --hash=sha256:{digest}\n"
        f'old==1 ; python_version < "3.12" \\\n    --hash=sha256:{digest}\n'
    )
    assert list(sbom.read_lock(lock, {"python_version": "3.12"})) == [
        sbom.Locked("some-thing", "1.2", (digest,))
    ]
    assert [package.name for package in sbom.read_lock(lock, {"python_version": "3.11"})][1:] == ["old"]


# docs/dependencies.md


def listed() -> dict[str, set[str]]:
    """The packages of each of the page's tables, by its heading."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return {
        heading: {match["name"] for match in ROW.finditer(text)}
        for heading, text in zip(parts[::2], parts[1::2], strict=True)
    }


def locked(path: str) -> set[str]:
    return {package.name for package in sbom.read_lock(ROOT / path, LINUX)}


def asked_for(path: str) -> set[str]:
    lines = (ROOT / path).read_text().splitlines()
    return {re.split(r"[\[=<> ;]", line)[0] for line in lines if line[:1].isalpha()}


def test_every_dependency_is_listed_and_no_other() -> None:
    functions = locked("functions/requirements.txt") | {"chalice"}
    image = locked("worker_image/requirements.txt")
    laptop = locked("requirements.txt") - functions - image
    tools = asked_for("requirements-dev.in") | asked_for("requirements-checkov.in")
    tools |= asked_for("requirements-bench.in") - image
    assert list(listed().values()) == [functions, image, laptop, tools]


def test_every_dependency_has_a_weight_and_a_reason() -> None:
    rows = list(ROW.finditer(PAGE.read_text()))
    assert all(re.fullmatch(r" [\d,]+ kB ", row["weight"]) for row in rows)
    assert all(len(row["rest"].strip(" |")) > 5 for row in rows)


def test_weights_are_written_anew() -> None:
    found = ROW.search(refreshed("| `redis` | old | why |\n"))
    assert found is not None and re.fullmatch(r" [\d,]+ kB ", found["weight"])
    assert refreshed("| `no-such-package` | 5 kB | why |") == "| `no-such-package` | 5 kB | why |"
