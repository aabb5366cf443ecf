from __future__ import annotations

import pytest

from nas.study.report.baselines import gains_of
from nas.study.report.reading import Reading


def gains(study):
    found = gains_of(Reading.of(study.study, study.ledger))
    return {gain.baseline.number: (gain.found.number if gain.found else None, gain.value) for gain in found}


def test_the_gain_is_that_of_the_best_that_costs_no_more(write):
    study = write()
    full = study.full(accuracy=0.7)
    best = study.add({"accuracy": 0.8})
    study.add({"accuracy": 0.75})
    assert gains(study)[full] == (best, pytest.approx(0.1))


def test_a_gain_is_negative_where_the_search_found_nothing_as_good(write):
    study = write()
    full = study.full(accuracy=0.9)
    best = study.add({"accuracy": 0.8})
    assert gains(study)[full] == (best, pytest.approx(-0.1))


def test_other_baselines_are_no_finds_of_the_search(write):
    study = write()
    full = study.full(accuracy=0.7)
    study.add({"accuracy": 0.9}, origin="baseline:random")
    assert gains(study)[full] == (None, None)


def test_nothing_is_compared_with_a_baseline_that_all_others_cost_more_than(write):
    study = write()
    study.full(accuracy=0.7)
    smallest = study.add({"accuracy": 0.1}, config=study.space.smallest(), origin="baseline:uniform_ladder")
    study.add({"accuracy": 0.8})
    assert gains(study)[smallest] == (None, None)


def test_a_smaller_value_of_a_minimised_objective_is_a_gain(write):
    study = write(objectives=("min loss", "min num_parameters"))
    full = study.full(loss=0.7)
    best = study.add({"loss": 0.5})
    assert gains(study)[full] == (best, pytest.approx(0.2))


def test_sub_networks_over_a_budget_are_no_finds(write):
    study = write(constraints=["accuracy <= 0.75"])
    full = study.full(accuracy=0.7)
    study.add({"accuracy": 0.8})
    assert gains(study)[full] == (None, None)


def test_kinds_of_baselines_are_summed_up(write, tables_of):
    study = write()
    study.full(accuracy=0.7)
    study.add({"accuracy": 0.8}, config=study.space.smallest())
    for accuracy in (0.5, 0.6):
        study.add({"accuracy": accuracy}, origin="baseline:random")
    rows = {row[0]: row[1:] for row in tables_of(study.document, "baselines")[0].rows}
    assert rows["random"] == ("2", "2", "+0.2500", "+0.2000", "+0.3000")
