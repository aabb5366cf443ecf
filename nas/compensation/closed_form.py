"""Closed forms that make a projection of fewer inputs answer as the one of all inputs did.

Shapes: a projection is `weight (outputs, inputs)` and acts on activations `x (inputs,)` of which the places
`kept` are left; all of it in float64. An error is the mean over tokens of the squared distance to the full
output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

from nas.compensation.options import UnitMethod

#: Added to the diagonal of what is inverted, as a share of its mean.
#: Source: Frantar & Alistarh 2023 (SparseGPT, arXiv 2301.00774), released code.
DAMPING: Final = 0.01
#: Roundings of the moments, against the uncentred ones, that the damping is never below.
_ROUNDINGS: Final = 8
#: Larger factors mean that the system is as good as singular; then none is used.
#: Source: Kwon et al. 2022 (arXiv 2204.09656), released code.
MAX_SCALE: Final = 10.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """First two moments of the inputs of a projection over the real tokens of calibration data.

    Attributes:
        second: mean of `x x^T`, `(inputs, inputs)` in float32.
        mean: mean of `x`, `(inputs,)` in float64.
        tokens: how many those were.
    """

    second: torch.Tensor
    mean: torch.Tensor
    tokens: int

    def covariance(self) -> torch.Tensor:
        """`(inputs, inputs)` in float64."""
        return self.second.double() - torch.outer(self.mean, self.mean)


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A projection of the kept inputs.

    Attributes:
        weight: `(outputs, kept)`.
        shift: what is added to the bias, `(outputs,)`, or None where the method has none.
    """

    weight: torch.Tensor
    shift: torch.Tensor | None = None


def fit_units(
    method: UnitMethod,
    weight: torch.Tensor,
    moments: Moments,
    kept: torch.Tensor,
    *,
    group: int = 1,
    damping: float = DAMPING,
) -> Fitted:
    """The kept columns of a projection, changed so that its output stays near that of all columns.

    Args:
        method: see `Compensation`.
        weight: of the full projection.
        moments: of its inputs.
        kept: places of the kept inputs, ascending.
        group: inputs a unit: `head_dim` for heads, 1 for neurons.
        damping: share of the mean diagonal.
    """
    if method == "none" or len(kept) == weight.shape[1]:
        return Fitted(weight=weight[:, kept])
    if method == "bias":
        return Fitted(weight=weight[:, kept], shift=_missing_mean(weight, moments, kept))
    if method == "mask_scale":
        return Fitted(weight=_scaled(weight, moments.second.double(), kept, group, damping))
    is_centred = method == "lstsq_bias"
    second = moments.covariance() if is_centred else moments.second.double()
    new = weight[:, kept] + _taken_over(weight, second, kept, _ridge(second, moments, damping))
    shift = weight @ moments.mean - new @ moments.mean[kept] if is_centred else None
    return Fitted(weight=new, shift=shift)


def fit_target(
    cross: torch.Tensor,
    target_mean: torch.Tensor,
    moments: Moments,
    kept: torch.Tensor,
    *,
    has_bias: bool,
    damping: float = DAMPING,
) -> Fitted:
    """The ridge regression of another target on the kept inputs.

    Args:
        cross: mean of `target x^T`, `(outputs, inputs)` in float64.
        target_mean: mean of the target, `(outputs,)`.
        moments: of the inputs.
        kept: places of the kept inputs.
        has_bias: fit an intercept too.
        damping: share of the mean diagonal.
    """
    second = moments.covariance() if has_bias else moments.second.double()
    if has_bias:
        cross = cross - torch.outer(target_mean, moments.mean)
    ridge = _ridge(second, moments, damping)
    weight = _solve(second[kept][:, kept], cross[:, kept].T, ridge).T
    return Fitted(weight=weight, shift=target_mean - weight @ moments.mean[kept] if has_bias else None)


def _missing_mean(weight: torch.Tensor, moments: Moments, kept: torch.Tensor) -> torch.Tensor:
    """Mean output of the missing inputs.

    Source: An et al. 2024 (FLAP, arXiv 2312.11983), Sec. 3.3; an existing bias is added to, not overwritten.
    """
    mean = moments.mean.clone()
    mean[kept] = 0.0
    return weight @ mean


def _taken_over(weight: torch.Tensor, second: torch.Tensor, kept: torch.Tensor, ridge: float) -> torch.Tensor:
    """What the kept columns take over of the missing ones: `W_P H_PS (H_SS + ridge I)^-1`.

    This minimises the error plus `ridge` times the squared change of the kept columns. Slices alone have no
    change, so they are never better; with nothing missing nothing changes.

    Source: the least squares of He et al. 2017 (arXiv 1707.06168), Eq. 3, and of OBS as in SparseGPT, with
    the damping drawn to the kept weights and not to zero.
    """
    missing = _complement(kept, len(second))
    lost = weight[:, missing] @ second[missing][:, kept]
    return _solve(second[kept][:, kept], lost.T, ridge).T


def _scaled(
    weight: torch.Tensor, second: torch.Tensor, kept: torch.Tensor, group: int, damping: float
) -> torch.Tensor:
    """The kept columns with one factor a unit, fitted by least squares with the damping drawn to 1.

    Source: Kwon et al. 2022 (arXiv 2204.09656), Sec. 4.3; there scales are fitted layer after layer on the
    pruned model's own activations, here on the full model's.
    """
    outputs = weight[:, kept].T @ weight  # (kept, inputs)
    products = outputs * second[kept]
    units = len(kept) // group
    by_unit = products.view(units, group, -1).sum(dim=1)
    among = by_unit[:, kept].view(units, units, group).sum(dim=2)
    lost = by_unit.sum(dim=1) - among.sum(dim=1)
    ridge = damping * float(among.diagonal().mean()) + torch.finfo(among.dtype).tiny
    factors = 1.0 + _solve(among, lost.unsqueeze(1), ridge).squeeze(1)
    if bool(factors.abs().max() > MAX_SCALE):
        return weight[:, kept]
    return weight[:, kept] * factors.repeat_interleave(group)


def _solve(matrix: torch.Tensor, right: torch.Tensor, ridge: float) -> torch.Tensor:
    """`(matrix + ridge I)^-1 right` of a symmetric matrix without negative eigenvalues."""
    damped = matrix + ridge * torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    return torch.cholesky_solve(right, torch.linalg.cholesky(damped))


def _ridge(second: torch.Tensor, moments: Moments, damping: float) -> float:
    own = moments.second
    floor = _ROUNDINGS * torch.finfo(own.dtype).eps * float(own.diagonal().double().mean())
    return max(damping * float(second.diagonal().mean()), floor, torch.finfo(torch.float32).tiny)


def _complement(kept: torch.Tensor, size: int) -> torch.Tensor:
    is_missing = torch.ones(size, dtype=torch.bool, device=kept.device)
    is_missing[kept] = False
    return is_missing.nonzero().squeeze(1)
