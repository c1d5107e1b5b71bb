"""The entries of a result file, found again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.layers.plan import ALL_REGULARISERS, regularisers
from bench.markdown import Read

Entry = dict[str, Any]


def entries(read: Read, name: str, group: str, **case: Any) -> list[Entry]:
    """Those of a group whose case has these values."""
    content = read(name)
    if content is None:
        return []
    return [each for each in content["results"] if each["group"] == group and _fits(each, case)]


def find(found: Sequence[Entry], **case: Any) -> Entry | None:
    """The entry whose case has these values, if it was measured."""
    return next((each for each in found if _fits(each, case)), None)


def _fits(entry: Entry, case: dict[str, Any]) -> bool:
    return all(entry["case"].get(key) == value for key, value in case.items())


def ratio_of(entry: Entry) -> float:
    """The other's time to ours."""
    return float(entry["measured"]["ratio"]["median"])


def times_plain(entry: Entry) -> dict[str, dict[str, float]]:
    """Regularised layers' times to the plain layer's; of all together only where that was all that there is now."""
    found: dict[str, dict[str, float]] = entry["measured"]["times_plain"]
    whole = found.keys() == regularisers(entry["case"]["cell"]).keys()
    return {name: spread for name, spread in found.items() if whole or name != ALL_REGULARISERS}


def name_of(entry: Entry) -> str:
    """'LSTM, H=64, B=32, training, 2 threads', of what the case says.

    >>> name_of({"case": {"cell": "GRU", "hidden": 8, "batch": 1, "work": "forward", "threads": 1}})
    'GRU, H=8, B=1, forward, 1 thread'
    """
    case = entry["case"]
    parts = [str(case["cell"])]
    parts += [f"{letter}={case[key]}" for key, letter in (("hidden", "H"), ("batch", "B")) if key in case]
    parts += [str(case[key]) for key in ("work", "peer") if key in case]
    if "threads" in case:
        parts.append(f"{case['threads']} thread{'s' * (case['threads'] > 1)}")
    return ", ".join(parts)
