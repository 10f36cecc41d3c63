# ruff: noqa: E501 - a source on one line
"""What the usual mistakes of students are told: the place, what was raised, and what to do, in one sentence."""

import sys
from collections.abc import Mapping
from textwrap import dedent

import pytest
from intake import request

from harness.loader.client import Loaded, LoadFailure, trace
from harness.loader.mistake import Mistake
from harness.loader.usual_mistakes import advice
from harness.sources.requested import Requested

NET = dedent("""
    import torch
    from torch import nn
    import torch.nn.functional as F


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
            self.bn1 = nn.BatchNorm2d(8)
            self.fc = nn.Linear(8, 10)

        def forward(self, x):
            x = F.relu(self.bn1(self.conv1(x)))
            return self.fc(x.mean((2, 3)))
""").lstrip()
RETURN = "        return self.fc(x.mean((2, 3)))\n"
SUPER = "        super().__init__()\n"

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
Case = tuple[str, str, str]
"""Source, how the message begins, how it ends."""


def with_line(line: str, at: str = SUPER) -> str:
    """The network with one line more, after `at`."""
    return NET.replace(at, f"{at}        {line}\n")


CASES: dict[str, Case] = {
    "functional_never_imported": (
        NET.replace("import torch.nn.functional as F\n", ""),
        "model.py:13: the model could not be run on a batch of two images: NameError",
        "`F` is used at model.py:13 but never imported; add `import torch.nn.functional as F`."),
    "nn_never_imported": (
        NET.replace("from torch import nn\n", ""), "model.py:5: the file could not be imported: NameError",
        "`nn` is used at model.py:5 but never imported; add `from torch import nn`."),
    "partial_never_imported": (
        with_line("self.norm = partial(nn.BatchNorm2d, eps=1)"), "model.py:9: ", "add `from functools import partial`."),
    "layer_without_nn": (
        with_line("self.drop = Dropout(0.1)"), "model.py:9: the model could not be built: NameError",
        "`Dropout` is a layer of torch: write `nn.Dropout`, or add `from torch.nn import Dropout`."),
    "never_defined": (
        with_line("self.drop = nn.Dropout(dropout_value)"), "model.py:9: the model could not be built: NameError",
        "`dropout_value` is used but never defined; define or import it before that line."),
    "variable_before_its_value": (
        with_line("y = y + x", "    def forward(self, x):\n"), "model.py:14: ", "`y` is used before it has a value in this function; set it first, on every path."),
    "not_initialised": (
        NET.replace(SUPER, ""), "model.py:8: the model could not be built: AttributeError: cannot assign module before Module.__init__() call.",
        "Call `super().__init__()` in the first line of `__init__`."),
    "another_class_in_super": (
        NET.replace("super()", "super(Block, self)") + "\n\nclass Block(nn.Module):\n    pass\n",
        "model.py:8: the model could not be built: TypeError", "write `super().__init__()`."),
    "linear": (
        NET.replace("nn.Linear(8", "nn.Linear(16"),
        "model.py:15: the model could not be run on a batch of two images: RuntimeError: mat1 and mat2 shapes",
        "The Linear layer gets 8 numbers for each image and expects 16: write nn.Linear(8, 10)."),
    "linear_on_a_map": (
        NET.replace("x.mean((2, 3))", "x"), "model.py:15: ", "The Linear layer gets 512 rows for 2 images, and not one row of numbers for each image: flatten before it, as in x.flatten(1)."),
    "convolution": (
        with_line("self.conv2 = nn.Conv2d(16, 8, 3)").replace(RETURN, "        x = self.conv2(x)\n" + RETURN),
        "model.py:16: the model could not be run on a batch of two images: RuntimeError: Given groups=1",
        "In `conv2` (model.py:9): it is made for 16 channels and gets 8; set its in_channels to 8."),
    "groups_of_a_depthwise": (
        with_line("self.body = nn.Sequential(nn.ReLU(), nn.Conv2d(16, 16, 3, groups=16))").replace(RETURN, "        x = self.body(x)\n" + RETURN),
        "model.py:16: ", "In `body.1` (model.py:9): it is made for 16 channels and gets 8; set its in_channels to 8 and groups to 8."),
    "groups_that_still_divide": (
        with_line("self.conv2 = nn.Conv2d(16, 8, 3, groups=4)").replace(RETURN, "        x = self.conv2(x)\n" + RETURN),
        "model.py:16: ", "set its in_channels to 8 and keep groups=4."),
    "groups_that_divide_no_longer": (
        with_line("self.conv2 = nn.Conv2d(12, 12, 3, groups=12)").replace(RETURN, "        x = self.conv2(x)\n" + RETURN),
        "model.py:16: ", "set its in_channels to 8 and groups to 8, and its out_channels to 16."),
    "a_branch_on_the_values": (
        NET.replace(RETURN, "        x = x * 2 if x.sum() > 0 else x\n" + RETURN),
        "model.py:15: the model runs, but its graph could not be captured: GuardOnDataDependentSymNode: Could not guard on data-dependent expression Eq(u0, 1). The",
        "no `if`, loop or index on the values of a tensor, no .item()."),
    "gray_images": (
        NET.replace("Conv2d(3", "Conv2d(1"), "model.py:14: ",
        "In `conv1` (model.py:9): the model is made for gray images (in_channels 1), the assignment's have 3 channels."),
    "batch_norm": (
        NET.replace("BatchNorm2d(8)", "BatchNorm2d(4)"), "model.py:14: ",
        "The batch-norm gets 8 channels and is made for 4: write nn.BatchNorm2d(8)."),
    "groups": (
        with_line("self.dw = nn.Conv2d(8, 12, 3, groups=8)"), "model.py:9: the model could not be built: ValueError: out_channels must be divisible by groups",
        "Correct that line: the class is constructed as the message says."),
    "half_a_channel": (
        with_line("self.half = nn.Conv2d(8, 8 / 2, 3)"), "model.py:9: the model could not be built: TypeError",
        "A number of channels is a whole number: divide with //, not with /."),
    "added_maps": (
        NET.replace(RETURN, "        x = x + x[:, :, 1:]\n" + RETURN), "model.py:15: ",
        "Two tensors that are added or multiplied differ in shape; give both branches the same channels and stride."),
    "concatenated_maps": (
        NET.replace(RETURN, "        x = torch.cat([x, x[:, :, 1:]], 1)\n" + RETURN), "model.py:15: ",
        "Tensors that are concatenated differ in height or width; give all branches the same stride and padding."),
    "view": (
        NET.replace("x.mean((2, 3))", "x.view(-1, 7)"), "model.py:15: ",
        "The numbers in view(...) do not fit the map; write x.view(x.size(0), -1), or x.flatten(1)."),
    "map_too_small": (
        with_line("self.pool = nn.Conv2d(8, 8, 40)").replace(RETURN, "        x = self.pool(x)\n" + RETURN), "model.py:16: ",
        "The map has become smaller than the kernel: pad, or downsample less."),
    "missing_sibling": (
        "from blocks import Block\n" + NET.replace("nn.Conv2d", "Block"), "model.py:1: the file could not be imported: ModuleNotFoundError: No module named 'blocks'",
        "There is no `blocks` here: if it is a file of yours, hand in blocks.py with the model; if it is a package, this course does not install it: write the model without it."),
    "name_not_in_a_file": (
        "from json import Block\n" + NET.replace("nn.Conv2d", "Block"), "model.py:1: the file could not be imported: ImportError: cannot import name 'Block'",
        "That name is not in the file it is imported from; define it there, or correct the import."),
    "missing_file_of_a_folder": (
        "from src.blocks import Block\n" + NET.replace("nn.Conv2d", "Block"), "model.py:1: the file could not be imported: ModuleNotFoundError: No module named 'src'",
        "There is no `src` here: if it is a file of yours, hand in src/blocks.py with the model; if it is a package, this course does not install it: write the model without it."),
    "relative_import_of_what_is_not_there": (
        "from .blocks import Block\n" + NET.replace("nn.Conv2d", "Block"), "model.py:1: the file could not be imported: ModuleNotFoundError",
        "There is no `blocks` here: hand in blocks.py with the model."),
    "constructor_argument": (
        NET.replace("__init__(self):", "__init__(self, config):"), "Net: what is `config`? The constructor needs it, and no call in the submission says which value it was trained with.",
        "Write it into submission.toml, as in arguments = { config = ... }, or give --ctor config=..."),
    "constructor_argument_of_a_block": (
        with_line("self.block = Block()") + "\n\nclass Block(nn.Module):\n    def __init__(self, width):\n        super().__init__()\n", "model.py:9: the model could not be built: TypeError",
        "That call lacks an argument: give it there, or give the parameter a default."),
    "constructor_argument_by_position_alone": (
        NET.replace("__init__(self):", "__init__(self, config, /):"), "Net: the model could not be built: TypeError",
        "Give the constructor's arguments in submission.toml or with --ctor name=value."),
    "unknown_keyword": (
        with_line("self.drop = nn.Dropout(rate=0.1)"), "model.py:9: the model could not be built: TypeError",
        "Compare the call with the parameters of what it calls; --ctor name=value gives the constructor's."),
    "forward_missing": (
        NET.replace("def forward", "def foward"), "Net: the model could not be run on a batch of two images: NotImplementedError",
        "A class has no method `forward`: define it, with that spelling, indented as its other methods."),
    "forward_of_a_block_missing": (
        NET.replace("self.fc(x", "self.block(x, scale=2); self.fc(x") .replace("super().__init__()", "super().__init__(); self.block = Block()") + "\n\nclass Block(nn.Module):\n    pass\n",
        "model.py:15: ", "A class has no method `forward`: define it, with that spelling, indented as its other methods."),
    "forward_without_return": (
        NET.replace("return ", "x = "), "Net: forward returns NoneType; expected one tensor of logits, shape (N, 10).", "shape (N, 10)."),
    "block_without_return": (
        NET.replace("self.conv1(x)", "self.block(x)").replace("super().__init__()", "super().__init__(); self.block = Block()") + "\n\nclass Block(nn.Module):\n    def forward(self, x):\n        x = x * 2\n",
        "model.py:14: ", "A function returned None where `.dim` is used; check that it ends with `return`."),
    "attribute_of_nothing": (
        NET.replace(RETURN, "        x = print().mean()\n" + RETURN), "model.py:15: ",
        "A function returned None where `.mean` is used; check that it ends with `return`."),
    "attribute_never_set": (
        NET.replace("self.fc(", "self.fc1("), "model.py:15: ",
        "`fc1` is used at model.py:15, but no line gives `Net` one; set `self.fc1` in `__init__`."),
    "attribute_of_torch": (
        with_line("self.conv3 = nn.Conv2D(8, 8, 3)"), "model.py:9: ",
        "`torch.nn` has no `Conv2D` in the installed version; check the spelling."),
    "magic": ("import torch\n!pip install torchsummary\n" + NET, "model.py:2: the file could not be imported: SyntaxError",
              "That is a line for notebooks: remove it from the file, or hand in the notebook itself."),
    "percent_magic": ("%matplotlib inline\n" + NET, "model.py:1: ", "hand in the notebook itself."),
    "get_ipython": ("get_ipython().system('ls')\nx = 1 / 0\n", "model.py:1: the file could not be imported: NameError",
                    "`get_ipython` is there in a notebook only; remove the line, or hand in the notebook itself."),
    "python_2": (NET + "\nprint 'parameters'\n", "model.py:17: the file could not be imported: SyntaxError",
                 "That is Python 2: write print(...) with parentheses."),
    "indentation": (NET.replace("        x = F.relu", "      x = F.relu"), "model.py:15: the file could not be imported: IndentationError",
                    "Indent the lines of a block alike, and below the line that opens it."),
    "tabs": (NET.replace("        x = F.relu", "\tx = F.relu"), "model.py:14: the file could not be imported: TabError",
             "Indent with spaces only, or with tabs only."),
    "future": (NET + "\nfrom __future__ import print_function\n", "model.py:17: the file could not be imported: SyntaxError",
               "Move that import to the top of the file, or remove it: Python 3 does not need it."),
    "merge": ("<<<<<<< HEAD\n" + NET, "model.py:1: the file could not be imported: SyntaxError", "keep one of the two versions."),
    "syntax": (NET.replace("nn.Linear(8, 10)", "nn.Linear(8, 10"), "model.py:11: the file could not be imported: SyntaxError: '(' was never closed",
               f"Python {PYTHON} cannot read that line: correct it and what is just above it."),
    "stand_in": ("import torchsummary\n" + with_line("torchsummary.summary(self)"), "model.py:10: the model could not be built: NotThereError: torchsummary.summary is not available",
                 "A model needs torch alone: remove torchsummary from the model's classes."),
    "weights": (with_line("self.load_state_dict(torch.load('best.pth'))"), "model.py:9: the model could not be built: FileNotFoundError",
                "A model is loaded untrained, and files of weights are not there: do not load `best.pth` in it."),
    "other_file": (with_line("open('widths.txt')"), "model.py:9: ", "`widths.txt` is not part of the submission: hand it in, or do not read it."),
    "writes": (with_line("open('/tmp/log.txt', 'w')"), "model.py:9: the model could not be built: PermissionError",
               "While a submission is loaded, it reads its own files and cannot open `/tmp/log.txt`: it writes no file or folder, downloads nothing and starts no process or thread. Move that into the script that trains, or remove it."),
    "download": (with_line("__import__('urllib.request').request.urlopen('http://127.0.0.1:9/x.pth')"), "model.py:9: ",
                 "Nothing can be downloaded while a submission is graded: build the model without it, untrained."),
    "hub": (with_line("torch.hub.load_state_dict_from_url('http://127.0.0.1:9/x.pth')"), "model.py:9: ",
            "Nothing can be downloaded while a submission is graded: build the model without it, untrained."),
    "gpu": (with_line("self.w = torch.zeros(3, device='cuda')"), "model.py:9: the model could not be built: RuntimeError",
            "There is no GPU while a submission is graded: let the caller choose the device, with `.to(device)`."),
    "too_much_memory": (with_line("self.w = torch.zeros(2**36)"), "model.py:9: ", "It asked for more memory than the assignment allows: make the layers smaller."),
    "recursion": (with_line("Net()"), "model.py:8: the model could not be built: RecursionError", "A function calls itself without end: check what it calls."),
    "exit": ("import sys\nsys.exit(0)\n", "model.py:2: the file could not be imported: SystemExit: 0", "That line ends the program: move it below `if __name__ == '__main__':`, or remove it."),
    "other_at_import": ("x = 1 / 0\n", "model.py:1: the file could not be imported: ZeroDivisionError", "Correct that line; what the model does not need can go below `if __name__ == '__main__':`."),
    "other_in_forward": (NET.replace(RETURN, "        1 / 0\n" + RETURN), "model.py:15: ", "Correct that line: the model is run on 2 black images, in eval mode."),
    "row_for_every_other_number": (
        NET.replace("x.mean((2, 3))", "x.mean((2, 3)).view(-1, 4)"), "model.py:15: ",
        "The Linear layer gets 4 rows for 2 images, and not one row of numbers for each image: flatten before it, as in x.flatten(1)."),
    "fixed_batch": (
        NET.replace("x.mean((2, 3))", "x.mean((2, 3)).view(64, 8)"), "model.py:15: forward takes batches of 64 images and no others; expected any number of them, got 2.",
        "Write x.size(0) in place of 64, or x.flatten(1) in place of the view."),
    "fixed_batch_in_a_setting": (
        NET.replace("x.mean((2, 3))", "x.mean((2, 3)).reshape(BATCH, -1)") + "\n\nBATCH = 128\n", "model.py:15: forward takes batches of 128 images and no others",
        "Write x.size(0) in place of 128, or x.flatten(1) in place of the view."),
    "fixed_batch_of_the_model": (
        with_line("self.n = 16").replace("x.mean((2, 3))", "torch.reshape(x.mean((2, 3)), (self.n, 8))"), "model.py:16: forward takes batches of 16 images and no others",
        "Write x.size(0) in place of 16, or x.flatten(1) in place of the view."),
    "method_hidden": (
        with_line("self.train = 5"), "Net: `self.train` is given a value in Net, which hides the method train() of every nn.Module.", "Give it another name."),
    "method_of_a_layer_hidden": (
        with_line("self.fc.parameters = {}", "        self.fc = nn.Linear(8, 10)\n"), "Net: `self.parameters` is given a value in Linear, ", "which hides the method parameters() of every nn.Module. Give it another name."),
    "layer_called_train": (
        with_line("self.train = nn.Linear(8, 8)").replace(RETURN, "        x = self.train(x)\n" + RETURN), "model.py:16: ",
        "`train` is a method of every nn.Module: give the layer of that name another one."),
    "momentum_none": (
        NET.replace("BatchNorm2d(8)", "BatchNorm2d(8, momentum=None)"), "model.py:14: the model runs, but its graph could not be captured",
        "A batch-norm with momentum=None averages over all batches so far, which no graph can hold: give it a number, as in momentum=0.1."),
    "generator_in_forward": (
        NET.replace("self.conv1(x)", "self.conv1(x + torch.randn(1, 3, 32, 32, generator=torch.Generator()))"),
        "export: the model runs, but its graph could not be captured: TypeError: forward uses a Generator;",
        "A graph holds no torch.Generator: draw without `generator=` (the seed is set before), or once in `__init__`."),
    "generator_for_any_batch": (
        NET.replace("self.conv1(x)", "self.conv1(x + torch.rand(x.shape, generator=torch.Generator()))"),
        "model.py:14: the model runs, but its graph could not be captured: RuntimeError",
        "A graph holds no torch.Generator: draw without `generator=` (the seed is set before), or once in `__init__`."),
    "script_module": (
        NET.replace("class Net(nn.Module)", "class Net(torch.jit.ScriptModule)"), "Net: the model could not be built: RuntimeError",
        "A model needs no TorchScript: remove torch.jit from it, and derive its classes from nn.Module."),
    "half_precision": (
        NET.replace("self.conv1(x)", "self.conv1(x.half())"), "model.py:14: the model could not be run on a batch of two images: RuntimeError",
        "The model is loaded in float32: remove .half() and .bfloat16() (torch.autocast does nothing here), and the types agree."),
    "item": (
        NET.replace(RETURN, "        x = x * int(x.max().item())\n" + RETURN), "model.py:15: the model runs, but its graph could not be captured",
        "no `if`, loop or index on the values of a tensor, no .item()."),
    "not_captured": (
        NET.replace(RETURN, "        x = torch.from_numpy(x.detach().numpy())\n" + RETURN), "model.py:15: the model runs, but its graph could not be captured",
        "torch.export cannot follow that line: write it with torch's own layers and functions."),
    "required_argument_of_the_command_line": (
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--width', required=True)\nargs = parser.parse_args()\n"
        + NET.replace("Conv2d(3, 8", "Conv2d(3, args.width"), "model.py:4: the file could not be imported: SystemExit: 2",
        "The command line is empty while a submission is loaded (the following arguments are required: --width): give every argument a default, as in default=16."),
    "table": (with_line("open('widths.csv')"), "model.py:9: the model could not be built: FileNotFoundError",
              ".csv files are never loaded, submitted or not (only .cfg, .ini, .ipynb, .json, .py, .toml, .txt, .yaml, .yml are): write what `widths.csv` holds into the code, or into a .json file."),
    "file_without_a_suffix": (with_line("open('widths')"), "model.py:9: ",
                              "`widths` is never loaded, submitted or not (only .cfg, .ini, .ipynb, .json, .py, .toml, .txt, .yaml, .yml are): write what `widths` holds into the code, or into a .json file."),
    "saves_itself": (with_line("torch.save({}, 'init.pth')"), "model.py:9: the model could not be built: RuntimeError",
                     "downloads nothing and starts no process or thread. Move that into the script that trains, or remove it."),
    "starts_a_thread": ("import threading\n" + with_line("threading.Thread(target=print).start()"), "model.py:10: the model could not be built: ",
                        "While a submission is loaded, it reads its own files and does nothing else: it writes no file or folder, downloads nothing and starts no process or thread. Move that into the script that trains, or remove it."),
    "writes_as_it_is_imported": ("open('log.txt', 'w')\nx = 1 / 0\n", "model.py:1: the file could not be imported: ",
                                 "Move that below `if __name__ == '__main__':`, or remove it."),
    "another_gpu": (with_line("self.w = torch.zeros(3, device='mps')"), "model.py:9: ",
                    "There is no GPU while a submission is graded: let the caller choose the device, with `.to(device)`."),
    "package": ("from einops import rearrange\n" + NET.replace("x.mean((2, 3))", "rearrange(x, 'n c h w -> n c').mean(1)"),
                "model.py:1: the file could not be imported: ModuleNotFoundError: No module named 'einops'",
                "einops is a package that this course does not install: write the model with torch alone. Remove the import of `einops` if the model does not need it."),
    "package_that_stands_in": ("import pytorch_lightning as pl\n" + NET.replace("class Net(nn.Module)", "class Net(pl.LightningModule)"), "model.py:7: the file could not be imported: NotThereError",
                               "pytorch_lightning is a package that this course does not install: write the model with torch alone. Remove it from the model's classes."),
    "module_of_torch": ("import torch.nn.layers\n" + NET.replace("nn.Linear", "torch.nn.layers.Linear"), "model.py:1: ", "`torch` has no module `nn.layers` in the installed version; check the spelling."),
    "values_decide": (NET.replace(RETURN, "        if x.sum() > 0:\n            x = x * 2\n" + RETURN), "model.py:15: the model runs, but its graph could not be captured",
                      "The forward pass must run the same operations for every image: no `if`, loop or index on the values of a tensor, no .item()."),
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(tmp_path_factory, assignment, sandbox) -> Mapping[str, Loaded | LoadFailure]:
    root = tmp_path_factory.mktemp("mistakes")
    for name, (source, _, _) in CASES.items():
        (root / name).mkdir()
        (root / name / "model.py").write_text(source)
    wanted = {name: Requested(file=root / name / "model.py", class_name=None) for name in CASES}
    limits = assignment.limits.model_copy(update={"intake_s": 300, "intake_cpu_s": 300})
    return trace(request(root, tmp_path_factory.mktemp("out"), wanted), limits, sandbox)


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_has_its_place_and_what_to_do_about_it(answers, name) -> None:
    answer, (_, begins, ends) = answers[name], CASES[name]
    assert isinstance(answer, LoadFailure), answer
    message = answer.message.replace(f"{name}/", "")
    assert message.startswith(begins)
    assert message.endswith(ends)
    assert "site-packages" not in answer.traceback
    assert "/tmp" not in message.replace("/tmp/log.txt", "")


@pytest.mark.parametrize(
    ("line", "said", "version"),
    [
        ("type Pair = tuple[int, int]", "invalid syntax", "3.12"),
        ("type Pair[T] = tuple[T, T]", "invalid syntax", "3.12"),
        ("def first[T](x: T) -> T:", "expected '('", "3.12"),
        ("class Block[T](nn.Module):", "invalid syntax", "3.12"),
        ("except ValueError, TypeError:", "multiple exception types must be parenthesized", "3.14"),
        ("said = t'{x}'", "invalid syntax", "3.14"),
    ],
)
def test_syntax_of_a_newer_python_is_said_to_be_that(monkeypatch, line, said, version) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 11, 0))
    error = SyntaxError(said, ("model.py", 1, 1, line))
    assert advice(Mistake(error, "import", "model.py:1", "")) == (
        f"That is syntax of Python {version}, and Python 3.11 runs here: write it in the older way."
    )
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    assert "cannot read that line" in advice(Mistake(error, "import", "model.py:1", ""))


def test_quotes_of_a_newer_f_string_are_explained(monkeypatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 11, 0))
    error = SyntaxError("f-string: unmatched '['", ("model.py", 1, 1, 's = f"{d["a"]}"'))
    assert advice(Mistake(error, "import", "model.py:1", "")).startswith(
        "In Python 3.11, which runs here, the quotes inside the braces of an f-string must differ"
    )
