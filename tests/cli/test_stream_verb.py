"""`timesteps stream`: a line in, a line out, the state carried on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from commands import Answer, finish, spawn

from timesteps.runtime import modelfile
from timesteps.runtime.metrics import probabilities
from timesteps.runtime.session import load
from timesteps.runtime.spec import ModelSpec, TextSpec
from timesteps.runtime.text.processor import TextProcessor

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))
import random_models as models

Command = Callable[..., Answer]
STEPS = [[0.5, 1.0, -2.0], [3.0, 2.0, 1.0], [0.25, 0.0, 8.0]]
LINES = "".join(",".join(map(str, step)) + "\n" for step in STEPS)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("numbers") / "model.safetensors"
    modelfile.save(path, *models.numeric_model())
    return path.parent


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    processor = TextProcessor.fit(models.TEXTS, TextSpec())
    shape = models.network("lstm", input="ids", input_size=processor.input_size, pool="mean")
    spec = ModelSpec(task="classify", classes=("no", "yes"), text=processor.spec, network=shape)
    path = tmp_path_factory.mktemp("texts") / "model.safetensors"
    modelfile.save(path, spec, models.weights(shape))
    return path.parent


def expected(run: Path, prefixes: list) -> str:
    """What predict would say of the steps so far."""
    session = load(run)
    p = session.predict_proba(prefixes)
    return "".join(f"{session.classes[row.argmax()]}\t{row.max():.4f}\n" for row in p)


def test_the_columns_of_a_line_are_one_step(timesteps: Command, numbers: Path, tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    said = expected(numbers, [STEPS[:1], STEPS[:2], STEPS])
    for content in (LINES, LINES.replace(",", ";"), LINES.replace(",", "\t"), LINES.replace(",", " , ")):
        path.write_text(content)
        assert timesteps("stream", numbers, path) == (0, said, "")
    path.write_text("".join(json.dumps(step) + "\r\n" for step in STEPS))
    assert timesteps("stream", numbers, path) == (0, said, "")
    found = [json.loads(line) for line in timesteps("stream", numbers, path, "--json").out.splitlines()]
    logits = load(numbers).run(np.array(STEPS)).astype(float)
    assert [list(row["probabilities"].values()) for row in found] == probabilities(logits).tolist()


def test_a_blank_line_begins_anew_when_asked(timesteps: Command, numbers: Path, tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    path.write_text(LINES + " \n" + LINES)
    answer = timesteps("stream", numbers, path, "--reset-on-blank")
    once = expected(numbers, [STEPS[:1], STEPS[:2], STEPS])
    assert answer == (0, f"{once}\n{once}", "")
    answer = timesteps("stream", numbers, path)
    assert answer.code == 3 and answer.out == once and f"{path}:4: 0 columns, this model reads 3" in answer.err


def test_lines_of_a_text_go_on(timesteps: Command, texts: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    lines = ["good film !!", "", "재미있는 영화", "너무 지루했다"]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    said = expected(texts, ["\n".join(lines[:n]) for n in range(1, 5)])
    assert timesteps("stream", texts, path) == (0, said, "")


def test_token_ids(timesteps: Command, tmp_path: Path) -> None:
    spec, tensors = models.ids_model("ids")
    modelfile.save(tmp_path / "model.safetensors", spec, tensors)
    (tmp_path / "ids.txt").write_text("3 4\n5\n99999999999999999999, 1\n")
    said = expected(tmp_path, [[3, 4], [3, 4, 5], [3, 4, 5, 2, 1]])
    assert timesteps("stream", tmp_path, tmp_path / "ids.txt") == (0, said, "")
    (tmp_path / "ids.txt").write_text("3\n-4\n")
    answer = timesteps("stream", tmp_path, tmp_path / "ids.txt")
    assert answer.code == 3 and "ids.txt:2: '-4' is no line of token ids; give whole numbers from 0" in answer.err


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1,2", "2 columns, this model reads 3; give the 3 numbers of one step, with commas between them"),
        ("1,2,3,4", "4 columns, this model reads 3"),
        ("1,,3", "column 2 is '', which is no number"),
        ("x,y,z", "column 1 is 'x', which is no number"),
        ("1,2,nan", "column 3 is 'nan'; fill or drop missing values first"),
        ("1,inf,2", "column 2 is 'inf'; fill"),
        ("1,2,1e300", "feature 2 of the step is 1e+300, which is too large"),
        ("[1,2,", "'[1,2,' is no JSON list"),
        ("[1,2,[3]]", "column 3 is '[3]', which is no number"),
        ('[1,2,"3"]', "column 3 is '\"3\"', which is no number"),
        ("[" * 100000, "is no JSON list"),
    ],
)
def test_a_line_that_cannot_be_read_ends_the_stream(
    timesteps: Command, numbers: Path, tmp_path: Path, line: str, why: str
) -> None:
    path = tmp_path / "steps.csv"
    path.write_text(LINES + line + "\n" + LINES)
    answer = timesteps("stream", numbers, path)
    assert answer.code == 3 and answer.err.startswith(f"timesteps: {path}:4: ") and why in answer.err
    assert answer.err.count("\n") == 1 and len(answer.err) < 400
    assert answer.out == expected(numbers, [STEPS[:1], STEPS[:2], STEPS])


def test_models_that_read_the_future_are_refused(timesteps: Command, tmp_path: Path) -> None:
    modelfile.save(tmp_path / "model.safetensors", *models.text_model())
    answer = timesteps("stream", tmp_path, tmp_path / "nothing")
    assert answer.code == 4 and answer.out == ""
    assert answer.err == (
        f"timesteps: {tmp_path}: cannot run step by step: layer rnn.l0 is bidirectional: it reads a sequence from its "
        "end, too; use predict, which reads whole texts\n"
    )
    assert timesteps("stream", tmp_path / "nowhere").code == 4


def test_each_line_is_answered_at_once_and_ctrl_c_ends_it(numbers: Path) -> None:
    process = spawn("stream", numbers)
    assert process.stdin is not None and process.stdout is not None
    for line, said in zip(
        LINES.splitlines(), expected(numbers, [STEPS[:1], STEPS[:2], STEPS]).splitlines(), strict=True
    ):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == said + "\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert finish(process).err == "timesteps: interrupted\n"


def test_a_reader_may_leave(numbers: Path) -> None:
    process = spawn("stream", numbers)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(LINES)
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    with suppress(BrokenPipeError):
        process.stdin.write(LINES * 20000)
        process.stdin.flush()
    assert process.wait(30) == 0 and process.stderr is not None and process.stderr.read() == ""


def test_answers_before_a_faulty_line_come_out(numbers: Path) -> None:
    answer = finish(spawn("stream", numbers), LINES + "1,2\n")
    assert answer.code == 3 and answer.out == expected(numbers, [STEPS[:1], STEPS[:2], STEPS])
    assert answer.err.startswith("timesteps: standard input:4: 2 columns")


def test_stream_needs_no_torch(numbers: Path) -> None:
    code = (
        "import sys, io; sys.stdin = io.TextIOWrapper(io.BytesIO(b'1,2,3\\n'))\n"
        f"from timesteps import cli; cli._run(['stream', {str(numbers)!r}], True)\n"
        "print(sorted({'torch', 'sklearn', 'scipy', 'pandas'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[1] == "[]"
