"""Budgets as an address carries them: `max.latency_ms=6`, `min.accuracy=0.9`, and free `where` texts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from nas.objectives import Constraint, Objective, Relation
from nas.service.problems import ProblemError
from nas.service.web.environment import metric_title, plain
from nas.service.web.plots.scale import tick_step

#: Costs that get a slider wherever they were measured, objectives or not.
_ALWAYS: Final = ("num_parameters", "latency_ms")
_RELATIONS: Final[Mapping[str, Relation]] = {"max": "<=", "min": ">="}
_STEPS: Final = 200
_MOST: Final = 32


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A slider with its number.

    Attributes:
        bound: `max` or `min`: which side of the value is allowed.
        low: least value of the slider.
        high: largest value of the slider.
        value: the budget, None for none.
    """

    metric: str
    bound: Literal["max", "min"]
    low: float
    high: float
    step: float
    value: float | None

    @property
    def name(self) -> str:
        """Of its field in the address."""
        return f"{self.bound}.{self.metric}"

    @property
    def title(self) -> str:
        """In words."""
        return f"{metric_title(self.metric)}, at {'most' if self.bound == 'max' else 'least'}"

    @property
    def free(self) -> float:
        """Where the slider stands without a budget."""
        return self.high if self.bound == "max" else self.low

    @property
    def constraint(self) -> str | None:
        """As the `where` grammar writes it."""
        if self.value is None:
            return None
        return f"{self.metric} {_RELATIONS[self.bound]} {plain(self.value)}"


def budget_metrics(
    objectives: Sequence[Objective], constraints: Sequence[Constraint], metrics: Iterable[str]
) -> dict[str, Literal["max", "min"]]:
    """Metrics that get a slider: objectives that are costs, those of constraints, size and latency."""
    found: dict[str, Literal["max", "min"]] = {}
    for objective in objectives:
        if objective.direction == "min":
            found[objective.metric] = "max"
    for constraint in constraints:
        found.setdefault(constraint.metric, "max" if constraint.relation == "<=" else "min")
    for metric in _ALWAYS:
        if metric in metrics:
            found.setdefault(metric, "max")
    return found


def budget(
    metric: str, bound: Literal["max", "min"], values: tuple[float, float], given: Mapping[str, str]
) -> Budget:
    """The slider of a metric.

    Args:
        metric: its name.
        bound: which side of the value is allowed.
        values: least and largest value in the study.
        given: fields of the address.

    Raises:
        ProblemError: 422, a field that is no number.
    """
    low, high = values
    step = tick_step(max(high - low, abs(high) * 1e-3, 1e-9), _STEPS)
    return Budget(
        metric=metric,
        bound=bound,
        low=math.floor(low / step) * step,
        high=math.ceil(high / step) * step,
        step=step,
        value=_number(f"{bound}.{metric}", given),
    )


def where_texts(budgets: Iterable[Budget], texts: Sequence[str]) -> list[str]:
    """All budgets in the `where` grammar.

    Raises:
        ProblemError: 422, too many.
    """
    written = [one for text in texts for one in text.split("\n")]
    where = [b.constraint for b in budgets if b.constraint] + [t.strip() for t in written if t.strip()]
    if len(where) > _MOST:
        raise ProblemError(422, "not-allowed", f"got {len(where)} budgets; give at most {_MOST}")
    return where


def _number(name: str, given: Mapping[str, str]) -> float | None:
    text = given.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ProblemError(422, "not-allowed", f"{name}: got {text[:40]!r}; give a number, or leave it empty")
    return value
