"""What is particular to the families of decoders, beyond what every family must hold."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from nas.errors import UnsupportedModelError
from nas.families import family_of
from nas.supernet import Supernet
from search_spaces import LayerUnits, Segment, SubnetConfig
from search_spaces.portability import obstacle

SIZES = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 40}
TOKENS = torch.arange(5, 17).view(2, 6)
#: Removed attention, unequal blocks and a cut residual stream.
MIXED = SubnetConfig(hidden=19, layers=(LayerUnits(heads=(1,), ffn=7), LayerUnits(heads=2, ffn=0)))


def make_model(model_type: str, **config: Any) -> Any:
    torch.manual_seed(0)
    made = AutoConfig.for_model(model_type, **{**SIZES, **config})
    auto: Any = AutoModelForCausalLM
    return auto.from_config(made, attn_implementation="eager").eval()


def make_phi3() -> Supernet:
    return Supernet.from_model(
        make_model("phi3", num_key_value_heads=2, intermediate_size=20, head_dim=8, pad_token_id=0),
        task="causal-lm",
    )


@pytest.mark.parametrize(
    ("model_type", "entry", "value"),
    [
        ("gpt2", "add_cross_attention", True),
        ("gpt2", "scale_attn_by_inverse_layer_idx", True),
        ("opt", "layer_norm_elementwise_affine", False),
        ("stablelm", "use_parallel_residual", True),
        ("stablelm", "qk_layernorm", True),
    ],
)
def test_a_variant_that_the_table_does_not_fit_is_refused(model_type: str, entry: str, value: bool) -> None:
    model = make_model(model_type, **{entry: value}, **_own_sizes(model_type))
    with pytest.raises(
        UnsupportedModelError, match=f"{model_type} with {entry}: {str(value).lower()} is not"
    ):
        family_of(model_type).describe(model)


@pytest.mark.parametrize("name", ["GPT2", "GPTNeoX", "OPT"])
def test_every_weight_of_a_question_answering_head_is_named(name: str) -> None:
    model_type = {"GPT2": "gpt2", "GPTNeoX": "gpt_neox", "OPT": "opt"}[name]
    config = AutoConfig.for_model(model_type, **SIZES, **_own_sizes(model_type))
    shape = family_of(model_type).describe(getattr(transformers, f"{name}ForQuestionAnswering")(config))
    assert shape.by_name["qa_outputs.weight"].dims == ((Segment("fixed", 2),), (Segment("hidden"),))


def test_projected_embeddings_of_opt_keep_their_width() -> None:
    model = make_model("opt", word_embed_proj_dim=16, **_own_sizes("opt"))
    shape = family_of("opt").describe(model)
    assert shape.embedding_size == 16
    assert shape.by_name["lm_head.weight"].dims[1] == (Segment("fixed", 16),)


def test_norms_of_queries_and_keys_bind_the_heads_of_phi_to_its_width() -> None:
    plain = SubnetConfig(hidden=23, layers=(LayerUnits(heads=2, ffn=5),) * 2)
    obstacles = [
        obstacle(family_of("phi").describe(make_model("phi", qk_layernorm=has_norms)), plain)
        for has_norms in (False, True)
    ]
    assert obstacles[0] is None
    assert "hidden_size must be 2 heads x 6 = 12, not 23" in str(obstacles[1])


@pytest.mark.parametrize("config", [MIXED, SubnetConfig(hidden=20, layers=(LayerUnits(heads=1, ffn=7),) * 2)])
def test_blocks_of_an_extracted_phi3_follow_a_change_of_attention(config: SubnetConfig) -> None:
    small: Any = make_phi3().extract(config)
    expected = small(TOKENS).logits
    small.set_attn_implementation("sdpa")
    used = {module.config._attn_implementation for module in small.modules() if hasattr(module, "config")}
    assert used == {"sdpa"}
    torch.testing.assert_close(small(TOKENS).logits, expected, atol=1e-5, rtol=0)


def test_an_extracted_phi3_can_be_sent_to_another_process() -> None:
    small: Any = make_phi3().extract(MIXED)
    copy = pickle.loads(pickle.dumps(small))
    assert torch.equal(copy(TOKENS).logits, small(TOKENS).logits)


def _own_sizes(model_type: str) -> dict[str, Any]:
    """Small sizes under each architecture's own name."""
    return {
        "gpt2": {"n_inner": 20, "n_positions": 16},
        "gpt_neox": {"intermediate_size": 20},
        "opt": {"ffn_dim": 20, "max_position_embeddings": 16},
        "stablelm": {"intermediate_size": 20, "num_key_value_heads": 2},
    }[model_type]
