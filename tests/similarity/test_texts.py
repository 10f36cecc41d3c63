"""Sources are read as text, whatever is in them."""

import json

from harness.similarity.texts import MAX_TEXTS, texts_below


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
