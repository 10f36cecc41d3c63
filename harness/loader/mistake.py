"""A mistake in student code: what it raised, and where torch or Python was as it did."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

PACKAGE = "_submission"
"""The package that a submission's folder is for relative imports."""
CONSTRUCTED_AT = "_constructed_at"
"""Where a module keeps the line that constructs it: among its own attributes, so that a copy has it too."""
IMAGES = 2
"""How many images a model is run on as it is taken in."""


@dataclass(frozen=True)
class Mistake:
    """An error of student code: while what was done, at which place, on which line of source."""

    error: BaseException
    stage: str
    where: str
    line: str

    def frames(self, module: str) -> Iterator[FrameType]:
        """Yield the frames it passed through in a file of a library, as in "argparse.py", outermost first."""
        traceback = self.error.__traceback__
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename.endswith(module):
                yield traceback.tb_frame
            traceback = traceback.tb_next


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether Python or torch's allocator ran out of memory."""
    return isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error)
