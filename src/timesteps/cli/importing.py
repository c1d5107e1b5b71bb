"""`timesteps import FILE --from … --out RUN`: another library's model as one of ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from timesteps.cli.talk import print_json, say

if TYPE_CHECKING:
    from timesteps.interchange.arpa_in import ImportedNgram
    from timesteps.interchange.imported import Imported


def import_(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help=".safetensors, .pt, .keras, .weights.h5, .onnx, .arpa or .gz.", show_default=False
        ),
    ],
    library: Annotated[
        str, typer.Option("--from", metavar="LIBRARY", help="torch, keras, onnx or arpa.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder for the run.", show_default=False)],
    classes: Annotated[
        str | None,
        typer.Option("--classes", metavar="A,B,…", help="Labels in the order of the outputs. Default: 0, 1, …"),
    ] = None,
    pool: Annotated[
        Literal["last", "mean", "max", "mean+max"] | None,
        typer.Option("--pool", metavar="NAME", help="For weights alone, which do not say: last, mean, max, mean+max."),
    ] = None,
    nonlinearity: Annotated[
        Literal["tanh", "relu"] | None,
        typer.Option("--nonlinearity", metavar="NAME", help="For an RNN in a state dict: tanh, relu."),
    ] = None,
    units: Annotated[
        str | None,
        typer.Option("--units", metavar="KIND", help="What the words of an ARPA file are. Default: word."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="What was found, as JSON on standard output.")
    ] = False,
) -> None:
    """Make a run folder of another library's model, and measure how far they differ.

    Both run on random inputs; nothing is written if they differ by more than 1e-5.
    The model has an embedding or reads numbers; RNN, LSTM or GRU layers; and one
    dense layer, whose outputs are the classes. No code in the file is ever run.
    """
    from timesteps import interchange
    from timesteps.errors import UsageError

    if library not in interchange.SOURCES:
        raise UsageError(f"--from is {library!r}", mend=f"give one of {', '.join(interchange.SOURCES)}")
    told: dict[str, Any] = {"pool": pool, "nonlinearity": nonlinearity}
    told = {name: value for name, value in told.items() if value is not None}
    if (library == "onnx" and told) or (library == "keras" and nonlinearity):
        raise UsageError(f"--{next(iter(told))} is not for --from {library}", mend="leave it out: the file says it")
    if library == "arpa":
        told |= {} if classes is None else {"classes": classes}
    if (library == "arpa" and told) or (library != "arpa" and units):
        raise UsageError(f"--{next(iter(told), 'units')} is not for --from {library}", mend="leave it out")
    if library == "arpa":
        _finish(interchange.from_arpa(file, units=units or "word"), out, as_json)
        return
    labels = None if classes is None else [label.strip() for label in classes.split(",")]
    _finish(getattr(interchange, interchange.SOURCES[library])(file, classes=labels, **told), out, as_json)


def _finish(imported: Imported | ImportedNgram, out: Path, as_json: bool) -> None:
    folder = imported.save(out)
    for note in imported.notes:
        say(note)
    say(str(imported.check))
    if as_json:
        print_json({"folder": str(folder), **imported.to_dict()})
    else:
        typer.echo(f"{folder}")
