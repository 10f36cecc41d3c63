import pytest
from torch import nn

from harness.base.errors import AssignmentError

C, POINT = {"family": "convolution", "kernel": 3}, {"family": "convolution", "kernel": 1}
LETTERS = {
    "C": C,
    "c": POINT,
    "P": {"family": "max_pool", "kernel": 2},
    "GAP": {"family": "global_average_pool"},
    "c10": POINT | {"out": 10},
    "add": {"family": "residual_add"},
    "F": {"family": "linear"},
    "R": {"family": "activation", "name": "relu"},
}


@pytest.fixture
def by_layout(by_rule):
    def judged(pattern, architecture):
        named = {"".join(filter(str.isalnum, token.partition("{")[0])) for token in pattern.split()}
        return by_rule(
            "layout", architecture, pattern=pattern, letters={k: LETTERS[k] for k in LETTERS if k in named}
        )

    return judged


def pool(sketch, x):
    n, c, h, w = sketch.shapes[x]
    return sketch.call("max_pool2d", x, [2, 2], shape=(n, c, h // 2, w // 2), layer="pool")


@pytest.fixture
def chain(sketch):
    """C C c P C GAP c10, with normalisation and activation between."""
    x = sketch.call("relu", sketch.conv("x", 8, layer="conv1"))
    x = sketch.conv(sketch.conv(x, 8, layer="conv2"), 4, k=1, layer="conv3")
    x = sketch.gap(sketch.conv(pool(sketch, x), 8, layer="conv4"))
    return sketch.architecture(sketch.flatten(sketch.conv(x, 10, k=1, layer="last")))


@pytest.mark.parametrize(
    "pattern",
    [
        "C C c P C GAP c10", "C{2} c P C GAP c10", "C+ c P C+ GAP c10", "C C c* P C c? GAP c10",
        "C{1,2} c P{0,3} C GAP c10", "(C+ c? P?)+ GAP c10", "(C c? P?){3} GAP c10", "(C (C c P)? )* GAP c10",
    ],
)  # fmt: skip
def test_a_chain_follows_its_pattern(chain, by_layout, pattern):
    finding = by_layout(pattern, chain)
    assert (finding.status, finding.expected) == ("passed", pattern)
    assert finding.actual == "7 places: conv1, conv2, conv3, pool, conv4, gap, last"


def test_a_letter_may_stand_for_a_whole_family(chain, by_rule):
    letters = {"C": "convolution", "P": "max_pool", "GAP": "global_average_pool"}
    assert by_rule("layout", chain, pattern="C{3} P C GAP C", letters=letters).status == "passed"


DEVIATIONS = {
    "C C P C GAP c10": "place 3: expected P (max-pool with kernel 2), got a 1x1 convolution to 4 channels",
    "C C c C P C GAP c10": "place 4: expected C (convolution with kernel 3), got a 2x2 max-pool (stride 2)",
    "C C c P C GAP c10 F": "place 8: expected F (linear layer), got the end",
    "C C c P C GAP": "place 7: expected the end, got a 1x1 convolution to 10 channels in last (model.py:8)",
    "(C C P)+ GAP c10": "place 3: expected P (max-pool with kernel 2), got a 1x1 convolution to 4 channels",
    "C{3} c P C GAP c10": "place 3: expected C (convolution with kernel 3), got a 1x1 convolution to 4",
    "C C? c* C P GAP": "place 4: expected c (convolution with kernel 1) or C (convolution with kernel 3)",
}


@pytest.mark.parametrize("pattern", DEVIATIONS)
def test_the_first_place_that_deviates_is_named(chain, by_layout, pattern):
    finding = by_layout(pattern, chain)
    assert finding.status == "failed"
    assert finding.actual.startswith(DEVIATIONS[pattern])


def test_help_says_what_belongs_there(chain, by_layout):
    assert by_layout("C C P C GAP c10", chain).help == "Put P (max-pool with kernel 2) there."
    assert by_layout("C C c P C GAP", chain).help == "Remove what follows: last."
    assert by_layout("C C c P C GAP c10 F", chain).help == "Add F (linear layer)."


def test_an_activation_takes_a_place_where_a_letter_names_it(chain, by_layout):
    assert by_layout("C R C c P C GAP c10", chain).status == "passed"
    assert by_layout("C R C R c P C GAP c10", chain).actual.startswith(
        "place 4: expected R (relu activation)"
    )


def test_a_dropout_takes_a_place_in_the_graph_of_training_alone(exported, by_rule):
    letters = {"C": C, "D": {"family": "dropout", "p": {"at_most": 0.3}}} | {
        k: LETTERS[k] for k in ("GAP", "F")
    }
    architecture = exported(
        lambda net, x: net.fc(net.drop(net.conv(x)).mean((2, 3))),
        conv=nn.Conv2d(3, 8, 3), drop=nn.Dropout(0.3), fc=nn.Linear(8, 10),
    )  # fmt: skip
    assert by_rule("layout", architecture, pattern="C D GAP F", letters=letters).status == "passed"
    finding = by_rule("layout", architecture, pattern="C GAP D F", letters=letters)
    assert finding.actual.startswith("in the graph used for training: place 2: expected GAP")
    letters["D"]["p"]["at_most"] = 0.2
    assert by_rule("layout", architecture, pattern="C D GAP F", letters=letters).status == "failed"


def residual(sketch, shortcut):
    x = sketch.conv("x", 8, layer="stem")
    y = sketch.conv(sketch.conv(x, 8, layer="one"), 8, layer="two")
    return sketch.architecture(sketch.head(sketch.call("add.Tensor", y, shortcut(x), layer="sum")))


def test_a_sum_is_a_place_and_its_shortcut_stands_beside(sketch, by_layout):
    plain = residual(sketch, lambda x: x)
    assert by_layout("C C C add GAP F", plain).status == "passed"
    assert by_layout("C C C GAP F", plain).actual.startswith(
        "place 4: expected GAP (global average pool), got a residual sum"
    )


def test_a_projection_may_stand_on_a_shortcut_and_no_other_layer(sketch, by_layout):
    assert by_layout("C C C add GAP F", residual(sketch, lambda x: sketch.conv(x, 8, k=1))).status == "passed"


def test_what_runs_beside_a_chain_is_not_part_of_it(sketch, by_layout):
    branches = residual(sketch, lambda x: sketch.conv(x, 8, layer="branch"))
    finding = by_layout("C C C GAP F", branches)
    assert (finding.status, finding.actual) == ("failed", "branch runs beside the path")
    assert finding.help == "Make it a chain: remove branch, or put it in its place on the path."


def test_a_slice_that_makes_the_map_smaller_takes_a_place(sketch, by_layout):
    x = sketch.conv("x", 8)
    x = sketch.call("slice.Tensor", x, 2, 0, 99, 2, shape=("batch", 8, 16, 32))
    finding = by_layout("C GAP F", sketch.architecture(sketch.head(x)))
    assert finding.actual == "place 2: expected GAP (global average pool), got a slice in v1 (model.py:2)"


def test_what_deviates_before_an_unknown_operator_fails(sketch, by_layout):
    x = sketch.call("mystery", sketch.conv("x", 8, k=1))
    finding = by_layout("C GAP F", sketch.architecture(sketch.head(x)))
    assert finding.actual.startswith("place 1: expected C")


def test_an_unknown_operator_may_take_a_place(sketch, by_layout):
    x = sketch.call("mystery", sketch.conv("x", 8))
    finding = by_layout("C GAP F", sketch.architecture(sketch.head(x)))
    assert (finding.status, finding.cause) == ("not_judged", "harness")


MISTAKES = {
    "C %": "% in the pattern is no letter; write C, C?, C*, C+, C{3}, C{1,3} or (C P)+",
    "C{3,2} c": "{3,2} in the pattern: at most 2 is less than at least 3",
    "C c)+": "the pattern has a ) without letters in parentheses before it",
    "() C c": "the pattern has a ) without letters in parentheses before it",
    "(C c": "the pattern has a ( without a )",
    "C D": "the pattern has D, which letters does not define. Known letters: C, c",
    "C": "the pattern does not use the letters c",
}


@pytest.mark.parametrize("pattern", MISTAKES)
def test_a_mistake_in_the_pattern_is_named(chain, by_rule, pattern):
    with pytest.raises(AssignmentError) as error:
        by_rule("layout", chain, pattern=pattern, letters={"C": C, "c": POINT})
    assert MISTAKES[pattern] in str(error.value)


def test_a_pool_of_single_pixels_takes_a_place_only_where_it_skips_some(exported, by_layout):
    layers = {"one": nn.Conv2d(3, 10, 3), "two": nn.Conv2d(10, 10, 3)}
    kept = exported(lambda m, x: m.two(nn.functional.max_pool2d(m.one(x), 1)).mean((2, 3)), **layers)
    skipping = exported(lambda m, x: m.two(nn.functional.max_pool2d(m.one(x), 1, 2)).mean((2, 3)), **layers)
    assert by_layout("C C GAP", kept).status == "passed"
    assert by_layout("C C GAP", skipping).status == "failed"
