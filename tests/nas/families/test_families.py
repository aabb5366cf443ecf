"""Every weight of every known architecture has its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from nas.errors import UnsupportedModelError
from nas.families import family_of, known_model_types
from search_spaces import Segment

MakeModel = Callable[..., Any]
KINDS = ["bert", "roberta", "electra", "electra_projected"]


def _describe(model: Any) -> Any:
    return family_of(model.config.model_type).describe(model)


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_is_described_once_with_the_model_s_sizes(kind: str, tiny_model: MakeModel) -> None:
    model = tiny_model(kind)
    shape = _describe(model)
    assert [layout.name for layout in shape.tensors] == [name for name, _ in model.named_parameters()]
    assert (shape.hidden_size, shape.num_hidden_layers) == (24, 3)
    assert {(s.num_attention_heads, s.head_dim, s.intermediate_size) for s in shape.layers} == {(3, 8, 20)}


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_of_a_block_belongs_to_a_sub_layer(kind: str, tiny_model: MakeModel) -> None:
    shape = _describe(tiny_model(kind))
    assert all((t.part is not None) == (t.layer is not None) for t in shape.tensors)
    parts = [t.part for t in shape.tensors if t.layer == 0]
    assert (parts.count("attention"), parts.count("ffn")) == (10, 6)


def test_projected_embeddings_do_not_lie_on_the_residual_stream(tiny_model: MakeModel) -> None:
    shape = _describe(tiny_model("electra_projected"))
    words = shape.by_name["electra.embeddings.word_embeddings.weight"]
    projection = shape.by_name["electra.embeddings_project.weight"]
    assert words.dims == ((Segment("fixed", 40),), (Segment("fixed", 16),))
    assert projection.dims == ((Segment("hidden"),), (Segment("fixed", 16),))
    assert shape.embedding_size == 16


def test_embeddings_without_a_projection_lie_on_the_residual_stream(tiny_model: MakeModel) -> None:
    shape = _describe(tiny_model("electra"))
    assert shape.by_name["electra.embeddings.word_embeddings.weight"].dims[1] == (Segment("hidden"),)
    assert shape.embedding_size is None


@pytest.mark.parametrize(("kind", "count"), [("bert", 7), ("electra", 7), ("electra_projected", 6)])
def test_the_norms_of_a_model_are_those_that_emit_the_residual_stream(
    kind: str, count: int, tiny_model: MakeModel
) -> None:
    model = tiny_model(kind)
    norms = [norm for _, norm in family_of(model.config.model_type).norms_of(model)]
    assert len(norms) == count
    assert all(isinstance(norm, nn.LayerNorm) and norm.normalized_shape == (24,) for norm in norms)


def test_an_unknown_architecture_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UnsupportedModelError, match=r"'bloom' has no family description; known are .*bert, .*llama"
    ):
        family_of("bloom")


def test_each_known_architecture_has_a_family() -> None:
    assert all(kind in family_of(kind).model_types for kind in known_model_types())


@pytest.mark.parametrize("path", ["", "bert", "bert.encoder.layer.1.attention"])
def test_a_weight_that_the_family_does_not_know_is_refused_by_name(path: str, tiny_model: MakeModel) -> None:
    model = tiny_model()
    model.get_submodule(path).extra = nn.Linear(24, 24)
    name = f"{path}.extra.weight" if path else "extra.weight"
    with pytest.raises(UnsupportedModelError, match=f"weight '{name}' .* is not described by .*BertFamily"):
        _describe(model)


def test_a_weight_of_another_size_than_the_config_says_is_refused(tiny_model: MakeModel) -> None:
    model = tiny_model()
    model.bert.encoder.layer[0].intermediate.dense = nn.Linear(24, 12)
    with pytest.raises(UnsupportedModelError, match=r"shape \(12, 24\), but its config says \(20, 24\)"):
        _describe(model)


def test_a_weight_tied_to_another_block_is_refused(tiny_model: MakeModel) -> None:
    model = tiny_model()
    first, second = model.bert.encoder.layer[0], model.bert.encoder.layer[1]
    second.intermediate.dense.weight = first.intermediate.dense.weight
    with pytest.raises(UnsupportedModelError, match="share memory but lie on different axes"):
        _describe(model)


def test_a_weight_tied_inside_its_sub_layer_names_the_first(tiny_model: MakeModel) -> None:
    model = tiny_model()
    block = model.bert.encoder.layer[0].attention.self
    block.value.weight = block.key.weight
    shape = _describe(model)
    tied = shape.by_name["bert.encoder.layer.0.attention.self.value.weight"]
    assert tied.tied_to == "bert.encoder.layer.0.attention.self.key.weight"


def test_a_base_model_without_a_head_is_described_too(tiny_model: MakeModel) -> None:
    model = tiny_model().bert
    assert "encoder.layer.0.output.dense.weight" in _describe(model).by_name
