from __future__ import annotations

import pytest

from nas.client.studies import RemoteStudy
from nas.errors import ConfigError, InfeasibleError


@pytest.fixture
def study(connection):
    return RemoteStudy(connection, "alice.tiny")


def test_facts_are_read_with_their_best_trial(study, wire, study_record):
    wire.answer(study_record)
    facts = study.facts()
    assert (facts.best.number, facts.best.study, facts.created_at.year) == (3, "alice.tiny", 2026)
    assert facts.objectives == ("max accuracy", "min num_parameters")


def test_trials_are_read_page_by_page(study, wire, trial_record):
    wire.answer({"trials": [trial_record], "total": 2, "next_page_token": "t"})
    wire.answer({"trials": [{**trial_record, "number": 4}], "total": 2, "next_page_token": None})
    found = study.trials("accuracy >= 0.5", sort="-accuracy", states=["DONE"])
    assert [trial.number for trial in found] == [3, 4]
    assert [request.url.params.get("page_token") for request in wire.requests] == [None, "t"]
    first = wire.requests[0].url.params
    assert (first["where"], first["sort"], first["state"]) == ("accuracy >= 0.5", "-accuracy", "DONE")


def test_no_more_pages_than_needed_are_asked_for(study, wire, trial_record):
    wire.answer({"trials": [trial_record], "total": 2, "next_page_token": "t"})
    assert len(study.trials(limit=1)) == 1
    assert len(wire.requests) == 1


def test_members_of_a_trial_that_this_version_does_not_know_are_left_out(study, wire, trial_record):
    wire.answer({**trial_record, "colour": "blue", "sizes": {**trial_record["sizes"], "depth": 1}})
    assert study.trial(3).sizes.ffn == "32"


def test_the_best_is_selected_by_the_service(study, wire, trial_record):
    wire.answer(trial_record)
    assert study.best("accuracy >= 0.5").number == 3
    assert wire.bodies == [{"where": ["accuracy >= 0.5"], "recovered": False}]


def test_an_infeasible_selection_is_raised(study, wire):
    wire.refuse(409, "infeasible", binding="b", nearest="n")
    with pytest.raises(InfeasibleError):
        study.best("accuracy >= 2")


def test_every_trial_within_the_budgets_is_selected_best_first(study, wire, study_record, trial_record):
    other, broken = {**trial_record, "number": 4}, {**trial_record, "number": 5, "is_feasible": False}
    wire.answer(trial_record)
    wire.answer(study_record)
    wire.answer({"trials": [other, trial_record, broken], "total": 3, "next_page_token": None})
    assert [trial.number for trial in study.select()] == [3, 4]
    assert wire.requests[2].url.params["state"] == "DONE"


def test_a_study_shows_its_front_in_a_notebook(study, wire, study_record, trial_record):
    wire.answer(study_record)
    wire.answer({"trials": [trial_record]})
    shown = study._repr_html_()
    assert "7 evaluated, running" in shown
    assert "<td>0.75</td>" in shown


def test_what_happened_last_is_read_at_once(study, wire):
    event = {"id": 4, "at": "2026-01-01T00:00:00+00:00", "kind": "lease_released", "payload": {"epoch": 1}}
    wire.answer({"events": [event]})
    (found,) = study.last_events(8)
    assert (found.id, found.kind, found.payload, found.at.year) == (4, "lease_released", {"epoch": 1}, 2026)
    assert wire.paths == ["/api/v1/studies/alice.tiny/events?limit=8"]


@pytest.mark.parametrize("given", [{}, {"trial": 3, "where": "accuracy >= 0.5"}])
def test_an_export_is_of_a_trial_or_of_budgets(study, given):
    with pytest.raises(ConfigError, match="either a trial, or budgets"):
        study.export(folder="out", **given)
