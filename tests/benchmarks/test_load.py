"""The measurement of load, in small: real service, real clients, real answers."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.filled_study import filled_study
from benchmarks.load.clients import BROKEN, Plan
from benchmarks.load.command import Result
from benchmarks.load.service import RunningService


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_clients_ask_a_real_service_and_every_answer_is_right(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    filled_study(url, 1000, "filled")
    with RunningService(url, tmp_path) as service:
        plan = Plan(port=service.port, study="filled", clients=4, seconds=3.0, rate=0.0)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.load.clients", json.dumps(asdict(plan))],
            input=f"{service.token}\n",
            capture_output=True,
            text=True,
            check=True,
        )
    answers = json.loads(done.stdout)
    assert len(answers) >= 4
    assert {status for _, status, *_ in answers} == {200}
    assert service.token not in (tmp_path / "service.log").read_text()


def _result(*answers: tuple[str, int, float, float], outage: tuple[float, float] | None = None) -> Result:
    many = [("trial", 200, 0.01, at / 1000) for at in range(1000)]
    return Result(case="case", answers=[*many, *answers], outage=outage)


def test_quick_answers_are_good() -> None:
    assert _result().is_good


@pytest.mark.parametrize("status", [500, 503, BROKEN])
def test_one_failure_is_one_too_many(status: int) -> None:
    assert not _result(("trial", status, 0.01, 0.5)).is_good


def test_slow_answers_count_unless_an_outage_held_them_up() -> None:
    slow = [("trial", 200, 3.0, 0.5)] * 30
    assert not _result(*slow).is_good
    assert _result(*slow, outage=(0.4, 0.6)).quantile(0.99) < 0.25


def test_failures_count_in_an_outage_too() -> None:
    assert not _result(("trial", 503, 0.01, 0.5), outage=(0.4, 0.6)).is_good
