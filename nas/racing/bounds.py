"""The mean over all examples, estimated from the first of them, and how far it may be off.

Candidates that were evaluated in full serve as control variates: their means over all examples are known, so
that what they did on the first ones says how hard these were. Source: Cochran 1977, "Sampling Techniques",
chapter 7 (regression estimators of finite populations).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = "npt.NDArray[np.float64]"

#: Weight of the prior that the control variates share a slope of 1, in squared deviations of them.
_RIDGE: Final = 2.0
#: Squared deviation that is added to what was seen, in those of one observation of the metric's own range:
#: a handful of examples on which two sub-networks agree does not prove that they always do.
_UNSEEN: Final = 0.5
_KAPPA: Final = 7 / 3 + 3 / math.sqrt(2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A mean over all examples as it is known from a part of them, on the metric's linear scale.

    Attributes:
        mean: estimated.
        error: standard error for a normal bound; the half width itself for an anytime bound.
        is_normal: whether `error` is multiplied by a quantile.
    """

    mean: float
    error: float
    is_normal: bool = True

    def bound(self, quantile: float, sign: int) -> float:
        """The upper (`sign` 1) or lower (-1) bound."""
        return self.mean + sign * self.error * (quantile if self.is_normal else 1.0)


def regression_estimate(
    values: Array, controls: Array, control_means: Array, *, share: float, spread: float
) -> Estimate:
    """The mean over all examples by regression on control variates, without replacement.

    Args:
        values: of the examples seen, `(m,)`.
        controls: the same of sub-networks that are known in full, `(m, k)`; `k` may be 0.
        control_means: their means over all examples, `(k,)`.
        share: of the examples seen, of all.
        spread: largest squared deviation that one unseen observation is reckoned with.
    """
    size, count = controls.shape
    centre, middle = values.mean(), controls.mean(axis=0) if count else control_means
    deviations, residuals = controls - middle, values - centre
    freedom = size - 1.0
    slopes = np.full(count, 1 / max(count, 1))
    if count:
        gram = deviations.T @ deviations
        penalised = gram + _RIDGE * spread * np.eye(count)
        slopes = slopes + np.linalg.solve(penalised, deviations.T @ (residuals - deviations @ slopes))
        residuals = residuals - deviations @ slopes
        freedom -= float(np.trace(np.linalg.solve(penalised, gram)))
    variance = (float(residuals @ residuals) + _UNSEEN * spread) / max(freedom, 1.0)
    mean = float(centre + (control_means - middle) @ slopes)
    return Estimate(mean=mean, error=math.sqrt(variance * max(0.0, 1 - share) / size))


def serfling_estimate(
    values: Array, control: Array | None, control_mean: float, *, num_examples: int, risk: float
) -> Estimate:
    """A mean with a bound that holds for any values from 0 to 1, by the empirical Bernstein-Serfling bound.

    Source: Bardenet and Maillard 2015, "Concentration inequalities for sampling without replacement",
    Theorem 3: an error above the bound has a probability of at most `risk`, here for a side. Differences to
    one control variate, chosen before the values were seen, lie from -1 to 1.

    Args:
        values: of the examples seen, `(m,)`, each from 0 to 1.
        control: the same of a sub-network that is known in full, or None.
        control_mean: its mean over all examples.
        num_examples: of the whole data.
        risk: of all stages together, divided by their number.
    """
    seen = len(values)
    differences, span, known = values, 1.0, 0.0
    if control is not None:
        differences, span, known = values - control, 2.0, control_mean
    if seen <= num_examples / 2:
        left = 1 - (seen - 1) / num_examples
    else:
        left = (1 - seen / num_examples) * (1 + 1 / seen)
    factor = math.log(5 / risk)
    half = float(differences.std()) * math.sqrt(2 * left * factor / seen) + _KAPPA * span * factor / seen
    return Estimate(mean=float(differences.mean()) + known, error=half, is_normal=False)
