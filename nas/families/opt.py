"""OPT: decoders with learned positions, pre-norm or post-norm, and embeddings that may be projected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn

from nas.errors import UnsupportedModelError
from nas.families.family import Block, Family, Symbol, Weight
from nas.families.stand_ins import Skipped, Zero, ZeroMixer
from nas.families.stream import ResidualStream
from search_spaces import LayerUnits


class OptFamily(Family):
    """OPT; its 350M model alone is post-norm, and projects narrower embeddings."""

    model_types: ClassVar[tuple[str, ...]] = ("opt",)
    stream = ResidualStream(
        embeddings=r"decoder\.(embed_tokens|embed_positions|project_in)\.weight",
        readers=(
            {
                "self_attn_layer_norm": tuple(f"self_attn.{name}_proj" for name in "qkv"),
                "final_layer_norm": ("fc1",),
            },
        ),
        outer_readers={
            "decoder.final_layer_norm": r"(decoder\.project_out|lm_head|score|qa_outputs)\.weight"
        },
        has_layer_norms=True,
    )
    blocks = (
        Block(
            path="decoder.layers",
            weights={
                "self_attn.q_proj.weight": Weight(("queries", "hidden"), "attention", "all"),
                "self_attn.q_proj.bias": Weight(("queries",), "attention"),
                "self_attn.k_proj.weight": Weight(("heads", "hidden"), "attention", "all"),
                "self_attn.k_proj.bias": Weight(("heads",), "attention"),
                "self_attn.v_proj.weight": Weight(("heads", "hidden"), "attention", "all"),
                "self_attn.v_proj.bias": Weight(("heads",), "attention"),
                "self_attn.out_proj.weight": Weight(("hidden", "queries"), "attention", "all"),
                "self_attn.out_proj.bias": Weight(("hidden",), "attention"),
                "self_attn_layer_norm.weight": Weight(("hidden",), "attention"),
                "self_attn_layer_norm.bias": Weight(("hidden",), "attention"),
                "fc1.weight": Weight(("ffn", "hidden"), "ffn", "all"),
                "fc1.bias": Weight(("ffn",), "ffn"),
                "fc2.weight": Weight(("hidden", "ffn"), "ffn", "all"),
                "fc2.bias": Weight(("hidden",), "ffn"),
                "final_layer_norm.weight": Weight(("hidden",), "ffn"),
                "final_layer_norm.bias": Weight(("hidden",), "ffn"),
            },
            attention_outputs=("self_attn.out_proj",),
            ffn_output="fc2",
            norms=("self_attn_layer_norm", "final_layer_norm"),
            # Right for both orders of norm and residual: the norm is skipped wherever it stands.
            removed={
                "attention": {"self_attn_layer_norm": Skipped, "self_attn": ZeroMixer},
                "ffn": {"final_layer_norm": Skipped, "fc1": Skipped, "fc2": Zero},
            },
            attributes={"self_attn": {"num_heads": "num_attention_heads"}},
        ),
    )
    weights: ClassVar[Mapping[str, Weight]] = {
        r"decoder\.embed_positions\.weight": Weight(("fixed", "hidden")),
        r"decoder\.project_in\.weight": Weight(("hidden", "fixed"), tokens="all"),
        r"decoder\.project_out\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"decoder\.final_layer_norm\.(weight|bias)": Weight(("hidden",)),
        r"qa_outputs\.bias": Weight(("fixed",)),
    }
    norms = ("decoder.final_layer_norm",)
    is_causal = True
    ffn_entry = "ffn_dim"

    def check(self, config: Any) -> None:
        """A norm without weights would not be told its new width."""
        if not config.layer_norm_elementwise_affine:
            raise UnsupportedModelError(
                "opt with layer_norm_elementwise_affine: false is not supported; use a model whose norms "
                "have weights"
            )

    def facts(self, config: Any) -> Mapping[str, Any]:
        """The width of projected embeddings."""
        return {"embedding_size": int(config.word_embed_proj_dim)} if _is_projected(config) else {}

    def outside_weights(self, config: Any) -> Mapping[str, Weight]:
        """Projected embeddings, and the heads over them, lie off the residual stream and stay as they are."""
        width: Symbol = "fixed" if _is_projected(config) else "hidden"
        return {
            **self.weights,
            r"decoder\.embed_tokens\.weight": Weight(("fixed", width)),
            r"(lm_head|score|qa_outputs)\.weight": Weight(("fixed", width), tokens="all"),
        }

    def norms_of(self, model: nn.Module) -> list[tuple[int, nn.Module]]:
        """A post-norm model has no norm after its last block."""
        has_last = any(
            name.endswith("decoder.final_layer_norm.weight") for name, _ in model.named_parameters()
        )
        if has_last:
            return super().norms_of(model)
        blocks = self.layers_of(model)
        return [(0, block.get_submodule(path)) for block in blocks for path in self.blocks[0].norms]

    def plain_sizes(self, config: Any, hidden_size: int, units: LayerUnits) -> Mapping[str, Any]:
        """Embeddings without a projection are cut with the residual stream."""
        sizes = super().plain_sizes(config, hidden_size, units)
        return sizes if _is_projected(config) else {**sizes, "word_embed_proj_dim": hidden_size}


def _is_projected(config: Any) -> bool:
    return bool(config.word_embed_proj_dim != config.hidden_size)
