"""`timesteps evaluate RUN TEXT` where RUN is a language model: how well does it predict a text?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from timesteps.cli import language
from timesteps.cli.talk import print_json, say

if TYPE_CHECKING:
    from timesteps.runtime.language.model import LanguageModel
    from timesteps.runtime.language.recurrent import RecurrentModel
    from timesteps.tasks.language.adapted import Adapting


def evaluate_language(
    run: str,
    text: str,
    encoding: str | None,
    split: str | None,
    report: Path | None,
    adapting: Adapting,
    tune: str | None,
    as_json: bool,
) -> None:
    """Perplexity with and without unknown words, bits per character, perplexity by position, surprises."""
    from timesteps.cli.fetch import fetch
    from timesteps.data.corpus import corpus_lines, corpus_name
    from timesteps.errors import UsageError, option
    from timesteps.runtime.display import printable
    from timesteps.runtime.language.evaluation import evaluate_text
    from timesteps.tasks.language.adapted import evaluate_adapted

    if tune is not None and not adapting:
        raise UsageError(f"{option('tune')} is for {option('cache')} and {option('dynamic')}", mend="give one of them")
    model = language.open_language(run)
    fetch(text)
    lines = corpus_lines(text, split=split or "train", encoding=encoding)
    if adapting:
        recurrent = _recurrent(model, run, adapting)
        lines = iter(read := list(lines))  # they are read twice
    found = evaluate_text(model, lines, name=corpus_name(text))
    for unit in found.impossible:
        say(f"{unit!r} is impossible for this model, so the perplexity is infinite")
    if report is not None:
        from timesteps.training.report_language import LanguageReport, write_language_report

        facts = [("run", run), ("vocabulary", f"{len(model.words):,} tokens")]
        write_language_report(report, LanguageReport(run, corpus_name(text), found, facts))
        say(f"wrote {report}")
    adapted = []
    if adapting:
        fetch(tune)
        held = None if tune is None else corpus_lines(tune, encoding=encoding)
        adapted = evaluate_adapted(recurrent, read, adapting, held)
    if as_json:
        running = {"running": {each.way: each.to_dict() for each in adapted}} if adapted else {}
        print_json({"run": run, "text": corpus_name(text), **found.to_dict(), **running})
        return
    typer.echo(f"perplexity           {found.perplexity:.2f}  per token, ends of sentences and unknown words included")
    typer.echo(f"  known words only   {found.perplexity_known:.2f}")
    typer.echo(f"  per word           {found.word_perplexity:.2f}")
    typer.echo(f"bits per character   {found.bits_per_character:.4f}")
    share = found.unknown / found.tokens
    typer.echo(
        f"tokens               {found.tokens:,} in {found.lines:,} lines, {found.unknown:,} unknown ({share:.2%})"
    )
    typer.echo("most surprising      " + printable(", ".join(each.unit for each in found.surprises[:10])))
    if adapted:
        typer.echo("read as one text, each line after those before it:")
    for each in adapted:
        numbers = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in each.numbers.items())
        typer.echo(f"  {_WAYS[each.way]:18} {each.perplexity:.2f}" + (f"  ({numbers})" if numbers else ""))


_WAYS = {"plain": "the model alone", "cache": "with a cache", "dynamic": "learning as it goes"}


def _recurrent(model: LanguageModel, run: str, adapting: Adapting) -> RecurrentModel:
    from timesteps.errors import UsageError, option
    from timesteps.runtime.language.recurrent import RecurrentModel

    if not isinstance(model, RecurrentModel):
        asked = option("cache") if adapting.cache else option("dynamic")
        raise UsageError(f"{asked} is for recurrent models, and {run} is another", mend="leave it out")
    return model
