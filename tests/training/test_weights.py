"""A checkpoint from elsewhere: every usual form is read, and what is not one is refused with a message."""

import gzip
import os
import pickle
import signal
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from harness.base.errors import UsageError
from harness.training import weights
from harness.training.checkpoint import weights_sha256
from harness.training.weights import KEYS, load_weights, state_dict_in


@pytest.fixture
def trained(tiny: type[nn.Module]) -> nn.Module:
    torch.manual_seed(7)
    return tiny()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.pth"


def loaded(path: Path, tiny: type[nn.Module]) -> str:
    network = tiny()
    load_weights(path, network)
    return weights_sha256(network)


@pytest.mark.parametrize("key", [None, *KEYS])
def test_a_state_dict_is_found_at_the_top_and_under_every_usual_key(key, trained, tiny, path):
    state = trained.state_dict()
    torch.save(state if key is None else {"epoch": 3, "optimizer": {}, key: state}, path)
    assert loaded(path, tiny) == weights_sha256(trained)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_what_wrappers_put_before_the_names_is_taken_off(prefix, trained, tiny, path):
    torch.save({prefix + name: tensor for name, tensor in trained.state_dict().items()}, path)
    assert loaded(path, tiny) == weights_sha256(trained)


def test_safetensors_are_read_too(trained, tiny, tmp_path):
    path = tmp_path / "some.safetensors"
    save_file(trained.state_dict(), path)
    assert loaded(path, tiny) == weights_sha256(trained)


def test_the_older_file_format_of_torch_is_read_too(trained, tiny, path):
    torch.save(trained.state_dict(), path, _use_new_zipfile_serialization=False)
    assert loaded(path, tiny) == weights_sha256(trained)


def test_batch_norms_counters_may_be_missing_as_older_checkpoints_lack_them(trained, tiny, path):
    state = trained.state_dict()
    del state["bn.num_batches_tracked"]
    torch.save(state, path)
    assert loaded(path, tiny) == weights_sha256(trained)


def mismatch(path: Path, tiny: type[nn.Module]) -> str:
    before = tiny()
    kept = weights_sha256(before)
    with pytest.raises(UsageError) as caught:
        load_weights(path, before)
    assert weights_sha256(before) == kept
    return str(caught.value)


def test_weights_of_another_network_name_the_first_tensors_that_differ(trained, tiny, path):
    state = dict(trained.state_dict())
    state["conv.weight"] = torch.zeros(8, 3, 3, 3)
    state["bn.bias"] = state["bn.bias"].half()
    del state["fc.bias"]
    state["head.bias"] = torch.zeros(10)
    torch.save(state, path)
    assert mismatch(path, tiny) == (
        f"{path}: the weights are of another network: conv.weight: expected float32 [4, 3, 3, 3], got "
        "float32 [8, 3, 3, 3]; bn.bias: expected float32 [4], got float16 [4]; fc.bias is missing; and 1 "
        "more. Name the class and the constructor arguments they were trained with (--class, --ctor), "
        "or the variant (--variant)."
    )


def test_a_tensor_too_much_is_named(trained, tiny, path):
    torch.save(trained.state_dict() | {"extra": torch.zeros(1)}, path)
    assert "another network: extra is not in the network. Name the class" in mismatch(path, tiny)


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
def test_a_sparse_tensor_does_not_fit(trained, tiny, path):
    torch.save(trained.state_dict() | {"fc.weight": torch.eye(10, 4).to_sparse()}, path)
    assert "fc.weight: expected float32 [10, 4], got float32 [10, 4] (torch.sparse_coo)" in mismatch(
        path, tiny
    )


def test_two_tensors_that_become_one_are_refused(trained, tiny, path):
    torch.save(trained.state_dict() | {"module.fc.bias": torch.zeros(10)}, path)
    assert "two tensors have the same name without module. and _orig_mod.; expected one" in mismatch(
        path, tiny
    )


@pytest.mark.parametrize(
    ("content", "got"),
    [
        ({"epoch": 3, "acc": 0.9}, "got a dictionary with the keys epoch, acc"),
        ({}, "got a dictionary with nothing in it"),
        ([torch.zeros(1)], "got list"),
        (torch.zeros(3), "got Tensor"),
        ({"state_dict": {1: torch.zeros(1)}}, "got a dictionary with the keys state_dict"),
    ],
)
def test_a_file_without_a_state_dict_says_what_it_holds(content, got, path):
    torch.save(content, path)
    with pytest.raises(UsageError, match="no state dict; expected tensors by name, at the top or under") as e:
        state_dict_in(path)
    assert got in str(e.value)


def test_a_whole_model_is_refused_before_any_of_its_code_runs(path):
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(UsageError, match="a whole model cannot be read, for reading one would run its code"):
        state_dict_in(path)


def test_a_file_that_would_run_code_is_refused(path):
    torch.save({"state_dict": signal.raise_signal}, path)
    with pytest.raises(UsageError, match="not a readable checkpoint"):
        state_dict_in(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", b"PK\x03\x04broken", b"\x80\x04.", gzip.compress(b"x", mtime=0), pickle.dumps({1: 2})],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_bytes_that_are_no_checkpoint_are_refused(content, suffix, tmp_path):
    path = tmp_path / f"some{suffix}"
    path.write_bytes(content)
    with pytest.raises(
        UsageError, match=r"some\.(pth|safetensors): not a readable checkpoint \(|no state dict"
    ):
        state_dict_in(path)


def test_a_missing_file_and_something_else_than_a_file_are_told_apart(tmp_path):
    with pytest.raises(UsageError, match=r"none\.pth: no such file; expected a checkpoint"):
        state_dict_in(tmp_path / "none.pth")
    os.mkfifo(tmp_path / "pipe.pth")
    for path in (tmp_path, tmp_path / "pipe.pth", Path("/dev/zero")):
        with pytest.raises(UsageError, match="not a file; expected a checkpoint"):
            state_dict_in(path)


def test_a_file_that_cannot_be_looked_at_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"not a readable checkpoint \(.*too long"):
        state_dict_in(tmp_path / ("x" * 300))


def test_a_large_file_is_refused_before_it_is_read(path):
    with path.open("wb") as file:
        file.truncate(weights.MAX_MIB * 2**20 + 1)
    with pytest.raises(
        UsageError, match=r"too large; expected at most 512 MiB, unpacked, got 512\. Save the"
    ):
        state_dict_in(path)


def test_a_small_file_that_unpacks_to_a_large_one_is_refused(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(weights.MAX_MIB // 64 + 1):
            archive.writestr(f"archive/data/{i}", bytes(64 * 2**20))
    assert path.stat().st_size < 2**20
    with pytest.raises(UsageError, match="too large; expected at most 512 MiB, unpacked, got 576"):
        state_dict_in(path)


class TakesMemory:
    """Pickled as a call that torch's reader of plain data allows."""

    def __reduce__(self):
        return bytearray, (64 * 2**30,)


def test_a_small_file_that_asks_for_memory_is_refused_and_the_bound_is_lifted_again(path):
    torch.save({"state_dict": TakesMemory()}, path)
    with pytest.raises(UsageError, match="not a readable checkpoint"):
        state_dict_in(path)
    assert len(bytearray(weights.MEMORY_MIB * 2**20)) > 0


def test_a_tensor_that_claims_a_shape_without_having_the_numbers_does_not_fit(trained, tiny, path):
    vast = torch.zeros(1).expand(10**6, 10**6)
    torch.save(trained.state_dict() | {"fc.weight": vast}, path)
    assert "fc.weight: expected float32 [10, 4], got float32 [1000000, 1000000]" in mismatch(path, tiny)
