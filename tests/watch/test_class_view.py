"""A class as it is watched: what the store says, read again only where it has changed."""

import re
import time

import pytest
from sqlalchemy import event

from harness.base.tables import content_hash
from harness.cohort.platforms.class_list import parse_class_list
from harness.cohort.store.current_assignment import switch_to
from harness.cohort.store.leases import this_process
from harness.cohort.store.schema import TaskTable
from harness.cohort.store.stored_class_list import enter_class_list
from harness.training.events import EpochEvent
from harness.training.progress import ProgressLog

HOSTILE = "<script>alert(1)</script>\u202e\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}"


def text(html: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", html).split())


def test_it_says_how_the_class_stands(cohort, view, record):
    cohort.ingest("ada", "bob", "cyd", "dan")
    for student, one in zip(
        ("ada", "bob", "cyd"), (record(0.9), record(0.8, ["a"]), record(problem="NameError")), strict=True
    ):
        cohort.grade_one(student, one)
    cohort.begin()
    cohort.ingest("eve")
    parts = view().parts()
    for said in ("5 students", "1 ✗ failed", "1 ? not judged", "1 … waiting", "1 … running"):
        assert said in text(parts["counts"])
    assert text(parts["left"]) == "Rules: 2 left, about 4 s."
    assert text(parts["now"]) == "By the rules dan"
    assert "2 networks, 80.00 to 90.00 %; median 85.00 %" in text(parts["spread"])
    assert text(parts["rules"]) == "a basic, : 1 failed"
    assert text(parts["causes"]) == "1 something in the submission cyd : NameError"
    for number, line in enumerate(
        (
            "ada . (rules )?passed .*90.00 %",
            "bob ✗ failed .*80.00 %",
            r"cyd \? not judged NameError .*–",
            "dan … running .*–",
            "eve … waiting .*–",
        )
    ):
        assert re.fullmatch(line, text(parts[f"s{number}"]))


def test_the_leaderboard_has_no_names_unless_they_are_asked_for(cohort, view, record):
    cohort.ingest("ada", "bob", "cyd")
    for student, accuracy in (("ada", 0.8), ("bob", 0.9), ("cyd", None)):
        cohort.grade_one(student, record(accuracy))
    unnamed, named = view().parts()["board"], view(names=True).parts()["board"]
    assert re.findall("<strong>(.*?)</strong>", unnamed) == ["90.00\u00a0%", "80.00\u00a0%"]
    assert not re.search("ada|bob|cyd", unnamed)
    assert re.findall("ada|bob|cyd", named) == ["bob", "ada"]


def test_the_curve_of_who_is_being_trained_grows_and_the_time_that_is_left_with_it(
    cohort, view, record, epoch
):
    cohort.ingest("ada")
    cohort.grade_all(record())
    with cohort.store.writing() as session:
        session.get_one(TaskTable, cohort.keys["ada"]).stage = "training"
    cohort.begin("training")
    watched = view()
    assert text(watched.parts()["now"]) == "ada the training begins"
    log = ProgressLog(cohort.store.objects.progress(cohort.keys["ada"]))
    log.begin("basic", 1, 10, resumed=False)
    assert text(watched.parts()["now"]) == "ada basic, seed 1: the first of 10 epochs"
    points = []
    for number in (1, 2):
        log.epoch(EpochEvent(log=epoch(number), epochs=10, seconds=40.0))
        parts = watched.parts()
        points.append(len(re.search('class="line test" points="([^"]*)"', parts["now"])[1].split()))
        left = {1: "about 6 min", 2: "about 5 min"}[number]
        assert f"basic, seed 1: epoch {number} of 10, {left} left" in text(parts["now"])
        assert text(parts["left"]) == f"Training: 1 left, {left}."
    assert points == [1, 2]


def test_who_was_at_a_grader_that_died_waits_again_though_the_lease_lasts(cohort, view, record):
    name, numbers, rest = this_process().split("/")
    dead = f"{name.rpartition(':')[0]}:{2**22 + 1}/{numbers}/{rest}"
    cohort.ingest("ada")
    cohort.begin(owner=dead, lease_s=600)
    assert text(view().parts()["s0"]).startswith("ada … waiting")


def test_a_lease_that_has_ended_is_seen_though_nobody_wrote_anything(cohort, view, monkeypatch):
    cohort.ingest("ada")
    cohort.begin(lease_s=60)
    watched = view()
    assert "running" in watched.parts()["s0"]
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    assert "waiting" in watched.parts()["s0"]


def test_only_the_records_of_who_has_changed_are_read_again(cohort, view, record):
    cohort.ingest(*(f"student {i}" for i in range(30)))
    cohort.grade_all(record())
    watched = view()
    before = watched.parts()
    cohort.ingest("late")
    asked: list[str] = []
    event.listen(
        watched.store.engine, "before_cursor_execute", lambda *given: asked.append(f"{given[2]} {given[3]}")
    )
    after = watched.parts()
    reading = [statement for statement in asked if "submission.source" in statement]
    assert len(reading) == 1
    assert reading[0].endswith("('late',)")
    assert {key for key in after if after[key] != before.get(key)} == {"counts", "left", "students", "s30"}
    asked.clear()
    watched.parts()
    assert not [statement for statement in asked if "grade.record" in statement]


def test_another_assignment_shows_the_class_under_it(cohort, view, record):
    cohort.ingest("ada", "bob")
    cohort.grade_all(record())
    watched = view()
    assert "s1" in watched.parts()
    other = cohort.config.assignment.model_copy(update={"id": "other", "title": "Another"})
    cohort.ingest("bob", assignment=other)
    switch_to(cohort.store, content_hash(other))
    parts = watched.parts()
    assert watched.title == "Another"
    assert text(parts["counts"]).startswith("1 students")
    assert "waiting" in parts["s1"]
    assert "s0" not in parts


def test_who_is_in_the_list_of_the_class_and_handed_in_nothing_is_shown_until_something_comes(cohort, view):
    cohort.ingest("ada")
    watched = view()
    assert "s1" not in watched.parts()
    enter_class_list(cohort.store, parse_class_list("name,id\nada,1\nZoë,2\n"))
    assert text(watched.parts()["s1"]).startswith("Zoë … nothing handed in")
    cohort.ingest("Zoë")
    parts = watched.parts()
    assert text(parts["s1"]).startswith("Zoë … waiting")
    assert text(parts["counts"]) == "2 students 2 … waiting"


def test_what_a_submission_is_called_and_what_went_wrong_stay_text(cohort, view, record):
    cohort.ingest(HOSTILE)
    cohort.grade_all(record(problem=HOSTILE, rules=[HOSTILE]))
    for html in view(names=True).parts().values():
        assert "<script" not in html
        assert "<img" not in html
        assert "\u202e" not in html
        assert " 49" not in html


@pytest.mark.parametrize("name", ["0" * 64, "../../cohort.db", ""])
def test_there_is_no_card_but_those_of_the_store(cohort, view, record, name):
    cohort.ingest("ada")
    cohort.grade_all(record())
    watched = view()
    watched.parts()
    assert watched.card(name) is None
    assert watched.card(cohort.keys["ada"]).read_text().startswith("<!doctype html>")
