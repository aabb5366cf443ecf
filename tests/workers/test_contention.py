from __future__ import annotations

from pathlib import Path

import pytest

import workers.contention
from workers.contention import pressure_us, run_delay_ns


def test_pressure_is_the_total_of_some_waiting_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pressure = tmp_path / "cpu"
    pressure.write_text("some avg10=1.00 avg60=2.00 total=345\nfull avg10=0.00 total=7\n")
    monkeypatch.setattr(workers.contention, "_PRESSURE", pressure)
    assert pressure_us() == 345


def test_pressure_is_unknown_without_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.contention, "_PRESSURE", tmp_path / "missing")
    assert pressure_us() is None


def test_run_delay_adds_up_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for thread, text in {"1": "900 10 5", "2": "800 20 4", "3": "garbage"}.items():
        (tmp_path / thread).mkdir()
        (tmp_path / thread / "schedstat").write_text(text)
    monkeypatch.setattr(workers.contention, "_THREADS", tmp_path)
    assert run_delay_ns() == 30


def test_run_delay_is_unknown_without_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.contention, "_THREADS", tmp_path / "missing")
    assert run_delay_ns() is None
