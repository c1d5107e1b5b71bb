"""How far a gradient reaches back through a tanh network, a GRU and an LSTM, on movements of a wrist.

Each is trained for a few epochs to tell four activities apart, and answers by its last state, so that what it knows of
the first step has to come through all of the others. The gated cells are also begun with time scales of up to 100 steps
(`chrono`), which is what `timesteps diagnose` advises.
"""

from timesteps import Classifier
from timesteps.data.sequences import read_sequences
from timesteps.inspect.diagnose import diagnose
from timesteps.inspect.diagnose.picture import write_picture

table = read_sequences("basic-motions")
flows = {}
for name, cell, chrono in (
    ("RNN", "rnn", None),
    ("GRU", "gru", None),
    ("LSTM", "lstm", None),
    ("GRU, chrono", "gru", 100),
    ("LSTM, chrono", "lstm", 100),
):
    options = {"hidden_size": 32, "pool": "last", "epochs": 15, "learning_rate": 0.005, "random_state": 0}
    model = Classifier(cell=cell, chrono=chrono, **options).fit(table.rows, table.labels)
    found = diagnose(model.session_, table.rows, name="basic-motions")
    flow = found.flows[-1]  # of c, where there is one
    flows[name.replace(cell.upper(), f"{cell.upper()} {flow.state}")] = flow
    half = "longer" if flow.half_life is None else f"{flow.half_life:.1f} steps"
    memory = "longer" if flow.memory is None else f"{flow.memory:.1f} steps"
    print(f"{name:<13} half-life {half:<11} to 1 % {memory:<11} norm at {flow.lags[-1]} back {flow.spectral[-1]:.1e}")
shown = {name: flows[name] for name in ("RNN h", "GRU h, chrono", "LSTM c, chrono")}
write_picture("gradient_flow.svg", "How much of a gradient arrives k steps back", shown)
