"""`timesteps predict RUN [FILE|-]`: a line in, a line out."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from timesteps.cli.arriving import arriving
from timesteps.cli.talk import answers


def predict(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or the model file in it.", show_default=False)],
    file: Annotated[str, typer.Argument(metavar="FILE", help="One text a line; - is standard input.")] = "-",
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="One JSON object a line, with every class.")
    ] = False,
    encoding: Annotated[
        str | None, typer.Option("--encoding", metavar="NAME", help="Encoding of the file. Default: UTF-8.")
    ] = None,
) -> None:
    """Classify texts: for each line of the input, a line `label <tab> probability`."""
    from timesteps.data.lines import iter_lines
    from timesteps.errors import ModelError
    from timesteps.runtime.session import load

    session = load(run)
    if session.spec.text is None or session.spec.text.tokenizer == "ids":
        raise ModelError("this model reads numbers, not lines of text", path=run, mend="use timesteps.load in Python")
    say = answers(session.classes, as_json)
    for batch in arriving(text for _, text in iter_lines(file, encoding=encoding)):
        for row in session.predict_proba(batch):
            print(say(row))
        sys.stdout.flush()
