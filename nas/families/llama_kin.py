"""Decoders that differ from Llama in a few entries: SmolLM3, StarCoder2 and StableLM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from nas.errors import UnsupportedModelError
from nas.families.family import Weight
from nas.families.llama import LLAMA_STREAM, LlamaFamily

#: StarCoder2 and StableLM have layer norms where Llama has norms without bias.
_NORM_BIASES: Final[Mapping[str, Weight]] = {
    "input_layernorm.bias": Weight(("hidden",), "attention"),
    "post_attention_layernorm.bias": Weight(("hidden",), "ffn"),
}
_WEIGHTS: Final[Mapping[str, Weight]] = {**LlamaFamily.weights, r"norm\.bias": Weight(("hidden",))}


class SmolLm3Family(LlamaFamily):
    """SmolLM3: some blocks have no rotary positions."""

    model_types: ClassVar[tuple[str, ...]] = ("smollm3",)

    def depth(self, config: Any, kept: Sequence[Sequence[int]]) -> Mapping[str, Any]:
        """Which of the kept blocks have rotary positions."""
        rotary = [config.no_rope_layers[index] for index in kept[0]]
        return {**super().depth(config, kept), "no_rope_layers": rotary}


class StarCoder2Family(LlamaFamily):
    """StarCoder2: layer norms, and an FFN without a gate."""

    model_types: ClassVar[tuple[str, ...]] = ("starcoder2",)
    stream = replace(
        LLAMA_STREAM,
        readers=({**LLAMA_STREAM.readers[0], "post_attention_layernorm": ("mlp.c_fc",)},),
        has_layer_norms=True,
    )
    blocks = (
        replace(
            LlamaFamily.blocks[0],
            weights={
                **LlamaFamily.blocks[0].weights,
                **_NORM_BIASES,
                "mlp.c_fc.weight": Weight(("ffn", "hidden"), "ffn", "all"),
                "mlp.c_fc.bias": Weight(("ffn",), "ffn"),
                "mlp.c_proj.weight": Weight(("hidden", "ffn"), "ffn", "all"),
                "mlp.c_proj.bias": Weight(("hidden",), "ffn"),
            },
            ffn_output="mlp.c_proj",
        ),
    )
    weights: ClassVar[Mapping[str, Weight]] = _WEIGHTS


class StableLmFamily(LlamaFamily):
    """StableLM with sequential residuals: layer norms, and positions in a part of each head."""

    model_types: ClassVar[tuple[str, ...]] = ("stablelm",)
    stream = replace(LLAMA_STREAM, has_layer_norms=True)
    blocks = (
        replace(
            LlamaFamily.blocks[0],
            weights={**LlamaFamily.blocks[0].weights, **_NORM_BIASES},
            attributes={
                "self_attn": {
                    "num_heads": "num_attention_heads",
                    "num_key_value_heads": "num_key_value_heads",
                    "num_key_value_groups": "num_key_value_groups",
                }
            },
        ),
    )
    weights: ClassVar[Mapping[str, Weight]] = _WEIGHTS
    has_head_dim = False

    def check(self, config: Any) -> None:
        """Parallel residuals lack a norm of the table; norms by head would have to be dropped with it."""
        for name in ("use_parallel_residual", "qk_layernorm"):
            if getattr(config, name, False):
                raise UnsupportedModelError(
                    f"stablelm with {name}: true is not supported; use a model whose config says false"
                )
