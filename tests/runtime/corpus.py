"""python tests/runtime/corpus.py FOLDER: small sound model files of every kind, from which fuzzers begin."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import random_models as models

from timesteps.runtime import modelfile


def write(folder: Path) -> None:
    """One file a kind of model."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (spec, tensors) in {
        "numeric": models.numeric_model(features=1),
        "members": models.numeric_model(features=2, steps=2, members=2),
        "ids": models.ids_model("ids"),
        "words": models.ids_model(),
        "text": models.text_model(),
        "guided": models.guided_model(members=2),
        "linear": models.numeric_model(features=1, cell="mingru"),
        "options": models.model_of_options(),
        "int8": models.in_int8(models.numeric_model(features=1)),
        "int8-ids": models.in_int8(models.ids_model("ids")),
    }.items():
        modelfile.save(folder / name, spec, tensors)
    spec, scaler = models.numeric_model(features=1)
    for cell, option in (
        ("lstm", {}),
        ("gru", {"reset_after": False}),
        ("rnn", {"nonlinearity": "relu"}),
        ("rnn", {"nonlinearity": "linear"}),
    ):
        for ways in (False, True):
            shape = models.network(
                cell, input="numeric", input_size=1, hidden_sizes=(3, 2), pool="attention", bidirectional=ways,
                initial_state="learned", **option,
            )  # fmt: skip
            tensors = {name: part for name, part in scaler.items() if name.startswith("scaler.")}
            modelfile.save(
                folder / f"{option.get('nonlinearity', cell)}-{'both' if ways else 'forward'}",
                msgspec.structs.replace(spec, network=shape),
                tensors | models.weights(shape),
            )
    shape = models.network("rnn", input="one_hot", input_size=11, outputs=3)
    spec, _ = models.ids_model("ids")
    modelfile.save(folder / "one-hot", msgspec.structs.replace(spec, network=shape), models.weights(shape))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
