"""`timesteps train tag`: from tagged sentences to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from timesteps.cli import options
from timesteps.cli.talk import flag, print_json, say


def train_tag(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A token and its tag a line, a blank line between sentences; - is standard input."
        ),
    ],
    valid: options.Valid = None,
    validation_split: Annotated[
        float | None,
        typer.Option("--validation-split", metavar="X", help="Share held out without --valid. Default: 0.1."),
    ] = None,
    encoding: options.Encoding = None,
    input: Annotated[
        Literal["bag", "ids"] | None, typer.Option("--input", metavar="NAME", help="A token's vector: bag, ids.")
    ] = None,
    lowercase: options.Lowercase = None,
    min_count: options.MinCount = None,
    embedding_size: options.EmbeddingSize = None,
    cell: options.Cell = None,
    hidden_size: options.HiddenSize = None,
    num_layers: options.NumLayers = None,
    bidirectional: options.Bidirectional = None,
    chrono: options.Chrono = None,
    dropout: options.Dropout = None,
    input_dropout: options.InputDropout = None,
    recurrent_dropout: options.RecurrentDropout = None,
    feature_dropout: options.FeatureDropout = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    optimizer: options.Optimizer = None,
    learning_rate: options.LearningRate = None,
    table_learning_rate: options.TableLearningRate = None,
    schedule: options.Schedule = None,
    clip_norm: options.ClipNorm = None,
    nonfinite: options.Nonfinite = None,
    engine: options.Engine = None,
    seed: options.Seed = None,
    threads: options.Threads = None,
    out: options.Out = Path("run"),
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Train a tagger, judge it beside the most frequent tag of each token, and leave model and log in a run folder."""
    from timesteps.tasks.tag.run import rehearse_tagger, run_tagger

    own = {"data", "valid", "validation_split", "encoding", "seed", "out", "dry_run", "as_json"}
    chosen = {name: value for name, value in context.params.items() if name not in own and value is not None}
    given = {name: None if value == "none" else value for name, value in chosen.items()}
    if seed is not None:
        given["random_state"] = seed
    if dry_run:
        found = rehearse_tagger(data, given, valid=valid, validation_split=validation_split, encoding=encoding, say=say)
        if as_json:
            print_json(found.to_dict())
        else:
            typer.echo(found.text(flag))
        return
    result = run_tagger(
        data,
        out,
        given,
        valid=valid,
        validation_split=validation_split,
        encoding=encoding,
        say=say,
        verbose=not as_json,
    )
    if as_json:
        print_json(result.to_dict())
    else:
        typer.echo(str(result))
