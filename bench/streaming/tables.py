"""The table of one step at a time, from bench/results/streaming.json."""

from __future__ import annotations

from bench.markdown import UNMEASURED, Read, machine_of, table
from bench.streaming.__main__ import ASKED, HIDDEN, PEERS

_NAMES = {
    "timesteps": "timesteps, from Python",
    "timesteps from C": "timesteps, inside the core",
    "numpy": "numpy, by hand",
    "torch": "torch.nn.LSTMCell",
    "onnxruntime": "ONNX Runtime, bound buffers",
    "litert": "TFLite (ai-edge-litert)",
    "openvino": "OpenVINO",
}


def streaming(read: Read) -> str:
    """Microseconds a step, and what was asked of ours."""
    content = read("streaming")
    head = ["µs a step", *(f"H = {hidden}" for hidden in HIDDEN)]
    if content is None:
        return table(head, [["one step of an LSTM", UNMEASURED, *[""] * (len(HIDDEN) - 1)]])
    sizes, rows = content["results"]["sizes"], []
    for name in (*ASKED, *PEERS):
        cells = []
        for place, hidden in enumerate(HIDDEN):
            seconds = sizes.get(str(hidden), {}).get("seconds", {}).get(name)
            if seconds is None:
                cells.append(UNMEASURED)
                continue
            taken = 1e6 * seconds["median"]
            cells.append(f"{taken:.2f}")
            if name in ASKED:
                limit = ASKED[name][place]
                cells[-1] = f"**{cells[-1]}** (asked ≤ {limit:g}" + (")" if taken <= limit else ": **not reached**)")
            else:
                cells[-1] += f" ({sizes[str(hidden)]['ratios'][name]['median']:.1f}×)"
        rows.append([_NAMES[name], *cells])
    peers = ", ".join(f"{package} {version}" for package, version in content["results"]["peers"].items())
    return (
        table(head, rows)
        + "\nAn LSTM with H inputs and H units and a dense layer, one thread, numpy in and numpy out with the state "
        "inside; in brackets how many times ours. "
        f"Medians of interleaved rounds on {machine_of(content)}; {peers}; commit {content['commit']}.\n"
    )
