"""Objectives and constraints as text: one grammar for Python, the command line, config files and REST."""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

from nas.errors import ConfigError

Direction = Literal["max", "min"]
Relation = Literal["<=", ">="]
Quantity = Literal["count", "bytes", "milliseconds", "fraction", "number"]

EXACT_METRICS: Mapping[str, Quantity] = MappingProxyType(
    {
        "num_parameters": "count",
        "num_prunable_parameters": "count",
        "macs": "count",
        "weight_bytes": "bytes",
        "kv_cache_bytes": "bytes",
    }
)
#: Of a target that generates tokens: see docs/latency.md.
DECODE_METRICS: Mapping[str, Quantity] = MappingProxyType(
    {
        "time_to_first_token_ms": "milliseconds",
        "time_per_output_token_ms": "milliseconds",
        "tokens_per_second": "number",
        "batch_tokens_per_second": "number",
    }
)
MEASURED_METRICS: Mapping[str, Quantity] = MappingProxyType(
    {
        "latency_ms": "milliseconds",
        "latency_ratio": "fraction",
        "cpu_latency_ms": "milliseconds",
        **DECODE_METRICS,
        "peak_memory_bytes": "bytes",
        "energy_joules": "number",
    }
)
QUALITY_METRICS: Mapping[str, Quantity] = MappingProxyType(
    {
        "accuracy": "fraction",
        "balanced_accuracy": "fraction",
        "f1": "fraction",
        "f1_macro": "fraction",
        "matthews_correlation": "fraction",
        "pearson": "fraction",
        "spearman": "fraction",
        "exact_match": "fraction",
        "loss": "number",
        "perplexity": "number",
    }
)
KNOWN_METRICS: Mapping[str, Quantity] = MappingProxyType(
    {**EXACT_METRICS, **MEASURED_METRICS, **QUALITY_METRICS}
)

MAX_OBJECTIVES = 4

_UNITS: Mapping[Quantity, Mapping[str, Fraction]] = {
    "count": {
        "K": Fraction(10**3),
        "M": Fraction(10**6),
        "G": Fraction(10**9),
        "B": Fraction(10**9),
    },
    "bytes": {
        "KB": Fraction(10**3),
        "MB": Fraction(10**6),
        "GB": Fraction(10**9),
        "KiB": Fraction(2**10),
        "MiB": Fraction(2**20),
        "GiB": Fraction(2**30),
    },
    "milliseconds": {"ms": Fraction(1), "s": Fraction(1000)},
    "fraction": {"%": Fraction(1, 100)},
    "number": {},
}
_PERCENT = {"%": Fraction(1, 100)}
_SUFFIXES: Mapping[str, Quantity] = {"_ms": "milliseconds", "_bytes": "bytes", "_ratio": "fraction"}

_OBJECTIVE = re.compile(r"\s*(\S+)\s+(\S+)\s*")
_CONSTRAINT = re.compile(
    r"""\s*(?P<metric>[A-Za-z_](?:[\w-]*/\w+|\w*))
        \s*(?P<relation><=|>=)
        \s*(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)
        \s*(?P<unit>[A-Za-z%]+)?
        \s*(?P<relative>\*\s*baseline)?\s*""",
    re.VERBOSE | re.ASCII,
)
_MAX_LENGTH = 200
_GRAMMAR = 'METRIC (<=|>=) NUMBER [UNIT] [* baseline], e.g. "latency_ms <= 8" or "macs <= 0.6 * baseline"'


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric to maximise or minimise.

    Raises:
        ConfigError: a direction other than `max` or `min`.
    """

    metric: str
    direction: Direction

    def __post_init__(self) -> None:
        if self.direction not in ("max", "min"):
            raise ConfigError(
                f"objective: got direction {self.direction!r}; write max or min, e.g. 'max accuracy'"
            )

    @classmethod
    def parse(cls, text: str, *, metrics: Iterable[str] = ()) -> Objective:
        """Read `max METRIC` or `min METRIC`.

        Args:
            text: e.g. `max accuracy`.
            metrics: names that the user's own evaluator reports, allowed besides the known ones.

        Raises:
            ConfigError: another form, or a metric that is not known.
        """
        match = _OBJECTIVE.fullmatch(_checked_text(text, "objective"))
        if match is None or match[1] not in ("max", "min"):
            raise ConfigError(f"objective: got {_shown(text)}; write (max|min) METRIC, e.g. 'max accuracy'")
        _check_metric(match[2], text, metrics)
        return cls(match[2], "max" if match[1] == "max" else "min")

    def __str__(self) -> str:
        return f"{self.direction} {self.metric}"

    def minimised(self, value: float) -> float:
        """The value with its sign such that smaller is better."""
        return 0.0 - value if self.direction == "max" else value


@dataclass(frozen=True, kw_only=True, slots=True)
class Constraint:
    """An inequality on one metric.

    Attributes:
        metric: name of the metric.
        relation: which side of the threshold is allowed; the threshold itself always is.
        number: as written, before its unit.
        unit: as written, or None for the metric's own unit.
        relative_to_baseline: the number is a share of the full model's value.
    """

    metric: str
    relation: Relation
    number: float
    unit: str | None = None
    relative_to_baseline: bool = False

    def __post_init__(self) -> None:
        if self.relation not in ("<=", ">="):
            raise ConfigError(f"constraint on {self.metric}: got relation {self.relation!r}; write <= or >=")
        if not math.isfinite(self.number):
            raise ConfigError(f"constraint on {self.metric}: got {self.number}; write a finite number")
        if self.unit is not None and self.unit not in self._units:
            raise ConfigError(self._unit_message())
        if self.number < 0 and self.relation == "<=" and self._is_cost:
            raise ConfigError(
                f"constraint: got {str(self)!r}, which no sub-network meets; {self.metric} is never negative"
            )

    @classmethod
    def parse(cls, text: str, *, metrics: Iterable[str] = ()) -> Constraint:
        """Read `METRIC (<=|>=) NUMBER [UNIT] [* baseline]`.

        Args:
            text: e.g. `num_parameters <= 60M` or `accuracy >= 0.98 * baseline`.
            metrics: names that the user's own evaluator reports, allowed besides the known ones.

        Raises:
            ConfigError: another form, an unknown metric, or a unit that is not the metric's.
        """
        match = _CONSTRAINT.fullmatch(_checked_text(text, "constraint"))
        if match is None:
            raise ConfigError(f"constraint: got {_shown(text)}; write {_GRAMMAR}")
        _check_metric(match["metric"], text, metrics)
        return cls(
            metric=match["metric"],
            relation="<=" if match["relation"] == "<=" else ">=",
            number=float(match["number"]),
            unit=match["unit"],
            relative_to_baseline=match["relative"] is not None,
        )

    def __str__(self) -> str:
        number = repr(float(self.number)).removesuffix(".0")
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.metric} {self.relation} {number}{unit}{' * baseline' * self.relative_to_baseline}"

    def threshold(self, baseline: Mapping[str, float]) -> float:
        """The bound in the metric's own unit.

        Computed in rational numbers, so that `0.57 * baseline` of 100 is exactly 57.

        Raises:
            ConfigError: a relative constraint whose metric the baseline lacks, or has below zero.
        """
        share_of = self._baseline_value(baseline) if self.relative_to_baseline else 1.0
        try:
            return _product(self.number, self._factor, share_of)
        except OverflowError:
            raise ConfigError(f"constraint {str(self)!r}: the threshold is too large for a float") from None

    def violation(self, value: float, baseline: Mapping[str, float]) -> float:
        """How far a value is on the wrong side, as a share of the threshold; feasible iff not above 0.

        Raises:
            ConfigError: a value that is not finite, or no threshold.
        """
        if not math.isfinite(value):
            raise ConfigError(f"constraint {str(self)!r}: got the value {value}; it must be finite")
        bound = self.threshold(baseline)
        excess = value - bound if self.relation == "<=" else bound - value
        scaled = excess / (abs(bound) or 1.0)
        if excess > 0:
            return min(max(scaled, math.ulp(0.0)), math.nextafter(math.inf, 0))
        return max(scaled, math.nextafter(-math.inf, 0))

    def satisfied(self, metrics: Mapping[str, float], baseline: Mapping[str, float]) -> bool:
        """Whether a sub-network's metrics meet the constraint.

        Raises:
            ConfigError: the metric is missing.
        """
        if self.metric not in metrics:
            raise ConfigError(
                f"constraint {str(self)!r}: {self.metric} was not measured; there is {_listed(metrics)}"
            )
        return self.violation(metrics[self.metric], baseline) <= 0

    @property
    def _units(self) -> Mapping[str, Fraction]:
        return _PERCENT if self.relative_to_baseline else _UNITS[quantity(self.metric)]

    @property
    def _factor(self) -> Fraction:
        return self._units[self.unit] if self.unit else Fraction(1)

    @property
    def _is_cost(self) -> bool:
        return self.metric in EXACT_METRICS or self.metric in MEASURED_METRICS

    def _unit_message(self) -> str:
        subject = f"{self.metric} * baseline" if self.relative_to_baseline else self.metric
        allowed = f"allowed are {_listed(self._units)}, or none" if self._units else "it takes no unit"
        return f"constraint on {self.metric}: got unit {self.unit!r} for {subject}; {allowed}"

    def _baseline_value(self, baseline: Mapping[str, float]) -> float:
        if self.metric not in baseline:
            raise ConfigError(
                f"constraint {str(self)!r}: the baseline has no {self.metric}; it has {_listed(baseline)}"
            )
        value = baseline[self.metric]
        if not math.isfinite(value) or value < 0:
            raise ConfigError(
                f"constraint {str(self)!r}: the baseline's {self.metric} is {value}, of which a share "
                "means nothing; give an absolute number"
            )
        return value


def quantity(metric: str) -> Quantity:
    """What a metric counts: a known one by its name, a user's own by its suffix."""
    if metric in KNOWN_METRICS:
        return KNOWN_METRICS[metric]
    for suffix, kind in _SUFFIXES.items():
        if metric.endswith(suffix):
            return kind
    return "count" if metric.startswith("num_") else "number"


def parse_objectives(texts: Sequence[str], *, metrics: Iterable[str] = ()) -> tuple[Objective, ...]:
    """Read one to four objectives.

    Raises:
        ConfigError: too few, too many, a metric given twice, or one that does not parse.
    """
    _check_list(texts, "objectives")
    own = tuple(metrics)
    objectives = tuple(Objective.parse(text, metrics=own) for text in texts)
    if not 1 <= len(objectives) <= MAX_OBJECTIVES:
        raise ConfigError(f"objectives: got {len(objectives)}; give 1 to {MAX_OBJECTIVES}")
    _refuse_repeated([objective.metric for objective in objectives], "objectives")
    return objectives


def parse_constraints(texts: Sequence[str], *, metrics: Iterable[str] = ()) -> tuple[Constraint, ...]:
    """Read any number of constraints.

    Raises:
        ConfigError: one given twice, or one that does not parse.
    """
    _check_list(texts, "constraints")
    own = tuple(metrics)
    constraints = tuple(Constraint.parse(text, metrics=own) for text in texts)
    _refuse_repeated([str(constraint) for constraint in constraints], "constraints")
    return constraints


def quality_metrics(objectives: Iterable[Objective], constraints: Iterable[Constraint]) -> tuple[str, ...]:
    """Metrics that they name and that only an evaluator can measure, each once."""
    named = [*(o.metric for o in objectives), *(c.metric for c in constraints)]
    return tuple(dict.fromkeys(m for m in named if m not in EXACT_METRICS and m not in MEASURED_METRICS))


def _check_list(texts: Sequence[str], name: str) -> None:
    if isinstance(texts, str):
        raise ConfigError(f"{name}: got the text {_shown(texts)}; give a list, e.g. [{_shown(texts)}]")


def _refuse_repeated(names: Sequence[str], where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{where}: {name!r} is given twice; keep one")


def _checked_text(text: str, name: str) -> str:
    if not isinstance(text, str):
        raise ConfigError(f"{name}: got {_shown(text)} of type {type(text).__name__}; write a text")
    if len(text) > _MAX_LENGTH:
        raise ConfigError(f"{name}: got {len(text)} characters; at most {_MAX_LENGTH} are allowed")
    return text


def _check_metric(metric: str, text: str, own: Iterable[str]) -> None:
    known = list(dict.fromkeys([*own, *KNOWN_METRICS]))
    if metric in known:
        return
    nearest = difflib.get_close_matches(metric, known, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else "."
    raise ConfigError(f"unknown metric {metric!r} in {_shown(text)}{hint} Known are {_listed(known)}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


@functools.lru_cache(maxsize=256)
def _product(number: float, factor: Fraction, share_of: float) -> float:
    """Exact until it is rounded once; a study asks for the same few again for each of its trials."""
    return float(Fraction(repr(float(number))) * factor * Fraction(share_of))
