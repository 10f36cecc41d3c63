"""The evidence of what is alike: the lines of both, side by side, and nothing in them acts."""

import re

import pytest

from harness.similarity.graphs import LEVELS, features, fingerprints
from harness.similarity.page import (
    LEVELS_IN_WORDS,
    SHOWN_PAIRS,
    graph_in_words,
    render_similar_markdown,
    render_similar_page,
    with_evidence,
)
from harness.similarity.similarity import Document, GraphMatch, Outlined, clusters
from harness.similarity.sources import read_text

PROGRAM = "import torch.nn as nn\n" + "\n".join(
    f"class Block{i}(nn.Module):\n    def forward(self, x):\n        return {call}"
    for i, call in enumerate(
        ["self.a(x) + self.b(x)", "self.c(x).mean((2, 3))", "nn.functional.relu(x) * 2 - x", "[x, x, self.d]",
         "x if self.training else -x", "self.e(self.f(self.g(x)))", "x.view(1, -1)[:, 0:4]",
         "lambda y: y ** x", "not x and x or self.h", "nn.Sequential(nn.ReLU(), nn.GELU())(x)",
         "{'x': x, 'y': self.i(x)}"]
    )
)  # fmt: skip


@pytest.fixture
def alike(reference_graphs):
    """Two who share a source and a graph; the other's names and comments are her own, and hostile."""
    graph = {"basic": Outlined(fingerprints(reference_graphs[0]), features(reference_graphs[0]))}
    copy = "# </pre><script>alert(1)</script>\n\n" + PROGRAM.replace("Block", "Teil")
    documents = [
        Document("ada", (read_text("model.py", [PROGRAM]),), graph),
        Document("<b>eve</b>|`x`", (read_text("a`|<i>.py", [copy]),), graph),
        Document("bob", (read_text("model.py", ["x = 1\n"]),), {}),
    ]
    return with_evidence(clusters(documents), documents)


def test_the_lines_of_both_stand_side_by_side(alike):
    page = render_similar_page(alike, 3, "A title")
    assert "3 submissions were compared. 1 group of them stands out" in page
    assert "<strong>ada</strong>: <code>model.py</code>, lines 2 to 34" in page
    assert "lines 4 to 36" in page
    assert "   2  class Block0(nn.Module):" in page
    assert "   4  class Teil0(nn.Module):" in page
    assert "basic: the same network, names of layers included" in page
    assert "This points, it does not judge." in page


def test_nothing_of_a_submission_is_markup(alike):
    page = render_similar_page(alike, 3, "<script>")
    assert "<script" not in page
    assert "<b>eve" not in page
    assert "<i>" not in page
    text = render_similar_markdown(alike, 3, "<script>")
    assert "<b>" not in text
    assert "<script" not in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1


def test_the_markdown_names_the_lines(alike):
    text = render_similar_markdown(alike, 3, "A title")
    assert "`model.py` 2–34 ↔ `a'¦<i>.py` 4–36" in text
    assert "| 100 % |" in text


def test_nothing_alike_is_said_too():
    page = render_similar_page((), 40, "A title")
    assert "40 submissions were compared. No groups of them stand out" in page
    assert "No groups of them stand out" in render_similar_markdown((), 40, "A title")


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_has_its_words(level):
    assert graph_in_words(GraphMatch("basic", level, 1.0)) == f"basic: {LEVELS_IN_WORDS[level]}"


def test_graphs_that_are_not_equal_have_a_share():
    assert graph_in_words(GraphMatch("basic", None, 0.64)) == "basic: 64 % of what is special in both graphs"


def test_of_many_pairs_the_lines_of_the_strongest_are_shown():
    documents = [Document(f"s{i}", (read_text("model.py", [PROGRAM]),), {}) for i in range(6)]
    documents += [Document(f"t{i}", (), {}) for i in range(10)]
    (group,) = with_evidence(clusters(documents), documents)
    assert len(group.evidence) == 15
    assert [bool(one.passages) for one in group.evidence] == [True] * SHOWN_PAIRS + [False] * 5
