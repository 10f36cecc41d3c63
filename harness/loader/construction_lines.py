"""Lines where layers are constructed: noted while a model is built, shown in findings. Locked child only.

Text for display: no rule asks what stands here, and a submission that writes it itself names a wrong line.
"""

import functools
import inspect
from pathlib import Path
from typing import Any

from torch import nn
from torch.nn.modules import container

from harness.loader.export import clean_path, printable
from harness.loader.failures import current_line, is_students
from harness.loader.mistake import CONSTRUCTED_AT

_MOST_TEXT = 64 * 1024
"""Characters of all paths and lines together."""
_BLOCKS = (nn.Module, *(kind for kind in vars(container).values() if inspect.isclass(kind)))
"""Classes of torch that compute nothing of their own."""


def note_lines(root: Path) -> None:
    """Record from now on where each module is constructed: the innermost line of the submission in `root`."""
    construct = nn.Module.__init__

    @functools.wraps(construct)
    def noted(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        vars(self)[CONSTRUCTED_AT] = current_line(root, None)
        construct(self, *args, **kwargs)

    nn.Module.__init__ = noted  # type: ignore[method-assign]


def lines_of(model: nn.Module, root: Path) -> dict[str, str]:
    """Return where the layers of a model were constructed, "model.py:12", by their paths.

    A block that its author wrote has none: what it computes by functions is where it calls them.
    """
    found: dict[str, str] = {}
    room = _MOST_TEXT
    for name, module in model.named_modules(remove_duplicate=False):
        line, path = vars(module).get(CONSTRUCTED_AT), clean_path(name)
        is_shown = isinstance(line, str) and (_is_layer(module) or not _is_written_here(module, root))
        if is_shown and (room := room - len(path) - len(printable(line)[:300])) > 0:
            found[path] = printable(line)[:300]
    return found


# Private functions


def _is_layer(module: nn.Module) -> bool:
    """Return whether a module is one of torch's layers, or derived from one."""
    return any(one.__module__.startswith("torch.nn.") and one not in _BLOCKS for one in type(module).__mro__)


def _is_written_here(module: nn.Module, root: Path) -> bool:
    code = getattr(inspect.unwrap(type(module).forward), "__code__", None)
    return code is not None and is_students(code.co_filename, root)
