"""A network's tier follows from its graph, is said in the record, and its author told what to ask for."""

import json
import re
from dataclasses import replace

import pytest
from checkout import REPOSITORY

from harness.assignment.spec import AssignmentSpec
from harness.base.machine import computes_bfloat16
from harness.graph.evidence import Evidence
from harness.graph.ir import Architecture, parse_architecture
from harness.graph.receptive_field.agreement import Extents
from harness.loader.client import Loaded
from harness.loader.protocol import ARCHITECTURE
from harness.pipeline import duration
from harness.pipeline.probing import Probed
from harness.pipeline.task import Settings, Task
from harness.pipeline.tiers import chosen, foreseen, more_epochs
from harness.pipeline.training import judged, train
from harness.record.record import load_record
from harness.settings.recipe import RecipeOverride
from harness.sources.submission import open_submission
from harness.training.events import Probe

PROBE = Probe(
    accuracy_running=0.1, accuracy_batch=0.1, repeat_difference=0.0,
    batch_difference=1e-7, finite=True, extents=Extents(reason="not measured in a test"), evidence=Evidence(),
)  # fmt: skip
REFERENCE = REPOSITORY / "submission"
RESULTS = REFERENCE / "results"


@pytest.fixture
def reference(assignment: AssignmentSpec) -> Task:
    """The task of grading the reference; what it gives is not asked of a source."""
    return Task(open_submission(REFERENCE, assignment), assignment, Settings(device="cpu"), lambda _: None)


@pytest.fixture(scope="module")
def graphs() -> dict[str, Architecture]:
    folders = {"basic": "base_model", "dilated": "dilated_model"}
    return {
        name: parse_architecture((RESULTS / folder / ARCHITECTURE).read_bytes())
        for name, folder in folders.items()
    }


def asking(task: Task, **recipe: object) -> Task:
    answered = {
        name: replace(one, recipe=RecipeOverride.model_validate(recipe))
        for name, one in task.submission.variants.items()
    }
    return replace(task, submission=replace(task.submission, variants=answered))


def test_each_network_is_trained_by_the_recipe_of_its_own_cost(reference, graphs):
    recipes = {name: reference.recipe_of(name, graph) for name, graph in graphs.items()}
    assert {name: recipe.epochs for name, recipe in recipes.items()} == {"basic": 14, "dilated": 7}
    assert recipes["basic"].tiers == ()
    assert asking(reference, lr=0.1).recipe_of("dilated", graphs["dilated"]).lr == 0.1
    assert len(reference.recipe("basic").tiers) == len(reference.assignment.recipe.tiers) > 1


def test_the_record_says_the_tier_and_the_reason(reference, graphs):
    assert chosen(reference, "basic", graphs["basic"]) == {
        "million_multiply_adds": 13.728,
        "up_to_mmacs": 16,
        "why": "14 million multiply-adds an image: 14 epochs",
    }
    assert chosen(reference, "dilated", graphs["dilated"]) == {
        "million_multiply_adds": 200.025,
        "up_to_mmacs": None,
        "why": "200 million multiply-adds an image: 7 epochs",
    }


def test_what_submission_toml_makes_of_the_epochs_is_said(reference, graphs):
    said = chosen(asking(reference, epochs=30), "dilated", graphs["dilated"])["why"]
    assert said == "200 million multiply-adds an image: 7 epochs, of which submission.toml makes 30"
    assert chosen(asking(reference, epochs=7), "dilated", graphs["dilated"]) == chosen(
        reference, "dilated", graphs["dilated"]
    )


def test_nothing_is_said_of_tiers_where_there_are_none(reference, graphs):
    plain = reference.assignment.recipe.at_cost(14)
    run = replace(reference, assignment=reference.assignment.model_copy(update={"recipe": plain}))
    assert chosen(run, "basic", graphs["basic"]) == {}


def test_who_misses_the_accuracy_is_told_how_many_epochs_may_be_asked_for(reference):
    said = "Or train for longer than 14 epochs: submission.toml may ask for up to 60, by epochs under"
    assert more_epochs(reference, "basic", 14) == f"{said} [variants.basic.recipe]."
    (finding,) = judged(reference, "basic", missed(reference))
    assert finding.status == "failed"
    assert "more of 10,000 test images must be right" in finding.help
    assert finding.help.endswith(more_epochs(reference, "basic", 14))


def test_who_reaches_it_has_asked_already_or_may_not_ask_is_told_nothing(reference):
    training = load_record(RESULTS / "scorecard.json").variants["basic"].training
    (passed,) = judged(reference, "basic", (training,))
    assert (passed.status, passed.help) == ("passed", "")
    assert more_epochs(asking(reference, epochs=20), "basic", 14) == ""
    overrides = reference.assignment.overrides
    for bounds in (None, overrides.epochs.model_copy(update={"max": 14})):
        less = reference.assignment.model_copy(
            update={"overrides": overrides.model_copy(update={"epochs": bounds})}
        )
        assert more_epochs(replace(reference, assignment=less), "basic", 14) == ""


def test_who_only_guesses_is_not_sent_to_train_longer(reference):
    guessing = tuple(
        one.model_copy(
            update={
                "epochs": tuple(log.model_copy(update={"test_acc": 0.1}) for log in one.epochs),
                "confusion": tuple((1000, *(0,) * 9) for _ in range(10)),
                "accuracy": 0.1,
            }
        )
        for one in missed(reference)
    )
    (finding,) = judged(reference, "basic", guessing)
    assert "stuck at chance" in finding.help
    assert "submission.toml may ask" not in finding.help


@pytest.fixture
def cost(tmp_path, monkeypatch):
    """Let a million multiply-adds of any kind take so many seconds on this machine."""

    def known(seconds):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        kept = duration.speed_file("bfloat16" if computes_bfloat16() else "float32", 2)
        kept.parent.mkdir()
        kept.write_text(json.dumps({"seconds": [seconds] * 3 + [0, 0, 0]}))

    return known


def test_how_long_a_training_takes_is_said_with_the_reason(reference, graphs, cost):
    cost(1e-4)
    limits = reference.assignment.limits
    for limit_s, more in ((28_800, ""), (60, ", and limits.training_s = 60 ends it after 60 seconds")):
        spec = reference.assignment.model_copy(
            update={"limits": limits.model_copy(update={"training_s": limit_s})}
        )
        run = replace(reference, assignment=spec, settings=Settings(device="cpu"))
        said = foreseen(run, "basic", graphs["basic"])
        assert re.fullmatch(
            rf"basic: a training would take about \d+ minutes here "
            rf"\(14 million multiply-adds an image: 14 epochs\){more}",
            said,
        )
    assert foreseen(replace(reference, settings=Settings(device="cuda")), "basic", graphs["basic"]) == ""


def test_a_training_that_its_limit_would_end_is_not_judged_and_the_note_says_why(
    reference, graphs, cost, tmp_path
):
    cost(1e-3)
    limits = reference.assignment.limits.model_copy(update={"training_s": 60})
    spec = reference.assignment.model_copy(update={"limits": limits})
    heard = []
    run = replace(
        reference,
        assignment=spec,
        settings=Settings(out=tmp_path, device="cpu", data=str(tmp_path)),
        listen=lambda variant, event: heard.append((variant, event)),
    )
    loaded = Loaded("Net", graphs["basic"], "", tmp_path, "", "", True)
    trained = train(run, "basic", Probed(loaded, PROBE, ""), None)
    (finding,) = trained.findings
    assert (trained.trainings, finding.status, finding.cause) == ((), "not_judged", "infrastructure")
    (note,) = trained.notes
    assert note.startswith("training: it would take about ")
    assert "limits.training_s = 60 ends it after 60 seconds, so it was not begun" in note
    assert heard == []


def missed(task: Task):
    """The reference's training, with too few images named rightly."""
    training = load_record(RESULTS / "scorecard.json").variants["basic"].training
    rows = [[800 if i == j else 0 for j in range(10)] for i in range(10)]
    for i, row in enumerate(rows):
        row[(i + 1) % 10] = 200
    return (training.model_copy(update={"confusion": tuple(map(tuple, rows)), "accuracy": 0.8}),)
