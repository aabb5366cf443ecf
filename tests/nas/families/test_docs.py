"""The docs on families do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from transformers import ArceeConfig, ArceeForCausalLM, AutoModelForCausalLM

from nas.families import registry
from nas.families.table import models_table
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig, portability

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def families_of_the_page() -> object:
    """Run the page's code, and forget the family afterwards."""
    before = list(registry._registered)
    page = (DOCS / "adding-a-family.md").read_text(encoding="utf-8")
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], {})
    yield
    registry._registered[:] = before


def test_a_family_added_by_the_page_is_cut_counted_and_loaded_by_the_stock_class(
    families_of_the_page: object, tmp_path: Path
) -> None:
    config = ArceeConfig(
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=3,
        intermediate_size=20,
        vocab_size=40,
    )
    torch.manual_seed(0)
    supernet = Supernet.from_model(ArceeForCausalLM(config).eval())
    tokens = torch.arange(10).view(2, 5)
    before = supernet.model(input_ids=tokens).logits
    supernet.rank("magnitude_l2")
    torch.testing.assert_close(supernet.model(input_ids=tokens).logits, before)
    units = LayerUnits(heads=2, queries=1, ffn=(0, 3, 7))
    chosen = SubnetConfig(hidden=14, layers=(units, None, units)).canonical(supernet.shape)
    assert portability(supernet.shape, chosen) == "plain"
    with supernet.active(chosen) as model:
        expected = model(input_ids=tokens).logits
    small = supernet.extract(chosen)
    assert supernet.cost(chosen).num_parameters == sum(weight.numel() for weight in small.parameters())
    small.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(loaded(input_ids=tokens).logits, expected)


def test_the_table_of_models_is_that_of_the_registry() -> None:
    page = (DOCS / "models.md").read_text(encoding="utf-8")
    assert models_table() in page, "write the output of python -m nas.families.table into docs/models.md"
