"""TOML tables in, frozen validated data out; a table with mistakes raises once and names them all.

Reading a file (`read_toml`) and checking a table (`validate`) are separate. For an unknown key the message
names the key that was probably meant.
"""

import difflib
import hashlib
import json
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.base.errors import AssignmentError

_Spec = TypeVar("_Spec", bound=BaseModel)

_IDENTIFIER, _SLUG = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$", r"^[a-z0-9][a-z0-9-]{0,63}$"

Identifier = Annotated[str, Field(pattern=_IDENTIFIER)]
Slug = Annotated[str, Field(pattern=_SLUG)]
Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]

_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "too_short": "a list that names something",
}
"""What was expected where a value is of another kind, by pydantic's names."""
_PATTERNS = {
    _IDENTIFIER: "letters, digits and underscores, no digit first",
    _SLUG: "small letters, digits and hyphens, as in mnist-8k",
}
_OR_FALSE, _OR_TABLE = "literal[False]", "dict["
"""How pydantic calls the two kinds of a value that is a table or false."""
_LIMITS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}

MAX_SHOWN = 200
"""Characters of a key or a value that a message shows."""


class Frozen(BaseModel):
    """A value that knows its keys, holds only finite numbers, and does not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Table(Frozen):
    """A table that a person may write: what its keys mean is in its schema."""

    model_config = ConfigDict(use_attribute_docstrings=True)


def content_hash(spec: BaseModel) -> str:
    """Return the SHA-256 (hex) of a specification, whatever its comments and the order of its keys."""
    data = json.dumps(spec.model_dump(mode="json", by_alias=True), sort_keys=True, allow_nan=False)
    return hashlib.sha256(data.encode()).hexdigest()


def read_toml(path: Path) -> Mapping[str, Any]:
    """Read a TOML file.

    Raises:
        AssignmentError: the file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AssignmentError(f"{path}: no such file. Give the path of a TOML file.") from None
    except OSError as error:
        raise AssignmentError(f"{path.name}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        raise AssignmentError(f"{path.name}: cannot be read ({error}).") from None
    except (ValueError, RecursionError) as error:  # a TOMLDecodeError, a number or nesting without end
        raise AssignmentError(f"{path.name}: not valid TOML: {error}.") from None


def validate(model: type[_Spec], table: Mapping[str, Any], where: str, place: str = "") -> _Spec:
    """Check a table; `where` names its file in messages, and `place` the table's place in the file.

    Raises:
        AssignmentError: one line for every mistake.
    """
    try:
        # Through JSON, where strict typing still lets an array become a tuple.
        return model.model_validate_json(json.dumps(table, default=str), strict=True)
    except ValidationError as error:
        errors = [one for one in error.errors(include_url=False) if not _follows(one)]
        lines = dict.fromkeys(_explain(model, one, where, place) for one in errors)
        raise AssignmentError("\n".join(lines)) from None


def meant(name: str, known: Iterable[str], what: str) -> str:
    """Return the end of a message about an unknown name: the known one that was probably meant, or all."""
    names = sorted(known)
    guess = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {guess[0]!r}?" if guess else f"Known {what}: {', '.join(names)}."


def not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Check that a list names something."""
    if not values:
        raise ValueError("expected at least one, got an empty list")
    return values


# Private functions


def _explain(model: type[BaseModel], error: Any, where: str, inside: str) -> str:
    loc = [str(part)[:MAX_SHOWN] for part in error["loc"] if not str(part).startswith(_OR_TABLE)]
    path = ".".join([inside, *loc] if inside else loc)
    place = f"{where}: {path}" if path else where
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown key. {meant(loc[-1], _keys_at(model, loc[:-1]), 'keys')}"
    if error["type"] == "missing":
        return f"{place}: missing; a value is required."
    if error["type"] == "value_error":
        return f"{place}: {error['ctx']['error']}."
    said = _expected(error)
    return f"{place}: {said}{'' if said.endswith('?') else '.'}"


def _follows(error: Any) -> bool:
    """Return whether a mistake follows from another one: a part of a list was wrong and does not count."""
    if error["type"] == "too_short":
        return bool(len(error["input"]) >= error["ctx"]["min_length"])
    return bool(error["loc"]) and error["loc"][-1] == _OR_FALSE


def _expected(error: Any) -> str:
    """Return in plain words what was expected and what is there."""
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    shown = repr(given)[:MAX_SHOWN]
    if _is_percent(error):
        return f"expected a share from 0 to 1, got {given:g}; write {given / 100:g}"
    if kind == "literal_error":
        return _one_of(context["expected"], given)
    if kind in _KINDS:
        return f"expected {_KINDS[kind]}, got {shown}"
    if context.get("pattern") in _PATTERNS:
        return f"expected {_PATTERNS[context['pattern']]}, got {shown}"
    if kind == "too_long":
        return f"expected at most {context['max_length']} values, got {shown}"
    for limit, words in _LIMITS.items():
        if limit in context:
            return f"expected {words} {context[limit]:g}, got {shown}"
    return f"{error['msg']}, got {shown}"


def _one_of(expected: str, given: Any) -> str:
    known = re.findall(r"'([^']*)'", expected)
    guess = difflib.get_close_matches(str(given), known, n=1)
    meaning = f"; did you mean {guess[0]!r}?" if guess else ""
    return f"expected {expected}, got {repr(given)[:MAX_SHOWN]}{meaning}"


def _is_percent(error: Any) -> bool:
    """Return whether a share was written in percent."""
    most = error.get("ctx", {}).get("le", error.get("ctx", {}).get("lt"))
    return most == 1 and isinstance(error["input"], int | float) and 1 < error["input"] <= 100


def _keys_at(model: type[BaseModel], loc: list[str]) -> list[str]:
    """List the keys a table may have at a place, found by walking the models along `loc`."""
    here: Any = model
    for part in loc:
        if isinstance(here, type) and issubclass(here, BaseModel):
            by_alias = {f.alias or name: f.annotation for name, f in here.model_fields.items()}
            here = _strip_optional(by_alias.get(part))
        else:
            here = _strip_optional(
                typing.get_args(here)[-1] if typing.get_origin(here) is dict else typing.get_args(here)[0]
            )
    if isinstance(here, type) and issubclass(here, BaseModel):
        return [f.alias or name for name, f in here.model_fields.items()]
    return []


def _strip_optional(annotation: Any) -> Any:
    """Reduce ``Annotated[X, ...]`` and ``X | None`` to X."""
    if typing.get_origin(annotation) is Annotated:
        return _strip_optional(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (Union, types.UnionType):
        rest = [arg for arg in typing.get_args(annotation) if arg is not type(None)]
        return _strip_optional(rest[0])
    return annotation
