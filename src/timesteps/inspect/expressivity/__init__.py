"""What a cell can compute: trained on short sequences, judged on long ones.

>>> from timesteps.inspect.expressivity import expressivity
>>> expressivity("lstm", "parity", lengths=(1000,)).accuracy[1000]
1.0
"""

from timesteps.inspect.expressivity.recipe import Expressivity, expressivity
from timesteps.inspect.expressivity.tasks import TASKS, Task

__all__ = ["TASKS", "Expressivity", "Task", "expressivity"]
