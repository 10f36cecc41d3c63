"""Where graders work: which processors and which GPU each has."""

import pytest

from harness.cohort.local import cores_of, gpus_here


@pytest.mark.parametrize(
    ("size", "usable", "expected"),
    [
        (1, [0, 1], [(0, 1)]),
        (2, [0, 1], [(0,), (1,)]),
        (2, [2, 3, 6, 7, 9], [(2, 3), (6, 7)]),
        (3, [4, 5], [(4,), (5,), (4,)]),
    ],
)
def test_processors_are_shared_equally_and_by_no_two_while_there_are_enough(size, usable, expected):
    assert [cores_of(place, size, usable) for place in range(size)] == expected


@pytest.mark.parametrize(
    ("device", "visible", "expected"),
    [("auto", "0,2", ("0", "2")), ("cuda", "", ()), ("auto", "-1", ()), ("cpu", "0,1", ())],
)
def test_each_visible_gpu_is_a_slot(monkeypatch, device, visible, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus_here(device) == expected
