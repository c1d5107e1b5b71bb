"""`timesteps train TASK`: from data to a run folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from timesteps.cli.fetch import fetch
from timesteps.cli.talk import print_json, say

if TYPE_CHECKING:  # msgspec would cost every --help some milliseconds
    from timesteps.tasks.classify.request import Request

app = typer.Typer(no_args_is_help=True, help="Train a model: classify.", add_completion=False)

DATA, TEXT, NET, REG, FIT = "Data", "Text to steps", "Network", "Regularisation", "Training"
NUMBER, SHARE, NAME, FILE = "N", "X", "NAME", "FILE"


def _option(panel: str, *names: str, value: str = "", help: str) -> Any:
    """An option; `value` is what stands for its value in the help, nothing for a flag."""
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False, metavar=value)


@app.command("classify")
def classify(
    data: Annotated[
        str | None,
        typer.Argument(
            help="csv, tsv, jsonl, fastText lines, parquet (also .gz, .xz, .bz2), a folder of folders, or the name of "
            "a known data set (see `timesteps data`). None: the bundled Korean reviews.",
            show_default=False,
            metavar="DATA",
        ),
    ] = None,
    out: Annotated[Path, _option(DATA, "--out", "-o", value="FOLDER", help="Folder for the run. Default: run.")] = Path(
        "run"
    ),
    text_column: Annotated[
        str | None, _option(DATA, "--text-column", value=NAME, help="Name or number of the column of texts.")
    ] = None,
    label_column: Annotated[
        str | None, _option(DATA, "--label-column", value=NAME, help="Name or number of the column of labels.")
    ] = None,
    encoding: Annotated[
        str | None, _option(DATA, "--encoding", value=NAME, help="Encoding of the file. Default: UTF-8.")
    ] = None,
    valid: Annotated[
        str | None, _option(DATA, "--valid", value=FILE, help="Validation file; never trained on.")
    ] = None,
    validation_split: Annotated[
        float | None,
        _option(
            DATA,
            "--validation-split",
            value=SHARE,
            help="Share of rows held out when there is no --valid. Default: 0.2.",
        ),
    ] = None,
    baselines: Annotated[
        bool, _option(DATA, "--baselines/--no-baselines", help="Train the n-gram baselines on the same rows, too.")
    ] = True,
    recipe: Annotated[
        str | None,
        _option(DATA, "--recipe", value=NAME, help="Where all options start from: default, small, ids, textbook."),
    ] = None,
    one_hot: Annotated[bool, _option(TEXT, "--one-hot", help="One-hot vectors of words, no embedding.")] = False,
    input: Annotated[
        Literal["bag", "ids"] | None,
        _option(
            TEXT, "--input", value=NAME, help="bag: each word is the sum of its n-grams; ids: each word one vector."
        ),
    ] = None,
    tokenizer: Annotated[
        Literal["word", "char", "syllable", "jamo", "byte", "subword"] | None,
        _option(
            TEXT, "--tokenizer", value=NAME, help="What makes one step: word, char, syllable, jamo, byte, subword."
        ),
    ] = None,
    num_words: Annotated[
        int | None, _option(TEXT, "--num-words", value=NUMBER, help="Vocabulary size, 3 reserved ids included.")
    ] = None,
    min_count: Annotated[
        int | None, _option(TEXT, "--min-count", value=NUMBER, help="Rarer n-grams are left out of bags.")
    ] = None,
    phrase: Annotated[
        int | None, _option(TEXT, "--phrase", value=NUMBER, help="Bags also hold n-grams of words up to this n.")
    ] = None,
    max_length: Annotated[
        int | None, _option(TEXT, "--max-length", value=NUMBER, help="Longer texts lose steps.")
    ] = None,
    truncating: Annotated[
        Literal["pre", "post", "middle"] | None,
        _option(TEXT, "--truncating", value=NAME, help="Where they lose them: pre, post, middle."),
    ] = None,
    head_length: Annotated[
        int | None,
        _option(TEXT, "--head-length", value=NUMBER, help="Steps kept at the beginning with --truncating middle."),
    ] = None,
    padding: Annotated[
        Literal["pre", "post"] | None,
        _option(TEXT, "--padding", value=NAME, help="Side of the padding; seen only with --no-mask: pre, post."),
    ] = None,
    mask: Annotated[
        bool | None,
        _option(TEXT, "--mask/--no-mask", help="Hide padding from the network, or feed it as textbooks do."),
    ] = None,
    vectors: Annotated[
        Path | None,
        _option(
            NET, "--vectors", value=FILE, help="Pretrained word vectors (word2vec, GloVe, fastText) for --input ids."
        ),
    ] = None,
    embedding_size: Annotated[
        int | None, _option(NET, "--embedding-size", value=NUMBER, help="Size of a step's vector.")
    ] = None,
    cell: Annotated[
        Literal["rnn", "lstm", "gru"] | None, _option(NET, "--cell", value=NAME, help="Recurrent cell: rnn, lstm, gru.")
    ] = None,
    hidden_size: Annotated[
        int | None, _option(NET, "--hidden-size", value=NUMBER, help="Hidden units a direction.")
    ] = None,
    num_layers: Annotated[int | None, _option(NET, "--num-layers", value=NUMBER, help="Recurrent layers.")] = None,
    bidirectional: Annotated[
        bool | None, _option(NET, "--bidirectional/--forward-only", help="Read both ways, or forward only.")
    ] = None,
    nonlinearity: Annotated[
        Literal["tanh", "relu"] | None, _option(NET, "--nonlinearity", value=NAME, help="For --cell rnn: tanh, relu.")
    ] = None,
    reset_after: Annotated[
        bool | None, _option(NET, "--reset-after/--reset-before", help="For --cell gru: where the reset gate acts.")
    ] = None,
    initial_state: Annotated[
        Literal["zero", "learned"] | None,
        _option(NET, "--initial-state", value=NAME, help="State before the first step: zero, learned."),
    ] = None,
    pool: Annotated[
        Literal["last", "mean", "max", "mean+max", "attention"] | None,
        _option(
            NET,
            "--pool",
            value=NAME,
            help="From the outputs of all steps to one vector: last, mean, max, mean+max, attention.",
        ),
    ] = None,
    wide: Annotated[
        bool | None, _option(NET, "--wide/--no-wide", help="Add a linear model over the n-grams (--input bag).")
    ] = None,
    input_dropout: Annotated[
        float | None,
        _option(REG, "--input-dropout", value=SHARE, help="Keras' `dropout`: on layer inputs, fixed over time."),
    ] = None,
    dropout: Annotated[
        float | None,
        _option(REG, "--dropout", value=SHARE, help="torch's: between layers, and before the dense layer."),
    ] = None,
    recurrent_dropout: Annotated[
        float | None, _option(REG, "--recurrent-dropout", value=SHARE, help="On the state, fixed over time.")
    ] = None,
    feature_dropout: Annotated[
        float | None, _option(REG, "--feature-dropout", value=SHARE, help="On the n-grams of a bag.")
    ] = None,
    label_smoothing: Annotated[
        float | None, _option(REG, "--label-smoothing", value=SHARE, help="Soften the targets.")
    ] = None,
    class_weight: Annotated[
        Literal["balanced"] | None,
        _option(REG, "--class-weight", value=NAME, help="balanced: rare classes count more."),
    ] = None,
    epochs: Annotated[
        int | None, _option(FIT, "--epochs", value=NUMBER, help="Times through the training rows.")
    ] = None,
    batch_size: Annotated[int | None, _option(FIT, "--batch-size", value=NUMBER, help="Rows a step.")] = None,
    optimizer: Annotated[
        Literal["adam", "adamw", "rmsprop", "sgd"] | None,
        _option(FIT, "--optimizer", value=NAME, help="Optimiser: adam, adamw, rmsprop, sgd."),
    ] = None,
    learning_rate: Annotated[
        float | None, _option(FIT, "--learning-rate", value=SHARE, help="Peak learning rate.")
    ] = None,
    table_learning_rate: Annotated[
        float | None, _option(FIT, "--table-learning-rate", value=SHARE, help="Peak rate of the n-gram tables.")
    ] = None,
    wide_learning_rate: Annotated[
        float | None, _option(FIT, "--wide-learning-rate", value=SHARE, help="Peak rate of the linear model (--wide).")
    ] = None,
    patience: Annotated[
        int | None,
        _option(FIT, "--patience", value=NUMBER, help="Stop after so many epochs without a better validation loss."),
    ] = None,
    members: Annotated[
        int | None, _option(FIT, "--members", value=NUMBER, help="Networks that answer together, in one file.")
    ] = None,
    seed: Annotated[int | None, _option(FIT, "--seed", value=NUMBER, help="The same seed gives the same bits.")] = None,
    threads: Annotated[int | None, _option(FIT, "--threads", value=NUMBER, help="CPU threads. Default: 1.")] = None,
    resume: Annotated[bool, _option(FIT, "--resume", help="Go on with the run in --out.")] = False,
    dry_run: Annotated[
        bool, _option(FIT, "--dry-run", help="Check the data, show the model, estimate memory and time; train nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="The result as JSON on standard output.")] = False,
) -> None:
    """Train a text classifier, judge it beside n-gram baselines on the same rows, and leave a run folder.

    The folder holds model.safetensors (all that `predict` needs), report.html, card.md, log.jsonl and checkpoint/.

    Options that are left away are the recipe's; --dry-run --json lists them all.
    """
    from timesteps.errors import UsageError
    from timesteps.tasks.classify.request import Request

    choices = {
        "input": "one_hot" if one_hot else input,
        "tokenizer": tokenizer,
        "num_words": num_words,
        "min_count": min_count,
        "phrase": phrase,
        "max_length": max_length,
        "truncating": truncating,
        "head_length": head_length,
        "padding": padding,
        "mask": mask,
        "embedding_size": embedding_size,
        "cell": cell,
        "hidden_size": hidden_size,
        "num_layers": num_layers,
        "bidirectional": bidirectional,
        "nonlinearity": nonlinearity,
        "reset_after": reset_after,
        "initial_state": initial_state,
        "pool": pool,
        "wide": wide,
        "input_dropout": input_dropout,
        "dropout": dropout,
        "recurrent_dropout": recurrent_dropout,
        "feature_dropout": feature_dropout,
        "label_smoothing": label_smoothing,
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "table_learning_rate": table_learning_rate,
        "wide_learning_rate": wide_learning_rate,
        "patience": patience,
        "members": members,
        "seed": seed,
    }
    request = Request(
        data=data,
        text_column=text_column,
        label_column=label_column,
        encoding=encoding,
        valid=valid,
        validation_split=validation_split,
        baselines=baselines,
        recipe=recipe,
        vectors=None if vectors is None else str(vectors),
        class_weight=class_weight,
        threads=threads,
        choices={name: value for name, value in choices.items() if value is not None},
    )
    if dry_run and resume:
        raise UsageError("--dry-run and --resume were both given", mend="choose one")
    for source in (None if resume else data, valid):
        fetch(source)
    if dry_run:
        _plan(request, as_json)
    else:
        _run(request, out, resume, as_json)


def _plan(request: Request, as_json: bool) -> None:
    from timesteps.tasks.classify.plan import plan

    estimate = plan(request, say)
    if as_json:
        print_json(estimate.to_dict())
    else:
        typer.echo(str(estimate))


def _run(request: Request, out: Path, resume: bool, as_json: bool) -> None:
    from timesteps.tasks.classify.folder import can_resume
    from timesteps.tasks.classify.run import run
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
