"""Whatever a client sends, every key that Redis sees stands below the namespace."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
import redis
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from coatcheck.adapter import QueueAdapter
from coatcheck.errors import ProblemError
from coatcheck.job import JobStatus, Submission, is_job_id, new_job_id
from coatcheck.scopes import Access
from coatcheck.scripts import source
from coatcheck.settings import Settings

HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "",
            "*",
            "../other",
            "{other}:job:x",
            "\n",
            "\r\nFLUSHALL\r\n",
            "\0",
            "a" * 36 + "\n",
            ":job:",
            "é" * 36,
        ]
    ),
    st.builds(lambda job_id, tail: job_id + tail, st.builds(new_job_id), st.text(max_size=5)),
)


KEYLESS = {"ECHO", "TIME", "MULTI", "EXEC", "SCRIPT", "SCAN"}


@pytest.fixture
def touched(client: redis.Redis) -> Iterator[Callable[[], list[str]]]:
    """The keys that Redis was given since the last call, by clients and by scripts."""
    with client.monitor() as monitor:  # type: ignore[no-untyped-call]

        def since() -> list[str]:
            client.echo("here")
            keys: list[str] = []
            for entry in monitor.listen():
                name, *words = entry["command"].split(" ")
                if name == "ECHO":
                    return keys
                if name == "EVALSHA":
                    keys += words[2 : 2 + int(words[1])]
                elif name.upper() not in KEYLESS:
                    keys.append(words[0])
            raise AssertionError("MONITOR has ended")

        yield since


@examples(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=HOSTILE, other=HOSTILE)
@example(text="x", other="{other}:job:" + "0" * 30)
def test_no_input_names_a_key_outside_the_namespace(
    text: str,
    other: str,
    adapter: QueueAdapter,
    touched: Callable[[], list[str]],
    client: redis.Redis,
    settings: Settings,
) -> None:
    for script in ("submit", "submit_linked", "read", "cancel", "retry", "log", "list", "batch"):
        client.script_load(source(script))
    touched()
    mine = Submission("odd.add", {"left": text}, "default", 60, 600, owner=other or None)
    calls: list[Callable[[], object]] = [
        lambda: adapter.submit([mine], idempotency_key=text, fingerprint=other),
        lambda: adapter.get(text, Access(other or None)),
        lambda: adapter.cancel(text, Access(other or None, (other,))),
        lambda: adapter.retry(text),
        lambda: adapter.log(text, other),
        lambda: adapter.batch(text, Access(other or None)),
        lambda: adapter.list(cursor=text, task=other),
        lambda: adapter.list(status=JobStatus.QUEUED, task=text, access=Access(other or None)),
    ]
    for call in calls:
        with contextlib.suppress(ProblemError, UnicodeEncodeError):
            call()
    keys = touched()
    assert keys
    for key in keys:
        assert key.startswith(f"{settings.prefix}:"), keys
        assert len(text) < 9 or text not in key or is_job_id(text), keys


def test_ids_can_not_be_guessed_and_are_never_given_twice() -> None:
    made = [new_job_id() for _ in range(2000)]
    tails = {job_id[-25:] for job_id in made}
    assert len(tails) == len(made) and all(map(is_job_id, made))
    # 25 characters of 5 random bits: each character takes each of the 32 values at each place.
    assert all(len({tail[place] for tail in tails}) == 32 for place in range(25))
