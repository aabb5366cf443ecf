"""Peak memory of a call."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.memory import ProcessMemory, memory_meter

MIB = 2**20
#: What a test's own machinery and the C library may add or hide.
SLACK = 6 * MIB

has_high_water_mark = pytest.mark.skipif(
    ProcessMemory().peak_bytes(lambda: None) is None and not Path("/proc/self/clear_refs").exists(),
    reason="this system keeps no high-water mark that can be set back",
)


@has_high_water_mark
def test_the_peak_holds_what_was_made_since_and_what_the_call_takes_for_a_while() -> None:
    meter = memory_meter("cpu")
    stays = b"x" * (48 * MIB)
    peak = meter.peak_bytes(lambda: len(b"y" * (32 * MIB)) + len(stays))
    assert peak == pytest.approx(80 * MIB, abs=SLACK)


@has_high_water_mark
def test_an_earlier_and_higher_peak_does_not_count() -> None:
    assert len(b"z" * (96 * MIB)) == 96 * MIB
    meter = memory_meter("cpu")
    peak = meter.peak_bytes(lambda: len(b"y" * (32 * MIB)))
    assert peak == pytest.approx(32 * MIB, abs=SLACK)


def test_a_peak_that_cannot_be_set_back_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("VmRSS:\t1000 kB\nVmHWM:\t9000 kB\n")
    (tmp_path / "clear_refs").mkdir()
    assert ProcessMemory(tmp_path).peak_bytes(lambda: None) is None


def test_the_peak_is_read_in_bytes_above_what_was_resident(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("VmHWM:\t9000 kB\nVmRSS:\t1000 kB\n")
    assert ProcessMemory(tmp_path).peak_bytes(lambda: None) == 8000 * 1024
    assert (tmp_path / "clear_refs").read_text() == "5"


def test_without_a_status_nothing_is_told(tmp_path: Path) -> None:
    assert ProcessMemory(tmp_path).peak_bytes(lambda: None) is None
