"""What can look on while a network is trained, under Keras' names."""

from timesteps.training.callbacks.base import (
    Callback,
    LambdaCallback,
    LearningRateScheduler,
    Logs,
    Run,
    State,
    TerminateOnNaN,
)
from timesteps.training.callbacks.monitors import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from timesteps.training.callbacks.records import CSVLogger, History

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "Logs",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "Run",
    "State",
    "TerminateOnNaN",
]
