"""Load plain data from a submission: the only function through which the harness runs student code.

`readable` copies a submission to where children of the sandbox can read it; `trace` has
`harness.loader.child` run one of its variants, and parses what came back as hostile input. How a child ended
is one word, `harness.record.findings.Ending`:

* ``ok``: a graph came back.
* ``crashed``: the student's code raised an error, left or died; ``timed_out``, ``over_output``,
  ``over_memory``: it reached a limit; ``bad_output``: what came back is not of the agreed form. Theirs.
* ``killed``: a resource of the machine ran out. The parent sees that for itself; a child can only say it.
* ``harness_error``: the box broke.
"""

import hashlib
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
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
from harness.sandbox.client import Ended, Sandbox, open_sandbox
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


@contextmanager
def readable(root: Path, box: Sandbox | SelfCheck) -> Iterator[Path]:
    """Copy a submission's sources to where every child of the box can read them and none can write.

    Raises:
        UsageError: the submission's folder holds more than can be copied.
    """
    with tempfile.TemporaryDirectory(dir=box.folder) as folder:
        Path(folder).chmod(0o755)
        copy = Path(folder) / "submission"
        copy_sources(root, copy)
        yield copy


def trace(request: Request, limits: Limits, box: Sandbox | SelfCheck) -> Loaded | LoadFailure:
    """Run one variant of a submission, whose sources are `readable`, in a child of the box; read its answer.

    `request.out` must be an empty folder; what came back is written there. Whatever the child does, there is
    an answer.

    Raises:
        SandboxError: the child could not be locked; no student code has run.
    """
    printed = request.out / "printed.txt"
    reply = box.run(request, printed, limits.intake_s, (limits.intake_output_mib + 1) * 2**20)
    for name, block in zip(BLOCKS, _blocks(reply.said), strict=False):
        if block:
            (request.out / name).write_bytes(block)
    ended = reply.ended
    if printed.stat().st_size >= request.output_mib * 2**20:
        ended = Ended("over_output", "student", "the submission printed too much; remove the prints.")
    with printed.open("rb") as file:
        output = file.read(4 * MAX_TEXT).decode(errors="replace")
    return _read_answer(request, ended, clean_text(output.replace(f"{request.root}/", "")))


def clean_text(text: str) -> str:
    """Cut text from the child to 64 KiB and drop control characters; newlines and tabs stay."""
    kept = (c for c in text[:MAX_TEXT] if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    return "".join(kept)


# Private functions


def _blocks(said: bytes) -> list[bytes]:
    """Cut what the child said into its blocks; none where one of them is not all there."""
    blocks: list[bytes] = []
    at = 0
    for _ in BLOCKS:
        end = at + 8 + int.from_bytes(said[at : at + 8], "big")
        if end > len(said) or len(said) < at + 8:
            return []
        blocks.append(said[at + 8 : end])
        at = end
    return blocks


def _read_answer(request: Request, ended: Ended | None, output: str) -> Loaded | LoadFailure:
    folder = request.out
    wanted = request.requested.class_name or ""
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
