"""A result file that grows case by case, so that a run that stops loses nothing, and each case says what gave it."""

from __future__ import annotations

import functools
import json
import os
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bench import record

Content = dict[str, Any]


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two entries are of the same case."""
    return bool(a["group"] == b["group"] and a["case"] == b["case"])


def merge(content: Content | None, entry: dict[str, Any], provenance: dict[str, Any]) -> Content:
    """The content with a new entry, {"group", "case", "measured"}: in the place of the old one of its case, else last.

    Entries point to what gave them by number; a provenance to which none points any more is dropped.

    Raises:
        ValueError: the file is of another machine.
    """
    check_machine(content, provenance)
    old = content or {"provenances": [], "results": []}
    provenances = old["provenances"] + [provenance] * (provenance not in old["provenances"])
    entry = {**entry, "provenance": provenances.index(provenance)}
    results = [entry if same(each, entry) else each for each in old["results"]]
    if entry not in results:
        results.append(entry)
    used = sorted({each["provenance"] for each in results})
    return {
        "provenances": [provenances[number] for number in used],
        "results": [{**each, "provenance": used.index(each["provenance"])} for each in results],
    }


def check_machine(content: Content | None, provenance: dict[str, Any]) -> None:
    """ValueError unless all figures of a file are of this machine: those of another do not compare."""
    for other in (content or {"provenances": []})["provenances"]:
        for part in ("processor", "cores"):
            here, there = provenance["machine"][part], other["machine"][part]
            if here != there:
                raise ValueError(f"the results are of another machine ({part} {there}, here {here}); use --to NAME")


def text(content: Content) -> str:
    """As JSON with a case a line: a new figure changes one line."""
    parts = []
    for name, rows in content.items():
        lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in rows)
        parts.append(f' "{name}": [\n{lines}\n ]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def add(name: str, group: str, case: dict[str, Any], measured: dict[str, Any], packages: tuple[str, ...] = ()) -> None:
    """Merge one case into bench/results/<name>.json, which at every moment is whole. Floats keep four digits.

    `packages` are further ones whose versions matter.
    """
    entry = {"group": group, "case": case, "measured": rounded(measured)}
    content = merge(record.read(name), entry, provenance(packages))
    path = record.RESULTS / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(text(content), "utf-8")
    beside.replace(path)


@functools.cache
def provenance(packages: tuple[str, ...] = ()) -> dict[str, Any]:
    """What measures: as it was when first asked for, whatever is committed while the process runs."""
    versions = record.versions()
    for name in packages:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return {"commit": record.commit(), "machine": record.machine(), "versions": versions}


def rounded(value: Any) -> Any:
    """Figures have no more than four digits that mean anything.

    >>> rounded({"a": [1.23456789, 3, "x"]})
    {'a': [1.235, 3, 'x']}
    """
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
