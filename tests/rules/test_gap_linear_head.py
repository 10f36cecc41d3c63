"""The places in which a classifier may stand, where the assignment leaves the choice."""

import pytest

from harness.rules.gap_linear_head import GapLinearHead


@pytest.fixture
def headed(network_of, assignment):
    """Judge the head of an architecture where certain classifiers are allowed."""

    def judged(architecture, *classifier):
        settings = GapLinearHead.Settings(classifier=classifier)
        return GapLinearHead().judge(network_of(architecture, assignment), settings)

    return judged


def linear(s, x):
    return s.head(x)


def convolution_after(s, x):
    return s.flatten(s.conv(s.gap(x), 10, k=1, layer="classifier"))


def covering_pool_then_convolution(s, x):
    x = s.call("avg_pool2d", x, [4, 4], shape=("batch", 32, 1, 1))
    x = s.call("view", s.conv(x, 10, k=1), [-1, 10], shape=("batch", 10))
    return s.call("log_softmax.int", x, -1)


def convolution_before(s, x):
    return s.flatten(s.gap(s.conv(x, 10, k=1, layer="classifier")))


def last_3x3_convolution(s, x):
    x = s.conv(x, 10, layer="classifier")
    x = s.call("relu", s.call("dropout", x, 0.1, False))
    x = s.call("mean.dim", x, [2, 3], shape=("batch", 10))
    return s.call("log_softmax.int", x, -1)


def linear_over_the_channels(s, x):
    x = s.call("permute", x, [0, 2, 3, 1], shape=("batch", 4, 4, 32))
    return s.call("mean.dim", s.linear(x, 10, "classifier"), [1, 2], shape=("batch", 10))


AFTER, BEFORE = "1x1 convolution to 10 channels", "convolution to 10 channels -> global average pool"
ALLOWED = [
    (linear, "global average pool -> Linear(32, 10)"),
    (convolution_after, f"global average pool -> {AFTER}"),
    (covering_pool_then_convolution, f"global average pool -> {AFTER} -> log-softmax"),
    (convolution_before, f"1x1 {BEFORE}"),
    (last_3x3_convolution, f"3x3 {BEFORE} -> log-softmax"),
    (linear_over_the_channels, "Linear(32, 10) -> global average pool"),
]


@pytest.mark.parametrize(("head", "said"), ALLOWED, ids=[head.__name__ for head, _ in ALLOWED])
def test_a_classifier_may_stand_in_three_places(sketch, basic, judged_c1c2c3c4, head, said):
    finding = judged_c1c2c3c4(basic(head=lambda x: head(sketch, x))).gap_linear_head
    assert finding.status == "passed", finding
    assert finding.actual == said
    assert finding.expected == (
        "global average pool -> Linear(C, 10) or global average pool -> 1x1 convolution to 10 channels "
        "or convolution to 10 channels -> global average pool"
    )


def two_convolutions(s, x):
    x = s.conv(s.gap(x), 16, k=1, layer="f1")
    return s.flatten(s.conv(x, 10, k=1, layer="f2"))


def convolution_and_linear(s, x):
    return s.linear(s.flatten(s.conv(s.gap(x), 16, k=1, layer="f1")), 10)


def grouped(s, x):
    return s.flatten(s.conv(s.gap(x), 10, k=1, g=2))


def ten_of_twelve_maps(s, x):
    x = s.call("slice.Tensor", s.conv(x, 12, k=1), 1, 0, 10, shape=("batch", 10, 4, 4))
    return s.flatten(s.gap(x))


def sum_of_two_classifiers(s, x):
    return s.flatten(s.gap(s.call("add.Tensor", s.conv(x, 10, k=1), s.conv(x, 10))))


def softmax_of_maps(s, x):
    return s.flatten(s.gap(s.call("log_softmax.int", s.conv(x, 10, k=1), 1)))


def log_softmax_first(s, x):
    x = s.call("log_softmax.int", s.flatten(s.gap(x)), 1)
    return s.linear(x, 10)


def flattened(s, x):
    return s.linear(s.flatten(x), 10)


def dense_convolution(s, x):
    return s.flatten(s.conv(x, 10, k=4, p=0, layer="dense"))


NOT_MADE = "no classifier: the 10 averaged maps are not made by one convolution"
WHY = [
    (two_convolutions, "a second 1x1 convolution follows f1"),
    (convolution_and_linear, "a second Linear follows f1"),
    (grouped, "1x1 convolution to 10 channels is not part of it"),
    (ten_of_twelve_maps, NOT_MADE),
    (sum_of_two_classifiers, NOT_MADE),
    (softmax_of_maps, NOT_MADE),
    (log_softmax_first, "log-softmax comes before the Linear"),
    (flattened, "the Linear reads the map itself, not its global average"),
    (dense_convolution, "no global average pool"),
]


@pytest.mark.parametrize(("head", "why"), WHY, ids=[head.__name__ for head, _ in WHY])
def test_with_three_places_there_is_still_one_average_and_one_classifier(
    sketch, basic, judged_c1c2c3c4, head, why
):
    finding = judged_c1c2c3c4(basic(head=lambda x: head(sketch, x))).gap_linear_head
    assert finding.status == "failed"
    assert finding.actual.endswith(f"; {why}"), finding.actual


IDEAL = {
    "linear_after_pool": "End in self.gap = nn.AdaptiveAvgPool2d(1), flatten(1) and one nn.Linear(32, 10).",
    "convolution_after_pool": "End in nn.AdaptiveAvgPool2d(1), one nn.Conv2d(32, 10, 1) and flatten(1).",
    "convolution_before_pool": "End in one nn.Conv2d(32, 10, 1), nn.AdaptiveAvgPool2d(1) and flatten(1).",
}


@pytest.mark.parametrize("place", IDEAL)
def test_the_help_writes_out_the_head_for_this_network(sketch, basic, headed, place):
    network = basic(head=lambda x: two_convolutions(sketch, x))
    assert headed(network, place).help.startswith(IDEAL[place])


def test_a_linear_is_not_part_of_it_where_only_convolutions_are_allowed(basic, headed):
    assert headed(basic(), "convolution_after_pool").actual.endswith("; Linear(32, 10) is not part of it")


def test_without_a_classifier_behind_the_pool_one_is_missed(sketch, basic, headed):
    network = basic(head=lambda x: convolution_before(sketch, x))
    finding = headed(network, "linear_after_pool", "convolution_after_pool")
    assert finding.actual.endswith("; no classifier follows the pool")
