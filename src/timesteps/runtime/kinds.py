"""The kernels' numbers for cells: CellKind in native/recurrent/problem.h."""

ELMAN, LSTM, GRU_AFTER, GRU_BEFORE, LSTM_PROJECTED, LINEAR, MIN_GRU, MIN_LSTM = range(8)
