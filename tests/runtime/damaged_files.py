"""Taking model files apart, and putting them together wrongly."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from timesteps.errors import ModelError
from timesteps.runtime import modelfile


def parts(path: Path) -> tuple[dict, bytes]:
    """Header and data of a safetensors file."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def put(path: Path, header: dict | bytes | str, data: bytes) -> Path:
    """Write a safetensors file with this header."""
    encoded = (
        header if isinstance(header, bytes) else (header if isinstance(header, str) else json.dumps(header)).encode()
    )
    encoded += b" " * (-len(encoded) % 8)
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + data)
    return path


def refused(path: Path, match: str | None = None) -> None:
    """Loading raises a ModelError in one short line that names the file."""
    with pytest.raises(ModelError, match=match) as caught:
        modelfile.load(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value) and len(str(caught.value)) < 500


def with_spec(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """The file with its specification changed, and the checksum left as it was."""
    header, data = parts(path)
    spec = json.loads(header["__metadata__"]["timesteps"])
    change(spec)
    header["__metadata__"]["timesteps"] = json.dumps(spec)
    return put(path, header, data)
