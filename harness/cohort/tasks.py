"""One stage of one submission or of several: from a claimed work to a grade and a folder of artefacts.

Everything is judged by `harness.pipeline.grade`; here it is given what a whole class has at hand: one open
box, one child that probes many networks, and for a training what the rules have left.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harness.base.errors import DataUnavailableError, HarnessError, SandboxError
from harness.base.files import write_text
from harness.cohort.cached import keep, load_intake, traced_of
from harness.cohort.ingest import reopened
from harness.cohort.keys import GradingConfig
from harness.cohort.leases import Claimed, Outcome
from harness.cohort.objects import Objects
from harness.datasets.dataset import PREVIEW
from harness.loader.load import Traced, Untraced
from harness.pipeline.grade import judge, variants_to_train
from harness.pipeline.probing import probe_in
from harness.pipeline.receptive_field import keep_effective_fields
from harness.pipeline.run import Run, Settings, take_in
from harness.record import record as records
from harness.record.record import Cause, Record
from harness.report.files import write_reports
from harness.report.html import render_html
from harness.report.scorecard import render_scorecard
from harness.sandbox.backends import BackendChoice
from harness.sandbox.client import Sandbox
from harness.training.events import DataEvent
from harness.training.runner import Child


@dataclass(frozen=True)
class Means:
    """What a grader grades with; none of it decides a grade."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    data: str | None = None
    sandbox: BackendChoice = "auto"


def judge_rules(
    works: Sequence[Claimed],
    config: GradingConfig,
    means: Means,
    objects: Objects,
    box: Sandbox,
    child: Child,
) -> Iterator[tuple[Claimed, Outcome]]:
    """Take submissions in through the box, probe them in the child, and judge their rules.

    Raises:
        SandboxError: no process can be locked on this machine; nothing of a submission has run.
    """
    with ExitStack() as folders:
        taken: list[tuple[Claimed, Run, float]] = []
        for work in works:
            started = time.monotonic()
            run = _run(work, config, means, objects, folders.enter_context(objects.unfinished()))
            _take_in(run, work, box)
            taken.append((work, run, time.monotonic() - started))
        started = time.monotonic()
        probe_in(child, *(run for _, run, _ in taken))
        each = (time.monotonic() - started) / len(taken)
        for work, run, spent in taken:
            started = time.monotonic()
            record = _judged(run)
            folder_sha256 = _kept(run, record, objects)
            yield work, Outcome(record, folder_sha256, round(spent + each + time.monotonic() - started, 2))


def train(
    work: Claimed, rules_folder: Path, config: GradingConfig, means: Means, objects: Objects
) -> tuple[Claimed, Outcome]:
    """Train a submission from what the rules have left in `rules_folder`, and grade it in full.

    Raises:
        HarnessError: there can be no verdict on this machine: no data, no such device.
    """
    started = time.monotonic()
    with objects.unfinished() as out, objects.unfinished() as again:
        run = _run(work, config, means, objects, out)
        intake = load_intake(rules_folder)

        def kept(name: str, seed: int) -> Traced | Untraced:
            if seed == config.seed:
                return traced_of(intake.variants[name], rules_folder)
            return _with_seed(run, name, seed, again)

        run.kept, run.backend = kept, intake.backend
        take_in(run)
        for name, taken in intake.variants.items():
            if taken.probe is not None:
                run.probes[name] = taken.probe
            elif taken.not_run:
                run.not_run[name] = taken.not_run
        record = judge(run, variants_to_train(run, config.variants))
        if notes := keep_effective_fields(run, record):
            told = {**record.provenance, "notes": [*run.notes, *notes]}
            record = record.model_copy(update={"provenance": told})
        write_reports(record, out, _folders(run, record))
        keep(run, out)
        return work, Outcome(record, objects.adopt(out), round(time.monotonic() - started, 2))


# Private functions


def _run(work: Claimed, config: GradingConfig, means: Means, objects: Objects, out: Path) -> Run:
    settings = Settings(
        out=out,
        seed=config.seed,
        device=means.device,
        data=PREVIEW if config.preview else means.data,
        stats_cache=objects.root / config.assignment.data.stats_file,
        sandbox=means.sandbox,
        progress=objects.progress(work.key),
    )

    def listen(_: str, event: object) -> None:
        if isinstance(event, DataEvent) and not event.root:
            # Not for want of data should a class be graded on a preview.
            raise DataUnavailableError(
                event.message.partition(" A short preview")[0].partition(" No sample")[0]
            )

    return Run(reopened(work, config, objects), config.assignment, settings, listen)


def _take_in(run: Run, work: Claimed, box: Sandbox) -> None:
    if work.problem:
        run.backend = box.backend
        cause: Cause = "infrastructure" if work.problem_cause == "infrastructure" else "student"
        run.traced = dict.fromkeys(
            run.submission.variants, Untraced("", "bad_output", cause, work.problem, "", "")
        )
        return
    try:
        take_in(run, box=box)
    except SandboxError:
        raise
    except (HarnessError, OSError) as error:
        run.traced = {name: _failed(error) for name in run.submission.variants}


def _judged(run: Run) -> Record:
    """Judge the rules; where the harness itself breaks at a graph, that is what the record says."""
    try:
        return judge(run)
    except Exception as error:  # noqa: BLE001 - one graph must not keep the others from being judged
        run.traced = {name: _failed(error) for name in run.submission.variants}
        return judge(run)


def _failed(error: Exception) -> Untraced:
    message = f"the harness failed: {type(error).__name__}: {error}"
    return Untraced("", "harness_error", "harness", message, "", "")


def _kept(run: Run, record: Record, objects: Objects) -> str:
    """Write the record, the scorecards and what judging again needs; no pictures, which take longest."""
    out = run.settings.out
    write_text(out / "scorecard.json", records.to_json(record))
    write_text(out / "scorecard.md", render_scorecard(record))
    write_text(out / "scorecard.html", render_html(record, {}))
    keep(run, out)
    return objects.adopt(out)


def _folders(run: Run, record: Record) -> dict[str, Path]:
    return {name: run.folder(name) for name in record.variants}


def _with_seed(run: Run, name: str, seed: int, out: Path) -> Traced | Untraced:
    """Take a variant in once more, from its sources, with the initial weights of another seed."""
    submission = replace(run.submission, variants={name: run.submission.variants[name]})
    apart = replace(run.settings, out=out / str(seed), seed=seed)
    again = Run(submission, run.assignment, apart, lambda *_: None)
    take_in(again)
    found = again.traced[name]
    return replace(found, weights=again.model(name).weights) if isinstance(found, Traced) else found
