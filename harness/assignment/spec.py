"""The assignment: data, variants, rules with their settings and points, recipe and limits, from TOML."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from harness.base.errors import AssignmentError
from harness.base.installation import package_data
from harness.base.tables import Identifier, Positive, Slug, Table, meant, read_toml, validate
from harness.datasets.spec import DataSpec
from harness.record.trainings import Training
from harness.rules.base import TrainingRule
from harness.rules.max_parameters import MaxParameters
from harness.rules.min_accuracy import MinAccuracy
from harness.rules.registry import RULES, Asked, asked
from harness.settings.policy_and_deadlines import Policy
from harness.settings.recipe import RecipeChanges, RecipeOverride, RecipeSpec

DEFAULT_ASSIGNMENT = package_data("checks", "assignments", "cifar10-compact-cnn.toml")

ONLY_VARIANT = "basic"
"""Name of the variant of an assignment that has one and does not name it."""


RuleTable = dict[str, Any]
"""Settings of a rule as they are written; `harness.rules` checks them."""


class VariantSpec(Table):
    """One variant: what differs in its rules and in its recipe."""

    title: str
    """What it is, in a few words."""
    rules: dict[Identifier, Union[Literal[False], RuleTable]] = Field(default_factory=dict)
    """Settings that take the place of those of ``[rules]``, or false for a rule that does not apply."""
    recipe: RecipeChanges = RecipeChanges()
    """What differs from `[recipe]`."""


class Bounds(Table):
    """Inclusive limits of one recipe value in a manifest."""

    min: float
    max: float

    @model_validator(mode="after")
    def _in_order(self) -> "Bounds":
        if self.min > self.max:
            raise ValueError(f"expected min up to max, got min {self.min:g} and max {self.max:g}")
        return self


class Overrides(Table):
    """The limits within which a manifest may set each number of the recipe; what is not here is fixed."""

    epochs: Bounds | None = None
    batch_size: Bounds | None = None
    lr: Bounds | None = None
    weight_decay: Bounds | None = None
    label_smoothing: Bounds | None = None


class Seeds(Table):
    """The trainings that decide about the accuracy, each with a seed of its own: seed, seed + 1, ..."""

    first: Positive = 1
    """Trainings of every variant."""
    borderline: Positive = 1
    """Trainings in all where the threshold lies inside the 95 % interval of the first ones."""

    @model_validator(mode="after")
    def _more_near_the_line(self) -> "Seeds":
        if self.borderline < self.first:
            raise ValueError(
                f"borderline counts all trainings, so it is at least first; "
                f"expected {self.first} or more, got {self.borderline}"
            )
        return self


class Limits(Table):
    """The limits of the child processes. The defaults of the shipped assignment pass every honest model."""

    intake_s: Positive = 120
    """Wall-clock seconds to import, build and export a model."""
    intake_cpu_s: Positive = 60
    """Seconds of a processor for the same."""
    intake_memory_mib: Positive = 6_144
    """Memory for the same."""
    intake_output_mib: Positive = 64
    """Size of the exported graph with its weights."""
    training_s: Positive = 28_800
    """Wall-clock seconds of one training."""
    training_memory_mib: Positive = 12_288
    """Of the values of one batch together."""


class AssignmentSpec(Table):
    """One assignment: what is asked, what it is worth, and how it is trained."""

    schema_version: Literal[2]
    id: Slug
    """Small letters, digits and hyphens."""
    title: str
    """Heads every report."""
    seed: int = 1
    """Decides initial weights, the order of the images, augmentation, dropout."""
    seeds: Seeds = Seeds()
    """How many trainings decide."""
    default_variant: Slug
    """The first one if not given."""
    data: DataSpec
    """Which images."""
    rules: dict[Identifier, RuleTable]
    """Those that apply; a rule that is not here is not asked for."""
    recipe: RecipeSpec
    """How a network is trained."""
    overrides: Overrides = Overrides()
    """What of it a submission may change."""
    limits: Limits = Limits()
    """What a submission may use."""
    policy: Policy = Policy()
    """What counts."""
    variants: Annotated[dict[Slug, VariantSpec], Field(min_length=1)]
    """One that is as the assignment itself if none is given."""

    @model_validator(mode="after")
    def _every_recipe_holds(self) -> "AssignmentSpec":
        try:
            for name in self.variants:
                self.recipe_for(name)
        except AssignmentError as error:
            raise ValueError(str(error).rstrip(".")) from None
        return self

    @model_serializer(mode="wrap")
    def _without_the_usual_policy(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Drop a policy that is the default: an assignment without one keeps its hash."""
        table: dict[str, Any] = written(self)
        if self.policy == Policy():
            table.pop("policy", None)
        return table

    def rules_for(self, variant: str) -> tuple[Asked, ...]:
        """Return the rules of a variant, in the registry's order: ``[rules]``, with what the variant changes.

        Raises:
            AssignmentError: there is no such rule, or its settings are none; one line for every mistake.
        """
        merged = _merged(self.rules, self.variants[variant].model_dump(include={"rules"}), variant)
        found = [asked(name, table, self.id, place) for name, (table, place) in merged.items()]
        # Not the order of the file: it is lost in a record, whose keys are sorted.
        order = list(RULES)
        return tuple(sorted(found, key=lambda one: (order.index(one.rule.name), one.name)))

    def every_rule(self) -> dict[str, tuple[Asked, ...]]:
        """Return the rules of each variant, by its name."""
        return {variant: self.rules_for(variant) for variant in self.variants}

    @property
    def counts_layers(self) -> bool:
        """Whether a rule of any variant counts on layers other than convolutions."""
        return any(one.rule.counts_layers for rules in self.every_rule().values() for one in rules)

    def accuracy_asked(self, variant: str) -> float | None:
        """Return the accuracy that a variant has to reach, a share in [0, 1], or None."""
        settings = (one.settings for one in self.rules_for(variant))
        return next((s.at_least for s in settings if isinstance(s, MinAccuracy.Settings)), None)

    def parameters_allowed(self, variant: str) -> int | None:
        """Return the number that a variant's parameters must stay below; None where there is none."""
        settings = (one.settings for one in self.rules_for(variant))
        return next((s.limit for s in settings if isinstance(s, MaxParameters.Settings)), None)

    def seeds_needed(self, trainings: Sequence[Training], variant: str) -> int:
        """Return how many trainings decide, given the first ones, which are at least one."""
        asked_for = self.rules_for(variant)
        rules = [(one.rule, one.settings) for one in asked_for if isinstance(one.rule, TrainingRule)]
        first = max([self.seeds.first, *(rule.least_seeds(settings) for rule, settings in rules)])
        if len(trainings) < first:
            return first
        close = any(rule.is_close(trainings[:first], settings) for rule, settings in rules)
        return max(first, self.seeds.borderline) if close else first

    def recipe_for(self, variant: str) -> RecipeSpec:
        """Return the recipe of a variant: `[recipe]`, with what `[variants.NAME.recipe]` changes."""
        changes = self.variants[variant].recipe.model_dump(exclude_none=True)
        return self.recipe.changed(changes, f"variants.{variant}.recipe")

    def recipe_with(self, variant: str, override: RecipeOverride, where: str) -> RecipeSpec:
        """Apply a manifest's values to a variant's recipe.

        Raises:
            AssignmentError: a value lies outside the assignment's `[overrides]`; all are named.
        """
        changes = override.model_dump(exclude_none=True)
        mistakes = [
            f"{where}: recipe.{name}: {mistake}"
            for name, bounds in self.overrides
            if name in changes and (mistake := _outside(bounds, changes[name]))
        ]
        if mistakes:
            raise AssignmentError("\n".join(mistakes))
        return self.recipe_for(variant).changed(changes)


def load_assignment(path: Path) -> AssignmentSpec:
    """Read an assignment file.

    Raises:
        AssignmentError: the file cannot be read, is not TOML, or is not a valid assignment.
    """
    return parse_assignment(read_toml(path), where=path.name)


def parse_assignment(table: Mapping[str, Any], where: str = "assignment") -> AssignmentSpec:
    """Check an assignment table; see `load_assignment`."""
    mistakes = [*_variant_mistakes(table, where), *_rule_mistakes(table, where)]
    try:
        spec = validate(AssignmentSpec, _with_variants(table), where)
    except AssignmentError as error:
        raise AssignmentError("\n".join([str(error), *mistakes])) from None
    if mistakes:
        raise AssignmentError("\n".join(mistakes))
    return spec


# Private functions


def _with_variants(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """Fill in the variants: one that is as the assignment itself, and the first as the default."""
    variants = table.get("variants", {ONLY_VARIANT: {"title": table.get("title", "")}})
    first = next(iter(variants), ONLY_VARIANT) if isinstance(variants, Mapping) else ONLY_VARIANT
    return {"default_variant": first, **table, "variants": variants}


def _outside(bounds: Bounds | None, value: float) -> str:
    """Return why a manifest may not set a value; "" where it may."""
    if bounds is None:
        return "fixed by the assignment; leave it out."
    if bounds.min <= value <= bounds.max:
        return ""
    return f"outside the assignment's limits; expected {bounds.min:g} to {bounds.max:g}, got {value:g}."


def _variant_mistakes(table: Mapping[str, Any], where: str) -> list[str]:
    """List what names nothing: a default that is no variant, a rule that is switched off and not there."""
    variants = _tables_in(table, "variants")
    found = []
    default = table.get("default_variant")
    if variants and isinstance(default, str) and default not in variants:
        found.append(
            f"{where}: default_variant: no variant {default!r}. {meant(default, variants, 'variants')}"
        )
    rules = _tables_in(table, "rules")
    for variant, spec in variants.items():
        changes = spec.get("rules")
        written = changes.items() if isinstance(changes, Mapping) else ()
        off = [name for name, change in written if change is False and name not in rules]
        found += [
            f"{where}: variants.{variant}.rules.{name}: [rules] has no {name} to switch off. "
            f"{meant(name, rules, 'rules there')}"
            for name in off
        ]
    return found


def _rule_mistakes(table: Mapping[str, Any], where: str) -> list[str]:
    """List what is wrong with the rules of every variant, each mistake once."""
    variants = _tables_in(table, "variants") or {"": {}}
    found: dict[str, None] = {}
    for variant, spec in variants.items():
        for name, (settings, place) in _merged(_tables_in(table, "rules"), spec, variant).items():
            try:
                asked(name, settings, where, place)
            except AssignmentError as error:
                found |= dict.fromkeys(str(error).splitlines())
    return list(found)


def _tables_in(table: Mapping[str, Any], key: str) -> Mapping[str, Mapping[str, Any]]:
    found = table.get(key)
    return {k: v for k, v in found.items() if isinstance(v, Mapping)} if isinstance(found, Mapping) else {}


def _merged(
    rules: Mapping[str, Mapping[str, Any]], spec: Mapping[str, Any], variant: str
) -> dict[str, tuple[RuleTable, str]]:
    """Return the tables of a variant's rules, in order, and where in the file they are."""
    changes = spec.get("rules") if isinstance(spec.get("rules"), Mapping) else {}
    assert isinstance(changes, Mapping)
    found = {}
    for name in dict.fromkeys([*rules, *changes]):
        change = changes.get(name, {})
        if isinstance(change, Mapping):
            place = f"variants.{variant}.rules.{name}" if change else f"rules.{name}"
            before = rules.get(name, {})
            kept = {key: before[key] for key in ("points",) if key in before} if "rule" in change else before
            found[name] = ({**kept, **change}, place)
    return found
