"""The tasks of the story, and three that show what a task can do."""

from __future__ import annotations

import csv
import os
import random
import time
from collections.abc import Iterable, Sequence
from datetime import date
from enum import StrEnum
from math import ceil, isfinite
from statistics import fmean
from typing import Annotated

from pydantic import BaseModel, Field

from coatcheck import File, FileRules, progress

MAX_TIME_TO_WAIT = float(os.environ.get("MAX_TIME_TO_WAIT", "10"))
"""Longest wait of the long task, in seconds."""


def short_task() -> str:
    """Sleeps for one second."""
    time.sleep(1)
    return "Slept 1 second."


def long_task() -> str:
    """Sleeps for one to ten seconds (the longest wait is the setting MAX_TIME_TO_WAIT)."""
    seconds = random.uniform(min(1.0, MAX_TIME_TO_WAIT), MAX_TIME_TO_WAIT)
    time.sleep(seconds)
    return f"Slept {seconds:.1f} seconds."


def task_raises_error() -> None:
    """Divides by zero after half a second."""
    time.sleep(0.5)
    print(1 / 0)


MOST_BARS = 24
MOST_POINTS = 500
"""Of a line: no more can be seen."""
COLOUR = "#7d1f49"


class Column(BaseModel):
    """What the numbers of a column come to."""

    name: str
    smallest: float
    largest: float
    mean: float


class Summary(BaseModel):
    """What was in the table, and the plot."""

    rows: int
    columns: list[Column]
    plot: File


def plot_table(
    table: Annotated[
        File,
        FileRules(types=["text/csv"], max_size=10_000_000),
        Field(description="Comma-separated values, with names in the first row."),
    ],
    column: Annotated[
        str | None, Field(description="The column to draw, if not the first of numbers.")
    ] = None,
) -> Summary:
    """Sums up a table, a column at a time, and draws one of them: shows files in and out."""
    with table.path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines, restval="")
        rows, names = list(reader), reader.fieldnames or []
    found: dict[str, list[float]] = {}
    for done, name in enumerate(names, 1):
        progress(done / (len(names) + 1), f"reading {name}")
        if numbers := _numbers(row[name] for row in rows):
            found[name] = numbers
        print(f"{name}: {len(numbers)} numbers" if numbers else f"{name}: no numbers")
        time.sleep(0.2)
    drawn = column or next(iter(found), "")
    if drawn not in found:
        raise ValueError(f"the table has no column of numbers {drawn!r}, only {', '.join(found) or 'others'}")
    progress(1, f"drawing {drawn}")
    picture = _drawn(drawn, [row[names[0]] for row in rows], found[drawn])
    return Summary(
        rows=len(rows),
        columns=[
            Column(name=name, smallest=min(numbers), largest=max(numbers), mean=fmean(numbers))
            for name, numbers in found.items()
        ],
        plot=File.of(picture.encode(), name="plot.svg"),
    )


def _numbers(texts: Iterable[str]) -> list[float]:
    """The numbers of a column, none if anything else is in it."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return []
    return numbers if all(map(isfinite, numbers)) else []


def _drawn(title: str, labels: Sequence[str], numbers: Sequence[float]) -> str:
    """A chart as SVG: a bar for each row, a line where there are many."""
    import leather  # by this task only: the others need not wait for it

    chart = leather.Chart(title)
    if len(numbers) <= MOST_BARS and len(set(labels)) == len(labels):
        chart.add_columns(list(zip(labels, numbers, strict=True)), fill_color=COLOUR)
    else:
        points = list(enumerate(numbers, 1))[:: ceil(len(numbers) / MOST_POINTS)]
        chart.add_line(points, stroke_color=COLOUR)
    svg: str = chart.to_svg(width=640, height=320)
    return svg


def count_slowly(
    to: Annotated[int, Field(ge=1, le=1000, description="The last number.")] = 10,
    pause: Annotated[float, Field(ge=0, le=60, description="Seconds between two numbers.")] = 0.5,
) -> int:
    """Counts aloud: reports its progress, and prints each number to the job's log."""
    for number in range(1, to + 1):
        print(f"{number} of {to}")
        progress(number / to, f"counted to {number}")
        time.sleep(pause)
    return to


class Comfort(StrEnum):
    """How to travel."""

    SIMPLE = "simple"
    COSY = "cosy"
    GRAND = "grand"


class Stop(BaseModel):
    """A place to stay at."""

    city: Annotated[str, Field(min_length=1, max_length=80)]
    nights: Annotated[int, Field(ge=1, le=30)] = 1


class Plan(BaseModel):
    """What came out."""

    travellers: int
    nights: int
    route: list[str]
    leaves: date | None
    price: float


PRICES = {Comfort.SIMPLE: 40.0, Comfort.COSY: 90.0, Comfort.GRAND: 240.0}


def plan_trip(
    start: Stop,
    travellers: Annotated[int, Field(ge=1, le=9, description="How many travel together.")],
    comfort: Comfort = Comfort.COSY,
    leaves: Annotated[date | None, Field(description="The day of departure, if it is fixed.")] = None,
    further_stops: Annotated[list[Stop], Field(max_length=10)] = [],  # noqa: B006 (never changed)
) -> Plan:
    """Adds up a journey: shows choices, bounds, an optional date, a nested model and a list."""
    stops = [start, *further_stops]
    for position, stop in enumerate(stops, 1):
        print(f"Booking {stop.nights} night(s) in {stop.city}")
        progress(position / len(stops), stop.city)
        time.sleep(0.2)
    nights = sum(stop.nights for stop in stops)
    return Plan(
        travellers=travellers,
        nights=nights,
        route=[stop.city for stop in stops],
        leaves=leaves,
        price=nights * travellers * PRICES[comfort],
    )
