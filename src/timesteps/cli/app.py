"""The verbs of the command line, in the order a user meets them."""

from __future__ import annotations

from typing import Annotated

import typer

from timesteps.cli import (
    backtest,
    bench,
    choose,
    correct,
    data,
    diagnose,
    evaluate,
    explain,
    exporting,
    generate,
    importing,
    info,
    lab,
    mix,
    predict,
    score,
    stream,
    summary,
    train,
    verify,
)
from timesteps.version import __version__

app = typer.Typer(
    name="timesteps",
    help="Recurrent sequence models: train on your data, judge honestly, run anywhere.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"timesteps {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Print the version and leave."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", metavar="", help="On an error, show the traceback.")] = False,
) -> None:
    """Options of every verb."""


app.add_typer(train.app, name="train")
app.command("evaluate")(evaluate.evaluate)
app.command("predict")(predict.predict)
app.command("backtest")(backtest.backtest)
app.command("stream")(stream.stream)
app.command("score")(score.score)
app.command("choose")(choose.choose)
app.command("correct")(correct.correct)
app.command("generate")(generate.generate)
app.command("mix")(mix.mix)
app.command("info")(info.info)
app.command("summary")(summary.summary)
app.command("diagnose")(diagnose.diagnose)
app.command("explain")(explain.explain)
app.command("lab", context_settings={"ignore_unknown_options": True})(lab.lab)  # an input may begin with -1
app.command("explain")(explain.explain)
app.command("lab", context_settings={"ignore_unknown_options": True})(lab.lab)  # an input may begin with -1
app.command("verify")(verify.verify)
app.command("export")(exporting.export)
app.command("import")(importing.import_)
app.command("data")(data.data)
app.command("bench")(bench.bench)
