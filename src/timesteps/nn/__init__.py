"""Equations and learned parameters, in torch: cells, `scan`, layers, pooling, dropout, whole networks."""

from timesteps.nn import pool
from timesteps.nn.bags import BagEmbedding
from timesteps.nn.cells import (
    CELLS,
    Cell,
    ElmanCell,
    GRUCell,
    LinearCell,
    LSTMCell,
    MinGRUCell,
    MinLSTMCell,
    State,
)
from timesteps.nn.counting import count_parameters
from timesteps.nn.dropout import Dropout, EmbeddingDropout, VariationalDropout, WordDropout
from timesteps.nn.embedding import Embedding
from timesteps.nn.explain import Explanations, explain
from timesteps.nn.initialization import initialize, set_gate_bias
from timesteps.nn.layers import GRU, LSTM, RNN
from timesteps.nn.linear_layers import MinGRU, MinLSTM
from timesteps.nn.models import Batch, Network, Regularization, build
from timesteps.nn.pooling import AttentionPool, last_pool, max_pool, mean_pool
from timesteps.nn.scan import Explanation, scan
from timesteps.nn.stack import Layer, RecurrentStack

pool.lend()

__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "RNN",
    "AttentionPool",
    "BagEmbedding",
    "Batch",
    "Cell",
    "Dropout",
    "ElmanCell",
    "Embedding",
    "EmbeddingDropout",
    "Explanation",
    "Explanations",
    "GRUCell",
    "LSTMCell",
    "Layer",
    "LinearCell",
    "MinGRU",
    "MinGRUCell",
    "MinLSTM",
    "MinLSTMCell",
    "Network",
    "RecurrentStack",
    "Regularization",
    "State",
    "VariationalDropout",
    "WordDropout",
    "build",
    "count_parameters",
    "explain",
    "initialize",
    "last_pool",
    "max_pool",
    "mean_pool",
    "scan",
    "set_gate_bias",
]
