"""The log-in to ElastiCache by IAM: the same signature as botocore's, and fresh for each connection."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import botocore.auth
import botocore.session
import pytest
import redis
from botocore.awsrequest import AWSRequest

from coatcheck.connection import connect
from coatcheck.iam import LIFETIME, MARGIN, IAMCredentialProvider
from coatcheck.settings import load
from tests.support.processes import ROOT
from tests.support.tls import TLSRedis


class Clock:
    """Seconds that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def session() -> botocore.session.Session:
    session = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "secret/of+the=example", "token//of+the==session")
    return session


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(session: botocore.session.Session, clock: Clock) -> IAMCredentialProvider:
    return IAMCredentialProvider("worker", "coatcheck-cache", "eu-central-1", session=session, clock=clock)


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = datetime(2026, 11, 25, 10, 0, 0, tzinfo=UTC).replace(tzinfo=None)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *a, **k: moment)


@pytest.mark.usefixtures("frozen")
def test_the_password_is_what_botocores_own_signer_makes(
    provider: IAMCredentialProvider, session: botocore.session.Session
) -> None:
    request = AWSRequest("GET", "https://coatcheck-cache/?Action=connect&User=worker")
    signer = botocore.auth.SigV4QueryAuth(session.get_credentials(), "elasticache", "eu-central-1", LIFETIME)
    signer.add_auth(request)
    user, password = provider.get_credentials()
    assert user == "worker"
    assert f"https://{password}" == request.url


@pytest.mark.usefixtures("frozen")
def test_the_password_names_the_cache_the_user_the_region_and_its_lifetime(
    provider: IAMCredentialProvider,
) -> None:
    password = provider.get_credentials()[1]
    assert password.startswith("coatcheck-cache/?")
    query = parse_qs(urlsplit("//" + password).query)
    assert query["Action"] == ["connect"]
    assert query["User"] == ["worker"]
    assert query["X-Amz-Expires"] == ["900"]
    assert query["X-Amz-Credential"] == ["AKIDEXAMPLE/20261125/eu-central-1/elasticache/aws4_request"]
    assert query["X-Amz-Security-Token"] == ["token//of+the==session"]


def test_a_password_is_kept_while_it_is_fresh_and_renewed_before_its_end(
    provider: IAMCredentialProvider, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = iter(range(9))
    monkeypatch.setattr(IAMCredentialProvider, "_sign", lambda self: f"password {next(made)}")
    assert provider.get_credentials()[1] == "password 0"
    clock.now += LIFETIME - MARGIN - 1
    assert provider.get_credentials()[1] == "password 0"
    clock.now += 1
    assert provider.get_credentials()[1] == "password 1"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TLSRedis]:
    with TLSRedis(tmp_path) as server:
        yield server


def test_a_running_client_follows_a_password_that_changes(
    server: TLSRedis, provider: IAMCredentialProvider, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = iter(["first", "second"])
    monkeypatch.setattr(IAMCredentialProvider, "_sign", lambda self: next(passwords))
    environ = {"REDIS_URL": server.url, "REDIS_IAM_USER": "worker", "REDIS_IAM_CACHE": "c", "AWS_REGION": "x"}
    monkeypatch.setattr("coatcheck.iam.IAMCredentialProvider", lambda *names: provider)
    with redis.Redis.from_url(server.url) as admin, connect(load(environ)) as client:
        admin.acl_setuser("worker", enabled=True, passwords=["+first"], keys=["*"], commands=["+@all"])
        assert client.set("key", "value")
        admin.acl_setuser("worker", enabled=True, reset_passwords=True, passwords=["+second"])
        # ElastiCache keeps open connections; it ends them after 12 hours, as this does at once.
        admin.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(redis.AuthenticationError):
            client.get("key")  # the first password is still held to be fresh
        clock.now += LIFETIME
        assert client.get("key") == b"value"


def test_without_iam_neither_botocore_nor_the_provider_is_imported() -> None:
    code = (
        "import sys; from coatcheck.connection import connect; from coatcheck.settings import load;"
        "connect(load({'REDIS_URL': 'redis://localhost'})); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    assert "coatcheck.connection" in modules
    assert not {"botocore", "boto3", "coatcheck.iam", "rq", "pydantic", "chalice"} & set(modules)
