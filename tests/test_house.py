"""The rules of the house: who imports whom, what stays light, what is forbidden."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "timesteps"
FILES = sorted(SOURCE.rglob("*.py"))

#: room -> rooms of this package that it may import
ALLOWED = {
    "errors": set(),
    "runtime": {"errors", "_core", "version"},
    "data": {"errors", "runtime", "version"},
    "nn": {"errors", "runtime"},
    "training": {"errors", "runtime", "nn", "version"},
    "inspect": {"errors", "runtime", "nn", "training", "interchange"},
    "interchange": {"errors", "runtime", "nn", "version"},
    "tasks": {"errors", "runtime", "data", "nn", "training", "inspect", "version"},
    "cli": {"errors", "runtime", "data", "nn", "training", "inspect", "interchange", "tasks", "version"},
    "version": set(),
}
#: rooms that must work without these packages
WITHOUT = {"runtime": {"torch", "sklearn", "rich", "typer"}, "data": {"torch", "sklearn", "rich", "typer"}}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path: Path) -> None:
    here = room(path)
    if here in ("__init__", "__main__"):
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "timesteps" and len(parts) > 1 and parts[1] not in ("__version__",):
            assert parts[1] == here or parts[1] in ALLOWED[here], f"{here} may not import {name}"
        assert parts[0] not in WITHOUT.get(here, set()), f"{here} must run without {parts[0]}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_pickle_and_no_swallowed_errors(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    for name in imports(path):
        assert name.split(".")[0] not in {"pickle", "dill", "joblib", "shelve", "marshal"}, f"{path} imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
            )
            empty = all(isinstance(line, ast.Pass) for line in node.body)
            assert not (broad and empty), f"{path}:{node.lineno} swallows errors"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_are_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") <= 400, f"{path} is too long to read in one sitting"
    assert path.stem not in {"utils", "helpers", "common", "misc"}
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it is for"


def modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in run.stdout.split()}


@pytest.mark.parametrize(
    "code",
    ["import timesteps", "import timesteps.runtime.session", "import timesteps.data", "import timesteps.cli"],
)
def test_light_imports(code: str) -> None:
    assert not modules_after(code) & {"torch", "sklearn", "scipy", "pandas", "matplotlib"}


def test_importing_timesteps_needs_not_even_numpy() -> None:
    assert "numpy" not in modules_after("import timesteps")
