from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("in_finished")


def test_the_best_trial_within_the_budgets_is_selected(command):
    best = command("select", "tiny", "--where", "num_parameters <= 0.6 * baseline", "--json").json
    listed = command("trials", "ls", "tiny", "--json", "--where", "num_parameters <= 0.6 * baseline").json
    scores = [trial["metrics"]["score"] for trial in listed if trial["is_feasible"]]
    assert best["metrics"]["score"] == max(scores)


def test_the_trial_is_shown_beside_the_full_model_with_the_export_to_copy(command):
    outcome = command("select", "tiny")
    name = command("select", "tiny", "-q").out.strip()
    number = name.removeprefix("tiny@")
    assert outcome.out.startswith(f"Trial {number} of tiny: ")
    assert ["metric", "this", "trial", "full", "model", "share"] in outcome.rows
    assert f"nas export {name} -o tiny-{number}\n" in outcome.err


def test_the_export_to_copy_names_a_storage_that_is_not_the_default(command, in_finished):
    storage = f"sqlite:///{in_finished / 'nas.db'}"
    assert f"--storage {storage}" in command("select", "tiny", "--storage", storage).err


def test_an_infeasible_selection_exits_with_3_and_names_binding_and_nearest(command):
    outcome = command("select", "tiny", "--where", "num_parameters <= 10")
    assert (outcome.code, outcome.out) == (3, "")
    assert "'num_parameters <= 10'" in outcome.err
    assert "the nearest is trial" in outcome.err


def test_an_infeasible_selection_as_json_says_so(command):
    outcome = command("select", "tiny", "--where", "num_parameters <= 10", "--json")
    assert outcome.code == 3
    assert outcome.json["is_feasible"] is False
    assert outcome.json["binding"] == "num_parameters <= 10"
    assert outcome.json["nearest"].startswith("trial ")
