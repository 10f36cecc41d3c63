"""A table of answers is found by what is read where; tables that the image does not choose from are none."""

import pytest

from harness.graph.lookups import MOST_COMPARED, lookups
from harness.graph.receptive_field.engine import measure


def found(sketch, output):
    graph = sketch.graph(output)
    return [node.op for node in lookups(measure(sketch.architecture(output), graph))]


def place(s, x="x"):
    """A number computed from each image."""
    return s.call("sum.dim_IntList", x, [1, 2, 3], shape=("batch",))


READERS = {
    "index.Tensor": lambda s, table, where: s.call("index.Tensor", table, [where], shape=("batch", 10)),
    "index_select": lambda s, table, where: s.call("index_select", table, 0, where, shape=("batch", 10)),
    "embedding": lambda s, table, where: s.call("embedding", table, where, shape=("batch", 10)),
    "gather": lambda s, table, where: s.call("gather", table, 0, where, shape=("batch", 10)),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_table_read_at_a_place_computed_from_the_image_is_found(sketch, reader):
    output = reader(sketch, sketch.tensor("answers", 50_000, 10, kind="buffer"), place(sketch))
    assert len(found(sketch, output)) == 1


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_what_was_computed_from_the_image_may_be_read_anywhere(sketch, reader):
    output = reader(sketch, sketch.flatten("x"), place(sketch))
    assert found(sketch, output) == []


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_table_may_be_read_at_fixed_places(sketch, reader):
    fixed = sketch.tensor("places", 7, kind="buffer", dtype="int64")
    row = reader(sketch, sketch.tensor("bias", 30, 10), fixed)
    assert found(sketch, sketch.call("add.Tensor", sketch.linear(sketch.flatten("x"), 10), row)) == []


@pytest.mark.parametrize(("numbers", "table"), [(MOST_COMPARED, False), (MOST_COMPARED + 1, True)])
def test_the_image_may_be_compared_with_few_stored_numbers(sketch, numbers, table):
    known = sketch.tensor("seen", numbers, kind="buffer")
    output = sketch.call("eq.Tensor", place(sketch), known, shape=("batch", numbers))
    assert bool(found(sketch, output)) is table


@pytest.mark.parametrize("trainable", [True, False])
def test_the_image_may_attend_to_what_is_trained(sketch, trainable):
    memory = sketch.tensor("memory", 200, 10, trainable=trainable)
    query = sketch.linear(sketch.flatten("x"), 10)
    output = sketch.call("scaled_dot_product_attention", query, memory, memory, shape=("batch", 10))
    assert bool(found(sketch, output)) is not trainable


def test_the_verdict_names_the_place(sketch, basic, judged):
    def looked_up(x):
        out = sketch.head(x)
        row = READERS["embedding"](sketch, sketch.tensor("answers", 900, 10, kind="buffer"), place(sketch))
        return sketch.call("add.Tensor", out, row)

    finding = judged(basic(head=looked_up)).untrained_at_chance
    assert finding.status == "failed"
    assert finding.expected.endswith(", and no table of answers")
    assert finding.actual.startswith("stored numbers are looked up by the image")
    assert "come from its training" in finding.help
    assert [where.op for where in finding.where] == ["aten.embedding.default"]


def bits(s):
    return s.call("gt.Scalar", place(s), 0, shape=("batch",))


@pytest.mark.parametrize(("numbers", "table"), [(MOST_COMPARED, False), (MOST_COMPARED + 1, True)])
def test_the_image_may_choose_between_few_stored_numbers(sketch, numbers, table):
    one, other = (sketch.tensor(name, numbers, kind="buffer") for name in ("one", "other"))
    output = sketch.call("where.self", bits(sketch), one, other, shape=("batch", numbers))
    assert bool(found(sketch, output)) is table


@pytest.mark.parametrize("trainable", [False, True])
def test_steps_may_multiply_what_is_trained_and_no_table(sketch, trainable):
    stored = sketch.tensor("stored", 5_000, kind="parameter" if trainable else "buffer")
    sketch.tensors[-1] = sketch.tensors[-1].model_copy(update={"trainable": trainable})
    step = sketch.call("view", bits(sketch), [-1, 1], shape=("batch", 1))
    output = sketch.call("mul.Tensor", step, stored, shape=("batch", 5_000))
    assert bool(found(sketch, output)) is not trainable


def test_what_is_made_from_nothing_is_no_table(sketch):
    ones = sketch.call("ones", [5_000], shape=(5_000,))
    assert found(sketch, sketch.call("where.self", bits(sketch), ones, 0.0, shape=("batch", 5_000))) == []
