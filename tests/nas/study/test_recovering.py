"""Finalists are trained, measured by the study's own evaluator, stored once, and ranked anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas
from nas.data import EncodedDataset
from nas.evaluation.dataset import evaluate
from nas.recovery import kendall_tau
from nas.study import Study
from nas.supernet import Supernet
from nas.training import Budget, TrainOptions, train_supernet
from search_spaces import SearchSpace

TRAINING = TrainOptions(batch_size=16, precision="float32", learning_rate=2e-3, checkpoint_seconds=0.0)
BUDGET = Budget(passes=12)


@pytest.fixture(scope="module")
def data() -> EncodedDataset:
    """Texts whose tokens tell which of two labels they have."""
    generator = np.random.default_rng(0)
    labels = generator.integers(2, size=64)
    rows = [5 + 40 * label + generator.integers(40, size=5) for label in labels]
    return EncodedDataset(
        tokens=np.concatenate(rows).astype(np.int32),
        offsets=np.cumsum([0, *map(len, rows)]),
        token_types=None,
        labels=labels,
        label_names=("a", "b"),
        max_length=8,
        pad_token_id=0,
        padding_side="right",
    )


@pytest.fixture(scope="module")
def trained(make_supernet: Callable[..., Supernet], data: EncodedDataset) -> Supernet:
    """Only the full model has learnt the task."""
    supernet = make_supernet()
    train_supernet(supernet, data, strategy="standard", budget=Budget(passes=40), options=TRAINING)
    supernet.rank("magnitude_l2" if "magnitude_l2" in nas_importances() else "magnitude")
    return supernet


def nas_importances() -> tuple[str, ...]:
    from nas.importance import known_importances

    return tuple(known_importances())


@pytest.fixture(scope="module")
def space(trained: Supernet) -> SearchSpace:
    choices = {
        "num_hidden_layers": [1, 2, 3],
        "num_attention_heads": [2, 4],
        "intermediate_size": [8, 64],
        "hidden_size": [16, 32],
    }
    return trained.space("uniform", choices=choices)


@pytest.fixture(scope="module")
def evaluator(data: EncodedDataset) -> nas.DatasetEvaluator:
    return nas.DatasetEvaluator(data=data, metrics=("accuracy",), precision="float32")


@pytest.fixture(scope="module")
def finished(
    trained: Supernet,
    space: SearchSpace,
    evaluator: nas.DatasetEvaluator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The database of a study whose smaller sub-networks have lost much of what the full model knows."""
    path = tmp_path_factory.mktemp("finished") / "nas.db"
    objectives = ("min loss", "min num_parameters")
    with nas.create_study(
        "tiny", supernet=trained, space=space, objectives=objectives, storage=f"sqlite:///{path}"
    ) as study:
        study.optimize(evaluator, 14)
    return path


@pytest.fixture
def searched(
    finished: Path,
    trained: Supernet,
    space: SearchSpace,
    evaluator: nas.DatasetEvaluator,
    tmp_path: Path,
) -> Iterator[Study]:
    """A copy of that study, as it is after `optimize`."""
    shutil.copy(finished, tmp_path / "nas.db")
    url, artifacts = f"sqlite:///{tmp_path / 'nas.db'}", tmp_path / "artifacts"
    with nas.load_study("tiny", storage=url, supernet=trained, space=space, artifacts=artifacts) as study:
        study.optimize(evaluator, 14)
        yield study


def recovered(study: Study, data: EncodedDataset, **changes: Any) -> nas.RecoveryReport:
    return study.recover(data, **({"budget": BUDGET, "top": 3, "training": TRAINING} | changes))


def test_finalists_are_better_after_recovery_and_ranked_by_it(searched: Study, data: EncodedDataset) -> None:
    assert searched.supernet is not None
    before = searched.supernet.sha256
    report = recovered(searched, data)
    assert len(report.recovered) == 3
    assert all(one.after["loss"] < one.before["loss"] for one in report.recovered)
    after = [one.after["loss"] for one in report.recovered]
    assert after == sorted(after)
    assert report.kendall_tau == kendall_tau([one.before["loss"] for one in report.recovered], after)
    assert searched.supernet.sha256 == before


def test_scores_before_are_the_searchs_and_those_after_are_of_the_stored_weights(
    searched: Study, data: EncodedDataset
) -> None:
    supernet = searched.supernet
    assert supernet is not None
    for one in recovered(searched, data).recovered:
        assert one.before["loss"] == searched.trial(one.trial).metrics["loss"]
        again = evaluate(supernet, one.config, data, weights=one.weights())
        assert again == pytest.approx(one.after)


def test_the_report_says_what_each_recovery_cost(searched: Study, data: EncodedDataset) -> None:
    report = recovered(searched, data)
    assert [(one.passes, one.examples) for one in report.recovered] == [(12, 192)] * 3
    assert report.passes == 36
    assert "all weights; learnt from labels and the unpruned model's logits" in report.recovered[0].summary


def test_what_is_recovered_is_read_again_not_trained_again(
    searched: Study, data: EncodedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = recovered(searched, data)
    monkeypatch.setattr("nas.study.recovering.recover", None)
    again = recovered(searched, data)
    assert (first.num_reused, again.num_reused) == (0, 3)
    assert [one.after for one in again.recovered] == [one.after for one in first.recovered]
    assert len(searched.recoveries) == 3


def test_another_recipe_is_another_recovery(searched: Study, data: EncodedDataset) -> None:
    recovered(searched, data, top=1)
    report = recovered(searched, data, top=1, trainable="perp")
    assert report.num_reused == 0
    kinds = {one.recipe["training"]["trainable"] for one in searched.recoveries}
    assert kinds == {"all", "perp"}


def test_a_killed_recovery_keeps_what_is_done_and_goes_on_inside_the_rest(
    searched: Study, data: EncodedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, made = EncodedDataset.batch, []

    def batch(self: EncodedDataset, *arguments: Any, **options: Any) -> Any:
        made.append(1)
        if len(made) > 12 + 1 + 5:  # one training, one evaluation, five steps of the next
            raise KeyboardInterrupt
        return original(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(EncodedDataset, "batch", batch)
        with pytest.raises(KeyboardInterrupt):
            recovered(searched, data, evaluator=None)
    assert len(searched.recoveries) == 1
    report = recovered(searched, data)
    assert (report.num_reused, len(report.recovered)) == (1, 3)
    left = [file.name for file in (searched.artifacts / "tiny" / "recovered").iterdir()]
    assert sorted(left) == sorted(one.weights_file.name for one in report.recovered)


def test_a_recovery_whose_weights_were_deleted_is_made_again(searched: Study, data: EncodedDataset) -> None:
    (first,) = recovered(searched, data, top=1).recovered
    first.weights_file.unlink()
    report = recovered(searched, data, top=1)
    assert report.num_reused == 0
    assert report.recovered[0].weights()
    assert report.recovered[0].after == pytest.approx(first.after)


def test_baselines_are_trained_at_the_same_cost(searched: Study, data: EncodedDataset) -> None:
    report = recovered(searched, data, top=1, baselines=("random", "scratch"))
    (finalist,), (random, scratch) = report.recovered, report.baselines
    assert {(one.passes, one.examples, one.trial) for one in (finalist, random, scratch)} == {
        (12, 192, finalist.trial)
    }
    assert random.key != finalist.key
    assert random.before
    assert scratch.config == finalist.config
    assert scratch.before == {}
    assert scratch.weights().keys() >= finalist.weights().keys()


def test_a_random_baseline_has_about_as_many_parameters(searched: Study, data: EncodedDataset) -> None:
    report = recovered(searched, data, top=1, baselines=("random",), budget=Budget(passes=1))
    wanted = report.recovered[0].costs["num_parameters"]
    gaps = {
        abs(trial.metrics["num_parameters"] - wanted)
        for trial in searched.trials
        if trial.key != report.recovered[0].key
    }
    assert abs(report.baselines[0].costs["num_parameters"] - wanted) <= min(gaps)


def test_finalists_hold_the_budgets_and_are_never_the_full_model(
    searched: Study, data: EncodedDataset
) -> None:
    where = "num_parameters <= 0.7 * baseline"
    report = recovered(searched, data, top=50, where=where, budget=Budget(passes=1))
    limit = 0.7 * searched.baseline["num_parameters"]
    assert all(one.costs["num_parameters"] <= limit for one in report.recovered)
    everything = recovered(searched, data, top=50, budget=Budget(passes=1))
    full = nas.SubnetConfig.full(searched.shape)
    assert full not in [one.config for one in everything.recovered]
    with pytest.raises(nas.InfeasibleError, match="num_parameters"):
        recovered(searched, data, where="num_parameters <= 10")


def test_the_best_recovered_trial_is_chosen_by_its_scores_after(
    searched: Study, data: EncodedDataset
) -> None:
    with pytest.raises(nas.InfeasibleError, match=r"no recovered sub-network yet; call recover\(\)"):
        searched.best(recovered=True)
    report = recovered(searched, data)
    best = searched.best(recovered=True)
    assert best.number == report.recovered[0].trial
    assert best.metrics["loss"] == report.recovered[0].after["loss"]
    assert best.values == (best.metrics["loss"], best.metrics["num_parameters"])
    assert searched.trial(best.number).recovered == report.recovered[0]
    assert searched.trial(0).recovered is None


def test_of_several_recoveries_of_a_trial_the_best_counts(searched: Study, data: EncodedDataset) -> None:
    (short,) = recovered(searched, data, top=1, budget=Budget(passes=2)).recovered
    (long,) = recovered(searched, data, top=1).recovered
    assert long.after["loss"] < short.after["loss"]
    assert searched.trial(long.trial).recovered == long


def test_a_study_that_is_opened_again_wants_its_evaluator(
    searched: Study, data: EncodedDataset, evaluator: nas.DatasetEvaluator, url: str
) -> None:
    with nas.load_study(
        "tiny",
        storage=url,
        supernet=searched.supernet,
        space=searched._space,
        artifacts=searched.artifacts,
    ) as opened:
        with pytest.raises(nas.ConfigError, match="which evaluator"):
            recovered(opened, data)
        with pytest.raises(nas.ConfigError, match="another evaluator"):
            recovered(opened, data, evaluator=replace(evaluator, metrics=("f1",)))
        report = recovered(opened, data, evaluator=evaluator, top=1)
        assert report.recovered[0].after["loss"] < report.recovered[0].before["loss"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"top": 0}, "top is 0"),
        ({"baselines": ("full",)}, "allowed are random, scratch"),
        ({"trainabel": "all"}, "unknown option 'trainabel' of a recovery; allowed are trainable"),
        ({"schedule": "twice"}, "allowed are one_shot, interleaved"),
    ],
)
def test_wrong_plans_are_refused(searched: Study, data: EncodedDataset, wrong: Any, message: str) -> None:
    with pytest.raises(nas.ConfigError, match=message):
        recovered(searched, data, **wrong)


def test_a_study_of_costs_alone_has_nothing_to_rank_by(
    make_study: Callable[..., Study], trained: Supernet, space: SearchSpace, data: EncodedDataset
) -> None:
    study = make_study(supernet=trained, space=space, objectives=("min num_parameters", "min macs"))
    study.optimize(lambda model: {"score": 1.0}, 3)
    with pytest.raises(nas.ConfigError, match="names costs only"):
        recovered(study, data)


def test_a_score_function_measures_recovered_sub_networks_too(
    make_study: Callable[..., Study],
    trained: Supernet,
    space: SearchSpace,
    data: EncodedDataset,
    tmp_path: Path,
) -> None:
    def spread(model: Any) -> float:
        return float(model.classifier.weight.std())

    study = make_study(
        supernet=trained,
        space=space,
        objectives=("max spread", "min num_parameters"),
        metrics=("spread",),
        artifacts=tmp_path,
    )
    study.optimize(spread, 8)
    (one,) = recovered(study, data, top=1).recovered
    assert one.after["spread"] == pytest.approx(float(one.weights()["classifier.weight"].std()))


def test_a_compensated_study_recovers_from_what_it_scored(
    make_study: Callable[..., Study],
    trained: Supernet,
    space: SearchSpace,
    evaluator: nas.DatasetEvaluator,
    data: EncodedDataset,
    tmp_path: Path,
) -> None:
    from nas.compensation import Compensation

    supernet = Supernet.from_model(trained.model)
    supernet.rank("minitron", data.calibration(32))
    study = make_study(
        "compensated",
        supernet=supernet,
        space=supernet.space("uniform", choices={"intermediate_size": [8, 16], "num_hidden_layers": [3]}),
        objectives=("min loss", "min num_parameters"),
        artifacts=tmp_path,
    )
    study.optimize(replace(evaluator, compensation=Compensation(units="lstsq")), 6)
    still = replace(TRAINING, learning_rate=1e-9, weight_decay=0.0)
    (one,) = recovered(study, data, top=1, training=still, budget=Budget(passes=1)).recovered
    assert one.after == pytest.approx(one.before, rel=1e-4)
    assert evaluate(supernet, one.config, data)["loss"] != pytest.approx(one.before["loss"], rel=1e-4)


@pytest.mark.slow
def test_an_export_takes_the_recovered_weights_and_says_so(
    searched: Study, data: EncodedDataset, tmp_path: Path
) -> None:
    (one,) = recovered(searched, data, top=1).recovered
    searched.export(one.trial, tmp_path / "recovered")
    model = nas_model(tmp_path / "recovered")
    name = "classifier.weight"
    assert (model[name] == one.weights()[name]).all()
    record = json.loads((tmp_path / "recovered" / "nas.json").read_text())
    assert record["metrics"]["loss"] == one.after["loss"]
    assert record["extra"]["recovered"]["before"] == dict(one.before)
    assert "12 passes over 192 examples" in record["recovery"]
    card = (tmp_path / "recovered" / "README.md").read_text()
    assert f"{one.before['loss']:.6g} before" in card


@pytest.mark.slow
def test_an_export_of_the_supernets_weights_says_that_too(
    searched: Study, data: EncodedDataset, tmp_path: Path
) -> None:
    (one,) = recovered(searched, data, top=1).recovered
    searched.export(one.trial, tmp_path / "supernet", weights="supernet")
    record = json.loads((tmp_path / "supernet" / "nas.json").read_text())
    assert record["recovery"] is None
    assert record["metrics"]["loss"] == one.before["loss"]
    assert "Not fine-tuned after pruning" in (tmp_path / "supernet" / "README.md").read_text()


def nas_model(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_recovered_weights_that_are_not_there_cannot_be_exported(
    searched: Study, data: EncodedDataset, tmp_path: Path
) -> None:
    with pytest.raises(nas.ConfigError, match="was not recovered"):
        searched.export(1, tmp_path / "out", weights="recovered")
    (one,) = recovered(searched, data, top=1, budget=Budget(passes=1)).recovered
    one.weights_file.write_bytes(b"cut short")
    with pytest.raises(nas.StorageError, match="does not match its SHA-256"):
        searched.export(one.trial, tmp_path / "out")
    with pytest.raises(nas.ConfigError, match="allowed are auto, supernet, recovered"):
        searched.export(one.trial, tmp_path / "out", weights="best")
    assert not (tmp_path / "out").exists()


def test_a_config_is_kept_with_its_study_and_the_newest_counts(make_study: Callable[..., Study]) -> None:
    study = make_study()
    assert study.config is None
    for trials in (10, 10, 20):
        study.store_config({"name": "tiny", "search": {"trials": trials}})
    assert study.config == {"name": "tiny", "search": {"trials": 20}}
    assert len(study._ledger.events(None, kind="config")) == 2
