"""Every example of a rule's page gets, from the rules themselves, the verdict that its comment gives it.

docs/rules.md holds one network whose lines have marks. An example is a comment, ``# MARK: rule verdict``, and
the lines that replace the marked one; ``self.x = ...`` goes into the constructor. What a comment says
after a second colon is part of the finding's `actual`. An example in TOML is a piece of a submission.toml.
Where the shipped assignment does not ask for a rule, its table, ``[rules.NAME]``, stands before the examples.
"""

import ast
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from checkout import REPOSITORY
from torch import nn

from harness.assignment.spec import DEFAULT_ASSIGNMENT, AssignmentSpec, load_assignment
from harness.graph.cost import million_multiply_adds
from harness.graph.evidence import Evidence
from harness.graph.ir import Architecture
from harness.graph.receptive_field.agreement import Extents
from harness.graph.view import views_of
from harness.loader.export import architecture_of
from harness.record.findings import Finding
from harness.rules.explain import PAGES
from harness.rules.judging import judge
from harness.rules.network import Network
from harness.rules.registry import RULES, Asked, asked
from harness.settings.recipe import RecipeOverride
from harness.training.probe.evidence import IMAGES, STEPS, evidence

ASKED = list(load_assignment(DEFAULT_ASSIGNMENT).rules)
PAGE = REPOSITORY / "docs" / "rules.md"
FENCE = re.compile(r"^```(python|toml)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
COMMENT = re.compile(
    r"# (?P<first>[A-Z]+)(?: to (?P<last>[A-Z]+))?: (?P<rule>\w+) "
    r"(?P<status>passes|fails|is not judged)(?: in (?P<edition>[\w-]+))?(?:: (?P<actual>.+))?"
)
UNSEEN = {"accuracy_running": 0.1, "accuracy_batch": 0.1, "finite": True, "extents": Extents()}
"""What of a run no example here is about."""
WITHOUT_INFLUENCE = ("max_parameters", "same_graph_in_eval", "untrained_at_chance")
"""Rules that no influence plays a part in, but for statistics that are not new ones."""
BUILT = re.compile(r"self\.\w+(, self\.\w+)* = |self\.register_buffer\(")
STATUS = {"passes": "passed", "fails": "failed", "is not judged": "not_judged"}


@dataclass(frozen=True)
class Example:
    """One example: the marks whose lines it replaces, what it says of which rule, and its lines.

    `tables` are the rules that stand before it on its page, as an assignment asks for them.
    """

    page: str
    tables: Mapping[str, Mapping[str, Any]]
    language: str
    line: int
    said: re.Match[str]
    text: str

    def __str__(self) -> str:
        return f"{self.said['rule']}-{self.line}"

    @property
    def asked(self) -> Asked | None:
        """The rule as the page asks for it; None where the shipped assignment does."""
        rule = self.said["rule"]
        table = self.tables.get(rule)
        return asked(rule, table, self.page, f"rules.{rule}") if table is not None else None

    def verdict(self, finding: Finding) -> bool:
        """Tell whether a finding is what the page says."""
        said = self.said["actual"]
        return finding.status == STATUS[self.said["status"]] and (said is None or said in finding.actual)


def examples(language: str) -> list[Example]:
    return [example for rule in RULES for example in examples_of(rule) if example.language == language]


def in_two_speeds(found: list[Example]) -> list[Any]:
    """Make tests of examples: of each page the first that passes and the first that fails; else slow."""
    kinds = [(example.page, example.said["status"]) for example in found]
    marks = ([pytest.mark.slow] if kind in kinds[:i] else [] for i, kind in enumerate(kinds))
    return [pytest.param(one, marks=mark, id=str(one)) for one, mark in zip(found, marks, strict=True)]


def examples_of(page: str) -> Iterator[Example]:
    text, tables = (PAGES / f"{page}.md").read_text(), {}
    for fence in FENCE.finditer(text):
        lines = fence[2].splitlines()
        if lines[0].startswith("[rules."):
            tables |= tomllib.loads(fence[2])["rules"]
        if not COMMENT.fullmatch(lines[0]):
            continue
        starts = [i for i, line in enumerate(lines) if COMMENT.fullmatch(line)]
        first = text[: fence.start(2)].count("\n") + 1
        for here, after in zip(starts, [*starts[1:], len(lines)], strict=True):
            said = COMMENT.fullmatch(lines[here])
            assert said is not None
            part = "\n".join(lines[here + 1 : after])
            yield Example(page, dict(tables), fence[1], first + here, said, part)


def standard() -> str:
    """The network of the page, as text."""
    fences = FENCE.finditer(PAGE.read_text())
    return next(fence[2] for fence in fences if "class Standard" in fence[2])


def written(example: Example) -> str:
    """The network of the page with the example's lines in place of those it names."""
    lines = standard().splitlines()
    marked = [i for i, line in enumerate(lines) if re.search(r"# [A-Z]+\b", line)]
    names = [re.search(r"# ([A-Z]+)\b", lines[i])[1] for i in marked]  # type: ignore[index]
    first = marked[names.index(example.said["first"])]
    last = marked[names.index(example.said["last"] or example.said["first"])]
    built, run = separated(example.text)
    forward = next(i for i, line in enumerate(lines) if "def forward" in line)
    body = [*lines[:first], *indented(run), *lines[last + 1 :]]
    return "\n".join([*body[:forward], *indented(built), *body[forward:]])


def separated(text: str) -> tuple[list[str], list[str]]:
    """Divide lines into those of the constructor and those of the forward pass."""
    built, run = [], []
    for statement in ast.parse(text).body:
        source = ast.unparse(statement)
        (built if BUILT.match(source) else run).append(source)
    return built, run


def indented(statements: list[str]) -> list[str]:
    return textwrap.indent("\n".join(statements), " " * 8).splitlines()


def network(source: str) -> nn.Module:
    torch.manual_seed(0)
    scope: dict[str, type[nn.Module]] = {}
    exec(source, scope)  # these are lines of our own documentation
    return scope["Standard"]()


def probed(model: nn.Module, shown: Evidence) -> SimpleNamespace:
    """Run the untrained network in eval as the harness does: twice, and image by image."""
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        first, second = logits(model.eval()(images)), logits(model(images))
        alone = torch.cat([logits(model(image[None])) for image in images])
    scale = first.abs().max().item()
    return SimpleNamespace(
        repeat_difference=(first - second).abs().max().item() / scale,
        batch_difference=(first - alone).abs().max().item() / scale,
        evidence=shown,
        **UNSEEN,
    )


def influence(architecture: Architecture, tensors: dict[str, torch.Tensor], *, every_layer: bool) -> Evidence:
    draw = torch.Generator().manual_seed(2)
    images = torch.randn(STEPS * IMAGES, 3, 32, 32, generator=draw)
    labels = torch.arange(len(images)) % 10
    return evidence(views_of(architecture), tensors, images, labels, every_layer=every_layer)


def logits(output: torch.Tensor | tuple[torch.Tensor, ...]) -> torch.Tensor:
    return output[0] if isinstance(output, tuple) else output


def judged(source: str, edition: str | None, rule: str, given: Asked | None = None) -> Finding:
    file = DEFAULT_ASSIGNMENT.with_name(f"{edition}.toml")
    assignment = load_assignment(file if edition and file.exists() else DEFAULT_ASSIGNMENT)
    variant = edition if edition in assignment.variants else "basic"
    rules = {variant: (given,)} if given else assignment.every_rule()
    one = next(one for one in rules[variant] if one.name == rule)
    model = network(source)
    architecture, tensors = architecture_of(model, (3, 32, 32))
    is_run = rule not in WITHOUT_INFLUENCE and one.rule.needs not in ("recipe", "graph")
    every_layer = one.rule.counts_layers
    shown = influence(architecture, tensors, every_layer=every_layer) if is_run else Evidence()
    recipe = assignment.recipe_for(variant).at_cost(million_multiply_adds(architecture))
    data = assignment.data
    taken = Network(architecture, data.input_shape, data.num_classes, recipe, probed(model, shown))
    findings, _, _ = judge(taken, rules, variant)
    return next(finding for finding in findings if finding.rule == rule)


def test_the_network_of_the_page_passes_every_rule_in_both_editions():
    for edition in (None, "cifar10-c1c2c3c4"):
        findings = {rule: judged(standard(), edition, rule) for rule in ASKED[:-1]}
        assert {rule: f.actual for rule, f in findings.items() if f.status != "passed"} == {}


@pytest.mark.parametrize("example", in_two_speeds(examples("python")))
def test_an_example_of_a_network_gets_the_verdict_the_page_gives_it(example):
    finding = judged(written(example), example.said["edition"], example.said["rule"], example.asked)
    assert example.verdict(finding), finding


@pytest.mark.parametrize("example", examples("toml"), ids=str)
def test_an_example_of_a_recipe_gets_the_verdict_the_page_gives_it(example, assignment: AssignmentSpec):
    recipe = assignment.recipe_with(
        "basic",
        RecipeOverride.model_validate(tomllib.loads(example.text)["recipe"], strict=False),
        "submission.toml",
    )
    architecture, _ = architecture_of(network(standard()), (3, 32, 32))
    recipe = recipe.at_cost(million_multiply_adds(architecture))
    taken = Network(architecture, (3, 32, 32), 10, recipe)
    of_the_assignment = next((one for one in assignment.rules_for("basic") if one.name == example.page), None)
    one = example.asked or of_the_assignment
    assert one is not None
    (finding,), _, _ = judge(taken, {"basic": (one,)}, "basic")
    assert example.verdict(finding), finding


RUN = ("untrained_at_chance", "initial", "min_accuracy")
"""Rules about what a network does when it is run on images; no example here is."""


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule not in RUN])
def test_every_rule_has_an_example_that_passes_and_one_that_fails(rule):
    statuses = {e.said["status"] for e in examples_of(rule)}
    assert {"passes", "fails"} <= statuses


@pytest.mark.parametrize("rule", RULES)
def test_every_page_says_what_is_measured_and_why_and_what_can_be_set(rule):
    page = (PAGES / f"{rule}.md").read_text()
    for part in ("**Measured.**", "**Allowed.**", "**Not allowed.**", "**Why.**", "**Settings.**"):
        assert part in page, part
