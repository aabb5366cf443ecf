"""A rotated stream between stock layer norms is cut to its first principal directions exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from nas.supernet import Supernet
from nas.supernet.moments import helmert_vectors
from nas.supernet.rotation import norm_correction
from search_spaces import SubnetConfig

# Softmax and rotary positions of transformers compute in float32 inside.
EXACT = 1e-5
MakeSupernet = Callable[..., Supernet]
#: Without an epsilon, which is not scaled with the width, the identity has no error.
KINDS = {
    "gpt2": {"n_inner": 20, "layer_norm_epsilon": 0.0},
    "gpt_neox": {"layer_norm_eps": 0.0},
    "phi": {"layer_norm_eps": 0.0},
    "starcoder2": {"norm_epsilon": 0.0, "num_key_value_heads": 3},
    "stablelm": {"layer_norm_eps": 0.0, "num_key_value_heads": 3},
}


@pytest.fixture
def rotated(make_supernet: MakeSupernet, tiny_batch: Callable[..., Any]) -> Callable[[str], Supernet]:
    """Make a rotated classifier, whose score has no bias to take the last norm's."""

    def make(kind: str) -> Supernet:
        supernet = make_supernet(kind, dtype="float64", pad_token_id=0, **KINDS[kind])
        supernet.rank({"hidden": "pca_rotation"}, [tiny_batch()])
        return supernet

    return make


@contextmanager
def first_directions(supernet: Supernet, number: int) -> Iterator[None]:
    """All norms get the share of the stream alone that its first principal directions hold."""
    vectors = helmert_vectors(supernet.shape.hidden_size)[:number]

    def project(_: object, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (args[0] @ vectors.T @ vectors, *args[1:])

    norms = [norm for _, norm in supernet.family.norms_of(supernet.model)]
    handles = [norm.register_forward_pre_hook(project) for norm in norms]
    yield
    for handle in handles:
        handle.remove()


def logits(model: Any, batch: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(**batch.inputs).logits
    return found


@pytest.mark.parametrize("kept", [2, 3, 11, 23])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_stream_is_the_full_one_on_its_first_principal_directions(
    kind: str, kept: int, rotated: Callable[[str], Supernet], tiny_batch: Callable[..., Any]
) -> None:
    supernet, batch = rotated(kind), tiny_batch()
    config = SubnetConfig(hidden=kept, layers=supernet.full.layers)
    with first_directions(supernet, kept - 1):
        expected = logits(supernet.model, batch)
    with supernet.active(config, weights=norm_correction(supernet, config)) as model:
        found = logits(model, batch)
    torch.testing.assert_close(found, expected, atol=EXACT * float(expected.abs().max()), rtol=0)
    assert (expected - logits(supernet.model, batch)).abs().max() > 10 * EXACT * expected.abs().max()


def test_norms_are_left_with_ones_and_biases_in_the_first_channel_where_a_reader_has_none(
    rotated: Callable[[str], Supernet],
) -> None:
    model = rotated("gpt2").model
    norms = {name: p for name, p in model.named_parameters() if ".ln_" in name}
    assert all(p.eq(1.0).all() for name, p in norms.items() if name.endswith("weight"))
    biases = {name: p.nonzero().flatten().tolist() for name, p in norms.items() if name.endswith("bias")}
    assert biases.pop("transformer.ln_f.bias") == [0]
    assert set(map(len, biases.values())) == {0}


def test_the_bias_of_a_norm_whose_weight_is_zero_is_kept(
    make_supernet: MakeSupernet, tiny_batch: Callable[..., Any]
) -> None:
    supernet = make_supernet("gpt2", dtype="float64", pad_token_id=0, n_inner=20)
    batch = tiny_batch()
    model: Any = supernet.model
    with torch.no_grad():
        model.transformer.ln_f.weight[::2] = 0.0
    before = logits(model, batch)
    supernet.rank({"hidden": "pca_rotation"}, [batch])
    torch.testing.assert_close(logits(model, batch), before, atol=EXACT * float(before.abs().max()), rtol=0)
