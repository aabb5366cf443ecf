"""Gemma, generations 1 to 3: decoders whose embeddings are scaled by the root of the hidden size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from torch import nn

from nas.families.family import Weight, base_prefix
from nas.families.llama import LLAMA_STREAM, LlamaFamily
from nas.families.stand_ins import Skipped, Zero, ZeroMixer
from nas.families.stream import ResidualStream

_LLAMA: Final = LlamaFamily.blocks[0]


class GemmaFamily(LlamaFamily):
    """Gemma 1: Llama's blocks, norms that multiply by `1 + weight`."""

    model_types: ClassVar[tuple[str, ...]] = ("gemma",)
    stream: ClassVar[ResidualStream | str] = replace(LLAMA_STREAM, norm_offset=1.0)

    def facts(self, config: Any) -> Mapping[str, Any]:
        """Its config has no rule that binds heads and hidden size."""
        del config
        return {}

    def refit(self, model: nn.Module, full_size: int, hidden_size: int) -> None:
        """Fold the full model's embedding scale into the embeddings.

        The stock class scales by the root of the new `hidden_size`. A tied head multiplies by the embeddings
        too, which the final norm makes up for.
        """
        whole: Any = model
        factor = (full_size / hidden_size) ** 0.5
        embeddings = whole.get_input_embeddings()
        embeddings.weight.mul_(factor)
        embeddings.scalar_embed_scale = hidden_size**0.5
        embeddings.embed_scale.fill_(hidden_size**0.5)
        head = whole.get_output_embeddings()
        if head is not None and head.weight is embeddings.weight:
            norm: Any = model.get_submodule(f"{base_prefix(model)}norm")
            norm.weight.add_(1.0).div_(factor).sub_(1.0)


class Gemma2Family(GemmaFamily):
    """Gemma 2 and the text part of Gemma 3: each sub-layer has a norm before and one after it."""

    model_types: ClassVar[tuple[str, ...]] = ("gemma2", "gemma3_text")
    stream = (
        "each of its sub-layers ends in a norm, whose weights scale single channels of what the residual "
        "stream gets, so that no rotation goes through them"
    )
    blocks = (
        replace(
            _LLAMA,
            weights={
                **_LLAMA.weights,
                "post_attention_layernorm.weight": Weight(("hidden",), "attention"),
                "pre_feedforward_layernorm.weight": Weight(("hidden",), "ffn"),
                "post_feedforward_layernorm.weight": Weight(("hidden",), "ffn"),
            },
            norms=("input_layernorm", "pre_feedforward_layernorm"),
            removed={
                "attention": {
                    "input_layernorm": Skipped,
                    "self_attn": ZeroMixer,
                    "post_attention_layernorm": Skipped,
                },
                "ffn": {
                    "pre_feedforward_layernorm": Skipped,
                    "mlp": Zero,
                    "post_feedforward_layernorm": Skipped,
                },
            },
        ),
    )

    def facts(self, config: Any) -> Mapping[str, Any]:
        """The stock config refuses heads that do not divide the hidden size, though it states `head_dim`."""
        del config
        return {"heads_divide_hidden": True}
