"""`timesteps train ngram CORPUS`: an n-gram language model of a text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from timesteps.cli.fetch import fetch
from timesteps.cli.talk import print_json, say


def _cutoffs(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise typer.BadParameter(f"{text!r} is no list of numbers such as 0,0,1")
    return [int(part) for part in parts]


def ngram(
    corpus: Annotated[
        str | None,
        typer.Argument(
            metavar="CORPUS",
            help="Text, a sentence a line (also .gz, .xz, .bz2); - is standard input; or the name of a known data set. "
            "None: the bundled Korean reviews.",
            show_default=False,
        ),
    ] = None,
    order: Annotated[int, typer.Option("--order", metavar="N", help="Words of the longest n-grams, up to 16.")] = 5,
    smoothing: Annotated[
        str,
        typer.Option("--smoothing", metavar="NAME", help="kneser-ney, add-k, witten-bell or stupid-backoff."),
    ] = "kneser-ney",
    k: Annotated[float | None, typer.Option("--k", metavar="X", help="Of --smoothing add-k. Default: 1.")] = None,
    cutoffs: Annotated[
        str,
        typer.Option(
            "--cutoffs",
            metavar="A,B,…",
            help="By order: leave out n-grams that occur so often or less; the last number holds for all above.",
        ),
    ] = "0",
    vocabulary: Annotated[
        int | None, typer.Option("--vocabulary", metavar="N", help="The most words, marks included. Default: all.")
    ] = None,
    min_count: Annotated[
        int, typer.Option("--min-count", metavar="N", help="Words that occur less often are <unk>.")
    ] = 1,
    units: Annotated[
        str, typer.Option("--units", metavar="KIND", help="What is counted: word, syllable, jamo, char or byte.")
    ] = "word",
    lowercase: Annotated[bool, typer.Option("--lowercase", metavar="", help="Lower case first.")] = False,
    apart: Annotated[
        bool, typer.Option("--apart", metavar="", help="Punctuation at the ends of words is units of its own.")
    ] = False,
    memory: Annotated[
        str,
        typer.Option("--memory", metavar="SIZE", help="Bound beside the words; what is more goes to files in RUN."),
    ] = "1GB",
    encoding: Annotated[
        str | None, typer.Option("--encoding", metavar="NAME", help="Encoding of the file. Default: UTF-8.")
    ] = None,
    valid: Annotated[
        str | None, typer.Option("--valid", metavar="TEXT", help="Another text to judge the model on, for the report.")
    ] = None,
    validation_split: Annotated[
        float | None,
        typer.Option(
            "--validation-split",
            metavar="X",
            help="Without it, the share of the corpus held out for that, at most 1,000 sentences. Default: 0.05.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="Folder for the run.")] = Path("run"),
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="The result as JSON on standard output.")] = False,
) -> None:
    """Estimate an n-gram language model of a text, however large, in bounded memory.

    The folder holds model.safetensors (all that score, choose, correct and generate need), report.html (perplexity
    on what is held out, by position; the most surprising words) and card.md.
    """
    from timesteps.tasks.ngram.choices import Choices
    from timesteps.tasks.ngram.run import run

    choices = Choices(
        order=order,
        smoothing=smoothing,
        k=k,
        cutoffs=_cutoffs(cutoffs),
        vocabulary=vocabulary,
        min_count=min_count,
        units=units,
        lowercase=lowercase,
        apart=apart,
        memory=memory,
    )
    choices.check()
    for source in (corpus, valid):
        fetch(source)
    result = run(corpus, choices, out, say=say, encoding=encoding, valid=valid, validation_split=validation_split)
    if as_json:
        print_json(result.to_dict())
    else:
        typer.echo(str(result))
