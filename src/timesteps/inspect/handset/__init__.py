"""Networks whose weights are set by hand: small enough to follow with a pencil, exact on every input.

>>> from timesteps.inspect.handset import handset
>>> handset("parity").session().predict([[[0], [1], [0], [1], [1]]])
[1]
"""

from timesteps.inspect.handset.network import Handset
from timesteps.inspect.handset.networks import HANDSETS, handset

__all__ = ["HANDSETS", "Handset", "handset"]
