"""What the intake child makes of a submission, and what the parent makes of the child.

Every submission here is honest code: at worst it is broken, slow or too large. They lie in one
folder, as the variants of one submission do, and each has a child of its own.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from safetensors import safe_open

from harness.loader.client import Loaded, LoadFailure, clean_text
from harness.sandbox.client import Sandbox
from harness.sources.requested import Requested

TINY = """
    import torch
    from torch import nn
    import torch.nn.functional as F

    class Tiny(nn.Module):
        def __init__(self, num_classes=10, width=4):
            super().__init__()
            self.conv = nn.Conv2d(3, width, 3, padding=1)
            self.fc = nn.Linear(width, num_classes)

        def forward(self, x):
            return self.fc(F.relu(self.conv(x)).mean((2, 3)))
"""


MODELS = {
    "plain": TINY,
    "wide": TINY,
    "helper": TINY + "\n    class Helper(nn.Module):\n        pass\n",
    "sibling": """
        from plain import Tiny

        class Mine(Tiny):
            pass
    """,
    "lazy": TINY.replace("nn.Linear(width, num_classes)", "nn.LazyLinear(num_classes)"),
    "tied": TINY.replace("self.fc =", "self.again = self.conv; self.fc =").replace(
        "F.relu(self.conv(x))", "(self.conv(x) + self.again(x))"
    ),
    "fixed": TINY.replace("super().__init__()", "super().__init__(); torch.manual_seed(7)"),
    "clock": TINY.replace(
        "super().__init__()", "super().__init__(); import time; torch.manual_seed(time.time_ns())"
    ),
    "two": TINY + TINY.replace("Tiny", "Other"),
    "seven": TINY.replace("num_classes=10", "num_classes=7")
    + TINY.replace("return self.fc(", "return x, self.fc(").replace("Tiny", "Other"),
    "pair": TINY.replace("return self.fc(", "return x, self.fc("),
    "absent": TINY,
    "no_f": TINY.replace("    import torch.nn.functional as F\n", ""),
    "undefined": "x = dropout_value",
    "no_module": "import no_such_module_of_mine",
    "syntax": "x = 1\ny = (\n",
    "arguments": TINY.replace("num_classes=10, width=4", "num_classes, width"),
    "control_flow": TINY.replace(
        "return self.fc", "x = x * 2 if x.sum() > 0 else x\n            return self.fc"
    ),
    "dictionary": TINY.replace("return self.fc(", "return dict(y="),
    "exits": "import sys; sys.exit(0)",
    "plots": dedent("""
        import matplotlib.pyplot as plt
        import pandas as pd
        from torchsummary import summary
        from tqdm.notebook import tqdm
        from google.colab import files

        plt.style.use("ggplot")
        with plt.xkcd():
            plt.plot([1], [2])[0].set_label("x")
        for batch in tqdm(range(3)):
            raise SystemExit
    """)
    + dedent(TINY)
    + "\nsummary(Tiny().cuda(), (3, 32, 32))\n",
    "draws": "import seaborn as sns\n"
    + dedent(TINY).replace("super().__init__()", "super().__init__(); sns.set()"),
    "inherits": "import pytorch_lightning as pl\n"
    + dedent(TINY).replace("nn.Module)", "pl.LightningModule)"),
    "own_tqdm": "from thop import profile\n" + dedent(TINY).replace("width=4", "width=profile()"),
    "thop": "def profile():\n    return 5\n",
    "on_a_gpu": TINY.replace("return self.fc(", 'x = x.cuda().to("cuda:0")\n            return self.fc('),
    "usual_arguments": TINY.replace("num_classes=10, width=4", "num_classes, in_channels, dropout").replace(
        "width", "in_channels"
    ),
    "prints": TINY + "\n    print('hello \\x1b[31m world')\n    print('I am', __file__)\n",
}
"""One honest file each, named for its idea."""

NAMED = dict.fromkeys(("no_f", "arguments", "control_flow", "dictionary"), "Tiny") | {"absent": "Net"}
"""Cases that name their class; the others have it found."""


@pytest.fixture(scope="module")
def answers(
    tmp_path_factory: pytest.TempPathFactory, trace_all, sandbox: Sandbox
) -> Mapping[str, Loaded | LoadFailure]:
    root = tmp_path_factory.mktemp("models")
    variants = {}
    for name, source in MODELS.items():
        file = root / f"{name}.py"
        file.write_text(dedent(source))
        arguments = {"width": 6} if name == "wide" else {}
        variants[name] = Requested(file=file, class_name=NAMED.get(name), arguments=arguments)
    return trace_all(sandbox, root, variants)


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


@pytest.fixture(scope="module")
def refused(answers: Mapping[str, Loaded | LoadFailure]):
    """The answer of a case that cannot be taken in."""

    def answer(name: str) -> LoadFailure:
        found = answers[name]
        assert isinstance(found, LoadFailure)
        assert found.cause == "student"
        return found

    return answer


@pytest.fixture(scope="module")
def traced(answers: Mapping[str, Loaded | LoadFailure]):
    """The answer of a case that can be taken in."""

    def answer(name: str) -> Loaded:
        found = answers[name]
        assert isinstance(found, Loaded), found
        return found

    return answer


@pytest.fixture
def alone(tmp_path: Path, trace_all, sandbox: Sandbox):
    """Take in one source in a child of its own."""

    def run(source: str, *, memory_mib: int = 4096, intake_s: int = 120) -> Loaded | LoadFailure:
        file = tmp_path / "model.py"
        file.write_text(source)
        wanted = {"basic": Requested(file=file, class_name=None)}
        bounds = {"memory_mib": memory_mib, "intake_s": intake_s, "cpu_s": 120}
        return trace_all(sandbox, tmp_path, wanted, **bounds)["basic"]

    return run


def test_the_reference_networks_come_out_as_graphs_with_their_weights(reference, trace_all, sandbox):
    expected = {"Net": 84_322, "NetDilated": 197_858}
    variants = {name: Requested(file=reference / "model.py", class_name=name) for name in expected}
    for name, answer in trace_all(sandbox, reference, variants).items():
        assert isinstance(answer, Loaded)
        trainable = [t for t in answer.architecture.tensors if t.trainable]
        assert sum(t.numel for t in trainable) == expected[name]
        assert f"Total params: {expected[name]:,}" in answer.summary
        assert "Units.MEGABYTES" not in answer.summary
        with safe_open(answer.weights, "numpy") as weights:
            assert set(weights.keys()) == {t.name for t in answer.architecture.tensors}


def test_nodes_carry_their_layer_and_the_students_line(traced):
    nodes = traced("plain").architecture.eval.nodes
    convolution = next(n for n in nodes if n.op == "aten.conv2d.default")
    assert convolution.module == "conv"
    assert convolution.source == "plain.py:13"
    assert convolution.shape == ("batch", 4, 32, 32)


def test_the_only_model_of_a_file_is_found_by_what_it_does(traced):
    assert traced("helper").class_name == "Tiny"


def test_constructor_arguments_reach_the_model(traced):
    assert traced("wide").architecture.by_name["conv.weight"].shape == (6, 3, 3, 3)


def test_siblings_of_the_file_can_be_imported(traced):
    assert traced("sibling").class_name == "Mine"


def test_weights_that_ignore_the_seed_are_noticed(traced):
    assert traced("plain").seeds_differ
    assert not traced("fixed").seeds_differ


def test_weights_that_differ_under_one_seed_are_noticed(traced):
    assert any("the initial weights are not reproducible" in note for note in traced("clock").notes)
    honest = [note for name in ("plain", "fixed", "lazy") for note in traced(name).notes]
    assert not any("not reproducible" in note for note in honest)


def test_lazy_layers_take_shape_before_the_export(traced):
    assert traced("lazy").architecture.by_name["fc.weight"].shape == (10, 4)


def test_tied_weights_are_one_tensor(traced):
    assert traced("tied").architecture.by_name["again.weight"].tied_to == "conv.weight"


def test_what_the_student_prints_is_kept_without_control_characters(traced):
    assert "hello [31m world" in traced("prints").output
    assert "I am prints.py" in traced("prints").output


def test_several_candidates_are_listed_with_their_parameters(refused):
    message = refused("two").message
    assert "several models fit: Tiny (162 parameters), Other (162 parameters)" in message
    assert "--class NAME" in message


def test_no_candidate_says_what_each_class_does(refused):
    message = refused("seven").message
    assert "no class takes (N, 3, 32, 32) images and gives (N, 10) logits" in message
    assert "Tiny: gives (2, 7) for two images" in message
    assert "Other: gives a tuple for two images" in message


def test_a_class_that_is_not_there_lists_those_that_are(refused):
    assert "no torch.nn.Module class named Net; the file defines: Tiny" in refused("absent").message


def test_a_name_that_was_never_imported_is_named_with_its_line(refused):
    answer = refused("no_f")
    assert answer.message == (
        "no_f.py:12: the model could not be run on a batch of two images: NameError: name 'F' is not "
        "defined. `F` is used at no_f.py:12 but never imported; add `import torch.nn.functional as F`."
    )
    assert 'File "no_f.py", line 12, in forward' in answer.traceback
    assert "site-packages" not in answer.traceback


def test_another_undefined_name_is_explained(refused):
    assert "`dropout_value` is used but never defined" in refused("undefined").message


def test_a_missing_module_is_named(refused):
    message = refused("no_module").message
    assert "no_module.py:1: the file could not be imported: ModuleNotFoundError" in message
    assert "if it is a file of yours, hand in no_such_module_of_mine.py with the model" in message


def test_a_syntax_error_has_its_line(refused):
    assert "syntax.py:2: the file could not be imported: SyntaxError" in refused("syntax").message


def test_constructor_arguments_that_are_missing_are_asked_for(refused):
    message = refused("arguments").message
    assert message.startswith("Tiny: what is `width`?")
    assert "--ctor width=..." in message


def test_what_a_model_does_not_need_is_not_imported(traced):
    said = traced("plots").notes
    assert "not imported, a model does not need them: google, matplotlib, pandas, torchsummary, tqdm" in said


def test_what_stands_in_cannot_be_used_while_the_model_is_built(refused):
    message = refused("draws").message
    assert message.startswith("draws.py:9: the model could not be built: NotThereError: seaborn.set")
    assert "is not available while a submission is graded. A model needs torch alone" in message


def test_a_model_cannot_inherit_from_what_stands_in(refused):
    assert "pytorch_lightning.LightningModule is not available" in refused("inherits").message


def test_a_file_of_the_submission_goes_before_what_would_stand_in(traced):
    assert traced("own_tqdm").architecture.by_name["conv.weight"].shape[0] == 5


def test_moving_to_a_gpu_that_is_not_there_does_nothing(traced):
    assert {node.op for node in traced("on_a_gpu").architecture.eval.nodes} >= {"aten.conv2d.default"}


def test_parameters_without_a_default_get_their_usual_value(traced):
    tensors = traced("usual_arguments").architecture.by_name
    assert tensors["conv.weight"].shape[0] == 3
    assert tensors["fc.weight"].shape[0] == 10


def test_control_flow_on_values_cannot_be_captured_and_says_so(refused):
    message = refused("control_flow").message
    assert "the model runs, but its graph could not be captured" in message
    assert "no `if`, loop or index on the values of a tensor" in message


def test_a_model_that_returns_no_tensor_is_told_what_to_return(refused):
    assert "forward returns dict; expected one tensor of logits" in refused("dictionary").message


def test_exiting_while_imported_is_reported_as_such(refused):
    assert "SystemExit: 0. That line ends the program" in refused("exits").message


def test_a_file_that_never_ends_is_stopped(alone):
    answer = alone("import time\ntime.sleep(600)", intake_s=3)
    assert isinstance(answer, LoadFailure)
    assert answer.cause == "student"
    assert "did not end; expected at most 3 s" in answer.message


def test_a_model_that_wants_more_memory_than_there_is_gets_a_message(alone):
    answer = alone("import torch\nx = torch.zeros(2**31)", memory_mib=512)
    assert isinstance(answer, LoadFailure)
    assert (answer.ending, answer.cause) == ("over_memory", "student")
    assert "It asked for more memory than the assignment allows" in answer.message


def test_text_from_the_child_is_cut_and_cleaned():
    assert clean_text("a\x00b\x1b[1m\u202ec\td\n") == "ab[1mc\td\n"
    assert len(clean_text("x" * 10**6)) == 64 * 1024


def test_a_child_that_dies_is_told_from_one_that_answers(alone):
    answer = alone("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    assert isinstance(answer, LoadFailure)
    assert answer.cause == "student"
    assert "the child crashed with SIGSEGV while the file ran" in answer.message


def test_a_child_that_leaves_early_is_reported_with_its_last_words(alone):
    answer = alone("import os\nprint('bye', flush=True)\nos._exit(7)")
    assert isinstance(answer, LoadFailure)
    assert "the child ended with exit status 7 before it answered" in answer.message
    assert "bye" in answer.traceback


def test_weights_drawn_with_numpy_or_random_are_the_same_every_time(tmp_path, trace_all, sandbox):
    source = dedent(TINY).replace(
        "self.fc =", "self.scale = nn.Parameter(torch.tensor([random.random(), np.random.rand()])); self.fc ="
    )
    file = tmp_path / "model.py"
    file.write_text("import random\nimport numpy as np\n" + source)
    bytes_of = []
    wanted = Requested(file=file, class_name="Tiny")
    for answer in trace_all(sandbox, tmp_path, {"one": wanted, "two": wanted}).values():
        assert isinstance(answer, Loaded)
        assert answer.seeds_differ
        bytes_of.append(answer.weights.read_bytes())
    assert bytes_of[0] == bytes_of[1]
