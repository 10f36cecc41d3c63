"""Networks that should not pass: each rule of an assignment ought to fail for one of them at least.

There are little networks that do what assignments forbid, the reference with another recipe, and a reference
that knows the classes before it is trained. None is run or trained: a rule fails by what the graph says.
"""

import ast
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.assignment.spec import AssignmentSpec
from harness.base.installation import package_data
from harness.graph.cost import million_multiply_adds
from harness.loader.client import Loaded
from harness.pipeline.loading import in_sandbox, load
from harness.pipeline.task import Listener, Settings, Task
from harness.rules.base import NetworkRule
from harness.rules.judging import judge
from harness.rules.network import Network
from harness.settings.recipe import RecipeSpec
from harness.sources.requested import Requested
from harness.sources.submission import Answered, Submission
from harness.training.events import Probe

SOURCE = package_data("templates", "opponents", "networks.py")
LEAST_WIDTH = 64
_BYTES = {"max_parameters": 1, "max_bytes": 4}
"""Rules that a large matrix breaks, and how much of their limit each of its numbers takes."""


@dataclass(frozen=True)
class Opponent:
    """A network that should not pass, and which one it is in a few words."""

    name: str
    network: Network


def exported(spec: AssignmentSpec, listen: Listener) -> tuple[Opponent, ...]:
    """Export the little networks for the images and classes of an assignment.

    Raises:
        SandboxError: no process can be locked on this machine.
    """
    with TemporaryDirectory(prefix="harness-") as out:
        loads = load(Task(_submission(spec), spec, Settings(out=Path(out)), in_sandbox(), listen))
    said, data = _what_they_do(), spec.data
    return tuple(
        Opponent(
            said[name],
            Network(
                loaded.architecture,
                data.input_shape,
                data.num_classes,
                spec.recipe.at_cost(million_multiply_adds(loaded.architecture)),
            ),
        )
        for name, loaded in loads.variants.items()
        if isinstance(loaded, Loaded)
    )


def altered(reference: Network, probe: Probe | None, spec: AssignmentSpec) -> Iterator[Opponent]:
    """Yield the reference with recipes that a submission might ask for, and as if it were trained already."""
    for what, changes in _recipes(spec):
        recipe = reference.recipe.model_copy(update=changes)
        yield Opponent(f"the reference with {what}", replace(reference, recipe=recipe))
    if probe is not None:
        known = probe.model_copy(update={"accuracy_running": 1.0, "accuracy_batch": 1.0})
        yield Opponent("the reference with trained weights", replace(reference, probe=known))


def broken_by(spec: AssignmentSpec, variant: str, opponents: tuple[Opponent, ...]) -> Mapping[str, str]:
    """Find for each rule about networks of a variant the name of an opponent that fails it, "" for none."""
    rules = [one.name for one in spec.rules_for(variant) if isinstance(one.rule, NetworkRule)]
    found = dict.fromkeys(rules, "")
    for opponent in opponents:
        findings, _, _ = judge(opponent.network, spec.every_rule(), variant)
        for finding in findings:
            if finding.status == "failed":
                found[finding.rule] = found[finding.rule] or opponent.name
    return found


# Private functions


def _submission(spec: AssignmentSpec) -> Submission:
    """Return the source as a submission, every class of it a variant; what each is worth does not matter."""
    arguments: dict[str, Any] = {
        "channels": spec.data.input_shape[0],
        "num_classes": spec.data.num_classes,
        "width": _too_wide(spec),
    }
    variants = {
        name: Answered(Requested(file=SOURCE, class_name=name, arguments=arguments), name)
        for name in _what_they_do()
    }
    return Submission(SOURCE.parent, "", variants)


def _what_they_do() -> dict[str, str]:
    """Read from the source what each network does: its docstring, up to a colon or the end."""
    module = ast.parse(SOURCE.read_text(encoding="utf-8"))
    classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
    said = {one.name: re.split("[:.]", ast.get_docstring(one) or "")[0] for one in classes}
    return {name: f"a network that {text[:1].lower()}{text[1:]}" for name, text in said.items()}


def _too_wide(spec: AssignmentSpec) -> int:
    """Return the width of a square matrix that alone exceeds every limit on parameters or their bytes."""
    rules = [one for variant in spec.variants for one in spec.rules_for(variant)]
    numbers = [
        (getattr(one.settings, key, None) or 0) / size
        for one in rules
        if (size := _BYTES.get(one.rule.name)) is not None
        for key in ("below", "at_most")
    ]
    return max(LEAST_WIDTH, math.isqrt(round(max(numbers, default=0))) + 1)


def _recipes(spec: AssignmentSpec) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "no augmentation", {"augmentation": ()}
    for name, bounds in spec.overrides:
        if bounds is not None and name in RecipeSpec.model_fields:
            kind = int if name in ("epochs", "batch_size") else float
            yield f"{name} = {bounds.min:g}", {name: kind(bounds.min), "stages": ()}
            yield f"{name} = {bounds.max:g}", {name: kind(bounds.max), "stages": ()}
