"""The parts that real runs share: steps are done once, budgets become exports, settings are kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, Dinov2Config, Dinov2Model

import nas
from benchmarks.models import TINY, random_supernet
from benchmarks.real_runs import images, run
from benchmarks.real_runs.run import Row, Settings


def test_finished_steps_are_read_and_not_done_again(tmp_path: Path) -> None:
    done: list[str] = []
    steps = {name: _noting(done, name) for name in ("first", "second")}

    run.built(tmp_path, lambda: random_supernet(TINY), steps)
    run.built(tmp_path, _never, steps)

    assert done == ["first", "second"]


def test_interrupted_step_goes_on_from_the_one_before(tmp_path: Path) -> None:
    done: list[str] = []

    with pytest.raises(KeyboardInterrupt):
        run.built(
            tmp_path,
            lambda: random_supernet(TINY),
            {"first": _noting(done, "first"), "second": _interrupted},
        )
    supernet = run.built(
        tmp_path, _never, {"first": _noting(done, "first"), "second": _noting(done, "second")}
    )

    assert done == ["first", "second"]
    assert supernet.provenance["steps"] == "first second "


def test_folder_of_other_settings_is_refused(tmp_path: Path) -> None:
    parser = run.options("sentiment", None, trials=10)
    run.settings_of(parser.parse_args(["--folder", str(tmp_path), "--seed", "1"]))

    with pytest.raises(nas.ConfigError, match="give another --folder"):
        run.settings_of(parser.parse_args(["--folder", str(tmp_path), "--seed", "2"]))


def test_more_trials_go_on_in_the_same_folder(tmp_path: Path) -> None:
    parser = run.options("sentiment", None, trials=10)
    first = run.settings_of(parser.parse_args(["--folder", str(tmp_path)]))

    more = run.settings_of(parser.parse_args(["--folder", str(tmp_path), "--trials", "20"]))

    assert more == dataclasses.replace(first, trials=20)


def test_table_shows_metrics_in_the_order_asked_for() -> None:
    row = Row(
        name="full",
        architecture="2 layers",
        num_parameters=22_700_000,
        metrics={"accuracy": 0.91234, "latency_ms": 5.0},
        test=0.9,
    )

    last = run.table([row], ("latency_ms", "accuracy"), "accuracy on test").splitlines()[-1]

    assert last == "| full | 2 layers | 22.7 M | 5 | 0.9123 | 0.9 |"


def test_rows_are_the_full_model_and_one_export_a_budget(tmp_path: Path) -> None:
    study = nas.create_study(
        "tiny",
        supernet=random_supernet(TINY),
        objectives=["max score", "min num_parameters"],
        metrics=["score"],
        storage=run.storage_in(tmp_path),
    )
    study.optimize(lambda model: 1.0, 4)
    scored: list[object] = []

    found = run.rows(
        study,
        ["num_parameters <= 0.99 * baseline", "num_parameters <= 1"],
        tmp_path / "exports",
        lambda model: float(len(scored.append(model) or scored)),  # type: ignore[func-returns-value]
    )

    assert [row.name for row in found] == ["full", "num_parameters <= 0.99 * baseline"]
    assert found[1].num_parameters < found[0].num_parameters
    assert (tmp_path / "exports" / Path(str(scored[1])).name / "config.json").is_file()


def test_resized_dinov2_computes_as_the_one_that_interpolates(tmp_path: Path) -> None:
    config = Dinov2Config(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=112)
    model = Dinov2Model(config)
    model.train(mode=False)
    model.save_pretrained(tmp_path / "source")
    (tmp_path / "source" / "preprocessor_config.json").write_text("{}", encoding="utf-8")

    folder = images.resized(tmp_path / "source", tmp_path / "model")

    small = AutoModel.from_pretrained(folder)
    pixels = torch.randn(2, 3, images.IMAGE_SIZE, images.IMAGE_SIZE)
    assert small.config.image_size == images.IMAGE_SIZE
    with torch.inference_mode():
        assert torch.equal(small(pixels).last_hidden_state, model(pixels).last_hidden_state)


def test_quick_settings_take_the_small_sizes(tmp_path: Path) -> None:
    settings = Settings(folder=tmp_path, cache=tmp_path, trials=1, workers=0, seed=0, quick=True)

    assert settings.size(1_000, 3) == 3


def _noting(done: list[str], name: str) -> run.Step:
    def step(supernet: nas.Supernet, _: Path) -> None:
        done.append(name)
        supernet.provenance["steps"] = f"{supernet.provenance.get('steps', '')}{name} "

    return step


def _interrupted(supernet: nas.Supernet, _: Path) -> None:
    raise KeyboardInterrupt


def _never() -> nas.Supernet:
    raise AssertionError("the model is loaded again")
