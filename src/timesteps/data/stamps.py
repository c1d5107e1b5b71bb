"""Time stamps of a table: the forms that are read, and the one form that a whole column has."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import NamedTuple

__all__ = ["ISO_SHAPES", "Form", "Stamp", "UnreadableError", "form_of", "parse", "parse_as"]

DAY = 86_400_000_000  # microseconds
_EPOCH = date(1970, 1, 1).toordinal()

_CLOCK = (
    r"(?:(?:[Tt]|,?\s+)(?:(?P<before>오전|오후|[AaPp][Mm])\s*)?(?P<hour>\d{1,2})"
    r"(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?(?:\s*(?P<after>[AaPp][Mm]))?"
    r"|시(?:\s*(?P<분>\d{1,2})분(?:\s*(?P<초>\d{1,2})초)?)?)"
    r"\s*(?P<zone>Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?"
)
_YEAR, _MONTH, _DAY = r"(?P<year>\d{4})", r"(?P<month>\d{1,2})", r"(?P<day>\d{1,2})"
_WORD = r"(?P<word>[A-Za-z]{3,9})\.?"

#: Forms by name. A column has one of them, and a clock and a zone at all of its stamps or at none.
_FORMS: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "date": _YEAR + r"(?P<between>\s*[-/.]\s*)" + _MONTH + r"(?P=between)" + _DAY + r"\.?" + _CLOCK,
        "Korean date": _YEAR + r"\s*년\s*" + _MONTH + r"\s*월\s*" + _DAY + r"\s*일" + _CLOCK,
        "month": _YEAR + r"\s*[-/Mm]\s*" + _MONTH,
        "Korean month": _YEAR + r"\s*년\s*" + _MONTH + r"\s*월",
        "quarter": _YEAR + r"\s*[-./]?\s*[Qq](?P<quarter>[1-4])",
        "quarter first": r"(?:[Qq](?P<quarter>[1-4])|(?P<number>[1-4])[Qq])\s*[-./]?\s*" + _YEAR,
        "Korean quarter": _YEAR + r"\s*년?\s*[./]?\s*(?P<quarter>[1-4])(?:/4)?\s*분기",
        "Korean year": _YEAR + r"\s*년",
        "day, month's name": _DAY + r"[-\s]\s*" + _WORD + r"[-\s,]\s*" + _YEAR + _CLOCK,
        "month's name, day": _WORD + r"\s+" + _DAY + r",?\s+" + _YEAR + _CLOCK,
        "month's name": _WORD + r"[-\s]\s*" + _YEAR,
        "numbers before the year": r"(?P<first>\d{1,2})(?P<between>[-/.])(?P<then>\d{1,2})(?P=between)"
        + _YEAR
        + _CLOCK,
    }.items()
}
_NAMES = "january february march april may june july august september october november december"
_MONTHS = {word: number for number, name in enumerate(_NAMES.split(), 1) for word in (name, name[:3])} | {"sept": 9}

#: What digits written as 0 leave of the stamps that numpy reads as fast as any.
ISO_SHAPES = frozenset(
    day + clock
    for day in ("0000-00-00",)
    for clock in ("", *(f"{mark}00:00{rest}" for mark in " T" for rest in ("", ":00", ":00.000", ":00.000000")))
)


class UnreadableError(ValueError):
    """A stamp of a known form that names no time, such as the 30th of February."""


class Form(NamedTuple):
    """How a stamp is written; all stamps of a column share it."""

    name: str
    clock: bool
    zone: bool


class Stamp(NamedTuple):
    """One stamp: `micros` since 1970 on its own clock, and the zone's minutes ahead of UTC.

    Of the form "numbers before the year", `micros` is the clock alone and `open` is (first, second, year).
    """

    micros: int
    offset: int | None = None
    open: tuple[int, int, int] | None = None


def form_of(stamp: str) -> tuple[Form, re.Match[str]] | None:
    """The form of a stamp, or None of what is no time.

    >>> form_of("2024년 1월 31일")[0].name, form_of("31/01/2024 10:00Z")[0], form_of("soon")
    ('Korean date', Form(name='numbers before the year', clock=True, zone=True), None)
    """
    for name, pattern in _FORMS.items():
        if found := pattern.fullmatch(stamp):
            parts = found.groupdict()
            if "word" in parts and parts["word"].lower() not in _MONTHS:
                continue
            return Form(name, parts.get("hour") is not None, parts.get("zone") is not None), found
    return None


def parse(found: re.Match[str]) -> Stamp:
    """The time that a stamp names: the first day of a month, quarter or year without one.

    Raises:
        UnreadableError: there is no such time.

    >>> parse(form_of("2024-01-31 24:00")[1]).micros == parse(form_of("2024. 2. 1.")[1]).micros
    True
    """
    part = found.groupdict()
    clock = _clock(part)
    offset = None if part.get("zone") is None else _offset(part["zone"])
    year = int(part["year"])
    if part.get("first") is not None:
        return Stamp(clock, offset, (int(part["first"]), int(part["then"]), year))
    quarter = part.get("quarter") or part.get("number")
    month = 3 * int(quarter) - 2 if quarter else _month(part)
    return Stamp(days(year, month, int(part.get("day") or 1)) * DAY + clock, offset)


def days(year: int, month: int, day: int) -> int:
    """Days from 1970 on. Raises `UnreadableError` where there is no such day."""
    try:
        return date(year, month, day).toordinal() - _EPOCH
    except ValueError as error:
        raise UnreadableError(str(error)) from error


def parse_as(stamp: str, time_format: str) -> Stamp:
    """The time that a stamp names by a format of `strptime`. Raises `UnreadableError`."""
    try:
        found = datetime.strptime(stamp, time_format)
    except ValueError as error:
        raise UnreadableError(str(error)) from error
    span = found.utcoffset()
    offset = None if span is None else round(span.total_seconds() / 60)
    plain = found.replace(tzinfo=UTC)
    whole = int(plain.replace(microsecond=0).timestamp()) * 1_000_000
    return Stamp(whole + plain.microsecond, offset)


def _month(part: dict[str, str | None]) -> int:
    word = part.get("word")
    return _MONTHS[word.lower()] if word else int(part.get("month") or 1)


def _clock(part: dict[str, str | None]) -> int:
    """Microseconds since midnight; 24:00 is the end of the day."""
    if part.get("hour") is None:
        return 0
    hour = int(part["hour"] or 0)
    minute = int(part.get("minute") or part.get("분") or 0)
    second = int(part.get("second") or part.get("초") or 0)
    half = (part.get("before") or part.get("after") or "").lower()
    if half:
        if not 1 <= hour <= 12:
            raise UnreadableError(f"hour must be in 1..12 with {half}")
        hour = hour % 12 + (12 if half in ("pm", "오후") else 0)
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and (minute or second)):
        raise UnreadableError("no such time of day")
    part_of_second = int((part.get("part") or "").ljust(6, "0")[:6])
    return ((hour * 60 + minute) * 60 + second) * 1_000_000 + part_of_second


def _offset(zone: str | None) -> int:
    """Minutes ahead of UTC."""
    if zone is None or zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    if int(digits[2:] or 0) > 59 or minutes > 15 * 60:
        raise UnreadableError(f"no such zone as {zone}")
    return minutes if zone[0] == "+" else -minutes
