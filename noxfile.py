"""Work on submissions; tox.ini holds the checks of the harness itself.

Sessions run in the environment nox itself is in, the .venv that `make setup` makes. What follows ``--``
goes to the harness as it is: ``nox -s grade -- path/to/submission --variant dilated``.
"""

import contextlib
import json
import logging
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nox

from harness.training.client import FAST

nox.options.default_venv_backend = "none"
nox.options.sessions = ["check"]
logging.getLogger("nox").setLevel(logging.INFO + 1)  # else it reports missing tools nothing here needs


@nox.session
def check(session: nox.Session) -> None:
    """Judge the rules of a submission: no training, no data."""
    _harness("check", *(session.posargs or ["submission"]))


@nox.session
def grade(session: nox.Session) -> None:
    """Grade a submission: rules, training, accuracy, scorecard."""
    _harness("grade", *(session.posargs or ["submission"]))


@nox.session
def reproduce(session: nox.Session) -> None:
    """Grade a record again from what lies beside it, the reference's if no other is named."""
    _harness("reproduce", *(session.posargs or ["submission/results/scorecard.json"]))


@nox.session
def twice(session: nox.Session) -> None:
    """Train twice from one seed on the embedded images and compare the weights byte for byte."""
    arguments = [*(session.posargs or ["submission"]), "--data", "mini", "--epochs", "1", "--seed", "1"]
    with tempfile.TemporaryDirectory() as folder:
        first, second = (_trained_weights(Path(folder) / run, arguments) for run in ("first", "second"))
    if first != second:
        session.error(f"not reproduced: the weights have SHA-256 {first} the first time, {second} the second")
    print(f"reproduced: both runs end with weights of SHA-256 {first}")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speeds: of the rules, of taking in, of training; whole trainings with -m slow."""
    columns = "--benchmark-columns=min,median,stddev,rounds"
    command = [sys.executable, "-m", "pytest", "benchmarks", "-m", "not slow", columns]
    # The naive pipeline gets the environment of a training child too, which is to its advantage.
    session.run(*command, "--benchmark-group-by=func", *session.posargs, env=FAST)


@nox.session
def gpu(session: nox.Session) -> None:
    """Measure on one GPU what no CPU shows: build/gpu/gpu.json and gpu.md."""
    _run("benchmarks/gpu.py", *session.posargs)


@nox.session
def gradescope(_: nox.Session) -> None:
    """Build the autograder that is uploaded to Gradescope: build/gradescope.zip."""
    path = Path("build") / "gradescope.zip"
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in _autograder():
            entry = zipfile.ZipInfo(name)  # of 1980: equal sources give equal bytes
            entry.external_attr = (file.stat().st_mode & 0o777) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB; upload it in the autograder's settings")


def _autograder() -> Iterator[tuple[str, Path]]:
    """List name and file of what the autograder needs; never the reference answer or the tests."""
    for name in ("setup.sh", "run_autograder"):
        yield name, Path("integrations") / "gradescope" / name
    for name in ("pyproject.toml", "README.md", "docs/rules.md"):
        yield name, Path(name)
    for folder in ("harness", "templates", "checks", "requirements"):
        for file in sorted(Path(folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file.as_posix(), file


def _trained_weights(out: Path, arguments: list[str]) -> str:
    """Train into an empty folder and return the SHA-256 of the final weights."""
    _harness("train", *arguments, "--out", str(out))
    (result,) = out.rglob("training.json")
    return str(json.loads(result.read_text())["weights_sha256"])


def _harness(*args: str) -> None:
    """Run the harness and leave with its own exit code: 1 is graded and failed, 3 is not judged."""
    _run("-m", "harness", *args)


def _run(*args: str) -> None:
    """Run Python and leave with its exit code if that is not 0."""
    with subprocess.Popen([sys.executable, *args]) as child:
        while child.returncode is None:
            with contextlib.suppress(KeyboardInterrupt):  # the terminal has sent it to the child as well
                child.wait()
    if child.returncode:
        raise SystemExit(child.returncode)
