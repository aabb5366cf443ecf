from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("in_finished")


def test_all_trials_are_listed_by_number(command):
    outcome = command("trials", "ls", "tiny")
    numbers = [row[0] for row in outcome.rows[1:]]
    assert numbers == [str(number) for number in range(len(numbers))]
    assert outcome.rows[0][:5] == ["trial", "layers", "heads", "FFN", "hidden"]
    assert outcome.err == f"{len(numbers)} of {len(numbers)} trials\n"


def test_a_failed_trial_says_why(command):
    out = command("trials", "ls", "tiny").out
    assert "one head is too few" in out


def test_an_infeasible_trial_says_which_budget_it_breaks(command):
    lines = [line for line in command("trials", "ls", "tiny").out.splitlines() if "infeasible" in line]
    assert lines
    assert all(line.endswith(": breaks num_parameters <= 0.6 * baseline") for line in lines)


def test_the_front_holds_no_trial_that_another_dominates(command):
    front = command("trials", "ls", "tiny", "--front", "--json").json
    points = [(trial["metrics"]["score"], trial["metrics"]["num_parameters"]) for trial in front]
    assert points == sorted(points, reverse=True)
    assert all(trial["is_feasible"] for trial in front)


def test_where_keeps_what_was_measured_and_holds_the_budget(command):
    listed = command("trials", "ls", "tiny", "--where", "score >= 0.2", "--json").json
    everything = command("trials", "ls", "tiny", "--json").json
    expected = [trial["id"] for trial in everything if trial["metrics"].get("score", 0) >= 0.2]
    assert [trial["id"] for trial in listed] == expected
    assert 0 < len(expected) < len(everything)


def test_where_may_be_repeated_and_relative_to_the_full_model(command):
    budgets = ["--where", "num_parameters <= 0.8 * baseline", "--where", "num_parameters >= 0.3 * baseline"]
    full = command("search", "show", "tiny", "--json").json["full_model"]["num_parameters"]
    listed = command("trials", "ls", "tiny", *budgets, "--json").json
    assert listed
    assert all(0.3 * full <= trial["metrics"]["num_parameters"] <= 0.8 * full for trial in listed)


def test_sort_is_descending_with_a_minus_and_puts_the_unmeasured_last(command):
    listed = command("trials", "ls", "tiny", "--sort", "-score", "--json").json
    scores = [trial["metrics"].get("score") for trial in listed]
    measured = [score for score in scores if score is not None]
    assert scores == sorted(measured, reverse=True) + [None] * (len(scores) - len(measured))
    assert len(measured) < len(scores)


def test_limit_cuts_the_list_after_sorting(command):
    first = command("trials", "ls", "tiny", "--sort", "num_parameters", "--limit", "1", "-q").out
    everything = command("trials", "ls", "tiny", "--json").json
    smallest = min(everything, key=lambda trial: trial["metrics"]["num_parameters"])
    assert first == f"{smallest['id']}\n"


@pytest.mark.parametrize(
    "arguments", [("--sort", "latency_ms"), ("--where", "latency_ms <= 8"), ("--sort", "no_such_metric")]
)
def test_a_metric_that_was_not_measured_is_refused_with_those_that_were(command, arguments):
    outcome = command("trials", "ls", "tiny", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "num_parameters" in outcome.err


def test_a_metric_to_sort_by_gets_a_column(command):
    assert "macs" in command("trials", "ls", "tiny", "--sort", "macs").rows[0]
