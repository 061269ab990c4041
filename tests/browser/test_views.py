"""The views beside the desk, in a real Chromium: a job's page, the list of jobs, the queues."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import expect

from tests.browser.desk import JOB_END, Desk, Ticket
from tests.support.polling import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Locator, Route

ANSWERED = r"status of {}"


def number(job_id: str) -> str:
    """What the page shows of an id."""
    return job_id[-6:]


def row(desk: Desk, job_id: str) -> Locator:
    return desk.rows.filter(has_text=number(job_id))


def test_a_job_has_an_address_of_its_own(desk: Desk) -> None:
    job_id = desk.submit("examples.count_slowly", {"to": 3, "pause": 0.1})
    desk.page.goto(f"{desk.url}#/jobs/{job_id}")
    page = Ticket(desk, job_id, "#view")
    page.becomes("finished")
    expect(desk.page).to_have_title(re.compile("^finished: Count slowly"))
    expect(page.result).to_contain_text("3")
    expect(page.log).to_have_text("1 of 3\n2 of 3\n3 of 3\n")
    steps = page.element.locator(".step-word")
    expect(steps).to_have_text(["Handed in", "Queued", "Started", "Finished"])
    expect(page.element.get_by_role("complementary")).to_contain_text("pause: 0.1")
    expect(desk.page.locator("#counter")).to_be_hidden()


def test_each_attempt_is_in_the_timeline(desk: Desk) -> None:
    desk.open()
    page = desk.job_page(desk.submit("examples.task_raises_error"))
    page.becomes("failed")
    page.button("Retry").click()
    expect(page.element).to_contain_text("attempt 2")
    page.becomes("failed")
    steps = page.element.locator(".step")
    expect(steps.filter(has_text="Attempt 1")).to_contain_text("failed")
    expect(steps.filter(has_text="Attempt 2 started")).to_have_count(1)
    desk.page.reload()
    expect(page.element.locator(".step-word").filter(has_text="1 earlier attempt")).to_be_visible()


def test_a_job_is_run_again_from_its_page(desk: Desk) -> None:
    desk.open()
    first = desk.job_page(desk.submit("examples.count_slowly", {"to": 2, "pause": 0}))
    first.becomes("finished")
    first.button("Run again").click()
    expect(first.element).to_have_count(0)
    second = desk.page.url.rpartition("/")[2]
    assert desk.job(second)["arguments"] == {"to": 2, "pause": 0}

    Ticket(desk, second, "#view").becomes("finished")
    Ticket(desk, second, "#view").button("Edit and run").click()
    expect(desk.page.get_by_label("To", exact=True)).to_have_value("2")
    desk.page.get_by_label("To", exact=True).fill("1")
    third = desk.run()
    assert desk.job(third.id)["arguments"] == {"to": 1, "pause": 0}


def test_a_job_that_nobody_knows_is_told(desk: Desk) -> None:
    desk.watch.expect(ANSWERED.format(404))
    desk.page.goto(f"{desk.url}#/jobs/{'0' * 36}")
    expect(desk.page.get_by_role("heading", name="There is no such job")).to_be_visible()
    desk.page.get_by_role("link", name="See all jobs").click()
    expect(desk.page.get_by_role("heading", name="Jobs", exact=True)).to_be_focused()


def test_filters_live_in_the_address(desk: Desk) -> None:
    failed = desk.submit("examples.task_raises_error")
    short = desk.submit("examples.short_task")
    desk.page.goto(f"{desk.url}#/jobs")
    expect(row(desk, failed)).to_contain_text("failed", timeout=JOB_END)
    expect(row(desk, short)).to_contain_text("finished", timeout=JOB_END)

    desk.page.get_by_role("link", name="failed", exact=True).click()
    expect(row(desk, failed)).to_be_visible()
    expect(row(desk, short)).to_have_count(0)
    desk.page.get_by_label("Task", exact=True).select_option("examples.task_raises_error")
    desk.page.get_by_label("Queue", exact=True).select_option("default")
    expect(row(desk, failed)).to_be_visible()
    assert parse_qs(urlsplit(desk.page.url).fragment.partition("?")[2]) == {
        "status": ["failed"],
        "task": ["examples.task_raises_error"],
        "queue": ["default"],
    }

    desk.page.reload()
    expect(row(desk, failed)).to_be_visible()
    expect(desk.page.get_by_label("Task", exact=True)).to_have_value("examples.task_raises_error")
    expect(desk.page.get_by_role("link", name="failed", exact=True)).to_have_attribute("aria-current", "true")
    row(desk, failed).get_by_role("link").click()
    expect(Ticket(desk, failed, "#view").failure).to_contain_text("ZeroDivisionError")
    desk.page.go_back()
    expect(row(desk, failed)).to_be_visible()


def test_a_wrong_filter_is_told(desk: Desk) -> None:
    desk.watch.expect(ANSWERED.format("4.."))
    desk.page.goto(f"{desk.url}#/jobs?status=asleep")
    expect(desk.page.locator("#view")).to_contain_text("should be one of queued")


def test_older_jobs_are_a_page_away(desk: Desk) -> None:
    jobs = [desk.job(desk.submit("examples.short_task")) for _ in range(4)]

    def two_at_a_time(route: Route) -> None:
        """The API's own answer, but with a small page."""
        route.continue_(url=re.sub(r"limit=\d+", "limit=2", route.request.url))

    desk.page.route(re.compile(r"/jobs\?"), two_at_a_time)
    desk.page.goto(f"{desk.url}#/jobs?task=examples.short_task")
    expect(row(desk, jobs[3]["id"])).to_be_visible()
    expect(row(desk, jobs[1]["id"])).to_have_count(0)
    desk.page.get_by_role("link", name="Older jobs").click()
    expect(row(desk, jobs[1]["id"])).to_be_visible()
    expect(row(desk, jobs[3]["id"])).to_have_count(0)
    desk.page.get_by_role("link", name="Newest jobs").click()
    expect(row(desk, jobs[3]["id"])).to_be_visible()
    desk.page.unroute_all(behavior="ignoreErrors")


def test_selected_jobs_are_canceled(desk: Desk) -> None:
    ids = [desk.submit("examples.short_task", delay="1h") for _ in range(3)]
    desk.page.goto(f"{desk.url}#/jobs?status=scheduled")
    for job_id in ids[:2]:
        row(desk, job_id).get_by_role("checkbox").check()
    expect(desk.page.get_by_text("2 selected")).to_be_visible()
    expect(desk.page.get_by_role("button", name="Retry", exact=True)).to_be_disabled()
    desk.page.get_by_role("button", name="Cancel or stop").click()
    expect(desk.page.get_by_role("status").filter(has_text="2 told to end")).to_be_visible()
    assert [desk.job(job_id)["status"] for job_id in ids] == ["canceled", "canceled", "scheduled"]
    expect(row(desk, ids[0])).to_have_count(0)
    expect(row(desk, ids[2])).to_be_visible()
    desk.page.request.delete(f"{desk.url}jobs/{ids[2]}")


def test_rows_stay_in_place_while_some_are_selected(desk: Desk) -> None:
    first = desk.submit("examples.short_task", delay="1h")
    desk.page.goto(f"{desk.url}#/jobs?status=scheduled")
    row(desk, first).get_by_role("checkbox").check()
    second = desk.submit("examples.short_task", delay="1h")
    with desk.page.expect_response(re.compile(r"/jobs\?")) as answer:
        pass
    assert second in answer.value.text()
    expect(row(desk, second)).to_have_count(0)
    desk.page.get_by_role("button", name="Cancel or stop").click()
    expect(row(desk, second)).to_be_visible()
    desk.page.request.delete(f"{desk.url}jobs/{second}")


def test_all_failed_jobs_are_retried_whatever_refuses_at_first(desk: Desk) -> None:
    desk.watch.expect(ANSWERED.format("(429|409)"))
    ids = [desk.submit("examples.task_raises_error") for _ in range(3)]
    desk.page.goto(f"{desk.url}#/jobs?status=failed")
    for job_id in ids:
        expect(row(desk, job_id)).to_be_visible(timeout=JOB_END)
    refused: list[str] = []

    def busy_once(route: Route) -> None:
        if refused:
            return route.continue_()
        refused.append(route.request.url)
        return route.fulfill(status=429, headers={"Retry-After": "1"}, body="{}")

    desk.page.route(re.compile("/retry$"), busy_once)
    asked: list[str] = []

    def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    desk.page.once("dialog", lambda dialog: dialog.dismiss())
    desk.page.get_by_role("button", name="Retry all failed").click()
    expect(desk.page.get_by_role("button", name="Retry all failed")).to_be_enabled()
    assert refused == []
    desk.page.once("dialog", agree)
    desk.page.get_by_role("button", name="Retry all failed").click()
    expect(desk.page.get_by_role("status").filter(has_text=re.compile(r"^\d+ retried"))).to_be_visible()
    assert re.fullmatch(r"Retry \d+ failed jobs\?", asked[0])
    assert len(refused) == 1
    eventually(lambda: [desk.job(job_id)["attempt"] for job_id in ids] == [2, 2, 2])


def test_an_empty_list_says_why(desk: Desk) -> None:
    desk.page.goto(f"{desk.url}#/jobs?status=deferred")
    expect(desk.page.get_by_text("No job matches these filters.")).to_be_visible()
    expect(desk.page.get_by_role("checkbox", name="Select all on this page")).to_be_disabled()


def test_queues_show_depth_and_what_each_worker_does(desk: Desk) -> None:
    desk.open()
    busy = desk.submit("examples.count_slowly", {"to": 500, "pause": 0.1})
    desk.page.get_by_role("navigation", name="Views").get_by_role("link", name="Queues").click()
    card = desk.page.get_by_role("region", name="Queue default")
    worker = card.get_by_role("listitem").filter(has_text=number(busy))
    expect(worker).to_contain_text("Count slowly", timeout=JOB_END)
    expect(worker.get_by_role("progressbar")).to_be_visible()
    expect(card.get_by_role("img", name=re.compile("Depth of default since"))).to_be_visible()
    expect(card.locator(".figure[data-count=started] a")).to_be_visible()
    worker.get_by_role("link").click()
    page = Ticket(desk, busy, "#view")
    page.button("Stop").click()
    page.becomes("stopped")


def test_redis_away_on_a_view_is_told_and_recovers(desk: Desk) -> None:
    desk.watch.expect(ANSWERED.format(503))
    job_id = desk.submit("examples.short_task")
    away = {"title": "The queue can't be reached", "status": 503}
    desk.page.route(
        re.compile(re.escape(desk.url) + "(queues|jobs)"), lambda route: route.fulfill(status=503, json=away)
    )
    desk.page.goto(f"{desk.url}#/jobs/{job_id}")
    expect(desk.banner).to_contain_text("Redis is away")
    expect(desk.page.get_by_role("heading", name="Fetching the job")).to_be_visible()
    desk.page.unroute_all(behavior="ignoreErrors")
    Ticket(desk, job_id, "#view").becomes("finished")
    expect(desk.banner).to_be_empty()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_or_dark_is_chosen_and_kept(desk: Desk, scheme: str) -> None:
    desk.page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
    desk.open()
    background = "getComputedStyle(document.body).backgroundColor"
    system = desk.page.evaluate(background)
    desk.page.get_by_role("button", name="Light or dark colours").click()
    assert desk.page.locator("html").get_attribute("data-theme") == scheme
    chosen = desk.page.evaluate(background)
    assert chosen != system
    desk.open()
    assert desk.page.evaluate(background) == chosen
    desk.page.get_by_role("button", name="Light or dark colours").click()
    assert desk.page.evaluate("JSON.stringify(localStorage)") == "{}"


def test_result_and_log_are_copied_and_downloaded(desk: Desk) -> None:
    desk.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    desk.open()
    city = "\x1b[31mOslo\x1b[0m"
    page = desk.job_page(desk.submit("examples.plan_trip", {"start": {"city": city}, "travellers": 1}))
    page.becomes("finished")
    expect(page.log).to_have_text("Booking 1 night(s) in Oslo\n")
    expect(page.log.locator(".ansi-fg-1")).to_have_text("Oslo")

    page.button("Copy result").click()
    expect(page.element.get_by_text("Copied")).to_be_visible()
    copied = json.loads(desk.page.evaluate("navigator.clipboard.readText()"))
    assert copied == desk.job(page.id)["result"]

    with desk.page.expect_download() as result:
        page.button("Download result").click()
    assert result.value.suggested_filename == f"result-{number(page.id)}.json"
    assert json.loads(result.value.path().read_text()) == copied
    with desk.page.expect_download() as log:
        page.button("Download log").click()
    assert log.value.path().read_text() == f"Booking 1 night(s) in {city}\n"


def test_a_number_of_any_size_is_shown_exactly_and_run_again(desk: Desk) -> None:
    desk.open()
    document = desk.job(desk.submit("examples.short_task"))
    ended = {"status": "finished", "started_at": document["created_at"], "ended_at": document["created_at"]}
    whole = json.dumps({**document, **ended, "arguments": {"id": 2**63 - 1}, "result": 2**63 - 1})
    desk.page.route(re.compile(f"/jobs/{document['id']}$"), lambda route: route.fulfill(body=whole))
    sent: list[Any] = []

    def submitted(route: Route) -> None:
        sent.append(json.loads(route.request.post_data or ""))
        route.fulfill(status=202, body=whole)

    desk.page.route(re.compile("/tasks/examples.short_task$"), submitted)
    page = desk.job_page(document["id"])
    expect(page.result).to_contain_text("9223372036854775807")
    with desk.page.expect_response(re.compile("/tasks/examples.short_task$")):
        page.button("Run again").click()
    assert sent == [{"id": 2**63 - 1}]
    desk.page.unroute_all(behavior="ignoreErrors")
