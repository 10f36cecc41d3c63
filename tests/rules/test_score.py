from types import SimpleNamespace

from harness.record import Finding
from harness.rules.score import grade_record, grade_variant


def finding(status, points, most):
    return Finding(rule="r", status=status, expected="", actual="", points=points, max_points=most)


def test_points_add_up_and_one_failure_fails():
    findings = [finding("passed", 10, 10), finding("failed", 0, 5), finding("not_judged", None, 5)]
    assert grade_variant(findings) == ("failed", 10, 20)


def test_a_rule_that_was_not_judged_leaves_the_verdict_open():
    assert grade_variant([finding("passed", 10, 10), finding("not_judged", None, 5)])[0] == "not_judged"


def test_a_record_combines_its_variants():
    variants = [
        SimpleNamespace(verdict=v, points=p, max_points=10) for v, p in (("passed", 10), ("failed", 4))
    ]
    assert grade_record(variants) == ("failed", 14, 20)
