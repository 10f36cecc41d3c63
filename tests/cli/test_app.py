"""The command line as a user meets it: a process, its two outputs, its exit code."""

import contextlib
import json
import os
import pty
import re
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import REPOSITORY
from PIL import Image

from harness.assignment.spec import DEFAULT_ASSIGNMENT
from harness.base.errors import UsageError
from harness.cli.options import _argument
from harness.record.record import Record, sealed
from harness.training.progress import read_progress

NO_DATA = {"CIFAR10_URL": "http://127.0.0.1:9/cifar-10-python.tar.gz"}
"""An address where nobody answers: the data cannot be had."""

ORIGINALS = REPOSITORY.parent / "shared" / "reference" / "original-checkpoints"
"""What the first authors of the two networks trained; outside the repository."""

TINY = """
    from torch import nn

    class Tiny(nn.Module):
        def __init__(self, num_classes=10, width=4):
            super().__init__()
            self.conv = nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False)
            self.bn = nn.BatchNorm2d(width)
            self.pool = nn.MaxPool2d(2)
            self.fc = nn.Linear(width, num_classes)

        def forward(self, x):
            return self.fc(self.pool(self.bn(self.conv(x)).relu()).mean((2, 3)))
"""

Harness = Callable[..., subprocess.CompletedProcess[str]]


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-m", "harness", *map(str, args)]


def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("CIFAR10_ROOT", "CIFAR10_URL")}
    return kept | NO_DATA | {"COLUMNS": "200"}


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    """Run the harness in an empty folder, without data and without network."""

    def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*args), cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
        )

    return run


@pytest.mark.parametrize("name", ["check", "grade", "train", "evaluate"])
def test_the_help_of_every_command_shows_an_example(harness, name):
    done = harness(name, "--help")
    assert done.returncode == 0
    assert f"Example: harness {name} submission" in done.stdout


def test_help_imports_neither_torch_nor_anything_else_that_is_slow():
    script = (
        "import sys, harness.cli.app; "
        "slow = {'torch', 'numpy', 'pydantic', 'jinja2', 'harness.pipeline.grade'} & set(sys.modules); "
        "sys.exit(str(slow) if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_explaining_a_rule_imports_neither_torch_nor_numpy():
    script = (
        "import sys, harness.cli.app; sys.argv = ['harness', 'explain', 'dilation']\n"
        "try: harness.cli.app.main()\n"
        "except SystemExit as end: sys.exit(end.code or str({'torch', 'numpy'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
    assert done.stdout.startswith("# `dilation`")


def test_explain_prints_a_page_as_markdown_and_without_a_rule_lists_them_all(harness):
    page, all_rules = harness("explain", "no_max_pool"), harness("explain")
    assert (page.returncode, all_rules.returncode, page.stderr) == (0, 0, "")
    assert page.stdout.startswith("# `no_max_pool`\n")
    assert page.stdout.count("\n## ") == 0
    assert "- `no_max_pool`: Check that no maximum" in all_rules.stdout


def test_grading_never_imports_torch_into_the_parent():
    script = "import sys, harness.cli.terminal, harness.pipeline.grade; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["explain", "no_maxpool"], "no such rule. Did you mean 'no_max_pool'?"),
        (["explain", "zzz"], "no such rule. Known rules: allow_only, "),
        (["chek"], "Did you mean 'check'"),
        (["check"], "Missing argument 'path'"),
        (["check", "nowhere"], "no such file or folder"),
        (["check", ".", "--ctor", "ten"], "--ctor ten: expected NAME=VALUE"),
        (["check", ".", "--assignment", "none.toml"], "none.toml: no such file"),
        (["grade", ".", "--out", "/dev/null"], "--out /dev/null: cannot be written"),
        (
            ["evaluate", ".", "--weights", "none.pth"],
            "none.pth: no such file; expected a checkpoint.",
        ),
        (["train", ".", "--seeds", "2", "--resume", "x.pth"], "--resume: continues one training; expected"),
        (["grade", ".", "--device", "tpu"], "'tpu' is not one of 'auto', 'cpu', 'cuda'"),
    ],
)
def test_bad_usage_exits_with_2_and_says_what_was_expected(harness, args, message):
    done = harness(*args)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_of_a_manifest_does_not_steer_the_terminal(harness, write):
    folder = write(model=TINY, submission_toml='"\\u001b[2Jkey" = 1\n')
    done = harness("check", folder)
    assert done.returncode == 2
    assert "submission.toml: ⟨U+001B⟩[2Jkey: unknown key" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_model_that_breaks_a_rule_exits_with_1_and_the_json_has_standard_output_to_itself(harness, write):
    done = harness("check", write(model=TINY), "--json", "-")
    assert done.returncode == 1
    record = Record.model_validate_json(done.stdout)
    assert sealed(record) == record
    findings = {f.rule: f for f in record.variants["basic"].findings}
    assert findings["no_max_pool"].status == "failed"
    assert findings["no_max_pool"].where[0].layer == "pool"
    assert findings["no_max_pool"].points == 0
    assert findings["max_parameters"].status == "passed"
    assert "min_accuracy" not in findings
    assert "no_max_pool" in done.stderr
    assert "✗ failed" in done.stderr
    assert "What a rule allows and why: harness explain no_max_pool\n" in done.stderr


def test_the_reference_submission_has_the_known_parameters_receptive_fields_and_jumps(
    harness, reference, tmp_path
):
    done = harness("check", reference, "--json", "record.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    variants = json.loads((tmp_path / "record.json").read_text())["variants"]
    known = {
        name: [v["facts"][key] for key in ("parameters", "receptive_field_px", "jump")]
        for name, v in variants.items()
    }
    assert known == {"basic": [84_322, 55, 8], "dilated": [197_858, 45, 1]}


OLDER_HEAD = """
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 8, 3, padding=1)
            self.dw = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8)
            self.pw = nn.Conv2d(8, 16, 1, stride=2)
            self.maps = nn.Conv2d(16, 10, 3, padding=4, dilation=4)

        def forward(self, x):
            return self.maps(self.pw(self.dw(self.first(x)))).mean((2, 3))
"""


@pytest.mark.slow
def test_another_edition_of_the_assignment_is_a_file_on_the_command_line(harness, write):
    folder = write(model=OLDER_HEAD)
    edition = DEFAULT_ASSIGNMENT.with_name("cifar10-c1c2c3c4.toml")
    done = harness("check", folder, "--assignment", edition, "--json", "-")
    assert done.returncode == 0, done.stderr
    record = Record.model_validate_json(done.stdout)
    assert record.assignment == "cifar10-c1c2c3c4"
    assert record.variants["basic"].facts.receptive_field_px == 23
    assert record.variants["basic"].facts.receptive_field_with_pool_px == 53


def test_a_file_that_cannot_be_imported_exits_with_3_and_shows_the_reason(harness, write):
    done = harness("check", write(model="import torch\nx = nn.ReLU()\n"))
    assert done.returncode == 3
    assert "model.py:2" in done.stderr
    assert "add `from torch import nn`" in done.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_exits_with_130_and_leaves_no_child_and_no_copy(write, tmp_path, sent):
    folder = write(model="import time\ntime.sleep(300)\n")
    (tmp_path / "temporary").mkdir()
    with subprocess.Popen(
        command("check", folder),
        cwd=tmp_path,
        env=environment() | {"TMPDIR": str(tmp_path / "temporary")},
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background may have been told to ignore Ctrl-C; the harness has not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as running:
        try:
            assert running.stderr is not None
            assert "importing" in running.stderr.readline()
            children = both_children_of(running.pid)
            assert any((tmp_path / "temporary").iterdir())
            running.send_signal(sent)
            _, said = running.communicate(timeout=30)
        finally:
            running.kill()
    assert running.returncode == 130
    assert "interrupted" in said
    assert list((tmp_path / "temporary").iterdir()) == []
    # Killed, or not yet asked anything: then they end when they find nobody to ask them.
    deadline = time.monotonic() + 20
    while left := [child for child in children if Path(f"/proc/{child}").exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's copies were out of reach")
@pytest.mark.slow
def test_a_check_passes_and_keeps_its_files_to_itself_under_a_strict_umask(reference, tmp_path):
    with subprocess.Popen(
        command("check", reference, "--variant", "basic", "--json", "record.json"),
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        umask=0o077,
    ) as running:
        _, said = running.communicate(timeout=120)
    assert running.returncode == 0, said
    assert (tmp_path / "record.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_a_path_that_is_not_utf_8_is_written_out_in_the_record(harness, write, tmp_path):
    folder = write(model=TINY)
    (folder / "model.py").rename(folder / os.fsdecode(b"mod\xe9le.py"))
    done = harness("check", folder / os.fsdecode(b"mod\xe9le.py"), "--json", os.fsdecode(b"\xe9.json"))
    assert done.returncode == 1, done.stderr
    record = json.loads((tmp_path / os.fsdecode(b"\xe9.json")).read_text())
    assert "mod\\xe9le.py" in record["provenance"]["command"]


def test_a_full_disk_is_said_with_what_to_do(write, tmp_path):
    limit = (1_000, resource.RLIM_INFINITY)
    with subprocess.Popen(
        command("check", write(model="#" * 5_000)),
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    ) as running:
        _, said = running.communicate(timeout=120)
    assert running.returncode == 3
    assert "cannot be written (File too large); no verdict was reached. Make room there" in said


def both_children_of(pid: int) -> list[int]:
    """The sandbox and the worker, once both have been started."""
    children: list[str] = []
    deadline = time.monotonic() + 20
    while len(children) < 2 and time.monotonic() < deadline:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    first, second = children
    return [int(first), int(second)]


@pytest.mark.parametrize(
    ("text", "value"),
    [("n=10", 10), ("p=0.1", 0.1), ("norm=BN", "BN"), ("bias=true", True), ("bias=False", False), ("s=", "")],
)
def test_constructor_arguments_have_the_type_they_look_like(text, value):
    name, parsed = _argument(text)
    assert name == text.partition("=")[0]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("text", ["n", "=1", "a b=1"])
def test_a_constructor_argument_needs_a_name_and_a_value(text):
    with pytest.raises(UsageError, match="expected NAME=VALUE such as num_classes=10"):
        _argument(text)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_data_file_that_is_not_the_official_one_exits_with_2_and_is_kept(harness, write, tmp_path):
    batches = tmp_path / "wrong" / "cifar-10-batches-py"
    batches.mkdir(parents=True)
    (batches / "data_batch_1").write_bytes(b"not the batch")
    done = harness("grade", write(model=TINY), "--data", tmp_path / "wrong")
    assert done.returncode == 2
    assert "data_batch_1: not the official file; expected MD5 c99cafc152244af753f735de768cd75f" in done.stderr
    assert (batches / "data_batch_1").read_bytes() == b"not the batch"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_without_data_there_is_a_preview_a_scorecard_and_exit_3_unless_a_rule_failed(
    harness, reference, tmp_path
):
    done = harness("grade", reference, "--variant", "basic")
    assert done.returncode == 3, done.stderr
    record = Record.model_validate_json((tmp_path / "results" / "scorecard.json").read_bytes())
    variant = record.variants["basic"]
    accuracy = variant.findings[-1]
    assert (accuracy.rule, accuracy.status, accuracy.cause) == (
        "min_accuracy",
        "not_judged",
        "infrastructure",
    )
    assert "not measured: CIFAR-10 could not be had. A preview on the embedded mini set" in accuracy.actual
    assert "CIFAR-10: not found; looked for" in done.stderr
    assert "CIFAR-10: not found; looked for" in record.provenance["notes"][0]
    assert variant.training is not None
    assert variant.training.data.name == "mini"
    assert variant.facts.accuracy is None
    assert [f.status for f in variant.findings[:-1]] == ["passed"] * 10
    card = (tmp_path / "results" / "scorecard.md").read_text()
    assert "preview on the embedded mini set, not a grade" in card
    layout = {p.name for p in (tmp_path / "results" / "base_model").iterdir()}
    assert layout >= {"train_log.csv", "model_summary.txt", "classification_report.csv", "checkpoints"}


def test_a_learning_rate_of_zero_is_bad_usage(harness, reference):
    done = harness("train", reference, "--lr", "0")
    assert done.returncode == 2
    assert "recipe: lr: expected more than 0" in done.stderr


def test_training_a_file_that_cannot_be_imported_says_why_and_exits_with_3(harness, write):
    done = harness("train", write(model="x = nn\n"))
    assert done.returncode == 3
    assert "error: model.py:1" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_default_variant_is_trained_unless_others_are_named(harness, write, tmp_path):
    variant = '[variants.{}]\nfile = "model.py"\nclass = "Tiny"\nrecipe = {{ epochs = 1 }}\n'
    folder = write(model=TINY, submission_toml=variant.format("basic") + variant.format("dilated"))
    trained = {}
    for named in ((), ("--variant", "dilated")):
        assert harness("grade", folder, "--data", "mini", *named).returncode == 1
        record = Record.model_validate_json((tmp_path / "results" / "scorecard.json").read_bytes())
        trained[named] = {name: one.training is not None for name, one in record.variants.items()}
    assert trained == {
        (): {"basic": True, "dilated": False},  # the rules of the other
        ("--variant", "dilated"): {"dilated": True},  # the other is not looked at
    }


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_several_seeds_are_trained_apart_and_summed_up(harness, write, tmp_path):
    done = harness(
        "train", write(model=TINY), "--data", "mini", "--epochs", "1", "--workers", "0", "--seeds", "3",
        "--seed", "4", "--batch-size", "500",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trainings = [
        json.loads((tmp_path / "results" / "basic" / f"seed_{seed}" / "training.json").read_text())
        for seed in (4, 5, 6)
    ]
    assert [training["seed"] for training in trainings] == [4, 5, 6]
    progress = [
        one
        for seed in (4, 5, 6)
        for one in read_progress(tmp_path / "results" / "basic" / f"seed_{seed}" / "progress.jsonl")
    ]
    assert [(one.seed, one.epochs, one.ended) for one in progress] == [(n, 1, "trained") for n in (4, 5, 6)]
    assert [one.log[-1].test_acc for one in progress] == [
        training["epochs"][-1]["test_acc"] for training in trainings
    ]
    found = [training["accuracy"] for training in trainings]
    assert len({training["initial_sha256"] for training in trainings}) == 3
    assert done.stderr.splitlines()[-1] == (
        f"basic, seeds 4 to 6: mean {statistics.mean(found):.2%}, standard deviation "
        f"{100 * statistics.stdev(found):.2f} points, min {min(found):.2%}, max {max(found):.2%}"
    )


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_checkpoint_measures_what_its_training_said(harness, write, tmp_path):
    folder = write(model=TINY)
    train = ("train", folder, "--data", "mini", "--epochs", "1", "--workers", "0")
    assert harness(*train).returncode == 0
    training = json.loads((tmp_path / "results" / "basic" / "training.json").read_text())
    last = tmp_path / "results" / "basic" / "checkpoints" / "last.pth"
    done = harness("evaluate", folder, "--weights", last, "--data", "mini", "--json", "measured.json")
    assert done.returncode == 0, done.stderr
    measured = json.loads((tmp_path / "measured.json").read_text())
    same = ("data", "confusion", "accuracy", "accuracy_interval", "weights_sha256")
    assert {key: measured[key] for key in same} == {key: training[key] for key in same}
    assert f"accuracy: {training['accuracy']:.2%} of 1,000 test images, the embedded mini set" in done.stdout
    assert all(name in done.stdout for name in training["data"]["classes"])
    wrong = harness("evaluate", folder, "--weights", last, "--data", "mini", "--ctor", "width=5")
    assert wrong.returncode == 2
    assert "another network: conv.weight: expected float32 [5, 3, 3, 3], got float32 [4, 3" in wrong.stderr


@pytest.mark.slow
@pytest.mark.skipif(not ORIGINALS.is_dir(), reason=f"the original checkpoints are not in {ORIGINALS}")
@pytest.mark.skipif("CIFAR10_ROOT" not in os.environ, reason="CIFAR10_ROOT is not set")
@pytest.mark.parametrize(("variant", "accuracy"), [("basic", "87.70%"), ("dilated", "92.01%")])
def test_the_original_checkpoints_measure_what_their_authors_said(harness, reference, variant, accuracy):
    weights, data = ORIGINALS / f"{variant}.pth", os.environ["CIFAR10_ROOT"]
    done = harness("evaluate", reference, "--variant", variant, "--weights", weights, "--data", data)
    assert f"accuracy: {accuracy} of 10,000 test images" in done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_grades_with_one_seed_have_the_same_result_byte_for_byte(harness, write, tmp_path):
    folder = write(model=TINY)
    records = []
    for out in ("one", "two"):
        assert harness("grade", folder, "--data", "mini", "--out", out).returncode == 1
        records.append(Record.model_validate_json((tmp_path / out / "scorecard.json").read_bytes()))
    assert records[0].result_sha256 == records[1].result_sha256
    first, second = (r.variants["basic"].training for r in records)
    assert first is not None
    assert first == second


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_training_killed_at_any_moment_and_resumed_ends_in_the_same_bytes(harness, write, tmp_path):
    """Killed three times, wherever that falls: inside an epoch, at its end, before the first."""
    folder = write(model=TINY)
    train = ("train", folder, "--data", "mini", "--epochs", "6", "--workers", "0", "--seed", "5")
    assert harness(*train, "--out", "whole").returncode == 0
    whole = json.loads((tmp_path / "whole" / "basic" / "training.json").read_text())
    last = tmp_path / "broken" / "basic" / "checkpoints" / "last.pth"
    for seconds in (9, 7, 8):
        resume = ("--resume", last) if last.exists() else ()
        running = subprocess.Popen(
            command(*train, "--out", "broken", *resume),
            cwd=tmp_path,
            env=environment(),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    resume = ("--resume", last) if last.exists() else ()
    assert harness(*train, "--out", "broken", *resume).returncode == 0
    broken = json.loads((tmp_path / "broken" / "basic" / "training.json").read_text())
    assert broken["weights_sha256"] == whole["weights_sha256"]
    assert broken["epochs"] == whole["epochs"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_terminal_shows_more_and_changes_nothing(harness, write, tmp_path):
    folder = write(model=TINY)
    train = ("train", folder, "--data", "mini", "--epochs", "1", "--workers", "0", "--seed", "5")
    assert harness(*train, "--out", "without").returncode == 0
    outer, inner = pty.openpty()
    running = subprocess.Popen(
        command(*train, "--out", "with"),
        cwd=tmp_path, env=environment() | {"TERM": "xterm"}, stdin=inner, stdout=inner, stderr=inner,
    )  # fmt: skip
    os.close(inner)
    shown = b""
    with contextlib.suppress(OSError):  # how Linux says that the other end is closed
        while chunk := os.read(outer, 1 << 16):
            shown += chunk
    os.close(outer)
    assert running.wait() == 0
    # A bar inside the epoch: its steps, and how long it takes yet.
    assert b"basic: epoch 1/1" in shown
    assert re.search(rb"step \d+/\d+ loss", shown)
    without, beside = (tmp_path / out / "basic" / "training.json" for out in ("without", "with"))
    assert beside.read_bytes() == without.read_bytes()


BOTH = """
    from torch import nn

    class Net(nn.Module):
        def __init__(self, num_classes=10):
            super().__init__()
            self.a = nn.Conv2d(3, 4, 3, padding=1)
            self.b = nn.Conv2d(4, 4, 3, stride=2, padding=2, dilation=2)
            self.fc = nn.Linear(4, num_classes)

        def forward(self, x):
            return self.fc(self.b(self.a(x)).mean((2, 3)))

    class Odd(Net):
        def forward(self, x):
            return self.fc(self.b(self.a(x).flip(3)).mean((2, 3)))
"""


@pytest.fixture
def two_layers(write: Callable[..., Path]) -> Path:
    return write(model=BOTH) / "model.py"


def test_the_table_the_numbers_and_the_second_measurement_are_printed(
    harness: Harness, two_layers: Path, tmp_path: Path
) -> None:
    done = harness("rf", two_layers, "--class", "Net", "--check", "--erf", "rf.png")
    assert done.returncode == 0, done.stderr
    assert "RF: Net (32x32 input)" in done.stdout
    assert "receptive field: 7 px, 37 px counting the global pool; jump 2" in done.stdout
    assert "measured by gradients: agrees (7 px)" in done.stdout
    assert "Effective receptive field: rf.png" in done.stderr
    with Image.open(tmp_path / "rf.png") as picture:
        assert picture.width > 400 and picture.height > 400


def test_markdown_goes_to_standard_output_with_the_title_and_input_asked_for(
    harness: Harness, two_layers: Path
) -> None:
    done = harness("rf", two_layers, "--class", "Net", "--markdown", "--title", "Mine", "--input", 3, 48, 64)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("### Mine\n\n|   # | Layer   |")
    assert (
        "**Final RF:** 7 &nbsp;&nbsp; **Final jump:** 2 &nbsp;&nbsp; **Counting the global pool:** 53"
        in done.stdout
    )


def test_what_cannot_be_measured_is_said_and_is_no_success(harness: Harness, two_layers: Path) -> None:
    done = harness("rf", two_layers, "--class", "Odd", "--check")
    assert done.returncode == 3
    assert "receptive field: not known: aten.flip.default in" in done.stdout
    assert "measured by gradients: not possible" in done.stdout


def test_one_picture_shows_one_network(harness: Harness, reference: Path) -> None:
    done = harness("rf", reference, "--erf", "rf.png")
    assert done.returncode == 2
    assert "error: --erf: expected one network, got basic, dilated. Name one with --variant." in done.stderr


def test_an_image_without_rows_is_refused(harness: Harness, two_layers: Path) -> None:
    done = harness("rf", two_layers, "--input", 3, 0, 32)
    assert done.returncode == 2
    assert "error: --input 3 0 32: expected three positive numbers, C H W." in done.stderr


def test_a_network_that_does_not_take_the_input_says_so(harness: Harness, two_layers: Path) -> None:
    done = harness("rf", two_layers, "--class", "Net", "--input", 1, 28, 28)
    assert done.returncode == 3
    assert "error: " in done.stderr
    assert "Traceback (most recent call last)" not in done.stderr.split("error: ")[0]
