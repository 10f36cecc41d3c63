import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from harness.base.errors import DataError, DataUnavailableError, GraphError, TrainingError, UsageError
from harness.training import client as runner
from harness.training.client import Child, run
from harness.training.events import (
    AllProbedEvent,
    DataEvent,
    ErrorEvent,
    Event,
    StartedEvent,
    StepEvent,
    TrainedEvent,
)
from harness.training.jobs import ProbeJob, TrainJob

LONG_S = 120.0


@pytest.fixture
def probe_job(job: TrainJob) -> ProbeJob:
    return ProbeJob(models={"basic": job.model}, data=job.data, batch_size=128, threads=2)


@pytest.fixture
def long_job(job: TrainJob) -> TrainJob:
    """More epochs than any test waits for."""
    return job.model_copy(update={"recipe": job.recipe.model_copy(update={"epochs": 1000}), "workers": 1})


def running_children(marker: str) -> list[str]:
    """Processes with this text in their environment, which names the test's own folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker.encode() in path.read_bytes() and path.parent.name != str(os.getpid()):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def nothing_left(marker: str) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not running_children(marker):
            return True
        time.sleep(0.05)
    return False


def killed(child: Child) -> None:
    """Kill a child, and wait until it is dead; that it is, its owner has still to find out."""
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


def stand_in(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start another program in the child's place: a package of the same name with this module."""
    package = folder / "harness" / "training"
    package.mkdir(parents=True)
    for init in (package.parent / "__init__.py", package / "__init__.py"):
        init.write_text("")
    (package / "worker.py").write_text(body)
    monkeypatch.setattr(runner, "PACKAGES", folder)


def test_events_come_in_order_and_the_result_is_returned(job: TrainJob, events: list[Event]) -> None:
    recipe = job.recipe.model_copy(update={"epochs": 1, "batch_size": 1000, "stages": (), "augmentation": ()})
    result = run(job.model_copy(update={"recipe": recipe}), events.append, LONG_S)
    assert isinstance(result, TrainedEvent)
    assert isinstance(events[0], DataEvent)
    assert [event.event for event in events if not isinstance(event, StepEvent)] == ["data", "ready", "epoch"]


def test_the_child_s_error_is_raised_as_its_own_class(
    job: TrainJob, events: list[Event], tmp_path: Path
) -> None:
    lost = job.model_copy(update={"resume": tmp_path / "none.pth"})
    with pytest.raises(UsageError, match=r"none\.pth: no such file"):
        run(lost, events.append, LONG_S)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("data", DataError),
        ("data_unavailable", DataUnavailableError),
        ("usage", UsageError),
        ("graph", GraphError),
        ("training", TrainingError),
    ],
)
def test_every_kind_of_error_has_its_class(
    kind: str, error: type[Exception], probe_job: ProbeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ErrorEvent.model_validate({"kind": kind, "message": "what happened"}).model_dump_json()
    stand_in(tmp_path / "other", f"print({line!r})", monkeypatch)
    with pytest.raises(error, match="what happened"):
        run(probe_job, lambda event: None, LONG_S)


def test_a_child_that_takes_too_long_is_stopped_with_its_own_children(
    probe_job: ProbeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    stand_in(tmp_path / "other", "import subprocess; subprocess.run(['sleep', '60'])", monkeypatch)
    with pytest.raises(
        TrainingError, match=r"out of time; expected a result within 0\.5 s, got none\. Raise the time limit"
    ):
        run(probe_job, lambda event: None, 0.5)
    assert nothing_left(f"TMPDIR={tmp_path}")


def test_an_interruption_stops_the_child_with_its_workers(
    long_job: TrainJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def interrupt(event: Event) -> None:
        if isinstance(event, StepEvent):
            assert running_children(f"TMPDIR={tmp_path}")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(long_job, interrupt, LONG_S)
    assert nothing_left(f"TMPDIR={tmp_path}")
    assert threading.active_count() == 1


def test_a_child_that_dies_shows_the_end_of_its_messages(
    probe_job: ProbeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(
        tmp_path / "other", "import sys; print('x' * 5000 + 'why', file=sys.stderr); sys.exit(3)", monkeypatch
    )
    with pytest.raises(
        TrainingError, match=r"ended without a result; expected one, got exit code 3\. .*xwhy$"
    ) as caught:
        run(probe_job, lambda event: None, LONG_S)
    assert len(str(caught.value)) < 2200


def test_a_child_killed_from_outside_suggests_memory(
    probe_job: ProbeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path / "other", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", monkeypatch)
    with pytest.raises(
        TrainingError, match=r"got signal SIGKILL; the machine may have run out of memory\. .*: \(none\)$"
    ):
        run(probe_job, lambda event: None, LONG_S)


def test_a_child_that_says_nothing_has_no_result(
    probe_job: ProbeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path / "other", "", monkeypatch)
    with pytest.raises(TrainingError, match="ended without a result; expected one, got exit code 0"):
        run(probe_job, lambda event: None, LONG_S)


def test_other_output_is_not_taken_for_an_event(
    probe_job: ProbeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path / "other", "print('hello')", monkeypatch)
    with pytest.raises(TrainingError, match="something else than an event; expected JSON, got 'hello'"):
        run(probe_job, lambda event: None, LONG_S)


def test_nothing_is_imported_from_the_working_directory(
    probe_job: ProbeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("torch.py", "random.py", "json.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise SystemExit('imported from the working directory')")
    assert isinstance(run(probe_job, lambda event: None, LONG_S), AllProbedEvent)


def test_the_environment_is_clean(
    probe_job: ProbeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s")
    monkeypatch.setenv("PYTHONSTARTUP", "s")
    monkeypatch.setenv("CIFAR10_ROOT", "/somewhere")
    stand_in(tmp_path / "other", "import os, sys; sys.exit(' '.join(sorted(os.environ)))", monkeypatch)
    with pytest.raises(TrainingError) as caught:
        run(probe_job, lambda event: None, LONG_S)
    names = str(caught.value).split("messages: ")[1].split()
    assert "SECRET" not in names
    assert "PYTHONSTARTUP" not in names
    assert {"CIFAR10_ROOT", "NO_ALBUMENTATIONS_UPDATE", "CUBLAS_WORKSPACE_CONFIG"} <= set(names)


def test_waiting_threads_soon_sleep_unless_told_otherwise(
    probe_job: ProbeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    stand_in(
        tmp_path / "other", f"import os, sys; sys.exit(' '.join(os.environ[n] for n in {names}))", monkeypatch
    )
    for name in names:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TrainingError, match="messages: PASSIVE 1000"):
        run(probe_job, lambda event: None, LONG_S)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    with pytest.raises(TrainingError, match="messages: ACTIVE 7"):
        run(probe_job, lambda event: None, LONG_S)


def test_the_parent_s_side_never_imports_torch() -> None:
    code = "import sys, harness.training.client; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_a_child_that_reports_again_and_again_has_its_time_for_every_report(
    probe_job: ProbeJob, events: list[Event], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = StartedEvent().model_dump_json()
    body = f"import time\nfor s in (0, 2, 2, 2, 60):\n    time.sleep(s)\n    print({line!r}, flush=True)"
    stand_in(tmp_path / "other", body, monkeypatch)
    with (
        closing(Child()) as child,
        pytest.raises(TrainingError, match=r"out of time; expected a result within 5 s, got none"),
    ):
        child.run(probe_job, events.append, LONG_S, 5)
    assert len(events) == 4


def test_one_child_does_job_after_job_with_the_results_of_children_of_their_own(probe_job: ProbeJob) -> None:
    with closing(Child()) as child:
        first = child.run(probe_job, lambda event: None, LONG_S)
        first_pid = child.pid
        assert child.is_alive
        again = child.run(probe_job, lambda event: None, LONG_S)
        assert child.pid == first_pid
    assert first == again == run(probe_job, lambda event: None, LONG_S)


def test_after_a_job_that_killed_the_child_the_next_one_has_another(
    probe_job: ProbeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Child()) as child:
        with monkeypatch.context() as patch:
            stand_in(tmp_path / "other", "import os; os.abort()", patch)
            with pytest.raises(TrainingError, match="got signal SIGABRT"):
                child.run(probe_job, lambda event: None, LONG_S)
        assert isinstance(child.run(probe_job, lambda event: None, LONG_S), AllProbedEvent)


@pytest.mark.slow
def test_a_child_that_dies_between_two_jobs_is_replaced(probe_job: ProbeJob) -> None:
    with closing(Child()) as child:
        child.run(probe_job, lambda event: None, LONG_S)
        killed(child)
        assert isinstance(child.run(probe_job, lambda event: None, LONG_S), AllProbedEvent)


def test_a_child_that_dies_as_it_is_given_a_job_is_said_and_leaves_nothing_behind(
    probe_job: ProbeJob,
) -> None:
    with closing(Child()) as child:
        child.run(probe_job, lambda event: None, LONG_S)

        class Deadly(ProbeJob):
            def model_dump_json(self, **options: object) -> str:
                """Kill the child when the job is about to be told: it was found alive."""
                killed(child)
                return super().model_dump_json(**options)

        with pytest.raises(TrainingError, match="got signal SIGKILL"):
            child.run(Deadly.model_validate(probe_job.model_dump()), lambda event: None, LONG_S)
        assert not child.is_alive
        assert isinstance(child.run(probe_job, lambda event: None, LONG_S), AllProbedEvent)


def test_a_message_shows_what_was_said_of_its_own_job_alone(
    probe_job: ProbeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = AllProbedEvent().model_dump_json()
    body = (
        "import sys\nfor n in (1, 2):\n    sys.stdin.readline()\n"
        f"    print('job', n, file=sys.stderr, flush=True)\n    n == 1 and print({line!r}, flush=True)"
    )
    stand_in(tmp_path / "other", body, monkeypatch)
    with closing(Child()) as child:
        child.run(probe_job, lambda event: None, LONG_S)
        with pytest.raises(TrainingError, match=r"of its messages: job 2$"):
            child.run(probe_job, lambda event: None, LONG_S)


def test_a_child_that_has_grown_is_given_no_other_job(
    probe_job: ProbeJob,
) -> None:
    with closing(Child(most_mib=100)) as child:  # torch alone takes more
        child.run(probe_job, lambda event: None, LONG_S)
        assert child.pid is None
