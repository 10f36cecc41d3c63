"""From a claimed work to a grade, in a sandbox that stays open."""

from contextlib import closing
from pathlib import Path

import pytest

from harness.base.errors import DataUnavailableError, UsageError
from harness.cohort.graders.cached import load_intake, loaded_of
from harness.cohort.graders.tasks import WorkerConfig, judge_rules, source_of_training, task_of
from harness.cohort.ingest import ingest
from harness.cohort.platforms.roster import Listed
from harness.cohort.store.leases import claim
from harness.cohort.store.repository import enter, enter_config
from harness.cohort.store.store import opened_store
from harness.graph.cost import million_multiply_adds
from harness.graph.naming import with_lines
from harness.loader.client import Loaded
from harness.pipeline.loading import in_sandbox, load
from harness.record.record import load_record
from harness.rules.judging import judge
from harness.rules.network import Network
from harness.training.client import Child
from harness.training.events import DataEvent


@pytest.fixture
def store(tmp_path):
    with opened_store(str(tmp_path / "cohort.db")) as opened:
        yield opened


@pytest.fixture
def judged(store, config, reference, sandbox, tmp_path):
    """Hand in the reference and something broken, and judge their rules together; by student."""
    (tmp_path / "eve.zip").write_text("not a zip")
    listed = [Listed("ada", str(reference), "ada"), Listed("eve", str(tmp_path / "eve.zip"), "eve.zip")]
    enter_config(store, config)
    keys = {enter(store, ingest(one, config, store.objects), config): one.student for one in listed}
    works = claim(store, config.run_key, "rules", 9, "one", 60)
    with closing(Child()) as child:
        return {
            keys[work.key]: (work, outcome)
            for work, outcome in judge_rules(works, config, WorkerConfig(), store.objects, sandbox, child)
        }


@pytest.mark.slow
def test_what_a_grade_leaves_is_enough_to_judge_it_again(judged, store, config):
    _, outcome = judged["ada"]
    folder = store.objects.path(outcome.folder_sha256)
    assert load_record(folder / "scorecard.json") == outcome.record
    assert outcome.record.verdict == "passed"
    for name, taken in load_intake(folder).variants.items():
        traced = loaded_of(taken, folder)
        assert isinstance(traced, Loaded)
        assert traced.weights.is_file()
        whole = config.assignment.recipe_with(name, taken.recipe, "")
        recipe = whole.at_cost(million_multiply_adds(traced.architecture))
        data = config.assignment.data
        shown = with_lines(traced.architecture, traced.lines)
        network = Network(shown, data.input_shape, data.num_classes, recipe, taken.probe)
        findings, *_ = judge(network, config.assignment.every_rule(), name, seeds_differ=traced.seeds_differ)
        assert findings == outcome.record.variants[name].findings


@pytest.mark.slow
def test_a_training_begins_with_what_the_rules_have_left_and_builds_anew_for_another_seed(
    judged, store, config, tmp_path
):
    work, outcome = judged["ada"]
    source = source_of_training(store.objects.path(outcome.folder_sha256), config)
    task = task_of(work, config, WorkerConfig(), store.objects, tmp_path, source)
    first, again = (load(one).variants["basic"] for one in (task, task.with_seed("basic", 2)))
    assert again.sha256 == first.sha256
    assert again.weights.read_bytes() != first.weights.read_bytes()


@pytest.mark.slow
def test_what_could_not_be_handed_in_has_a_record_that_says_why(judged, store):
    _, outcome = judged["eve"]
    (variant,) = outcome.record.variants.values()
    assert outcome.record.verdict == "not_judged"
    assert variant.problem.cause == "student"
    assert variant.problem.message.startswith("eve.zip: cannot be unpacked")
    folder = store.objects.path(outcome.folder_sha256)
    taken = load_intake(folder).variants["basic"]
    assert loaded_of(taken, folder).message == variant.problem.message
    assert (folder / "scorecard.html").is_file()


def test_a_folder_without_artefacts_is_said(tmp_path: Path):
    with pytest.raises(UsageError, match=r"intake.json: no such file; expected what was graded, beside"):
        load_intake(tmp_path)


def test_a_preview_is_not_taken_for_a_grade_of_a_class(store, config, reference, tmp_path):
    enter_config(store, config)
    enter(store, ingest(Listed("ada", str(reference), "ada"), config, store.objects), config)
    (work,) = claim(store, config.run_key, "rules", 1, "one", 60)
    task = task_of(work, config, WorkerConfig(), store.objects, tmp_path, in_sandbox())
    with pytest.raises(DataUnavailableError, match=r"^no data\.$"):
        task.listen("basic", DataEvent(name="mini", root="", message="no data. A short preview follows"))
