"""Export a model as an `Architecture`: two exported graphs and one table of tensors."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.export import Dim, ExportedProgram, export
from torch.export.graph_signature import InputKind

from harness.graph import ir as plain
from harness.graph.view_writes import without_view_writes
from harness.loader.export_shortcuts import shortcuts
from harness.loader.filled_tensors import write_out
from harness.loader.made_harmless import in_mode
from harness.loader.no_grad import Blocks, detach_what_has_no_gradient

_BOUND: Mapping[InputKind, plain.Kind] = {
    InputKind.PARAMETER: "parameter",
    InputKind.BUFFER: "buffer",
    InputKind.CONSTANT_TENSOR: "constant",
}
_NOWHERE = Path("/nonexistent")


@dataclass
class _Table:
    """The tensors that the two graphs of a model share, under collection, name -> (kind, tensor)."""

    rows: dict[str, tuple[plain.Kind, Tensor]] = field(default_factory=dict)
    blocks: Blocks | None = None
    """Where the graph in train mode has no gradients, once it is captured."""

    def add(self, name: str, kind: plain.Kind, tensor: Tensor) -> str:
        """Enter a tensor; a different one that already has the name gets a new name."""
        known = self.rows.get(name)
        if known is not None and known[1] is not tensor and not _same(known, (kind, tensor)):
            return self.add(f"{name}_", kind, tensor)
        self.rows.setdefault(name, (kind, tensor))
        return name


def architecture_of(
    model: nn.Module, input_shape: tuple[int, int, int], root: Path = _NOWHERE
) -> tuple[plain.Architecture, dict[str, Tensor]]:
    """Export a model in train and eval mode, with a symbolic batch dimension.

    `input_shape` is (C, H, W); source lines are shown relative to `root`. Returns the architecture
    and its tensors by name, tied ones once. The model's weights and statistics are not changed.

    Raises:
        Exception: whatever `torch.export` or the model raises; it is student code that runs here.
    """
    table = _Table()
    for name, parameter in model.named_parameters(remove_duplicate=False):
        table.add(clean_path(name), "parameter", parameter.detach())
    persistent = model.state_dict()
    for name, buffer in model.named_buffers(remove_duplicate=False):
        table.add(clean_path(name), "buffer" if name in persistent else "constant", buffer)
    trainable = {clean_path(n) for n, p in model.named_parameters(remove_duplicate=False) if p.requires_grad}
    train = _graph(in_mode(model, training=True), input_shape, table, root)
    evaluated = _graph(in_mode(model, training=False), input_shape, table, root)
    rows, owners = _describe(table, trainable)
    architecture = plain.Architecture(schema=plain.SCHEMA, tensors=rows, train=train, eval=evaluated)
    # Copies: safetensors refuses memory that two entries share.
    tensors = {name: table.rows[name][1].detach().clone().contiguous() for name in owners}
    return architecture, tensors


def clean_path(name: str) -> str:
    """Write the name of a module or tensor in the characters that a graph allows."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in name)[:300]


def printable(text: str) -> str:
    """Remove characters that cannot be shown."""
    return "".join(c for c in text if c.isprintable())


def _graph(model: nn.Module, input_shape: tuple[int, int, int], table: _Table, root: Path) -> plain.Graph:
    example = torch.zeros(2, *input_shape)
    with shortcuts(root):
        program = export(model, (example,), dynamic_shapes=({0: Dim("batch", min=1, max=65536)},))
    table.blocks = detach_what_has_no_gradient(program.graph, table.blocks)
    write_out(program.graph, _constants(program))
    bindings, inputs = _bind(program, table)
    calls = [n for n in program.graph.nodes if n.op in ("call_function", "get_attr")]
    outputs = program.graph.output_node().args[0]
    graph = plain.Graph(
        inputs=tuple(inputs),
        input_shape=("batch", *input_shape),
        bindings=bindings,
        nodes=tuple(map(_node, calls)),
        outputs=tuple(_output_names(outputs, program)),
    )
    return without_view_writes(graph)


def _bind(program: ExportedProgram, table: _Table) -> tuple[dict[str, str], list[str]]:
    bindings, inputs = {}, []
    stored: Mapping[str, Any] = {**program.constants, **program.state_dict}
    for spec in program.graph_signature.input_specs:
        if spec.kind is InputKind.USER_INPUT:
            inputs.append(spec.arg.name)
        elif spec.kind is InputKind.CUSTOM_OBJ:
            kind = type(program.constants.get(spec.target or "")).__name__
            raise TypeError(f"forward uses a {kind}; a graph can hold tensors alone")
        elif spec.kind in _BOUND and spec.target is not None:
            tensor = stored[spec.target].detach()
            bindings[spec.arg.name] = table.add(clean_path(spec.target), _BOUND[spec.kind], tensor)
    return bindings, inputs


def _constants(program: ExportedProgram) -> dict[str, Tensor]:
    """Return the tensors that are written in forward, by the placeholders of the graph."""
    stored = program.constants
    return {
        spec.arg.name: stored[spec.target]
        for spec in program.graph_signature.input_specs
        if spec.kind is InputKind.CONSTANT_TENSOR and spec.target is not None
    }


def _output_names(outputs: Iterable[Any], program: ExportedProgram) -> list[str]:
    mutated = len(program.graph_signature.buffers_to_mutate)
    return [value.name for value in list(outputs)[mutated:] if isinstance(value, fx.Node)]


def _node(node: fx.Node) -> plain.Node:
    value = node.meta.get("val")
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return plain.Node(
        name=node.name,
        op=_op_name(node),
        args=tuple(_argument(a) for a in node.args),
        kwargs={k: _argument(v) for k, v in node.kwargs.items()},
        module=_module_path(stack[-1][0]) if stack else "",
        source=printable(_source(node))[:300],
        shape=_shape(value) if isinstance(value, Tensor) else None,
        dtype=_dtype(value.dtype) if isinstance(value, Tensor) else None,
    )


def _source(node: fx.Node) -> str:
    """Return the student's line; what an export adds by itself has a stack of torch's own in its place."""
    line = node.stack_trace or ""
    return "" if line.startswith('File "') else line


def _op_name(node: fx.Node) -> str:
    if node.op == "get_attr":
        return "get_attr.submodule"
    if isinstance(node.target, torch._ops.OpOverload):
        return str(node.target)
    module = getattr(node.target, "__module__", "unknown").lstrip("_")
    return f"{module}.{getattr(node.target, '__name__', 'unknown')}"


def _argument(value: Any) -> plain.Arg:
    """Convert one argument; what has no plain form is named, and ends as an unknown op's argument."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else plain.Special(special="float", value=str(value))
        case fx.Node():
            return plain.Ref(ref=value.name)
        case list() | tuple():
            return [_argument(item) for item in value]
        case torch.dtype():
            return plain.Special(special="dtype", value=_bare(value))
        case torch.memory_format():
            return plain.Special(special="memory_format", value=_bare(value))
        case torch.layout():
            return plain.Special(special="layout", value=_bare(value))
        case torch.device():
            return plain.Special(special="device", value=value.type)
        case _:
            return f"<{type(value).__name__}>"


def _shape(tensor: Tensor) -> tuple[int | str, ...]:
    return tuple(size if isinstance(size, int) else _symbol(size) for size in tensor.shape)


def _symbol(size: torch.SymInt) -> str:
    """Return the name of a symbolic size: the batch itself, or something computed from it."""
    return "batch" if str(size).isalnum() else "computed"


def _describe(table: _Table, trainable: set[str]) -> tuple[tuple[plain.Tensor, ...], list[str]]:
    rows: list[plain.Tensor] = []
    owners: dict[object, str] = {}
    for name, (kind, tensor) in table.rows.items():
        key = (tensor.data_ptr(), tensor.shape, tensor.stride()) if tensor.numel() else name
        owner = owners.setdefault(key, name)
        rows.append(
            plain.Tensor(
                name=name,
                kind=kind,
                shape=tuple(tensor.shape),
                dtype=_dtype(tensor.dtype),
                trainable=name in trainable,
                tied_to=None if owner == name else owner,
            )
        )
    return tuple(rows), list(owners.values())


def _same(one: tuple[plain.Kind, Tensor], other: tuple[plain.Kind, Tensor]) -> bool:
    """Return whether two tensors are one; a constant made in forward is a new one in each graph."""
    (kind, a), (other_kind, b) = one, other
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return a.data_ptr() == b.data_ptr() or (kind == other_kind == "constant" and torch.equal(a, b))


def _module_path(path: str) -> str:
    """Strip the counter that export adds to a layer called more than once ("c1a@1")."""
    return clean_path(".".join(part.partition("@")[0] for part in path.split(".")))


def _dtype(value: torch.dtype) -> plain.Dtype:
    """Return the name of a dtype; one that the schema does not know is refused when the row is made."""
    return cast("plain.Dtype", _bare(value))


def _bare(value: torch.dtype | torch.memory_format | torch.layout) -> str:
    return str(value).removeprefix("torch.")
