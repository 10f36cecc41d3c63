"""What another processor or GPU will change is said before anything is trained."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from cards import SMALL, install, install_processor

from harness.pipeline.reproduce import foreseen
from harness.record.record import Record, load_record

ON_CARD = {"device": "NVIDIA H100 80GB HBM3", "gpu_driver": "550.54.15"}


def recorded(reference: Path, fingerprint: Mapping[str, str], device: str = "cpu", **recipe: str) -> Record:
    """Change where and how the trainings of the reference submission's record were."""
    record = load_record(reference / "results" / "scorecard.json")
    variants = {}
    for name, variant in record.variants.items():
        assert variant.training is not None
        other = {"device": device, "recipe": variant.training.recipe | recipe}
        variants[name] = variant.model_copy(update={"training": variant.training.model_copy(update=other)})
    provenance = {**record.provenance, "fingerprint": dict(fingerprint)}
    return record.model_copy(update={"variants": variants, "provenance": provenance})


def test_another_processor_is_named(reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_processor(tmp_path, monkeypatch, "avx2 fma")
    assert foreseen(recorded(reference, {"cpu_features": "avx2 fma"}, precision="float32")) == ()
    other, slow = foreseen(recorded(reference, {"cpu_features": "avx2"}, precision="bfloat16"))
    assert other == "This processor has other instructions than the recorded one: expect other bytes."
    assert slow.endswith("expect 7 to 12 times the time of float32.")


@pytest.mark.parametrize(
    ("fingerprint", "visible", "said"),
    [
        (ON_CARD, "0", ()),
        ({"device": "NVIDIA H100 80GB HBM3, CUDA 12.8, cuDNN 91002"}, "0", ()),
        (ON_CARD | {"gpu_driver": "unknown"}, "0", ()),
        ({}, "0", ()),
        (
            {"device": "NVIDIA H200", "gpu_driver": "570.86.15"},
            "0",
            (
                "Not the recorded GPU: GPU NVIDIA H100 80GB HBM3, recorded NVIDIA H200; "
                "driver 550.54.15, recorded 570.86.15. Expect other bytes.",
            ),
        ),
        (
            ON_CARD,
            SMALL,
            (
                "Not the recorded GPU: GPU NVIDIA A100-SXM4-40GB MIG 1g.5gb+me, recorded "
                "NVIDIA H100 80GB HBM3. Expect other bytes.",
            ),
        ),
        (
            ON_CARD,
            "",
            (
                "The record was trained on NVIDIA H100 80GB HBM3, and no GPU can be used here: "
                "expect it to be refused.",
            ),
        ),
    ],
)
def test_another_gpu_slice_or_driver_is_named(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    fingerprint: dict[str, str], visible: str, said: tuple[str, ...],
) -> None:  # fmt: skip
    install(tmp_path, monkeypatch)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert foreseen(recorded(reference, fingerprint, "cuda")) == said
