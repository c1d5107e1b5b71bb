"""`.keras` and `.weights.h5` files: a strict zip, strict JSON, and HDF5 read in a process of its own."""

from __future__ import annotations

import re
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from timesteps.errors import ModelError
from timesteps.interchange.files import MAX_JSON, check_entries, check_file, parse_json, shown
from timesteps.interchange.keras_graph import read_config
from timesteps.interchange.keras_layers import CELLS, KerasLayer
from timesteps.interchange.tensors import read_hdf5
from timesteps.runtime.layout import GATES
from timesteps.runtime.spec import PoolName

__all__ = ["EXTRA", "read_archive", "read_weights"]

Array = NDArray[Any]
EXTRA = "timesteps.json"  # what `to_keras` adds: how the file was checked
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_ENTRIES = {"metadata.json", _CONFIG, _WEIGHTS, EXTRA}
_TRIES = 10_000
_SKIPPED = re.compile(r"optimizer/.*|.*/seed_generator/.*")
_PLACE = re.compile(r"layers/([a-z0-9_]+)/(?:(forward_layer|backward_layer)/)?(?:cell/)?vars/(\d{1,3})")


def read_archive(path: Path) -> list[KerasLayer]:
    """The layers of a `.keras` file, with their weights.

    Raises:
        ModelError: an entry, a name in the configuration or a dataset that is not expected.
    """
    size = check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            check_entries(archive, size, compressed=True)
            if extra := sorted(set(archive.namelist()) - _ENTRIES):
                raise ModelError(f"has the entry {shown(extra[0])}, which no plain model has")
            if missing := [name for name in (_CONFIG, _WEIGHTS) if name not in archive.namelist()]:
                raise ModelError(f"has no entry {missing[0]}: it is no file that Keras 3 wrote")
            if archive.getinfo(_CONFIG).file_size > MAX_JSON:
                raise ModelError(f"its configuration has more than {MAX_JSON:,} bytes")
            layers = read_config(parse_json(archive.read(_CONFIG), _CONFIG))
            with tempfile.TemporaryDirectory() as folder:
                inner = Path(folder) / _WEIGHTS
                with archive.open(_WEIGHTS) as source, inner.open("wb") as out:
                    while part := source.read(2**20):
                        out.write(part)
                arrays = read_hdf5(inner, path)
        return _with_weights(layers, arrays)
    except ModelError as error:
        raise error if error.path else ModelError(error.what, path=path, mend=error.mend) from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError) as error:
        raise ModelError(f"is no sound zip file: {shown(str(error), 100)}", path=path) from error


def _places(arrays: dict[str, Array]) -> dict[str, list[Array]]:
    """The weights of each layer by its place in the file, as `get_weights()` lists them."""
    found: dict[str, dict[tuple[bool, int], Array]] = {}
    for name, array in arrays.items():
        if _SKIPPED.fullmatch(name):
            continue
        match = _PLACE.fullmatch(name)
        if match is None:
            raise ModelError(f"the dataset {shown(name)} belongs to no layer that can be converted")
        found.setdefault(match[1], {})[match[2] == "backward_layer", int(match[3])] = array
    return {place: [parts[key] for key in sorted(parts)] for place, parts in found.items()}


def _with_weights(layers: list[KerasLayer], arrays: dict[str, Array]) -> list[KerasLayer]:
    places = _places(arrays)
    counts: dict[str, int] = {}
    complete = []
    for layer in layers:
        base = "bidirectional" if layer.options.get("bidirectional") else _snake(layer.kind)
        number = counts.get(base, 0)
        counts[base] = number + 1
        weights = places.pop(f"{base}_{number}" if number else base, [])
        complete.append(replace(layer, weights=tuple(weights)))
    if places:
        raise ModelError(f"the weights of {shown(min(places))} belong to no layer of the configuration")
    return complete


def _snake(kind: str) -> str:
    """The name of a class in Keras' files: SimpleRNN is simple_rnn."""
    spaced = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", kind)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", spaced).lower()


def read_weights(path: Path, pool: PoolName | None) -> list[KerasLayer]:
    """The layers of a `.weights.h5` file, by the names and shapes in it; activations are taken to be Keras' defaults.

    Raises:
        ModelError: layers that cannot be put in order by their sizes, or others than can be converted.
    """
    try:
        return _inferred(_places(read_hdf5(path, path)), pool)
    except ModelError as error:
        raise error if error.path else ModelError(error.what, path=path, mend=error.mend) from error


def _inferred(places: dict[str, list[Array]], pool: PoolName | None) -> list[KerasLayer]:
    recurrent: list[KerasLayer] = []
    layers: list[KerasLayer] = []
    dense: list[KerasLayer] = []
    for place, weights in places.items():
        base = re.sub(r"_\d+$", "", place)
        if not weights or (weights[0].ndim != 2 and base != "normalization"):
            raise ModelError(f"the weights of {shown(place)} belong to no layer that can be converted")
        if base == "normalization":
            layers.insert(0, KerasLayer("Normalization", place, {}, tuple(weights)))
        elif base == "embedding":
            sizes = dict(zip(("input_dim", "output_dim"), weights[0].shape, strict=True))
            layers.append(KerasLayer("Embedding", place, {**sizes, "mask_zero": False}, tuple(weights)))
        elif base == "dense":
            options = {"units": weights[0].shape[1], "activation": "linear", "use_bias": len(weights) == 2}
            dense.append(KerasLayer("Dense", place, options, tuple(weights)))
        elif base in ("bidirectional", *map(_snake, CELLS)):
            recurrent.append(_guessed(place, base, weights))
        else:
            raise ModelError(f"the weights of {shown(place)} belong to no layer that can be converted")
    if not recurrent or len(dense) != 1:
        raise ModelError(f"has {len(recurrent)} recurrent and {len(dense)} dense layers, where one or more and one go")
    width = layers[-1].weights[0].shape[1] if layers and layers[-1].kind == "Embedding" else None
    stack = _ordered(recurrent, width, dense[0].weights[0].shape[0])
    out = _width(stack[-1])
    pool = pool or ("mean+max" if dense[0].weights[0].shape[0] == 2 * out else "last")
    pools = {"mean": "GlobalAveragePooling1D", "max": "GlobalMaxPooling1D", "mean+max": "MeanMax"}
    for number, layer in enumerate(stack):
        layer.options["return_sequences"] = number < len(stack) - 1 or pool != "last"
    pooling = [KerasLayer(pools[pool], "pool")] if pool in pools else []
    return [*layers, *stack, *pooling, *dense]


def _guessed(place: str, base: str, weights: list[Array]) -> KerasLayer:
    """A recurrent layer: how many gates it has says which; a bias of two rows says how a GRU resets."""
    both = base == "bidirectional"
    per, odd = divmod(len(weights), 2 if both else 1)
    if odd or per not in (2, 3) or weights[1].ndim != 2 or not weights[1].shape[0]:
        raise ModelError(f"{shown(place)} has {len(weights)} weights, as no recurrent layer has")
    hidden, columns = weights[1].shape
    kinds = {GATES[cell] * hidden: kind for kind, cell in CELLS.items()}
    if columns not in kinds or (not both and _snake(kinds[columns]) != base):
        raise ModelError(f"{shown(place)} has a recurrent kernel of shape {weights[1].shape}")
    options: dict[str, Any] = {"units": hidden, "use_bias": per == 3, "bidirectional": both}
    if kinds[columns] == "GRU":
        options["reset_after"] = per == 2 or weights[2].ndim == 2
    return KerasLayer(kinds[columns], place, options, tuple(weights))


def _width(layer: KerasLayer) -> int:
    return int(layer.options["units"]) * (2 if layer.options["bidirectional"] else 1)


def _ordered(layers: list[KerasLayer], width: int | None, features: int) -> list[KerasLayer]:
    """The order in which every layer reads what the one below it gives; it must be the only one.

    Layers of one class are in their order in the file already: `lstm`, `lstm_1`, ….
    """
    queues: dict[str, list[KerasLayer]] = {}
    for layer in sorted(layers, key=lambda each: (len(each.name), each.name)):
        queues.setdefault(re.sub(r"_\d+$", "", layer.name), []).append(layer)
    possible: list[list[KerasLayer]] = []
    waiting: list[tuple[list[KerasLayer], int | None]] = [([], width)]
    tries = 0
    while waiting and len(possible) < 2:
        done, given = waiting.pop()
        tries += 1
        if tries > _TRIES:
            raise ModelError(f"has {len(layers)} recurrent layers, too many to find their order")
        if len(done) == len(layers):
            possible += [done] if features in (_width(done[-1]), 2 * _width(done[-1])) else []
            continue
        for queue in queues.values():
            following = next((layer for layer in queue if not any(layer is each for each in done)), None)
            if following is not None and given in (None, following.weights[0].shape[0]):
                waiting.append(([*done, following], _width(following)))
    if len(possible) != 1:
        what = "in more than one order" if possible else "in no order"
        raise ModelError(f"its recurrent layers fit each other {what}", mend="convert the .keras file")
    return possible[0]
