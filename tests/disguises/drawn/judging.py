"""Judge a network that the generators have built: exported, run untrained, judged, as a submission is."""

import tempfile
from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from harness.assignment.spec import AssignmentSpec
from harness.datasets.images import Data
from harness.graph.cost import million_multiply_adds
from harness.graph.ir import to_json
from harness.loader.export import architecture_of
from harness.record.findings import Finding
from harness.rules.judging import judge
from harness.rules.network import Network
from harness.training.events import Probe
from harness.training.jobs import Model, ProbeJob
from harness.training.probe.probe import probe_all


def judged(model: nn.Module, assignment: AssignmentSpec, data: Data) -> dict[str, Finding]:
    """Judge every rule of variant basic but accuracy, by name."""
    architecture, tensors = architecture_of(model, assignment.data.input_shape)
    with tempfile.TemporaryDirectory() as folder:
        files = Model(architecture=Path(folder) / "architecture.json", weights=Path(folder) / "w.safetensors")
        files.architecture.write_text(to_json(architecture))
        save_file(tensors, files.weights)
        job = ProbeJob(
            models={"": files},
            data=assignment.data,
            batch_size=assignment.recipe.batch_size,
            threads=1,
            memory_mib=assignment.limits.training_memory_mib,
        )
        (probed,) = probe_all(job, data, lambda _: None)
    network = Network(
        architecture, assignment.data.input_shape, assignment.data.num_classes,
        assignment.recipe.at_cost(million_multiply_adds(architecture)),
        probed.found if isinstance(probed.found, Probe) else None,
        probed.found if isinstance(probed.found, str) else getattr(probed.found, "message", ""),
    )  # fmt: skip
    findings, _, _ = judge(network, assignment.every_rule(), "basic")
    return {finding.rule: finding for finding in findings}
