"""What renaming and reformatting change is not looked at; what two texts share is found; nothing raises."""

import json
import keyword
import re
from itertools import pairwise

import pytest
from checkout import REPOSITORY
from costs import cost
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.similarity.sources import (
    GRAM,
    LIBRARIES,
    MAX_CHARACTERS,
    MAX_LINE,
    MAX_TEXTS,
    WINDOW,
    Text,
    canonical,
    grams,
    read_text,
    texts_below,
    winnow,
)

SOURCE = '''
import torch
import torch.nn as nn
from torch.nn import functional as F, BatchNorm2d as Norm


class Network(nn.Module):
    """A network."""

    def __init__(self, classes=10):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)  # the first layer
        self.norm = Norm(16)
        self.last = nn.Linear(16, classes)

    def forward(self, image):
        hidden = F.relu(self.norm(self.first(image)))
        return self.last(hidden.mean((2, 3)))
'''
OWN = ("Network", "classes", "first", "norm", "last", "image", "hidden")

names = st.from_regex(r"[a-z_][a-z0-9_]{0,12}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name) and name not in {"torch", "nn", "F", "Norm", "super", "mean"}
)


def texts(source: str) -> list[str]:
    return [token.text for token in canonical(source)]


def renamed(source: str, names: dict[str, str]) -> str:
    return re.sub(r"\w+", lambda found: names.get(found[0], found[0]), source)


@given(st.lists(names, min_size=len(OWN), max_size=len(OWN), unique=True))
def test_renaming_what_an_author_named_changes_nothing(chosen):
    assert texts(renamed(SOURCE, dict(zip(OWN, chosen, strict=True)))) == texts(SOURCE)


@given(st.integers(0, 10**9), st.floats(0, 1e9))
def test_other_numbers_change_nothing(whole, real):
    other = {"16": str(whole), "10": repr(real)}
    assert texts(re.sub("16|10", lambda found: other[found[0]], SOURCE)) == texts(SOURCE)


def test_comments_docstrings_blank_lines_and_indentation_change_nothing():
    lines = SOURCE.replace('    """A network."""\n', "").replace("  # the first layer", "").splitlines()
    loose = "\n\n# nothing\n".join(line.replace("    ", "  ") for line in lines)
    assert texts(loose) == texts(SOURCE)


@pytest.mark.parametrize(
    "header",
    [
        "import torch.nn as layers\nimport torch.nn.functional as ops\nfrom torch.nn import BatchNorm2d as B",
        "from torch import nn as layers\nfrom torch.nn import (functional as ops, BatchNorm2d as B,)",
        "from torch import nn as layers; from torch.nn import BatchNorm2d as B, functional as ops",
    ],
)
def test_a_library_under_another_name_is_the_same_library(header):
    body = SOURCE.partition("\n\n\n")[2].replace("nn.", "layers.").replace("F.", "ops.").replace("Norm", "B")
    assert texts(f"{header}\n{body}") == texts(SOURCE)


def test_what_is_imported_from_a_library_is_written_out():
    found = texts(SOURCE)
    assert {"torch.nn.Module", "torch.nn.Conv2d", "torch.nn.BatchNorm2d", "torch.nn.functional.relu"} < set(
        found
    )
    assert "torch" in LIBRARIES


def test_what_is_imported_from_elsewhere_is_a_name_like_any_other():
    assert texts("from blocks import Block\nBlock(3)") == texts("from .x import Y as Z\nZ(4)") == [
        "N", "(", "0", ")",
    ]  # fmt: skip


def test_another_library_function_is_seen():
    assert texts(SOURCE.replace("F.relu", "F.gelu")) != texts(SOURCE)
    assert texts(SOURCE.replace("nn.Conv2d", "nn.Conv1d")) != texts(SOURCE)


def test_every_token_knows_its_line():
    lines = dict.fromkeys(token.line for token in canonical(SOURCE))
    assert [SOURCE.splitlines()[line - 1].split()[0] for line in lines] == [
        "class", "def", "super().__init__()", "self.first", "self.norm", "self.last", "def", "hidden",
        "return",
    ]  # fmt: skip


alphabet = st.sampled_from("abcdefgh")


@settings(deadline=None)
@given(
    st.lists(alphabet, max_size=60), st.lists(alphabet, max_size=60), st.lists(alphabet, max_size=60),
    st.lists(alphabet, max_size=60), st.lists(alphabet, min_size=GRAM + WINDOW - 1, max_size=80),
)  # fmt: skip
def test_an_agreement_of_32_tokens_is_never_missed(a, b, c, d, shared):
    one, other = winnow(grams([*a, *shared, *b])), winnow(grams([*c, *shared, *d]))
    assert {mark for _, mark in one} & {mark for _, mark in other}


@given(st.lists(alphabet, max_size=300))
def test_of_every_window_one_fingerprint_is_kept(tokens):
    hashes = grams(tokens)
    kept = [position for position, _ in winnow(hashes)]
    assert bool(kept) == bool(hashes)
    for before, after in pairwise(kept):
        assert after - before <= WINDOW
    if len(hashes) >= WINDOW:
        assert kept[0] < WINDOW
        assert kept[-1] >= len(hashes) - WINDOW


def test_texts_shorter_than_a_fingerprint_have_none():
    assert read_text("x.py", ["x = 1\n"]).fingerprints == {}
    assert winnow([]) == []


@settings(deadline=None)
@given(st.text(max_size=2_000))
def test_no_text_raises(source):
    assert isinstance(read_text("x.py", [source]), Text)


@pytest.fixture(scope="module")
def honest_s() -> float:
    """What reading a program of 100,000 characters costs."""
    program = (REPOSITORY / "submission" / "model.py").read_text()
    source = program * (100_000 // len(program) + 1)
    return cost(lambda: read_text("x.py", [source]).fingerprints)


@pytest.mark.parametrize(
    "source",
    ["(" * 100_000, '"""' + "a\n" * 100_000, "'" * 100_001, "[" * 50_000 + "]" * 50_000, "\\\n" * 100_000,
     "x = " + "-" * 100_000 + "1", "def f():\n" + " " * 100_000 + "x", "\0\x1b[31m\u202e" * 50_000,
     "f'{" * 5_000, "if x:\n" + "".join(" " * i + "if x:\n" for i in range(600)), "0x" * 100_000,
     "import " + "a," * 100_000, "from torch import " + "a as " * 50_000, ";" * 100_000, "é" * 100_000,
     "a." * 100_000, "1e" * 100_000, "#" * 100_000, "a\\" * 100_000, "'\\" * 100_000, "rb" * 100_000],
)  # fmt: skip
def test_hostile_text_costs_no_more_than_other_text(honest_s, source):
    assert cost(lambda: read_text("x.py", [source]).fingerprints) < 5 * honest_s


def test_only_so_much_of_a_text_is_read():
    text = read_text("x.py", ["x = 1\n" * 20_000, "y = 2\n" * 60_000, "z = 3\n"])
    assert sum(len(line) + 1 for line in text.lines) <= MAX_CHARACTERS + 1
    assert len(text.tokens) <= MAX_CHARACTERS // 2


def test_only_so_much_of_a_line_is_read():
    assert texts("x = [" + "1, " * 1_000 + "]\ny = 2")[:4] == ["N", "=", "[", "0"]
    assert len(texts("x = [" + "1, " * 1_000 + "]")) < MAX_LINE


def test_a_piece_that_is_no_python_leaves_the_others_whole():
    text = read_text("x.ipynb", ["a = (\n", "b = 1\n"])
    assert [(token.text, token.line) for token in text.tokens if token.line == 2] == [
        ("N", 2), ("=", 2), ("0", 2),
    ]  # fmt: skip


def test_the_starter_and_a_renamed_starter_have_the_same_fingerprints():
    source = (REPOSITORY / "templates" / "starter" / "model.py").read_text()
    changed = renamed(source, {"conv": "brick", "separable": "light", "c_in": "a", "Net": "Mine", "x": "img"})
    assert (
        read_text("a", [source]).fingerprints.keys() == read_text("b", [changed]).fingerprints.keys() != set()
    )


def notebook(*cells):
    return json.dumps({"nbformat": 4, "cells": [{"cell_type": kind, "source": s} for kind, s in cells]})


def test_python_files_are_read_in_the_order_of_their_names(tmp_path):
    (tmp_path / "b.py").write_text("y = 2\n")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "c.py").write_text("x = 1\n")
    (tmp_path / "data.json").write_text("{}")
    (tmp_path / "empty.py").write_text("# nothing\n")
    assert [(text.name, text.lines) for text in texts_below(tmp_path)] == [
        ("b.py", ("y = 2",)),
        ("a/c.py", ("x = 1",)),
    ]


def test_of_a_notebook_the_code_is_read_cell_by_cell(tmp_path):
    cells = ("markdown", "# Title"), ("code", ["%pip install x\n", "a = 1\n"]), ("code", "b = 2")
    (tmp_path / "model.ipynb").write_text(notebook(*cells))
    (text,) = texts_below(tmp_path)
    assert text.lines == ("# cell 1", "", "a = 1", "# cell 2", "b = 2")
    assert [(token.text, token.line) for token in text.tokens if token.text == "0"] == [("0", 3), ("0", 5)]


def test_what_is_no_notebook_is_left_out(tmp_path):
    for i, content in enumerate(["", "{", "[" * 100_000, '{"cells": 3}', '{"cells": [3, {"source": {}}]}']):
        (tmp_path / f"{i}.ipynb").write_text(content)
    assert texts_below(tmp_path) == ()


def test_bytes_that_are_no_text_are_read_as_far_as_they_are(tmp_path):
    (tmp_path / "x.py").write_bytes(b"x = 1\n\xff\xfe = 2\ny = 3\n")
    (text,) = texts_below(tmp_path)
    assert text.lines[0] == "x = 1"


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "secret.txt").write_text("x = 1\n")
    folder = tmp_path / "submission"
    folder.mkdir()
    (folder / "model.py").symlink_to(tmp_path / "secret.txt")
    assert texts_below(folder) == ()


def test_only_so_many_files_and_characters_of_a_submission_are_read(tmp_path):
    for i in range(MAX_TEXTS + 5):
        (tmp_path / f"{i:03}.py").write_text("x = 1\n")
    assert len(texts_below(tmp_path)) == MAX_TEXTS
    for i in range(12):
        (tmp_path / f"{i:03}.py").write_text("x = 1  # " + "-" * 900 + "\n" + ("#" * 900 + "\n") * 140)
    assert len(texts_below(tmp_path)) < 12


def test_a_folder_with_more_than_a_submission_may_hold_is_read_up_to_there(tmp_path):
    for i in range(2_001):
        (tmp_path / f"{i:04}.txt").touch()
    (tmp_path / "9999.py").write_text("x = 1\n")
    (tmp_path / "0.py").write_text("x = 1\n")
    assert [text.name for text in texts_below(tmp_path)] == ["0.py"]
