"""What shares memory, against torch's own schemas."""

import torch

from harness.graph.aliases import MARKED, MAY_SHARE
from harness.graph.operators import OPS, is_in_place


def schema_of(op):
    _, name, overload = op.split(".")
    return getattr(getattr(torch.ops.aten, name), overload)._schema


def aliases(op, *, written):
    arguments = schema_of(op).arguments
    return [a.name for a in arguments if a.alias_info and a.alias_info.is_write == written]


ATEN = [op for op in OPS if op.startswith("aten.")]


def test_what_is_marked_is_what_the_schemas_of_torch_mark():
    assert {op for op in ATEN if aliases(op, written=False)} == MARKED


def test_every_operator_that_writes_is_recognised_by_its_name_and_writes_its_first_argument():
    writers = {op: aliases(op, written=True) for op in ATEN if aliases(op, written=True)}
    assert set(writers) == {op for op in ATEN if is_in_place(op)}
    assert all(names == [schema_of(op).arguments[0].name] for op, names in writers.items())


def test_only_operators_of_the_allow_list_are_named():
    assert set(OPS) >= MAY_SHARE
