"""Looking inside a model: what it is made of, what it does at every step, and why it answers as it does."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from timesteps.inspect.explanation import explain
    from timesteps.inspect.trace_model import trace

__all__ = ["explain", "trace"]

# Looked up when they are first used, so that what needs no torch stays without it.
_WHERE = {"explain": "timesteps.inspect.explanation", "trace": "timesteps.inspect.trace_model"}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'timesteps.inspect' has no attribute {name!r}")
