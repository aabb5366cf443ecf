"""What busy neighbours do to latency: is it flagged, do ratios hold, is the order right."""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.latency_shapes import Measured, ShapeTimer
from benchmarks.machine import describe_machine, use_one_thread
from benchmarks.neighbours import busy_neighbours, pinned
from search_spaces import LayerUnits, ModelShape, SubnetConfig

_NEIGHBOURS: Final = (0, 1, 2, 4)
_NEAR: Final = 0.02
_APART: Final = 0.1
_COLUMNS: Final = (
    "neighbours",
    "flagged contended",
    "usable",
    "usable ones off by at most 2 %",
    "their error, median and worst",
    "all: error of CPU-time ratio, median and worst",
    "right order, usable pairs",
    "right order, all pairs",
    "share of the processor",
    "seconds each",
)
_HEADER: Final = f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}"
#: Blocks, heads and neurons of each, as shares of MiniLM's.
_SIZES: Final = (
    (1.0, 1.0, 0.8),
    (1.0, 0.75, 0.6),
    (1.0, 0.5, 0.5),
    (0.67, 1.0, 0.5),
    (0.67, 0.5, 0.5),
    (0.5, 0.5, 0.5),
    (0.34, 0.67, 0.25),
    (0.17, 0.5, 0.25),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A shape measured beside some neighbours."""

    shape: int
    neighbours: int
    repetition: int
    measured: Measured

    @property
    def ratio(self) -> float:
        """The primary figure."""
        return self.measured.figure("ratio")


def shapes_of(full: ModelShape, number: int) -> list[SubnetConfig]:
    """Sub-networks from nearly the whole to a sixth, most of them 10 % or more apart."""
    return [_scaled(full, *sizes) for sizes in _SIZES[:number]]


def take(timer: ShapeTimer, configs: Sequence[SubnetConfig], given: argparse.Namespace) -> Iterable[Sample]:
    """Every shape with every number of neighbours, the numbers in turn, so that drift hits all alike."""
    for repetition, number in itertools.product(range(given.repetitions), given.neighbours):
        with busy_neighbours(number, given.cores):
            for shape, config in enumerate(configs):
                label = f"noise/{given.place}/{timer.length}/{number}/{repetition}"
                measured = timer.measure(label, config)
                print(f"  {label} shape {shape}: {_told(measured)}", flush=True)
                yield Sample(shape=shape, neighbours=number, repetition=repetition, measured=measured)


def line_of(number: int, samples: Sequence[Sample], quiet: np.ndarray) -> str:
    """A row of the table.

    Args:
        quiet: ratio of each shape without neighbours, `(shapes,)`.
    """
    here = [sample for sample in samples if sample.neighbours == number]
    usable = [sample for sample in here if sample.measured.result.is_usable]
    errors = [abs(sample.ratio / quiet[sample.shape] - 1) for sample in usable]
    cpu = [abs(one.measured.figure("cpu_ratio") / quiet[one.shape] - 1) for one in here]
    contended = [sample.measured.result.flag == "contended" for sample in here]
    cells = (
        str(number),
        f"{sum(contended)} of {len(here)}",
        f"{len(usable)} of {len(here)}",
        f"{sum(error <= _NEAR for error in errors)} of {len(errors)}",
        _median_and_worst(errors),
        _median_and_worst(cpu),
        _order(usable, quiet),
        _order(here, quiet),
        f"{np.mean([one.measured.figure('cpu_share') for one in here]):.2f}",
        f"{np.mean([one.measured.figure('seconds') for one in here]):.1f}",
    )
    return f"| {' | '.join(cells)} |"


def quiet_ratios(samples: Sequence[Sample], num_shapes: int) -> np.ndarray:
    """Each shape's median ratio without neighbours, `(shapes,)`."""
    return np.array(
        [
            np.median([one.ratio for one in samples if one.shape == shape and one.neighbours == 0])
            for shape in range(num_shapes)
        ]
    )


def main(arguments: list[str]) -> None:
    """Measure and print the table; interrupted, the same command with the same file goes on."""
    given = _parsed(arguments)
    use_one_thread()
    timer = ShapeTimer(file=given.file, length=given.length)
    configs = shapes_of(timer.supernet.shape, given.shapes)
    print(f"{describe_machine()}\n")
    with pinned(given.cores):
        samples = list(take(timer, configs, given))
    quiet = quiet_ratios(samples, len(configs))
    ratios = ", ".join(f"{ratio:.3f}" for ratio in quiet)
    print(
        f"\n{len(configs)} shapes of MiniLM at {ratios} of the full model, "
        f"{given.repetitions} times each; measured and neighbours on {given.place}\n\n{_HEADER}"
    )
    for number in given.neighbours:
        print(line_of(number, samples, quiet))


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks latency_noise", description=__doc__)
    parser.add_argument("--neighbours", type=int, nargs="+", default=_NEIGHBOURS, help="0 must be among them")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--shapes", type=int, default=len(_SIZES), choices=range(2, len(_SIZES) + 1))
    parser.add_argument("--length", type=int, default=128, help="tokens")
    parser.add_argument(
        "--all-cores", action="store_true", help="leave placement to the system; default all on one core"
    )
    parser.add_argument("--file", type=Path, help="measurements, kept and read")
    given = parser.parse_args(arguments)
    if 0 not in given.neighbours:
        parser.error(f"--neighbours {given.neighbours} lacks 0, with which the others are compared; add it")
    available = sorted(os.sched_getaffinity(0))
    given.cores = available if given.all_cores else available[-1:]
    given.place = f"all {len(available)} cores" if given.all_cores else "one core"
    return given


def _scaled(full: ModelShape, depth: float, heads: float, ffn: float) -> SubnetConfig:
    kept = max(1, round(depth * len(full.layers)))
    blocks = [
        LayerUnits(
            heads=max(1, round(heads * layer.num_key_value_heads)),
            ffn=max(1, round(ffn * layer.intermediate_size)),
        )
        for layer in full.layers[:kept]
    ]
    return SubnetConfig(
        hidden=full.hidden_size, layers=(*blocks, *(None for _ in full.layers[kept:]))
    ).canonical(full)


def _order(samples: Sequence[Sample], quiet: np.ndarray) -> str:
    """How many pairs of one repetition whose quiet ratios are 10 % or more apart keep their order."""
    right = [
        (one.ratio < other.ratio) == (quiet[one.shape] < quiet[other.shape])
        for one, other in itertools.combinations(samples, 2)
        if one.repetition == other.repetition and _are_apart(quiet[one.shape], quiet[other.shape])
    ]
    return f"{sum(right)} of {len(right)}"


def _are_apart(first: float, second: float) -> bool:
    return abs(first - second) >= _APART * min(first, second)


def _median_and_worst(errors: Sequence[float]) -> str:
    return f"{np.median(errors):.2%}, {max(errors):.2%}" if errors else ""


def _told(measured: Measured) -> str:
    return (
        f"{measured.figure('ratio'):.4f} [{measured.figure('ratio_low'):.4f}, "
        f"{measured.figure('ratio_high'):.4f}], CPU {measured.figure('cpu_ratio'):.4f}, "
        f"share {measured.figure('cpu_share'):.2f}, {measured.result.flag}"
    )
