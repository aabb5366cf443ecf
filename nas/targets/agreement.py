"""Whether a measurement that another machine states agrees with its samples, its plan and itself."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, NoReturn

import numpy as np

from nas.errors import ConfigError
from nas.targets.results import Measurement
from workers import DeviceFingerprint, LatencyProtocol, PairedSamples
from workers.intervals import Interval, median_interval

_FLAGS: Final = ("ok", "noisy", "contended")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_FIGURES: Final = 100
_MAX_FIGURE: Final = 1e15
_MAX_PAIRS: Final = 1_000_000
_MAX_TEXT: Final = 200
#: Samples are float32, the figures were computed before they were rounded.
_ROUNDING: Final = 1e-5
#: Widths of intervals are small differences, which rounding changes more.
_SLACK: Final = 1e-3
#: The full model alone and beside itself may differ so much: neighbours may come in between.
_REFERENCE_SPREAD: Final = 20.0
_RATIOS: Final = ("wall_ratio", "cpu_ratio", "prefill_ratio")


def agreed_figures(
    measurement: Measurement, protocol: LatencyProtocol, device: DeviceFingerprint, *, is_full: bool
) -> dict[str, float]:
    """The figures of a measurement that agrees with its samples.

    Ratios are computed anew from the samples. That of a prompt alone, whose samples are not kept, must be in
    order, and a reference must be near what its samples say.

    Raises:
        ConfigError: with what does not agree.
    """
    key, flag = measurement.shape_key, measurement.flag
    if flag not in _FLAGS:
        _refuse(key, f"flag {flag[:40]!r}; allowed are {', '.join(_FLAGS)}")
    _check_state(key, measurement.state)
    figures = _checked_figures(key, measurement.statistics)
    samples = _checked_samples(key, measurement.samples, figures)
    if is_full:
        interval = _checked_reference(key, figures, samples)
    else:
        interval = _checked_ratios(key, figures, samples, _Clock(protocol, device))
    absolute = 0.0 if is_full else protocol.absolute_precision
    slack = 1 + _SLACK
    is_precise = interval.is_within(protocol.relative_precision * slack, absolute * slack)
    if flag == "ok" and not is_precise:
        _refuse(key, "flag ok, but an interval wider than the protocol asks for")
    share = figures.get("cpu_share", 1.0)
    if flag != "contended" and share < protocol.min_cpu_share:
        _refuse(key, f"flag {flag}, but it had {share:.0%} of the processor")
    return figures


class _Clock:
    """By which clock a ratio must have been taken: processor time where one thread lacked the processor."""

    def __init__(self, protocol: LatencyProtocol, device: DeviceFingerprint) -> None:
        self.confidence, self._least = protocol.confidence, protocol.min_cpu_share
        self._is_one_thread = device.device == "cpu" and device.threads == 1

    def is_cpu(self, samples: PairedSamples, *, stated: bool) -> bool:
        """Whether it is processor time; what was stated counts where rounding may decide."""
        cpu = np.stack([samples.candidate_cpu_ms, samples.reference_cpu_ms]).astype(np.float64)
        wall = np.stack([samples.candidate_wall_ms, samples.reference_wall_ms]).astype(np.float64)
        if not (self._is_one_thread and np.all(cpu > 0)):
            return False
        share = float(cpu.sum() / wall.sum())
        return stated if math.isclose(share, self._least, rel_tol=_ROUNDING) else share < self._least


def _checked_figures(key: str, statistics: Mapping[str, Any]) -> dict[str, float]:
    """Named, finite, not negative, and not so many; intervals in order."""
    if len(statistics) > _MAX_FIGURES:
        _refuse(key, f"{len(statistics)} figures; allowed are {_MAX_FIGURES}")
    for name, value in statistics.items():
        if not _NAME.fullmatch(name):
            _refuse(key, f"a figure named {name[:40]!r}")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= _MAX_FIGURE:
            _refuse(key, f"{name} = {str(value)[:40]}; allowed are numbers from 0 to {_MAX_FIGURE:g}")
    figures = {name: float(value) for name, value in statistics.items()}
    for name in _RATIOS:
        ends = [figures.get(f"{name}{end}") for end in ("_low", "", "_high")]
        known = [end for end in ends if end is not None]
        if known and (len(known) < len(ends) or known != sorted(known)):
            _refuse(key, f"{name} outside its interval, or without one")
    return figures


def _check_state(key: str, state: Mapping[str, Any]) -> None:
    """Some numbers and short texts, before and after."""
    for name, readings in state.items():
        if name not in ("before", "after") or not isinstance(readings, dict) or len(readings) > _MAX_FIGURES:
            _refuse(key, f"a state named {name[:40]!r}; allowed are readings before and after")
        for reading, value in readings.items():
            values = value if isinstance(value, list) else [value]
            if not _NAME.fullmatch(reading) or len(values) > _MAX_FIGURES or not all(map(_is_plain, values)):
                _refuse(key, f"a state with {reading[:40]!r}, which is no number or short text")


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _MAX_TEXT and value.isprintable()
    return isinstance(value, int | float) and abs(value) <= _MAX_FIGURE


def _checked_samples(key: str, data: bytes, figures: Mapping[str, float]) -> PairedSamples:
    """Samples of some pairs, each finite, wall time above 0."""
    try:
        samples = PairedSamples.from_bytes(data)
    except ValueError as error:
        raise ConfigError(f"shape {key[:40]}: its samples are no rows of float32: {error}") from error
    number = len(samples.candidate_wall_ms)
    if not 0 < number <= _MAX_PAIRS or number != figures.get("num_pairs", number):
        _refuse(key, f"samples of {number:,} pairs, not of {figures.get('num_pairs', _MAX_PAIRS):,.0f}")
    for row in fields(PairedSamples):
        values = getattr(samples, row.name)
        is_in_range = np.isfinite(values) & (values > 0 if "wall" in row.name else values >= 0)
        if not is_in_range.all():
            _refuse(key, f"{row.name} with {values[~is_in_range][0]}, which no clock measures")
    return samples


def _checked_ratios(
    key: str, figures: Mapping[str, float], samples: PairedSamples, clock: _Clock
) -> Interval:
    """The interval of the ratio to rank by; ratios must be those of the samples."""
    if "reference_ms" in figures:
        _refuse(key, "a reference_ms, which only the full model has")
    stated = figures.get("is_cpu_ratio", 0.0) > 0
    is_cpu = clock.is_cpu(samples, stated=stated)
    if is_cpu != stated:
        _refuse(key, f"is_cpu_ratio = {float(stated):.0f}, by its samples it is {float(is_cpu):.0f}")
    found = {"wall_ratio": _interval(samples.candidate_wall_ms, samples.reference_wall_ms, clock)}
    if np.all(samples.candidate_cpu_ms > 0) and np.all(samples.reference_cpu_ms > 0):
        found["cpu_ratio"] = _interval(samples.candidate_cpu_ms, samples.reference_cpu_ms, clock)
    primary = found["cpu_ratio" if is_cpu else "wall_ratio"]
    _match(key, "ratio", primary, figures)
    for name, interval in found.items():
        if name in figures:
            _match(key, name, interval, figures)
    return primary


def _match(key: str, name: str, interval: Interval, figures: Mapping[str, float]) -> None:
    for end, value in (("", interval.estimate), ("_low", interval.low), ("_high", interval.high)):
        stated = figures.get(f"{name}{end}")
        if stated is None or not math.isclose(stated, value, rel_tol=_ROUNDING):
            shown = "is missing" if stated is None else f"is {stated:.6g}"
            _refuse(key, f"a {name}{end} that {shown}, by its samples it is {value:.6g}")


def _checked_reference(key: str, figures: Mapping[str, float], samples: PairedSamples) -> Interval:
    """The interval of the full model's latency, which must be about that of its pairs."""
    names = ("reference_low_ms", "reference_ms", "reference_high_ms")
    missing = [name for name in names if name not in figures]
    if missing or "ratio" in figures:
        _refuse(key, f"no {missing[0]}" if missing else "a ratio, which the full model has not")
    low, middle, high = (figures[name] for name in names)
    if not 0 < low <= middle <= high:
        _refuse(key, f"reference_ms = {middle:.6g} outside its interval, {low:.6g} to {high:.6g}")
    paired = float(np.median(samples.reference_wall_ms))
    if not paired / _REFERENCE_SPREAD <= middle <= paired * _REFERENCE_SPREAD:
        _refuse(key, f"reference_ms = {middle:.6g}, by its samples it is about {paired:.6g}")
    return Interval(estimate=middle, low=low, high=high)


def _interval(candidate: np.ndarray, reference: np.ndarray, clock: _Clock) -> Interval:
    return median_interval(candidate.astype(np.float64) / reference, clock.confidence)


def _refuse(key: str, reason: str) -> NoReturn:
    raise ConfigError(f"shape {key[:40]}: it has {reason}; nothing was imported")
