"""Where the checkout lies that the tests are of."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
