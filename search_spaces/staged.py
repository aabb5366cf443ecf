"""The space that is searched in two stages: uniform sizes first, then sizes for each layer."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from search_spaces.dimensions import Choices
from search_spaces.errors import SpaceError
from search_spaces.heads import head_names
from search_spaces.limits import SpaceLimits
from search_spaces.per_layer import MediumSpace
from search_spaces.shape import ModelShape
from search_spaces.uniform import UniformSpace


class StagedSpace(MediumSpace):
    """The medium space with a uniform space inside, whose points a search takes first.

    Choices are those of the uniform space. The sizes of each layer have the same values, and 0; the depths
    bound the first stage only.

    Attributes:
        uniform: the first stage; every point of it is one of this space.
        layer_order: as of the uniform space.
    """

    kind = "staged"

    def __init__(
        self,
        shape: ModelShape,
        *,
        choices: Mapping[str, Choices] | None = None,
        layer_order: Sequence[int] | None = None,
        portability: Literal["any", "plain"] = "any",
        limits: SpaceLimits | None = None,
    ) -> None:
        if portability == "plain":
            raise SpaceError(
                "the staged space cannot be restricted to portability: plain (its second stage has blocks of "
                "unequal sizes); choose the uniform space, or set portability: any"
            )
        if shape.has_shared_heads:
            raise SpaceError(
                f"the staged space does not fit {shape.model_type}: its blocks share their heads, so that "
                "sizes by layer cannot drop a block whole; choose the uniform or the medium space"
            )
        self.uniform = UniformSpace(shape, choices=choices, layer_order=layer_order, limits=limits)
        self.layer_order = self.uniform.layer_order
        super().__init__(shape, choices=self._values_by_layer(), limits=limits)

    def to_json(self) -> dict[str, Any]:
        """The uniform space too."""
        return super().to_json() | {"uniform": self.uniform.to_json()}

    def restored(self, record: Mapping[str, Any]) -> Self:
        """See `SearchSpace.restored`; the uniform space is restored with it."""
        again = copy.copy(self)
        again.uniform = self.uniform.restored(record["uniform"])
        return super(StagedSpace, again).restored(record)

    def _values_by_layer(self) -> Mapping[str, Choices]:
        """The uniform space's values, and 0 where a sub-layer can be removed."""
        full = self.uniform.shape.layers[0]
        chosen = {name: self.uniform.dimension(name).values for name in head_names(full)}
        first = head_names(full)[0]
        chosen[first] = (0, *chosen[first])
        return chosen | {
            "intermediate_size": (0, *self.uniform.dimension("intermediate_size").values),
            "hidden_size": self.uniform.dimension("hidden_size").values,
        }
