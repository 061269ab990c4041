"""The function package: what is in it, what is not, and that it works by itself."""

from __future__ import annotations

import ast
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from infra import catalog
from infra.cli import main
from infra.errors import PackageError
from infra.package import FunctionPackage, build_package, dependencies
from tests.support.processes import ROOT

LIMIT = 2_000_000
"""Bytes: what the whole package may have, zipped."""
OWN = ("app.py", "chalicelib", "coatcheck")
OTHERS = {
    "boto3",
    "botocore",
    "click",
    "infra",
    "pip",
    "pydantic",
    "rq",
    "setuptools",
    "tests",
    "worker_image",
}
UNCHECKED = 0b01
"""The flags of byte code that is never compared with its source (PEP 552)."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where fetched requirements are kept: empty at first, so that the first build fetches them."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def package(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> FunctionPackage:
    """The package of this project."""
    return build_package(tmp_path_factory.mktemp("package"), cache=cache)


@pytest.fixture(scope="module")
def names(package: FunctionPackage) -> list[str]:
    """The names of the files in it."""
    with zipfile.ZipFile(package.archive) as zipped:
        return zipped.namelist()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project's rooms to change something in, as the current folder."""
    copy = tmp_path / "project"
    for room in ("coatcheck", "functions", "worker_image"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(copy)
    return copy


Build = Callable[[], FunctionPackage]


@pytest.fixture
def build(project: Path, cache: Path, tmp_path: Path) -> Build:
    """Builds the package of the changed project."""
    return lambda: build_package(tmp_path / "out", project=project, cache=cache)


def read(package: FunctionPackage, name: str) -> bytes:
    with zipfile.ZipFile(package.archive) as zipped:
        return zipped.read(name)


def test_it_holds_the_app_the_page_the_scripts_and_the_catalogue(
    package: FunctionPackage, names: list[str]
) -> None:
    for room, source in (("functions", ROOT / "functions"), ("coatcheck", ROOT)):
        for path in (ROOT / room).rglob("*"):
            if "client" not in path.parts and path.suffix in (".py", ".lua", ".js", ".css", ".html", ".svg"):
                assert read(package, str(path.relative_to(source))) == path.read_bytes()
    assert sum(name.endswith(".lua") for name in names) >= 5
    assert read(package, "catalog.json").decode() == catalog.build()
    assert [task.name for task in package.catalog.tasks][:1] == ["examples.short_task"]


def test_it_holds_nothing_else(names: list[str]) -> None:
    top = {name.partition("/")[0] for name in names}
    assert not top & OTHERS
    assert not [name for name in names if name.startswith("coatcheck/client/")]
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "functions" / "requirements.txt").read_text(), re.MULTILINE)
    modules = {"__pycache__", "app.py", "catalog.json", "chalice", "chalicelib", "coatcheck"}
    assert {name for name in top if not name.endswith(".dist-info")} - modules <= {
        name.replace("-", "_") for name in locked
    }
    assert not [name for name in names if re.search(r"/tests?/|\.pyi$|requirements|RECORD$|/examples", name)]


def test_it_is_small(package: FunctionPackage) -> None:
    assert package.size == package.archive.stat().st_size < LIMIT


def test_every_module_is_compiled_and_never_compared_with_its_source(
    package: FunctionPackage, names: list[str]
) -> None:
    code = [name for name in names if name.endswith(".pyc")]
    assert len(code) > 100
    for name in code:
        assert struct.unpack("<I", read(package, name)[4:8]) == (UNCHECKED,), name
    sources = [name for name in names if name.endswith(".py")]
    assert {name.partition("/")[0] for name in sources} == set(OWN)
    for name in sources:
        folder, _, file = name.rpartition("/")
        compiled = f"__pycache__/{file[:-3]}.{sys.implementation.cache_tag}.pyc"
        assert (f"{folder}/{compiled}" if folder else compiled) in names


def test_its_zip_tells_neither_when_nor_where(package: FunctionPackage) -> None:
    with zipfile.ZipFile(package.archive) as zipped:
        entries = zipped.infolist()
        assert zipped.testzip() is None
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {(*entry.date_time, entry.external_attr >> 16) for entry in entries} == {
        (1980, 1, 1, 0, 0, 0, 0o100644)
    }
    assert len({entry.filename for entry in entries}) == len(entries)


def test_the_same_input_gives_the_same_bytes(package: FunctionPackage, project: Path, tmp_path: Path) -> None:
    # Another folder, another cache, requirements fetched anew, and then from the cache.
    for target in ("first", "second"):
        again = build_package(tmp_path / target, project=project, cache=tmp_path / "cache")
        assert again.archive.read_bytes() == package.archive.read_bytes()
        assert (again.digest, again.template) == (package.digest, package.template)


def test_its_template_is_chalices(package: FunctionPackage) -> None:
    resources = package.template["Resources"]
    assert {"APIHandler", "APIHandlerInvokePermission", "DefaultRole", "RestAPI"} <= set(resources)
    function = resources["APIHandler"]["Properties"]
    assert function["CodeUri"] == "./deployment.zip"
    assert function["Runtime"] == f"python3.{sys.version_info[1]}"


def test_it_can_be_loaded_from_its_folder(package: FunctionPackage, tmp_path: Path) -> None:
    assert FunctionPackage.load(package.archive.parent) == package
    with pytest.raises(PackageError, match=rf"coatcheck package --output {tmp_path}$"):
        FunctionPackage.load(tmp_path)


def test_loading_needs_nothing_of_what_built_it(package: FunctionPackage) -> None:
    code = (
        "import sys; from pathlib import Path; from infra.package import FunctionPackage\n"
        f"FunctionPackage.load(Path({str(package.archive.parent)!r}))\n"
        "print({name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"chalice", "click", "pydantic", "pip"} & set(ast.literal_eval(done.stdout))


def test_a_change_in_coatcheck_is_in_the_next_package(
    package: FunctionPackage, build: Build, project: Path
) -> None:
    with (project / "coatcheck" / "errors.py").open("a") as file:
        file.write(f"\nSTAMP = {datetime.min.isoformat()!r}\n")
    changed = build()
    assert b"STAMP" in read(changed, "coatcheck/errors.py")
    assert changed.digest != package.digest


def test_a_heavy_task_adds_nothing_but_its_schema(
    build: Build, project: Path, package: FunctionPackage
) -> None:
    heavy = project / "worker_image" / "tasks" / "heavy.py"
    heavy.write_text(
        "import rq, pydantic, coverage\n"
        f"WEIGHT = {'x' * 3_000_000!r}\n"
        "def lift(weight: int) -> int:\n"
        "    'Lifts.'\n"
        "    return len('SECRET OF THE WORKER')\n"
    )
    made = build()
    assert made.catalog.get("heavy.lift").description == "Lifts."
    assert made.size - package.size < 1000
    with zipfile.ZipFile(made.archive) as zipped:
        assert not [name for name in zipped.namelist() if b"SECRET OF THE WORKER" in zipped.read(name)]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "code", "told"),
    [
        ("chalicelib/health.py", "import rq", "No module named 'rq'"),
        ("chalicelib/health.py", "from worker_image import discovery", "No module named 'worker_image'"),
        ("chalicelib/unused.py", "def broken(:", r"chalicelib/unused\.py"),
        ("chalicelib/health.py", "def broken(:", r"chalicelib/health\.py.*SyntaxError"),
        ("app.py", "app.routes.clear()", "no routes"),
        (
            "app.py",
            "import sys\nif 'chalice.cli' not in sys.modules: del publish_metrics",
            "no attribute 'publish_metrics'",
        ),
        ("app.py", "raise SystemExit(0)", "it said nothing"),
        ("app.py", "import sys\nif 'chalice.cli' not in sys.modules: raise SystemExit(0)", "it said nothing"),
        ("chalicelib/openapi.py", "ROUTES = ()", "/openapi.json answered 40"),
        ("chalicelib/tasks.py", "def json_answer(*_, **__): 1 / 0", "/tasks answered 500"),
    ],
)
def test_a_faulty_app_is_refused(build: Build, project: Path, file: str, code: str, told: str) -> None:
    with (project / "functions" / file).open("a") as source:
        source.write(f"\n{code}\n")
    with pytest.raises(PackageError, match=rf"(?s){told}"):
        build()
    assert not (project.parent / "out").exists()


def test_a_missing_requirement_is_found(build: Build, project: Path) -> None:
    requirements = project / "functions" / "requirements.txt"
    text = requirements.read_text()
    requirements.write_text(text[: text.index("redis==")])
    with pytest.raises(PackageError, match="No module named 'redis'"):
        build()


@pytest.mark.parametrize("line", ["redis==8.1.0", "./local", "-e ../coatcheck", "x @ file:///x"])
def test_a_requirement_that_is_not_locked_is_refused(build: Build, project: Path, line: str) -> None:
    with (project / "functions" / "requirements.txt").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(PackageError, match=re.escape(f"{line!r} has no hash")):
        build()


def test_a_wrong_hash_is_refused(build: Build, project: Path, cache: Path) -> None:
    requirements = project / "functions" / "requirements.txt"
    requirements.write_text(re.sub(r"sha256:\w{8}", "sha256:00000000", requirements.read_text()))
    kept = set(cache.iterdir())
    with pytest.raises(PackageError, match=r"(?s)could not package.*DO NOT MATCH"):
        build()
    assert set(cache.iterdir()) == kept


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    def unpacked() -> dict[str, bytes]:
        target = tmp_path / "target"
        dependencies.unpack(ROOT / "functions", tmp_path / "cache", target)
        files = {str(path): path.read_bytes() for path in target.rglob("*.py")}
        shutil.rmtree(target)
        return files

    files = unpacked()
    assert len(files) > 100
    (kept,) = (tmp_path / "cache").iterdir()
    data = kept.read_bytes()
    for damaged in (data[:1000], data[:5000] + b"?" + data[5001:]):
        kept.write_bytes(damaged)
        assert unpacked() == files
        with zipfile.ZipFile(kept) as zipped:
            assert zipped.testzip() is None


def test_it_needs_nothing_of_aws(
    package: FunctionPackage, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_REGION", "nowhere")
    assert build_package(tmp_path, cache=cache).digest == package.digest


def test_the_command_tells_where_it_is(tmp_path: Path, package: FunctionPackage, cache: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra", "package", "--output", str(tmp_path / "new" / "folder")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{tmp_path}/new/folder/deployment.zip\n"
    assert (tmp_path / "new" / "folder" / "deployment.zip").read_bytes() == package.archive.read_bytes()
    assert re.fullmatch(rf"1\.\d\d MB, \d+ tasks, SHA-256 {package.digest}\n", done.stderr)


def test_the_command_tells_what_is_wrong(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "worker_image" / "tasks" / "wrong.py").write_text("def add(left): return left\n")
    assert main(["package", "--output", str(tmp_path / "out")]) == 2
    assert re.search(r"coatcheck: .*wrong\.py:1: function add", capsys.readouterr().err)
    assert not (tmp_path / "out").exists()
