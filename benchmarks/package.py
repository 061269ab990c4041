"""Our function package against plain ``chalice package`` of the same app: size, cold import, first request.

``python -m benchmarks.package`` prints tables. Rounds are interleaved, so that whatever else the machine
does meets both; the numbers are medians. Each import happens in a fresh interpreter that writes no byte
code, as on Lambda, where the package's folder is read-only. The first request (the status of a job, with the
first connection to Redis in it) follows in the same interpreter. What remains of the import is shown by
module, as ``python -X importtime`` tells it.
"""

from __future__ import annotations

import collections
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.harness import Goal, Options, Report, main, number, rounds, say
from benchmarks.processes import ahead
from benchmarks.servers import Server
from benchmarks.systems import our_settings, submissions
from coatcheck.adapter import QueueAdapter
from coatcheck.connection import connect
from infra import catalog
from infra.package import build_package, chalice
from infra.package.build import NOT_SHIPPED, ROOT

OURS, PLAIN = "coatcheck package", "chalice package"
IMPORT = """\
import json, sys, time
sys.path.insert(0, sys.argv[1])
begin = time.perf_counter()
import app
imported = time.perf_counter()
answer = app.app(json.loads(sys.argv[2]), None)
print(imported - begin, time.perf_counter() - imported, answer['statusCode'])
"""
BATCH = 3
"""Imports of each package in one round; their median counts, since a single one varies a lot."""
IMPORT_GOAL, FIRST_GOAL = 1 / 3, 10.0
"""The share of the plain package's import time (the aim is a quarter), and milliseconds."""
MODULES_SHOWN = 20


def plain(target: Path) -> Path:
    """Package the same app as Chalice does by itself. Returns the archive."""
    stage = target / "stage"
    shutil.copytree(ROOT / "functions", stage, ignore=shutil.ignore_patterns("__pycache__", "deploy*"))
    shutil.copytree(ROOT / "coatcheck", stage / "vendor" / "coatcheck", ignore=NOT_SHIPPED)
    (stage / "vendor" / "catalog.json").write_text(catalog.build())
    return chalice.package(stage, target / "out").archive


def start(folder: Path, event: str, environ: Mapping[str, str]) -> tuple[float, float]:
    """Milliseconds that a fresh interpreter takes to import an unpacked package, and for a first request."""
    command = [sys.executable, "-I", "-S", "-B", "-c", IMPORT, str(folder), event]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environ).stdout
    imported, answered, status = told.split()
    assert status == "200", told
    return 1000 * float(imported), 1000 * float(answered)


def import_times(folder: Path, environ: Mapping[str, str]) -> dict[str, float]:
    """Milliseconds that each module's own code takes at the import of the app, without what it imports."""
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); import app"
    command = [sys.executable, "-I", "-S", "-B", "-X", "importtime", "-c", code]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environ).stderr
    found = re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", told, re.MULTILINE)
    return {name: int(microseconds) / 1000 for microseconds, name in found}


def module_rows(samples: list[dict[str, float]]) -> list[list[str]]:
    """What takes longest to import, by module, and what the rest takes."""
    medians = {name: statistics.median(one.get(name, 0.0) for one in samples) for name in samples[0]}
    largest = sorted(medians.items(), key=lambda item: -item[1])
    shown, rest = largest[:MODULES_SHOWN], largest[MODULES_SHOWN:]
    packages: collections.Counter[str] = collections.Counter()
    for name, milliseconds in medians.items():
        packages[name.partition(".")[0]] += milliseconds  # type: ignore[assignment]
    rows = [["module", "its own, ms", "package", "in all, ms"]]
    for (module, own), (package, whole) in zip(shown, packages.most_common(MODULES_SHOWN), strict=False):
        rows.append([module, f"{own:.2f}", package, f"{whole:.2f}"])
    rows.append([f"{len(rest)} others", f"{sum(own for _, own in rest):.2f}", "", ""])
    return rows


def measure(options: Options) -> Report:
    """Build both packages, and start them round by round."""
    report = Report("package")
    with tempfile.TemporaryDirectory() as name, Server() as server:
        work = Path(name)
        say("package: building both")
        archives = {OURS: build_package(work / "ours").archive, PLAIN: plain(work / "plain")}
        folders = {}
        for title, archive in archives.items():
            folders[title] = work / title
            with zipfile.ZipFile(archive) as zipped:
                zipped.extractall(folders[title])
        settings = our_settings(server.url())
        with connect(settings) as client:
            job_id = QueueAdapter(client, settings).submit(submissions(settings, 1))[0].id
        event, environ = status_event(job_id), os.environ | {"REDIS_URL": server.url()}
        for folder in folders.values():  # once unmeasured, so that the disk's cache is warm for both
            start(folder, event, environ)
        samples = []
        for round_number in rounds(options):
            say(f"package: round {round_number + 1}")
            times: dict[str, list[tuple[float, float]]] = {title: [] for title in folders}
            with ahead([os.getpid(), server.pid], options.ahead):
                for _ in range(1 if options.quick else BATCH):
                    for title, folder in folders.items():
                        times[title].append(start(folder, event, environ))
                    samples.append(import_times(folders[OURS], environ))
            for title, pairs in times.items():
                size = f"{archives[title].stat().st_size / 1e6:.2f} MB zipped"
                imported, answered = (statistics.median(column) for column in zip(*pairs, strict=True))
                report.figure(f"{title}: import", "ms", size).values.append(imported)
                report.figure(f"{title}: first request", "ms").values.append(answered)
    report.ratio(
        f"import: {OURS} / {PLAIN} (aim: 0.25)",
        f"{OURS}: import",
        f"{PLAIN}: import",
        IMPORT_GOAL,
        at_least=False,
    )
    first = report.figure(f"{OURS}: first request", "ms").values
    report.goals.append(Goal("first request after the import", FIRST_GOAL, first, at_least=False, unit="ms"))
    total = statistics.median(sum(sample.values()) for sample in samples)
    modules = f"{len(samples[0])} of them, {number(total)} ms under -X importtime"
    report.tables[f"What remains of the import, by module and by package ({modules})"] = module_rows(samples)
    return report


def status_event(job_id: str) -> str:
    """The event of a request for a job, as API Gateway sends it."""
    path, route = f"/jobs/{job_id}", "/jobs/{id}"
    context = {"httpMethod": "GET", "resourcePath": route, "apiId": "a", "path": path}
    event = {
        "resource": route,
        "path": path,
        "httpMethod": "GET",
        "headers": {},
        "pathParameters": {"id": job_id},
        "multiValueQueryStringParameters": None,
        "stageVariables": None,
        "requestContext": context,
        "body": None,
        "isBase64Encoded": False,
    }
    return json.dumps(event)


if __name__ == "__main__":
    sys.exit(main(measure, __doc__))
