"""The errors are what their module's docstring promises."""

from __future__ import annotations

import re

import pytest

from coatcheck import errors
from coatcheck.errors import CoatcheckError, FieldError, ProblemError, UnavailableError, problem_classes

TREE_LINE = re.compile(
    r"^    (?P<branch>[│├└─ ]*)(?P<name>\w+Error|InternalError)\b(?: +(?P<status>\d{3})$)?", re.M
)


def documented() -> dict[str, tuple[str | None, int | None]]:
    """Name -> parent and status, as drawn in the docstring."""
    tree: dict[str, tuple[str | None, int | None]] = {}
    ancestors: list[str] = []
    for match in TREE_LINE.finditer(errors.__doc__ or ""):
        depth = len(match["branch"]) // 4
        parent = ancestors[depth - 1] if depth else None
        del ancestors[depth:]
        ancestors.append(match["name"])
        tree[match["name"]] = (parent, int(match["status"]) if match["status"] else None)
    return tree


def defined() -> dict[str, tuple[str | None, int | None]]:
    """Name -> parent and status, as the classes are."""
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    ours = [cls for cls in classes if issubclass(cls, CoatcheckError)]
    leaves = set(problem_classes())
    return {
        cls.__name__: (
            None if cls is CoatcheckError else cls.__bases__[0].__name__,
            cls.status if cls in leaves and issubclass(cls, ProblemError) else None,
        )
        for cls in ours
    }


def test_the_docstrings_tree_is_the_tree_of_the_classes_with_their_statuses() -> None:
    assert len(documented()) > 20
    assert documented() == defined()


def test_every_problem_has_a_slug_and_a_title_of_its_own() -> None:
    classes = problem_classes()
    assert len({cls.slug for cls in classes}) == len({cls.title for cls in classes}) == len(classes) > 15
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", cls.slug) for cls in classes)


def test_the_type_is_a_urn_with_the_slug() -> None:
    assert errors.ConflictError.type_uri() == "urn:coatcheck:problem:conflict"


def test_a_problem_carries_detail_errors_and_headers() -> None:
    error = errors.InvalidArgumentsError(
        "wrong", errors=[FieldError("/a", "is required")], headers={"X-A": "b"}
    )
    assert (str(error), error.detail, error.status) == ("wrong /a is required", "wrong", 422)
    assert error.errors == (FieldError("/a", "is required"),)
    assert error.headers == {"X-A": "b"}


def test_a_problems_text_names_the_first_wrong_fields() -> None:
    wrong = [FieldError(f"/{number}", "is not known") for number in range(7)]
    text = str(errors.InvalidArgumentsError("7 are wrong.", errors=wrong))
    assert text.startswith("7 are wrong. /0 is not known; /1 is not known; ")
    assert text.endswith("; /4 is not known; and 2 more")
    assert str(errors.ConflictError("It is over.")) == "It is over."


@pytest.mark.parametrize(("given", "header"), [({}, "2"), ({"retry_after": 7}, "7")])
def test_unavailable_says_when_to_try_again(given: dict[str, int], header: str) -> None:
    assert UnavailableError("away", **given).headers == {"Retry-After": header}
