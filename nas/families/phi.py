"""Phi and Phi-3: decoders with rotary positions; Phi has one norm for two parallel sub-layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from nas.families.family import Block, Weight
from nas.families.llama import LLAMA_STREAM, LlamaFamily
from nas.families.stand_ins import Skipped, Zero, ZeroMixer
from nas.families.stream import ResidualStream


class PhiFamily(LlamaFamily):
    """Phi-1, Phi-1.5 and Phi-2."""

    model_types: ClassVar[tuple[str, ...]] = ("phi",)
    stream = ResidualStream(
        embeddings=r"embed_tokens\.weight",
        readers=({"input_layernorm": (*(f"self_attn.{name}_proj" for name in "qkv"), "mlp.fc1")},),
        outer_readers={"final_layernorm": r"(lm_head|score)\.weight"},
        has_layer_norms=True,
    )
    blocks = (
        Block(
            path="layers",
            weights={
                # Both sub-layers read it, so it stays until the whole block goes.
                "input_layernorm.weight": Weight(("hidden",)),
                "input_layernorm.bias": Weight(("hidden",)),
                "self_attn.q_proj.weight": Weight(("queries", "hidden"), "attention", "all"),
                "self_attn.q_proj.bias": Weight(("queries",), "attention"),
                "self_attn.k_proj.weight": Weight(("heads", "hidden"), "attention", "all"),
                "self_attn.k_proj.bias": Weight(("heads",), "attention"),
                "self_attn.v_proj.weight": Weight(("heads", "hidden"), "attention", "all"),
                "self_attn.v_proj.bias": Weight(("heads",), "attention"),
                "self_attn.dense.weight": Weight(("hidden", "queries"), "attention", "all"),
                "self_attn.dense.bias": Weight(("hidden",), "attention"),
                "self_attn.q_layernorm.weight": Weight(("fixed",), "attention"),
                "self_attn.q_layernorm.bias": Weight(("fixed",), "attention"),
                "self_attn.k_layernorm.weight": Weight(("fixed",), "attention"),
                "self_attn.k_layernorm.bias": Weight(("fixed",), "attention"),
                "mlp.fc1.weight": Weight(("ffn", "hidden"), "ffn", "all"),
                "mlp.fc1.bias": Weight(("ffn",), "ffn"),
                "mlp.fc2.weight": Weight(("hidden", "ffn"), "ffn", "all"),
                "mlp.fc2.bias": Weight(("hidden",), "ffn"),
            },
            attention_outputs=("self_attn.dense",),
            ffn_output="mlp.fc2",
            norms=("input_layernorm",),
            removed={"attention": {"self_attn": ZeroMixer}, "ffn": {"mlp": Zero}},
            attributes={"self_attn": {"num_key_value_groups": "num_key_value_groups"}},
        ),
    )
    weights: ClassVar[Mapping[str, Weight]] = {
        r"embed_tokens\.weight": Weight(("fixed", "hidden")),
        r"final_layernorm\.(weight|bias)": Weight(("hidden",)),
        r"(lm_head|score)\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"(lm_head|score)\.bias": Weight(("fixed",)),
    }
    norms = ("final_layernorm",)

    def facts(self, config: Any) -> Mapping[str, Any]:
        """Norms of queries and keys are built for `hidden_size // num_attention_heads`."""
        return {"has_head_dim": not config.qk_layernorm}


class Phi3Family(LlamaFamily):
    """Phi-3, Phi-3.5 and Phi-4: Llama with fused projections."""

    model_types: ClassVar[tuple[str, ...]] = ("phi3",)
    stream = replace(
        LLAMA_STREAM,
        readers=(
            {
                "input_layernorm": ("self_attn.qkv_proj",),
                "post_attention_layernorm": ("mlp.gate_up_proj",),
            },
        ),
    )
    blocks = (
        Block(
            path="layers",
            weights={
                "input_layernorm.weight": Weight(("hidden",), "attention"),
                "self_attn.qkv_proj.weight": Weight(
                    (("queries", "heads", "heads"), "hidden"), "attention", "all"
                ),
                "self_attn.o_proj.weight": Weight(("hidden", "queries"), "attention", "all"),
                "post_attention_layernorm.weight": Weight(("hidden",), "ffn"),
                "mlp.gate_up_proj.weight": Weight((("ffn", "ffn"), "hidden"), "ffn", "all"),
                "mlp.down_proj.weight": Weight(("hidden", "ffn"), "ffn", "all"),
            },
            attention_outputs=("self_attn.o_proj",),
            ffn_output="mlp.down_proj",
            norms=("input_layernorm", "post_attention_layernorm"),
            removed={
                "attention": {"input_layernorm": Skipped, "self_attn": ZeroMixer},
                "ffn": {"post_attention_layernorm": Skipped, "mlp": Zero},
            },
            attributes={
                "self_attn": {
                    "num_key_value_groups": "num_key_value_groups",
                    "num_key_value_heads": "num_key_value_heads",
                    # The forward splits the fused projection by the config's number of heads.
                    "config": {"num_attention_heads": "num_attention_heads"},
                }
            },
        ),
    )

    def facts(self, config: Any) -> Mapping[str, Any]:
        """The stock config checks long-context factors against `hidden_size // num_attention_heads`."""
        rotary = config.rope_parameters or {}
        has_factors = rotary.get("short_factor") is not None or rotary.get("long_factor") is not None
        return {"has_head_dim": not has_factors}
