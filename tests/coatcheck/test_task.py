"""What a task's author uses: the decorator, progress and the job's id."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

import coatcheck
from coatcheck.errors import CatalogError
from coatcheck.task import MAX_RETRIES, TaskOptions, job_id, options_of, progress, set_reporter, submit, task


def plain() -> int:
    """A function for the decorator."""
    return 5


def fresh() -> Any:
    def function() -> int:
        return 5

    return function


def test_an_author_needs_only_the_packages_own_names() -> None:
    assert (coatcheck.task, coatcheck.progress) == (task, progress)
    assert (coatcheck.submit, coatcheck.job_id) == (submit, job_id)


def test_without_the_decorator_the_settings_decide_everything() -> None:
    assert options_of(plain) == TaskOptions(None, None, None, None, None, (), None)


@pytest.mark.parametrize("decorate", [task, task()])
def test_a_decorator_without_options_sets_none_and_returns_the_function(decorate: Any) -> None:
    function = fresh()
    assert decorate(function) is function
    assert function() == 5
    assert options_of(function) == TaskOptions()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"name": "other"}, TaskOptions(name="other")),
        ({"title": "A title"}, TaskOptions(title="A title")),
        ({"queue": "slow.2"}, TaskOptions(queue="slow.2")),
        ({"timeout": 1}, TaskOptions(timeout=1)),
        ({"retries": 0}, TaskOptions(retries=0)),
        ({"retries": MAX_RETRIES}, TaskOptions(retries=100)),
        ({"retries": 2, "retry_delays": 5}, TaskOptions(retries=2, retry_delays=(5,))),
        ({"retries": 2, "retry_delays": 0}, TaskOptions(retries=2, retry_delays=(0,))),
        ({"retries": 2, "retry_delays": [1, 2]}, TaskOptions(retries=2, retry_delays=(1, 2))),
        ({"result_ttl": 60}, TaskOptions(result_ttl=60)),
    ],
)
def test_an_option_is_kept(options: dict[str, Any], expected: TaskOptions) -> None:
    function = task(**options)(fresh())
    assert options_of(function) == expected
    assert function() == 5


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": "two words"}, "name='two words' should be a Python identifier"),
        ({"name": ""}, "name='' should be"),
        ({"name": "a.b"}, "name='a.b' should be"),
        ({"name": 5}, "name=5 should be"),
        ({"queue": ""}, "queue='' should be up to 64 letters"),
        ({"queue": "a:b"}, "queue='a:b' should be"),
        ({"queue": "a\n"}, r"queue='a\n' should be"),
        ({"timeout": 0}, "timeout=0 should be a whole number of seconds, at least 1"),
        ({"timeout": 1.5}, "timeout=1.5 should be"),
        ({"timeout": True}, "timeout=True should be"),
        ({"result_ttl": -1}, "result_ttl=-1 should be"),
        ({"retries": -1}, "retries=-1 should be a whole number from 0 to 100"),
        ({"retries": 101}, "retries=101 should be"),
        ({"retries": "3"}, "retries='3' should be"),
        ({"retries": 1, "retry_delays": -1}, "retry_delays=(-1,) should be whole seconds"),
        ({"retries": 1, "retry_delays": [1, 0.5]}, "retry_delays=(1, 0.5) should be"),
        ({"retries": 1, "retry_delays": 0.5}, "retry_delays=(0.5,) should be"),
        ({"retries": 1, "retry_delays": "12"}, "retry_delays=('1', '2') should be"),
        ({"retry_delays": 5}, "retry_delays without retries has no effect"),
        ({"retries": 0, "retry_delays": [5]}, "retry_delays without retries has no effect"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_with_the_function_the_value_and_the_rule(
    options: dict[str, Any], told: str
) -> None:
    with pytest.raises(CatalogError) as caught:
        task(**options)(plain)
    assert str(caught.value).startswith(f"@task of {__name__}.plain: {told}")
    assert options_of(plain) == TaskOptions(), "a refused option leaves no trace"


def test_a_function_that_something_else_marked_has_no_options() -> None:
    function = fresh()
    function.__coatcheck_task__ = {"queue": "slow"}
    assert options_of(function) == TaskOptions()


# Progress


@pytest.fixture
def reported() -> Iterator[list[tuple[float, str]]]:
    """What goes to the worker."""
    reports: list[tuple[float, str]] = []
    set_reporter(lambda fraction, message: reports.append((fraction, message)))
    yield reports
    set_reporter(None)


@pytest.mark.parametrize(
    ("fraction", "told"),
    [
        (0, 0.0),
        (1, 1.0),
        (0.25, 0.25),
        (-0.1, 0.0),
        (1.1, 1.0),
        (math.inf, 1.0),
        (-math.inf, 0.0),
        (math.nan, 0.0),
    ],
)
def test_a_fraction_is_cut_to_what_can_be_shown(
    fraction: float, told: float, reported: list[tuple[float, str]]
) -> None:
    progress(fraction, "now")
    assert reported == [(told, "now")]
    assert type(reported[0][0]) is float


def test_a_message_may_be_missing_and_becomes_text(reported: list[tuple[float, str]]) -> None:
    progress(0.5)
    progress(0.5, 7)  # type: ignore[arg-type]
    assert reported == [(0.5, ""), (0.5, "7")]


def test_outside_a_worker_progress_does_nothing(reported: list[tuple[float, str]]) -> None:
    set_reporter(None)
    progress(0.5, "nobody listens")
    assert reported == []


# The job's id


def test_outside_a_worker_there_is_no_job_to_name() -> None:
    with pytest.raises(RuntimeError, match=r"job_id\(\) works in a task that a worker runs"):
        job_id()
