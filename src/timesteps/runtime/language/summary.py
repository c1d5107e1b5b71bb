"""What a language model is made of, in a few lines."""

from __future__ import annotations

from typing import Any

from timesteps.runtime import native
from timesteps.runtime.costs import layer_costs
from timesteps.runtime.language.mixture import MixtureModel
from timesteps.runtime.language.model import LanguageModel
from timesteps.runtime.language.ngram import Ngram
from timesteps.runtime.language.recurrent import RecurrentModel
from timesteps.runtime.spec import NetworkSpec

__all__ = ["language_lines", "language_summary", "network_of"]


def language_summary(model: LanguageModel) -> dict[str, Any]:
    """Kind, units and sizes of a language model, as plain data; of a mixture, of each member, with its weight.

    >>> from timesteps.tasks.ngram.estimator import NgramModel
    >>> model = NgramModel(order=2, smoothing="add-k").fit(["a b", "a c"])
    >>> language_summary(model)  # two marks of sentences, <unk>, three words
    {'kind': 'n-grams, add-k', 'units': 'word', 'tokens': 6, 'n-grams': [6, 5]}
    """
    if isinstance(model, MixtureModel):
        members = zip(model.weights.tolist(), model.models, strict=True)
        return {"kind": "mixture", "members": [{"weight": share, **language_summary(one)} for share, one in members]}
    if isinstance(model, Ngram):
        kind = f"n-grams, {model.spec.smoothing}"
        return {"kind": kind, **_vocabulary(model), "n-grams": list(model.spec.counts)}
    if isinstance(model, RecurrentModel):
        layers = [f"{layer.cell} {layer.input_size} → {layer.hidden_size}" for layer in model.spec.layers]
        numbers = sum(weight.size for weight in model.weights.values())
        sizes = {"embedding": model.spec.embedding_size, "layers": layers, "tied": model.spec.tied}
        costs = layer_costs(network_of(model))
        spent = {
            "FLOPs/token": sum(cost.flops for cost in costs),
            "bytes/token": sum(cost.weight_bytes for cost in costs),
            "state bytes": sum(cost.state_bytes for cost in costs),
            "streams": "yes: a token needs only the state before it",
            "runs in": native.explained(None if native.core is not None else native.explain()),
        }
        return {"kind": "recurrent", **_vocabulary(model), **sizes, "parameters": numbers, **spent}
    return {"kind": type(model).__name__, "tokens": len(model.words)}


def network_of(model: RecurrentModel) -> NetworkSpec:
    """A language model as a network that answers at every step; a tied softmax reads the embedding's weights again."""
    spec, tokens = model.spec, len(model.words)
    return NetworkSpec(
        input="ids",
        input_size=tokens,
        embedding_size=spec.embedding_size,
        layers=spec.layers,
        pool="none",
        outputs=tokens,
    )


def language_lines(summary: dict[str, Any]) -> list[str]:
    """The same as lines, a name and a value each; members of a mixture below it."""
    lines = []
    for name, value in summary.items():
        if name == "members":
            for number, member in enumerate(value, 1):
                lines += ["", f"member {number}", *(f"  {line}" for line in language_lines(member))]
        else:
            lines.append(f"{name:<12} {_said(value)}")
    return lines


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}" if isinstance(value, float) else str(value)


def _vocabulary(model: Ngram | RecurrentModel) -> dict[str, Any]:
    return {"units": model.spec.vocabulary.units.kind, "tokens": len(model.words)}
