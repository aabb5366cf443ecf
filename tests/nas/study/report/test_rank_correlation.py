from __future__ import annotations

import pytest

from storage import QualityRecord, RecoveryRecord


def recover(study, number, before, after):
    trial = study.ledger.trial(study.study._id, number)
    record = RecoveryRecord(
        study_id=study.study._id,
        trial=number,
        kind="recovered",
        key=trial.key,
        config=trial.config,
        recipe={"summary": "5 passes"},
        recipe_sha256="r",
        metrics_before={"accuracy": before},
        metrics_after={"accuracy": after},
        passes=5,
        examples=40,
        seconds=1.5,
        weights_file="w.safetensors",
        weights_sha256="w",
    )
    study.ledger.put_recovery(record)


def stage(study, number, examples, accuracy):
    trial = study.ledger.trial(study.study._id, number)
    supernet = study.ledger.study(study.study.name).fingerprint["supernet"]
    record = QualityRecord(
        supernet_sha256=supernet,
        key=trial.key,
        data_sha256="e" * 64,
        stage=examples,
        metrics={"accuracy": accuracy},
        seconds=0.1,
    )
    assert study.ledger.put_quality(record)


def test_without_recoveries_the_command_that_makes_them_is_shown(write, text_of):
    study = write("a b")
    study.full()
    text = text_of(study.document, "rank-correlation")
    assert "No sub-network was recovered" in text
    assert "nas recover --top 5 --storage" in text
    assert "'a b'" in text


@pytest.mark.parametrize(("after", "tau"), [((0.5, 0.6, 0.7), "1.000"), ((0.7, 0.6, 0.5), "-1.000")])
def test_scores_before_and_after_recovery_are_correlated(write, text_of, after, tau):
    study = write()
    study.full()
    for before, later in zip((0.1, 0.2, 0.3), after, strict=True):
        recover(study, study.add({"accuracy": before}), before, later)
    assert f"3 sub-networks: tau {tau}" in text_of(study.document, "rank-correlation")


def test_recovered_sub_networks_are_listed_the_best_first(write, tables_of):
    study = write()
    study.full()
    numbers = [study.add({"accuracy": 0.1}) for _ in range(2)]
    for number, after in zip(numbers, (0.4, 0.6), strict=True):
        recover(study, number, 0.1, after)
    rows = tables_of(study.document, "rank-correlation")[0].rows
    assert [row[:3] for row in rows] == [
        (f"trial {numbers[1]}", "0.1000", "0.6000"),
        (f"trial {numbers[0]}", "0.1000", "0.4000"),
    ]


def test_the_first_stored_stage_is_correlated_with_the_last(write, text_of):
    study = write()
    study.evaluated_with()
    study.full()
    for first, last in ((0.3, 0.5), (0.2, 0.6), (0.1, 0.7)):
        number = study.add({"accuracy": last})
        stage(study, number, 20, first)
        stage(study, number, 100, last)
    text = text_of(study.document, "rank-correlation")
    assert "first stored part, 20 examples, against all 100, over 3 sub-networks" in text
    assert "to the end: tau -1.000." in text


def test_a_sub_network_without_its_last_stage_is_not_correlated(write, text_of):
    study = write()
    study.evaluated_with()
    study.full()
    stage(study, study.add({"accuracy": 0.5}), 20, 0.3)
    assert "has the score of an earlier stage stored" in text_of(study.document, "rank-correlation")


def test_a_study_of_costs_alone_has_no_scores(write, text_of):
    study = write(objectives=("min num_parameters", "min macs"))
    study.full(accuracy=0.9)
    assert "measures no quality" in text_of(study.document, "rank-correlation")
