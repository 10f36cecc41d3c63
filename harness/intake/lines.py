"""Where layers are constructed: noted while a model is built, shown in findings. Locked child only.

Text for display: no rule asks what stands here, and a submission that writes it itself names a wrong line.
"""

import functools
import inspect
from pathlib import Path
from typing import Any

from torch import nn
from torch.nn.modules import container

from harness.intake.failures import current_line, is_students
from harness.intake.mistake import CONSTRUCTED_AT

_BLOCKS = (nn.Module, *(kind for kind in vars(container).values() if inspect.isclass(kind)))
"""Classes of torch that compute nothing of their own."""


def note_lines(root: Path) -> None:
    """Note from now on where each module is constructed: the innermost line of the submission in `root`."""
    construct = nn.Module.__init__

    @functools.wraps(construct)
    def noted(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        vars(self)[CONSTRUCTED_AT] = current_line(root, None)
        construct(self, *args, **kwargs)

    nn.Module.__init__ = noted  # type: ignore[method-assign]


def constructed_at(module: nn.Module, root: Path) -> str:
    """Return where a layer was constructed, "model.py:12"; "" for a block that its author wrote.

    What such a block computes by functions is where it calls them.
    """
    forward = inspect.unwrap(type(module).forward)
    code = getattr(forward, "__code__", None)
    written = code is not None and is_students(code.co_filename, root)
    line = vars(module).get(CONSTRUCTED_AT)
    return line if isinstance(line, str) and (_is_layer(module) or not written) else ""


# Private functions


def _is_layer(module: nn.Module) -> bool:
    """Tell whether a module is one of torch's layers, or derived from one."""
    return any(one.__module__.startswith("torch.nn.") and one not in _BLOCKS for one in type(module).__mro__)
