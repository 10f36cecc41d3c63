"""Broken works: what students hand in by mistake, and what the message about it has to say."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from class_networks import basic, source
from class_packing import Files, Work

MANIFEST = '[variants.basic]\nfile = "model.py"\nclass = "Net"\n'
TWO_MODELS = """

class NetV2(Net):
    pass


class NetV3(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 10, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, x):
        return self.net(x)
"""

EDITS: Mapping[str, tuple[str, str, str]] = {
    "syntax_error": ("def forward(self, x):", "def forward(self, x)", "SyntaxError"),
    "bad_indentation": ("        super().__init__()\n", "      super().__init__()\n", "IndentationError"),
    "merge_conflict": ("import torch\n", "<<<<<<< HEAD\nimport torch\n", "SyntaxError"),
    "missing_sibling": ("class Net(nn.Module)",
                        "from my_layers import Block\n\n\nclass Net(Block)", "my_layers"),
    "misspelt_layer": ("nn.Linear(", "nn.Linaer(", "Linaer"),
    "undefined_name": ("        return ", "        x = x * SCALE\n        return ", "SCALE"),
    "no_super_init": ("class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n",
                      "class Net(nn.Module):\n    def __init__(self):\n", "super().__init__()"),
    "channels_do_not_match": ("self.fc = nn.Linear(", "self.fc = nn.Linear(7 + ", "could not be run"),
    "grey_images": ("    def forward(self, x):\n        x = ",
                    "    def forward(self, x):\n        assert x.shape[1] == 1, 'one channel'\n        x = ",
                    "one channel"),
    "unknown_argument": ("class Net(nn.Module):\n    def __init__(self):",
                         "class Net(nn.Module):\n    def __init__(self, config):", "config"),
    "branches_on_the_image": ("        return ",
                              "        if x.mean() > 0:\n            x = -x\n        return ",
                              "could not be captured"),
    "endless_recursion": ("        return ",
                          "        x = self.forward(x)\n        return ", "RecursionError"),
}  # fmt: skip
"""What is written, what stands there instead, and what the message has to say."""

FOLDERS: Mapping[str, tuple[Files, str]] = {
    "empty_folder": ({}, "expected submission.toml, a .py file or a notebook, got none"),
    "only_a_report": ({"report.pdf": b"%PDF-1.4", "README.md": "# 91 %!\n"}, "got none"),
    "a_word_document": ({"S9.docx": b"PK\x03\x04 word"}, "got none"),
    "only_weights": ({"best.pth": b"PK\x03\x04weights"}, "got none"),
    "empty_file": ({"model.py": ""}, "no class takes"),
    "only_functions": ({"model.py": "def train(model):\n    return model\n"}, "no class takes"),
    "class_of_nothing": ({"model.py": "class Net:\n    def forward(self, x):\n        return x\n"},
                         "no class takes"),
    "broken_notebook": ({"S9.ipynb": '{"cells": ['}, "S9.ipynb: not a notebook"),
    "notebook_without_a_model": ({"S9.ipynb": json.dumps({"cells": [], "nbformat": 4})}, "no class takes"),
    "manifest_is_no_toml": ({"model.py": "", "submission.toml": "variants = {"}, "submission.toml"),
    "manifest_names_no_file": ({"net.py": "", "submission.toml": MANIFEST}, "no such file in the submission"),
    "manifest_of_another_course": (
        {"model.py": "", "submission.toml": MANIFEST.replace("basic", "resnet")}, "variant 'resnet'",
    ),
    "manifest_misspelt": ({"model.py": "", "submission.toml": MANIFEST.replace("class", "clas")}, "clas"),
}  # fmt: skip

ARCHIVES: Mapping[str, tuple[str, bytes, str]] = {
    "a_rar_called_zip": (".zip", b"Rar!\x1a\x07\x01\x00" + bytes(200), "a RAR archive under another name"),
    "half_uploaded": (".zip", b"PK\x03\x04" + bytes(range(256)), "cannot be unpacked"),
    "empty_archive": (".tar.gz", b"", "cannot be unpacked"),
    "a_web_page_called_tar": (".tar.gz", b"<html>Please log in</html>", "cannot be unpacked"),
}


def broken(rng: Random, idea: str) -> Work:
    """Make a work that cannot be taken in, or only in part."""
    if idea in ARCHIVES:
        suffix, content, says = ARCHIVES[idea]
        return Work(idea, "broken", cause="student", says=says, write=_write(suffix, content))
    if idea in FOLDERS:
        files, says = FOLDERS[idea]
        return Work(idea, "broken", cause="student", says=says, write=_fill(files))
    if idea in SPECIAL:
        return SPECIAL[idea](rng)
    written, instead, says = EDITS[idea]
    text = source(basic(rng), rng, "Net")
    assert written in text
    files = {"model.py": text.replace(written, instead, 1)}
    return Work(idea, "broken", files, cause="student", says=says)


# Private functions


def _too_many_epochs(rng: Random) -> Work:
    manifest = f"{MANIFEST}[variants.basic.recipe]\nepochs = 5000\n"
    files = {"model.py": source(basic(rng), rng, "Net"), "submission.toml": manifest}
    return Work("asks_for_5000_epochs", "broken", files, cause="student", says="epochs", fixed="folder")


def _wrong_classes(rng: Random) -> Work:
    """Make a hundred logits: the head is wrong, and what has to be run for it is not judged."""
    text = source(basic(rng), rng, "Net", classes=100)
    return Work(
        "a_hundred_classes",
        "broken",
        {"model.py": text},
        "failed",
        ("gap_linear_head",),
        "student",
        "(2, 100)",
    )


def _several_models(rng: Random) -> Work:
    text = source(basic(rng), rng, "Net") + TWO_MODELS
    return Work("several_models", "broken", {"model.py": text}, cause="student", says="several models fit")


def _another_task(rng: Random) -> Work:
    """Make a network for the digits, of one channel and 28 pixels."""
    text = source(basic(rng), rng, "Net")
    text = text.replace("(3, ", "(1, ", 1)
    return Work("network_for_digits", "broken", {"model.py": text}, cause="student", says="could not be run")


SPECIAL: Mapping[str, Callable[[Random], Work]] = {
    "asks_for_5000_epochs": _too_many_epochs,
    "a_hundred_classes": _wrong_classes,
    "several_models": _several_models,
    "network_for_digits": _another_task,
}
IDEAS = (*EDITS, *FOLDERS, *ARCHIVES, *SPECIAL)


def _write(suffix: str, content: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        to = path.with_name(path.name + suffix)
        to.write_bytes(content)
        return to

    return write


def _fill(files: Files) -> Callable[[Path], Path]:
    def fill(path: Path) -> Path:
        path.mkdir()
        for name, content in files.items():
            (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return fill
