"""Run networks untrained: what they do before they have learned anything, and whether they run at all."""

from harness.analysis.ops import unknown_ops
from harness.errors import TrainingError
from harness.intake.sandbox import Traced
from harness.run import Run
from harness.training import runner
from harness.training.jobs import Model, Probe, ProbeEvent, ProbeJob


def probe(*runs: Run) -> None:
    """Run the models that can be rebuilt; an unknown operator is for the rules to report.

    All models run in one child, those of several runs too, which must be of one assignment. Where that
    child dies each model gets one of its own: what one does takes no other with it.
    """
    models = {
        f"{number}/{name}": run.model(name)
        for number, run in enumerate(runs)
        for name, traced in run.traced.items()
        if isinstance(traced, Traced) and not unknown_ops(traced.architecture)
    }
    if models:
        runs[0].listen("", "probe")
    for name, found in _probed(runs[0], models).items():
        number, _, variant = name.partition("/")
        run = runs[int(number)]
        if isinstance(found, Probe):
            run.probes[variant] = found
        elif isinstance(found, TrainingError):
            run.not_run[variant] = "it ended without a result"
            run.notes.append(str(found))
        else:
            run.not_run[variant] = found


# Private functions


def _probed(run: Run, models: dict[str, Model]) -> dict[str, Probe | str | TrainingError]:
    """Give what each model does, or why it could not be run; an error where its own child died."""
    if not models:
        return {}
    job = ProbeJob(
        models=models,
        classes=run.assignment.data.classes,
        batch_size=run.assignment.recipe.batch_size,
        threads=run.assignment.recipe.threads,
        memory_mib=run.assignment.limits.training_memory_mib,
    )
    try:
        final = runner.run(job, lambda event: run.listen("", event), run.assignment.limits.intake_s)
    except TrainingError as error:
        if len(models) == 1:
            return dict.fromkeys(models, error)
        return {name: alone for one in models.items() for name, alone in _probed(run, dict([one])).items()}
    assert isinstance(final, ProbeEvent)
    return {**final.probes, **final.failures}
