"""Vision transformers: pre-norm encoders over the patches of an image and a class token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from nas.families.family import Block, Family, Symbol, Weight, equal_layers
from nas.families.stand_ins import Skipped, Zero, ZeroMixer
from nas.families.stream import ResidualStream
from search_spaces import LayerShape, LayerUnits
from search_spaces.units import count

ATTENTION_WEIGHTS: Final[Mapping[str, Weight]] = {
    "attention.q_proj.weight": Weight(("queries", "hidden"), "attention", "all"),
    "attention.q_proj.bias": Weight(("queries",), "attention"),
    "attention.k_proj.weight": Weight(("heads", "hidden"), "attention", "all"),
    "attention.k_proj.bias": Weight(("heads",), "attention"),
    "attention.v_proj.weight": Weight(("heads", "hidden"), "attention", "all"),
    "attention.v_proj.bias": Weight(("heads",), "attention"),
    "attention.o_proj.weight": Weight(("hidden", "queries"), "attention", "all"),
    "attention.o_proj.bias": Weight(("hidden",), "attention"),
}
MLP_WEIGHTS: Final[Mapping[str, Weight]] = {
    "mlp.fc1.weight": Weight(("ffn", "hidden"), "ffn", "all"),
    "mlp.fc1.bias": Weight(("ffn",), "ffn"),
    "mlp.fc2.weight": Weight(("hidden", "ffn"), "ffn", "all"),
    "mlp.fc2.bias": Weight(("hidden",), "ffn"),
}
IMAGE_WEIGHTS: Final[Mapping[str, Weight]] = {
    r"embeddings\.(cls_token|position_embeddings)": Weight(("fixed", "fixed", "hidden")),
    r"embeddings\.patch_embeddings\.projection\.weight": Weight(
        ("hidden", "fixed", "fixed", "fixed"), tokens="patches"
    ),
    r"embeddings\.patch_embeddings\.projection\.bias": Weight(("hidden",)),
    r"layernorm\.(weight|bias)": Weight(("hidden",)),
}
#: Weights that begin the residual stream.
IMAGE_EMBEDDINGS: Final = (
    r"embeddings\.(\w+_token|position_embeddings|patch_embeddings\.projection\.(weight|bias))"
)


class VitFamily(Family):
    """ViT and DeiT, whose images get a distillation token too."""

    model_types: ClassVar[tuple[str, ...]] = ("vit", "deit")
    stream = ResidualStream(
        embeddings=IMAGE_EMBEDDINGS,
        readers=(
            {
                "layernorm_before": tuple(f"attention.{name}_proj" for name in "qkv"),
                "layernorm_after": ("mlp.fc1",),
            },
        ),
        outer_readers={"layernorm": r"((cls_|distillation_)?classifier|decoder\.0)\.weight"},
        has_layer_norms=True,
    )
    blocks = (
        Block(
            path="layers",
            weights={
                "layernorm_before.weight": Weight(("hidden",), "attention"),
                "layernorm_before.bias": Weight(("hidden",), "attention"),
                **ATTENTION_WEIGHTS,
                "layernorm_after.weight": Weight(("hidden",), "ffn"),
                "layernorm_after.bias": Weight(("hidden",), "ffn"),
                **MLP_WEIGHTS,
            },
            attention_outputs=("attention.o_proj",),
            ffn_output="mlp.fc2",
            norms=("layernorm_before", "layernorm_after"),
            removed={
                "attention": {"layernorm_before": Skipped, "attention": ZeroMixer},
                "ffn": {"layernorm_after": Skipped, "mlp": Zero},
            },
            # The forward infers it, but exporters read it.
            attributes={"attention": {"num_attention_heads": "num_attention_heads"}},
        ),
    )
    weights: ClassVar[Mapping[str, Weight]] = {
        **IMAGE_WEIGHTS,
        r"embeddings\.(mask|distillation)_token": Weight(("fixed", "fixed", "hidden")),
        r"((cls_|distillation_)?classifier)\.weight": Weight(("fixed", "hidden"), tokens="first"),
        r"((cls_|distillation_)?classifier)\.bias": Weight(("fixed",)),
        r"decoder\.0\.weight": Weight(("fixed", "hidden", "fixed", "fixed"), tokens="patches"),
        r"decoder\.0\.bias": Weight(("fixed",)),
    }
    norms = ("layernorm",)
    has_head_dim = True

    def layer_shapes(self, config: Any) -> tuple[LayerShape, ...]:
        """The same sizes in every block."""
        heads = config.num_attention_heads
        return equal_layers(
            config.num_hidden_layers, heads, heads, head_dim(config), config.intermediate_size
        )

    def facts(self, config: Any) -> Mapping[str, Any]:
        """Tokens of an image, the class token and DeiT's distillation token among them."""
        return image_facts(config, special_tokens=2 if config.model_type == "deit" else 1)

    def outside_weights(self, config: Any) -> Mapping[str, Weight]:
        """A pooler as wide as the residual stream is cut with it; one of another width keeps it."""
        width: Symbol = "hidden" if _is_pooled_whole(config) else "fixed"
        return {
            **self.weights,
            r"pooler\.dense\.weight": Weight((width, "hidden"), tokens="first"),
            r"pooler\.dense\.bias": Weight((width,)),
        }

    def plain_sizes(self, config: Any, hidden_size: int, units: LayerUnits) -> Mapping[str, Any]:
        """`head_dim` is stated, which the stock class reads where a config has it."""
        sizes = {
            "hidden_size": hidden_size,
            "num_attention_heads": units.num_attention_heads,
            "head_dim": head_dim(config),
            "intermediate_size": count(units.ffn),
        }
        return sizes | {"pooler_output_size": hidden_size} if _is_pooled_whole(config) else sizes


def head_dim(config: Any) -> int:
    """Channels of a head, as the stock class computes them."""
    return int(getattr(config, "head_dim", config.hidden_size // config.num_attention_heads))


def image_facts(config: Any, *, special_tokens: int) -> Mapping[str, Any]:
    """Tokens of an image of the config's size: its patches and so many special ones."""
    height, width = _pair(config.image_size)
    patch_height, patch_width = _pair(config.patch_size)
    patches = (height // patch_height) * (width // patch_width)
    return {"num_patches": patches, "sequence_length": patches + special_tokens}


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def _is_pooled_whole(config: Any) -> bool:
    return bool(config.pooler_output_size == config.hidden_size)
