"""`timesteps choose RUN [FILE|-]`: which of several sentences is the most probable?"""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from timesteps.cli import language


def choose(
    run: language.Run,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Hypotheses, tabs between them; - is standard input.")
    ] = "-",
    context: Annotated[
        str, typer.Option("--context", metavar="TEXT", help="What stands before every hypothesis.")
    ] = "",
    per_token: Annotated[
        bool, typer.Option("--per-token", metavar="", help="Compare means over the tokens, not sums.")
    ] = False,
    as_json: language.JsonLines = False,
    encoding: language.Encoding = None,
) -> None:
    """For each line of hypotheses, tabs between them: `number of the best, from 0 <tab> log10 of each`."""
    from timesteps.runtime.language.choosing import choose as judge

    model = language.open_language(run)
    for batch in language.sentences(file, encoding):
        try:
            for number, line in batch:
                with language.of_line(file, number):
                    found = judge(model, line.split("\t"), context, per_token=per_token)
                if as_json:
                    print(json.dumps(found.to_dict(), ensure_ascii=False))
                else:
                    print("\t".join([str(found.best), *(f"{value:.4f}" for value in found.values)]))
        finally:
            sys.stdout.flush()
