"""The drawing of a graph shows every layer with its kernel, stride, dilation, channels and field."""

import xml.etree.ElementTree as ET

import pytest

from harness.graph.ir import Architecture, Graph, Node, Ref, Tensor
from harness.graph.view import View
from harness.report.plots.architecture import MOST, architecture_svg
from harness.report.plots.layers import boxes_of

SVG = "{http://www.w3.org/2000/svg}"


class Chain:
    """Write a graph call by call."""

    def __init__(self):
        self.nodes, self.tensors, self.bindings = [], [], {}
        self.shapes = {"x": ("batch", 3, 32, 32)}

    def call(self, op, *args, shape, module=""):
        name = f"v{len(self.nodes)}"
        args = tuple(Ref(ref=arg) if isinstance(arg, str) else arg for arg in args)
        self.nodes.append(Node(name=name, op=f"aten.{op}", args=args, module=module, shape=shape))
        self.shapes[name] = shape
        return name

    def conv(self, x, out, module, k=3, s=1, d=1, g=1):
        batch, channels, height, width = self.shapes[x]
        weight = "p_" + module.replace(".", "_")
        self.tensors.append(
            Tensor(name=module, kind="parameter", shape=(out, channels // g, k, k), dtype="float32")
        )
        self.bindings[weight] = module
        p = d * (k // 2)
        size = ((height + 2 * p - d * (k - 1) - 1) // s + 1, (width + 2 * p - d * (k - 1) - 1) // s + 1)
        args = (x, weight, None, [s, s], [p, p], [d, d], g)
        return self.call("conv2d.default", *args, shape=(batch, out, *size), module=module)

    def done(self, output):
        graph = Graph(
            inputs=("x",),
            input_shape=self.shapes["x"],
            bindings=self.bindings,
            nodes=tuple(self.nodes),
            outputs=(output,),
        )
        return Architecture(
            schema="harness/architecture/1", tensors=tuple(self.tensors), train=graph, eval=graph
        )


@pytest.fixture
def network():
    chain = Chain()
    x = chain.conv("x", 8, "stem.conv", s=2)
    x = chain.call("relu.default", x, shape=chain.shapes[x])
    y = chain.conv(x, 8, "ds.dw", d=2, g=8)
    y = chain.conv(y, 8, "ds.pw", k=1)
    z = chain.call("add.Tensor", x, y, shape=chain.shapes[y], module="join")
    p = chain.call("adaptive_avg_pool2d.default", z, [1, 1], shape=("batch", 8, 1, 1), module="gap")
    return chain.done(chain.call("flatten.using_ints", p, 1, shape=("batch", 8)))


def boxes(architecture):
    return boxes_of(View(architecture, architecture.eval))


def drawing(architecture, title):
    return architecture_svg(View(architecture, architecture.eval), title)


def words(svg):
    return [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_what_works_element_by_element_is_named_in_the_box_before(network):
    found = boxes(network)
    assert [box.name for box in found] == ["stem.conv", "ds.dw", "ds.pw", "join", "gap"]
    assert found[0].then == ["ReLU"]


def test_a_box_has_the_numbers_of_its_layer(network):
    stem, depthwise, pointwise, *_ = boxes(network)
    assert (stem.what, stem.channels, stem.stride, stem.rf_px) == ("convolution", (3, 8), 2, 3)
    assert (depthwise.what, depthwise.dilation, depthwise.groups, depthwise.rf_px) == ("depthwise", 2, 8, 11)
    assert (pointwise.what, pointwise.kernel) == ("pointwise", (1, 1))


def test_a_branch_reads_the_box_it_comes_from(network):
    found = boxes(network)
    assert found[3].reads == (0, 2)


def test_everything_is_written_in_words(network):
    said = words(drawing(network, "basic: Net"))
    layers = {"stem.conv", "3×3 convolution", "3×3 depthwise", "1×1 pointwise", "global average pool"}
    numbers = {"3 → 8", "stride 2", "dilation 2", "11 px", "16 × 16", "image 3 × 32 × 32"}
    assert layers | numbers <= set(said)


def test_a_name_cannot_become_markup(network):
    svg = drawing(network, '<script>"&]]>')
    root = ET.fromstring(svg)
    assert '<script>"&]]>' in words(svg)
    assert not list(root.iter(f"{SVG}script"))


def test_equal_graphs_give_equal_text_that_needs_nothing_from_elsewhere(network):
    svg = drawing(network, "basic: Net")
    assert svg == drawing(network, "basic: Net")
    assert "href" not in svg
    assert "url(" not in svg


def test_a_very_long_graph_is_cut_and_says_so():
    chain, x = Chain(), "x"
    for i in range(MOST + 5):
        x = chain.conv(x, 3, f"c{i}")
    said = words(drawing(chain.done(x), "deep"))
    assert "and 5 more layers" in said
    assert f"c{MOST - 1}" in said
    assert f"c{MOST}" not in said
