"""`timesteps mix RUN RUN --tune TEXT --out RUN`: several language models as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from timesteps.cli import language
from timesteps.cli.talk import print_json


def mix(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN RUN...", help="Language models of the same units.", show_default=False),
    ],
    tune: Annotated[
        str,
        typer.Option(
            "--tune", metavar="TEXT", help="Held-out text that the weights are fitted on.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="New folder for the mixture.", show_default=False)],
    encoding: language.Encoding = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="As JSON on standard output.")] = False,
) -> None:
    """Interpolate language models, P = Σ λ P_i, with the weights under which the held-out text is most probable.

    The folder holds copies of the models, so it can be moved, and mix.json.
    """
    from timesteps.data.corpus import corpus_lines
    from timesteps.errors import UsageError
    from timesteps.runtime.language.evaluation import evaluate_text
    from timesteps.runtime.language.mixture import tune as fit
    from timesteps.runtime.language.mixture_file import flattened, write_mixture

    if len(runs) < 2:
        raise UsageError("there is one model to mix", mend="name two runs or more")
    models = [language.open_language(run) for run in runs]
    lines = list(corpus_lines(tune, encoding=encoding))
    mixture = fit(models, lines, name=tune)
    weights = mixture.weights.tolist()
    write_mixture(out, flattened(runs, weights))
    alone = [evaluate_text(model, lines, name=tune).perplexity for model in models]
    together = evaluate_text(mixture, lines, name=tune).perplexity
    if as_json:
        members = [
            {"run": run, "weight": weight, "perplexity": perplexity}
            for run, weight, perplexity in zip(runs, weights, alone, strict=True)
        ]
        print_json({"out": str(out), "tune": tune, "members": members, "perplexity": together})
        return
    for run, weight, perplexity in zip(runs, weights, alone, strict=True):
        typer.echo(f"{weight:.4f}  perplexity {perplexity:.2f}  {run}")
    typer.echo(f"mixture perplexity {together:.2f}  {out}")
