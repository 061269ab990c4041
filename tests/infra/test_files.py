"""A file through the whole product: the laptop's server, a real worker and our client, in constant memory."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from benchmarks.files import MB, QUICK_PART, QUICK_SIZE, transfer
from tests.infra.product import Start

TEXT = b"a,b\n1,2\n"


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_a_file_takes_far_less_memory_than_it_has_bytes(tmp_path: Path) -> None:
    found = transfer(QUICK_SIZE, tmp_path, QUICK_PART)
    assert found.growth.keys() >= {"API", "work-horse", "worker", "client"}
    for name, growth in found.growth.items():
        assert growth < QUICK_SIZE / MB / 3, name


def put(product: Any, part: Any, data: bytes) -> None:
    request = Request(product.url.rstrip("/") + part["url"], data, dict(part["headers"]), method="PUT")
    with urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def read(product: Any, url: str) -> bytes:
    with urlopen(product.url.rstrip("/") + url, timeout=30) as answer:
        content: bytes = answer.read()
    return content


def test_what_is_kept_outlives_a_restart_and_a_cut_upload_goes_on_after_it(start: Start) -> None:
    first = start(COATCHECK_TASKS="tests.support.tasks")
    first.until_ready()
    new = {"name": "a.csv", "size": len(TEXT)}
    whole, half = (first.ask("/uploads", new) for _ in range(2))
    put(first, whole["parts"][0], TEXT)
    file = first.ask(f"/uploads/{whole['id']}/complete", {})
    assert read(first, file["url"]) == TEXT
    first.signal(signal.SIGINT)

    second = start(COATCHECK_TASKS="tests.support.tasks")
    second.until_ready()
    put(second, second.ask(f"/uploads/{half['id']}")["parts"][0], TEXT)
    assert second.ask(f"/uploads/{half['id']}/complete", {})["$file"] == half["id"]
    job = second.submit("filed.copy", {"table": {"$file": whole["id"]}})
    result = second.until(job, "finished")["result"]
    assert read(second, result["url"]) == TEXT
    assert read(second, file["url"]) == TEXT, "a link is good after a restart too"


def test_the_folder_is_below_the_data_and_nobody_elses(start: Start) -> None:
    product = start()
    product.until_ready()
    product.ask("/uploads", {"name": "a.csv", "size": 1})
    folder = product.data / "files"
    assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(HTTPError) as refused:
        read(product, "/files/.secret?signature=")
    with refused.value:
        assert json.load(refused.value)["type"] == "urn:coatcheck:problem:invalid-link"
