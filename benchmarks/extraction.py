"""Extracting a sub-network ÷ copying as many bytes, both into new memory."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch

from benchmarks.machine import allocate_anew, use_one_thread
from benchmarks.models import (
    BERT_BASE,
    MINILM,
    TINY,
    every_second_unit,
    narrow,
    quarter,
    random_supernet,
)
from benchmarks.pairs import paired_row
from benchmarks.table import Goal, Row
from nas.supernet import Supernet
from search_spaces import SubnetConfig

_GOAL: Final = Goal("<=", 1.5)


def run(*, quick: bool) -> list[Row]:
    use_one_thread()
    allocate_anew()
    rows = []
    for name in (TINY,) if quick else (MINILM, BERT_BASE):
        supernet = random_supernet(name)
        prefixes = {
            "middle": supernet.space("uniform").middle(),
            "quarter": quarter(supernet),
            "narrow": narrow(supernet),
            "sizes by layer": supernet.space("medium").sample(np.random.default_rng(1)),
        }
        for kind, config in prefixes.items():
            rows.append(_row(f"{name}, {kind}", supernet, config, _GOAL, quick=quick))
        rows.append(_row(f"{name}, index sets", supernet, every_second_unit(supernet), None, quick=quick))
    return rows


def _row(case: str, supernet: Supernet, config: SubnetConfig, goal: Goal | None, *, quick: bool) -> Row:
    weights = [weight.detach() for weight in supernet.extract(config).parameters()]
    size = sum(weight.nbytes for weight in weights) / 1e6

    def copy() -> list[torch.Tensor]:
        return [weight.clone() for weight in weights]

    return paired_row(
        f"extract ÷ copy, {case}, {size:.3g} MB",
        lambda: supernet.extract(config),
        copy,
        goal=goal,
        quick=quick,
    )
