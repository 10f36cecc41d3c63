import pytest

from harness.graph.operators import MARKED_BY_TORCH, MAY_SHARE, OPS, is_in_place, unknown_ops

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


def schema_of(op):
    _, name, overload = op.split(".")
    return getattr(getattr(torch.ops.aten, name), overload)._schema


def aliases(op, *, written):
    arguments = schema_of(op).arguments
    return [a.name for a in arguments if a.alias_info and a.alias_info.is_write == written]


ATEN = [op for op in OPS if op.startswith("aten.")]


def test_what_is_marked_is_what_the_schemas_of_torch_mark():
    assert {op for op in ATEN if aliases(op, written=False)} == MARKED_BY_TORCH


def test_every_operator_that_writes_is_recognised_by_its_name_and_writes_its_first_argument():
    writers = {op: aliases(op, written=True) for op in ATEN if aliases(op, written=True)}
    assert set(writers) == {op for op in ATEN if is_in_place(op)}
    assert all(names == [schema_of(op).arguments[0].name] for op, names in writers.items())


def test_only_operators_of_the_allow_list_are_named():
    assert set(OPS) >= MAY_SHARE
