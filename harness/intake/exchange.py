"""What the parent asks of the intake child and what comes back: plain data, no torch.

The child (`harness.intake.boot`) reads one `Request` and answers over one pipe. For every variant the parent
writes what came to ``<out>/<variant>/``: ``answer.json`` and, when the model could be exported,
``architecture.json`` and ``initial.safetensors``.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.analysis.graph import MAX_NODES, Source
from harness.analysis.graph import Path as ModulePath
from harness.recipe import Scalar

ARCHITECTURE = "architecture.json"
WEIGHTS = "initial.safetensors"
ANSWER = "answer.json"
NOTEBOOK = ".ipynb"
BLOCKS = (ANSWER, ARCHITECTURE, WEIGHTS)
"""What the child says of a variant, in this order."""
READY, UNFIT = b"READY\n", b"UNFIT\n"
"""How the intake process begins: processes can be locked here, or cannot."""
RUN, KILL, ENDED = b"RUN\n", b"KILL\n", b"ENDED\n"
"""What is said of one submission: run it, end it before its time, it has ended."""
LOCKED, UNLOCKED = b"LOCKED\n", b"UNLOCKED\n"
"""How the child begins: before any student code runs."""
SELF_CHECK = "--self-check"
"""Option of a child that runs its own author's code, without a lock."""
MAX_NOTE = 1_000
MAX_TEXT = 64 * 1024
"""Characters of any text taken from the child; it is for display only."""

Text = Annotated[str, Field(max_length=MAX_TEXT)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Wanted(_Frozen):
    """One variant to build: a file, or a folder to search; a class (None: find it); arguments for it."""

    file: Path
    class_name: str | None
    arguments: dict[str, Scalar] = {}


class Request(_Frozen):
    """Build and export these variants of one submission."""

    root: Path
    """The submission's folder; only frames below it are shown in tracebacks."""
    variants: dict[str, Wanted]
    input_shape: tuple[int, int, int]
    """(C, H, W) of one image."""
    classes: int
    init_seed: int
    other_init_seed: int
    cpu_s: int
    memory_mib: int
    output_mib: int
    out: Path


class Answer(_Frozen):
    """What the child says of one variant. Text is for display; `stage` names where it stopped.

    `seeds_differ` is a claim of the child: it only ever leads to a warning.
    """

    class_name: Annotated[str, Field(max_length=200)] = ""
    stage: Literal["import", "find", "choose", "construct", "forward", "export", "write", "done"]
    message: Text = ""
    traceback: Text = ""
    out_of_memory: bool = False
    summary: Text = ""
    seeds_differ: bool = True
    notes: Annotated[tuple[Annotated[str, Field(max_length=MAX_NOTE)], ...], Field(max_length=20)] = ()
    """What was built, of which file and with which arguments; what was left out."""
    lines: Annotated[dict[ModulePath, Source], Field(max_length=MAX_NODES)] = {}
    """Where layers are constructed, by their paths."""
