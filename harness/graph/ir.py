"""The executed graph as plain data: what the loader child returns, validated before anything else sees it.

`Architecture` is the schema of ``architecture.json``. Two graphs (train and eval) share one table of
tensors. A node is one call of an ATen operator; an argument that is the value of another node is a
`Ref` to its name. No class here knows torch, and nothing is trusted: names, sizes, depth and ops are
checked on parsing (`parse_architecture`), and an op outside `harness.graph.operators.OPS` is reported
by `unknown_ops`, never executed.
"""

import json
import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union

from pydantic import ConfigDict, FailFast, Field, ValidationError, model_validator
from typing_extensions import TypeAliasType

from harness.base.errors import GraphError
from harness.base.tables import Frozen

SCHEMA: Literal["harness/architecture/1"] = "harness/architecture/1"
MAX_NODES = 4_000
"""Of one graph; the largest published networks that a student may know have some 1,500."""
MAX_REFS = 8 * MAX_NODES
"""Values that the nodes of one graph read in all."""
MAX_JSON_BYTES = 4 * 1024 * 1024
MAX_KEYS = 64
"""Keys of an object, but for the bindings of a graph: every one too many would be an error of its own."""
MAX_DEPTH = 10
"""Levels of lists and objects in each other; an export writes eight, a reference in a list of an argument."""
MAX_MESSAGE = 500
MAX_DIM = 2**31 - 1

Mode = Literal["train", "eval"]
"""Of a network: both graphs are captured."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,199}$")]
Path = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]{0,300}$")]
Op = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]{1,120}$")]
Source = Annotated[str, Field(max_length=300, pattern=r"^[^\p{Cc}\p{Cf}]*$")]
Size = Annotated[int, Field(ge=0, le=MAX_DIM)]
Dtype = Literal[
    "float16", "bfloat16", "float32", "float64", "complex64", "complex128",
    "uint8", "int8", "int16", "int32", "int64", "bool",
]  # fmt: skip


Kind = Literal["parameter", "buffer", "constant"]


class _Strict(Frozen):
    """Nothing is converted: a number in quotes is no number."""

    model_config = ConfigDict(strict=True)


class Ref(_Strict):
    """The value of an earlier node, or of a tensor bound to the graph."""

    ref: Name


class Special(_Strict):
    """An argument that JSON has no word for: a dtype, a memory format, a non-finite float."""

    special: Literal["dtype", "memory_format", "layout", "device", "float"]
    value: Annotated[str, Field(max_length=40)]


if TYPE_CHECKING:
    # mypy cannot follow an alias that names itself inside Annotated.
    Arg: TypeAlias = Any
else:
    Arg = TypeAliasType(
        "Arg",
        Union[
            bool,
            Annotated[int, Field(ge=-(2**63), le=2**63 - 1)],
            Annotated[float, Field(allow_inf_nan=False)],
            Annotated[str, Field(max_length=200)],
            Ref,
            Special,
            Annotated[list["Arg"], Field(max_length=4096)],
            None,
        ],
    )


class Node(_Strict):
    """One executed operator.

    `shape` is that of a tensor result, with a string for a symbolic batch dimension, and None where
    the result is not one tensor. `module` is the dotted path of the layer ("c1a.conv"), `source` the
    student's line ("model.py:57"); both are text to show, no fact is taken from them.
    """

    name: Name
    op: Op
    args: Annotated[tuple[Arg, ...], Field(max_length=64), FailFast()]
    kwargs: dict[Name, Arg] = Field(default_factory=dict, max_length=MAX_KEYS)
    module: Path = ""
    source: Source = ""
    shape: Annotated[tuple[Union[Size, Name], ...], Field(max_length=64)] | None = None
    dtype: Dtype | None = None

    @cached_property
    def refs(self) -> tuple[str, ...]:
        """Names of the values this node reads, in order of appearance."""
        return tuple(_refs([*self.args, *self.kwargs.values()]))

    @property
    def layer(self) -> str:
        """The node's name in a message: its layer, else its own name."""
        return self.module or self.name

    def with_arguments(self, args: tuple[Arg, ...], kwargs: dict[str, Arg]) -> "Node":
        """Return the same call with other arguments."""
        # Not model_copy: it would copy the cached `refs` of the old arguments.
        return Node.model_construct(**{**dict(self), "args": args, "kwargs": kwargs})

    def arg(self, position: int, keyword: str, default: Arg = None) -> Any:
        """Read an argument given by position or by keyword."""
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(keyword, default)


class Tensor(_Strict):
    """A parameter, buffer or constant of the model, by its fully qualified name.

    `tied_to` names the tensor whose storage this one shares; it is then counted once.
    """

    name: Path
    kind: Kind
    shape: Annotated[tuple[Size, ...], Field(max_length=8)]
    dtype: Dtype
    trainable: bool = False
    tied_to: Path | None = None

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class Graph(_Strict):
    """One exported graph: `inputs` are images, `bindings` map a value's name to its tensor."""

    inputs: Annotated[tuple[Name, ...], Field(min_length=1, max_length=8)]
    input_shape: Annotated[tuple[Union[Size, Name], ...], Field(max_length=8)]
    bindings: Annotated[dict[Name, Path], Field(max_length=MAX_NODES)]
    nodes: Annotated[tuple[Node, ...], Field(max_length=MAX_NODES), FailFast()]
    outputs: Annotated[tuple[Name, ...], Field(min_length=1, max_length=64)]

    @model_validator(mode="after")
    def _every_ref_is_defined_before_use(self) -> "Graph":
        read = sum(len(node.refs) for node in self.nodes)
        if read > MAX_REFS:
            raise ValueError(f"too many values are read; expected at most {MAX_REFS:,}, got {read:,}")
        known = {*self.inputs, *self.bindings}
        for node in self.nodes:
            for ref in node.refs:
                if ref not in known:
                    raise ValueError(f"node {node.name} reads {ref}, which is not defined before it")
            if node.name in known:
                raise ValueError(f"the name {node.name} is defined twice")
            known.add(node.name)
        for output in self.outputs:
            if output not in known:
                raise ValueError(f"output {output} is not defined")
        return self

    def with_nodes(self, nodes: tuple[Node, ...]) -> "Graph":
        """Return the same graph with other nodes of the same names."""
        return Graph.model_construct(**{**dict(self), "nodes": nodes})

    @cached_property
    def by_name(self) -> Mapping[str, Node]:
        """Nodes by name."""
        return {node.name: node for node in self.nodes}


class Architecture(_Strict):
    """A model as data: its tensors and its two graphs. The schema of ``architecture.json``."""

    schema_: Literal["harness/architecture/1"] = Field(alias="schema")
    tensors: Annotated[tuple[Tensor, ...], Field(max_length=MAX_NODES), FailFast()]
    train: Graph
    eval: Graph

    @model_validator(mode="after")
    def _every_binding_has_its_tensor(self) -> "Architecture":
        names = {tensor.name for tensor in self.tensors}
        if len(names) != len(self.tensors):
            raise ValueError("two tensors have the same name")
        for graph in (self.train, self.eval):
            for value, name in graph.bindings.items():
                if name not in names:
                    raise ValueError(f"{value} is bound to {name}, which is not a tensor")
        by_name = self.by_name
        for tensor in self.tensors:
            if tensor.tied_to is None:
                continue
            owner = by_name.get(tensor.tied_to)
            if owner is None or owner.tied_to is not None or owner.shape != tensor.shape:
                raise ValueError(f"{tensor.name} is tied to {tensor.tied_to}, which is not its equal")
        return self

    @cached_property
    def by_name(self) -> Mapping[str, Tensor]:
        """Tensors by fully qualified name."""
        return {tensor.name: tensor for tensor in self.tensors}

    def tensor(self, graph: Graph, value: str) -> Tensor | None:
        """Find the tensor that a value of a graph is bound to, ties resolved; None for a computed value."""
        name = graph.bindings.get(value)
        if name is None:
            return None
        tensor = self.by_name[name]
        return self.by_name[tensor.tied_to] if tensor.tied_to else tensor


def parse_architecture(text: bytes) -> Architecture:
    """Parse ``architecture.json`` as hostile input.

    Raises:
        GraphError: too large, not JSON, too deep, or not of the schema; the message names the place.
    """
    if len(text) > MAX_JSON_BYTES:
        raise GraphError(
            f"architecture.json: too large; expected at most {MAX_JSON_BYTES} bytes, got {len(text)}."
        )
    _check_nesting(text)
    try:
        return Architecture.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part)[:80] for part in first["loc"]) or "the document"
        raise GraphError(
            f"architecture.json: {where}: {first['msg'][:MAX_MESSAGE]} ({error.error_count()} errors in all)."
        ) from None


def to_json(architecture: Architecture) -> str:
    """Write an architecture in the one form that hashes equal: sorted keys, no spaces."""
    data = architecture.model_dump(mode="json", by_alias=True)
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _check_nesting(text: bytes) -> None:
    """Refuse what is no JSON, and what would take all memory or hours to check: too many keys, too deep."""
    try:
        waiting = [(json.loads(text), 1)]
    except (ValueError, RecursionError) as error:
        raise GraphError(f"architecture.json: not JSON: {str(error)[:MAX_MESSAGE]}.") from None
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise GraphError(f"architecture.json: too deep; expected at most {MAX_DEPTH} levels, got more.")
        if isinstance(value, list):
            waiting += [(item, depth + 1) for item in value if isinstance(item, (list, dict))]
        elif isinstance(value, dict):
            bindings = value.pop("bindings", None)
            if len(value) > MAX_KEYS:
                raise GraphError(
                    f"architecture.json: too many keys; expected at most {MAX_KEYS} in an object, "
                    f"got {len(value):,}."
                )
            inner = [*value.values(), *([bindings] if isinstance(bindings, list) else [])]
            waiting += [(item, depth + 1) for item in inner]


def _refs(values: list[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, Ref):
            yield value.ref
        elif isinstance(value, list):
            yield from _refs(value)
