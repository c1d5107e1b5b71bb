"""The models that are measured: LSTMs of the recipes' shapes, whole softmax, plain SGD; ours and torch's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.language.recurrent_spec import LanguageSpec, layers_of
from timesteps.runtime.language.units import UnitsSpec
from timesteps.runtime.language.vocabulary import VocabularySpec
from timesteps.runtime.spec import LayerSpec
from timesteps.training.language.network import LanguageNetwork, untrained
from timesteps.training.language.settings import LanguageSettings
from timesteps.training.language.streams import Text, Window, windows

__all__ = ["BATCH", "SHAPES", "Shape", "by_engine", "by_torch", "network", "text", "zipfian"]

WORDS, BATCH, RATE, CLIP = 10_000, 20, 1.0, 0.25

Step = Callable[[Window], float]


@dataclass(frozen=True)
class Shape:
    """Sizes of a recipe, without its dropout, so that both sides compute the same."""

    embedding_size: int
    hidden_size: int
    num_layers: int
    tied: bool
    steps: int

    @property
    def layers(self) -> tuple[LayerSpec, ...]:
        return layers_of("lstm", self.embedding_size, self.hidden_size, self.num_layers, self.tied)


SHAPES = {
    "small": Shape(200, 200, 2, False, 35),
    "medium": Shape(650, 650, 2, False, 35),
    "awd": Shape(400, 1150, 3, True, 70),
}


def network(shape: Shape, words: int = WORDS) -> LanguageNetwork:
    """Ours, untrained; the same one every time."""
    vocabulary = VocabularySpec(UnitsSpec("word"), tuple(f"w{number}" for number in range(words - 3)))
    spec = LanguageSpec(
        vocabulary=vocabulary, embedding_size=shape.embedding_size, layers=shape.layers, tied=shape.tied
    )
    return untrained(spec, words)


def zipfian(shape: Shape, steps: int) -> NDArray[np.int32]:
    """Tokens with the frequencies of words, for so many steps."""
    shares = 1 / np.arange(1, WORDS + 1)
    count = steps * BATCH * shape.steps + 1
    return np.random.default_rng(0).choice(WORDS, count, p=shares / shares.sum()).astype(np.int32)


def text(shape: Shape, tokens: NDArray[np.int32]) -> Iterator[Window]:
    """The steps of an epoch."""
    return Text(tokens, BATCH).windows(windows(shape.steps, False, 0, 0))


def by_engine(name: str, shape: Shape, threads: int, words: int = WORDS) -> Step:
    """A step of our engines: its loss."""
    settings = LanguageSettings(batch_size=BATCH, bptt=shape.steps, learning_rate=RATE, clip_norm=CLIP, threads=threads)
    if name == "native":
        from timesteps.training.language.native_engine import NativeLanguageEngine as Engine
    else:
        from timesteps.training.language.torch_engine import TorchLanguageEngine as Engine  # type: ignore[assignment]
    engine = Engine(network(shape, words), settings)
    return lambda window: engine.step(window, window.begin, RATE).loss


def by_torch(shape: Shape, words: int = WORDS) -> Step:
    """A step of the model as one writes it with torch.nn, from the same weights."""
    import torch
    from torch import nn

    weights = {name: torch.from_numpy(weight.copy()) for name, weight in network(shape, words).weights.items()}
    embedding, head = nn.Embedding(words, shape.embedding_size), nn.Linear(shape.layers[-1].hidden_size, words)
    # One nn.LSTM a layer: their sizes differ.
    layers = [nn.LSTM(layer.input_size, layer.hidden_size) for layer in shape.layers]
    model = nn.ModuleDict({"embedding": embedding, "layers": nn.ModuleList(layers), "head": head})
    if shape.tied:
        head.weight = embedding.weight
        weights["head.weight"] = weights["embedding.weight"]
    named = {_named(name): weight for name, weight in weights.items()}
    model.load_state_dict(named)
    sgd, loss_of = torch.optim.SGD(model.parameters(), RATE), nn.CrossEntropyLoss()
    states: list[tuple[torch.Tensor, ...] | None] = [None] * len(layers)

    def step(window: Window) -> float:
        ids, targets = torch.from_numpy(window.ids).long(), torch.from_numpy(window.targets).long()
        sgd.zero_grad()
        y = embedding(ids)
        for number, layer in enumerate(layers):
            y, after = layer(y, states[number])
            states[number] = tuple(part.detach() for part in after)
        loss = loss_of(head(y.flatten(0, 1)), targets.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        sgd.step()
        return loss.item()

    return step


def _named(name: str) -> str:
    """`rnn.weight_ih_l1` to `layers.1.weight_ih_l0`."""
    if not name.startswith("rnn."):
        return name
    part, _, layer = name.removeprefix("rnn.").rpartition("_l")
    return f"layers.{layer}.{part}_l0"
