"""The few lines of Python that rebuild a network with torch.nn alone, made from its specification's sizes."""

from __future__ import annotations

from timesteps.interchange.plain import PlainNetwork
from timesteps.runtime.spec import LayerSpec, NetworkSpec

__all__ = ["lines", "state_names", "uniform"]

_CLASSES = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}


def uniform(spec: NetworkSpec) -> bool:
    """Whether one torch.nn layer with `num_layers` holds the whole stack."""
    first = spec.layers[0]
    width = first.hidden_size * (2 if first.bidirectional else 1)
    return all(
        (layer.cell, layer.hidden_size, layer.bidirectional, layer.nonlinearity, layer.input_size)
        == (first.cell, first.hidden_size, first.bidirectional, first.nonlinearity, width)
        for layer in spec.layers[1:]
    )


def state_names(network: PlainNetwork) -> dict[str, str]:
    """The name of each of our tensors in the rebuilt module's state dict."""
    if uniform(network.spec):
        return {name: name for name in network.tensors}
    names = {}
    for name in network.tensors:
        if name.startswith("rnn."):
            kind, _, end = name.removeprefix("rnn.").rpartition("_l")
            number, _, reverse = end.partition("_")
            names[name] = f"rnn.{number}.{kind}_l0{'_' + reverse if reverse else ''}"
        else:
            names[name] = name
    return names


def lines(network: PlainNetwork) -> str:
    """A Python module: the class `Network`, and `load`, which fills it from the safetensors file.

    Nothing but whole numbers and words of a fixed table go into it.
    """
    spec = network.spec
    body = []
    if network.scaler is not None:
        body += [
            f'self.register_buffer("{name}", torch.empty({spec.input_size}, dtype=torch.float64))'
            for name in ("mean", "scale")
        ]
    if spec.input == "ids":
        body.append(f"self.embedding = nn.Embedding({spec.input_size}, {spec.embedding_size})")
    if uniform(spec):
        body.append(f"self.rnn = {_layer(spec.layers[0], len(spec.layers))}")
    else:
        body.append("self.rnn = nn.ModuleList(")
        body += ["    [", *(f"        {_layer(layer, 1)}," for layer in spec.layers), "    ]", ")"]
    if spec.pool == "attention":
        body.append(f"self.attention = nn.Linear({spec.width}, 1, bias=False)")
    body.append(f"self.head = nn.Linear({spec.width}, {spec.outputs})")
    return _MODULE.format(
        what="ids (B, T)" if spec.input == "ids" else f"numbers (B, T, {spec.input_size})",
        outputs=spec.outputs,
        body=_indented(body),
        forward=_indented(_forward(network)),
    )


def _layer(layer: LayerSpec, count: int) -> str:
    options = [str(layer.input_size), str(layer.hidden_size)]
    options += [f"num_layers={count}"] if count > 1 else []
    options += [f'nonlinearity="{layer.nonlinearity}"'] if layer.cell == "rnn" and layer.nonlinearity != "tanh" else []
    options += ["batch_first=True"] + (["bidirectional=True"] if layer.bidirectional else [])
    return f"nn.{_CLASSES[layer.cell]}({', '.join(options)})"


def _forward(network: PlainNetwork) -> list[str]:
    spec = network.spec
    state = "(h, _)" if spec.layers[-1].cell == "lstm" else "h"
    body = ["x = self.embedding(x)"] if spec.input == "ids" else []
    body += ["x = ((x - self.mean) / self.scale).to(self.head.weight.dtype)"] if network.scaler is not None else []
    body.append("y = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)")
    if uniform(spec):
        body.append(f"y, {state} = self.rnn(y)")
    else:
        body += ["for rnn in self.rnn:", "    y, h = rnn(y)"]
        body += ["h = h[0]"] if state != "h" else []
    if spec.pool == "last":
        last = "torch.cat([h[-2], h[-1]], 1)" if spec.layers[-1].bidirectional else "h[-1]"
        return [*body, f"return self.head({last})"]
    if spec.pool in ("mean", "mean+max"):
        body.append("mean = pad_packed_sequence(y, batch_first=True)[0].sum(1) / lengths.unsqueeze(1)")
    if spec.pool in ("max", "mean+max"):
        body.append('largest = pad_packed_sequence(y, batch_first=True, padding_value=float("-inf"))[0].amax(1)')
    if spec.pool == "attention":
        body += [
            "y = pad_packed_sequence(y, batch_first=True)[0]",
            "behind = torch.arange(y.shape[1]) >= lengths.unsqueeze(1)",
            'weights = self.attention(y).squeeze(2).masked_fill(behind, float("-inf")).softmax(1)',
        ]
    pooled = {
        "mean": "mean",
        "max": "largest",
        "mean+max": "torch.cat([mean, largest], 1)",
        "attention": "(weights.unsqueeze(2) * y).sum(1)",
    }
    return [*body, f"return self.head({pooled[spec.pool]})"]


def _indented(body: list[str]) -> str:
    return "\n".join(f"        {line}" for line in body)


_MODULE = '''\
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Network(nn.Module):
    """Reads {what}, padded on the right, and lengths (B,); gives logits (B, {outputs})."""

    def __init__(self):
        super().__init__()
{body}

    def forward(self, x, lengths):
{forward}


def load(path):
    network = Network()
    network.load_state_dict(load_file(path))
    return network.eval()
'''
