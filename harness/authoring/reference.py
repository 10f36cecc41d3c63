"""The generated parts of docs/assignments.md: every table and key, every rule, every data set."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from harness.assignment.spec import AssignmentSpec, Bounds, Limits, Overrides, Seeds, VariantSpec
from harness.authoring.schema import assignment_schema
from harness.datasets.dataset import Own, Public
from harness.datasets.registry import DATASETS
from harness.datasets.spec import DataSpec
from harness.rules.base import Needs, RuleSettings
from harness.rules.registry import RULES
from harness.settings.policy_and_deadlines import Late, Policy
from harness.settings.recipe import RecipeChanges, RecipeSpec, Stage, Tier, TransformSpec

JUDGED_BY: Mapping[Needs, str] = {
    "recipe": "the recipe",
    "graph": "the graph",
    "influence": "the graph, and whether its layers matter when it is run",
    "probe": "running the network untrained",
    "training": "trainings",
}
TABLES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("the top of the file", AssignmentSpec),
    ("`seeds`", Seeds),
    ("`[data]`", DataSpec),
    ("`[rules.NAME]`, for every rule", RuleSettings),
    ("`[variants.NAME]`", VariantSpec),
    ("`[recipe]`", RecipeSpec),
    ("`stages` of the recipe", Stage),
    ("`[[recipe.augmentation]]`", TransformSpec),
    ("`[[recipe.tiers]]`", Tier),
    ("`[variants.NAME.recipe]`", RecipeChanges),
    ("`[overrides]`", Overrides),
    ("one of the overrides", Bounds),
    ("`[limits]`", Limits),
    ("`[policy]`", Policy),
    ("`late` of the policy", Late),
)
"""Where a table stands in the file, and what it may hold."""
_NUMBERS = {"exactly", "any_of"}
"""Keys of a table in whose place a number may stand."""


def sections() -> dict[str, str]:
    """Render the generated parts as Markdown, by the names of their markers."""
    return {
        "KEYS": "\n\n".join(f"**{place}**\n\n{_keys(model)}" for place, model in TABLES),
        "RULES": "\n\n".join(map(_rule, RULES)),
        "DATA_SETS": _data_sets(),
    }


# Private functions


def _keys(model: type[BaseModel], without: Iterable[str] = ()) -> str:
    """List the keys of a table: what they hold, what they are if not given, what they mean."""
    schema = assignment_schema() if model is AssignmentSpec else model.model_json_schema(by_alias=True)
    required, skipped = schema.get("required", ()), set(without)
    rows = [
        (
            f"`{key}`",
            _value(one, schema),
            "required" if key in required else _default(one),
            " ".join(one.get("description", "").replace("``", "`").replace("|", "\\|").split()),
        )
        for key, one in schema.get("properties", {}).items()
        if key not in skipped
    ]
    return _table(("key", "value", "if not given", "meaning"), rows)


def _rule(name: str) -> str:
    rule = RULES[name]
    common = set(RuleSettings.model_json_schema()["properties"])
    own = set(rule.Settings.model_json_schema()["properties"]) - common
    said = (rule.Settings.__doc__ or "").split("\n\n")[0]
    head = f"**`{name}`**: {rule.asks}. {rule().checks} Judged by {JUDGED_BY[rule.needs]}."
    if not own:
        return f"{head} It has no settings of its own."
    return f"{head} {' '.join(said.split())}\n\n{_keys(rule.Settings, common)}"


def _data_sets() -> str:
    rows = [
        _public(one) if isinstance(one, Public) else _own(one)
        for one in DATASETS.values()
        if isinstance(one, Public | Own)
    ]
    return _table(("`dataset`", "what it is", "images", "classes", "looked for in"), rows)


def _public(one: Public) -> tuple[str, ...]:
    channels, height, width = one.shape
    train, test = sum(one.train_per_class), sum(one.test_per_class)
    images = f"{channels} x {height} x {width}; {train:,} to train on, {test:,} to test"
    sample = "; a sample is embedded" if one.miniature else ""
    return (
        f"`{one.name}`",
        f"{one.title}: {one.about}{sample}",
        images,
        str(len(one.classes)),
        f"`{one.root_variable}`",
    )


def _own(one: Own) -> tuple[str, ...]:
    return (
        f"`{one.name}`",
        f"{one.about}: `{one.layout}`",
        "1 or 3 channels, 8 to 512 px",
        "those you name",
        "`HARNESS_DATA`",
    )


def _value(one: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return in a few words what a key holds."""
    if "$ref" in one:
        return _value(schema["$defs"][one["$ref"].rpartition("/")[2]], schema)
    if "anyOf" in one:
        kinds = [_value(each, schema) for each in one["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "const" in one:
        return f"`{_toml(one['const'])}`"
    if "enum" in one:
        return ", ".join(f"`{_toml(each)}`" for each in one["enum"])
    if one.get("type") == "array":
        inside: Mapping[str, Any] = one.get("items") or next(iter(one.get("prefixItems", ())), {})
        return f"list of {_value(inside, schema)}"
    if one.get("type") == "object":
        keys = ", ".join(f"`{key}`" for key in one.get("properties", ()))
        kind = "number, or table" if _NUMBERS & set(one.get("properties", ())) else "table"
        return f"{kind}: {keys}" if keys else kind
    return _plain(one)


def _plain(one: Mapping[str, Any]) -> str:
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true`, `false`"}
    said = words.get(one.get("type", ""), "any value")
    if one.get("format") == "date-time":
        return "date, time and zone"
    limits = {
        "exclusiveMinimum": "more than",
        "minimum": "at least",
        "exclusiveMaximum": "less than",
        "maximum": "at most",
    }
    parts = [f"{word} {one[key]:g}" for key, word in limits.items() if key in one]
    return ", ".join([said, *parts])


def _default(one: Mapping[str, Any]) -> str:
    value = one.get("default")
    return "–" if value in (None, "", [], {}) or isinstance(value, dict) else f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple(":--" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
