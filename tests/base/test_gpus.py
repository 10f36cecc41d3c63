"""What `nvidia-smi` lists is read as it is, and what CUDA would not see is not used."""

from pathlib import Path

import pytest
from cards import H100, LARGE, LISTING, SMALL, TABLE, install

from harness.base.gpus import Gpu, driver, gpus, listed, visible

CARD = Gpu(H100, "0", "NVIDIA H100 80GB HBM3", "550.54.15", 80_950)
SLICES = (
    Gpu(LARGE, "1", "NVIDIA A100-SXM4-40GB MIG 3g.20gb", "550.54.15", 17_400),
    Gpu(SMALL, "1", "NVIDIA A100-SXM4-40GB MIG 1g.5gb+me", "550.54.15", 4_350),
)


def test_a_card_in_mig_mode_is_its_slices() -> None:
    assert listed(TABLE, LISTING) == (CARD, *SLICES)


def test_what_cannot_be_read_is_not_known_and_no_error() -> None:
    strange = f"a warning\n0, {H100}, NVIDIA H100, 550.54.15, [Insufficient Permissions], [N/A]\n"
    assert listed(strange, "") == (Gpu(H100, "0", "NVIDIA H100", "550.54.15", None),)
    assert listed(TABLE, "") == (CARD,)
    assert listed("", LISTING) == ()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("0", (CARD,)),
        ("1,0", (*SLICES, CARD)),
        (SMALL, SLICES[1:]),
        (f"GPU-9507,{LARGE}", (CARD, SLICES[0])),
        ("0,0", (CARD,)),
        ("0,7,1", (CARD,)),
        ("-1", ()),
        ("0,-1,1", (CARD,)),
        ("", ()),
    ],
)
def test_devices_are_chosen_as_cuda_chooses_them(said: str, expected: tuple[Gpu, ...]) -> None:
    assert visible((CARD, *SLICES), said) == expected


def test_the_machine_is_asked_and_the_environment_chooses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch)
    assert (gpus(), driver()) == ((CARD, *SLICES), "550.54.15")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert gpus() == SLICES


@pytest.mark.parametrize("is_there", [True, False])
def test_without_a_working_nvidia_smi_the_environment_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    install(tmp_path, monkeypatch, "exit 9\n")
    if not is_there:
        monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"2,{SMALL}")
    assert [(gpu.id, gpu.free_mib) for gpu in gpus()] == [("2", None), (SMALL, None)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus() == ()
