"""A graph is data from a child that may lie: whatever it says, there is a verdict and never a crash."""

import json
import random
import runpy

from harness.analysis.graph import Architecture, parse_architecture, to_json
from harness.assignment import REPOSITORY
from harness.errors import GraphError
from harness.intake.export import architecture_of

ODD = [
    None,
    -1,
    0,
    10**9,
    2.5,
    True,
    "x",
    [],
    [0],
    [-5],
    [None],
    {"ref": "x"},
    {"special": "float", "value": "nan"},
]
OPS = [
    "aten.max.dim",
    "aten.view.default",
    "aten.mean.dim",
    "aten.cat.default",
    "aten.permute.default",
    "a.b",
    "operator.getitem",
    "aten.relu_.default",
    "aten.einsum.default",
    "aten.matmul.default",
    "aten.slice.Tensor",
    "aten.max_pool2d.default",
    "aten.pixel_unshuffle.default",
    "aten.zero_.default",
    "aten.unfold.default",
    "aten.conv_transpose2d.input",
    "aten.adaptive_avg_pool2d.default",
    "aten.stack.default",
    "aten.pad.default",
    "aten.roll.default",
    "aten.topk.default",
    "aten.full.default",
    "aten.split.Tensor",
    "aten.im2col.default",
]


def scrambled(text, chance):
    data = json.loads(text)
    for mode in ("train", "eval"):
        for node in data[mode]["nodes"]:
            if chance.random() < 0.1:
                node["op"] = chance.choice(OPS)
            if chance.random() < 0.1 and node["args"]:
                node["args"][chance.randrange(len(node["args"]))] = chance.choice(ODD)
            if chance.random() < 0.05:
                node["args"] = node["args"][: chance.randrange(len(node["args"]) + 1)]
            if chance.random() < 0.1:
                node["shape"] = chance.choice(
                    [None, [], [2], ["batch", 3], ["batch", 4, 0, 1], node["shape"]]
                )
    return json.dumps(data).encode()


def test_no_graph_breaks_the_judge(judged):
    network = runpy.run_path(str(REPOSITORY / "submission" / "model.py"))["Net"]()
    text = to_json(architecture_of(network, (3, 32, 32))[0])
    seen = 0
    for seed in range(120):
        try:
            architecture = parse_architecture(scrambled(text, random.Random(seed)))
        except GraphError:
            continue
        assert isinstance(architecture, Architecture)
        verdict = judged(architecture, ("basic", "dilated")[seed % 2])
        assert verdict.max_parameters.rule == "max_parameters"
        seen += 1
    assert seen > 80
