"""The cost model against models that were really cut and really run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from nas.supernet import Supernet
from search_spaces import Workload

KINDS = ["bert", "roberta", "electra", "electra_projected"]
MakeSupernet = Callable[..., Supernet]


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=20)
def test_the_number_of_parameters_is_that_of_the_extracted_model(
    kind: str, data: st.DataObject, shared_supernet: MakeSupernet, subnets: Any
) -> None:
    supernet = shared_supernet(kind)
    config = data.draw(subnets(supernet.shape))
    small, costs = supernet.extract(config), supernet.cost(config)
    blocks = small.base_model.encoder.layer
    assert costs.num_parameters == sum(p.numel() for p in small.parameters())
    assert costs.num_prunable_parameters == sum(p.numel() for p in blocks.parameters())
    assert costs.weight_bytes == sum(p.numel() * p.element_size() for p in small.parameters())


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), batch_size=st.integers(1, 4), length=st.integers(1, 9))
@settings(max_examples=20)
def test_macs_are_half_of_what_the_flop_counter_counts(
    kind: str,
    data: st.DataObject,
    batch_size: int,
    length: int,
    shared_supernet: MakeSupernet,
    tiny_batch: Any,
    subnets: Any,
) -> None:
    supernet = shared_supernet(kind)
    config = data.draw(subnets(supernet.shape))
    inputs = tiny_batch(batch_size, length).inputs
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        supernet.extract(config)(**inputs)
    costs = supernet.cost(config, Workload(batch_size=batch_size, sequence_length=length))
    assert 2 * costs.macs == counter.get_total_flops()


def test_a_tied_weight_is_counted_once(tiny_model: Callable[..., Any]) -> None:
    model = tiny_model()
    for block in model.bert.encoder.layer:
        block.attention.self.value.weight = block.attention.self.key.weight
    supernet = Supernet.from_model(model)
    assert supernet.cost(supernet.full).num_parameters == sum(p.numel() for p in model.parameters())
