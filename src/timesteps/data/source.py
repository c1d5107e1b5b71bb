"""`DATA` as a user gives it: a path, `-`, the name of a known data set, or nothing for the bundled sample."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from timesteps.data.catalogue import DATASETS, Dataset, Stored, known, locate, parts_in
from timesteps.data.download import Progress, check_recorded, download
from timesteps.data.streams import is_stdin
from timesteps.data.tables import TextTable, read_texts
from timesteps.errors import DataError, UsageError


def resolve(source: str | PathLike[str] | None) -> Path | Dataset:
    """What the source means. The name of a known data set wins over a file of that name; `./nsmc` is the file.

    >>> resolve(None).name, resolve("imdb").name, resolve("reviews.csv").name
    ('sample', 'imdb', 'reviews.csv')
    """
    if source is None:
        return DATASETS["sample"]
    return DATASETS.get(source, Path(source)) if isinstance(source, str) else Path(source)


def open_source(
    source: str | PathLike[str] | None,
    *,
    split: str = "train",
    progress: Progress | None = None,
    labelled: bool | None = True,
    **options: Any,
) -> TextTable:
    """Reads whatever `source` means; a known data set that is not here is downloaded first.

    `split` is the part of a known data set; `options` are those of `read_texts`. Errors: those of `read_texts` and of
    `load`.

    >>> len(open_source(None))
    4000
    """
    found = resolve(source)
    if isinstance(found, Dataset):
        table = load(found.name, split, progress=progress, labelled=labelled, **options)
        if source is not None and Path(source).exists():
            table.notes.insert(0, f"{source}: the known data set; ./{source} would be the file or folder of that name")
        return table
    if not is_stdin(found) and not found.exists():
        raise DataError(
            "no such file or folder, and no known data set of that name",
            path=found,
            mend=f"check the name; known data sets: {', '.join(DATASETS)}",
        )
    return read_texts(found, labelled=labelled, **options)


def load(
    name: str,
    split: str = "train",
    *,
    fetch: bool = True,
    progress: Progress | None = None,
    labelled: bool | None = True,
    **options: Any,
) -> TextTable:
    """A part of a known data set: "train", "test" or "unsup" (without labels), from `locate`, otherwise downloaded.

    Errors: `UsageError` for an unknown name or part; `DataError` where the part is not among those that are here, where
    it changed since it was downloaded, and where nothing is here and it cannot be (with `fetch=False` must not be)
    downloaded.

    >>> load("sample").labels[:3]
    ['1', '0', '0']
    """
    if known(name).kind != "texts":
        what, verb = (
            ("time series", "forecast") if known(name).kind == "series" else ("sequences of numbers", "classify")
        )
        raise DataError(f"{name} holds {what}, not texts", mend=f"use it with `timesteps train {verb} {name}`")
    path, form = stored(name, split, fetch=fetch, progress=progress)
    chosen = {key: value for key, value in options.items() if value is not None}
    for key, column in (("text_column", form.text_column), ("label_column", form.label_column)):
        if column is not None:
            chosen.setdefault(key, column)
    table = read_texts(path, labelled=False if split == "unsup" else labelled, **chosen)
    check_recorded(path, table.sha256)
    table = replace(table, source=name)  # results name the set, not where it lies on this machine
    if form.note:
        table.notes.append(form.note)
    return table


def stored(
    name: str, split: str = "train", *, fetch: bool = True, progress: Progress | None = None
) -> tuple[Path, Stored]:
    """Where a part of a known data set lies, and how; downloaded where it has to be. Errors: those of `load`.

    >>> stored("stocks")[0].name
    'stocks_pd_AAPL_IBM_2000_2013.csv.gz'
    """
    dataset = known(name)
    if split not in dataset.parts:
        raise UsageError(f"{name} has no part {split!r}", mend=f"it has {', '.join(dataset.parts)}")
    folder = locate(name)
    if folder is None:
        if not fetch:
            raise DataError(
                f"{name} is not here", mend=f"fetch it with `timesteps data {name} --download`, or set TIMESTEPS_DATA"
            )
        folder = download(name, progress)
    here = parts_in(dataset, folder)
    if split not in here:
        raise DataError(
            f"{name} has only {', '.join(here)} here, not {split}",
            path=folder,
            mend=f"add the part from {dataset.home}, or unset TIMESTEPS_DATA to fetch the official data set",
        )
    return folder / here[split].path, here[split]
