"""Ten records that differ in what a format may get wrong: verdicts, open rules, variants, hostile text."""

import pytest

from harness.assignment.points import grade_variant, total
from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.record.facts import Facts, ReceptiveFieldRow
from harness.record.findings import Finding, Problem, Where
from harness.record.record import Record, VariantRecord, sealed
from harness.record.trainings import DataUsed, EpochLog, Training, wilson_interval

HOSTILE = (
    "<script>alert(1)</script>|`x` & \"q\" 'a' ]]> \x1b[2J\x1b[31m\x00\x07\u202egnp\u2069\ufffe\r\n"
    "# heading [a](b)"
)
ASSIGNMENT = load_assignment(DEFAULT_ASSIGNMENT)
RULES = tuple(ASSIGNMENT.rules)
WORTH = dict(zip(RULES, (10, 5, 10, 10, 10, 10, 5, 5, 5, 5, 25), strict=True))
ARCHITECTURE = RULES[:-1]


def finding(rule: str, status: str = "passed", text: str = "3 layers", **changes) -> Finding:
    values = {
        "rule": rule,
        "status": status,
        "cause": "infrastructure" if status == "not_judged" else None,
        "expected": f"what {rule} asks for",
        "actual": text,
        "where": (Where(layer=text, source=text, op="aten.relu.default"),),
        "help": "" if status == "passed" else f"Mend it: {text}",
        "points": {"passed": WORTH[rule], "failed": 0, "not_judged": None}[status],
        "max_points": WORTH[rule],
    }
    return Finding.model_validate(values | changes)


def findings(rules=RULES, *, failed=(), not_judged=(), text="3 layers") -> tuple[Finding, ...]:
    def status(rule: str) -> str:
        return "failed" if rule in failed else "not_judged" if rule in not_judged else "passed"

    return tuple(finding(rule, status(rule), text) for rule in rules)


def a_training(name: str = "cifar10") -> Training:
    confusion = tuple(tuple(870 if i == j else 130 // 9 + (j < 13 % 9) for j in range(10)) for i in range(10))
    total = sum(map(sum, confusion))
    return Training(
        seed=1,
        device="cpu",
        data=DataUsed(
            name=name,
            train_images=50_000,
            test_images=total,
            sha256="d" * 64,
            mean=(0.5, 0.5, 0.5),
            std=(0.2, 0.2, 0.2),
            classes=tuple("abcdefghij"),
        ),
        recipe={"epochs": 1, "lr": 0.2},
        epochs=(EpochLog(epoch=1, train_loss=1, train_acc=0.5, test_loss=1, test_acc=0.87, lr=0.01),),
        best_epoch=1,
        confusion=confusion,
        accuracy=8700 / total,
        accuracy_interval=wilson_interval(8700, total),
        initial_sha256="a" * 64,
        weights_sha256="b" * 64,
    )


def variant(listed: tuple[Finding, ...], text: str = "Net", **changes) -> VariantRecord:
    verdict, points, most = grade_variant(listed, sum(WORTH.values()))
    training = a_training() if any(f.rule == "min_accuracy" for f in listed) else None
    values = {
        "title": text,
        "class_name": text,
        "full": training is not None,
        "verdict": verdict,
        "points": points,
        "max_points": most,
        "findings": listed,
        "facts": Facts(parameters=84_322, warnings=(text,)),
        "receptive_field": (
            ReceptiveFieldRow(layer=text, k=3, s=1, d=1, rf_in=1, jump_in=1, rf_out=3, jump_out=1),
        ),
        "summary": f"Total params: 84,322 {text}",
        "graph_sha256": "c" * 64,
        "training": training,
    }
    return VariantRecord.model_validate(values | changes)


def not_loaded(rules=RULES, text: str = "model.py:3: NameError") -> VariantRecord:
    return variant(
        tuple(finding(rule, "not_judged", "no graph to look at", cause="student") for rule in rules),
        problem=Problem(cause="student", message=text, traceback=f'  File "model.py", line 3\n{text}'),
        facts=Facts(),
        receptive_field=(),
        summary="",
        graph_sha256=None,
        training=None,
    )


def a_record(text: str = "Net", **variants: VariantRecord) -> Record:
    scored = total(ASSIGNMENT, variants)
    return sealed(
        Record(
            assignment="cifar10-compact-cnn",
            assignment_title=text,
            assignment_sha256="0" * 64,
            submission_sha256="1" * 64,
            verdict=scored.verdict,
            points=scored.points,
            max_points=scored.max_points,
            variants=variants,
            provenance={
                "command": "harness grade submission",
                "versions": {"torch": "2", "python": "3.11"},
                "graded_at": "2026-01-01T00:00:00+00:00",
                "seconds": 1.0,
                "sandbox": "subprocess",
                "train_seconds": {"basic": 1301.3},
            },
        )
    )


TEN = {
    "passed": a_record(basic=variant(findings())),
    "both variants passed": a_record(
        basic=variant(findings()), dilated=variant(findings(ARCHITECTURE), "NetDilated")
    ),
    "one rule failed": a_record(basic=variant(findings(failed={"no_max_pool"}))),
    "accuracy failed": a_record(basic=variant(findings(failed={"min_accuracy"}))),
    "everything failed": a_record(basic=variant(findings(failed=RULES))),
    "accuracy not judged": a_record(
        basic=variant(findings(not_judged={"min_accuracy"}), training=a_training("mini"))
    ),
    "not loaded": a_record(basic=not_loaded()),
    "one variant not loaded": a_record(basic=variant(findings()), dilated=not_loaded(ARCHITECTURE)),
    "failed and not judged": a_record(
        basic=variant(findings(failed={"dilation"}, not_judged={"min_receptive_field", "min_accuracy"})),
        dilated=variant(findings(ARCHITECTURE, failed={"downsampling"})),
    ),
    "hostile names": a_record(
        HOSTILE,
        basic=variant(findings(failed={"dilation"}, not_judged={"min_accuracy"}, text=HOSTILE), HOSTILE),
        dilated=not_loaded(ARCHITECTURE, HOSTILE),
    ),
}


@pytest.fixture(params=TEN)
def any_record(request) -> Record:
    return TEN[request.param]


@pytest.fixture
def hostile() -> Record:
    return TEN["hostile names"]


@pytest.fixture
def half_judged() -> Record:
    return TEN["accuracy not judged"]


@pytest.fixture
def rules_alone() -> Record:
    return a_record(basic=variant(findings(ARCHITECTURE)))


@pytest.fixture
def both_in_full() -> Record:
    return a_record(basic=variant(findings()), dilated=variant(findings(), "NetDilated"))
