"""The parent's side of intake: start the child, bound it, and take plain data from it.

One function, `trace`, is all that the rest of the harness knows of the child. Today the child is a
subprocess with a wall-clock limit, a memory limit, a clean environment and one thread: enough for
honest code, not for hostile code.
"""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.analysis.graph import MAX_JSON_BYTES, Architecture, parse_architecture, to_json
from harness.assignment import REPOSITORY, Limits
from harness.errors import GraphError, HarnessError
from harness.intake.exchange import ANSWER, ARCHITECTURE, MAX_TEXT, WEIGHTS, Answer, Request
from harness.record import Cause

BACKEND = "subprocess"


@dataclass(frozen=True)
class Traced:
    """An exported variant; `weights` is its ``initial.safetensors``."""

    class_name: str
    architecture: Architecture
    sha256: str
    weights: Path
    summary: str
    output: str
    seeds_differ: bool


@dataclass(frozen=True)
class Untraced:
    """A variant that could not be taken in: whose fault it is, why, and the student's frames."""

    class_name: str
    cause: Cause
    message: str
    traceback: str
    output: str


def trace(request: Request, limits: Limits) -> dict[str, Traced | Untraced]:
    """Run the intake child and read its answers, one per variant of the request.

    `request.out` must be an empty folder; the exported files stay there. Whatever the child does,
    every variant has an answer.
    """
    ended, output = _run_child(request, limits)
    return {name: _read_answer(request, name, ended, output) for name in request.variants}


@dataclass(frozen=True)
class _Ended:
    cause: Cause
    message: str


def _run_child(request: Request, limits: Limits) -> tuple[_Ended | None, str]:
    """Start the child and wait; returns why it ended, if not well, and what it printed."""
    with tempfile.TemporaryFile() as printed:
        child = subprocess.Popen(
            [sys.executable, "-P", "-s", "-B", "-m", "harness.intake.tracer"],
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=subprocess.STDOUT,
            cwd=request.out,
            env=_environment(request.out),
            start_new_session=True,
        )
        try:
            child.communicate(request.model_dump_json().encode(), timeout=limits.intake_s)
            ended = _judge_exit(child.returncode, limits)
        except subprocess.TimeoutExpired:
            ended = _Ended(
                "student",
                f"importing, building and exporting the model did not end; expected at most "
                f"{limits.intake_s} s. Remove training, downloads and endless loops from the file.",
            )
        finally:
            _kill_group(child)
        printed.seek(0)
        return ended, clean_text(printed.read(4 * MAX_TEXT).decode(errors="replace"))


def _judge_exit(code: int, limits: Limits) -> _Ended | None:
    if code == 0:
        return None
    if code in (-signal.SIGKILL, -signal.SIGXCPU):
        return _Ended(
            "resource",
            f"the child was killed, most likely for memory; expected at most "
            f"{limits.intake_memory_mib} MiB. Grade again with more free memory, or make the model smaller.",
        )
    if code < 0:
        return _Ended("student", f"the child crashed with {signal.Signals(-code).name} while the file ran.")
    return _Ended("student", f"the child ended with exit status {code} before it answered.")


def _read_answer(request: Request, name: str, ended: _Ended | None, output: str) -> Traced | Untraced:
    folder = request.out / name
    wanted = request.variants[name].class_name or ""
    try:
        answer = Answer.model_validate_json(_read_capped(folder / ANSWER, 16 * MAX_TEXT))
    except FileNotFoundError:
        why = ended or _Ended("student", "the child ended without an answer.")
        return Untraced(wanted, why.cause, why.message, output[-2000:], output)
    except (ValidationError, HarnessError):
        return Untraced(wanted, "student", "the child's answer is not of the agreed form.", "", output)
    if answer.stage != "done":
        message, traceback = clean_text(answer.message), clean_text(answer.traceback)
        cause: Cause = "resource" if answer.out_of_memory or answer.stage == "write" else "student"
        return Untraced(clean_text(answer.class_name) or wanted, cause, message, traceback, output)
    try:
        architecture = parse_architecture(_read_capped(folder / ARCHITECTURE, MAX_JSON_BYTES))
    except FileNotFoundError:
        return Untraced(answer.class_name, "student", "the child wrote no graph.", "", output)
    except GraphError as error:
        return Untraced(answer.class_name, "harness", str(error), "", output)
    return Traced(
        class_name=clean_text(answer.class_name),
        architecture=architecture,
        sha256=hashlib.sha256(to_json(architecture).encode()).hexdigest(),
        weights=folder / WEIGHTS,
        summary=clean_text(answer.summary),
        output=output,
        seeds_differ=answer.seeds_differ,
    )


def _read_capped(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise GraphError(f"{path.name}: too large; expected at most {limit} bytes.")
    return data


def clean_text(text: str) -> str:
    """Cut text from the child to 64 KiB and drop control characters; newlines and tabs stay."""
    kept = (c for c in text[:MAX_TEXT] if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    return "".join(kept)


def _environment(home: Path) -> Mapping[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        # -P and -s keep the working directory and the user's packages off the path; this is the harness.
        "PYTHONPATH": str(REPOSITORY),
        # An initialisation that walks over a set must walk alike every time.
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "NO_ALBUMENTATIONS_UPDATE": "1",
    }


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """End whatever the child left running: it leads a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
