"""The page in a real Chromium, on the running product with real workers."""

from __future__ import annotations

import json
import re
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import Route, expect

from tests.browser.conftest import PHONE
from tests.browser.desk import JOB_END, TABLE, Desk, Ticket
from tests.support.polling import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWERED = r"status of {}"
"""How Chromium reports an answer from 400 on in the console."""


def routed(desk: Desk, path: str, answer: Callable[[Route], None]) -> None:
    """Let a function answer the requests to one path of the API."""
    desk.page.route(re.compile(re.escape(desk.url) + path), answer)


def fill_trip(desk: Desk) -> None:
    """Fill in the form with every kind of argument."""
    page = desk.page
    desk.choose("Plan trip")
    start = page.get_by_role("group", name="Start")
    start.get_by_label("City").fill("Lisbon <b>1</b>")
    start.get_by_label("Nights").fill("3")
    page.get_by_label("Travellers").fill("2")
    page.get_by_label("grand").check()
    page.get_by_label("Leaves").fill("2027-03-14")
    further = page.get_by_role("group", name="Further Stops")
    for city in ("Paris", "Lyon", "Rome"):
        further.get_by_role("button", name="Add entry").click()
        further.get_by_label("City").last.fill(city)
    further.get_by_role("listitem").nth(1).get_by_role("button", name="Remove").click()


TRIP = {
    "start": {"city": "Lisbon <b>1</b>", "nights": 3},
    "travellers": 2,
    "comfort": "grand",
    "leaves": "2027-03-14",
    "further_stops": [{"city": "Paris", "nights": 1}, {"city": "Rome", "nights": 1}],
}


def test_the_three_tasks_of_the_story_run_at_once(desk: Desk) -> None:
    desk.open()
    tickets = {title: desk.run(title) for title in ("Long task", "Short task", "Task raises error")}
    expect(desk.tickets).to_have_count(3)
    expect(desk.run_button).to_be_enabled()

    tickets["Short task"].becomes("finished")
    expect(tickets["Short task"].result).to_contain_text("Slept 1 second.")
    tickets["Long task"].becomes("finished")
    expect(tickets["Long task"].result).to_contain_text(re.compile(r"Slept [\d.]+ seconds"))
    tickets["Task raises error"].becomes("failed")
    expect(tickets["Task raises error"].failure).to_contain_text("ZeroDivisionError: division by zero")

    traceback = tickets["Task raises error"].element.get_by_role("region", name="Traceback")
    expect(traceback).to_be_hidden()
    tickets["Task raises error"].unfold("Traceback")
    expect(traceback).to_contain_text("1 / 0")


def test_the_first_tasks_are_those_of_the_story(desk: Desk) -> None:
    desk.open()
    names = desk.page.locator(".task-name").all_inner_texts()
    assert names[:4] == [
        "examples.short_task",
        "examples.long_task",
        "examples.task_raises_error",
        "examples.plot_table",
    ]
    expect(desk.page.get_by_role("radio", name="Short task")).to_be_checked()


def test_every_kind_of_argument_arrives(desk: Desk) -> None:
    desk.open()
    fill_trip(desk)
    ticket = desk.run()
    ticket.becomes("finished")
    assert desk.job(ticket.id)["arguments"] == TRIP
    expect(ticket.result).to_contain_text("Lisbon <b>1</b>")


def test_arguments_can_be_edited_and_run_again(desk: Desk) -> None:
    desk.open()
    fill_trip(desk)
    first = desk.run()
    first.becomes("finished")
    desk.choose("Short task")
    first.button("Edit and run").click()
    desk.page.get_by_label("Travellers").fill("5")
    second = desk.run()
    assert desk.job(second.id)["arguments"] == TRIP | {"travellers": 5}
    first.button("Run again").click()
    expect(desk.tickets).to_have_count(3)
    third = Ticket(desk, desk.tickets.first.locator(".job-id").inner_text())
    third.becomes("finished")
    assert desk.job(third.id)["arguments"] == TRIP


def test_a_table_goes_in_and_a_plot_is_on_the_ticket(desk: Desk) -> None:
    desk.open()
    desk.choose("Plot table")
    desk.run_button.click()
    expect(desk.alert).to_contain_text("Table: This needs a value.")
    desk.page.locator("input[type=file]").set_input_files(TABLE)
    expect(desk.page.locator(".drop-note")).to_have_text("sales.csv, 24 bytes")
    ticket = desk.run()
    ticket.becomes("finished")
    plot = ticket.result.get_by_role("img", name="plot.svg")
    eventually(lambda: plot.evaluate("plot => plot.naturalWidth") == 640)
    with desk.page.expect_download() as download:
        ticket.result.get_by_role("link", name="Download plot.svg").click()
    assert download.value.suggested_filename == "plot.svg"
    assert download.value.path().read_text().startswith("<svg")
    desk.choose("Short task")
    ticket.button("Edit and run").click()
    expect(desk.page.locator(".drop-note")).to_have_text("sales.csv, 24 bytes")
    again = desk.run()
    again.becomes("finished")
    assert desk.job(again.id)["arguments"]["table"]["name"] == "sales.csv"


def test_errors_stand_at_their_fields(desk: Desk) -> None:
    desk.watch.expect(ANSWERED.format(422))
    desk.open()
    fill_trip(desk)
    city = desk.page.get_by_role("group", name="Start").get_by_label("City")
    nights = desk.page.get_by_role("group", name="Further Stops").get_by_label("Nights").last
    travellers = desk.page.get_by_label("Travellers")
    city.fill("x" * 81)
    travellers.fill("12")
    nights.fill("99")
    desk.run_button.click()

    expect(city).to_be_focused()
    for field in (city, travellers, nights):
        expect(field).to_have_attribute("aria-invalid", "true")
        described = field.get_attribute("aria-describedby") or ""
        expect(desk.page.locator(f"#{described.split()[-1]}")).to_have_text(re.compile(r"\S"))
    expect(desk.page.get_by_label("Leaves")).not_to_have_attribute("aria-invalid", "true")
    expect(desk.alert.get_by_role("listitem")).to_have_count(3)
    expect(desk.tickets).to_have_count(0)

    desk.alert.get_by_role("button", name="Nights").click()
    expect(nights).to_be_focused()
    for field, value in ((city, "Bern"), (travellers, "4"), (nights, "2")):
        field.fill(value)
    ticket = desk.run()
    expect(desk.alert).to_be_hidden()
    expect(desk.page.locator("[aria-invalid=true]")).to_have_count(0)
    ticket.becomes("finished")


def test_what_is_no_value_is_not_even_sent(desk: Desk) -> None:
    desk.open()
    fill_trip(desk)
    city = desk.page.get_by_role("group", name="Start").get_by_label("City")
    travellers = desk.page.get_by_label("Travellers")
    for field in (city, travellers):
        field.fill("")
    before = len([url for url in desk.watch.requests if "/tasks/" in url])
    desk.run_button.click()
    expect(city).to_be_focused()
    for field in (city, travellers):
        expect(field).to_have_attribute("aria-invalid", "true")
    expect(desk.alert).to_contain_text("needs a value")
    assert len([url for url in desk.watch.requests if "/tasks/" in url]) == before


def test_progress_and_log_are_live(desk: Desk) -> None:
    desk.open()
    desk.choose("Count slowly")
    desk.page.get_by_label("To", exact=True).fill("8")
    ticket = desk.run()
    seen: set[tuple[str | None, int]] = set()
    ticket.becomes("started")
    while ticket.stamp.inner_text() == "started":
        desk.page.wait_for_timeout(100)
        seen.add(
            (
                ticket.progress.get_attribute("value") if ticket.progress.count() else None,
                len(ticket.log_lines()),
            )
        )
    ticket.becomes("finished")
    assert len({value for value, _ in seen if value is not None}) >= 2
    assert len({lines for _, lines in seen if 0 < lines < 8}) >= 2
    expect(ticket.log).to_contain_text("8 of 8")
    assert ticket.log_lines() == [f"{number} of 8" for number in range(1, 9)]


def test_a_running_job_is_stopped_and_run_again(desk: Desk) -> None:
    desk.open()
    desk.choose("Count slowly")
    desk.page.get_by_label("To", exact=True).fill("500")
    ticket = desk.run()
    ticket.becomes("started")
    expect(ticket.log).to_contain_text("1 of 500")
    ticket.button("Stop").click()
    ticket.becomes("stopped")
    expect(ticket.button("Stop")).to_be_hidden()
    ticket.button("Retry").click()
    ticket.becomes("started")
    expect(ticket.element).to_contain_text("attempt 2")
    expect(ticket.log).to_contain_text(re.compile(r"1 of 500.*1 of 500", re.DOTALL))
    ticket.button("Stop").click()
    ticket.becomes("stopped")
    assert desk.job(ticket.id)["status"] == "stopped"


def test_a_failed_job_is_retried(desk: Desk) -> None:
    desk.open()
    ticket = desk.run("Task raises error")
    ticket.becomes("failed")
    ticket.button("Retry").click()
    expect(ticket.element).to_contain_text("attempt 2")
    ticket.becomes("failed")
    expect(ticket.failure).to_have_count(1)
    expect(desk.tickets).to_have_count(1)


def test_a_keyboard_is_enough(desk: Desk) -> None:
    desk.open()
    keyboard = desk.page.keyboard
    keyboard.press("Tab")
    expect(desk.page.get_by_role("button", name="Skip to the content")).to_be_focused()
    keyboard.press("Enter")
    keyboard.press("Tab")
    expect(desk.page.get_by_role("radio", name="Short task")).to_be_focused()
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    expect(desk.page.get_by_role("radio", name="Task raises error")).to_be_checked()
    keyboard.press("Tab")
    expect(desk.run_button).to_be_focused()
    outline = desk.run_button.evaluate("element => getComputedStyle(element).outlineStyle")
    assert outline != "none"
    keyboard.press("Enter")
    expect(desk.tickets).to_have_count(1)
    expect(desk.run_button).to_be_focused()
    ticket = Ticket(desk, desk.tickets.first.locator(".job-id").inner_text())
    ticket.becomes("failed")

    keyboard.press("Tab")
    expect(ticket.element.get_by_role("button", name="Put away")).to_be_focused()
    keyboard.press("Tab")
    expect(ticket.button("Copy traceback")).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(ticket.element.get_by_role("region", name="Traceback")).to_be_visible()
    keyboard.press("Tab")
    keyboard.press("Tab")
    expect(ticket.button("Retry")).to_be_focused()
    keyboard.press("Enter")
    expect(ticket.element).to_contain_text("attempt 2")
    ticket.becomes("failed")
    expect(ticket.button("Retry")).to_be_focused()  # and not lost while there was no such button


@pytest.mark.parametrize("desk", [PHONE], indirect=True)
def test_a_phone_needs_no_sideways_scrolling(desk: Desk) -> None:
    desk.open()
    assert desk.overflow() <= 0
    failing = desk.run("Task raises error")
    fill_trip(desk)
    assert desk.overflow() <= 0
    trip = desk.run()
    expect(trip.element).to_be_in_viewport()
    trip.becomes("finished")
    failing.becomes("failed")
    failing.unfold("Traceback")
    assert desk.overflow() <= 0


@pytest.mark.parametrize("prefix", ["api/", "_aws/execute-api/abc123/api/"])
@pytest.mark.parametrize("slash", [True, False], ids=["slash", "no slash"])
def test_it_works_below_a_prefix(desk: Desk, prefix: str, slash: bool) -> None:
    stage = desk.url + prefix
    outside: list[str] = []

    def answer(route: Route) -> None:
        """What API Gateway and the function do below a stage; a strict policy comes on top."""
        if not route.request.url.startswith(stage.rstrip("/")):
            outside.append(route.request.url)
            return route.abort()
        response = route.fetch(url=desk.url + route.request.url.removeprefix(stage.rstrip("/")).lstrip("/"))
        headers = response.headers | {"content-security-policy": "default-src 'self'"}
        if route.request.url == stage.rstrip("/"):
            base = f'<base href="{prefix.rstrip("/").rpartition("/")[2]}/">'
            return route.fulfill(
                response=response, headers=headers, body=response.text().replace("<head>", f"<head>{base}")
            )
        return route.fulfill(response=response, headers=headers)

    desk.page.route(re.compile(".*"), answer)
    desk.open(stage if slash else stage.rstrip("/"))
    ticket = desk.run("Short task")
    ticket.becomes("finished")
    expect(desk.jobs.filter(has_text=re.compile(ticket.id[-6:])).first).to_contain_text("finished")
    raw = ticket.element.get_by_role("link", name="JSON")
    assert raw.get_attribute("href") == f"{stage}jobs/{ticket.id}"
    ticket.element.get_by_role("link", name="Open").click()
    expect(desk.page.locator("#view .result")).to_contain_text("Slept 1 second.")
    assert desk.page.url == f"{stage}#/jobs/{ticket.id}"
    desk.page.go_back()
    expect(ticket.element).to_be_visible()
    assert outside == []
    desk.page.goto("about:blank")  # asks no more
    desk.page.unroute_all(behavior="ignoreErrors")


def test_tickets_survive_a_reload_and_can_be_put_away(desk: Desk) -> None:
    desk.open()
    first, second = desk.run("Short task"), desk.run("Task raises error")
    desk.open()
    expect(desk.tickets).to_have_count(2)
    assert desk.tickets.first.locator(".job-id").inner_text() == second.id
    first.becomes("finished")
    second.element.get_by_role("button", name="Put away").click()
    expect(desk.tickets).to_have_count(1)
    expect(first.element.get_by_role("heading", name="Short task")).to_be_focused()
    desk.open()
    expect(desk.tickets).to_have_count(1)


def test_the_list_shows_the_newest_jobs_and_opens_them(desk: Desk) -> None:
    desk.open()
    ticket = desk.run("Task raises error")
    ticket.becomes("failed")
    row = desk.jobs.filter(has_text=re.compile(ticket.id[-6:]))
    expect(row).to_contain_text("failed")
    expect(row).to_contain_text("Task raises error")
    ticket.element.get_by_role("button", name="Put away").click()
    expect(desk.tickets).to_have_count(0)
    row.get_by_role("link").click()
    page = Ticket(desk, ticket.id, "#view")
    expect(page.failure).to_contain_text("ZeroDivisionError")
    expect(page.element.get_by_role("heading", name="Task raises error")).to_be_focused()


def test_a_scheduled_job_can_be_cancelled(desk: Desk) -> None:
    desk.open()
    ticket = desk.job_page(desk.submit("examples.short_task", delay="1h"))
    expect(ticket.stamp).to_have_text("scheduled")
    expect(ticket.element).to_contain_text("not before")
    ticket.button("Cancel").click()
    expect(ticket.stamp).to_have_text("canceled")
    expect(ticket.element).to_contain_text("never started")


def test_a_job_that_is_gone_is_told(desk: Desk) -> None:
    desk.watch.expect(ANSWERED.format(404))
    desk.open()
    ticket = desk.run("Count slowly")
    gone = {"type": "urn:coatcheck:problem:unknown-job", "title": "There is no such job", "status": 404}
    routed(desk, f"jobs/{ticket.id}", lambda route: route.fulfill(status=404, json=gone))
    expect(ticket.element).to_contain_text("This job is gone")


def test_queues_and_workers_are_shown(desk: Desk) -> None:
    desk.open()
    queues = desk.page.get_by_role("region", name="Queues and workers")
    expect(queues).to_contain_text(re.compile(r"queued\d"))
    expect(queues).to_contain_text(re.compile(r"workers?[1-9]"))
    expect(desk.banner).to_be_empty()
    desk.choose("Count slowly")
    ticket = desk.run()
    expect(queues.locator(".dot.busy")).not_to_have_count(0)
    ticket.button("Stop").or_(ticket.button("Cancel")).click()
    expect(ticket.stamp).to_have_text(re.compile("stopped|canceled"), timeout=JOB_END)


def test_a_missing_worker_is_told(desk: Desk) -> None:
    empty: dict[str, Any] = {
        "queues": [{"name": "default", "counts": {"queued": 3}, "oldest_wait": 75, "workers": []}]
    }
    routed(desk, "queues", lambda route: route.fulfill(json=empty))
    desk.open()
    expect(desk.banner).to_contain_text("No worker is alive")
    expect(desk.page.get_by_role("region", name="Queues and workers")).to_contain_text("1 min 15 s")
    desk.page.unroute_all()
    expect(desk.banner).to_be_empty()


def test_redis_away_is_told_and_recovers(desk: Desk) -> None:
    desk.watch.expect(ANSWERED.format(503))
    problem = {
        "type": "urn:coatcheck:problem:unavailable",
        "title": "The queue can't be reached",
        "status": 503,
    }
    desk.open()
    routed(
        desk,
        "(queues|jobs|tasks/)",
        lambda route: route.fulfill(status=503, headers={"Retry-After": "1"}, body=json.dumps(problem)),
    )
    expect(desk.banner).to_contain_text("Redis is away")
    desk.choose("Short task")
    desk.run_button.click()
    expect(desk.alert).to_contain_text("The queue can't be reached")
    expect(desk.tickets).to_have_count(0)
    desk.page.unroute_all()
    expect(desk.banner).to_be_empty()
    desk.run().becomes("finished")


def test_an_unreachable_api_is_told_and_recovers(desk: Desk) -> None:
    desk.watch.expect("ERR_INTERNET_DISCONNECTED")
    desk.open()
    ticket = desk.run("Short task")
    desk.page.context.set_offline(True)
    expect(desk.banner).to_contain_text("The API can't be reached")
    desk.page.context.set_offline(False)
    expect(desk.banner).to_be_empty()
    ticket.becomes("finished")


def test_a_submission_whose_answer_was_lost_is_not_run_twice(desk: Desk) -> None:
    desk.watch.expect("ERR_FAILED")
    sent: list[str] = []

    def lose_the_first_answer(route: Route) -> None:
        sent.append(route.request.headers["idempotency-key"])
        if len(sent) > 1:
            return route.continue_()
        assert route.fetch().status == 202
        return route.abort()

    desk.open()
    routed(desk, "tasks/examples.short_task", lose_the_first_answer)
    desk.choose("Short task")
    desk.run_button.click()
    expect(desk.alert).to_contain_text("can't be reached")
    desk.run()
    desk.run()
    assert sent[0] == sent[1]
    assert sent[1] != sent[2]


def test_polling_heeds_retry_after(desk: Desk) -> None:
    asked: list[float] = []

    def slow_down(route: Route) -> None:
        asked.append(time.monotonic())
        response = route.fetch()
        route.fulfill(response=response, headers=response.headers | {"retry-after": "2"})

    desk.open()
    desk.page.route(re.compile(r"/jobs/[0-9a-z]{36}$"), slow_down)
    desk.choose("Count slowly")
    desk.page.get_by_label("Pause").fill("0.1")
    desk.page.get_by_label("To", exact=True).fill("50")
    desk.run().becomes("finished")
    pauses = [after - before for before, after in pairwise(asked)]
    assert len(pauses) >= 2
    assert min(pauses) > 1.9
