"""A record with one trained variant, one that failed a rule, and one that could not be taken in."""

from collections.abc import Callable
from typing import Any

import pytest
from matplotlib.figure import Figure

from harness.record import (
    DataUsed,
    EpochLog,
    Facts,
    Finding,
    Problem,
    ReceptiveFieldRow,
    Record,
    Training,
    VariantRecord,
    Where,
    sealed,
    wilson_interval,
)

CLASSES = ("cat", "dog", "frog")
CONFUSION = ((8, 2, 0), (1, 9, 0), (5, 5, 0))


@pytest.fixture
def training() -> Training:
    epochs = [
        EpochLog(epoch=1, train_loss=1.5, train_acc=0.4, test_loss=1.2, test_acc=0.6, lr=0.1),
        EpochLog(epoch=2, train_loss=1.0, train_acc=0.5, test_loss=1.1, test_acc=17 / 30, lr=0.001),
    ]
    data = DataUsed(
        name="cifar10",
        train_images=50_000,
        test_images=30,
        sha256="d" * 64,
        mean=(0.5, 0.5, 0.5),
        std=(0.2, 0.2, 0.2),
        classes=CLASSES,
    )
    return Training(
        seed=1,
        device="cpu",
        data=data,
        recipe={"epochs": 2},
        epochs=epochs,
        best_epoch=1,
        confusion=CONFUSION,
        accuracy=17 / 30,
        accuracy_interval=wilson_interval(17, 30),
        initial_sha256="a" * 64,
        weights_sha256="b" * 64,
        notes=("trained at full size",),
    )


@pytest.fixture
def record(training: Training) -> Record:
    finding = Finding(
        rule="no_max_pool",
        status="failed",
        expected="no maximum over space",
        actual="1 max-pool",
        where=(Where(layer="block.pool", source="model.py:7", op="aten.max_pool2d.default"),),
        help="replace block.pool by a stride-2 convolution",
        points=0,
        max_points=5,
    )
    passed = Finding(
        rule="max_parameters",
        status="passed",
        expected="< 200,000",
        actual="84,322",
        points=10,
        max_points=10,
    )
    row = ReceptiveFieldRow(layer="c1.conv", k=3, s=1, d=1, rf_in=1, jump_in=1, rf_out=3, jump_out=1)
    facts = Facts(
        parameters=84_322,
        receptive_field_px=3,
        receptive_field_with_pool_px=34,
        jump=1,
        accuracy=training.accuracy,
        accuracy_interval=training.accuracy_interval,
        warnings=("the layer spare is registered but never called",),
    )
    variants = {
        "basic": VariantRecord(
            title="three strides",
            class_name="Net",
            full=True,
            verdict="failed",
            points=10,
            max_points=15,
            findings=(passed, finding),
            facts=facts,
            receptive_field=(row,),
            summary="Total params: 84,322",
            training=training,
            graph_sha256="c" * 64,
        ),
        "dilated": VariantRecord(
            title="dilation",
            class_name="NetDilated",
            full=False,
            verdict="not_judged",
            points=0,
            max_points=10,
            problem=Problem(cause="student", message="model.py:3: NameError", traceback="  File …"),
            findings=(),
            facts=Facts(),
        ),
    }
    return sealed(
        Record(
            assignment="a",
            assignment_title="A title",
            assignment_sha256="0" * 64,
            submission_sha256="1" * 64,
            verdict="failed",
            points=10,
            max_points=25,
            variants=variants,
            provenance={
                "command": "harness grade submission",
                "versions": {"torch": "2", "python": "3.11"},
                "graded_at": "2026-01-01T00:00:00+00:00",
                "seconds": 1.0,
                "sandbox": "subprocess",
            },
        )
    )


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Figure]]:
    """Call a drawing function and return the figures it saved; the files are written all the same."""
    saved: list[Figure] = []
    original = Figure.savefig

    def savefig(self: Figure, *args: Any, **kwargs: Any) -> None:
        saved.append(self)
        original(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", savefig)

    def draw(function: Callable[..., None], *args: Any) -> list[Figure]:
        saved.clear()
        function(*args)
        return list(saved)

    return draw
