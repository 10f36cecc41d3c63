"""Where graders work: which processors and which GPU each has."""

import os

import pytest
from checkout import REPOSITORY

from harness.base.errors import HarnessError, UsageError
from harness.cohort.graders import local
from harness.cohort.graders.local import Pool, cores_of
from harness.cohort.graders.worker import Job
from harness.cohort.store.queries import counts
from harness.cohort.store.repository import enter, enter_config


@pytest.mark.parametrize(
    ("size", "usable", "expected"),
    [
        (1, [0, 1], [(0, 1)]),
        (2, [0, 1], [(0,), (1,)]),
        (2, [2, 3, 6, 7, 9], [(2, 3), (6, 7)]),
        (3, [4, 5], [(4,), (5,), (4,)]),
    ],
)
def test_processors_are_shared_equally_and_by_no_two_while_there_are_enough(size, usable, expected):
    assert [cores_of(place, size, usable) for place in range(size)] == expected


@pytest.fixture
def pool(store, config, handed_in, tmp_path, monkeypatch):
    """Make a pool for one submission, whose graders run a program of the test's."""
    enter_config(store, config)
    enter(store, handed_in(), config)
    package = tmp_path / "packages" / "harness" / "cohort" / "graders"
    package.mkdir(parents=True)
    for folder in (package, *list(package.parents)[:2]):
        (folder / "__init__.py").touch()
    monkeypatch.setattr(local, "PACKAGES", tmp_path / "packages")

    def of(program: str) -> Pool:
        (package / "worker.py").write_text(program)
        job = Job(
            store="", files=None, stage="rules", assignment_sha256="", seed=1, mini=False, command=("cohort",)
        )
        return Pool(store, config.run_key, job, 1)

    return of


@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        ("print('error: no data here.'); raise SystemExit(3)", HarnessError, r"^no data here\.$"),
        ("print('error: no such device.'); raise SystemExit(2)", UsageError, r"^no such device\.$"),
        ("raise SystemExit(3)", HarnessError, "a grader ended without saying why"),
        (
            "raise SystemExit('no torch')",
            HarnessError,
            "3 graders died as they began; expected them to grade, got exit code 1. .* messages: no torch",
        ),
    ],
)
def test_what_keeps_every_grader_from_grading_ends_the_run_and_is_said(pool, program, error, message):
    with pytest.raises(error, match=message):
        pool(program).run(lambda _: None)


def test_a_grader_is_told_its_processors_and_what_the_user_typed(pool, tmp_path):
    told = tmp_path / "told.json"
    program = f"import pathlib, sys; pathlib.Path({str(told)!r}).write_text(sys.argv[1]); print('error: x')"
    with pytest.raises(HarnessError):
        pool(f"{program}; raise SystemExit(3)").run(lambda _: None)
    job = Job.model_validate_json(told.read_text())
    assert set(job.cores) == os.sched_getaffinity(0)
    assert (job.gpu, job.command) == (None, ("cohort",))


def test_graders_are_started_each_on_its_own_device_as_many_as_there_is_work_for(pool, tmp_path):
    program = (
        "import json, pathlib, sys, time\n"
        f"pathlib.Path({str(tmp_path)!r}, json.loads(sys.argv[1])['gpu']).touch()\n"
        "time.sleep(60)\n"
    )
    one = pool(program)
    one.size, one.gpus = 3, ("GPU-a", "MIG-b", "GPU-a")

    def interrupt(_) -> None:
        if (tmp_path / "GPU-a").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.run(interrupt)
    assert not (tmp_path / "MIG-b").exists()  # there is one submission
    assert one.graders[0].place == 0


def test_an_interruption_ends_the_graders_and_gives_back_what_they_had(pool, store, config):
    program = (
        "import json, sys, time\n"
        f"sys.path.insert(0, {str(REPOSITORY)!r})\n"
        "del sys.modules['harness.cohort'], sys.modules['harness']\n"
        "from harness.cohort.store.leases import claim, this_process\n"
        "from harness.cohort.store.store import open_store\n"
        "job = json.loads(sys.argv[1])\n"
        "from pathlib import Path\n"
        "store = open_store(job['store'], Path(job['files']))\n"
        f"claim(store, {config.run_key!r}, 'rules', 9, this_process(), 60)\n"
        "time.sleep(600)\n"
    )
    one = pool(program)
    address = str(store.engine.url).replace("+psycopg", "").replace("sqlite:///", "")
    one.job = one.job.model_copy(update={"store": address, "files": store.objects.root})

    def interrupt(now) -> None:
        if now.running:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.run(interrupt)
    assert counts(store, config.run_key).waiting == {"rules": 1}
    assert one.graders == [] or one.graders[0].process.poll() is not None
