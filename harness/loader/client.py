"""Load plain data from a submission: the only function through which the harness runs student code.

`trace` copies the submission to where a child of the sandbox can read it, has `harness.loader.child` run it,
and parses what came back as hostile input. How a child ended is one word, `harness.record.findings.Ending`:

* ``ok``: a graph came back.
* ``crashed``: the student's code raised an error, left or died; ``timed_out``, ``over_output``,
  ``over_memory``: it reached a limit; ``bad_output``: what came back is not of the agreed form. Theirs.
* ``killed``: a resource of the machine ran out. The parent sees that for itself; a child can only say it.
* ``harness_error``: the box broke.
"""

import hashlib
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from harness.assignment.spec import Limits
from harness.base.errors import GraphError, HarnessError
from harness.graph.ir import MAX_JSON_BYTES, Architecture, parse_architecture, to_json
from harness.loader.protocol import ANSWER, ARCHITECTURE, BLOCKS, MAX_TEXT, WEIGHTS, Answer, Request
from harness.record.findings import Cause, Ending
from harness.sandbox.backends import BackendChoice
from harness.sandbox.client import Ended, Reply, Sandbox, open_sandbox
from harness.sandbox.self_check import SelfCheck
from harness.sources.files import copy_sources

PROGRAM = "harness.loader.child"
"""What answers in the sandbox."""


@dataclass(frozen=True)
class Loaded:
    """A variant that was exported; `weights` is its ``initial.safetensors``."""

    class_name: str
    architecture: Architecture
    text: str
    """The architecture as it is written, see `harness.graph.ir.to_json`."""
    weights: Path
    summary: str
    output: str
    seeds_differ: bool
    notes: tuple[str, ...] = ()
    lines: Mapping[str, str] = field(default_factory=dict)
    """Where its layers are constructed, by their paths; text to show."""

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) of the architecture as it is written."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class LoadFailure:
    """A variant that could not be loaded: how it ended, whose fault, why, and the student's frames."""

    class_name: str
    ending: Ending
    cause: Cause
    message: str
    traceback: str
    output: str


def open_loader(wanted: BackendChoice = "auto") -> AbstractContextManager[Sandbox]:
    """Open the sandbox that loads submissions, see `harness.sandbox.client.open_sandbox`.

    Raises:
        SandboxError: on entry, when no sandbox works; nothing of a submission has been run.
    """
    return open_sandbox(PROGRAM, wanted)


def trace(request: Request, limits: Limits, box: Sandbox | SelfCheck) -> dict[str, Loaded | LoadFailure]:
    """Run a copy of the submission in the box and read its answers, one per variant.

    `request.out` must be an empty folder; what came back is written there. Whatever the child does,
    every variant has an answer.

    Raises:
        SandboxError: the child could not be locked; no student code has run.
        UsageError: the submission's folder holds more than can be copied.
    """
    most_bytes = len(request.variants) * (limits.intake_output_mib + 1) * 2**20
    with tempfile.TemporaryDirectory(dir=box.folder) as folder:
        Path(folder).chmod(0o755)
        printed, copy = request.out / "printed.txt", Path(folder) / "submission"
        reply = box.run(_copied(request, copy), printed, limits.intake_s, most_bytes)
    return _answers(request, reply, printed, copy)


def clean_text(text: str) -> str:
    """Cut text from the child to 64 KiB and drop control characters; newlines and tabs stay."""
    kept = (c for c in text[:MAX_TEXT] if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    return "".join(kept)


# Private functions


def _copied(request: Request, root: Path) -> Request:
    """Copy the submission's sources to `root` and return the request for the copy."""
    copy_sources(request.root, root)
    variants = {
        name: wanted.model_copy(update={"file": root / wanted.file.relative_to(request.root)})
        for name, wanted in request.variants.items()
    }
    return request.model_copy(update={"root": root, "variants": variants})


def _answers(request: Request, reply: Reply, printed: Path, copy: Path) -> dict[str, Loaded | LoadFailure]:
    """Parse what a child said of every variant; its files are written below `request.out`.

    Files of the submission that it ran, which was `copy`, are shown by their paths in the submission.
    """
    for name, blocks in _unpacked(reply.said, list(request.variants)).items():
        (request.out / name).mkdir()
        for file_name, block in zip(BLOCKS, blocks, strict=False):
            if block:
                (request.out / name / file_name).write_bytes(block)
    ended = reply.ended
    if printed.stat().st_size >= request.output_mib * 2**20:
        ended = Ended("over_output", "student", "the submission printed too much; remove the prints.")
    with printed.open("rb") as file:
        text = clean_text(file.read(4 * MAX_TEXT).decode(errors="replace").replace(f"{copy}/", ""))
    return {name: _read_answer(request, name, ended, text) for name in request.variants}


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


def _read_answer(request: Request, name: str, ended: Ended | None, output: str) -> Loaded | LoadFailure:
    folder = request.out / name
    wanted = request.variants[name].class_name or ""
    try:
        answer = Answer.model_validate_json(_read_capped(folder / ANSWER, 16 * MAX_TEXT))
    except FileNotFoundError:
        why = ended or Ended("bad_output", "student", "the child ended without an answer.")
        return LoadFailure(wanted, why.ending, why.cause, why.message, output[-2000:], output)
    except (ValidationError, HarnessError):
        message = "the child's answer is not of the agreed form."
        return LoadFailure(wanted, "bad_output", "student", message, "", output)
    if answer.stage != "done":
        return _refused(answer, wanted, ended, output)
    class_name = clean_text(answer.class_name)
    try:
        architecture = parse_architecture(_read_capped(folder / ARCHITECTURE, MAX_JSON_BYTES))
    except FileNotFoundError:
        return LoadFailure(class_name, "bad_output", "student", "the child wrote no graph.", "", output)
    except GraphError as error:
        # The child checks what it writes by the same schema: whatever else comes is not the exporter's.
        return LoadFailure(class_name, "bad_output", "student", clean_text(str(error)), "", output)
    if not (folder / WEIGHTS).is_file():
        return LoadFailure(class_name, "bad_output", "student", "the child wrote no weights.", "", output)
    return Loaded(
        class_name=class_name,
        architecture=architecture,
        text=to_json(architecture),
        weights=folder / WEIGHTS,
        summary=clean_text(answer.summary),
        output=output,
        seeds_differ=answer.seeds_differ,
        notes=tuple(map(clean_text, answer.notes)),
        lines=answer.lines,
    )


def _refused(answer: Answer, wanted: str, ended: Ended | None, output: str) -> LoadFailure:
    """Return why the child could not export the model, in its own words; it is to blame in any case."""
    ending: Ending = "crashed"
    if answer.out_of_memory:
        ending = "over_memory"
    elif answer.stage == "write" or (ended is not None and ended.ending == "over_output"):
        ending = "over_output"
    message, traceback = clean_text(answer.message), clean_text(answer.traceback)
    return LoadFailure(clean_text(answer.class_name) or wanted, ending, "student", message, traceback, output)


def _read_capped(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise GraphError(f"{path.name}: too large; expected at most {limit} bytes.")
    return data
