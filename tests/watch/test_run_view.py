"""A results folder as it is watched: its trainings, and the scorecard once there is one of this run."""

import os
import re
import time

import pytest

from harness.training.events import EpochEvent
from harness.training.progress import ProgressLog
from harness.watch.run_view import RunView


def text(html: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", html).split())


@pytest.fixture
def trained(tmp_path, epoch):
    def write(folder: str, epochs: int, of: int, seed: int = 1) -> ProgressLog:
        log = ProgressLog(tmp_path / folder / "progress.jsonl")
        log.begin("basic", seed, of, resumed=False)
        for number in range(1, epochs + 1):
            log.epoch(EpochEvent(log=epoch(number), epochs=of, seconds=120.0))
        return log

    return write


def test_an_empty_folder_says_that_nothing_is_trained(tmp_path):
    parts = RunView(tmp_path).parts()
    assert text(parts["now"]) == "Nothing is being trained here yet."
    assert text(parts["card"]) == "There is no scorecard of this run yet."


def test_every_variant_and_seed_has_its_curve(tmp_path, trained):
    trained("base_model", 3, 16).end("trained")
    trained("base_model/seed_2", 1, 16, seed=2)
    html = RunView(tmp_path).parts()["now"]
    assert "basic, seed 1: trained after 3 of 16 epochs" in text(html)
    assert "basic, seed 2: epoch 1 of 16, about 30 min left" in text(html)
    assert html.count("<svg") == 2
    ids = re.findall(r'id="([^"]*)"', html)
    assert len(ids) == len(set(ids))


def test_a_training_of_which_nothing_is_heard_says_for_how_long(tmp_path, trained, epoch):
    trained("base_model", 1, 4)
    path = tmp_path / "base_model" / "progress.jsonl"
    path.write_text(re.sub(r'"at":\d+', f'"at":{int(time.time()) - 3000}', path.read_text()))
    assert "nothing heard for 50 min" in text(RunView(tmp_path).parts()["now"])


def test_the_scorecard_of_an_earlier_run_is_not_shown(tmp_path, trained):
    (tmp_path / "scorecard.html").write_text("old")
    os.utime(tmp_path / "scorecard.html", (1, 1))
    view = RunView(tmp_path)
    assert view.card("run") is not None
    trained("base_model", 1, 1)
    assert view.card("run") is None
    (tmp_path / "scorecard.html").write_text("new")
    os.utime(tmp_path / "scorecard.html", (time.time() + 5,) * 2)
    assert view.card("run").read_text() == "new"
    assert 'href="card/run"' in view.parts()["card"]
    assert view.card("../secret") is None
