"""`nas targets` on a tiny study: register, plan, measure, import, calibrate."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.cli.errors import run
from nas.evaluation import Target
from nas.study import Study
from nas.supernet import Supernet
from nas.targets import plan as plans
from nas.targets.plan import Plan
from storage import Ledger
from workers import LatencyProtocol

HEADER = "target p50 ms 95 % interval to itself CPU share flag"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs `nas targets` with arguments; exit code, standard output and standard error."""
    root, hook = logging.getLogger(), sys.excepthook
    handlers, level = list(root.handlers), root.level

    def run_command(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["targets", *(str(argument) for argument in arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield run_command
    root.handlers, sys.excepthook = handlers, hook
    root.setLevel(level)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, fast: LatencyProtocol) -> None:
    """Plans sample for a few milliseconds, and any interval is narrow enough."""
    monkeypatch.setattr(plans, "LatencyProtocol", lambda **given: LatencyProtocol(**given) if given else fast)
    monkeypatch.setattr("nas.evaluation.latency.USABLE_PRECISION", 100.0)


@pytest.fixture
def folder(tmp_path: Path, supernet: Supernet, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory; the supernet of study `tiny` is in its artifacts."""
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    monkeypatch.chdir(tmp_path)
    supernet.save(tmp_path / "artifacts" / "tiny" / "supernet")
    return tmp_path


def made(supernet: Supernet, **options: Any) -> Study:
    return nas.create_study(
        "tiny",
        storage="sqlite:///nas.db",
        supernet=supernet,
        objectives=["max score", "min latency_ms"],
        metrics=["score"],
        sampler="random",
        **({"target": Target.local(sequence_length=8)} | options),
    )


@pytest.fixture
def study(folder: Path, supernet: Supernet, fast: LatencyProtocol) -> Iterator[Study]:
    """Of the full model and three sub-networks, measured here."""
    opened = made(supernet)
    with opened:
        opened.optimize(lambda model: 0.5, 4, latency_protocol=fast)
        yield opened


@pytest.fixture
def ledger(folder: Path) -> Iterator[Ledger]:
    with Ledger.open("sqlite:///nas.db") as opened:
        yield opened


# The registry


@pytest.mark.usefixtures("folder")
def test_a_registered_target_is_listed(command: Command) -> None:
    options = ("--sequence-length", 32, "--threads", 2, "--label", "kind=edge")
    assert command("add", "edge", *options)[:2] == (0, "edge\n")
    assert command("ls", "-q")[1] == "edge\n"
    (record,) = json.loads(command("ls", "--json")[1])
    assert record["name"] == "edge"
    assert record["labels"] == {"kind": "edge"}
    assert record["reached"] == "Ray node kind=edge"
    assert (record["shapes"], record["drift"], record["predictor_error"]) == (0, None, None)


@pytest.mark.usefixtures("folder")
def test_a_name_stands_for_one_definition(command: Command) -> None:
    command("add", "edge")
    assert command("add", "edge")[0] == 0
    code, _, error = command("add", "edge", "--threads", 2)
    assert code == 2
    assert "registered otherwise" in error


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("add", "../edge"), "letters, digits"),
        (("add", "local"), "every config without a name"),
        (("add", "edge", "--label", "edge"), "write KEY=VALUE"),
        (("add", "edge", "--device-id", "me"), "16 digits"),
        (("rm", "edge"), "no target 'edge'"),
    ],
)
def test_a_wrong_registration_is_told(
    command: Command, folder: Path, arguments: tuple[object, ...], reason: str
) -> None:
    with Ledger.open("sqlite:///nas.db"):
        pass
    code, _, error = command(*arguments)
    assert code == 2
    assert reason in error


@pytest.mark.usefixtures("folder")
def test_a_removed_target_is_gone(command: Command) -> None:
    command("add", "edge")
    assert command("rm", "edge")[0] == 0
    assert command("ls", "-q")[1] == ""


@pytest.mark.usefixtures("folder")
def test_nothing_is_listed_where_there_is_no_database(command: Command) -> None:
    code, _, error = command("ls")
    assert code == 5
    assert "no database" in error


# Planning, measuring, importing


@pytest.mark.slow
@pytest.mark.usefixtures("study")
def test_a_front_goes_to_a_device_and_comes_back(command: Command, ledger: Ledger) -> None:
    before = len(ledger.latencies())
    assert command("plan", "tiny", "--front", "--trials", "1,2")[0] == 0
    assert command("bench", "--plan", "plan.json", "--threads", 2)[0] == 0
    code, device_id, _ = command("import", "results.jsonl", "--as", "edge")
    assert code == 0
    assert device_id.strip() == Target.local(threads=2).fingerprint().id
    shapes = len(Plan.read(Path("plan.json")).shapes) + 1
    assert len({r.shape_key for r in ledger.latencies(target=device_id.strip())}) == shapes
    assert len(ledger.latencies()) > before
    (record,) = [r for r in json.loads(command("ls", "--json")[1]) if r["name"] == "edge"]
    assert record["reached"] == "offline"
    assert record["measured_device_id"] == device_id.strip()
    assert record["shapes"] == shapes


@pytest.mark.usefixtures("study")
def test_a_plan_of_a_trial_has_its_shape(command: Command, study: Study) -> None:
    from nas.evaluation import shape_key

    command("plan", "tiny", "--trials", "3", "-o", "three.json")
    assert list(Plan.read(Path("three.json")).shapes) == [shape_key(study.shape, study.trial(3).config)]


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("plan", "tiny", "--trials", "three"), 2, "with commas between"),
        (("plan", "tiny", "--trials", "99"), 2, "99"),
        (("plan", "other"), 2, "other"),
        (("plan", "tiny", "--target", "edge"), 2, "no target 'edge'"),
        (("plan", "tiny", "--artifacts", "elsewhere"), 2, "--artifacts"),
        (("bench",), 2, "--plan FILE"),
        (("bench", "--plan", "missing.json"), 2, "missing.json"),
        (("import", "missing.jsonl"), 2, "missing.jsonl"),
    ],
)
def test_what_cannot_be_planned_or_measured_is_told(
    command: Command, arguments: tuple[object, ...], code: int, reason: str
) -> None:
    found, _, error = command(*arguments)
    assert found == code
    assert reason in error


@pytest.mark.usefixtures("study")
def test_a_reference_measured_again_shows_the_drift(command: Command) -> None:
    command("add", "here", "--sequence-length", 8)
    code, out, _ = command("bench", "tiny", "--target", "here")
    assert code == 0
    assert out.splitlines()[0].split() == HEADER.split()
    (record,) = json.loads(command("ls", "--json")[1])
    assert record["calibrations"] == 2
    assert record["drift"] is not None


@pytest.mark.slow
@pytest.mark.usefixtures("study")
def test_a_calibration_measures_until_the_predictor_can_be_judged(command: Command) -> None:
    code, out, _ = command("calibrate", "tiny", "--shapes", 20, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["measured"] > 0
    assert found["error"]["num_shapes"] >= 20
    assert json.loads(command("calibrate", "tiny", "--shapes", 20, "--json")[1])["measured"] == 0


@pytest.mark.usefixtures("study")
def test_a_calibration_for_another_device_is_a_plan(command: Command) -> None:
    command("calibrate", "tiny", "--shapes", 7, "-o", "calibration.json")
    assert 5 <= len(Plan.read(Path("calibration.json")).shapes) <= 7  # the full model is not counted


@pytest.mark.usefixtures("study")
def test_another_machine_is_not_measured_here(command: Command) -> None:
    command("add", "edge", "--device-id", "0" * 16)
    command("add", "node", "--label", "kind=edge")
    for name in ("edge", "node"):
        code, _, error = command("bench", "tiny", "--target", name)
        assert code == 2
        assert "write a plan by -o" in error
