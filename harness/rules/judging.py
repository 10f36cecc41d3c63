"""Judge a network, or its trainings, by the rules that an assignment asks for.

Rules about the architecture must hold in both graphs, train and eval; facts are read from eval.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.graph.facts import measured_facts
from harness.graph.receptive_field.engine import table
from harness.record.facts import Facts, ReceptiveFieldRow
from harness.record.findings import Cause, Finding
from harness.record.trainings import Training
from harness.rules.base import NetworkRule, TrainingRule
from harness.rules.network import Network, doubted
from harness.rules.next_steps import with_advice
from harness.rules.registry import Asked
from harness.rules.verdicts import Verdict, not_judged

Judged = tuple[tuple[Finding, ...], Facts, tuple[ReceptiveFieldRow, ...]]
Variants = Mapping[str, Sequence[Asked]]


def judge(network: Network, variants: Variants, variant: str, *, seeds_differ: bool | None = None) -> Judged:
    """Judge a network by every rule of a variant but those about trainings, in the assignment's order.

    `variants` are the rules of each. Returns findings, facts and the receptive-field table, the last two
    of the eval graph.
    """
    asked = [one for one in variants[variant] if isinstance(one.rule, NetworkRule)]
    verdicts = with_advice(network, asked, {one.name: _judged(network, one) for one in asked})
    findings = tuple(
        finding_of(one, _with_other_variants(network, one, verdicts[one.name], variants, variant))
        for one in asked
    )
    view = network.evaluation
    facts = measured_facts(
        view, network.counted, network.probe, seeds_differ=seeds_differ, second=network.second
    )
    return findings, facts, table(view.measured)


def judge_trainings(trainings: Sequence[Training], rules: Iterable[Asked]) -> tuple[Finding, ...]:
    """Judge trainings, one at least, by every rule that is about them."""
    return tuple(
        finding_of(one, one.rule.judge(trainings, one.settings))
        for one in rules
        if isinstance(one.rule, TrainingRule)
    )


def not_trained(why: Verdict, rules: Iterable[Asked]) -> tuple[Finding, ...]:
    """Return a finding of every rule about trainings, that says why there is none to judge."""
    return tuple(
        finding_of(one, replace(why, expected=one.rule.expected(one.settings)))
        for one in rules
        if one.is_measured
    )


def not_loaded(cause: Cause, rules: Iterable[Asked], *, full: bool) -> tuple[Finding, ...]:
    """Return open findings for a submission that could not be exported; `full` includes trainings."""
    advice = "Correct what the message about the submission says; then every rule is judged."
    expected = "a network that can be imported, built, run and exported"
    verdict = not_judged(expected, "no graph to look at", cause=cause, advice=advice)
    return tuple(finding_of(one, verdict) for one in rules if full or not one.is_measured)


def finding_of(one: Asked, verdict: Verdict) -> Finding:
    """Return a rule's verdict as a finding of a record, with its points."""
    most = one.settings.points
    earned = {"passed": most, "failed": 0, "not_judged": None}[verdict.status]
    return Finding(
        rule=one.name,
        asks=one.asks,
        status=verdict.status,
        cause=verdict.cause,
        expected=verdict.expected,
        actual=verdict.actual,
        where=verdict.where,
        help=verdict.help,
        points=earned if verdict.points is None else verdict.points,
        max_points=most,
        measured=one.is_measured,
        step=verdict.step,
    )


# Private functions


def _judged(network: Network, one: Asked) -> Verdict:
    assert isinstance(one.rule, NetworkRule)
    verdict = one.rule.judge(network, one.settings)
    if one.rule.needs in ("recipe", "training"):
        return verdict
    return doubted(verdict, network.shown, by_influence=one.rule.needs == "influence")


def _with_other_variants(
    network: Network, one: Asked, verdict: Verdict, variants: Variants, variant: str
) -> Verdict:
    """Return a failed verdict with the other variant whose rules the network keeps, if there is one."""
    assert isinstance(one.rule, NetworkRule)
    if verdict.status != "failed" or not one.rule.tells_variants_apart:
        return verdict
    for name, rules in variants.items():
        other = next((r for r in rules if r.name == one.name), None)
        if name == variant or other is None or other.settings == one.settings:
            continue
        if one.rule.judge(network, other.settings).status == "passed":
            return replace(
                verdict,
                help=f"{verdict.help} If it is meant as variant {name}, judge it with --variant {name}.",
            )
    return verdict
