"""What a cell can compute: trained on short sequences, judged on long ones.

>>> from timesteps.inspect.expressivity import expressivity
>>> expressivity("lstm", "parity", lengths=(1000,)).accuracy[1000]
1.0
"""

from timesteps.inspect.expressivity.recipe import CELLS, Expressivity, expressivity
from timesteps.inspect.expressivity.tasks import TASKS, Task, task

__all__ = ["CELLS", "TASKS", "Expressivity", "Task", "expressivity", "task"]
