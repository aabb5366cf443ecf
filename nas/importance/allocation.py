"""From scores to the sizes of each layer under a budget of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, get_args

import numpy as np

from nas.errors import ConfigError, InfeasibleError
from nas.importance.base import Scores
from nas.importance.knapsack import best_sizes
from nas.importance.sublayers import Size, SubLayers
from search_spaces import ModelShape, SubnetConfig

Allocation = Literal["uniform", "global", "adaptive", "knapsack"]
#: How far the sparsity of the least important layer is above the mean, as a share of the mean.
AMPLITUDE: Final = 0.5
#: No layer loses more than this; source of `layer_sparsities`.
_MAX_SPARSITY: Final = 0.99
#: Halvings of the range of a budget: far below one unit.
_HALVINGS: Final = 48

#: Sizes of all layers, larger for larger numbers from 0 to 1, which gives the full model.
_Path = Callable[[float], list[Size]]


def allocate(
    scores: Scores,
    shape: ModelShape,
    *,
    budget: float,
    method: Allocation = "global",
    ffn_step: int = 1,
) -> SubnetConfig:
    """Choose how many key-value heads and neurons each layer keeps; their query heads all stay.

    The sub-network keeps the first units of each layer, so sort them by the same scores (`Supernet.rank`).
    A layer may lose a whole sub-layer by `global` and `knapsack` only, and a stack always keeps some.

    Args:
        scores: of heads and neurons for `global` and `knapsack`, of layers for `adaptive`.
        shape: of the full model.
        budget: largest number of parameters, as a share of the full model's, all of its weights counted.
        method: `uniform`, the same share of each; `global`, one threshold (`global_path`); `adaptive`, by the
            importance of layers (`layer_sparsities`); `knapsack`, the largest sum of scores.
        ffn_step: neurons are kept in multiples of it, or all of them.

    Raises:
        ConfigError: unknown method, a budget outside 0 to 1, a step that is not positive, or scores missing.
        InfeasibleError: no allocation is that small; it says how small they get.
    """
    _check(scores, budget, method, ffn_step)
    units = SubLayers.of(scores, shape, ffn_step)
    limit = int(budget * units.full_parameters)
    if method == "knapsack":
        smallest, sizes = best_sizes(units, limit)
    else:
        paths: dict[str, Callable[[], _Path]] = {
            "uniform": lambda: _uniform_path(units),
            "global": lambda: global_path(units),
            "adaptive": lambda: _adaptive_path(units, scores),
        }
        smallest, sizes = _largest(paths[method](), units, limit)
    if sizes is None:
        share = smallest / units.full_parameters
        raise InfeasibleError(
            f"no {method} allocation has at most {budget:.3g} of the {units.full_parameters} parameters; "
            f"the smallest has {smallest}, {share:.3f} of them: raise the budget to that or more",
            f"num_parameters <= {limit}",
            f"num_parameters = {smallest}",
        )
    return units.config(sizes)


def layer_sparsities(importance: np.ndarray, sparsity: float, amplitude: float = AMPLITUDE) -> np.ndarray:
    """Share of its units that each layer loses, less where it is more important; `(num_hidden_layers,)`.

    `sparsity * (1 - amplitude * h)` with `h` the importance less its mean, divided by its largest absolute
    value, and clipped to 0 to 0.99. The mean over layers is `sparsity` unless a value is clipped.

    Source: Adapt-Pruner 2025 (arXiv 2502.03460). There it is a step of many, each with the importance
    measured anew and a constant amplitude; here it is one step, with an amplitude in proportion to the
    sparsity, so that no layer grows.
    """
    centred = importance - importance.mean()
    spread = np.abs(centred).max()
    relative = centred / spread if spread > 0 else centred
    clipped: np.ndarray = np.clip(sparsity * (1.0 - amplitude * relative), 0.0, _MAX_SPARSITY)
    return clipped


def global_path(units: SubLayers) -> _Path:
    """Units of all layers by one threshold on standardised scores.

    Scores are standardised in each sub-layer, `(x - mean) / std`. Units fall in this order until the budget
    is met, to which each counts by its own parameters; FLAP counts a head as 512/3 neurons.

    Source: An et al. 2024 (FLAP, arXiv 2312.11983), structure AL-AM. A key-value head's score is the mean
    of its query heads' where FLAP standardises channels first, and neurons go in groups.
    """
    rows = [_standardised(row) for row in units.heads]
    rows += [_standardised(row / _group_sizes(units, index)) for index, row in enumerate(units.ffn)]
    kept = _best_of_each_stack(rows, units)
    for number in kept:
        rows[number][0] = np.inf
    falling = np.argsort(-np.concatenate(rows), kind="stable")
    owners = np.repeat(np.arange(len(rows)), [len(row) for row in rows])[falling]

    def sizes(share: float) -> list[Size]:
        chosen = owners[: max(len(kept), round(share * len(owners)))]
        counts = np.bincount(chosen, minlength=len(rows))
        heads = counts[: len(units.heads)]
        if units.least_heads:  # equal scores, which the threshold may part
            heads = np.full_like(heads, max(units.least_heads, heads.min()))
        return [(int(h), int(f)) for h, f in zip(heads, counts[len(units.heads) :], strict=True)]

    return sizes


def _uniform_path(units: SubLayers) -> _Path:
    """The same share of each sub-layer, rounded to whole units but never to none."""
    return lambda share: [(_some(heads, share), _some(ffn, share)) for heads, ffn in units.sizes]


def _adaptive_path(units: SubLayers, scores: Scores) -> _Path:
    """Shares by `layer_sparsities`; blocks that must keep the same heads keep the mean share of them."""
    assert scores.layers is not None
    importance = np.asarray(scores.layers, dtype=float)
    steepest = _MAX_SPARSITY / (1.0 - AMPLITUDE)  # there every layer is clipped

    def sizes(share: float) -> list[Size]:
        kept = 1.0 - layer_sparsities(importance, (1.0 - share) * steepest)
        of_heads = np.full(len(kept), kept.mean()) if units.shape.has_shared_heads else kept
        return [
            (_some(heads, float(head_share)), _some(ffn, float(ffn_share)))
            for (heads, ffn), head_share, ffn_share in zip(units.sizes, of_heads, kept, strict=True)
        ]

    return sizes


def _largest(path: _Path, units: SubLayers, limit: int) -> tuple[int, list[Size] | None]:
    """Parameters of the smallest sizes on a path, and the largest sizes within a limit if there are any."""
    smallest = units.parameters(units.config(path(0.0)))
    if smallest > limit:
        return smallest, None
    low, high = 0.0, 1.0
    if units.parameters(units.config(path(high))) <= limit:
        return smallest, path(high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if units.parameters(units.config(path(middle))) <= limit:
            low = middle
        else:
            high = middle
    return smallest, path(low)


def _some(full: int, share: float) -> int:
    return max(1, int(share * full + 0.5))


def _standardised(row: np.ndarray) -> np.ndarray:
    spread = row.std()
    result: np.ndarray = (row - row.mean()) / (spread if spread > 0 else 1.0)
    return result


def _group_sizes(units: SubLayers, index: int) -> np.ndarray:
    bounds = [units.neurons(index, groups) for groups in range(len(units.ffn[index]) + 1)]
    return np.diff(bounds)


def _best_of_each_stack(rows: Sequence[np.ndarray], units: SubLayers) -> list[int]:
    """Number of the row with the best unit of each stack; rows are of all heads, then of all neurons."""
    depth = len(units.heads)
    stacks = [
        [number for index in stack for number in (index, depth + index)] for stack in units.shape.stacks
    ]
    return [max(own, key=lambda number: float(rows[number][0])) for own in stacks]


def _check(scores: Scores, budget: float, method: str, ffn_step: int) -> None:
    if method not in get_args(Allocation):
        raise ConfigError(f"unknown allocation {method!r}; allowed are {', '.join(get_args(Allocation))}")
    if not 0.0 < budget <= 1.0:
        raise ConfigError(f"budget {budget} is not allowed: give a share of parameters above 0, up to 1")
    if ffn_step < 1:
        raise ConfigError(f"ffn_step {ffn_step} is not allowed: give a whole number of neurons from 1")
    needed = {"uniform": (), "adaptive": ("layers",)}.get(method, ("heads", "ffn"))
    missing = [axis for axis in needed if getattr(scores, axis) is None]
    if missing:
        raise ConfigError(
            f"allocation {method} needs scores of {missing[0]}; take an importance that scores "
            f"{' and '.join(needed)}"
        )
