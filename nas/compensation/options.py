"""What makes up for removed units and dropped blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

from nas.errors import ConfigError

UnitMethod: TypeAlias = Literal["none", "bias", "lstsq", "lstsq_bias", "mask_scale"]
LayerMethod: TypeAlias = Literal["drop", "merge", "linear_fit"]
#: Methods that write a bias of the output projections.
BIAS_METHODS: Final[tuple[UnitMethod, ...]] = ("bias", "lstsq_bias")


@dataclass(frozen=True, kw_only=True)
class Compensation:
    """How the rest of a sub-network makes up for what it lacks, in closed form; see docs/compensation.md.

    Attributes:
        units: what is done to the output projection of a sub-layer that lost heads or neurons: `none`;
            `bias` adds the mean of what is missing; `lstsq` fits the kept columns to the full output;
            `lstsq_bias` does both; `mask_scale` fits one factor for each kept head or neuron.
        layers: what is done for dropped blocks: `drop` nothing; `merge` adds their differences to the block
            before them; `linear_fit` fits their contribution on the neurons of the block before them.
        examples: of calibration; whole batches are taken until there are so many. There should be several
            times as many tokens as a projection has inputs.
    """

    units: UnitMethod = "lstsq"
    layers: LayerMethod = "drop"
    examples: int = 256

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("units", self.units, get_args(UnitMethod)),
            ("layers", self.layers, get_args(LayerMethod)),
        ):
            if value not in allowed:
                raise ConfigError(f"compensation: {name} is {value!r}; allowed are {', '.join(allowed)}")
        if self.examples < 1:
            raise ConfigError(f"compensation: examples is {self.examples}; it must be at least 1")

    @property
    def is_empty(self) -> bool:
        """Whether it changes no sub-network."""
        return (self.units, self.layers) == ("none", "drop")

    @property
    def needs_biases(self) -> bool:
        """Whether every output projection must have a bias."""
        return self.units in BIAS_METHODS

    @property
    def needs_moments(self) -> bool:
        """Whether it looks at activations."""
        return self.units != "none" or self.layers == "linear_fit"

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict; `from_json` reads it back."""
        return asdict(self)

    @staticmethod
    def from_json(record: Mapping[str, Any]) -> Compensation:
        """Read what `to_json` wrote; other entries are left out."""
        return Compensation(units=record["units"], layers=record["layers"], examples=record["examples"])
