"""A short part of the campaign of faults: each kind of fault that needs no cluster, once or a few times."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.chaos.command import FAULTS, Fault, summary
from benchmarks.chaos.context import Context, tiny_supernet
from benchmarks.chaos.drivers import Drivers
from benchmarks.chaos.outcome import Outcome, history_sha256
from benchmarks.chaos.postgres import binaries

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SHARE = 0.04
#: What tests of the pool, of jobs and of latency do on their own, or what takes minutes.
ELSEWHERE = {1, 3, 6, 7, 8, 13, 14, 19, 20, 22}
NEEDS_POSTGRES = {2, 4, 5}
NEEDS_ROOT = {9}


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    folder = tmp_path_factory.mktemp("chaos")
    supernet = tiny_supernet(folder)
    with Drivers(supernet, folder) as drivers:
        context = Context(folder, drivers, supernet, SHARE, random.Random(0))
        try:
            yield context
        finally:
            context.close()


@pytest.mark.parametrize(
    "fault",
    [fault for fault in FAULTS if fault.row not in ELSEWHERE],
    ids=lambda fault: fault.name.replace(" ", "-"),
)
def test_the_fault_is_survived(context: Context, fault: Fault) -> None:
    if fault.row in NEEDS_POSTGRES and binaries() is None:
        assert not os.environ.get("CI"), "CI runs these against a real PostgreSQL; it is not installed"
        pytest.skip("PostgreSQL is not installed")
    if fault.row in NEEDS_ROOT and os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    outcome = fault.inject(context)
    assert outcome.injected > 0
    assert outcome.is_good, summary([(fault, outcome, 0.0)])


def test_rows_are_numbered_without_gaps() -> None:
    assert list(dict.fromkeys(fault.row for fault in FAULTS)) == list(range(1, 26))


@pytest.mark.parametrize(
    "harm",
    [{"lost": 1}, {"duplicated": 1}, {"zombies": 1}, {"is_equal": False}, {"problems": ("a contradiction",)}],
    ids=str,
)
def test_any_harm_counts(harm: dict[str, object]) -> None:
    assert not Outcome(injected=1, **harm).is_good  # type: ignore[arg-type]  # any field


def test_a_history_that_differs_in_one_trial_has_another_hash(context: Context) -> None:
    hashes = set()
    for total in (9, 10):
        place = context.place()
        url = f"sqlite:///{place / 'nas.db'}"
        assert context.drivers.start(**context.settings(url, "s", Path(place), total)).wait() == 0
        hashes.add(history_sha256(url, "s"))
    assert len(hashes) == 2
