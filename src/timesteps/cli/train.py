"""`timesteps train TASK`: from data to a run folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from timesteps.cli import options, train_ngram
from timesteps.cli.fetch import fetch
from timesteps.cli.talk import flag, print_json, say
from timesteps.cli.train_forecast import train_forecast
from timesteps.cli.train_language import train_language
from timesteps.cli.train_tag import train_tag

if TYPE_CHECKING:  # msgspec would cost every --help some milliseconds
    from timesteps.tasks.classify.request import Request

app = typer.Typer(
    no_args_is_help=True, help="Train a model: classify, tag, forecast, ngram, language.", add_completion=False
)


@app.command("classify")
def classify(
    context: typer.Context,
    data: options.Data = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    group: options.Group = None,
    time: options.Time = None,
    features: options.Features = None,
    missing: options.Missing = None,
    window: options.Window = None,
    encoding: options.Encoding = None,
    valid: options.Valid = None,
    validation_split: options.ValidationSplit = None,
    unlabeled: options.Unlabeled = None,
    baselines: options.Baselines = True,
    recipe: options.Recipe = None,
    one_hot: options.OneHot = False,
    input: options.Input = None,
    tokenizer: options.Tokenizer = None,
    lowercase: options.Lowercase = None,
    squeeze: options.Squeeze = None,
    num_words: options.NumWords = None,
    syllable: options.Syllable = None,
    jamo: options.Jamo = None,
    phrase: options.Phrase = None,
    min_count: options.MinCount = None,
    piece: options.Piece = None,
    guide: options.Guide = None,
    guide_longest: options.GuideLongest = None,
    guide_share: options.GuideShare = None,
    max_length: options.MaxLength = None,
    truncating: options.Truncating = None,
    head_length: options.HeadLength = None,
    padding: options.Padding = None,
    mask: options.Mask = None,
    vectors: options.Vectors = None,
    pretrain: options.Pretrain = None,
    embedding_size: options.EmbeddingSize = None,
    cell: options.Cell = None,
    hidden_size: options.HiddenSize = None,
    num_layers: options.NumLayers = None,
    bidirectional: options.Bidirectional = None,
    nonlinearity: options.Nonlinearity = None,
    reset_after: options.ResetAfter = None,
    initial_state: options.InitialState = None,
    chrono: options.Chrono = None,
    layer_norm: options.LayerNorm = None,
    peephole: options.Peephole = None,
    pool: options.Pool = None,
    wide: options.Wide = None,
    input_dropout: options.InputDropout = None,
    dropout: options.Dropout = None,
    recurrent_dropout: options.RecurrentDropout = None,
    zoneout: options.Zoneout = None,
    zoneout_cell: options.ZoneoutCell = None,
    weight_drop: options.WeightDrop = None,
    feature_dropout: options.FeatureDropout = None,
    word_dropout: options.WordDropout = None,
    label_smoothing: options.LabelSmoothing = None,
    consistency: options.Consistency = None,
    weight_decay: options.WeightDecay = None,
    class_weight: options.ClassWeight = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    optimizer: options.Optimizer = None,
    learning_rate: options.LearningRate = None,
    table_learning_rate: options.TableLearningRate = None,
    wide_learning_rate: options.WideLearningRate = None,
    schedule: options.Schedule = None,
    warmup: options.Warmup = None,
    clip_norm: options.ClipNorm = None,
    ema: options.Ema = None,
    patience: options.Patience = None,
    nonfinite: options.Nonfinite = None,
    members: options.Members = None,
    unguided: options.Unguided = None,
    engine: options.Engine = None,
    seed: options.Seed = None,
    out: options.Out = Path("run"),
    threads: options.Threads = None,
    memory: options.Memory = None,
    resume: options.Resume = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Train a classifier of texts or of sequences of numbers, judge it beside baselines on the same rows, leave a run.

    The folder holds model.safetensors (all that `predict` needs), report.html, card.md, log.jsonl and checkpoint/.

    Options that are left away are the recipe's; --dry-run --json lists them all.
    """
    from timesteps.errors import UsageError

    if one_hot and input not in (None, "one_hot"):
        raise UsageError(f"--one-hot and --input {input} were both given", mend="choose one")
    request = _request({**context.params, "input": "one_hot" if one_hot else input})
    if dry_run and resume:
        raise UsageError("--dry-run and --resume were both given", mend="choose one")
    for source in (None if resume else data, valid, unlabeled):
        fetch(source)
    if dry_run:
        _plan(request, as_json)
    else:
        _run(request, out, resume, as_json)


def _request(given: dict[str, Any]) -> Request:
    """What was asked for: the options of the command line have the names of the request and of its choices."""
    from timesteps.tasks.classify.options import Options
    from timesteps.tasks.classify.request import Request

    choices = {name: given[name] for name in Options.names() if given.get(name) is not None}
    return Request(choices=choices, **{name: given[name] for name in Request.__struct_fields__ if name in given})


def _plan(request: Request, as_json: bool) -> None:
    from timesteps.tasks.classify.plan import plan

    estimate = plan(request, say)
    if as_json:
        print_json(estimate.to_dict())
    else:
        typer.echo(estimate.text(flag))


def _run(request: Request, out: Path, resume: bool, as_json: bool) -> None:
    from timesteps.tasks.classify.run import run
    from timesteps.tasks.folder import can_resume
    from timesteps.training.progress import quiet, terminal

    try:
        result = run(request, out, resume=resume, say=say, progress=quiet() if as_json else terminal())
    except KeyboardInterrupt as stop:
        if not can_resume(out):
            raise KeyboardInterrupt("nothing was written") from stop
        command = f"timesteps train classify --resume --out {shlex.quote(str(out))}"
        raise KeyboardInterrupt(f"the epochs that are done are kept; go on with: {command}") from stop
    if as_json:
        print_json(result.to_dict())
    else:
        typer.echo(str(result))


app.command("tag")(train_tag)
app.command("forecast")(train_forecast)
app.command("ngram")(train_ngram.ngram)
app.command("language")(train_language)
