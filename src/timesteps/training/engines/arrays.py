"""Networks and examples as the compiled core takes them: checked once, then by address."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from timesteps.errors import DataError, UsageError
from timesteps.runtime import native
from timesteps.runtime.layout import GATES
from timesteps.runtime.native_scan import equation
from timesteps.runtime.regularization import Regularization
from timesteps.runtime.spec import InputKind, LossName, NetworkSpec, PoolName
from timesteps.training.engines.moments import Moments
from timesteps.training.examples import Examples
from timesteps.training.settings import OptimizerName, Settings

__all__ = ["NativeExamples", "native_network"]

_INPUTS: tuple[InputKind, ...] = ("ids", "one_hot", "numeric", "bag")  # Input in native/training/network.h
_POOLS: tuple[PoolName, ...] = get_args(PoolName)  # Pool, likewise
_LOSSES: tuple[LossName, ...] = get_args(LossName)  # LossKind in native/training/number_loss.h
_METHODS: tuple[OptimizerName, ...] = get_args(OptimizerName)  # Method in native/training/optimizer.h


class NativeExamples:
    """Examples whose arrays the core reads where they lie; they are kept alive here.

    Args:
        examples: rows of the kind that the network reads.
        spec: the network's.

    Raises:
        UsageError: rows of another kind or width.
        DataError: an id outside the network's input.
    """

    def __init__(self, examples: Examples, spec: NetworkSpec) -> None:
        core = native.core
        assert core is not None
        rows = examples.sequences
        numeric, bags = spec.input == "numeric", rows.bags
        width = (spec.input_size,) if numeric else ()
        if rows.values.shape[1:] != width or (rows.values.dtype.kind == "f") != numeric:
            raise UsageError(f"steps of shape {rows.values.shape[1:]} for a network of {spec.input}")
        if (bags is None) == (spec.input == "bag"):
            raise UsageError(f"a network of {spec.input} and rows {'without' if bags is None else 'with'} bags")
        if not numeric:
            _check_ids(rows.values, spec.input_size if bags is None else len(bags))
        for part in (bags, rows.phrases):
            if part is not None:
                _check_ids(part.ids, spec.input_size)
        if spec.channels and (rows.channels is None or rows.channels.shape[1] != spec.channels):
            raise UsageError("the batch has no channels", mend="encode the rows with the model's guide")
        if spec.share and rows.linear is None:
            raise UsageError("the batch has no linear logits", mend="encode the rows with the model's guide")
        if examples.per_step != (spec.pool == "none"):
            what = "steps" if examples.per_step else "rows"
            mend = 'give targets of steps to a network with pool="none", and of rows to the others'
            raise UsageError(f"targets of {what} for a network with pool={spec.pool!r}", mend=mend)
        wanted = examples.targets.ndim == 2
        self.examples = examples
        self._kept = [
            None if numeric else _as(rows.values, np.int32),
            _as(rows.values, np.float32) if numeric else None,
            _as(rows.offsets, np.int64),
            None if bags is None else _as(bags.ids, np.int32),
            None if bags is None else _as(bags.offsets, np.int64),
            None if rows.phrases is None else _as(rows.phrases.ids, np.int32),
            None if rows.phrases is None else _as(rows.phrases.offsets, np.int64),
            _as(rows.channels, np.float32) if rows.channels is not None and spec.channels else None,
            None if rows.linear is None else _as(rows.linear, np.float32),
            None if wanted else _as(examples.targets, np.int64),
            _as(examples.targets, np.float32) if wanted else None,
            _as(examples.weights, np.float32),
        ]
        self.core: Any = core.Examples(*map(_address, self._kept))


def native_network(spec: NetworkSpec, regularization: Regularization, settings: Settings, moments: Moments) -> Any:
    """The core's trainer over these arrays."""
    core = native.core
    assert core is not None
    network = core.PlainNetwork()
    network.input, network.pool = _INPUTS.index(spec.input), _POOLS.index(spec.pool)
    for name in ("input_size", "embedding_size", "channels", "outputs", "wide", "share"):
        setattr(network, name, getattr(spec, name))
    for name, rate in vars(regularization).items():
        setattr(network, name, float(rate))
    network.set_loss(_LOSSES.index(settings.loss), list(settings.quantiles))
    network.label_smoothing, network.consistency = float(settings.label_smoothing), float(settings.consistency)
    double = next(iter(moments.weights.values())).dtype == np.float64
    for layer in spec.layers:
        kind, option = equation(layer)
        regularised = layer.layer_norm or layer.peephole or layer.zoneout > 0 or layer.zoneout_cell > 0
        saved = core.recurrent_saved(kind, layer.hidden_size, double, regularised, layer.layer_norm)
        sizes = layer.input_size, layer.hidden_size, GATES[layer.cell]
        network.add_layer(
            kind, option, *sizes, layer.bidirectional, layer.initial_state == "learned", layer.layer_norm,
            layer.peephole, layer.zoneout, layer.zoneout_cell, *saved,
        )  # fmt: skip
    trainer = (core.DoubleTrainer if double else core.Trainer)()
    for name, weight in moments.weights.items():
        parts = (moments.gradients, moments.first, moments.second, moments.row_steps, moments.averages, moments.marks)
        rows, width = (len(weight), weight.shape[1]) if weight.ndim > 1 else (1, len(weight))
        addresses = [_address(part.get(name)) for part in parts]
        trainer.add(_address(weight), *addresses, rows, width, weight.ndim > 1)
    optimizer = core.Optimizer(
        _METHODS.index(settings.optimizer), *settings.betas, settings.momentum, settings.weight_decay,
        settings.clip_norm or 0.0, settings.ema, settings.nesterov,
    )  # fmt: skip
    trainer.begin(network, optimizer)
    return trainer


def _as(array: NDArray[Any], dtype: type) -> NDArray[Any]:
    return np.ascontiguousarray(array, dtype)


def _address(array: NDArray[Any] | None) -> int:
    return 0 if array is None else array.ctypes.data


def _check_ids(ids: NDArray[Any], size: int) -> None:
    if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < size:
        raise DataError(f"ids from {ids.min()} to {ids.max()}, this network has 0 to {size - 1}")
