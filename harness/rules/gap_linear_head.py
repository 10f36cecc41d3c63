"""The rule about the head: one global average, and one classifier where the assignment allows it."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator

from harness.base.tables import not_empty
from harness.graph.changed_network import with_head
from harness.graph.flow import data_reads
from harness.graph.head import Classifier, averages, classifiers, describe, name_of, objection, positions
from harness.graph.ir import Node
from harness.graph.naming import placed
from harness.graph.operators import OPS
from harness.graph.receptive_field.engine import Measured
from harness.graph.receptive_field.layout import IMAGE
from harness.graph.view import View
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.mends import Mend, last_map, tried
from harness.rules.network import Network
from harness.rules.verdicts import Verdict, failed, passed, unknown_operator

# What may stand between the convolution that makes one map per class and the pool.
_BETWEEN = frozenset({"elementwise", "batch_norm", "norm", "dropout", "identity", "permute"})


@rule(asks="a global average, then one Linear layer", needs="influence")
class GapLinearHead(NetworkRule):
    """Check that the head is one global average pool and one classifier, and nothing else."""

    class Settings(RuleSettings):
        """The places of the one classifier: any of those listed. Linear and convolution go to the classes.

        ``linear_after_pool``: a Linear; ``convolution_after_pool``: a 1x1 convolution;
        ``convolution_before_pool``: the last convolution makes one map per class, which alone are averaged.
        """

        classifier: Annotated[tuple[Classifier, ...], AfterValidator(not_empty)] = ("linear_after_pool",)

    def judge(self, network: Network, settings: Settings) -> Verdict:
        """Judge both graphs by their form, and by how they behave."""
        unlike = network.shown.head
        return network.in_both(lambda view: _gap_linear_head(view, settings, network.classes, unlike))

    def mends(self, network: Network, settings: Settings) -> Iterator[Mend]:
        """Yield the head that is asked for, in place of all that follows the last map."""
        unlike, classes = network.shown.head, network.classes
        view = network.failing(lambda one: _gap_linear_head(one, settings, classes, unlike))
        for name in view.head.maps[:1]:
            last = last_map(view, view.measured.by_name[name])
            if last is not None:
                advice = _gap_linear_head(view, settings, classes, unlike).help
                yield from tried(advice, with_head(view, last, classes))


# Private functions

Settings = GapLinearHead.Settings


def _gap_linear_head(view: View, limits: Settings, classes: int, unlike: str) -> Verdict:
    """Judge one graph; `unlike` says why its head does not behave like one, if it does not."""
    measured, head = view.measured, view.head
    expected = " or ".join(_form(one, "C", classes) for one in limits.classifier)
    if head.unknown is not None:
        return unknown_operator(expected, view.unknown_operators[0])
    actual = describe(measured, head)
    shape = measured.shapes.get(measured.flow.output, ())
    if len(measured.graph.outputs) != 1 or tuple(shape[1:]) != (classes,):
        several = len(measured.graph.outputs) != 1
        returned = f"{len(measured.graph.outputs)} outputs" if several else _shape(tuple(shape))
        advice = f"Return one tensor of logits, shape (N, {classes})."
        return failed(expected, f"{actual}; the network returns {returned}", *head.nodes[-1:], advice=advice)
    where, why = _objection(view, limits, classes)
    if why:
        advice = f"{_ideal(view, limits, classes)} Here {why}."
        return failed(expected, f"{actual}; {why}", *where, advice=advice)
    if unlike:
        advice = f"{_ideal(view, limits, classes)} Here {unlike}."
        return failed(expected, f"{actual}; {unlike}", *head.nodes, advice=advice)
    if not classifiers(measured, head):
        maker = _one_map_per_class(measured, head.maps[0], classes)
        assert maker is not None
        return passed(expected, f"{name_of(measured, maker)} -> {actual}", maker, *head.nodes)
    return passed(expected, actual, *head.nodes)


def _one_map_per_class(measured: Measured, name: str, classes: int) -> Node | None:
    """Find the convolution (or Linear over the channels of a map) that makes the classes' maps."""
    node = measured.by_name.get(name)
    while node is not None and OPS.get(node.op) not in ("conv", "linear"):
        sources = [source for source in data_reads(node) if source in measured.fields]
        passes_on = OPS.get(node.op) in _BETWEEN and len(sources) == 1
        node = measured.by_name.get(sources[0]) if passes_on else None
    if node is None or tuple(measured.weight_shape(node))[:1] != (classes,):
        return None
    return node


def _objection(view: View, limits: Settings, classes: int) -> tuple[tuple[Node, ...], str]:
    """Return what does not belong in the head, or is missing, and where; empty when nothing is."""
    measured, head = view.measured, view.head
    problem = objection(measured, head, limits.classifier)
    if problem is not None:
        return (problem[0],), problem[1]
    if len(head.maps) != 1:
        return head.nodes[:1], f"{len(head.maps)} feature maps lead to it"
    if not averages(measured, head):
        return head.nodes[-1:], "no global average pool"
    if positions(measured, head.maps[0]) == 1:
        return head.nodes[:1], "the last map has a single position, so there is nothing to average"
    if classifiers(measured, head):
        return (), ""
    if "convolution_before_pool" not in limits.classifier:
        only_linear = limits.classifier == ("linear_after_pool",)
        return head.nodes[-1:], f"no {'Linear' if only_linear else 'classifier'} follows the pool"
    if _one_map_per_class(measured, head.maps[0], classes) is None:
        return head.nodes[-1:], f"no classifier: the {classes} averaged maps are not made by one convolution"
    return (), ""


def _form(classifier: Classifier, channels: int | str, classes: int) -> str:
    match classifier:
        case "linear_after_pool":
            return f"global average pool -> Linear({channels}, {classes})"
        case "convolution_after_pool":
            return f"global average pool -> 1x1 convolution to {classes} channels"
        case "convolution_before_pool":
            return f"convolution to {classes} channels -> global average pool"


def _ideal(view: View, limits: Settings, classes: int) -> str:
    """Write out the first of the allowed heads for this network's channels."""
    ends = [view.measured.by_name[name] for name in view.head.maps[:1] if name in view.measured.by_name]
    last = last_map(view, ends[0]) if ends else None
    shape = tuple(view.measured.shapes.get(last.name, ())) if last else ()
    head = _code(limits.classifier[0], shape[1] if len(shape) == len(IMAGE) else "C", classes)
    is_cut = last is not None and last is not ends[0] and len(ends[0].shape or ()) == len(IMAGE)
    return f"After {placed(last)}, end in {head}." if last and is_cut else f"End in {head}."


def _code(classifier: Classifier, channels: int | str, classes: int) -> str:
    match classifier:
        case "linear_after_pool":
            return f"self.gap = nn.AdaptiveAvgPool2d(1), flatten(1) and one nn.Linear({channels}, {classes})"
        case "convolution_after_pool":
            return f"nn.AdaptiveAvgPool2d(1), one nn.Conv2d({channels}, {classes}, 1) and flatten(1)"
        case "convolution_before_pool":
            return f"one nn.Conv2d({channels}, {classes}, 1), nn.AdaptiveAvgPool2d(1) and flatten(1)"


def _shape(shape: tuple[int | str, ...]) -> str:
    return f"a tensor of shape ({', '.join(str(size) for size in shape)})"
