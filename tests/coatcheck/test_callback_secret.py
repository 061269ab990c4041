"""The secret of callbacks, and signatures that the Standard Webhooks package takes."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import boto3
import moto
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from coatcheck import callback_secret
from coatcheck.callback_secret import headers, keep, new_master, parse, read, secret_of
from coatcheck.errors import SecretError

BODY = '{"type":"job.finished","data":{"name":"Müller"}}'.encode()


def signed(masters: list[str], owner: str = "ann", body: bytes = BODY) -> dict[str, str]:
    return headers(parse("\n".join(masters)), owner, "msg_1", int(time.time()), body)


def check(master: str, headers: dict[str, str], body: bytes = BODY, owner: str = "ann") -> None:
    Webhook(secret_of(parse(master)[0], owner)).verify(body, headers)


def test_the_reference_package_takes_the_signature() -> None:
    master = new_master()
    check(master, signed([master]))


def test_it_is_the_example_of_the_standard() -> None:
    """The example of the specification's own libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    found = callback_secret.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_whoever_changes_anything_is_found_out() -> None:
    master = new_master()
    good = signed([master])
    for wrong in (
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(int(time.time()) - 1)},
        {"webhook-signature": "v1," + base64.b64encode(bytes(32)).decode()},
    ):
        with pytest.raises(WebhookVerificationError):
            check(master, good | wrong)
    with pytest.raises(WebhookVerificationError):
        check(master, good, BODY + b" ")
    with pytest.raises(WebhookVerificationError):
        check(new_master(), good)


def test_one_owner_can_t_forge_for_another() -> None:
    master = new_master()
    with pytest.raises(WebhookVerificationError):
        check(master, signed([master], owner="ann"), owner="ben")


def test_while_it_is_renewed_the_old_and_the_new_secret_are_good() -> None:
    old, new = new_master(), new_master()
    both = signed([new, old])
    assert len(both["webhook-signature"].split()) == 2
    for master in (old, new):
        check(master, both)


def test_a_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    path, master = tmp_path / "data" / "secret", new_master()
    keep(path, [master])
    assert path.stat().st_mode & 0o777 == 0o600
    assert read(str(path)) == parse(master)
    assert [each.name for each in path.parent.iterdir()] == ["secret"]


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    keep(path, [new_master()])
    path.chmod(0o640)
    with pytest.raises(SecretError, match="chmod 600"):
        read(str(path))


@pytest.mark.parametrize("text", ["", "\n", "whsec_", "whsec_???", "whsec_c2hvcnQ=", "short"])
def test_what_is_no_secret_is_not_told_to_anybody(text: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    keep(path, [text])
    with pytest.raises(SecretError) as found:
        read(str(path))
    assert not text.strip() or text.strip() not in str(found.value)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="FileNotFoundError"):
        read(str(tmp_path / "none"))


@moto.mock_aws
def test_on_aws_it_is_a_secret_as_cloudformation_makes_it() -> None:
    client = boto3.client("secretsmanager", region_name="eu-west-1")
    made = "A1b2" * 16
    arn = client.create_secret(Name="c", SecretString=made)["ARN"]
    assert read(arn, client) == (base64.b64decode(made),)
    with pytest.raises(SecretError, match="ResourceNotFoundException"):
        read(arn.replace(":c-", ":d-"), client)
