from __future__ import annotations

import pytest

from nas.report.document import Chart
from nas.study.report.progress import steps_of
from nas.study.report.reading import Reading
from storage import TrialState


def steps(study):
    return steps_of(Reading.of(study.study, study.ledger))


def test_the_curve_ends_at_the_hypervolume_of_the_study(write):
    study = write()
    study.full()
    for accuracy in (0.3, 0.8, 0.5, 0.1):
        study.add({"accuracy": accuracy})
    assert steps(study)[-1].hypervolume == pytest.approx(study.study.hypervolume)


def test_examples_of_paused_trials_count_as_spent(write):
    study = write()
    study.evaluated_with()
    study.full(accuracy=0.9, evaluated_examples=100.0)
    study.add({"accuracy": 0.1, "evaluated_examples": 30.0}, state=TrialState.PAUSED)
    study.add({"accuracy": 0.8, "evaluated_examples": 100.0})
    assert steps(study)[-1].examples == 230.0


def test_estimates_of_paused_trials_enlarge_nothing(write):
    study = write()
    study.full()
    before = study.study.hypervolume
    study.add({"accuracy": 0.999}, state=TrialState.PAUSED)
    assert steps(study)[-1].hypervolume == pytest.approx(before)


def test_the_curve_never_falls(write):
    study = write(objectives=("max accuracy", "min num_parameters", "min macs"))
    study.full()
    for accuracy in (0.3, 0.8, 0.5, 0.1, 0.85):
        study.add({"accuracy": accuracy})
    values = [step.hypervolume for step in steps(study)]
    assert values == sorted(values)
    assert len(values) > 2


def test_there_is_no_curve_before_the_full_model_is_known(write, text_of):
    study = write()
    study.add({"accuracy": 0.8})
    assert steps(study) == []
    assert "it needs the full model" in text_of(study.document, "progress")


def test_the_reference_is_declared_in_words(write, text_of):
    study = write()
    study.full()
    text = text_of(study.document, "progress")
    assert "from the reference point (accuracy 0.0000, num_parameters" in text
    assert "1.1 times the full model of what is minimised" in text


@pytest.mark.parametrize(("metrics", "number"), [({}, 1), ({"evaluated_examples": 50.0}, 2)])
def test_a_staged_search_has_a_curve_over_trials_of_its_own(write, section_of, metrics, number):
    study = write()
    study.evaluated_with()
    study.full()
    study.add({"accuracy": 0.8, **metrics})
    blocks = section_of(study.document, "progress").blocks
    assert sum(isinstance(block, Chart) for block in blocks) == number


def test_a_paused_trial_counts_from_when_it_was_paused(write):
    study = write()
    study.evaluated_with()
    slow = study.add(None, state=TrialState.RUNNING)
    study.full(accuracy=0.9, evaluated_examples=100.0)
    study.ledger.pause(study.lease, slow, {"accuracy": 0.1, "evaluated_examples": 30.0}, reason="dominated")
    study.add({"accuracy": 0.99, "evaluated_examples": 100.0})
    assert [step.examples for step in steps(study)] == [100.0, 230.0]
