"""One test per rule and variant; the message is the finding.

Run as ``pytest checks --submission PATH``. A rule that could not be judged does not pass the gate.
"""

import pytest

from harness.record.findings import Finding
from harness.record.record import Record


def test_rule(record: Record, finding: Finding, variant: str) -> None:
    """Check that the rule named in the test's id holds for the variant."""
    if finding.status == "passed":
        return
    problem = record.variants[variant].problem
    places = ", ".join(f"{w.layer} ({w.source})" if w.source else w.layer for w in finding.where)
    lines = [
        f"{variant}: {finding.rule}: {finding.status.replace('_', ' ')}",
        f"  expected: {finding.expected}",
        f"  actual:   {finding.actual}",
        f"  where:    {places}" if places else "",
        f"  {problem.message}" if problem else f"  {finding.help}",
    ]
    pytest.fail("\n".join(line for line in lines if line.strip()), pytrace=False)
