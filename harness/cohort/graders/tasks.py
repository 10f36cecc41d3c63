"""One stage of one submission or of several: from a claimed task to a grade and a folder of artefacts.

Everything is judged by `harness.pipeline.grade`; here it is given what a whole class has at hand: one open
sandbox, one worker that probes many networks, and for a training what the rules have left.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.base.errors import DataUnavailableError, HarnessError, SandboxError
from harness.base.files import write_text
from harness.cohort.graders.cached import keep, load_intake, loads_of, probes_of
from harness.cohort.ingest import reopened
from harness.cohort.store.keys import GradingConfig
from harness.cohort.store.leases import Claimed, Outcome
from harness.cohort.store.objects import Objects
from harness.datasets.dataset import PREVIEW
from harness.loader.client import LoadFailure
from harness.pipeline.grade import judged_by_rules, train_judged, variants_to_train
from harness.pipeline.loading import in_sandbox, load
from harness.pipeline.probing import Probes, probe_together
from harness.pipeline.recording import Graded, GradedVariant
from harness.pipeline.recording import record as record_of
from harness.pipeline.task import Loads, Settings, Source, Task
from harness.record import record as records
from harness.record.findings import Cause
from harness.record.record import Record
from harness.report.files import write_reports
from harness.report.html import render_html
from harness.report.markdown import render_scorecard
from harness.sandbox.backends import BackendChoice
from harness.sandbox.client import Sandbox
from harness.training.client import Child
from harness.training.events import DataEvent


@dataclass(frozen=True)
class WorkerConfig:
    """The settings that a grader grades with; none of it decides a grade."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    data: str | None = None
    sandbox: BackendChoice = "auto"


def judge_rules(
    claims: Sequence[Claimed],
    config: GradingConfig,
    worker_config: WorkerConfig,
    objects: Objects,
    sandbox: Sandbox,
    worker: Child,
) -> Iterator[tuple[Claimed, Outcome]]:
    """Load submissions in the sandbox, probe them in one worker, and judge their rules.

    Raises:
        SandboxError: no process can be locked on this machine; nothing of a submission has run.
    """
    with ExitStack() as folders:
        taken: list[tuple[Claimed, Task, Loads, float]] = []
        for claimed in claims:
            started = time.monotonic()
            out = folders.enter_context(objects.unfinished())
            task = task_of(claimed, config, worker_config, objects, out, in_sandbox(sandbox))
            taken.append((claimed, task, _loads(task, claimed, sandbox), time.monotonic() - started))
        started = time.monotonic()
        probes = probe_together([(task, loads) for _, task, loads, _ in taken], worker)
        each = (time.monotonic() - started) / len(taken)
        for (claimed, task, loads, spent), found in zip(taken, probes, strict=True):
            started = time.monotonic()
            graded, record = _judged(task, loads.backend, found)
            folder_sha256 = _kept(task, graded, record, objects)
            yield claimed, Outcome(record, folder_sha256, round(spent + each + time.monotonic() - started, 2))


def train(
    claimed: Claimed, rules_folder: Path, config: GradingConfig, worker_config: WorkerConfig, objects: Objects
) -> tuple[Claimed, Outcome]:
    """Train a submission from what the rules have left in `rules_folder`, and grade it in full.

    Raises:
        HarnessError: there can be no verdict on this machine: no data, no such device.
    """
    started = time.monotonic()
    with objects.unfinished() as out, closing(Child()) as worker:
        task = task_of(claimed, config, worker_config, objects, out, source_of_training(rules_folder, config))
        loads = load(task)
        to_train = variants_to_train(task, config.variants)
        probes = probes_of(load_intake(rules_folder), loads)
        graded = Graded(loads.backend, train_judged(task, probes, to_train, worker, fields=True))
        record = record_of(task, graded)
        write_reports(record, out, {name: task.folder(name) for name in record.variants}, graded.measured)
        keep(task, graded, out)
        return claimed, Outcome(record, objects.adopt(out), round(time.monotonic() - started, 2))


def source_of_training(rules_folder: Path, config: GradingConfig) -> Source:
    """Return the source that loads what the rules have left; with another seed, the sources once more."""

    def source(task: Task) -> Loads:
        if task.seed != config.seed:
            return in_sandbox()(task)
        return loads_of(load_intake(rules_folder), rules_folder)

    return source


def task_of(
    claimed: Claimed,
    config: GradingConfig,
    worker_config: WorkerConfig,
    objects: Objects,
    out: Path,
    source: Source,
) -> Task:
    """Set up the task of grading a submission; its files go to `out`.

    Raises:
        HarnessError: its sources are not in the store's folder any more.
    """
    settings = Settings(
        out=out,
        seed=config.seed,
        device=worker_config.device,
        data=PREVIEW if config.preview else worker_config.data,
        stats_cache=objects.root / config.assignment.data.stats_file,
        sandbox=worker_config.sandbox,
        progress=objects.progress(claimed.key),
    )
    return Task(reopened(claimed, config, objects), config.assignment, settings, source, _without_previews)


# Private functions


def _without_previews(_: str, event: object) -> None:
    """Stop where there is no data: not for want of it should a class be graded on a preview."""
    if isinstance(event, DataEvent) and not event.root:
        message = event.message.partition(" A short preview")[0].partition(" No sample")[0]
        raise DataUnavailableError(message)


def _loads(task: Task, claimed: Claimed, sandbox: Sandbox) -> Loads:
    if claimed.problem:
        cause: Cause = "infrastructure" if claimed.problem_cause == "infrastructure" else "student"
        failure = LoadFailure("", "bad_output", cause, claimed.problem, "", "")
        return Loads(sandbox.backend, dict.fromkeys(task.submission.variants, failure))
    try:
        return load(task)
    except SandboxError:
        raise
    except (HarnessError, OSError) as error:
        return Loads(sandbox.backend, dict.fromkeys(task.submission.variants, _failed(error)))


def _judged(task: Task, backend: str, probes: Probes) -> tuple[Graded, Record]:
    """Judge the rules; where the harness itself breaks at a graph, that is what the record says."""
    try:
        graded = judged_by_rules(task, backend, probes)
        return graded, record_of(task, graded)
    except Exception as error:  # noqa: BLE001 - one graph must not keep the others from being judged
        failed = GradedVariant(_failed(error))
        graded = Graded(backend, dict.fromkeys(task.submission.variants, failed))
        return graded, record_of(task, graded)


def _failed(error: Exception) -> LoadFailure:
    message = f"the harness failed: {type(error).__name__}: {error}"
    return LoadFailure("", "harness_error", "harness", message, "", "")


def _kept(task: Task, graded: Graded, record: Record, objects: Objects) -> str:
    """Write the record, the scorecards and what judging again needs; no pictures, which take longest."""
    out = task.settings.out
    write_text(out / "scorecard.json", records.to_json(record))
    write_text(out / "scorecard.md", render_scorecard(record))
    write_text(out / "scorecard.html", render_html(record, {}))
    keep(task, graded, out)
    return objects.adopt(out)
