"""The client with nothing but httpx, on each version of Python that is promised and found here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.packages import alone, closure, interpreter, run
from tests.infra.product import Product

VERSIONS = ("3.11", "3.12", "3.13")
SCRIPT = """\
import asyncio, importlib.util, sys
from coatcheck.client import AsyncClient, Client, JobFailedError, Order

for name in ("redis", "chalice", "rq", "pydantic", "rich"):
    assert importlib.util.find_spec(name) is None, name
loaded = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
assert loaded <= {"coatcheck", *sys.argv[2].split(",")} | {"__main__", "__mp_main__"}, loaded

def sync():
    with Client(sys.argv[1]) as client:
        tickets = client.submit_many([Order("examples.count_slowly", {"to": n, "pause": 0}) for n in (1, 2)])
        print(sorted(ticket.result(60) for ticket in client.as_completed(tickets, 60)))
        print("".join(update.text for update in client.tasks.examples.count_slowly(to=2, pause=0)), end="")

async def main():
    async with AsyncClient(sys.argv[1]) as client:
        try:
            await (await client.tasks.examples.task_raises_error()).result(60)
        except JobFailedError as error:
            print(error.job.error.type)

sync()
asyncio.run(main())
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_it_runs_without_any_other_package(product: Product, tmp_path: Path, version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    modules = ",".join(name.replace("-", "_") for name in closure("httpx"))
    done = run(python, alone(tmp_path), SCRIPT, product.url, modules)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[1, 2]\n1 of 2\n2 of 2\nZeroDivisionError\n"
