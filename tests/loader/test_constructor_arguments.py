"""What a submission gives its own model is read from its text, through the names that its values have."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from harness.loader.constructor_arguments import Calls

CLASS = "class Net(nn.Module):\n    def __init__(self, width, drop): ...\n"
Given = Callable[..., Mapping[str, object]]


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """Write files, the first of which defines Net(width, drop), and read what it is called with."""

    def read(**files: str) -> Mapping[str, object]:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(CLASS + dedent(text) if name == "model" else dedent(text))
        found = Calls(tmp_path).values("Net", ["width", "drop"], tmp_path / "model.py")
        return {name: list(values) for name, values in found.items()}

    return read


@pytest.mark.parametrize(
    "call",
    [
        "Net(width=16)",
        "net = Net(16).to('cpu')",
        "if __name__ == '__main__':\n    main(Net(16))",
        "def main():\n    return Net(width=16)",
        "WIDTH = 16\nNet(WIDTH)",
        "BASE = 8\nWIDTH: int = BASE * 2\nNet(WIDTH)",
        "def main(width=16):\n    Net(width=width)",
        "def main(*, width=16):\n    Net(width=width)",
        "def main(width=32):\n    Net(width=width)\nmain(16)",
        "def main(width):\n    Net(width=width)\nmain(width=16)",
        "config = {'width': 16}\nNet(config['width'])",
        "config = {'width': 16}\nNet(**config)",
        "Net(**{'width': 16})",
        "config = dict(width=16)\nNet(**config)",
        "class Config:\n    width = 16\nNet(Config.width)",
        "class Config:\n    width: int = 16\ncfg = Config()\nNet(cfg.width)",
        "class Config:\n    width: int = 32\ncfg = Config(width=16)\nNet(cfg.width)",
        "class Config:\n    width: int\ncfg = Config(16)\nNet(cfg.width)",
        "cfg = SimpleNamespace(width=16)\nNet(cfg.width)",
        "cfg = OmegaConf.create({'model': {'width': 16}})\nNet(cfg.model.width)",
        "args.width = 16\nNet(args.width)",
        "p.add_argument('--width', type=int, default=16)\nargs = p.parse_args()\nNet(args.width)",
        "p.add_argument('-w', '--width', type=int, default='16')\nNet(p.parse_args().width)",
        "p.add_argument('--net-width', default=16)\nNet(args.net_width)",
        "Net(int('16'))",
    ],
)
def test_a_value_is_found_by_whatever_name_it_has(given: Given, call: str) -> None:
    assert given(model=call) == {"width": [16]}


@pytest.mark.parametrize(
    "call",
    [
        "Net(width=make())",
        "Net(*sizes)",
        "for width in sizes:\n    Net(width)",
        "width = width\nNet(width)",
        "width = 16\nNet(args.width)",
        "def Net(width=16): ...",
        "Net(1 // 0)",
        "# Net(16)",
        "super().__init__(16)",
    ],
)
def test_what_nobody_can_tell_is_left_out(given: Given, call: str) -> None:
    assert given(model=call) == {}


def test_values_that_differ_are_all_listed(given: Given) -> None:
    assert given(model="Net(16, 0.1)\nNet(32, drop=0.1)\nfor width in (32, 64):\n    Net(width)\n") == {
        "width": [16, 32, 64],
        "drop": [0.1],
    }


def test_calls_of_a_training_script_count(given: Given) -> None:
    assert given(model="", train="from model import Net\nNet(16)\n") == {"width": [16]}


@pytest.mark.parametrize(
    "text",
    [
        "import model\nmodel.Net(16)\n",
        "from models.net import Net as Model\nModel(16)\n",
        "from model import *\nfrom settings import WIDTH\nNet(WIDTH)\n",
        "from model import Net\nimport settings\nNet(settings.WIDTH)\n",
    ],
)
def test_it_matters_not_how_they_import_it(given: Given, text: str) -> None:
    assert given(model="", train=text, settings="WIDTH = 16\n") == {"width": [16]}


def test_calls_through_the_folder_of_the_file_count(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net.py").write_text(CLASS)
    (tmp_path / "train.py").write_text("import models\nmodels.Net(16)\n")
    assert Calls(tmp_path).values("Net", ["width"], tmp_path / "models" / "net.py") == {"width": [16]}


def test_calls_of_another_class_with_that_name_do_not_count(given: Given) -> None:
    assert given(model="", other=f"{CLASS}Net(16)\n") == {}


def test_calls_of_a_file_that_does_not_import_it_do_not_count(given: Given) -> None:
    assert given(model="", other="Net(16)\n") == {}


def test_tests_count_only_where_nothing_else_does(given: Given) -> None:
    test = "from model import Net\nNet(8)\n"
    assert given(model="", test_model=test) == {"width": [8]}
    assert given(model="Net(16)", test_model=test) == {"width": [16]}


def test_files_that_cannot_be_read_are_passed_over(given: Given) -> None:
    assert given(model="Net(16)", broken="def f(:\n") == {"width": [16]}


def test_cells_of_a_notebook_count(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "source": source} for source in (CLASS, "%%time\nNet(16)", "broken(")]
    file = tmp_path / "model.ipynb"
    file.write_text(json.dumps({"nbformat": 4, "cells": cells}))
    (tmp_path / "other.ipynb").write_text("{")
    assert Calls(tmp_path).values("Net", ["width"], file) == {"width": [16]}
