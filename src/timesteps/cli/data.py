"""`timesteps data [NAME]`: which data sets are known, and which are here?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from timesteps.cli.fetch import fetch
from timesteps.cli.talk import print_json


def data(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A data set: say all about it.", show_default=False)
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", metavar="", help="Fetch it from its official source into the cache.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="As JSON on standard output.")] = False,
) -> None:
    """Known data sets: where from, licence, size, already here?"""
    from timesteps.data.catalogue import DATASETS, known
    from timesteps.errors import UsageError

    if name is None:
        if download:
            raise UsageError("--download needs the name of a data set", mend=f"one of {', '.join(DATASETS)}")
        rows = [_facts(each) for each in DATASETS.values()]
        if as_json:
            print_json(rows)
            return
        for facts in rows:
            size = facts["download_bytes"]
            here = "here" if facts["here"] else f"not here, {size / 2**20:.0f} MiB to fetch" if size else "not here"
            typer.echo(f"{facts['name']:<18} {facts['what']} ({'; '.join((*facts['languages'], here))})")
        return
    dataset = known(name)
    if download:
        fetch(name)
    facts = _facts(dataset)
    if as_json:
        print_json(facts)
        return
    for key, value in facts.items():
        if value == []:
            continue
        shown = ", ".join(f"{part} {n:,}" for part, n in value.items()) if isinstance(value, dict) else value
        typer.echo(f"{key:<15} {', '.join(shown) if isinstance(shown, list) else shown}")


def _facts(dataset: Any) -> dict[str, Any]:
    from timesteps.data.catalogue import locate
    from timesteps.data.series_columns import described

    folder = locate(dataset.name)
    form = dataset.series
    columns = {} if form is None else {"columns": described(form.columns), "horizon": form.horizon}
    return {
        "name": dataset.name,
        "what": dataset.what,
        "languages": list(dataset.languages),
        "rows": dict(dataset.rows),
        **columns,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "from": dataset.home,
        "download_bytes": dataset.size,
        "here": None if folder is None else str(folder),
    }
