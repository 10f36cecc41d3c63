"""What a call costs, to be compared with what another one costs in the same run."""

import time
from collections.abc import Callable


def cost(work: Callable[[], object], times: int = 3) -> float:
    """Return the least processor time of several calls: what else runs on the machine counts for little."""
    spent = []
    for _ in range(times):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return min(spent)
