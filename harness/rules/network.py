"""A network as the rules look at it: both graphs, what of them has influence, how it is run and trained."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from harness.graph.evidence import Evidence, Probe
from harness.graph.ir import Architecture, Mode
from harness.graph.naming import layers
from harness.graph.operators import unknown_nodes
from harness.graph.parameters import Counted, count
from harness.graph.receptive_field.agreement import agreement
from harness.graph.residual_joins import is_weighted
from harness.graph.view import View
from harness.record.facts import SecondMeasurement
from harness.rules.verdicts import Verdict, not_judged
from harness.settings.recipe import RecipeSpec

USE_IT = "Or let what has no influence matter: use what it computes."
_ORDER = {"failed": 0, "not_judged": 1, "passed": 2}


@dataclass(frozen=True)
class Network:
    """A network to judge.

    `probe` is what it does untrained, None where it could not be run, and `not_run` says why; `recipe` is the
    one that it is trained with.
    """

    architecture: Architecture
    input_shape: tuple[int, int, int]
    """(C, H, W) of one image."""
    classes: int
    recipe: RecipeSpec
    probe: Probe | None = None
    not_run: str = ""
    assumed: Evidence | None = None
    """What running it is taken to show, of a network that is only drawn."""

    @cached_property
    def evaluation(self) -> View:
        """The graph of evaluation."""
        return View(self.architecture, self.architecture.eval)

    @cached_property
    def train(self) -> View:
        """The graph of training."""
        return View(self.architecture, self.architecture.train)

    @cached_property
    def shown(self) -> Evidence:
        """The results of running the network."""
        if self.assumed is not None:
            return self.assumed
        if self.probe is not None:
            return self.probe.evidence
        unknown = unknown_nodes(self.architecture.eval)
        # Where it could not be run, the rules about running say why.
        why = f"the operator {unknown[0].op} is not known" if unknown and not self.not_run else ""
        return Evidence(broken=why)

    @cached_property
    def counted(self) -> Counted:
        """The numbers that feed the network."""
        measured = (self.train.measured, self.evaluation.measured)
        return count(self.architecture, measured, self.shown.filled)

    @cached_property
    def second(self) -> SecondMeasurement | None:
        """The receptive field once more, by gradients."""
        if self.probe is None or self.assumed is not None:
            return None
        return agreement(self.evaluation, self.probe.extents)

    @cached_property
    def influential(self) -> tuple[tuple[View, str], ...]:
        """Both graphs without weak layers, with a sentence that names those; only where there are any."""
        found = []
        by_mode: dict[Mode, View] = {"eval": self.evaluation, "train": self.train}
        for mode, view in by_mode.items():
            weak = frozenset(self.shown.weak.get(mode, ()))
            if weak:
                rest = View(view.measured.architecture, view.measured.graph, weak)
                found.append((rest, _without(view, weak)))
        return tuple(found)

    def failing(self, judge: Callable[[View], Verdict]) -> View:
        """Return the first graph that fails, whole or without its weak layers; else that of evaluation."""
        views = (self.evaluation, self.train, *(view for view, _ in self.influential))
        return next((view for view in views if judge(view).status == "failed"), self.evaluation)

    def in_both(self, judge: Callable[[View], Verdict]) -> Verdict:
        """Judge both graphs; the worse verdict counts, and eval's when they agree."""
        first, second = judge(self.evaluation), judge(self.train)
        if _ORDER[first.status] <= _ORDER[second.status]:
            return first
        return replace(second, actual=f"in the graph used for training: {second.actual}")

    def by_influence(self, judge: Callable[[View], Verdict]) -> Verdict:
        """Judge both graphs, and what has influence alone: what has none keeps no rule, and may break one."""
        worst = self.in_both(judge)
        for view, why in self.influential:
            verdict = judge(view)
            if _ORDER[verdict.status] < _ORDER[worst.status]:
                advice = f"{verdict.help} {USE_IT}"
                worst = replace(verdict, actual=f"{verdict.actual}; {why}", help=advice)
        return worst


def _without(view: View, weak: frozenset[str]) -> str:
    """Return the names of the layers without influence, those with weights where there are any."""
    nodes = [node for node in view.measured.nodes if node.name in weak]
    weighted = [node for node in nodes if is_weighted(view.measured, node)]
    named = layers(weighted or nodes)
    return f"the logits do not depend on {named}" + (", whatever its weights are" if weighted else "")


def doubted(verdict: Verdict, shown: Evidence, *, by_influence: bool) -> Verdict:
    """Return an open verdict on a rule about the graph where running the network contradicts the analysis."""
    if verdict.status != "passed":
        return verdict
    if shown.misjudged:
        advice = "The harness is mistaken about this network: please report it, and ask the teacher to judge "
        return not_judged(
            verdict.expected, f"{verdict.actual}; but {shown.misjudged}", cause="harness",
            advice=f"{advice}this rule by hand.",
        )  # fmt: skip
    if shown.broken and by_influence:
        return not_judged(
            verdict.expected,
            f"{verdict.actual}; but whether it has influence could not be measured: {shown.broken}",
            cause="harness", advice="Write it with standard layers, or ask the teacher to judge by hand.",
        )  # fmt: skip
    return verdict


def no_number(expected: str) -> Verdict:
    """Return the verdict on a network whose outputs are not numbers."""
    return not_judged(
        expected,
        "the untrained network gives outputs that are not numbers",
        cause="student",
        advice="Look for a division by zero, a logarithm of zero, or weights that start far too large.",
    )


def not_run(expected: str, network: Network) -> Verdict:
    """Return the verdict that says why a network was not run."""
    if network.not_run:
        images = "(N, {}, {}, {})".format(*network.input_shape)
        advice = f"The network must map {images} images to logits, one per class; see the other rules."
        return not_judged(expected, f"not run: {network.not_run}", cause="student", advice=advice)
    return not_judged(
        expected,
        "the network could not be rebuilt from its graph and run",
        cause="harness",
        advice="See the other rules that were not judged; they name the operator.",
    )
