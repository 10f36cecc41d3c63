"""Judge a rule on both graphs of a network, and on what of them has influence."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from harness.analysis.evidence import Evidence, Mode
from harness.analysis.verdicts import layers, not_judged
from harness.analysis.view import View
from harness.record import Finding

_NEED_EVIDENCE = frozenset(
    {
        "no_max_pool",
        "downsampling",
        "depthwise_separable",
        "dilation",
        "min_receptive_field",
        "gap_linear_head",
    }
)
"""Rules that count on layers which have to matter, or on what parts of a network do."""
_ORDER = {"failed": 0, "not_judged": 1, "passed": 2}


@dataclass(frozen=True)
class Views:
    """The graphs of both modes, as they are and without the layers that have no influence."""

    evaluation: View
    train: View
    shown: Evidence

    @cached_property
    def influential(self) -> tuple[tuple[View, str], ...]:
        """Both graphs without weak layers, with a sentence that names those; only where there are any."""
        found = []
        by_mode: dict[Mode, View] = {"eval": self.evaluation, "train": self.train}
        for mode, view in by_mode.items():
            weak = frozenset(self.shown.weak.get(mode, ()))
            if weak:
                rest = View(view.measured.architecture, view.measured.graph, weak)
                named = layers([node for node in view.measured.nodes if node.name in weak])
                found.append((rest, f"the logits do not depend on {named}, whatever its weights are"))
        return tuple(found)

    def in_both(self, rule: Callable[[View], Finding]) -> Finding:
        """Judge both graphs; the worse finding counts, and eval's when they agree."""
        first, second = rule(self.evaluation), rule(self.train)
        if _ORDER[first.status] <= _ORDER[second.status]:
            return first
        return second.model_copy(update={"actual": f"in the graph used for training: {second.actual}"})

    def by_influence(self, rule: Callable[[View], Finding]) -> Finding:
        """Judge both graphs, and what has influence alone: what has none keeps no rule, and may break one."""
        worst = self.in_both(rule)
        for view, why in self.influential:
            finding = rule(view)
            if _ORDER[finding.status] < _ORDER[worst.status]:
                advice = f"{finding.help} Or let what has no influence matter: use what it computes."
                worst = finding.model_copy(update={"actual": f"{finding.actual}; {why}", "help": advice})
        return worst


def doubted(finding: Finding, shown: Evidence) -> Finding:
    """Leave a rule about the graph open where running the network showed the analysis to be mistaken."""
    if finding.status != "passed" or finding.rule in ("augmentation", "min_accuracy"):
        return finding
    if shown.misjudged:
        advice = "The harness is mistaken about this network: please report it, and ask the teacher to judge "
        return not_judged(
            finding.rule, finding.expected, f"{finding.actual}; but {shown.misjudged}", cause="harness",
            advice=f"{advice}this rule by hand.",
        )  # fmt: skip
    if shown.broken and finding.rule in _NEED_EVIDENCE:
        return not_judged(
            finding.rule, finding.expected,
            f"{finding.actual}; but whether it has influence could not be measured: {shown.broken}",
            cause="harness", advice="Write it with standard layers, or ask the teacher to judge by hand.",
        )  # fmt: skip
    return finding
