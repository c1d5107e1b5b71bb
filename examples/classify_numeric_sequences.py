"""Numeric sequences of different lengths: is the wave a sine or a square? Two noisy channels a step."""

import numpy as np

from timesteps import Classifier

random = np.random.default_rng(0)


def wave(kind: str) -> np.ndarray:
    time = np.arange(random.integers(20, 60))
    phase = np.sin(0.4 * time + random.uniform(0, 2 * np.pi))
    signal = phase if kind == "sine" else np.sign(phase)
    return np.column_stack([signal, -signal]) + random.normal(scale=0.3, size=(len(time), 2))  # (T, 2)


labels = ["sine", "square"] * 150
rows = [wave(label) for label in labels]
model = Classifier(cell="lstm", hidden_size=16, epochs=15, random_state=0).fit(rows[:200], labels[:200])
print(f"accuracy on 100 other waves: {model.score(rows[200:], labels[200:]):.2f}")
print(f"loss of the last epoch: {model.history_[-1]['loss']:.3f}")
