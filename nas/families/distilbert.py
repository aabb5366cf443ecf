"""DistilBERT: BERT without token types and pooler, under names of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from nas.families.family import Block, Family, Weight
from nas.families.stand_ins import Skipped, Zero, ZeroMixer
from nas.families.stream import POST_NORM


class DistilBertFamily(Family):
    """DistilBERT, with learned or sinusoidal positions."""

    model_types: ClassVar[tuple[str, ...]] = ("distilbert",)
    stream = POST_NORM
    blocks = (
        Block(
            path="transformer.layer",
            weights={
                "attention.q_lin.weight": Weight(("queries", "hidden"), "attention", "all"),
                "attention.q_lin.bias": Weight(("queries",), "attention"),
                "attention.k_lin.weight": Weight(("heads", "hidden"), "attention", "all"),
                "attention.k_lin.bias": Weight(("heads",), "attention"),
                "attention.v_lin.weight": Weight(("heads", "hidden"), "attention", "all"),
                "attention.v_lin.bias": Weight(("heads",), "attention"),
                "attention.out_lin.weight": Weight(("hidden", "queries"), "attention", "all"),
                "attention.out_lin.bias": Weight(("hidden",), "attention"),
                "sa_layer_norm.weight": Weight(("hidden",), "attention"),
                "sa_layer_norm.bias": Weight(("hidden",), "attention"),
                "ffn.lin1.weight": Weight(("ffn", "hidden"), "ffn", "all"),
                "ffn.lin1.bias": Weight(("ffn",), "ffn"),
                "ffn.lin2.weight": Weight(("hidden", "ffn"), "ffn", "all"),
                "ffn.lin2.bias": Weight(("hidden",), "ffn"),
                "output_layer_norm.weight": Weight(("hidden",), "ffn"),
                "output_layer_norm.bias": Weight(("hidden",), "ffn"),
            },
            attention_outputs=("attention.out_lin",),
            ffn_output="ffn.lin2",
            norms=("sa_layer_norm", "output_layer_norm"),
            # The block adds the residual itself: zero and no norm leave it as it was.
            removed={
                "attention": {"attention": ZeroMixer, "sa_layer_norm": Skipped},
                "ffn": {"ffn": Zero, "output_layer_norm": Skipped},
            },
            # The forward infers them, but exporters read them.
            attributes={"attention": {"n_heads": "num_attention_heads", "dim": "query_width"}},
        ),
    )
    weights: ClassVar[Mapping[str, Weight]] = {
        r"embeddings\.(word|position)_embeddings\.weight": Weight(("fixed", "hidden")),
        r"embeddings\.LayerNorm\.(weight|bias)": Weight(("hidden",)),
        r"pre_classifier\.weight": Weight(("hidden", "hidden"), tokens="first"),
        r"pre_classifier\.bias": Weight(("hidden",)),
        r"classifier\.weight": Weight(("fixed", "hidden"), tokens="first"),
        r"classifier\.bias": Weight(("fixed",)),
        r"qa_outputs\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"qa_outputs\.bias": Weight(("fixed",)),
        r"vocab_transform\.weight": Weight(("hidden", "hidden"), tokens="all"),
        r"vocab_transform\.bias": Weight(("hidden",)),
        r"vocab_layer_norm\.(weight|bias)": Weight(("hidden",)),
        r"vocab_projector\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"vocab_projector\.bias": Weight(("fixed",)),
    }
    norms = ("embeddings.LayerNorm",)
    ffn_entry = "hidden_dim"

    def depth(self, config: Any, kept: Sequence[Sequence[int]]) -> Mapping[str, Any]:
        """Cut sinusoids are weights like any others: they are not computed anew from the sizes."""
        return {**super().depth(config, kept), "sinusoidal_pos_embds": False}
