"""The card of a language model: what it is, what it was trained on, how well it predicts, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["card"]

_SETTINGS = (
    "units", "cell", "embedding_size", "hidden_size", "num_layers", "tied", "batch_size", "bptt", "optimizer",
    "learning_rate", "decay", "hold", "clip_norm", "word_dropout", "input_dropout", "dropout", "output_dropout",
    "weight_drop", "locked", "activation", "slowness", "ema", "samples", "seed",
)  # fmt: skip


def card(figures: Mapping[str, Any], choices: Mapping[str, Any], rows: Sequence[Mapping[str, float]]) -> str:
    """The card's text.

    >>> figures = {"corpus": "tiny.txt", "recipe": "small", "engine": "native", "train_tokens": 9, "vocabulary": 4,
    ...            "parameters": 20, "epochs": 1, "best_epoch": None, "train_perplexity": 2.0, "valid": None,
    ...            "seconds": 1.0}
    >>> print(card(figures, {"cell": "lstm"}, [{"epoch": 1, "loss": 0.7, "learning_rate": 1.0}])[:26])
    # Language model: tiny.txt
    """
    valid = figures["valid"]
    lines = [
        f"# Language model: {figures['corpus']}",
        "",
        f"A recurrent language model of {figures['parameters']} parameters over {figures['vocabulary']} tokens, "
        f"trained on {figures['train_tokens']} tokens of {figures['corpus']} by the recipe {figures['recipe']} "
        f"({figures['engine']} engine, {figures['seconds']} s).",
        "",
        "## How well it predicts",
        "",
        "| figure | value |",
        "|-|-|",
        f"| training perplexity, dropout included | {figures['train_perplexity']:.2f} |",
    ]
    if valid is None:
        lines += ["", "Nothing was held out, so nothing is known of other texts."]
    else:
        known = valid["perplexity_known"]
        lines += [
            f"| validation perplexity | {valid['perplexity']:.2f} |",
            f"| without unknown words | {'-' if known is None else format(known, '.2f')} |",
            f"| nats a token | {valid['nats_per_token']:.4f} |",
            f"| bits a character | {valid['bits_per_character']:.3f} |",
            f"| tokens, of them unknown | {valid['tokens']}, {valid['unknown']} |",
        ]
        if baseline := figures.get("baseline"):
            label = f"{baseline['order']}-gram model, modified Kneser-Ney, sentence by sentence"
            lines.append(f"| {label} | {baseline['perplexity']:.2f} |")
    lines += ["", "## Epochs", "", "| epoch | learning rate | training | validation |", "|-|-|-|-|"]
    for row in rows:
        held = f"{math.exp(min(row['val_loss'], 700.0)):.2f}" if "val_loss" in row else "-"
        best = " (kept)" if figures["best_epoch"] == row["epoch"] else ""
        loss = math.exp(min(row["loss"], 700.0))
        lines.append(f"| {int(row['epoch'])} | {row['learning_rate']:.4g} | {loss:.2f} | {held}{best} |")
    lines += ["", "Perplexities, the text read from beginning to end.", "", "## Choices", ""]
    lines += [f"- {name}: {choices[name]}" for name in _SETTINGS if name in choices]
    return "\n".join(lines) + "\n"
