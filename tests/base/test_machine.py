"""The machine as it is now: what is short is seen, and what to do is said."""

import os

import pytest

from harness.base import machine
from harness.base.machine import (
    ENOUGH_MEMORY_MIB,
    LEAST_MEMORY_MIB,
    computes_bfloat16,
    cpu_features,
    now,
    processor,
)


def test_every_fact_has_a_name_and_a_level():
    assert [check.name for check in now(1)] == ["processors", "load", "memory", "disk", "clock"]


def test_too_few_processors_are_a_caution():
    assert machine._processors(1).level == "PASS"
    assert machine._processors(10**6).level == "CAUTION"


@pytest.mark.parametrize(("busy", "level"), [(0.0, "PASS"), (10**6, "CAUTION")])
def test_a_busy_machine_is_a_caution(monkeypatch, busy, level):
    monkeypatch.setattr(os, "getloadavg", lambda: (busy, 0.0, 0.0))
    assert machine._load().level == level


@pytest.mark.parametrize(
    ("free_mib", "level"),
    [
        (ENOUGH_MEMORY_MIB, "PASS"),
        (ENOUGH_MEMORY_MIB - 1, "CAUTION"),
        (LEAST_MEMORY_MIB, "CAUTION"),
        (LEAST_MEMORY_MIB - 1, "FAIL"),
    ],
)
def test_little_memory_is_a_caution_and_too_little_fails(free_mib, level):
    check = machine._at_least(
        "memory", free_mib, ENOUGH_MEMORY_MIB, LEAST_MEMORY_MIB, "Close other programs."
    )
    assert check.level == level
    assert bool(check.fix) is (level != "PASS")


def test_this_machine_has_memory_disk_and_a_clock():
    for check in (machine._memory(), machine._disk(), machine._clock()):
        assert check.level == "PASS", check


def test_a_clock_that_stands_before_the_installation_is_a_caution():
    assert machine._clock(lambda: 0.0).level == "CAUTION"


def test_a_machine_that_does_not_describe_its_processor_still_has_a_name(monkeypatch):
    monkeypatch.setattr(machine, "_cpuinfo", dict)
    assert processor() != ""
    assert cpu_features() == set()
    assert not computes_bfloat16()


@pytest.mark.parametrize(
    ("flags", "native"),
    [("avx2 avx512f avx512_bf16", True), ("avx2 fma", False), ("amx_bf16 amx_tile", True)],
)
def test_whether_bfloat16_is_computed_natively_follows_from_the_instructions(monkeypatch, flags, native):
    monkeypatch.setattr(machine, "_cpuinfo", lambda: {"flags": flags})
    assert computes_bfloat16() is native
