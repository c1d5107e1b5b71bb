"""Which columns of a table of series are meant: by name or number, or by the usual names where nobody says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from timesteps.errors import DataError, option
from timesteps.runtime.series.series import Columns

__all__ = [
    "Chooser",
    "Completing",
    "choose",
    "described",
    "names_in",
    "numbers_of",
    "place_of",
    "resolved",
    "separated",
]


Chooser = Callable[[Sequence[str], Callable[[int], bool]], Columns]
"""Says which columns are meant, from the names of all and whether the one at a place holds numbers."""


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


_TIME = _words(
    "date time datetime timestamp ds day month quarter year period week 날짜 일자 일시 시간 시각 연월 년월 기간 연도 "
    "년도 날짜시간 측정일시 기준일 기준일자 기준년월"
)
_GROUP = _words(
    "series_id series unique_id id item_id group ticker symbol code country city store sensor station 종목 종목코드 "
    "지역 시도"
)
_TARGET = _words("target y value values close price sales demand count 값 종가 가격 판매량 수요")


def numbers_of(columns: Columns) -> list[str]:
    """The columns that hold numbers.

    >>> numbers_of(Columns(("price",), "date", past=("rate",)))
    ['price', 'rate']
    """
    return [*columns.targets, *columns.past, *columns.future]


def resolved(columns: Columns, names: Sequence[str], path: str) -> tuple[Columns, dict[str, int]]:
    """The columns under their names in the table, and the place of each.

    Errors: `DataError` for a column that is not there, one that is there twice, and one with two tasks.
    """
    places: dict[str, int] = {}

    def find(wanted: str, what: str) -> str:
        place = place_of(wanted, names, path, what)
        name = names[place].strip()
        if name in places:
            raise DataError(
                f"column {name!r} cannot be {what} and something else at once", path=path, mend=names_in(names)
            )
        places[name] = place
        return name

    return Columns(
        targets=tuple(find(each, "target") for each in columns.targets),
        time=None if columns.time is None else find(columns.time, "time"),
        group=None if columns.group is None else find(columns.group, "group"),
        past=tuple(find(each, "past") for each in columns.past),
        future=tuple(find(each, "future") for each in columns.future),
        static=tuple(find(each, "static") for each in columns.static),
    ), places


def choose(
    columns: Columns | Chooser | None, names: Sequence[str], numeric: Callable[[int], bool], path: str, notes: list[str]
) -> tuple[Columns, dict[str, int]]:
    """The columns, and the place of each; None tells them from their names, which is noted. Errors: `DataError`."""
    if columns is None:
        columns = _guessed(names, numeric, path)
        notes.append(f"columns by their names: {described(columns)}")
    elif callable(columns):
        columns = columns(names, numeric)
    if not columns.targets:
        raise DataError("no column to forecast is named", path=path, mend=f"give {option('target')}")
    return resolved(columns, names, path)


def _guessed(names: Sequence[str], numeric: Callable[[int], bool], path: str) -> Columns:
    """The target may also be the only column of numbers that is left."""
    plain = [name.strip().casefold().replace(" ", "_") for name in names]
    time = _only([i for i, name in enumerate(plain) if name in _TIME])
    group = _only([i for i, name in enumerate(plain) if name in _GROUP])
    rest = [i for i in range(len(names)) if i not in (time, group)]
    target = _only([i for i in rest if plain[i] in _TARGET and numeric(i)])
    if target is None:
        target = _only([i for i in rest if numeric(i)])
    if target is None:
        raise DataError("which column is forecast?", path=path, mend=f"give {option('target')} ({names_in(names)})")
    name = [each.strip() for each in names]
    return Columns((name[target],), None if time is None else name[time], None if group is None else name[group])


@dataclass(frozen=True)
class Completing:
    """A `Chooser`: the columns that were named, and for times that nobody named the column that is called like them."""

    columns: Columns
    path: str
    notes: list[str]

    def __call__(self, names: Sequence[str], numeric: Callable[[int], bool]) -> Columns:
        """Of a table with these columns."""
        columns = self.columns
        if columns.time is not None:
            return columns
        named = [*numbers_of(columns), *columns.static, *([] if columns.group is None else [columns.group])]
        used = {place_of(each, names, self.path, "named") for each in named}
        plain = [name.strip().casefold().replace(" ", "_") for name in names]
        time = _only([place for place, name in enumerate(plain) if name in _TIME and place not in used])
        if time is None:
            return columns
        name = names[time].strip()
        self.notes.append(f"times: column {name}, by its name")
        return replace(columns, time=name)


def described(columns: Columns) -> str:
    """In a line.

    >>> described(Columns(("price",), "date", "city"))
    'target: price, time: date, group: city'
    """
    parts = [f"target: {', '.join(columns.targets)}"]
    parts += [f"{name}: {value}" for name in ("time", "group") if (value := getattr(columns, name)) is not None]
    parts += [
        f"{name}: {', '.join(value)}" for name in ("past", "future", "static") if (value := getattr(columns, name))
    ]
    return ", ".join(parts)


def separated(columns: Columns) -> Columns:
    """What the columns are called when each target has become a series of its own."""
    return replace(columns, targets=("value",), group="series")


def _only(found: list[int]) -> int | None:
    return found[0] if len(found) == 1 else None


def place_of(wanted: str, names: Sequence[str], path: str, what: str) -> int:
    """The place of a column, by name or by number from 1. Errors: `DataError` that lists the columns."""
    word, there = wanted.strip(), [name.strip() for name in names]
    if there.count(word) > 1:
        raise DataError(f"two columns are named {word!r}", path=path, mend="rename one of them")
    if word in there:
        return there.index(word)
    if word.isascii() and word.isdigit() and 1 <= int(word) <= len(names):
        return int(word) - 1
    raise DataError(f"there is no column {word!r} ({what})", path=path, mend=names_in(names))


def names_in(names: Sequence[str]) -> str:
    """The columns there are, for an error."""
    shown = ", ".join(name.strip() or "(no name)" for name in names[:20])
    return f"the columns: {shown}{', …' if len(names) > 20 else ''}"
