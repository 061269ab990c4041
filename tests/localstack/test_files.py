"""Files on LocalStack, by the deployed API and its S3: up, through a task, down, and what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DESKTOP, opened
from tests.localstack.project import Answer, Project, copied
from tests.support.polling import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.timeout(600)
TEXT = b"name,size\nann,1\nbob,2\n"
PART = 100_000_000
TASKS = '''
"""Tasks with files."""

from typing import Annotated

from coatcheck import File, FileRules


def turn_round(table: Annotated[File, FileRules(types=["text/csv"])]) -> dict[str, File]:
    """Turns the lines of a table round."""
    with table.open() as file:
        return {"turned": File.of(b"".join(reversed(file.readlines())), name="turned.csv")}


def picture() -> File:
    """Draws a dot."""
    circle = '<circle cx="20" cy="20" r="9"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">{circle}</svg>'
    return File.of(svg.encode(), name="dot.svg")


def repeat(text: str, times: int) -> str:
    """Says it again and again."""
    return text * times
'''


@pytest.fixture(scope="module")
def shelf(localstack: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project as the stack ``shelf``, with a bucket of its own."""
    copy = copied(tmp_path_factory.mktemp("shelf"))
    with Project(copy, "shelf", endpoint=localstack, redis_url=redis_url) as project:
        (copy / "worker_image" / "tasks" / "filed.py").write_text(TASKS)
        project.deploy(
            "--parameter", "Namespace=shelf", "--parameter", f"CorsOrigins={elsewhere(localstack)}"
        )
        project.start_workers(COATCHECK_NAMESPACE="shelf")
        yield project


def elsewhere(url: str) -> str:
    """The same address, which browsers take for another origin."""
    return url.replace("127.0.0.1", "localhost")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def announce(project: Project, data: bytes, told: str | None = None, kind: str = "text/csv") -> Any:
    """A new upload. Takes what its SHA-256 shall be."""
    file = {"name": "übersicht.csv", "type": kind, "size": len(data)}
    answer = project.ask("uploads", file | ({"sha256": told} if told else {}))
    assert answer.status == 201, answer.document
    return answer.document


def send(part: Mapping[str, Any], data: bytes) -> int:
    """Send a part to where the API says. Returns the status that S3 answers."""
    try:
        with urlopen(
            Request(part["url"], data, part["headers"], method=part["method"]), timeout=60
        ) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def uploaded(project: Project, data: bytes, told: str | None = None, kind: str = "text/csv") -> Any:
    """A file that has been uploaded."""
    upload = announce(project, data, told, kind)
    for part in upload["parts"]:
        assert send(part, data[(part["number"] - 1) * PART :][: part["size"]]) == 200
    answer = project.ask(f"uploads/{upload['id']}/complete", {})
    assert answer.status == 200, answer.document
    return answer.document


def fetch(url: str) -> Answer:
    """What a link gives."""
    try:
        with urlopen(url, timeout=60) as answer:
            return Answer(answer)
    except HTTPError as error:
        with error:
            return Answer(error)


def test_a_file_goes_to_s3_and_comes_back_with_its_name(shelf: Project) -> None:
    upload = announce(shelf, TEXT, sha256(TEXT))
    [part] = upload["parts"]
    assert part["url"].startswith(f"{shelf.endpoint}/shelf-files/")
    assert send(part, TEXT) == 200
    answer = shelf.ask(f"uploads/{upload['id']}/complete", {})
    assert (answer.status, answer.document["sha256"]) == (200, sha256(TEXT))
    got = fetch(answer.document["url"])
    assert (got.status, got.body) == (200, TEXT)
    assert got.headers["Content-Type"] == "text/csv"
    assert got.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%BCbersicht.csv"


def test_a_link_is_good_for_what_it_says_only(shelf: Project) -> None:
    upload = announce(shelf, TEXT)
    assert send(upload["parts"][0], TEXT) == 200
    url = shelf.ask(f"uploads/{upload['id']}/complete", {}).document["url"]
    assert fetch(url).status == 200
    for changed in (url.replace("Expires=1200", "Expires=9999"), url.replace("csv", "html"), url[:-1]):
        assert changed != url
        assert fetch(changed).status == 403


def test_a_task_takes_a_file_and_returns_one(shelf: Project) -> None:
    file = uploaded(shelf, TEXT, sha256(TEXT))
    answer = shelf.ask("tasks/filed.turn_round", {"table": {"$file": file["$file"]}})
    assert answer.status == 202, answer.document
    assert fetch(answer.document["arguments"]["table"]["url"]).body == TEXT
    job = shelf.finished(answer.document["id"])
    turned = job["result"]["turned"]
    assert (turned["name"], turned["type"], turned["size"]) == ("turned.csv", "text/csv", len(TEXT))
    got = fetch(turned["url"])
    assert (got.status, got.body) == (200, b"bob,2\nann,1\nname,size\n")
    assert turned["sha256"] == sha256(got.body)
    again = shelf.ask("tasks/filed.turn_round", {"table": {"$file": turned["$file"]}})
    turned = shelf.finished(again.document["id"])["result"]["turned"]
    assert fetch(turned["url"]).body == TEXT


def test_a_large_result_comes_from_s3(shelf: Project) -> None:
    answer = shelf.ask("tasks/filed.repeat", {"text": "word ", "times": 100_000})
    job = shelf.finished(answer.document["id"])
    assert (job["status"], job["result"]) == ("finished", None)
    assert fetch(job["result_file"]["url"]).document == "word " * 100_000


def test_a_file_of_another_type_or_that_is_not_there_is_not_given_to_a_job(shelf: Project) -> None:
    picture = uploaded(shelf, b"GIF89a", kind="image/gif")["$file"]
    for file_id in (picture, announce(shelf, TEXT)["id"], picture[:-1] + "?"):
        answer = shelf.ask("tasks/filed.turn_round", {"table": {"$file": file_id}})
        assert answer.status == 422
        assert answer.document["errors"][0]["pointer"].startswith("/table")


def test_the_page_sends_and_shows_files_of_another_origin(browser: Browser, shelf: Project) -> None:
    with opened(browser, elsewhere(shelf.url), DESKTOP) as desk:
        desk.open()
        assert not desk.page.url.startswith(shelf.endpoint), "the bucket's links go there"
        desk.choose("Turn round")
        desk.page.locator("input[type=file]").set_input_files(
            {"name": "table.csv", "mimeType": "text/csv", "buffer": TEXT}
        )
        expect(desk.page.locator(".drop-note")).to_have_text(f"table.csv, {len(TEXT)} bytes")
        ticket = desk.run()
        ticket.becomes("finished")
        expect(ticket.element.get_by_role("table")).to_contain_text("bob")
        ticket = desk.run("Picture")
        ticket.becomes("finished")
        image = ticket.element.get_by_role("img", name="dot.svg")
        assert eventually(lambda: image.evaluate("image => image.naturalWidth")) == 40
        assert len(desk.watch.foreign) >= 3, "one file up, two down"
        assert all(url.startswith(f"{shelf.endpoint}/shelf-files/d") for url in desk.watch.foreign)
        desk.watch.foreign.clear()


def test_the_bucket_is_for_pages_of_these_origins_only(shelf: Project) -> None:
    url = uploaded(shelf, TEXT)["url"]
    for origin, allowed in ((elsewhere(shelf.endpoint), True), ("https://example.com", False)):
        with urlopen(Request(url, headers={"Origin": origin}), timeout=60) as answer:
            assert (answer.headers["Access-Control-Allow-Origin"] == origin) is allowed


def test_another_content_length_or_type_is_refused_by_s3(shelf: Project) -> None:
    upload = announce(shelf, TEXT, sha256(TEXT))
    [part] = upload["parts"]
    assert send(part, TEXT[::-1]) == 400
    assert send(part, TEXT + b"x") == 403
    assert send(part | {"headers": {**part["headers"], "Content-Type": "text/html"}}, TEXT) == 403
    refused = shelf.ask(f"uploads/{upload['id']}/complete", {})
    assert (refused.status, refused.document["type"]) == (409, "urn:coatcheck:problem:upload-incomplete")
    assert send(part, TEXT) == 200
    assert shelf.ask(f"uploads/{upload['id']}/complete", {}).status == 200
    assert send(part, TEXT) == 404, "it is complete, and does not change any more"


def test_a_large_file_goes_in_parts_and_goes_on_where_it_was_cut(shelf: Project) -> None:
    data = bytes(range(250)) * (PART // 250) + b"the end"
    upload = announce(shelf, data)
    assert [part["size"] for part in upload["parts"]] == [PART, 7]
    assert send(upload["parts"][1], data[PART:]) == 200
    again = shelf.ask(f"uploads/{upload['id']}").document
    assert [part["number"] for part in again["parts"]] == [1]
    assert again["arrived"] == [{"number": 2, "size": 7}]
    assert shelf.ask(f"uploads/{upload['id']}/complete", {}).status == 409
    assert send(again["parts"][0], data[:PART]) == 200
    answer = shelf.ask(f"uploads/{upload['id']}/complete", {"parts": [{"number": 1}, {"number": 2}]})
    assert answer.status == 200
    assert sha256(fetch(answer.document["url"]).body) == sha256(data)


def test_what_is_deleted_is_gone_from_s3(shelf: Project) -> None:
    upload = announce(shelf, TEXT)
    assert send(upload["parts"][0], TEXT) == 200
    url = shelf.ask(f"uploads/{upload['id']}/complete", {}).document["url"]
    assert shelf.ask(f"uploads/{upload['id']}", method="DELETE").status == 204
    assert fetch(url).status == 404


def test_parts_that_make_another_file_than_was_told_fail_the_job(shelf: Project) -> None:
    data = b"a line\n" * (PART // 7 + 1)
    file = uploaded(shelf, data, sha256(b"another"))
    answer = shelf.ask("tasks/filed.turn_round", {"table": {"$file": file["$file"]}})
    job = shelf.finished(answer.document["id"])
    assert (job["status"], job["error"]["type"]) == ("failed", "FileError")
    assert sha256(data) in job["error"]["message"]
