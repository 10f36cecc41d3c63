"""How long the trainings of a class take is worked out from the graphs whose rules have been judged."""

import json
import shutil
from datetime import UTC, datetime

import pytest
from checkout import REPOSITORY

from harness.base.files import write_text
from harness.cohort.graders.cached import Intake, Taken
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.leases import Outcome, claim, finish
from harness.cohort.store.models import CACHED
from harness.cohort.store.queries import rows
from harness.cohort.store.repository import Ingested, enter, enter_config
from harness.cohort.store.store import opened_store
from harness.cohort.training_time import training_seconds
from harness.graph.ir import parse_architecture
from harness.loader.protocol import ARCHITECTURE, WEIGHTS
from harness.pipeline import duration
from harness.record.facts import Facts
from harness.record.record import Record, VariantRecord, load_record, sealed

RESULTS = REPOSITORY / "submission" / "results"
WORKER = "me@here:1/x/y"


@pytest.fixture
def config(assignment, tmp_path, monkeypatch):
    """Grading on a machine whose speed is known."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kept = duration.speed_file("float32", assignment.recipe.threads)
    kept.parent.mkdir()
    kept.write_text(json.dumps({"seconds": [2e-5, 4e-5, 1e-4, 7e-4, 1e-4, 3e-5]}))
    return GradingConfig(assignment, seed=1)


@pytest.fixture
def store(config, tmp_path):
    """A store in which ada's rules have been judged, and bob's have not."""
    with opened_store(str(tmp_path / "cohort.db")) as opened:
        enter_config(opened, config)
        _enter(opened, config, "ada", 1)
        (task,) = claim(opened, config.run_key, "rules", 1, WORKER, 60)
        assert finish(opened, task, WORKER, Outcome(*judged(opened, config), 1.25))
        _enter(opened, config, "bob", 2)
        yield opened


def _enter(opened, config, student: str, number: int) -> None:
    at = datetime(2026, 5, 4, 22, number, tzinfo=UTC)
    enter(opened, Ingested(student, f"{student}.zip", at, f"{number:064}", "", "c" * 64), config)


def judged(opened, config) -> tuple[Record, str]:
    """Make the record of a network that keeps the rules, and keep its graph."""
    variant = VariantRecord(
        title="", class_name="Net", full=False, verdict="passed", points=0, max_points=10, findings=(),
        facts=Facts(),
    )  # fmt: skip
    record = sealed(
        Record(
            assignment="a", assignment_title="", assignment_sha256=config.assignment_sha256,
            submission_sha256="", verdict="passed", points=0, max_points=10, variants={"basic": variant},
        )
    )  # fmt: skip
    graph_sha256 = load_record(RESULTS / "scorecard.json").variants["basic"].graph_sha256
    taken = Taken(class_name="Net", folder="basic", recipe={}, graph_sha256=graph_sha256)
    with opened.objects.unfinished() as folder:
        (folder / "kept" / "basic").mkdir(parents=True)
        for name in (ARCHITECTURE, WEIGHTS):
            shutil.copyfile(RESULTS / "base_model" / name, folder / "kept" / "basic" / name)
        intake = Intake(seed=1, backend="lock", variants={"basic": taken})
        write_text(folder / "kept" / CACHED, intake.model_dump_json(by_alias=True))
        return record, opened.objects.adopt(folder / "kept")


def test_a_network_whose_rules_were_judged_takes_as_long_as_its_graph_says(store, config):
    keys = {row.student: row.key for row in rows(store)}
    found = training_seconds(store, set(keys.values()), config, "cpu")
    graph = parse_architecture((RESULTS / "base_model" / ARCHITECTURE).read_bytes())
    alone = duration.training_s(graph, config.assignment.recipe.at_cost(14), config.assignment, "cpu")
    assert found == {keys["ada"]: alone}
    assert training_seconds(store, {keys["bob"]}, config, "cpu") == {}
    assert training_seconds(store, (), config, "cpu") == {}
    assert training_seconds(store, set(keys.values()), config, "cuda") == {}


def test_a_graph_that_is_gone_is_left_out(store, config):
    ada = rows(store)[0]
    (ada.folder / "basic" / ARCHITECTURE).unlink()
    assert training_seconds(store, {ada.key}, config, "cpu") == {}
