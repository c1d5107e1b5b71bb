"""`timesteps score RUN [FILE|-]`: how probable is each sentence?"""

from __future__ import annotations

import json
import math
import sys

from timesteps.cli import language


def score(
    run: language.Run,
    file: language.File = "-",
    as_json: language.JsonLines = False,
    encoding: language.Encoding = None,
) -> None:
    """For each line `log10 probability <tab> perplexity <tab> unknown words`.

    The end of the sentence counts as a token. --json also gives every token's log10, perplexities per word and per
    character and without unknown words.
    """
    from timesteps.runtime.language.scoring import score as judge

    model = language.open_language(run)
    for batch in language.sentences(file, encoding):
        try:
            for number, line in batch:
                with language.of_line(file, number):
                    found = judge(model, line)
                if as_json:
                    logs = [value / math.log(10.0) for value in found.log_probs.tolist()]
                    tokens = [
                        {"unit": unit, "log10": value if math.isfinite(value) else None}
                        for unit, value in zip(found.units, logs, strict=True)
                    ]
                    print(json.dumps({"text": line, **found.to_dict(), "units": tokens}, ensure_ascii=False))
                    continue
                impossible = f"\timpossible: {found.impossible[0]!r}" if found.impossible else ""
                print(f"{found.log10:.4f}\t{found.perplexity:.2f}\t{found.unknown}{impossible}")
        finally:
            sys.stdout.flush()
