"""The space of a config: what reaches the supernet, and what a supernet is known by."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from nas.config import parse_config
from nas.config.space import SpaceSection
from nas.errors import ConfigError
from search_spaces import KINDS


def _section(**space: Any) -> SpaceSection:
    document = {
        "version": 1,
        "name": "rte",
        "model": {"id": "bert", "task": "sequence-classification"},
        "data": {"validation": "docstrings"},
        "objectives": ["max accuracy"],
        "space": space,
    }
    return parse_config(document).space


def test_every_space_can_be_configured() -> None:
    assert set(get_args(SpaceSection.model_fields["kind"].annotation)) == set(KINDS)


def test_options_are_no_choices_of_a_dimension() -> None:
    section = _section(
        kind="medium", align=8, frozen_layers=[0], rules=["num_hidden_layers >= 2"], hidden_size=[8, 16]
    )
    assert section.choices() == {"hidden_size": (8, 16)}


@pytest.mark.parametrize("align", [64, {"intermediate_size": 64, "hidden_size": 8}])
def test_an_alignment_is_a_number_or_a_number_by_dimension(align: Any) -> None:
    assert _section(align=align).align == align


@pytest.mark.parametrize(
    "wrong", [{"align": 0}, {"ffn_group": 0}, {"frozen_layers": [-1]}, {"rules": [""]}, {"kind": "huge"}]
)
def test_a_setting_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"space.{next(iter(wrong))}"):
        _section(**wrong)


def test_a_supernet_is_known_by_the_same_space_as_before_there_were_options() -> None:
    dimensions = (
        "num_hidden_layers",
        "num_encoder_layers",
        "num_decoder_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "num_key_value_groups",
        "intermediate_size",
        "hidden_size",
    )
    assert _section().identity() == {
        "kind": "uniform",
        "portability": "any",
        **dict.fromkeys(dimensions),
    }


@pytest.mark.parametrize(
    "changed", [{"align": 8}, {"frozen_layers": [0]}, {"rules": ["num_hidden_layers >= 2"]}, {"ffn_group": 8}]
)
def test_an_option_makes_another_space(changed: dict[str, Any]) -> None:
    assert _section(**changed).identity() != _section().identity()
