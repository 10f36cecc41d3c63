"""What a rule means: its page, cut from docs/rules.md, and the list of all rules. Markdown out."""

import re
from pathlib import Path

from harness.analysis.rules import DESCRIPTIONS
from harness.assignment import REPOSITORY
from harness.errors import HarnessError, UsageError
from harness.tables import meant

RULES = REPOSITORY / "docs" / "rules.md"
MARKS = (
    "\nThe marks of the examples are lines of the network at the top of docs/rules.md, which they replace.\n"
)


def page(rule: str, document: Path = RULES) -> str:
    """Cut one rule's page out of the document.

    Raises:
        UsageError: there is no such rule; the message names the one that was probably meant.
        HarnessError: the document cannot be read or has no such page.
    """
    if rule not in DESCRIPTIONS:
        raise UsageError(f"explain {rule}: no such rule. {meant(rule, DESCRIPTIONS, 'rules')}")
    try:
        text = document.read_text(encoding="utf-8")
    except OSError as error:
        raise HarnessError(
            f"{document}: cannot be read ({error.strerror}). Run the harness from its checkout."
        ) from None
    pages = {part.partition("\n")[0].strip("` "): part for part in re.split(r"^## ", text, flags=re.M)[1:]}
    if rule not in pages:
        raise HarnessError(f"{document}: no page; expected a heading ## `{rule}`. Add one.")
    return f"## {pages[rule].rstrip()}\n" + (MARKS if "```python" in pages[rule] else "")


def overview() -> str:
    """List every rule with what it checks."""
    lines = [f"- `{rule}`: {text}" for rule, text in DESCRIPTIONS.items()]
    return "\n".join([*lines, "", "`harness explain RULE` says what is allowed, what is not, and why.\n"])
