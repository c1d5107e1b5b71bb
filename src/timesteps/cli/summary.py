"""`timesteps summary RUN`, `timesteps summary --cell NAME`: layers, parameters, what a step costs, what runs it."""

from __future__ import annotations

from typing import Annotated

import typer

from timesteps.cli import options
from timesteps.cli.info import describe
from timesteps.cli.talk import print_json


def summary(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN", help="Run folder, or the model file in it; none with --cell.", show_default=False
        ),
    ] = None,
    cell: options.Cell = None,
    input_size: Annotated[
        int | None, typer.Option("--input-size", metavar="N", help="With --cell: numbers a step. Default: 1.")
    ] = None,
    num_words: Annotated[
        int | None, typer.Option("--num-words", metavar="N", help="With --cell: an embedding of so many words first.")
    ] = None,
    embedding_size: options.EmbeddingSize = None,
    hidden_size: options.HiddenSize = None,
    num_layers: options.NumLayers = None,
    bidirectional: options.Bidirectional = None,
    nonlinearity: options.Nonlinearity = None,
    reset_after: options.ResetAfter = None,
    layer_norm: options.LayerNorm = None,
    peephole: options.Peephole = None,
    pool: options.Pool = None,
    as_json: options.AsJson = False,
) -> None:
    """Layers with output shapes, and parameters as Keras and as torch count them; FLOPs, weights and state of a step.

    Also whether the model streams, and which implementation runs its layers here, and why not a faster one.
    """
    from timesteps.errors import UsageError, option

    layer = {
        "hidden_size": hidden_size, "num_layers": num_layers, "bidirectional": bidirectional, "pool": pool,
        "nonlinearity": nonlinearity, "reset_after": reset_after, "layer_norm": layer_norm, "peephole": peephole,
        "embedding_size": embedding_size,
    }  # fmt: skip
    chosen = {name: value for name, value in layer.items() if value is not None}
    sizes = {name: value for name, value in {"input_size": input_size, "num_words": num_words}.items() if value}
    if cell is not None and run is not None:
        raise UsageError(f"{run} and {option('cell')} were both given", mend="give one of them")
    if cell is None:
        if run is None:
            raise UsageError(f"neither a run nor {option('cell')}", mend="give one of them")
        for name in (*chosen, *sizes):
            raise UsageError(f"{option(name)} is for {option('cell')}, and {run} has its own", mend="leave it out")
        describe(run, as_json, lambda found: found.full())
        return
    if len(sizes) > 1:
        raise UsageError(f"{option('input_size')} and {option('num_words')} were both given", mend="give one of them")
    from timesteps.runtime.summary import summary as summarise
    from timesteps.tasks.classify.options import Options

    kind = {"input": "ids"} if num_words else {"input": "numeric", "embedding_size": 0}
    network = Options().but(cell=cell, **{**kind, **chosen}).network_spec(num_words or input_size or 1, 2)
    found = summarise(network)
    if as_json:
        print_json(found.to_dict())
    else:
        typer.echo(found.full())
