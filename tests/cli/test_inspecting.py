"""`harness rf`: the table of a network, its numbers, and what cannot be measured."""

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Harness
from PIL import Image

BOTH = """
    from torch import nn

    class Net(nn.Module):
        def __init__(self, num_classes=10):
            super().__init__()
            self.a = nn.Conv2d(3, 4, 3, padding=1)
            self.b = nn.Conv2d(4, 4, 3, stride=2, padding=2, dilation=2)
            self.fc = nn.Linear(4, num_classes)

        def forward(self, x):
            return self.fc(self.b(self.a(x)).mean((2, 3)))

    class Odd(Net):
        def forward(self, x):
            return self.fc(self.b(self.a(x).flip(3)).mean((2, 3)))
"""


@pytest.fixture
def two_layers(write: Callable[..., Path]) -> Path:
    return write(model=BOTH) / "model.py"


def test_the_table_the_numbers_and_the_second_measurement_are_printed(
    harness: Harness, two_layers: Path, tmp_path: Path
) -> None:
    done = harness("rf", two_layers, "--class", "Net", "--check", "--erf", "rf.png")
    assert done.returncode == 0, done.stderr
    assert "RF: Net (32x32 input)" in done.stdout
    assert "receptive field: 7 px, 37 px counting the global pool; jump 2" in done.stdout
    assert "measured by gradients: agrees (7 px)" in done.stdout
    assert "Effective receptive field: rf.png" in done.stderr
    with Image.open(tmp_path / "rf.png") as picture:
        assert picture.width > 400 and picture.height > 400


def test_markdown_goes_to_standard_output_with_the_title_and_input_asked_for(
    harness: Harness, two_layers: Path
) -> None:
    done = harness("rf", two_layers, "--class", "Net", "--markdown", "--title", "Mine", "--input", 3, 48, 64)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("### Mine\n\n|   # | Layer   |")
    assert (
        "**Final RF:** 7 &nbsp;&nbsp; **Final jump:** 2 &nbsp;&nbsp; **Counting the global pool:** 53"
        in done.stdout
    )


def test_what_cannot_be_measured_is_said_and_is_no_success(harness: Harness, two_layers: Path) -> None:
    done = harness("rf", two_layers, "--class", "Odd", "--check")
    assert done.returncode == 3
    assert "receptive field: not known: aten.flip.default in" in done.stdout
    assert "measured by gradients: not possible" in done.stdout


def test_one_picture_shows_one_network(harness: Harness, reference: Path) -> None:
    done = harness("rf", reference, "--erf", "rf.png")
    assert done.returncode == 2
    assert "error: --erf: expected one network, got basic, dilated. Name one with --variant." in done.stderr


def test_an_image_without_rows_is_refused(harness: Harness, two_layers: Path) -> None:
    done = harness("rf", two_layers, "--input", 3, 0, 32)
    assert done.returncode == 2
    assert "error: --input 3 0 32: expected three positive numbers, C H W." in done.stderr


def test_a_network_that_does_not_take_the_input_says_so(harness: Harness, two_layers: Path) -> None:
    done = harness("rf", two_layers, "--class", "Net", "--input", 1, 28, 28)
    assert done.returncode == 3
    assert "error: " in done.stderr
    assert "Traceback (most recent call last)" not in done.stderr.split("error: ")[0]
