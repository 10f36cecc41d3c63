"""The JSON Schema of a record, made from the models themselves."""

import json

from harness.record.record import SCHEMA, Record


def record_schema() -> str:
    """Write the JSON Schema (draft 2020-12) that every written record satisfies."""
    schema = Record.model_json_schema(by_alias=True, mode="serialization")
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": SCHEMA,
        "description": "One graded submission. Every key is explained in docs/record.md.",
    }
    return json.dumps(described, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
