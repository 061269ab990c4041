"""Takes the README's and the docs' pictures of the page: ``python -m tests.browser.screenshots [folder]``.

Starts ``coatcheck up`` on an empty folder, plays a scene and photographs it.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, FilePayload, expect, sync_playwright

from tests.browser.conftest import ARGUMENTS, program
from tests.browser.desk import JOB_END, Desk
from tests.infra.product import Product

SIZE = (1280, 1000)
IMAGES = Path(__file__).parents[2] / "docs" / "images"
TABLE = b"""month,price,sold
January,3.50,120
February,3.75,104
March,3.25,171
April,4.00,98
May,4.25,133
June,3.90,150
"""


def opened(browser: Browser, url: str) -> Desk:
    width, height = SIZE
    context = browser.new_context(
        viewport={"width": width, "height": height}, reduced_motion="reduce", color_scheme="light"
    )
    return Desk(context.new_page(), url)


def picture(desk: Desk, path: Path) -> None:
    desk.page.mouse.move(0, 0)
    desk.page.screenshot(path=path)
    print(f"{path}  {path.stat().st_size // 1000} kB")


def the_desk(desk: Desk, path: Path) -> None:
    """The three tasks of the story at once, each with its own ticket."""
    desk.open()
    failed = desk.run("Task raises error")
    failed.becomes("failed")
    short = desk.run("Short task")
    short.becomes("finished")
    desk.choose("Count slowly")
    desk.page.get_by_label("To", exact=True).fill("8")
    counting = desk.run()
    expect(counting.log).to_contain_text("5 of 8")
    desk.page.evaluate("scrollTo(0, 0)")
    picture(desk, path)
    counting.becomes("finished")


def the_job(desk: Desk, path: Path) -> None:
    """A job's own page, in the dark, with the plot that it returned."""
    desk.choose("Plot table")
    file: FilePayload = {"name": "sales.csv", "mimeType": "text/csv", "buffer": TABLE}
    desk.page.locator("input[type=file]").set_input_files(file)
    desk.page.get_by_label("Column").fill("sold")
    ticket = desk.run()
    ticket.becomes("finished")
    desk.page.emulate_media(color_scheme="dark")
    page = desk.job_page(ticket.id)
    expect(page.log).to_contain_text("sold: 6 numbers")
    plot = page.result.get_by_role("img")
    expect(plot).to_be_visible()
    plot.evaluate("plot => plot.decode()")
    picture(desk, path)


def the_batch(desk: Desk, path: Path) -> None:
    """A batch half-way: a part has failed, another still runs, and what comes after them waits."""
    desk.page.emulate_media(color_scheme="light")
    desk.page.set_viewport_size({"width": SIZE[0], "height": 620})
    count = {"task": "examples.count_slowly", "arguments": {"to": 1, "pause": 0}}
    slow = {**count, "arguments": {"to": 60, "pause": 0.2}}
    entries = [
        {**count, "ref": "first"},
        {"task": "examples.short_task", "ref": "short", "after": ["first"]},
        {"task": "examples.task_raises_error", "ref": "wrong", "after": ["first"]},
        {**slow, "ref": "slow", "after": ["first"]},
        {
            "task": "examples.plan_trip",
            "arguments": {"start": {"city": "Lisbon"}, "travellers": 2},
            "ref": "trip",
            "after": ["short", "slow"],
        },
        {**count, "ref": "lost", "after": ["wrong"]},
        {**count, "after": ["trip", "lost"], "if_failed": "run"},
    ]
    answer = desk.page.request.post(f"{desk.url}jobs", data={"jobs": entries}).json()
    desk.go(f"#/batches/{answer['batch']['id']}")
    expect(desk.page.locator(".graph")).to_contain_text("canceled", timeout=JOB_END)
    expect(desk.page.locator(".graph")).to_contain_text(re.compile("started [456]. %"), timeout=JOB_END)
    picture(desk, path)


def main(folder: Path) -> None:
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as data, Product(Path(data) / "data", "--port", "0") as product:
        product.until_ready()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
            desk = opened(browser, product.url)
            the_desk(desk, folder / "page.png")
            the_job(desk, folder / "page-job.png")
            the_batch(desk, folder / "page-batch.png")
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
