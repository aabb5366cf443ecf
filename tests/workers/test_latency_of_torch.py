"""The paired protocol on real clocks; no assertion on how fast this machine is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import torch

from workers import LatencyProtocol, calibrate, measure_pair

PROTOCOL = LatencyProtocol(warmup_s=0.02, max_seconds=1.0, relative_precision=0.005)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def product(size: int) -> Callable[[], object]:
    left, right = torch.randn(size, size), torch.randn(size, size)
    return lambda: left @ right


def test_a_function_takes_as_long_as_itself() -> None:
    work = product(256)
    found = measure_pair(work, work, PROTOCOL)
    # The true ratio is 1. A busy neighbour widens the interval, but pairs keep it around 1; 5 % is for the
    # one run in twenty whose interval misses.
    assert found.ratio_low * 0.95 <= 1.0 <= found.ratio_high * 1.05
    assert found.cpu_ratio is not None
    assert found.cpu_ratio == pytest.approx(1.0, rel=0.1)


def test_more_work_takes_longer() -> None:
    found = measure_pair(product(512), product(128), PROTOCOL)
    # 64 times the multiplications; caches and call overhead may hide most of the factor but never all of it.
    assert found.ratio_low > 4
    assert found.num_pairs >= 3
    assert found.cpu_share is not None
    assert 0 < found.cpu_share < 1.05  # the two clocks are read one after the other


def test_calibration_yields_the_median_inside_its_interval() -> None:
    found = calibrate(product(256), PROTOCOL)
    assert 0 < found.reference_low_ms <= found.reference_ms <= found.reference_high_ms
    assert found.latency_ms(2.0) == 2 * found.reference_ms


@pytest.fixture
def busy_neighbours() -> Iterator[None]:
    command = [sys.executable, "-c", "while True: pass"]
    neighbours = [subprocess.Popen(command) for _ in range(2 * (os.cpu_count() or 1))]
    yield
    for neighbour in neighbours:
        neighbour.kill()
    for neighbour in neighbours:
        neighbour.wait()


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.usefixtures("busy_neighbours")
def test_is_contended_beside_two_busy_neighbours_for_each_processor() -> None:
    found = measure_pair(product(256), product(256), PROTOCOL)
    assert found.flag == "contended"
    assert found.cpu_share is not None
    assert found.cpu_share < 0.8  # a fair scheduler gives a third


@pytest.fixture
def shared_core() -> Iterator[None]:
    """This thread and two busy neighbours on one core."""
    before = os.sched_getaffinity(0)
    core = {max(before)}
    os.sched_setaffinity(0, core)
    neighbours = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    yield
    for neighbour in neighbours:
        neighbour.kill()
    for neighbour in neighbours:
        neighbour.wait()
    os.sched_setaffinity(0, before)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin threads to cores")
@pytest.mark.usefixtures("shared_core")
def test_is_contended_beside_two_neighbours_on_its_core_every_time_of_five() -> None:
    protocol = LatencyProtocol(warmup_s=0.02, max_seconds=0.5, patience=2.0)
    found = [measure_pair(product(512), product(256), protocol) for _ in range(5)]
    assert [one.flag for one in found] == ["contended"] * 5
    assert all(one.is_cpu_ratio and one.ratio == one.cpu_ratio for one in found)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin threads to cores")
@pytest.mark.usefixtures("shared_core")
def test_more_work_takes_longer_beside_two_neighbours_on_its_core() -> None:
    found = measure_pair(product(512), product(256), LatencyProtocol(warmup_s=0.02, max_seconds=0.5))
    # Eight times the multiplications; caches and call overhead may hide most of the factor but never all.
    assert found.ratio_low > 2
