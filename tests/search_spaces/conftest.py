"""Model shapes written by hand: this package needs no torch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search_spaces import LayerShape, ModelShape, Segment, TensorLayout

HIDDEN, FIXED = Segment("hidden"), Segment("fixed", 11)


def _block(index: int, head_dim: int) -> list[TensorLayout]:
    heads, queries, ffn = Segment("heads", head_dim), Segment("queries", head_dim), Segment("ffn")
    weights = [
        ("q", (queries, HIDDEN), "attention"),
        ("k", (heads, HIDDEN), "attention"),
        ("v", (heads, HIDDEN), "attention"),
        ("o", (HIDDEN, queries), "attention"),
        ("up", (ffn, HIDDEN), "ffn"),
        ("down", (HIDDEN, ffn), "ffn"),
    ]
    matrices = [
        TensorLayout(name=f"{index}.{name}", dims=((a,), (b,)), layer=index, part=part, tokens="all")
        for name, (a, b), part in weights
    ]
    biases = [
        TensorLayout(name=f"{index}.{part}.bias", dims=((HIDDEN,),), layer=index, part=part)
        for part in ("attention", "ffn")
    ]
    return matrices + biases


@pytest.fixture(scope="session")
def bert_shape() -> ModelShape:
    """12 heads of 4 channels: 48 channels, 96 neurons, 6 layers."""
    layer = LayerShape(num_key_value_heads=12, queries_per_head=1, head_dim=4, intermediate_size=96)
    outside = [
        TensorLayout(name="embeddings", dims=((FIXED,), (HIDDEN,))),
        TensorLayout(name="pooler", dims=((HIDDEN,), (HIDDEN,)), tokens="first"),
    ]
    blocks = [layout for index in range(6) for layout in _block(index, 4)]
    return ModelShape(model_type="bert", hidden_size=48, layers=(layer,) * 6, tensors=(*outside, *blocks))


@pytest.fixture(scope="session")
def gqa_shape(bert_shape: ModelShape) -> ModelShape:
    """A decoder: 3 key-value heads of 2 query heads of 4 channels, 10 neurons, 2 layers."""
    layer = LayerShape(num_key_value_heads=3, queries_per_head=2, head_dim=4, intermediate_size=10)
    tensors = [layout for layout in bert_shape.tensors if layout.layer in (None, 0, 1)]
    return replace(
        bert_shape,
        model_type="llama",
        hidden_size=20,
        layers=(layer,) * 2,
        tensors=tuple(tensors),
        has_head_dim=True,
        is_causal=True,
    )


@pytest.fixture(scope="session", params=["bert", "gqa"])
def shape(request: pytest.FixtureRequest, bert_shape: ModelShape, gqa_shape: ModelShape) -> ModelShape:
    """Both shapes."""
    return bert_shape if request.param == "bert" else gqa_shape
