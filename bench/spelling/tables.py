"""The table of bench/results/spelling.json."""

from __future__ import annotations

from bench.markdown import UNMEASURED, Read, machine_of, table

NORVIG = 78.0  # percent: asked


def spelling(read: Read) -> str:
    """Words alone, and words in their sentences."""
    content = read("spelling")
    head = ["misspelled words", "right", "", "asked"]
    if content is None:
        return table(head, [["spelling", UNMEASURED, "", ""]])
    results = content["results"]
    names = {
        "norvig_testset1": "Norvig's testset1, each word alone",
        "aspell": "Aspell's list, a sample, each word alone",
        "birkbeck": "the Birkbeck corpus, a sample, each word alone",
    }
    rows = []
    for key, name in names.items():
        found = results["alone"][key]
        share, asked = 100 * found["share"], ""
        if key == "norvig_testset1":
            asked = f"≥ {NORVIG:g} % (published 74–75): " + ("reached" if share >= NORVIG else "**not reached**")
        rows.append(
            [name, f"**{share:.1f} %** of {found['words']:,}", f"{found['listed']:,} are in the lexicon", asked]
        )
    for key, name in (
        ("english", "English sentences, misspellings of Birkbeck"),
        ("korean", "Korean sentences, slips"),
    ):
        found = results[key]
        before, after = found["without_context"], found["in_context"]
        asked = "a clear gain: " + ("reached" if after["right_after"] > before["right_after"] else "**not reached**")
        share = f"**{100 * after['restored_share']:.1f} %** of {after['damaged']:,} restored"
        spoiled = f"{100 * after['spoiled_share']:.2f} % of sound words spoiled"
        without = f"; by frequency alone {100 * before['restored_share']:.1f} %, {100 * before['spoiled_share']:.2f} %"
        rows.append([f"{name}, {found['sentences']:,} damaged here", share, spoiled + without, asked])
        blanks = found["blanks"]
        for name, damaged in (("two words written as one", "left_out"), ("one word written as two", "put_in")):
            part, usual, off = blanks[damaged], blanks["sound"], blanks["sound_without"]
            undamaged = f"{usual['spoiled']:,} of {usual['sound']:,} words of the undamaged sentences spoiled; "
            share = f"**{100 * part['restored_share']:.1f} %** of {part['damaged']:,} restored"
            language = key.capitalize()
            rows.append(
                [f"{language}, {name}, `--blanks`", share, undamaged + f"without the option {off['spoiled']:,}", ""]
            )
    return table(head, rows) + f"\n`python -m bench.spelling`, on {machine_of(content)}; commit {content['commit']}.\n"
