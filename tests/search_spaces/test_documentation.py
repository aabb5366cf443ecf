"""docs/search-spaces.md says what the code does."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from search_spaces import KINDS, LayerShape, ModelShape, SpaceLimits, build_space

TEXT = Path(__file__).parents[2].joinpath("docs", "search-spaces.md").read_text(encoding="utf-8")


def _bert(depth: int, head_dim: int) -> ModelShape:
    hidden = 12 * head_dim
    layer = LayerShape(
        num_key_value_heads=12, queries_per_head=1, head_dim=head_dim, intermediate_size=4 * hidden
    )
    return ModelShape(model_type="bert", hidden_size=hidden, layers=(layer,) * depth, tensors=())


def _shown(points: int) -> str:
    return f"{points:,}" if points < 10**6 else f"10^{math.log10(points):.1f}"


@pytest.mark.parametrize("kind", KINDS)
def test_the_sizes_of_spaces_are_those_of_the_table(kind: str) -> None:
    spaces = [build_space(kind, _bert(6, 32)), build_space(kind, _bert(12, 64))]
    cells = [cell for s in spaces for cell in (_shown(s.cardinality), str(len(s.dimensions)))]
    assert f"| `{kind}` | {' | '.join(cells)} |" in TEXT


def test_the_rules_of_the_table_can_be_obeyed() -> None:
    rules = re.findall(r"\| `([^`]*[<>]=[^`]*)` \|", TEXT)
    assert len(rules) == 4
    space = build_space("medium", _bert(6, 32), limits=SpaceLimits(rules=tuple(rules)))
    assert space.middle() in space
