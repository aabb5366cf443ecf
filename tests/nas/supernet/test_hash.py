"""The hash of a supernet follows its weights, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from nas.supernet import Supernet

MakeSupernet = Callable[..., Supernet]


def _train(supernet: Supernet, batch: Any, optimizer: torch.optim.Optimizer) -> None:
    supernet.model(**batch.inputs).logits.square().sum().backward()
    optimizer.step()


def test_equal_weights_have_equal_hashes(make_supernet: MakeSupernet) -> None:
    assert make_supernet(seed=1).sha256 == make_supernet(seed=1).sha256
    assert make_supernet(seed=1).sha256 != make_supernet(seed=2).sha256


def test_the_hash_changes_with_the_order_of_layers(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    before = supernet.sha256
    supernet.layer_order = (2, 1, 0)
    assert supernet.sha256 != before


@pytest.mark.parametrize("is_fused", [False, True])
def test_the_hash_changes_when_an_optimiser_writes(
    is_fused: bool, make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = make_supernet()
    before = supernet.sha256
    optimizer = torch.optim.AdamW(supernet.model.parameters(), lr=1e-5, fused=is_fused)
    _train(supernet, tiny_batch(), optimizer)
    fresh = Supernet.from_model(supernet.model).sha256
    assert before != supernet.sha256 == fresh


def test_the_hash_changes_when_one_element_is_written(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    before = supernet.sha256
    with torch.no_grad():
        supernet.model.bert.encoder.layer[2].output.dense.weight[3, 5] += 1e-3
    assert supernet.sha256 != before


def test_ranking_changes_the_hash(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    before = supernet.sha256
    supernet.rank("random", seed=1)
    assert supernet.sha256 != before


def test_activation_extraction_and_a_forward_leave_the_hash(
    make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = make_supernet()
    before = supernet.sha256
    config = supernet.space("medium").middle()
    with supernet.active(config) as model:
        model(**tiny_batch().inputs).logits.sum().backward()
    supernet.extract(config)
    supernet.rank({})
    assert supernet.sha256 == before == Supernet.from_model(supernet.model).sha256


def test_the_hash_is_not_computed_anew_without_need(
    make_supernet: MakeSupernet, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nas.supernet.supernet as module

    supernet = make_supernet()
    before = supernet.sha256
    monkeypatch.setattr(module, "hashlib", None)
    assert supernet.sha256 == before
