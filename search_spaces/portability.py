"""Which software can load a sub-network."""

from __future__ import annotations

from typing import Literal, TypeAlias

from search_spaces.shape import FfnRule, ModelShape
from search_spaces.subnet import SubnetConfig
from search_spaces.units import count

Portability: TypeAlias = Literal["plain", "custom-code"]


def portability(shape: ModelShape, config: SubnetConfig) -> Portability:
    """`plain` loads with the stock class, `custom-code` needs the modelling file of its export.

    Plain means equal sizes in every kept block and no removed sub-layer. Where the stock config has no
    `head_dim` (BERT and its kin) it also means `hidden_size == num_attention_heads * head_dim`, and where
    embeddings are projected (ELECTRA) that `hidden_size` differs from their width, and where the stock config
    says so (Llama) that the number of heads divides `hidden_size`, and where the first block is unlike the
    others (ModernBERT) that it is kept, and where the FFN width is given as a ratio (DINOv2) that it is one.
    """
    return "plain" if obstacle(shape, config) is None else "custom-code"


def obstacle(shape: ModelShape, config: SubnetConfig) -> str | None:
    """Why a sub-network is not plain, or None where it is."""
    kept = [(units, shape.layers[index]) for index, units in enumerate(config.layers) if units is not None]
    if any(all(config.layers[index] is None for index in stack) for stack in shape.stacks):
        return "no block is kept" if len(shape.stacks) == 1 else "a stack keeps no block"
    if shape.has_own_first_block and config.layers[0] is None:
        return f"the stock {shape.model_type} class builds its first block unlike the others; keep it"
    sizes = {(count(u.heads), count(u.queries), count(u.ffn), layer.head_dim) for u, layer in kept}
    if len(sizes) > 1:
        return "blocks differ in size"
    heads, queries, ffn, head_dim = sizes.pop()
    if heads == 0 or ffn == 0:
        return "a sub-layer is removed in every block"
    hidden = count(config.hidden)
    if not shape.has_head_dim and hidden != heads * queries * head_dim:
        return (
            f"{shape.model_type}'s config has no head_dim, so hidden_size must be "
            f"{heads * queries} heads x {head_dim} = {heads * queries * head_dim}, not {hidden}"
        )
    if shape.heads_divide_hidden and hidden % (heads * queries):
        return (
            f"{shape.model_type}'s stock config refuses a hidden_size, {hidden}, that is no multiple of its "
            f"{heads * queries} heads"
        )
    if hidden == shape.embedding_size:
        return (
            f"at hidden_size {hidden}, the width of the embeddings, the stock {shape.model_type} class "
            "leaves out the projection between both"
        )
    if shape.ffn_rule != "any" and ffn not in ratio_widths(shape, hidden):
        return (
            f"{shape.model_type}'s config states intermediate_size by a whole mlp_ratio: at hidden_size "
            f"{hidden} it can be {', '.join(map(str, ratio_widths(shape, hidden)))}, not {ffn}"
        )
    return None


def ratio_widths(shape: ModelShape, hidden_size: int) -> list[int]:
    """FFN widths up to the full one that a whole ratio gives at a hidden size."""
    full = min(layer.intermediate_size for layer in shape.layers)
    ratios = range(1, 3 * full // (2 * hidden_size) + 2)
    widths = (ratio_width(shape.ffn_rule, hidden_size, ratio) for ratio in ratios)
    return sorted({width for width in widths if width <= full})


def ratio_width(rule: FfnRule, hidden_size: int, ratio: int) -> int:
    """FFN width that a stock config's ratio gives.

    Source: transformers 5.23, `Dinov2MLP` and `Dinov2SwiGLUFFN`.
    """
    width = hidden_size * ratio
    return width if rule == "ratio" else (int(width * 2 / 3) + 7) // 8 * 8
