"""What all tests share: this folder on the import path, Keras on torch, no deadlines on a busy machine."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ.setdefault("KERAS_BACKEND", "torch")

settings.register_profile("timesteps", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("timesteps")
