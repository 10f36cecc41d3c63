"""Which files are notebooks, and what is said of those that are not."""

import json

import pytest

from harness.sources import notebook_file
from harness.sources.notebook_file import NotebookError, code_cells


def written(*sources, **more) -> str:
    cells = [{"cell_type": "code", "source": source} for source in sources]
    return json.dumps({"nbformat": 4, "cells": [{"cell_type": "markdown", "source": "x"}, *cells]} | more)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_code_cells_of_a_notebook_are_read_in_any_encoding_of_unicode(tmp_path, encoding):
    file = tmp_path / "S9.ipynb"
    file.write_text(written("a = 'é'\n", ["b\n", "c"], 7, None), encoding=encoding)
    assert code_cells(file) == ["a = 'é'\n", "b\nc", "", ""]


SAVE = r" Save the notebook again from Jupyter or Colab, and hand in that file\."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", rf"the file is empty\.{SAVE}"),
        (" \n", rf"the file is empty\.{SAVE}"),
        (written("x")[:-9], rf"not a notebook, or only a part of one: it is no JSON \(line 1\)\.{SAVE}"),
        ("[" * 200_000, rf"it is no JSON \(it is nested too deep\)\.{SAVE}"),
        ("print('hello')", r"it is no JSON \(line 1\)"),
        ("<!DOCTYPE html>\n<html>", r"not a notebook but a web page: download the \.ipynb file itself"),
        ("<html><body>", r"not a notebook but a web page"),
        (
            '{"cells": [\n<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> theirs\n]}',
            rf"the marks of a merge conflict of git \(<<<<<<<\): keep one of the two versions\.{SAVE}",
        ),
        ("{}", rf"not a notebook: it has no cells\.{SAVE}"),
        ("[1]", r"not a notebook: it has no cells\."),
        ('{"cells": {"a": 1}}', r"not a notebook: it has no cells\."),
        ('{"nbformat": 3, "worksheets": [{"cells": []}]}', rf"a notebook of the old format 3\.{SAVE}"),
    ],
)
def test_what_is_no_notebook_is_said_with_what_to_do(tmp_path, text, message):
    file = tmp_path / "S9.ipynb"
    file.write_text(text)
    with pytest.raises(NotebookError, match=message):
        code_cells(file)


def test_a_notebook_without_end_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "S9.ipynb"
    file.write_text(written(*["x"] * 5_001))
    with pytest.raises(NotebookError, match="more than 5,000 cells: hand in the part that defines the model"):
        code_cells(file)
    monkeypatch.setattr(notebook_file, "MAX_BYTES", 2**20)
    file.write_text(written("x" * 2**20))
    with pytest.raises(NotebookError, match="larger than 1 MiB: clear the outputs and save it again"):
        code_cells(file)
