"""The time that the trainings of a class take on this machine, by the graphs in the store."""

from collections.abc import Collection, Mapping

from harness.base.errors import HarnessError
from harness.cohort.graders.cached import load_intake
from harness.cohort.regrading import stored_task
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.models import Row
from harness.cohort.store.queries import submissions
from harness.cohort.store.store import Store
from harness.loader.client import Loaded
from harness.pipeline.duration import training_s
from harness.pipeline.grade import variants_to_train


def training_seconds(
    store: Store, keys: Collection[str], config: GradingConfig, device: str
) -> Mapping[str, float]:
    """Return the seconds of one training of each submission, by key; none for those that are not loaded yet.

    Raises:
        TrainingError: the speed of this machine could not be measured.
    """
    students = submissions(store, config.assignment_sha256) if keys else ()
    found = {}
    for row in (row for some in students for row in some if row.key in keys):
        seconds = _seconds(row, config, device)
        if seconds is not None:
            found[row.key] = seconds
    return found


# Private functions


def _seconds(row: Row, config: GradingConfig, device: str) -> float | None:
    if row.record is None or row.folder is None:
        return None
    try:
        task = stored_task(row, row.record, load_intake(row.folder), config)
        loads = task.source(task).variants
    except (HarnessError, OSError):  # its files are gone: a grade would say so
        return None
    each = [
        training_s(loaded.architecture, task.recipe_of(name, loaded.architecture), config.assignment, device)
        for name in variants_to_train(task, config.variants)
        if isinstance(loaded := loads.get(name), Loaded)
    ]
    known = [seconds for seconds in each if seconds is not None]
    return sum(known) if known and len(known) == len(each) else None
