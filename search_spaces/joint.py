"""The joint space: embedding dimension, heads, FFN ratio and depth, one value each for the whole model.

Source: Sukthanker et al. 2024 (arXiv 2410.06479), `LlamaJoint` of their code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from search_spaces.dimensions import Choices, Dimension
from search_spaces.errors import SpaceError
from search_spaces.heads import head_names
from search_spaces.limits import SpaceLimits
from search_spaces.shape import ModelShape
from search_spaces.uniform import UniformSpace, dimension

RATIO: Final = "ffn_ratio_percent"
_RATIO_STEP: Final = 50
_WIDTH_STEP: Final = 8


class JointSpace(UniformSpace):
    """The uniform space with the FFN width as a share of the embedding dimension.

    `intermediate_size` is `ffn_ratio_percent` of `hidden_size`, rounded to a multiple of 8 (where that
    divides the full width, else to a whole number) or of what `align` says, and at most the full width.
    Ratios that give one width are one sub-network, encoded as the lowest of them.

    Theirs cuts `head_dim` too. Ours keeps heads whole, since rotary embeddings and attention's scaling tie a
    head's channels together, so that a cut would need another model class: `head_dim` is refused unless it
    is the full one.
    """

    kind = "joint"

    def __init__(
        self,
        shape: ModelShape,
        *,
        choices: Mapping[str, Choices] | None = None,
        layer_order: Sequence[int] | None = None,
        portability: Literal["any", "plain"] = "any",
        limits: SpaceLimits | None = None,
    ) -> None:
        if portability == "plain" and shape.ffn_rule != "any":
            raise SpaceError(
                f"the joint space of {shape.model_type} cannot be restricted to portability: plain (its "
                "config states intermediate_size by a whole mlp_ratio of its own); choose the uniform space"
            )
        self._step = 0
        super().__init__(
            shape,
            choices=_without_head_dim(shape, choices),
            layer_order=layer_order,
            portability=portability,
            limits=limits,
        )

    def _allowed(self, shape: ModelShape) -> tuple[str, ...]:
        return (*shape.depth_names, *head_names(shape.layers[0]), RATIO, "hidden_size")

    def _width_dimension(
        self, shape: ModelShape, given: Mapping[str, Choices], limits: SpaceLimits
    ) -> Dimension:
        width = shape.layers[0].intermediate_size
        step = limits.step_of("intermediate_size")
        self._step = _WIDTH_STEP if step == 1 and width % _WIDTH_STEP == 0 else step
        full = -(-100 * width // shape.hidden_size)
        return dimension(RATIO, given, [*range(_RATIO_STEP, full, _RATIO_STEP), full], full)

    def _intermediate_size(self, values: Mapping[str, int], hidden: int) -> int:
        return self._width(values[RATIO], hidden)

    def _width_value(self, width: int, hidden: int) -> dict[str, int]:
        ratios = self.dimension(RATIO).values
        found = next((ratio for ratio in ratios if self._width(ratio, hidden) == width), None)
        if found is None:
            raise SpaceError(
                f"no {RATIO} of {ratios} gives intermediate_size {width} at hidden_size {hidden}, so the "
                "joint space does not hold it"
            )
        return {RATIO: found}

    def _width(self, ratio: int, hidden: int) -> int:
        full, exact = self.shape.layers[0].intermediate_size, ratio * hidden
        if exact >= 100 * full:
            return full
        steps = (2 * exact + 100 * self._step) // (200 * self._step)
        return min(full, max(1, steps) * self._step)


def _without_head_dim(shape: ModelShape, choices: Mapping[str, Choices] | None) -> Mapping[str, Choices]:
    given = dict(choices or {})
    sizes, full = given.pop("head_dim", None), shape.layers[0].head_dim
    if sizes is not None and (isinstance(sizes, Mapping) or list(sizes) != [full]):
        raise SpaceError(
            f"head_dim: got {sizes!r}; heads are kept whole, at {full} channels, since rotary embeddings and "
            "attention's scaling tie them together; leave it out and choose the number of heads"
        )
    return given
