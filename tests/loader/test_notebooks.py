"""A notebook is its imports, definitions and constants; a mistake in it has its cell and line."""

import json
from pathlib import Path
from textwrap import dedent

import pytest
from honest import TINY

from harness.loader.client import Loaded, LoadFailure
from harness.sandbox.client import Sandbox
from harness.sources.requested import Requested

IMPORTS = """!pip install torchsummary
%matplotlib inline
import torch
from torch import nn
import torch.nn.functional as F
"""
CODE = {
    "imports": IMPORTS,
    "settings": "WIDTH = 4 * 2\ndevice = torch.device('cuda')\nraise SystemExit\n",
    "timed": "%%time\nraise SystemExit",
    "model": dedent(TINY).replace("width=4", "width=WIDTH"),
    "training": "for epoch in range(10):\n    !nvidia-smi\n    raise SystemExit\n",
}
NOTEBOOK = {"title": {"cell_type": "markdown", "source": ["# A title\n"]}} | {
    name: {"cell_type": "code", "source": source.splitlines(keepends=True)} for name, source in CODE.items()
}


@pytest.fixture
def notebook(tmp_path: Path, trace_all, sandbox: Sandbox):
    """Take in a notebook of these cells."""

    def run(**cells) -> Loaded | LoadFailure:
        file = tmp_path / "model.ipynb"
        file.write_text(json.dumps({"nbformat": 4, "cells": list(cells.values())}))
        wanted = {"basic": Requested(file=file, class_name=None)}
        return trace_all(sandbox, tmp_path, wanted)["basic"]

    return run


def test_a_notebook_is_its_imports_definitions_and_constants(notebook):
    answer = notebook(**NOTEBOOK)
    assert isinstance(answer, Loaded), answer
    assert answer.architecture.by_name["conv.weight"].shape[0] == 8
    assert answer.notes[:2] == ("built Tiny() of model.ipynb", "model.ipynb: used code cells 1, 2, 4")
    source = next(n.source for n in answer.architecture.eval.nodes if n.op == "aten.conv2d.default")
    assert source == "model.ipynb cell 4:13"


def test_a_mistake_in_a_notebook_has_its_cell_and_line(notebook):
    broken = {"cell_type": "code", "source": dedent(TINY).replace("return self.fc(", "return self.fcc(")}
    answer = notebook(**{**NOTEBOOK, "model": broken})
    assert isinstance(answer, LoadFailure)
    assert "model.ipynb cell 4:13: the model could not be run" in answer.message


def test_what_is_not_a_notebook_is_refused_in_a_sentence_of_its_own(notebook):
    million = {str(n): {"cell_type": "code", "source": ""} for n in range(5_001)}
    answer = notebook(**million)
    assert isinstance(answer, LoadFailure)
    assert answer.message == "model.ipynb: more than 5,000 cells: hand in the part that defines the model."


@pytest.mark.parametrize(
    "importing", ["from model import Tiny", "import model\n\nTiny = model.Tiny", "x = 1"]
)
def test_a_cell_that_is_written_to_a_file_is_that_module(notebook, importing):
    writes = "%%writefile model.py\n" + dedent(TINY)
    cells = {name: {"cell_type": "code", "source": text} for name, text in (("a", writes), ("b", importing))}
    answer = notebook(**cells)
    assert isinstance(answer, Loaded), answer
    assert answer.notes[0] == "built Tiny() of model.ipynb"
    source = next(n.source for n in answer.architecture.eval.nodes if n.op == "aten.conv2d.default")
    assert source == "model.ipynb cell 1:14"


def test_a_layer_with_a_question_behind_it_is_a_layer(notebook):
    asked = dedent(TINY).replace("return self.fc(", "x = torch.relu(x)  # needed?\n        return self.fc(")
    answer = notebook(model={"cell_type": "code", "source": "import torch\n" + asked})
    assert isinstance(answer, Loaded), answer
    assert "aten.relu.default" in [node.op for node in answer.architecture.eval.nodes]


def test_a_model_that_needs_what_a_command_gives_is_told_so(notebook):
    needs = "WIDTH = !nproc\n" + dedent(TINY).replace("width=4", "width=WIDTH")
    answer = notebook(model={"cell_type": "code", "source": needs})
    assert isinstance(answer, LoadFailure)
    assert answer.message.startswith("model.ipynb cell 1:1: the file could not be imported: NameError")
    assert "What a line with `!` or `%` gives is not there" in answer.message
