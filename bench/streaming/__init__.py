"""One time step of an LSTM at a time, beside what other libraries take for it."""
