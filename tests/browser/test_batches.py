"""The graph of a batch, and what a job's page says of the jobs around it, in a real Chromium."""

from __future__ import annotations

import json
import random
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import DESKTOP, PHONE, opened
from tests.browser.desk import JOB_END, Desk, Ticket
from tests.support.polling import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Route

COUNT = "examples.count_slowly"
FAILS = "examples.task_raises_error"
LAY = """async (graphs) => {
  const { groups, layout } = await import(new URL("static/graph-layout.js", document.baseURI).href);
  return graphs.map((jobs) => groups(jobs).map((group) => {
    const { layers, edges, rows } = layout(group);
    return {
      rows,
      layers: layers.map((layer) => layer.map(({ job, row }) => [job?.id ?? null, row])),
      edges: edges.map(({ slots, from, to }) => [from.id, to.id, slots.length]),
    };
  }));
}"""
"""Lays out graphs by the page's own code."""


@pytest.fixture(scope="module")
def wide(browser: Browser, live_url: str) -> Iterator[Desk]:
    """One page for what needs none of its own."""
    with opened(browser, live_url, DESKTOP) as desk:
        yield desk.open()


def entry(ref: str, *after: str, task: str = COUNT, **options: Any) -> dict[str, Any]:
    """A job of a batch, with the place where it is named, and those that it comes after."""
    arguments = {"to": 1, "pause": 0} if task == COUNT else {}
    return {"task": task, "arguments": arguments, "ref": ref, "after": list(after)} | options


def submit(desk: Desk, *entries: dict[str, Any]) -> tuple[str, list[str]]:
    """Submit a batch behind the page's back. Returns its id, and those of its jobs."""
    answer = desk.page.request.post(f"{desk.url}jobs", data={"jobs": list(entries)})
    assert answer.ok, answer.text()
    document = answer.json()
    return document["batch"]["id"], [job["id"] for job in document["jobs"]]


def place(desk: Desk, job: str) -> Locator:
    """Where a job is in the graph."""
    return desk.page.locator(f'.graph li[data-id="{job}"]')


def box(desk: Desk, job: str) -> dict[str, float]:
    """Its place and size on the page."""
    found = place(desk, job).locator(".place").bounding_box()
    assert found is not None
    return {"left": found["x"], "right": found["x"] + found["width"], "top": found["y"]}


def test_a_diamond_is_drawn_from_left_to_right_and_goes_on_live(desk: Desk) -> None:
    held = {"to": 1000, "pause": 0.1}
    batch, (a, b, c, d) = submit(
        desk, entry("a"), entry("b", "a"), entry("c", "a", arguments=held), entry("d", "b", "c")
    )
    desk.page.goto(f"{desk.url}#/batches/{batch}")
    expect(desk.page.get_by_role("heading", name="Batch of 4 jobs")).to_be_visible()
    for job, status in ((a, "finished"), (b, "finished"), (c, "started"), (d, "deferred")):
        expect(place(desk, job)).to_contain_text(status, timeout=JOB_END)
    assert box(desk, a)["right"] < box(desk, b)["left"]
    assert box(desk, b)["left"] == box(desk, c)["left"]
    assert box(desk, b)["top"] != box(desk, c)["top"]
    assert box(desk, c)["right"] < box(desk, d)["left"]
    edges = desk.page.locator(".graph svg g")
    assert [edges.nth(n).get_attribute("data-status") for n in range(4)] == ["finished"] * 3 + ["started"]
    counts = desk.page.get_by_role("list", name="Jobs by status").get_by_role("listitem")
    expect(counts).to_have_text([re.compile("1 deferred"), re.compile("1 started"), re.compile("2 finished")])
    expect(place(desk, c).get_by_role("link")).to_contain_text(re.compile(r"started \d+ %"))
    expect(place(desk, d).get_by_role("link")).to_have_accessible_name(
        re.compile(rf"Count slowly {d[-6:]} deferred after {b[-6:]}, {c[-6:]}", re.IGNORECASE)
    )
    desk.page.request.delete(f"{desk.url}jobs/{c}")
    expect(place(desk, d)).to_contain_text("canceled", timeout=JOB_END)
    expect(desk.page.locator(".view .stamp")).to_have_text("failed")
    views = desk.page.get_by_role("navigation", name="Views")
    expect(views.get_by_role("link", name="Jobs")).to_have_attribute("aria-current", "page")
    place(desk, c).get_by_role("link").press("Enter")
    Ticket(desk, c, "#view").becomes("stopped")


def test_edges_of_the_job_in_focus_stand_out(desk: Desk) -> None:
    batch, (a, b, _) = submit(desk, entry("a", delay="1h"), entry("b", "a"), entry("c", "a"))
    desk.page.goto(f"{desk.url}#/batches/{batch}")
    place(desk, b).get_by_role("link").focus()
    expect(desk.page.locator(".graph g.lit")).to_have_count(1)
    place(desk, a).get_by_role("link").focus()
    expect(desk.page.locator(".graph g.lit")).to_have_count(2)
    desk.page.get_by_role("link", name="Jobs", exact=True).first.focus()
    expect(desk.page.locator(".graph g.lit")).to_have_count(0)
    desk.page.request.delete(f"{desk.url}batches/{batch}")


def test_a_batch_is_canceled_and_all_of_it_retried(desk: Desk) -> None:
    batch, jobs = submit(
        desk, entry("c", "b"), entry("b", "a"), entry("a", delay="1h"), entry("alone", delay="1h")
    )
    desk.page.goto(f"{desk.url}#/batches/{batch}")
    cancel = desk.page.get_by_role("button", name="Cancel the batch")
    desk.page.once("dialog", lambda dialog: dialog.dismiss())
    cancel.click()
    assert desk.job(jobs[2])["status"] == "scheduled"
    desk.page.once("dialog", lambda dialog: dialog.accept())
    cancel.click()
    for job in jobs:
        expect(place(desk, job)).to_contain_text("canceled")
    expect(cancel).to_be_hidden()
    desk.page.get_by_role("button", name="Retry all failed").click()
    for job in jobs:
        expect(place(desk, job)).to_contain_text("finished", timeout=JOB_END)
    expect(desk.page.locator(".view .stamp")).to_have_text("finished")
    expect(desk.page.get_by_role("button", name="Retry all failed")).to_be_hidden()


def test_a_canceled_batch_is_retried_from_the_list_in_the_order_of_dependencies(desk: Desk) -> None:
    batch, jobs = submit(desk, entry("a", delay="1h"), entry("c", "b"), entry("b", "a"))
    desk.page.request.delete(f"{desk.url}batches/{batch}")
    desk.page.goto(f"{desk.url}#/jobs?batch={batch}")
    expect(desk.rows).to_have_count(len(jobs))
    desk.page.get_by_label("Select all on this page").check()
    desk.page.get_by_role("button", name="Retry", exact=True).click()
    expect(desk.page.locator(".bulk-note")).to_have_text("3 retried.")
    for row in range(len(jobs)):
        expect(desk.rows.nth(row)).to_contain_text("finished", timeout=JOB_END)


def test_jobs_that_nothing_ties_together_are_tiles(desk: Desk) -> None:
    batch, (a, b, c) = submit(desk, entry("a"), entry("b"), entry("c"))
    desk.page.goto(f"{desk.url}#/batches/{batch}")
    assert box(desk, a)["top"] == box(desk, b)["top"] == box(desk, c)["top"]
    expect(desk.page.locator(".graph svg")).to_have_count(0)


def test_a_thousand_jobs_are_tiles_in_the_order_of_their_dependencies(desk: Desk) -> None:
    batch, jobs = submit(
        desk, *(entry(f"{n}", *([f"{n - 1}"] if n % 10 else []), delay="1h") for n in range(1000))
    )
    desk.page.goto(f"{desk.url}#/batches/{batch}")
    expect(desk.page.locator(".graph li")).to_have_count(1000)
    expect(desk.page.locator(".graph svg")).to_have_count(0)
    shown = desk.page.eval_on_selector_all(".graph li", "all => all.map(one => one.dataset.id)")
    assert shown[:100] == jobs[::10]
    assert shown[100:200] == jobs[1::10]
    expect(place(desk, jobs[1])).to_contain_text("deferred")
    assert desk.overflow() <= 0
    desk.page.request.delete(f"{desk.url}batches/{batch}")
    eventually(lambda: desk.job(jobs[-1])["status"] == "canceled")


def test_a_batch_of_which_not_all_are_shown_leads_to_the_list_of_all(desk: Desk) -> None:
    batch, (a, b, c) = submit(desk, *(entry(ref, delay="1h") for ref in "abc"))
    desk.submit("examples.short_task")  # not to be seen in the list

    def with_one_job(route: Route) -> None:
        """The API's own answer, but with fewer jobs."""
        document = route.fetch().json()
        route.fulfill(json=document | {"jobs": document["jobs"][:1]})

    desk.page.route(re.compile(r"/batches/"), with_one_job)
    desk.page.goto(f"{desk.url}#/batches/{batch}")
    expect(desk.page.locator(".facts")).to_contain_text("1 of them are shown")
    desk.page.get_by_role("link", name="See all of them in a list").click()
    expect(desk.rows).to_have_count(3)
    for shown, job in enumerate((c, b, a)):
        expect(desk.rows.nth(shown)).to_contain_text(job[-6:])
    assert Axe().run(desk.page).violations_count == 0
    desk.page.get_by_role("link", name="canceled", exact=True).click()
    expect(desk.page.locator("#view")).to_contain_text("No job matches these filters.")
    desk.page.get_by_role("navigation", name="Where you are").get_by_role("link", name=batch[-6:]).click()
    expect(desk.page.get_by_role("heading", name="Batch of 3 jobs")).to_be_visible()
    desk.page.request.delete(f"{desk.url}batches/{batch}")


def test_the_list_of_a_batch_that_nobody_knows_is_told(desk: Desk) -> None:
    desk.watch.expect("status of 404")
    desk.page.goto(f"{desk.url}#/jobs?batch={'0' * 36}")
    expect(desk.page.locator("#view")).to_contain_text("There is no batch")


def test_a_batch_that_nobody_knows_is_told(desk: Desk) -> None:
    desk.watch.expect("status of 404")
    desk.page.goto(f"{desk.url}#/batches/{'0' * 36}")
    expect(desk.page.get_by_role("heading", name="There is no such batch")).to_be_visible()
    expect(desk.page.get_by_role("button")).to_have_count(2)  # those of the rail
    assert Axe().run(desk.page).violations_count == 0


def test_a_jobs_page_leads_to_the_jobs_around_it(desk: Desk) -> None:
    batch, (a, b) = submit(desk, entry("a", task=FAILS, delay="1h"), entry("b", "a"))
    desk.page.goto(f"{desk.url}#/jobs/{b}")
    page = Ticket(desk, b, "#view")
    page.becomes("deferred")
    expect(page.element.get_by_text("It waits for other jobs")).to_contain_text(
        re.compile(a[-6:], re.IGNORECASE)
    )
    steps = page.element.locator(".step-word")
    expect(steps).to_have_text(["Handed in", "Waits for other jobs", "Started", "Ended"])
    aside = page.element.get_by_role("complementary")
    expect(aside.get_by_role("link")).to_have_text([batch[-6:], a[-6:]])
    aside.get_by_role("link").first.click()
    place(desk, a).get_by_role("link").click()
    first = Ticket(desk, a, "#view")
    first.button("Cancel").click()
    first.button("Retry").click()
    first.becomes("failed")
    desk.page.goto(f"{desk.url}#/jobs/{b}")
    page.becomes("canceled")
    expect(page.failure).to_contain_text("DependencyFailed")
    page.failure.get_by_role("link").click()
    first.becomes("failed")


def test_parent_and_children_are_links(desk: Desk) -> None:
    desk.open()
    document = desk.job(desk.submit("examples.short_task"))
    family = {"parent": "1" * 36, "children": [f"{n:036}" for n in range(60)]}
    body = json.dumps(document | family)

    def answer(route: Route) -> None:
        route.fulfill(body=body)

    desk.page.route(re.compile(f"/jobs/{document['id']}$"), answer)
    aside = desk.job_page(document["id"]).element.get_by_role("complementary")
    expect(aside.get_by_role("link", name="111111")).to_have_attribute("href", f"#/jobs/{'1' * 36}")
    expect(aside.get_by_role("link")).to_have_count(51)
    expect(aside).to_contain_text("and 10 more")
    desk.page.unroute_all(behavior="ignoreErrors")


def test_a_layout_has_each_job_right_of_what_it_waits_for_and_none_on_another(wide: Desk) -> None:
    numbers = random.Random(1)
    graphs: list[list[dict[str, Any]]] = []
    for _ in range(150):
        size = numbers.randint(1, 50)
        before = {n: numbers.sample(range(n), min(n, numbers.choice((0, 1, 1, 2, 4)))) for n in range(size)}
        jobs = [{"id": f"{n}", "after": [f"{other}" for other in before[n]]} for n in range(size)]
        numbers.shuffle(jobs)
        graphs.append(jobs)
    for jobs, groups in zip(graphs, wide.page.evaluate(LAY, graphs), strict=True):
        layer = {
            job: number
            for group in groups
            for number, slots in enumerate(group["layers"])
            for job, _ in slots
            if job is not None
        }
        assert sorted(layer) == sorted(str(job["id"]) for job in jobs)
        wanted = {(other, str(job["id"])) for job in jobs for other in job["after"]}
        drawn = [tuple(edge) for group in groups for edge in group["edges"]]
        assert {(one, other) for one, other, _ in drawn} == wanted
        assert all(layer[other] - layer[one] == slots - 1 > 0 for one, other, slots in drawn)
        for group in groups:
            for slots in group["layers"]:
                rows = [row for job, row in slots if job is not None]
                assert all(below - above > 0.99 for above, below in pairwise(rows))
                assert all(0 <= row <= group["rows"] - 1 + 1e-9 for _, row in slots)


def test_a_chain_is_a_line_and_a_fan_is_even(wide: Desk) -> None:
    chain = [{"id": f"{n}", "after": [f"{n - 1}"] if n else []} for n in range(5)]
    fan = [{"id": "a"}, *({"id": f"b{n}", "after": ["a"]} for n in range(3))]
    fan.append({"id": "c", "after": ["b0", "b1", "b2"]})
    [[line], [diamond]] = wide.page.evaluate(LAY, [chain, fan])
    assert [row for slots in line["layers"] for _, row in slots] == [0] * 5
    assert [[row for _, row in slots] for slots in diamond["layers"]] == [[1], [0, 1, 2], [1]]


@pytest.mark.parametrize("desk", [DESKTOP, PHONE], indirect=True, ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_view_breaks_no_rule_of_axe(desk: Desk, scheme: Literal["light", "dark"]) -> None:
    desk.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    batch, jobs = submit(
        desk,
        entry("a"),
        entry("b", "a", arguments={"to": 1000, "pause": 0.1}),
        entry("c", "a", task=FAILS),
        entry("d", "b", "c", if_failed="run"),
        entry("e", "c"),
        entry("alone", delay="1h"),
    )
    desk.page.goto(f"{desk.url}#/batches/{batch}")
    for job, status in zip(
        jobs, ("finished", "started", "failed", "deferred", "canceled", "scheduled"), strict=True
    ):
        expect(place(desk, job)).to_contain_text(status, timeout=JOB_END)
    results = Axe().run(desk.page)
    assert results.violations_count == 0, results.generate_report()
    assert desk.overflow() <= 0
    desk.page.request.delete(f"{desk.url}batches/{batch}")
    desk.go(f"#/jobs/{jobs[4]}")
    expect(Ticket(desk, jobs[4], "#view").failure).to_be_visible()
    results = Axe().run(desk.page)
    assert results.violations_count == 0, results.generate_report()
