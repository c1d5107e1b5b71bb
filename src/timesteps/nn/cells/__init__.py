"""Cells: one recurrent equation a file. A new cell is a file here and a line in `CELLS`."""

from timesteps.nn.cells.cell import Cell, State
from timesteps.nn.cells.elman import ElmanCell
from timesteps.nn.cells.gru import GRUCell
from timesteps.nn.cells.linear import LinearCell
from timesteps.nn.cells.lstm import LSTMCell
from timesteps.nn.cells.mingru import MinGRUCell
from timesteps.nn.cells.minlstm import MinLSTMCell

CELLS: dict[str, type[Cell]] = {
    "rnn": ElmanCell,
    "lstm": LSTMCell,
    "gru": GRUCell,
    "mingru": MinGRUCell,
    "minlstm": MinLSTMCell,
}

__all__ = [
    "CELLS",
    "Cell",
    "ElmanCell",
    "GRUCell",
    "LSTMCell",
    "LinearCell",
    "MinGRUCell",
    "MinLSTMCell",
    "State",
]
