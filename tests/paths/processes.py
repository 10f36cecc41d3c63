"""Processes that others have started."""

from pathlib import Path


def descendants(process: int) -> set[int]:
    """The processes that one has started, and those they have started, that still run."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    started = {int(number) for task in tasks for number in (task / "children").read_text().split()}
    return started.union(*map(descendants, started))
