"""The engine that trains recurrent language models by PyTorch, and says in a few lines what is computed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from timesteps.nn.dropout import draw_keys, dropout_mask, mask_at
from timesteps.runtime.spec import LayerSpec
from timesteps.training.averages import WeightAverage
from timesteps.training.engines.engine import Array, BadStepError, EngineName
from timesteps.training.language.network import LanguageNetwork, LanguageStep
from timesteps.training.language.sampling import Sampler
from timesteps.training.language.settings import LanguageSettings
from timesteps.training.language.streams import Text, Window
from timesteps.training.nonfinite import Fault
from timesteps.training.optimizers import Optimizers
from timesteps.training.randomness import reseed, set_apart

__all__ = ["LanguageModule", "TorchLanguageEngine"]

_WORD, _OUTPUT = -1, -2  # streams of random numbers; a layer's are 16 times its number and more
_INPUT, _BETWEEN, _WEIGHT = 0, 3, 5

States = list[Tensor]


class LanguageModule(nn.Module):
    """A language model as a module of torch, over the arrays of a `LanguageNetwork`.

    Tokens (T, B) and states (h, and c of an LSTM, of each layer) to outputs (T, B, H) and states. With `keys`, a
    key a stream and one for what all streams share, the settings' dropout acts.
    """

    def __init__(self, network: LanguageNetwork, settings: LanguageSettings) -> None:
        super().__init__()
        self.spec, self.settings = network.spec, settings
        self.names = {name: name.replace(".", "_") for name in network.weights}
        for name, weight in network.weights.items():
            self.register_parameter(self.names[name], nn.Parameter(torch.from_numpy(weight)))

    def weight(self, name: str) -> Tensor:
        """A parameter by its name in the file."""
        found: Tensor = getattr(self, self.names[name])
        return found

    @property
    def head(self) -> Tensor:
        """The softmax's weights."""
        return self.weight("embedding.weight" if self.spec.tied else "head.weight")

    def forward(self, ids: Tensor, states: States, keys: Tensor | None) -> tuple[Tensor, Tensor, States]:
        """Outputs before and after their dropout, and the states after the last token."""
        s = self.settings
        x = functional.embedding(ids, self.weight("embedding.weight"))
        if keys is not None and s.word_dropout:
            x = x * mask_at(keys[-1:], ids.reshape(1, -1), s.word_dropout, _WORD, x.dtype).view(*ids.shape, 1)
        x = self._drop(x, keys, s.input_dropout, _INPUT)
        after: States = []
        for number, layer in enumerate(self.spec.layers):
            if number:
                x = self._drop(x, keys, s.dropout, 16 * (number - 1) + _BETWEEN)
            count = 2 if layer.cell == "lstm" else 1
            x, last = _run(layer, x, states[len(after) : len(after) + count], self._layer(number, keys))
            after += last
        return x, self._drop(x, keys, s.output_dropout, _OUTPUT), after

    def _layer(self, number: int, keys: Tensor | None) -> list[Tensor]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights = [self.weight(f"rnn.{name}_l{number}") for name in names]
        if keys is not None and self.settings.weight_drop:
            size, rate = weights[1].numel(), self.settings.weight_drop
            mask = dropout_mask(keys[-1:], size, rate, 16 * number + _WEIGHT, weights[1].dtype)
            weights[1] = weights[1] * mask.view_as(weights[1])
        return weights

    def _drop(self, x: Tensor, keys: Tensor | None, rate: float, stream: int) -> Tensor:
        if keys is None or not rate:
            return x
        steps, streams, size = x.shape
        if self.settings.locked:
            return x * dropout_mask(keys[:-1], size, rate, stream, x.dtype)
        mask = dropout_mask(keys[:-1], steps * size, rate, stream, x.dtype)
        return x * mask.view(streams, steps, size).transpose(0, 1)


def _run(layer: LayerSpec, x: Tensor, state: States, weights: list[Tensor]) -> tuple[Tensor, States]:
    options = (weights, True, 1, 0.0, False, False, False)
    if layer.cell == "lstm":
        y, h, c = torch.lstm(x, [part[None] for part in state], *options)
        return y, [h[0], c[0]]
    kernel = torch.gru if layer.cell == "gru" else torch.rnn_tanh if layer.nonlinearity == "tanh" else torch.rnn_relu
    y, h = kernel(x, state[0][None], *options)
    return y, [h[0]]


class TorchLanguageEngine:
    """Trains a language model in place: the reference of the native engine.

    Args:
        network: what is trained.
        settings: how.
        counts: how often each token occurs; for `samples`.
    """

    name: EngineName = "torch"

    def __init__(
        self, network: LanguageNetwork, settings: LanguageSettings, counts: NDArray[np.int64] | None = None
    ) -> None:
        self._settings = settings
        self.module = LanguageModule(network, settings)
        self._optimizers = Optimizers(self.module, settings.plain(), 1)
        self._average = WeightAverage(self._optimizers.dense, {}, settings.ema) if settings.ema else None
        self._sampler: Sampler | None = None
        if settings.samples:
            assert counts is not None
            self._sampler = Sampler(counts, settings.samples, settings.seed)
        self.begin_epoch()

    @contextmanager
    def session(self) -> Iterator[None]:
        """torch's threads and random state are the run's own, and as before afterwards."""
        with set_apart(self._settings.threads):
            yield

    def begin_epoch(self) -> None:
        """The streams begin: nothing has been read."""
        self._states = self._empty(self._settings.batch_size)

    def _empty(self, streams: int) -> States:
        kind = self.module.weight("head.bias").dtype
        layers = self.module.spec.layers
        counts = [2 if layer.cell == "lstm" else 1 for layer in layers]
        return [
            torch.zeros(streams, layer.hidden_size, dtype=kind)
            for layer, n in zip(layers, counts, strict=True)
            for _ in range(n)
        ]

    def loss(self, window: Window, number: int) -> tuple[Tensor, Tensor]:
        """Mean -log P and penalty of a window; the streams go on."""
        s = self._settings
        reseed(s.seed, number)
        keys = draw_keys(window.ids.shape[1] + 1) if s.drops else None
        y, h, states = self.module(torch.from_numpy(window.ids).long(), self._states, keys)
        self._states = [state.detach() for state in states]
        targets = torch.from_numpy(window.targets).long().flatten()
        penalty = torch.zeros((), dtype=y.dtype)
        if s.activation:
            penalty = penalty + s.activation * h.square().mean()
        if s.slowness and len(y) > 1:
            penalty = penalty + s.slowness * y.diff(dim=0).square().mean()
        return self._cross_entropy(h.flatten(0, 1), targets, number), penalty

    def _cross_entropy(self, h: Tensor, targets: Tensor, number: int) -> Tensor:
        head, bias = self.module.head, self.module.weight("head.bias")
        if self._sampler is None:
            return functional.cross_entropy(functional.linear(h, head, bias), targets)
        samples = torch.from_numpy(self._sampler.draw(number))
        expected = torch.from_numpy(self._sampler.log_expected).to(h.dtype)
        right = (h * head[targets]).sum(1) + bias[targets] - expected[targets]
        others = functional.linear(h, head[samples], bias[samples]) - expected[samples]
        others = others.masked_fill(samples == targets[:, None], -math.inf)
        return (torch.logsumexp(torch.cat([right[:, None], others], 1), 1) - right).mean()

    def step(self, window: Window, number: int, rate: float) -> LanguageStep:
        """One window, forward, backward and into the weights."""
        loss, penalty = self.loss(window, number)
        self._optimizers.zero_grad()
        (loss + penalty).backward()  # type: ignore[no-untyped-call]
        norm = float(self._optimizers.gradient_norm())
        numbers = LanguageStep(loss.item(), penalty.item(), norm)
        total = numbers.loss + numbers.penalty
        if not (math.isfinite(total) and math.isfinite(norm)):
            what, value = ("gradient norm", norm) if math.isfinite(total) else ("loss", total)
            raise BadStepError(what, value, self._culprit())
        if self._average is not None:
            self._average.before_step()
        self._optimizers.learning_rate = rate
        self._optimizers.step(0, norm)
        if self._average is not None:
            self._average.after_step()
        return numbers

    def gradients(self, window: Window, number: int) -> tuple[LanguageStep, dict[str, NDArray[Any]]]:
        """What a step would learn from, before clipping."""
        loss, penalty = self.loss(window, number)
        self._optimizers.zero_grad()
        (loss + penalty).backward()  # type: ignore[no-untyped-call]
        found = {name: self.module.weight(name).grad for name in self.module.names}
        return LanguageStep(loss.item(), penalty.item()), {n: g.numpy() for n, g in found.items() if g is not None}

    def _culprit(self) -> Fault:
        for name in self.module.names:
            if not self.module.weight(name).isfinite().all():
                return Fault("parameter", f"parameter {name} is not finite")
        gradients = {name: self.module.weight(name).grad for name in self.module.names}
        for name, gradient in gradients.items():
            if gradient is not None and not gradient.isfinite().all():
                return Fault("gradient", f"the gradient of {name} is not finite")
        return Fault("norm", "the gradients are too large to be summed")

    @torch.no_grad()
    def evaluate(self, text: Text, bptt: int) -> float:
        """Mean -log P of a text's tokens, by the whole softmax."""
        states, total = self._empty(text.streams), 0.0
        for window in text.windows(iter(lambda: bptt, 0)):
            y, _, states = self.module(torch.from_numpy(window.ids).long(), states, None)
            scores = functional.linear(y.flatten(0, 1), self.module.head, self.module.weight("head.bias"))
            targets = torch.from_numpy(window.targets).long().flatten()
            total += float(functional.cross_entropy(scores.double(), targets, reduction="sum"))
        return total / text.ids.size

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """A block with the averaged weights."""
        if self._average is None:
            yield
            return
        with self._average.applied():
            yield

    def keep_average(self) -> None:
        """The averaged weights are the weights."""
        if self._average is not None:
            self._average.apply()

    def weights(self) -> dict[str, NDArray[Any]]:
        """The weights by name."""
        return {name: self.module.weight(name).detach().numpy() for name in self.module.names}

    def state(self) -> dict[str, Array]:
        """Weights, moments and averages."""
        state: dict[str, Array] = {f"network.{name}": weight for name, weight in self.weights().items()}
        state |= {f"optimizers.{name}": part for name, part in self._optimizers.state().items()}
        if self._average is not None:
            state |= {f"average.{name}": part for name, part in self._average.state().items()}
        return state

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from a state."""

        def part(prefix: str) -> dict[str, Tensor]:
            found = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            return {name: torch.as_tensor(value) for name, value in found.items()}

        with torch.no_grad():
            for name, weight in part("network.").items():
                self.module.weight(name).copy_(weight)
        self._optimizers.load_state(part("optimizers."))
        if self._average is not None:
            self._average.load_state(part("average."))
