"""``after``, refs and ``$result``: what a job waits for is read, checked and told by its pointer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.dependencies import Wait, check_cycles, check_names, linked, results_awaited
from coatcheck.job import new_job_id

ID = new_job_id()


def waits(*names: str) -> list[Wait]:
    return [Wait(name, f"/after/{index}") for index, name in enumerate(names)]


def test_results_are_found_with_the_pointer_of_their_name() -> None:
    found, errors = results_awaited(
        {"a/b": [0, {"$result": "x"}], "c": {"$result": ID, "pointer": "/d"}}, "/p"
    )
    assert found == [Wait("x", "/p/a~1b/1/$result"), Wait(ID, "/p/c/$result")]
    assert errors == []


def test_malformed_places_are_told() -> None:
    found, errors = results_awaited({"a": {"$result": 5}, "b": {"$result": "x", "pointer": "y"}}, "/p")
    assert found == []
    assert [error.pointer for error in errors] == ["/p/a/$result", "/p/b/pointer"]


def test_names_are_refs_of_the_batch_or_ids() -> None:
    refs = {"a": 0}
    assert check_names(waits("a", ID), refs, "/after") == []
    [error] = check_names(waits("a", "b", ID), refs, "/after")
    assert (error.pointer, error.detail) == ("/after/1", "is no ref of this batch and no id of a job")


def test_no_job_waits_for_more_than_a_hundred() -> None:
    many = waits(*(new_job_id() for _ in range(101)))
    assert check_names(many[:100] + many[:100], {}, "/after") == []
    [error] = check_names(many, {}, "/after")
    assert error.pointer == "/after"


@pytest.mark.parametrize(
    ("graph", "told"),
    [
        ({"a": ["a"]}, "a waits for a"),
        ({"a": [], "b": ["a", "c"], "c": ["b"]}, "c waits for b, which waits for c"),
        ({str(job): [str((job + 1) % 9)] for job in range(9)}, "0 waits for 1, which waits for 2, which"),
    ],
)
def test_a_cycle_is_told_where_it_is(graph: dict[str, list[str]], told: str) -> None:
    refs = {name: number for number, name in enumerate(graph)}
    named = [
        [Wait(each, f"/{name}/{index}") for index, each in enumerate(after)] for name, after in graph.items()
    ]
    [error] = check_cycles(named, refs)
    _, name, index = error.pointer.split("/")
    detail = error.detail.removeprefix("would never come: ")
    assert detail.startswith(f"{name} waits for {graph[name][int(index)]}")
    assert detail.count("which") <= 5
    assert len(graph) == 9 or set(detail.replace(",", "").split()) == set(told.replace(",", "").split())


@settings(deadline=None)
@given(st.integers(2, 30).flatmap(lambda size: st.tuples(st.just(size), st.sets(edges(size)))), st.randoms())
def test_a_graph_without_cycles_passes_and_one_more_edge_back_does_not(
    case: tuple[int, set[tuple[int, int]]], random: Any
) -> None:
    size, forward = case
    names = [f"job-{number}" for number in range(size)]
    random.shuffle(names)
    refs = {name: number for number, name in enumerate(names)}

    def graph(pairs: set[tuple[int, int]]) -> list[list[Wait]]:
        return [
            [Wait(names[to], f"/{each}/{to}") for by, to in sorted(pairs) if by == each]
            for each in range(size)
        ]

    assert check_cycles(graph(forward), refs) == []
    for by, to in forward:
        [error] = check_cycles(graph(forward | {(to, by)}), refs)
        assert error.pointer.count("/") == 2
        each, closing = (int(step) for step in error.pointer.split("/")[1:])
        assert (each, closing) in forward | {(to, by)}


def edges(size: int) -> st.SearchStrategy[tuple[int, int]]:
    """Each job waits for earlier ones only."""
    return st.integers(1, size - 1).flatmap(lambda by: st.tuples(st.just(by), st.integers(0, by - 1)))


def test_a_long_chain_is_no_matter() -> None:
    chain = [[Wait(str(number - 1), "")] if number else [] for number in range(1000)]
    assert check_cycles(chain, {str(number): number for number in range(1000)}) == []


def test_refs_become_ids_and_ids_stay() -> None:
    arguments = {"x": {"$result": "a", "pointer": "/y"}, "z": [{"$result": ID}], "text": "a"}
    assert linked(arguments, {"a": "1"}) == {
        "x": {"$result": "1", "pointer": "/y"},
        "z": [{"$result": ID}],
        "text": "a",
    }
