"""Signatures of jobs: nothing that decides what is run can be changed, and keys change without a pause."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.adapter import QueueAdapter
from coatcheck.callbacks import delivery_of
from coatcheck.codec import encode_submission
from coatcheck.errors import SecretError
from coatcheck.job import Submission, new_job_id
from coatcheck.keys import Keys as RedisKeys
from coatcheck.secret_text import read_secret
from coatcheck.settings import Settings
from coatcheck.signing import PAUSE, REFRESH, RETRY, SIGNED, BadSignatureError, Signatures, message_of
from tests.coatcheck.conftest import WorkerByHand

OLD, NEW = "old-" * 10, "new-" * 10


class Keys:
    """A text of keys that a test changes, and a clock that it sets."""

    def __init__(self, text: str = OLD) -> None:
        self.text = text
        self.now = 0.0
        self.reads = 0

    def read(self) -> str:
        self.reads += 1
        if not self.text:
            raise SecretError("gone")
        return self.text

    def signatures(self, **options: Any) -> Signatures:
        return Signatures(self.read, clock=lambda: self.now, sleep=self.sleep, **options)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def signed(signatures: Signatures, **options: Any) -> tuple[str, dict[bytes, bytes]]:
    """The id and the hash of a signed job that has every field which is signed."""
    values: dict[str, Any] = {"retries": 2, "retry_delays": (5,), "owner": "ann", **options}
    submission = Submission("odd.add", {"left": 1}, "default", 60, 600, **values)
    fields, data = encode_submission(submission, 700, signatures)
    return submission.id, {name.encode(): value.encode() for name, value in fields.items()} | {b"data": data}


def refusal(signatures: Signatures, job_id: str, fields: dict[bytes, bytes]) -> str:
    with pytest.raises(BadSignatureError) as caught:
        signatures.check(job_id, fields)
    return str(caught.value)


def test_a_job_as_it_was_submitted_passes_whatever_happened_to_it_since() -> None:
    signatures = Keys().signatures()
    job_id, fields = signed(signatures)
    signatures.check(job_id, fields)
    signatures.check(job_id, fields | {b"status": b"started", b"attempt": b"3", b"retries_left": b"0"})
    once = signed(signatures, retries=0, owner=None)
    assert b"at_most_once" in once[1]
    signatures.check(*once)


@pytest.mark.parametrize("name", SIGNED)
def test_no_field_that_decides_can_be_changed_added_or_dropped(name: str) -> None:
    signatures = Keys().signatures()
    job_id, fields = signed(signatures)
    field = name.encode()
    before = fields.get(field, b"")
    assert refusal(signatures, job_id, fields | {field: before + b"1"}) == "it is not what was signed"
    if before:
        del fields[field]
        assert refusal(signatures, job_id, fields) == "it is not what was signed"


def test_a_signature_holds_for_its_own_job_only() -> None:
    signatures = Keys().signatures()
    job_id, fields = signed(signatures)
    assert refusal(signatures, new_job_id(), fields) == "it is not what was signed"
    other = signed(signatures, owner="ben")[1]
    assert refusal(signatures, job_id, fields | {b"signature": other[b"signature"]})


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"v1",
        b"v1::",
        b"v2:" + b"0" * 16 + b":" + b"0" * 64,
        b"v1:" + b"0" * 16 + b":" + b"0" * 63,
        b"v1:" + b"0" * 16 + b":" + b"0" * 65,
        b"v1:" + b"0" * 16 + b":" + b"g" * 64,
        b"v1:" + b"0" * 16 + b":" + b"0" * 64 + b"\n",
        b"\xff" * 84,
    ],
)
def test_a_malformed_signature_is_refused(signature: bytes) -> None:
    signatures = Keys().signatures(unsigned=True)
    job_id, fields = signed(signatures)
    assert refusal(signatures, job_id, fields | {b"signature": signature}) == "its signature is malformed"


def test_a_job_without_a_signature_passes_only_while_signing_is_switched_on() -> None:
    keys = Keys()
    job_id, fields = signed(keys.signatures())
    del fields[b"signature"]
    assert refusal(keys.signatures(), job_id, fields) == "it is not signed"
    keys.signatures(unsigned=True).check(job_id, fields)


def test_a_forged_signature_never_passes() -> None:
    ours, theirs = Keys().signatures(unsigned=True), Keys(NEW).signatures()
    job_id, fields = signed(theirs)
    assert refusal(ours, job_id, fields) == "it is signed with a key that is not known"
    mine = signed(ours)[1][b"signature"].split(b":")[1]
    forged = fields[b"signature"].split(b":")[2]
    assert refusal(ours, job_id, fields | {b"signature": b"v1:" + mine + b":" + forged})


def test_a_key_is_replaced_without_a_pause() -> None:
    keys = Keys()
    api, worker = keys.signatures(), keys.signatures()
    first = signed(api)
    keys.text = f"{NEW}\n{OLD}\n"
    keys.now = REFRESH
    second = signed(api)
    assert second[1][b"signature"][:19] != first[1][b"signature"][:19]
    worker.check(*first)
    worker.check(*second)  # learned at once, not when its time has come
    keys.text = NEW
    keys.now += REFRESH
    worker.check(*second)
    assert refusal(worker, *first) == "it is signed with a key that is not known"


def test_an_unknown_key_makes_nobody_read_all_the_time() -> None:
    keys = Keys()
    worker = keys.signatures()
    job = signed(Keys(NEW).signatures())
    keys.now = RETRY
    for _ in range(100):
        refusal(worker, *job)
    assert keys.now == 100 * RETRY


def test_keys_that_can_not_be_read_any_more_stay_as_they_were(caplog: pytest.LogCaptureFixture) -> None:
    keys = Keys()
    signatures = keys.signatures()
    job = signed(signatures)
    keys.text = ""
    keys.now = REFRESH
    for _ in range(3):
        signatures.check(*job)
    assert keys.reads == 2
    assert "stay as they were: gone" in caplog.text
    keys.text = NEW
    keys.now += PAUSE + REFRESH
    assert refusal(signatures, *job)


@pytest.mark.parametrize(
    ("text", "told"), [("", "no key"), (" \n\n", "no key"), (f"{OLD}\nshort", "less than 32")]
)
def test_keys_that_are_none_are_refused_and_never_shown(text: str, told: str) -> None:
    with pytest.raises(SecretError, match=told) as caught:
        Signatures(lambda: text)
    assert "short" not in str(caught.value)


NAMES = st.sampled_from(SIGNED)
JOBS = st.tuples(st.text(max_size=5), st.dictionaries(NAMES, st.binary(max_size=20)))


@given(one=JOBS, other=JOBS)
def test_two_different_jobs_never_have_the_same_text_to_sign(one: Any, other: Any) -> None:
    assert (message_of(*one) == message_of(*other)) == (one == other)


def test_the_delivery_to_a_callback_is_a_signed_job_too(
    client: redis.Redis, settings: Settings, keys: RedisKeys, worker: WorkerByHand, tmp_path: Path
) -> None:
    path = tmp_path / "keys"
    path.touch(mode=0o600)
    path.write_text(OLD)
    signing = replace(settings, signing_keys=str(path))
    job_id = new_job_id()
    delivery = delivery_of(job_id, "https://example.com/", "default", "ann")
    submission = Submission("t", {}, "default", 60, 600, owner="ann", delivery=delivery, id=job_id)
    QueueAdapter(client, signing).submit([submission])
    signatures = Signatures.of(signing)
    assert signatures is not None
    worker.run("failed")
    QueueAdapter(client, signing).retry(job_id)
    first = worker.run()
    assert worker.run("failed") == job_id
    second = worker.run()
    for each in (job_id, first, second):
        fields: Any = client.hgetall(keys.job(each))
        signatures.check(each, fields)


def test_a_secret_is_read_from_a_file_that_only_its_owner_may_read(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with pytest.raises(SecretError, match="FileNotFoundError"):
        read_secret(str(path))
    path.write_text(OLD)
    path.chmod(0o640)
    with pytest.raises(SecretError, match="chmod 600"):
        read_secret(str(path))
    path.chmod(0o600)
    assert read_secret(str(path)) == OLD
    path.write_bytes(b"\xff" * 40)
    with pytest.raises(SecretError, match="UnicodeDecodeError"):
        read_secret(str(path))


def test_a_secret_is_read_from_secrets_manager() -> None:
    from botocore.exceptions import EndpointConnectionError

    class Client:
        def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803 (botocore's name)
            if SecretId.endswith("away"):
                raise EndpointConnectionError(endpoint_url="https://x")
            return {"SecretString": f"{SecretId} {OLD}"}

    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:"
    assert read_secret(f"{arn}here", Client()) == f"{arn}here {OLD}"
    with pytest.raises(SecretError, match=r"away can't be read \(EndpointConnectionError\)"):
        read_secret(f"{arn}away", Client())
