"""What the intake child makes of a submission, and what the parent makes of the child.

Every submission here is honest code: at worst it is broken, slow or too large. They lie in one
folder, as the variants of one submission do, and each has a child of its own.
"""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from honest import TINY
from safetensors import safe_open

from harness.loader.client import Loaded, LoadFailure, clean_text
from harness.sandbox.client import Sandbox
from harness.sources.requested import Requested

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


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("two", ["several models fit: Tiny (162 parameters), Other (162 parameters)", "--class NAME"]),
        ("seven", ["no class takes (N, 3, 32, 32) images and gives (N, 10) logits",
                   "Tiny: gives (2, 7) for two images", "Other: gives a tuple for two images"]),
        ("absent", ["no torch.nn.Module class named Net; the file defines: Tiny"]),
        ("undefined", ["`dropout_value` is used but never defined"]),
        ("no_module", ["no_module.py:1: the file could not be imported: ModuleNotFoundError",
                       "if it is a file of yours, hand in no_such_module_of_mine.py with the model"]),
        ("syntax", ["syntax.py:2: the file could not be imported: SyntaxError"]),
        ("arguments", ["Tiny: what is `width`?", "--ctor width=..."]),
        ("draws", ["draws.py:9: the model could not be built: NotThereError: seaborn.set",
                   "is not available while a submission is graded. A model needs torch alone"]),
        ("inherits", ["pytorch_lightning.LightningModule is not available"]),
        ("control_flow", ["the model runs, but its graph could not be captured",
                          "no `if`, loop or index on the values of a tensor"]),
        ("dictionary", ["forward returns dict; expected one tensor of logits"]),
        ("exits", ["SystemExit: 0. That line ends the program"]),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_in_is_said_with_its_place_and_what_to_do(refused, name, said):
    message = refused(name).message
    assert [part for part in said if part not in message] == []


def test_a_name_that_was_never_imported_is_named_with_its_line(refused):
    answer = refused("no_f")
    assert answer.message == (
        "no_f.py:12: the model could not be run on a batch of two images: NameError: name 'F' is not "
        "defined. `F` is used at no_f.py:12 but never imported; add `import torch.nn.functional as F`."
    )
    assert 'File "no_f.py", line 12, in forward' in answer.traceback
    assert "site-packages" not in answer.traceback


def test_what_a_model_does_not_need_is_not_imported(traced):
    said = traced("plots").notes
    assert "not imported, a model does not need them: google, matplotlib, pandas, torchsummary, tqdm" in said


def test_a_file_of_the_submission_goes_before_what_would_stand_in(traced):
    assert traced("own_tqdm").architecture.by_name["conv.weight"].shape[0] == 5


def test_moving_to_a_gpu_that_is_not_there_does_nothing(traced):
    assert {node.op for node in traced("on_a_gpu").architecture.eval.nodes} >= {"aten.conv2d.default"}


def test_parameters_without_a_default_get_their_usual_value(traced):
    tensors = traced("usual_arguments").architecture.by_name
    assert tensors["conv.weight"].shape[0] == 3
    assert tensors["fc.weight"].shape[0] == 10


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
