"""Links of S3, beside those that botocore signs."""

from __future__ import annotations

import datetime
import subprocess
import sys
from dataclasses import replace

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.errors import FilesUnavailableError
from coatcheck.files.presigning import Keys, presign
from coatcheck.files.s3 import S3Store
from coatcheck.files.store import Upload
from coatcheck.settings import Settings, load
from tests.support.processes import ROOT

AT = 1_800_000_000
HOST = "https://bucket.s3.eu-west-1.amazonaws.com"
ENVIRON = {"REDIS_URL": "redis://localhost", "AWS_REGION": "eu-west-1", "COATCHECK_FILES": "s3://bucket/x"}
SETTINGS = load(ENVIRON)
OTHER_COUNTRY = replace(SETTINGS, aws_region="cn-north-1")

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=10)


def signed_by_botocore(
    monkeypatch: pytest.MonkeyPatch, method: str, path: str, keys: Keys, query: dict[str, str]
) -> str:
    now = datetime.datetime.fromtimestamp(AT, datetime.UTC)
    monkeypatch.setattr(auth, "get_current_datetime", lambda: now)
    request = AWSRequest(method, HOST + auth.quote(path, safe="/~"), params=dict(sorted(query.items())))
    credentials = Credentials(keys.id, keys.secret, keys.token or None)
    auth.S3SigV4QueryAuth(credentials, "s3", "eu-west-1", expires=900).add_auth(request)
    return str(request.url).partition("X-Amz-Signature=")[2]


@given(path=texts, query=st.dictionaries(names, texts, max_size=4), token=texts, method=st.sampled_from("GP"))
def test_a_link_has_the_signature_that_botocore_gives_it(
    path: str, query: dict[str, str], token: str, method: str
) -> None:
    keys = Keys("AKID", "s/ecret+", token)
    url = presign(method, HOST, f"/{path}", keys, "eu-west-1", at=AT, seconds=900, query=query)
    with pytest.MonkeyPatch.context() as monkeypatch:
        expected = signed_by_botocore(monkeypatch, method, f"/{path}", keys, query)
    assert url.partition("X-Amz-Signature=")[2] == expected


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.mark.usefixtures("identity")
@pytest.mark.parametrize(
    ("bucket", "settings", "origin", "path"),
    [
        ("bucket", SETTINGS, HOST, "/x/d1/a"),
        ("my.bucket", SETTINGS, "https://s3.eu-west-1.amazonaws.com", "/my.bucket/x/d1/a"),
        ("bucket", OTHER_COUNTRY, "https://bucket.s3.cn-north-1.amazonaws.com.cn", "/x/d1/a"),
        (
            "bucket",
            replace(SETTINGS, files_endpoint="http://localhost:4566"),
            "http://localhost:4566",
            "/bucket/x/d1/a",
        ),
    ],
)
def test_a_link_goes_to_the_origin_that_a_page_is_told_of(
    bucket: str, settings: Settings, origin: str, path: str
) -> None:
    store = S3Store(bucket, "x", settings)
    link = store.download_link("d1/a", name="a", kind="text/csv", since=AT, until=AT + 900)
    assert link.startswith(f"{origin}{path}?")
    assert store.origin == origin


@pytest.mark.usefixtures("identity")
def test_the_length_is_signed_and_left_to_the_clients_own_http() -> None:
    upload = Upload("d1/a", "text/csv", 5, sha256="00" * 32, token="t")
    [link] = S3Store("bucket", "", SETTINGS).part_links(upload, [1], AT)
    assert "content-length%3Bcontent-type%3Bhost%3Bx-amz-checksum-sha256" in link.url
    assert link.headers.keys() == {"Content-Type", "x-amz-checksum-sha256"}


def test_signing_imports_neither_botocore_nor_boto3() -> None:
    code = (
        "import sys; from coatcheck.settings import load; from coatcheck.files.store import open_store;"
        f"open_store(load({ENVIRON})).download_link('d1/a', name='a', kind='b', since=1, until=2);"
        "print({name.partition('.')[0] for name in sys.modules} & {'botocore', 'boto3', 'urllib3'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "set()\n", done.stderr


def test_without_an_identity_there_are_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(FilesUnavailableError, match="identity"):
        S3Store("bucket", "", SETTINGS).download_link("d1/a", name="a", kind="b", since=1, until=2)
