"""The receptive field by gradients: how far a position of a feature map sees, and how much of it counts.

`extents` is the second, independent measurement of the receptive field: where the input gradient of the
linearised network is not zero. `effective_field` is the real network's gradient, which is much smaller
than its receptive field before training.

Source: W. Luo, Y. Li, R. Urtasun, R. Zemel, "Understanding the Effective Receptive Field in Deep
Convolutional Neural Networks", NeurIPS 2016, arXiv 1701.04128.
"""

import math
from collections.abc import Mapping, Sequence

import torch

from harness.base.errors import GraphError
from harness.graph.ir import Architecture, Graph
from harness.graph.operators import OPS
from harness.graph.receptive_field.agreement import Extent, Extents, Pair, targets
from harness.graph.receptive_field.field import Field
from harness.graph.receptive_field.layout import Unmeasurable, is_only
from harness.graph.receptive_field.linearised import linearised, up_to
from harness.graph.receptive_field.span import Span
from harness.graph.view import View
from harness.training.checkpoint import trained_tensors
from harness.training.events import FieldEvent
from harness.training.jobs import FieldJob
from harness.training.network import check_weights, one_line, read
from harness.training.program import compiled, keeping_images_apart

LARGEST_PX = 512
"""Side of the largest image measured on; a larger receptive field is not measured."""
_CPU = torch.device("cpu")
_FIXED_SIZES = frozenset({"adaptive_avg_pool", "adaptive_max_pool", "resample"})


def measure_field(job: FieldJob) -> FieldEvent:
    """Run a field job.

    Raises:
        GraphError: the model cannot be read; its effective receptive field is asked for and cannot be had.
        UsageError: the checkpoint cannot be read.
    """
    plan, tensors = read(job.model.architecture, job.model.weights)
    check_weights(plan, tensors)
    view = View(plan, plan.eval)
    seen = extents(view, tensors) if job.extents else None
    if not job.images:
        return FieldEvent(extents=seen)
    if job.checkpoint is not None:
        tensors |= trained_tensors(job.checkpoint)
        check_weights(plan, tensors)
    heat, position = effective_field(view, tensors, images=job.images, seed=job.seed)
    rows = tuple(tuple(row) for row in heat.tolist())
    return FieldEvent(extents=seen, heat=rows, position=position)


def extents(view: View, tensors: Mapping[str, torch.Tensor]) -> Extents:
    """Measure what single positions of the last feature maps see.

    In the middle of an image so large that its border plays no part; where the graph takes no other
    image than its own, in a corner, the middle and the opposite corner of that.
    """
    names = targets(view)
    if not names:
        return Extents(reason="where the head begins, or what it sees, is not known")
    weights = positive(view.measured.architecture, tensors)
    measured: list[Extent] = []
    try:
        for name in names:
            measured += _extents_of(view, name, weights)
    except (Unmeasurable, GraphError) as error:
        return Extents(reason=str(error))
    except Exception as error:  # noqa: BLE001 - torch may raise anything on a forged graph
        return Extents(reason=f"the linearised network cannot be run ({one_line(error)})")
    return Extents(measured=tuple(measured))


def effective_field(
    view: View, tensors: Mapping[str, torch.Tensor], *, images: int, seed: int
) -> tuple[torch.Tensor, Pair]:
    """Average the input gradient of the middle position of the last map over random images.

    Returns the mean absolute gradient (H, W) float64, its largest value 1, and the position (h, w).
    `images` are drawn from a standard normal distribution. The eval graph runs as it is.

    Raises:
        GraphError: where the head begins is not known, or the graph cannot be run or differentiated.
    """
    names, graph = targets(view), view.measured.graph
    if not names:
        raise GraphError("receptive field: where the head begins, or what it sees, is not known.")
    program = compiled(up_to(graph, names[-1]), _CPU)
    field = view.measured.fields[names[-1]]
    draw = torch.Generator().manual_seed(seed)
    failure = ""
    for size in filter(None, _sizes(view, field)):
        heat, position = torch.zeros(size, dtype=torch.float64), (0, 0)
        try:
            for _ in range(images):
                image = torch.randn(1, _channels(graph), *size, generator=draw)
                value = program.run(image.requires_grad_(), tensors)
                position = _middle(field, value, size)
                heat += _gradient(field, image, value, position).abs().sum((0, 1))
        except Exception as error:  # noqa: BLE001 - torch may raise anything on a forged graph
            failure = one_line(error)
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
    roomy, own = _sizes(view, field)
    if roomy is not None and (roomy == own or not _has_fixed_sizes(view, graph)):
        try:
            image = _ones(graph, roomy)
            # A reshape to fixed sizes either refuses or cuts one image into several.
            apart = keeping_images_apart(view.measured.nodes, 1)
            value = program.run(image, weights, watch=apart)
            return _seen_from(name, field, image, value, [_middle(field, value, roomy)])
        except Unmeasurable:
            raise
        except Exception:  # noqa: BLE001, S110 - torch may raise anything; then it runs at its own size
            pass
    image = _ones(graph, own)
    value = program.run(image, weights)
    rows, columns = _map_size(field, value)
    corners = [(0, 0), (rows // 2, columns // 2), (rows - 1, columns - 1)]
    return _seen_from(name, field, image, value, corners)


def _seen_from(
    name: str, field: Field, image: torch.Tensor, value: torch.Tensor, positions: Sequence[Pair]
) -> list[Extent]:
    """Find out what each position sees; one that sees only padding is left out."""
    found = []
    for position in dict.fromkeys(positions):
        seen = _gradient(field, image, value, position).ne(0).any(1)[0]
        rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
        if len(rows):
            extent = Extent(
                value=name,
                input_px=(image.shape[2], image.shape[3]),
                position=position,
                rows=(int(rows[0]), int(rows[-1])),
                columns=(int(columns[0]), int(columns[-1])),
            )
            found.append(extent)
    if not found:
        raise Unmeasurable("the gradient is zero everywhere")
    return found


def _gradient(field: Field, image: torch.Tensor, value: torch.Tensor, position: Pair) -> torch.Tensor:
    """Differentiate the sum over the channels of one position; (1, C, H, W)."""
    if not value.requires_grad:
        return torch.zeros_like(image)
    chosen = dict(zip(_dimensions(field), position, strict=True))
    part = value[tuple(chosen.get(i, slice(None)) for i in range(value.ndim))]
    (gradient,) = torch.autograd.grad(part.sum(), image, retain_graph=True, allow_unused=True)
    if gradient is None:
        return torch.zeros_like(image)
    if not gradient.isfinite().all():
        raise Unmeasurable("the gradient is not a finite number")
    return gradient


def _sizes(view: View, field: Field) -> tuple[Pair | None, Pair]:
    """Choose a size with room to spare around the field of view, unless too large; and the own one."""
    height, width = view.measured.graph.input_shape[-2:]
    assert isinstance(height, int)
    assert isinstance(width, int)
    roomy = _multiple(height, _roomy(field.h)), _multiple(width, _roomy(field.w))
    return roomy if max(roomy) <= LARGEST_PX else None, (height, width)


def _multiple(own: int, least: int) -> int:
    """Round up to a multiple of the graph's own size, which every stride and reshape of it divides."""
    return own * math.ceil(least / own)


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
    rows, columns = (value.shape[dimension] for dimension in _dimensions(field))
    return rows, columns


def _dimensions(field: Field) -> Pair:
    """Find the dimensions of a map that are its rows and its columns."""
    layout = field.known_layout()
    found = [i for axis in "hw" for i, dimension in enumerate(layout) if is_only(dimension, axis)]
    if len(found) != 2:
        raise Unmeasurable("the last map has no dimensions of its own for rows and columns")
    return found[0], found[1]


def _has_fixed_sizes(view: View, graph: Graph) -> bool:
    """Return whether an operator makes a map of a fixed size, whatever the image's."""
    fields = view.measured.fields
    maps = (node for node in graph.nodes if node.name in fields and fields[node.name].is_map)
    return any(OPS[node.op] in _FIXED_SIZES for node in maps)


def _channels(graph: Graph) -> int:
    channels = graph.input_shape[1]
    assert isinstance(channels, int)
    return channels


def _ones(graph: Graph, size: Pair) -> torch.Tensor:
    return torch.ones(1, _channels(graph), *size, dtype=torch.float64, requires_grad=True)
