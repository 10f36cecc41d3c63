"""The order of work, and what a rule says that fails for no cause of its own."""

from typing import ClassVar

import pytest

from harness.base.errors import HarnessError
from harness.graph.evidence import Evidence
from harness.rules.base import NetworkRule, RuleSettings, rule
from harness.rules.judging import judge
from harness.rules.next_steps import in_order_of_advice
from harness.rules.registry import Asked, leaned_on_first
from harness.rules.verdicts import failed

KNOCKED_ON = "Nothing else to do: it passes when downsampling does."


@pytest.fixture
def pooled(sketch):
    """Draw a network whose first strided convolution has become a max-pool, behind the separable pair."""

    def draw(early=False):
        drawing = type(sketch)()
        x = drawing.separable("x", 8, layer="early") if early else drawing.conv("x", 8, layer="a")
        x = drawing.conv(x, 16, layer="s1")
        x = drawing.separable(x, 16, layer="ds")
        n, c, h, w = drawing.shapes[x]
        x = drawing.call("max_pool2d", x, [2, 2], [2, 2], shape=(n, c, h // 2, w // 2), layer="pool")
        x = drawing.conv(drawing.conv(x, 16, s=2, layer="s2"), 32, s=2, layer="s3")
        x = drawing.separable(x, 32, d=2, layer="dil")
        return drawing.architecture(drawing.head(x))

    return draw


def test_a_rule_that_fails_for_the_cause_of_another_is_not_judged(pooled, judged):
    found = judged(pooled())
    pair = found.depthwise_separable
    assert (pair.status, pair.cause, pair.points) == ("not_judged", "student", None)
    assert pair.actual == "2: ds.dw, dil.dw; in block 1: ds.dw (see downsampling)"
    assert pair.help == KNOCKED_ON
    assert (found.no_max_pool.status, found.downsampling.status) == ("failed", "failed")


def test_a_mistake_is_mended_once_and_every_rule_that_it_breaks_says_where(pooled, judged):
    found = judged(pooled())
    assert found.no_max_pool.help == "Remove pool (model.py:5) and give s1 (model.py:2) stride 2."
    assert found.downsampling.help == "Nothing else to do: what no_max_pool says corrects this too."
    steps = {
        name: getattr(found, name).step for name in ("no_max_pool", "downsampling", "depthwise_separable")
    }
    assert steps == {"no_max_pool": 1, "downsampling": 2, "depthwise_separable": 3}
    assert found.max_parameters.step == 0


def test_a_rule_that_fails_for_a_cause_of_its_own_too_stays_failed(pooled, judged):
    pair = judged(pooled(early=True)).depthwise_separable
    assert (pair.status, pair.points) == ("failed", 0)
    assert pair.help == "Give early.dw (model.py:1) groups=1."


def test_breaking_one_rule_more_never_gives_points(pooled, basic, judged, assignment):
    def points(architecture):
        found = judged(architecture)
        return sum(getattr(found, name).points or 0 for name in list(assignment.rules)[:-1])

    assert points(pooled(early=True)) <= points(pooled()) < points(basic())


def test_what_has_no_influence_is_never_put_down_to_another_rule(pooled, judged):
    """The pair would be late enough if s1 had its stride; but its weights do nothing."""
    architecture = pooled()
    named = {node.layer: node.name for node in architecture.eval.nodes}
    weak = Evidence(weak={"eval": (named["dil.dw"], named["ds.dw"])})
    found = judged(architecture, evidence=weak)
    assert found.depthwise_separable.status == "failed"
    assert found.dilation.status == "failed"
    assert "let what has no influence matter" in found.dilation.help


def test_pixels_that_have_no_influence_have_none_after_other_advice_either(pooled, judged):
    found = judged(pooled(), evidence=Evidence(reach_px=(20, 20))).min_receptive_field
    assert (found.status, found.actual[:5]) == ("failed", "20 px")


def test_a_rule_that_is_not_judged_silences_none(sketch, judged):
    """An operator that nobody knows leaves the strides open; that none is dilated after them is sure."""
    x = sketch.conv("x", 8, s=2, layer="s1")
    x = sketch.conv(sketch.conv(x, 8, d=2, layer="early"), 8, s=2, layer="s2")
    x = sketch.conv(sketch.call("unheard_of", x, layer="strange"), 16, s=2, layer="s3")
    found = judged(sketch.architecture(sketch.head(x)))
    assert (found.downsampling.status, found.dilation.status) == ("not_judged", "failed")


def test_a_pool_that_is_called_twice_is_named_by_the_line_of_the_call(sketch, judged):
    x = sketch.conv("x", 8, layer="a")
    for layer in ("b", "c", "d"):
        n, c, h, w = sketch.shapes[x]
        x = sketch.call("max_pool2d", x, [2, 2], [2, 2], shape=(n, c, h // 2, w // 2), layer="pool")
        x = sketch.conv(x, 16, layer=layer)
    found = judged(sketch.architecture(sketch.head(x)))
    assert found.no_max_pool.help == " ".join(f"Remove pool (model.py:{line})." for line in (2, 4, 6))


def test_rules_about_layers_come_first_then_their_number_then_the_rest(assignment):
    ordered = [one.name for one in in_order_of_advice(assignment.every_rule()["basic"])]
    assert ordered == [
        "no_max_pool", "downsampling", "gap_linear_head", "dilation", "min_receptive_field",
        "depthwise_separable", "max_parameters", "same_graph_in_eval", "untrained_at_chance", "augmentation",
        "min_accuracy",
    ]  # fmt: skip


@rule(asks="an egg", needs="graph", depends=("hen",))
class Egg(NetworkRule):
    """Check that there is an egg."""

    judge: ClassVar = None


@rule(asks="a hen", needs="graph", depends=("egg",))
class Hen(NetworkRule):
    """Check that there is a hen."""

    judge: ClassVar = None


def test_rules_that_lean_on_each_other_in_a_circle_are_refused():
    with pytest.raises(
        HarnessError, match=r"rules depend on each other in a circle: (egg -> hen|hen -> egg)"
    ):
        leaned_on_first({"egg": Egg, "hen": Hen})


def test_a_rule_that_leans_on_one_that_there_is_not_is_refused():
    with pytest.raises(HarnessError, match="egg depends on hen: no such rule"):
        leaned_on_first({"egg": Egg})


def test_a_rule_whose_ways_cannot_be_drawn_is_judged_as_ever(
    basic, network_of, assignment, probe, monkeypatch
):
    @rule(asks="nothing", needs="graph")
    class Grumble(NetworkRule):
        """Check nothing."""

        def judge(self, network, settings):
            return failed("anything else", "this", advice="Change it.")

        def mends(self, network, settings):
            raise ZeroDivisionError

    monkeypatch.setitem(__import__("harness.rules.registry", fromlist=["RULES"]).RULES, "grumble", Grumble)
    asked = (Asked("grumble", Grumble(), RuleSettings(points=3)),)
    network = network_of(basic(), assignment, probe=probe)
    (finding,), _, _ = judge(network, {"basic": asked}, "basic")
    assert (finding.status, finding.help, finding.points) == ("failed", "Change it.", 0)
