"""Tar files from the network, taken apart with suspicion."""

from __future__ import annotations

import re
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from timesteps.errors import DataError

MAX_MEMBER_BYTES = 16 << 20
MAX_TOTAL_BYTES = 2 << 30


def extract(packed: Path, folder: Path, top: str, wanted: re.Pattern[str], members: int) -> Path:
    """Writes the members of a tar file whose whole names match `wanted` to `folder/top`, and returns that folder.

    All or nothing: they are written beside it first and moved in one step. Other members are passed over. Nothing is
    ever written outside: a wanted name must lie under `top`, relative and without `..`, and be an ordinary file. A
    member may hold 16 MiB, all of them 2 GiB, and there must be exactly `members`.

    Errors: `DataError` for a damaged file, a hostile or oversized member, a wrong number, and a full disk.
    """
    partial = folder / f".{top}.partial"
    if partial.exists():
        shutil.rmtree(partial)
    count = total = 0
    made: set[Path] = set()
    try:
        with tarfile.open(packed, "r|*") as archive:
            for member in archive:
                if not wanted.fullmatch(member.name):
                    continue
                parts = PurePosixPath(member.name).parts
                if not member.isreg() or ".." in parts or "\\" in member.name or parts[0] != top or len(parts) < 2:
                    raise _hostile(packed, f"member {member.name!r} is not a plain file inside {top}/")
                total += member.size
                if member.size > MAX_MEMBER_BYTES or total > MAX_TOTAL_BYTES:
                    raise _hostile(packed, f"member {member.name!r} is too large ({member.size:,} bytes)")
                content = archive.extractfile(member)
                if content is None:
                    raise _hostile(packed, f"member {member.name!r} has no content")
                target = partial.joinpath(*parts[1:])
                if target.parent not in made:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    made.add(target.parent)
                target.write_bytes(content.read())
                count += 1
        if count != members:
            raise _hostile(packed, f"holds {count:,} of the {members:,} files that it should")
        partial.rename(folder / top)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise _hostile(packed, f"is damaged ({error})") from error
    except OSError as error:
        raise DataError(
            f"cannot be taken apart: {error.strerror or error}", path=packed, mend="make room, or set TIMESTEPS_CACHE"
        ) from error
    finally:
        if partial.exists():
            shutil.rmtree(partial)
    return folder / top


def _hostile(packed: Path, what: str) -> DataError:
    return DataError(what, path=packed, mend="delete it and fetch it from its official source")
