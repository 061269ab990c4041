"""Prometheus' own parser reads what we write."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from coatcheck.exposition import Family, render


def test_labels_may_hold_anything() -> None:
    family = Family("jobs", "gauge", 'Jobs, "all"\nof \\ them')
    family.add(2, queue='a"b\\c\nd')
    family.add(0.25)
    [read] = text_string_to_metric_families(render([family]))
    assert (read.name, read.type, read.documentation) == ("jobs", "gauge", 'Jobs, "all"\nof \\ them')
    assert [(sample.labels, sample.value) for sample in read.samples] == [
        ({"queue": 'a"b\\c\nd'}, 2.0),
        ({}, 0.25),
    ]


def test_a_histogram_is_cumulative_and_ends_with_all() -> None:
    family = Family("seconds", "histogram", "Seconds.")
    family.add_histogram([0.5, 10], [1, 2, 3], 66.5, task="t")
    [read] = text_string_to_metric_families(render([family]))
    assert read.type == "histogram"
    assert [(s.name, s.labels.get("le"), s.value) for s in read.samples] == [
        ("seconds_bucket", "0.5", 1.0),
        ("seconds_bucket", "10", 3.0),
        ("seconds_bucket", "+Inf", 6.0),
        ("seconds_sum", None, 66.5),
        ("seconds_count", None, 6.0),
    ]


def test_nothing_is_nothing() -> None:
    assert list(text_string_to_metric_families(render([]))) == []
