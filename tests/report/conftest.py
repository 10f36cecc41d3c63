"""A record with one trained variant, one that failed a rule, and one that could not be loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.record.facts import Facts, ReceptiveFieldRow
from harness.record.findings import Finding, Problem, Where
from harness.record.record import Record, VariantRecord, sealed
from harness.record.trainings import DataUsed, EpochLog, Training, wilson_interval

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
        asks="no max-pooling, under any name",
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
                "assignment": {"data": {"dataset": "cifar10"}},
                "command": "harness grade submission",
                "versions": {"torch": "2", "python": "3.11"},
                "graded_at": "2026-01-01T00:00:00+00:00",
                "seconds": 1.0,
                "sandbox": "subprocess",
                "intake": {"basic": {"folder": "base_model"}, "dilated": {"folder": "dilated_model"}},
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


HOSTILE = (
    "<script>alert(1)</script>|`x`\"'><img src=https://example.org/x.png onerror=alert(2)>"
    "{{ 7 * 7 }}</style></title></pre>\x1b[31mred\x1b[0m\u202egnp.exe\u200b" + "y" * 3_000
)
"""A name that tries to be markup, a template, a terminal's command, and very long."""


@pytest.fixture
def hostile_record(record: Record) -> Record:
    """The record, with everything that a submission can influence replaced by `HOSTILE`."""
    basic, dilated = record.variants["basic"], record.variants["dilated"]
    places = (Where(layer=HOSTILE, source=HOSTILE, op=HOSTILE),)
    said = {"expected": HOSTILE, "actual": HOSTILE, "help": HOSTILE, "where": places}
    training = basic.training
    assert training is not None
    changed = basic.model_copy(
        update={
            "title": HOSTILE,
            "class_name": HOSTILE,
            "findings": tuple(finding.model_copy(update=said) for finding in basic.findings),
            "facts": basic.facts.model_copy(update={"warnings": (HOSTILE,)}),
            "receptive_field": tuple(
                row.model_copy(update={"layer": HOSTILE}) for row in basic.receptive_field
            ),
            "summary": HOSTILE,
            "training": training.model_copy(
                update={"device": HOSTILE, "notes": (HOSTILE,), "recipe": {HOSTILE: HOSTILE}}
            ),
        }
    )
    problem = Problem(cause="student", message=HOSTILE, traceback=HOSTILE)
    return record.model_copy(
        update={
            "assignment_title": HOSTILE,
            "variants": {"basic": changed, "dilated": dilated.model_copy(update={"problem": problem})},
            "provenance": {
                **record.provenance,
                "command": HOSTILE,
                "recipe": {"basic": {"why": HOSTILE}},
            },
        }
    )


@pytest.fixture
def full_record(record: Record, training: Training) -> Record:
    """A variant as large as real ones: ten classes, 24 epochs, every rule, 15 layers."""
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    confusion = tuple(tuple(862 if i == j else 20 - abs(i - j) for j in range(10)) for i in range(10))
    epochs = tuple(
        EpochLog(
            epoch=i,
            train_loss=2.3 / i + 0.3,
            train_acc=0.4 + 0.019 * i,
            test_loss=2.5 / i + 0.3,
            test_acc=0.3 + 0.0234 * i,
            lr=0.1,
        )
        for i in range(1, 25)
    )
    data = training.data.model_copy(update={"classes": names, "test_images": 10_000})
    trained = training.model_copy(update={"data": data, "confusion": confusion, "epochs": epochs})
    basic = record.variants["basic"]
    findings = tuple(
        Finding(
            rule=rule,
            status="passed",
            expected="jump 8 at the head, raised by exactly 3 convolutions (3x3, stride 2)",
            actual="jump 8: 3 convolutions (3x3, stride 2)",
            where=(Where(layer="block2.convolution.depthwise", source="model.py:46"),) * 4,
            points=10,
            max_points=10,
        )
        for rule in load_assignment(DEFAULT_ASSIGNMENT).rules
    )
    rows = tuple(
        ReceptiveFieldRow(
            layer=f"block{i // 3}.convolution.{i}", k=3, s=1, d=1,
            rf_in=4 * i + 1, jump_in=1, rf_out=4 * i + 5, jump_out=1,
        )
        for i in range(15)
    )  # fmt: skip
    update = {"training": trained, "findings": findings, "receptive_field": rows, "summary": "Conv2d " * 30}
    return record.model_copy(
        update={"variants": {name: basic.model_copy(update=update) for name in record.variants}}
    )


@pytest.fixture
def folder_with_pictures(tmp_path: Path) -> Path:
    """A variant's folder with images of its test and a drawing of its graph."""
    folder = tmp_path / "base_model"
    (folder / "plots").mkdir(parents=True)
    (folder / "plots" / "architecture.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="1500" height="90"><rect width="9" height="9"/></svg>'
    )
    images = np.arange(2 * 32 * 32 * 3, dtype=np.uint8).reshape(2, 32, 32, 3)
    probabilities = np.array([[0.05, 0.92, 0.03], [0.1, 0.2, 0.7]], np.float32)
    tested = {"images": images, "labels": np.array([0, 1]), "indices": np.array([0, 1])}
    arrays = {f"{kind}_{key}": value for kind in ("test", "wrong") for key, value in tested.items()}
    np.savez(
        folder / "samples.npz",
        **arrays,
        test_probabilities=probabilities,
        wrong_probabilities=probabilities,
        train_images=images,
        train_labels=np.array([0, 1]),
        train_augmented=np.stack([images, images], axis=1),
    )
    return folder
