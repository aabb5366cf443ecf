"""Several processes that train as one."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist

from nas.errors import ConfigError
from nas.supernet import Supernet
from nas.training import Budget, Ranks, TrainOptions, train_supernet
from nas.training.distributed import Cluster, train_on_ranks

MakeSupernet = Callable[..., Supernet]
# In float32 Adam turns the rounding of gradients that are 0, those of keys' biases, into steps.
EXACT: Any = {"dtype": "float64", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
OPTIONS = TrainOptions(batch_size=4, precision="float32", learning_rate=1e-3, checkpoint_seconds=0.0)


def _train_rank(rank: int, folder: str, data: Any, strategy: str, options: TrainOptions) -> None:
    """What one of two processes does; writes the sub-networks that it saw."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    supernet = Supernet.load(Path(folder) / "before")
    seen: list[str] = []
    original = supernet.active
    supernet.active = lambda config, *a: (seen.append(config.key), original(config, *a))[1]  # type: ignore[method-assign]
    ranks = Ranks.of_process_group()
    report = train_supernet(
        supernet,
        data,
        strategy=strategy,
        budget=Budget(passes=12),
        options=options,
        checkpoint=Path(folder) / "run",
        ranks=ranks,
    )
    facts = {"seen": seen, "examples": report.examples, "loss": report.full_loss, "hash": supernet.sha256}
    (Path(folder) / f"rank{rank}.json").write_text(json.dumps(facts))
    if rank == 0:
        supernet.save(Path(folder) / "after")
    dist.destroy_process_group()


def _on_two(
    folder: Path, supernet: Supernet, data: Any, strategy: str, options: TrainOptions = OPTIONS
) -> tuple[Supernet, list[dict[str, Any]]]:
    supernet.save(folder / "before")
    context = multiprocessing.get_context("spawn")
    arguments = [(rank, str(folder), data, strategy, options) for rank in range(2)]
    processes = [context.Process(target=_train_rank, args=values) for values in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=240)
        assert process.exitcode == 0
    facts = [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(2)]
    return Supernet.load(folder / "after"), facts


def _assert_same_weights(found: Supernet, expected: Supernet) -> None:
    theirs = dict(expected.model.named_parameters())
    for name, weight in found.model.named_parameters():
        torch.testing.assert_close(weight, theirs[name], atol=1e-9, rtol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ("sandwich_kd", OPTIONS),
        ("sorted", replace(OPTIONS, sampler="uniform", batch_size=5)),
        ("random", replace(OPTIONS, accumulate=2, trainable="perp")),
    ],
    ids=["sandwich_kd", "sorted", "accumulated"],
)
def test_two_processes_train_to_the_weights_of_one(
    strategy: str, options: TrainOptions, tmp_path: Path, make_supernet: MakeSupernet, tiny_data: Any
) -> None:
    data = tiny_data(num_examples=13)  # the last batch is of one example, so that a share is empty
    alone = make_supernet(**EXACT)
    found, facts = _on_two(tmp_path, make_supernet(**EXACT), data, strategy, options)
    report = train_supernet(alone, data, strategy=strategy, budget=Budget(passes=12), options=options)
    _assert_same_weights(found, alone)
    assert facts[0]["hash"] == facts[1]["hash"]
    assert {fact["examples"] for fact in facts} == {report.examples}
    assert facts[0]["loss"] == pytest.approx(report.full_loss, rel=1e-4)
    # The process whose share of the last batch is empty skips the passes over it, and no others.
    remaining = iter(facts[0]["seen"])
    assert facts[1]["seen"]
    assert all(key in remaining for key in facts[1]["seen"])


@pytest.mark.slow
@pytest.mark.alone
def test_ray_train_gives_the_weights_of_one_process(
    tmp_path: Path, make_supernet: MakeSupernet, tiny_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    data, alone, supernet = tiny_data(), make_supernet(**EXACT), make_supernet(**EXACT)
    arguments: Any = {"strategy": "sandwich_kd", "budget": Budget(passes=16), "options": OPTIONS}
    report = train_on_ranks(
        supernet, data, cluster=Cluster(num_ranks=2, folder=tmp_path / "ranks"), **arguments
    )
    expected = train_supernet(alone, data, **arguments)
    _assert_same_weights(supernet, alone)
    assert (report.steps, report.passes, report.examples) == (4, 16, expected.examples)
    assert supernet.provenance["training"] == alone.provenance["training"]


def test_shares_of_a_batch_are_disjoint_and_complete(tiny_data: Any) -> None:
    batch = tiny_data().batch(range(5))
    shares = [Ranks(rank, 2).share(batch) for rank in range(2)]
    assert [len(share.labels) for share in shares] == [3, 2]
    for name, rows in batch.inputs.items():
        assert torch.equal(torch.cat([share.inputs[name] for share in shares]), rows)
    np.testing.assert_array_equal(np.concatenate([share.indices for share in shares]), batch.indices)


def test_a_share_may_be_empty(tiny_data: Any) -> None:
    share = Ranks(1, 2).share(tiny_data().batch([0]))
    assert len(share.labels) == 0
    assert all(len(rows) == 0 for rows in share.inputs.values())


def test_a_process_outside_any_group_is_alone() -> None:
    assert Ranks.of_process_group() == Ranks(0, 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"num_ranks": 1}, "num_ranks is 1"), ({"num_ranks": 2, "address": "auto"}, "give a folder that all")],
)
def test_a_cluster_that_cannot_work_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Cluster(**wrong)
