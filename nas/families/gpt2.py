"""GPT-2: pre-norm decoders with fused projections stored as (in, out) and learned positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from nas.errors import UnsupportedModelError
from nas.families.family import Block, Family, Weight, equal_layers
from nas.families.stand_ins import Skipped, Zero, ZeroMixer
from nas.families.stream import ResidualStream
from search_spaces import LayerShape


class Gpt2Family(Family):
    """GPT-2 (DistilGPT-2 is one)."""

    model_types: ClassVar[tuple[str, ...]] = ("gpt2",)
    stream = ResidualStream(
        embeddings=r"(wte|wpe)\.weight",
        readers=({"ln_1": ("attn.c_attn",), "ln_2": ("mlp.c_fc",)},),
        outer_readers={"ln_f": r"(lm_head|score|classifier|qa_outputs)\.weight"},
        has_layer_norms=True,
    )
    blocks = (
        Block(
            path="h",
            weights={
                "ln_1.weight": Weight(("hidden",), "attention"),
                "ln_1.bias": Weight(("hidden",), "attention"),
                "attn.c_attn.weight": Weight(("hidden", ("queries", "heads", "heads")), "attention", "all"),
                "attn.c_attn.bias": Weight((("queries", "heads", "heads"),), "attention"),
                "attn.c_proj.weight": Weight(("queries", "hidden"), "attention", "all"),
                "attn.c_proj.bias": Weight(("hidden",), "attention"),
                "ln_2.weight": Weight(("hidden",), "ffn"),
                "ln_2.bias": Weight(("hidden",), "ffn"),
                "mlp.c_fc.weight": Weight(("hidden", "ffn"), "ffn", "all"),
                "mlp.c_fc.bias": Weight(("ffn",), "ffn"),
                "mlp.c_proj.weight": Weight(("ffn", "hidden"), "ffn", "all"),
                "mlp.c_proj.bias": Weight(("hidden",), "ffn"),
            },
            attention_outputs=("attn.c_proj",),
            ffn_output="mlp.c_proj",
            norms=("ln_1", "ln_2"),
            removed={
                "attention": {"ln_1": Skipped, "attn": ZeroMixer},
                "ffn": {"ln_2": Skipped, "mlp": Zero},
            },
            attributes={"attn": {"num_heads": "num_attention_heads", "split_size": "query_width"}},
        ),
    )
    weights: ClassVar[Mapping[str, Weight]] = {
        r"(wte|wpe)\.weight": Weight(("fixed", "hidden")),
        r"ln_f\.(weight|bias)": Weight(("hidden",)),
        r"lm_head\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"(score|classifier|qa_outputs)\.weight": Weight(("fixed", "hidden"), tokens="all"),
        r"(classifier|qa_outputs)\.bias": Weight(("fixed",)),
    }
    norms = ("ln_f",)
    is_causal = True
    ffn_entry = "n_inner"

    def check(self, config: Any) -> None:
        """Scales by layer would change when a block before is dropped; cross-attention needs an encoder."""
        for name in ("add_cross_attention", "scale_attn_by_inverse_layer_idx"):
            if getattr(config, name, False):
                raise UnsupportedModelError(
                    f"gpt2 with {name}: true is not supported; use a model whose config says false"
                )

    def layer_shapes(self, config: Any) -> tuple[LayerShape, ...]:
        """The same sizes in every block; an unstated FFN width is four times `hidden_size`."""
        heads, hidden = config.num_attention_heads, config.hidden_size
        ffn = 4 * hidden if config.n_inner is None else config.n_inner
        return equal_layers(config.num_hidden_layers, heads, heads, hidden // heads, ffn)
