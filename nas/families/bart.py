"""BART and mBART: encoder-decoders with learned positions, post-norm and pre-norm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import nn

from nas.errors import UnsupportedModelError
from nas.families.family import Block, Family, Weight, equal_layers
from nas.families.stand_ins import Skipped, Zero, ZeroMixer
from nas.families.stream import EMBEDDING_NORM, POST_NORM
from search_spaces import LayerShape, LayerUnits
from search_spaces.shape import Part, Tokens
from search_spaces.units import count


def _attention(path: str, tokens: Tokens, attended: Tokens) -> dict[str, Weight]:
    """Weights of one attention module and its norm."""
    return {
        f"{path}.q_proj.weight": Weight(("queries", "hidden"), "attention", tokens),
        f"{path}.q_proj.bias": Weight(("queries",), "attention"),
        f"{path}.k_proj.weight": Weight(("heads", "hidden"), "attention", attended),
        f"{path}.k_proj.bias": Weight(("heads",), "attention"),
        f"{path}.v_proj.weight": Weight(("heads", "hidden"), "attention", attended),
        f"{path}.v_proj.bias": Weight(("heads",), "attention"),
        f"{path}.out_proj.weight": Weight(("hidden", "queries"), "attention", tokens),
        f"{path}.out_proj.bias": Weight(("hidden",), "attention"),
        f"{path}_layer_norm.weight": Weight(("hidden",), "attention"),
        f"{path}_layer_norm.bias": Weight(("hidden",), "attention"),
    }


def _ffn(tokens: Tokens) -> dict[str, Weight]:
    return {
        "fc1.weight": Weight(("ffn", "hidden"), "ffn", tokens),
        "fc1.bias": Weight(("ffn",), "ffn"),
        "fc2.weight": Weight(("hidden", "ffn"), "ffn", tokens),
        "fc2.bias": Weight(("hidden",), "ffn"),
        "final_layer_norm.weight": Weight(("hidden",), "ffn"),
        "final_layer_norm.bias": Weight(("hidden",), "ffn"),
    }


def _stack(path: str, attentions: Sequence[str], weights: Mapping[str, Weight]) -> Block:
    """Blocks with these attention modules; the same modules are removed before and after norms."""
    removed: dict[Part, dict[str, type[nn.Module]]] = {
        "attention": {},
        # The activation between both runs on the residual stream, and nothing comes of it.
        "ffn": {"fc1": Skipped, "fc2": Zero, "final_layer_norm": Skipped},
    }
    for name in attentions:
        removed["attention"] |= {name: ZeroMixer, f"{name}_layer_norm": Skipped}
    return Block(
        path=path,
        weights=weights,
        attention_outputs=tuple(f"{name}.out_proj" for name in attentions),
        ffn_output="fc2",
        norms=(*(f"{name}_layer_norm" for name in attentions), "final_layer_norm"),
        removed=removed,
        attributes={name: {"num_heads": "num_attention_heads"} for name in attentions},
    )


class BartFamily(Family):
    """BART: norms after each sub-layer."""

    model_types: ClassVar[tuple[str, ...]] = ("bart",)
    stream = POST_NORM
    blocks = (
        _stack(
            "encoder.layers", ("self_attn",), _attention("self_attn", "source", "source") | _ffn("source")
        ),
        _stack(
            "decoder.layers",
            ("self_attn", "encoder_attn"),
            {
                **_attention("self_attn", "all", "all"),
                **_attention("encoder_attn", "all", "source"),
                **_ffn("all"),
            },
        ),
    )
    weights: ClassVar[Mapping[str, Weight]] = {
        r"(shared|(encoder|decoder)\.embed_(tokens|positions))\.weight": Weight(("fixed", "hidden")),
        r"(encoder|decoder)\.(layernorm_embedding|layer_norm)\.(weight|bias)": Weight(("hidden",)),
        r"lm_head\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"classification_head\.dense\.weight": Weight(("hidden", "hidden"), tokens="first"),
        r"classification_head\.dense\.bias": Weight(("hidden",)),
        r"classification_head\.out_proj\.weight": Weight(("fixed", "hidden"), tokens="first"),
        r"classification_head\.out_proj\.bias": Weight(("fixed",)),
        r"qa_outputs\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"qa_outputs\.bias": Weight(("fixed",)),
    }
    norms: ClassVar[tuple[str, ...]] = ("encoder.layernorm_embedding", "decoder.layernorm_embedding")
    is_causal = True

    def check(self, config: Any) -> None:
        """A decoder alone has nothing to attend to."""
        if not config.is_encoder_decoder:
            raise UnsupportedModelError(
                f"a {config.model_type} model without its encoder is not covered; "
                "use a class with both stacks, such as ForConditionalGeneration"
            )

    def layer_shapes(self, config: Any) -> tuple[LayerShape, ...]:
        """Each stack has sizes of its own."""
        return tuple(
            layer
            for number, heads, ffn in (
                (config.encoder_layers, config.encoder_attention_heads, config.encoder_ffn_dim),
                (config.decoder_layers, config.decoder_attention_heads, config.decoder_ffn_dim),
            )
            for layer in equal_layers(number, heads, heads, config.d_model // heads, ffn)
        )

    def depth(self, config: Any, kept: Sequence[Sequence[int]]) -> Mapping[str, Any]:
        """A depth for each stack."""
        del config
        return {"encoder_layers": len(kept[0]), "decoder_layers": len(kept[1])}

    def plain_sizes(self, config: Any, hidden_size: int, units: LayerUnits) -> Mapping[str, Any]:
        """`head_dim` is no entry: it follows from the two others."""
        del config
        return {
            "d_model": hidden_size,
            "encoder_attention_heads": units.num_attention_heads,
            "decoder_attention_heads": units.num_attention_heads,
            "encoder_ffn_dim": count(units.ffn),
            "decoder_ffn_dim": count(units.ffn),
        }

    def refit(self, model: nn.Module, full_size: int, hidden_size: int) -> None:
        """Fold the full model's embedding scale into the embeddings, where they are scaled.

        The stock class scales by the root of the new `hidden_size`. A tied head multiplies by the embeddings
        too, which the decoder's last norm makes up for.
        """
        whole: Any = model
        if not whole.config.scale_embedding:
            return
        factor = (full_size / hidden_size) ** 0.5
        base = whole.base_model
        embeddings = (base.shared, base.encoder.embed_tokens, base.decoder.embed_tokens)
        for module in embeddings:
            module.embed_scale = hidden_size**0.5
        for weight in {id(module.weight): module.weight for module in embeddings}.values():
            weight.mul_(factor)
        head = whole.get_output_embeddings()
        if head is not None and any(head.weight is module.weight for module in embeddings):
            norm = self.last_norm(base.decoder)
            norm.weight.div_(factor)
            norm.bias.div_(factor)

    def last_norm(self, decoder: Any) -> nn.LayerNorm:
        """The norm whose output is the decoder's."""
        norm: nn.LayerNorm = decoder.layers[-1].final_layer_norm
        return norm


class MBartFamily(BartFamily):
    """mBART: norms before each sub-layer."""

    model_types: ClassVar[tuple[str, ...]] = ("mbart",)
    stream = EMBEDDING_NORM
    norms = ("encoder.layer_norm", "decoder.layer_norm")

    def last_norm(self, decoder: Any) -> nn.LayerNorm:
        """A norm of its own follows the blocks."""
        norm: nn.LayerNorm = decoder.layer_norm
        return norm
