"""Which tensors a specification calls for, and whether a specification agrees with itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from timesteps.errors import ModelError, UsageError
from timesteps.runtime.losses import Loss
from timesteps.runtime.spec import FORMAT_VERSION, ForecastSpec, LayerSpec, ModelSpec, NetworkSpec

__all__ = ["check_model", "forecast_tensors", "int8_scales", "model_tensors", "network_tensors"]

GATES = {"rnn": 1, "lstm": 4, "gru": 3, "mingru": 2, "minlstm": 3}  # row blocks of weight_ih and weight_hh
LINEAR = ("mingru", "minlstm")  # cells without a recurrent product, so without weight_hh and bias_hh

MAX_TENSORS = 65_536

_FLOAT = ("float32", "float64")
_PER_NGRAM = ("features", "ratio", "weight")
_MAX_SIZE = 2**31 - 1  # ids are int32
_MAX_LAYERS = 1000
_MAX_MEMBERS = 1000
_MAX_ORDER = 64  # of n-grams
_INT8 = 127
_MAX_TERMS = 2**16  # of a sum of products of int8, which 32 bits hold
_MAX_STEPS = 1_000_000  # of a horizon, a context, a season
_MAX_COLUMNS = 1_000_000  # of a table, series of a scale of their own
_MAX_LENGTH = 1_000_000  # a text without a mask is padded to so many steps


def network_tensors(spec: NetworkSpec) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of one network, in torch's names and layouts.

    Gates lie in torch's order (i f g o; r z n) along the rows, minGRU's as z h and minLSTM's as f i h. A learned
    initial state is (hidden_size,). A cell has both of torch's biases, or, if linear, neither weight_hh nor bias_hh.

    >>> layer = LayerSpec(cell="gru", input_size=16, hidden_size=8)
    >>> spec = NetworkSpec(input="ids", input_size=500, embedding_size=16, layers=(layer,), outputs=1)
    >>> for name, shape in network_tensors(spec).items():
    ...     print(name, shape)
    embedding.weight (500, 16)
    rnn.weight_ih_l0 (24, 16)
    rnn.weight_hh_l0 (24, 8)
    rnn.bias_ih_l0 (24,)
    rnn.bias_hh_l0 (24,)
    head.weight (1, 8)
    head.bias (1,)
    """
    shapes: dict[str, tuple[int, ...]] = {}
    if spec.input in ("ids", "bag"):
        shapes["embedding.weight"] = (spec.input_size, spec.embedding_size)
    if spec.wide:
        shapes["embedding.wide"] = (spec.input_size, spec.outputs)
    for number, layer in enumerate(spec.layers):
        for suffix in directions(layer):
            shapes |= _layer_tensors(layer, f"l{number}{suffix}")
    if spec.pool == "attention":
        shapes["attention.weight"] = (1, spec.width)
    shapes["head.weight"] = (spec.outputs, spec.width)
    shapes["head.bias"] = (spec.outputs,)
    return shapes


def directions(layer: LayerSpec) -> tuple[str, ...]:
    """Suffixes of the names of a layer's tensors, one a direction."""
    return ("", "_reverse") if layer.bidirectional else ("",)


def int8_scales(network: NetworkSpec) -> dict[str, str]:
    """The tensors that are int8, with the names of their scales, (rows,) float32; none in a network of floats.

    >>> layer = LayerSpec(cell="gru", input_size=2, hidden_size=4)
    >>> int8_scales(NetworkSpec(input="numeric", input_size=2, layers=(layer,), outputs=1, weights="int8"))
    {'rnn.weight_ih_l0': 'rnn.scale_ih_l0', 'rnn.weight_hh_l0': 'rnn.scale_hh_l0'}
    """
    if network.weights != "int8":
        return {}
    names = ["embedding.weight"] if network.embedding_size else []
    for number, layer in enumerate(network.layers):
        for way in ("", "_reverse") if layer.bidirectional else ("",):
            names += [f"rnn.weight_{side}_l{number}{way}" for side in ("ih", "hh")]
    return {name: name.replace("weight", "scale") for name in names}


def _layer_tensors(layer: LayerSpec, suffix: str) -> dict[str, tuple[int, ...]]:
    rows = GATES[layer.cell] * layer.hidden_size
    recurrent = layer.cell not in LINEAR
    shapes: dict[str, tuple[int, ...]] = {f"rnn.weight_ih_{suffix}": (rows, layer.input_size)}
    if recurrent:
        shapes[f"rnn.weight_hh_{suffix}"] = (rows, layer.hidden_size)
    shapes[f"rnn.bias_ih_{suffix}"] = (rows,)
    if recurrent:
        shapes[f"rnn.bias_hh_{suffix}"] = (rows,)
    if layer.layer_norm:
        shapes |= {f"rnn.norm_ih_{suffix}": (rows,), f"rnn.norm_hh_{suffix}": (rows,)}
    if layer.peephole:
        shapes[f"rnn.weight_ch_{suffix}"] = (3 * layer.hidden_size,)
    if layer.layer_norm and layer.cell == "lstm":
        shapes |= {f"rnn.norm_c_{suffix}": (layer.hidden_size,), f"rnn.norm_c_bias_{suffix}": (layer.hidden_size,)}
    if layer.initial_state == "learned":
        shapes[f"rnn.h0_{suffix}"] = (layer.hidden_size,)
        if layer.cell == "lstm":
            shapes[f"rnn.c0_{suffix}"] = (layer.hidden_size,)
    return shapes


def model_tensors(spec: ModelSpec) -> dict[str, tuple[tuple[str, ...], tuple[int | None, ...]]]:
    """Name, allowed dtypes and shape (None: any size) of every tensor of a model file."""
    expected: dict[str, tuple[tuple[str, ...], tuple[int | None, ...]]] = {}
    if spec.network.input == "bag":
        expected["text.features"] = (("int64",), (None,))
    if spec.text is not None and spec.text.tokenizer == "subword":
        expected["text.subword"] = (("uint8",), (None,))
    if spec.text is not None and spec.text.guide is not None:
        outputs = spec.network.outputs
        expected["guide.features"] = (("int64",), (None,))
        expected["guide.ratio"] = expected["guide.weight"] = (("float32",), (None, outputs))
        expected["guide.bias"] = (("float32",), (outputs,))
    if spec.numeric is not None:
        expected["scaler.mean"] = expected["scaler.scale"] = (("float64",), (spec.numeric.features,))
    if spec.targets is not None:
        expected["target.mean"] = expected["target.scale"] = (("float64",), (spec.targets.width,))
    if spec.forecast is not None:
        expected |= {name: (("float64",), shape) for name, shape in forecast_tensors(spec.forecast).items()}
    network: dict[str, tuple[int, ...]] = {}
    scales = int8_scales(spec.network)
    for member in range(spec.members):
        prefix = member_prefix(spec, member)
        if member in (0, spec.members - spec.unguided):  # from here on all are alike
            network = network_tensors(member_network(spec, member))
        for name, shape in network.items():
            expected[prefix + name] = (("int8",) if name in scales else _FLOAT, shape)
            if name in scales:
                expected[prefix + scales[name]] = (("float32",), shape[:1])
    return expected


def forecast_tensors(spec: ForecastSpec) -> dict[str, tuple[int, ...]]:
    """Name and shape of what stands around a forecaster's network."""
    count = len(spec.targets)
    found: dict[str, tuple[int, ...]] = {"forecast.share": (spec.horizon, count)}
    if spec.levels:
        found["forecast.lower"] = found["forecast.upper"] = (len(spec.levels), spec.horizon, count)
    if spec.scaling in ("series", "all"):
        found["forecast.centre"] = found["forecast.scale"] = (max(len(spec.series), 1), count)
    return found


def member_prefix(spec: ModelSpec, member: int) -> str:
    """What stands before the names of a member's network tensors."""
    return f"members.{member}." if spec.members > 1 else ""


def member_network(spec: ModelSpec, member: int) -> NetworkSpec:
    """The network of one member: the last `unguided` ones read no channels and, with bags, have a wide term instead."""
    network = spec.network
    if member < spec.members - spec.unguided or not network.channels:
        return network
    first, *others = network.layers
    first = msgspec.structs.replace(first, input_size=first.input_size - network.channels)
    return msgspec.structs.replace(network, channels=0, wide=network.input == "bag", layers=(first, *others))


def check_model(spec: ModelSpec, tensors: Mapping[str, NDArray[Any]]) -> None:
    """`ModelError` unless the specification is sound and the tensors are exactly those it calls for, all finite."""
    check_spec(spec)
    needed = spec.members * (len(network_tensors(spec.network)) + len(int8_scales(spec.network)))
    if needed > MAX_TENSORS:  # before millions of names are made
        raise ModelError(f"the specification calls for {needed} tensors, at most {MAX_TENSORS} are read")
    expected = model_tensors(spec)
    if missing := sorted(expected.keys() - tensors.keys()):
        raise ModelError(f"tensor {missing[0]} is missing" + _others(missing))
    if extra := sorted(tensors.keys() - expected.keys()):
        raise ModelError(f"tensor {shorten(extra[0])} does not belong to this model" + _others(extra))
    for name, (dtypes, shape) in expected.items():
        tensor = tensors[name]
        if tensor.size == 0:
            raise ModelError(f"tensor {name} is empty")
        if tensor.dtype.name not in dtypes:
            raise ModelError(f"tensor {name} is {tensor.dtype.name}, not {' or '.join(dtypes)}")
        if len(tensor.shape) != len(shape) or any(
            want not in (None, got) for want, got in zip(shape, tensor.shape, strict=True)
        ):
            wanted = str(shape).replace("None", "any")
            raise ModelError(f"tensor {name} has shape {tensor.shape}, the specification calls for {wanted}")
        if tensor.dtype.kind == "f" and not all_finite(tensor):
            raise ModelError(f"tensor {name} holds NaN or infinite numbers", mend="train the model again")
        if tensor.dtype == np.int8 and tensor.min() < -_INT8:
            raise ModelError(f"tensor {name} holds -128, int8 weights are from -127 to 127")
    if "guide.features" in expected and len({len(tensors[f"guide.{name}"]) for name in _PER_NGRAM}) > 1:
        raise ModelError("the guide's tensors do not have one row an n-gram each", mend="train the model again")
    if "forecast.share" in expected and not ((tensors["forecast.share"] >= 0) & (tensors["forecast.share"] <= 1)).all():
        raise ModelError("tensor forecast.share holds numbers that are not from 0 to 1")
    for name in ("scaler.scale", "target.scale", "forecast.scale"):
        if name in expected and not (tensors[name] > 0).all():
            raise ModelError(f"tensor {name} holds numbers that are not positive")


def all_finite(tensor: NDArray[Any]) -> bool:
    """Whether no number is NaN or infinite, without a temporary array of the tensor's size."""
    flat = tensor.reshape(-1)
    return all(bool(np.isfinite(flat[start : start + 65536]).all()) for start in range(0, len(flat), 65536))


def check_spec(spec: ModelSpec) -> None:
    """`ModelError` unless the parts of the specification agree with each other."""
    for wrong, what in _contradictions(spec):
        if wrong:
            raise ModelError(f"the specification contradicts itself: {what}")


def reads_texts(spec: ModelSpec) -> bool:
    """Whether inputs are texts, rather than token ids or numbers."""
    return spec.text is not None and spec.text.tokenizer != "ids"


def _contradictions(spec: ModelSpec) -> list[tuple[bool, str]]:
    network, layers = spec.network, spec.network.layers
    embeds = network.input in ("ids", "bag")
    sizes = [
        network.input_size,
        network.outputs,
        *(n for layer in layers for n in (layer.input_size, layer.hidden_size)),
    ]
    first = network.embedding_size + network.channels if embeds else network.input_size
    inputs = [layer.input_size for layer in layers]
    outputs = [layer.hidden_size * (2 if layer.bidirectional else 1) for layer in layers]
    text, numeric = spec.text, spec.numeric
    found = [
        (spec.version != FORMAT_VERSION, f"format version {spec.version}"),
        (not 1 <= spec.members <= _MAX_MEMBERS, f"members is {spec.members}"),
        (not 0 <= spec.unguided <= (spec.members if network.channels else 0), f"unguided is {spec.unguided}"),
        (not 1 <= len(layers) <= _MAX_LAYERS, f"{len(layers)} layers"),
        (any(not 1 <= size <= _MAX_SIZE for size in sizes), "a size is not between 1 and 2147483647"),
        (embeds != (0 < network.embedding_size <= _MAX_SIZE), f"embedding_size is {network.embedding_size}"),
        (inputs != [first, *outputs[:-1]], f"the layers' input sizes {inputs} do not follow from what is below them"),
        *(_layer_contradiction(layer) for layer in layers),
        *(_int8_contradiction(network, number) for number in range(len(layers)) if network.weights == "int8"),
        (network.channels != _channels(spec), f"{network.channels} channels, its guide"),
        (not 0 <= network.share <= 1 or (network.share > 0 and _channels(spec) == 0), f"share is {network.share}"),
        (network.wide and network.input != "bag", f"a wide term with input {network.input}"),
        *_task_contradictions(spec),
        ((network.input == "numeric") != (numeric is not None), f"input {network.input}, its numeric part"),
        ((network.input == "numeric") == (text is not None), f"input {network.input}, its text part"),
        (
            (network.input == "bag") != (text is not None and text.bag is not None),
            f"input {network.input}, its bag part",
        ),
    ]
    if numeric is not None:
        steps = 1 if numeric.steps is None else numeric.steps
        found += [
            (numeric.features != network.input_size, f"{numeric.features} features, input_size {network.input_size}"),
            (not 1 <= steps <= _MAX_SIZE, f"numeric.steps is {steps}"),
        ]
    if text is not None:
        length = 1 if text.max_length is None else text.max_length
        counts = (text.squeeze, text.head_length, text.index_from, text.num_words or 0)
        found += [
            (not 1 <= length <= _MAX_LENGTH, f"max_length is {length}"),
            (any(not 0 <= count <= _MAX_SIZE for count in counts), "a count of the text part is negative or too large"),
            (text.max_length is None and not text.mask, "mask is false without max_length"),
            (text.truncating == "middle" and text.head_length > length, "head_length is above max_length"),
            (
                text.guide is not None and (not embeds or not text.mask or text.start or not reads_texts(spec)),
                "its guide",
            ),
        ]
        pieces = text.bag is not None and text.bag.piece is not None
        cut = text.max_length is not None or not text.mask or text.start or pieces
        found.append((text.tokenizer == "tokens" and cut, "tokens are its steps as they are"))
        if text.bag is not None:
            orders = [(1, text.bag.phrase), *(family for family in (text.bag.syllable, text.bag.jamo) if family)]
            found.append((any(not 1 <= low <= high <= _MAX_ORDER for low, high in orders), f"n-grams of {orders}"))
            piece = 1 if text.bag.piece is None else text.bag.piece
            found.append((not 1 <= piece <= _MAX_SIZE, f"pieces of {piece} syllables"))
    for golden in spec.golden:
        finite = all(math.isfinite(number) for number in golden.logits)
        answers = 1 if network.pool != "none" else len(golden.input)
        if network.pool == "none" and isinstance(golden.input, str):  # how many steps, the text part knows
            answers = -(-len(golden.logits) // max(1, network.outputs))
        found.append((len(golden.logits) != answers * network.outputs or not finite, "a golden vector's logits"))
        found.append((isinstance(golden.input, str) != reads_texts(spec), "a golden vector's input"))
        if not isinstance(golden.input, str):
            width = 1 if numeric is None else numeric.features
            found.append((any(len(step) != width for step in golden.input), "the width of a golden vector's input"))
            numbers = [number for step in golden.input for number in step]
            found.append((not all(map(math.isfinite, numbers)), "a golden vector's input is not finite"))
    return found


def _task_contradictions(spec: ModelSpec) -> list[tuple[bool, str]]:
    """What the task says of pooling, outputs, classes and targets."""
    network, targets, per_step = spec.network, spec.targets, spec.network.pool == "none"
    free = spec.task in ("regress", "forecast")
    found = [
        (not free and per_step != (spec.task == "tag"), f"task {spec.task}, pool {network.pool}"),
        (per_step and (network.wide or network.share > 0), "a term of whole rows without pooling"),
        (spec.task != "classify" and spec.text is not None and spec.text.guide is not None, f"task {spec.task}, guide"),
        ((targets is not None) != free, f"task {spec.task}, its targets"),
        ((spec.forecast is not None) != (spec.task == "forecast"), f"task {spec.task}, its forecast part"),
        *([] if spec.forecast is None else _forecast_contradictions(spec, spec.forecast)),
    ]
    if targets is None:
        count = len(spec.classes)
        return [
            *found,
            (len(set(spec.classes)) != count or count < 2, "classes are fewer than two or repeat"),
            (network.outputs != count and (network.outputs, count) != (1, 2), "outputs ≠ classes"),
        ]
    try:
        loss: Loss | None = Loss(targets.loss, targets.quantiles)
    except UsageError:
        loss = None
    sound = loss is not None and not loss.is_classification
    sizes = len(targets.shape) <= 2 and all(1 <= size <= _MAX_SIZE for size in targets.shape)
    return [
        *found,
        (bool(spec.classes), "numbers with classes"),
        (not sound, f"targets of the loss {targets.loss}"),
        (not sizes, f"targets of shape {targets.shape}"),
        (loss is not None and network.outputs != loss.outputs(targets.size), f"{network.outputs} outputs, its targets"),
    ]


def _forecast_contradictions(spec: ModelSpec, forecast: ForecastSpec) -> list[tuple[bool, str]]:
    """What the forecast part says of itself and of the network."""
    direct, width = forecast.model == "direct", forecast.width
    shape = (forecast.horizon, width) if direct else (width,)
    count, covariates = len(forecast.targets), len(forecast.past) + len(forecast.future)
    sizes = (forecast.horizon, forecast.context, forecast.segment, forecast.season, forecast.every)
    counts = (count, covariates, len(forecast.static), len(forecast.levels), len(forecast.series))
    numbers = (*forecast.means, *forecast.rates)
    lengths = (covariates, count + covariates) if forecast.missing else (0, 0)
    levels = (0.0, *forecast.levels, 100.0)
    named = forecast.scaling == "series"
    features = 1 if spec.numeric is None else spec.numeric.features
    return [
        (spec.numeric is None or features < width, "a forecast of other input than numbers"),
        (any(layer.bidirectional for layer in spec.network.layers) and not direct, "a stepped forecast from both ends"),
        ((spec.network.pool == "none") == direct, f"a {forecast.model} forecast, pool {spec.network.pool}"),
        (spec.targets is not None and spec.targets.shape != shape, f"targets of a forecast of shape {shape}"),
        (any(not 1 <= size <= _MAX_STEPS for size in sizes), "a size of the forecast part"),
        (forecast.segment < 1 or forecast.context % forecast.segment != 0, f"segments of {forecast.segment} steps"),
        (any(size > _MAX_COLUMNS for size in counts) or not count, "columns of the forecast part"),
        (len(forecast.vocabularies) != len(forecast.static), "vocabularies of the static columns"),
        ((len(forecast.means), len(forecast.rates)) != lengths, "what missing numbers decay to"),
        (not all(map(math.isfinite, numbers)) or any(rate <= 0 for rate in forecast.rates), "a rate of decay"),
        (any(low >= high for low, high in pairwise(levels)), f"levels {forecast.levels}"),
        (named != bool(forecast.series), "the names of its series"),
        (len(set(forecast.series)) != len(forecast.series), "two series of one name"),
    ]


def _layer_contradiction(layer: LayerSpec) -> tuple[bool, str]:
    rates = layer.zoneout, layer.zoneout_cell
    if any(not 0 <= rate <= 1 for rate in rates):
        return True, f"zoneout is {rates[0]}, zoneout_cell {rates[1]}"
    if layer.cell in LINEAR and layer.layer_norm:
        return True, f"a {layer.cell} with layer_norm"
    return layer.cell != "lstm" and (layer.peephole or rates[1] > 0), f"a {layer.cell} with peephole or zoneout_cell"


def _int8_contradiction(network: NetworkSpec, number: int) -> tuple[bool, str]:
    layer = network.layers[number]
    if layer.cell in LINEAR or layer.layer_norm or layer.peephole or layer.zoneout or layer.zoneout_cell:
        return True, "int8 weights of a cell that is no plain rnn, lstm or gru"
    read = 0 if number == 0 and network.input == "one_hot" else layer.input_size
    return max(read, layer.hidden_size) > _MAX_TERMS, "int8 sums too long"


def _channels(spec: ModelSpec) -> int:
    guide = None if spec.text is None else spec.text.guide
    if guide is None:
        return 0
    return guide.longest * spec.network.outputs if 1 <= guide.longest <= _MAX_ORDER else -1


def shorten(value: object, limit: int = 60) -> str:
    """A value from an untrusted file in at most `limit` printable ASCII characters."""
    text = value.encode("unicode_escape").decode() if isinstance(value, str) else ascii(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _others(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
