"""Judge a network that was loaded and probed by the rules about networks: the stage that needs no torch."""

from dataclasses import dataclass

from harness.base.errors import AssignmentError
from harness.graph.naming import with_lines
from harness.loader.client import LoadFailure
from harness.pipeline.probing import Probed
from harness.pipeline.task import Task
from harness.record.facts import Facts, ReceptiveFieldRow
from harness.record.findings import Finding
from harness.rules import judging
from harness.rules.network import Network


@dataclass(frozen=True)
class Judged:
    """A variant and the verdicts on its network; `network` carries both graphs, measured."""

    probed: Probed
    network: Network
    findings: tuple[Finding, ...]
    facts: Facts
    receptive_field: tuple[ReceptiveFieldRow, ...]


def judge(task: Task, name: str, probed: Probed | LoadFailure) -> Judged | LoadFailure:
    """Judge a variant by every rule about networks; a graph that nobody can judge counts as not loaded.

    Raises:
        AssignmentError: the manifest asks for more than the assignment allows.
    """
    if isinstance(probed, LoadFailure):
        return probed
    loaded = probed.loaded
    try:
        recipe = task.recipe_of(name, loaded.architecture)
        network = Network(
            with_lines(loaded.architecture, loaded.lines),
            task.assignment.data.input_shape,
            task.assignment.data.num_classes,
            recipe,
            probed.probe,
            probed.not_run,
        )
        findings, facts, table = judging.judge(
            network, task.assignment.every_rule(), name, seeds_differ=loaded.seeds_differ
        )
    except AssignmentError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a graph says, there is a verdict and never a crash
        message = (
            f"graph: no rule can be judged by it ({type(error).__name__}: {str(error)[:300]}). "
            "Write the model with standard layers, or ask the teacher to judge it by hand."
        )
        return LoadFailure(loaded.class_name, "bad_output", "student", message, "", loaded.output)
    return Judged(probed, network, findings, facts, table)
