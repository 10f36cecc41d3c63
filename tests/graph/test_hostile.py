"""A graph is data from a child that may lie: whatever it says, there is a verdict and never a crash."""

import json
import random
import runpy
import tracemalloc

import pytest
from checkout import REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.base.errors import GraphError
from harness.graph.ir import MAX_NODES, Architecture, parse_architecture, to_json
from harness.loader.client import Loaded
from harness.loader.export import architecture_of
from harness.pipeline.grade import judged_by_rules
from harness.pipeline.loading import in_sandbox
from harness.pipeline.probing import Probed
from harness.pipeline.recording import record
from harness.pipeline.task import Settings, Task
from harness.sources.requested import Requested
from harness.sources.submission import Answered, Submission

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


SHAPES = [None, [], [2], ["batch", 3], ["word", 2**31 - 1], ["batch", 8, "rows", "columns"], [1] * 8]


def forged(text, chance):
    """Change what a graph states, and what it is given and gives, besides its calls."""
    data = json.loads(scrambled(text, chance))
    for graph in (data["train"], data["eval"]):
        names = [*graph["inputs"], *graph["bindings"], *(node["name"] for node in graph["nodes"])]
        graph["input_shape"] = chance.choice([graph["input_shape"], *SHAPES[1:]])
        if chance.random() < 0.2:
            graph["outputs"] = chance.choices(names, k=chance.choice([1, 2]))
        graph["bindings"][chance.choice(list(graph["bindings"]))] = chance.choice(data["tensors"])["name"]
        for node in chance.choices(graph["nodes"], k=5):
            node["shape"] = chance.choice(SHAPES)
            node["dtype"] = chance.choice([None, "bool", "int64", "complex128", "float16"])
            node["kwargs"] = {chance.choice(["dim", "alpha", "out", "dtype"]): chance.choice(ODD)}
    return json.dumps(data).encode()


def test_whatever_a_graph_states_there_is_a_record(assignment, tmp_path):
    answered = {"basic": Answered(Requested(file=tmp_path, class_name=None), "basic")}
    task = Task(Submission(tmp_path, "", answered), assignment, Settings(out=tmp_path), in_sandbox())
    ends = set()
    for seed in range(120):
        try:
            architecture = parse_architecture(forged(REFERENCE, random.Random(seed)))
        except GraphError:
            continue
        probed = Probed(Loaded("Net", architecture, "", tmp_path, "", "", seeds_differ=True))
        (variant,) = record(task, judged_by_rules(task, "", {"basic": probed})).variants.values()
        assert variant.verdict in ("failed", "not_judged")
        ends.add(variant.problem.cause if variant.problem else None)
    assert ends == {None, "student"}


def mutated(text, chance):
    """Change a document in one to eight places: bytes lost, doubled, swapped or replaced by hostile ones."""
    for _ in range(chance.randint(1, 8)):
        at, length = chance.randrange(len(text)), chance.choice([1, 2, 5, 40, 400])
        old = text[at : at + length]
        new = chance.choice([b"", old * 2, old[::-1], bytes([chance.randrange(256)]), *SNIPPETS])
        text = text[:at] + new + text[at + length :]
    return text


SNIPPETS = [
    b"9" * 400,
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"[" * 2000,
    b'{"a":' * 500,
    b'"\\u0000"',
    b'"\\ud800"',
    b"\xff\xfe",
    b'"ref":"x"',
    b'"shape":[2147483648]',
    b'{"special":"dtype","value":"load"}',
]


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_ten_thousand_mutations_are_either_a_graph_or_refused(seed):
    chance = random.Random(seed)
    text = chance.choice([mutated, lambda text, by: scrambled(text.decode(), by)])(REFERENCE, chance)
    try:
        architecture = parse_architecture(text)
    except GraphError as error:
        assert str(error).startswith("architecture.json: ")
    else:
        assert parse_architecture(to_json(architecture).encode()) == architecture


REFERENCE = (REPOSITORY / "submission" / "results" / "base_model" / "architecture.json").read_bytes()


def _document(**changes):
    graph = {
        "inputs": ["x"],
        "input_shape": ["batch", 3, 32, 32],
        "bindings": {},
        "nodes": [],
        "outputs": ["x"],
    }
    document = {"schema": "harness/architecture/1", "tensors": [], "train": graph, "eval": graph}
    return json.dumps({**document, **changes}).encode()


def _node(**changes):
    return {"name": "n", "op": "aten.relu.default", "args": [{"ref": "x"}], "kwargs": {}, **changes}


def _with(node):
    graph = json.loads(_document())["train"]
    return _document(train={**graph, "nodes": [node], "outputs": ["n"]})


def test_the_smallest_document_is_a_graph():
    assert parse_architecture(_document()).train.outputs == ("x",)
    assert parse_architecture(_with(_node())).train.nodes[0].name == "n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_document(**{f"k{n}": 1 for n in range(100)}), "too many keys; expected at most 64 in an object"),
        (_with(_node(args=[{"bad": 1}] * 50_000)), "train.nodes.0.args"),
        (_with(_node(kwargs={f"k{n}": {"bad": 1} for n in range(10_000)})), "too many keys"),
        (_with(_node(source="model.py\x1b[31m")), "train.nodes.0.source"),
        (_with(_node(source="model\u202e.py")), "train.nodes.0.source"),
        (_with(_node(args=[[[[[[[[[[[[[[]]]]]]]]]]]]]])), "too deep; expected at most 10 levels"),
        (b"[" * 100_000, "not JSON"),
        (b"{", "not JSON"),
    ],
)
def test_a_hostile_document_is_refused_in_few_words_and_little_memory(text, said):
    tracemalloc.start()
    with pytest.raises(GraphError) as refused:
        parse_architecture(text)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert said in str(refused.value)
    assert len(str(refused.value)) < 2_000
    assert most < 100 * len(text) + 2**24


def test_a_key_of_a_megabyte_does_not_reach_the_message():
    with pytest.raises(GraphError) as refused:
        parse_architecture(_document(**{"k" * 2**20: 1}))
    assert len(str(refused.value)) < 1_000


def test_a_graph_that_reads_too_much_is_refused():
    refs = [{"ref": "x"}] * 4_000
    node = _node(op="aten.cat.default", args=[[refs, refs, refs], [refs, refs, refs], [refs, refs, refs]])
    with pytest.raises(GraphError, match="too many values are read; expected at most 32,000, got 36,000"):
        parse_architecture(_with(node))


def test_a_graph_of_too_many_nodes_is_refused():
    graph = json.loads(_document())["train"]
    nodes = [_node(name=f"n{number}") for number in range(MAX_NODES + 1)]
    with pytest.raises(GraphError, match=r"train\.nodes: Tuple should have at most 4000 items"):
        parse_architecture(_document(train={**graph, "nodes": nodes}))
