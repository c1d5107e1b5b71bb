"""Files are replaced whole or not at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from timesteps.errors import TimestepsError, UsageError
from timesteps.runtime.atomic import atomic_write


def test_replaces_the_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "model [v1].bin"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_an_error_in_the_block_leaves_the_old_file_and_passes_through(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as file:
        file.write(b"half")
        _ = 1 / 0
    with pytest.raises(FileNotFoundError), atomic_write(path) as file:
        (tmp_path / "other").read_bytes()  # its own trouble, not ours to rename
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_clear_line(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TimestepsError) as caught, atomic_write(path) as file:
        file.write(b"new")
    message = str(caught.value)
    assert message.startswith(f"{path}: cannot be written: no space left on device; ") and "\n" not in message
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")  # noqa: PTH110
def test_a_write_that_fails_on_a_full_device_is_caught(tmp_path, monkeypatch):
    real = os.open
    monkeypatch.setattr(
        os, "open", lambda path, *more: real("/dev/full" if "tmp" in str(path)[-4:] else path, *more[:0], os.O_WRONLY)
    )
    with pytest.raises(UsageError, match="no space left"), atomic_write(tmp_path / "a") as file:
        file.write(b"x" * 100_000)


def test_a_missing_folder_and_a_folder_in_the_way(tmp_path):
    with pytest.raises(UsageError, match="no such file or directory"), atomic_write(tmp_path / "no" / "a") as file:
        file.write(b"")
    (tmp_path / "taken").mkdir()
    with pytest.raises(UsageError, match="is a directory"), atomic_write(tmp_path / "taken") as file:
        file.write(b"")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_an_unwritable_folder(tmp_path):
    if os.geteuid() == 0:
        tmp_path = type(tmp_path)("/proc")  # not even root writes there
    else:
        tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match=r"cannot be written: .*; .*choose a folder"), atomic_write(tmp_path / "a"):
        pass


def test_what_a_killed_process_left_is_removed_after_an_hour(tmp_path):
    old, young, foreign = tmp_path / ".a.1-00.tmp", tmp_path / ".a.2-00.tmp", tmp_path / ".b.1-00.tmp"
    for path in (old, young, foreign):
        path.write_bytes(b"half")
    for path in (old, foreign):
        os.utime(path, (time.time() - 7200,) * 2)
    with atomic_write(tmp_path / "a") as file:
        file.write(b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.2-00.tmp", ".b.1-00.tmp", "a"]


@pytest.mark.parametrize("moment", ["writing", "flushed"])
def test_kill_leaves_the_old_file(tmp_path, moment):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"old")
    program = f"""
import sys, time
from timesteps.runtime.atomic import atomic_write
with atomic_write({str(path)!r}) as file:
    file.write(b"half of the new" * 1000)
    {"file.flush()" if moment == "flushed" else ""}
    print("ready", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=_environment()) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
    assert path.read_bytes() == b"old"
    with atomic_write(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
