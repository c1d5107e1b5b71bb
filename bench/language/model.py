"""The model that is measured: 2 × 200 LSTM, 10,000 words, whole softmax, plain SGD with clipping; ours and torch's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from timesteps.runtime.language.recurrent_spec import LanguageSpec, layers_of
from timesteps.runtime.language.units import UnitsSpec
from timesteps.runtime.language.vocabulary import VocabularySpec
from timesteps.training.language.network import LanguageNetwork, untrained
from timesteps.training.language.settings import LanguageSettings
from timesteps.training.language.streams import Text, Window, windows

__all__ = ["BATCH", "STEPS", "WORDS", "by_engine", "by_torch", "network", "text", "zipfian"]

WORDS, SIZE, LAYERS, BATCH, STEPS, RATE, CLIP = 10_000, 200, 2, 20, 35, 1.0, 0.25

Step = Callable[[Window], float]


def network(words: int = WORDS) -> LanguageNetwork:
    """Ours, untrained; the same one every time."""
    vocabulary = VocabularySpec(UnitsSpec("word"), tuple(f"w{number}" for number in range(words - 3)))
    spec = LanguageSpec(
        vocabulary=vocabulary, embedding_size=SIZE, layers=layers_of("lstm", SIZE, SIZE, LAYERS, tied=False)
    )
    return untrained(spec, words)


def zipfian(steps: int) -> NDArray[np.int32]:
    """Tokens with the frequencies of words, for so many steps."""
    shares = 1 / np.arange(1, WORDS + 1)
    count = steps * BATCH * STEPS + 1
    return np.random.default_rng(0).choice(WORDS, count, p=shares / shares.sum()).astype(np.int32)


def text(tokens: NDArray[np.int32]) -> Iterator[Window]:
    """The steps of an epoch."""
    return Text(tokens, BATCH).windows(windows(STEPS, False, 0, 0))


def by_engine(name: str, threads: int, words: int = WORDS) -> Step:
    """A step of our engines: its loss."""
    settings = LanguageSettings(batch_size=BATCH, bptt=STEPS, learning_rate=RATE, clip_norm=CLIP, threads=threads)
    if name == "native":
        from timesteps.training.language.native_engine import NativeLanguageEngine as Engine
    else:
        from timesteps.training.language.torch_engine import TorchLanguageEngine as Engine  # type: ignore[assignment]
    engine = Engine(network(words), settings)
    return lambda window: engine.step(window, window.begin, RATE).loss


def by_torch(words: int = WORDS) -> Step:
    """A step of the model as one writes it with torch.nn, from the same weights."""
    import torch
    from torch import nn

    ours = network(words).weights
    embedding, rnn, head = nn.Embedding(words, SIZE), nn.LSTM(SIZE, SIZE, LAYERS), nn.Linear(SIZE, words)
    model = nn.ModuleDict({"embedding": embedding, "rnn": rnn, "head": head})
    model.load_state_dict({name: torch.from_numpy(weight.copy()) for name, weight in ours.items()})
    sgd, loss_of = torch.optim.SGD(model.parameters(), RATE), nn.CrossEntropyLoss()
    state: list[tuple[torch.Tensor, ...] | None] = [None]

    def step(window: Window) -> float:
        ids, targets = torch.from_numpy(window.ids).long(), torch.from_numpy(window.targets).long()
        sgd.zero_grad()
        y, after = rnn(embedding(ids), state[0])
        state[0] = tuple(part.detach() for part in after)
        loss = loss_of(head(y.flatten(0, 1)), targets.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        sgd.step()
        return loss.item()

    return step
