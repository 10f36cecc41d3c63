"""Run a graph: a loop over its operators.

Nothing is evaluated as code. An operator is looked up on the allow-list of `harness.graph.operators` and
then in `torch.ops.aten`, or in the small table of number arithmetic below.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from harness.base.errors import GraphError
from harness.graph import ir as plain
from harness.graph.operators import OPS
from harness.training.chance.philox import Moment
from harness.training.chance.random_operators import Drawing, drawing
from harness.training.cpu_convolutions import convolution
from harness.training.cuda.equal_forms import equal_form

_MAX_NUMBER = 2**63
_MAX_EXPONENT = 64

# Arithmetic on sizes, which export writes as Python functions.
_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    "operator.add": operator.add,
    "operator.sub": operator.sub,
    "operator.mul": operator.mul,
    "operator.truediv": operator.truediv,
    "operator.floordiv": operator.floordiv,
    "operator.mod": operator.mod,
    "operator.neg": operator.neg,
    "operator.pow": operator.pow,
    "operator.eq": operator.eq,
    "operator.ne": operator.ne,
    "operator.lt": operator.lt,
    "operator.le": operator.le,
    "operator.gt": operator.gt,
    "operator.ge": operator.ge,
    "math.ceil": math.ceil,
    "math.floor": math.floor,
    "math.sqrt": math.sqrt,
    "math.trunc": math.trunc,
}


_START = Moment()

Watch = Callable[[str, Any], None]
Instead = Mapping[str, Callable[[Callable[..., Any], list[Any], dict[str, Any]], Any]]
"""By node: what is done in place of its call, given the operator and its arguments."""


@dataclass(frozen=True)
class _Step:
    """One operator, ready to run; `spent` are the values that nothing reads afterwards."""

    name: str
    layer: str
    call: Callable[..., Any] | Drawing
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    spent: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """A graph, ready to run."""

    image: str
    bindings: Mapping[str, str]
    steps: tuple[_Step, ...]
    output: str

    def __deepcopy__(self, _: dict[int, Any]) -> "Program":
        """Return itself: a copy of a network has tensors of its own, and the same programs."""
        return self

    def run(
        self,
        images: torch.Tensor,
        tensors: Mapping[str, torch.Tensor],
        watch: Watch | None = None,
        instead: Instead | None = None,
        moment: Moment = _START,
    ) -> torch.Tensor:
        """Map images (N, C, H, W) to the graph's output; `tensors` are the network's, by name.

        `watch` gets the name and the value of every node as it is computed; what `instead` has for a node
        takes the place of its operator. Random numbers are those of `moment`, on the device of the images.
        """
        values: dict[str, Any] = {value: tensors[name] for value, name in self.bindings.items()}
        # An in-place operator of the graph must not reach the caller's images.
        values[self.image] = images.clone()
        for step in self.steps:
            _run(step, values, (instead or {}).get(step.name), moment)
            if watch is not None:
                watch(step.name, values[step.name])
            _forget(step, values)
        output: torch.Tensor = values[self.output]
        return output


def compiled(graph: plain.Graph, device: torch.device) -> Program:
    """Look up every operator and convert every argument to what torch expects, for a model on `device`.

    Raises:
        GraphError: an op is not on the allow-list, an argument is not what it says, or the graph is
            not one batch of images in and one tensor out.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise GraphError(
            "graph: wrong interface; expected one batch of images in and one tensor of logits out, "
            f"got {len(graph.inputs)} in and {len(graph.outputs)} out."
        )
    spent = _last_uses(graph)
    steps = tuple(
        _Step(
            name=node.name,
            layer=node.layer,
            call=drawing(call, place),
            args=tuple(_constant(arg, node, device) for arg in node.args),
            kwargs={key: _constant(arg, node, device) for key, arg in node.kwargs.items()}
            | ({"device": device} if _is_made_somewhere(call) else {}),
            spent=spent.get(node.name, ()),
        )
        for place, node in enumerate(graph.nodes)
        for call in (_callable(node, device),)
    )
    return Program(graph.inputs[0], dict(graph.bindings), steps, graph.outputs[0])


def keeping_images_apart(nodes: Iterable[plain.Node], count: int) -> Watch:
    """Watch a run on `count` images that may be of another size than the graph's own.

    Raises:
        GraphError: on the way, that a reshape to fixed sizes cuts the images into others.
    """
    batched = {node.name: node.layer for node in nodes if node.shape and node.shape[0] == "batch"}

    def watch(name: str, value: Any) -> None:
        if name in batched and isinstance(value, torch.Tensor) and value.shape[0] != count:
            raise GraphError(
                f"graph: {batched[name]}: made for one size of images; expected {count} of them at another "
                f"size, got {value.shape[0]}."
            )

    return watch


# Private functions


def _last_uses(graph: plain.Graph) -> dict[str, tuple[str, ...]]:
    """Return, for each node, the values that can be dropped once it has run."""
    kept = set(graph.outputs)
    spent: dict[str, tuple[str, ...]] = {}
    for node in reversed(graph.nodes):
        fresh = [name for name in dict.fromkeys((*node.refs, node.name)) if name not in kept]
        kept.update(fresh)
        spent[node.name] = tuple(fresh)
    return spent


def _callable(node: plain.Node, device: torch.device) -> Callable[..., Any]:
    if node.op == "operator.getitem":
        return operator.getitem
    if node.op in _ARITHMETIC:
        return _on_numbers(node.op, _ARITHMETIC[node.op])
    found: Any = None
    if node.op in OPS:
        namespace, *path = node.op.split(".")
        found = torch.ops.aten if namespace == "aten" and len(path) == 2 else None
        for part in path:
            found = getattr(found, part, None)
    if found is None:
        source = f" ({node.source})" if node.source else ""
        raise GraphError(f"{node.layer}{source}: the operator {node.op} is not on the allow-list.")
    call: Callable[..., Any] = equal_form(node.op, device) or found
    groups, dilated = _groups_and_dilation(node, found)
    return convolution(call, groups=groups) if groups != 1 or dilated else call


def _is_made_somewhere(call: Callable[..., Any]) -> bool:
    """Return whether an operator makes a tensor on a device it is told: unless told, on the CPU."""
    arguments = call._schema.arguments if isinstance(call, torch._ops.OpOverload) else ()
    return any(argument.name == "device" and argument.kwarg_only for argument in arguments)


def _on_numbers(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Limit arithmetic to numbers as large as sizes are: 9 ** 9 ** 9 or list * 10 ** 9 would not end."""

    def run(*numbers: Any) -> Any:
        too_high = name == "operator.pow" and len(numbers) == 2 and abs(numbers[1]) > _MAX_EXPONENT
        if too_high or not all(isinstance(number, (int, float)) for number in numbers):
            raise ValueError(
                f"{name}: expected numbers, exponents up to {_MAX_EXPONENT}, got {numbers!s:.80}"
            )
        result = call(*numbers)
        if abs(result) > _MAX_NUMBER:
            raise ValueError(f"{name}: expected a result of at most 2 to the 63rd, got more")
        return result

    return run


def _groups_and_dilation(node: plain.Node, call: Any) -> tuple[Any, bool]:
    """Return a convolution's groups and whether it is dilated; 1 and False of what is none."""
    names = [argument.name for argument in call._schema.arguments]
    if "groups" not in names:
        return 1, False
    given = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
    return given.get("groups", 1), given.get("dilation", [1]) not in (1, [1], [1, 1], [1, 1, 1])


def _run(step: _Step, values: dict[str, Any], instead: Callable[..., Any] | None, moment: Moment) -> None:
    args = [_value(arg, values) for arg in step.args]
    kwargs = {key: _value(arg, values) for key, arg in step.kwargs.items()}
    call = step.call.at(moment) if isinstance(step.call, Drawing) else step.call
    try:
        values[step.name] = instead(call, args, kwargs) if instead else call(*args, **kwargs)
    except Exception as error:
        error.add_note(f"in layer {step.layer}")
        raise


def _forget(step: _Step, values: dict[str, Any]) -> None:
    for name in step.spent:
        del values[name]


def _constant(arg: Any, node: plain.Node, device: torch.device) -> Any:
    if isinstance(arg, list):
        return [_constant(item, node, device) for item in arg]
    if not isinstance(arg, plain.Special):
        return arg
    kinds = {"dtype": torch.dtype, "memory_format": torch.memory_format, "layout": torch.layout}
    if arg.special == "device":
        # Wherever the student built the tensor, it belongs where the model is.
        return device
    if arg.special == "float" and arg.value in {"inf", "-inf", "nan"}:
        return float(arg.value)
    found = getattr(torch, arg.value.removeprefix("torch."), None)
    if arg.special not in kinds or not isinstance(found, kinds[arg.special]):
        raise GraphError(f"{node.layer}: {arg.value!r} is not a {arg.special}; in {node.op}.")
    return found


def _value(arg: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(arg, plain.Ref):
        return values[arg.ref]
    if isinstance(arg, list):
        return [_value(item, values) for item in arg]
    return arg
