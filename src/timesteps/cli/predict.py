"""`timesteps predict RUN [FILE|-]`: a line in, a line out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timesteps.cli import forecasting
from timesteps.cli.arriving import arriving
from timesteps.cli.talk import answers

if TYPE_CHECKING:
    from timesteps.runtime.session import Session


def _series(help: str, value: str, flag: str) -> Any:
    return typer.Option(flag, help=help, rich_help_panel="Of a forecaster", show_default=False, metavar=value)


def predict(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or the model file in it.", show_default=False)],
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="One text a line, or a table of series; - is standard input.")
    ] = "-",
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="One JSON object a line, with every class.")
    ] = False,
    encoding: Annotated[
        str | None, typer.Option("--encoding", metavar="NAME", help="Encoding of the file. Default: UTF-8.")
    ] = None,
    horizon: Annotated[int | None, _series("Steps to forecast. Default: those of training.", "N", "--horizon")] = None,
    levels: Annotated[
        str | None, _series("Intervals, in percent; none. Default: those of training.", "80,95", "--levels")
    ] = None,
    plot: Annotated[Path | None, _series("Draw the forecasts, too: .png, .svg or .pdf.", "FILE", "--plot")] = None,
    separate: forecasting.Separate = None,
    target: forecasting.Target = None,
    missing_values: forecasting.Missing = None,
    time_format: forecasting.TimeFormat = None,
    thousands: forecasting.Thousands = None,
    decimal: forecasting.Decimal = None,
    sort: forecasting.Sort = None,
) -> None:
    """Classify texts: for each line of the input, a line `label <tab> probability`.

    A classifier of sequences of numbers reads a file of the form that it was trained on, with or without labels; it
    writes `sequence <tab> label <tab> probability`.

    A tagger reads a token a line (columns behind it are not read), and a blank line behind each sentence; it writes
    `token <tab> tag`. A forecaster reads series and writes CSV: time, series, target, mean, lower and upper ends.
    """
    from timesteps.cli.predict_forecast import predict_series
    from timesteps.data.lines import iter_lines
    from timesteps.errors import ModelError, UsageError, option
    from timesteps.runtime.session import load

    given = forecasting.reading(separate, missing_values, time_format, thousands, decimal, sort, None)
    series = {"horizon": horizon, "levels": levels, "plot": plot, "target": target, **given}
    if forecasting.is_forecast_run(run):
        given |= {} if encoding is None else {"encoding": encoding}
        chosen = forecasting.percentages(levels)
        predict_series(
            run, file, horizon=horizon, levels=chosen, plot=plot, as_json=as_json, target=target, given=given
        )
        return
    if named := [name for name, value in series.items() if value is not None]:
        raise UsageError(f"{option(named[0])} is for forecasters, and {run} is none", mend="leave it out")
    session = load(run)
    if session.spec.task == "tag" and session.spec.text is not None and session.spec.text.tokenizer == "tokens":
        _tag(session, file, encoding, as_json)
        return
    if session.spec.task == "classify" and session.spec.numeric is not None:
        _sequences(session, run, file, encoding, as_json)
        return
    if session.spec.task != "classify" or session.spec.text is None or session.spec.text.tokenizer == "ids":
        raise ModelError("this model reads numbers, not lines of text", path=run, mend="use timesteps.load in Python")
    say = answers(session.classes, as_json)
    for batch in arriving(text for _, text in iter_lines(file, encoding=encoding)):
        for row in session.predict_proba(batch):
            print(say(row))
        sys.stdout.flush()


def _sequences(session: Session, run: str, file: str, encoding: str | None, as_json: bool) -> None:
    """Sequences of numbers, in the columns that the run was trained on."""
    from timesteps.cli.talk import say as tell
    from timesteps.data.sequence_table import SequenceTable
    from timesteps.runtime.display import printable
    from timesteps.tasks.classify.given import check_width, inputs_of, open_as_trained

    table = open_as_trained(run, file, labelled=False, encoding=encoding)
    assert isinstance(table, SequenceTable)
    check_width(table, session.spec)
    for note in table.notes:
        tell(note)
    answer = answers(session.classes, as_json)
    for name, row in zip(table.names, session.predict_proba(inputs_of(table)), strict=True):
        said = answer(row)
        print(
            json.dumps({"sequence": name, **json.loads(said)}, ensure_ascii=False)
            if as_json
            else f"{printable(name)}\t{said}"
        )


def _tag(session: Session, file: str, encoding: str | None, as_json: bool) -> None:
    """Sentences as they arrive, each answered whole."""
    from timesteps.data.conll import sentences
    from timesteps.data.lines import iter_lines
    from timesteps.runtime.display import printable

    rows = ([columns[0] for _, columns in found] for found in sentences(iter_lines(file, encoding=encoding)))
    for batch in arriving(rows):
        for tokens, tags in zip(batch, session.predict(batch), strict=True):
            if as_json:
                print(json.dumps({"tokens": tokens, "tags": tags}, ensure_ascii=False))
            else:
                print("".join(f"{printable(a)}\t{printable(str(b))}\n" for a, b in zip(tokens, tags, strict=True)))
        sys.stdout.flush()
