import pytest

from harness.graph.evidence import Evidence


def network(sketch, size, **kinds):
    """A convolution of 3 * 10 numbers, a Linear of 100, and a tensor of `size` that the output reads."""
    x = sketch.linear(sketch.flatten(sketch.gap(sketch.conv("x", 10, k=1))), 10)
    extra = sketch.tensor("extra", size - 130, **kinds)
    return sketch.call("add.Tensor", x, sketch.call("sum", extra, shape=()))


@pytest.mark.parametrize(("size", "status"), [(199_999, "passed"), (200_000, "failed")])
@pytest.mark.parametrize("kind", ["parameter", "buffer", "constant"])
def test_the_limit_is_strict_whatever_the_numbers_are_called(sketch, judged, size, status, kind):
    verdict = judged(sketch.architecture(network(sketch, size, kind=kind)))
    assert verdict.facts.parameters == size
    assert verdict.max_parameters.status == status


def test_the_help_names_the_largest(sketch, judged):
    finding = judged(sketch.architecture(network(sketch, 200_000))).max_parameters
    # One too many, and 3,600 of the layers that the steps above this one add.
    assert finding.help.startswith("Remove at least 3,601; the largest are extra (199,870)")


def test_tied_tensors_count_once(sketch, judged):
    out = network(sketch, 1000)
    tied = sketch.tensor("again", 870, tied_to="extra")
    out = sketch.call("add.Tensor", out, sketch.call("sum", tied, shape=()))
    assert judged(sketch.architecture(out)).facts.parameters == 1000


def test_a_complex_number_is_two(sketch, judged):
    verdict = judged(sketch.architecture(network(sketch, 1130, dtype="complex64")))
    assert verdict.facts.parameters == 2130


def test_unused_parameters_count_and_are_named(sketch, judged):
    out = network(sketch, 1000)
    sketch.tensor("forgotten.weight", 500)
    verdict = judged(sketch.architecture(out))
    assert verdict.facts.parameters == 1500
    assert "forgotten.weight" in verdict.facts.warnings[0]


def test_a_buffer_nobody_reads_does_not_count(sketch, judged):
    out = network(sketch, 1000)
    sketch.tensor("spare", 500, kind="buffer")
    assert judged(sketch.architecture(out)).facts.parameters == 1000


@pytest.mark.parametrize(("is_read", "count"), [(False, 130), (True, 140)])
def test_batch_norm_statistics_count_only_when_something_else_reads_them(sketch, judged, is_read, count):
    x = sketch.conv("x", 10, k=1)
    mean, var = (sketch.tensor(f"bn.{n}", 10, kind="buffer") for n in ("running_mean", "running_var"))
    x = sketch.call("batch_norm", x, None, None, mean, var, False, 0.1, 1e-5, True)
    out = sketch.linear(sketch.flatten(sketch.gap(x)), 10)
    out = sketch.call("add.Tensor", out, mean) if is_read else out
    assert judged(sketch.architecture(out)).facts.parameters == count


@pytest.mark.parametrize(
    ("op", "before"), [("layer_norm", [[10, 32, 32]]), ("group_norm", [2])], ids=["layer", "group"]
)
def test_the_weight_and_bias_of_a_norm_are_read_whatever_they_are_kept_in(sketch, judged, op, before):
    x = sketch.conv("x", 10, k=1)
    weight, bias = (sketch.tensor(f"norm.{n}", 10, kind="buffer") for n in ("weight", "bias"))
    x = sketch.call(op, x, *before, weight, bias, 1e-5, True)
    verdict = judged(sketch.architecture(sketch.head(x)))
    assert verdict.facts.parameters == 30 + 100 + 20
    assert verdict.facts.warnings == () or "never used" not in verdict.facts.warnings[0]


@pytest.mark.parametrize(
    ("dtype", "each"), [("int64", 2), ("float64", 2), ("complex128", 4), ("bfloat16", 1)]
)
def test_an_element_counts_for_what_it_could_hold(sketch, judged, dtype, each):
    verdict = judged(sketch.architecture(network(sketch, 1130, kind="buffer", dtype=dtype)))
    assert verdict.facts.parameters == 130 + 1000 * each


def normalised(sketch, x, count):
    mean, var = (sketch.tensor(f"bn.{n}", count, kind="buffer") for n in ("running_mean", "running_var"))
    return sketch.call("batch_norm", x, None, None, mean, var, False, 0.1, 1e-5, True)


def test_statistics_of_what_does_not_depend_on_the_image_count(sketch, judged):
    table = normalised(sketch, sketch.call("zeros", [2, 500], shape=(2, 500)), 500)
    out = sketch.call("add.Tensor", network(sketch, 1000), sketch.call("sum", table, shape=()))
    assert judged(sketch.architecture(out)).facts.parameters == 2000


def test_statistics_count_where_there_are_more_of_them_than_channels(sketch, judged):
    one = sketch.call("mean.dim", "x", [1, 2, 3], shape=("batch",))
    many = sketch.call("expand", one, [2, 500], shape=(2, 500))
    out = sketch.call("add.Tensor", network(sketch, 1000), sketch.call("sum", normalised(sketch, many, 500)))
    assert judged(sketch.architecture(out)).facts.parameters == 2000


def test_statistics_that_come_filled_count(sketch, judged):
    x = normalised(sketch, sketch.conv("x", 10, k=1), 10)
    architecture = sketch.architecture(sketch.linear(sketch.flatten(sketch.gap(x)), 10))
    filled = Evidence(filled=frozenset({"bn.running_mean"}))
    assert judged(architecture).facts.parameters == 130
    assert judged(architecture, evidence=filled).facts.parameters == 140
