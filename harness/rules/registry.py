"""The rules there are, by name, in the order in which they are listed."""

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from harness.base.errors import AssignmentError, HarnessError
from harness.base.tables import meant, validate
from harness.graph.kinds import KINDS
from harness.rules.allow_only import AllowOnly
from harness.rules.augmentation import Augmentation
from harness.rules.base import NetworkRule, Rule, RuleSettings, TrainingRule
from harness.rules.count import Count
from harness.rules.depthwise_separable import DepthwiseSeparable
from harness.rules.dilation import Dilation
from harness.rules.downsampling import Downsampling
from harness.rules.epochs import Epochs
from harness.rules.gap_linear_head import GapLinearHead
from harness.rules.head import Head
from harness.rules.initial import Initial
from harness.rules.layout import Layout
from harness.rules.max_activation_bytes import MaxActivationBytes
from harness.rules.max_bytes import MaxBytes
from harness.rules.max_macs import MaxMacs
from harness.rules.max_parameters import MaxParameters
from harness.rules.min_accuracy import MinAccuracy
from harness.rules.min_receptive_field import MinReceptiveField
from harness.rules.no_max_pool import NoMaxPool
from harness.rules.norm import Norm
from harness.rules.optimiser import Optimiser
from harness.rules.receptive_field import ReceptiveField
from harness.rules.residual import Residual
from harness.rules.same_graph_in_eval import SameGraphInEval
from harness.rules.shared_weights import SharedWeights
from harness.rules.untrained_at_chance import UntrainedAtChance
from harness.rules.weighted_layers import WeightedLayers

RULES: dict[str, type[NetworkRule] | type[TrainingRule]] = {
    rule.name: rule
    for rule in (
        MaxParameters,
        NoMaxPool,
        Downsampling,
        DepthwiseSeparable,
        Dilation,
        MinReceptiveField,
        GapLinearHead,
        SameGraphInEval,
        UntrainedAtChance,
        Augmentation,
        Count,
        Layout,
        Residual,
        WeightedLayers,
        SharedWeights,
        ReceptiveField,
        MaxBytes,
        MaxMacs,
        MaxActivationBytes,
        Norm,
        Head,
        AllowOnly,
        Initial,
        Epochs,
        Optimiser,
        MinAccuracy,
    )
}
"""Every rule by its name; a new one takes a line here."""


def leaned_on_first(rules: Mapping[str, type[Rule]]) -> tuple[str, ...]:
    """Sort the names of rules so that each comes after those that its question leans on.

    Raises:
        HarnessError: rules lean on each other in a circle, or on one that there is not.
    """
    for name, one in rules.items():
        for other in one.depends:
            if other not in rules:
                raise HarnessError(f"{name} depends on {other}: no such rule. {meant(other, rules, 'rules')}")
    try:
        return tuple(TopologicalSorter({name: one.depends for name, one in rules.items()}).static_order())
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise HarnessError(f"rules depend on each other in a circle: {circle}. Remove one of them.") from None


leaned_on_first(RULES)  # a circle shows as soon as the harness starts


@dataclass(frozen=True)
class Asked:
    """A rule as an assignment asks for it: under a name, with settings."""

    name: str
    rule: Rule
    settings: RuleSettings

    @property
    def asks(self) -> str:
        """The rule's request, in a few words."""
        return self.settings.asks or self.rule.asks

    @property
    def is_measured(self) -> bool:
        """Whether it is judged by a training."""
        return self.rule.needs == "training"


def asked(name: str, table: Mapping[str, Any], where: str, place: str) -> Asked:
    """Read one table of ``[rules]``; `where` names its file in messages, `place` where in the file it is.

    Raises:
        AssignmentError: there is no such rule, or its settings are none; one line for every mistake.
    """
    kind = table.get("rule", name)
    if not isinstance(kind, str) or kind not in RULES:
        raise AssignmentError(f"{where}: {place}: unknown rule {kind}. {_instead(str(kind))}")
    rule = RULES[kind]()
    return Asked(name, rule, validate(rule.Settings, table, where, place))


# Private functions


def _instead(kind: str) -> str:
    """Return what to write in place of the unknown name of a rule."""
    if kind in KINDS:
        return f'{kind} is a family of layers: write rule = "count", family = "{kind}".'
    return meant(kind, RULES, "rules")
