"""`timesteps.nn.LSTM` in place of `torch.nn.LSTM`: the same weights and numbers, lengths or masks, no packing."""

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from timesteps.nn import LSTM, explain

torch.manual_seed(0)
theirs = torch.nn.LSTM(5, 8, batch_first=True, bidirectional=True)
ours = LSTM(5, 8, batch_first=True, bidirectional=True)
ours.load_state_dict(theirs.state_dict())

x, lengths = torch.randn(3, 10, 5), torch.tensor([10, 4, 7])
packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
output, (h_n, c_n) = ours(x, lengths=lengths)
print("same as torch with packing:", torch.allclose(output, expected, atol=1e-6), tuple(output.shape), tuple(h_n.shape))

left = torch.arange(10) >= 10 - lengths[:, None]  # True where the step is real: padded on the left
shifted = torch.zeros_like(x)
shifted[left] = x[torch.arange(10) < lengths[:, None]]
_, (h_left, _) = ours(shifted, mask=left)
print("the side of the padding changes nothing:", torch.allclose(h_left, h_n, atol=1e-6))
print(explain(ours, x))
