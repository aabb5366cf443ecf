"""The section of the config file that says what is searched."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from nas.config.sections import Section, Text


def _check_unique(values: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(values)) != len(values):
        raise ValueError("a value is given twice; keep one")
    return values


Size: TypeAlias = Annotated[int, Field(ge=0, le=10_000_000)]


class ValueRange(Section):
    """Evenly spaced sizes; a bound left out is the dimension's own."""

    min: Size | None = Field(default=None, description="smallest size")
    max: Size | None = Field(default=None, description="largest size, which step must reach")
    step: int | None = Field(default=None, ge=1, le=10_000_000, description="distance of neighbouring sizes")


Sizes: TypeAlias = Annotated[
    tuple[Size, ...], Field(min_length=1, max_length=4096), AfterValidator(_check_unique)
]


Step: TypeAlias = Annotated[int, Field(ge=1, le=10_000_000)]
_SPACE_OPTIONS = ("kind", "portability", "align", "frozen_layers", "rules", "ffn_group")
_LATER_SPACE_KEYS = (
    "ffn_ratio_percent",
    "head_dim",
    "align",
    "frozen_layers",
    "rules",
    "ffn_group",
)


class SpaceSection(Section):
    """What is searched; a dimension left out takes all sizes that are legal for the model."""

    kind: Literal["uniform", "joint", "medium", "staged", "layer", "sublayer", "large"] = Field(
        default="uniform",
        description="one size for all layers; the same with an FFN ratio; sizes a layer; uniform, then a "
        "layer; layers on or off; sub-layers on or off; heads and groups of neurons on or off",
    )
    num_hidden_layers: Sizes | ValueRange | None = Field(default=None, description="layers kept")
    num_encoder_layers: Sizes | ValueRange | None = Field(default=None, description="encoder layers kept")
    num_decoder_layers: Sizes | ValueRange | None = Field(default=None, description="decoder layers kept")
    num_attention_heads: Sizes | ValueRange | None = Field(
        default=None, description="heads kept in a layer of multi-head attention"
    )
    num_key_value_heads: Sizes | ValueRange | None = Field(
        default=None, description="key-value heads kept in a layer of grouped-query attention"
    )
    num_key_value_groups: Sizes | ValueRange | None = Field(
        default=None, description="query heads kept of each key-value head"
    )
    intermediate_size: Sizes | ValueRange | None = Field(default=None, description="FFN width of a layer")
    ffn_ratio_percent: Sizes | ValueRange | None = Field(
        default=None, description="FFN width in percent of hidden_size, in the joint space"
    )
    head_dim: Sizes | ValueRange | None = Field(
        default=None, description="channels of a head, in the joint space; only the full size is legal"
    )
    hidden_size: Sizes | ValueRange | None = Field(default=None, description="embedding dimension")
    portability: Literal["any", "plain"] = Field(
        default="any", description="plain: only sub-networks that load without custom code"
    )
    align: Step | dict[Text, Step] | None = Field(
        default=None,
        description="sizes are multiples of this, the full size excepted: of intermediate_size and "
        "hidden_size, or a number by dimension",
    )
    frozen_layers: tuple[Size, ...] = Field(
        default=(), max_length=4096, description="layers that keep all heads and neurons in every sub-network"
    )
    rules: tuple[Text, ...] = Field(
        default=(),
        max_length=100,
        description="what every sub-network obeys, e.g. [intermediate_size >= 2 * hidden_size]",
    )
    ffn_group: Step | None = Field(
        default=None, description="neurons a switch of the large space; null makes at most 16 groups a layer"
    )

    def identity(self) -> dict[str, object]:
        """The section for a hash of what a supernet was made from: equal for equal spaces.

        Keys that came later are left out where they have their defaults, so that older hashes stay valid.
        """
        record = self.model_dump(mode="json")
        return {name: value for name, value in record.items() if value or name not in _LATER_SPACE_KEYS}

    def choices(self) -> dict[str, tuple[int, ...] | dict[str, int]]:
        """The dimensions that are given, in the form in which `search_spaces.build_space` takes them."""
        names = [name for name in type(self).model_fields if name not in _SPACE_OPTIONS]
        given: dict[str, tuple[int, ...] | dict[str, int]] = {}
        for name in names:
            value: tuple[int, ...] | ValueRange | None = getattr(self, name)
            if isinstance(value, ValueRange):
                given[name] = value.model_dump(exclude_none=True)
            elif value is not None:
                given[name] = value
        return given
