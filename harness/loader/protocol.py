"""The protocol of the parent and the loader child: what is requested and what comes back, as plain data.

The child (`harness.loader.child`) reads one `Request` and answers over one pipe. For every variant the parent
writes what came to ``<out>/<variant>/``: ``answer.json`` and, when the model could be exported,
``architecture.json`` and ``initial.safetensors``.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from harness.base.tables import Frozen
from harness.graph.ir import MAX_NODES, Source
from harness.graph.ir import Path as ModulePath
from harness.sandbox.protocol import Confined
from harness.sources.requested import Requested

ARCHITECTURE = "architecture.json"
WEIGHTS = "initial.safetensors"
ANSWER = "answer.json"
NOTEBOOK = ".ipynb"
BLOCKS = (ANSWER, ARCHITECTURE, WEIGHTS)
"""What the child says of a variant, in this order."""
MAX_NOTE = 1_000
MAX_TEXT = 64 * 1024
"""Characters of any text taken from the child; it is for display only."""

Text = Annotated[str, Field(max_length=MAX_TEXT)]


class Request(Confined):
    """Build and export these variants of one submission; tracebacks show only frames below its root."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variants: dict[str, Requested]
    input_shape: tuple[int, int, int]
    """(C, H, W) of one image."""
    classes: int
    init_seed: int
    other_init_seed: int
    out: Path


class Answer(Frozen):
    """The child's answer on one variant. Text is for display; `stage` names where it stopped.

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
    lines: dict[ModulePath, Source] = Field(default_factory=dict, max_length=MAX_NODES)
    """Where layers are constructed, by their paths."""
