"""BERT and its kin: post-norm encoders with multi-head attention and learned positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn

from nas.families.family import Block, Family, Symbol, Weight
from nas.families.stand_ins import PassedMixer, PassedOutput, Skipped
from nas.families.stream import POST_NORM
from search_spaces import LayerUnits


class BertFamily(Family):
    """BERT (MiniLM is one) and RoBERTa."""

    model_types: ClassVar[tuple[str, ...]] = ("bert", "roberta")
    stream = POST_NORM
    blocks = (
        Block(
            path="encoder.layer",
            weights={
                "attention.self.query.weight": Weight(("queries", "hidden"), "attention", "all"),
                "attention.self.query.bias": Weight(("queries",), "attention"),
                "attention.self.key.weight": Weight(("heads", "hidden"), "attention", "all"),
                "attention.self.key.bias": Weight(("heads",), "attention"),
                "attention.self.value.weight": Weight(("heads", "hidden"), "attention", "all"),
                "attention.self.value.bias": Weight(("heads",), "attention"),
                "attention.output.dense.weight": Weight(("hidden", "queries"), "attention", "all"),
                "attention.output.dense.bias": Weight(("hidden",), "attention"),
                "attention.output.LayerNorm.weight": Weight(("hidden",), "attention"),
                "attention.output.LayerNorm.bias": Weight(("hidden",), "attention"),
                "intermediate.dense.weight": Weight(("ffn", "hidden"), "ffn", "all"),
                "intermediate.dense.bias": Weight(("ffn",), "ffn"),
                "output.dense.weight": Weight(("hidden", "ffn"), "ffn", "all"),
                "output.dense.bias": Weight(("hidden",), "ffn"),
                "output.LayerNorm.weight": Weight(("hidden",), "ffn"),
                "output.LayerNorm.bias": Weight(("hidden",), "ffn"),
            },
            attention_outputs=("attention.output.dense",),
            ffn_output="output.dense",
            norms=("attention.output.LayerNorm", "output.LayerNorm"),
            removed={
                "attention": {"attention": PassedMixer},
                "ffn": {"intermediate": Skipped, "output": PassedOutput},
            },
            attributes={
                # The forward infers them, but exporters read them.
                "attention.self": {
                    "num_attention_heads": "num_attention_heads",
                    "all_head_size": "query_width",
                }
            },
        ),
    )
    weights: ClassVar[Mapping[str, Weight]] = {
        r"embeddings\.(word|position|token_type)_embeddings\.weight": Weight(("fixed", "hidden")),
        r"embeddings\.LayerNorm\.(weight|bias)": Weight(("hidden",)),
        r"pooler\.dense\.weight": Weight(("hidden", "hidden"), tokens="first"),
        r"pooler\.dense\.bias": Weight(("hidden",)),
        r"classifier\.dense\.weight": Weight(("hidden", "hidden"), tokens="first"),
        r"classifier\.dense\.bias": Weight(("hidden",)),
        r"classifier(\.out_proj)?\.weight": Weight(("fixed", "hidden"), tokens="first"),
        r"classifier(\.out_proj)?\.bias": Weight(("fixed",)),
        r"(cls\.predictions\.transform|lm_head)\.dense\.weight": Weight(("hidden", "hidden"), tokens="all"),
        r"(cls\.predictions\.transform|lm_head)\.dense\.bias": Weight(("hidden",)),
        r"cls\.predictions\.transform\.LayerNorm\.(weight|bias)": Weight(("hidden",)),
        r"lm_head\.layer_norm\.(weight|bias)": Weight(("hidden",)),
        r"(cls\.predictions|lm_head)\.decoder\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"(cls\.predictions|lm_head)(\.decoder)?\.bias": Weight(("fixed",)),
    }
    norms = ("embeddings.LayerNorm",)


class ElectraFamily(BertFamily):
    """ELECTRA: embeddings may be narrower than the residual stream, which a projection then widens."""

    model_types: ClassVar[tuple[str, ...]] = ("electra",)

    def facts(self, config: Any) -> Mapping[str, Any]:
        """The width of projected embeddings."""
        return {"embedding_size": int(config.embedding_size)} if _is_projected(config) else {}

    def plain_sizes(self, config: Any, hidden_size: int, units: LayerUnits) -> Mapping[str, Any]:
        """Embeddings without a projection are cut with the residual stream."""
        sizes = super().plain_sizes(config, hidden_size, units)
        return sizes if _is_projected(config) else {**sizes, "embedding_size": hidden_size}

    def outside_weights(self, config: Any) -> Mapping[str, Weight]:
        """Narrower embeddings lie off the residual stream and stay as they are."""
        width: Symbol = "fixed" if _is_projected(config) else "hidden"
        return {
            **self.weights,
            r"embeddings\.(word|position|token_type)_embeddings\.weight": Weight(("fixed", width)),
            r"embeddings\.LayerNorm\.(weight|bias)": Weight((width,)),
            r"embeddings_project\.weight": Weight(("hidden", "fixed"), tokens="all"),
            r"embeddings_project\.bias": Weight(("hidden",)),
            r"generator_predictions\.dense\.weight": Weight((width, "hidden"), tokens="all"),
            r"generator_predictions\.dense\.bias": Weight((width,)),
            r"generator_predictions\.LayerNorm\.(weight|bias)": Weight((width,)),
            r"generator_lm_head\.weight": Weight(("fixed", width), tokens="all"),
            r"generator_lm_head\.bias": Weight(("fixed",)),
        }

    def norms_of(self, model: nn.Module) -> list[tuple[int, nn.Module]]:
        """The embeddings' norm only where no projection follows it."""
        every = super().norms_of(model)
        return every[len(self.norms) :] if _is_projected(model.config) else every


def _is_projected(config: Any) -> bool:
    return bool(config.embedding_size != config.hidden_size)
