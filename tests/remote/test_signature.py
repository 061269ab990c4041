"""Requests as they leave, against what AWS's own documentation says a signature is."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from argparse import Namespace
from pathlib import Path
from urllib.parse import quote, unquote

import boto3
import httpx
import pytest

from coatcheck.client import Client
from coatcheck.errors import SettingsError
from infra.errors import StartError
from infra.remote import address
from infra.remote.signature import Signature
from tests.client.scripted import JOB, ScriptedApi

KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
API = "https://abc123.execute-api.eu-west-1.amazonaws.com/api/"


def expected(request: httpx.Request) -> str:
    """The signature of a request, after AWS's "Create a signed AWS API request" (Signature Version 4)."""
    header = request.headers["authorization"]
    scope, signed, _ = re.fullmatch(  # type: ignore[union-attr]
        rf"AWS4-HMAC-SHA256 Credential={KEY}/(.+), SignedHeaders=(.+), Signature=(.+)", header
    ).groups()
    path, _, query = request.url.raw_path.decode().partition("?")
    pairs = sorted(tuple(unquote(part) for part in pair.split("=", 1)) for pair in query.split("&") if pair)
    canonical = "\n".join(
        [
            request.method,
            "/".join(quote(part, safe="-_.~") for part in path.split("/")),
            "&".join("=".join(quote(part, safe="-_.~") for part in pair) for pair in pairs),
            *(f"{name}:{' '.join(request.headers[name].split())}" for name in signed.split(";")),
            "",
            signed,
            hashlib.sha256(request.content).hexdigest(),
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{scope}\n{digest}"
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), "sha256").hexdigest()


@pytest.fixture
def session() -> boto3.Session:
    """Credentials of nobody."""
    return boto3.Session(KEY, SECRET, "the-session-token", region_name="eu-west-1")


def test_every_request_has_the_signature_that_aws_reckons(session: boto3.Session) -> None:
    api = ScriptedApi(httpx.Response(200, json={**JOB, "jobs": [], "next": None}))
    with Client(API, auth=Signature(session, "eu-west-1"), transport=api) as client:
        client.submit("a.b", {"text": "ü ~*"}, queue="a b+c", delay="5m", at="2030-01-31T18:00:00+01:00")
        client.ticket("x/y ~ü")
        list(client.list_jobs(task="a b&c=d"))
    assert len(api.requests) == 3
    for request in api.requests:
        assert request.headers["authorization"].endswith(f"Signature={expected(request)}")
        assert request.headers["x-amz-security-token"] == "the-session-token"
        assert "/eu-west-1/execute-api/aws4_request," in request.headers["authorization"]
    assert api.requests[0].url.params["queue"] == "a b+c"


def called(**values: object) -> Namespace:
    defaults = {"url": None, "target": None, "region": None, "iam": False, "data": Path("/nowhere")}
    return Namespace(**{**defaults, "token_file": None, **values})


def test_the_address_is_the_nearest_that_is_told(tmp_path: Path) -> None:
    told = {"COATCHECK_URL": "http://told"}
    assert address.find(called(url="http://given"), told).url == "http://given"
    assert address.find(called(), told).url == "http://told"
    assert address.find(called(), {}).url == address.LAPTOP
    (tmp_path / "url").write_text("http://127.0.0.1:8123/\n")
    assert address.find(called(data=tmp_path), {}).url == "http://127.0.0.1:8123/"


def test_iam_needs_credentials_and_a_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SettingsError, match="AWS credentials"):
        address.find(called(url=API, iam=True), {})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert address.find(called(url=API, iam=True), {}).region == "eu-west-1"
    assert address.find(called(url=API, iam=True, region="us-east-1"), {}).region == "us-east-1"
    with pytest.raises(SettingsError, match="needs a region"):
        address.find(called(url="https://api.example.com", iam=True), {})


def test_a_token_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="can't be read"):
        address.token(called(token_file=tmp_path))
