"""progress.jsonl: what a training has written so far, whole lines alone, of each seed the last training."""

import pytest

from harness.record.trainings import EpochLog
from harness.training.events import EpochEvent
from harness.training.progress import ProgressLog, read_progress


def epoch(number: int, seconds: float = 10.0) -> EpochEvent:
    log = EpochLog(epoch=number, train_loss=1, train_acc=0.1, test_loss=1, test_acc=number / 100, lr=0.1)
    return EpochEvent(log=log, epochs=5, seconds=seconds)


@pytest.fixture
def log(tmp_path) -> ProgressLog:
    return ProgressLog(tmp_path / "new" / "progress.jsonl")


@pytest.fixture
def read(tmp_path):
    return lambda: read_progress(tmp_path / "new" / "progress.jsonl")


def test_without_a_file_there_is_no_training(read):
    assert read() == ()


def test_a_training_is_read_as_it_goes_on(log, read):
    log.begin("basic", 1, 5, resumed=False)
    (one,) = read()
    assert (one.variant, one.seed, one.epochs, one.log, one.left_s, one.ended) == (
        "basic",
        1,
        5,
        (),
        None,
        None,
    )
    for number, seconds in ((1, 100.0), (2, 10.0), (3, 10.0), (4, 40.0)):
        log.epoch(epoch(number, seconds))
    (one,) = read()
    assert [done.epoch for done in one.log] == [1, 2, 3, 4]
    assert one.left_s == 20.0  # of the last three
    log.end("trained")
    (one,) = read()
    assert (one.left_s, one.ended) == (0.0, "trained")


def test_of_each_variant_and_seed_the_last_training_counts(log, read):
    for variant, seed in (("basic", 1), ("basic", 2), ("basic", 1)):
        log.begin(variant, seed, 5, resumed=False)
        log.epoch(epoch(1))
    log.epoch(epoch(2))
    assert [(one.seed, len(one.log)) for one in read()] == [(2, 1), (1, 2)]


def test_a_training_that_goes_on_keeps_the_epochs_it_had_and_repeats_none(log, read):
    log.begin("basic", 1, 5, resumed=False)
    for number in (1, 2, 3):
        log.epoch(epoch(number))
    log.begin("basic", 1, 5, resumed=True)
    log.epoch(epoch(3, 99.0))
    log.epoch(epoch(4))
    (one,) = read()
    assert [done.epoch for done in one.log] == [1, 2, 3, 4]
    assert one.seconds == (10.0, 10.0, 99.0, 10.0)


def test_half_a_line_and_what_is_no_line_are_not_read(log, read, tmp_path):
    log.begin("basic", 1, 5, resumed=False)
    log.epoch(epoch(1))
    with (tmp_path / "new" / "progress.jsonl").open("a") as file:
        file.write('[]\n{"line": "other"}\n\xff\n{"line":"epoch","log":{"epoch":2,')
    (one,) = read()
    assert len(one.log) == 1


def test_a_training_does_not_notice_that_its_progress_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    log = ProgressLog(tmp_path / "file" / "progress.jsonl")
    log.begin("basic", 1, 5, resumed=False)
    log.end("stopped")
    assert read_progress(tmp_path / "file" / "progress.jsonl") == ()
