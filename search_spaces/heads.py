"""Dimensions of attention heads, and reading a user's choices for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from search_spaces.dimensions import Choices, Dimension, describe, legal_values
from search_spaces.errors import SpaceError
from search_spaces.shape import LayerShape, ModelShape
from search_spaces.subnet import LayerUnits
from search_spaces.units import count

HEADS: Final = "num_attention_heads"
KEY_VALUE_HEADS: Final = "num_key_value_heads"
GROUPS: Final = "num_key_value_groups"
DEPTHS: Final = ("num_hidden_layers", "num_encoder_layers", "num_decoder_layers")


def head_names(full: LayerShape) -> tuple[str, ...]:
    """Names of a block's head dimensions, by transformers' terms.

    Multi-head attention has `num_attention_heads`. Grouped-query attention keeps whole key-value heads,
    `num_key_value_heads`, and the same number of query heads in each, `num_key_value_groups`: any other
    choice breaks the one whole ratio that attention is computed with.
    """
    return (HEADS,) if full.queries_per_head == 1 else (KEY_VALUE_HEADS, GROUPS)


def full_heads(full: LayerShape) -> dict[str, int]:
    """Values of the head dimensions in the full block."""
    if full.queries_per_head == 1:
        return {HEADS: full.num_key_value_heads}
    return {KEY_VALUE_HEADS: full.num_key_value_heads, GROUPS: full.queries_per_head}


def head_units(values: Mapping[str, int], full: LayerShape, ffn: int) -> LayerUnits:
    """A block with these values of its head dimensions."""
    if full.queries_per_head == 1:
        return LayerUnits(heads=values[HEADS], ffn=ffn)
    return LayerUnits(heads=values[KEY_VALUE_HEADS], queries=values[GROUPS], ffn=ffn)


def head_values(units: LayerUnits | None, full: LayerShape) -> dict[str, int]:
    """Values of the head dimensions of a canonical block."""
    heads = count(units.heads) if units is not None else 0
    if full.queries_per_head == 1:
        return {HEADS: heads}
    queries = count(units.queries) if units is not None and heads else full.queries_per_head
    return {KEY_VALUE_HEADS: heads, GROUPS: queries}


def known_choices(
    choices: Mapping[str, Choices] | None, names: Sequence[str], where: str
) -> Mapping[str, Choices]:
    """The choices that were made.

    Raises:
        SpaceError: a name that is not among `names`, those that `where` has.
    """
    given = {name: value for name, value in (choices or {}).items() if value is not None}
    unknown = sorted(set(given) - set(names))
    if unknown:
        allowed = ", ".join(names) or "none: every dimension is on or off"
        raise SpaceError(
            f"unknown dimension {unknown[0]!r} for {where}; allowed are {allowed}"
            f"{_reason_of(unknown[0], names)}"
        )
    return given


def _reason_of(unknown: str, names: Sequence[str]) -> str:
    """Why a dimension that other models or spaces have is missing here; empty where it is in none."""
    if unknown == HEADS and KEY_VALUE_HEADS in names:
        return (
            f" (heads of grouped-query attention are counted by {KEY_VALUE_HEADS}, "
            f"and by {GROUPS}, the query heads of each)"
        )
    if unknown == "head_dim" and names:
        return " (heads are kept whole; choose their number)"
    if unknown in (KEY_VALUE_HEADS, GROUPS) and HEADS in names:
        return " (in multi-head attention every head has keys and values of its own)"
    if unknown in DEPTHS and "num_encoder_layers" in names:
        return " (an encoder and its decoder have depths of their own)"
    if unknown in DEPTHS and "num_hidden_layers" in names:
        return " (the model has one stack of layers)"
    if unknown in DEPTHS and names:
        return " (a layer is dropped by 0 heads and an intermediate_size of 0)"
    return "" if names else "; choose uniform or medium for sizes"


def dividing_choices(
    shape: ModelShape, full: LayerShape, given: Mapping[str, Choices]
) -> Mapping[str, Choices]:
    """The user's choices, with defaults where every number of query heads divides every `hidden_size`."""
    hidden = shape.hidden_size
    groups = [n for n in range(1, full.queries_per_head + 1) if full.queries_per_head % n == 0]
    heads = [
        n
        for n in range(1, full.num_key_value_heads + 1)
        if all(hidden % (n * group) == 0 for group in groups)
    ]
    factor = math.lcm(*(n * group for n in heads for group in groups))
    widths = [n for n in range(factor, hidden + 1, factor) if 2 * n >= hidden]
    every: dict[str, Choices] = {head_names(full)[0]: heads, "hidden_size": widths}
    if full.queries_per_head > 1:
        every[GROUPS] = groups
    return every | dict(given)


def head_dimensions(
    given: Mapping[str, Choices],
    full: LayerShape,
    *,
    low: int,
    prefix: str = "",
    step_of: Callable[[str], int] = lambda name: 1,
) -> list[Dimension]:
    """Every number of heads from `low`; of query heads a group always from 1; multiples of `step_of`."""
    dimensions = []
    for name, size in full_heads(full).items():
        least = 1 if name == GROUPS else low
        every = range(least, size + 1)
        values = legal_values(name, given.get(name), default=every, full=size, low=least, align=step_of(name))
        dimensions.append(Dimension(prefix + name, values))
    return dimensions


def all_heads(full: LayerShape, *, prefix: str = "") -> list[Dimension]:
    """The head dimensions of a block that stays whole."""
    return [Dimension(prefix + name, (size,)) for name, size in full_heads(full).items()]


def frozen_heads(given: Mapping[str, Choices], full: LayerShape, model_type: str) -> list[Dimension]:
    """All heads, where frozen layers share theirs with the others.

    Raises:
        SpaceError: a choice of heads was given.
    """
    named = [name for name in full_heads(full) if name in given]
    if named:
        raise SpaceError(
            f"{named[0]}: all blocks of a {model_type} stack share their heads, and frozen_layers keep all; "
            "leave out one of both"
        )
    return all_heads(full)


def coupled_heads(
    shape: ModelShape, full: LayerShape, given: Mapping[str, Choices], *, align: int = 1
) -> Dimension:
    """Heads where the stock config derives `head_dim`: each number of heads fixes the hidden size.

    `align` is what hidden sizes are multiples of, the full one excepted.
    """
    width = full.head_dim * full.queries_per_head
    numbers = {
        h * width: h
        for h in range(1, full.num_key_value_heads + 1)
        if h * width != shape.embedding_size and (h * width % align == 0 or h == full.num_key_value_heads)
    }
    widths = legal_values(
        "hidden_size", given.get("hidden_size"), default=sorted(numbers), full=shape.hidden_size
    )
    wrong = [size for size in widths if size not in numbers]
    if wrong:
        raise SpaceError(
            f"hidden_size {wrong[0]} is not plain: {_reason(shape, width)}; "
            f"allowed are {describe(sorted(numbers))}, or set portability: any"
        )
    default = [numbers[size] for size in widths]
    heads = legal_values(
        "num_attention_heads",
        given.get("num_attention_heads"),
        default=default,
        full=full.num_key_value_heads,
    )
    missing = [number for number in heads if number not in default]
    if missing:
        raise SpaceError(
            f"{missing[0]} heads of {full.num_key_value_heads} are not plain: {_reason(shape, width)}, "
            f"that is {missing[0] * width}, but hidden_size allows {describe(widths)}; "
            f"change num_attention_heads or hidden_size, or set portability: any"
        )
    return Dimension("num_attention_heads", heads)


def _reason(shape: ModelShape, width: int) -> str:
    rule = f"{shape.model_type}'s config has no head_dim, so hidden_size must be heads x {width}"
    return rule if shape.embedding_size is None else f"{rule} (and not {shape.embedding_size})"
