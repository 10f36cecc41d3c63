"""Messages on why a submission could not be loaded, in one sentence, with the student's own line."""

import re
import sys
import sysconfig
import traceback as tracebacks
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Literal

from harness.loader.mistake import Mistake, is_out_of_memory
from harness.loader.usual_mistakes import advice

Stage = Literal["import", "find", "choose", "construct", "forward", "export", "write"]

_LIBRARIES = sorted(
    {*map(sysconfig.get_path, ("purelib", "platlib", "stdlib")), sys.prefix, sys.base_prefix} - {"/usr"},
    key=len,
    reverse=True,
)
"""Where Python and its packages lie on this machine; the innermost first."""
_WHAT = {
    "import": "the file could not be imported",
    "construct": "the model could not be built",
    "forward": "the model could not be run on a batch of two images",
    "export": "the model runs, but its graph could not be captured",
    "write": "the exported model is larger than the assignment allows",
}

_NOT_FOR_STUDENTS = re.compile(
    r"\s*(?:\(unhinted: |\(Size-like symbols: |For more information, run with|consider using data-dependent"
    r"|Caused by: |- You marked |Suggested fixes:|For C\+\+ stack trace|User Stack |Framework stack:"
    r"|The (?:following call|error above) |To fix the error|Exception raised from |\bSee:? https?://"
    r"|\bsee https?://|[^.!?\n]*\bTORCH(?:DYNAMO)?_[A-Z]).*",
    flags=re.DOTALL,
)
"""Where torch begins to speak to its own developers: of symbols, of switches, with links."""
_PLACE_IN_TORCH = re.compile(r"\S+\.(?:cpp|cu|h):\d+,?:? ")


class StudentFailure(Exception):  # noqa: N818 - an outcome to report, not an error
    """The submission's own code stopped the loading; `stage` says where, `message` why."""

    def __init__(
        self,
        stage: str,
        message: str,
        *,
        traceback: str = "",
        class_name: str = "",
        out_of_memory: bool = False,
    ) -> None:
        super().__init__(message)
        self.out_of_memory = out_of_memory
        self.stage: Stage = stage  # type: ignore[assignment]
        self.message = message
        self.traceback = traceback
        self.class_name = class_name


def explain(error: BaseException, stage: str, root: Path, class_name: str = "") -> str:
    """Describe an error raised by student code: where, what, and what to do about it."""
    frames = _student_frames(error, root)
    where = class_name or stage
    if frames:
        where = f"{_relative(frames[-1].filename, root)}:{frames[-1].lineno}"
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{_relative(error.filename, root)}:{error.lineno}"
    line = frames[-1].line or "" if frames else ""
    return f"{where}: {_WHAT[stage]}: {said(error, root)}. {advice(Mistake(error, stage, where, line))}"


def said(error: BaseException, root: Path) -> str:
    """Return an error's kind and the first line of its message."""
    first_line = _placeless((_cut(str(error)).splitlines() or [""])[0], root).rstrip(".!")[:300]
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__


@contextmanager
def stage(name: str, root: Path, class_name: str = "") -> Iterator[None]:
    """Convert whatever student code raises, exits included, into a `StudentFailure` of this stage."""
    try:
        yield
    except StudentFailure:
        raise
    except BaseException as error:  # noqa: BLE001 - student code may raise anything
        raise failure(error, name, root, class_name) from None


def failure(error: BaseException, stage: str, root: Path, class_name: str = "") -> StudentFailure:
    """Describe what student code raised."""
    return StudentFailure(
        stage,
        explain(error, stage, root, class_name),
        traceback=student_traceback(error, root),
        class_name=class_name,
        out_of_memory=is_out_of_memory(error),
    )


def student_traceback(error: BaseException, root: Path) -> str:
    """Format the traceback with the frames of the submission only."""
    lines = []
    for frame in _student_frames(error, root):
        lines.append(f'  File "{_relative(frame.filename, root)}", line {frame.lineno}, in {frame.name}\n')
        lines.append(f"    {frame.line}\n")
    return "".join(lines) + _placeless(_cut("".join(tracebacks.format_exception_only(error))), root) + "\n"


def current_line(root: Path, function: str | None = "forward") -> str:
    """Find the innermost line below `root` that is being run, of a `function` or of any (None); else ""."""
    frame: FrameType | None = sys._getframe(1)
    inside = f"{root}/"
    while frame is not None:
        filename = frame.f_code.co_filename
        is_meant = function in (None, frame.f_code.co_name)
        if is_meant and filename.startswith(inside) and is_students(filename, root):
            return f"{_relative(filename, root)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def is_students(filename: str, root: Path) -> bool:
    """Return whether a file is the submission's own, and not of an environment that lies in its folder."""
    return Path(filename).is_relative_to(root) and "site-packages" not in Path(filename).parts


def _student_frames(error: BaseException, root: Path) -> list[tracebacks.FrameSummary]:
    summary = tracebacks.extract_tb(error.__traceback__)
    return [frame for frame in summary if is_students(frame.filename, root)]


def _cut(text: str) -> str:
    """Remove what torch writes to its own developers."""
    return _PLACE_IN_TORCH.sub("", _NOT_FOR_STUDENTS.sub("", text)).strip()


def _placeless(text: str, root: Path) -> str:
    """Remove what differs between equal runs: places on this machine, addresses in memory."""
    places = {str(root): ".", str(root.parent): "..", **dict.fromkeys(_LIBRARIES, ".")}
    for place, instead in places.items():
        if place != "/":
            text = text.replace(f"{place}/", f"{instead}/".removeprefix("./"))
            text = re.sub(rf"{re.escape(place)}(?![\w.-])", instead, text)  # not a name that goes on
    return re.sub(r"0x[0-9a-f]{6,}", "0x…", text)


def _relative(filename: str, root: Path) -> str:
    path = Path(filename)
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name
