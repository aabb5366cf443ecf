"""Llama and its kin: pre-norm decoders with rotary positions, grouped-query attention and gated FFNs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from nas.families.family import Block, Family, Weight
from nas.families.stand_ins import Skipped, Zero, ZeroMixer
from nas.families.stream import ResidualStream

LLAMA_STREAM: Final = ResidualStream(
    embeddings=r"embed_tokens\.weight",
    readers=(
        {
            "input_layernorm": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
            "post_attention_layernorm": ("mlp.gate_proj", "mlp.up_proj"),
        },
    ),
    outer_readers={"norm": r"(lm_head|score)\.weight"},
)


class LlamaFamily(Family):
    """Llama (SmolLM2 is one), Mistral, Qwen2, Qwen3 and Granite."""

    model_types: ClassVar[tuple[str, ...]] = ("llama", "mistral", "qwen2", "qwen3", "granite")
    blocks: ClassVar[tuple[Block, ...]] = (
        Block(
            path="layers",
            weights={
                "input_layernorm.weight": Weight(("hidden",), "attention"),
                "self_attn.q_proj.weight": Weight(("queries", "hidden"), "attention", "all"),
                "self_attn.q_proj.bias": Weight(("queries",), "attention"),
                "self_attn.k_proj.weight": Weight(("heads", "hidden"), "attention", "all"),
                "self_attn.k_proj.bias": Weight(("heads",), "attention"),
                "self_attn.v_proj.weight": Weight(("heads", "hidden"), "attention", "all"),
                "self_attn.v_proj.bias": Weight(("heads",), "attention"),
                "self_attn.o_proj.weight": Weight(("hidden", "queries"), "attention", "all"),
                "self_attn.o_proj.bias": Weight(("hidden",), "attention"),
                "self_attn.q_norm.weight": Weight(("fixed",), "attention"),
                "self_attn.k_norm.weight": Weight(("fixed",), "attention"),
                "post_attention_layernorm.weight": Weight(("hidden",), "ffn"),
                "mlp.gate_proj.weight": Weight(("ffn", "hidden"), "ffn", "all"),
                "mlp.gate_proj.bias": Weight(("ffn",), "ffn"),
                "mlp.up_proj.weight": Weight(("ffn", "hidden"), "ffn", "all"),
                "mlp.up_proj.bias": Weight(("ffn",), "ffn"),
                "mlp.down_proj.weight": Weight(("hidden", "ffn"), "ffn", "all"),
                "mlp.down_proj.bias": Weight(("hidden",), "ffn"),
            },
            attention_outputs=("self_attn.o_proj",),
            ffn_output="mlp.down_proj",
            norms=("input_layernorm", "post_attention_layernorm"),
            removed={
                "attention": {"input_layernorm": Skipped, "self_attn": ZeroMixer},
                "ffn": {"post_attention_layernorm": Skipped, "mlp": Zero},
            },
            attributes={"self_attn": {"num_key_value_groups": "num_key_value_groups"}},
        ),
    )
    weights: ClassVar[Mapping[str, Weight]] = {
        r"embed_tokens\.weight": Weight(("fixed", "hidden")),
        r"norm\.weight": Weight(("hidden",)),
        r"lm_head\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"score\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"score\.bias": Weight(("fixed",)),
    }
    norms = ("norm",)
    stream: ClassVar[ResidualStream | str] = LLAMA_STREAM
    has_head_dim = True
    is_causal = True

    def facts(self, config: Any) -> Mapping[str, Any]:
        """Llama's own config has a rule that its kin lack."""
        return {"heads_divide_hidden": config.model_type == "llama"}
