"""T5 and mT5: pre-norm encoder-decoders whose blocks share the first one's relative position biases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from torch import nn

from nas.errors import UnsupportedModelError
from nas.families.family import Block, Family, Weight, equal_layers
from nas.families.stand_ins import PassedBiasedMixer, Skipped
from nas.families.stream import ResidualStream
from search_spaces import LayerShape, LayerUnits
from search_spaces.shape import Tokens
from search_spaces.units import count

_SELF_ATTENTION: Final = tuple(f"layer.0.SelfAttention.{name}" for name in "qkv")


def _attention(path: str, tokens: Tokens, attended: Tokens) -> dict[str, Weight]:
    """Weights of one attention module and the norm before it."""
    return {
        f"{path}.q.weight": Weight(("queries", "hidden"), "attention", tokens),
        f"{path}.k.weight": Weight(("heads", "hidden"), "attention", attended),
        f"{path}.v.weight": Weight(("heads", "hidden"), "attention", attended),
        f"{path}.o.weight": Weight(("hidden", "queries"), "attention", tokens),
        f"{path}.relative_attention_bias.weight": Weight(("fixed", "head_scalars"), "attention"),
        f"{path.rpartition('.')[0]}.layer_norm.weight": Weight(("hidden",), "attention"),
    }


def _ffn(path: str, tokens: Tokens) -> dict[str, Weight]:
    """Weights of a plain or gated feed-forward sub-layer and its norm."""
    dense = f"{path}.DenseReluDense"
    return {
        f"{dense}.wi.weight": Weight(("ffn", "hidden"), "ffn", tokens),
        f"{dense}.wi_0.weight": Weight(("ffn", "hidden"), "ffn", tokens),
        f"{dense}.wi_1.weight": Weight(("ffn", "hidden"), "ffn", tokens),
        f"{dense}.wo.weight": Weight(("hidden", "ffn"), "ffn", tokens),
        f"{path}.layer_norm.weight": Weight(("hidden",), "ffn"),
    }


def _gates(number: int) -> tuple[str, ...]:
    """Modules that read a feed-forward sub-layer's norm, plain or gated."""
    return tuple(f"layer.{number}.DenseReluDense.{name}" for name in ("wi", "wi_0", "wi_1"))


class T5Family(Family):
    """T5 (Flan-T5 is one) and mT5."""

    model_types: ClassVar[tuple[str, ...]] = ("t5", "mt5")
    stream = ResidualStream(
        embeddings=r"(shared|encoder\.embed_tokens|decoder\.embed_tokens)\.weight",
        readers=(
            {"layer.0.layer_norm": _SELF_ATTENTION, "layer.1.layer_norm": _gates(1)},
            {
                "layer.0.layer_norm": _SELF_ATTENTION,
                "layer.1.layer_norm": ("layer.1.EncDecAttention.q",),
                "layer.2.layer_norm": _gates(2),
            },
        ),
        outer_readers={
            "encoder.final_layer_norm": r"decoder\.block\.\d+\.layer\.1\.EncDecAttention\.[kv]\.weight",
            "decoder.final_layer_norm": r"(lm_head|qa_outputs|classification_head\.dense)\.weight",
        },
    )
    limits: ClassVar[Mapping[str, str]] = {
        "heads": "the same in all kept blocks, and the first block of each stack keeps its attention, since "
        "it makes the position biases of all blocks"
    }
    blocks = (
        Block(
            path="encoder.block",
            weights=_attention("layer.0.SelfAttention", "source", "source") | _ffn("layer.1", "source"),
            attention_outputs=("layer.0.SelfAttention.o",),
            ffn_output="layer.1.DenseReluDense.wo",
            norms=("layer.0.layer_norm", "layer.1.layer_norm"),
            removed={"attention": {"layer.0": PassedBiasedMixer}, "ffn": {"layer.1": Skipped}},
            attributes={"layer.0.SelfAttention": {"n_heads": "num_attention_heads"}},
        ),
        Block(
            path="decoder.block",
            weights={
                **_attention("layer.0.SelfAttention", "all", "all"),
                **_attention("layer.1.EncDecAttention", "all", "source"),
                **_ffn("layer.2", "all"),
            },
            attention_outputs=("layer.0.SelfAttention.o", "layer.1.EncDecAttention.o"),
            ffn_output="layer.2.DenseReluDense.wo",
            norms=("layer.0.layer_norm", "layer.1.layer_norm", "layer.2.layer_norm"),
            removed={
                "attention": {"layer.0": PassedBiasedMixer, "layer.1": PassedBiasedMixer},
                "ffn": {"layer.2": Skipped},
            },
            attributes={
                "layer.0.SelfAttention": {"n_heads": "num_attention_heads"},
                # Its position biases are zeros, which the first block makes for so many heads.
                "layer.1.EncDecAttention": {"n_heads": "num_attention_heads"},
            },
        ),
    )
    weights: ClassVar[Mapping[str, Weight]] = {
        r"(shared|encoder\.embed_tokens|decoder\.embed_tokens)\.weight": Weight(("fixed", "hidden")),
        r"(encoder|decoder)\.final_layer_norm\.weight": Weight(("hidden",)),
        r"lm_head\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"classification_head\.dense\.weight": Weight(("hidden", "hidden"), tokens="first"),
        r"classification_head\.dense\.bias": Weight(("hidden",)),
        r"classification_head\.out_proj\.weight": Weight(("fixed", "hidden"), tokens="first"),
        r"classification_head\.out_proj\.bias": Weight(("fixed",)),
        r"qa_outputs\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"qa_outputs\.bias": Weight(("fixed",)),
    }
    norms = ("encoder.final_layer_norm", "decoder.final_layer_norm")
    has_head_dim = True
    is_causal = True

    def check(self, config: Any) -> None:
        """An encoder alone has no decoder to search."""
        if not config.is_encoder_decoder:
            raise UnsupportedModelError(
                f"a {config.model_type} model without its decoder is not covered; "
                "use a class with both stacks, such as ForConditionalGeneration"
            )

    def layer_shapes(self, config: Any) -> tuple[LayerShape, ...]:
        """The same sizes in every block of both stacks."""
        number = config.num_layers + config.num_decoder_layers
        return equal_layers(number, config.num_heads, config.num_heads, config.d_kv, config.d_ff)

    def facts(self, config: Any) -> Mapping[str, Any]:
        """Position biases are made by the first block of a stack, one a head."""
        del config
        return {"has_shared_heads": True}

    def depth(self, config: Any, kept: Sequence[Sequence[int]]) -> Mapping[str, Any]:
        """A stack has a config of its own, in which `num_layers` is its depth.

        `generate` sizes the key-value cache by `decoder_layers`; without it the cache has the depth of the
        encoder, and a deeper decoder fails.
        """
        encoder, decoder = len(kept[0]), len(kept[1])
        return {
            "num_layers": decoder if config.is_decoder else encoder,
            "num_decoder_layers": decoder,
            "decoder_layers": decoder,
        }

    def plain_sizes(self, config: Any, hidden_size: int, units: LayerUnits) -> Mapping[str, Any]:
        """`d_kv` stays."""
        del config
        return {"d_model": hidden_size, "num_heads": units.num_attention_heads, "d_ff": count(units.ffn)}

    def refit(self, model: nn.Module, full_size: int, hidden_size: int) -> None:
        """Keep the full model's scale of logits: the stock class divides them by the root of the new size.

        T5 1.1 and mT5 do not scale.
        """
        whole: Any = model
        if hasattr(whole, "lm_head"):
            if getattr(whole.config, "scale_decoder_outputs", False):
                whole.decoder.final_layer_norm.weight.mul_((hidden_size / full_size) ** 0.5)
            whole.model_dim = hidden_size
