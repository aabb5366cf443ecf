"""Ranking decoders, encoder-decoders and image models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import nas
from nas.data import Batch
from nas.importance import importance_of, known_importances
from nas.importance.ranking import DEFAULT
from nas.tasks import task_of

KINDS = ["llama", "gpt2", "t5", "whisper", "vit", "bert", "opt", "modernbert"]
MakeSupernet = Callable[[str], nas.Supernet]
MakeBatch = Callable[[nas.Supernet], Batch]


@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """Calibration data without labels."""

    inputs: dict[str, torch.Tensor]
    labels: None = None


@pytest.mark.parametrize("importance", known_importances())
@pytest.mark.parametrize("kind", ["bert", "llama", "t5"])
def test_ranking_by_any_method_leaves_the_function_unchanged(
    kind: str, importance: str, tiny_supernet: MakeSupernet, labelled_batch: MakeBatch
) -> None:
    supernet = tiny_supernet(kind)
    batch = labelled_batch(supernet)
    task = task_of(supernet.task)
    weights = {name: weight.clone() for name, weight in supernet.model.named_parameters()}
    with torch.no_grad():
        before = task.forward(supernet.model, batch.inputs).logits
        supernet.rank(importance, [batch], seed=3)
        after = task.forward(supernet.model, batch.inputs).logits
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)  # float32, sums in another order
    moved = {n for n, weight in supernet.model.named_parameters() if not torch.equal(weight, weights[n])}
    assert bool(moved) == bool(importance_of(importance).axes - {"layers"})


@pytest.mark.parametrize("importance", ["default", "minitron", "magnitude_l2"])
@pytest.mark.parametrize("kind", KINDS)
def test_ranking_leaves_the_function_unchanged(
    kind: str, importance: str, tiny_supernet: MakeSupernet, labelled_batch: MakeBatch
) -> None:
    supernet = tiny_supernet(kind)
    batch = labelled_batch(supernet)
    task = task_of(supernet.task)
    with torch.no_grad():
        before = task.forward(supernet.model, batch.inputs).logits
        ranking = supernet.rank(importance, [batch])
        after = task.forward(supernet.model, batch.inputs).logits
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)  # float32, sums in another order
    orders = ranking.orders
    assert orders.hidden is not None
    is_moved = [(order != np.arange(len(order))).any() for order in (orders.hidden, *orders.ffn.values())]
    assert any(is_moved)


@pytest.mark.parametrize("kind", KINDS)
def test_default_ranks_every_axis_of_every_block(
    kind: str, tiny_supernet: MakeSupernet, labelled_batch: MakeBatch
) -> None:
    supernet = tiny_supernet(kind)
    ranking = supernet.rank("default", [labelled_batch(supernet)])
    depth = supernet.shape.num_hidden_layers
    assert supernet.ranking == DEFAULT
    assert sorted(ranking.layer_order) == list(range(depth))
    assert set(ranking.orders.heads) == set(ranking.orders.ffn) == set(range(depth))


@pytest.mark.parametrize("kind", KINDS)
def test_block_influence_finds_the_block_that_does_nothing(
    kind: str, tiny_supernet: MakeSupernet, labelled_batch: MakeBatch
) -> None:
    supernet = tiny_supernet(kind)
    idle = supernet.shape.num_hidden_layers - 1  # of an encoder-decoder, the decoder's last
    block = supernet.family.block_of(supernet.shape, idle)
    layer = supernet.family.layers_of(supernet.model)[idle]
    with torch.no_grad():
        for path in (*block.attention_outputs, block.ffn_output):
            for parameter in layer.get_submodule(path).parameters():
                parameter.zero_()
    ranking = supernet.rank("block_influence", [labelled_batch(supernet)])
    assert ranking.layer_order[-1] == idle


def test_the_key_value_head_that_adds_nothing_is_ranked_last(
    tiny_supernet: MakeSupernet, labelled_batch: MakeBatch
) -> None:
    supernet = tiny_supernet("llama")
    attention = supernet.model.model.layers[1].self_attn
    with torch.no_grad():
        attention.o_proj.weight[:, :8] = 0  # both query heads, of width 4, of the first key-value head
    ranking = supernet.rank("fisher_mask", [labelled_batch(supernet)])
    assert ranking.orders.heads[1][-1] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_default_without_labels_is_refused(
    kind: str, tiny_supernet: MakeSupernet, labelled_batch: MakeBatch
) -> None:
    supernet = tiny_supernet(kind)
    with pytest.raises(nas.ConfigError, match="fisher_mask needs labelled calibration data"):
        supernet.rank("default", [Unlabelled(inputs=labelled_batch(supernet).inputs)])


@pytest.mark.parametrize("kind", KINDS)
def test_minitron_needs_no_labels(kind: str, tiny_supernet: MakeSupernet, labelled_batch: MakeBatch) -> None:
    supernet = tiny_supernet(kind)
    ranking = supernet.rank("minitron", [Unlabelled(inputs=labelled_batch(supernet).inputs)])
    assert set(ranking.methods.values()) == {"minitron"}
