"""How well latencies of MiniLM's sub-networks are predicted from a few that were measured."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from benchmarks.latency_shapes import MAX_SECONDS, Measured, ShapeTimer
from benchmarks.linear_latency import LinearLatency
from benchmarks.machine import describe_machine, use_one_thread
from nas.evaluation.latency import half_width
from nas.recovery import kendall_tau
from nas.targets.calibration import calibration_shapes
from nas.targets.prediction import LatencyPredictor
from search_spaces import SearchSpace, SubnetConfig
from workers.intervals import median_interval

#: Seed of the unseen sub-networks; that of the calibration is another.
_UNSEEN_SEED: Final = 12345
_MOST_ERROR: Final = 0.05
_LEAST_TAU: Final = 0.95
_HEADER: Final = (
    "| predictor | shapes measured | mean absolute error | worst | Kendall's tau | goals met "
    "| bound below held | left-out error, tau |\n|---|---|---|---|---|---|---|---|"
)


class Truth(NamedTuple):
    """Unseen sub-networks and their ratios.

    Attributes:
        rounds: each measurement, `(rounds, shapes)`.
        half_widths: half of each one's interval, as a share of it, `(rounds, shapes)`.
    """

    configs: list[SubnetConfig]
    ratios: np.ndarray
    rounds: np.ndarray
    half_widths: np.ndarray


def main(arguments: list[str]) -> None:
    """Measure and print the table; interrupted, the same command with the same file goes on."""
    given = _parsed(arguments)
    use_one_thread()
    timer = ShapeTimer(file=given.file, length=given.length, max_seconds=given.max_seconds)
    space = timer.supernet.space(given.space)
    print(f"{describe_machine()}\n")
    known = _measured(timer, "calibration", calibration_shapes(space, given.calibration))
    truth = _truth(timer, space, given)
    print(
        f"\nall-MiniLM-L6-v2, {given.space} space, {given.length} tokens, {len(truth.configs)} unseen "
        f"sub-networks at {truth.ratios.min():.3f} to {truth.ratios.max():.3f} of the full model, "
        f"{given.rounds} rounds of up to {given.max_seconds:g} s each; "
        f"{_disturbed(known)} of the calibration contended; the unseen are known to "
        f"± {truth.half_widths.mean():.1%} in a round\n"
    )
    print(_HEADER)
    for number in sorted({min(20, len(known)), len(known)}):
        print(_row_of_tables(space, known[:number], truth))
        print(_row_of_linear(space, known[:number], truth))
    print(_row_of_repeats(truth))


def _measured(timer: ShapeTimer, label: str, configs: Sequence[SubnetConfig]) -> list[Measured]:
    measured = []
    for number, config in enumerate(configs, start=1):
        one = timer.measure(f"{label}/{timer.length}/{timer.max_seconds:g}", config)
        measured.append(one)
        print(
            f"  {label} {number} of {len(configs)}: {one.figure('ratio'):.4f} ± "
            f"{half_width(one.result.statistics):.4f} {one.result.flag}",
            flush=True,
        )
    return measured


def _truth(timer: ShapeTimer, space: SearchSpace, given: argparse.Namespace) -> Truth:
    """All pairs of all rounds of a shape together; rounds one after the other, so that drift is seen."""
    generator = np.random.default_rng(_UNSEEN_SEED)
    configs = [space.sample(generator) for _ in range(given.unseen)]
    rounds = [_measured(timer, f"unseen/{number}", configs) for number in range(given.rounds)]
    ratios = [_pooled([measured[place] for measured in rounds]) for place in range(len(configs))]
    each = np.array([[one.figure("ratio") for one in measured] for measured in rounds])
    widths = np.array([[half_width(one.result.statistics) for one in measured] for measured in rounds])
    return Truth(configs=configs, ratios=np.array(ratios), rounds=each, half_widths=widths / each)


def _pooled(measured: Sequence[Measured]) -> float:
    return median_interval(np.concatenate([_pairs(one) for one in measured]), 0.95).estimate


def _pairs(measured: Measured) -> np.ndarray:
    """Ratios by the clock that the protocol ranks by."""
    samples = measured.samples
    if measured.result.statistics.get("is_cpu_ratio"):
        return samples.candidate_cpu_ms / samples.reference_cpu_ms
    return samples.candidate_wall_ms / samples.reference_wall_ms


def _row_of_tables(space: SearchSpace, known: Sequence[Measured], truth: Truth) -> str:
    predictor = LatencyPredictor(space.shape)
    for one in known:
        predictor.add(one.config, one.figure("ratio"), half_width(one.result.statistics))
    predicted = np.array([predictor.likely(config) for config in truth.configs], dtype=np.float64)
    bounds = np.array([predictor.lower(config) for config in truth.configs], dtype=np.float64)
    error = predictor.cross_validated()
    left_out = (
        "" if error is None else f"{error.mean_absolute_relative_error:.2%}, {_shown(error.kendall_tau)}"
    )
    held = f"{np.mean(bounds <= truth.ratios):.0%}"
    return _line("tables and residual", len(known), predicted, truth.ratios, (held, left_out))


def _row_of_linear(space: SearchSpace, known: Sequence[Measured], truth: Truth) -> str:
    linear = LinearLatency(space.shape)
    for one in known:
        linear.add(one.config, one.figure("ratio"))
    predicted = np.array([linear.likely(config) for config in truth.configs])
    return _line("linear, as before", len(known), predicted, truth.ratios, ("", ""))


def _row_of_repeats(truth: Truth) -> str:
    """What measuring anew would get: no predictor can be shown to be better than that."""
    if len(truth.rounds) < 2:
        return "| measured again | | | | | | | |"
    return _line("measured again", len(truth.configs), truth.rounds[1], truth.rounds[0], ("", ""))


def _line(name: str, number: int, predicted: np.ndarray, ratios: np.ndarray, rest: tuple[str, str]) -> str:
    errors = np.abs(predicted / ratios - 1)
    tau = kendall_tau(list(predicted), list(ratios))
    is_met = errors.mean() <= _MOST_ERROR and tau is not None and tau >= _LEAST_TAU
    cells = (
        name,
        str(number),
        f"{errors.mean():.2%}",
        f"{errors.max():.2%}",
        _shown(tau),
        "yes" if is_met else "**no**",
        *rest,
    )
    return f"| {' | '.join(cells)} |"


def _shown(tau: float | None) -> str:
    return "" if tau is None else f"{tau:.3f}"


def _disturbed(measured: Sequence[Measured]) -> int:
    return sum(one.result.flag == "contended" for one in measured)


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks latency_prediction", description=__doc__)
    parser.add_argument("--calibration", type=int, default=40, help="shapes to learn from")
    parser.add_argument("--unseen", type=int, default=60, help="random sub-networks to predict")
    parser.add_argument("--rounds", type=int, default=2, help="measurements of each unseen one")
    parser.add_argument("--space", default="medium")
    parser.add_argument("--length", type=int, default=128, help="tokens")
    parser.add_argument(
        "--max-seconds", type=float, default=MAX_SECONDS, help="of one measurement; default that of a search"
    )
    parser.add_argument("--file", type=Path, help="measurements, kept and read")
    return parser.parse_args(arguments)
