"""T14: a worker may answer anything; the driver stores what can be, and fails the trial otherwise."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nas
from nas.errors import EvaluationFailedError
from nas.evaluation import Evaluator, LatencyResult, Outcome, Quality
from nas.study.replies import checked_latency, checked_quality
from storage import StudyState, TrialState

ODD = (
    st.none()
    | st.booleans()
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | st.integers()
    | st.floats()
    | st.just(10**400)
    | st.just(np.float32("nan"))
    | st.lists(st.floats(), max_size=2)
    | st.dictionaries(st.text(max_size=3) | st.integers(), st.floats(), max_size=2)
    | st.builds(object)
)
QUALITIES = st.builds(
    Quality,
    metrics=ODD | st.fixed_dictionaries({"accuracy": ODD}),
    examples=ODD | st.integers(-1, 3),
    seconds=ODD,
    outcome=ODD
    | st.builds(
        Outcome,
        sums=ODD | st.just(np.array([np.inf, 0.0], np.float32)),
        counts=ODD | st.just(np.array([1, -1])),
        predictions=ODD,
        labels=ODD,
    ),
)
GOOD = Quality(metrics={"accuracy": 0.5}, examples=1, seconds=0.1)
FIGURES = {"ratio_low": 0.49, "ratio": 0.5, "ratio_high": 0.51}
MEASURED = LatencyResult(statistics=FIGURES, samples=np.ones(8, "<f4").tobytes(), flag="ok", device={})


@dataclass(frozen=True)
class Careless(Evaluator):
    """Answers what it is told, in turn; a worker in the same process."""

    replies: list[Any] = field(default_factory=list)
    metrics: tuple[str, ...] = ("accuracy",)
    sha256: str = "0" * 64
    num_examples: int = 1

    def prepare(self, supernet: object, earlier: object = None) -> Careless:
        return self

    def factory(self, skeleton: object) -> Any:
        return lambda arrays: lambda payload: self.replies.pop(0) if self.replies else GOOD


@given(st.one_of(ODD, QUALITIES))
def test_a_reply_is_a_possible_quality_or_an_error(reply: Any) -> None:
    try:
        found = checked_quality(reply, Careless())
    except EvaluationFailedError:
        pass
    else:
        assert math.isfinite(found.metrics["accuracy"])
        assert found.examples >= 1
        assert found.seconds >= 0


@given(
    st.one_of(
        ODD,
        st.builds(
            LatencyResult,
            statistics=ODD | st.fixed_dictionaries(dict.fromkeys(FIGURES, ODD | st.floats(0.4, 0.6))),
            samples=ODD,
            flag=ODD,
            device=ODD,
        ),
    ),
    st.booleans(),
)
def test_a_reply_is_a_possible_latency_or_an_error(reply: Any, is_full_model: bool) -> None:
    with pytest.raises(EvaluationFailedError):
        checked_latency(reply, is_full_model=is_full_model)


@pytest.mark.parametrize(
    "change",
    [
        {"statistics": FIGURES | {"ratio": math.nan}},
        {"statistics": FIGURES | {"ratio": -0.5, "ratio_low": -0.6}},
        {"statistics": FIGURES | {"ratio_low": 0.6}},
        {"statistics": FIGURES | {"energy_joules": math.inf}},
        {"statistics": {}},
        {"samples": b"123"},
        {"flag": "excellent"},
        {"device": {"clock": math.nan}},
        {"device": {"clock": object()}},
    ],
)
def test_a_measurement_with_one_impossible_figure_is_refused(change: dict[str, Any]) -> None:
    assert checked_latency(MEASURED, is_full_model=False) is MEASURED
    with pytest.raises(EvaluationFailedError, match="cannot be"):
        checked_latency(replace(MEASURED, **change), is_full_model=False)


def test_a_metric_outside_its_range_is_refused(tiny_files: Path) -> None:
    from nas.evaluation import DatasetEvaluator

    evaluator = object.__new__(DatasetEvaluator)  # its data play no part
    object.__setattr__(evaluator, "metrics", ("accuracy",))
    with pytest.raises(EvaluationFailedError, match="accuracy, which is 0 to 1"):
        checked_quality(replace(GOOD, metrics={"accuracy": 1.5}), evaluator)


def test_poisoned_replies_fail_their_trials_and_the_search_goes_on(tiny_model: Any, tmp_path: Path) -> None:
    poison = [
        GOOD,
        replace(GOOD, metrics={"accuracy": math.inf}),
        replace(GOOD, metrics=[("accuracy", 0.5)]),
        replace(GOOD, examples="many"),
        replace(GOOD, seconds=math.nan),
        replace(GOOD, outcome="all well"),
        "0.99",
        {"accuracy": 0.99},
    ]
    supernet = nas.Supernet.from_model(tiny_model())
    with nas.create_study(
        "poisoned",
        supernet=supernet,
        objectives=["max accuracy", "min num_parameters"],
        storage=f"sqlite:///{tmp_path / 'nas.db'}",
    ) as study:
        study.optimize(Careless(list(poison)), 12, max_failed=12)
        states = [trial.state for trial in study.trials]
        assert states.count(TrialState.FAILED) == len(poison) - 1
        assert states.count(TrialState.DONE) == 12 - len(poison) + 1
        assert {trial.values[0] for trial in study.best_trials if trial.values} == {0.5}
        assert study.state is StudyState.COMPLETED
