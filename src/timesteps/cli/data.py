"""`timesteps data [NAME]`: which data sets are known, and which are here?"""

from __future__ import annotations

from typing import Annotated

import typer

from timesteps.cli.talk import print_json, say


def data(
    name: Annotated[str | None, typer.Argument(help="A data set: say all about it.", show_default=False)] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch it from its official source into the cache.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on standard output.")] = False,
) -> None:
    """Known data sets: where from, licence, size, already here?"""
