"""The machine as it is now: what is short is seen, and what to do is said."""

import os
import time

import pytest
from cards import install_processor

from harness.base import machine
from harness.base.machine import (
    ENOUGH_MEMORY_MIB,
    LEAST_MEMORY_MIB,
    computes_bfloat16,
    cpu_features,
    now,
    processor,
    room,
)


def test_every_fact_has_a_name_and_a_level():
    assert [check.name for check in now(1)] == ["processors", "load", "memory", "disk", "clock"]


def level_of(name: str, threads: int = 1) -> str:
    return {check.name: check.level for check in now(threads)}[name]


def test_too_few_processors_are_a_caution():
    assert level_of("processors", 1) == "PASS"
    assert level_of("processors", 10**6) == "CAUTION"


@pytest.mark.parametrize(("busy", "level"), [(0.0, "PASS"), (10**6, "CAUTION")])
def test_a_busy_machine_is_a_caution(monkeypatch, busy, level):
    monkeypatch.setattr(os, "getloadavg", lambda: (busy, 0.0, 0.0))
    assert level_of("load") == level


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
    check = room("memory", free_mib, ENOUGH_MEMORY_MIB, LEAST_MEMORY_MIB, "Close other programs.")
    assert check.level == level
    assert bool(check.fix) is (level != "PASS")


def test_this_machine_has_memory_disk_and_a_clock():
    assert {name: level_of(name) for name in ("memory", "disk", "clock")} == dict.fromkeys(
        ("memory", "disk", "clock"), "PASS"
    )


def test_a_clock_that_stands_before_the_installation_is_a_caution(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert level_of("clock") == "CAUTION"


def test_a_machine_that_does_not_describe_its_processor_still_has_a_name(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "none")
    assert processor() != ""
    assert cpu_features() == set()
    assert not computes_bfloat16()


@pytest.mark.parametrize(
    ("flags", "native"),
    [("avx2 avx512f avx512_bf16", True), ("avx2 fma", False), ("amx_bf16 amx_tile", True)],
)
def test_whether_bfloat16_is_computed_natively_follows_from_the_instructions(
    monkeypatch, tmp_path, flags, native
):
    install_processor(tmp_path, monkeypatch, flags)
    assert computes_bfloat16() is native
