"""Our function package against plain ``chalice package`` of the same app: size and cold import.

``python -m benchmarks.package [ROUNDS]`` prints a table. Rounds are interleaved, so that whatever else the
machine does meets both; the numbers are medians. Each import happens in a fresh interpreter that writes no
byte code, as on Lambda, where the package's folder is read-only.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from infra import catalog
from infra.package import build_package, chalice
from infra.package.build import NOT_SHIPPED, ROOT

IMPORT = """\
import sys, time
sys.path.insert(0, sys.argv[1])
begin = time.perf_counter()
import app
print(time.perf_counter() - begin)
"""


def plain(target: Path) -> Path:
    """Package the same app as Chalice does by itself. Returns the archive."""
    stage = target / "stage"
    shutil.copytree(ROOT / "functions", stage, ignore=shutil.ignore_patterns("__pycache__", "deploy*"))
    shutil.copytree(ROOT / "coatcheck", stage / "vendor" / "coatcheck", ignore=NOT_SHIPPED)
    (stage / "vendor" / "catalog.json").write_text(catalog.build())
    return chalice.package(stage, target / "out").archive


def import_time(folder: Path) -> float:
    """Seconds that a fresh interpreter takes to import the app of an unpacked package."""
    command = [sys.executable, "-I", "-S", "-B", "-c", IMPORT, str(folder)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main(rounds: int = 15) -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        archives = {
            "coatcheck package": build_package(work / "ours").archive,
            "chalice package": plain(work / "plain"),
        }
        folders = {}
        for title, archive in archives.items():
            folders[title] = work / title
            with zipfile.ZipFile(archive) as zipped:
                zipped.extractall(folders[title])
        for folder in folders.values():  # once unmeasured, so that the disk's cache is warm for both
            import_time(folder)
        times: dict[str, list[float]] = {title: [] for title in archives}
        for _ in range(rounds):
            for title, folder in folders.items():
                times[title].append(import_time(folder))

        print(f"Python {sys.version.split()[0]}, medians of {rounds} interleaved rounds\n")
        print("| | zipped | import of the app | fastest |\n| --- | --- | --- | --- |")
        for title, archive in archives.items():
            median, best = statistics.median(times[title]) * 1000, min(times[title]) * 1000
            print(f"| `{title}` | {archive.stat().st_size / 1e6:.2f} MB | {median:.0f} ms | {best:.0f} ms |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
