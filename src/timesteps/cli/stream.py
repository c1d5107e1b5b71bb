"""`timesteps stream RUN [FILE|-]`: a line in, a line out, and the state goes on from line to line."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from timesteps.cli.arriving import arriving
from timesteps.cli.talk import answers


def stream(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or the model file in it.", show_default=False)],
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="One step a line: the columns of a CSV without a header, token ids, or a text, whose words are "
            "further steps; - is standard input.",
        ),
    ] = "-",
    reset_on_blank: Annotated[
        bool,
        typer.Option(
            "--reset-on-blank", metavar="", help="A blank line begins a new sequence, and a blank line comes out."
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="One JSON object a line, with every class.")
    ] = False,
    encoding: Annotated[
        str | None, typer.Option("--encoding", metavar="NAME", help="Encoding of the file. Default: UTF-8.")
    ] = None,
) -> None:
    """Answer while a sequence goes on: for each line `label <tab> probability`, as of now."""
    from timesteps.data.lines import LineReader
    from timesteps.errors import DataError, ModelError
    from timesteps.runtime.lines import step_line
    from timesteps.runtime.metrics import probabilities
    from timesteps.runtime.session import load

    session = load(run)
    if session.spec.task == "regress":
        raise ModelError("this model predicts numbers", path=run, mend="use timesteps.load in Python")
    try:
        going = session.stream()
    except ModelError as error:
        raise ModelError(error.what, path=run, mend=error.mend) from error
    lines = LineReader(file, encoding, max_bytes=None)
    say = answers(session.classes, as_json)
    for batch in arriving(lines):
        try:
            for number, line in batch:
                if reset_on_blank and not line.strip():
                    going.reset()
                    print()
                    continue
                try:
                    logits = step_line(going, line)
                except DataError as error:
                    raise DataError(error.what, path=lines.name, line=number, mend=error.mend) from error
                print(say(probabilities(logits.astype(float)[None])[0]))
        finally:
            sys.stdout.flush()  # the answers before a faulty line, too
