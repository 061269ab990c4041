"""The tasks of the story, and two that show what a task can do."""

from __future__ import annotations

import os
import random
import time
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field

from coatcheck import progress

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
