"""Search spaces by name, and as a study stores them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from search_spaces.dimensions import Choices
from search_spaces.errors import SpaceError
from search_spaces.joint import JointSpace
from search_spaces.large import LargeSpace
from search_spaces.limits import SpaceLimits
from search_spaces.per_layer import MediumSpace
from search_spaces.shape import ModelShape
from search_spaces.space import SearchSpace
from search_spaces.staged import StagedSpace
from search_spaces.switches import LayerSpace, SublayerSpace
from search_spaces.uniform import UniformSpace

_ORDERED: Final[dict[str, type[UniformSpace | StagedSpace]]] = {
    "uniform": UniformSpace,
    "joint": JointSpace,
    "staged": StagedSpace,
}
_UNORDERED: Final[dict[str, type[MediumSpace | LayerSpace | SublayerSpace]]] = {
    "medium": MediumSpace,
    "layer": LayerSpace,
    "sublayer": SublayerSpace,
}
KINDS: Final = ("uniform", "joint", "medium", "staged", "layer", "sublayer", "large")


def build_space(
    kind: str,
    shape: ModelShape,
    *,
    choices: Mapping[str, Choices] | None = None,
    layer_order: Sequence[int] | None = None,
    portability: Literal["any", "plain"] = "any",
    limits: SpaceLimits | None = None,
    ffn_group: int | None = None,
) -> SearchSpace:
    """Make the space of a name.

    Args:
        kind: one of `KINDS`.
        shape: the full model.
        choices: by dimension, its values or a range of them.
        layer_order: layers from the most to the least important, for spaces with a depth.
        portability: `plain` keeps to sub-networks that load without custom code.
        limits: alignment, frozen layers and rules.
        ffn_group: neurons a switch of the large space.

    Raises:
        SpaceError: unknown kind, or choices or limits that are not legal for the model.
    """
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SpaceError(f"unknown space {kind!r}; allowed are {', '.join(KINDS)}{hint}")
    if kind == "large":
        return LargeSpace(shape, choices=choices, portability=portability, limits=limits, ffn_group=ffn_group)
    if ffn_group is not None:
        raise SpaceError(
            f"ffn_group: got {ffn_group!r} for the {kind} space; only the large space has groups"
        )
    if kind in _UNORDERED:
        return _UNORDERED[kind](shape, choices=choices, portability=portability, limits=limits)
    return _ORDERED[kind](
        shape, choices=choices, layer_order=layer_order, portability=portability, limits=limits
    )


def restore_space(record: Mapping[str, Any], shape: ModelShape) -> SearchSpace:
    """The space that `SearchSpace.to_json` wrote a record of.

    Raises:
        SpaceError: the record is of a space over another model.
    """
    kind = record["kind"]
    limits = SpaceLimits(align=record.get("align"), frozen_layers=tuple(record.get("frozen_layers", ())))
    space = build_space(
        kind,
        shape,
        choices=_choices(record) if record["portability"] == "plain" else None,
        layer_order=record.get("uniform", record).get("layer_order"),
        portability=record["portability"],
        limits=limits,
        ffn_group=record.get("ffn_group"),
    )
    return space.restored(record)


def _choices(record: Mapping[str, Any]) -> dict[str, Choices]:
    """Choices under which a space restricted to `plain` was allowed; its blocks are equal."""
    if record["kind"] in ("layer", "sublayer", "large"):
        return {}
    return {name.rpartition(".")[2]: values for name, values in record["dimensions"].items()}
