"""Explanations of rules as Markdown: a rule's page, which lies beside its code, and the list of all."""

import inspect
from pathlib import Path

from harness.base.errors import HarnessError, UsageError
from harness.base.tables import meant
from harness.rules.registry import RULES

MARKS = (
    "\nThe marks of the examples are lines of the network at the top of docs/rules.md, which they replace.\n"
)


def page(rule: str, folder: Path | None = None) -> str:
    """Read one rule's page, which lies in `folder`, beside the rule's code if not given.

    Raises:
        UsageError: there is no such rule; the message names the one that was probably meant.
        HarnessError: the page cannot be read.
    """
    if rule not in RULES:
        raise UsageError(f"explain {rule}: no such rule. {meant(rule, RULES, 'rules')}")
    file = (folder or Path(inspect.getfile(RULES[rule])).parent) / f"{rule}.md"
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise HarnessError(f"{file}: cannot be read ({error.strerror}). Install the harness again.") from None
    return text.rstrip() + "\n" + (MARKS if "```python" in text else "")


def overview() -> str:
    """List every rule with what it checks."""
    lines = [f"- `{name}`: {rule().checks}" for name, rule in RULES.items()]
    return "\n".join([*lines, "", "`harness explain RULE` says what is allowed, what is not, and why.\n"])
