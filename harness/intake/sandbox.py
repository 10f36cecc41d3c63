"""The parent's side of intake: start the child, bound it, and take plain data from it.

One function, `trace`, is all that the rest of the harness knows of the child. The child locks itself
(`harness.intake.lock`) before it runs a line of the submission; a child that does not say so is not listened
to. Here are the limits that only a parent can set: wall-clock time, and how much it may say.
"""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.analysis.graph import MAX_JSON_BYTES, Architecture, parse_architecture, to_json
from harness.assignment import REPOSITORY, Limits
from harness.errors import GraphError, HarnessError, SandboxError
from harness.intake.exchange import (
    ANSWER,
    ARCHITECTURE,
    BLOCKS,
    LOCKED,
    MAX_TEXT,
    UNLOCKED,
    WEIGHTS,
    Answer,
    Request,
)
from harness.intake.sources import copy_sources
from harness.record import Cause

BACKEND = "lock"


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
    """Run the intake child on a copy of the submission and read its answers, one per variant.

    `request.out` must be an empty folder; what came back is written there. Whatever the child does,
    every variant has an answer.

    Raises:
        SandboxError: the child could not be locked; no student code has run.
        UsageError: the submission's folder holds more than can be copied.
    """
    with tempfile.TemporaryDirectory(prefix="harness-box-") as box:
        Path(box).chmod(0o755)
        root = Path(box) / "submission"
        copy_sources(request.root, root)
        variants = {
            name: wanted.model_copy(update={"file": root / wanted.file.relative_to(request.root)})
            for name, wanted in request.variants.items()
        }
        told = request.model_copy(update={"root": root, "variants": variants})
        reply = _run_child(told, limits)
    blocks = _unpacked(reply.said, list(request.variants))
    for name, files in blocks.items():
        (request.out / name).mkdir()
        for file, block in zip(BLOCKS, files, strict=False):
            if block:
                (request.out / name / file).write_bytes(block)
    return {name: _read_answer(request, name, reply.ended, reply.printed) for name in request.variants}


@dataclass(frozen=True)
class _Ended:
    cause: Cause
    message: str


@dataclass(frozen=True)
class _Reply:
    """What the child said after it was locked, what it printed, and why it ended, if not well."""

    said: bytes
    printed: str
    ended: _Ended | None


def _run_child(request: Request, limits: Limits) -> _Reply:
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as printed:
        child = subprocess.Popen(
            [sys.executable, "-P", "-s", "-B", "-m", "harness.intake.boot", str(writing)],
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=_environment(),
            pass_fds=(writing,),
            start_new_session=True,
        )
        os.close(writing)
        most = len(request.variants) * (limits.intake_output_mib + 1) * 2**20
        listener = _Listener(reading, most, child)
        listener.start()
        try:
            child.communicate(request.model_dump_json().encode(), timeout=limits.intake_s)
            ended = _judge_exit(child.returncode, limits)
        except subprocess.TimeoutExpired:
            ended = _out_of_time(limits)
        finally:
            _kill_group(child)
            listener.join()
        printed.seek(0)
        text = clean_text(printed.read(4 * MAX_TEXT).decode(errors="replace"))
    if not listener.said.startswith(LOCKED):
        why = clean_text(listener.said.removeprefix(UNLOCKED).decode(errors="replace")) or text[-2000:]
        raise SandboxError(
            "sandbox: the child that runs the submission could not be locked; expected Landlock and seccomp, "
            f"got: {why.strip() or 'no word from it'}. Use Linux 5.13 or newer with Landlock enabled "
            "(lsm=landlock,...); nothing of the submission has run."
        )
    if listener.too_much:
        ended = _Ended("student", f"the child said more than the {most // 2**20} MiB that are allowed.")
    return _Reply(listener.said.removeprefix(LOCKED), text, ended)


class _Listener(threading.Thread):
    """Reads what the child says, up to a limit; who says more is killed."""

    def __init__(self, descriptor: int, most: int, child: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self.said = b""
        self.too_much = False
        self._descriptor, self._most, self._child = descriptor, most, child

    def run(self) -> None:
        heard = bytearray()
        with os.fdopen(self._descriptor, "rb", buffering=0) as pipe:
            while chunk := pipe.read(1 << 20):
                heard += chunk
                if len(heard) > self._most:
                    self.too_much = True
                    self._child.kill()
                    break
        self.said = bytes(heard[: self._most])


def _unpacked(said: bytes, variants: Sequence[str]) -> dict[str, list[bytes]]:
    """Cut what the child said into the blocks of each variant, as far as it goes."""
    found: dict[str, list[bytes]] = {}
    at = 0
    for name in variants:
        blocks = []
        for _ in BLOCKS:
            size = int.from_bytes(said[at : at + 8], "big")
            end = at + 8 + size
            if end > len(said) or len(said) < at + 8:
                return found
            blocks.append(said[at + 8 : end])
            at = end
        found[name] = blocks
    return found


def _judge_exit(code: int, limits: Limits) -> _Ended | None:
    if code == 0:
        return None
    if code == -signal.SIGXCPU:
        return _out_of_time(limits)
    if code == -signal.SIGKILL:
        return _Ended(
            "resource",
            f"the child was killed, most likely for memory; expected at most "
            f"{limits.intake_memory_mib} MiB. Grade again with more free memory, or make the model smaller.",
        )
    if code == -signal.SIGXFSZ:
        return _Ended("student", "the submission printed too much; remove the prints.")
    if code < 0:
        return _Ended("student", f"the child crashed with {signal.Signals(-code).name} while the file ran.")
    return _Ended("student", f"the child ended with exit status {code} before it answered.")


def _out_of_time(limits: Limits) -> _Ended:
    return _Ended(
        "student",
        f"importing, building and exporting the model did not end; expected at most "
        f"{limits.intake_s} s. Remove training, downloads and endless loops from the file.",
    )


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


def _environment() -> Mapping[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "USER": "student",
        # Else torch makes a folder to write to; this one is there, and it writes nothing.
        "TORCHINDUCTOR_CACHE_DIR": "/",
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
