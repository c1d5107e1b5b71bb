"""`timesteps evaluate RUN DATA`: how good is the model on rows with known labels, or on a text?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timesteps.cli.talk import percent, print_json, say

if TYPE_CHECKING:
    from timesteps.runtime.session import Session


def _adapting(help: str, value: str = "") -> Any:
    return typer.Option(help=help, rich_help_panel="A recurrent language model that learns as it reads", metavar=value)


def evaluate(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or the model file in it.", show_default=False)],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="Labelled data, in any form that `train` takes; for a language model, a text.",
            show_default=False,
        ),
    ],
    text_column: Annotated[
        str | None, typer.Option("--text-column", metavar="NAME", help="Name or number of the text column.")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option("--label-column", metavar="NAME", help="Name or number of the label column.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", metavar="NAME", help="Encoding of the file. Default: UTF-8.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split", metavar="PART", help="Part of a known data set. Default: its test part, if it has one."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Of a language model: write the figures as an HTML page, too."),
    ] = None,
    cache: Annotated[bool, _adapting("Perplexity with a neural cache of what was read, too.")] = False,
    cache_size: Annotated[int | None, _adapting("Tokens in the cache. Default: 500.", "N")] = None,
    cache_flatness: Annotated[
        float | None, _adapting("How sharply it picks those like now. Default: 0.3.", "X")
    ] = None,
    cache_share: Annotated[float | None, _adapting("Its share of the probability. Default: 0.1.", "X")] = None,
    dynamic: Annotated[bool, _adapting("Perplexity under gradient descent on what was read, too.")] = False,
    dynamic_rate: Annotated[float | None, _adapting("Its learning rate. Default: 0.1.", "X")] = None,
    tune: Annotated[
        str | None, _adapting("Held-out text that chooses those three, as far as they are not given.", "TEXT")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="The figures as JSON on standard output.")
    ] = False,
) -> None:
    """Accuracy with a 95 % interval, macro-F1, log loss and the confusion matrix.

    Of a language model: perplexity with and without unknown words, bits per character, tokens; and, with --cache or
    --dynamic, what becomes of the perplexity where a recurrent model learns from the text as it reads it.
    """
    from timesteps.cli.evaluate_text import evaluate_language
    from timesteps.cli.forecasting import is_forecast_run
    from timesteps.cli.language import is_language_run
    from timesteps.errors import ModelError, UsageError, option

    if is_language_run(run):
        for name, value in (("text_column", text_column), ("label_column", label_column)):
            if value is not None:
                raise UsageError(f"{option(name)} is for tables, and {run} is a language model", mend="give a text")
        from timesteps.tasks.language.adapted import Adapting

        adapting = Adapting(
            cache=cache,
            cache_size=cache_size,
            cache_flatness=cache_flatness,
            cache_share=cache_share,
            dynamic=dynamic,
            dynamic_rate=dynamic_rate,
        )
        evaluate_language(run, data, encoding, split, report, adapting, tune, as_json)
        return
    if is_forecast_run(run):
        raise UsageError(f"{run} is a forecaster", mend="timesteps backtest judges it")
    if report is not None:
        raise UsageError(f"{option('report')} is for language models", mend="training writes a classifier's report")
    of_language = (cache or None, cache_size, cache_flatness, cache_share, dynamic or None, dynamic_rate, tune)
    names = ("cache", "cache_size", "cache_flatness", "cache_share", "dynamic", "dynamic_rate", "tune")
    for name, given in zip(names, of_language, strict=True):
        if given is not None:
            raise UsageError(f"{option(name)} is for language models", mend="leave it out")
    from timesteps.cli.fetch import fetch
    from timesteps.data.catalogue import Dataset
    from timesteps.data.source import open_source, resolve
    from timesteps.data.tables import TextTable
    from timesteps.runtime.display import printable
    from timesteps.runtime.metrics import Evaluation
    from timesteps.runtime.session import load
    from timesteps.tasks.classify.given import Table, check_width, inputs_of, open_as_trained
    from timesteps.tasks.classify.rows import check_labels

    found = resolve(data)
    if isinstance(found, Dataset):
        split = split or ("test" if "test" in found.parts else "train")
        if split != "test":
            say(f"{found.name}: judging on its part {split!r}, which the model may have been trained on")
    elif split is not None:
        raise UsageError("--split is for known data sets", path=data, mend="name the file of the part instead")
    session = load(run)
    if session.spec.task == "tag":
        _judge_tags(session, run, data, encoding, as_json)
        return
    if session.spec.task != "classify":
        raise ModelError("this model predicts numbers", path=run, mend="use Session.evaluate in Python")
    fetch(data)
    if session.spec.numeric is not None:
        table: Table = open_as_trained(
            run,
            data,
            split=split or "train",
            text_column=text_column,
            label_column=label_column,
            encoding=encoding,
        )
    else:
        table = open_source(
            data, split=split or "train", text_column=text_column, label_column=label_column, encoding=encoding
        )
    for note in table.notes:
        say(note)
    if isinstance(table, TextTable) and table.skipped:
        say(table.summary())
    check_width(table, session.spec)
    check_labels(table, session.classes)
    result = session.evaluate(inputs_of(table), table.labels or [])
    if as_json:
        skipped = dict(Counter(row.reason for row in table.skipped))
        rows = {"read": table.rows_read, "used": len(table), "left_out": skipped, "sha256": table.sha256}
        print_json({"run": run, "data": table.source, "split": split, "rows": rows, **result.to_dict()})
        return
    assert isinstance(result, Evaluation)
    low, high = result.accuracy_interval
    typer.echo(f"accuracy   {percent(result.accuracy)}  (95 % interval {percent(low)} to {percent(high)})")
    typer.echo(f"macro-F1   {result.macro_f1:.4f}")
    typer.echo(f"log loss   {result.log_loss:.4f}")
    typer.echo(f"rows       {table.rows_read:,} read, {len(table):,} judged, {len(table.skipped):,} left out")
    for line in result.matrix_text().split("\n"):
        typer.echo(printable(line))


def _judge_tags(session: Session, run: str, data: str, encoding: str | None, as_json: bool) -> None:
    """A tagger, on a file of tagged sentences."""
    from timesteps.data.conll import read_tagged
    from timesteps.runtime.display import printable
    from timesteps.runtime.metrics_steps import TagEvaluation

    given = read_tagged(data, encoding)
    result = session.evaluate(given.tokens, given.tags)
    assert isinstance(result, TagEvaluation)
    if as_json:
        print_json({"run": run, "data": data, "sha256": given.sha256, **result.to_dict()})
        return
    typer.echo(f"accuracy   {percent(result.tokens.accuracy)} of {result.tokens.n:,} tokens")
    typer.echo(f"sentences  {percent(result.sequence_accuracy)} of {result.sequences:,} as a whole")
    typer.echo(f"macro-F1   {result.tokens.macro_f1:.4f}")
    for line in result.tokens.matrix_text().split("\n"):
        typer.echo(printable(line))
