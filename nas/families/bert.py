"""BERT and its kin: post-norm encoders with multi-head attention and learned positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from nas.families.family import Family, Weight
from search_spaces import LayerShape, LayerUnits
from search_spaces.shape import Part
from search_spaces.units import count


class BertFamily(Family):
    """BERT (MiniLM is one) and RoBERTa."""

    model_types: ClassVar[tuple[str, ...]] = ("bert", "roberta")
    layers_path = "encoder.layer"
    layer_weights: ClassVar[Mapping[str, Weight]] = {
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
    }
    weights: ClassVar[Mapping[str, Weight]] = {
        r"embeddings\.(word|position|token_type)_embeddings\.weight": Weight(("fixed", "hidden")),
        r"embeddings\.LayerNorm\.(weight|bias)": Weight(("hidden",)),
        r"pooler\.dense\.weight": Weight(("hidden", "hidden"), tokens="first"),
        r"pooler\.dense\.bias": Weight(("hidden",)),
        r"classifier\.dense\.weight": Weight(("hidden", "hidden"), tokens="first"),
        r"classifier\.dense\.bias": Weight(("hidden",)),
        r"classifier(\.out_proj)?\.weight": Weight(("fixed", "hidden"), tokens="first"),
        r"classifier(\.out_proj)?\.bias": Weight(("fixed",)),
    }
    attention_output = "attention.output.dense"
    ffn_output = "output.dense"
    layer_norms = ("attention.output.LayerNorm", "output.LayerNorm")
    norms = ("embeddings.LayerNorm",)

    def layer_shape(self, config: Any, index: int) -> LayerShape:
        """The same sizes in every block."""
        del index
        return LayerShape(
            num_key_value_heads=config.num_attention_heads,
            queries_per_head=1,
            head_dim=config.hidden_size // config.num_attention_heads,
            intermediate_size=config.intermediate_size,
        )

    def removed(self, part: Part) -> Mapping[str, nn.Module]:
        """Stand-ins that take the norm of the sub-layer away as well."""
        if part == "attention":
            return {"attention": PassedAttention()}
        return {"intermediate": nn.Identity(), "output": PassedOutput()}

    def attributes(self, full: LayerShape, units: LayerUnits) -> Mapping[str, Mapping[str, Any]]:
        """Numbers of heads, which the forward infers but exporters read."""
        if units.num_attention_heads == 0:
            return {}
        heads = units.num_attention_heads
        return {"attention.self": {"num_attention_heads": heads, "all_head_size": heads * full.head_dim}}

    def plain_sizes(self, config: Any, hidden_size: int, units: LayerUnits) -> Mapping[str, Any]:
        """`head_dim` is no entry: it follows from the two others."""
        del config
        return {
            "hidden_size": hidden_size,
            "num_attention_heads": units.num_attention_heads,
            "intermediate_size": count(units.ffn),
        }


class ElectraFamily(BertFamily):
    """ELECTRA: embeddings may be narrower than the residual stream, which a projection then widens."""

    model_types: ClassVar[tuple[str, ...]] = ("electra",)

    def embedding_size(self, config: Any) -> int | None:
        """Set where a projection widens the embeddings."""
        return None if config.embedding_size == config.hidden_size else int(config.embedding_size)

    def plain_sizes(self, config: Any, hidden_size: int, units: LayerUnits) -> Mapping[str, Any]:
        """Embeddings without a projection are cut with the residual stream."""
        sizes = super().plain_sizes(config, hidden_size, units)
        return sizes if self.embedding_size(config) is not None else {**sizes, "embedding_size": hidden_size}

    def outside_weights(self, config: Any) -> Mapping[str, Weight]:
        """Narrower embeddings lie off the residual stream and stay as they are."""
        if self.embedding_size(config) is None:
            return self.weights
        return {
            **self.weights,
            r"embeddings\.(word|position|token_type)_embeddings\.weight": Weight(("fixed", "fixed")),
            r"embeddings\.LayerNorm\.(weight|bias)": Weight(("fixed",)),
            r"embeddings_project\.weight": Weight(("hidden", "fixed"), tokens="all"),
            r"embeddings_project\.bias": Weight(("hidden",)),
        }

    def norms_of(self, model: nn.Module) -> list[nn.Module]:
        """The embeddings' norm only where no projection follows it."""
        every = super().norms_of(model)
        return every if self.embedding_size(model.config) is None else every[len(self.norms) :]


class PassedAttention(nn.Module):
    """An attention sub-layer that was removed: its residual branch is the identity."""

    def forward(self, hidden_states: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, None]:
        """Hand on `hidden_states`, `(batch, sequence, hidden_size)`."""
        return hidden_states, None


class PassedOutput(nn.Module):
    """A feed-forward sub-layer that was removed: only the residual goes on."""

    def forward(self, hidden_states: torch.Tensor, input_tensor: torch.Tensor) -> torch.Tensor:
        """Hand on `input_tensor`, `(batch, sequence, hidden_size)`."""
        del hidden_states
        return input_tensor
