"""The graph of a model in eval mode, had from the one in train mode where the two differ as usual.

To capture a graph is most of what loading a model costs. Nearly all models differ between the modes in their
batch-norms and dropouts alone. That is not assumed: a copy of the model is run in both modes, and every call
of one of torch's functions is noted, with its arguments and the student's line. An export makes its graph of
these calls. Where they are the same but for the flags of batch-norms and dropouts and the counters of
batch-norms, so are the graphs. Where anything else differs, or cannot be compared, there is no graph from
here, and the model is captured in eval mode as well.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it
from torch.overrides import TorchFunctionMode

from harness.graph import ir as plain
from harness.loader.failures import current_line
from harness.loader.switches import in_mode

_FLAGGED = (F.batch_norm, F.dropout, F.dropout2d)
"""Functions that may differ in their argument `training`."""
_BATCH_NORM = "aten.batch_norm.default"
_FLAG_AT: Mapping[str, int] = {
    _BATCH_NORM: 5,
    "aten.dropout.default": 2,
    "aten.dropout_.default": 2,
    "aten.feature_dropout.default": 2,
    "aten.feature_dropout_.default": 2,
}
"""The operators that these functions become, and where the flag is among their arguments."""
_COUNT = "aten.add_.Tensor"
_VALUES = (
    bool, int, float, complex, str, type(None), torch.dtype, torch.device, torch.layout, torch.memory_format,
)  # fmt: skip


@dataclass(frozen=True)
class Flags:
    """The differences of the modes: the flags in the order of the calls, how often batches are counted."""

    train: Sequence[object]
    eval: Sequence[object]
    counted: int


def flags_of(model: nn.Module, input_shape: tuple[int, int, int], root: Path) -> Flags | None:
    """Run a copy of a model in both modes; None unless it does the same in both but for its flags.

    `input_shape` is (C, H, W); `root` is the submission's folder.
    """
    try:
        # What it says is heard when it is captured.
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            copied = copy.deepcopy(model)
            train, evaluated = (
                _run(in_mode(copied, training=mode), input_shape, root) for mode in (True, False)
            )
        alike = train.calls == evaluated.calls and not evaluated.counted
    except Exception:  # noqa: BLE001 - student code; what is wrong with it shows when it is captured
        return None
    return Flags(train.flags, evaluated.flags, train.counted) if alike else None


def in_eval(train: plain.Graph, flags: Flags) -> plain.Graph | None:
    """Convert the graph in train mode to that in eval mode; None where an export might name it otherwise."""
    counts, kept = _without_counts(train)
    flagged = [node for node in kept if node.op in _FLAG_AT]
    if len(counts) != flags.counted or [_flag(node) for node in flagged] != list(flags.train):
        return None
    if _names(train.nodes) != [node.name for node in train.nodes]:
        return None
    flipped = {node.name: _with_flag(node, flag) for node, flag in zip(flagged, flags.eval, strict=True)}
    kept = [flipped.get(node.name, node) for node in kept]
    names = dict(zip((node.name for node in kept), _names(kept), strict=True))
    if any(ref in counts for node in kept for ref in node.refs) or not counts.isdisjoint(train.outputs):
        return None
    if {*train.inputs, *train.bindings} & set(names.values()):
        return None
    nodes = tuple(_renamed(node, names) for node in kept)
    outputs = tuple(names.get(output, output) for output in train.outputs)
    same = {name: getattr(train, name) for name in ("inputs", "input_shape", "bindings")}
    return plain.Graph(nodes=nodes, outputs=outputs, **same)


class _Calls(TorchFunctionMode):
    """Notes every call of torch's functions; a tensor by the call it came from, all else by what it is."""

    def __init__(self, image: Tensor, counters: set[int], root: Path) -> None:
        super().__init__()
        self.calls: list[object] = []
        self.flags: list[object] = []
        self.counted = 0
        self._counters, self._root = counters, root
        # All of it is kept: what is dropped leaves its identity to what comes next.
        self._seen: list[object] = []
        self._numbers: dict[int, int] = {}
        self._number(image)

    def __torch_function__(
        self,
        function: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if function == Tensor.add_ and id(args[0]) in self._counters and args[1:] == (1,) and not options:
            self.counted += 1
            return function(*args)
        if function in _FLAGGED:
            self.flags.append(options.pop("training"))
        self.calls.append((function, current_line(self._root), self.plain(args), self.plain(options)))
        result = function(*args, **(kwargs or {}))
        self._number(result)
        return result

    def plain(self, value: object) -> object:
        """Convert a value so that it equals its like in another run, as long as both runs are there."""
        match value:
            case tuple() | list():
                return (type(value), *map(self.plain, value))
            case dict():
                return (dict, *((key, self.plain(item)) for key, item in value.items()))
            case slice():
                return (slice, *map(self.plain, (value.start, value.stop, value.step)))
        if isinstance(value, _VALUES):
            return (type(value), value)
        self._seen.append(value)
        return ("result", self._numbers[id(value)]) if id(value) in self._numbers else ("object", id(value))

    def _number(self, result: object) -> None:
        if isinstance(result, Tensor):
            self._numbers[id(result)] = len(self._seen)
            self._seen.append(result)
        elif isinstance(result, tuple | list):
            for item in result:
                self._number(item)


# Private functions


def _run(model: nn.Module, input_shape: tuple[int, int, int], root: Path) -> _Calls:
    image = torch.zeros(2, *input_shape)
    counters = {id(buffer) for name, buffer in model.named_buffers() if _is_counter(name)}
    calls = _Calls(image, counters, root)
    with calls:
        result = model(image)
    calls.calls.append(calls.plain(result))
    return calls


def _is_counter(name: str) -> bool:
    return name.rpartition(".")[2] == "num_batches_tracked"


def _without_counts(graph: plain.Graph) -> tuple[set[str], list[plain.Node]]:
    """Return the names of the nodes that count batches, and all other nodes."""
    counters = {value for value, tensor in graph.bindings.items() if _is_counter(tensor)}
    counts: set[str] = set()
    kept: list[plain.Node] = []
    for node in graph.nodes:
        match node.args:
            case (plain.Ref(ref=counter), 1) if node.op == _COUNT and counter in counters | counts:
                counts.add(node.name)
            case _:
                kept.append(node)
    return counts, kept


def _flag(node: plain.Node) -> plain.Arg:
    return node.arg(_FLAG_AT[node.op], "training")


def _with_flag(node: plain.Node, flag: object) -> plain.Node:
    at = _FLAG_AT[node.op]
    return node.with_arguments((*node.args[:at], flag, *node.args[at + 1 :]), node.kwargs)


def _names(nodes: Sequence[plain.Node]) -> list[str]:
    """Return names for nodes as an export gives them: by their operators, with a number, in their order."""
    graph = fx.Graph()
    names = []
    for node in nodes:
        if node.op == _BATCH_NORM and _flag(node) is True:
            # In train mode it multiplies the batch by height and width, which leaves no node but takes names.
            for _ in (node.shape or ())[2:]:
                graph.placeholder("mul")
        names.append(graph.placeholder(re.sub(r"_\d+$", "", node.name)).name)
    return names


def _renamed(node: plain.Node, names: Mapping[str, str]) -> plain.Node:
    """Return a node with its new name, and its arguments with theirs."""
    if all(names.get(name, name) == name for name in (node.name, *node.refs)):
        return node
    args = tuple(_argument(argument, names) for argument in node.args)
    kwargs = {key: _argument(argument, names) for key, argument in node.kwargs.items()}
    same = {name: getattr(node, name) for name in ("op", "module", "source", "shape", "dtype")}
    return plain.Node(name=names[node.name], args=args, kwargs=kwargs, **same)


def _argument(argument: plain.Arg, names: Mapping[str, str]) -> plain.Arg:
    if isinstance(argument, plain.Ref):
        return plain.Ref(ref=names.get(argument.ref, argument.ref))
    return [_argument(item, names) for item in argument] if isinstance(argument, list) else argument
