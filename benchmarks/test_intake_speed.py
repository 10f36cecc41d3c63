"""The cost of the sandbox, and what its fork server saves: one submission, many in a sandbox, one without.

``make bench ARGS="-k intake_speed"``. The kinds take turns, and the medians of their ratios are printed: of
processor time, which other work on the machine moves little, and of wall time. A fresh submission is what a
user waits for who has one: a sandbox is opened, torch loaded, the submission traced, the sandbox closed.
"""

import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.assignment.spec import DEFAULT_ASSIGNMENT, load_assignment
from harness.loader.client import Loaded, open_loader, readable, trace
from harness.loader.protocol import Request
from harness.sandbox.self_check import without_sandbox
from harness.sources.requested import Requested

SUBMISSION = Path(__file__).parents[1] / "submission"
ROUNDS = 5
MORE = 10
"""Submissions that follow the first one in the same sandbox."""

Spent = tuple[float, float]
"""Seconds of the processor, of this process and all it waited for, and of the clock."""


@pytest.fixture(params=["basic", "dilated"])
def variant(request):
    return request.param


@pytest.fixture
def take_in(tmp_path, variant):
    """Take in the reference submission some times in one sandbox, or without; returns what it took."""
    assignment = load_assignment(DEFAULT_ASSIGNMENT)
    limits = assignment.limits
    network = {"basic": "Net", "dilated": "NetDilated"}[variant]

    def taken(opened: Callable, times: int) -> Spent:
        before = spent()
        with opened() as sandbox:
            for _ in range(times):
                out = tmp_path / str(time.monotonic_ns())
                out.mkdir()
                with readable(SUBMISSION, sandbox) as copy:
                    wanted = Requested(file=copy / "model.py", class_name=network)
                    request = Request(
                        root=copy, requested=wanted, input_shape=assignment.data.input_shape,
                        classes=assignment.data.num_classes, init_seed=1, other_init_seed=2,
                        cpu_s=limits.intake_cpu_s, memory_mib=limits.intake_memory_mib,
                        output_mib=limits.intake_output_mib, out=out,
                    )  # fmt: skip
                    assert isinstance(trace(request, limits, sandbox), Loaded)
        return tuple(after - start for after, start in zip(spent(), before, strict=True))

    return taken


def spent() -> Spent:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used), time.perf_counter()


def sandboxed():
    # Of a process inside bubblewrap, which is killed, the processor time is not known afterwards.
    return open_loader("lock")


def said(capsys, what: str, rounds: list[tuple[Spent, Spent]]) -> float:
    """Print the medians; returns the ratio of processor time."""
    with capsys.disabled():
        for which, name in enumerate(("processor", "wall")):
            one, other = (statistics.median(pair[kind][which] for pair in rounds) for kind in (0, 1))
            ratio = statistics.median(pair[0][which] / pair[1][which] for pair in rounds)
            print(f"\n{what}: {name} time {one:.2f} s against {other:.3f} s, ratio {ratio:.2f}", end="")
    return statistics.median(pair[0][0] / pair[1][0] for pair in rounds)


def test_intake_speed_of_a_fork_server_against_a_fresh_process(take_in, variant, capsys):
    rounds = []
    for _ in range(ROUNDS):
        fresh, many = take_in(sandboxed, 1), take_in(sandboxed, 1 + MORE)
        each = tuple((all_ - first) / MORE for all_, first in zip(many, fresh, strict=True))
        rounds.append((fresh, each))
    assert said(capsys, f"{variant}: fresh, and each that follows", rounds) > 10


def test_intake_speed_of_a_sandbox_against_a_process_without(take_in, variant, capsys):
    """Without a sandbox is as in a self-check: the same steps in a plain process."""
    rounds = [(take_in(sandboxed, 1), take_in(without_sandbox, 1)) for _ in range(ROUNDS)]
    assert said(capsys, f"{variant}: boxed, and without a sandbox", rounds) < 1.1
