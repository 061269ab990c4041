"""Files on LocalStack, by the deployed API and its S3: up, complete, down, and what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.localstack.project import Answer, Project, copied

pytestmark = pytest.mark.timeout(600)
TEXT = b"name,size\nann,1\nbob,2\n"
PART = 100_000_000


@pytest.fixture(scope="module")
def shelf(localstack: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project as the stack ``shelf``, with a bucket of its own."""
    copy = copied(tmp_path_factory.mktemp("shelf"))
    with Project(copy, "shelf", endpoint=localstack, redis_url=redis_url) as project:
        project.deploy("--parameter", "Namespace=shelf")
        yield project


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def announce(project: Project, data: bytes, told: str | None = None, token: str | None = None) -> Any:
    """A new upload. Takes what its SHA-256 shall be."""
    file = {"name": "übersicht.csv", "type": "text/csv", "size": len(data)}
    answer = project.ask("uploads", file | ({"sha256": told} if told else {}), token=token)
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
