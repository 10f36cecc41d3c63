"""Which model a submission means: found by what it does, in files that import as in the student's own run.

Every submission is honest code. Each is a folder; one child takes in all of them.
"""

import json
from collections.abc import Mapping
from textwrap import dedent

import pytest
from intake import request

from harness.loader.client import Loaded, LoadFailure, trace
from harness.sources.requested import Requested

NET = """
import torch
from torch import nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.fc = nn.Linear(width, 10)

    def forward(self, x):
        return self.fc(F.relu(self.conv(x)).mean((2, 3)))
"""


def needing(parameters: str, width: str = "4", more: str = "") -> str:
    """A network whose constructor has these parameters without a default."""
    return (
        NET.replace("width=4", parameters)
        .replace("(3, width", f"({more}3, {width}")
        .replace("Linear(width", f"Linear({width}")
    )


def notebook(*cells: str) -> str:
    return json.dumps({"nbformat": 4, "cells": [{"cell_type": "code", "source": cell} for cell in cells]})


MNIST = NET.replace("class Net", "class Old").replace("Conv2d(3", "Conv2d(1")
BLOCK = "from torch import nn\n\n\nclass Block(nn.Conv2d):\n    pass\n"
WITH_BLOCK = NET.replace("nn.Conv2d(3, width, 3", "Block(3, width, 3")
TRAINS = NET + dedent("""
    from torchvision import datasets
    data = datasets.CIFAR10("./data", download=True)
    raise SystemExit
""")

# ruff: noqa: E501 - sources on one line
SUBMISSIONS: dict[str, dict[str, str]] = {
    "usual_name": {"model.py": NET, "train.py": NET.replace("Net", "Other")},
    "below": {"README.txt": "", "S9/models/my_net.py": NET, "S9/train.py": "raise SystemExit\n"},
    "only_file": {"session9.py": NET},
    "only_notebook": {"S9.ipynb": notebook("import torch\n", NET)},
    "file_before_notebook": {"model.py": NET, "S9.ipynb": notebook(NET.replace("width=4", "width=5"))},
    "old_model_beside_it": {"model.py": MNIST, "new.py": NET},
    "broken_beside_it": {"model.py": "from torch import nn\nx = undefined\n", "cifar.py": NET},
    "two_files": {"S8/model.py": NET, "S9/model.py": NET.replace("width=4", "width=5")},
    "part_of_another": {"model.py": NET + "\n\nclass Whole(nn.Module):\n    def __init__(self):\n        "
                        "super().__init__()\n        self.net = Net()\n\n    def forward(self, x):\n        "
                        "return self.net(x)\n"},
    "base_of_another": {"model.py": NET + "\n\nclass Wide(Net):\n    def __init__(self):\n        super().__init__(6)\n"},
    "made_by_a_lambda": {"model.py": needing("widths", "widths[0]") + "\n\nmake = lambda: Net([6])\n"},
    "made_by_a_function": {"model.py": needing("widths").replace("(3, 4", "(3, widths[0]").replace(
        "Linear(4", "Linear(widths[0]") + "\n\ndef net8():\n    return Net([8])\n"},
    "relative_import": {"src/models/net.py": "from ..blocks import Block\n" + WITH_BLOCK, "src/blocks.py": BLOCK},
    "package_import": {"src/models/net.py": "from src.blocks import Block\n" + WITH_BLOCK, "src/blocks.py": BLOCK},
    "elsewhere": {"notebooks/S9.ipynb": notebook("import sys\nsys.path.append('..')\n", "from blocks import Block\n"
                                                 + WITH_BLOCK), "src/blocks.py": BLOCK},
    "trains_when_imported": {"main.py": TRAINS},
    "missing_and_not_needed": {"model.py": "from utils import train\n" + NET},
    "missing_and_needed": {"model.py": "from blocks import Block\n" + WITH_BLOCK},
    "calls_for_a_setting": {"S9.ipynb": notebook(
        "def make(n):\n    return n * 2\nWIDTH = make(3)\nunused = make(1 / 0)\n", NET.replace("width=4", "width=WIDTH"))},
    "tries_imports": {"S9.ipynb": notebook(
        "try:\n    import torchsummary\nexcept ImportError:\n    !pip install torchsummary\n", NET)},
    "two_missing": {"S9.ipynb": notebook("from utils import load\nfrom models import Net\n", "x = Net()\n")},
    "broken_cell": {"S9.ipynb": notebook("def f(:\n", NET)},
    "usual_arguments": {"model.py": needing("nclasses, in_channels, dropout_value, image_size")},
    "width_of_the_training": {"model.py": needing("base_channels, nclasses", "base_channels"),
                              "train.py": "import argparse\nfrom model import Net\nparser = argparse.ArgumentParser()\n"
                              "parser.add_argument('--width', type=int, default=6)\nargs = parser.parse_args(['--epochs'])\n"
                              "net = Net(base_channels=args.width, nclasses=100)\n"},
    "width_of_a_cell": {"S9.ipynb": notebook(needing("width", "width"), "model = Net(6).to(device)\n")},
    "widths_in_a_list": {"model.py": needing("widths", "widths[0]") + "\n\nif __name__ == '__main__':\n    Net([6, 8])\n"},
    "another_width_in_training": {"model.py": NET, "train.py": "from model import Net\nnet = Net(width=8)\n"},
    "its_width_in_training": {"model.py": NET, "train.py": "from model import Net\nnet = Net(width=4)\n"},
    "two_widths": {"model.py": needing("base_channels") + "\n\nif __name__ == '__main__':\n    nets = [Net(16), Net(base_channels=32)]\n"},
    "several_norms": {"model.py": needing("norm") + "\n\nif __name__ == '__main__':\n    nets = [Net('LN'), Net('BN'), Net('GN')]\n"},
    "width_by_nobody": {"model.py": needing("base_channels")},
    "only_a_function": {"model.py": "import argparse\nfrom torch import nn\nparser = argparse.ArgumentParser()\n"
                        "parser.add_argument('--width', type=int, default=6)\nargs = parser.parse_args()\n\n\n"
                        "def tiny(width):\n    return nn.Sequential(nn.Conv2d(3, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), "
                        "nn.Linear(width, 10))\n\n\nmodel = tiny(args.width)\n"},
    "settings_beside_it": {"S9/model.py": "import json\nsettings = json.load(open('settings.json'))\n"
                           + NET.replace("width=4", "width=settings['width']"), "S9/settings.json": '{"width": 6}'},
    "settings_in_the_folder": {"src/model.py": "from pathlib import Path\nwidth = int(Path('settings.txt').read_text())\n"
                               + NET.replace("width=4", "width=width"), "settings.txt": "6"},
    "handed_in_without_its_folder": {"net.py": "import src.settings\nfrom src.block import Block\n" + WITH_BLOCK, "block.py": BLOCK, "settings.py": ""},
    "uses_an_installed_package": {"model.py": NET.replace("class", "from tabulate import tabulate\n\n\nclass").replace(
        "super().__init__()", "super().__init__()\n        width = len(tabulate([[1]], tablefmt='plain')) * 6")},
    "far_below_its_folder": {"net.py": "from project.src.blocks.conv import Block\n" + WITH_BLOCK, "blocks/conv.py": BLOCK},
    "no_such_folder": {"net.py": "from utils import training\n" + NET, "training.py": "raise SystemExit\n"},
    "part_of_a_folder": {"models/net.py": "from project.models.block import Block\n" + WITH_BLOCK, "models/block.py": BLOCK},
    "norm_in_words": {"model.py": needing("normalizationMode") + dedent("""
        class Strict(Net):
            def __init__(self, vNormalizationType):
                assert vNormalizationType in ("batch", "layer")
                super().__init__(None)
    """)},
    "unusual_arguments": {"model.py": needing("config")},
    "seven_logits": {"model.py": NET.replace(", 10)", ", 7)"), "train.py": "x = 1\n"},
    "nothing_fits": {"a.py": MNIST, "b.py": MNIST.replace("Old", "Older")},
    "nothing_at_all": {"train.py": "x = 1\n"},
}  # fmt: skip
NAMED = {"two_files_named": ("two_files/S9/model.py", "Net"), "one_of_two": ("two_files", "Net"),
         "by_name": ("usual_name", "Other"), "by_no_name": ("usual_name", "Another"),
         "seven_logits_named": ("seven_logits", "Net"), "function": ("made_by_a_function", "net8")}  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory, assignment, sandbox) -> Mapping[str, Loaded | LoadFailure]:
    root = tmp_path_factory.mktemp("submissions")
    for name, files in SUBMISSIONS.items():
        for file, text in files.items():
            (root / name / file).parent.mkdir(parents=True, exist_ok=True)
            (root / name / file).write_text(text)
    wanted = {name: Requested(file=root / name, class_name=None) for name in SUBMISSIONS}
    wanted |= {name: Requested(file=root / file, class_name=cls) for name, (file, cls) in NAMED.items()}
    limits = assignment.limits.model_copy(update={"intake_s": 300, "intake_cpu_s": 300})
    return trace(request(root, tmp_path_factory.mktemp("out"), wanted), limits, sandbox)


@pytest.fixture(scope="module")
def built(answers):
    """What was built of a submission, and the notes on it."""

    def notes(name: str) -> tuple[str, ...]:
        answer = answers[name]
        assert isinstance(answer, Loaded), answer
        return tuple(note.replace(f" {name}/", " ") for note in answer.notes)

    return notes


@pytest.fixture(scope="module")
def refused(answers):
    """Why a submission has no model."""

    def message(name: str) -> str:
        answer = answers[name]
        assert isinstance(answer, LoadFailure), answer
        assert answer.cause == "student"
        return answer.message.replace(f"{name}/", "")

    return message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("usual_name", "built Net() of model.py"),
        ("below", "built Net() of S9/models/my_net.py"),
        ("only_file", "built Net() of session9.py"),
        ("only_notebook", "built Net() of S9.ipynb"),
        ("file_before_notebook", "built Net() of model.py"),
        ("old_model_beside_it", "built Net() of new.py"),
        ("broken_beside_it", "built Net() of cifar.py"),
        ("part_of_another", "built Whole() of model.py"),
        ("base_of_another", "built Wide() of model.py"),
        ("made_by_a_function", "built net8() of model.py"),
        ("made_by_a_lambda", "built Net(widths=[6]) of model.py"),
        ("relative_import", "built Net() of src/models/net.py"),
        ("package_import", "built Net() of src/models/net.py"),
        ("elsewhere", "built Net() of notebooks/S9.ipynb"),
        ("missing_and_not_needed", "built Net() of model.py"),
        ("calls_for_a_setting", "built Net() of S9.ipynb"),
        ("tries_imports", "built Net() of S9.ipynb"),
        ("broken_cell", "built Net() of S9.ipynb"),
        ("seven_logits", "built Net() of model.py"),
        ("seven_logits_named", "built Net() of seven_logits/model.py"),
        ("two_files_named", "built Net() of two_files/S9/model.py"),
        ("by_name", "built Other() of usual_name/train.py"),
        ("function", "built net8() of made_by_a_function/model.py"),
        (
            "usual_arguments",
            "built Net(nclasses=10, in_channels=3, dropout_value=0.1, image_size=32) of model.py",
        ),
        ("width_of_the_training", "built Net(base_channels=6, nclasses=10) of model.py"),
        ("width_of_a_cell", "built Net(width=6) of S9.ipynb"),
        ("widths_in_a_list", "built Net(widths=[6, 8]) of model.py"),
        ("several_norms", "built Net(norm='BN') of model.py"),
        ("only_a_function", "built tiny(width=6) of model.py"),
        ("settings_beside_it", "built Net() of S9/model.py"),
        ("settings_in_the_folder", "built Net() of src/model.py"),
        ("handed_in_without_its_folder", "built Net() of net.py"),
        ("uses_an_installed_package", "built Net() of model.py"),
        ("far_below_its_folder", "built Net() of net.py"),
        ("no_such_folder", "built Net() of net.py"),
        ("part_of_a_folder", "built Net() of models/net.py"),
        ("norm_in_words", "built Strict(vNormalizationType='batch') of model.py"),
    ],
)  # fmt: skip
def test_the_model_is_found_and_it_is_said_what_was_built(built, name, expected) -> None:
    assert built(name)[0] == expected


def test_what_a_setting_is_made_of_runs_and_what_no_class_needs_does_not(answers) -> None:
    assert answers["calls_for_a_setting"].architecture.by_name["conv.weight"].shape[0] == 6


@pytest.mark.parametrize(
    "name",
    [
        "width_of_the_training",
        "width_of_a_cell",
        "settings_beside_it",
        "settings_in_the_folder",
        "uses_an_installed_package",
    ],
)
def test_the_width_is_the_one_that_its_author_gives_it(answers, name) -> None:
    assert answers[name].architecture.by_name["conv.weight"].shape[0] == 6


def test_a_script_that_trains_as_it_is_imported_is_taken_by_its_definitions(built) -> None:
    assert built("trains_when_imported")[0] == "built Net() of main.py"
    assert built("trains_when_imported")[1].startswith(
        "trains_when_imported/main.py: used only what it imports and defines, for as a whole it does not run: main.py:17: "
    )


def test_an_import_that_fails_is_passed_over_only_where_the_model_does_not_need_it(built, refused) -> None:
    assert "No module named 'utils'" in built("missing_and_not_needed")[1]
    message = refused("missing_and_needed")
    assert message.startswith(
        "model.py:1: the file could not be imported: ModuleNotFoundError: No module named"
    )
    assert "if it is a file of yours, hand in blocks.py with the model" in message


def test_everything_that_a_notebook_without_its_model_lacks_is_named(refused) -> None:
    message = refused("two_missing")
    assert message.startswith("S9.ipynb cell 1:1: the file could not be imported: ModuleNotFoundError")
    assert message.endswith("Then: ModuleNotFoundError: No module named 'models'.")


def test_several_models_are_listed_with_their_files_and_parameters(refused) -> None:
    for name in ("two_files", "one_of_two"):
        message = refused(name).replace("two_files/", "")
        assert message == (
            "the submission: several models fit: S8/model.py:Net (162 parameters), "
            "S9/model.py:Net (200 parameters). Choose one with --class FILE:NAME, or name it in submission.toml."
        )


def test_arguments_that_nobody_can_guess_are_asked_for(refused) -> None:
    for name, parameter, found in (
        ("unusual_arguments", "config", "no call in the submission says which value it was trained with"),
        (
            "width_by_nobody",
            "base_channels",
            "no call in the submission says which value it was trained with",
        ),
        ("two_widths", "base_channels", "the submission calls it with 16 and 32"),
    ):
        assert refused(name) == (
            f"Net: what is `{parameter}`? The constructor needs it, and {found}. Write it into submission.toml, as in "
            f"arguments = {{ {parameter} = ... }}, or give --ctor {parameter}=..."
        )


def test_a_default_that_the_training_replaces_is_built_and_said(built) -> None:
    first, *others = built("another_width_in_training")
    assert first == "built Net() of model.py"
    assert others == [
        "Net is built with its default width=4, and the submission calls it with 8: if that is the one you hand in, "
        "write arguments = { width = 8 } into submission.toml"
    ]
    assert built("its_width_in_training") == ("built Net() of model.py",)


def test_where_nothing_fits_every_reason_is_given(refused) -> None:
    message = refused("nothing_fits")
    assert message.startswith("a.py:14: the model could not be run on a batch of two images: RuntimeError")
    assert message.endswith("There is no model in b.py either.")
    assert "it defines no torch.nn.Module" in refused("nothing_at_all")
    assert "no file defines a class or function Another" in refused("by_no_name")
