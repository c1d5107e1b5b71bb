"""`timesteps diagnose RUN [DATA]`, `timesteps diagnose --cell NAME [DATA]`: can this network learn from these rows?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timesteps.cli import options
from timesteps.cli.talk import print_json, say

if TYPE_CHECKING:
    from timesteps.inspect.diagnose import Diagnosis
    from timesteps.runtime.spec import ModelSpec

_MOST_LINES = 50_000


def diagnose(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN", help="Run folder, or the model file in it; none with --cell.", show_default=False
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="What the model reads: a table or file of texts, of tagged sentences, a text; with --cell, a table of "
            "series. None: the rows that the model file keeps, or random numbers.",
            show_default=False,
        ),
    ] = None,
    cell: options.Cell = None,
    input_size: Annotated[
        int | None, typer.Option("--input-size", metavar="N", help="With --cell: numbers a step. Default: the data's.")
    ] = None,
    hidden_size: options.HiddenSize = None,
    num_layers: options.NumLayers = None,
    bidirectional: options.Bidirectional = None,
    nonlinearity: options.Nonlinearity = None,
    reset_after: options.ResetAfter = None,
    chrono: options.Chrono = None,
    layer_norm: options.LayerNorm = None,
    peephole: options.Peephole = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    encoding: options.Encoding = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="PART", help="Part of a known data set. Default: train.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="NAME", help="With --cell: a column of the series; again for more."),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", metavar="NAME", help="This layer only, such as l0 or 'l0 reverse'; again for more."),
    ] = None,
    rows: Annotated[int, typer.Option("--rows", metavar="N", help="Rows to look at, at most.")] = 64,
    lags: Annotated[int, typer.Option("--lags", metavar="N", help="Steps to look back, at most.")] = 200,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write an HTML page with the plots, too.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Gradient flow, stuck gates, dead units, input scale and padding, and the option that mends what is wrong.

    The norm of the gradient that arrives k steps back, layer by layer, is exact and computed in double precision.
    """
    from timesteps.cli import fetch
    from timesteps.errors import UsageError, option

    where = data or run if cell is not None else data
    options_of_layer = {
        "hidden_size": hidden_size, "bidirectional": bidirectional, "nonlinearity": nonlinearity,
        "reset_after": reset_after, "layer_norm": layer_norm, "peephole": peephole, "chrono": chrono,
    }  # fmt: skip
    chosen = {name: value for name, value in options_of_layer.items() if value is not None}
    if cell is None:
        if run is None:
            raise UsageError(f"neither a run nor {option('cell')}", mend="give one of them")
        given = {**chosen, "num_layers": num_layers, "input_size": input_size, "target": target}
        for name, value in given.items():
            if value is not None:
                raise UsageError(f"{option(name)} is for {option('cell')}, and {run} has its own", mend="leave it out")
        from timesteps.inspect.diagnose import diagnose as examine

        if where is not None:
            fetch.fetch(where)
        given_rows = None if where is None else _rows(run, where, text_column, label_column, encoding, split)
        found = examine(run, given_rows, name=where or "", rows=rows, lags=lags, layers=layer or ())
    else:
        if data is not None:
            raise UsageError(f"{run} and {option('cell')} were both given", mend="give one of them, and the data")
        found = _untrained(cell, chosen, num_layers or 1, input_size, where, target, encoding, rows, lags, layer or ())
    _tell(found, out, as_json)


def _tell(found: Diagnosis, out: Path | None, as_json: bool) -> None:
    from timesteps.cli.talk import flag

    if out is not None:
        from timesteps.inspect.diagnose import write_page

        write_page(out, found, flag)
        say(f"wrote {out}")
    if as_json:
        print_json(found.to_dict())
    else:
        typer.echo(found.text(flag))


def _rows(
    run: str, data: str, text_column: str | None, label_column: str | None, encoding: str | None, split: str | None
) -> list[Any]:
    """The rows of a file, as the model of a run reads them. `DataError` for data of another task."""
    from timesteps.cli.language import is_language_run
    from timesteps.errors import ModelError

    if is_language_run(run):
        from timesteps.data.corpus import corpus_lines

        lines = corpus_lines(data, split=split or "train", encoding=encoding)
        return [line for _, line in islice(lines, _MOST_LINES)]
    from timesteps.data.source import open_source
    from timesteps.runtime.session import load

    spec = load(run).spec
    if spec.text is not None and spec.text.tokenizer == "tokens":
        from timesteps.data.conll import read_tagged

        return list(read_tagged(data, encoding).tokens)
    if spec.numeric is not None and spec.task == "classify":
        return _sequences(run, data, encoding, spec)
    if spec.text is None or spec.text.tokenizer == "ids":
        raise ModelError("this model reads numbers", path=run, mend="use timesteps.inspect.diagnose in Python")
    table = open_source(
        data, split=split or "train", labelled=None, text_column=text_column, label_column=label_column,
        encoding=encoding,
    )  # fmt: skip
    return list(table.texts)


def _sequences(run: str, data: str, encoding: str | None, spec: ModelSpec) -> list[Any]:
    """Sequences of numbers, in the columns that the run was trained on."""
    import msgspec

    from timesteps.tasks.classify.given import check_width, inputs_of, open_rows, request_of
    from timesteps.tasks.classify.request import Request

    request = request_of(run) or Request()
    table = open_rows(msgspec.structs.replace(request, encoding=encoding or request.encoding), data, labelled=False)
    check_width(table, spec)
    return inputs_of(table)


def _untrained(
    cell: str,
    chosen: dict[str, Any],
    num_layers: int,
    input_size: int | None,
    data: str | None,
    target: list[str] | None,
    encoding: str | None,
    rows: int,
    lags: int,
    only: Sequence[str],
) -> Diagnosis:
    """Layers that nobody has trained, on a table of series or random numbers."""
    from timesteps.errors import UsageError, option
    from timesteps.inspect.diagnose import diagnose as examine
    from timesteps.tasks.classify.options import Options

    series = None if data is None else _series(data, target, encoding)
    size = 1 if input_size is None else input_size
    if series is not None:
        size = series[0].shape[1]
        if input_size not in (None, size):
            raise UsageError(f"{option('input_size', input_size)}, but {data} has {size} numbers a step")
    chosen = {"hidden_size": 64, "num_layers": num_layers, "input": "numeric", "embedding_size": 0, **chosen}
    wanted = Options().but(cell=cell, **chosen)
    layers = wanted.network_spec(size, 1).layers
    return examine(layers, series, name=data or "", rows=rows, lags=lags, chrono=wanted.chrono, layers=only)


def _series(data: str, target: list[str] | None, encoding: str | None) -> list[Any]:
    """Sequences, or the series of a table, (T, I) each: all numbers of a step. `DataError` where one is missing."""
    import numpy as np

    from timesteps.data.sequences import is_sequences, read_sequences
    from timesteps.data.series import read_series
    from timesteps.errors import DataError
    from timesteps.runtime.series.series import Columns

    if is_sequences(data) and not target:
        return list(read_sequences(data, labelled=False, encoding=encoding).rows)
    found = read_series(data, Columns(targets=tuple(target)) if target else None, encoding=encoding)
    rows = []
    for number, series in enumerate(found):
        values = np.concatenate([series.targets, series.past, series.future], axis=1)[: series.known]
        missing = np.argwhere(np.isnan(values))
        if len(missing):
            where = found.where(number, int(missing[0][0]))
            raise DataError("a number is missing", **where, mend="fill the gaps first")
        rows.append(values)
    return rows
