"""`timesteps generate RUN --prompt TEXT`: let a language model write."""

from __future__ import annotations

from typing import Annotated

import typer

from timesteps.cli import language
from timesteps.cli.talk import print_json, say


def generate(
    run: language.Run,
    prompt: Annotated[str, typer.Option("--prompt", metavar="TEXT", help="How the text begins.")] = "",
    length: Annotated[int, typer.Option("--length", metavar="N", help="Tokens at the most.")] = 100,
    temperature: Annotated[
        float, typer.Option("--temperature", metavar="X", help="Below 1 bolder, above 1 wilder; 0: no chance at all.")
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option("--top-k", metavar="K", help="Draw from the K most probable tokens only.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option("--top-p", metavar="P", help="Draw from the most probable tokens that reach P together."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed writes the same text.")] = 0,
    stop: Annotated[
        bool, typer.Option("--stop/--no-stop", help="Whether the end of the sentence is the end of the text.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="As JSON on standard output.")] = False,
) -> None:
    """A text, token by token, each drawn by its probability after those before it."""
    from timesteps.errors import UsageError, option
    from timesteps.runtime.language.generating import generate as write

    if seed < 0:
        raise UsageError(f"{option('seed')} is {seed}", mend="give 0 or more")
    model = language.open_language(run)
    units = zip(model.units(prompt), model.tokens(prompt), strict=True)
    unknown = list(dict.fromkeys(unit for unit, token in units if token == model.unknown))
    text = write(model, prompt, length=length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, stop=stop)
    if unknown:
        say(f"words of the prompt that the model does not know: {', '.join(unknown)}")
    if as_json:
        print_json({"run": run, "prompt": prompt, "text": text, "unknown": unknown, "seed": seed})
    else:
        typer.echo(text)
