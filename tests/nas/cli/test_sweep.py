from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("in_finished")


@pytest.fixture
def full(command):
    trials = command("trials", "ls", "tiny", "--json").json
    return next(t["metrics"]["num_parameters"] for t in trials if t["origin"] == "baseline:full")


def test_each_budget_of_a_series_has_the_best_under_it(command, full):
    steps = command("select", "tiny", "--sweep", f"num_parameters=0:{full}:{full / 4}", "--json").json
    assert [step["where"].split(" <= ")[0] for step in steps] == ["num_parameters"] * 5
    for step in steps:
        alone = command("select", "tiny", "--where", step["where"], "--json")
        best = None if alone.code == 3 else alone.json["number"]
        assert (None if step["trial"] is None else step["trial"]["number"]) == best


def test_a_series_is_a_table_that_says_where_nothing_was_found(command, full):
    outcome = command("select", "tiny", "--sweep", f"num_parameters=0:{full}:{full}")
    assert outcome.code == 0, outcome.err
    assert outcome.rows[0][:2] == ["budget", "trial"]
    assert outcome.rows[1] == ["num_parameters", "<=", "0", "none"]
    assert outcome.rows[2][3].isdigit()


def test_a_metric_that_is_maximised_is_bounded_from_below(command):
    steps = command("select", "tiny", "--sweep", "score=0:0:1", "--json").json
    assert [step["where"] for step in steps] == ["score >= 0"]


def test_units_and_both_ends_are_understood(command):
    steps = command("select", "tiny", "--sweep", "num_parameters=0.1K:0.3K:0.1K", "--json")
    assert (steps.code, [step["where"] for step in steps.json]) == (
        3,
        ["num_parameters <= 100", "num_parameters <= 200", "num_parameters <= 300"],
    )


def test_a_series_without_any_feasible_budget_exits_with_3(command):
    outcome = command("select", "tiny", "--sweep", "num_parameters=1:2:1")
    assert (outcome.code, "num_parameters <= 2" in outcome.err) == (3, True)


@pytest.mark.parametrize(
    "text",
    ["num_parameters", "num_parameters=1:2", "num_parameters=2:1:1", "num_parameters=1:2:0", "x=1:2:1"],
)
def test_what_is_no_series_exits_with_2(command, text):
    assert command("select", "tiny", "--sweep", text).code == 2


def test_too_many_steps_are_refused(command):
    outcome = command("select", "tiny", "--sweep", "num_parameters=0:1M:1")
    assert (outcome.code, "1000001 steps are too many" in outcome.err) == (2, True)
