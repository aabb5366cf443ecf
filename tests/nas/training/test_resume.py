"""An interrupted run goes on to the weights of an undisturbed one, bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas.training.loop
from nas.artifacts import ArtifactStore
from nas.errors import ConfigError, StorageError
from nas.supernet import Supernet
from nas.training import Budget, Pass, SandwichDistillation, Step, TrainOptions, train_supernet

MakeSupernet = Callable[..., Supernet]
OPTIONS = TrainOptions(batch_size=4, precision="float32", learning_rate=1e-3, checkpoint_seconds=0.0)
BUDGET = Budget(passes=28)  # 7 steps over 3 epochs of 10 examples


class _Interrupted(SandwichDistillation):
    """Fails in the middle of the run, once."""

    def __init__(self, after: int) -> None:
        super().__init__()
        object.__setattr__(self, "_calls_left", iter(range(after)))

    def passes(self, step: Step) -> Sequence[Pass]:
        if next(self._calls_left, None) is None:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return super().passes(step)


def _train(supernet: Supernet, data: Any, folder: Path | None, **changes: Any) -> Any:
    fixed = {"strategy": "sandwich_kd", "budget": BUDGET, "options": OPTIONS, "checkpoint": folder}
    arguments = fixed | changes
    return train_supernet(supernet, data, **arguments)


def _interrupt(supernet: Supernet, data: Any, folder: Path, after: int, **changes: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        _train(supernet, data, folder, strategy=_Interrupted(after), **changes)


@pytest.mark.parametrize("frozen", [(), ("word_embeddings",)])
@pytest.mark.parametrize("after", [1, 3, 6])
def test_a_resumed_run_ends_in_the_weights_and_figures_of_an_undisturbed_one(
    after: int, frozen: tuple[str, ...], tmp_path: Path, make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    options, data = replace(OPTIONS, frozen=frozen), tiny_data(num_examples=10)
    undisturbed = make_supernet()
    expected = _train(undisturbed, data, None, options=options)
    _interrupt(make_supernet(), data, tmp_path / "run", after, options=options)
    resumed = make_supernet()
    report = _train(resumed, data, tmp_path / "run", options=options)
    assert resumed.sha256 == undisturbed.sha256
    assert report.resumed_at == after
    assert (report.steps, report.passes, report.examples) == (7, 28, expected.examples)


def test_a_run_interrupted_twice_ends_in_the_same_weights(
    tmp_path: Path, make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    undisturbed, data = make_supernet(), tiny_data()
    _train(undisturbed, data, None)
    for after in (2, 3):
        _interrupt(make_supernet(), data, tmp_path / "run", after)
    resumed = make_supernet()
    assert _train(resumed, data, tmp_path / "run").resumed_at == 5
    assert resumed.sha256 == undisturbed.sha256


def test_a_finished_run_is_not_run_again(tmp_path: Path, make_supernet: MakeSupernet, tiny_data: Any) -> None:
    first, again = make_supernet(), make_supernet()
    _train(first, tiny_data(), tmp_path / "run")
    report = _train(again, tiny_data(), tmp_path / "run")
    assert report.resumed_at == report.steps == 7
    assert np.isnan(report.full_loss)
    assert again.sha256 == first.sha256


def test_checkpoints_are_written_when_due_and_at_the_end(
    tmp_path: Path, make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    rarely = replace(OPTIONS, checkpoint_seconds=1e6)
    _interrupt(make_supernet(), tiny_data(), tmp_path / "run", 3, options=rarely)
    assert not (tmp_path / "run").exists()
    _train(make_supernet(), tiny_data(), tmp_path / "run", options=rarely)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_precision_that_was_measured_is_kept_on_resuming(
    tmp_path: Path, make_supernet: MakeSupernet, tiny_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(OPTIONS, precision="auto")
    monkeypatch.setattr(nas.training.loop, "prefers_bfloat16", lambda _: True)
    undisturbed = make_supernet()
    _train(undisturbed, tiny_data(), None, options=options)
    _interrupt(make_supernet(), tiny_data(), tmp_path / "run", 3, options=options)
    monkeypatch.setattr(nas.training.loop, "prefers_bfloat16", lambda _: False)
    resumed = make_supernet()
    assert _train(resumed, tiny_data(), tmp_path / "run", options=options).resumed_at == 3
    assert resumed.sha256 == undisturbed.sha256


@pytest.mark.parametrize(
    "change",
    [
        {"options": replace(OPTIONS, seed=1)},
        {"options": replace(OPTIONS, learning_rate=2e-3)},
        {"options": replace(OPTIONS, frozen=("pooler",))},
        {"strategy": "sandwich"},
        {"budget": Budget(passes=32)},
        {"space": "medium"},
        {"data_seed": 1},
        {"weights_seed": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_checkpoint_of_another_run_is_refused(
    change: dict[str, Any], tmp_path: Path, make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    _train(make_supernet(), tiny_data(), tmp_path / "run")
    supernet = make_supernet(seed=change.pop("weights_seed", 0))
    data = tiny_data(seed=change.pop("data_seed", 0))
    if "space" in change:
        change["space"] = supernet.space(change["space"])
    before = supernet.sha256
    with pytest.raises(ConfigError, match="holds no training run with this data, settings and starting"):
        _train(supernet, data, tmp_path / "run", **change)
    assert supernet.sha256 == before


def _damage(folder: Path, generation: int) -> None:
    """Flip a bit of a checkpoint, counted from the newest."""
    sha256 = ArtifactStore.open(folder).generations("training")[generation].sha256
    file = folder / "objects" / sha256[:2] / sha256
    damaged = bytearray(file.read_bytes())
    damaged[-5] ^= 1
    file.write_bytes(damaged)


def test_the_checkpoint_before_a_damaged_one_is_used(
    tmp_path: Path, make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    _interrupt(make_supernet(), tiny_data(), tmp_path / "run", 3)
    _damage(tmp_path / "run", 0)
    resumed, undisturbed = make_supernet(), make_supernet()
    assert _train(resumed, tiny_data(), tmp_path / "run").resumed_at == 2
    _train(undisturbed, tiny_data(), None)
    assert resumed.sha256 == undisturbed.sha256


def test_a_run_killed_at_its_first_checkpoint_starts_anew(
    tmp_path: Path, make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    (tmp_path / "run" / "objects" / "ab").mkdir(parents=True)
    (tmp_path / "run" / ".tmp-0123").write_bytes(b"half")
    assert _train(make_supernet(), tiny_data(), tmp_path / "run").resumed_at == 0


def test_two_damaged_checkpoints_are_refused(
    tmp_path: Path, make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    _train(make_supernet(), tiny_data(), tmp_path / "run")
    for generation in (0, 1):
        _damage(tmp_path / "run", generation)
    with pytest.raises(StorageError, match="every generation of 'training'"):
        _train(make_supernet(), tiny_data(), tmp_path / "run")


def test_a_supernet_folder_is_not_taken_for_a_checkpoint(
    tmp_path: Path, make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    make_supernet().save(tmp_path / "supernet")
    with pytest.raises(ConfigError, match="holds no training run"):
        _train(make_supernet(), tiny_data(), tmp_path / "supernet")
