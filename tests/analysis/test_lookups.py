"""A table of answers is found by what is read where, whatever stands behind it."""

import pytest

from tests.analysis.conftest import Sketch

