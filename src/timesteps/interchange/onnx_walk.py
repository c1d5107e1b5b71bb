"""Following an ONNX graph from its inputs to its logits.

The walk goes through the nodes in order and knows, of each tensor, its axes and its meaning. A node that has no meaning
for a network of embedding, recurrent layers, pooling and one dense layer is refused by its name. What the walk
concludes is then run beside ONNX Runtime.
"""

from __future__ import annotations

from dataclasses import replace

from timesteps.errors import ModelError
from timesteps.interchange.files import shown
from timesteps.interchange.onnx_constants import OPERATORS, evaluated
from timesteps.interchange.onnx_graph import Graph, Node
from timesteps.interchange.onnx_meaning import Meaning, Walk, given, is_size, refused
from timesteps.interchange.onnx_nodes import VISITS
from timesteps.interchange.onnx_recurrent import NODES, from_node

__all__ = ["walk"]

#: What exporters compute of shapes and lengths: masks, and states of the right size.
_SIZES = frozenset(
    [
        "Range",
        "Cast",
        "Unsqueeze",
        "Squeeze",
        "Gather",
        "Concat",
        "Slice",
        "Reshape",
        "Identity",
        "Transpose",
        "Less",
        "Greater",
        "GreaterOrEqual",
        "LessOrEqual",
        "Not",
        "Equal",
        "Where",
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Max",
        "ConstantOfShape",
        "Expand",
    ]
)


def walk(graph: Graph) -> Walk:
    """Follow the graph from its inputs to its logits.

    Raises:
        ModelError: a node, an input or an output with no meaning here, by name.
    """
    found = Walk(graph)
    found.meanings = {name: Meaning("constant", array=array) for name, array in graph.constants.items()}
    for each in graph.inputs:
        axes = tuple(str(k) for k in range(len(each.shape)))
        found.meanings[each.name] = Meaning("input", axes, source=each)
    for node in graph.nodes:
        try:
            _visit(found, node)
        except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            if isinstance(error, ModelError):
                raise
            raise refused(node) from error  # too few inputs, or axes that its input does not have
    logits = [name for name in graph.outputs if found.get(name).kind == "logits"]
    if len(logits) != 1 or found.head is None:
        raise ModelError(
            "the graph has no output that one dense layer (Gemm or MatMul) gives",
            mend="a model answers with classes: export it with its dense layer",
        )
    found.output = logits[0]
    for each in graph.inputs:
        if each not in (found.main, found.lengths) and each.name not in found.states:
            raise ModelError(f"the input {shown(each.name)} is used for nothing that is known here")
    return found


def _visit(found: Walk, node: Node) -> None:
    inputs = [found.get(name) for name in node.inputs]
    if node.op in NODES:
        _recurrent(found, node, inputs)
        return
    if all(each.kind == "constant" for each in inputs) and node.op in OPERATORS:
        array = evaluated(node, [each.array for each in inputs])
        made = Meaning("constant", array=array)
    elif all(is_size(found, each) for each in inputs) and node.op in _SIZES:
        made = _sizes(found, node, inputs)
    elif node.op == "Shape":
        made = Meaning("size")
    elif node.op in VISITS:
        answer = VISITS[node.op](found, node, inputs)
        if answer is None:
            raise refused(node)
        made = answer
    else:
        raise refused(node)
    found.meanings[node.outputs[0]] = made


def _sizes(found: Walk, node: Node, inputs: list[Meaning]) -> Meaning:
    """Something made of sizes; a state may only begin with one that is known to be zero."""
    if node.op == "ConstantOfShape":
        value = node.attributes.get("value")
        return Meaning("size", zero=value is None or not value.any())
    if node.op in ("Expand", "Identity", "Cast", "Reshape", "Unsqueeze", "Squeeze", "Transpose", "Slice", "Gather"):
        first = inputs[0]
        return Meaning("size", zero=first.zero or (first.array is not None and not first.array.any()))
    if node.op == "Concat":
        return Meaning("size", zero=all(each.zero for each in inputs))
    return Meaning("size")


def _recurrent(found: Walk, node: Node, inputs: list[Meaning]) -> None:
    """A recurrent node: the layer joins those below it."""
    x, W, R, B, lengths, h, c, peephole = inputs + [Meaning("constant")] * (8 - len(inputs))
    rows_first = node.attributes.get("layout", 0) == 1
    if node.attributes.get("layout", 0) not in (0, 1) or len(node.inputs) > 8:
        raise refused(node)
    if peephole.array is not None or peephole.kind != "constant":
        raise ModelError(f"{node.where} has peepholes", mend="only the standard RNN, LSTM and GRU can be converted")
    if W.array is None or R.array is None or (B.array is None and (B.kind != "constant" or given(node, 3))):
        raise ModelError(f"{node.where} has weights that are no constants")
    if x.kind == "input" and x.source is not None and len(x.axes) == 3 and not x.source.integer:
        x = replace(x, kind="steps")
        found.main = found.main or x.source
    time, rows = (x.axes[1], x.axes[0]) if rows_first else (x.axes[0], x.axes[1])
    if x.kind != "steps" or len(x.axes) != 3 or x.masked not in (None, 0.0) or x.layer != len(found.layers) - 1:
        raise ModelError(f"{node.where} does not read the layer below it", mend="export a plain stack of layers")
    if x.layer == -1:
        if {time, rows} != {"0", "1"}:
            raise ModelError(f"{node.where} reads features as rows or time")
        found.time = time
    elif (time, rows) != ("T", "B"):
        raise ModelError(f"{node.where} reads rows as time, or the other way round")
    layer = from_node(node.op, node.where, node.attributes, W.array, R.array, B.array)
    number, count = len(found.layers), len(layer.directions)
    for state in (h, c):
        if state.kind == "input" and state.source is not None and len(state.axes) == 3:
            found.states[state.source.name] = (number, rows_first)
        elif not (state.zero or (state.kind == "constant" and (state.array is None or not state.array.any()))):
            raise ModelError(f"{node.where} begins with a state that is neither zero nor an input")
    if given(node, 4) and not is_size(found, lengths):
        raise ModelError(f"{node.where} has sequence_lens that are not an input of the graph")
    found.layers.append(layer)
    pieces = tuple((number, d) for d in range(count))
    ends = ("B", "D", "F") if rows_first else ("D", "B", "F")
    made = [
        Meaning("steps", ("B", "T", "D", "F") if rows_first else ("T", "D", "B", "F"), layer=number),
        Meaning("state", ends, layer=number, pieces=pieces),
        Meaning("state", ends, layer=-2),  # c: goes out, but nothing here reads it
    ]
    found.meanings.update({name: each for name, each in zip(node.outputs, made, strict=False) if name})
