"""What attacks are made of: an honest model, and a search for the pipe of the answer."""

from textwrap import dedent

from harness.loader.client import Loaded, LoadFailure

HONEST = dedent("""
    import torch
    from torch import nn

    class Tiny(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 10)

        def forward(self, x):
            return self.fc(x.mean((2, 3)))
""")


PIPE = """
import os
pipes = []
for descriptor in range(3, 1024):
    try:
        os.fstat(descriptor)
        pipes.append(descriptor)
    except OSError:
        pass
"""


def blamed(answer: Loaded | LoadFailure) -> str:
    """The message of a submission that is to blame itself."""
    assert isinstance(answer, LoadFailure), answer
    assert answer.cause == "student"
    return answer.message
