import pytest

from harness.graph.operators import OPS, is_in_place, unknown_ops

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("op", ["relu_.default", "add_.Tensor", "copy_.default"])
def test_an_underscore_at_the_end_means_in_place(op):
    assert is_in_place(f"aten.{op}")


@pytest.mark.parametrize("op", ["aten.relu.default", "aten.__and__.Tensor", "operator.add"])
def test_other_operators_are_not_in_place(op):
    assert not is_in_place(op)


def test_every_operator_on_the_list_exists_in_this_torch():
    for op in OPS:
        namespace, *path = op.split(".")
        found = getattr(torch.ops, namespace, None) if namespace == "aten" else torch
        for part in path if namespace == "aten" else ():
            found = getattr(found, part, None)
        assert found is not None, op


@pytest.mark.parametrize(
    "op", ["aten.as_strided.default", "aten.from_file.default", "aten.set_.source_Tensor"]
)
def test_raw_memory_and_files_are_not_on_the_list(op):
    assert op not in OPS


def test_an_unknown_operator_is_reported_from_both_graphs(sketch):
    x = sketch.call("special_bessel_j0", sketch.conv("x", 4), "x")
    assert [node.op for node in unknown_ops(sketch.architecture(x))] == ["aten.special_bessel_j0.default"] * 2


def test_uninitialised_memory_is_unknown_unless_it_is_overwritten_first(sketch):
    x = sketch.conv("x", 4)
    used = sketch.call("empty_like", x)
    filled = sketch.call("bernoulli_.float", sketch.call("empty_like", x), 0.9)
    out = sketch.call("add.Tensor", sketch.call("mul.Tensor", x, filled), used)
    assert {node.name for node in unknown_ops(sketch.architecture(out))} == {used}
