"""Where training starts from: the weights of recurrent networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from timesteps.errors import UsageError
from timesteps.nn.bags import BagEmbedding
from timesteps.nn.cells import CELLS, Cell
from timesteps.nn.cells.cell import STARTS
from timesteps.nn.pooling import AttentionPool
from timesteps.nn.stack import RecurrentStack
from timesteps.runtime.time_scales import chrono_signs

SCHEMES = ("torch", "keras", "orthogonal")
_EMBEDDING_RANGE = 0.05  # Keras' "uniform"


def initialize(
    module: nn.Module,
    scheme: str = "keras",
    *,
    forget_bias: float | None = None,
    chrono: int | None = None,
    generator: torch.Generator | None = None,
) -> None:
    """Draw the weights of a module and all its parts anew.

        scheme        weight_ih                      weight_hh                      biases
        "torch"       U(-1/√H, 1/√H)                 U(-1/√H, 1/√H)                 U(-1/√H, 1/√H)
        "keras"       Glorot uniform, all gates      orthogonal columns, all gates  0; forget gate 1
        "orthogonal"  Glorot uniform, all gates      orthogonal, each gate          0; forget gate 1

    "torch" leaves everything else as torch draws it; the other two draw embeddings from U(-0.05, 0.05) and dense layers
    Glorot uniform with bias 0, as Keras does, and peephole weights like `weight_ih`, each gate's vector for itself:
    U(-√(3/H), √(3/H)). Gains of layer norm begin at 1 and its shifts at 0; learned initial states and attention begin
    at zero; a `BagEmbedding` keeps its own start. A seed gives the same weights wherever they are drawn in the same
    order.

    `chrono` T lets each unit begin with a time scale of its own, log-uniform so to speak: the biases of the gate that
    keeps the state are log U(1, T - 1), so that it is kept for up to about T steps.

        lstm: b_f = u, b_i = -u    gru: b_z = u    mingru: b_z = -u    minlstm: b_f = u, b_i = -u    u = log U(1, T - 1)

    They are drawn behind all others of a cell. Tallec and Ollivier (2018), Can recurrent neural networks warp time?,
    arXiv:1804.11188.

    Glorot and Bengio (2010), AISTATS; Saxe, McClelland and Ganguli (2013), arXiv:1312.6120; the forget bias is
    Jozefowicz, Zaremba and Sutskever (2015), ICML.

    Args:
        module: a cell, a layer, or a whole network.
        scheme: one of the three.
        forget_bias: what the biases of a forget gate, "f", sum to; None leaves it to the scheme.
        chrono: the longest dependency in steps, at least 3; replaces the forget bias. None: not.
        generator: of the random numbers; None is torch's default.

    Raises:
        UsageError: an unknown scheme; `chrono` below 3, or with a cell that has no gate for it.

    Example:
        >>> import torch
        >>> from timesteps.nn import LSTM, initialize
        >>> lstm = LSTM(5, 2)
        >>> initialize(lstm, "keras", generator=torch.Generator().manual_seed(0))
        >>> lstm.bias_ih_l0.tolist()
        [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    """
    if scheme not in SCHEMES:
        raise UsageError(f"initialization is {scheme!r}", mend=f"use one of {', '.join(SCHEMES)}")
    for part in module.modules():
        if isinstance(part, RecurrentStack):
            for k, layer in enumerate(part.layers):
                for reverse in range(len(layer.suffixes)):
                    _initialize_cell(part.cell(k, bool(reverse)), scheme, forget_bias, chrono, generator)
                    for state in part.learned_state(k, bool(reverse)):
                        nn.init.zeros_(state)
        elif isinstance(part, Cell):
            _initialize_cell(part, scheme, forget_bias, chrono, generator)
        elif isinstance(part, AttentionPool):
            nn.init.zeros_(part.weight)
        elif isinstance(part, BagEmbedding):
            continue
        elif isinstance(part, nn.Embedding):
            if scheme == "torch":
                nn.init.normal_(part.weight, generator=generator)
            else:
                nn.init.uniform_(part.weight, -_EMBEDDING_RANGE, _EMBEDDING_RANGE, generator=generator)
        elif isinstance(part, nn.Linear):
            _initialize_linear(part, scheme, generator)


def _initialize_cell(
    cell: Cell, scheme: str, forget_bias: float | None, chrono: int | None, generator: torch.Generator | None
) -> None:
    bound = cell.hidden_size**-0.5
    for name, weight in cell.named_parameters():
        if name in STARTS:
            nn.init.constant_(weight, STARTS[name])
        elif scheme == "torch":
            nn.init.uniform_(weight, -bound, bound, generator=generator)
        elif name == "weight_ch":
            nn.init.uniform_(weight, -(3**0.5) * bound, 3**0.5 * bound, generator=generator)
        elif weight.dim() == 1:
            nn.init.zeros_(weight)
        elif name == "weight_hh":
            blocks = weight.chunk(len(cell.gates)) if scheme == "orthogonal" else (weight,)
            for block in blocks:
                nn.init.orthogonal_(block, generator=generator)
        else:
            nn.init.xavier_uniform_(weight, generator=generator)
    if "f" in cell.gates and cell.bias:
        if forget_bias is None and scheme != "torch":
            forget_bias = 1.0
        if forget_bias is not None:
            set_gate_bias(cell, "f", forget_bias)
    if chrono is not None:
        _initialize_time_scales(cell, chrono, generator)


def _initialize_time_scales(cell: Cell, longest: int, generator: torch.Generator | None) -> None:
    name = next((name for name, kind in CELLS.items() if isinstance(cell, kind)), type(cell).__name__)
    signs = chrono_signs(name, longest)
    scales = torch.empty(cell.hidden_size, dtype=cell.bias_ih.dtype, device=cell.bias_ih.device)
    scales.uniform_(1, longest - 1, generator=generator).log_()
    for gate, sign in signs.items():
        set_gate_bias(cell, cell.gates[gate], sign * scales)


def _initialize_linear(linear: nn.Linear, scheme: str, generator: torch.Generator | None) -> None:
    if scheme == "torch":
        bound = linear.in_features**-0.5
        nn.init.uniform_(linear.weight, -bound, bound, generator=generator)
        if linear.bias is not None:
            nn.init.uniform_(linear.bias, -bound, bound, generator=generator)
    else:
        nn.init.xavier_uniform_(linear.weight, generator=generator)
        if linear.bias is not None:
            nn.init.zeros_(linear.bias)


def set_gate_bias(cell: Cell, gate: str, value: float | Tensor) -> None:
    """Set the biases of one gate so that they sum to `value`, a number or one a unit (H,).

    `bias_ih` takes it; `bias_hh`, if any, is 0 there.

    Raises:
        UsageError: the cell has no such gate, or no biases.

    Example:
        >>> from timesteps.nn import GRUCell, set_gate_bias
        >>> cell = GRUCell(5, 2)
        >>> set_gate_bias(cell, "z", -1.0)
        >>> cell.bias_ih[2:4].tolist(), cell.bias_hh[2:4].tolist()
        ([-1.0, -1.0], [0.0, 0.0])
    """
    if gate not in cell.gates or not cell.bias:
        raise UsageError(f"no bias of a gate {gate!r}", mend=f"this cell's gates are {', '.join(cell.gates)}")
    rows = slice(cell.gates.index(gate) * cell.hidden_size, (cell.gates.index(gate) + 1) * cell.hidden_size)
    with torch.no_grad():
        cell.bias_ih[rows] = value
        if cell.has_recurrent_product:
            cell.bias_hh[rows] = 0
