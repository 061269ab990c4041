"""When a periodic task runs, in words where they are short: ``every day at 03:00``."""

from __future__ import annotations

import re

from coatcheck.schedule import Schedule

UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
WORKDAYS = ("1-5", "MON-FRI")
ORDINALS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
NUMBER = re.compile(r"\d{1,2}")
STEP = re.compile(r"\*/(\d{1,2})")


def words(schedule: Schedule) -> str:
    """The schedule in words, or its expression where these would be no easier to read."""
    if schedule.every is not None:
        return _every(schedule.every)
    cron = str(schedule.cron)
    minute, hour, day, month, weekday = cron.split()
    found = None
    if (day, month, weekday) == ("*", "*", "*"):
        found = _through_the_day(minute, hour)
    if found is None and NUMBER.fullmatch(minute) and NUMBER.fullmatch(hour) and month == "*":
        days = _days(day, weekday)
        found = days and f"{days} at {int(hour):02}:{int(minute):02}"
    return found or cron


def _every(seconds: int) -> str:
    size, unit = next((size, unit) for size, unit in UNITS if seconds % size == 0)
    return _count(seconds // size, unit)


def _count(number: int, unit: str) -> str:
    return f"every {unit}" if number == 1 else f"every {number} {unit}s"


def _through_the_day(minute: str, hour: str) -> str | None:
    """What runs several times a day, at even distances."""
    if hour == "*" and (step := _step(minute, 60)):
        return _count(step, "minute")
    if NUMBER.fullmatch(minute) and (step := _step(hour, 24)):
        return _count(step, "hour") + (f" at :{int(minute):02}" if int(minute) else "")
    return None


def _step(field: str, whole: int) -> int | None:
    """The step of ``*/5``, or of ``*``; None where it leaves a shorter one at the end."""
    match = STEP.fullmatch(field)
    step = int(match[1]) if match else 1 if field == "*" else 0
    return step if step and whole % step == 0 else None


def _days(day: str, weekday: str) -> str | None:
    if day == weekday == "*":
        return "every day"
    if day == "*":
        return "Monday to Friday" if weekday.upper() in WORKDAYS else _weekday(weekday)
    if weekday != "*":
        return None
    if day == "L":
        return "on the last day of each month"
    return f"on the {int(day)}{ORDINALS.get(int(day), 'th')} of each month" if day.isdecimal() else None


def _weekday(field: str) -> str | None:
    if NUMBER.fullmatch(field):
        return f"every {WEEKDAYS[int(field) % 7]}"
    return next((f"every {name}" for name in WEEKDAYS if name[:3].upper() == field.upper()), None)
