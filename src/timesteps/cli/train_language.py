"""`timesteps train language CORPUS`: a recurrent language model and its run folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from timesteps.cli import options
from timesteps.cli.fetch import fetch
from timesteps.cli.talk import flag, print_json, say

if TYPE_CHECKING:
    from timesteps.tasks.language.run import LanguageRequest

_MODEL, _REG, _FIT = "Model", "Regularisation", "Training"


def _option(panel: str, help: str, value: str = "", *names: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False, metavar=value)


Corpus = Annotated[
    str | None,
    typer.Argument(
        metavar="CORPUS",
        help="A text, one sentence a line (also .gz, .xz, .bz2), -, or the name of a known data set. None: the bundled "
        "Korean reviews.",
        show_default=False,
    ),
]
Recipe = Annotated[
    Literal["small", "medium", "awd", "char"] | None,
    _option(_MODEL, "Where all options start from: small, medium, awd, char. Default: small.", "NAME"),
]
Unit = Annotated[
    Literal["word", "syllable", "jamo", "char", "byte", "subword"] | None,
    _option(_MODEL, "Units: word, syllable, jamo, char, byte, subword.", "NAME"),
]
Share = Annotated[
    float | None, _option("Data", "Share of the text's end held out when there is no --valid. Default: 0.05.", "X")
]


def train_language(
    context: typer.Context,
    corpus: Corpus = None,
    valid: options.Valid = None,
    validation_split: Share = None,
    encoding: options.Encoding = None,
    baseline: Annotated[bool, _option("Data", "Estimate a 5-gram model of the same text, too.")] = True,
    recipe: Recipe = None,
    units: Unit = None,
    lowercase: Annotated[bool | None, _option(_MODEL, "Lower case first, or letters as they are.")] = None,
    apart: Annotated[bool | None, _option(_MODEL, "Punctuation of words is words of its own.", "", "--apart")] = None,
    vocabulary: Annotated[int | None, _option(_MODEL, "The most tokens, marks included.", "N")] = None,
    min_count: Annotated[int | None, _option(_MODEL, "Rarer units are unknown.", "N")] = None,
    cell: Annotated[Literal["rnn", "lstm", "gru"] | None, _option(_MODEL, "Cell: rnn, lstm, gru.", "NAME")] = None,
    embedding_size: options.EmbeddingSize = None,
    hidden_size: Annotated[int | None, _option(_MODEL, "Hidden units of a layer.", "N")] = None,
    num_layers: options.NumLayers = None,
    tied: Annotated[
        bool | None, _option(_MODEL, "The softmax's weights are the embedding, or their own.", "", "--tied/--untied")
    ] = None,
    word_dropout: Annotated[float | None, _option(_REG, "Of whole words from the embedding.", "X")] = None,
    input_dropout: Annotated[float | None, _option(_REG, "Of the embedded words.", "X")] = None,
    dropout: Annotated[float | None, _option(_REG, "Between layers.", "X")] = None,
    output_dropout: Annotated[float | None, _option(_REG, "Of what the softmax reads.", "X")] = None,
    weight_drop: options.WeightDrop = None,
    locked: Annotated[
        bool | None, _option(_REG, "One dropout mask for all steps, or one each.", "", "--locked/--unlocked")
    ] = None,
    activation: Annotated[float | None, _option(_REG, "AR: weight of the outputs' squares.", "X")] = None,
    slowness: Annotated[float | None, _option(_REG, "TAR: weight of the squares of their changes.", "X")] = None,
    weight_decay: Annotated[float | None, _option(_REG, "Of the weights.", "X")] = None,
    epochs: Annotated[int | None, _option(_FIT, "Times through the text.", "N")] = None,
    batch_size: Annotated[int | None, _option(_FIT, "Streams read side by side.", "N")] = None,
    bptt: Annotated[int | None, _option(_FIT, "Tokens of a stream in a step.", "N")] = None,
    variable: Annotated[
        bool | None, _option(_FIT, "Draw the length of each step, or keep it.", "", "--variable/--fixed")
    ] = None,
    optimizer: options.Optimizer = None,
    learning_rate: options.LearningRate = None,
    schedule: options.Schedule = None,
    warmup: options.Warmup = None,
    decay: Annotated[float | None, _option(_FIT, "Factor on the rate, epoch by epoch behind --hold.", "X")] = None,
    hold: Annotated[int | None, _option(_FIT, "Epochs at the full rate.", "N")] = None,
    clip_norm: Annotated[float | None, _option(_FIT, "Largest norm of the gradient.", "X")] = None,
    ema: options.Ema = None,
    samples: Annotated[int | None, _option(_FIT, "Classes of a sampled softmax. 0: all.", "N")] = None,
    patience: Annotated[
        int | None, _option(_FIT, "Epochs without a lower validation loss before it stops.", "N")
    ] = None,
    nonfinite: options.Nonfinite = None,
    seed: options.Seed = None,
    engine: options.Engine = None,
    out: options.Out = Path("run"),
    threads: Annotated[int | None, _option("Run", "CPU threads. Default: all.", "N")] = None,
    resume: options.Resume = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Train a recurrent language model: perplexity on what is held out, and a run folder.

    The folder holds model.safetensors (all that `score`, `generate` and `evaluate` need), report.html, card.md,
    log.jsonl and figures.json. Options that are left away are the recipe's.
    """
    from timesteps.tasks.language.run import LanguageRequest, run
    from timesteps.training.progress import quiet, terminal

    given = {name: value for name, value in context.params.items() if value is not None}
    of_text = ("corpus", "valid", "validation_split", "encoding", "baseline", "recipe")
    data = {name: given[name] for name in of_text if name in given}
    choices = {
        name: value
        for name, value in given.items()
        if name not in (*data, "out", "threads", "resume", "dry_run", "as_json")
    }
    request = LanguageRequest(**data, choices=choices)
    for source in () if resume else (corpus, valid):
        fetch(source)
    if dry_run:
        _plan(request, resume, threads, as_json)
        return
    try:
        progress = quiet() if as_json else terminal()
        result = run(request, out, resume=resume, threads=threads, say=say, progress=progress)
    except KeyboardInterrupt as stop:
        if not (out / "request.json").exists():
            raise KeyboardInterrupt("nothing was written") from stop
        command = f"timesteps train language --resume --out {shlex.quote(str(out))}"
        raise KeyboardInterrupt(f"the epochs that are done are kept; go on with: {command}") from stop
    if as_json:
        print_json(result.figures | {"folder": str(out)})
    else:
        typer.echo(result.card, nl=False)


def _plan(request: LanguageRequest, resume: bool, threads: int | None, as_json: bool) -> None:
    from timesteps.errors import UsageError
    from timesteps.tasks.language.plan import rehearse_language

    if resume:
        raise UsageError("--dry-run and --resume were both given", mend="choose one")
    found = rehearse_language(request, threads=threads, say=say)
    if as_json:
        print_json(found.to_dict())
    else:
        typer.echo(found.text(flag))
