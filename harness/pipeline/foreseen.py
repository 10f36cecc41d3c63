"""The differences of a reproduction that are known before anything is trained."""

from collections.abc import Iterator, Mapping, Sequence

from harness.base.gpus import Gpu, gpus
from harness.base.machine import computes_bfloat16, cpu_features
from harness.record.record import Record


def foreseen(record: Record) -> tuple[str, ...]:
    """Return what the processor or the GPU will change: other bytes, or a training that takes long."""
    kept = record.provenance.get("fingerprint")
    kept = kept if isinstance(kept, dict) else {}
    before = kept.get("cpu_features")
    trainings = [training for variant in record.variants.values() for training in variant.trainings]
    on_cpu = [training for training in trainings if training.device == "cpu"]
    said: list[str] = []
    if on_cpu and before is not None and set(str(before).split()) != cpu_features():
        said.append("This processor has other instructions than the recorded one: expect other bytes.")
    if any(one.recipe.get("precision") == "bfloat16" for one in on_cpu) and not computes_bfloat16():
        said.append(
            "The record was trained in bfloat16, which this processor does not compute natively: "
            "expect 7 to 12 times the time of float32."
        )
    if len(on_cpu) < len(trainings) and "device" in kept:
        said += _other_gpu(kept, gpus())
    return tuple(said)


# Private functions


def _other_gpu(kept: Mapping[str, object], here: Sequence[Gpu]) -> Iterator[str]:
    """Return how the GPU that a training will run on differs from the recorded one."""
    name = str(kept["device"]).partition(",")[0]  # older records have the versions of the libraries there too
    if not here:
        yield f"The record was trained on {name}, and no GPU can be used here: expect it to be refused."
        return
    driver = str(kept.get("gpu_driver", "unknown"))
    parts = [
        f"{what} {now}, recorded {recorded}"
        for what, recorded, now in (("GPU", name, here[0].name), ("driver", driver, here[0].driver))
        if recorded != "unknown" and now != recorded
    ]
    if parts:
        yield f"Not the recorded GPU: {'; '.join(parts)}. Expect other bytes."
