from __future__ import annotations

from storage import TrialState


def states(document, tables_of):
    return {row[0]: row[1] for row in tables_of(document, "summary")[0].rows}


def test_every_state_of_a_trial_is_counted(write, tables_of):
    study = write()
    study.full()
    study.add({"accuracy": 0.8})
    study.add({"accuracy": 0.3}, state=TrialState.PAUSED)
    study.add(None, state=TrialState.FAILED)
    study.add(None, state=TrialState.INFEASIBLE)
    counts = states(study.document, tables_of)
    assert counts == {"done": "2", "paused": "1", "failed": "1", "infeasible": "1"}


def test_evaluated_sub_networks_over_a_budget_are_counted(write, tables_of):
    study = write(constraints=["accuracy >= 0.5"])
    study.full()
    study.add({"accuracy": 0.4})
    assert states(study.document, tables_of)["over a budget"] == "1"


def test_spent_examples_are_told_beside_those_of_full_evaluation(write, text_of):
    study = write()
    study.evaluated_with()
    study.full(accuracy=0.9, evaluated_examples=100.0)
    study.add({"accuracy": 0.8, "evaluated_examples": 100.0})
    study.add({"accuracy": 0.3, "evaluated_examples": 10.0}, state=TrialState.PAUSED)
    study.add(None, state=TrialState.FAILED)
    assert "210 forward examples were spent on 3 evaluated sub-networks, 70.0 % of the 300" in text_of(
        study.document, "summary"
    )


def test_without_stages_every_sub_network_costs_all_examples(write, text_of):
    study = write()
    study.evaluated_with()
    study.full()
    study.add({"accuracy": 0.8})
    assert (
        "200 forward examples were spent on 2 evaluated sub-networks, each evaluated on all 100"
        in text_of(study.document, "summary")
    )


def test_an_evaluator_that_counts_no_examples_is_told_in_evaluations(write, text_of):
    study = write()
    study.evaluated_with(examples=1)
    study.full()
    assert "1 evaluations; the evaluator does not count examples." in text_of(study.document, "summary")


def test_the_hypervolume_is_that_of_the_study(write, text_of):
    study = write()
    study.full()
    study.add({"accuracy": 0.8})
    assert f"Hypervolume: {study.study.hypervolume:.4f}" in text_of(study.document, "summary")


def test_reasons_of_failures_are_counted(write, tables_of):
    study = write()
    for _ in range(3):
        study.add(None, state=TrialState.FAILED)
    assert tables_of(study.document, "summary")[1].rows == (("nan: loss is not finite", "3"),)


def test_many_reasons_are_told_to_be_more(write, tables_of, monkeypatch):
    from nas.study.report import summary

    monkeypatch.setattr(summary, "_MOST_REASONS", 1)
    study = write()
    for message in ("first", "second", "first"):
        study.add(None, state=TrialState.FAILED, message=message)
    table = tables_of(study.document, "summary")[1]
    assert table.rows == (("nan: first", "2"),)
    assert table.caption.endswith("the 1 most frequent of 2.")
