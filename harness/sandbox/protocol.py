"""The protocol between the parent and the fork server of a sandbox: words on a socket, and plain data.

The sandbox knows nothing of models: which program answers a request is named by who opens it.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

READY, UNFIT = b"READY\n", b"UNFIT\n"
"""How the fork server begins: processes can be locked here, or cannot."""
RUN, KILL, ENDED = b"RUN\n", b"KILL\n", b"ENDED\n"
"""What is said of one request: run it, end it before its time, it has ended."""
LOCKED, UNLOCKED = b"LOCKED\n", b"UNLOCKED\n"
"""How the child begins: before any student code runs."""
SELF_CHECK = "--self-check"
"""Option of a child that runs its own author's code, without a lock."""


class Confined(BaseModel):
    """A request to a program in the sandbox: the folder it may read, and how much it may use."""

    model_config = ConfigDict(frozen=True)

    root: Path
    """The submission's folder, which the child reads and begins in."""
    cpu_s: int
    memory_mib: int
    output_mib: int
