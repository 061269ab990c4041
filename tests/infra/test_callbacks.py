"""``coatcheck up`` takes callbacks without being set up, and ``coatcheck secret`` shows their secret."""

from __future__ import annotations

from pathlib import Path

import boto3
import moto
import pytest
from standardwebhooks.webhooks import Webhook

from coatcheck.callback_secret import headers, new_master, parse, read
from infra.callbacks import command
from infra.cli import main
from tests.infra.product import Start
from tests.support.polling import eventually
from tests.support.receiver import Receiver


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments for a laptop's file."""
    monkeypatch.delenv("COATCHECK_CALLBACK_SECRET", raising=False)
    return ["--target", "local", "--data", str(tmp_path / "data")]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["secret", *arguments]) == 0
    text = capsys.readouterr().out.strip()
    assert text.startswith("whsec_")
    return text


def test_the_end_of_a_job_is_told(start: Start, local: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    product = start(COATCHECK_CALLBACK_LOOPBACK="1", MAX_TIME_TO_WAIT="1")
    with Receiver() as receiver:
        job = product.submit(f"examples.short_task?callback={receiver.url.replace('?', '%3F')}")
        [message] = eventually(lambda: receiver.messages, seconds=60, what="a message")
    told = Webhook(shown(capsys, *local)).verify(message.body, message.headers)
    assert (told["type"], told["data"]["id"]) == ("job.finished", job)
    secret = Path(local[-1]) / command.FILE
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.read_text().strip().removeprefix("whsec_") not in product.log()


def test_each_caller_has_a_secret_of_their_own_that_stays(
    local: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    nobody, ann, ben = (shown(capsys, *names, *local) for names in ([], ["ann"], ["ben"]))
    assert len({nobody, ann, ben}) == 3
    assert shown(capsys, "ann", *local) == ann


def test_it_is_renewed_without_a_pause(local: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(local[-1]) / command.FILE
    first = shown(capsys, *local)
    second = shown(capsys, "--rotate", *local)
    signed = headers(read(str(path)), "", "msg_1", 1, b"{}")
    assert [len(read(str(path))), len(signed["webhook-signature"].split()), first != second] == [2, 2, True]
    third = shown(capsys, "--rotate", *local)
    assert len(read(str(path))) == 2 and third not in (first, second)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_may_read_is_refused(local: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    shown(capsys, *local)
    (Path(local[-1]) / command.FILE).chmod(0o644)
    assert main(["secret", *local]) == 2
    assert "chmod 600" in capsys.readouterr().err


@moto.mock_aws
def test_on_aws_a_new_secret_goes_in_front_of_the_last_one() -> None:
    client = boto3.client("secretsmanager", region_name="eu-west-1")
    made = new_master()
    arn = client.create_secret(Name="c", SecretString=made)["ARN"]
    assert parse(command._secret_text(client, arn, rotate=False)) == parse(made)
    rotated = command._secret_text(client, arn, rotate=True)
    assert parse(rotated)[1:] == parse(made)
    assert read(arn, client) == parse(rotated)
