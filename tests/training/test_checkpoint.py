import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from harness.base.errors import UsageError
from harness.record.trainings import EpochLog
from harness.settings.recipe import RecipeSpec
from harness.training.checkpoint import (
    Identity,
    Progress,
    Trained,
    bound,
    clear,
    continued,
    resume,
    save,
    weights_sha256,
)
from harness.training.optimiser import optimised

IDENTITY = Identity(graph="g", weights="w", data="d", mean_and_std="s", recipe="r", seed=1, device="cpu")


def log(epoch: int, test_acc: float) -> EpochLog:
    return EpochLog(epoch=epoch, train_loss=1.5, train_acc=0.5, test_loss=1.25, test_acc=test_acc, lr=0.1)


def progress(*accuracies: float) -> Progress:
    return Progress(tuple(log(i + 1, a) for i, a in enumerate(accuracies)), ((1, 0), (2, 3)))


@pytest.fixture
def trained(tiny: type[nn.Module], recipe: RecipeSpec) -> Trained:
    fitted = optimised(tiny(), recipe, 10)
    fitted.model(torch.rand(4, 3, 32, 32)).sum().backward()
    fitted.optimizer.step()
    fitted.schedule.step()
    return fitted


def test_everything_comes_back(
    trained: Trained, tiny: type[nn.Module], recipe: RecipeSpec, tmp_path: Path
) -> None:
    save(tmp_path, trained, progress(0.1, 0.2), IDENTITY, save_every=0)
    fresh = optimised(tiny(), recipe, 10)
    assert resume(tmp_path / "last.pth", fresh, IDENTITY) == progress(0.1, 0.2)
    assert weights_sha256(fresh.model) == weights_sha256(trained.model)
    assert fresh.schedule.state_dict() == trained.schedule.state_dict()
    old, new = (t.optimizer.state_dict()["state"] for t in (trained, fresh))
    assert all(torch.equal(old[i]["momentum_buffer"], new[i]["momentum_buffer"]) for i in old)


KEY, OTHER_KEY = "ab" * 32, "cd" * 32


@pytest.fixture
def sealed(trained: Trained, tmp_path: Path) -> Path:
    """A folder with the checkpoint of two epochs, sealed with `KEY`."""
    save(tmp_path, trained, progress(0.1, 0.2), IDENTITY, 0, KEY)
    return tmp_path


def test_a_training_goes_on_from_its_own_sealed_checkpoint(
    sealed: Path, trained: Trained, tiny: type[nn.Module], recipe: RecipeSpec
) -> None:
    fresh = optimised(tiny(), recipe, 10)
    assert continued(sealed, fresh, IDENTITY, KEY) == progress(0.1, 0.2)
    assert weights_sha256(fresh.model) == weights_sha256(trained.model)


@pytest.mark.parametrize(
    ("identity", "key"), [(IDENTITY, OTHER_KEY), (IDENTITY, ""), (replace(IDENTITY, seed=2), KEY)]
)
def test_it_begins_anew_where_the_checkpoint_is_a_strangers_or_of_another_training(
    sealed: Path, tiny: type[nn.Module], recipe: RecipeSpec, identity: Identity, key: str
) -> None:
    fresh = optimised(tiny(), recipe, 10)
    before = weights_sha256(fresh.model)
    assert continued(sealed, fresh, identity, key) is None
    assert weights_sha256(fresh.model) == before


@pytest.mark.parametrize(
    "part", ["model", "unnamed", "optimizer", "schedule", "logs", "confusion", "identity"]
)
def test_a_checkpoint_of_which_anything_was_changed_is_not_gone_on_from(
    sealed: Path, tiny: type[nn.Module], recipe: RecipeSpec, part: str
) -> None:
    content = torch.load(sealed / "last.pth", weights_only=True)
    content[part] = content[part] | {"x": 1} if isinstance(content[part], dict) else content[part][:-1]
    torch.save(content, sealed / "last.pth")
    assert continued(sealed, optimised(tiny(), recipe, 10), IDENTITY, KEY) is None


def test_weights_that_were_trained_elsewhere_are_not_gone_on_from(
    sealed: Path, tiny: type[nn.Module], recipe: RecipeSpec
) -> None:
    content = torch.load(sealed / "last.pth", weights_only=True)
    name, weights = next(iter(content["model"].items()))
    content["model"][name] = weights + 1e-6
    torch.save(content, sealed / "last.pth")
    assert continued(sealed, optimised(tiny(), recipe, 10), IDENTITY, KEY) is None


def test_a_key_is_bound_to_the_fingerprint_it_is_used_under() -> None:
    keys = {bound(KEY, {"torch": "2"}), bound(KEY, {"torch": "3"}), bound(OTHER_KEY, {"torch": "2"})}
    assert len(keys - {KEY, OTHER_KEY}) == 3
    assert bound("", {"torch": "2"}) == ""


def test_without_a_checkpoint_or_with_a_broken_one_it_begins_anew(trained: Trained, tmp_path: Path) -> None:
    assert continued(tmp_path, trained, IDENTITY, KEY) is None
    (tmp_path / "last.pth").write_bytes(b"not a checkpoint")
    assert continued(tmp_path, trained, IDENTITY, KEY) is None


def test_what_a_kill_left_half_written_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left = [".last.pth.x7", ".best.pth.k_", ".epoch_003.pth.ab"]
    kept = ["last.pth", "best.pth", "epoch_003.pth", ".hidden", "notes.txt"]
    for name in (*left, *kept):
        (tmp_path / name).touch()
    clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


def test_the_first_best_epoch_is_kept(trained: Trained, tmp_path: Path) -> None:
    for done in (progress(0.1), progress(0.1, 0.3), progress(0.1, 0.3, 0.3)):
        save(tmp_path, trained, done, IDENTITY, save_every=0)
    best = torch.load(tmp_path / "best.pth", weights_only=True)
    assert set(best) == {"model", "epoch", "test_acc"}
    assert (best["epoch"], best["test_acc"]) == (2, 0.3)


def test_best_loads_into_the_student_s_own_class(
    trained: Trained, tiny: type[nn.Module], tmp_path: Path
) -> None:
    save(tmp_path, trained, progress(0.1), IDENTITY, save_every=0)
    for name in ("best.pth", "last.pth"):
        weights = torch.load(tmp_path / name, weights_only=True)["model"]
        loaded = tiny()
        loaded.load_state_dict(weights, strict=True)
        assert all(torch.equal(tensor, weights[key]) for key, tensor in loaded.state_dict().items())


def test_snapshots_are_kept_as_asked(trained: Trained, tmp_path: Path) -> None:
    for n in range(1, 5):
        save(tmp_path, trained, progress(*[0.1] * n), IDENTITY, save_every=2)
    assert {p.name for p in tmp_path.iterdir()} == {"last.pth", "best.pth", "epoch_002.pth", "epoch_004.pth"}


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("graph", r"of another model \(graph\); expected g, got other"),
        ("weights", r"of another model \(initial weights\); expected w, got other"),
        ("data", "of other data; expected d, got other"),
        ("mean_and_std", "normalised with other statistics; expected s, got other"),
        ("recipe", "of another recipe; expected r, got other"),
        ("seed", "of another seed; expected 1, got other"),
        ("device", "of another device; expected cpu, got other"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    trained: Trained, tmp_path: Path, field: str, words: str
) -> None:
    save(tmp_path, trained, progress(0.1), replace(IDENTITY, **{field: "other"}), save_every=0)
    with pytest.raises(UsageError, match=rf"last\.pth: the checkpoint is {words}\. Resume with what"):
        resume(tmp_path / "last.pth", trained, IDENTITY)


def test_best_is_not_a_checkpoint_to_resume_from(trained: Trained, tmp_path: Path) -> None:
    save(tmp_path, trained, progress(0.1), IDENTITY, save_every=0)
    with pytest.raises(
        UsageError, match=r"expected format harness/checkpoint/1, got None\. Resume from last\.pth"
    ):
        resume(tmp_path / "best.pth", trained, IDENTITY)


def test_a_missing_checkpoint_is_named(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.pth: no such file; expected a checkpoint such as last\.pth"):
        resume(tmp_path / "none.pth", trained, IDENTITY)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04broken", b"\x80\x04."])
def test_an_unreadable_checkpoint_is_named(trained: Trained, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.pth").write_bytes(content)
    with pytest.raises(
        UsageError, match=r"broken\.pth: not a readable checkpoint \(.+\)\. Train without --resume"
    ):
        resume(tmp_path / "broken.pth", trained, IDENTITY)


def test_a_checkpoint_that_would_run_code_is_refused(trained: Trained, tmp_path: Path) -> None:
    torch.save({"format": signal.raise_signal}, tmp_path / "hostile.pth")
    with pytest.raises(UsageError, match="not a readable checkpoint"):
        resume(tmp_path / "hostile.pth", trained, IDENTITY)


def test_the_hash_covers_names_dtypes_shapes_and_bytes() -> None:
    class Holder(nn.Module):
        def __init__(self, name: str, value: torch.Tensor) -> None:
            super().__init__()
            self.register_buffer(name, value)

    values = [
        Holder("a", torch.zeros(2)),
        Holder("b", torch.zeros(2)),
        Holder("a", torch.zeros(1, 2)),
        Holder("a", torch.zeros(2, dtype=torch.int32)),
        Holder("a", torch.tensor([0.0, -0.0])),
        Holder("a", torch.zeros(2, dtype=torch.bfloat16)),
        Holder("a", torch.tensor(True)),
    ]
    assert len({weights_sha256(value) for value in values}) == len(values)


def test_the_hash_does_not_depend_on_the_layout() -> None:
    conv = nn.Conv2d(3, 4, 3)
    before = weights_sha256(conv)
    assert weights_sha256(conv.to(memory_format=torch.channels_last)) == before


KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from harness.base.files import atomic_file
with atomic_file(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_while_writing_leaves_the_old_checkpoint(trained: Trained, tmp_path: Path) -> None:
    save(tmp_path, trained, progress(0.1), IDENTITY, save_every=0)
    before = (tmp_path / "last.pth").read_bytes()
    ended = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_WRITING, str(tmp_path / "last.pth")], check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert (tmp_path / "last.pth").read_bytes() == before
    assert resume(tmp_path / "last.pth", trained, IDENTITY).epoch == 1
