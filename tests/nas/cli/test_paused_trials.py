from __future__ import annotations

import dataclasses
import shutil

import pytest
from optuna.trial import TrialState as OptunaState

import nas
from nas.cli.trial_tables import state_cell
from storage import Ledger, Proposal, TrialState

REASON = "dominated by trial 1"


@pytest.fixture
def study(finished, tmp_path, monkeypatch):
    """The finished study with a paused trial at its end."""
    shutil.copy(finished / "nas.db", tmp_path)
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    monkeypatch.chdir(tmp_path)
    with Ledger.open("sqlite:///nas.db") as ledger:
        lease = ledger.acquire("tiny", owner="test")
        full = ledger.trial(lease.study_id, 0)
        twin = Proposal(
            key="paused",
            config=full.config,
            parameters=full.parameters,
            sampler_attributes={},
            costs={**full.costs, "num_parameters": 1.0},
            origin="sampler",
        )
        (trial,) = ledger.propose(lease, [twin])
        ledger.dispatch(lease, trial.number)
        ledger.pause(lease, trial.number, {"score": 99.0, "evaluated_examples": 64.0}, reason=REASON)
        ledger.release(lease)
    with nas.load_study("tiny", storage="sqlite:///nas.db") as opened:
        yield opened


def test_a_list_says_on_how_many_examples_a_trial_was_paused_and_why(study, command):
    assert command("trials", "ls", "tiny").out.rstrip().endswith(f"paused at 64 examples: {REASON}")


def test_a_list_says_of_how_many_examples_where_the_full_model_tells(study):
    assert state_cell(study.trials[-1], num_examples=872.0) == f"paused at 64 of 872 examples: {REASON}"


def test_a_pause_without_a_number_of_examples_is_only_called_one(study):
    trial = dataclasses.replace(study.trials[-1], metrics={})
    assert state_cell(trial, num_examples=872.0) == f"paused: {REASON}"


def test_paused_trials_are_counted_apart(study, command):
    assert command("search", "show", "tiny", "--json").json["counts"]["paused"] == 1


def test_estimates_are_never_on_the_front(study, command):
    front = command("trials", "ls", "tiny", "--front", "--json").json
    assert study.trials[-1].number not in [trial["number"] for trial in front]


def test_notebooks_tell_how_many_trials_are_paused(study):
    assert " evaluated, 1 paused, " in study._repr_html_()


def test_optuna_sees_a_paused_trial_as_pruned_without_values(study):
    theirs = study.optuna.trials[-1]
    assert (theirs.state, theirs.values) == (OptunaState.PRUNED, None)
    assert theirs.user_attrs["score"] == 99.0
    assert study.trials[-1].state is TrialState.PAUSED
