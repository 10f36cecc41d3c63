"""The receptive field by gradients: how far a position of a feature map sees, and how much of it counts.

`extents` is the second, independent measurement of the receptive field: where the input gradient of the
linearised network is not zero. `effective_field` is the real network's gradient, which is much smaller
than its receptive field before training.

Source: W. Luo, Y. Li, R. Urtasun, R. Zemel, "Understanding the Effective Receptive Field in Deep
Convolutional Neural Networks", NeurIPS 2016, arXiv 1701.04128.
"""

import math
from collections.abc import Mapping

import torch

from harness.analysis.agreement import Extent, Extents, Pair, targets
from harness.analysis.field import Field
from harness.analysis.graph import Architecture, Graph
from harness.analysis.layout import Unmeasurable, is_only
from harness.analysis.linearised import linearised, up_to
from harness.analysis.ops import OPS
from harness.analysis.span import Span
from harness.analysis.view import View
from harness.errors import GraphError
from harness.training.jobs import FieldEvent, FieldJob
from harness.training.network import check_weights, read
from harness.training.program import Program, compiled

LARGEST_PX = 512
"""Side of the largest image measured on; a larger receptive field is not measured."""
_CPU = torch.device("cpu")
_FIXED_SIZES = frozenset({"adaptive_avg_pool", "adaptive_max_pool", "resample"})
_REFUSALS = (RuntimeError, ValueError, IndexError, TypeError, AttributeError, KeyError)


def measure_field(job: FieldJob) -> FieldEvent:
    """Do a field job.

    Raises:
        GraphError: the model cannot be read; its effective receptive field is asked for and cannot be had.
    """
    plan, tensors = read(job.model.architecture, job.model.weights)
    check_weights(plan, tensors)
    seen = extents(plan, tensors)
    if not job.images:
        return FieldEvent(extents=seen)
    heat, position = effective_field(plan, tensors, images=job.images, seed=job.seed)
    rows = tuple(tuple(row) for row in heat.tolist())
    return FieldEvent(extents=seen, heat=rows, position=position)


def extents(architecture: Architecture, tensors: Mapping[str, torch.Tensor]) -> Extents:
    """Measure what single positions of the last feature maps see.

    In the middle of an image so large that its border plays no part; where the graph takes no other
    image than its own, in a corner, the middle and the opposite corner of that.
    """
    view = View(architecture, architecture.eval)
    names = targets(view)
    if not names:
        return Extents(reason="where the head begins, or what it sees, is not known")
    weights = positive(architecture, tensors)
    measured: list[Extent] = []
    try:
        for name in names:
            measured += _extents_of(view, name, weights)
    except (Unmeasurable, GraphError) as error:
        return Extents(reason=str(error))
    except _REFUSALS as error:
        return Extents(reason=f"the linearised network cannot be run ({str(error).splitlines()[0][:200]})")
    return Extents(measured=tuple(measured))


def effective_field(
    architecture: Architecture, tensors: Mapping[str, torch.Tensor], *, images: int, seed: int
) -> tuple[torch.Tensor, Pair]:
    """Average the input gradient of the middle position of the last map over random images.

    Returns the mean absolute gradient (H, W) float64, its largest value 1, and the position (h, w).
    `images` are drawn from a standard normal distribution. The eval graph runs as it is.

    Raises:
        GraphError: where the head begins is not known, or the graph cannot be run or differentiated.
    """
    view = View(architecture, architecture.eval)
    names = targets(view)
    if not names:
        raise GraphError("receptive field: where the head begins, or what it sees, is not known.")
    program = compiled(up_to(architecture.eval, names[-1]), _CPU)
    field = view.measured.fields[names[-1]]
    draw = torch.Generator().manual_seed(seed)
    failure = ""
    for size in _sizes(view, field):
        heat, position = torch.zeros(size, dtype=torch.float64), (0, 0)
        try:
            for _ in range(images):
                image = torch.randn(1, _channels(architecture.eval), *size, generator=draw)
                value = program.run(image.requires_grad_(), tensors)
                position = _middle(field, value, size)
                heat += _gradient(image, value, position).abs().sum((0, 1))
        except (*_REFUSALS, Unmeasurable) as error:
            failure = str(error).splitlines()[0][:200]
            continue
        return heat / (heat.max().item() or 1.0), position
    raise GraphError(f"receptive field: the network cannot be differentiated ({failure}).")


def positive(architecture: Architecture, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Replace trainable weights by random positive ones, others by their absolute value; float64.

    A frozen weight of zero sees nothing and never will, so it stays zero. Weights are divided by the size
    of what they are summed over, so that no value grows with the depth.
    """
    draw = torch.Generator().manual_seed(0)
    result: dict[str, torch.Tensor] = {}
    for spec in architecture.tensors:
        tensor = tensors[spec.tied_to or spec.name]
        if not tensor.is_floating_point():
            result[spec.name] = tensor
        elif spec.tied_to in result:
            result[spec.name] = result[spec.tied_to]
        elif spec.trainable:
            random = torch.rand(tensor.shape, generator=draw, dtype=torch.float64)
            fan_in = math.prod(tensor.shape[1:])
            result[spec.name] = (0.5 + random) / max(fan_in, 1)
        else:
            result[spec.name] = tensor.double().abs()
    return result


# Private functions


def _extents_of(view: View, name: str, weights: Mapping[str, torch.Tensor]) -> list[Extent]:
    graph = linearised(view.measured, name)
    field = view.measured.fields[name]
    program = compiled(graph, _CPU)
    *larger, own = _sizes(view, field)
    if larger and not _has_fixed_sizes(view, graph):
        try:
            return [_extent(program, weights, name, field, _ones(graph, larger[0]), None)]
        except _REFUSALS:
            pass  # A reshape to fixed sizes: only the graph's own size is left.
    height, width = _map_size(field, program.run(_ones(graph, own), weights))
    corners = ((0, 0), (height // 2, width // 2), (height - 1, width - 1))
    image = _ones(graph, own)
    return [_extent(program, weights, name, field, image, corner) for corner in dict.fromkeys(corners)]


def _extent(
    program: Program,
    weights: Mapping[str, torch.Tensor],
    name: str,
    field: Field,
    image: torch.Tensor,
    position: Pair | None,
) -> Extent:
    size = (image.shape[2], image.shape[3])
    value = program.run(image.requires_grad_(), weights)
    if position is None:
        position = _middle(field, value, size)
    seen = _gradient(image, value, position).ne(0).any(1)[0]
    rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
    if not len(rows):
        raise Unmeasurable("the gradient is zero everywhere")
    return Extent(
        value=name,
        input_px=size,
        position=position,
        rows=(int(rows[0]), int(rows[-1])),
        columns=(int(columns[0]), int(columns[-1])),
    )


def _gradient(image: torch.Tensor, value: torch.Tensor, position: Pair) -> torch.Tensor:
    """Differentiate the sum over the channels of one position; (1, C, H, W)."""
    if not value.requires_grad:
        return torch.zeros_like(image)
    chosen = value[..., position[0], position[1]].sum()
    (gradient,) = torch.autograd.grad(chosen, image, allow_unused=True)
    if gradient is None:
        return torch.zeros_like(image)
    if not gradient.isfinite().all():
        raise Unmeasurable("the gradient is not a finite number")
    return gradient


def _sizes(view: View, field: Field) -> list[Pair]:
    """Sizes to try: one that the field of view fits into with room to spare, then the graph's own."""
    height, width = view.measured.graph.input_shape[-2:]
    assert isinstance(height, int)
    assert isinstance(width, int)
    wanted = max(height, _roomy(field.h)), max(width, _roomy(field.w))
    both = [wanted, (height, width)]
    return both if max(wanted) <= LARGEST_PX else both[1:]


def _roomy(span: Span) -> int:
    return math.ceil(span.rf_px + 4 * max(4, span.jump))


def _middle(field: Field, value: torch.Tensor, size: Pair) -> Pair:
    """Find the position whose field of view lies closest to the middle of the image."""
    found = []
    for positions, side, axis in zip(_map_size(field, value), size, "hw", strict=True):
        span = field.span(axis)
        wanted = ((side - span.rf_px) / 2 - span.start) / span.jump
        found.append(min(max(round(wanted), 0), positions - 1))
    return found[0], found[1]


def _map_size(field: Field, value: torch.Tensor) -> Pair:
    layout = field.known_layout()
    if not (is_only(layout[-2], "h") and is_only(layout[-1], "w")):
        raise Unmeasurable("the last map is not laid out as (N, C, H, W)")
    return value.shape[-2], value.shape[-1]


def _has_fixed_sizes(view: View, graph: Graph) -> bool:
    """Tell whether an operator makes a map of a fixed size, whatever the image's."""
    fields = view.measured.fields
    maps = (node for node in graph.nodes if node.name in fields and fields[node.name].is_map)
    return any(OPS[node.op] in _FIXED_SIZES for node in maps)


def _channels(graph: Graph) -> int:
    channels = graph.input_shape[1]
    assert isinstance(channels, int)
    return channels


def _ones(graph: Graph, size: Pair) -> torch.Tensor:
    return torch.ones(1, _channels(graph), *size, dtype=torch.float64)
