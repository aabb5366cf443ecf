"""What only vision transformers have: patches, special tokens, stages and ratios."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import (
    DeiTConfig,
    DeiTForImageClassification,
    Dinov2Config,
    Dinov2ForImageClassification,
    ViTConfig,
    ViTModel,
)

from nas.errors import UnsupportedModelError
from nas.families import family_of
from search_spaces import LayerUnits, ModelShape, Segment

SIZES: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "image_size": [12, 8],
    "patch_size": [4, 2],
    "num_channels": 2,
}


def _describe(model: Any) -> ModelShape:
    return family_of(model.config.model_type).describe(model)


def _dinov2(**changes: Any) -> Dinov2Config:
    return Dinov2Config(**{**SIZES, "mlp_ratio": 2, **changes})


def test_the_patches_of_an_image_that_is_no_square_are_counted_by_both_sides() -> None:
    shape = _describe(ViTModel(ViTConfig(**SIZES, intermediate_size=20)))
    assert (shape.num_patches, shape.sequence_length) == (12, 13)


def test_an_image_of_deit_has_a_distillation_token_more() -> None:
    shape = _describe(DeiTForImageClassification(DeiTConfig(**SIZES, intermediate_size=20)))
    assert (shape.num_patches, shape.sequence_length) == (12, 14)


@pytest.mark.parametrize(
    ("output", "segment"), [(None, Segment("hidden")), (24, Segment("hidden")), (10, Segment("fixed", 10))]
)
def test_a_pooler_of_another_width_than_the_residual_stream_keeps_it(
    output: int | None, segment: Segment
) -> None:
    model = ViTModel(ViTConfig(**SIZES, intermediate_size=20, pooler_output_size=output))
    assert _describe(model).by_name["pooler.dense.weight"].dims == ((segment,), (Segment("hidden"),))


def test_the_classifier_of_dinov2_reads_the_residual_stream_twice() -> None:
    shape = _describe(Dinov2ForImageClassification(_dinov2()))
    assert shape.by_name["classifier.weight"].dims[1] == (Segment("hidden"), Segment("hidden"))


@pytest.mark.parametrize(
    ("is_gated", "hidden", "width", "ratio"),
    [(False, 24, 48, 2), (False, 20, 20, 1), (False, 20, 21, 2), (True, 24, 32, 2), (True, 20, 17, 2)],
)
def test_the_ratio_of_dinov2_is_the_smallest_whole_one_that_holds_the_neurons(
    is_gated: bool, hidden: int, width: int, ratio: int
) -> None:
    units = LayerUnits(heads=2, ffn=width)
    sizes = family_of("dinov2").plain_sizes(_dinov2(use_swiglu_ffn=is_gated), hidden, units)
    assert sizes["mlp_ratio"] == ratio


@pytest.mark.parametrize(
    ("stage", "kept", "expected"),
    [("stage3", [0, 2], "stage2"), ("stage2", [0, 2], "stage1"), ("stem", [0, 2], "stem")],
)
def test_the_stage_that_dinov2_gives_out_comes_after_the_kept_blocks_before_it(
    stage: str, kept: list[int], expected: str
) -> None:
    entries = family_of("dinov2").depth(_dinov2(out_features=[stage]), [kept])
    assert entries["_out_features"] == [expected]
    assert entries["stage_names"][entries["_out_indices"][0]] == expected


def test_a_dinov2_that_gives_out_several_stages_is_refused() -> None:
    config = _dinov2(out_features=["stage1", "stage3"])
    with pytest.raises(UnsupportedModelError, match=r"out_features \['stage1', 'stage3'\]"):
        family_of("dinov2").check(config)
