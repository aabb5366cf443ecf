"""Searches whose evaluations are stopped early."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas
from nas.evaluation import Evaluator, Outcome, Quality
from nas.search import Proposer, Twin
from nas.supernet import Supernet
from search_spaces import SubnetConfig
from storage import Ledger, TrialState

SIZE = 200


def _hits(config: SubnetConfig) -> np.ndarray:
    """What a sub-network gets right: hard examples need more units; the rest is its own noise."""
    units = sum(0 if one is None else int(one.heads) * 8 + int(one.ffn) for one in config.layers)
    seed = int(config.key[:8], 16)
    easiness = np.random.default_rng(0).random(SIZE)
    skill = 0.5 + 0.4 * np.sqrt(units / 200) + 0.1 * np.random.default_rng(seed).random()
    return easiness + 0.02 * np.random.default_rng(seed).standard_normal(SIZE) < skill


@dataclass(frozen=True, kw_only=True)
class Imagined(Evaluator):
    """Answers from a formula, a part at a time, and notes what it was asked for."""

    asked: list[tuple[str, int, int]] = field(default_factory=list)
    is_staged: bool = True
    metrics: tuple[str, ...] = ("accuracy",)
    num_examples: int = SIZE
    sha256: str = field(default=hashlib.sha256(b"imagined").hexdigest())

    def prepare(self, supernet: Supernet, earlier: Mapping[str, Any] | None = None) -> Imagined:
        del supernet, earlier
        return self

    def factory(self, skeleton: Any) -> Any:
        del skeleton
        return lambda arrays: self.evaluate

    def evaluate(self, payload: Mapping[str, Any]) -> Quality:
        config = SubnetConfig.from_json(payload)
        start, stop = payload.get("examples", [0, SIZE])
        self.asked.append((config.key, start, stop))
        return self._quality(self._outcome(config, start, stop))

    def merged(self, parts: Any) -> Quality:
        return self._quality(Outcome.merged([part.outcome for part in parts]))

    def _outcome(self, config: SubnetConfig, start: int, stop: int) -> Outcome:
        labels = np.arange(SIZE) % 2
        chosen = np.where(_hits(config), labels, 1 - labels)[start:stop]
        logits = np.eye(2, dtype=np.float32)[chosen]
        return Outcome(
            sums=np.where(chosen == labels[start:stop], 0.3, 1.3).astype(np.float32),
            counts=np.ones(stop - start, np.int64),
            predictions=logits,
            labels=labels[start:stop],
        )

    def _quality(self, outcome: Outcome) -> Quality:
        return Quality(
            metrics=outcome.values(("accuracy",)), examples=len(outcome), seconds=0.0, outcome=outcome
        )


@pytest.fixture
def study(supernet: Supernet, tmp_path: Path) -> Callable[..., nas.Study]:
    """Makes a study of the per-layer space, in a database of its own."""

    def make(name: str = "raced", **options: Any) -> nas.Study:
        return nas.create_study(
            name,
            supernet=supernet,
            space=options.pop("space", "medium"),
            storage=f"sqlite:///{tmp_path}/{name}.db",
            sampler=options.pop("sampler", "random"),
            load_if_exists=True,
            **options,
        )

    return make


def test_every_example_is_asked_for_once_at_most(study: Callable[..., nas.Study]) -> None:
    evaluator = Imagined()
    study().optimize(evaluator, 40)
    ends: dict[str, int] = {}
    for key, start, stop in evaluator.asked:
        assert start == ends.get(key, 0)
        ends[key] = stop
    assert any(stop < SIZE for stop in ends.values())


@pytest.mark.parametrize("is_deterministic", [False, True])
def test_a_raced_study_replays_its_proposals(study: Callable[..., nas.Study], is_deterministic: bool) -> None:
    raced = study(sampler="evolution", deterministic=is_deterministic)
    for total in (30, 36):  # the second run begins with rescues
        raced.optimize(Imagined(), total)
    with Ledger.open(raced._ledger.url) as ledger:
        log = ledger.events(1, limit=10_000, kind="trial_paused")
    assert len(log) > 3
    report = raced.replay()
    assert report.first_difference is None
    assert sum(trial.origin == "sampler" for trial in report.trials) > 15


def test_what_was_spent_is_noted_with_each_trial(study: Callable[..., nas.Study]) -> None:
    evaluator, raced = Imagined(), study()
    raced.optimize(evaluator, 40)
    noted = sum(
        trial.metrics["evaluated_examples"] for trial in raced.trials if "evaluated_examples" in trial.metrics
    )
    assert noted == sum(stop - start for _, start, stop in evaluator.asked)
    assert noted < 0.9 * 40 * SIZE


def test_metrics_of_a_survivor_are_those_of_one_full_evaluation(study: Callable[..., nas.Study]) -> None:
    raced = study()
    raced.optimize(Imagined(), 30)
    for trial in raced.trials:
        if trial.state is TrialState.DONE:
            assert trial.metrics["accuracy"] == pytest.approx(_hits(trial.config).mean(), abs=1e-12)


def test_the_front_is_that_of_full_evaluations(study: Callable[..., nas.Study]) -> None:
    """Paused trials are never on it, and what is lost of the hypervolume is next to nothing."""
    raced, full = study(), study("full", racing=None)
    raced.optimize(Imagined(), 60)
    full.optimize(Imagined(), 60)
    assert all(trial.state is TrialState.DONE for trial in raced.best_trials)
    assert raced.hypervolume == pytest.approx(full.hypervolume, rel=0.01)


def test_paused_trials_say_by_whom(study: Callable[..., nas.Study]) -> None:
    raced = study()
    raced.optimize(Imagined(), 40)
    paused = [trial for trial in raced.trials if trial.state is TrialState.PAUSED]
    assert paused
    assert all("dominated by trial" in str(trial.reason) for trial in paused)
    assert all(trial.metrics["evaluated_examples"] < SIZE for trial in paused)


def test_no_hopeful_trial_is_left_paused(study: Callable[..., nas.Study]) -> None:
    """A second run with the same number of trials finds nothing more to do."""
    raced, again = study(), Imagined()
    raced.optimize(Imagined(), 40)
    raced.optimize(again, 40)
    assert again.asked == []


def test_an_interrupted_search_goes_on_where_its_trials_stood(study: Callable[..., nas.Study]) -> None:
    first, second = Imagined(), Imagined()

    def stop(study: nas.Study, trial: nas.Trial) -> None:
        del study
        if trial.number >= 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study().optimize(first, 40, callbacks=[stop])
    study().optimize(second, 40)
    asked = first.asked + second.asked
    assert len(set(asked)) == len(asked)
    assert study().hypervolume is not None


def test_baselines_are_evaluated_in_full(study: Callable[..., nas.Study]) -> None:
    raced = study()
    raced.optimize(Imagined(), 30)
    baselines = [trial for trial in raced.trials if trial.origin.startswith("baseline:")]
    assert len(baselines) > 3
    assert all(trial.metrics["evaluated_examples"] == SIZE for trial in baselines)


def test_a_deterministic_search_repeats_itself(study: Callable[..., nas.Study]) -> None:
    histories = []
    for name in ("one", "two"):
        raced = study(name, sampler="tpe", deterministic=True, parallel=3)
        raced.optimize(Imagined(), 40)
        histories.append([(t.key, t.state, t.metrics.get("evaluated_examples")) for t in raced.trials])
    assert histories[0] == histories[1]


def test_the_sampler_hears_the_estimates_of_paused_trials(
    study: Callable[..., nas.Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[int, Any] = {}
    tell = Proposer.tell

    def listening(self: Proposer, number: int, twin: Twin) -> None:
        told[number] = twin.values
        tell(self, number, twin)

    monkeypatch.setattr(Proposer, "tell", listening)
    raced = study(sampler="tpe")
    raced.optimize(Imagined(), 40)
    paused = [t for t in raced.trials if t.state is TrialState.PAUSED]
    assert paused
    for trial in paused:
        assert told[trial.number] == (trial.metrics["accuracy"], trial.metrics["num_parameters"])


def test_an_evaluator_without_stages_evaluates_all_in_full(study: Callable[..., nas.Study]) -> None:
    raced = study()
    raced.optimize(Imagined(is_staged=False), 20)
    assert not any(trial.state is TrialState.PAUSED for trial in raced.trials)


def test_racing_is_part_of_what_a_study_is(study: Callable[..., nas.Study]) -> None:
    study().close()
    with pytest.raises(nas.ConfigError, match="another racing"):
        study(racing=None)


def test_what_is_known_of_paused_trials_is_stored(study: Callable[..., nas.Study], tmp_path: Path) -> None:
    raced = study()
    raced.optimize(Imagined(), 40)
    paused = next(trial for trial in raced.trials if trial.state is TrialState.PAUSED)
    assert raced.supernet is not None
    with Ledger.open(f"sqlite:///{tmp_path}/raced.db") as ledger:
        stored = ledger.quality_stages(raced.supernet.sha256, paused.key, Imagined().sha256)
    assert [record.stage for record in stored] == [paused.metrics["evaluated_examples"]]
