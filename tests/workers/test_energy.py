"""Energy of calls: counters of a processor in a folder like the kernel's, and of a GPU like NVML's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from workers.energy import GpuCounter, RaplCounter, energy_counter, energy_of_call
from workers.gpu import Gpu


def zone(folder: Path, name: str, *, kind: str = "package-0", microjoules: int = 0) -> Path:
    home = folder / name
    home.mkdir()
    (home / "name").write_text(f"{kind}\n")
    (home / "energy_uj").write_text(f"{microjoules}\n")
    (home / "max_energy_range_uj").write_text("1000000\n")
    return home


def use(home: Path, microjoules: int) -> None:
    file = home / "energy_uj"
    file.write_text(str(int(file.read_text()) + microjoules))


def test_packages_are_added_up_and_their_parts_left_out(tmp_path: Path) -> None:
    first, second = zone(tmp_path, "intel-rapl:0"), zone(tmp_path, "intel-rapl:1", kind="package-1")
    part = zone(tmp_path, "intel-rapl:0:0", kind="core")
    platform = zone(tmp_path, "intel-rapl:2", kind="psys")
    counter = energy_counter(None, is_gpu=False, powercap=tmp_path)
    assert counter is not None
    before = counter.read()
    assert before is not None
    for home, microjoules in ((first, 100_000), (second, 20_000), (part, 90_000), (platform, 500_000)):
        use(home, microjoules)
    assert counter.joules_since(before) == pytest.approx(0.12)


def test_a_counter_that_starts_again_is_allowed_for(tmp_path: Path) -> None:
    home = zone(tmp_path, "intel-rapl:0", microjoules=990_000)
    counter = RaplCounter(zones=(home,))
    before = counter.read()
    assert before is not None
    (home / "energy_uj").write_text("15000")
    assert counter.joules_since(before) == pytest.approx(0.025)


def test_without_zones_there_is_no_counter(tmp_path: Path) -> None:
    assert energy_counter(None, is_gpu=False, powercap=tmp_path) is None


def test_zones_that_cannot_be_read_are_no_counter(tmp_path: Path) -> None:
    (zone(tmp_path, "intel-rapl:0") / "energy_uj").unlink()
    assert energy_counter(None, is_gpu=False, powercap=tmp_path) is None


def test_a_gpu_is_never_charged_by_the_processors_counter(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0")
    assert energy_counter(None, is_gpu=True, powercap=tmp_path) is None


def test_a_gpus_own_counter_is_taken_where_it_has_one() -> None:
    millijoules = iter([1_000, 5_000, 7_500])
    nvml = SimpleNamespace(NVMLError=OSError, nvmlDeviceGetTotalEnergyConsumption=lambda _: next(millijoules))
    counter = energy_counter(Gpu(nvml=nvml, handle=0), is_gpu=True)
    assert isinstance(counter, GpuCounter)
    before = counter.read()
    assert before is not None
    assert counter.joules_since(before) == 2.5


def test_energy_of_a_call_is_that_of_the_window_by_its_calls(tmp_path: Path) -> None:
    home, ticks = zone(tmp_path, "intel-rapl:0"), iter(range(100))
    counter = RaplCounter(zones=(home,))
    joules = energy_of_call(lambda: use(home, 3_000), counter, window_s=5, now=lambda: next(ticks))
    assert joules == pytest.approx(0.003)


def test_a_counter_that_stands_still_tells_nothing(tmp_path: Path) -> None:
    counter = RaplCounter(zones=(zone(tmp_path, "intel-rapl:0"),))
    assert energy_of_call(lambda: None, counter, window_s=0) is None
