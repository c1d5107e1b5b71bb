"""The run folder: what an earlier run left in it, and whether a new one may take its place."""

from __future__ import annotations

from pathlib import Path

from timesteps.errors import UsageError
from timesteps.runtime import modelfile
from timesteps.training.checkpoint import checkpoint_path, peek_checkpoint

REQUEST = "request.json"
CHECKPOINT = "checkpoint"
LAST = "card.md"  # written after everything else: a folder that has it holds a finished run


def can_resume(folder: Path) -> bool:
    """Whether a run was begun here and is not finished."""
    return (folder / REQUEST).is_file() and not (folder / LAST).exists()


def epochs_kept(folder: Path) -> int:
    """Epochs in the checkpoints of the run here, all members together.

    Raises:
        ModelError: a damaged checkpoint.
    """
    return sum(peek_checkpoint(path).epoch for path in _checkpoints(folder))


def claim(folder: Path) -> bool:
    """Make the folder if need be; whether it holds a finished run, which a new one would replace.

    Raises:
        UsageError: it holds an unfinished run that is worth resuming, or it cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError("is a file, not a folder", path=folder, mend="choose another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot be made: {reason}", path=folder, mend="choose another --out") from error
    if can_resume(folder) and (epochs := epochs_kept(folder)):
        raise UsageError(
            f"holds an unfinished run, {epochs} {'epoch' if epochs == 1 else 'epochs'} of training done",
            path=folder,
            mend="go on with it by --resume, choose another --out, or remove the folder",
        )
    return (folder / LAST).exists()


def clear(folder: Path) -> None:
    """Remove what an earlier run wrote here, and nothing else. `UsageError` if that is not possible."""
    files = [folder / name for name in (LAST, "report.html", "log.jsonl", modelfile.FILE_NAME)]
    for path in _checkpoints(folder):
        files += [path, path.with_name("log.jsonl"), path.with_name("timings.jsonl")]
    for path in files:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(f"cannot be replaced: {reason}", path=path, mend="choose another --out") from error


def _checkpoints(folder: Path) -> list[Path]:
    kept = folder / CHECKPOINT
    return [path for path in map(checkpoint_path, [kept, *sorted(kept.glob("member-*"))]) if path.exists()]
