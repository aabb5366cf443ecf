"""Entering and leaving a sub-network of 12 layers, and whether any weight is copied."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from benchmarks.machine import use_one_thread
from benchmarks.models import (
    BERT_BASE,
    MINILM_12,
    TINY,
    every_second_unit,
    narrow,
    quarter,
    random_supernet,
)
from benchmarks.table import Goal, Row, median_of, shown
from nas.supernet import Supernet
from search_spaces import SubnetConfig

_GOAL: Final = Goal("<=", 1.0)
_REPEATS: Final = 300


def run(*, quick: bool) -> list[Row]:
    use_one_thread()
    rows = []
    for name in (TINY,) if quick else (MINILM_12, BERT_BASE):
        supernet = random_supernet(name)
        prefixes = {
            "middle": supernet.space("uniform").middle(),
            "quarter": quarter(supernet),
            "narrow": narrow(supernet),
            "sizes by layer": supernet.space("medium").sample(np.random.default_rng(1)),
        }
        for kind, config in prefixes.items():
            assert_nothing_is_copied(supernet, config)
            case = f"activate and leave, {name}, {kind}"
            rows.append(_row(case, supernet, config, _GOAL, repeats=3 if quick else _REPEATS))
        case = f"activate and leave, {name}, index sets (copies)"
        rows.append(_row(case, supernet, every_second_unit(supernet), None, repeats=3))
    return rows


def assert_nothing_is_copied(supernet: Supernet, config: SubnetConfig) -> None:
    """Every weight of the active sub-network lies in memory of a full weight."""
    memory = {weight.untyped_storage().data_ptr() for weight in supernet.model.parameters()}
    with supernet.active(config) as model:
        for module in model.modules():
            for name, weight in module._parameters.items():
                if weight is not None and weight.untyped_storage().data_ptr() not in memory:
                    raise AssertionError(f"{name} of {type(module).__name__} was copied")


def _row(case: str, supernet: Supernet, config: SubnetConfig, goal: Goal | None, *, repeats: int) -> Row:
    cpu, wall = [], []
    for _ in range(repeats):
        wall_start, cpu_start = time.perf_counter_ns(), time.thread_time_ns()
        with supernet.active(config):
            pass
        cpu.append((time.thread_time_ns() - cpu_start) / 1e6)
        wall.append((time.perf_counter_ns() - wall_start) / 1e6)
    also = f"wall {shown(median_of(wall), 'ms')}, {repeats} times"
    return Row(case=case, figure=median_of(cpu), unit="ms", goal=goal, also=also)
