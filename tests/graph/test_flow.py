import pytest

from harness.graph.flow import functional


def live(sketch, *outputs):
    return [node.op.split(".")[1] for node in functional(sketch.graph(*outputs)).nodes]


def test_a_branch_that_is_thrown_away_is_dead(sketch):
    x = sketch.conv("x", 4)
    sketch.call("max_pool2d", x, [2, 2], shape=("batch", 4, 16, 16))
    assert live(sketch, x) == ["conv2d"]


def test_a_branch_times_zero_contributes_nothing(sketch):
    x = sketch.conv("x", 4)
    zero = sketch.call("mul.Tensor", sketch.conv(x, 4, d=2), 0)
    assert live(sketch, sketch.call("add.Tensor", x, zero)) == ["conv2d", "add"]


def test_a_branch_minus_itself_contributes_nothing(sketch):
    x, y = sketch.conv("x", 4), sketch.conv("x", 4, d=2)
    nothing = sketch.call("sub.Tensor", y, y)
    assert live(sketch, sketch.call("add.Tensor", x, nothing)) == ["conv2d", "add"]


def test_the_size_of_a_tensor_is_no_dependence_on_it(sketch):
    x, y = sketch.conv("x", 4), sketch.conv("x", 4, d=2)
    size = sketch.call("sym_size.int", y, 0, shape=())
    assert live(sketch, sketch.call("view", x, [size, -1], shape=("batch", 4096))) == [
        "conv2d",
        "sym_size",
        "view",
    ]


def test_zeros_like_a_tensor_do_not_depend_on_it(sketch):
    x, y = sketch.conv("x", 4), sketch.conv("x", 4, d=2)
    assert live(sketch, sketch.call("add.Tensor", x, sketch.call("zeros_like", y))) == ["conv2d", "add"]


def test_a_discarded_in_place_relu_still_changes_its_tensor(sketch):
    x = sketch.conv("x", 4)
    changed = sketch.call("relu_", x)
    flow = functional(sketch.graph(sketch.call("mul.Tensor", x, 2)))
    assert flow.nodes[-1].refs == (changed,)
    assert not flow.tangled


def test_an_output_changed_in_place_is_the_changed_one(sketch):
    x = sketch.conv("x", 4)
    changed = sketch.call("relu_", x)
    assert functional(sketch.graph(x)).output == changed


def test_a_change_through_a_view_that_is_read_elsewhere_is_tangled(sketch):
    x = sketch.conv("x", 4)
    view = sketch.call("slice.Tensor", x, 2, 0, 99, 2, shape=("batch", 4, 16, 32))
    sketch.call("zero_", view)
    flow = functional(sketch.graph(sketch.call("mul.Tensor", x, 2)))
    assert [node.op for node in flow.tangled] == ["aten.zero_.default"]
    assert flow.tangled[0] in flow.nodes


def test_a_change_through_a_view_that_nobody_else_reads_is_fine(sketch):
    x = sketch.conv("x", 4)
    view = sketch.call("view", x, [-1, 4096], shape=("batch", 4096))
    flow = functional(sketch.graph(sketch.call("relu_", view)))
    assert not flow.tangled


def test_dropout_that_does_nothing_is_the_same_tensor(sketch):
    """In eval `dropout(x)` returns x itself, so an in-place ReLU after it changes x too."""
    x = sketch.conv("x", 4)
    changed = sketch.call("relu_", sketch.call("dropout", x, 0.1, False))
    flow = functional(sketch.graph(sketch.call("mul.Tensor", x, 2)))
    assert flow.nodes[-1].refs == (changed,)


def test_overwriting_a_tensor_loses_what_it_held(sketch):
    x = sketch.call("clone", sketch.conv("x", 4))
    assert live(sketch, sketch.call("fill_.Scalar", x, 1.0)) == ["fill_"]


def test_changed_buffers_are_named(sketch):
    counter = sketch.tensor("bn.num_batches_tracked", kind="buffer", dtype="int64")
    sketch.call("add_.Tensor", counter, 1)
    flow = functional(sketch.graph(sketch.conv("x", 4)))
    assert list(flow.changed_tensors) == ["bn.num_batches_tracked"]
    assert "add_" not in [node.op for node in flow.nodes]


NOT_ZERO = {
    "a tensor minus twice itself": lambda s, y: s.call("sub.Tensor", y, y, alpha=2),
    "zeros moved away from zero": lambda s, y: s.call("mul.Tensor", y, s.call("sub.Tensor", zeros(s), 1)),
    "zeros lifted to one": lambda s, y: s.call("mul.Tensor", y, s.call("clamp", zeros(s), 1)),
    "the cosine of zeros": lambda s, y: s.call("mul.Tensor", y, s.call("cos", zeros(s))),
}


def zeros(sketch):
    return sketch.call("zeros", [1], shape=(1,))


@pytest.mark.parametrize("made", NOT_ZERO.values(), ids=NOT_ZERO)
def test_only_what_arithmetic_makes_zero_is_left_out(sketch, made):
    y = sketch.conv("x", 4, d=2, layer="y")
    flow = functional(sketch.graph(sketch.call("add.Tensor", sketch.conv("x", 4), made(sketch, y))))
    assert "y" in [node.module for node in flow.nodes]


def test_what_is_taken_for_zero_is_listed(sketch):
    x = sketch.conv("x", 4)
    nothing = sketch.call("mul.Tensor", x, 0)
    assert functional(sketch.graph(sketch.call("add.Tensor", x, nothing))).zeros == {nothing}


def test_a_mesh_is_read_from_the_tensors_that_span_it(sketch):
    y = sketch.conv("x", 4, layer="y")
    mesh = sketch.call("meshgrid", [y], shape=("batch", 4, 32, 32))
    assert live(sketch, mesh) == ["conv2d", "meshgrid"]


@pytest.mark.parametrize("view", ["diagonal", "real", "view_as_complex"])
def test_a_change_through_any_view_of_torch_is_tangled(sketch, view):
    x = sketch.conv("x", 4)
    sketch.call("zero_", sketch.call(view, x))
    assert functional(sketch.graph(sketch.call("mul.Tensor", x, 2))).tangled


def test_a_change_through_a_view_of_one_of_several_tensors_is_tangled(sketch):
    x, y = sketch.conv("x", 4), sketch.conv("x", 4)
    both = sketch.call("broadcast_tensors", [x, y], shape=("batch", 4, 32, 32))
    sketch.call("zero_", both)
    for changed in (x, y):
        assert functional(sketch.graph(sketch.call("mul.Tensor", changed, 2))).tangled
