"""`RNN`, `LSTM`, `GRU`: drop-ins for torch.nn's, with lengths, masks, resets and dropout in time."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, cast

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from timesteps.errors import UsageError
from timesteps.nn.cells import Cell, ElmanCell, GRUCell, LSTMCell, State
from timesteps.nn.cells.cell import as_state, as_tuple
from timesteps.nn.dropout import draw_keys
from timesteps.nn.padding import read_steps
from timesteps.nn.stack import _NOISE, INITIAL_STATES, Layer, RecurrentStack
