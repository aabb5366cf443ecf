"""Profiles of search spaces: made in other processes, few at a time, and not for ever."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.config import SearchConfig, parse_config
from nas.service.problems import ProblemError
from nas.service.profiling import Profiler
from storage import Ledger

PROFILE = "/api/v1/spaces/profile"
ANSWER = {"space": "uniform", "cardinality": 12, "costs": {}, "satisfiable": {}, "unknown": []}


@pytest.fixture(scope="module")
def tiny_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database."""
    folder: Path = tmp_path_factory.mktemp("empty")
    Ledger.open(f"sqlite:///{folder / 'nas.db'}").close()
    (folder / "artifacts").mkdir()
    return folder


@pytest.fixture
def config() -> SearchConfig:
    return parse_config(
        {
            "version": 1,
            "name": "tiny",
            "model": {"id": "bundled", "task": "sequence-classification", "num_labels": 2},
            "data": {"train": "a.csv", "validation": "b.csv"},
            "objectives": ["max accuracy", "min num_parameters"],
        }
    )


def process(code: str) -> tuple[str, ...]:
    """A command that reads a config and does something else with it than profile."""
    return (sys.executable, "-S", "-c", f"import json, sys, time; config = json.load(sys.stdin); {code}")


def answering(document: dict[str, Any]) -> tuple[str, ...]:
    return process(f"print({json.dumps(document)!r})")


def test_the_process_is_given_the_config_and_its_answer_is_returned(config: SearchConfig) -> None:
    code = "print(json.dumps({'profile': {'space': config['name']}}))"
    assert Profiler(process(code)).profile(config) == {"space": "tiny"}


def test_an_infeasible_budget_is_told_with_what_comes_nearest(config: SearchConfig) -> None:
    refusal = {"infeasible": {"message": "none", "binding": "macs <= 1", "nearest": "macs = 2"}}
    with pytest.raises(nas.InfeasibleError) as caught:
        Profiler(answering(refusal)).profile(config)
    assert (caught.value.binding, caught.value.nearest) == ("macs <= 1", "macs = 2")


def test_a_config_that_does_not_fit_is_refused_with_the_reason(config: SearchConfig) -> None:
    with pytest.raises(nas.ConfigError, match="no such layer"):
        Profiler(answering({"refused": "no such layer"})).profile(config)


def test_a_profile_that_takes_too_long_is_ended(config: SearchConfig) -> None:
    with pytest.raises(ProblemError, match=r"not ready after 0\.2 s"):
        Profiler(process("time.sleep(600)"), timeout_s=0.2).profile(config)


def test_a_process_that_dies_is_the_services_fault(config: SearchConfig) -> None:
    with pytest.raises(ProblemError) as caught:
        Profiler(process("sys.exit(3)")).profile(config)
    assert caught.value.status == 503


def test_more_profiles_than_allowed_have_to_wait(config: SearchConfig, tmp_path: Path) -> None:
    started, go_on = tmp_path / "started", tmp_path / "go_on"
    code = (
        f"import pathlib; pathlib.Path({str(started)!r}).touch()\n"
        f"while not pathlib.Path({str(go_on)!r}).exists(): time.sleep(0.01)\n"
        f"print({json.dumps({'profile': ANSWER})!r})"
    )
    profiler, found = Profiler(process(code), most_at_once=1), []
    thread = threading.Thread(target=lambda: found.append(profiler.profile(config)))
    thread.start()
    while not started.exists():
        thread.join(0.01)
    with pytest.raises(ProblemError, match="other profiles"):
        profiler.profile(config)
    go_on.touch()
    thread.join()
    assert found == [ANSWER]


def test_a_profile_takes_the_scope_search(api: Any) -> None:
    assert api("alice", ("read",)).post(PROFILE, json={"config": {}}).status_code == 403


def test_a_config_with_a_path_is_refused(api: Any) -> None:
    config = {"version": 1, "name": "a", "model": {"id": "/etc"}, "data": {}, "objectives": ["max accuracy"]}
    answer = api("alice").post(PROFILE, json={"config": config})
    assert answer.status_code == 422
    assert "model" in answer.json()["detail"]


@pytest.mark.slow
def test_the_space_of_the_bundled_model_is_profiled(api: Any) -> None:
    config = {
        "version": 1,
        "name": "a",
        "model": {"id": "bundled", "task": "sequence-classification", "num_labels": 3},
        "data": {"train": "docstrings", "validation": "docstrings"},
        "space": {"kind": "uniform"},
        "objectives": ["max accuracy", "min num_parameters"],
        "constraints": ["num_parameters <= 0.9 * baseline"],
    }
    answer = api("alice").post(PROFILE, json={"config": config})
    assert answer.status_code == 200, answer.text
    profile = answer.json()
    assert profile["costs"]["smallest"]["num_parameters"] < profile["costs"]["full"]["num_parameters"]
    assert 0 < profile["satisfiable"]["num_parameters <= 0.9 * baseline"] <= 1
