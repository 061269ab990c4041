"""S3 keeps to what every store does: on LocalStack, which checks links as AWS does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote
from urllib.request import Request, urlopen
from uuid import uuid4

import boto3
import pytest

from coatcheck.errors import FilesUnavailableError
from coatcheck.files import s3
from coatcheck.files.ids import key_of, new_upload_id
from coatcheck.files.store import PartLink, open_store
from coatcheck.settings import Settings, load
from tests.coatcheck.files.test_contract import *  # noqa: F403 (the tests)
from tests.coatcheck.files.test_contract import LARGE, PART, Place, content, written

pytestmark = pytest.mark.timeout(600)


class InS3:
    """A bucket, and a client that knows nothing but links."""

    def __init__(self, settings: Settings) -> None:
        store = open_store(settings)
        assert isinstance(store, s3.S3Store)
        self.store = store

    def send(self, link: PartLink, data: bytes, *, kind: str | None = None) -> bool:
        headers = {**link.headers, **({"Content-Type": kind} if kind else {})}
        try:
            with urlopen(Request(link.url, data, headers, method="PUT"), timeout=60) as answer:
                return bool(answer.status == 200)
        except HTTPError as error:
            with error:
                return False

    def fetch(self, link: str) -> tuple[bytes, str, str] | None:
        try:
            with urlopen(link, timeout=60) as answer:
                name = unquote(answer.headers["Content-Disposition"].partition("UTF-8''")[2])
                return answer.read(), name, answer.headers["Content-Type"]
        except HTTPError as error:
            with error:
                return None


@pytest.fixture(scope="module")
def bucket(localstack: str) -> Iterator[str]:
    client: Any = boto3.client(
        "s3",
        endpoint_url=localstack,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    name = f"store-{uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    yield name
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
        for entry in page.get("Contents", []):
            client.delete_object(Bucket=name, Key=entry["Key"])
    client.delete_bucket(Bucket=name)


@pytest.fixture
def settings(bucket: str, localstack: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in {
        "AWS_ENDPOINT_URL": localstack,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    return load(
        {
            "REDIS_URL": "redis://localhost",
            "AWS_REGION": "us-east-1",
            "COATCHECK_FILES": f"s3://{bucket}/some/prefix",
            "COATCHECK_FILES_ENDPOINT": localstack,
        }
    )


@pytest.fixture  # type: ignore[no-redef]
def place(settings: Settings) -> Place:
    return InS3(settings)


def test_a_large_file_is_copied_in_parts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "COPIED", PART)
    key, to = written(place, LARGE), key_of(new_upload_id(30, "ann"))
    place.store.copy(key, to)
    assert content(place, to) == LARGE


def test_reading_goes_on_after_a_lost_connection(place: Place) -> None:
    key = written(place, LARGE)
    with place.store.open(key) as file:
        start = file.read(PART)
        file.raw._body.close()  # type: ignore[attr-defined]
        assert start + file.read() == LARGE


def test_an_s3_that_can_not_be_reached_is_a_problem_of_its_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(FilesUnavailableError, match="EndpointConnectionError"):
        InS3(settings).store.head("d1/x")


def test_a_bucket_that_is_not_there_is_one_too(settings: Settings) -> None:
    place = InS3(replace(settings, files="s3://nobody-has-this"))
    with pytest.raises(FilesUnavailableError, match="NoSuchBucket"):
        place.store.delete("d1/x")
