from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from nas.errors import UnsupportedModelError
from nas.export.custom_config import custom_config, full_config
from nas.export.modelling import modelling_source
from nas.export.reference import reference_of
from nas.supernet import Supernet
from search_spaces import LayerUnits, SubnetConfig

TASK = "sequence-classification"
SIZES = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 12,
    "max_position_embeddings": 24,
}
FULL = {
    "bert": lambda: BertForSequenceClassification(BertConfig(**SIZES)),
    "roberta": lambda: RobertaForSequenceClassification(RobertaConfig(**SIZES)),
    "electra": lambda: ElectraForSequenceClassification(ElectraConfig(**SIZES, embedding_size=16)),
    # As wide as the residual stream of some sub-networks, where the stock class would not project.
    "electra with a projection": lambda: ElectraForSequenceClassification(
        ElectraConfig(**SIZES, embedding_size=8)
    ),
}


class OwnBert(BertForSequenceClassification):
    """A class that no other computer has."""


def units_up_to(full: int, *, least: int = 0):
    subsets = st.sets(st.integers(0, full - 1), min_size=least).map(lambda kept: tuple(sorted(kept)))
    return st.one_of(st.integers(least, full), subsets)


CONFIGS = st.builds(
    SubnetConfig,
    hidden=st.one_of(st.just(8), units_up_to(16, least=1)),
    layers=st.tuples(
        *[st.one_of(st.none(), st.builds(LayerUnits, heads=units_up_to(4), ffn=units_up_to(12)))] * 3
    ),
)


@pytest.fixture(scope="module", params=FULL)
def family(request) -> tuple[Supernet, ModuleType]:
    torch.manual_seed(0)
    model = FULL[request.param]()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    module = ModuleType(f"modeling_subnet_{model.config.model_type}")
    sys.modules[module.__name__] = module
    supernet = Supernet.from_model(model)
    exec(modelling_source(supernet.model, supernet.shape, supernet.family), module.__dict__)
    yield supernet, module
    del sys.modules[module.__name__]


def entries_of(supernet: Supernet, config: SubnetConfig) -> dict:
    return custom_config(supernet.model, supernet.shape, supernet.family, config, TASK)


def rebuilt(supernet: Supernet, module: ModuleType, config: SubnetConfig):
    """The model that the modelling file makes of the exported config and weights."""
    small, record = supernet.extract(config), entries_of(supernet, config)
    prefix = record["architectures"][0]
    own_config = getattr(module, prefix.replace("ForSequenceClassification", "Config"))(**record)
    model = getattr(module, prefix)(own_config)
    model.load_state_dict(small.state_dict(), strict=True)
    return model.eval()


@settings(max_examples=15, deadline=None)
@given(config=CONFIGS)
def test_the_modelling_file_computes_any_sub_network_as_the_active_supernet_does(family, config):
    supernet, module = family
    config = config.canonical(supernet.shape)
    model = rebuilt(supernet, module, config)
    for answer in reference_of(supernet, config, None).answers:
        with torch.inference_mode():
            logits = model(**answer.inputs).logits
        torch.testing.assert_close(logits, answer.output, rtol=0, atol=answer.tolerance())


@settings(max_examples=15, deadline=None)
@given(config=CONFIGS)
def test_the_modelling_file_makes_as_many_parameters_as_the_cost_model_counts(family, config):
    supernet, module = family
    config = config.canonical(supernet.shape)
    model = rebuilt(supernet, module, config)
    assert sum(p.numel() for p in model.parameters()) == supernet.cost(config).num_parameters


def test_a_removed_sub_layer_is_skipped_in_transformers_own_schema(family):
    supernet, module = family
    config = SubnetConfig(
        hidden=16,
        layers=(LayerUnits(heads=4, ffn=8), LayerUnits(heads=0, ffn=8), LayerUnits(heads=2, ffn=0)),
    )
    sizes = rebuilt(supernet, module, config).config.per_layer_config
    assert [(s.num_attention_heads, s.intermediate_size, s.skip) for s in sizes] == [
        (4, 8, []),
        (0, 8, ["attention"]),
        (2, 0, ["ffn"]),
    ]


def test_sizes_that_all_blocks_share_stand_in_config_json_once(family):
    supernet, _ = family
    config = SubnetConfig(hidden=12, layers=(LayerUnits(heads=2, ffn=8), None, LayerUnits(heads=2, ffn=8)))
    record = entries_of(supernet, config)
    assert "per_layer_config" not in record
    assert (record["num_hidden_layers"], record["num_attention_heads"], record["hidden_size"]) == (2, 2, 12)
    assert [block["head_dim"] for block in record["subnet"]["stacks"][0]] == [4, 4]


def test_hidden_states_has_one_entry_for_each_kept_block_and_the_embeddings(family):
    supernet, module = family
    config = SubnetConfig(hidden=16, layers=(None, LayerUnits(heads=0, ffn=3), LayerUnits(heads=1, ffn=0)))
    inputs = reference_of(supernet, config, None).answers[0].inputs
    outputs = rebuilt(supernet, module, config)(**inputs, output_hidden_states=True)
    assert len(outputs.hidden_states) == 3


def test_training_reaches_every_weight_of_a_rebuilt_sub_network(family):
    supernet, module = family
    config = SubnetConfig(
        hidden=12, layers=(LayerUnits(heads=3, ffn=5), LayerUnits(heads=1, ffn=0), LayerUnits(heads=0, ffn=7))
    )
    model = rebuilt(supernet, module, config)
    labels = torch.tensor([0, 1, 0, 1])
    model(**reference_of(supernet, config, None).answers[0].inputs, labels=labels).loss.backward()
    pooler = "pooler"  # BERT's alone, and its head uses it
    without = [name for name, p in model.named_parameters() if p.grad is None and pooler not in name]
    assert without == []


def test_a_class_that_only_this_computer_has_is_refused():
    supernet = Supernet.from_model(OwnBert(BertConfig(**SIZES)))
    with pytest.raises(UnsupportedModelError, match="only classes of transformers are found"):
        modelling_source(supernet.model, supernet.shape, supernet.family)


@pytest.mark.parametrize(
    "entries",
    [
        {},
        {"architectures": ["SubnetPopen"], "model_type": "subnet_bert", "subnet": {"full": {}}},
        {"architectures": ["SubnetBertModel"], "model_type": "subnet_unknown", "subnet": {"full": {}}},
        {"architectures": ["SubnetBertModel"], "model_type": "subnet_bert", "subnet": []},
    ],
)
def test_a_config_that_describes_no_stock_model_is_refused(entries):
    with pytest.raises(UnsupportedModelError):
        full_config(entries)
