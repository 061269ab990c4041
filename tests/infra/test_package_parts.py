"""Parts of the packaging that this project's own dependencies do not exercise."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from infra.errors import PackageError
from infra.package import archive, compiler, selfcheck
from infra.package.build import _check_runtime
from infra.package.chalice import ChaliceOutput
from infra.package.trimming import trim

HERE = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
ELSEWHERE = "x86_64" if HERE == "arm64" else "arm64"


def lay_out(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def left(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def distribution(name: str, *files: str) -> dict[str, str]:
    """The metadata of an installed distribution, as a wheel brings it."""
    info = f"{name}-1.0.dist-info"
    record = "".join(f"{file},,\n" for file in (*files, f"{info}/METADATA", f"{info}/RECORD"))
    metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\nLicense: MIT\n\nAbout {name}: all.\n"
    return {
        f"{info}/METADATA": metadata,
        f"{info}/RECORD": record,
        f"{info}/WHEEL": "",
        f"{info}/LICENSE": "",
    }


def test_what_nothing_imports_is_dropped(tmp_path: Path) -> None:
    folder = lay_out(
        tmp_path,
        {
            "app.py": "import json, first\n",
            "chalicelib/__init__.py": "def later():\n    from second.part import thing\n",
            "first/__init__.py": "import importlib\nplugin = importlib.import_module('third.plugin')\n",
            "second/__init__.py": "",
            "second/part.py": "import boto3, fourth\n",
            "third/plugin.py": "",
            "fourth.py": "",
            "boto3/__init__.py": "import jmespath\n",
            "jmespath/__init__.py": "",
            "click/__init__.py": "import first\n",
            "tzdata/__init__.py": "",
            "typing_extensions.py": "",
        },
    )
    trim(folder)
    assert left(folder) == {
        "app.py",
        "chalicelib/__init__.py",
        "first/__init__.py",
        "second/__init__.py",
        "second/part.py",
        "third/plugin.py",
        "fourth.py",
    }


def test_time_zones_stay_where_they_are_used(tmp_path: Path) -> None:
    trim(lay_out(tmp_path, {"app.py": "from zoneinfo import ZoneInfo\n", "tzdata/__init__.py": ""}))
    assert left(tmp_path) == {"app.py", "tzdata/__init__.py"}


def test_compiled_modules_stay_and_tests_go(tmp_path: Path) -> None:
    files = {
        "app.py": "import fast\n",
        "fast/core.abi3.so": "",
        "fast/__init__.py": "",
        "fast/__init__.pyi": "",
        "fast/py.typed": "",
        "fast/tests/test_fast.py": "",
        "fast/testing/__init__.py": "",
        "fast/data/names.txt": "",
        "_fast_backend.so": "",
    }
    trim(lay_out(tmp_path, files))
    gone = {"fast/__init__.pyi", "fast/py.typed", "fast/tests/test_fast.py"}
    assert left(tmp_path) == set(files) - gone


def test_a_version_can_still_be_asked_for(tmp_path: Path) -> None:
    files = {
        "app.py": "import used\n",
        "used/__init__.py": "",
        "unused.py": "",
        **distribution("used", "used/__init__.py"),
        **distribution("unused", "unused.py"),
        "used-1.0.dist-info/entry_points.txt": "[group]\nname = used:thing\n",
    }
    trim(lay_out(tmp_path, files))
    assert {name for name in left(tmp_path) if "dist-info" in name} == {
        "used-1.0.dist-info/METADATA",
        "used-1.0.dist-info/entry_points.txt",
    }
    (found,) = importlib.metadata.distributions(path=[str(tmp_path)])
    assert (found.version, found.metadata["Name"]) == ("1.0", "used")
    assert "License" not in found.metadata
    assert [point.value for point in found.entry_points] == ["used:thing"]


def test_a_file_of_others_that_is_not_python_stays_as_it_is(tmp_path: Path) -> None:
    folder = lay_out(
        tmp_path, {"app.py": "1\n", "others/template.py": "{{ name }} = }\n", "others/code.py": "2\n"}
    )
    archive.compile_all(folder)
    assert left(folder) == {
        "app.py",
        f"__pycache__/app.{sys.implementation.cache_tag}.pyc",
        "others/template.py",
        "others/code.pyc",
    }


def test_a_traceback_names_the_line_and_shows_our_source(tmp_path: Path) -> None:
    files = {"app.py": "import others\nothers.fail()\n", "others.py": "def fail():\n\n    1 / 0\n"}
    archive.compile_all(lay_out(tmp_path, files))
    done = subprocess.run([sys.executable, "-c", "import app"], cwd=tmp_path, capture_output=True, text=True)
    assert f'File "{tmp_path}/app.py", line 2, in <module>\n    others.fail()\n' in done.stderr
    assert 'File "/var/task/others.py", line 3, in fail\n' in done.stderr


def output(runtime: str) -> ChaliceOutput:
    function = {"Type": "AWS::Serverless::Function", "Properties": {"Runtime": runtime}}
    template: dict[str, Any] = {"Resources": {"APIHandler": function}}
    return ChaliceOutput(Path("unused"), template)


def test_a_python_that_lambda_lacks_is_refused() -> None:
    _check_runtime(output(f"python3.{sys.version_info[1]}"))
    with pytest.raises(PackageError, match=r"only up to python3\.8; make \.venv with that one"):
        _check_runtime(output("python3.8"))


def test_modules_compiled_for_another_processor_are_not_tried(tmp_path: Path) -> None:
    zipped = tmp_path / "deployment.zip"
    for files in ({"app.py": "raise OSError"}, {"app.py": "raise OSError", "fast.so": ""}):
        archive.write(lay_out(tmp_path / str(len(files)), files), zipped)
        with pytest.raises(PackageError, match="OSError"):
            selfcheck.check(zipped, HERE, [])
    selfcheck.check(zipped, ELSEWHERE, [])


def test_a_package_that_hangs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck, "TIMEOUT", 0.5)
    zipped = tmp_path / "deployment.zip"
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr("app.py", "import time\ntime.sleep(60)\n")
    with pytest.raises(PackageError, match=r"did not answer within 0\.5 s"):
        selfcheck.check(zipped, HERE, [])


def test_a_fault_in_our_own_source_ends_the_compilation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lay_out(tmp_path, {"app.py": "def broken(:\n", "others.py": "1\n"})
    assert compiler.main(folder, ["app.py"]) == 1
    assert re.search(r'File "/var/task/app\.py", line 1\n +def broken\(:', capsys.readouterr().err)
    (folder / "app.py").write_text("2\n")
    assert compiler.main(folder, ["app.py"]) == 0
    assert left(folder) == {"app.py", f"__pycache__/app.{sys.implementation.cache_tag}.pyc", "others.pyc"}
