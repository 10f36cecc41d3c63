"""The JSON Schema of an assignment file, for editors: the tables, and the settings of every rule there is."""

import json
from typing import Any

from harness.assignment.spec import AssignmentSpec
from harness.rules.registry import RULES

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def assignment_schema() -> dict[str, Any]:
    """Make the JSON Schema (draft 2020-12) of an assignment as it is written in TOML.

    A table of ``[rules]`` has the settings of the rule of its name, or of the one that its key `rule` names.
    """
    schema = AssignmentSpec.model_json_schema(by_alias=True, mode="validation")
    definitions = schema["$defs"]
    for name, rule in RULES.items():
        own = _within(name, rule.Settings.model_json_schema(by_alias=True, mode="validation"))
        own.pop("required", None)  # a variant may have it
        inner = own.pop("$defs", {})
        definitions |= {f"{name}.{key}": _or_short(one) for key, one in inner.items()}
        properties = {key: _or_short(one) for key, one in own["properties"].items()}
        definitions[f"rules.{name}"] = {
            **own, "properties": properties, "title": name, "description": rule().checks,
        }  # fmt: skip
    schema["properties"]["rules"] = {"type": "object", **_tables()}
    changes = {"type": "object", **_tables(partly=True)}
    definitions["VariantSpec"]["properties"]["rules"] = changes
    # What is filled in where it is missing.
    schema["required"] = [key for key in schema["required"] if key not in ("variants", "default_variant")]
    return {"$schema": DRAFT, **schema, "title": "assignment"}


def as_text() -> str:
    """Write the schema as JSON."""
    return json.dumps(assignment_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


# Private functions


def _tables(*, partly: bool = False) -> dict[str, Any]:
    """Return which tables ``[rules]`` may have; a variant states a part of one, or false."""
    free: dict[str, Any] = {"type": "object"}
    if partly:
        either = {"anyOf": [{"const": False}, free]}
        return {"additionalProperties": either}
    named = {name: {"$ref": f"#/$defs/rules.{name}"} for name in RULES}
    renamed = [
        {
            "if": {"properties": {"rule": {"const": name}}, "required": ["rule"]},
            "then": {"$ref": f"#/$defs/rules.{name}"},
        }
        for name in RULES
    ]
    other = {
        "type": "object",
        "required": ["rule"],
        "properties": {"rule": {"enum": list(RULES)}},
        "allOf": renamed,
    }
    return {"properties": named, "additionalProperties": other}


def _or_short(one: dict[str, Any]) -> dict[str, Any]:
    """Allow the short form of a list or a table as well: ``3`` for ``[3]`` or ``{ exactly = 3 }``."""
    may_be_short = one.get("type") in ("array", "object")
    return {"anyOf": [one, {"type": ["integer", "string", "array"]}]} if may_be_short else one


def _within(rule: str, schema: Any) -> Any:
    """Rewrite the references of a rule's own schema to where its definitions are now."""
    text = json.dumps(schema).replace('"#/$defs/', f'"#/$defs/{rule}.')
    return json.loads(text)
