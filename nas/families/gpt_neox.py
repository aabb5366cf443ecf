"""GPT-NeoX (Pythia is one): rotary positions, projections fused head by head, parallel residuals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from nas.families.family import Block, Family, Weight
from nas.families.stand_ins import Skipped, Zero, ZeroMixer
from nas.families.stream import ResidualStream


class GptNeoxFamily(Family):
    """GPT-NeoX with parallel or sequential residuals; each sub-layer has a norm of its own in both."""

    model_types: ClassVar[tuple[str, ...]] = ("gpt_neox",)
    stream = ResidualStream(
        embeddings=r"embed_in\.weight",
        readers=(
            {
                "input_layernorm": ("attention.query_key_value",),
                "post_attention_layernorm": ("mlp.dense_h_to_4h",),
            },
        ),
        outer_readers={"final_layer_norm": r"(lm_head|score|classifier|qa_outputs)\.weight"},
        has_layer_norms=True,
    )
    blocks = (
        Block(
            path="layers",
            weights={
                "input_layernorm.weight": Weight(("hidden",), "attention"),
                "input_layernorm.bias": Weight(("hidden",), "attention"),
                "attention.query_key_value.weight": Weight(("qkv", "hidden"), "attention", "all"),
                "attention.query_key_value.bias": Weight(("qkv",), "attention"),
                "attention.dense.weight": Weight(("hidden", "queries"), "attention", "all"),
                "attention.dense.bias": Weight(("hidden",), "attention"),
                "post_attention_layernorm.weight": Weight(("hidden",), "ffn"),
                "post_attention_layernorm.bias": Weight(("hidden",), "ffn"),
                "mlp.dense_h_to_4h.weight": Weight(("ffn", "hidden"), "ffn", "all"),
                "mlp.dense_h_to_4h.bias": Weight(("ffn",), "ffn"),
                "mlp.dense_4h_to_h.weight": Weight(("hidden", "ffn"), "ffn", "all"),
                "mlp.dense_4h_to_h.bias": Weight(("hidden",), "ffn"),
            },
            attention_outputs=("attention.dense",),
            ffn_output="mlp.dense_4h_to_h",
            norms=("input_layernorm", "post_attention_layernorm"),
            removed={
                "attention": {"input_layernorm": Skipped, "attention": ZeroMixer},
                "ffn": {"post_attention_layernorm": Skipped, "mlp": Zero},
            },
        ),
    )
    weights: ClassVar[Mapping[str, Weight]] = {
        r"embed_in\.weight": Weight(("fixed", "hidden")),
        r"final_layer_norm\.(weight|bias)": Weight(("hidden",)),
        r"lm_head\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"(score|classifier|qa_outputs)\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"(classifier|qa_outputs)\.bias": Weight(("fixed",)),
    }
    norms = ("final_layer_norm",)
    is_causal = True
