"""Shared by all tests: the shipped assignment, submissions written on the spot, graphs drawn by hand."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest
from checkout import REPOSITORY

from harness.assignment.spec import DEFAULT_ASSIGNMENT, AssignmentSpec, load_assignment
from harness.datasets.registry import environment
from harness.graph.cost import million_multiply_adds
from harness.graph.evidence import Evidence
from harness.graph.ir import SCHEMA, Architecture, Graph, Node, Ref, Tensor
from harness.graph.receptive_field.agreement import Extents
from harness.loader.client import open_loader
from harness.rules.judging import judge
from harness.rules.network import Network
from harness.sandbox.client import Sandbox

# Before torch is loaded: waiting threads that spin make tests on a busy machine several times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files whose tests may take longest, so that no processor waits for them at the end."""
    longest: dict[Path, float] = {}
    for item in items:
        limit = item.get_closest_marker("timeout")
        longest[item.path] = max(longest.get(item.path, 0), limit.args[0] if limit else 0)
    items.sort(key=lambda item: -longest[item.path])


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory):
    """Let what is measured of this machine be kept for the tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def assignment() -> AssignmentSpec:
    return load_assignment(DEFAULT_ASSIGNMENT)


@pytest.fixture(scope="session")
def reference() -> Path:
    """The reference submission's folder."""
    return REPOSITORY / "submission"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """What runs submissions, in the strongest backend that works here."""
    with open_loader() as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, without a window."""
    why = "Playwright is not there: make dev"
    sync_api = pytest.importorskip("playwright.sync_api", reason=why)
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip(
            "Chromium is not there: apt-get install chromium (Debian, Ubuntu), then run the tests again"
        )
    flags = [
        "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
        "--disable-sync", "--disable-background-networking", "--disable-component-update",
    ]  # fmt: skip
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without data, and an environment that names none."""
    monkeypatch.chdir(tmp_path)
    for name in environment():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CIFAR10_URL", "http://127.0.0.1:9/none.tar.gz")
    return tmp_path


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write files into a fresh submission folder and return the folder."""

    def write_files(**files: str) -> Path:
        folder = tmp_path / "submission"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            path = folder / name.replace("__", "/").replace("_toml", ".toml")
            if not path.suffix:
                path = path.with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        return folder

    return write_files


@dataclass
class Sketch:
    """Draw a graph call by call; each returns the name of its value."""

    nodes: list[Node] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    bindings: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, tuple] = field(default_factory=lambda: {"x": ("batch", 3, 32, 32)})

    def tensor(self, name, *shape, kind="parameter", dtype="float32", tied_to=None, trainable=False):
        value = "p_" + name.replace(".", "_")
        self.tensors.append(
            Tensor(name=name, kind=kind, shape=shape, dtype=dtype, tied_to=tied_to, trainable=trainable)
        )
        self.bindings[value] = name
        self.shapes[value] = shape
        return value

    def call(self, op, *args, shape=None, layer="", **kwargs):
        name = f"v{len(self.nodes)}"
        shape = tuple(self.shapes[args[0]] if shape is None else shape)
        node = Node(
            name=name,
            op=f"aten.{op}" if "." in op else f"aten.{op}.default",
            args=tuple(self._reference(arg) for arg in args),
            kwargs=kwargs,
            module=layer,
            source=f"model.py:{len(self.nodes) + 1}",
            shape=shape,
        )
        self.nodes.append(node)
        self.shapes[name] = shape
        return name

    def conv(self, x, out, k=3, s=1, d=1, p=None, g=1, layer=""):
        (kh, kw), (sh, sw), (dh, dw) = pair(k), pair(s), pair(d)
        ph, pw = (dh * (kh // 2), dw * (kw // 2)) if p is None else pair(p)
        n, c, h, w = self.shapes[x]
        weight = self.tensor(f"{layer or f'l{len(self.nodes)}'}.weight", out, c // g, kh, kw)
        size = ((h + 2 * ph - dh * (kh - 1) - 1) // sh + 1, (w + 2 * pw - dw * (kw - 1) - 1) // sw + 1)
        args = (None, [sh, sw], [ph, pw], [dh, dw], g)
        return self.call("conv2d", x, weight, *args, shape=(n, out, *size), layer=layer)

    def separable(self, x, out, s=1, d=1, layer="ds"):
        c = self.shapes[x][1]
        x = self.conv(x, c, s=s, d=d, g=c, layer=f"{layer}.dw")
        return self.conv(x, out, k=1, layer=f"{layer}.pw")

    def gap(self, x, layer="gap"):
        n, c, *_ = self.shapes[x]
        return self.call("adaptive_avg_pool2d", x, [1, 1], shape=(n, c, 1, 1), layer=layer)

    def flatten(self, x):
        n, *rest = self.shapes[x]
        size = 1
        for one in rest:
            size *= one
        return self.call("flatten.using_ints", x, 1, shape=(n, size))

    def linear(self, x, out, layer="fc"):
        *rest, size = self.shapes[x]
        return self.call(
            "linear", x, self.tensor(f"{layer}.weight", out, size), shape=(*rest, out), layer=layer
        )

    def head(self, x):
        return self.linear(self.flatten(self.gap(x)), 10)

    def graph(self, *outputs):
        return Graph(
            inputs=("x",),
            input_shape=self.shapes["x"],
            bindings=self.bindings,
            nodes=tuple(self.nodes),
            outputs=outputs,
        )

    def architecture(self, *outputs):
        graph = self.graph(*outputs)
        return Architecture(schema=SCHEMA, tensors=tuple(self.tensors), train=graph, eval=graph)

    def _reference(self, arg):
        if isinstance(arg, list):
            return [self._reference(item) for item in arg]
        return Ref(ref=arg) if isinstance(arg, str) and arg in self.shapes else arg


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


@pytest.fixture
def sketch():
    return Sketch()


@pytest.fixture(scope="session")
def probe():
    return SimpleNamespace(
        accuracy_running=0.1,
        accuracy_batch=0.1,
        repeat_difference=0.0,
        batch_difference=1e-7,
        finite=True,
        extents=Extents(reason="a sketch is not run"),
        evidence=Evidence(),
    )


@pytest.fixture(scope="session")
def judged(assignment, probe):
    """Judge an architecture; a mapping of rules to findings, the facts and the table."""
    return judging(assignment, probe)


@pytest.fixture(scope="session")
def judged_c1c2c3c4(probe):
    """Judge an architecture by the older edition of the assignment."""
    return judging(load_assignment(DEFAULT_ASSIGNMENT.with_name("cifar10-c1c2c3c4.toml")), probe)


def judging(assignment, probe):
    def run(architecture, variant="basic", **changes):
        seeds = changes.pop("seeds_differ", None)
        measured = SimpleNamespace(**{**vars(probe), **changes})
        network = as_network(architecture, assignment, variant, measured)
        findings, facts, table = judge(network, assignment.every_rule(), variant, seeds_differ=seeds)
        return SimpleNamespace(**{f.rule: f for f in findings}, facts=facts, table=table)

    return run


def as_network(architecture, assignment, variant="basic", probe=None, not_run=""):
    """Take what the rules look at from an assignment."""
    data = assignment.data
    recipe = assignment.recipe_for(variant).at_cost(million_multiply_adds(architecture))
    return Network(architecture, data.input_shape, data.num_classes, recipe, probe, not_run)


@pytest.fixture(scope="session")
def network_of():
    return as_network


@pytest.fixture
def basic(sketch):
    """Draw a network that passes every rule of `basic`, with places to change.

    RF: 3, 5 (jump 2), 9, 13 (4), 21 (8), then dilation 2 at jump 8: 53.
    """

    def draw(middle=None, last=None, head=None):
        x = sketch.conv("x", 8, layer="a")
        x = sketch.conv(x, 16, s=2, layer="s1")
        x = sketch.separable(x, 16, layer="ds")
        x = middle(x) if middle else x
        x = sketch.conv(x, 16, s=2, layer="s2")
        x = sketch.conv(x, 32, s=2, layer="s3")
        x = last(x) if last else sketch.separable(x, 32, d=2, layer="dil")
        out = head(x) if head else sketch.head(x)
        return sketch.architecture(*(out if isinstance(out, tuple) else (out,)))

    return draw
