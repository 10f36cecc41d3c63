"""The record: one JSON form, sealed by the hash of its result."""

import hashlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.base.errors import UsageError
from harness.record.findings import combined
from harness.record.record import Record, load_record, sealed, to_json
from harness.record.trainings import EpochLog, wilson_interval


def a_record(**changes) -> Record:
    values = {
        "assignment": "a",
        "assignment_title": "A",
        "assignment_sha256": "0" * 64,
        "submission_sha256": "1" * 64,
        "verdict": "passed",
        "points": 70,
        "max_points": 70,
        "variants": {},
        "provenance": {"host": "here"},
    }
    return sealed(Record.model_validate(values | changes))


def test_the_hash_covers_the_result_and_leaves_out_the_provenance():
    assert a_record(provenance={"host": "there"}).result_sha256 == a_record().result_sha256
    assert a_record(points=69).result_sha256 != a_record().result_sha256


def test_equal_records_are_written_with_equal_bytes_and_sorted_keys():
    text = to_json(a_record())
    assert text == to_json(a_record())
    assert text.endswith("}\n")
    assert list(json.loads(text)) == sorted(json.loads(text))


def test_a_record_comes_back_from_its_file(tmp_path):
    path = tmp_path / "scorecard.json"
    path.write_text(to_json(a_record()))
    assert load_record(path) == a_record()


def test_a_record_changed_after_it_was_written_is_refused(tmp_path):
    path = tmp_path / "scorecard.json"
    path.write_text(to_json(a_record()).replace('"points": 70', '"points": 71'))
    with pytest.raises(UsageError, match="the result was changed after it was written; expected SHA-256"):
        load_record(path)


def test_a_missing_file_and_a_file_that_is_no_record_are_told_apart(tmp_path):
    with pytest.raises(UsageError, match="no such file; expected a record"):
        load_record(tmp_path / "none.json")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(UsageError, match="not a record of schema harness/record/1"):
        load_record(tmp_path / "other.json")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_not_finite_never_enters_a_record(value):
    with pytest.raises(ValidationError):
        EpochLog(epoch=1, train_loss=value, train_acc=0, test_loss=0, test_acc=0, lr=0)


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        (["passed", "passed"], "passed"),
        (["passed", "not_judged"], "not_judged"),
        (["failed", "not_judged"], "failed"),
        ([], "passed"),
    ],
)
def test_one_failure_fails_and_one_open_rule_leaves_it_open(statuses, verdict):
    assert combined(statuses) == verdict


def test_the_wilson_interval_agrees_with_a_published_example():
    # 81 of 263: (0.2553, 0.3662), Newcombe, Statistics in Medicine 17 (1998) 857-872, table I.
    low, high = wilson_interval(81, 263)
    assert round(low, 4) == 0.2553
    assert round(high, 4) == 0.3662


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_within_zero_and_one(counts):
    correct, total = counts
    low, high = wilson_interval(correct, total)
    assert 0 <= low <= correct / total + 1e-12
    assert correct / total - 1e-12 <= high <= 1


@pytest.mark.parametrize(("correct", "total"), [(1, 0), (-1, 10), (11, 10)])
def test_an_impossible_count_is_an_error(correct, total):
    with pytest.raises(ValueError, match="expected 0 <= correct <= total"):
        wilson_interval(correct, total)


def test_a_record_written_before_a_field_was_added_still_has_its_seal(tmp_path):
    variant = {
        "title": "t",
        "class_name": "Net",
        "full": False,
        "verdict": "passed",
        "points": 70,
        "max_points": 70,
        "findings": (),
        "facts": {},
    }
    old = json.loads(to_json(a_record(variants={"basic": variant})))
    for variant in old["variants"].values():
        del variant["facts"]["receptive_field_check"]
    kept = {k: v for k, v in old.items() if k not in ("provenance", "result_sha256")}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    old["result_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    path = tmp_path / "scorecard.json"
    path.write_text(json.dumps(old))
    assert load_record(path).result_sha256 == old["result_sha256"]
