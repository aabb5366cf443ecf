"""Spaces as a study stores them."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from typing import Any

import pytest

from search_spaces import ModelShape, SpaceError, SpaceLimits, StagedSpace, build_space, restore_space

ORDER = (5, 3, 1, 0, 2, 4)
SPACES: list[tuple[str, dict[str, Any]]] = [
    ("uniform", {"layer_order": ORDER}),
    ("uniform", {"portability": "plain"}),
    (
        "uniform",
        {"choices": {"intermediate_size": [5, 96]}, "limits": SpaceLimits(align={"hidden_size": 16})},
    ),
    ("joint", {"choices": {"ffn_ratio_percent": [70, 200]}, "limits": SpaceLimits(align=12)}),
    ("joint", {"portability": "plain", "layer_order": ORDER}),
    ("medium", {"choices": {"num_attention_heads": [0, 3]}, "limits": SpaceLimits(frozen_layers=(5,))}),
    ("medium", {"choices": {"num_attention_heads": [12], "intermediate_size": [96]}, "portability": "plain"}),
    ("medium", {"limits": SpaceLimits(align=7, rules=("layers.0.num_attention_heads >= 4",))}),
    ("staged", {"layer_order": ORDER, "choices": {"num_hidden_layers": [2, 6], "hidden_size": [24]}}),
    ("staged", {"limits": SpaceLimits(rules=("num_hidden_layers >= 2",), frozen_layers=(1,))}),
    ("layer", {"limits": SpaceLimits(frozen_layers=(2, 3))}),
    ("layer", {"portability": "plain"}),
    ("sublayer", {"limits": SpaceLimits(rules=("num_hidden_layers >= 3",))}),
    ("large", {"ffn_group": 24}),
    ("large", {"limits": SpaceLimits(align=32, frozen_layers=(0,))}),
]


@pytest.mark.parametrize(("kind", "options"), SPACES)
def test_a_space_is_restored_from_its_json(
    kind: str, options: dict[str, Any], bert_shape: ModelShape
) -> None:
    space = build_space(kind, bert_shape, **options)
    again = restore_space(json.loads(json.dumps(space.to_json())), bert_shape)
    assert type(again) is type(space)
    assert (again.sha256, again.dimensions, again.limits) == (space.sha256, space.dimensions, space.limits)
    assert again.smallest() == space.smallest()


def test_the_first_stage_is_restored_with_a_staged_space(bert_shape: ModelShape) -> None:
    space = StagedSpace(bert_shape, layer_order=ORDER, choices={"num_hidden_layers": [2, 6]})
    again = restore_space(space.to_json(), bert_shape)
    assert isinstance(again, StagedSpace)
    assert again.uniform.sha256 == space.uniform.sha256
    assert again.uniform.smallest().kept_layers == (3, 5)


def test_blocks_of_unequal_sizes_are_restored(bert_shape: ModelShape) -> None:
    first = replace(bert_shape.layers[0], intermediate_size=40)
    shape = replace(bert_shape, layers=(first, *bert_shape.layers[1:]))
    space = build_space("medium", shape)
    assert restore_space(space.to_json(), shape).sha256 == space.sha256


def test_a_space_of_another_model_is_refused(bert_shape: ModelShape, gqa_shape: ModelShape) -> None:
    with pytest.raises(SpaceError, match="does not fit this llama model; open the study with the supernet"):
        restore_space(build_space("medium", bert_shape).to_json(), gqa_shape)


def test_a_space_without_limits_is_stored_as_it_was_before_there_were_limits(bert_shape: ModelShape) -> None:
    assert set(build_space("medium", bert_shape).to_json()) == {"kind", "dimensions", "portability"}


def test_a_space_with_rules_survives_pickling(bert_shape: ModelShape) -> None:
    space = build_space("medium", bert_shape, limits=SpaceLimits(rules=("num_hidden_layers <= 2",)))
    again = pickle.loads(pickle.dumps(space))
    assert again.sha256 == space.sha256
    assert again.largest() == space.largest()
