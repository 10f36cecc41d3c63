"""The next steps for a network that fails: in which order, and which mistakes are one mistake seen twice.

Rules are mended one after the other on paper, in the order of the advice: each says what to do about the
network that the advice before it would give. So nothing in the list contradicts what stands above it, and a
rule that passes once another one is mended asks for nothing of its own. Where it leans on that one, it is
not judged.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from harness.graph.ir import Architecture
from harness.rules.base import NetworkRule
from harness.rules.network import USE_IT, Network
from harness.rules.registry import RULES, Asked, leaned_on_first
from harness.rules.verdicts import Verdict

_STAGES = ("influence", "graph", "probe", "recipe", "training")
"""The order of the steps, by what rules need: layers first, then their numbers, then the rest."""
_DRAWN = ("influence", "graph")
"""What rules need that a network can be judged by that is only drawn."""
_MOST_STEPS = 12
_MOST_OF_A_RULE = 6
_MOST_WAYS = 12
_MOST_NODES = 12_000
"""Nodes of drawn graphs that are judged for one network; a larger one has fewer ways tried."""
_LARGEST = 2_000
"""Nodes of the largest graph that is mended on paper; to judge the longest allowed takes seconds."""

Verdicts = Mapping[str, Verdict]


@dataclass(frozen=True)
class _State:
    """A network on paper, the rules that it fails, and those that nobody can judge of it."""

    network: Network
    failing: frozenset[str]
    unknown: frozenset[str]


@dataclass(frozen=True)
class _Step:
    """One thing to do, for a rule, and what fails once it is done."""

    rule: str
    advice: str
    after: _State


def in_order_of_advice(asked: Sequence[Asked]) -> list[Asked]:
    """Sort rules: what others lean on first, what is about the whole network later, trainings last."""
    order = leaned_on_first(RULES)
    return sorted(asked, key=lambda one: (_STAGES.index(one.rule.needs), order.index(one.rule.name)))


def with_advice(network: Network, asked: Sequence[Asked], verdicts: Verdicts) -> Verdicts:
    """Return the verdicts, each with what is left to do when its turn comes, and when that is.

    `verdicts` are those of the rules about networks, by the names they are asked by. A rule that fails for no
    other cause than one it leans on is not judged; all other verdicts stay.
    """
    if all(verdict.status == "passed" for verdict in verdicts.values()):
        return verdicts
    ordered = in_order_of_advice(asked)
    plan = _plan(ordered, verdicts, _state(network, verdicts))
    advised = {one.name: _advised(plan, one) for one in ordered}
    left = [one.name for one in ordered if advised[one.name].status != "passed"]
    left.sort(key=lambda name: _rank(plan, name, advised[name]))
    return {
        name: replace(advised[name], step=left.index(name) + 1 if name in left else 0) for name in verdicts
    }


class _Plan:
    """Steps that mend a network, rule by rule."""

    def __init__(
        self, ordered: Sequence[Asked], verdicts: Verdicts, start: _State, *, simplest: bool = False
    ) -> None:
        self.ordered, self.verdicts = ordered, verdicts
        self._takes_the_simplest = simplest
        self.start = self.state = start
        self.steps: list[_Step] = []
        self._drawn = [one for one in ordered if one.rule.needs in _DRAWN]
        self.hopeless: dict[str, str] = {}
        """What is said of rules that no way is known to mend."""
        self._left = _MOST_NODES

    def make(self) -> None:
        """Mend the first rule that fails, as long as one does for which a way is known."""
        while len(self.steps) < _MOST_STEPS:
            waiting = self.state.failing - self.hopeless.keys()
            broken = next((one for one in self._drawn if one.name in waiting), None)
            if broken is None:
                return
            steps = self._mended(broken)
            if steps:
                self.steps += steps
                self.state = steps[-1].after
            else:
                self.hopeless[broken.name] = _judged(self.state.network, broken).help

    def of(self, rule: str) -> list[_Step]:
        """List the steps of a rule, with those that it makes necessary for rules that passed before."""
        found: list[_Step] = []
        owner = ""
        for step in self.steps:
            owner = step.rule if self.verdicts[step.rule].status != "passed" else owner
            found += [step] if owner == rule else []
        return found

    def mended_by(self, rule: str) -> int | None:
        """Return the number of steps after which a rule that failed passes; None where it never does."""
        fails = [rule in state.failing for state in (self.start, *(step.after for step in self.steps))]
        return None if fails[-1] or not fails[0] else len(fails) - fails[::-1].index(True)

    # Private

    def _mended(self, one: Asked) -> list[_Step]:
        """Return the steps until a rule passes; none where it does not."""
        steps: list[_Step] = []
        state = self.state
        while one.name in state.failing:
            step = self._best(one, state) if len(steps) < _MOST_OF_A_RULE else None
            if step is None:
                return []
            steps.append(step)
            state = step.after
        return steps

    def _best(self, one: Asked, state: _State) -> _Step | None:
        """Choose the way that leaves the fewest rules that do not pass, or else the simplest."""
        best: _Step | None = None
        for step in self._ways(one, state):
            if best is None or _cost(step) < _cost(best):
                best = step
            is_done = not step.after.failing - self.hopeless.keys() and step.after.unknown <= state.unknown
            if is_done or self._takes_the_simplest:
                break
        return best

    def _ways(self, one: Asked, state: _State) -> Iterator[_Step]:
        assert isinstance(one.rule, NetworkRule)
        for mend in islice(one.rule.mends(state.network, one.settings), _MOST_WAYS):
            self._left -= len(mend.architecture.eval.nodes) + len(mend.architecture.train.nodes)
            if self._left < 0:
                return
            network = _drawn(state.network, mend.architecture)
            verdicts = {other.name: _judged(network, other) for other in self._drawn}
            yield _Step(one.name, mend.advice, _state(network, verdicts))


# Private functions


def _plan(ordered: Sequence[Asked], verdicts: Verdicts, start: _State) -> _Plan:
    """Plan by the best way at each step, or by the simplest where that leaves fewer rules failing."""
    plan = _Plan(ordered, verdicts, start)
    if len(start.network.architecture.eval.nodes) > _LARGEST:
        return plan
    try:
        plan.make()
        if plan.state.failing:
            other = _Plan(ordered, verdicts, start, simplest=True)
            other.make()
            plan = min((plan, other), key=lambda one: len(one.state.failing))
    except Exception:  # noqa: BLE001 - whatever a graph looks like: without a plan all stays as it was judged
        return _Plan(ordered, verdicts, start)
    return plan


def _cost(step: _Step) -> tuple[bool, int]:
    return step.rule in step.after.failing, len(step.after.failing | step.after.unknown)


def _state(network: Network, verdicts: Verdicts) -> _State:
    failing, unknown = (
        frozenset(name for name, verdict in verdicts.items() if verdict.status == status)
        for status in ("failed", "not_judged")
    )
    return _State(network, failing, unknown)


def _judged(network: Network, one: Asked) -> Verdict:
    assert isinstance(one.rule, NetworkRule)
    return one.rule.judge(network, one.settings)


def _drawn(network: Network, architecture: Architecture) -> Network:
    """Return the network of a drawn graph, with what running the original shows that holds of it as well."""
    new = replace(network, architecture=architecture, assumed=network.shown)
    shown, before, after = network.shown, *(n.evaluation.receptive_field_px for n in (network, new))
    changes: dict[str, object] = {}
    if shown.reach_px is not None and before is not None and after is not None:
        # What had no influence has none.
        changes["reach_px"] = tuple(max(side + after - before, 0) for side in shown.reach_px)
    if architecture.eval.outputs != network.architecture.eval.outputs:
        changes["head"] = ""
    return replace(new, assumed=shown.model_copy(update=changes))


def _advised(plan: _Plan, one: Asked) -> Verdict:
    """Return a rule's verdict with what is left to do for it."""
    verdict, steps = plan.verdicts[one.name], plan.of(one.name)
    if steps:
        first = verdict.help if verdict.status == "not_judged" else ""
        last = USE_IT if verdict.help.endswith(USE_IT) else ""
        advice = [first, *(step.advice for step in steps), last]
        return replace(verdict, help=" ".join(filter(None, advice)))
    if verdict.status != "failed" or one.rule.needs not in _DRAWN:
        return verdict
    number = plan.mended_by(one.name)
    if number is None:
        return replace(verdict, help=plan.hopeless.get(one.name, verdict.help))
    if (leaned := _leaned_on(plan, one, number)) and _is_seen_in_the_graph(plan.start.network, one):
        return replace(
            verdict, status="not_judged", cause="student", actual=f"{verdict.actual} (see {leaned})",
            help=f"Nothing else to do: it passes when {leaned} does.",
        )  # fmt: skip
    return replace(
        verdict, help=f"Nothing else to do: what {plan.steps[number - 1].rule} says corrects this too."
    )


def _leaned_on(plan: _Plan, one: Asked, number: int) -> str:
    """Return the failed rule that another leans on, and that the same step mends; else ""."""
    for other in plan.ordered:
        is_one = other.rule.name in one.rule.depends and other.name in plan.start.failing
        if is_one and (plan.mended_by(other.name) == number or plan.steps[number - 1].rule == other.name):
            return other.name
    return ""


def _is_seen_in_the_graph(network: Network, one: Asked) -> bool:
    """Return whether a rule fails by what is there, and not by what has no influence or leads nowhere."""
    bare = replace(network, probe=None)
    return _judged(bare, one).status == "failed" and not bare.evaluation.dead_convolutions


def _rank(plan: _Plan, name: str, advised: Verdict) -> int:
    """Return the sort key: first what can be mended, then what is mended with it, then what is open."""
    if plan.of(name):
        return 0
    return int(plan.mended_by(name) is not None) if advised.status == "failed" else 2
