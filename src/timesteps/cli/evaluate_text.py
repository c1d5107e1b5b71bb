"""`timesteps evaluate RUN TEXT` where RUN is a language model: how well does it predict a text?"""

from __future__ import annotations

from pathlib import Path

import typer

from timesteps.cli import language
from timesteps.cli.talk import print_json, say


def evaluate_language(
    run: str, text: str, encoding: str | None, split: str | None, report: Path | None, as_json: bool
) -> None:
    """Perplexity with and without unknown words, bits per character, perplexity by position, surprises."""
    from timesteps.cli.fetch import fetch
    from timesteps.data.corpus import corpus_lines, corpus_name
    from timesteps.runtime.display import printable
    from timesteps.runtime.language.evaluation import evaluate_text

    model = language.open_language(run)
    fetch(text)
    lines = corpus_lines(text, split=split or "train", encoding=encoding)
    found = evaluate_text(model, lines, name=corpus_name(text))
    for unit in found.impossible:
        say(f"{unit!r} is impossible for this model, so the perplexity is infinite")
    if report is not None:
        from timesteps.training.report_language import LanguageReport, write_language_report

        facts = [("run", run), ("vocabulary", f"{len(model.words):,} tokens")]
        write_language_report(report, LanguageReport(run, corpus_name(text), found, facts))
        say(f"wrote {report}")
    if as_json:
        print_json({"run": run, "text": corpus_name(text), **found.to_dict()})
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
