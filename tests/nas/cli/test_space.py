from __future__ import annotations


def test_profile_shows_costs_and_whether_budgets_can_be_met(command, job):
    outcome = command("space", "profile", job)
    assert outcome.code == 0
    assert ["cost", "smallest", "middle", "largest", "full"] in outcome.rows
    assert "num_parameters <= 0.9 * baseline  met by " in outcome.out


def test_profile_as_json_holds_exact_numbers(command, job):
    record = command("space", "profile", job, "--json").json
    costs = record["costs"]
    assert costs["smallest"]["num_parameters"] < costs["full"]["num_parameters"]
    assert record["satisfiable"].keys() == {"num_parameters <= 0.9 * baseline"}


def test_a_dry_run_is_a_profile_and_makes_nothing(command, job):
    outcome = command("search", "run", job, "--dry-run")
    assert outcome.out == command("space", "profile", job).out
    assert not (job.parent / "nas.db").exists()


def test_a_budget_that_nothing_meets_exits_with_3(command, job):
    outcome = command("space", "profile", job, "--set", "constraints=['num_parameters <= 10']")
    assert (outcome.code, outcome.out) == (3, "")
    assert "no sub-network of this space meets 'num_parameters <= 10'" in outcome.err


def test_a_space_that_does_not_fit_the_model_exits_with_2(command, job):
    outcome = command("space", "profile", job, "--set", "space.num_hidden_layers=[1, 99]")
    assert outcome.code == 2
    assert "99" in outcome.err
