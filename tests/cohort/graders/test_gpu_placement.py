"""Graders are put where there is room, by the share of the memory."""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.assignment.spec import AssignmentSpec
from harness.base.gpus import Gpu
from harness.cohort.graders.cached import Intake, Taken
from harness.cohort.graders.gpu_placement import (
    BASE_MIB,
    graders_that_fit,
    largest_need_mib,
    need_mib,
    placed,
)
from harness.cohort.store.models import CACHED
from harness.graph.ir import parse_architecture
from harness.settings.recipe import RecipeOverride


def devices(*free_mib: int | None) -> tuple[Gpu, ...]:
    return tuple(Gpu(f"GPU-{i}", str(i), "NVIDIA H100", free_mib=free) for i, free in enumerate(free_mib))


@pytest.mark.parametrize(
    ("free_mib", "need", "expected"),
    [
        ((80_000,), 2_000, 40),
        ((80_000, 24_000), 5_000, 16 + 4),
        ((4_350, 4_350, 17_400), 4_000, 1 + 1 + 4),
        ((24_000, 1_000), 5_000, 4),
        ((1_000, 2_000), 5_000, 1),
        ((None, None), 5_000, 2),
        ((None, 24_000), 5_000, 1 + 4),
        ((), 5_000, 0),
    ],
)
def test_as_many_fit_as_the_free_memory_of_each_device_holds(
    free_mib: Sequence[int | None], need: int, expected: int
) -> None:
    assert graders_that_fit(devices(*free_mib), need) == expected


@pytest.mark.parametrize(
    ("free_mib", "graders", "expected"),
    [
        ((10_000, 10_000), 4, "0101"),
        ((30_000, 10_000), 4, "0001"),
        ((16_000, 8_000), 6, "001001"),
        ((1_000, 9_000), 1, "1"),
        ((None, None), 2, "01"),
        ((None, None), 3, "010"),
        ((10_000, 4_000), 5, "00100"),
        ((), 3, ""),
    ],
)
def test_each_device_gets_its_share_of_the_graders(
    free_mib: Sequence[int | None], graders: int, expected: str
) -> None:
    assert "".join(gpu.index for gpu in placed(devices(*free_mib), 4_000, graders)) == expected


@pytest.mark.parametrize(
    "free_mib", [(80_000, 24_000), (4_350, 17_400, 9_000), (24_000, 1_000), (8_000,) * 7]
)
def test_none_is_put_where_there_is_no_room_while_there_is_some_elsewhere(free_mib: Sequence[int]) -> None:
    here, need = devices(*free_mib), 3_000
    for graders in range(1, graders_that_fit(here, need) + 1):
        on = Counter(placed(here, need, graders))
        assert sum(on.values()) == graders
        assert all(count * need <= (gpu.free_mib or 0) for gpu, count in on.items())


def test_a_training_needs_its_values_once_and_the_largest_twice_more(reference: Path) -> None:
    graph = parse_architecture((reference / "results/base_model/architecture.json").read_bytes()).train
    one, two = need_mib(graph, 512) - BASE_MIB, need_mib(graph, 1024) - BASE_MIB
    assert two == pytest.approx(2 * one, abs=1)
    assert one == 643 + 2 * 64


def test_the_largest_network_with_its_own_batch_size_decides(
    reference: Path, assignment: AssignmentSpec, tmp_path: Path
) -> None:
    folder = tmp_path / "artefacts"
    (folder / "basic").mkdir(parents=True)
    shutil.copy(reference / "results/base_model/architecture.json", folder / "basic")
    taken = Taken(class_name="Net", folder="basic", recipe=RecipeOverride(batch_size=1024), graph_sha256="0")
    none = Taken(class_name="", folder="dilated", recipe=RecipeOverride(), graph_sha256=None)
    intake = Intake(seed=1, backend="lock", variants={"basic": taken, "dilated": none})
    (folder / CACHED).write_text(intake.model_dump_json(by_alias=True))
    graph = parse_architecture((folder / "basic/architecture.json").read_bytes()).train
    assert largest_need_mib([folder, tmp_path / "gone"], assignment) == need_mib(graph, 1024)
    assert largest_need_mib([], assignment) == BASE_MIB
