"""Search spaces by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from search_spaces.dimensions import Choices
from search_spaces.errors import SpaceError
from search_spaces.per_layer import LayerSpace, MediumSpace, SublayerSpace
from search_spaces.shape import ModelShape
from search_spaces.space import SearchSpace
from search_spaces.uniform import UniformSpace


def build_space(
    kind: str,
    shape: ModelShape,
    *,
    choices: Mapping[str, Choices] | None = None,
    layer_order: Sequence[int] | None = None,
    portability: Literal["any", "plain"] = "any",
) -> SearchSpace:
    """Make the space of a name; `layer_order` matters to the uniform space only.

    Raises:
        SpaceError: unknown kind, or choices that are not legal for the model.
    """
    if kind == "uniform":
        return UniformSpace(shape, choices=choices, layer_order=layer_order, portability=portability)
    spaces: dict[str, Callable[..., SearchSpace]] = {
        "medium": MediumSpace,
        "layer": LayerSpace,
        "sublayer": SublayerSpace,
    }
    if kind not in spaces:
        raise SpaceError(f"unknown space {kind!r}; allowed are uniform, {', '.join(spaces)}")
    return spaces[kind](shape, choices=choices, portability=portability)
