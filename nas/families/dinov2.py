"""DINOv2: vision transformers with scaled residual branches and an FFN width given as a ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count as count_from
from typing import Any, ClassVar, Final

from nas.errors import UnsupportedModelError
from nas.families.family import Block, Family, Weight, equal_layers
from nas.families.stand_ins import Skipped, Zero, ZeroMixer
from nas.families.stream import ResidualStream
from nas.families.vit import (
    ATTENTION_WEIGHTS,
    IMAGE_EMBEDDINGS,
    IMAGE_WEIGHTS,
    MLP_WEIGHTS,
    head_dim,
    image_facts,
)
from search_spaces import LayerShape, LayerUnits, ModelShape
from search_spaces.portability import ratio_width
from search_spaces.shape import FfnRule
from search_spaces.units import count

_BLOCK: Final = Block(
    path="encoder.layer",
    weights={
        "norm1.weight": Weight(("hidden",), "attention"),
        "norm1.bias": Weight(("hidden",), "attention"),
        **ATTENTION_WEIGHTS,
        "layer_scale1.lambda1": Weight(("hidden",), "attention"),
        "norm2.weight": Weight(("hidden",), "ffn"),
        "norm2.bias": Weight(("hidden",), "ffn"),
        **MLP_WEIGHTS,
        "mlp.gate_proj.weight": Weight(("ffn", "hidden"), "ffn", "all"),
        "mlp.gate_proj.bias": Weight(("ffn",), "ffn"),
        "mlp.up_proj.weight": Weight(("ffn", "hidden"), "ffn", "all"),
        "mlp.up_proj.bias": Weight(("ffn",), "ffn"),
        "mlp.down_proj.weight": Weight(("hidden", "ffn"), "ffn", "all"),
        "mlp.down_proj.bias": Weight(("hidden",), "ffn"),
        "layer_scale2.lambda1": Weight(("hidden",), "ffn"),
    },
    attention_outputs=("attention.o_proj",),
    ffn_output="mlp.fc2",
    norms=("norm1", "norm2"),
    removed={
        "attention": {"norm1": Skipped, "attention": ZeroMixer, "layer_scale1": Skipped},
        "ffn": {"norm2": Skipped, "mlp": Zero, "layer_scale2": Skipped},
    },
    # The forward infers it, but exporters read it.
    attributes={"attention": {"num_attention_heads": "num_attention_heads"}},
)
_GATED_BLOCK: Final = replace(_BLOCK, ffn_output="mlp.down_proj")


class Dinov2Family(Family):
    """DINOv2 with ordinary or gated feed-forward networks."""

    model_types: ClassVar[tuple[str, ...]] = ("dinov2",)
    stream = ResidualStream(
        embeddings=IMAGE_EMBEDDINGS,
        readers=(
            {
                "norm1": tuple(f"attention.{name}_proj" for name in "qkv"),
                "norm2": ("mlp.fc1", "mlp.gate_proj", "mlp.up_proj"),
            },
        ),
        outer_readers={"layernorm": r"classifier\.weight"},
        has_layer_norms=True,
        scales=(
            {
                "layer_scale1.lambda1": ("attention.o_proj",),
                "layer_scale2.lambda1": ("mlp.fc2", "mlp.down_proj"),
            },
        ),
    )
    blocks = (_BLOCK,)
    weights: ClassVar[Mapping[str, Weight]] = {
        **IMAGE_WEIGHTS,
        r"embeddings\.mask_token": Weight(("fixed", "hidden")),
        # Over the class token and the mean of the others, side by side.
        r"classifier\.weight": Weight(("fixed", ("hidden", "hidden")), tokens="first"),
        r"classifier\.bias": Weight(("fixed",)),
    }
    norms = ("layernorm",)
    has_head_dim = True

    def layer_shapes(self, config: Any) -> tuple[LayerShape, ...]:
        """The same sizes in every block."""
        heads = config.num_attention_heads
        width = ratio_width(_ffn_rule(config), config.hidden_size, config.mlp_ratio)
        return equal_layers(config.num_hidden_layers, heads, heads, head_dim(config), width)

    def facts(self, config: Any) -> Mapping[str, Any]:
        """Tokens of an image, and which FFN widths the stock config can state."""
        return {**image_facts(config, special_tokens=1), "ffn_rule": _ffn_rule(config)}

    def check(self, config: Any) -> None:
        """Refuse feature maps of several stages: dropped blocks would make some of them one."""
        if len(config.out_features) > 1:
            raise UnsupportedModelError(
                f"a DINOv2 whose config has out_features {config.out_features} gives feature maps of several "
                "stages, and a sub-network may drop a stage; set out_features to one stage"
            )

    def block_of(self, shape: ModelShape, index: int) -> Block:
        """The gated one where the FFN is gated."""
        return _GATED_BLOCK if shape.ffn_rule == "gated_ratio" else super().block_of(shape, index)

    def depth(self, config: Any, kept: Sequence[Sequence[int]]) -> Mapping[str, Any]:
        """Stages are named by blocks: the one that is given out comes after as many of them as are kept."""
        depth = len(kept[0])
        out = sum(index < config.out_indices[0] % len(config.stage_names) for index in kept[0])
        names = ["stem", *(f"stage{number}" for number in range(1, depth + 1))]
        return {
            "num_hidden_layers": depth,
            "stage_names": names,
            "_out_features": [names[out]],
            "_out_indices": [out],
        }

    def plain_sizes(self, config: Any, hidden_size: int, units: LayerUnits) -> Mapping[str, Any]:
        """`mlp_ratio`, a whole number, is the smallest that holds the neurons: exact where it can be."""
        rule, width = _ffn_rule(config), count(units.ffn)
        ratio = next(n for n in count_from() if ratio_width(rule, hidden_size, n) >= width)
        return {
            "hidden_size": hidden_size,
            "num_attention_heads": units.num_attention_heads,
            "head_dim": head_dim(config),
            "mlp_ratio": ratio,
        }


def _ffn_rule(config: Any) -> FfnRule:
    return "gated_ratio" if config.use_swiglu_ffn else "ratio"
