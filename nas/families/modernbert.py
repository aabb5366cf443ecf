"""ModernBERT: pre-norm encoders with rotary positions, local attention, and fused gated projections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from nas.families.family import Block, Family, Weight
from nas.families.stand_ins import Skipped, Zero, ZeroMixer
from nas.families.stream import EMBEDDING_NORM


class ModernBertFamily(Family):
    """ModernBERT. Its first block has no attention norm: the embeddings' norm is the one before it."""

    model_types: ClassVar[tuple[str, ...]] = ("modernbert",)
    stream = EMBEDDING_NORM
    blocks = (
        Block(
            path="layers",
            weights={
                "attn_norm.weight": Weight(("hidden",), "attention"),
                "attn_norm.bias": Weight(("hidden",), "attention"),
                "attn.Wqkv.weight": Weight((("queries", "heads", "heads"), "hidden"), "attention", "all"),
                "attn.Wqkv.bias": Weight((("queries", "heads", "heads"),), "attention"),
                "attn.Wo.weight": Weight(("hidden", "queries"), "attention", "all"),
                "attn.Wo.bias": Weight(("hidden",), "attention"),
                "mlp_norm.weight": Weight(("hidden",), "ffn"),
                "mlp_norm.bias": Weight(("hidden",), "ffn"),
                "mlp.Wi.weight": Weight((("ffn", "ffn"), "hidden"), "ffn", "all"),
                "mlp.Wi.bias": Weight((("ffn", "ffn"),), "ffn"),
                "mlp.Wo.weight": Weight(("hidden", "ffn"), "ffn", "all"),
                "mlp.Wo.bias": Weight(("hidden",), "ffn"),
            },
            attention_outputs=("attn.Wo",),
            ffn_output="mlp.Wo",
            norms=("attn_norm", "mlp_norm"),
            removed={
                "attention": {"attn_norm": Skipped, "attn": ZeroMixer},
                "ffn": {"mlp_norm": Skipped, "mlp": Zero},
            },
        ),
    )
    weights: ClassVar[Mapping[str, Weight]] = {
        r"embeddings\.tok_embeddings\.weight": Weight(("fixed", "hidden")),
        r"embeddings\.norm\.(weight|bias)": Weight(("hidden",)),
        r"final_norm\.(weight|bias)": Weight(("hidden",)),
        r"head\.dense\.weight": Weight(("hidden", "hidden"), tokens="first"),
        r"head\.dense\.bias": Weight(("hidden",)),
        r"head\.norm\.(weight|bias)": Weight(("hidden",)),
        r"decoder\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"decoder\.bias": Weight(("fixed",)),
        r"classifier\.weight": Weight(("fixed", "hidden"), tokens="first"),
        r"classifier\.bias": Weight(("fixed",)),
    }
    # What the embeddings' norm emits is seen once already: the first block's absent norm hands it on.
    norms = ("final_norm",)

    def facts(self, config: Any) -> Mapping[str, Any]:
        """The stock class builds its first block without an attention norm."""
        del config
        return {"has_own_first_block": True}
