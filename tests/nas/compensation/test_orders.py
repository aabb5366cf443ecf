"""Orders of units over several rankings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas.elastic import AxisOrders, permute
from nas.supernet import Supernet, calibration
from nas.supernet.orders import UnitOrders
from search_spaces import LayerShape, ModelShape

MakeSupernet = Callable[..., Supernet]
GQA = {"num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 8}
LAYER = LayerShape(num_key_value_heads=3, queries_per_head=2, head_dim=8, intermediate_size=5)
SHAPE = ModelShape(model_type="llama", hidden_size=24, layers=(LAYER, LAYER), tensors=())


@given(seed=st.integers(0, 10_000))
def test_units_of_one_layer_come_into_the_order_of_another(seed: int) -> None:
    generator = np.random.default_rng(seed)
    orders = UnitOrders()
    for _ in range(2):
        orders = orders.then(_random_orders(generator), SHAPE)
    found = orders.like(1, 0, SHAPE)
    np.testing.assert_array_equal(orders.heads[1][found.heads[1]], orders.heads[0])
    np.testing.assert_array_equal(orders.ffn[1][found.ffn[1]], orders.ffn[0])
    table = np.arange(3)[:, None] * 2 + found.queries[1]
    flat = table[found.heads[1]].reshape(-1)
    np.testing.assert_array_equal(orders.queries[1][flat], orders.queries[0])


def _random_orders(generator: np.random.Generator) -> AxisOrders:
    layers = range(2)
    return AxisOrders(
        heads={layer: generator.permutation(3) for layer in layers},
        queries={layer: np.stack([generator.permutation(2) for _ in range(3)]) for layer in layers},
        ffn={layer: generator.permutation(5) for layer in layers},
    )


def test_ranked_weights_go_back_to_where_the_pretrained_model_had_them(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet("llama", **GQA)
    before = {name: weight.detach().clone() for name, weight in supernet.model.named_parameters()}
    for seed in (1, 2):
        supernet.rank({"heads": "random", "ffn": "random"}, seed=seed)
    # A layer that was never sorted has the pretrained order: what layer 1 must be brought into.
    orders, shape = supernet.unit_orders, supernet.shape
    unsorted = UnitOrders(
        heads={1: orders.heads[1]}, queries={1: orders.queries[1]}, ffn={1: orders.ffn[1]}
    ).like(1, 0, shape)
    for layout in shape.tensors:
        if layout.layer == 1:
            weight = supernet.model.get_parameter(layout.name).detach()
            assert torch.equal(permute(weight, layout, unsorted, shape), before[layout.name])


def test_orders_are_saved_and_read(make_supernet: MakeSupernet, tmp_path: Path) -> None:
    supernet = make_supernet("llama", **GQA)
    supernet.rank({"heads": "random", "ffn": "random"}, seed=1)
    again = Supernet.load(supernet.save(tmp_path / "supernet"))
    assert again.file is not None
    for axis in ("heads", "queries", "ffn"):
        own, read = getattr(supernet.unit_orders, axis), getattr(again.unit_orders, axis)
        assert own.keys() == read.keys() == {0, 1, 2}
        for layer in own:
            np.testing.assert_array_equal(own[layer], read[layer])


@pytest.mark.parametrize("has_numbers", [True, False])
def test_calibration_data_come_back_and_are_not_taken_for_weights(
    has_numbers: bool, make_supernet: MakeSupernet, tmp_path: Path
) -> None:
    supernet = make_supernet()
    inputs = {"pixel_values": torch.rand(2, 3)} if has_numbers else dict(supernet.calibration[0].inputs)
    supernet.calibrate([type(supernet.calibration[0])(inputs=inputs)] * 12)
    again = Supernet.load(supernet.save(tmp_path / "supernet"))
    assert again.file is not None
    assert len(again.calibration) == 12
    for own, read in zip(supernet.calibration, again.calibration, strict=True):
        assert read.labels is None
        assert own.inputs.keys() == read.inputs.keys()
        for name, tensor in own.inputs.items():
            assert torch.equal(tensor, read.inputs[name])


def test_no_more_than_a_bound_is_remembered(
    make_supernet: MakeSupernet, monkeypatch: pytest.MonkeyPatch
) -> None:
    supernet = make_supernet()
    batches = supernet.calibration
    monkeypatch.setattr(calibration, "MAX_BYTES", 2 * batches[0].num_bytes)
    supernet.calibrate(batches)
    assert len(supernet.calibration) == 2
    monkeypatch.setattr(calibration, "MAX_BYTES", 1)
    supernet.calibrate(batches)
    assert len(supernet.calibration) == 1
