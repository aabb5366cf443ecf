"""Activating a sub-network changes the model for the length of a block, and copies nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.supernet import Supernet
from search_spaces import LayerUnits, SpaceError, SubnetConfig

MakeSupernet = Callable[..., Supernet]
KINDS = ["bert", "roberta", "electra", "electra_projected"]

PREFIXES = SubnetConfig(hidden=16, layers=(LayerUnits(heads=2, ffn=7), None, LayerUnits(heads=0, ffn=20)))
INDEX_SETS = SubnetConfig(
    hidden=(0, 2, 5, 23),
    layers=(LayerUnits(heads=(0, 2), ffn=(1, 3)), LayerUnits(heads=3, ffn=0), None),
)


def _state(supernet: Supernet) -> dict[str, Any]:
    """Everything that activation may touch."""
    state: dict[str, Any] = {}
    for path, module in supernet.model.named_modules():
        state[path] = id(module)
        for name, value in module.__dict__.items():
            if not name.startswith("_") or name in ("_modules", "_parameters"):
                is_table = isinstance(value, dict)
                state[f"{path}:{name}"] = {k: id(v) for k, v in value.items()} if is_table else repr(value)
    return state


@pytest.mark.parametrize("kind", KINDS)
def test_prefixes_become_views_of_the_full_weights(kind: str, make_supernet: MakeSupernet) -> None:
    supernet = make_supernet(kind)
    storages = {p.untyped_storage().data_ptr() for p in supernet.model.parameters()}
    with supernet.active(PREFIXES) as model:
        active = list(model.parameters())
        assert {weight.untyped_storage().data_ptr() for weight in active} <= storages
    full = sum(parameter.numel() for parameter in supernet.model.parameters())
    assert sum(weight.numel() for weight in active) < full


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=15)
def test_everything_is_restored_after_the_block(
    kind: str, data: st.DataObject, shared_supernet: MakeSupernet, subnets: Any
) -> None:
    supernet = shared_supernet(kind)
    before = _state(supernet)
    with supernet.active(data.draw(subnets(supernet.shape))):
        pass
    assert _state(supernet) == before


def test_everything_is_restored_when_the_body_raises(make_supernet: MakeSupernet) -> None:
    supernet = make_supernet()
    before = _state(supernet)
    with pytest.raises(KeyError, match="body"), supernet.active(INDEX_SETS):
        raise KeyError("body")
    assert _state(supernet) == before


def test_everything_is_restored_when_activation_itself_raises(
    make_supernet: MakeSupernet, monkeypatch: pytest.MonkeyPatch
) -> None:
    supernet = make_supernet()
    before = _state(supernet)

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(supernet._elastic, "_set_attributes", fail)
    with pytest.raises(MemoryError), supernet.active(PREFIXES):
        pytest.fail("the body must not run")
    assert _state(supernet) == before


def test_units_that_the_model_does_not_have_are_refused_before_anything_changes(
    make_supernet: MakeSupernet,
) -> None:
    supernet = make_supernet()
    before = _state(supernet)
    with pytest.raises(SpaceError, match="got 25; the model has 24"):
        supernet.active(replace(PREFIXES, hidden=25))
    assert _state(supernet) == before


@pytest.mark.parametrize(("outer", "inner"), [(PREFIXES, INDEX_SETS), (INDEX_SETS, PREFIXES)])
def test_a_nested_block_is_a_sub_network_of_the_full_model(
    outer: SubnetConfig, inner: SubnetConfig, make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet, inputs = make_supernet(), tiny_batch().inputs
    expected = {}
    for name, config in {"outer": outer, "inner": inner, "full": supernet.full}.items():
        with supernet.active(config) as model:
            expected[name] = model(**inputs).logits
    before = _state(supernet)
    with supernet.active(outer) as model:
        with supernet.active(inner):
            assert torch.equal(model(**inputs).logits, expected["inner"])
            with supernet.active(supernet.full):
                assert torch.equal(model(**inputs).logits, expected["full"])
            assert torch.equal(model(**inputs).logits, expected["inner"])
        assert torch.equal(model(**inputs).logits, expected["outer"])
    assert _state(supernet) == before


def test_inside_a_block_extraction_hash_and_cost_are_those_of_the_full_model(
    make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet, inputs = make_supernet(), tiny_batch().inputs
    outside = supernet.sha256, supernet.extract(PREFIXES)(**inputs).logits, supernet.cost(PREFIXES)
    fresh = Supernet.from_model(supernet.model)
    with fresh.active(INDEX_SETS):
        inside = fresh.sha256, fresh.extract(PREFIXES)(**inputs).logits, fresh.cost(PREFIXES)
    assert inside[0] == outside[0]
    assert torch.equal(inside[1], outside[1])
    assert inside[2] == outside[2]


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_exactly_the_kept_slices(
    kind: str, make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = make_supernet(kind, dtype="float64")
    with supernet.active(INDEX_SETS) as model:
        model(**tiny_batch().inputs).logits.square().sum().backward()
    first, second, third = supernet.model.base_model.encoder.layer
    hidden, rows = [0, 2, 5, 23], [*range(8), *range(16, 24)]
    _assert_only(first.attention.self.value.weight.grad, rows, hidden)
    _assert_only(first.attention.output.dense.weight.grad, hidden, rows)
    _assert_only(first.intermediate.dense.weight.grad, [1, 3], hidden)
    _assert_only(first.output.dense.bias.grad, hidden)
    _assert_only(second.attention.output.LayerNorm.weight.grad, hidden)
    assert all(weight.grad is None for weight in second.intermediate.parameters())
    assert all(weight.grad is None for weight in second.output.parameters())
    assert all(weight.grad is None for weight in third.parameters())


def _assert_only(gradient: torch.Tensor | None, *kept: list[int]) -> None:
    """Not zero at every kept element, exactly zero at all others."""
    assert gradient is not None
    mask = torch.zeros_like(gradient, dtype=torch.bool)
    mask[torch.meshgrid(*map(torch.tensor, kept), indexing="ij")] = True
    assert gradient[mask].ne(0).all()
    assert gradient[~mask].eq(0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_kept_slices_equal_those_of_the_extracted_model(
    kind: str, make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    supernet = make_supernet(kind, dtype="float64")
    small = supernet.extract(PREFIXES)
    small(**tiny_batch().inputs).logits.square().sum().backward()
    with supernet.active(PREFIXES) as model:
        model(**tiny_batch().inputs).logits.square().sum().backward()
    large = supernet.model.base_model.encoder.layer[0]
    expected = small.base_model.encoder.layer[0]
    pairs = [
        (large.attention.self.value.weight.grad[:16, :16], expected.attention.self.value.weight.grad),
        (large.intermediate.dense.weight.grad[:7, :16], expected.intermediate.dense.weight.grad),
        (large.output.LayerNorm.bias.grad[:16], expected.output.LayerNorm.bias.grad),
    ]
    for elastic, extracted in pairs:
        # Sums of some hundred terms in float64.
        torch.testing.assert_close(elastic, extracted, atol=1e-10, rtol=1e-10)


def test_gradient_checkpointing_gives_the_same_gradients(
    make_supernet: MakeSupernet, tiny_batch: Any
) -> None:
    gradients = []
    for is_checkpointed in (False, True):
        supernet = make_supernet(dtype="float64", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        if is_checkpointed:
            supernet.model.activation_checkpointing_enable()
        supernet.model.train()
        with supernet.active(PREFIXES) as model:
            model(**tiny_batch().inputs).logits.square().sum().backward()
        gradients.append(supernet.model.bert.encoder.layer[0].intermediate.dense.weight.grad)
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-12, rtol=1e-12)
